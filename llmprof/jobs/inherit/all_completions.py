"""The training file of an arm with every completion instead of one per prompt."""

from __future__ import annotations

from pathlib import Path

from llmprof.jobs.select import SelectJob
from llmprof.jobs.select.prepare import prepare
from llmprof.jobs.select.result import lines_of_all
from llmprof.jobs.select.training_file import write_lines
from llmprof.metrics.samples import Sample
from llmprof.results import Store
from llmprof.results.reader import read_samples


def write_all(job: SelectJob, run_id: str, file: Path) -> None:
    """Write all eligible candidates of a selection, prompt by prompt.

    Raises:
        StoreError: the candidates cannot be read.
        OutputError: the file cannot be written.
    """
    setup = prepare(job)
    pools: dict[str, list[Sample]] = {item.id: [] for item in setup.dataset.items}
    with Store(job.db, read_only=True) as store:
        for row in read_samples(store, run_id):
            pools[row.sample_id].append(
                Sample(
                    row.sample_id,
                    row.prompt,
                    row.response,
                    row.scores,
                    row.group,
                    row.sample_index,
                    row.cache_key,
                    row.error_class,
                )
            )
    lines = list(lines_of_all(job, setup, pools.values(), run_id))
    write_lines(file, lines, job.inputs)
