"""A provider's server: its address and key, and how its answers and errors are read."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from llmprof.backends.network.retries import (
    FatalFault,
    InvalidFault,
    PassingFault,
    RequestFault,
    UnreachableFault,
    retry_after_seconds,
)
from llmprof.errors import UsageError
from llmprof.responses import whole_characters

if TYPE_CHECKING:
    import httpx


class StrictModel(BaseModel):
    """A part of an answer: refuses texts as numbers and NaN, and ignores unknown fields."""

    model_config = ConfigDict(
        strict=True, allow_inf_nan=False, extra="ignore", from_attributes=True
    )


_SHARE = TypeAdapter[float](Annotated[float, Field(strict=True, ge=0.0, le=1.0)])


def read_share(value: Any) -> float:
    """A score or probability of an answer, from 0 to 1.

    Raises:
        ValueError: it is none; neither are texts and truth values.
    """
    return _SHARE.validate_python(value)


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


_KEY = re.compile(r"[!-~]+")


def address_or(stated: str | None, default: str) -> str:
    """The address that a user states, even an empty one, or else the provider's own."""
    return (default if stated is None else stated).rstrip("/")


def secret_from_environment(variable: str) -> Secret | None:
    """The secret in an environment variable; None if it is unset or blank.

    Raises:
        UsageError: it contains characters that cannot be sent in a header.
    """
    value = os.environ.get(variable, "").strip()
    if value and not _KEY.fullmatch(value):
        raise UsageError(
            f"{variable} holds characters that no key has, such as blanks, line breaks or curly "
            "quotes; copy the key again"
        )
    return Secret(value) if value else None


T = TypeVar("T")

_DEEPEST_JSON = 100
_SURROGATE = b"\\ud"
_SHOWN_ADDRESS = 200

