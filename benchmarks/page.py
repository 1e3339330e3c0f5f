"""Time to read a page of 50,000 samples in headless Chromium, beside one of 500."""

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
# When samples can be searched, and when the first chart is drawn: milliseconds after the page was
# asked for.
_MOMENTS = """
const drawn = document.querySelector(".chart .main-svg");
if (!drawn) return null;
return [performance.getEntriesByName("samples")[0].startTime, performance.now()];
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
    arguments.add_argument("--samples", type=int, nargs="*", default=[500, 50_000])
    arguments.add_argument("--characters", type=int, default=500, help="mean of a completion")
    arguments.add_argument("--repeats", type=int, default=3, help="fresh browsers")
    given = arguments.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {_version()}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for samples in given.samples:
            db, page = Path(folder) / f"{samples}.db", Path(folder) / f"{samples}.html"
            _fill(db, samples, given.characters)
            report = build_report(db, [], None)
            _, seconds = timed(lambda: write_page(report, db, page))  # noqa: B023
            ready, drawn, search = (
                statistics.median(times)
                for times in zip(*(_open(page) for _ in range(given.repeats)), strict=True)
            )
            rows.append(
                [
                    f"{samples:,}",
                    f"{page.stat().st_size / 1e6:.1f}",
                    f"{seconds:.1f}",
                    f"{ready / 1000:.2f}",
                    f"{drawn / 1000:.2f}",
                    f"{search:.0f}",
                ]
            )
    columns = ["samples", "MB", "written, s", "samples usable, s", "first chart, s", "search, ms"]
    print_table(columns, rows)


def _fill(db: Path, count: int, characters: int) -> None:
    """A toxicity run of `count` completions, all different, 25 a prompt."""
    draw = random.Random(0)
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
    start = RunStart("profile", "model", "scripted", {}, 0, {})
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


def _open(page: Path) -> tuple[float, float, float]:
    """Milliseconds until samples are usable, until a chart is drawn, and that a search takes."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser = _browser()
    try:
        browser.get(page.as_uri())
        wait = WebDriverWait(browser, 60, poll_frequency=0.02)
        ready, drawn = wait.until(lambda _: browser.execute_script(_MOMENTS))
        browser.set_script_timeout(60)
        search = browser.execute_async_script(_SEARCH, "completion 49")
        return ready, drawn, search
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
