"""What must not be split apart is not, and nothing moves when data grows."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import SPLITS, GroupItem, assign_groups, assign_splits, is_bridge, split_of
from glow_pipelines.learning.datasets.minhash import near_duplicates

WORDS = ("taxi", "airport", "hotel", "berlin")
# Few words and few conversations: components chain, meet and bridge all the time.
ITEMS = st.lists(
    st.builds(
        lambda words, end, talk: (" ".join(words) + end, talk),
        st.lists(st.sampled_from(WORDS), min_size=2, max_size=7),
        st.sampled_from(["", " x", " yy"]),
        st.sampled_from([None, None, "c1", "c2", "c3"]),
    ),
    max_size=24,
).map(lambda rows: [GroupItem(hashlib.sha256(f"{i}{r}".encode()).hexdigest(), *r) for i, r in enumerate(rows)])


def coin(group: str) -> str:
    """A split as even as can be, so that bridges are frequent."""
    return split_of(group, (0.4, 0.3, 0.3))


def leaks(items: list[GroupItem], groups: dict[str, str]) -> list[tuple[str, str]]:
    """Linked pairs in two splits, by all pairs; bridges are in no split."""
    pairs = [(items[a].id, items[b].id) for a, b in near_duplicates([i.text for i in items]).tolist()]
    pairs += [(a.id, b.id) for a in items for b in items if a.conversation and a.conversation == b.conversation]
    return [
        (a, b)
        for a, b in pairs
        if not is_bridge(groups[a]) and not is_bridge(groups[b]) and coin(groups[a]) != coin(groups[b])
    ]


@settings(max_examples=100, deadline=None)
@given(ITEMS, st.integers(0, 24), st.integers(1, 30))
def test_growing_data_moves_nothing_and_leaks_nothing(items: list[GroupItem], cut: int, cap: int) -> None:
    first = assign_groups(items[:cut], split=coin, cap=cap)
    second = assign_groups(items, first, split=coin, cap=cap)
    assert {id: second[id] for id in first} == first
    assert second.keys() == {item.id for item in items}
    assert not leaks(items[:cut], first)
    assert not leaks(items, second)
    assert assign_groups(items, second, split=coin, cap=cap) == second


@settings(max_examples=40, deadline=None)
@given(ITEMS, st.randoms(), st.integers(1, 30))
def test_order_does_not_matter(items: list[GroupItem], random: object, cap: int) -> None:
    other = list(items)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert assign_groups(items, split=coin, cap=cap) == assign_groups(other, split=coin, cap=cap)


def item(id: str, text: str, talk: str | None = None) -> GroupItem:
    return GroupItem(id, text, talk)


def test_conversation_and_near_duplicates_make_one_group() -> None:
    rows = [
        item("a", "taxi from the office to the airport in the morning", "c1"),
        item("b", "something else altogether, a laptop", "c1"),
        item("c", "Taxi from the office to the airport in the mornings"),
        item("d", "dinner with a client"),
    ]
    found = assign_groups(rows)
    assert found["a"] == found["b"] == found["c"] == "g-a"
    assert found["d"] == "g-d"
    assert assign_groups([rows[1], rows[3]], extra_pairs=[("b", "d")])["d"] == "g-b"


def test_a_row_between_two_splits_is_a_bridge_and_links_nothing_later() -> None:
    rows = [item("a", "taxi from the office", "c1"), item("b", "hotel in berlin for two nights", "c2")]
    known = {"a": "left", "b": "right"}
    where = {"left": "train", "right": "test"}.get
    between = item("m", "hotel in berlin for two nights!", "c1")
    found = assign_groups([*rows, between], known, split=lambda group: where(group, "train"))
    assert is_bridge(found["m"])
    again = assign_groups(
        [*rows, between, item("z", "Hotel, in Berlin, for two nights")],
        found,
        split=lambda group: where(group, "train"),
    )
    assert again["z"] == "right"
    same = assign_groups([*rows, between], known, split=lambda group: "train")
    assert same["m"] in ("left", "right")


def test_boilerplate_is_cut_into_stars_without_a_leak() -> None:
    rng = np.random.default_rng(2)
    stem = "please note that your request about the invoice has been received by our team number "
    rows = [item(f"{i:04}", stem + "".join(rng.choice(list("abcdef"), size=12))) for i in range(200)]
    found = assign_groups(rows, split=coin, cap=20)
    sizes = Counter(group for group in found.values() if not is_bridge(group))
    assert max(sizes.values()) <= 20
    assert len(sizes) > 1
    assert not leaks(rows, found)
    assert set(assign_groups(rows, cap=1000).values()) == {"g-0000"}


def test_split_is_the_hash_that_is_written_down() -> None:
    place = int(hashlib.sha256(b"glow-split-1g-1").hexdigest()[:13], 16) / 16**13
    assert split_of("g-1") == ("train" if place < 0.8 else "val" if place < 0.9 else "test")
    assert {split_of("g", (1, 0, 0)), split_of("g", (0, 1, 0)), split_of("g", (0, 0, 1))} == set(SPLITS)
    assert len({split_of("g-1", salt=str(i)) for i in range(60)}) == 3


def test_shares_come_out_within_two_points() -> None:
    counts = Counter(split_of(f"g-{i}") for i in range(10_000))
    for split, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        assert counts[split] / 10_000 == pytest.approx(share, abs=0.02)


def test_persisted_splits_win_and_nonsense_is_named() -> None:
    assert assign_splits(["a", "b"], {"a": "test"})["a"] == "test"
    with pytest.raises(ValueError, match=r"existing\['a'\]: 'dev'; accepted: train, val, test"):
        assign_splits(["a"], {"a": "dev"})
    with pytest.raises(ValueError, match="sum to 1"):
        split_of("a", (0.8, 0.1, 0.2))
