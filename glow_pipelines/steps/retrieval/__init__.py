"""Between the store and the retrieval engine.

Belongs here: the order of steps, batches, transactions. Does not: Dagster (defs), formulas (learning/retrieval).
"""
