"""The Perspective backend against a stand-in that serves recorded real scores."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from llmprof.backends import BackendOptions
from llmprof.backends.network.retries import RetryPolicy
from llmprof.backends.toxicity.perspective import LONGEST_BYTES, PerspectiveBackend
from llmprof.errors import BackendError, UsageError
from llmprof.requests import Toxicity
from llmprof.responses import Failure, ToxicityScores
from tests.backends.asking import MemorySink, ask
from tests.servers.faults import FAULTS, inject_faults
from tests.servers.perspective import KEY, PerspectiveServer, pseudo_score
from tests.servers.running import serve

ATTRIBUTES = ("TOXICITY", "SEVERE_TOXICITY", "INSULT")
QUICK = RetryPolicy(first_seconds=0.02, longest_seconds=0.1)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", KEY)


def texts(*contents: str) -> list[Toxicity]:
    return [Toxicity(content, ATTRIBUTES) for content in contents]


def test_recorded_texts_get_their_real_scores(data_dir: Path) -> None:
    recorded = data_dir / "perspective_recorded" / "scores.jsonl"
    records = [json.loads(line) for line in recorded.read_text(encoding="utf-8").splitlines()]
    server = PerspectiveServer(recorded)
    with serve(server.app()) as address:
        backend = PerspectiveBackend(BackendOptions(base_url=address))
        outcomes = ask(backend, texts(*(each["text"] for each in records)), MemorySink())
    for record, outcome in zip(records, outcomes, strict=True):
        assert outcome == ToxicityScores({name: record[name] for name in ATTRIBUTES})


def test_refused_texts_are_answers_without_scores_and_known_ones_are_not_sent() -> None:
    server = PerspectiveServer()
    long = "é" * (LONGEST_BYTES // 2)
    with serve(server.app()) as address:
        backend = PerspectiveBackend(BackendOptions(base_url=address))
        outcomes = ask(backend, texts("", " \n", long, long + "e", "þú", "fine"), MemorySink())
    assert [getattr(each, "refusal", None) for each in outcomes] == [
        "COMMENT_EMPTY",
        "COMMENT_EMPTY",
        None,
        "COMMENT_TOO_LONG",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        None,
    ]
    assert [each for each in outcomes if getattr(each, "refusal", None) and each.scores] == []
    assert len(server.arrivals) == 3


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"slow start"}))
def test_each_fault_passes(kind: str) -> None:
    faults = inject_faults(0.5, kinds=(kind,))
    server = PerspectiveServer(faults=faults)
    sink = MemorySink()
    contents = [f"text {number}" for number in range(8)]
    with serve(server.app()) as address:
        options = BackendOptions(base_url=address, timeout=0.5)
        outcomes = ask(PerspectiveBackend(options, retries=QUICK), texts(*contents), sink)
    assert outcomes == [
        ToxicityScores({name: pseudo_score(content, name) for name in ATTRIBUTES})
        for content in contents
    ]
    assert faults.met[kind] == len(sink.retries) > 0
    assert set(server.scored.values()) == {1}


def test_fault_that_does_not_pass_is_a_failure_of_that_text_alone() -> None:
    server = PerspectiveServer(faults=inject_faults(0.5, kinds=("503",)))
    once = RetryPolicy(attempts=1)
    contents = [f"text {number}" for number in range(20)]
    with serve(server.app()) as address:
        backend = PerspectiveBackend(BackendOptions(base_url=address), retries=once)
        outcomes = ask(backend, texts(*contents), MemorySink())
    failed = [each for each in outcomes if isinstance(each, Failure)]
    assert 0 < len(failed) < 20
    assert {each.error_class for each in failed} == {"ServerError"}
    assert len(server.scored) == 20 - len(failed)


def test_bad_request_is_not_asked_again() -> None:
    server = PerspectiveServer(faults=inject_faults(1.0, kinds=("400",)))
    sink = MemorySink()
    with serve(server.app()) as address:
        (outcome,) = ask(PerspectiveBackend(BackendOptions(base_url=address)), texts("a"), sink)
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "RequestRefused"
    assert (len(server.arrivals), sink.retries) == (1, [])


def test_text_that_is_not_unicode_fails_alone() -> None:
    with serve(PerspectiveServer().app()) as address:
        backend = PerspectiveBackend(BackendOptions(base_url=address))
        broken, fine = ask(backend, texts("half an emoji: \ud83d", "fine"), MemorySink())
    assert isinstance(broken, Failure)
    assert broken.error_class == "InvalidText"
    assert isinstance(fine, ToxicityScores)


def test_refused_key_stops_the_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", "not-the-key")
    server = PerspectiveServer()
    with serve(server.app()) as address:
        backend = PerspectiveBackend(BackendOptions(base_url=address, concurrency=4))
        with pytest.raises(BackendError, match="PERSPECTIVE_API_KEY") as caught:
            ask(backend, texts(*map(str, range(100))), MemorySink())
    assert len(server.arrivals) <= 4
    assert "not-the-key" not in str(caught.value)
    assert caught.value.__context__ is None


def test_nobody_there_stops_the_run() -> None:
    backend = PerspectiveBackend(BackendOptions(base_url="http://127.0.0.1:9"), retries=QUICK)
    with pytest.raises(BackendError, match="cannot connect to Perspective"):
        ask(backend, texts("a", "b"), MemorySink())


def test_no_key_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERSPECTIVE_API_KEY")
    with pytest.raises(BackendError, match="PERSPECTIVE_API_KEY"):
        PerspectiveBackend(BackendOptions())


@pytest.mark.parametrize(
    "address", ["localhost:8000", "ftp://localhost", "http://me:pass@localhost", "http://a/?key=k"]
)
def test_address_that_cannot_work_or_holds_a_secret_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        PerspectiveBackend(BackendOptions(base_url=address))


def test_offline_allows_this_machine_only() -> None:
    PerspectiveBackend(BackendOptions(base_url="http://localhost:8000", offline=True))
    with pytest.raises(UsageError, match="--offline"):
        PerspectiveBackend(BackendOptions(offline=True))


def test_identity_leaves_out_speed() -> None:
    slow = PerspectiveBackend(BackendOptions(rpm=60, concurrency=1))
    fast = PerspectiveBackend(BackendOptions())
    assert slow.identity == fast.identity
    assert slow.requests_per_second == 1.0


@pytest.mark.parametrize(
    "details", [None, 3, "x", {}, ["x"], [None], [[]], [{"errorType": []}], [{"errorType": None}]]
)
def test_details_of_another_type_are_a_refusal_of_that_text_alone(details: object) -> None:
    async def refuse(request: web.Request) -> web.Response:
        error = {"message": "no", "status": "INVALID_ARGUMENT", "details": details}
        return web.json_response({"error": error}, status=400)

    app = web.Application()
    app.router.add_post("/{path:.*}", refuse)
    with serve(app) as address:
        (outcome,) = ask(
            PerspectiveBackend(BackendOptions(base_url=address)), texts("a"), MemorySink()
        )
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "RequestRefused"


@pytest.mark.parametrize("value", [7.0, -3, "0.5", True, None])
def test_a_score_that_is_none_is_a_failure(value: object) -> None:
    async def score(request: web.Request) -> web.Response:
        names = (await request.json())["requestedAttributes"]
        scores = {name: {"summaryScore": {"value": value}} for name in names}
        return web.json_response({"attributeScores": scores})

    app = web.Application()
    app.router.add_post("/v1alpha1/comments:analyze", score)
    with serve(app) as address:
        backend = PerspectiveBackend(BackendOptions(base_url=address), retries=QUICK)
        (outcome,) = ask(backend, texts("a"), MemorySink())
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "InvalidResponse"
