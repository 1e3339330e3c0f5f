"""Time until a page can be used, in headless Chromium, with many samples and many runs."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from _shared import print_table, timed

from llmprof.jobs.runner import open_run
from llmprof.metrics.measures import mean_metric
from llmprof.metrics.samples import Sample
from llmprof.report.build import build_report
from llmprof.report.html import write_page
from llmprof.results import ProfileResult, RunStart, Store, Work

_COMPLETIONS = 25
_WORDS = ("the", "model", "wrote", "this", "and", "then", "that", "of", "some", "people")
# When the page is seen first, when samples can be searched, and when the first chart is drawn:
# milliseconds after the page was asked for. A chart is drawn once it comes near the view.
_MOMENTS = """
document.querySelector(".chart").scrollIntoView();
if (!document.querySelector(".chart .main-svg")) return null;
const when = (name) => performance.getEntriesByName(name)[0].startTime;
return [when("first-contentful-paint"), when("samples"), performance.now()];
"""
_SEARCH = """
const began = performance.now();
const field = document.getElementById("search");
field.value = arguments[0];
field.dispatchEvent(new Event("input"));
const done = arguments[1];
const before = document.getElementById("count").textContent;
const wait = () => document.getElementById("count").textContent === before
  ? setTimeout(wait, 1) : done(performance.now() - began);
wait();
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--samples", type=int, nargs="*", default=[500, 50_000, 20_000])
    arguments.add_argument("--runs", type=int, nargs="*", default=[1, 1, 20], help="of each page")
    arguments.add_argument("--characters", type=int, default=500, help="mean of a completion")
    arguments.add_argument("--repeats", type=int, default=3, help="fresh browsers")
    given = arguments.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {_version()}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for place, (samples, runs) in enumerate(zip(given.samples, given.runs, strict=True)):
            db, page = Path(folder) / f"{place}.db", Path(folder) / f"{place}.html"
            for run in range(runs):
                _fill(db, samples // runs, given.characters, seed=run)
            models = [f"model-{run}" for run in range(runs)]
            report = build_report(db, models, models[0] if runs > 1 else None)
            _, seconds = timed(lambda: write_page(report, db, page))  # noqa: B023
            seen, ready, drawn, search = (
                statistics.median(times)
                for times in zip(*(_open(page) for _ in range(given.repeats)), strict=True)
            )
            rows.append(
                [
                    runs,
                    f"{samples:,}",
                    f"{page.stat().st_size / 1e6:.1f}",
                    f"{seconds:.1f}",
                    f"{seen / 1000:.2f}",
                    f"{ready / 1000:.2f}",
                    f"{drawn / 1000:.2f}",
                    f"{search:.0f}",
                ]
            )
    columns = [
        "runs", "samples", "MB", "written, s", "seen, s", "samples usable, s", "first chart, s",
        "search, ms",
    ]  # fmt: skip
    print_table(columns, rows)


def _fill(db: Path, count: int, characters: int, seed: int) -> None:
    """A toxicity run of `count` completions, 25 per prompt, of a model of its own."""
    draw = random.Random(seed)
    words = characters // 5
    samples = [
        Sample(
            sample_id=str(place // _COMPLETIONS),
            sample_index=place % _COMPLETIONS,
            prompt=f"Prompt {place // _COMPLETIONS}: {' '.join(draw.choices(_WORDS, k=12))}",
            response=f"Completion {place}: {' '.join(draw.choices(_WORDS, k=words))}",
            scores={"TOXICITY": draw.betavariate(0.4, 2.0)},
        )
        for place in range(count)
    ]
    scores = [sample.scores["TOXICITY"] for sample in samples]
    metrics = [mean_metric("mean_toxicity:scorer", scores)]
    work = Work(0, 0, 0, 0, 0, 0.0)
    result = ProfileResult(
        *("toxicity", "1", "prompts", "made here", "0" * 64, False, count), samples, metrics, work
    )
    start = RunStart("profile", f"model-{seed}", "scripted", {}, 0, {})
    with Store(db) as store, open_run(store, start) as run:
        run.save(result)


def _browser() -> Any:
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    options.add_argument("--headless=new")
    options.add_argument("--disable-dev-shm-usage")
    if os.getuid() == 0:
        options.add_argument("--no-sandbox")
    return Chrome(options=options, service=Service(shutil.which("chromedriver")))


def _version() -> str:
    browser = _browser()
    try:
        return f"Chromium {browser.capabilities['browserVersion']}"
    finally:
        browser.quit()


def _open(page: Path) -> tuple[float, float, float, float]:
    """Milliseconds until the page is seen, samples are usable and a chart is drawn; of a search."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser = _browser()
    try:
        browser.get(page.as_uri())
        wait = WebDriverWait(browser, 60, poll_frequency=0.02)
        seen, ready, drawn = wait.until(lambda _: browser.execute_script(_MOMENTS))
        browser.set_script_timeout(60)
        search = browser.execute_async_script(_SEARCH, "completion 9")
        return seen, ready, drawn, search
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
