"""Webhooks: where they may lead, how they are signed, and how a receiver checks that.

A receiver written in Python needs only this:

    from mirepoix.webhooks import verify_signature

    verify_signature(secret, request.headers["Mirepoix-Signature"], await request.body())
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, IPvAnyNetwork, PositiveInt

from mirepoix.addresses import as_address, is_link_local, is_open
from mirepoix.errors import InputError
from mirepoix.strict import Strict

SIGNATURE, DELIVERY, EVENT = "Mirepoix-Signature", "Mirepoix-Delivery", "Mirepoix-Event"
LONGEST_URL = 2000
TOLERANCE = 300.0

EnvName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]


class Webhooks(Strict):
    """How the ends of jobs and alerts are told.

    `secret_env` names the environment variable, of the orchestrators, with the secret that signs them. Callbacks of
    jobs lead to public addresses only, and to networks in `allow`. A receiver has `timeout` seconds to answer; one that
    does not answer with 2xx is told again after `retry_after` seconds, then twice as long each time, up to an hour,
    `tries` times in all (20: about eleven hours).
    """

    secret_env: EnvName | None = None
    allow: tuple[IPvAnyNetwork, ...] = ()
    timeout: float = Field(default=10, gt=0, le=60)
    retry_after: float = Field(default=5, gt=0, le=3600)
    tries: PositiveInt = Field(default=20, le=100)


def require_web_address(url: str) -> SplitResult:
    """`url` in its parts; raises InputError where no webhook can go there, whatever the configuration says."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"a callback is a URL of at most {LONGEST_URL} ASCII characters, without blanks.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"callback {url!r} is no URL: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or port == 0 or "\\" in url:
        raise InputError(f"callback {url!r} must be http://… or https://….")
    if parts.username is not None or parts.password is not None:
        raise InputError("a callback's URL holds no user and no password; its receiver checks the signature.")
    if as_address(host) is None and _ends_in_a_number(host):
        raise InputError(f"callback {url!r}: {host!r} is neither a name nor an address.")
    if is_link_local(host):
        raise InputError(f"callback {url!r} leads to {host!r}, a link-local or metadata address.")
    return parts


def require_callback(url: str, webhooks: Webhooks) -> None:
    """Raise InputError where a job's end cannot be told to `url`: nothing signs it, or it leads to a closed address.

    What a name stands for is looked up when it is called.
    """
    if webhooks.secret_env is None:
        raise InputError("callbacks are signed: set webhooks: {secret_env: NAME} in mirepoix.yaml.")
    address = as_address(require_web_address(url).hostname or "")
    if address is not None and not is_open(address, webhooks.allow):
        raise InputError(f"callback {url!r} leads to a private address; webhooks: {{allow: […]}} can open it.")


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """The header `Mirepoix-Signature`: `t=<seconds since 1970>,v1=<hex of HMAC-SHA256 over "<t>.<body>">`."""
    return f"t={timestamp},v1={_digest(secret, body, str(timestamp))}"


def verify_signature(secret: str, header: str, body: bytes, *, tolerance: float = TOLERANCE) -> None:
    """Raise ValueError unless `header` signs `body` with `secret`, at a time at most `tolerance` seconds from now.

    In the header there may be several `v1`, while a secret is changed; one has to fit.
    """
    fields = [part.strip().partition("=") for part in header.split(",")]
    timestamp = next((value for name, _, value in fields if name == "t"), "")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise ValueError("the signature has no time.")
    if abs(time.time() - int(timestamp)) > tolerance:
        raise ValueError("the signature is too old, or from the future.")
    expected = _digest(secret, body, timestamp).encode()
    if not any(hmac.compare_digest(expected, value.encode()) for name, _, value in fields if name == "v1"):
        raise ValueError("the signature does not fit.")


def _digest(secret: str, body: bytes, timestamp: str) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _ends_in_a_number(host: str) -> bool:
    """Such as `2130706433` or `0x7f.1`, which some resolvers take for an address (127.0.0.1) and others for a name."""
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")
