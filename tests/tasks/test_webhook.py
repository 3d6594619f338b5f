"""One webhook to a real socket: what goes over the line, and where it never goes."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mirepoix.webhooks import verify_signature
from tasks.webhook import Letter, Reception, post_letter
from tests.receiver import receiving
from tests.tasks.servers import reply, serving

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
BODY = b'{"id":"01"}'


def post(
    url: str, *, allowed: list[ipaddress.IPv4Network | ipaddress.IPv6Network] | None, timeout: float = 5
) -> Reception:
    """Send a letter there and wait."""
    letter = Letter("01", "job.ended", url, BODY, "secret")
    return asyncio.run(post_letter(letter, timeout=timeout, allowed=allowed))


@contextmanager
def dripping() -> Iterator[str]:
    """A receiver that answers a byte each 50 ms, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while True:
                        connection.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(5)


def test_a_webhook_is_signed_and_named() -> None:
    with receiving() as receiver:
        assert post(f"{receiver.url}/in?x=1", allowed=LOOPBACK) == Reception(204)
    (received,) = receiver.at("/in?x=1")
    verify_signature("secret", received.headers["Mirepoix-Signature"], received.body)
    assert (received.body, received.headers["Mirepoix-Delivery"]) == (BODY, "01")
    assert (received.headers["Mirepoix-Event"], received.headers["Content-Type"]) == ("job.ended", "application/json")


def test_a_private_address_is_not_called_by_number_or_by_name() -> None:
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"):
            refused = post(f"http://{host}:{port}/", allowed=[])
            assert refused.status is None, host
            assert "no webhook may go" in (refused.error or "") or "not a canonical" in (refused.error or ""), host
        assert receiver.received == []


def test_what_the_operator_configured_may_be_private_but_not_the_metadata() -> None:
    with receiving() as receiver:
        assert post(receiver.url, allowed=None).taken
    refused = post("http://169.254.169.254/latest/meta-data", allowed=None)
    assert (refused.status, refused.hopeless) == (None, True)


def test_a_redirect_is_not_followed() -> None:
    with receiving() as receiver:
        receiver.answers["/away"] = [302]
        moved = post(f"{receiver.url}/away", allowed=LOOPBACK)
    assert (moved.status, moved.taken, moved.hopeless) == (302, False, False)
    assert [each.path for each in receiver.received] == ["/away"]


def test_a_receiver_that_drips_is_given_up_in_time() -> None:
    with dripping() as url:
        started = time.monotonic()
        given_up = post(url, allowed=LOOPBACK, timeout=0.5)
        took = time.monotonic() - started
    assert given_up.error == "no answer within 0.5 s"
    assert took < 2


def test_a_huge_answer_is_not_read() -> None:
    with serving(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" + b"x" * 1000, hold=True) as served:
        assert post(served.url, allowed=LOOPBACK, timeout=2) == Reception(200)


def test_what_is_no_answer_is_said_to_be_none() -> None:
    with serving(b"SSH-2.0-OpenSSH\r\n") as served:
        assert post(served.url, allowed=LOOPBACK).status is None
    with serving(reply(410, {})) as served:
        assert post(served.url, allowed=LOOPBACK).hopeless
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    nobody = post(f"http://127.0.0.1:{port}/", allowed=LOOPBACK)
    assert nobody.error is not None
    assert not nobody.hopeless
