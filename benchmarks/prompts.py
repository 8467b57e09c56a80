"""Claim: with equal calls, Glow finds prompts as good as its peers', and never hands over one that is only lucky.

With --task, any task as train.jsonl, val.jsonl, test.jsonl of {"input", "target"} (prompt.json, if there, is the prompt
to begin with): Glow's own optimizer, GEPA as it comes, and random demonstrations of equal length, each with the same
number of calls to the model of the usual settings (OPENAI_BASE_URL, GLOW_CHAT_MODEL, …; the embedded one without), and
a final test on rows of test.jsonl that nobody has seen. Without --task, the simulators: modules of benchmarks/prompting
with a function `simulate`. Writes benchmarks/results/prompts.json and prompts.md.

Usage: python benchmarks/prompts.py [--simulate] [--full] [--only SIMULATOR,…]
       python benchmarks/prompts.py --task DIR --metric NAME [--metric-settings JSON] [--calls N] [--seeds N]
                                    [--writer FILE.gguf | NAME[@BASE_URL]] [--max-test N [--sample-seed N]]
       python benchmarks/prompts.py --report
benchmarks/prompting/tasks.py writes task folders from public data.
"""

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, its folder is where Python looks first

RESULTS = Path(__file__).parent / "results" / "prompts.json"
PARTS = Path(__file__).parent / "prompting"


def simulators() -> list[str]:
    """The modules beside ours that simulate something."""
    return sorted(path.stem for path in PARTS.glob("*.py") if "\ndef simulate(" in path.read_text("utf-8"))


def keep(kind: str, name: str, figures: dict[str, Any], results: Path = RESULTS) -> None:
    """Put figures beside those of earlier runs, and write the table anew."""
    from benchmarks.prompting.report import markdown

    known = json.loads(results.read_text("utf-8")) if results.exists() else {}
    stamp = {"date": datetime.now(UTC).date().isoformat(), "load": round(os.getloadavg()[0], 2)}
    known.setdefault(kind, {})[name] = figures | stamp
    known["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    results.with_suffix(".md").write_text(markdown(known), encoding="utf-8")


def simulate(chosen: list[str], full: bool, results: Path) -> None:
    """Run simulators one after another; each is kept as soon as it is done."""
    for name in chosen:
        print(f"== {name}", flush=True)
        figures = importlib.import_module(f"benchmarks.prompting.{name}").simulate(full)
        print(json.dumps(figures, indent=1), flush=True)
        keep("simulators", name, dict(figures) | {"full": full}, results)


def run_task(arguments: argparse.Namespace) -> None:
    """Read the task before anything is started; then the contest."""
    from benchmarks.prompting.models import open_models
    from benchmarks.prompting.peers import Goal
    from benchmarks.prompting.real import contest
    from benchmarks.prompting.task_files import read_task

    task = read_task(arguments.task, arguments.metric, arguments.gate_share, arguments.max_test, arguments.sample_seed)
    goal = Goal(arguments.metric, arguments.metric_settings, arguments.calls)
    goal.check()
    for each in task.notes:
        print(f"note: {each}")
    with open_models(arguments.writer) as models:
        named = {"model": models.name, "writer": models.writer_name}
        vectors = models.embed(task.train)
        log: Callable[[str], object] = lambda line: print(line, flush=True)  # noqa: E731
        figures = named | contest(task, goal, models.model, models.writer, vectors, arguments.seeds, log)
    print(json.dumps(figures, indent=1, ensure_ascii=False), flush=True)
    keep("tasks", f"{task.name}, {models.name}, {goal.calls} calls", figures, arguments.results)


def main(given: list[str] | None = None) -> int:
    """Ends with 2 when what was given is no task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", type=Path, help="a folder with train.jsonl, val.jsonl and test.jsonl")
    parser.add_argument("--metric", default="label", help="how an answer is scored (default: label)")
    parser.add_argument("--metric-settings", type=_object, default={}, help="settings of the metric, a JSON object")
    parser.add_argument("--calls", type=_positive, default=600, help="model calls for each contestant (default: 600)")
    parser.add_argument(
        "--seeds", type=_positive, default=1, help="how often, each with a seed of its own (default: 1)"
    )
    parser.add_argument("--writer", help="the model that writes prompts: FILE.gguf, NAME or NAME@BASE_URL")
    parser.add_argument(
        "--gate-share", type=float, default=0.4, help="share of test.jsonl for Glow's gate; the rest is sealed"
    )
    parser.add_argument("--max-test", type=_positive, help="draw so many rows of test.jsonl")
    parser.add_argument("--sample-seed", type=int, default=0, help="what --max-test draws by (default: 0)")
    parser.add_argument("--simulate", action="store_true", help="run the simulators, as without --task")
    parser.add_argument("--full", action="store_true", help="simulators at full size")
    parser.add_argument("--only", help=f"simulators, by comma: {', '.join(simulators())}; default all")
    parser.add_argument("--report", action="store_true", help="only write the table anew from the results")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")
    arguments = parser.parse_args(given)
    if arguments.report:
        from benchmarks.prompting.report import markdown

        known = json.loads(arguments.results.read_text("utf-8"))
        arguments.results.with_suffix(".md").write_text(markdown(known), encoding="utf-8")
        return 0
    if arguments.task is None or arguments.simulate:
        chosen = arguments.only.split(",") if arguments.only else simulators()
        if unknown := set(chosen) - set(simulators()):
            parser.error(f"--only {', '.join(sorted(unknown))}: no such simulator; there are {', '.join(simulators())}")
        simulate(chosen, arguments.full, arguments.results)
    if arguments.task is not None:
        from benchmarks.prompting.task_files import TaskError

        try:
            run_task(arguments)
        except TaskError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number of at least 1")
    return number


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"a {type(value).__name__}; give a JSON object")
    return value


if __name__ == "__main__":
    sys.exit(main())
