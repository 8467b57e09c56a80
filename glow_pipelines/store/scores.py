"""The score cache in the database, as the evaluator sees it.

Belongs here: the adapter from that port to the store. Does not: what a key is made of (learning/prompts/scores).
"""

from collections.abc import Mapping, Sequence

from glow_pipelines.learning.prompts.scores import Scored, ScoreKey
from glow_pipelines.store.store import Store


class StoredScores:
    """A `ScoreCache` in Postgres. Each batch is committed as it arrives.

    `models` are the names of all models behind a score, with whatever else decides what they answer: the one that
    answers, the one that judges or makes vectors.
    """

    def __init__(self, store: Store, *models: str) -> None:
        self._store, self._models = store, models

    def get_many(self, keys: Sequence[ScoreKey]) -> dict[ScoreKey, Scored]:
        by_hash = {key.sha256(*self._models): key for key in keys}
        with self._store.transaction() as t:
            known = t.judges.cached_scores(list(by_hash))
        return {by_hash[key]: found for key, found in known.items()}

    def put_many(self, scores: Mapping[ScoreKey, Scored]) -> None:
        rows = [
            {
                "key": key.sha256(*self._models),
                "metric": key.metric,
                "version": key.metric_version,
                "score": found.score,
                "valid": found.valid,
            }
            for key, found in scores.items()
        ]
        with self._store.transaction() as t:
            t.judges.cache_scores(rows)
