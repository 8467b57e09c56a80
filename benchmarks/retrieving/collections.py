"""A test collection: documents, questions, and who judged which document relevant to which question.

Belongs here: finding the files of a folder and fitting them together, with a note for everything that was left out or
guessed. Does not: reading a single file (formats.py), embedding (vectors.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from benchmarks.retrieving.formats import (
    Document,
    Malformed,
    Qrel,
    Question,
    kind_of,
    read_documents,
    read_qrels,
    read_questions,
)

Row = TypeVar("Row", Document, Question)


@dataclass(frozen=True)
class Collection:
    """`grades[question id][document id]` > 0 where relevant; every question here has at least one relevant document."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]
    grades: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of everything that counts: results of the same collection can be compared."""
        digest = sha256()
        for part in (*self.documents, *self.questions):
            digest.update(repr(part).encode())
        digest.update(repr({q: dict(sorted(by.items())) for q, by in self.grades.items()}).encode())
        return digest.hexdigest()


def read_collection(
    folder: Path,
    documents: Sequence[Path] = (),
    questions: Sequence[Path] = (),
    qrels: Sequence[Path] = (),
    most: int | None = None,
) -> Collection:
    """The collection in a folder; files given by hand are taken as given. Raises Malformed, naming file and line.

    Of more than `most` questions those with the smallest sha256 are used.
    """
    if not folder.is_dir():
        raise Malformed(f"{folder}: no such folder; give one with documents, questions and qrels")
    found: dict[str, list[Path]] = {"documents": [], "questions": [], "qrels": []}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        if kind := kind_of(path):
            found[kind].append(path)
    files = {
        kind: list(given) or found[kind]
        for kind, given in (("documents", documents), ("questions", questions), ("qrels", qrels))
    }
    for kind, paths in files.items():
        if not paths:
            seen = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
            raise Malformed(f"{folder}: no {kind} found among {seen}; name the file with --{kind}")
    texts = _once([d for path in files["documents"] for d in read_documents(path)], "document")
    asked = _once([q for path in files["questions"] for q in read_questions(path)], "question")
    rows = [row for path in files["qrels"] for row in read_qrels(path)]
    return _fitted(folder.resolve().name, texts, asked, rows, most)


def _once(rows: Sequence[Row], what: str) -> list[Row]:
    by_id: dict[str, Row] = {}
    for row in rows:
        if row.id in by_id:
            raise Malformed(f"{row.where}: {what} {row.id!r} is already at {by_id[row.id].where}; give every id once")
        by_id[row.id] = row
    return list(by_id.values())


def _fitted(
    name: str, documents: list[Document], asked: list[Question], rows: list[Qrel], most: int | None
) -> Collection:
    notes = []
    question_ids, judged = {q.id for q in asked}, dict.fromkeys(row.question_id for row in rows)
    renamed: dict[str, str] = {}
    if _by_order(question_ids, list(judged), len(asked)):
        renamed = {str(n): question.id for n, question in enumerate(asked, 1)}
        notes.append("qrels name questions by their order in the file, not by their number")
    known = {d.id for d in documents}
    grades: dict[str, dict[str, float]] = {}
    strange: dict[str, list[Qrel]] = {"question": [], "document": []}
    for row in rows:
        question_id = renamed.get(row.question_id, row.question_id)
        if question_id not in question_ids or row.document_id not in known:
            strange["question" if question_id not in question_ids else "document"].append(row)
            continue
        by_document = grades.setdefault(question_id, {})
        by_document[row.document_id] = max(row.grade, by_document.get(row.document_id, row.grade))
    for what, lost in strange.items():
        if lost and not grades:
            named = lost[0].question_id if what == "question" else lost[0].document_id
            raise Malformed(f"{lost[0].where}: {named!r} is no {what} of this collection, nor is any other named here")
        if lost:
            notes.append(f"{len(lost)} of {len(rows)} qrels name an unknown {what} and were left out")
    if without := [d.id for d in documents if not d.text.strip()]:
        notes.append(f"{len(without)} of {len(documents)} documents are empty; nothing finds them")
    useful = {q: by for q, by in grades.items() if any(grade > 0 for grade in by.values())}
    questions = tuple(q for q in asked if q.id in useful)
    if len(questions) < 10:
        raise Malformed(f"{name}: {len(questions)} questions have a relevant document; at least 10 are needed")
    if len(questions) < len(asked):
        notes.append(f"{len(asked) - len(questions)} of {len(asked)} questions have no relevant document: left out")
    if most is not None and len(questions) > most:
        notes.append(f"{most} of {len(questions)} questions used, those with the smallest sha256")
        chosen = set(sorted((sha256(q.text.encode()).hexdigest(), q.id) for q in questions)[:most])
        questions = tuple(q for q in questions if (sha256(q.text.encode()).hexdigest(), q.id) in chosen)
    return Collection(name, tuple(documents), questions, {q.id: useful[q.id] for q in questions}, tuple(notes))


def _by_order(question_ids: set[str], judged: list[str], questions: int) -> bool:
    """Whether qrels count questions 1, 2, 3 although these bear other numbers, as Cranfield's do."""
    if all(each in question_ids for each in judged):
        return False
    return all(each.isdecimal() and 1 <= int(each) <= questions for each in judged)
