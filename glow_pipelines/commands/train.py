"""`glow train`: training models.

Belongs here: options, what they print. Does not: training (training).
"""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from glow_pipelines.training.folder import JobFolder

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def train() -> None:
    """Train models."""


@train.command()
@click.option("--train", "lines", type=FILE, required=True, help="JSONL in OpenAI's form")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="folder of the training")
@click.option("--validation", type=FILE, help="JSONL that is measured with after every epoch, and not trained on")
@click.option("--base", type=FILE, help="GGUF file; default: the embedded model")
@click.option(
    "--method",
    type=click.Choice(("supervised", "dpo")),
    default="supervised",
    show_default=True,
    help="dpo: lines are pairs of a better and a worse answer",
)
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="of the processor")
@click.option("--epochs", type=click.IntRange(1, 50), help="default: three, more where there are few lines")
@click.option("--batch", type=click.IntRange(1, 256), help="lines a step; default: 4")
@click.option("--rate", type=float, help="multiplies the learning rate; default: 1")
@click.option("--rank", type=click.IntRange(1, 256), help="of the adapter; default: 8")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
def local(
    lines: Path,
    out: Path,
    validation: Path | None,
    base: Path | None,
    method: str,
    device: str,
    threads: int,
    epochs: int | None,
    batch: int | None,
    rate: float | None,
    rank: int | None,
    seed: int,
) -> None:
    """Train a LoRA adapter here, or on a machine with a GPU. Needs the extra `train`, and no database.

    Killed, the same command goes on from its checkpoint. The adapter in the folder is a GGUF file that llama.cpp
    serves beside the base.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from glow_pipelines.providers.local.weights import find_weights
    from glow_pipelines.training.folder import JobFolder
    from glow_pipelines.training.worker import work

    asked = {"n_epochs": epochs, "batch_size": batch, "learning_rate_multiplier": rate, "rank": rank}
    job = {
        "base": str((base or find_weights(None).chat).resolve()),
        "method": method,
        "hyperparameters": {name: value for name, value in asked.items() if value is not None},
        "seed": seed,
    }
    folder = JobFolder(out.resolve())
    _put(folder, job, lines, validation)
    console = Console()
    columns = (TextColumn("loss {task.fields[loss]:.4f}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("train", total=None, loss=float("nan"))
        work(
            folder,
            device,  # type: ignore[arg-type]
            threads,
            told=lambda done, steps, loss: bar.update(task, completed=done, total=steps, loss=loss),
        )
    result = json.loads(folder.result.read_text("utf-8"))
    figures = ", ".join(
        f"{name} {value:.4f}" for name, value in result["metrics"].items() if name.endswith(("loss", "accuracy"))
    )
    console.print(f"{result['lines']:,} lines, {result['steps']:,} steps, {result['seconds']:.0f} s: {figures}")
    console.print(str(folder.adapter), soft_wrap=True, markup=False)


def _put(folder: "JobFolder", job: dict[str, object], lines: Path, validation: Path | None) -> None:
    """The job into its folder, unless it is there; another one's folder is refused."""
    from glow_pipelines.files import write_whole

    place = folder.path / "job.json"
    wanted = json.dumps(job, indent=1) + "\n"
    if place.exists():
        if place.read_text("utf-8") != wanted:
            raise click.BadParameter("it holds another training; name another folder", param_hint="'--out'")
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(lines, folder.train)
    if validation is not None:
        shutil.copyfile(validation, folder.validation)
    os.chmod(folder.path, 0o700)  # people's texts
    write_whole(place, wanted)  # last: without it, it is no job
