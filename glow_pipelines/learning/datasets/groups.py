"""What must not be split apart: rows of one conversation, and near-duplicates.

Belongs here: components of (conversation, near-duplicate), their keys, what happens when data grows. Does not belong
here: the pairs themselves (minhash), splits.

Hashing conversations alone left 27.9 % of held-out rows as near-duplicates of a training row on real chats; components
leave none. Components also chain through boilerplate (one held 31 % of a set), hence the cap and the stars.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from glow_pipelines.learning.datasets.minhash import near_duplicates
from glow_pipelines.learning.datasets.splits import split_of
from glow_pipelines.learning.datasets.stars import Graph, settle, spread, stars
from glow_pipelines.learning.datasets.text import normalize

BRIDGE = "bridge-"
_TALK = "\0conversation\0"  # a conversation is a node of its own: n links where a clique of its rows has n²


@dataclass(frozen=True, slots=True)
class GroupItem:
    """An input as the grouping sees it; `text` is what the user said only, not an agent's fixed phrases."""

    id: str
    text: str
    conversation: str | None = None


def is_bridge(group: str) -> bool:
    """Whether the row of this group was near rows of two splits, so that it can go into neither."""
    return group.startswith(BRIDGE)


def assign_groups(
    items: Iterable[GroupItem],
    existing: Mapping[str, str] | None = None,
    *,
    split: Callable[[str], str] = split_of,
    threshold: float = 0.7,
    cap: int | None = None,
    extra_pairs: Sequence[tuple[str, str]] = (),
    near_pairs: Sequence[tuple[str, str]] | None = None,
) -> dict[str, str]:
    """Item id → group key, for the items given. What `existing` (id → group) says is never changed.

    A new component takes its smallest id as key; new rows beside existing groups join the nearest. A new component
    above `cap` items (5 % of all, at least 50) is cut into stars around its busiest members. A new row that would
    still touch two splits becomes a bridge: a group of its own that no dataset admits and that links nothing later,
    so what was published never moves and nothing leaks. `split` says where a group lies; `extra_pairs` are further
    ids that belong together (paraphrases, by embedding). `near_pairs` are the near-duplicates where they are known;
    without them all items are compared. Items beside the new ones need only be their neighbours.
    """
    known = dict(existing or {})
    rows = sorted({item.id: item for item in items}.values(), key=lambda item: item.id)
    linking = [row for row in rows if not is_bridge(known.get(row.id, ""))]
    if near_pairs is None:
        found = near_duplicates([normalize(row.text) for row in linking], threshold)
        near_pairs = [(linking[a].id, linking[b].id) for a, b in found.tolist()]
    graph = _graph(linking, [*near_pairs, *extra_pairs])
    most = max(50, len(rows) // 20) if cap is None else cap
    result = {row.id: known[row.id] for row in rows if row.id in known}
    seen: set[str] = set()
    for row in rows:
        if row.id in result or row.id in seen:
            continue
        component, roots = _component(row.id, graph, result)
        seen |= component
        fresh = sorted(node for node in component if not node.startswith(_TALK))
        if roots:
            proposal = spread(sorted(roots), component, graph, known)
        elif len(fresh) <= most:
            proposal = dict.fromkeys(fresh, f"g-{fresh[0]}")
        else:
            proposal = stars(fresh, graph, most)
        result |= settle(proposal, graph, {root: known[root] for root in roots}, split, BRIDGE)
    return result


def _graph(rows: list[GroupItem], pairs: Iterable[tuple[str, str]]) -> Graph:
    ids = {row.id for row in rows}
    links = [(a, b) for a, b in pairs if a in ids and b in ids and a != b]
    links += [(row.id, _TALK + row.conversation) for row in rows if row.conversation is not None]
    graph: Graph = defaultdict(set)
    for a, b in links:
        graph[a].add(b)
        graph[b].add(a)
    return graph


def _component(start: str, graph: Graph, known: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """The new nodes reachable over new nodes, and the existing rows they touch."""
    found, roots, waiting = {start}, set(), [start]
    while waiting:
        for other in graph[waiting.pop()]:
            if other in known:
                roots.add(other)
            elif other not in found:
                found.add(other)
                waiting.append(other)
    return found, roots
