"""JSON files as records with their numbers: JSON Lines, or one JSON document.

Belongs here: what a line may be, and which lines are none. Does not: what a record means (parsers).
"""

import io
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from glow_pipelines.importing.records import Record, Refusal, Unacceptable
from glow_pipelines.importing.sources import ImportFailed

Numbered = tuple[int, Record | Refusal]

LONGEST_LINE = 16 << 20
"""Bytes of a line, so that a file of one endless line does not fill the memory. The longest row takes about 2 MB."""
LARGEST_DOCUMENT = 64 << 20
"""Bytes of a JSON document, which is read whole and takes some ten times its size in memory."""
_BOM = b"\xef\xbb\xbf"
_SPACES = " \t\r\n"
_WRAPPINGS = ("data", "traces", "spans", "annotations", "examples")


def _no_constant(name: str) -> Any:
    raise Unacceptable("number", name, "a finite number")


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def read_json(file: io.BufferedIOBase, after: int = 0) -> Iterator[Numbered]:
    """Records with their line number, those after line `after`; for a document, the number of the element.

    A file is a document when it begins with "[" or its first line is a lone "{", else JSON Lines. An object of one
    line that wraps a list (`{"data": […]}`, as APIs answer) counts as that list.
    Raises ImportFailed for a document that is too large or no JSON.
    """
    first = file.readline(LARGEST_DOCUMENT + 1)
    refuse_utf16(first)
    first = first.removeprefix(_BOM)
    if first.lstrip().startswith(b"[") or first.strip() == b"{":
        document = first + file.read(LARGEST_DOCUMENT - len(first) + 1)
        yield from _elements(_document(document), after)
        return
    second = file.readline(LONGEST_LINE + 1)
    record = read_line(first) if not second and len(first) <= LARGEST_DOCUMENT else None
    if isinstance(record, dict) and (elements := _wrapped(record)) is not None:
        yield from _elements(elements, after)
    else:
        yield from _lines(chain((first, second), iter(lambda: file.readline(LONGEST_LINE + 1), b"")), after)


def _lines(pieces: Iterable[bytes], after: int) -> Iterator[Numbered]:
    """Lines out of pieces: a line too long for one piece is refused by its first and the others are skipped."""
    number, within = 0, False
    for piece in pieces:
        ends = piece.endswith(b"\n")
        if not within:
            number += 1
            if number > after and piece and not piece.isspace():
                yield number, _too_long(piece) if len(piece) > LONGEST_LINE + ends else read_line(piece)
        within = not ends and (within or len(piece) > LONGEST_LINE)


def read_line(line: bytes) -> Record | Refusal:
    """One line as a record, or why it is none."""
    try:
        text = line.decode().strip(_SPACES)
    except UnicodeDecodeError as error:
        return _refusal(line, f"byte {error.start + 1} of the line is not valid UTF-8", "text in UTF-8")
    try:
        record, end = _decoder.raw_decode(text)  # `decode` looks for spaces by regular expressions: 0.5 µs a line
        if end != len(text):
            return _refusal(
                text, f"more than one JSON value: a second at character {end + 1}", "one JSON object per line"
            )
    except Unacceptable as error:
        return error.refusal(text)
    except json.JSONDecodeError as error:
        return _refusal(text, f"not valid JSON: {error.msg} at character {error.pos + 1}", "one JSON object per line")
    except RecursionError:
        return _refusal(text, "JSON nested too deep to read", "JSON nested at most 32 deep")
    except ValueError:  # int() of more than 4300 digits
        return _refusal(text, "a number of too many digits", "numbers of at most 4300 digits")
    return record if isinstance(record, dict) else _refusal(text, "not a JSON object", "one JSON object per line")


def refuse_utf16(beginning: bytes) -> None:
    if beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ImportFailed("the file is UTF-16: convert it to UTF-8, e.g. iconv -f UTF-16 -t UTF-8 FILE")


def _document(content: bytes) -> Any:
    if len(content) > LARGEST_DOCUMENT:
        raise ImportFailed(
            f"the file is one JSON document above {LARGEST_DOCUMENT >> 20} MiB, which cannot be read piece by piece: "
            "convert it to JSON Lines, e.g. jq -c '.[]' FILE > FILE.jsonl"
        )
    try:
        return _decoder.decode(content.decode())
    except UnicodeDecodeError as error:
        raise ImportFailed(f"byte {error.start + 1} of the document is not valid UTF-8") from error
    except json.JSONDecodeError as error:
        raise ImportFailed(f"no JSON document: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise ImportFailed("the document holds NaN, infinity or too deep nesting: convert it to JSON Lines") from error


def _elements(document: Any, after: int) -> Iterator[Numbered]:
    elements = document if isinstance(document, list) else _wrapped(document) or [document]
    for number, element in enumerate(elements, 1):
        if number > after:
            good = isinstance(element, dict)
            yield number, element if good else _refusal(json.dumps(element), "not a JSON object", "an array of objects")


def _wrapped(document: Record) -> list[Any] | None:
    """The list that an object is only the wrapping of."""
    for key in _WRAPPINGS:
        if isinstance(document.get(key), list) and all(isinstance(each, dict) for each in document[key]):
            others = [name for name, value in document.items() if name != key and isinstance(value, list | str)]
            if not others or set(others) <= {"next_cursor", "object", "first_id", "last_id", "next_page_token"}:
                return list(document[key])
    return None


def _too_long(line: bytes) -> Refusal:
    beginning = line[:1000].decode("utf-8", "replace")
    return _refusal(beginning, f"a line above {LONGEST_LINE} bytes", f"lines of at most {LONGEST_LINE} bytes", "PT413")


def _refusal(line: bytes | str, message: str, hint: str, code: str = "PT400") -> Refusal:
    text = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
    return Refusal("", code, "line", message, hint, text.rstrip("\r\n"))
