"""The review queue as a plain sequential program: what the database must agree with, call by call.

Belongs here: the rules and nothing but the rules. Does not: SQL, concurrency, how calls are made.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

FREE = float("-inf")
NEVER = float("inf")
NOW = 10.0**9  # leases end before it (they are over) or after it (they run)


@dataclass(frozen=True)
class Said:
    """A judgement: two outputs that differ in case and marks are the same answer, and not the same words."""

    verdict: str
    output: str | None = None

    @property
    def answer(self) -> tuple[str, str | None]:
        return self.verdict, None if self.output is None else self.output.lower().strip(" .!")


@dataclass
class Slot:
    reviewer: str | None = None
    until: float = FREE
    said: Said | None = None

    @property
    def is_free(self) -> bool:
        return self.said is None and self.until <= NOW


@dataclass
class Item:
    number: int
    slots: list[Slot]
    most: int
    priority: float = 1.0
    state: str = "open"
    outcome: str | None = None
    decided: tuple[str, Said] | None = None
    passes: dict[str, tuple[str, int]] = field(default_factory=dict)

    def of(self, reviewer: str) -> Slot | None:
        return next((slot for slot in self.slots if slot.reviewer == reviewer), None)

    def settle(self) -> None:
        if self.decided is not None:
            return
        filled = [slot.said for slot in self.slots if slot.said is not None]
        counts = Counter(said.answer for said in filled)
        (answer, most) = max(counts.items(), key=lambda each: each[1], default=((None, None), 0))
        self.outcome = None
        if len(filled) < len(self.slots):
            self.state = "open"
        elif most * 2 > len(filled):
            self.state, self.outcome = "closed", answer[0]
        elif len(self.slots) < self.most:
            self.slots.append(Slot())
            self.state = "open"
        else:
            self.state = "adjudicate"


@dataclass
class Model:
    """`said`: (reviewer, item) -> the current word; `keys`: idempotency key -> (item, reviewer, word)."""

    reviews: int
    most: int
    items: dict[int, Item] = field(default_factory=dict)
    said: dict[tuple[str, int], Said] = field(default_factory=dict)
    spoke: set[tuple[str, int]] = field(default_factory=set)
    keys: dict[str, tuple[int, str, Said]] = field(default_factory=dict)
    events: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    ticks: int = 0

    def tick(self) -> int:
        self.ticks += 1
        return self.ticks

    def log(self, event: str, item: int, reviewer: str) -> None:
        self.events[event, item, reviewer] += 1

    def request(self, number: int, reviews: int | None) -> dict[str, Any]:
        known = number in self.items
        if not known:
            spoken = [(who, word) for (who, what), word in self.said.items() if what == number]
            wanted = max(self.reviews, min(self.most, len(spoken)))
            item = Item(number, [Slot() for _ in range(wanted)], self.most)
            for slot, (who, word) in zip(item.slots, spoken, strict=False):
                slot.reviewer, slot.said = who, word
            self.items[number] = item
            if spoken:
                item.settle()
        item, more = self.items[number], False
        item.priority = 1.0
        if item.decided is None and reviews is not None and reviews > len(item.slots):
            item.slots += [Slot() for _ in range(reviews - len(item.slots))]
            item.most = max(item.most, reviews)
            item.settle()
            more = True
        return {"status": "accepted" if more or not known else "unchanged", "reviews": len(item.slots)}

    def claim(self, reviewer: str, n: int, until: float) -> list[int]:
        def fits(item: Item) -> bool:
            own = item.of(reviewer)
            taken = own is not None and not own.is_free
            declined = item.passes.get(reviewer, ("", 0))[0] == "declined"
            # Their own slot is the only one they may have.
            return item.state == "open" and any(slot.is_free for slot in item.slots) and not taken and not declined

        fitting = [item for item in self.items.values() if fits(item)]
        # Stable: of equal ones the first that was asked for.
        best = sorted((i for i in fitting if reviewer not in i.passes), key=lambda i: -i.priority)
        skipped = sorted((i for i in fitting if reviewer in i.passes), key=lambda i: i.passes[reviewer][1])
        taken = (best + skipped)[:n]
        for item in taken:
            slot = item.of(reviewer) or min((s for s in item.slots if s.is_free), key=lambda s: s.until)
            if slot.reviewer is not None:
                self.log("expired", item.number, slot.reviewer)
            slot.reviewer, slot.until = reviewer, until
            self.log("claimed", item.number, reviewer)
        return [item.number for item in taken]

    def submit(self, reviewer: str, number: int, word: Said, key: str | None, claimed: bool) -> str:
        """The status, or the code of the refusal."""
        if key is not None and key in self.keys:
            return "replayed" if self.keys[key] == (number, reviewer, word) else "PT409"
        item = self.items.get(number)
        if item is not None and item.decided is not None and item.decided[0] == reviewer:
            return "PT409"
        if claimed and item is None:
            return "PT404"
        slot = None
        if item is not None:
            slot = item.of(reviewer)
            if slot is None and claimed:
                return "PT409"
            if slot is None:
                slot = min((s for s in item.slots if s.is_free), key=lambda s: s.until, default=None)
                if slot is not None and slot.reviewer is not None:
                    self.log("expired", number, slot.reviewer)
        unchanged = self.said.get((reviewer, number)) == word
        if item is not None and slot is not None:
            if slot.said is None:
                self.log("submitted", number, reviewer)
            slot.reviewer, slot.said = reviewer, word
            item.settle()
        if unchanged:
            return "unchanged"
        self.said.pop((reviewer, number), None)  # the order is that of the newest words
        self.said[reviewer, number] = word
        self.spoke.add((reviewer, number))
        if key is not None:
            self.keys[key] = (number, reviewer, word)
        return "accepted"

    def give_back(self, reviewer: str, number: int, event: str) -> str:
        item = self.items.get(number)
        if item is None:
            return "PT404"
        slot = item.of(reviewer)
        if (slot is not None and slot.said is not None) or (event == "released" and slot is None):
            return "PT409"
        if slot is not None and slot.until != NEVER:
            slot.reviewer, slot.until = None, FREE
        if event != "released":
            kept = "declined" if item.passes.get(reviewer, ("", 0))[0] == "declined" else event
            item.passes[reviewer] = (kept, self.tick())
        self.log(event, number, reviewer)
        return event

    def extend(self, reviewer: str, number: int, until: float) -> str:
        item = self.items.get(number)
        if item is None:
            return "PT404"
        slot = item.of(reviewer)
        if slot is None or slot.said is not None:
            return "PT409"
        if slot.until not in (NEVER, FREE):
            slot.until = until
        self.log("extended", number, reviewer)
        return "extended"

    def adjudicate(self, person: str, number: int, word: Said) -> str:
        item = self.items.get(number)
        if item is None:
            return "PT404"
        if (person, number) in self.spoke:
            return "PT403"
        if item.state == "open":
            return "PT409"
        if item.decided == (person, word):
            return "unchanged"
        item.decided, item.state, item.outcome = (person, word), "closed", word.verdict
        for slot in item.slots:
            if slot.said is None:
                slot.until = NEVER
        self.log("adjudicated", number, person)
        return "accepted"
