"""`glow import`: files in, counts out.

Belongs here: the order of things. Does not: formats, mapping, the database part, what the terminal shows of it.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from glow_pipelines.importing.batches import Batches
from glow_pipelines.importing.formats import make_parser, read
from glow_pipelines.importing.load import load, rehearse
from glow_pipelines.importing.mapping import read_mapping
from glow_pipelines.importing.outcome import Outcome, printable, sentences
from glow_pipelines.importing.progress import Bar
from glow_pipelines.importing.records import Options
from glow_pipelines.importing.rejected import append_rejected
from glow_pipelines.importing.sources import ImportFailed, Source, import_id, open_source
from glow_pipelines.services import Services
from glow_pipelines.store.imports import DATABASE_FAILED, NOT_ALLOWED, ImportRefusal, lock_import

_SHOWN = 5


@dataclass(frozen=True)
class ImportRequest:
    """What to import and how. `rejected`: the file of refused rows; None is beside the first file."""

    format: str
    files: tuple[Path | None, ...]
    options: Options = field(default_factory=Options)
    mapping: Path | None = None
    rejected: Path | None = None
    dry_run: bool = False
    again: bool = False


def run_import(
    services: Services, request: ImportRequest, console: Console, clock: Callable[[], float] = time.monotonic
) -> list[Outcome]:
    """Import the files one after another and print what became of them.

    Interrupted or killed, it goes on where it was when it is called again with the same file and options.
    Raises ImportFailed, MappingError and what the database's absence raises.
    """
    importer = _Importer(services, request, console, clock)
    try:
        importer.check()
        return [importer.run(Source(path)) for path in request.files]
    except NOT_ALLOWED as error:
        raise ImportFailed(
            "the login of DATABASE_URL may not import: grant it glow_pipeline, or use another"
        ) from error


class _Importer:
    def __init__(
        self, services: Services, request: ImportRequest, console: Console, clock: Callable[[], float]
    ) -> None:
        self._services, self._request, self._console, self._clock = services, request, console, clock
        self._mapping = read_mapping(request.mapping) if request.mapping else ""
        self._parse = make_parser(request.format, request.options, self._mapping)
        first = request.files[0]
        self._rejected = request.rejected or Path(f"{first or 'stdin'}.rejected.jsonl")
        self._rejected_is_fresh = False

    def check(self) -> None:
        """Find out before the first row what would otherwise be found out after the last."""
        from glow_pipelines.database import is_current

        if not is_current(self._services.database_url):
            raise ImportFailed("the database is not at this version's schema: run glow migrate")
        named = self._request.options.agent
        if named is not None:
            with self._services.store.transaction() as t:
                known = [agent.name for agent in t.feedback.agents()]
            if named not in known:
                raise ImportFailed(
                    f"--agent {named}: not registered; known: {', '.join(known) or 'none'}. "
                    "Register it with glow_api.register_agent"
                )
        if self._rejected.resolve() in {path.resolve() for path in self._request.files if path}:
            raise ImportFailed(f"--rejected {self._rejected} is a file to import: choose another")
        folder = self._rejected.resolve().parent
        if not self._request.dry_run and not os.access(folder, os.W_OK):
            raise ImportFailed(f"cannot write {self._rejected}: choose another place with --rejected FILE")

    def run(self, source: Source) -> Outcome:
        began = self._clock()
        if self._request.dry_run:
            outcome = self._rehearse(source)
        elif source.path is None:
            self._console.print("Standard input cannot be read twice: if this is interrupted, import all of it again.")
            outcome = self._carefully(source, secrets.token_hex(32))
        else:
            named = import_id(source, self._request.format, self._request.options, self._mapping)
            with lock_import(self._services.database_url, named) as held:
                if not held:
                    raise ImportFailed(f"{source.name} is being imported by another glow import: wait for that one")
                outcome = self._carefully(source, named)
        outcome.seconds = self._clock() - began
        waiting = 0
        if outcome.finished_before is None and not self._request.dry_run:
            with self._services.store.transaction() as t:
                waiting = t.imports.waiting_votes()
        for sentence in sentences(source.name, outcome, self._request.dry_run, self._rejected, waiting):
            self._console.print(sentence, highlight=False)
        return outcome

    def _carefully(self, source: Source, named: str) -> Outcome:
        """Import, and say what an interruption leaves."""
        goes_on = "what is applied stays, and the same command goes on from there"
        try:
            return self._import(source, named)
        except KeyboardInterrupt:
            self._console.print(f"{escape(printable(source.name))}: interrupted; {goes_on}")
            raise
        except DATABASE_FAILED as error:
            raise ImportFailed(f"{source.name}: the database failed ({type(error).__name__}); {goes_on}") from error

    def _import(self, source: Source, named: str) -> Outcome:
        store = self._services.store
        with store.transaction() as t:
            state = t.imports.begin(named, source.name, self._request.format)
            if state.state == "finished":
                if not self._request.again:
                    self._write_rejected(source, t.imports.refusals(named))
                    return Outcome(finished_before=state)
                t.imports.restart(named)
            t.imports.forget_unapplied(named)
            state = t.imports.state(named)
        if state.line:
            self._console.print(
                f"{escape(printable(source.name))}: going on after line {state.line}, where it was interrupted."
            )
        before = state.accepted + state.replayed + state.refused
        batches = Batches(named, self._parse)
        with open_source(source) as stream, Bar(self._console, source) as report:
            records = read(self._request.format, source, stream, state.line)
            load(store, named, batches.of(records, stream.position), report)
        with store.transaction() as t:
            t.imports.finish(named)
            state = t.imports.state(named)
            self._write_rejected(source, t.imports.refusals(named))
        return Outcome(state.accepted, state.replayed, state.refused, batches.passed, before=before)

    def _rehearse(self, source: Source) -> Outcome:
        named = secrets.token_hex(32)
        outcome = Outcome()
        with (
            open_source(source) as stream,
            Bar(self._console, source) as report,
            self._services.store.transaction() as t,
        ):
            try:
                t.imports.begin(named, source.name, self._request.format)
                batches = Batches(named, self._parse)
                records = read(self._request.format, source, stream, 0)
                rehearse(t, named, batches.of(records, stream.position), report)
                state = t.imports.state(named)
                outcome = replace(
                    outcome,
                    accepted=state.accepted,
                    replayed=state.replayed,
                    refused=state.refused,
                    passed=batches.passed,
                )
                outcome.first_refusals = list(islice(t.imports.refusals(named), _SHOWN))
                if self._request.rejected is not None:
                    self._write_rejected(source, t.imports.refusals(named))
            finally:
                t.connection.rollback()
        return outcome

    def _write_rejected(self, source: Source, refusals: Iterable[ImportRefusal]) -> None:
        """The file holds what these files were refused, and nothing of an earlier call."""
        if not self._rejected_is_fresh:
            self._rejected.unlink(missing_ok=True)
            self._rejected_is_fresh = True
        append_rejected(self._rejected, source.name, refusals)
