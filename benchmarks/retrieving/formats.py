"""Single files of test collections: TREC documents and topics, JSON lines (BEIR's too), tab-separated rows, qrels.

Belongs here: one file to rows, each knowing the file and line it is from; what is malformed is refused by them. Does
not: fitting files together (collections.py). File contents are data from strangers: matched, never evaluated.
"""

import gzip
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ID = ("_id", "id", "docno", "doc_id", "docid", "pid", "qid", "query_id", "query-id")
TEXT = ("text", "contents", "content", "body", "abstract", "passage", "query", "question", "claim")
TITLES = ("title", "headline", "head", "hl", "ttl")
_TAG = re.compile(r"<[^<>]*>")


class Malformed(ValueError):
    """A file is not what its name or its content promises; the message names file, line and what is accepted."""


@dataclass(frozen=True)
class Document:
    """`text` is what is searched: title and body, the title once."""

    id: str
    text: str
    where: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    where: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Qrel:
    question_id: str
    document_id: str
    grade: float
    where: str = field(default="", compare=False, repr=False)


def kind_of(path: Path) -> str | None:
    """What a file seems to hold: documents, questions, qrels, or None; by its content, then by its name."""
    name = path.name.casefold().removesuffix(".gz")
    if not name.endswith((".xml", ".sgml", ".sgm", ".trec", ".txt", ".jsonl", ".ndjson", ".tsv", ".qrels", ".topics")):
        return None
    head = "".join(line for _, line in zip(range(400), _lines(path), strict=False))
    asks = bool(re.search(r"quer|topic|question|qry", name))
    if re.search(r"<top>", head, re.I):
        return "questions"
    if re.search(r"<doc(no)?>", head, re.I):
        return "documents"
    if name.endswith((".jsonl", ".ndjson")):
        return "questions" if asks else "documents"
    if _qrel_columns(head) and not asks:
        return "qrels"
    if name.endswith(".tsv"):
        return "questions" if asks else "documents"
    return None


def read_documents(path: Path) -> list[Document]:
    """Documents of a TREC, JSON lines or tab-separated file. Raises Malformed."""
    if _is_json(path):
        return [Document(*row) for row in _json_rows(path)]
    text = _text(path)
    if re.search(r"<doc(no)?>", text, re.I):
        return list(_trec_documents(path, text))
    return [Document(i, t, where) for i, t, where in _tab_rows(path)]


def read_questions(path: Path) -> list[Question]:
    """Questions of a topics, JSON lines or tab-separated file. Raises Malformed."""
    if _is_json(path):
        return [Question(*row) for row in _json_rows(path)]
    text = _text(path)
    if re.search(r"<top>", text, re.I):
        return list(_topics(path, text))
    return [Question(i, t, where) for i, t, where in _tab_rows(path)]


def read_qrels(path: Path) -> list[Qrel]:
    """Rows "question iteration document grade" (TREC), or "question document grade" with a heading (BEIR)."""
    rows = []
    for number, line in enumerate(_lines(path), 1):
        cells, where = line.split(), f"{path}:{number}"
        if not cells or (number == 1 and len(cells) == 3 and not _number(cells[2])):
            continue  # BEIR's heading
        if len(cells) not in (3, 4) or not _number(cells[-1]):
            accepted = "question, iteration, document, grade (a number), or without the iteration"
            raise Malformed(f"{where}: {line.strip()[:80]!r}; a line of qrels is {accepted}")
        rows.append(Qrel(cells[0], cells[-2], float(cells[-1]), where))
    return rows


def _trec_documents(path: Path, text: str) -> Iterator[Document]:
    opened = list(re.finditer(r"<doc>", text, re.I))
    for n, start in enumerate(opened):
        where = f"{path}:{text.count(chr(10), 0, start.start()) + 1}"
        until = opened[n + 1].start() if n + 1 < len(opened) else len(text)
        block = text[start.end() : until]
        end = re.search(r"</doc>", block, re.I)
        if end is None:
            raise Malformed(f"{where}: <doc> without </doc>; close it before the next document")
        block = block[: end.start()]
        number = re.search(r"<docno>(.*?)</docno>", block, re.I | re.S)
        if number is None or not number.group(1).strip():
            raise Malformed(f"{where}: <doc> without a <docno>; every document needs an id")
        title = " ".join(_fields(block, TITLES))
        bodies = _fields(block, ("text", "body"))
        rest = re.sub(r"<docno>.*?</docno>", " ", block, flags=re.I | re.S)
        body = " ".join(bodies) if bodies or "<text>" in block.casefold() else _plain(rest)
        yield Document(number.group(1).strip(), _titled(title, body), where)


def _topics(path: Path, text: str) -> Iterator[Question]:
    opened = list(re.finditer(r"<top>", text, re.I))
    for n, start in enumerate(opened):
        where = f"{path}:{text.count(chr(10), 0, start.start()) + 1}"
        block = text[start.end() : opened[n + 1].start() if n + 1 < len(opened) else len(text)]
        fields = {name.casefold(): value for name, value in re.findall(r"<(\w+)>([^<]*)", block)}
        number = re.sub(r"^\s*number\s*:", "", fields.get("num", ""), flags=re.I).strip()
        asked = next(
            (fields[name] for name in ("title", "query", "desc", "question") if fields.get(name, "").strip()), ""
        )
        asked = re.sub(r"^\s*(topic|description)\s*:", "", asked, flags=re.I)
        if not number or not asked.strip():
            raise Malformed(f"{where}: a topic needs <num> and <title> (or <desc>) with something in them")
        yield Question(number, _plain(asked), where)


def _json_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise Malformed(
                f"{where}: not JSON ({error.msg} at column {error.colno}); give one object a line"
            ) from None
        found = _first(row, ID) if isinstance(row, dict) else None
        text = _first(row, TEXT) if isinstance(row, dict) else None
        if found is None or not isinstance(text, str):
            raise Malformed(f"{where}: an object needs an id ({', '.join(ID)}) and a text ({', '.join(TEXT)})")
        title = row.get("title")
        yield str(found), _titled(title if isinstance(title, str) else "", text), where


def _tab_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(_lines(path), 1):
        cells = line.rstrip("\r\n").split("\t")
        if not line.strip() or (number == 1 and cells[0].casefold() in ID):
            continue
        if len(cells) < 2 or not cells[0].strip():
            raise Malformed(f"{path}:{number}: {line.strip()[:80]!r}; a line is an id, a tab and a text")
        yield cells[0].strip(), _titled(" ".join(cells[1:-1]), cells[-1]), f"{path}:{number}"


def _titled(title: str, body: str) -> str:
    """Title and body on one line of words; once, where the body begins with its title as Cranfield's do."""
    title, body = _plain(title), _plain(body)
    return body if not title or body.startswith(title) else f"{title}\n{body}".strip()


def _fields(block: str, names: tuple[str, ...]) -> list[str]:
    found = re.findall(rf"<({'|'.join(names)})\b[^>]*>(.*?)</\1>", block, re.I | re.S)
    return [_plain(value) for _, value in found]


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _qrel_columns(head: str) -> bool:
    lines = [line.split() for line in head.splitlines()[1:30] if line.strip()]
    return bool(lines) and all(len(cells) in (3, 4) and _number(cells[-1]) for cells in lines)


def _number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d+)?", text) is not None


def _is_json(path: Path) -> bool:
    return path.name.casefold().removesuffix(".gz").endswith((".jsonl", ".ndjson"))


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        yield from file


def _text(path: Path) -> str:
    return "".join(_lines(path))
