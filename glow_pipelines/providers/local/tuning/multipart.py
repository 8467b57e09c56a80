"""A form with a file in it (RFC 7578), as HTTP clients upload it.

Belongs here: bytes of a request into fields. Does not: what the fields mean (files). Ours, because the usual library
for it would be one more dependency for one route.
"""

import re
from dataclasses import dataclass
from email.message import Message

_NAMED = re.compile(rb'(?:^|[;\s])(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class BadForm(ValueError):
    """The body is no form with fields."""


@dataclass(frozen=True)
class Field:
    """A field of the form; `filename` None where it is plain text."""

    filename: str | None
    content: bytes


def read_form(content_type: str, body: bytes) -> dict[str, Field]:
    """The fields by name; of several of one name the last. Raises BadForm."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str) or not boundary:
        raise BadForm(f"content-type: {content_type[:100]!r}; send multipart/form-data with a boundary")
    # Every part begins with a line of its own: a body that starts with the boundary gets the line end it lacks.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise BadForm("the form is cut off: its last boundary is missing")
    fields: dict[str, Field] = {}
    for part in parts[1:-1]:
        head, found, content = part.partition(b"\r\n\r\n")
        names = {match[1].lower(): match[2].decode("utf-8", "replace") for match in _NAMED.finditer(_disposition(head))}
        if not found or b"name" not in names:
            raise BadForm("a part of the form has no name")
        fields[names[b"name"]] = Field(names.get(b"filename"), content)
    return fields


def _disposition(head: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            return value
    return b""
