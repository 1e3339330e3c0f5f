"""Parameters that a server does not take are left out, renamed, or refused."""

from typing import Any

import pytest
from aiohttp import web

from llmprof.backends import BackendOptions
from llmprof.backends.network.retries import RequestFault, RetryPolicy
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.openai_parameters import STATED, Parameters
from llmprof.requests import Generate, LogLikelihood, Message, Sampling
from llmprof.responses import Completion, Failure
from tests.backends.asking import MemorySink, ask
from tests.servers.openai import OpenAIServer
from tests.servers.running import serve

QUICK = RetryPolicy(first_seconds=0.01, longest_seconds=0.02)
FIELDS = {"max_tokens": 20, "temperature": 0.7, "top_p": 0.9, "seed": 1, "messages": []}


def refusal(message: str, **more: Any) -> RequestFault:
    return RequestFault("RequestRefused", message, {"error": {"message": message, **more}})


@pytest.mark.parametrize(
    ("message", "more", "name"),
    [
        (
            "Unsupported value: 'temperature' does not support 0 with this model. Only the default "
            "(1) value is supported.",
            {"param": "temperature", "code": "unsupported_value"},
            "temperature",
        ),
        ("Unrecognized request argument supplied: seed", {}, "seed"),
        ("property 'seed' is unsupported", {}, "seed"),
        ("This model doesn't support top_p.", {}, "top_p"),
        ("`temperature` and `top_p` cannot both be specified for this model.", {}, "top_p"),
        ("seed: Extra inputs are not permitted", {}, "seed"),
        ("Unknown parameter: 'temperature'.", {"param": "temperature"}, "temperature"),
    ],
)
def test_named_parameter_is_left_out(message: str, more: dict[str, Any], name: str) -> None:
    parameters = Parameters()
    assert parameters.learn(refusal(message, **more), FIELDS)
    assert parameters.dropped == {name}
    assert parameters.adapt(FIELDS) == {key: FIELDS[key] for key in FIELDS if key != name}


def test_list_of_faults_names_its_place() -> None:
    body = {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}
    parameters = Parameters()
    assert parameters.learn(RequestFault("RequestRefused", "", body), FIELDS)
    assert parameters.dropped == {"seed"}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_limit_is_renamed_and_never_left_out(name: str) -> None:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[name]
    parameters = Parameters()
    message = f"'{name}' is not supported with this model. Use '{other}' instead."
    sent = {name: 20, "seed": 1}
    assert parameters.learn(refusal(message), sent)
    assert parameters.adapt(sent) == {other: 20, "seed": 1}
    assert not parameters.learn(refusal(f"Unknown parameter: '{other}'"), parameters.adapt(sent))
    assert parameters.dropped == set()


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 20. This model supports at most 10 completion tokens.",
        "this tokenizer defines no chat template",
        "'messages' is not supported with this model",
        "temperature must be below 2",
        "Unsupported model",
    ],
)
def test_other_refusals_teach_nothing(message: str) -> None:
    parameters = Parameters()
    assert not parameters.learn(refusal(message), FIELDS)
    assert parameters.adapt(FIELDS) == FIELDS


def test_what_another_request_has_learned_is_asked_again() -> None:
    parameters = Parameters()
    fault = refusal("Unknown parameter: 'seed'")
    assert parameters.learn(fault, FIELDS)
    assert parameters.learn(fault, FIELDS)
    assert not parameters.learn(fault, parameters.adapt(FIELDS))


class ParticularServer:
    """Refuses each of `unknown`, one at a time; `asked` keeps the bodies."""

    def __init__(self, *unknown: str) -> None:
        self.asked: list[dict[str, Any]] = []
        self._unknown = unknown

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "toy"}]})

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        for name in self._unknown:
            if name in body:
                error = {"message": f"Unknown parameter: '{name}'", "param": name}
                return web.json_response({"error": error}, status=400)
        choice = {"message": {"content": "One. Two."}, "finish_reason": "length"}
        return web.json_response({"choices": [choice], "usage": {"completion_tokens": 4}})


CHAT = (Message("user", "Count."),)


