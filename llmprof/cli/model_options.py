"""Options that say which model answers and how; every command that asks a model has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmprof.cli import completion
from llmprof.cli.common_options import MOST, NO_VALUE, at_most, finite

if TYPE_CHECKING:
    from llmprof.options import ScorerChoice


_MODEL = "The model"
_NETWORK = "Models behind a network"
_MOST_AT_ONCE = 10_000

Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A Hub id, a local folder, a GGUF file, or a provider's model. "
        "Default: SmolLM2-135M-Instruct.",
        show_default=False,
        autocompletion=completion.models,
    ),
]
Backend = Annotated[
    str,
    typer.Option(
        "--backend",
        help="Who answers the requests: huggingface, openai, cohere, replay, scripted or an "
        "installed one.",
        rich_help_panel=_MODEL,
        autocompletion=completion.backends,
    ),
]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a Hub model.", rich_help_panel=_MODEL)
]
Adapter = Annotated[
    str | None, typer.Option(help="Folder or Hub id of a PEFT adapter.", rich_help_panel=_MODEL)
]
Dtype = Annotated[
    str,
    typer.Option(
        help="auto, fp32, bf16 or fp16; auto is fp32 on CPU and bf16 on CUDA.",
        autocompletion=completion.one_of("auto", "fp32", "bf16", "fp16"),
        rich_help_panel=_MODEL,
    ),
]
Quantize = Annotated[
    str,
    typer.Option(
        help="none, 8bit or 4bit (bitsandbytes).",
        rich_help_panel=_MODEL,
        autocompletion=completion.one_of("none", "8bit", "4bit"),
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MODEL)]
DeviceMap = Annotated[
    str | None,
    typer.Option(help="auto spreads a model that is larger than one GPU.", rich_help_panel=_MODEL),
]
BatchSize = Annotated[
    str, typer.Option(metavar="auto|N", help="Sequences at once.", rich_help_panel=_MODEL)
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        metavar=NO_VALUE,
        help="Run Python code that comes with the model.",
        rich_help_panel=_MODEL,
    ),
]
AllowPickle = Annotated[
    bool,
    typer.Option(
        "--allow-pickle",
        metavar=NO_VALUE,
        help="Read weights from a pickle (.bin) where there are no safetensors.",
        rich_help_panel=_MODEL,
    ),
]
PromptFormat = Annotated[
    str,
    typer.Option(
        help="auto, chat, completion or paper; auto is chat for a model with a chat template.",
        autocompletion=completion.one_of("auto", "chat", "completion", "paper"),
        rich_help_panel=_MODEL,
    ),
]
SystemPrompt = Annotated[
    str | None, typer.Option(help="Said before each prompt.", rich_help_panel=_MODEL)
]
MaxNewTokens = Annotated[
    int,
    typer.Option(
        min=1,
        callback=at_most(MOST),
        metavar="N",
        help="Tokens a completion.",
        rich_help_panel=_MODEL,
    ),
]
# SQLite's integers have 64 bits.
Seed = Annotated[
    int,
    typer.Option(
        min=0,
        callback=at_most(2**63 - 1),
        metavar="N",
        help="Seed of sampled completions.",
        rich_help_panel=_MODEL,
    ),
]
Pooling = Annotated[
    str,
    typer.Option(
        help="Embedding of a text from its tokens: mean, last or cls (the first).",
        autocompletion=completion.one_of("mean", "last", "cls"),
        rich_help_panel=_MODEL,
    ),
]
Layer = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Layer that embeddings are taken from: 0 is the input, -1 the last.",
        rich_help_panel=_MODEL,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="Address of an OpenAI-compatible server, such as http://localhost:8000/v1.",
        rich_help_panel=_NETWORK,
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=_MOST_AT_ONCE,
        metavar="N",
        help="Requests in flight at once.",
        rich_help_panel=_NETWORK,
    ),
]
RequestsPerMinute = Annotated[
    float | None,
    typer.Option(
        "--rpm",
        metavar="N",
        min=0.001,
        callback=finite,
        help="Requests a minute that the provider allows.",
        rich_help_panel=_NETWORK,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        callback=finite,
        metavar="SECONDS",
        help="How long one answer may take before it is asked for again.",
        rich_help_panel=_NETWORK,
    ),
]
SafetyMode = Annotated[
    str | None,
    typer.Option(
        help="Cohere's safety mode: CONTEXTUAL, STRICT or OFF.",
        rich_help_panel=_NETWORK,
        autocompletion=completion.one_of("CONTEXTUAL", "STRICT", "OFF"),
    ),
]
BosToken = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What begins a text, for an OpenAI-compatible server that adds nothing to a prompt.",
        rich_help_panel=_NETWORK,
    ),
]


def batch_size_of(value: str) -> int | None:
    """The number in `--batch-size`; None for `auto`.

    >>> batch_size_of("auto"), batch_size_of("8")
    (None, 8)

    Raises:
        BadParameter: it is neither `auto` nor a whole number above 0.
    """
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) == 0:
        raise typer.BadParameter(f"--batch-size is {value!r}; give auto or a number above 0")
    return int(value)


def given(context: typer.Context) -> dict[str, Any]:
    """Everything that the command was given, by the names that Python has for it too."""
    return {**context.params, "batch_size": batch_size_of(context.params["batch_size"])}


_TOXICITY = "Toxicity"

Scorer = Annotated[
    str | None,
    typer.Option(
        "--toxicity-scorer",
        help="perspective, classifier, profanity, recorded or an installed one. Default: "
        "perspective when PERSPECTIVE_API_KEY is set, else classifier.",
        autocompletion=completion.scorers,
        rich_help_panel=_TOXICITY,
        show_default=False,
    ),
]
ScorerModel = Annotated[
    str | None,
    typer.Option(
        "--toxicity-model",
        help="The classifier's Hub id or folder; for recorded, WHOSE=FILE with scores that "
        "exist already.",
        rich_help_panel=_TOXICITY,
    ),
]
Samples = Annotated[
    int,
    typer.Option(
        "--toxicity-samples",
        min=1,
        callback=at_most(MOST),
        metavar="N",
        help="Completions of each prompt.",
        rich_help_panel=_TOXICITY,
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Append each raw answer of a scorer to a file, with the day it was given.",
        rich_help_panel=_TOXICITY,
    ),
]
Missing = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the texts that got no scores to a file, ready to be scored.",
        rich_help_panel=_TOXICITY,
    ),
]
PerspectiveUrl = Annotated[
    str | None,
    typer.Option(
        help="Address of a service that is compatible with Perspective.",
        rich_help_panel=_TOXICITY,
    ),
]
PerspectiveQps = Annotated[
    float,
    typer.Option(
        min=0.001,
        callback=finite,
        metavar="N",
        help="Requests a second that Perspective grants.",
        rich_help_panel=_TOXICITY,
    ),
]


def asked(context: typer.Context, cache_dir: Path) -> ScorerChoice:
    """The scorer that the command was given, or one that is chosen for the user and named."""
    from llmprof.options import asked_scorer

    scorer = asked_scorer(context.params, cache_dir)
    if scorer.notice and not context.params["quiet"]:
        typer.echo(f"llmprof: {scorer.notice}", err=True)
    return scorer
