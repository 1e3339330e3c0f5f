"""What is pushed arrives at a stand-in of the Hub, and nothing without being told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, constants

from llmprof.errors import LlmprofError, UsageError
from llmprof.jobs.hub_push import plan_push, send
from llmprof.jobs.hub_results import eval_results
from llmprof.results import RunStart, Store
from tests.cli.test_app import run
from tests.report.databases import pairs
from tests.servers.hub import COMMIT, REPOSITORY, TOKEN, HubServer
from tests.servers.running import serve

CARD = """---
license: mit
model-index:
- name: mine
  results:
  - task: {type: text-generation}
    dataset: {type: data, name: old}
    metrics: [{type: stereotype_score, value: 1.0, name: NAME}]
  - task: {type: text-generation}
    dataset: {type: other, name: other}
    metrics: [{type: accuracy, value: 0.5, name: Accuracy}]
---
# My model

Text that stays.
"""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("push") / "llmprof.db"
    source = "hub:org/pairs@0123abc/data/pairs.csv"
    result = replace(pairs([1.0] * 20 + [0.0] * 30).result(None), source=source)
    with Store(file) as store:
        run_id = store.begin_run(RunStart("profile", "model", "made", {}, 0, {}))
        store.save_profile(run_id, result)
        store.finish_run(run_id, "complete")
    return file


Hub = Callable[[HubServer], None]


@pytest.fixture
def at_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Makes a stand-in the Hub of this process, with a token that it takes."""
    servers = []

    def start(hub: HubServer) -> None:
        server = serve(hub.app())
        servers.append(server)
        address = server.__enter__()
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield start
    for server in servers:
        server.__exit__(None, None, None)


def test_results_are_put_into_the_model_card(db: Path, at_hub: Hub) -> None:
    names = {each.metric_type: str(each.metric_name) for each in eval_results(db, "")}
    hub = HubServer({"README.md": CARD.replace("NAME", names["stereotype_score"])})
    at_hub(hub)
    change = plan_push(db, REPOSITORY, "", "model-index")
    assert not hub.commits and "Text that stays" not in change.shown
    assert send(change).endswith(f"/commit/{COMMIT}")
    (commit,) = hub.commits
    assert (commit.parent, commit.pull_request) == (COMMIT, False)
    card = ModelCard(commit.files["README.md"])
    assert card.text.strip() == "# My model\n\nText that stays."
    assert (card.data.license, card.data.model_name) == ("mit", "mine")
    assert card.data.eval_results is not None
    values = {(each.dataset_type, each.metric_type): each.metric_value
              for each in card.data.eval_results}  # fmt: skip
    assert values["data", "stereotype_score"] == 40.0
    assert values["other", "accuracy"] == 0.5
    scores = [each for each in card.data.eval_results if each.metric_type == "stereotype_score"]
    assert len(scores) == 1


def test_a_model_without_a_card_gets_one_by_a_pull_request(db: Path, at_hub: Hub) -> None:
    hub = HubServer({})
    at_hub(hub)
    change = plan_push(db, REPOSITORY, "", "model-index")
    assert send(change, pull_request=True).endswith("/discussions/1")
    assert hub.commits[0].pull_request
    data = ModelCard(hub.commits[0].files["README.md"]).data
    assert data.eval_results and data.model_name == "model"


def test_eval_results_are_a_file_of_their_own(db: Path, at_hub: Hub) -> None:
    hub = HubServer({"README.md": CARD})
    at_hub(hub)
    change = plan_push(db, REPOSITORY, "", "eval-results")
    send(change)
    assert hub.commits[0].files == {".eval_results/llmprof.yaml": change.shown}
    assert "id: org/pairs" in change.shown


def test_nothing_is_sent_without_being_told_to(db: Path, tmp_path: Path) -> None:
    hub = HubServer({"README.md": CARD})
    with serve(hub.app()) as address:
        environment = {"HF_ENDPOINT": address, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path),
                       "HF_HUB_OFFLINE": "0"}  # fmt: skip
        refused = run("push", REPOSITORY, "--db", db, cwd=tmp_path, **environment)
        assert refused.returncode == 2
        assert "model-index:" in refused.stdout
        assert "to README.md of owner/model, by a commit" in refused.stderr
        assert refused.stderr.splitlines()[-1].endswith("nothing was uploaded; confirm with --yes")
        shown = run("push", REPOSITORY, "--db", db, "--dry-run", cwd=tmp_path, **environment)
        assert (shown.returncode, shown.stdout) == (0, refused.stdout)
        assert not hub.commits
        sent = run("push", REPOSITORY, "--db", db, "--yes", cwd=tmp_path, **environment)
        assert sent.returncode == 0, sent.stderr
        assert f"uploaded: {address}/owner/model/commit/" in sent.stdout
    assert len(hub.commits) == 1
    assert TOKEN not in sent.stdout + sent.stderr


@pytest.mark.parametrize(
    ("repository", "card", "refusal", "words"),
    [
        ("owner/nothing", CARD, None, "the Hub has no model owner/nothing"),
        ("not a name", CARD, None, "give OWNER/NAME"),
        (REPOSITORY, CARD, 403, "no write access to owner/model"),
        (REPOSITORY, CARD, 412, "was changed meanwhile"),
        (REPOSITORY, CARD, 500, "answered 500"),
        (REPOSITORY, "---\na: [\n---\n", None, "model card of owner/model cannot be read"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_line(
    db: Path, at_hub: Hub, repository: str, card: str, refusal: int | None, words: str
) -> None:
    at_hub(HubServer({"README.md": card}, refusal))
    with pytest.raises(LlmprofError, match=rf"^[^\n]*{words}[^\n]*$"):
        send(plan_push(db, repository, "", "model-index"))


def test_without_token_network_or_leave_nothing_is_asked(
    db: Path, at_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = HubServer({"README.md": CARD})
    at_hub(hub)
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(LlmprofError, match=r"^the Hub does not accept the token; [^\n]*$"):
        plan_push(db, REPOSITORY, "", "model-index")
    hub.requests.clear()
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(LlmprofError, match=r"^no Hub token found; [^\n]*$"):
        plan_push(db, REPOSITORY, "", "model-index")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(LlmprofError, match=r"^HF_HUB_OFFLINE is set[^\n]*$"):
        plan_push(db, REPOSITORY, "", "model-index")
    assert not hub.requests
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(LlmprofError, match=r"^cannot reach the Hub [^\n]*$"):
        plan_push(db, REPOSITORY, "", "model-index")
    with pytest.raises(UsageError, match="no run"):
        plan_push(db, REPOSITORY, "no-such-run", "model-index")