def test_answers_record_what_was_left_out() -> None:
    server = ParticularServer("temperature", "seed", "max_tokens")
    requests = [Generate(CHAT, Sampling(max_new_tokens=9), sample) for sample in range(20)]
    with serve(server.app()) as address:
        options = BackendOptions(base_url=f"{address}/v1", concurrency=4)
        outcomes = ask(OpenAIBackend(options, retries=QUICK), requests, MemorySink())
    renamed = {"max_tokens": "max_completion_tokens"}
    details = {"renamed": renamed, "dropped": ["seed", "temperature"]}
    assert outcomes == [Completion("One. Two.", 4, "length", details=details)] * 20
    # Each of the first four may meet each of the three refusals.
    assert 20 + 3 <= len(server.asked) <= 20 + 4 * 3
    assert server.asked[-1]["max_completion_tokens"] == 9


def test_stop_that_a_server_does_not_know_ends_the_text_all_the_same() -> None:
    request = Generate(CHAT, Sampling(max_new_tokens=9, stop=("!", " T")))
    with serve(ParticularServer("stop").app()) as address:
        options = BackendOptions(base_url=f"{address}/v1")
        (outcome,) = ask(OpenAIBackend(options, retries=QUICK), [request], MemorySink())
    assert outcome == Completion("One.", None, "stop", details={"dropped": ["stop"]})


def test_server_that_takes_no_limit_is_a_failure() -> None:
    server = ParticularServer("max_tokens", "max_completion_tokens")
    with serve(server.app()) as address:
        options = BackendOptions(base_url=f"{address}/v1")
        (outcome,) = ask(OpenAIBackend(options, retries=QUICK), [Generate(CHAT)], MemorySink())
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "RequestRefused"
    assert len(server.asked) == 2


PROMPT = 'At what "temperature" should I keep seeds, and is seed 7 unknown?\nTell me.'


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"This prompt is not allowed by our usage policy: {PROMPT}"}},
        {"detail": [{"loc": ["body", "messages"], "msg": "Unexpected value", "input": PROMPT}]},
        {"error": {"message": "Not permitted", "input": {"messages": [{"content": PROMPT}]}}},
    ],
)
@pytest.mark.parametrize("field", ["prompt", "messages"])
def test_a_refusal_that_quotes_the_prompt_names_no_parameter(body: object, field: str) -> None:
    asked = PROMPT if field == "prompt" else [{"role": "user", "content": PROMPT}]
    parameters = Parameters()
    fields = {"max_tokens": 20, "temperature": 0.7, "seed": 1, field: asked}
    assert not parameters.learn(RequestFault("RequestRefused", "", body), fields)
    assert parameters.dropped == set()


def asked_of(owner: str | None, sampling: Sampling) -> dict[str, Any]:
    """What is sent to a server whose models have this owner."""
    server = OpenAIServer(owner=owner)
    with serve(server.app()) as address:
        options = BackendOptions(base_url=f"{address}/v1", timeout=5.0)
        ask(OpenAIBackend(options, retries=QUICK), [Generate("Once", sampling)], MemorySink())
    (body,) = [body for path, body in server.asked if body.get("prompt") == "Once"]
    return body


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("owner", sorted(STATED))
def test_a_servers_own_way_of_sampling_is_overruled(owner: str, temperature: float) -> None:
    body = asked_of(owner, Sampling(temperature=temperature, top_p=0.9))
    assert STATED[owner].items() <= body.items()
    assert (body["temperature"], body["top_p"], body["top_k"]) == (temperature, 0.9, -1)
    assert asked_of(owner, Sampling(temperature=temperature, top_k=5))["top_k"] == 5


@pytest.mark.parametrize("owner", [None, "openai", "library"])
def test_other_servers_are_asked_for_what_they_may_know(owner: str | None) -> None:
    assert asked_of(owner, Sampling(temperature=0.7)).keys() == {
        *("model", "prompt", "max_tokens", "temperature", "top_p", "seed"),
    }


@pytest.mark.parametrize("owner", [None, *STATED])
def test_what_was_sampled_in_a_servers_own_way_is_asked_again(owner: str | None) -> None:
    with serve(OpenAIServer(owner=owner).app()) as address:
        backend = OpenAIBackend(BackendOptions(base_url=f"{address}/v1", timeout=5.0))
        assert bool(backend.corrections(Generate("a"))) == (owner in STATED)
        assert not backend.corrections(LogLikelihood("a", "b"))


def test_a_stated_parameter_that_is_refused_is_left_out() -> None:
    parameters = Parameters()
    sent = {**FIELDS, "min_p": 0.0}
    assert parameters.learn(refusal("Unknown parameter: 'min_p'."), sent)
    assert parameters.dropped == {"min_p"}
