"""Candidates for tests: a prompt's completions with given scores."""

from collections.abc import Mapping, Sequence

from llmprof.metrics.samples import Sample


def candidate(
    text: str | None,
    scores: Mapping[str, float | None],
    *,
    index: int = 0,
    model: str = "a",
    prompt: str = "p",
) -> Sample:
    return Sample(prompt, f"Prompt {prompt}", text, scores, group=model, sample_index=index)


def pool_of(metric: str, values: Sequence[float | None], *, model: str = "a") -> list[Sample]:
    """One completion a value, in order; their texts differ."""
    return [
        candidate(f"{model} says {place}", {metric: value}, index=place, model=model)
        for place, value in enumerate(values)
    ]
