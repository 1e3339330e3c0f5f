"""A provider's server: its address and key, and how its answers and errors are read."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from llmprof.backends.network.retries import (
    FatalFault,
    PassingFault,
    RequestFault,
    UnreachableFault,
    retry_after_seconds,
)
from llmprof.errors import UsageError

if TYPE_CHECKING:
    import httpx


_HIDDEN = "***"


class Secret:
    """A key or token that is printed as `***`; `reveal` returns its value.

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
        """Replace every occurrence of the secret in `text` by `***`."""
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


T = TypeVar("T")

_KEY_REFUSED = {401, 403}
_NOT_FOR_US = {402, 404}
_COME_BACK = {408, 429}
_NOT_IMPLEMENTED = 501
_LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Server:
    """A provider's address and key; `key_variable` is the environment variable that holds the key.

    The key is sent in the header `key_header`, after `key_prefix`; never in the address.
    """

    provider: str
    base_url: str
    key: Secret | None
    key_variable: str
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "

    @property
    def host(self) -> str:
        """Host and port, as shown in messages and identities."""
        return urlsplit(self.base_url).netloc

    @property
    def headers(self) -> dict[str, str]:
        if self.key is None:
            return {}
        return {self.key_header: self.key_prefix + self.key.reveal()}

    def check_address(self, *, offline: bool) -> None:
        """Refuse an address that cannot work or that holds a secret.

        Raises:
            UsageError: it is not http(s), holds a password or query, or leaves this machine
                although the user asked to stay offline.
        """
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"the address of {self.provider} is {self._safe(self.base_url)!r}; give one that "
                "begins with http:// or https://"
            )
        if parts.username or parts.password or parts.query:
            raise UsageError(
                f"the address of {self.provider} holds a user, password or query; give it "
                f"without, and put the key into {self.key_variable}"
            )
        if offline and not _on_this_machine(parts.hostname):
            raise UsageError(
                f"--offline forbids asking {self.provider} at {self.host}; leave it out, or name a "
                "server on this machine"
            )

    def read(self, response: httpx.Response) -> Any:
        """Parse the JSON of a response.

        Raises:
            RequestFault: the server reports an error, or the response is not JSON.
        """
        if response.is_error:
            try:
                body = response.json()
            except (ValueError, RecursionError):
                body = response.text
            raise self.fault(response.status_code, response.headers, body)
        try:
            return response.json()
        except (ValueError, RecursionError):
            pass
        raise self.invalid("an answer that is not JSON")

    def fault(self, status: int, headers: Mapping[str, str], body: Any) -> RequestFault:
        """The failure that a response with a `status` of 400 or above means."""
        said = f"{self.provider} at {self.host} answers HTTP {status}"
        if message := self._message(body):
            said += f": {message}"
        if status in _KEY_REFUSED:
            return FatalFault("KeyRefused", f"{said}; check {self.key_variable}", body)
        if status in _NOT_FOR_US:
            return FatalFault("NotFound", f"{said}; check the model's name and the address", body)
        if status in _COME_BACK or (status >= 500 and status != _NOT_IMPLEMENTED):
            wait = retry_after_seconds(headers.get("retry-after"), datetime.now(UTC))
            name = "RateLimited" if status == 429 else "ServerError"
            return PassingFault(name, said, wait)
        return RequestFault("RequestRefused", said, body)

    def broken(self, error: httpx.HTTPError) -> PassingFault:
        """The failure that an exchange without a whole response means."""
        import httpx

        kind = type(error).__name__
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return UnreachableFault(
                "Unreachable",
                f"cannot connect to {self.provider} at {self.host} ({kind}); check the address "
                "and the network, then run the same command to resume",
            )
        if isinstance(error, httpx.TimeoutException):
            return PassingFault("Timeout", f"{self.provider} at {self.host}: {kind}")
        return PassingFault("ConnectionLost", f"{self.provider} at {self.host}: {kind}")

    def late(self) -> PassingFault:
        """The failure that a response means that was not complete in time."""
        return PassingFault("Timeout", f"{self.provider} at {self.host}: the answer took too long")

    def invalid(self, what: str) -> PassingFault:
        """The failure that an unreadable response means."""
        return PassingFault("InvalidResponse", f"{self.provider} at {self.host} gives {what}")

    def understand(self, read: Callable[[], T], what: str) -> T:
        """The result of `read`, which takes `what` from a response.

        Raises:
            PassingFault: the response lacks `what`.
        """
        try:
            return read()
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
            pass
        raise self.invalid(f"an answer without {what}")

    def _message(self, body: Any) -> str:
        """The server's error message, on one line, without the key."""
        if isinstance(body, dict):
            error = body.get("error", body)
            body = (
                error.get("message", error.get("detail", "")) if isinstance(error, dict) else error
            )
        return " ".join(self._safe(str(body)).split())[:_LONGEST_MESSAGE]

    def _safe(self, text: str) -> str:
        return self.key.redact(text) if self.key else text


def _on_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
