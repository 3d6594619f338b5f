"""Who calls, and what they may.

With a key (`Authorization: Bearer mirepoix_…`) it is a tenant. As long as nobody has ever made a key, whoever sits on
this machine may do everything: a client on the loopback interface that calls us by a name of this machine and came
through no proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from db.keys import Key, Scope, any_key, find_key
from web.door.rates import wait_of_key
from web.errors import Refusal
from web.hosts import calls_this_machine
from web.house import house_of

PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
DEFAULT_TENANT = "default"

_bearer = HTTPBearer(auto_error=False, description="A key made by `mirepoix keys create`.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose jobs this request may touch: those of `tenant`, and with `everyone` those of all."""

    tenant: str
    scopes: frozenset[Scope]
    everyone: bool

    @property
    def seen(self) -> str | None:
        """The tenant whose jobs are seen; None: all of them."""
        return None if self.everyone else self.tenant

    def acts_for(self, tenant: str | None) -> str:
        """The tenant that a job is billed to; raises Refusal for somebody else."""
        if tenant is None or tenant == self.tenant or self.everyone:
            return tenant or self.tenant
        raise Refusal(403, "this key is another tenant's.", param="tenant", code="foreign_tenant")


def may(scope: Scope) -> Callable[..., Caller]:
    """A dependency: the caller, if they have `scope`."""

    def allowed(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
        caller = _identify(request, bearer)
        if scope not in caller.scopes and Scope.ADMIN not in caller.scopes:
            raise Refusal(403, f"this key has no scope {scope.value!r}.", code="missing_scope")
        return caller

    return allowed


Submitter = Annotated[Caller, Depends(may(Scope.SUBMIT))]
Reader = Annotated[Caller, Depends(may(Scope.READ))]


def _identify(request: Request, bearer: HTTPAuthorizationCredentials | None) -> Caller:
    house = house_of(request)
    with house.client.database.read() as connection:
        key = find_key(connection, bearer.credentials) if bearer is not None else None
        locked = key is not None or any_key(connection)
    if key is not None:
        _keep_to_rate(request, key)
        return Caller(key.tenant, key.scopes, everyone=Scope.ADMIN in key.scopes)
    if locked:
        raise Refusal(
            401,
            "this needs an API key that is not revoked, as `Authorization: Bearer KEY`.",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not _sits_here(request):
        raise Refusal(403, "there is no API key yet (`mirepoix keys create`), so only this machine is served.")
    return Caller(DEFAULT_TENANT, frozenset(Scope), everyone=True)


def _keep_to_rate(request: Request, key: Key) -> None:
    if key.rpm is None:
        return
    wait = wait_of_key(house_of(request).settings.redis_url, key.id, key.rpm)
    if wait is not None:
        message = f"this key may make {key.rpm} requests a minute."
        raise Refusal(429, message, code="rate_limit_exceeded", headers={"Retry-After": str(wait)})


def _sits_here(request: Request) -> bool:
    """Whether the request comes from this machine, and not through a browser tricked by a name, nor a proxy."""
    try:
        local = request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
    proxied = any(header in request.headers for header in PROXIED)
    return local and calls_this_machine(request.headers) and not foreign and not proxied
