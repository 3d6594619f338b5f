"""Where webhooks may lead, and how they are signed."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time

import pytest

from mirepoix import Submission
from mirepoix.addresses import as_address, is_open
from mirepoix.config_file import parse_config
from mirepoix.errors import ConfigError, InputError
from mirepoix.tags import parse_tags
from mirepoix.webhooks import Webhooks, require_callback, require_web_address, sign, verify_signature

BASE = "providers: {p: {api: openai}}\nmodels: {m: {provider: p, price: {input: 1, output: 1}}}\n"
CLOSED = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1",
    "169.254.169.254", "100.100.100.200", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("text", CLOSED)
def test_what_is_not_public_is_closed_however_it_is_written(text: str) -> None:
    address = as_address(text)
    assert address is not None
    assert not is_open(address)


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_what_is_public_is_open(text: str) -> None:
    address = as_address(text)
    assert address is not None
    assert is_open(address)


def test_a_network_may_be_opened_but_never_that_of_the_metadata() -> None:
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    for text in ("10.1.2.3", "127.0.0.1", "::1"):
        assert is_open(ipaddress.ip_address(text), everything)
    for text in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "224.0.0.1", "0.0.0.0"):
        assert not is_open(ipaddress.ip_address(text), everything)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "https://", "https:///x", "example.org", "http://[::1",
        "http://user:secret@example.org/", "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://017700000001/",
        "http://169.254.169.254/latest", "http://metadata.google.internal/", "http://a b/", "http://example.org/\n",
        "http://ex\u00e4mple.org/", "http://example.org:99999/", "http://example.org\\@127.0.0.1/",
        "https://e/" + "x" * 2000,
    ],
)  # fmt: skip
def test_an_address_that_no_webhook_can_go_to_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        require_web_address(url)


def test_a_callback_needs_a_secret_and_an_open_address() -> None:
    with pytest.raises(InputError, match="callbacks are signed: set webhooks"):
        require_callback("https://example.org/", Webhooks())
    with pytest.raises(InputError, match="private address"):
        require_callback("http://[::ffff:10.0.0.1]:8080/x", Webhooks(secret_env="S"))
    require_callback("http://10.0.0.1/", Webhooks.model_validate({"secret_env": "S", "allow": ["10.0.0.0/8"]}))
    require_callback("https://example.org:8443/x?y=1", Webhooks(secret_env="S"))


def test_a_signature_is_the_hmac_of_time_and_body() -> None:
    moment = int(time.time())
    header = sign("secret", b'{"a":1}', moment)
    digest = hmac.new(b"secret", f'{moment}.{{"a":1}}'.encode(), hashlib.sha256).hexdigest()
    assert header == f"t={moment},v1={digest}"
    verify_signature("secret", header, b'{"a":1}')
    verify_signature("secret", f"t={moment},v1=00,v1={digest}", b'{"a":1}')


@pytest.mark.parametrize(
    ("secret", "body", "age", "problem"),
    [
        ("other", b"body", 0, "does not fit"),
        ("secret", b"Body", 0, "does not fit"),
        ("secret", b"body", 301, "too old"),
        ("secret", b"body", -301, "too old, or from the future"),
    ],
)
def test_a_signature_that_is_wrong_or_old_is_refused(secret: str, body: bytes, age: int, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        verify_signature(secret, sign("secret", b"body", int(time.time()) - age), body)
    for header in ("", "t=,v1=", "v1=abc", "t=x,v1=y", "t=\u0661,v1=y", "t=" + "9" * 5000):
        with pytest.raises(ValueError, match="the signature"):
            verify_signature("secret", header, b"body")


def test_tags_are_bounded() -> None:
    assert parse_tags(["team=search", "note=a=b"]) == {"team": "search", "note": "a=b"}
    for pairs in (["team"], ["=x"], ["a b=x"], ["a=1", "a=2"], ["a="], ["a=x\ny"], ["a=" + "x" * 201]):
        with pytest.raises(InputError):
            parse_tags(pairs)
    with pytest.raises(InputError, match="21 tags"):
        Submission("x", tags={f"t{number}": "x" for number in range(21)})


def test_alerts_need_a_secret_and_a_cap_to_watch() -> None:
    alert = 'alerts: [{tenant: acme, webhook: "https://example.org/"}]\n'
    with pytest.raises(ConfigError, match=r"mirepoix.yaml:3.*'acme' has no daily_cost"):
        parse_config(BASE + alert)
    capped = BASE + "tenants: {acme: {monthly_cost: 5}}\n"
    with pytest.raises(ConfigError, match="alerts are signed"):
        parse_config(capped + alert)
    with pytest.raises(ConfigError, match="metadata"):
        parse_config(BASE + 'alerts: [{webhook: "http://169.254.169.254/", secret_env: S}]\n')
    config = parse_config(capped + "webhooks: {secret_env: S}\n" + alert)
    (bound,) = config.bounds("acme")
    assert bound.most == 5
    assert bound.alerts[0].at == (50, 80, 100)
