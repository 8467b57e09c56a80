"""From deeds to signals, and from signals to sums that nobody outweighs."""

import random
from collections import defaultdict

import numpy as np
import pytest

from glow_pipelines.learning.retrieval.signal_table import SignalTable
from glow_pipelines.learning.retrieval.signals import Said, Successor, grade, heirs, signals_of, weight
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent, Signal
from glow_pipelines.learning.retrieval.weighing import Caps, weigh

SHOWN = Hit("a", 2, 1.0, "both", 0.5)
CITED = Hit("a", 2, 1.0, "both", 0.5, cited=True)
CLICKED = Hit("a", 2, 1.0, "both", 0.5, clicked=True)
BLAMED = Said(-1, blames_sources=True)


@pytest.mark.parametrize(
    ("hit", "said", "cited", "expected"),
    [
        (SHOWN, Said(), 0, (0.0, 0.5)),
        (CLICKED, Said(), 0, (1.0, 0.5)),
        (CITED, Said(), 4, (0.5, 0.5)),
        (CITED, Said(1), 4, (0.75, 0.75)),
        (CITED, Said(1), 1, (1.0, 1.0)),
        (CITED, Said(-1), 4, (0.5, 0.5)),
        (CITED, BLAMED, 4, (0.0, 0.75)),
        (CITED, Said(-1, blames_sources=True, approved=True), 4, (1.0, 1.0)),
        (SHOWN, Said(1, approved=True), 4, (0.0, 0.5)),
        (SHOWN, BLAMED, 4, (0.0, 0.5)),
        (Hit("a", 30, 1.0, "both", 0.01), Said(), 0, (0.0, 0.1)),
    ],
)
def test_a_deed_has_a_grade(hit: Hit, said: Said, cited: int, expected: tuple[float, float]) -> None:
    assert grade(hit, said, cited) == pytest.approx(expected)


def event(id: str, *hits: Hit, query: str = "q", user: str = "u", day: float = 10.5) -> RetrievalEvent:
    return RetrievalEvent(id, query, None, "production", user, "", hits, day)


def judged(thumb: int, expert: bool = False) -> Hit:
    return Hit("a", 1, 1.0, "both", 1.0, clicked=True, explicit=thumb, expert=expert)  # type: ignore[arg-type]


def test_a_visit_says_one_thing_of_a_chunk() -> None:
    many = [event(f"s{n}", CLICKED if n == 0 else SHOWN) for n in range(4)]
    (signal,) = signals_of(many)
    assert (signal.credit, signal.looks, signal.day) == (0.25, 0.5, 10.0)
    assert signal.event_ids == ("s0", "s1", "s2", "s3")
    assert len(signals_of([*many, event("next day", SHOWN, day=11.0)])) == 2
    assert signals_of([event("s", Hit("a", 1, 1.0, "both", 1.0, shown=False))]) == []


def test_the_newest_judgement_counts_and_an_experts_before_it() -> None:
    (own,) = signals_of([event("s1", judged(1), day=10.1), event("s2", judged(-1), day=10.2), event("s3", CLICKED)])
    assert (own.explicit, own.credit, own.looks) == (-1, 0.0, 1.0)
    (expert,) = signals_of([event("s1", judged(1, expert=True), day=10.1), event("s2", judged(-1), day=10.2)])
    assert (expert.explicit, expert.credit) == (2, 1.0)


def test_signals_do_not_depend_on_the_order_of_the_log() -> None:
    dice = random.Random(3)
    log = [
        event(
            f"s{n}",
            dice.choice([SHOWN, CLICKED, CITED, judged(1), judged(-1)]),
            user=dice.choice("uv"),
            day=dice.random() * 3,
        )
        for n in range(60)
    ]
    expected = signals_of(log)
    dice.shuffle(log)
    assert signals_of(log) == expected


def test_half_of_a_signal_is_gone_after_90_days() -> None:
    assert weight(10, 100) == pytest.approx(0.5)
    assert weight(200, 100) == 1


def test_chunks_leave_their_signals_to_what_says_the_same() -> None:
    successors = [
        Successor("a", "b", 0.95),
        Successor("a", "x", 0.91),
        Successor("b", "c", 0.1, overlap=0.85),
        Successor("gone", "other", 0.5, overlap=0.5),
        Successor("round", "about", 1.0),
        Successor("about", "round", 1.0),
    ]
    found = heirs(successors, ["c", "x", "d"], ["a", "b", "c", "d", "gone", "round"])
    assert found == {"a": "c", "b": "c", "c": "c", "d": "d"}
    table = SignalTable.of([Signal("q", chunk, "u", 1.0, 1.0) for chunk in ("a", "d", "gone")])
    assert [s.chunk_id for s in table.inherited(found)] == ["c", "d"]


