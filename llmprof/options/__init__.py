"""All options of the command line and the Python interface, with their defaults.

An option is declared once: as a field of a group (`loading`, `scoring`, `profiling`, `locations`)
or of one command (`profile_options`, `select_options` ...), with its type, its default and an
`Option`. The command line, the keywords of `llmprof.profile`, the configuration file and
docs/reference/cli.md follow from it. Code that uses an option gets its whole group, so that a new
option changes nothing in between.

Imports nothing but the standard library, since every command starts with it.
"""

from llmprof.options.benchmark_options import BENCHMARK_SEED, BenchmarkOptions
from llmprof.options.inherit_options import ARMS, SOURCES, InheritOptions
from llmprof.options.loading import (
    DEVICE_MAPS,
    DTYPES,
    QUANTIZATIONS,
    SAFETY_MODES,
    BackendChoice,
    BackendOptions,
    LoadingOptions,
    backend_options,
)
from llmprof.options.locations import (
    DEFAULT_DB,
    StorageOptions,
    cache_folder,
    data_options,
    database_file,
)
from llmprof.options.option import Option, Options, Panel, declared, names_in, part
from llmprof.options.profile_options import DEFAULT_PROFILERS, TEXT_PROFILERS, ProfileOptions
from llmprof.options.profiling import (
    BBQ_LANGUAGES,
    POOLINGS,
    PROMPT_FORMATS,
    PROTOCOLS,
    DataOptions,
    ProfilerOptions,
    PromptOptions,
)
from llmprof.options.score_options import AgreementOptions, BridgeOptions, ScoreOptions
from llmprof.options.scoring import (
    RecordingOptions,
    ScorerChoice,
    ScorerLoadingOptions,
    ScorerOptions,
    choose_scorer,
    named_scorer,
    scorer_choice,
)
from llmprof.options.select_options import BASELINES, COMBINATIONS, DIRECTIONS, SelectOptions

# Of every command that reads a configuration file.
COMMAND_OPTIONS = (ProfileOptions, BenchmarkOptions, ScoreOptions, SelectOptions, InheritOptions)

__all__ = [
    "ARMS",
    "BASELINES",
    "BBQ_LANGUAGES",
    "BENCHMARK_SEED",
    "COMBINATIONS",
    "DEFAULT_DB",
    "DEFAULT_PROFILERS",
    "DEVICE_MAPS",
    "DIRECTIONS",
    "DTYPES",
    "POOLINGS",
    "PROMPT_FORMATS",
    "PROTOCOLS",
    "QUANTIZATIONS",
    "SAFETY_MODES",
    "SOURCES",
    "TEXT_PROFILERS",
    "AgreementOptions",
    "BackendChoice",
    "BackendOptions",
    "BenchmarkOptions",
    "BridgeOptions",
    "DataOptions",
    "InheritOptions",
    "LoadingOptions",
    "Option",
    "Options",
    "Panel",
    "ProfileOptions",
    "ProfilerOptions",
    "PromptOptions",
    "RecordingOptions",
    "ScoreOptions",
    "ScorerChoice",
    "ScorerLoadingOptions",
    "ScorerOptions",
    "SelectOptions",
    "StorageOptions",
    "backend_options",
    "cache_folder",
    "choose_scorer",
    "data_options",
    "database_file",
    "declared",
    "named_scorer",
    "names_in",
    "part",
    "scorer_choice",
]
