"""Marks in cache keys, so that answers that earlier versions may have got wrong are not read.

Only such requests get a mark; all other answers are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmprof.backends.huggingface.architecture import Task, may_look_ahead
from llmprof.backends.huggingface.foreign_code import one_line_errors
from llmprof.backends.huggingface.tokenization import Encoder, special_tokens
from llmprof.requests import Embed, Generate, PseudoLogLikelihood, Request

_CONTINUING: frozenset[Task] = frozenset({"causal", "multimodal"})


def correction_facts(
    tokenizer: Any, task: Task, config: Mapping[str, Any], *, own_code: bool
) -> dict[str, Any]:
    """What the marks depend on, as JSON values; `own_code` says whether the model's own runs."""
    continues = task in _CONTINUING
    with one_line_errors(
        f"the tokenizer of {tokenizer.name_or_path} failed", "get the model again"
    ):
        tokens_after_text = continues and Encoder(tokenizer).tokens_after_text
    return {
        "tokens_after_text": tokens_after_text,
        "may_look_ahead": continues and may_look_ahead(config, own_code=own_code),
        # The token that ends a text always stopped it, whether it was asked for or not.
        "unseen_stops": sorted(special_tokens(tokenizer) - {tokenizer.eos_token}),
    }


def corrected_in_model(facts: Mapping[str, Any], dtype: str) -> dict[str, str]:
    """Marks of all answers of a model, which are part of its identity.

    They were computed with a token after the prompt, or sampled from overflowed logits.
    """
    marks: dict[str, str] = {}
    if facts["tokens_after_text"]:
        marks["after_text"] = "left out"
    if dtype in ("fp16", "checkpoint") and facts["task"] in _CONTINUING:
        marks["not_finite"] = "refused"
    return marks


def corrected_in_request(facts: Mapping[str, Any], request: Request) -> dict[str, str]:
    """Marks of a request to a model.

    Bidirectional models were scored as causal, and a stop that is a special token was not seen.
    """
    marks: dict[str, str] = {}
    if facts["may_look_ahead"] and not isinstance(request, Embed | PseudoLogLikelihood):
        marks["causal"] = "checked"
    if isinstance(request, Generate) and any(
        token in stop for stop in request.sampling.stop for token in facts["unseen_stops"]
    ):
        marks["special_stops"] = "seen"
    return marks
