"""Claim: on one core, in minutes, the embedded model learns the demo's triage from some dozens of tickets.

Belongs here: the tickets' split, a real training, answers of llama.cpp with and without the adapter. Does not: the
run's life, its gate (steps/models). Test tickets are sealed by the product's own hash; nothing is chosen by them, and
the prompt stays the naive one the agent starts from.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from glow_pipelines.demo.company import AGENTS, TRIAGE, AgentSpec, Case, cases
from glow_pipelines.learning.datasets.export import line_row
from glow_pipelines.learning.datasets.splits import split_of
from glow_pipelines.learning.datasets.text import normalize
from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.models.split import estimated_tokens, split_lines, training_file
from glow_pipelines.learning.models.types import TrainingLine, TrainingSplit
from glow_pipelines.learning.prompts.types import Prompt
from glow_pipelines.providers.choices import grammar, room
from glow_pipelines.providers.local.weights import find_weights

RESULTS = Path(__file__).parents[1] / "results" / "models_local.json"
BAR = 0.80
VALIDATION_SPLIT = 0.2


def tickets(agent: AgentSpec) -> tuple[TrainingSplit, list[Case]]:
    """What is trained on and validated with, as a training run splits it, and the sealed cases. None is in two."""
    lines, sealed = [], []
    for case in cases(agent.name):
        group = normalize(case.input)
        if split_of(group, agent.shares) == "test":
            sealed.append(case)
        else:
            text = json.dumps(line_row("sft", case.input, case.right[0], None, agent.prompt.system))
            lines.append(TrainingLine(case.id, group, text, estimated_tokens(text)))
    split = split_lines(lines, VALIDATION_SPLIT)
    if {line.group for line in lines} & {normalize(case.input) for case in sealed} or len(split.train) < 50:
        raise SystemExit("the split of the tickets is not what the claim is about")
    return split, sealed


def run(seed: int, device: str, results: Path = RESULTS) -> int:
    """Train once, measure, write the results. Ends with 1 below the bar."""
    import xllamacpp as llama

    (agent,) = (each for each in AGENTS if each.name == TRIAGE)
    (split, tested), weights = tickets(agent), find_weights(None)
    with TemporaryDirectory() as place:
        folder = Path(place)
        print(f"training on {len(split.train)} tickets, {len(tested)} are sealed", flush=True)
        spent = _train(folder, weights.chat, split, seed, device)
        told = json.loads((folder / "result.json").read_text("utf-8"))
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
        answered = {
            "base": _answers(llama, weights.chat, None, tested, agent.prompt),
            "tuned": _answers(llama, weights.chat, folder / "adapter.gguf", tested, agent.prompt),
        }
        size = (folder / "adapter.gguf").stat().st_size
    most_common = Counter(case.right[0] for case in tested).most_common(1)[0][1]
    found: dict[str, Any] = {
        "claim": f"at least {BAR} of the sealed tickets right after training on one core",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {_processor()}; load {os.getloadavg()[0]:.1f}",
        "versions": {name: version(name) for name in ("torch", "transformers", "gguf", "xllamacpp", "numpy")},
        "base": weights.chat_name,
        "prompt": agent.prompt.system,
        "seed": seed,
        "device": device,
        "tickets": {"trained on": len(split.train), "validated with": len(split.validation), "sealed": len(tested)},
        "most common queue of the test": round(most_common / len(tested), 3),
        "training": told | spent | {"adapter_bytes": size},
        "losses": [round(row["data"]["train_loss"], 4) for row in rows if row["type"] == "metrics"],
        "validation": [
            {name: round(row["data"][name], 4) for name in ("step", "valid_loss", "valid_mean_token_accuracy")}
            for row in rows
            if "valid_loss" in row["data"]
        ],
        "accuracy": {who: {way: _share(right) for way, right in ways.items()} for who, ways in answered.items()},
    }
    # Every run stays in the file: how often the sealed tickets were looked at is part of the result.
    earlier = json.loads(results.read_text("utf-8"))["runs"] if results.exists() else []
    results.write_text(json.dumps({"runs": [*earlier, found]}, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(json.dumps({name: found[name] for name in ("training", "accuracy")}, indent=1))
    return 0 if found["accuracy"]["tuned"]["labels"]["estimate"] >= BAR else 1


def _train(folder: Path, base: Path, split: TrainingSplit, seed: int, device: str) -> dict[str, float]:
    (folder / "train.jsonl").write_bytes(training_file(split.train))
    (folder / "validation.jsonl").write_bytes(training_file(split.validation))
    job = {"base": str(base), "method": "supervised", "hyperparameters": {}, "seed": seed}
    (folder / "job.json").write_text(json.dumps(job), "utf-8")
    command = [sys.executable, "-m", "glow_pipelines.training", "--job", str(folder), "--device", device]
    began, before = time.monotonic(), os.times()
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_seconds": round(time.monotonic() - began, 1), "processor_seconds": round(spent, 1)}


def _answers(
    llama: Any, base: Path, adapter: Path | None, tested: Sequence[Case], prompt: Prompt
) -> dict[str, list[bool]]:
    """Whether each was right, by the first word said freely, and where only the labels can be said."""
    parameters = llama.CommonParams()
    parameters.model.path = str(base)
    if adapter is not None:
        parameters.lora_adapters = [llama.CommonAdapterLoraInfo(str(adapter), 1.0)]
    parameters.n_parallel, parameters.n_ctx, parameters.n_gpu_layers, parameters.verbosity = 1, 4096, 0, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.warmup = parameters.fit_params = parameters.ui = False
    server, labels = llama.Server(parameters), list(prompt.choices or ())
    found: dict[str, list[bool]] = {"free": [], "labels": []}
    for case in tested:
        messages = [{"role": role, "content": text} for role, text in prompt.render(case.input).messages]
        body = {"messages": messages, "temperature": 0, "max_tokens": room(labels, "grammar"), "cache_prompt": False}
        for way, more in (("free", {}), ("labels", {"grammar": grammar(labels)})):
            said = server.handle_chat_completions({**body, **more})["choices"][0]["message"]["content"]
            found[way].append(said.strip().lower() == case.right[0])
    return found


def _share(right: Sequence[bool]) -> dict[str, Any]:
    interval = wilson(sum(right), len(right))
    return {
        "estimate": round(sum(right) / len(right), 3),
        "low": round(interval.low, 3),
        "high": round(interval.high, 3),
        "n": len(right),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor")
