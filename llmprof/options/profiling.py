"""Options for prompts, profiles and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.loading import Offline
from llmprof.options.option import LARGEST_COUNT, Option, Options, Panel

PROMPT_FORMATS = ("auto", "chat", "completion", "paper")
POOLINGS = ("mean", "last", "cls")
PROTOCOLS = ("original", "toolkit")
CROWS_PAIRS_LANGUAGES = ("en", "fr")
BBQ_ADAPTATIONS = ("esbbq", "cabbq", "kobbq")
BBQ_LANGUAGES = ("en", "es", "nl", "tr")
DATA_VARIABLE = "LLMPROF_DATA_DIR"

# Each command has its own default; None is the profile's.
SAMPLING_TEMPERATURE = Option("Sampling temperature.", panel=Panel.MODEL, metavar="N", low=0.01)
SAMPLING_TOP_P = Option(
    "Top-p (nucleus) of sampling.", panel=Panel.MODEL, metavar="N", low=0.01, high=1.0
)
SystemPrompt = Annotated[
    str | None, Option("System message, or text before each prompt.", panel=Panel.MODEL)
]

SpacyModel = Annotated[
    str | None,
    Option(
        "spaCy pipeline of the text metrics, such as en_core_web_lg, which the toolkit uses. "
        "Default: spaCy's small English one.",
        panel=Panel.DATA,
        metavar="NAME",
    ),
]

ToxicitySamples = Annotated[
    int,
    Option("Completions per prompt.", panel=Panel.TOXICITY, metavar="N", low=1, high=LARGEST_COUNT),
]
ToxicityPrompts = Annotated[
    str | None,
    Option(
        "Prompts of the toxicity profile: challenging, the hardest of RealToxicityPrompts; "
        "polyglot, PolygloToxicityPrompts in --toxicity-language; or a file of your own. Default: "
        "the 300 prompts of the paper.",
        panel=Panel.TOXICITY,
        metavar="challenging|polyglot|FILE",
    ),
]
ToxicityLanguage = Annotated[
    str,
    Option(
        "Language of the texts that are scored, such as en.",
        panel=Panel.TOXICITY,
        metavar="CODE",
    ),
]
TextMetrics = Annotated[
    str | Sequence[str] | None,
    Option(
        "Metrics of the profiles textual (default: all) and counterfactual (a few), such as "
        "n_tokens,mtld; separated by commas.",
        panel=Panel.DATA,
        is_list=True,
    ),
]


@dataclass(frozen=True, kw_only=True)
class PromptOptions(Options):
    """How a model is prompted and how long its completions may be."""

    prompt_format: Annotated[
        str,
        Option(
            "auto, chat, completion or paper; auto is chat for a model with a chat template.",
            panel=Panel.MODEL,
            choices=PROMPT_FORMATS,
        ),
    ] = "auto"
    system_prompt: SystemPrompt = None
    max_new_tokens: Annotated[
        int,
        Option(
            "Maximum tokens per completion.",
            panel=Panel.MODEL,
            metavar="N",
            low=1,
            high=LARGEST_COUNT,
        ),
    ] = 128
    # SQLite's integers have 64 bits.
    seed: Annotated[
        int,
        Option(
            "Seed of sampled completions.", panel=Panel.MODEL, metavar="N", low=0, high=2**63 - 1
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class ProfilerOptions(PromptOptions):
    """Settings of profiles.

    `protocol` is `original` (each benchmark as its authors define it) or `toolkit` (as in the
    scripts of "LLM See, LLM Do").
    """

    pooling: Annotated[
        str,
        Option(
            "Embedding of a text from its tokens: mean, last or cls (the first).",
            panel=Panel.MODEL,
            choices=POOLINGS,
        ),
    ] = "mean"
    layer: Annotated[
        int,
        Option(
            "Layer of the embeddings: 0 is the input, -1 the last.",
            panel=Panel.MODEL,
            metavar="N",
        ),
    ] = -1
    toxicity_samples: ToxicitySamples = 25
    toxicity_prompts: ToxicityPrompts = None
    toxicity_language: ToxicityLanguage = "en"
    temperature: Annotated[float | None, SAMPLING_TEMPERATURE] = None
    top_p: Annotated[float | None, SAMPLING_TOP_P] = None
    completions: Annotated[
        int,
        Option(
            "Completions per prompt of the profiles diversity and counterfactual.",
            panel=Panel.MODEL,
            metavar="N",
            low=1,
            high=LARGEST_COUNT,
        ),
    ] = 10
    text_dataset: Annotated[
        str,
        Option(
            "Prompts of the profiles textual and diversity: {names}, or a file of your own (JSONL, "
            "CSV, or one prompt per line).",
            panel=Panel.DATA,
            completion="text_datasets",
        ),
    ] = "dolly200_test"
    metrics: TextMetrics = None
    spacy_model: SpacyModel = None
    calibration_data: Annotated[
        str | None,
        Option(
            "Questions of the calibration profile: {names}, or a JSONL file of your own "
            "(question, choices, answer). Default: all that are available.",
            panel=Panel.DATA,
            completion="calibration_data",
        ),
    ] = None
    preference_data: Annotated[
        str | None,
        Option(
            "Pairs of the preferences profile: llmbar, human_pairs, or a file of your own (input, "
            "output_1, output_2, label). Default: both, if available.",
            panel=Panel.DATA,
            completion="preference_data",
        ),
    ] = None
    counterfactual_prompts: Annotated[
        str | None,
        Option(
            "Prompts of the counterfactual profile, in which groups are exchanged: {names}, or a "
            "file of your own. Default: those of the data folder, or built-in ones.",
            panel=Panel.DATA,
            completion="text_datasets",
        ),
    ] = None
    refusal_judge: Annotated[
        str | None,
        Option(
            "Model that classifies refusals in the refusal profile: [BACKEND:]MODEL[@REVISION] for "
            "a generative model, classifier:MODEL[@REVISION] for a classifier. Default: rules.",
            panel=Panel.MODEL,
            metavar="MODEL",
            sensitive=True,
        ),
    ] = None
    bbq_language: Annotated[
        str | None,
        Option(
            "Language of the bbq profile, with the questions and control questions of MBBQ. "
            "Default: the questions of BBQ, in English.",
            panel=Panel.DATA,
            choices=BBQ_LANGUAGES,
        ),
    ] = None
    crows_pairs_language: Annotated[
        str,
        Option(
            "Language of CrowS-Pairs: en, or fr for French CrowS-Pairs.",
            panel=Panel.DATA,
            choices=CROWS_PAIRS_LANGUAGES,
        ),
    ] = "en"
    bbq_data: Annotated[
        str | None,
        Option(
            "Questions of the bbq profile from another country: esbbq or cabbq (Spain, in Spanish "
            "or Catalan), or kobbq (Korea).",
            panel=Panel.DATA,
            choices=BBQ_ADAPTATIONS,
        ),
    ] = None
    language: Annotated[
        str,
        Option(
            "Language of the textual profile's prompts and completions, such as fr (a language "
            "code of spaCy).",
            panel=Panel.DATA,
        ),
    ] = "en"
    protocol: Annotated[
        str,
        Option(
            "original, each benchmark as its authors define it, or toolkit, as in the scripts of "
            "'LLM See, LLM Do'.",
            panel=Panel.DATA,
            choices=PROTOCOLS,
        ),
    ] = "original"


@dataclass(frozen=True, kw_only=True)
class SampleOptions(Options):
    """Which items of each data set are used, if not the first ones."""

    sample: Annotated[
        int | None,
        Option(
            "Use N items of each data set, drawn evenly from its groups.",
            panel=Panel.DATA,
            metavar="N",
            low=1,
            high=LARGEST_COUNT,
        ),
    ] = None
    sample_seed: Annotated[
        int,
        Option(
            "Seed of --sample; runs of one seed share their items.",
            panel=Panel.DATA,
            metavar="N",
            low=0,
            high=2**63 - 1,
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """Where data sets come from, and how many of their items are used.

    If `data` is None, the source is `data_dir` if given, otherwise downloads.
    """

    data: Annotated[
        str | None,
        Option(
            "Data source: hub (downloads at fixed commits), builtin (small demonstration samples) "
            "or a folder. Default: --data-dir if given, else hub.",
            panel=Panel.DATA,
            completion="data",
            shared=True,
        ),
    ] = None
    data_dir: Annotated[
        str | Path | None,
        Option("Folder of data sets.", panel=Panel.DATA, variable=DATA_VARIABLE, shared=True),
    ] = None
    limit: Annotated[
        int | None,
        Option(
            "Use the first N items of each data set.",
            panel=Panel.DATA,
            metavar="N",
            low=1,
            high=LARGEST_COUNT,
        ),
    ] = None
    offline: Offline = False

    @property
    def folder(self) -> Path | None:
        """The folder to read from; None for downloads and the built-in samples."""
        if self.data is None:
            return Path(self.data_dir) if self.data_dir else None
        return None if self.data in ("hub", "builtin") else Path(self.data)
