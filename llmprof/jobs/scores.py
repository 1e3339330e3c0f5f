"""Scores of single texts, as JSON Lines that can be read back as recorded scores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from llmprof.errors import StoreError
from llmprof.results import Store

_SCORES = """
SELECT s.sample_id, s.response, s.scores, s.error_class, r.backend
FROM samples s JOIN runs r ON r.id = s.run_id WHERE s.run_id = ? ORDER BY s.id
"""


def score_lines(db: Path, run_id: str) -> Iterator[str]:
    """One JSON object a text of a run of `llmprof score`, in the order of its file.

    `id`, `text`, `scorer` and every score by its attribute's name; a text without scores has
    `unscored` instead: the scorer's refusal, its failure, or EMPTY.

    Raises:
        StoreError: the database cannot be read.
    """
    store = Store(db, read_only=True)
    try:
        _, rows = store.query(_SCORES, (run_id,))
    finally:
        store.close()
    for sample_id, text, scores, error_class, scorer in rows:
        values = json.loads(scores)
        unscored = {} if values else {"unscored": error_class or "EMPTY"}
        line = {"id": sample_id, "text": text, "scorer": scorer, **values, **unscored}
        yield json.dumps(line, ensure_ascii=False)


def write_scores(db: Path, run_id: str, output: Path) -> None:
    """Write `score_lines` to a file.

    Raises:
        StoreError: the database cannot be read, or the file cannot be written.
    """
    try:
        with output.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in score_lines(db, run_id))
    except OSError as error:
        raise StoreError(
            f"cannot write {output}: {error.strerror}; choose another --output: the scores are in "
            f"{db}, so nothing is asked again"
        ) from error
