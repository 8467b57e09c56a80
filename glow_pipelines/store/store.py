"""The store: a pool, and one transaction per `with`.

Belongs here: opening transactions and handing out the nouns. Does not: queries (the noun modules).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from glow_pipelines.database import urls
from glow_pipelines.store.annotations import Annotations
from glow_pipelines.store.curation import Curation
from glow_pipelines.store.curation_policies import CurationPolicies
from glow_pipelines.store.datasets import Datasets
from glow_pipelines.store.documents import Documents
from glow_pipelines.store.drafts import Drafts
from glow_pipelines.store.erasure import Erasures
from glow_pipelines.store.experiment_statistics import ExperimentStatistics
from glow_pipelines.store.experiment_traffic import ExperimentTraffic
from glow_pipelines.store.experiment_views import ExperimentViews
from glow_pipelines.store.experiments import Experiments
from glow_pipelines.store.exports import Exports
from glow_pipelines.store.feedback import Feedback
from glow_pipelines.store.heard import Heard
from glow_pipelines.store.imports import Imports
from glow_pipelines.store.input_groups import InputGroups
from glow_pipelines.store.judges import Judges
from glow_pipelines.store.models import Models
from glow_pipelines.store.notifications import Notifications
from glow_pipelines.store.noun import Row
from glow_pipelines.store.operations import Operations
from glow_pipelines.store.optimizations import Optimizations
from glow_pipelines.store.pair_exports import PairExports
from glow_pipelines.store.patterns import Patterns
from glow_pipelines.store.prompts import Prompts
from glow_pipelines.store.quality import AnnotationQuality
from glow_pipelines.store.requests import Requests
from glow_pipelines.store.retrieval import Retrieval
from glow_pipelines.store.retrieval_analytics import RetrievalAnalytics
from glow_pipelines.store.retrieval_configurations import RetrievalConfigurations
from glow_pipelines.store.retrieval_index import RetrievalIndexes
from glow_pipelines.store.retrieval_sessions import RetrievalSessions
from glow_pipelines.store.retrieval_signals import RetrievalSignals
from glow_pipelines.store.reviews import Reviews
from glow_pipelines.store.rollouts import Rollouts


class Transaction:
    """The nouns, all in one transaction."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.connection = connection

    @cached_property
    def feedback(self) -> Feedback:
        return Feedback(self.connection)

    @cached_property
    def annotations(self) -> Annotations:
        return Annotations(self.connection)

    @cached_property
    def reviews(self) -> Reviews:
        return Reviews(self.connection)

    @cached_property
    def quality(self) -> AnnotationQuality:
        return AnnotationQuality(self.connection)

    @cached_property
    def curation(self) -> Curation:
        return Curation(self.connection)

    @cached_property
    def datasets(self) -> Datasets:
        return Datasets(self.connection)

    @cached_property
    def heard(self) -> Heard:
        return Heard(self.connection)

    @cached_property
    def input_groups(self) -> InputGroups:
        return InputGroups(self.connection)

    @cached_property
    def curation_policies(self) -> CurationPolicies:
        return CurationPolicies(self.connection)

    @cached_property
    def patterns(self) -> Patterns:
        return Patterns(self.connection)

    @cached_property
    def drafts(self) -> Drafts:
        return Drafts(self.connection)

    @cached_property
    def exports(self) -> Exports:
        return Exports(self.connection)

    @cached_property
    def prompts(self) -> Prompts:
        return Prompts(self.connection)

    @cached_property
    def optimizations(self) -> Optimizations:
        return Optimizations(self.connection)

    @cached_property
    def notifications(self) -> Notifications:
        return Notifications(self.connection)

    @cached_property
    def judges(self) -> Judges:
        return Judges(self.connection)

    @cached_property
    def retrieval(self) -> Retrieval:
        return Retrieval(self.connection)

    @cached_property
    def retrieval_signals(self) -> RetrievalSignals:
        return RetrievalSignals(self.connection)

    @cached_property
    def retrieval_configurations(self) -> RetrievalConfigurations:
        return RetrievalConfigurations(self.connection)

    @cached_property
    def retrieval_sessions(self) -> RetrievalSessions:
        return RetrievalSessions(self.connection)

    @cached_property
    def retrieval_analytics(self) -> RetrievalAnalytics:
        return RetrievalAnalytics(self.connection)

    @cached_property
    def documents(self) -> Documents:
        return Documents(self.connection)

    @cached_property
    def retrieval_index(self) -> RetrievalIndexes:
        return RetrievalIndexes(self.connection)

    @cached_property
    def pair_exports(self) -> PairExports:
        return PairExports(self.connection)

    @cached_property
    def models(self) -> Models:
        return Models(self.connection)

    @cached_property
    def experiments(self) -> Experiments:
        return Experiments(self.connection)

    @cached_property
    def experiment_views(self) -> ExperimentViews:
        return ExperimentViews(self.connection)

    @cached_property
    def rollouts(self) -> Rollouts:
        return Rollouts(self.connection)

    @cached_property
    def experiment_traffic(self) -> ExperimentTraffic:
        return ExperimentTraffic(self.connection)

    @cached_property
    def experiment_statistics(self) -> ExperimentStatistics:
        return ExperimentStatistics(self.connection)

    @cached_property
    def imports(self) -> Imports:
        return Imports(self.connection)

    @cached_property
    def requests(self) -> Requests:
        return Requests(self.connection)

    @cached_property
    def erasures(self) -> Erasures:
        return Erasures(self.connection)

    @cached_property
    def operations(self) -> Operations:
        return Operations(self.connection)


class Store:
    """Our tables. Opens its pool at the first transaction, so that making a Store touches nothing."""

    def __init__(self, url: str, pool_size: int = 4) -> None:
        self._url = url
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._pool: ConnectionPool[psycopg.Connection[Row]] | None = None

    def __repr__(self) -> str:
        return f"Store({urls.mask(self._url)})"

    def _open_pool(self) -> "ConnectionPool[psycopg.Connection[Row]]":
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    urls.for_libpq(self._url),
                    connection_class=psycopg.Connection[Row],
                    kwargs={"row_factory": dict_row},
                    min_size=0,
                    max_size=self._pool_size,
                    open=True,
                    name="glow",
                )
            return self._pool

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self._open_pool().connection() as connection:
            yield Transaction(connection)

    def close(self) -> None:
        """Close the pool. The next transaction opens it again."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None
