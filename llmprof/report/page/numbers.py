"""Numbers as people read them."""

from __future__ import annotations

from llmprof.report.contents import Change, Value


def number(value: float) -> str:
    """Four significant digits; large counts whole.

    >>> number(0.123456), number(12345.6), number(-3.0)
    ('0.1235', '12,346', '-3')
    """
    text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return "0" if text == "-0" else text


def signed(value: float) -> str:
    """`number` with a plus for what is above zero."""
    return f"+{number(value)}" if value > 0 else number(value)


def interval(value: Value | Change) -> str:
    """The 95% interval, or nothing where there is none."""
    if value.ci_low is None or value.ci_high is None:
        return ""
    return f"{number(value.ci_low)} to {number(value.ci_high)}"


def count(value: Value) -> str:
    """How many items have a value, out of how many where some do not."""
    return f"{value.n:,}" if value.n == value.n_total else f"{value.n:,}/{value.n_total:,}"
