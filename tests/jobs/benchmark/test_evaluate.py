"""Benchmarks on a scripted model: every output type, results, the cache, and what goes wrong."""

import math
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from llmprof.backends import ChatRenderer, Sink
from llmprof.backends.scripted import ScriptedBackend
from llmprof.errors import BackendError, CapabilityError
from llmprof.jobs.benchmark import (
    plan_benchmark,
)
from llmprof.metrics.intervals import mean_interval
from llmprof.requests import (
    Generate,
    LogLikelihood,
    Message,
    Outcome,
    Request,
    RollingLogLikelihood,
)
from llmprof.responses import Failure, TokenLogProbs
from tests.jobs.benchmark.scripted_benchmark import ALL, Benchmark, scripted, write_all
from tests.jobs.benchmark.task_files import (
    PAGES,
    QUESTIONS,
    write_choice,
    write_cloze,
    write_pages,
    write_sums,
)


@pytest.fixture
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    return Benchmark(tmp_path, monkeypatch)


def knows_everything(request: Request) -> Outcome | None:
    if isinstance(request, LogLikelihood):
        for row in QUESTIONS:
            if request.context == row["question"]:
                right = request.continuation == " " + row["choices"][row["label"]]
                return TokenLogProbs(-0.5 if right else -3.0, (-0.5 if right else -3.0,), right)
    return None


def test_every_output_type_is_asked_and_scored(benchmark: Benchmark) -> None:
    write_all(benchmark.tasks)
    benchmark.backend = scripted(knows_everything)
    outcome = benchmark.run(*ALL)
    assert (outcome.exit_code, benchmark.failures) == (0, [])
    kinds = {type(request) for request in benchmark.backend.asked}
    assert kinds == {LogLikelihood, RollingLogLikelihood, Generate}
    assert benchmark.metrics("choice")["acc"] == 1.0
    assert benchmark.metrics("sums")["exact_match"] == 0.0
    # A perplexity is exp of minus the sum of log-likelihoods over the number of words.
    total = sum(scores["log_likelihood"] for scores in benchmark.scores("pages"))
    words = sum(len(row["page"].split()) for row in PAGES)
    assert benchmark.metrics("pages")["word_perplexity"] == pytest.approx(math.exp(-total / words))
    logs = [scores["log_likelihood"] for scores in benchmark.scores("cloze")]
    assert benchmark.metrics("cloze")["perplexity"] == pytest.approx(math.exp(-sum(logs) / 2))
    assert benchmark.rows("SELECT command, status FROM runs") == [("benchmark", "complete")]


def test_dry_run_counts_what_a_run_asks(benchmark: Benchmark) -> None:
    write_all(benchmark.tasks)
    job = benchmark.job(*ALL, limit=3)
    planned = plan_benchmark(job, benchmark.failures.append)
    assert (planned.exit_code, benchmark.failures, benchmark.backend.asked) == (0, [], [])
    assert not benchmark.db.exists()
    benchmark.run(*ALL, limit=3)
    asked = benchmark.rows("SELECT dataset, n_items, n_requests FROM run_datasets ORDER BY dataset")
    found = sorted((each.dataset, each.items, each.requests) for each in planned.plans)
    assert found == asked
    assert {each.cached for each in planned.plans} == {0}
    again = plan_benchmark(job, benchmark.failures.append)
    assert [each.cached for each in again.plans] == [each.requests for each in planned.plans]


