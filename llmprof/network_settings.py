"""Proxies and certificates that the environment names, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from llmprof.errors import UsageError

_VARIABLES = (
    *("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("all_proxy", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)


@contextmanager
def network_settings() -> Iterator[None]:
    """Explain what httpx rejects in the environment, in the block that makes its client.

    Raises:
        UsageError: a proxy or a file of certificates cannot be used.
    """
    import httpx

    try:
        yield
    except ImportError:
        message = (
            "the environment names a SOCKS proxy, which needs the package socksio: run "
            "pip install 'httpx[socks]', or unset ALL_PROXY, HTTP_PROXY and HTTPS_PROXY"
        )
    except (ValueError, httpx.InvalidURL):
        message = (
            "the environment names a proxy whose address cannot be used; check ALL_PROXY, "
            "HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
        )
    except OSError as error:
        message = (
            f"cannot read the certificates that the environment names ({error.strerror}); check "
            "SSL_CERT_FILE and SSL_CERT_DIR"
        )
    else:
        return
    raise UsageError(message)


def check_network_settings() -> None:
    """Make a client and discard it, before a library makes its own.

    Only once for each environment: to read the certificates takes longer than a small download.

    Raises:
        UsageError: see `network_settings`.
    """
    _check(tuple(map(os.environ.get, _VARIABLES)))


@cache
def _check(environment: tuple[str | None, ...]) -> None:
    import httpx

    with network_settings():
        httpx.Client().close()
