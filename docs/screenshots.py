"""Takes the pictures of docs/images: starts everything, drives the Dagster UI in headless Chromium, stops everything.

Run after `make demo`, so that there is something to see. CHROMIUM names the browser when it is not on the path.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@contextmanager
def ui() -> Iterator[str]:
    """`glow up`, until the pictures are taken; the address of the UI."""
    process = subprocess.Popen(
        [sys.executable, "-m", "glow_pipelines.cli", "up"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"Dagster UI\s+(http://\S+)", line):
                yield found[1]
                break
    finally:
        process.terminate()
        process.wait()


def shoot(page: Page, url: str, wait_for: str, name: str, settle: float = 3.0) -> None:
    """Open a page, wait until a text is on it, and keep what it looks like."""
    page.goto(url)
    page.get_by_text(wait_for).first.wait_for(timeout=90_000)
    time.sleep(settle)
    page.screenshot(path=IMAGES / f"{name}.png")


def main(base: str) -> None:
    """All pictures the documentation uses."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        shoot(page, f"{base}/asset-groups", "prompt_gate", "assets", settle=8)
        shoot(page, f"{base}/assets/prompt_gate", "accuracy", "prompt_gate")
        shoot(page, f"{base}/assets/candidate_prompt", "diff", "candidate_prompt")
        shoot(page, f"{base}/assets/training_dataset?view=checks", "leakage", "checks")
        shoot(page, f"{base}/automation", "nightly", "automation")
        shoot(page, f"{base}/runs", "turn", "runs")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with ui() as address:
            main(address)
