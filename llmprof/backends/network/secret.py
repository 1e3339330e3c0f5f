"""Keys and tokens, kept out of everything that is printed, logged or stored."""

from __future__ import annotations

import os

_HIDDEN = "***"


class Secret:
    """A key or token that shows as `***` wherever it is printed; `reveal` gives it away.

    >>> key = Secret("k-123")
    >>> print(key, repr(key), key.redact("refused: k-123 is not a key"))
    *** *** refused: *** is not a key
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def redact(self, text: str) -> str:
        """`text` with every occurrence of the secret hidden."""
        return text.replace(self._value, _HIDDEN)

    def __str__(self) -> str:
        return _HIDDEN

    __repr__ = __str__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def secret_from_environment(variable: str) -> Secret | None:
    """The secret in an environment variable; None where it is unset or blank."""
    value = os.environ.get(variable, "").strip()
    return Secret(value) if value else None
