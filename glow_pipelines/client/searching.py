"""The call that searches an agent's documents.

Belongs here: its arguments and its result. Does not: making embeddings (the client is given what makes them), documents
(`documenting`), adding what users did with hits (`writing.log_retrieval`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from glow_pipelines.client.call import Call, given, one

_T = TypeVar("_T")
Embed = Callable[[Sequence[str]], Any]
"""Texts to vectors, one for each, as the model of the configuration in force gives them; may be a coroutine function
for the asynchronous client."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """`text`: title and span; `starts`, `ends`: of the span in the document's body. `leg`: what placed it.

    `propensity`: the chance that it is looked at at its rank. `score_dense` and `score_lexical` are what the legs gave
    it, on scales where their best is 1.
    """

    rank: int
    chunk_id: str
    score: float
    leg: str
    propensity: float
    document_id: str | None = None
    title: str | None = None
    text: str | None = None
    starts: int | None = None
    ends: int | None = None
    score_dense: float | None = None
    score_lexical: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found and by what. `dense`: False when there was no vector of the query, and words were all there is."""

    configuration: str
    policy: str
    dense: bool
    hits: tuple[SearchHit, ...]
    model: str | None = None
    index_number: int | None = None
    event_id: str | None = None


def search(
    agent: str,
    query: str,
    k: int | None = None,
    *,
    embedding: Sequence[float] | None = None,
    model: str | None = None,
    configuration: str | None = None,
    policy: str | None = None,
    event_id: str | None = None,
    user_id: str | None = None,
    conversation_id: str | None = None,
    execution_id: str | None = None,
    unit: str | None = None,
    tenant: str | None = None,
) -> Call[SearchResult]:
    """The best chunks of an agent's documents; with `event_id` logged as shown, with `unit` in its experiment's arm.

    Without `embedding` the client's own `embed` makes it, else that of the same text in the cache is used, else words
    alone. `model`: what made `embedding`; where another is in force, the embedding counts as not given.
    `policy`: production; interleave or explore, so that clicks can tell legs or ranks apart.
    """
    arguments = {name: value for name, value in locals().items() if name != "embedding"}
    call = Call("search", given(arguments), one(SearchResult))
    return call if embedding is None else with_embedding(call, embedding)


def needs_embedding(call: Call[Any]) -> bool:
    """Whether a call is a search that has no vector yet."""
    return call.function == "search" and "embedding" not in call.arguments


def with_embedding(call: Call[_T], embedding: Sequence[float], model: str | None = None) -> Call[_T]:
    """The call with a vector: as text, since drivers disagree on what an array of numbers is. `model`: what made it."""
    literal = "{" + ",".join(repr(float(value)) for value in embedding) + "}"
    named = {} if model is None else {"model": model}
    return replace(call, arguments={**call.arguments, **named, "embedding": literal})


def model_of(embed: Embed | None, model: str | None) -> str | None:
    """What makes a client's embeddings: as it was told, else what `embed` itself calls its `name`."""
    name = getattr(embed, "name", None) if model is None else model
    return name if isinstance(name, str) else None
