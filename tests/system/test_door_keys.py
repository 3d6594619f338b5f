"""Who comes in through the front door, and what becomes of those who mean harm. No worker is needed for that."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from db.keys import Scope, create_key, find_key
from tests.system.door import open_door
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

CONFIG = Path(__file__).parent / "door.yaml"
SECRET = "the-secret-of-acme-4711"
JOB = {"pipeline": "plain", "input": "x"}
LEAKS = re.compile(
    rf"Traceback|File \"|site-packages|sqlalchemy|psycopg|sqlite3|\[SQL|\.py\b|/home/|/tmp/|{SECRET}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Door:
    """A guarded door: keys of two tenants, and a job of one of them."""

    world: World
    url: str
    keys: dict[str, str]
    ids: dict[str, str]
    job: str

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """Someone who has that key."""
        given = {"Authorization": f"Bearer {self.keys.get(key, key)}"} if key else {}
        return httpx.Client(base_url=self.url, headers=given | headers, timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A house without workers whose keys are made by the command."""
    home = tmp_path_factory.mktemp("keys")
    config = home / "mirepoix.yaml"
    config.write_text(CONFIG.read_text().replace("SPEAKER", "http://127.0.0.1:9"))
    with open_world(home, config=config, emulate=False) as world:
        url = open_door(world)
        keys, ids = make_keys(world)
        with httpx.Client(base_url=url, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {keys['acme']}"}
            answer = client.post("/v1/jobs", json={"pipeline": "plain", "input": SECRET}, headers=headers)
        yield Door(world, url, keys, ids, answer.json()["id"])


def make_keys(world: World) -> tuple[dict[str, str], dict[str, str]]:
    """Keys and their ids by the names that the tests have for them; the first is made as a person would."""
    (made,) = world.lines("keys", "create", "--tenant", "acme")
    keys, ids = {"acme": made["key"]}, {"acme": made["id"]}
    others = {
        "reader": ("acme", [Scope.READ]),
        "submitter": ("acme", [Scope.SUBMIT]),
        "other": ("other", [Scope.SUBMIT, Scope.READ]),
        "admin": ("acme", [Scope.ADMIN]),
        "gone": ("acme", [Scope.SUBMIT, Scope.READ]),
    }
    with world.database.write() as connection:
        for name, (tenant, scopes) in others.items():
            key, keys[name] = create_key(connection, tenant, scopes)
            ids[name] = key.id
    return keys, ids


# Keys


def test_only_the_hash_of_a_key_is_kept(door: Door) -> None:
    with door.world.database.read() as connection:
        raw = " ".join(map(str, connection.exec_driver_sql("SELECT * FROM api_keys").all()))
        found = find_key(connection, door.keys["acme"])
    assert found is not None
    assert (found.tenant, found.scopes) == ("acme", frozenset({Scope.SUBMIT, Scope.READ}))
    assert all(key.rpartition("_")[2] not in raw for key in door.keys.values())
    listed = door.world.run("keys", "list", "--json").stdout
    assert door.ids["acme"] in listed
    assert all(key not in listed for key in door.keys.values())


def test_without_a_key_nobody_comes_in_once_there_is_one(door: Door) -> None:
    wrong = [None, "", "none", "mirepoix_", door.keys["acme"][:-1], door.keys["acme"] + "x", door.ids["acme"]]
    wrong.append(f"mirepoix_{door.ids['acme']}_{door.keys['other'].rpartition('_')[2]}")
    for key in wrong:
        with door.client(key) as client:
            for answer in (client.get("/v1/jobs"), client.post("/v1/jobs", json=JOB), client.get("/v1/models")):
                assert answer.status_code == 401, key
                assert answer.json()["error"]["code"] == "invalid_api_key"


def test_a_revoked_key_opens_no_more(door: Door) -> None:
    with door.client("gone") as client:
        assert client.get("/v1/jobs").status_code == 200
        door.world.run("keys", "revoke", door.ids["gone"])
        assert client.get("/v1/jobs").status_code == 401
    door.world.run("keys", "revoke", door.ids["gone"], check=1)
    assert "keys list" in door.world.run("keys", "revoke", "nope", check=2).stderr


def test_scopes_say_what_a_key_may_do(door: Door) -> None:
    with door.client("reader") as client:
        assert client.get(f"/v1/jobs/{door.job}").status_code == 200
        assert client.post("/v1/jobs", json=JOB).json()["error"]["code"] == "missing_scope"
        assert client.delete(f"/v1/jobs/{door.job}").status_code == 403
        assert client.post("/v1/chat/completions", json={"model": "plain", "messages": []}).status_code == 403
    with door.client("submitter") as client:
        assert client.post("/v1/jobs", json=JOB).status_code == 202
        assert client.get("/v1/jobs").status_code == 403
        assert client.get(f"/v1/jobs/{door.job}/trace").status_code == 403


def test_a_key_sees_and_touches_the_jobs_of_its_tenant_only(door: Door) -> None:
    with door.client("other") as client:
        strange = client.get("/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV")
        for answer in (
            client.get(f"/v1/jobs/{door.job}"),
            client.get(f"/v1/jobs/{door.job}/trace"),
            client.get(f"/v1/jobs/{door.job}/events"),
            client.delete(f"/v1/jobs/{door.job}"),
        ):
            assert (answer.status_code, answer.content) == (404, strange.content), "it tells another's from none"
        assert client.get("/v1/jobs").json()["jobs"] == []
        assert client.get("/v1/jobs", params={"tenant": "acme"}).status_code == 403
        assert client.get("/v1/jobs", params={"after": door.job}).json()["jobs"] == []
        assert client.post("/v1/jobs", json=JOB | {"tenant": "acme"}).json()["error"]["code"] == "foreign_tenant"
        lines = json.dumps(JOB | {"tenant": "acme"}) + "\n"
        bulk = client.post("/v1/jobs:bulk", content=lines, headers={"Content-Type": "application/x-ndjson"})
        assert "another tenant" in bulk.json()["error"]
    with door.client("admin") as client:
        assert client.get(f"/v1/jobs/{door.job}/trace").json()["input"] == SECRET
        assert client.post("/v1/jobs", json=JOB | {"tenant": "other"}).json()["tenant"] == "other"


def test_the_same_idempotency_key_of_two_tenants_is_two_jobs(door: Door) -> None:
    ids = set()
    for key in ("acme", "other"):
        with door.client(key) as client:
            ids.add(client.post("/v1/jobs", json=JOB, headers={"Idempotency-Key": "shared"}).json()["id"])
    assert len(ids) == 2


def test_a_key_keeps_to_its_rate(door: Door) -> None:
    with door.world.database.write() as connection:
        _, slow = create_key(connection, "slow", [Scope.READ], rpm=3)
    with door.client(slow) as client:
        answers = [client.get("/v1/jobs") for _ in range(8)]  # a new minute may begin on the way
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 2 <= len(refused) <= 5
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60


def test_without_any_key_only_this_machine_is_served_and_no_browser_of_a_foreign_page(tmp_path: Path) -> None:
    config = tmp_path / "mirepoix.yaml"
    config.write_text(CONFIG.read_text().replace("SPEAKER", "http://127.0.0.1:9"))
    with open_world(tmp_path, config=config, emulate=False) as world:
        url = open_door(world)
        for headers, status in (
            ({}, 200),
            ({"Host": "localhost"}, 200),
            ({"Host": "rebound.example"}, 403),
            ({"X-Forwarded-For": "127.0.0.1"}, 403),
            ({"Forwarded": "for=127.0.0.1"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
        ):
            assert httpx.get(f"{url}/v1/jobs", headers=headers, trust_env=False).status_code == status, headers
        form = {"Content-Type": "text/plain"}
        posted = httpx.post(f"{url}/v1/jobs", content=json.dumps(JOB), headers=form, trust_env=False)
        assert posted.status_code == 400, "a form of a foreign page can send text/plain"


# Harm


Sent = tuple[str, str, dict[str, Any]]
"""Method, path, and the rest of a request."""
NASTY = [
    "' OR 1=1 --",
    "'; DROP TABLE jobs; --",
    '" UNION SELECT body FROM contents --',
    "{{ 7*7 }}{{ config }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "${jndi:ldap://x}",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "<script>alert(1)</script>",
    "%00",
    "a" * 300,
    "\u202e\u0000",
    "__proto__",
    "🐙" * 70,
]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b'{"pipeline":"plain","input":NaN}',
    b'{"pipeline":"plain","input":1e999}',
    b'{"pipeline":"plain","input":' + b"[" * 100_000,
    b'{"pipeline":"plain","input":' + b"[" * 900 + b"]" * 900 + b',"priority":"x"}',
    b'{"pipeline":"plain","input":' + b"9" * 5000 + b"}",
    b'{"pipeline":"plain","input":{}}',
    b'{"pipeline":"plain","input":" "}',
    b'{"pipeline":"plain","input":"x","unknown":1}',
    b'{"pipeline":"\\ud800","input":"x"}',
    b'{"pipeline":"plain","input":"' + b"x" * 4_100_000 + b'"}',
    b"x" * 8_100_000,
]
WRONG: list[Any] = [None, [], {}, 1, True, -1, 1e308, "x" * 70, ["x"], {"x": "y"}]
FILES = ["file:///etc/passwd", "http://169.254.169.254/", "data:;base64", "data:text/html,x", "javascript:x", ""]
KINDS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x" * 500]


def hostile_requests(job: str) -> Iterator[Sent]:
    """Requests that no good program sends; each must be refused, or find nothing."""
    for text in NASTY:
        yield from _injections(text)
    for path in (job, job.lower(), job[:-1]):
        yield "GET", f"/v1/jobs/{path}", {}
        yield "DELETE", f"/v1/jobs/{path}", {}
    yield from _wrong_values()
    yield from _wrong_bodies()
    for method in ("PUT", "PATCH", "TRACE", "CONNECT", "BREW"):
        yield method, "/v1/jobs", {}
    for path in ("/.env", "/v1", "/v1/jobs/", "/docs", "/redoc", "/v1/../../etc/passwd", "/static/../app.py"):
        yield "GET", path, {}


def _injections(text: str) -> Iterator[Sent]:
    quoted = quote(text, safe="")
    for path in (f"/v1/jobs/{quoted}", f"/v1/jobs/{quoted}/trace", f"/v1/jobs/{quoted}/events", f"/v1/models/{quoted}"):
        yield "GET", path, {}
    yield "DELETE", f"/v1/jobs/{quoted}", {}
    yield "GET", f"/v1/jobs?state={quoted}", {}
    yield "POST", "/v1/jobs", {"json": JOB | {"pipeline": text}}
    yield "POST", "/v1/jobs", {"json": JOB | {"tenant": text}}
    yield "POST", "/v1/chat/completions", {"json": {"model": text, "messages": [{"role": "user", "content": "x"}]}}


def _wrong_values() -> Iterator[Sent]:
    for field in ("pipeline", "tenant", "task", "max_cost", "deadline", "priority", "stream"):
        for value in WRONG:
            if not _fits(field, value):
                yield "POST", "/v1/jobs", {"json": JOB | {field: value}}
    for key in ("", "x" * 201, "a\tb"):
        yield "POST", "/v1/jobs", {"json": JOB, "headers": {"Idempotency-Key": key}}
    pictures = [[{"type": "image_url", "image_url": {"url": url}}] for url in FILES]
    contents: list[Any] = [None, 1, {}, [{"type": "input_audio"}], *pictures]
    for content in contents:
        messages = [{"role": "user", "content": content}]
        yield "POST", "/v1/chat/completions", {"json": {"model": "talk", "messages": messages}}


def _wrong_bodies() -> Iterator[Sent]:
    for body in BODIES:
        for path in ("/v1/jobs", "/v1/chat/completions"):
            yield "POST", path, {"content": body, "headers": {"Content-Type": "application/json"}}
    for kind in KINDS:
        yield "POST", "/v1/jobs", {"content": json.dumps(JOB), "headers": {"Content-Type": kind}}
        yield "POST", "/v1/jobs:bulk", {"content": json.dumps(JOB), "headers": {"Content-Type": kind}}


def _fits(field: str, value: Any) -> bool:
    if value is None:
        return field in ("tenant", "task", "max_cost", "deadline")
    numbers = {"max_cost": (1, True), "deadline": (1, True), "priority": (1, True, -1), "stream": (1, True)}
    return field in numbers and not isinstance(value, (str, list, dict)) and value in numbers[field]


def test_hostile_requests_are_refused_in_one_form_and_told_nothing(
    door: Door, record_property: Callable[[str, object], None]
) -> None:
    sent = 0
    with door.client("other") as client:
        for method, path, rest in hostile_requests(door.job):
            answer = client.request(method, path, **rest)
            sent += 1
            told = f"{method} {path[:100]} {str(rest)[:200]}: {answer.status_code} {answer.text[:300]}"
            assert 400 <= answer.status_code < 500, told
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}, told
            assert LEAKS.search(answer.text) is None, told
    assert sent >= 200
    record_property("figure", f"{sent} hostile requests refused with a 4xx in one form, nothing leaked")
    assert "Traceback" not in door.world.log("web")


@pytest.mark.parametrize(
    "lines",
    [
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Content-Length: 5", "Transfer-Encoding: chunked", "", "0", "", ""],
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Content-Length: 5", "Content-Length: 6", "", "hello"],
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Content-Length: +5", "", "hello"],
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Content-Length: -1", "", "hello"],
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Transfer-Encoding: xchunked", "", "0", "", ""],
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Transfer-Encoding: chunked, identity", "", "0", "", ""],
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Content-Length : 5", "", "hello"],
        ["POST /v1/jobs HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "", "-1", "", ""],
        ["GET /v1/jobs HTTP/1.1", "Host: x", "X: a\rAuthorization: b", "", ""],
        ["GET /v1/jobs HTTP/1.1", "Host: x", "X\0: a", "", ""],
        ["GET /v1/jobs HTTP/1.1", "Host: x", f"X: {'a' * 70_000}", "", ""],
        ["GET /v1/jobs HTTP/1.1", "Host: x", "Host: y", "", ""],
        ["GET /v1/jobs HTTP/1.1", "", ""],
        ["GET /v1/jobs HTTP/9.9", "Host: x", "", ""],
        ["GARBAGE", "", ""],
    ],
    ids=lambda lines: "-".join(lines[:4])[:60].replace(" ", "_").replace("/", "").replace("\0", "0").replace("\r", "r"),
)
def test_a_request_that_two_parsers_could_read_in_two_ways_is_no_request(door: Door, lines: list[str]) -> None:
    smuggled = "GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    parts = urlsplit(door.url)
    with closing(socket.create_connection((parts.hostname, parts.port), 10)) as connection:
        connection.settimeout(10)
        connection.sendall(("\r\n".join(lines) + smuggled).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while part := connection.recv(65536):
            said += part
    assert said.startswith(b"HTTP/1.1 4"), said[:300]
    assert b'{"mirepoix"' not in said, "the smuggled request was answered"
    assert said.count(b"HTTP/1.1 4") == 1
    assert LEAKS.search(said.decode("latin-1")) is None


def test_a_body_without_an_announced_length_is_counted(door: Door) -> None:
    with door.client("acme", **{"Content-Type": "application/json"}) as client:
        answer = client.post("/v1/jobs", content=iter([b'"' + b"x" * 1_000_000] * 9))
    assert (answer.status_code, "8,000,000 bytes" in answer.json()["error"]["message"]) == (413, True)