def test_dry_run_names_a_task_that_cannot_be_asked(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    write_sums(benchmark.tasks, num_beams=3)
    planned = plan_benchmark(benchmark.job("sums", "choice"), benchmark.failures.append)
    (error,) = benchmark.failures
    assert str(error).startswith("task 'sums': generation argument num_beams=3 is not supported")
    assert ([each.dataset for each in planned.plans], planned.exit_code) == (["choice"], 1)


def test_metrics_have_intervals_counts_versions_and_standard_errors(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    benchmark.run("choice")
    values = [scores["acc"] for scores in benchmark.scores("choice")]
    interval = mean_interval(values, bounds=(0, 1))
    assert interval is not None
    (row,) = benchmark.rows(
        "SELECT protocol_version, value, ci_low, ci_high, n, n_total FROM metrics "
        "WHERE metric = 'acc'"
    )
    assert row[0].startswith("lm-eval 0.4.")
    assert row[0].endswith(", task 2.0, 0-shot")
    assert row[1] == sum(values) / 4
    assert row[2:4] == (interval.low, interval.high)
    assert row[4:] == (4, 4)
    mean = sum(values) / 4
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / 3)
    assert benchmark.metrics("choice")["acc_stderr"] == pytest.approx(spread / 2)
    ((low, high),) = benchmark.rows("SELECT ci_low, ci_high FROM metrics WHERE metric='acc_norm'")
    assert low <= benchmark.metrics("choice")["acc_norm"] <= high
    ((source, sha, n),) = benchmark.rows("SELECT source, sha256, n_items FROM run_datasets")
    assert source.startswith("json ")
    assert (len(sha), n) == (64, 4)


def test_samples_hold_the_chosen_option_and_its_cache_key(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    benchmark.backend = scripted(knows_everything)
    benchmark.run("choice", limit=2)
    rows = benchmark.rows("SELECT sample_id, prompt, response, cache_key FROM samples ORDER BY id")
    assert [row[:3] for row in rows] == [("0", "Water is", " wet"), ("1", "Fire is", " hot")]
    assert all(len(row[3]) == 64 for row in rows)
    assert benchmark.scores("choice")[0] == {
        "acc": 1.0, "acc_norm": 1.0,
        "log_likelihood_0": -3.0, "log_likelihood_1": -0.5, "log_likelihood_2": -3.0,
    }  # fmt: skip


def test_second_benchmark_asks_nothing(benchmark: Benchmark) -> None:
    write_all(benchmark.tasks)
    first = benchmark.run(*ALL)
    metrics = [benchmark.metrics(task) for task in ALL]
    benchmark.backend = ScriptedBackend()
    second = benchmark.run(*ALL)
    assert benchmark.backend.asked == []
    assert second.run_id != first.run_id
    assert all(progress.cached == progress.total for progress in benchmark.progress.values())
    assert [benchmark.metrics(task) for task in ALL] == metrics


def test_another_task_with_the_same_items_asks_nothing(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    write_choice(benchmark.tasks, "other", metric_list=[{"metric": "acc_norm"}])
    benchmark.run("choice")
    benchmark.backend = ScriptedBackend()
    assert benchmark.run("other").exit_code == 0
    assert benchmark.backend.asked == []


def test_broken_off_benchmark_goes_on_in_the_same_run(benchmark: Benchmark) -> None:
    write_all(benchmark.tasks)
    left = 5

    def crash(request: Request) -> Outcome | None:
        nonlocal left
        left -= 1
        if left < 0:
            raise BackendError("the server is gone")
        return None

    benchmark.backend = scripted(crash)
    with pytest.raises(BackendError):
        benchmark.run(*ALL)
    assert benchmark.rows("SELECT status FROM runs") == [("failed",)]
    done = benchmark.backend.asked[:5]
    benchmark.backend = ScriptedBackend()
    benchmark.run(*ALL)
    assert not set(done) & set(benchmark.backend.asked)
    assert benchmark.rows("SELECT status FROM runs") == [("complete",)]


def test_interrupt_during_a_request_is_marked_and_keeps_answers(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)

    class Interrupted(ScriptedBackend):
        closed = False

        async def answer(self, requests: Any, seeds: Any, sink: Sink) -> None:
            await super().answer(requests[:3], seeds[:3], sink)
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()

        async def aclose(self) -> None:
            self.closed = True

    benchmark.backend = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        benchmark.run("choice")
    assert benchmark.rows("SELECT status FROM runs") == [("interrupted",)]
    assert benchmark.backend.closed
    benchmark.backend = ScriptedBackend()
    benchmark.run("choice")
    assert len(benchmark.backend.asked) == 12 - 3


def test_one_bad_task_leaves_the_others(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    write_sums(benchmark.tasks, num_beams=4)
    write_choice(benchmark.tasks, "lost")
    (benchmark.tasks / "lost.jsonl").unlink()
    write_choice(benchmark.tasks, "unsafe", unsafe_code=True)
    outcome = benchmark.run("sums", "lost", "unsafe", "choice")
    assert outcome.exit_code == 1
    assert len(outcome.failures) == len(benchmark.failures) == 3
    lost, unsafe, beams = sorted(map(str, benchmark.failures), key=lambda line: "sums" in line)
    assert "data of task 'lost'" in lost
    assert "--confirm-run-unsafe-code" in unsafe
    assert "num_beams=4 is not supported" in beams
    assert all(len(str(each).splitlines()) == 1 for each in benchmark.failures)
    assert benchmark.rows("SELECT dataset FROM run_datasets") == [("choice",)]
    ((status, error),) = benchmark.rows("SELECT status, error FROM runs")
    assert status == "failed"
    assert "num_beams" in error


def test_task_that_could_not_be_loaded_does_not_spoil_the_run(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    write_choice(benchmark.tasks, "lost")
    (benchmark.tasks / "lost.jsonl").unlink()
    assert benchmark.run("choice", "lost").exit_code == 1
    assert benchmark.rows("SELECT status, error FROM runs") == [("complete", None)]


def test_failed_requests_are_no_wrong_answers(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    write_cloze(benchmark.tasks)

    def refuse(request: Any) -> Outcome | None:
        return Failure("Refused", "no") if request.continuation == " wet" else None

    benchmark.backend = scripted(refuse)
    assert benchmark.run("choice", "cloze").exit_code == 1
    assert "2 of 12 requests failed (Refused: no)" in str(benchmark.failures[0])
    assert benchmark.metrics("choice") == {}
    assert benchmark.metrics("cloze") != {}
    benchmark.backend = ScriptedBackend()
    assert benchmark.run("choice", "cloze").exit_code == 0
    assert {request.continuation for request in benchmark.backend.asked} == {" wet"}
    assert benchmark.rows("SELECT status FROM runs") == [("complete",)]


def test_few_shot_examples_follow_the_seed(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks, fewshot_split="test")

    def contexts(seed: int, model: str) -> set[str]:
        benchmark.backend = ScriptedBackend(model=model)
        benchmark.run("choice", num_fewshot=2, seed=seed)
        return {request.context for request in benchmark.backend.asked}

    once = contexts(1, "a")
    assert once == contexts(1, "b") != contexts(2, "c")
    assert all(context.count("\n\n") == 2 for context in once)
    assert benchmark.rows("SELECT DISTINCT protocol_version FROM metrics")[0][0].endswith("2-shot")


class Chat(ScriptedBackend):
    chat = True


class RenderingChat(Chat):
    def render(self, messages: Any, *, continue_last: bool = False) -> str:
        text = "".join(f"<{turn.role}>{turn.content}" for turn in messages)
        return text if continue_last else text + "<assistant>"


def test_chat_template_is_the_models_where_it_can_render(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    benchmark.backend = RenderingChat()
    assert isinstance(benchmark.backend, ChatRenderer)
    benchmark.run("choice", apply_chat_template=True, system_prompt="Be brief.", limit=1)
    assert {request.context for request in benchmark.backend.asked} == {
        "<system>Be brief.<user>Water is<assistant>"
    }
    version = benchmark.rows("SELECT protocol_version FROM metrics")[0][0]
    assert version.endswith("0-shot, chat template, system prompt")


def test_conversations_go_to_a_provider_as_messages(benchmark: Benchmark) -> None:
    write_sums(benchmark.tasks)
    write_choice(benchmark.tasks)
    benchmark.backend = Chat()
    outcome = benchmark.run("sums", "choice", apply_chat_template=True, system_prompt="Add.")
    assert benchmark.backend.asked[0].prompt == (
        Message("system", "Add."), Message("user", "1 + 1 ="),
    )  # fmt: skip
    assert outcome.exit_code == 1
    assert "cannot score a text after a conversation" in str(benchmark.failures[0])
    assert benchmark.rows("SELECT prompt FROM samples LIMIT 1") == [
        ("system: Add.\n\nuser: 1 + 1 =",)
    ]


def test_chat_template_of_a_model_without_one_is_refused(benchmark: Benchmark) -> None:
    write_sums(benchmark.tasks)
    with pytest.raises(CapabilityError, match="no chat template"):
        benchmark.run("sums", apply_chat_template=True)


def test_long_text_is_refused_by_a_backend_without_windows(benchmark: Benchmark) -> None:
    write_pages(benchmark.tasks)
    capabilities = frozenset({LogLikelihood})
    benchmark.backend = ScriptedBackend(capabilities=capabilities)
    assert benchmark.run("pages").exit_code == 0
    assert benchmark.backend.asked == [LogLikelihood("", row["page"]) for row in PAGES]
    benchmark.backend = scripted(
        lambda request: TokenLogProbs(-1.0, (-1.0,), False, truncated_tokens=3),
        model="short",
        capabilities=capabilities,
    )
    assert benchmark.run("pages").exit_code == 1
    assert "does not fit the model" in str(benchmark.failures[0])
