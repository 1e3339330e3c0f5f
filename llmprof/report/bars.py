"""Small bars of text, each of a fixed number of characters."""

from __future__ import annotations

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(value: float, limit: float, width: int) -> str:
    """A bar from zero whose full width is `limit`; a negative value has an empty one.

    >>> bar(0.5, 1.0, 4), bar(0.3, 1.0, 4)
    ('██  ', '█▎  ')
    """
    if limit <= 0 or value <= 0:
        return " " * width
    whole, part = divmod(round(min(value / limit, 1.0) * width * 8), 8)
    return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(width)


def interval_bar(low: float, value: float, high: float, limit: float, width: int) -> str:
    """An interval and the value in it, on a line from -`limit` to `limit`; `│` is zero.

    >>> interval_bar(0.25, 0.5, 1.0, 1.0, 9), interval_bar(-0.5, 0.0, 0.5, 1.0, 9)
    ('    │━●━━', '  ━━●━━  ')
    """
    middle = width // 2

    def place(number: float) -> int:
        return (
            middle if limit <= 0 else middle + round(max(-1.0, min(1.0, number / limit)) * middle)
        )

    cells = [" "] * width
    cells[middle] = "│"
    for each in range(place(low), place(high) + 1):
        cells[each] = "┿" if each == middle else "━"
    if low > 0 or high < 0:
        cells[middle] = "│"
    cells[place(value)] = "●"
    return "".join(cells)
