"""Takes the pictures of docs/images: starts everything, drives the Dagster UI in headless Chromium, stops everything.

Run after `make demo`, so that there is something to see. CHROMIUM names the browser when it is not on the path. With
`--materialize` it first materializes every asset from the UI and waits until that is done, as a person would.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
AGENT = "expense-coder"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@contextmanager
def ui() -> Iterator[str]:
    """`glow up`, until the pictures are taken; the address of the UI."""
    command = [sys.executable, "-m", "glow_pipelines.cli", "up"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"Dagster UI\s+(http://\S+)", line):
                yield found[1]
                break
    finally:
        process.terminate()
        process.wait()


def shoot(page: Page, url: str, wait_for: str, name: str) -> None:
    """Open a page, wait until a text is on it, and keep what it looks like."""
    page.goto(url)
    page.get_by_text(wait_for).first.wait_for(timeout=90_000)
    page.wait_for_timeout(3_000)
    page.screenshot(path=IMAGES / f"{name}.png")


def shoot_graph(page: Page, base: str) -> None:
    """The asset graph with its groups open, on a screen that has room for it."""
    page.set_viewport_size({"width": 1900, "height": 1050})
    page.goto(f"{base}/asset-groups")
    page.get_by_text("Materialize all").wait_for(timeout=90_000)
    page.wait_for_timeout(3_000)
    page.get_by_text("Hide navigation").click()
    page.mouse.click(1200, 900)
    page.keyboard.press("Alt+e")
    page.wait_for_timeout(4_000)
    page.screenshot(path=IMAGES / "assets.png")
    page.set_viewport_size({"width": 1500, "height": 760})


def materialize(page: Page, base: str) -> None:
    """Every asset of every agent, by hand: the button, the partitions, the backfill until it is completed."""
    page.goto(f"{base}/asset-groups")
    page.get_by_role("button", name=re.compile("Materialize all")).click(timeout=90_000)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click(timeout=30_000)
    dialog.get_by_role("button", name="Launch backfill").click(timeout=30_000)
    page.wait_for_timeout(5_000)
    page.goto(f"{base}/runs?view=backfills")
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=600_000)


def main(base: str) -> None:
    """All pictures the documentation uses."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": 1500, "height": 760})
        if "--materialize" in sys.argv:
            materialize(page, base)
        shoot_graph(page, base)
        shoot(page, f"{base}/assets/prompt_gate?partition={AGENT}&view=partitions", "accuracy", "prompt_gate")
        shoot(page, f"{base}/assets/candidate_prompt?partition={AGENT}&view=partitions", "diff", "candidate_prompt")
        shoot(page, f"{base}/assets/training_dataset?view=checks", "leakage", "checks")
        shoot(page, f"{base}/automation", "nightly", "automation")
        shoot(page, f"{base}/runs", "turn", "runs")
        browser.close()


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if given:
        main(given[0])
    else:
        with ui() as address:
            main(address)
