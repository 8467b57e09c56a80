"""Manuals whose passages are known: what is learned about boundaries can be compared with where topics really change.

Belongs here: writing documents from our own sentences, with questions and the spans that answer them. Does not belong
here: cutting or judging them. Passages are of very different length, and layout tells only part of it: some begin under
a heading, some after a blank line, some in the middle of a line; lists and soft line breaks stand inside passages too.
"""

from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.rechunking import Document


def _words(text: str, between: str | None = None) -> list[str]:
    return text.split(between)


THINGS = _words(
    "invoice contract meter tariff deposit refund parcel courier warranty password device router antenna battery "
    "filter boiler valve pump ladder scaffold permit licence visa passport pension payslip bonus holiday roster badge "
    "locker printer scanner toner server backup certificate firewall mailbox calendar vehicle tyre brake mileage fuel "
    "pallet forklift crate label barcode freezer recipe allergen menu ticket seat luggage gate cabin harness helmet"
)
PARTS = _words("office team desk account form system list branch manager supplier")
ACTIONS = _words(
    "renewed checked returned replaced signed archived cleaned repaired weighed registered cancelled measured"
)
TIMES = _words(
    "within ten days,at the end of the month,before the first use,twice a year,on the same evening,after each shift,"
    "as soon as it arrives,no later than Friday",
    ",",
)
OPENINGS = (
    "The {a} {thing} is {done} by the {part} {time}.",
    "Every {a} {thing} has to be {done} {time}.",
    "A {a} {thing} that was not {done} {time} is kept at the {part}.",
)
FOLLOWING = (
    "It is {done} by the {part} {time}, and the {b} {other} is noted with it.",
    "This also holds when the {b} {other} of the {thing} is missing.",
    "However, the {part} may ask for a {b} {other} {time}.",
    "Therefore the {thing} must not leave the {part} until the {b} {other} was {done}.",
    "If that fails, the {part} is told {time} and sends a {b} {other}.",
    "They keep the {b} {other} beside the {thing} and have it {done} {time}.",
    "Otherwise a {b} {other} is {done} in its place {time}.",
)
ADJECTIVES = _words(
    "yellow blue heavy light spare rented foreign damaged sealed open annual weekly second final early provisional "
    "printed digital leased borrowed empty full broken certified numbered private shared urgent"
)


@dataclass(frozen=True)
class Manuals:
    """``topics``: document -> positions at which a new topic begins; ``spans``: what answers each question, marked."""

    documents: tuple[Document, ...]
    topics: dict[str, tuple[int, ...]]
    spans: tuple[CitedSpan, ...]


def write_manuals(seed: int, documents: int = 40, questions: int = 300, users: int = 12) -> Manuals:
    """Repeatable by seed. Each question is answered by one to four sentences in a row of one passage."""
    rng = np.random.default_rng(seed)
    written, topics, passages = [], {}, []
    for number in range(documents):
        name = f"manual-{number:03}"
        body, starts, sentences = _body(rng)
        written.append(Document(name, f"Manual {number}", body))
        topics[name] = tuple(starts[1:])
        passages.extend((name, body, spans) for spans in sentences)
    found = []
    for number in range(questions):
        name, body, spans = passages[int(rng.integers(len(passages)))]
        most = min(len(spans), 4)
        length = int(rng.integers(1, most + 1))
        # Half of the answers are the whole of a short passage or its beginning: that is what a passage is written for.
        first = 0 if rng.random() < 0.5 else int(rng.integers(0, len(spans) - length + 1))
        start, end = spans[first][0], spans[first + length - 1][1]
        words = [word.strip(".,").lower() for word in body[start:end].split()]
        content = [word for word in words if word in _CONTENT]
        asked = rng.choice(content, size=min(len(content), 5), replace=False)
        query = f"{' '.join(asked)} {number}"
        found.append(CitedSpan(name, start, end, query, f"user-{rng.integers(users)}", f"event-{number}"))
    return Manuals(tuple(written), topics, tuple(found))


_CONTENT = {*THINGS, *ADJECTIVES, *ACTIONS, *PARTS}


def _body(rng: np.random.Generator) -> tuple[str, list[int], list[list[tuple[int, int]]]]:
    """Text, where its topics begin, and the sentences of each topic."""
    body, starts, topics = "", [], []
    for _ in range(int(rng.integers(6, 16))):
        thing = str(rng.choice(THINGS))
        layout = rng.choice(["heading", "blank", "line", "none"], p=[0.35, 0.35, 0.1, 0.2]) if body else "none"
        body += {"heading": "\n\n", "blank": "\n\n", "line": "\n", "none": " " if body else ""}[str(layout)]
        starts.append(len(body))
        if layout == "heading":
            body += f"About the {thing}\n"
        body, spans = _passage(body, thing, rng)
        topics.append(spans)
    return body, starts, topics


def _passage(body: str, thing: str, rng: np.random.Generator) -> tuple[str, list[tuple[int, int]]]:
    spans = []
    style = rng.choice(["prose", "broken", "list"], p=[0.6, 0.25, 0.15])
    for at in range(int(rng.integers(1, 10))):
        shape = rng.choice(OPENINGS if at == 0 or rng.random() < 0.35 else FOLLOWING)
        sentence = str(shape).format(
            a=rng.choice(ADJECTIVES),
            b=rng.choice(ADJECTIVES),
            thing=thing,
            other=rng.choice(THINGS),
            done=rng.choice(ACTIONS),
            part=rng.choice(PARTS),
            time=rng.choice(TIMES),
        )
        if at:
            body += {"prose": " ", "broken": "\n" if rng.random() < 0.4 else " ", "list": "\n- "}[str(style)]
        spans.append((len(body), len(body) + len(sentence)))
        body += sentence
    return body, spans
