"""What is left of an erasure once the database has forgotten: successors of datasets, files, Dagster's own tables.

Belongs here: finishing the tasks of `glow.erasure_tasks`, finding erased texts by content. Does not: what is erased in
the tables (sql/api/erasure.sql), SQL (store), when it is done (defs, commands).
"""

from glow_pipelines.erasure.finish import Finished, finish_erasures

__all__ = ["Finished", "finish_erasures"]
