"""Numbers as people read them."""

from __future__ import annotations

from llmprof.report.contents import Change, Value


def number(value: float | None) -> str:
    """Four significant digits; large ones whole.

    >>> number(0.123456), number(54321.5), number(None)
    ('0.1235', '54,322', '-')
    """
    if value is None:
        return "-"
    # Adding zero turns the -0.0 of a rounded sum into 0.
    return f"{value + 0.0:,.0f}" if abs(value) >= 10_000 else f"{value + 0.0:.4g}"


def signed(value: float) -> str:
    """A number with its sign; none for zero.

    >>> signed(1.5), signed(-0.25), signed(0.0)
    ('+1.5', '-0.25', '0')
    """
    return f"+{number(value)}" if value > 0 else number(value)


def percent(value: float | None) -> str:
    """A change in percent.

    >>> percent(12.345), percent(-0.04), percent(2500.0), percent(None)
    ('+12.3%', '-0.0%', '+2,500%', '-')
    """
    if value is None:
        return "-"
    if value == 0.0:
        return "0%"
    return f"{value:+,.0f}%" if abs(value) >= 1000 else f"{value:+.1f}%"


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval; nothing where there is none."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def compact_interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval in three significant digits.

    >>> compact_interval(52.917, 58.09), compact_interval(None, None)
    ('52.9…58.1', '')
    """
    return "" if low is None or high is None else f"{low + 0.0:.3g}…{high + 0.0:.3g}"


def with_interval(shown: str, between: str) -> str:
    """A number and its interval in one cell.

    >>> with_interval("0.5", "0.4 to 0.6"), with_interval("0.5", "")
    ('0.5 (0.4 to 0.6)', '0.5')
    """
    return f"{shown} ({between})" if between else shown


def coverage(value: Value) -> str:
    """How many items have a value, and of how many where that is not all."""
    return str(value.n) if value.n == value.n_total else f"{value.n}/{value.n_total}"


def mark(change: Change) -> str:
    """An arrow where the interval of a change excludes zero."""
    if not change.excludes_zero:
        return ""
    return "▲" if change.absolute > 0 else "▼"
