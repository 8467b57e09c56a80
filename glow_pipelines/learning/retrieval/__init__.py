"""Retrieval that improves from what users clicked, cited, kept and rejected.

Belongs here: the pure engine from logged searches to a tested configuration. Does not belong here: tables, embedding
models, Dagster. Only what callers outside need is named here.
"""

from glow_pipelines.learning.retrieval.analysis import RetrievalReport
from glow_pipelines.learning.retrieval.gate import Comparison, RetrievalGate
from glow_pipelines.learning.retrieval.index import RetrievalIndex, Scored
from glow_pipelines.learning.retrieval.pairs import PairMining
from glow_pipelines.learning.retrieval.trainer import RagTrainer, RetrievalTraining, TrainerSettings
from glow_pipelines.learning.retrieval.types import (
    Chunk,
    Configuration,
    Expansion,
    Hit,
    Judgement,
    MemoryRow,
    RetrievalEvent,
    RetrievalMetrics,
    RetrievalParameters,
    Signal,
    TrainingPair,
)

__all__ = [
    "Chunk",
    "Comparison",
    "Configuration",
    "Expansion",
    "Hit",
    "Judgement",
    "MemoryRow",
    "PairMining",
    "RagTrainer",
    "RetrievalEvent",
    "RetrievalGate",
    "RetrievalIndex",
    "RetrievalMetrics",
    "RetrievalParameters",
    "RetrievalReport",
    "RetrievalTraining",
    "Scored",
    "Signal",
    "TrainerSettings",
    "TrainingPair",
]
