"""Temporary buffer of samples until a profile is saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from tempfile import SpooledTemporaryFile

from llmprof.errors import StoreError
from llmprof.metrics.samples import Sample

_BYTES_IN_MEMORY = 2**20
_FIELDS = tuple(field.name for field in fields(Sample))


class SampleSpool:
    """Samples in the order they were added, in little memory, however many there are.

    What exceeds a megabyte is in an unnamed file in `folder` that disappears with the process: the
    database never contains a partial profile, and a killed process leaves no file behind.

    Raises:
        StoreError: the file cannot be written or read.
    """

    def __init__(self, folder: Path, *, in_memory: int = _BYTES_IN_MEMORY) -> None:
        self._folder = folder
        self._file = SpooledTemporaryFile(in_memory, dir=str(folder))  # noqa: SIM115 (see close)

    def close(self) -> None:
        """Drop the samples."""
        # What cannot be flushed now is no longer needed.
        with suppress(OSError):
            self._file.close()

    def add(self, samples: Iterable[Sample]) -> None:
        """Append samples."""
        with self._guard():
            for sample in samples:
                row = [getattr(sample, name) for name in _FIELDS]
                self._file.write(json.dumps(row, default=dict).encode() + b"\n")

    def __iter__(self) -> Iterator[Sample]:
        with self._guard():
            self._file.seek(0)
            for line in self._file:
                yield Sample(*json.loads(line))

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"cannot write temporary samples to {self._folder}: {error.strerror}; check "
                "permissions and free space, or use another folder with --db"
            ) from error
