"""How the rows of one component are shared out, and what happens where two splits meet.

Belongs here: spreading existing groups over new rows, cutting a large component into stars, finding bridges. Does not
belong here: building the graph (groups).
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

Graph = dict[str, set[str]]


def spread(roots: Sequence[str], component: set[str], graph: Graph, known: Mapping[str, str]) -> dict[str, str]:
    """Node → the group of the nearest existing row, nearest first."""
    proposal: dict[str, str] = {}
    waiting = deque((root, known[root]) for root in roots)
    while waiting:
        node, group = waiting.popleft()
        for other in sorted(graph[node] & component - proposal.keys()):
            proposal[other] = group
            waiting.append((other, group))
    return proposal


def stars(rows: Sequence[str], graph: Graph, cap: int) -> dict[str, str]:
    """Row → group, groups of at most `cap` rows around the rows with most neighbours. A conversation is never cut."""
    own = set(rows)
    proposal: dict[str, str] = {}
    for hub in sorted(rows, key=lambda row: (-len(graph[row]), row)):
        if hub in proposal:
            continue
        talk = {mate for node in graph[hub] - own for mate in graph[node]}
        members = sorted((talk - proposal.keys()) - {hub})
        members += sorted((graph[hub] & own) - proposal.keys() - talk)[: max(0, cap - 1 - len(members))]
        proposal |= dict.fromkeys([hub, *members], f"g-{hub}")
    return proposal


def settle(
    proposal: Mapping[str, str], graph: Graph, known: Mapping[str, str], split: Callable[[str], str], bridge: str
) -> dict[str, str]:
    """The proposal, in its order, with every row that would touch another split made a bridge of its own.

    Whatever the proposal, no two rows of the outcome that are linked lie in two splits, bridges aside: a row is
    accepted only when all that was accepted around it lies in its own split. Conversation nodes carry no group; they
    remember the splits of their rows.
    """
    lies: dict[str, set[str]] = {}

    def accept(node: str, where: str) -> None:
        lies[node] = {where}
        for other in graph[node]:
            if other.startswith("\0"):
                lies.setdefault(other, set()).add(where)

    for row, group in known.items():
        accept(row, split(group))
    result: dict[str, str] = {}
    for row, group in proposal.items():
        if row.startswith("\0"):
            continue
        around = set().union(*(lies.get(other, ()) for other in graph[row]))
        if around <= {split(group)}:
            result[row] = group
            accept(row, split(group))
        else:
            result[row] = bridge + row
    return result
