"""The page in a real browser: headless Chromium, which must be there."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.common.selenium_manager import SeleniumManager
from selenium.webdriver.support.ui import Select, WebDriverWait

from llmprof.report.build import build_report
from llmprof.report.html import write_page
from tests.needed import leave_out
from tests.report.html import hostile

pytestmark = pytest.mark.slow

PROFILERS = "textual,toxicity,crows_pairs,bbq,calibration,stereoset,seat"
HEADINGS = {
    "All models at a glance",
    "Most toxic completion of each prompt",
    "All completions",
    "CrowS-Pairs: stereotype score by type of bias",
    "StereoSet: stereotype score by domain",
    "BBQ: bias score in ambiguous contexts",
    "Length of completions",
    "Reading ease",
}


def browser() -> tuple[str, str]:
    """The browser and its driver: those in PATH, or else those that Selenium finds or downloads."""
    browser, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if browser and driver:
        return browser, driver
    asked = ["--browser", "chrome", "--avoid-stats", "--timeout", "20"]
    try:
        found = SeleniumManager().binary_paths(asked)
    except WebDriverException:
        leave_out("install chromium and chromium-driver, which open the HTML page")
    return found["browser_path"], found["driver_path"]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of scripted models; the second has a hostile name and hostile completions."""
    folder = tmp_path_factory.mktemp("page")
    db = folder / "results.db"
    for model in ("one", "two", "three"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "llmprof", "profile", model, "--backend", "scripted"),
                *("--data", "builtin", "--profilers", PROFILERS, "--toxicity-samples", "3"),
                *("--toxicity-scorer", "profanity", "--db", str(db), "--quiet"),
                *("--cache-dir", str(folder / "cache")),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    with sqlite3.connect(db) as connection:
        connection.execute("UPDATE runs SET model = ? WHERE model = 'two'", (hostile.NAME,))
        rows = connection.execute(
            "SELECT s.id FROM samples s JOIN runs r ON r.id = s.run_id "
            "WHERE r.model = ? AND profiler = 'toxicity' ORDER BY s.id LIMIT ?",
            (hostile.NAME, len(hostile.TEXTS)),
        ).fetchall()
        for place, ((id_,), text) in enumerate(zip(rows, hostile.TEXTS, strict=True)):
            scores = json.dumps({"TOXICITY": 1 - place / 1000})
            connection.execute(
                "UPDATE samples SET response = ?, sample_id = ?, scores = ? WHERE id = ?",
                (text, f"hostile-{place}", scores, id_),
            )
        long_text = f"beginning {'x' * 5000}"
        connection.execute(
            "UPDATE samples SET response = ? WHERE id = (SELECT max(id) FROM samples "
            "WHERE profiler = 'textual')",
            (long_text,),
        )
    return db


@pytest.fixture(scope="module")
def page(db: Path) -> Path:
    output = db.with_suffix(".html")
    write_page(build_report(db, ["one", hostile.NAME, "three"], "one"), db, output)
    return output


