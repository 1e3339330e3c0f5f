"""The scorers of a run: facts for profiles, values stored with the run, and recorded answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmprof.backends import Backend
from llmprof.backends.protocol import (
    PolicyScorer,
    no_whole_texts,
    takes_system_message,
)
from llmprof.backends.toxicity.recording import MissingTexts, ScoreRecorder
from llmprof.datasets import Dataset
from llmprof.jobs.bridge import bridges_for
from llmprof.ledger import Observer
from llmprof.options import RecordingOptions
from llmprof.outputs import check_apart
from llmprof.profilers.protocol import ModelFacts, ScorerFacts
from llmprof.profilers.toxicity_measures import ATTRIBUTES
from llmprof.requests import DescribeText, JudgeRefusal, Outcome, Toxicity


@dataclass(frozen=True, slots=True)
class Recording:
    """Files to write during a run: answers of scorers, and texts without scores."""

    record: Path | None = None
    missing: Path | None = None

    def observer(
        self, scorers: Mapping[str, Backend], datasets: Iterable[Dataset[Any]]
    ) -> Observer | None:
        """The writer of both files; None if neither is requested. `datasets` are the data of the
        run.

        Raises:
            DataError: a file contains something else.
            OutputError: a file cannot be written.
        """
        wanted = [each for each in (self.record, self.missing) if each is not None]
        check_apart(wanted, [file for dataset in datasets for file in dataset.files])
        writers: list[Observer] = []
        if self.record is not None and scorers:
            writers.append(ScoreRecorder(self.record, scorers))
        if self.missing is not None:
            writers.append(MissingTexts(self.missing))

        def observe(answered: Sequence[tuple[Toxicity, Outcome]]) -> None:
            for write in writers:
                write(answered)

        return observe if writers else None


NOTHING_RECORDED = Recording()


def recording(options: RecordingOptions) -> Recording:
    """The files that a user asks for."""
    files = (options.record, options.missing)
    return Recording(*(None if each is None else Path(each).expanduser() for each in files))


@dataclass(frozen=True, slots=True)
class BridgeChoice:
    """The bridge files to use, and the language of the scored texts."""

    files: tuple[str, ...] = ()
    language: str = "en"


NO_BRIDGES = BridgeChoice()


def scorer_facts(
    scorers: Mapping[str, Backend], bridges: BridgeChoice = NO_BRIDGES
) -> tuple[ScorerFacts, ...]:
    """Facts about each scorer for a profile; empty for a single toxicity scorer.

    Raises:
        UsageError: a bridge fits no scorer, its language or its attributes.
    """
    of_scorer: dict[str, list[Mapping[str, Any]]] = {name: [] for name in scorers}
    chosen = bridges_for(bridges.files, scorers, ATTRIBUTES, (bridges.language,))
    for name, bridge in chosen:
        of_scorer[name].append(bridge.content)
    facts = tuple(
        ScorerFacts(name, scorer.model, _categories(scorer), tuple(of_scorer[name]))
        for name, scorer in scorers.items()
    )
    plain = len(facts) == 1 and not facts[0].categories and not facts[0].bridges
    return () if plain else facts


def model_facts(
    backend: Backend, scorers: Mapping[str, Backend], bridges: BridgeChoice
) -> ModelFacts:
    """Facts about the model and the scorers for a profile.

    Raises:
        UsageError: a bridge does not fit.
    """
    # Text metrics are computed on this machine, and a judge is a separate model.
    offered = backend.capabilities | {DescribeText, JudgeRefusal}
    if not scorers:
        return ModelFacts(
            backend.chat,
            offered,
            system_role=takes_system_message(backend),
            whole_texts=no_whole_texts(backend) is None,
            model=backend.model,
        )
    return ModelFacts(
        chat=backend.chat,
        capabilities=offered | {Toxicity},
        whole_texts=no_whole_texts(backend) is None,
        scorer=scorer_name(scorers),
        scorer_model=next(iter(scorers.values())).model,
        scorers=scorer_facts(scorers, bridges),
        system_role=takes_system_message(backend),
        model=backend.model,
    )


def text_facts(scorers: Mapping[str, Backend], bridges: BridgeChoice) -> ModelFacts:
    """Facts about existing texts and the scorers for a profile.

    Raises:
        UsageError: a bridge does not fit.
    """
    if not scorers:
        return ModelFacts(capabilities=frozenset({DescribeText}))
    return ModelFacts(
        capabilities=frozenset({DescribeText, Toxicity}),
        scorer=scorer_name(scorers),
        scorer_model=next(iter(scorers.values())).model,
        scorers=scorer_facts(scorers, bridges),
    )


def scorer_config(
    scorers: Mapping[str, Backend], bridges: BridgeChoice = NO_BRIDGES
) -> dict[str, Any]:
    """The values stored with a run about its scorers; for a single one, its name and identity."""
    facts = scorer_facts(scorers, bridges)
    if not facts:
        (scorer,) = scorers.values()
        return {"name": scorer.name, "identity": dict(scorer.identity)}
    return {
        "name": scorer_name(scorers),
        "identity": {name: dict(scorer.identity) for name, scorer in scorers.items()},
        "scorers": [
            {
                "name": each.name,
                "model": each.model,
                "categories": list(each.categories),
                "bridges": [dict(bridge) for bridge in each.bridges],
            }
            for each in facts
        ],
    }


def scorer_name(scorers: Mapping[str, Backend]) -> str:
    """The names of all scorers, as a run shows them."""
    return ", ".join(scorers)


def _categories(scorer: Backend) -> tuple[str, ...]:
    return scorer.categories if isinstance(scorer, PolicyScorer) else ()
