"""Send one webhook to an address that a stranger named: signed, bounded, and to nowhere but where it may lead.

The address that is checked is the one that is called: the name is looked up once, by the resolver of the connection
itself, so a name that changes its mind in between leads nowhere. Redirects are not followed, what the receiver answers
is not read, and no proxy of the environment is asked.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

import mirepoix
from mirepoix.addresses import Network, as_address, is_link_local, is_open
from mirepoix.webhooks import DELIVERY, EVENT, SIGNATURE, sign

GONE = 410


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent where. `id` stays the same however often it is sent; `secret` signs it."""

    id: str
    event: str
    url: str
    body: bytes
    secret: str


@dataclass(frozen=True, slots=True)
class Reception:
    """How it was received: the HTTP `status`, or why there was none. `hopeless`: so it will be the next time."""

    status: int | None = None
    error: str | None = None
    hopeless: bool = False

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


class Refused(OSError):
    """The name stands for an address that must not be called."""


async def post_letter(letter: Letter, *, timeout: float, allowed: Sequence[Network] | None) -> Reception:
    """Send `letter`; the whole of it takes `timeout` seconds at the most.

    It may go to public addresses and to networks in `allowed`; with None, for what the operator configured, to any that
    is neither link-local nor of a metadata service.
    """
    try:
        address = as_address(URL(letter.url).host or "")
        if address is not None and not _is_free(str(address), allowed):
            raise Refused(f"it leads to {address}, where no webhook may go")
        connector = aiohttp.TCPConnector(resolver=_Checked(allowed), use_dns_cache=False, force_close=True)
        patience = aiohttp.ClientTimeout(total=timeout)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=patience, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.post(letter.url, data=letter.body, headers=_headers(letter), allow_redirects=False) as response,
        ):
            return _received(response.status)
    except TimeoutError:
        return Reception(error=f"no answer within {timeout:g} s")
    except Refused as error:
        return Reception(error=str(error), hopeless=True)
    except aiohttp.ClientConnectorDNSError as error:
        refused = isinstance(error.os_error, Refused)
        return Reception(error=str(error.os_error if refused else error), hopeless=refused)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Reception(error=str(error) or type(error).__name__)


class _Checked(AbstractResolver):
    """Looks a name up, and refuses it if any of its addresses is one that must not be called."""

    def __init__(self, allowed: Sequence[Network] | None) -> None:
        self._allowed = allowed
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        for each in found:
            if is_link_local(host) or not _is_free(each["host"], self._allowed):
                raise Refused(f"{host!r} leads to {each['host']}, where no webhook may go")
        return found

    async def close(self) -> None:
        await self._names.close()


def _is_free(text: str, allowed: Sequence[Network] | None) -> bool:
    address = as_address(text)
    if address is None:
        return False
    return not is_link_local(str(address)) if allowed is None else is_open(address, allowed)


def _headers(letter: Letter) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Mirepoix/{mirepoix.__version__}",
        EVENT: letter.event,
        DELIVERY: letter.id,
        SIGNATURE: sign(letter.secret, letter.body, int(time.time())),
    }


def _received(status: int) -> Reception:
    if 200 <= status < 300:
        return Reception(status)
    moved = " (redirects are not followed)" if 300 <= status < 400 else ""
    return Reception(status, f"the receiver answered {status}{moved}", hopeless=status == GONE)
