"""Upload a run's results to a model's repository on the Hub, with the Hub's own client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from llmprof.errors import LlmprofError, UsageError
from llmprof.jobs.hub_results import EVAL_RESULTS, eval_results, hub_results
from llmprof.network_settings import check_network_settings

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_CARD = "README.md"
# Replaced by each push.
_RESULTS = ".eval_results/llmprof.yaml"


@dataclass(frozen=True, slots=True)
class HubChange:
    """A file to upload; `shown` is the part of its content that llmprof adds.

    The upload fails if the repository is no longer at commit `parent`.
    """

    repository: str
    file: str
    content: str
    shown: str
    parent: str

    @property
    def message(self) -> str:
        """The subject of the commit."""
        return f"Add results of llmprof to {self.file}"


def plan_push(db: Path, repository: str, run: str, format: str) -> HubChange:
    """What a push of a run's results would change in the model `repository`; uploads nothing.

    For `model-index`, this is the repository's model card, in which the results replace earlier
    ones of the same metrics and data sets.

    Raises:
        UnknownNameError: there is no such format or run.
        UsageError: the Hub has no such repository.
        LlmprofError: the run has no results for this format, the Hub cannot be reached, or the
            model card cannot be read.
    """
    text = hub_results(db, run, format)
    with _hub_errors(repository):
        from huggingface_hub import HfApi

        parent = str(HfApi().model_info(repository).sha)
        if format == EVAL_RESULTS:
            return HubChange(repository, _RESULTS, text, text, parent)
        card = _card(repository, parent, eval_results(db, run))
    return HubChange(repository, _CARD, card, text, parent)


def send(change: HubChange, *, pull_request: bool = False) -> str:
    """Commit the change, or open a pull request with it, and return its address.

    Raises:
        LlmprofError: the Hub refuses it, cannot be reached, or the repository has changed.
    """
    with _hub_errors(change.repository):
        from huggingface_hub import HfApi

        made = HfApi().upload_file(
            path_or_fileobj=change.content.encode(),
            path_in_repo=change.file,
            repo_id=change.repository,
            commit_message=change.message,
            create_pr=pull_request,
            parent_commit=change.parent,
        )
    return str(made.pr_url or made.commit_url)


def _card(repository: str, commit: str, results: Sequence[EvalResult]) -> str:
    """The model card with the results in it; a new card where there is none."""
    from huggingface_hub import HfApi, ModelCard, ModelCardData
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with TemporaryDirectory(prefix="llmprof-") as folder:
        try:
            file = HfApi().hf_hub_download(repository, _CARD, revision=commit, local_dir=folder)
        except RemoteEntryNotFoundError:
            card = ModelCard(f"---\n{ModelCardData()}\n---\n")
        else:
            try:
                card = ModelCard.load(file)
            except Exception as error:  # Whatever its YAML makes the client raise.
                raise LlmprofError(
                    f"the model card of {repository} cannot be read: {_first_line(error)}; fix "
                    f"its {_CARD}, or use --format {EVAL_RESULTS}"
                ) from error
    # Fields of a model's card alone.
    data: Any = card.data
    new = {_subject(each): each for each in results}
    kept = [each for each in data.eval_results or [] if _subject(each) not in new]
    data.eval_results = [*kept, *new.values()]
    data.model_name = data.get("model_name") or repository.rpartition("/")[2]
    return str(card)


def _subject(result: EvalResult) -> tuple[str | None, ...]:
    """What a result measures, whatever its value."""
    return result.dataset_type, result.metric_type, result.metric_name


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turn each refusal of the Hub, and a missing connection, into an error of one line."""
    import httpx
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    offline = LlmprofError("HF_HUB_OFFLINE is set, and a push needs the Hub; unset it")
    if constants.is_offline_mode():
        raise offline
    if get_token() is None:
        raise LlmprofError(
            "no Hub token found; run `hf auth login`, or set HF_TOKEN to a token with write access "
            f"to {repository}"
        )
    check_network_settings()
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise offline from error
    except HFValidationError as error:
        raise UsageError(f"{repository!r} is not a Hub repository; give OWNER/NAME") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise LlmprofError(
            {
                401: "the Hub does not accept the token; run `hf auth login`, or set HF_TOKEN",
                403: f"the token has no write access to {repository}; use another token, or open a "
                "pull request with --pull-request",
                412: f"{repository} was changed meanwhile; run the same command again",
            }.get(
                status,
                f"the Hub has no model {repository}, or the token cannot read it; check the name, "
                f"or create it with `hf repos create {repository}`"
                if isinstance(error, RepositoryNotFoundError)
                else f"the Hub answered {status}: {_first_line(error)}; try again later",
            )
        ) from error
    except (httpx.HTTPError, OSError) as error:
        raise LlmprofError(
            f"cannot reach the Hub ({type(error).__name__}); check the network, and run the same "
            "command again"
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
