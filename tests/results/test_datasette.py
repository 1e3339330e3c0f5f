"""datasette itself opens the database with the shipped metadata."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import llmprof
from llmprof.results import Store
from llmprof.results.recipes import datasette_metadata, recipes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(results_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    metadata = tmp_path_factory.mktemp("datasette") / "metadata.yml"
    metadata.write_text(datasette_metadata(results_db))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "datasette", str(results_db)),
            *("--metadata", str(metadata), "--host", "127.0.0.1", "--port", "0"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        address = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
        with httpx.Client(base_url=address, timeout=30) as client:
            yield client
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.parametrize("name", recipes())
def test_canned_query_gives_what_the_recipe_gives(
    name: str, site: httpx.Client, results_db: Path
) -> None:
    first, *_, last, _ = (run.id for run in llmprof.load_results(results_db).runs)
    recipe = recipes()[name]
    values = {"baseline": first, "run": last} if recipe.parameters else {}
    answer = site.get(f"/llmprof/{name}.json", params={**values, "_shape": "arrays"})
    assert answer.status_code == 200, answer.text
    with Store(results_db, read_only=True) as store:
        _, rows = store.query(recipe.sql, values)
    assert answer.json()["rows"] == [list(row) for row in rows]


def test_parameters_that_are_left_out_are_empty(site: httpx.Client) -> None:
    answer = site.get("/llmprof/changed_configuration.json", params={"_shape": "array"})
    assert "$.config.identity.model" in {row["name"] for row in answer.json()}


def test_pages_show_descriptions_facets_and_queries(site: httpx.Client) -> None:
    database = site.get("/llmprof").text
    for recipe in recipes().values():
        assert recipe.title in database
    table = site.get("/llmprof/metrics").text
    assert "Lower end of the 95% interval" in table
    assert "protocol_version" in table
    facets = site.get("/llmprof/samples.json", params={"_facet": "profiler"}).json()
    assert set(facets["facet_results"]) >= {"profiler", "dataset", "group"}
