"""The only Python that speaks SQL.

Belongs here: one module per noun, each a class of verbs over one open transaction, and the values they return (the
dataclasses of `learning`, or plain rows). Does not: decisions (learning), Dagster (defs), SQL text (sql/queries).
"""

from glow_pipelines.store.store import Store, Transaction

__all__ = ["Store", "Transaction"]
