"""Choosing the rows of a dataset version and looking at them, in the transaction that freezes or forgets them.

Belongs here: what streams between the store and the engine, in the same memory however many rows there are. Does not:
what happens to the version (steps/datasets), what a rule admits or a check says (learning/datasets).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO

from glow_pipelines.learning.datasets import (
    OTHER_SEED,
    SPLITS,
    ContentHash,
    DatasetRule,
    Demonstrations,
    Drops,
    Faults,
    Inspection,
    Repeats,
    SplitLeaks,
    admit,
    normalize,
)
from glow_pipelines.store.drafts import CHUNK
from glow_pipelines.store.noun import Row
from glow_pipelines.store.store import Transaction

BETWEEN_AGENTS = 7
"""Seed of the search for near questions of different agents; the check that follows looks with another."""
MOST_TOLD = 1_000
"""Leaking pairs after which nobody looks for more: the version is refused anyway."""

Told = Callable[[str, int], None]
"""Called with what is being done and how many rows of it are done."""


def silent(doing: str, rows: int) -> None:
    """Tells nobody."""


class Draft:
    """The rows a rule admits at an instant; `drops` holds the others by reason. `prompts` are the prompt versions whose
    demonstrations were kept out of what is held out, `demonstrated` the rows that one of them took from there; `parted`
    the rows (learning_examples) that went because a near question is held out further."""

    def __init__(self, t: Transaction, rule: DatasetRule, told: Told = silent) -> None:
        self._t, self._rule, self._told = t, rule, told
        self.drops = Drops()
        self.rows = 0
        self.prompts: tuple[str, ...] = ()
        self.demonstrated: tuple[str, ...] = ()
        self.parted: tuple[int, ...] = ()
        self._near: dict[int, str] = {}
        self._torn: dict[int, str] = {}
        self._as_of: Any = None

    def choose(self, as_of: Any, prompts: Sequence[str] | None = None, parted: Sequence[int] = ()) -> None:
        """Fill the draft. `prompts`: the prompt versions to keep out of what is held out; None: those in force.
        `parted`: the rows that looking at another draft of the same rows has parted from it."""
        drafts, self._as_of = self._t.drafts, as_of
        self._told("choose", 0)
        admitted = admit(self._rule, drafts.candidates(self._rule, as_of), self.drops)
        while rows := list(islice(admitted, CHUNK)):
            drafts.add(rows)
            self.rows += len(rows)
            self._told("choose", self.rows)
        self._keep_out_what_was_shown(prompts)
        if len(self._rule.everyone) > 1:
            self._keep_agents_apart()
        self._part({version: str(version) for version in parted})

    def part(self) -> bool:
        """Take out what the last look found too near to a row that is held out further, or in one conversation with it;
        whether there was any.

        Groups are made as questions come, from what was near then; in a crowd of questions from one template some near
        pairs stay unseen. Refused for it, an agent would never have a dataset again: groups are for ever.
        So does an old question keep its group that is asked in another conversation now.
        """
        torn, self._torn = self._torn, {}
        near, self._near = {version: id for version, id in self._near.items() if version not in torn}, {}
        self._part(torn, "its conversation is held out")
        self._part(near)
        return bool(torn or near)

    def _part(self, gone: Mapping[int, str], reason: str = "near a question that is held out") -> None:
        self._drop(reason, gone)
        self.parted += tuple(gone)

    def _keep_out_what_was_shown(self, prompts: Sequence[str] | None) -> None:
        versions, inputs = self._t.drafts.demonstrations(self._rule.everyone, prompts)
        self.prompts = tuple(versions)
        demonstrations = Demonstrations(inputs.values())
        if not demonstrations:
            return
        for rows in self._t.drafts.texts(held_out=True):
            shown = {row.version: row.id for row in rows if demonstrations.show(normalize(row.input))}
            self._drop("a prompt in force demonstrates it", shown)
            self.demonstrated += tuple(each for each in shown.values() if each in inputs)

    def _keep_agents_apart(self) -> None:
        """Groups are of one agent: where another one's question is nearly the same and held out further, the row
        goes."""
        with lending() as lend:
            near = SplitLeaks(lend, BETWEEN_AGENTS)
            for rows in self._t.drafts.texts():
                near.add(
                    [row.version for row in rows],
                    [normalize(row.input) for row in rows],
                    [SPLITS.index(row.split) for row in rows],
                )
            texts = _Texts(self._t)
            gone: dict[int, str] = {}
            for pair in near.pairs(texts):
                less, more = sorted(
                    (texts.rows[version] for version in pair), key=lambda row: SPLITS.index(row["split"])
                )
                if less["agent"] != more["agent"] and not gone.keys() & set(pair):
                    gone[less["example_version"]] = less["id"]
        self._drop("near a question held out for another agent", gone)

    def _drop(self, reason: str, gone: Mapping[int, str]) -> None:
        """Take rows (version -> example) out again."""
        self._t.drafts.drop(list(gone))
        self.rows -= len(gone)
        for example in gone.values():
            self.drops.add(reason, example)

    def content_hash(self) -> str:
        found = ContentHash()
        for rows in self._t.drafts.hashes():
            found.add(rows)
        return found.hexdigest()

    def inspect(self) -> tuple[Inspection, Faults, Faults]:
        """Look at every text. Answers what texts showed, near pairs that lie in two splits, and repeats."""
        leaks, repeats = Faults(), Faults()
        with lending() as lend, ThreadPoolExecutor(1) as pool:
            near, same = SplitLeaks(lend, OTHER_SEED), Repeats(lend)
            beside = _Beside(near, pool)
            inspection = Inspection(self._rule.kind, beside, same)
            looked = 0
            self._told("inspect", looked)
            for rows in self._t.drafts.texts():
                inspection.add(rows)
                looked += len(rows)
                self._told("inspect", looked)
            beside.wait()
            self._told("compare", looked)
            texts = _Texts(self._t)
            gone: dict[int, str] = {}
            for pair in islice(near.pairs(texts), MOST_TOLD):
                less, more = sorted((texts.rows[each] for each in pair), key=lambda row: SPLITS.index(row["split"]))
                leaks.add("pair", less["id"], more["id"])
                if not gone.keys() & set(pair):
                    gone[less["example_version"]] = less["id"]
            self._near = gone if leaks.counts["pair"] < MOST_TOLD else {}
            for kind, version in islice(same.found(), MOST_TOLD):
                repeats.add(kind, texts.id_of(version))
        self._torn = self._t.drafts.torn_conversations(self._as_of)
        for example in self._torn.values():
            leaks.add("conversation", example)
        return inspection, leaks, repeats


class _Beside:
    """Hands texts to the search for leaks in a thread of its own: most of that is numpy, which holds up nobody."""

    def __init__(self, near: SplitLeaks, pool: ThreadPoolExecutor) -> None:
        self._near, self._pool = near, pool
        self._last: Future[None] | None = None

    def add(self, places: Sequence[int], texts: Sequence[str], splits: Sequence[int]) -> None:
        self.wait()
        self._last = self._pool.submit(self._near.add, places, texts, splits)

    def wait(self) -> None:
        if self._last is not None:
            self._last.result()


class _Texts:
    """Gives the normalised inputs of rows, and keeps the rows it gave last."""

    def __init__(self, t: Transaction) -> None:
        self._t = t
        self.rows: dict[int, Row] = {}

    def __call__(self, versions: Sequence[int]) -> dict[int, str]:
        self.rows = self._t.drafts.inputs_of(versions)
        return {version: normalize(row["input"]) for version, row in self.rows.items()}

    def id_of(self, version: int) -> str:
        return str(self._t.drafts.inputs_of([version])[version]["id"])


@contextmanager
def lending() -> Iterator[Callable[[], BinaryIO]]:
    """Lends temporary files, which are gone afterwards; nobody else can open them."""
    lent: list[Any] = []

    def lend() -> BinaryIO:
        lent.append(tempfile.TemporaryFile())  # noqa: SIM115 -- closed below, all together
        file: BinaryIO = lent[-1]
        return file

    try:
        yield lend
    finally:
        for file in lent:
            file.close()
