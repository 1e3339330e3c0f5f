"""Differences of a metric between two models."""

import pytest

from llmprof.metrics.differences import paired_difference


@pytest.mark.parametrize(("value", "shown"), [(-4.4e-17, 0.0), (1e-13, 0.0), (1e-9, 1e-9)])
def test_rounding_is_no_change(value: float, shown: float) -> None:
    assert paired_difference(value, None, 1, "prompts", 0).value == shown
