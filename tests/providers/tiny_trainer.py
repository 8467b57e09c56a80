"""A trainer of one number, so small that a test can wait for it: `python tiny_trainer.py --job FOLDER`.

It keeps to the folder's agreement (glow_pipelines/training/folder.py): metrics while it runs, a checkpoint per step,
`pause`, an adapter at the end. What it learns is the length of the answers, by gradient descent. `n_epochs` are its
steps, TINY_SECONDS the time of one; with the seed 13 it fails, with 14 it says it is done and wrote nothing.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from adapter_file import write_adapter


def main(folder: Path) -> int:
    job = json.loads((folder / "job.json").read_text())
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    lengths = [len(line["messages"][-1]["content"]) for line in lines]
    checkpoints = folder / "checkpoints"
    done = max((int(each.name) for each in checkpoints.glob("*") if (each / "state").exists()), default=0)
    number = float((checkpoints / str(done) / "state").read_text()) if done else 0.0
    (folder / "began.txt").open("a").write(f"{os.getpid()} {done}\n")
    if job["seed"] == 13:
        sys.exit("Traceback of many lines\nout of memory, said the seed")
    if job["seed"] == 14:
        return 0
    for step in range(done + 1, int(job["hyperparameters"]["n_epochs"]) + 1):
        if (folder / "pause").exists() and done:
            return 75
        time.sleep(float(os.environ.get("TINY_SECONDS", "0.02")))
        loss = sum((number - length) ** 2 for length in lengths) / len(lengths)
        number -= 0.5 * sum(number - length for length in lengths) / len(lengths)
        line = {"type": "metrics", "at": time.time(), "data": {"step": step, "train_loss": loss, "valid_loss": loss}}
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        here = checkpoints / str(step)
        here.mkdir(parents=True, exist_ok=True)
        (here / "metrics.json").write_text(json.dumps(line))
        write_adapter(here / "adapter.gguf", scale=0.01 * step)
        (here / "state.new").write_text(str(number))
        (here / "state.new").replace(here / "state")
        done = step
    (folder / "result.json").write_text(json.dumps({"trained_tokens": 7 * len(lines) * done}))
    write_adapter(folder / "adapter.gguf", scale=1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[sys.argv.index("--job") + 1])))