def signals(seed: int, number: int = 300) -> list[Signal]:
    dice = random.Random(seed)
    rows = {}
    for _ in range(number):
        key = (f"q{dice.randrange(6)}", dice.choice("abc"), dice.choice("uvw"), float(dice.randrange(0, 200)))
        explicit = dice.choice([0, 0, 0, 1, -1, 2])
        credit = float(explicit > 0) if explicit else dice.random()
        rows[key] = Signal(
            key[0], key[1], key[2], credit, 1.0 if explicit else dice.random(), explicit, key[3], (f"s{len(rows)}",)
        )
    return list(rows.values())


def test_columns_are_the_same_signals() -> None:
    rows = signals(1)
    table = SignalTable.of(rows)
    assert list(table) == rows
    assert list(table.asking(lambda query: query == "q1")) == [row for row in rows if row.query == "q1"]
    assert len(SignalTable.of([])) == 0
    assert list(SignalTable.of([]).asking(lambda query: True).inherited({})) == []


@pytest.mark.parametrize("seed", range(4))
def test_sums_are_what_counting_by_hand_gives(seed: int) -> None:
    rows, group_of, as_of = signals(seed), {f"q{n}": f"g{n // 2}" for n in range(6)}, 190.0
    found = weigh(SignalTable.of(rows), group_of, as_of, Caps(user_weight=2.0, expert_weight=3.0))
    said: dict[tuple[str, str, str, float], list[Signal]] = defaultdict(list)
    for row in rows:
        said[group_of[row.query], row.chunk_id, row.user_id, row.day].append(row)
    weights: dict[tuple[str, str, str], list[tuple[float, bool, float, float]]] = defaultdict(list)
    for (group, chunk, user, day), words in said.items():
        most = max(abs(word.explicit) for word in words)
        kept = [word for word in words if abs(word.explicit) == most]
        counts = weight(day, as_of) * (3 if most == 2 else 1)
        mean = [sum(getattr(word, name) for word in kept) / len(kept) for name in ("credit", "looks")]
        weights[group, chunk, user].append((counts, most == 2, mean[0], mean[1]))
    appointed = {key: sum(w for w, expert, _, _ in each if expert) for key, each in weights.items()}
    loud = {key: sum(w for w, expert, _, _ in each if not expert) for key, each in weights.items()}

    def capped(mine: float, others: float) -> float:
        return min(1.0, max(2.0, others / 19) / mine) if mine else 1.0

    in_cell = {
        key: capped(loud[key], sum(loud[k] + appointed[k] for k in loud if k[:2] == key[:2] and k != key))
        for key in loud
    }
    over: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for key in loud:
        over[key[1:]][0] += loud[key] * in_cell[key]
        over[key[1:]][1] += loud[key] * in_cell[key] + appointed[key]
    on_chunk = {key: capped(over[key][0], sum(over[k][1] for k in over if k[0] == key[0] and k != key)) for key in over}
    for at, cell in enumerate(zip(found.groups, found.chunk_ids, strict=True)):
        mine = [(in_cell[key] * on_chunk[key[1:]], each) for key, each in weights.items() if key[:2] == cell]
        counted = [(w * (1 if expert else f), c, looks) for f, each in mine for w, expert, c, looks in each]
        assert found.credit[at] == pytest.approx(sum(w * c for w, c, _ in counted))
        assert found.looks[at] == pytest.approx(sum(w * looks for w, _, looks in counted))
        assert found.users[at] == len(mine)
        ids = {id for row in rows if (group_of[row.query], row.chunk_id) == cell for id in row.event_ids}
        assert found.event_ids[at] == tuple(sorted(ids))
    assert list(zip(found.groups, found.chunk_ids, strict=True)) == sorted({key[:2] for key in weights})


def test_a_thousand_thumbs_of_one_person_weigh_three() -> None:
    flood = [Signal(f"q{n % 10}", "a", "loud", 1.0, 1.0, 1, float(n)) for n in range(1000)]
    crowd = [Signal("q0", "a", f"u{n}", 0.0, 1.0, 0, 999.0) for n in range(20)]
    one = {f"q{n}": "g" for n in range(10)}
    (credit,) = weigh(SignalTable.of([*flood, *crowd]), one).credit
    assert credit == pytest.approx(3.0)
    each = {f"q{n}": f"g{n}" for n in range(10)}
    assert weigh(SignalTable.of([*flood, *crowd]), each).credit.sum() == pytest.approx(3.0)


def test_an_expert_may_judge_one_chunk_for_many_questions() -> None:
    judged = [Signal(f"q{n}", "a", "expert", 1.0, 1.0, 2, 5.0) for n in range(50)]
    assert weigh(SignalTable.of(judged), {f"q{n}": f"g{n}" for n in range(50)}).looks == pytest.approx([3.0] * 50)


def test_no_signals_sum_to_nothing() -> None:
    found = weigh(SignalTable.of([]), {})
    assert (found.groups, len(found.credit)) == ((), 0)
    assert np.isfinite(found.looks).all()
