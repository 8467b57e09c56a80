"""The steps of a turn that need both the store and an engine.

Belongs here: reading what an engine needs, calling it, writing what it found; callable from an asset, the demo or a
notebook. Does not: Dagster (defs), SQL (store), decisions (learning).
"""
