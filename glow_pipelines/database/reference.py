"""The SQL functions as a page to read: `python -m glow_pipelines.database.reference` prints docs/reference/sql.md.

Belongs here: the page, and what neither catalog nor call can tell: what codes, statuses and shared arguments mean.
Does not: reading the catalog (`reference_catalog`), making the calls (`reference_calls`).
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glow_pipelines.database.connect import connect
from glow_pipelines.database.migrate import migrate
from glow_pipelines.database.reference_calls import Answer, statement, tell
from glow_pipelines.database.reference_catalog import Argument, Function, read_functions, read_nouns, read_roles
from glow_pipelines.database.reference_probes import Forms, accepted_forms
from glow_pipelines.database.server import EmbeddedServer
from glow_pipelines.database.sql_files import sql_folder

HEADER = """\
# The SQL functions

Everything an app may call is in schema `glow_api`. Written by `make reference` from the catalog of a freshly migrated
database: change the comments in [sql/api](../../sql/api), not this page. The answers come from calls that were really
made while it was written, with instants and tokens replaced; what is *accepted* is what the database said when it
refused wrong values. How to connect: [for app developers](../apps.md). Who may see what: [security](../security.md).

Name the arguments (`thumbs => 1`); leave out what you do not know. A single call raises what it refuses: the SQLSTATE
says what kind of mistake it is, the message names field and value, the hint the accepted form.
"""
CODES = {
    "PT400": (
        "the form of a batch or of its JSON is not one that is read",
        "send an array of objects with known fields",
    ),
    "PT401": ("a feedback token is forged, changed or expired, or a claim is missing", "get a new token"),
    "PT403": (
        "another tenant, or another person, than this login speaks for",
        "leave `tenant` out; name the right person",
    ),
    "PT404": (
        "an agent, execution, version or request is not known here",
        "register or log it first; check the spelling",
    ),
    "PT409": (
        "an id or idempotency key was used for other contents",
        "retry with the same contents, or take a new one",
    ),
    "PT410": ("only in imports: the person of the row was erased", "leave the row out"),
    "PT413": ("a text, a batch or a call is too large", "send less, or several calls"),
    "PT422": ("a value is not of the accepted form", "the hint says the form; do not retry"),
    "PT428": ("what cannot be undone needs the answer of a dry run", "make the dry run, read it, pass its `confirm`"),
    "PT429": ("the login has made more calls in this minute than it may", "wait for the next minute, then retry"),
}
POSTGRES_CODES = {
    "42501": (403, "the role may not call this function", "`grant` the role that may (see below)"),
    "42883": (404, "no function has these arguments", "check names and types"),
    "22…": (400, "a text is no number, instant or JSON, or holds NUL or invalid UTF-8", "mend the value; do not retry"),
    "40001, 40P01": (500, "two transactions stood in each other's way", "retry with the same idempotency key"),
    "55P03, 57014": (500, "a lock or the call took longer than the login's timeouts allow", "retry with the same key"),
    "08…, 53…, 57P…": (503, "the server or the way to it is down, or full", "retry with the same key, later"),
}
STATUSES = {
    "accepted": "new, and current from now on",
    "replayed": "this idempotency key or execution id was answered before: the first answer's id, nothing written",
    "unchanged": "says what is current already: nothing written",
    "late": "happened before the current one (`occurred_at`): kept as history, does not become current",
    "withdrawn": "what was current is taken back, and a late vote does not revive it; a gold item is none any more",
    "skipped": "given back, and comes again when nothing else waits for this reviewer",
    "declined": "given back, and never comes to this reviewer again",
    "released": "given back, and may come to anybody",
    "extended": "leased for longer",
    "set": "it holds from now on",
    "retired": "no search finds the document any more; what was learned from it keeps its text",
    "erased": "the person is gone from the tables; files and Dagster's own tables follow",
    "rolled_back": "what was in force before is in force again",
    "created": "it holds from now on",
    "ended": "it holds no more",
    "merged": "a search known before: what is new in it was added",
    "refused": "only in batches: this row was not written; `code`, `field`, `message` and `hint` say why",
}
REQUEST_STATUSES = ("queued", "started", "succeeded", "failed", "cancelled")
OWNER_STATUSES = ("bound", "rotated", "revoked")
SHARED = {
    "agent": "the agent by the name it was registered with; the same for every caller",
    "execution_id": "your id of one run of an agent, such as a trace id; unique within a tenant",
    "user_id": "your id of the person, pseudonymous if you can",
    "conversation_id": "what belongs together: never split between training and test data",
    "channel": "where it happened, such as `web` or `slack`; free text",
    "tenant": "only for logins that serve several tenants; null means the login's own",
    "idempotency_key": "an id of the call: a retry with the same key and contents is answered, not counted again",
    "occurred_at": "when it happened by the client's clock; null means now, the future is cut to now",
    "started_at": "the same, of an execution",
    "sent_at": "the client's clock as it sends: a clock that is wrong by minutes or years is corrected by it",
    "since": "only what was recorded from this instant on",
    "reason": "why you ask, for whoever reads it",
    "item_id": "what `claim_annotation` answered: an execution that waits for reviews",
    "reviewer": "who judges; null means the person this login speaks for",
    "filters": "which items: `agent`, `kind` (judgement, comparison), `reason` (where not blind), `state` (adjudicate)",
    "experiment_id": "the experiment, as `experiments` answers it",
    "lease": "for how long a review is a reviewer's own, such as `20 minutes`; null means as long as the policy says",
}


@dataclass(frozen=True)
class Findings:
    """Functions, the answers to the examples, function → argument → accepted forms; and flaws: see `accepted_forms`."""

    functions: tuple[Function, ...]
    answers: tuple[Answer, ...]
    forms: Mapping[str, Forms]
    flaws: tuple[str, ...]


def find_out(url: str, folder: Path) -> Findings:
    """What there is to say of a freshly migrated database; nothing is left behind in it. Raises as `tell` does."""
    forms: dict[str, Forms] = {}
    flaws: list[str] = []
    with connect(url) as connection:
        functions = read_functions(connection, folder)
        known = {function.name: function for function in functions}
        with connection.transaction(force_rollback=True):
            answers = tuple(answer for _, answer in tell(connection, known))
        # A second time, because probes use up ids, and the ids above should not depend on how many probes there are.
        with connection.transaction(force_rollback=True):
            for made, _ in tell(connection, known):
                if made.function not in forms:
                    forms[made.function], bad = accepted_forms(connection, known[made.function], made)
                    flaws += bad
    return Findings(functions, answers, forms, tuple(flaws))


def render(found: Findings, folder: Path) -> str:
    """The page, the same text for the same schema; `folder` is sql/, for what its comments say."""
    abouts = {noun.name: noun.about for noun in read_nouns(folder)}
    functions = found.functions
    parts = [HEADER, _roles(functions, read_roles(folder)), _statuses(), _codes(), _shared(functions)]
    for noun in dict.fromkeys(function.noun for function in functions):
        same = abouts[noun].rstrip(".").lower() == noun
        parts.append(f"## {noun.capitalize()}\n" + ("" if same else f"\n{abouts[noun]}\n"))
        parts += [_function(each, found) for each in functions if each.noun == noun]
    return "\n".join(parts)


def _roles(functions: Sequence[Function], roles: Mapping[str, str]) -> str:
    rows = []
    for role, text in roles.items():
        names = [f"[{each.name}](#{each.name})" for each in functions if role in each.callers]
        if role == "glow_owner":
            names = ["everything; alone: ", *(f"[{each.name}](#{each.name})" for each in functions if not each.callers)]
        rows.append((f"`{role}`", text, ", ".join(names).replace("alone: , ", "alone: ")))
    return "## Roles\n\nNone of them can log in: grant them to the roles that do.\n\n" + _table(
        ("role", "for", "may call"), rows
    )


def _statuses() -> str:
    rows = [(f"`{name}`", text) for name, text in STATUSES.items()]
    requests = ", ".join(f"`{name}`" for name in REQUEST_STATUSES)
    return f"## Status of an answer\n\n{_table(('status', 'meaning'), rows)}\nA request is {requests}.\n"


def _codes() -> str:
    ours = [(f"`{code}`", code.removeprefix("PT"), meaning, remedy) for code, (meaning, remedy) in CODES.items()]
    theirs = [(f"`{code}`", str(http), meaning, remedy) for code, (http, meaning, remedy) in POSTGRES_CODES.items()]
    columns = ("SQLSTATE", "HTTP", "meaning", "remedy")
    return (
        "## Errors\n\nThe HTTP status is what PostgREST, and so Supabase, answers for the code.\n\n"
        f"{_table(columns, ours)}\nPostgreSQL's own codes that a caller meets:\n\n{_table(columns, theirs)}"
    )


def _shared(functions: Iterable[Function]) -> str:
    types = {argument.name: argument.type for function in functions for argument in function.arguments}
    rows = [(f"`{name}`", types[name], text) for name, text in SHARED.items()]
    return "## Arguments of many functions\n\n" + _table(("argument", "type", "meaning"), rows)


def _function(function: Function, found: Findings) -> str:
    wanted = [argument.name for argument in function.arguments if argument.default is None]
    more = [argument.name for argument in function.arguments if argument.default is not None]
    signature = ", ".join(wanted) + (
        f"{' ' if wanted else ''}[{', ' if wanted else ''}{', '.join(more)}]" if more else ""
    )
    callers = ", ".join(f"`{role}`" for role in function.callers) or "`glow_owner` alone"
    parts = [
        f"### {function.name}\n",
        f"{function.comment}\n",
        f"`glow_api.{function.name}({signature})` returns {function.returns}. May be called by: {callers}.\n",
    ]
    if function.arguments:
        parts.append(_table(("argument", "type", "default", "accepted"), _argument_rows(function, found)))
    if function.columns:
        parts.append(_table(("column", "type"), [(f"`{column.name}`", column.type) for column in function.columns]))
    for answer in found.answers:
        if answer.example.function == function.name:
            parts.append(_answer(function, answer))
    return "\n".join(parts)


def _argument_rows(function: Function, found: Findings) -> Iterator[tuple[str, ...]]:
    for argument in function.arguments:
        forms = found.forms[function.name].get(argument.name, ())
        yield f"`{argument.name}`", argument.type, _default(argument), "; ".join(forms)


def _default(argument: Argument) -> str:
    return "required" if argument.default is None else f"`{argument.default}`"


def _answer(function: Function, answer: Answer) -> str:
    about = f"{answer.example.about}\n\n" if answer.example.about else ""
    if answer.code:
        said = f"```\nERROR {answer.code}: {answer.message}\nHINT: {answer.hint}\n```\n"
    else:
        said = f"```json\n{_json(answer.value)}\n```\n"
    return f"{about}```sql\n{statement(function, answer.example.arguments)}\n```\n\n{said}"


def _json(value: Any) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= 110 or not value:
        return flat
    if isinstance(value, list):
        return "[\n  " + ",\n  ".join(json.dumps(each, ensure_ascii=False) for each in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, indent=2)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    cells = (" | ".join(re.sub(r"\|", r"\\|", cell) for cell in line) for line in lines)
    return "".join(f"| {line} |\n" for line in cells)


def main() -> None:
    """Print the page of the schema that the files make, from a server of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="glow-reference-") as folder:
        Path(folder).chmod(0o711)  # as root the server is another user
        server = EmbeddedServer(Path(folder), {"fsync": "off"})
        try:
            server.start()
            migrate(server.url("glow"))
            sys.stdout.write(render(find_out(server.url("glow"), sql_folder()), sql_folder()))
        finally:
            server.remove()


if __name__ == "__main__":
    main()
