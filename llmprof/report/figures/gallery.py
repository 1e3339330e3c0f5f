"""Every figure of a report, written to a folder."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from llmprof.errors import UsageError, install_extra, require
from llmprof.outputs import make_folder, write_output
from llmprof.report.contents import Report
from llmprof.report.figures.chart_drawing import draw_chart
from llmprof.report.figures.heat_map import HeatMapOrder, draw_heat_map
from llmprof.report.figures.venues import VENUES, style_of
from llmprof.report.html.charts.all_charts import chart_groups
from llmprof.results import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 300
_NO_LETTER = re.compile(r"[^a-z0-9]+")


def write_figures(
    report: Report,
    db: Path,
    folder: Path,
    *,
    format: str = "pdf",
    venue: str = "acl",
    order: HeatMapOrder | None = None,
) -> list[Path]:
    """Write each chart of the report's page, and a heat map, to a file of the folder.

    Charts of rows are as wide as the venue's page, others as a column. Files of earlier calls with
    the same names are replaced.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        UsageError: the report has nothing to draw.
        OutputError: the folder or a file cannot be written.
        StoreError: the database cannot be read.
    """
    require("matplotlib", "`llmprof figures`", install_extra("figures"))
    import matplotlib

    with matplotlib.rc_context(style_of(VENUES[venue])), Store(db, read_only=True) as store:
        drawn = [
            (name, _saved(figure, format))
            for name, figure in _figures(report, store, venue, order or HeatMapOrder())
        ]
    if not drawn:
        raise UsageError(
            "these runs have nothing to draw: no chart, and no metric with a direction"
        )
    make_folder(folder)
    paths = []
    for name, content in drawn:
        path = folder / f"{name}.{format}"
        write_output(path, content, inputs=[db])
        paths.append(path)
    return paths


def _figures(
    report: Report, store: Store, venue: str, order: HeatMapOrder
) -> Iterator[tuple[str, Figure]]:
    """Names and figures; each name once."""
    sizes = VENUES[venue]
    taken: dict[str, int] = {}

    def named(title: str) -> str:
        name = _NO_LETTER.sub("-", title.lower()).strip("-")[:60] or "figure"
        taken[name] = taken.get(name, 0) + 1
        return name if taken[name] == 1 else f"{name}-{taken[name]}"

    for group in chart_groups(report, store):
        for chart in group.charts:
            width = sizes.page if chart.wide else sizes.column
            yield named(f"{group.title} {chart.title}"), draw_chart(chart, report, width)
    heat_map = draw_heat_map(report, sizes.page, order)
    if heat_map is not None:
        yield named("heat map"), heat_map


def _saved(figure: Figure, format: str) -> bytes:
    content = io.BytesIO()
    # Without the time of day, equal figures are equal files.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(format)
    figure.savefig(content, format=format, dpi=_DOTS_PER_INCH, metadata=metadata)
    return content.getvalue()
