"""Write the HTML page: one self-contained file without network requests."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from llmprof.outputs import write_output
from llmprof.report import verdicts
from llmprof.report.contents import Report
from llmprof.report.html import metric_tables
from llmprof.report.html.board_table import board_of
from llmprof.report.html.charts.all_charts import chart_groups
from llmprof.report.html.packed_samples import MAXIMUM_CHARACTERS, packed_samples, sample_sets
from llmprof.report.item_differences import ItemDifferences, section_items
from llmprof.report.text import number, signed
from llmprof.results import Store
from llmprof.results.provenance import package_versions
from llmprof.safe_text import printable

# Items per profile and run, and the maximum number of such lists in a page.
_ITEMS, _MOST_LISTS = 10, 40


@dataclass(frozen=True, slots=True)
class _ItemList:
    """The items of one profile that changed most in one run; texts for its heading."""

    found: ItemDifferences
    after_place: int
    title: str
    label: str


def write_page(report: Report, db: Path, output: Path) -> None:
    """Write one HTML file that shows the report and opens without a network.

    It contains up to 50,000 samples of the runs in `db`, and only runs its own scripts, which its
    Content-Security-Policy lists by hash.

    Raises:
        StoreError: the database cannot be read.
        OutputError: the file cannot be written.
    """
    with Store(db, read_only=True) as store:
        html = _render(report, store)
    write_output(output, html, inputs=[db])


def _render(report: Report, store: Store) -> str:
    import jinja2
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "assets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Control characters, such as those that change the direction of writing, are made visible.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    # Samples first: they are usable while the large chart library is still being parsed.
    scripts = [
        _asset("samples.js"),
        get_plotlyjs(),
        _asset("paint.js"),
        _asset("board.js"),
        _asset("page.js"),
    ]
    groups = chart_groups(report, store)
    items = _changed_items(report, store)
    all_tables = metric_tables.tables(report)
    return environment.get_template("page.html.jinja").render(
        report=report,
        groups=groups,
        figures=[chart.figure for group in groups for chart in group.charts],
        tables=all_tables,
        board=board_of(report),
        items=items,
        number=number,
        signed=signed,
        overview_tables=metric_tables.overview_tables(report),
        counts=metric_tables.count_verdicts(report, all_tables),
        verdict_names=(
            verdicts.BETTER,
            verdicts.WORSE,
            verdicts.UNCLEAR,
            verdicts.DIFFERENT,
        ),
        legend=verdicts.legend(report),
        directions=metric_tables.directions(report),
        samples=packed_samples(store, sample_sets(report)),
        maximum_characters=MAXIMUM_CHARACTERS,
        policy=_policy(scripts),
        style=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        version=package_versions()["llmprof"],
        configurations=[json.dumps(dict(run.config), indent=2) for run in report.runs],
    )


def _changed_items(report: Report, store: Store) -> list[_ItemList]:
    """The items that changed most from the baseline, of each run and profile."""
    if report.baseline is None:
        return []
    lists: list[_ItemList] = []
    for section in report.sections:
        for place in range(len(report.runs)):
            pair = report.baseline, place
            if place == report.baseline or not all(map(section.has, pair)):
                continue
            found = section_items(store, report.runs, section, None, _ITEMS, pair)
            if found is not None and found.items and len(lists) < _MOST_LISTS:
                label = section.presentation.label(found.metric)
                lists.append(_ItemList(found, place, section.title, label))
    return lists


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _policy(scripts: list[str]) -> str:
    """The Content-Security-Policy: no network, and only these scripts.

    Plotly sets styles from its code, so that styles cannot be named by hash; no style can fetch
    anything.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