_FORBIDDEN = 403
_KEY_REFUSED = {401, _FORBIDDEN}
_NO_CREDIT = 402
# What a status of 403 says where it is about a prompt, as with OpenRouter, and not about the key.
_OF_THE_PROMPT = re.compile(r"moderat|flagged|content[ _-](policy|filter)", re.IGNORECASE)
# What a status of 400 says where it is about the model's name, as LiteLLM and OpenRouter do.
_OF_THE_MODEL = re.compile(
    r"(invalid|not a valid|unknown|no such) model\b|\bmodel\b.{0,80}\b(does not exist|not found)\b",
    re.IGNORECASE,
)
# OpenAI's code for an account without credit, with the status of one that asks too often.
_QUOTA = "insufficient_quota"
PROMPT_REFUSED = "PromptRefused"
_COME_BACK = {408, 429}
_NOT_IMPLEMENTED = 501
_LONGEST_MESSAGE = 200
# The fields that an answer has.
_ANSWERS = {"choices", "data", "results", "attributeScores", "text", "message", "generations"}


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
    def is_local(self) -> bool:
        """Whether the server is on this machine; its requests then use no proxy."""
        return _on_this_machine(urlsplit(self.base_url).hostname or "")

    @property
    def headers(self) -> dict[str, str]:
        if self.key is None:
            return {}
        return {self.key_header: self.key_prefix + self.key.reveal()}

    def check_address(self, *, offline: bool) -> None:
        """Refuse an invalid address, or one that contains a secret.

        Raises:
            UsageError: it is not http(s), holds a password or query, or leaves this machine
                although the user asked to stay offline.
        """
        import httpx

        try:
            parts = urlsplit(self.base_url)
            # httpx is stricter about ports, international names and control characters.
            usable = bool(parts.hostname) and httpx.URL(self.base_url).scheme in ("http", "https")
        except (ValueError, httpx.InvalidURL):
            usable = False
        if not usable:
            shown = self._safe(self.base_url)[:_SHOWN_ADDRESS]
            raise UsageError(
                f"the address of {self.provider} is {shown!r}; give one that begins with http:// "
                "or https://, such as http://localhost:8000/v1"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                f"the address of {self.provider} holds a user, password, query or fragment; give "
                f"it without, and put the key into {self.key_variable}"
            )
        if offline and not self.is_local:
            raise UsageError(
                f"--offline forbids asking {self.provider} at {self.host}; remove it, or name a "
                "server on this machine"
            )

    def read(self, response: httpx.Response) -> Any:
        """Parse the JSON of a response.

        Raises:
            RequestFault: the server reports an error, or the response is not JSON.
        """
        content = response.content
        # Also 600 and above, which no standard knows.
        if response.status_code >= 400:
            try:
                body = _parse_json(content)
            except ValueError:
                body = content.decode("utf-8", "replace")
            raise self.fault(response.status_code, response.headers, body)
        if 300 <= response.status_code < 400:
            raise self.moved(response.status_code, response.headers)
        # Outside of `except`, so that no other error is chained to the fault.
        fault: RequestFault
        try:
            body = _parse_json(content)
        except (json.JSONDecodeError, UnicodeDecodeError):
            page = content.lstrip().startswith(b"<")
            fault = self.invalid("a web page; check the address") if page else self.broken_json()
        except ValueError:
            fault = self.invalid("JSON with NaN, an endless number or too many levels")
        else:
            if not _is_error(body):
                return body
            fault = self._fault_of_answer(response.headers, body)
        raise fault

    def _fault_of_answer(self, headers: Mapping[str, str], body: Any) -> RequestFault:
        """The failure for an error in a response whose status says nothing of it."""
        code = body["error"].get("code") if isinstance(body["error"], dict) else None
        if isinstance(code, int) and 400 <= code < 600:
            return self.fault(code, headers, body)
        return self.invalid(f"an error: {self._message(body)}")

    def fault(self, status: int, headers: Mapping[str, str], body: Any) -> RequestFault:
        """The failure for a response with a `status` of 400 or above."""
        fault = self._fault(status, headers, body)
        fault.status = status
        return fault

    def _fault(self, status: int, headers: Mapping[str, str], body: Any) -> RequestFault:
        said = f"{self.provider} at {self.host} answers HTTP {status}"
        message = self._message(body)
        if message:
            said += f": {message}"
        if status == _FORBIDDEN and _OF_THE_PROMPT.search(message):
            return RequestFault(PROMPT_REFUSED, said, body)
        if status in _KEY_REFUSED:
            return FatalFault("KeyRefused", f"{said}; check {self.key_variable}", body)
        if status == _NO_CREDIT or (status == 429 and _QUOTA in str(body)):
            return FatalFault(
                "NoCredit", f"{said}; the account of {self.key_variable} needs credit"
            )
        if status == 404 or (status == 400 and _OF_THE_MODEL.search(message)):
            return FatalFault("NotFound", f"{said}; check the model's name and the address", body)
        if status in _COME_BACK or (status >= 500 and status != _NOT_IMPLEMENTED):
            wait = retry_after_seconds(headers.get("retry-after"), datetime.now(UTC))
            name = "RateLimited" if status == 429 else "ServerError"
            return PassingFault(name, said, wait)
        return RequestFault("RequestRefused", said, body)

    def moved(self, status: int, headers: Mapping[str, str]) -> FatalFault:
        """The failure for a redirect; none is followed, since the key would be sent along."""
        place = self._safe(headers.get("location") or "an unknown place")
        return FatalFault(
            "Moved",
            f"{self.provider} at {self.host} answers HTTP {status} and points to "
            f"{place[:_SHOWN_ADDRESS]!r}; give the address where it answers",
        )

    def broken(self, error: httpx.HTTPError) -> RequestFault:
        """The failure for an exchange without a complete response."""
        import httpx

        kind = type(error).__name__
        if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
            return RequestFault("NotSent", f"a request to {self.host} cannot be sent ({kind})")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return UnreachableFault(
                "Unreachable",
                f"cannot connect to {self.provider} at {self.host} ({kind}); check the address "
                "and the network, then run the same command to resume",
            )
        if isinstance(error, httpx.TimeoutException):
            return PassingFault(
                "Timeout", f"{self.provider} at {self.host} does not answer in time ({kind})"
            )
        return PassingFault(
            "ConnectionLost", f"{self.provider} at {self.host} gives no complete answer ({kind})"
        )

    def late(self) -> PassingFault:
        """The failure for a response that was not complete in time."""
        return PassingFault("Timeout", f"{self.provider} at {self.host}: the answer took too long")

    def too_large(self, limit_bytes: int) -> RequestFault:
        """The failure for a response of more than `limit_bytes`."""
        return RequestFault(
            "ResponseTooLarge",
            f"{self.provider} at {self.host} gives a response of more than "
            f"{limit_bytes / 2**20:g} MiB; allow more with --max-response-mib",
        )

    def broken_json(self) -> PassingFault:
        """The failure for a response that is not JSON, for example because it is truncated."""
        return PassingFault(
            "InvalidResponse", f"{self.provider} at {self.host} gives an answer that is not JSON"
        )

    def invalid(self, what: str) -> InvalidFault:
        """The failure for a complete response with invalid content."""
        return InvalidFault("InvalidResponse", f"{self.provider} at {self.host} gives {what}")

    def understand(self, read: Callable[[], T], what: str) -> T:
        """The result of `read`, which takes `what` from a response.

        Raises:
            InvalidFault: the response lacks `what`.
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
        text = self._safe(str(body)).encode("utf-8", "replace").decode()
        return " ".join(text.split())[:_LONGEST_MESSAGE]

    def _safe(self, text: str) -> str:
        return self.key.redact(text) if self.key else text


def _on_this_machine(host: str) -> bool:
    name = host.removesuffix(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    # A connection to the unspecified address reaches this machine.
    return address.is_loopback or address.is_unspecified


def _parse_json(content: bytes) -> Any:
    """The value of a JSON document, with lone surrogates replaced by U+FFFD.

    Raises:
        ValueError: it is not JSON, holds NaN or an infinity, or is nested too deeply.
    """
    text = content.decode("utf-8-sig")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if content.count(b"[") + content.count(b"{") > _DEEPEST_JSON:
            _check_depth(value)
        if _SURROGATE in content.lower():
            value = json.loads(whole_characters(json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _is_error(body: Any) -> bool:
    """Whether an answer holds an error and nothing else, as some servers send with status 200."""
    return isinstance(body, dict) and bool(body.get("error")) and not (body.keys() & _ANSWERS)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_depth(value: Any) -> None:
    level: list[Any] = [[value]]
    for _ in range(_DEEPEST_JSON):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        if not level:
            return
    raise ValueError("nested too deeply")
