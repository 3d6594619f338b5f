"""Who may see the pages."""

from __future__ import annotations

import base64

import pytest
from starlette.datastructures import Headers

from mirepoix.errors import ConfigError
from web.pages.access import Access

PROXY = {"MIREPOIX_WEB_USER_HEADER": "X-User", "MIREPOIX_WEB_PROXIES": "10.0.0.0/8, 127.0.0.1"}


def basic(password: str) -> str:
    """The header of a browser that was given it."""
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def may(
    client: str | None, headers: dict[str, str], *, password: str | None = None, access: Access | None = None
) -> bool:
    """Whether the request passes."""
    return (access or Access()).refusal(password, client, Headers({"Host": "localhost:8800", **headers})) is None


@pytest.mark.parametrize(
    ("client", "host", "passes"),
    [
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "127.0.0.1:8800", True),
        ("::1", "[::1]:8800", True),
        ("::1", "[::1]", True),
        ("127.0.0.1", "rebound.example", False),
        ("127.0.0.1", "localhost.example:80", False),
        ("127.0.0.1", "", False),
        ("192.168.1.7", "localhost", False),
        ("10.0.0.1", "10.0.0.1", False),
        (None, "localhost", False),
    ],
)
def test_without_a_password_only_this_machine_by_its_own_name(client: str | None, host: str, passes: bool) -> None:
    assert may(client, {"Host": host}) is passes


@pytest.mark.parametrize("client", ["127.0.0.1", "203.0.113.5"])
def test_a_password_is_asked_of_everyone(client: str) -> None:
    assert may(client, {"Authorization": basic("open: sesame"), "Host": "any.example"}, password="open: sesame")
    for wrong in (basic("open"), basic(""), "Basic !!!", "Bearer open: sesame", "", "Basic"):
        assert not may(client, {"Authorization": wrong}, password="open: sesame")


def test_a_trusted_proxy_names_the_visitor_and_nobody_else_does() -> None:
    access = Access.from_env(PROXY)
    assert may("10.1.2.3", {"X-User": "ada"}, access=access)
    assert may("10.1.2.3", {"X-User": "ada"}, password="secret", access=access)
    assert not may("10.1.2.3", {}, access=access)
    assert not may("203.0.113.5", {"X-User": "ada"}, access=access)
    assert not may("203.0.113.5", {"X-User": "ada"}, password="secret", access=access)


@pytest.mark.parametrize(
    "environ",
    [
        {"MIREPOIX_WEB_USER_HEADER": "X-User"},
        {"MIREPOIX_WEB_PROXIES": "everywhere"},
        {"MIREPOIX_FLOWER_URL": "javascript:alert(1)"},
    ],
)
def test_settings_that_open_too_much_are_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        Access.from_env(environ)
