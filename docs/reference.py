"""What the pages about the command line say beyond its own help; links as Markdown has them."""

from __future__ import annotations

ENVIRONMENT = {
    "`LLMPROF_DB`": "results database, as `--db`",
    "`LLMPROF_CACHE_DIR`": "folder of cached responses, as `--cache-dir`",
    "`LLMPROF_DATA_DIR`": "folder of data sets, as `--data-dir`",
    "`LLMPROF_CONFIG`": "configuration file, as `--config`",
    "`OPENAI_API_KEY`, `CO_API_KEY`, `PERSPECTIVE_API_KEY`": (
        "keys of [providers](../how-to/servers.md)"
    ),
    "`CO_API_URL`": "address of Cohere's API",
    "`HF_TOKEN`, `HF_HOME`, …": "those of the Hub's client",
}
PRECEDENCE = "An option wins over its variable, and a variable over the configuration files."
FILES = {
    "`llmprof.toml`": (
        "[values of options](../how-to/configuration.md), of the current folder and of your "
        "configuration folder"
    ),
    "`llmprof.db`": "[results](results.md), in SQLite; made where llmprof is started",
    "the user's cache folder": (
        "[responses](results.md#the-cache-of-responses) and converted models"
    ),
}
EXIT_STATUS = {
    "0": "done",
    "1": "the work failed: one line on standard error says what was wrong and what to do",
    "2": "wrong usage: an option or a name does not exist, or options contradict each other",
    "3": "a gate failed: a metric changed by more than its limit",
    "4": "a gate cannot tell: the items are too few",
    "130": "interrupted; run the same command to resume",
}
STREAMS = "Results go to standard output; progress, notes and errors to standard error."
