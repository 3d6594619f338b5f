"""Who may see the pages.

Everybody on this machine may; from elsewhere with the password (HTTP Basic, any user name), or where a proxy that we
trust names the user in a header. Without a password the name in the `Host` header must be this machine's own, or a
foreign page could make the browser read ours under a name of its own that leads to 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mirepoix.errors import ConfigError
from web.hosts import calls_this_machine
from web.house import house_of

FLOWER_URL = "http://127.0.0.1:5555"


@dataclass(frozen=True, slots=True)
class Access:
    """`user_header` names the visitor where a proxy whose address is in `proxies` has filled it in.

    `flower_url` is where visitors who may see the pages find Flower.
    """

    user_header: str | None = None
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    flower_url: str = FLOWER_URL

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Access:
        """From MIREPOIX_WEB_USER_HEADER, MIREPOIX_WEB_PROXIES and MIREPOIX_FLOWER_URL; raises ConfigError."""
        header, given = environ.get("MIREPOIX_WEB_USER_HEADER") or None, environ.get("MIREPOIX_WEB_PROXIES", "")
        try:
            proxies = tuple(ip_network(each.strip()) for each in given.split(",") if each.strip())
        except ValueError as error:
            raise ConfigError(f"MIREPOIX_WEB_PROXIES: {error}. Give addresses or networks, with commas.") from error
        if header and not proxies:
            raise ConfigError("MIREPOIX_WEB_USER_HEADER needs MIREPOIX_WEB_PROXIES: the addresses that may set it.")
        flower_url = environ.get("MIREPOIX_FLOWER_URL") or FLOWER_URL
        if not flower_url.startswith(("http://", "https://")):
            raise ConfigError("MIREPOIX_FLOWER_URL must begin with http:// or https://.")
        return cls(header, proxies, flower_url.rstrip("/"))

    def refusal(self, password: str | None, client: str | None, headers: Headers) -> str | None:
        """Why a request from the address `client` is refused, where `password` opens the pages; None: it may pass."""
        if self.user_header and _within(client, self.proxies) and headers.get(self.user_header):
            return None
        if password is not None:
            return None if _knows(password, headers.get("Authorization", "")) else "This needs the password."
        if not _within(client, (ip_network("127.0.0.0/8"), ip_network("::1"))):
            return "Set MIREPOIX_WEB_PASSWORD to open these pages beyond this machine."
        if not calls_this_machine(headers):
            return "Set MIREPOIX_WEB_PASSWORD to open these pages under a name that is not this machine's own."
        return None


class Guard:
    """Middleware that lets only those in whom `access` allows."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        password = house_of(request).password
        client = request.client.host if request.client else None
        refusal = self._access.refusal(password, client, request.headers)
        if refusal is not None:
            challenge = {} if password is None else {"WWW-Authenticate": 'Basic realm="Mirepoix", charset="UTF-8"'}
            response = PlainTextResponse(refusal + "\n", 403 if password is None else 401, challenge)
            await response(scope, receive, send)
            return
        request.state.flower_url = self._access.flower_url
        await self._app(scope, receive, send)


def _within(client: str | None, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        address = ip_address(client or "")
    except ValueError:
        return False
    return any(address in network for network in networks)


def _knows(password: str, authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return False
    # Digests are of one length, so the comparison tells nothing about the password's.
    same = compare_digest(sha256(given).digest(), sha256(password.encode()).digest())
    return scheme.lower() == "basic" and same
