"""`--vary`: a run for each combination, made once, and what cannot be varied."""

from pathlib import Path

import pytest

from llmprof.api import profile
from llmprof.errors import UsageError
from llmprof.jobs.checkpoints import profile_jobs
from llmprof.options import ProfileOptions


def jobs(**options: object) -> list[tuple[str, int]]:
    made = profile_jobs(
        ProfileOptions(backend="scripted", profilers="textual", **options)  # type: ignore[arg-type]
    )
    return [(job.options.prompt_format, job.options.seed) for job in made]


def test_each_combination_is_a_job() -> None:
    assert jobs(vary="seed", seed=5) == [("auto", 5), ("auto", 6), ("auto", 7)]
    assert jobs(vary="prompt-format=paper:chat,seed=0:9") == [
        ("paper", 0), ("paper", 9), ("chat", 0), ("chat", 9),
    ]  # fmt: skip
    formats = {format for format, _ in jobs(vary=["prompt-format"])}
    assert {"completion", "paper"} <= formats


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vary": "model"}, "name prompt-format, seed or scorer"),
        ({"vary": "seed,seed=1:2"}, "once"),
        ({"vary": "seed=1:1"}, "once"),
        ({"vary": "seed="}, "once"),
        ({"vary": "seed=-1"}, "whole numbers"),
        ({"vary": "prompt-format=auto"}, "choose of chat, completion, paper"),
        ({"vary": "scorer"}, "two scorers or more"),
        ({"vary": ","}, "--vary is empty"),
        ({"vary": "seed", "series": "a", "step": 1}, "--vary and --series"),
    ],
)
def test_what_cannot_be_varied_is_one_clear_line(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        jobs(**options)


def test_the_same_call_makes_no_run_twice(tmp_path: Path) -> None:
    def made() -> list[str]:
        results = profile(
            model="m", backend="scripted", data="builtin", limit=2, profilers="crows_pairs",
            vary="seed=0:1", db=tmp_path / "a.db", cache_dir=tmp_path / "c", quiet=True,
        )  # fmt: skip
        return [run.id for run in results.runs]

    first = made()
    assert len(set(first)) == 2
    assert made() == first
