"""The faults, by name, and the script that says which strikes when.

Belongs here: names, the requests each strikes, the text form of a script. Does not: sockets (proxy), what a rewritten
answer looks like (rewriting).
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

ROUTES: Mapping[str, tuple[str, str]] = {
    "create": ("POST", r"/fine_tuning/jobs"),
    "list": ("GET", r"/fine_tuning/jobs"),
    "job": ("GET", r"/fine_tuning/jobs(/[^/]+)?"),
    "cancel": ("POST", r"/fine_tuning/jobs/[^/]+/cancel"),
    "events": ("GET", r"/fine_tuning/jobs/[^/]+/events"),
    "checkpoints": ("GET", r"/fine_tuning/jobs/[^/]+/checkpoints"),
    "upload": ("POST", r"/files"),
    "file": ("GET|POST", r"/files(/[^/]+)?"),
    "content": ("GET", r"/files/[^/]+/content"),
    "models": ("GET", r"/models(/.+)?"),
    "model": ("GET|POST", r"/models/.+|/chat/completions"),
    "any": (".*", r"/.*"),
}
"""Requests a fault may strike: method and end of the path. `job` is one job, or the list of all."""
Kind = Literal["refuse", "break", "after", "rewrite", "delay", "lag", "twice"]
ALWAYS = -1


@dataclass(frozen=True)
class Fault:
    """A fault. `kind`: refused before the service sees it; connection broken before; broken after the service did it;
    its answer rewritten; delayed; lists that lag; done twice. `seconds` None where time plays no part."""

    name: str
    kind: Kind
    route: str
    help: str
    seconds: float | None = None
    times: int = 1


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("429", "refuse", "create", "too many requests; retry-after-ms says when", 0.5),
        Fault("500", "refuse", "create", "an error; nothing was created"),
        Fault("403", "refuse", "create", "training_not_available: the service takes no jobs any more"),
        Fault("garbage", "refuse", "create", "200 with a page of HTML under a JSON content type; nothing was created"),
        Fault("drop", "break", "create", "the connection is reset before the service sees the request"),
        Fault("created-then-500", "after", "create", "the job exists, the answer is an error"),
        Fault("created-then-drop", "after", "create", "the job exists, the connection is reset"),
        Fault("created-then-hang", "after", "create", "the job exists, no answer comes", 60),
        Fault("created-then-garbage", "after", "create", "the job exists, the answer is a page of HTML"),
        Fault("slow", "delay", "create", "the answer is right and late", 2),
        Fault("duplicate-job", "twice", "create", "the service makes two jobs of one request, and tells of the second"),
        Fault("list-lag", "lag", "list", "lists lack the jobs of the last seconds", 1, ALWAYS),
        Fault("unknown-status", "rewrite", "job", "a status that nobody knew yet"),
        Fault("job-failed", "rewrite", "job", "the job has failed, with an error"),
        Fault("file-error", "rewrite", "file", "the file could not be processed"),
        Fault("events-disordered", "rewrite", "events", "events in another order than they happened"),
        Fault("events-doubled", "rewrite", "events", "every event twice"),
        Fault("result-columns", "rewrite", "content", "the result file lacks columns and names others otherwise"),
        Fault("model-404", "refuse", "model", "the new model is not known yet, as right after success"),
        Fault("shutdown-soon", "rewrite", "models", "every model is shut down in 30 days"),
    )
}
_FORM = re.compile(r"(?P<name>[a-z0-9-]+)(=(?P<seconds>[0-9.]+))?(\*(?P<times>[0-9]+|always))?(@(?P<route>[a-z]+))?")


class BadScript(ValueError):
    """No fault is written so; the message says how one is."""


def read_fault(text: str) -> Fault:
    """NAME[=SECONDS][*TIMES|*always][@REQUESTS], e.g. `429=0.2*3`, `500*always@list`. Raises BadScript."""
    match = _FORM.fullmatch(text)
    if match is None or match["name"] not in FAULTS:
        raise BadScript(f"{text!r}: write NAME[=SECONDS][*TIMES|*always][@REQUESTS]; names: {', '.join(FAULTS)}")
    usual, route = FAULTS[match["name"]], match["route"]
    if route is not None and route not in ROUTES:
        raise BadScript(f"{text!r}: no such requests; use {', '.join(ROUTES)}")
    try:
        seconds = usual.seconds if match["seconds"] is None else float(match["seconds"])
    except ValueError as error:
        raise BadScript(f"{text!r}: seconds must be a number") from error
    times = {None: usual.times, "always": ALWAYS}.get(match["times"]) or int(match["times"] or 0)
    if times == 0:
        raise BadScript(f"{text!r}: a fault strikes at least once")
    return Fault(usual.name, usual.kind, route or usual.route, usual.help, seconds, times)


class Script:
    """Faults in the order in which they strike: a request gets the first that strikes its kind and has times left."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults, self._left = list(faults), [fault.times for fault in faults]
        self._lock = threading.Lock()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for a request, one time less of it afterwards; None to let it pass. Lags are not asked for here."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                if self._left[place] and fault.kind != "lag" and strikes(fault, method, path):
                    self._left[place] -= fault.times != ALWAYS
                    return fault
        return None

    @property
    def lag(self) -> float:
        """Seconds by which lists lag."""
        return max((fault.seconds or 0.0 for fault in self._faults if fault.kind == "lag"), default=0.0)

    def add(self, fault: Fault) -> None:
        """One more, after the others."""
        with self._lock:
            self._faults.append(fault)
            self._left.append(fault.times)


def strikes(fault: Fault, method: str, path: str) -> bool:
    """Whether a fault is one for this request; `path` without a query, whatever it begins with."""
    methods, end = ROUTES[fault.route]
    return bool(re.fullmatch(methods, method) and re.fullmatch(rf"(/v\d+|/openai|/inference)*({end})", path))
