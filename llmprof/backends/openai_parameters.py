"""Sampling parameters that a server does not accept, learned from its errors.

Newer models accept no `temperature` or need `max_completion_tokens` instead of `max_tokens`; some
servers do not support `top_k` or `seed`. Such a parameter is left out of every later request, and
each completion records what was left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llmprof.backends.network.retries import RequestFault

# The names of the limit on new tokens, each with the other.
LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
# Parameters that may be left out, in order of increasing effect on the text. The limit is only
# renamed, since the cost of a request without one is unbounded.
_OPTIONAL = ("seed", "top_k", "top_p", "stop", "temperature")
# Variables of the chat template, for vLLM, SGLang and llama.cpp.
TEMPLATE_FIELD = "chat_template_kwargs"
# The owner of the models that llama.cpp's server lists.
LLAMA_CPP = "llamacpp"
# No token is out of reach (top-k, min-p), and none is less likely for having been written before.
_FULL_DISTRIBUTION = {
    "top_k": -1,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
# What to say to servers that otherwise sample in a way of their own, by the owner of the models
# that they list: llama.cpp with top-k 40, min-p 0.05 and the temperature last, vLLM and SGLang
# with what the checkpoint's generation_config.json says, for greedy decoding too.
STATED: Mapping[str, Mapping[str, Any]] = {
    LLAMA_CPP: {
        **_FULL_DISTRIBUTION,
        "samplers": ["temperature", "top_k", "top_p"],
        "dynatemp_range": 0.0,
        "mirostat": 0,
    },
    "vllm": {**_FULL_DISTRIBUTION, "repetition_penalty": 1.0},
    "sglang": {**_FULL_DISTRIBUTION, "repetition_penalty": 1.0},
}
_STATED_NAMES = sorted({name for fields in STATED.values() for name in fields} - {*_OPTIONAL})
_REFUSED = re.compile(
    r"""unsupported | (not|n't)[ ]support | unknown | unrecogni[sz]ed | unexpected | deprecated
    | not[ ](permitted|allowed|available|accepted|recogni[sz]ed) | only[ ]the[ ]default
    | extra[ _](inputs|fields|forbidden) | cannot[ ](both[ ])?be[ ](used|set|specified)
    | (no[ ]such|not[ ]a[ ]valid|invalid)[ ](parameter|argument|field)""",
    re.IGNORECASE | re.VERBOSE,
)


class Parameters:
    """The parameters that a server accepts. `dropped` are those that it does not.

    `optional` names other fields that may be left out.
    """

    def __init__(self, optional: Iterable[str] = ()) -> None:
        self._optional = (*optional, *_STATED_NAMES, *_OPTIONAL)
        self.dropped: set[str] = set()
        self._renamed: dict[str, str] = {}

    def adapt(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a request without those that the server is known to refuse."""
        return {
            self._renamed.get(name, name): value
            for name, value in fields.items()
            if name not in self.dropped
        }

    def learn(self, fault: RequestFault, sent: Mapping[str, Any]) -> bool:
        """Whether the server refused one of the `sent` fields that may be left out; remember it."""
        words = " ".join(_words(fault.body, _texts(sent)))
        if fault.error_class != "RequestRefused" or not _REFUSED.search(words):
            return False
        # Another request may have learned it since this one was sent.
        if dict(sent) != self.adapt(sent):
            return True
        named = _named(fault.body, words, sent)
        for name, other in LIMITS.items():
            if name in named and other not in self._renamed:
                self._renamed[name] = other
                return True
        for name in self._optional:
            if name in named:
                self.dropped.add(name)
                return True
        return False


def _texts(sent: Mapping[str, Any]) -> list[str]:
    """The texts of a request, which a refusal may quote: they name no parameter."""
    messages = sent.get("messages") or ()
    return [text for text in (sent.get("prompt"), *(turn["content"] for turn in messages)) if text]


def _words(body: Any, quoted: Iterable[str]) -> Iterator[str]:
    """All texts in a refusal, the names of its fields too, without what they quote."""
    if isinstance(body, str):
        for text in quoted:
            body = body.replace(text, "").replace(json.dumps(text)[1:-1], "")
        yield body
    elif isinstance(body, dict):
        for name, value in body.items():
            yield from (str(name), *_words(value, quoted))
    elif isinstance(body, list):
        for each in body:
            yield from _words(each, quoted)


def _named(body: Any, words: str, sent: Mapping[str, Any]) -> set[str]:
    """The sent fields that a refusal names: in `param`, as OpenAI does, or in its words."""
    error = body.get("error") if isinstance(body, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    if isinstance(param, str) and param in sent:
        return {param}
    return {name for name in sent if re.search(rf"\b{name}\b", words)}