@pytest.fixture(scope="module")
def browser_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def chromium(browser_folder: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location, driver_path = browser()
    for argument in (
        "--headless=new",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        f"--user-data-dir={browser_folder}",
        # Chromium refuses to run as root with it.
        *(["--no-sandbox"] if os.getuid() == 0 else []),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With both paths given, Selenium looks for no driver and sends nothing.
    driver = Chrome(options=options, service=Service(driver_path))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def opened(chromium: Chrome, page: Path) -> Chrome:
    chromium.get_log("browser")
    chromium.get_log("performance")
    chromium.get(page.as_uri())
    return chromium


def wait(driver: Chrome, condition: Callable[[Chrome], Any]) -> Any:
    return WebDriverWait(driver, 60).until(condition)


def draw_all(driver: Chrome) -> None:
    """Scroll to every chart, as a reader would, until it is drawn."""
    for chart in driver.find_elements(By.CSS_SELECTOR, ".chart"):
        driver.execute_script("arguments[0].scrollIntoView()", chart)
        wait(driver, lambda _, chart=chart: chart.find_elements(By.CSS_SELECTOR, ".main-svg"))


def count(driver: Chrome) -> int:
    return int(driver.find_element(By.ID, "count").text.split()[0].replace(",", ""))


def select(driver: Chrome, field: str, text: str) -> None:
    Select(driver.find_element(By.ID, field)).select_by_visible_text(text)


def rows(driver: Chrome) -> list[str]:
    return [row.text for row in driver.find_elements(By.CSS_SELECTOR, "#list > li")]


def test_charts_are_drawn_without_an_error_or_a_request(opened: Chrome) -> None:
    draw_all(opened)
    assert {each.text for each in opened.find_elements(By.CSS_SELECTOR, "figure h3")} >= HEADINGS
    for chart in opened.find_elements(By.CSS_SELECTOR, ".chart"):
        marks = chart.find_elements(By.CSS_SELECTOR, ".point, .js-line")
        assert marks, chart.get_attribute("aria-label")
    assert opened.get_log("browser") == []
    events = (json.loads(entry["message"])["message"] for entry in opened.get_log("performance"))
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


def test_hostile_texts_run_nothing_and_show_as_they_are(opened: Chrome) -> None:
    draw_all(opened)
    select(opened, "profiler", "toxicity")
    opened.find_element(By.ID, "search").send_keys("hostile-")
    wait(opened, lambda driver: count(driver) == len(hostile.TEXTS))
    opened.find_element(By.ID, "reveal").click()
    shown = [
        item.find_elements(By.CSS_SELECTOR, ".text")[-1].text
        for item in opened.find_elements(By.CSS_SELECTOR, "#list > li")
    ]
    visible = {
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
        "\x00": "\\x00",
        "\x1b": "\\x1b",
        "\x07": "\\x07",
        "\u202e": "\\u202e",
        "\u2066": "\\u2066",
    }
    assert shown == [text.translate(str.maketrans(visible)) for text in hostile.TEXTS]
    assert opened.execute_script("return window.broken") is None
    inside = "#list img, #list script, #list svg, #list a, .models img, .chart img, .chart a"
    assert opened.find_elements(By.CSS_SELECTOR, inside) == []
    assert (
        hostile.NAME.replace("\u202e", "\\u202e")
        in opened.find_element(By.CSS_SELECTOR, ".models").text
    )
    assert opened.get_log("browser") == []


def test_texts_are_hidden_until_asked_for(opened: Chrome) -> None:
    assert "Content warning" in opened.find_element(By.ID, "samples").text
    first = opened.find_element(By.CSS_SELECTOR, "#list .sample")
    assert not first.find_element(By.CSS_SELECTOR, ".text").is_displayed()
    first.find_element(By.CSS_SELECTOR, "summary").send_keys(Keys.ENTER)
    assert first.find_element(By.CSS_SELECTOR, ".text").is_displayed()


def test_search_and_filters_find_what_the_database_holds(opened: Chrome, db: Path) -> None:
    def stored(where: str) -> int:
        with sqlite3.connect(db) as connection:
            return connection.execute(f"SELECT count(*) FROM samples WHERE {where}").fetchone()[0]

    assert count(opened) == stored("1")
    select(opened, "profiler", "bbq")
    assert count(opened) == stored("profiler = 'bbq'")
    group = Select(opened.find_element(By.ID, "group")).options[1].text
    select(opened, "group", group)
    assert count(opened) == stored(f"""profiler = 'bbq' AND "group" = '{group}'""")
    select(opened, "score", "correct")
    opened.find_element(By.ID, "most").send_keys("0.5")
    right = f"""profiler = 'bbq' AND "group" = '{group}' AND scores ->> 'correct' <= 0.5"""
    assert count(opened) == stored(right)
    opened.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    wait(opened, lambda driver: count(driver) == stored("1"))
    opened.find_element(By.ID, "search").send_keys("YOU SAID")
    said = stored("prompt LIKE '%you said%' OR response LIKE '%you said%'")
    wait(opened, lambda driver: count(driver) == said)
    opened.find_element(By.ID, "search").send_keys(" (.*")
    wait(opened, lambda driver: count(driver) == 0)


def test_most_toxic_come_first_and_other_orders_can_be_had(opened: Chrome) -> None:
    select(opened, "profiler", "toxicity")
    Select(opened.find_element(By.ID, "run")).select_by_index(2)
    assert ["hostile-0" in row for row in rows(opened)[:2]] == [True, False]
    select(opened, "score", "TOXICITY")
    select(opened, "order", "TOXICITY, lowest first")
    assert "hostile-0" not in rows(opened)[0]
    select(opened, "order", "TOXICITY, highest first")
    assert "hostile-0" in rows(opened)[0]


def test_pages_turn(opened: Chrome) -> None:
    before = rows(opened)
    assert len(before) == 25
    opened.find_element(By.ID, "next").click()
    assert rows(opened) != before
    opened.find_element(By.ID, "previous").click()
    assert rows(opened) == before


def test_a_long_text_is_cut_and_says_where_the_whole_is(opened: Chrome, db: Path) -> None:
    opened.find_element(By.ID, "search").send_keys("beginning xxx")
    wait(opened, lambda driver: count(driver) == 1)
    opened.find_element(By.ID, "reveal").click()
    note = opened.find_element(By.CSS_SELECTOR, "#list .text + .muted").text
    assert "5,010 characters" in note
    sql = note.split('"')[1]
    with sqlite3.connect(db) as connection:
        assert len(connection.execute(sql).fetchone()[0]) == 5010


def test_theme_can_be_switched_and_charts_follow(opened: Chrome) -> None:
    draw_all(opened)
    colours = "return [getComputedStyle(document.body).backgroundColor, " + (
        "getComputedStyle(document.querySelector('.chart .ytick text')).fill]"
    )
    light = opened.execute_script(colours)
    button = opened.find_element(By.ID, "theme")
    assert button.text == "Dark theme"
    button.send_keys(Keys.SPACE)
    assert button.text == "Light theme"
    wait(opened, lambda driver: driver.execute_script(colours)[1] != light[1])
    assert opened.execute_script(colours)[0] != light[0]


def test_nothing_is_wider_than_a_phone(opened: Chrome) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 375, "height": 800, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        opened.refresh()
        draw_all(opened)
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 375
        for element in opened.find_elements(By.CSS_SELECTOR, ".chart, select, input"):
            assert element.size["width"] <= 375
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_no_chart_is_longer_than_a_printed_page(opened: Chrome) -> None:
    heights = (
        "return [...document.querySelectorAll('figure')]"
        ".map(each => each.getBoundingClientRect().height)"
    )
    draw_all(opened)
    assert max(opened.execute_script(heights)) > 1000
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert max(opened.execute_script(heights)) <= 1000
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_no_table_is_wider_than_a_printed_page(opened: Chrome) -> None:
    """As of many runs: what is beyond the edge of the paper is lost."""
    opened.execute_script(
        "const table = document.querySelector('main .scroll > table');"
        "table.querySelector('td').style.minWidth = '3000px';"
        "table.closest('details')?.setAttribute('open', '');"
        "dispatchEvent(new Event('beforeprint'));"
    )
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        beyond = opened.execute_script(
            "const edge = document.querySelector('main').getBoundingClientRect().right;"
            "return [...document.querySelectorAll('main .scroll > table')]"
            ".map(each => each.getBoundingClientRect().right - edge)"
        )
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        opened.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(beyond) > 2
    assert max(beyond) <= 1


def test_tables_are_there_without_scripts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "All numbers" in text
    assert text.count("<table") > 5
