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
PRECEDENCE = "An option goes before its variable, and a variable before the configuration file."
FILES = {
    "`llmprof.toml`": "values of options by their long names, read where llmprof is started",
    "`llmprof.db`": "[results](results.md), in SQLite; made where llmprof is started",
    "the user's cache folder": (
        "[responses](results.md#the-cache-of-responses) and converted models"
    ),
}
EXIT_STATUS = {
    "0": "done",
    "1": "the work failed: one line on standard error says what was wrong and what to do",
    "2": "the command was asked for something that does not exist or makes no sense",
    "130": "interrupted; the same line again goes on",
}
STREAMS = "Results go to standard output; progress, notes and errors to standard error."
