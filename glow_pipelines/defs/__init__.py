"""The only folder that imports Dagster.

Belongs here: one module per noun with its assets and their checks, and one each for what connects nouns (jobs,
schedules, sensors). Does not: SQL (store), decisions (learning), model calls (providers). Loading touches neither
network nor database.
"""
