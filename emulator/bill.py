"""The bill: one row for each model call received, and what it cost, in a table that only grows.

Rows are committed in groups: those that arrive while one group is being written make up the next. An answer
leaves only after its row is committed. A commit survives the death of the process (SQLite's write-ahead log,
`synchronous=NORMAL`); it is not forced to the disk, so it may not survive a power cut.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from emulator.bill_query import BillQuery
from mirepoix.errors import ConfigError

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA busy_timeout = 5000;
CREATE TABLE IF NOT EXISTS bill (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    api TEXT NOT NULL,
    model TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    request_id TEXT NOT NULL,
    tag TEXT,
    prompt_hash TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd TEXT NOT NULL,
    billed INTEGER NOT NULL,
    latency REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS bill_tag ON bill (tag);
CREATE INDEX IF NOT EXISTS bill_time ON bill (time);
CREATE TRIGGER IF NOT EXISTS bill_no_update BEFORE UPDATE ON bill
    BEGIN SELECT RAISE(ABORT, 'the bill only grows'); END;
CREATE TRIGGER IF NOT EXISTS bill_no_delete BEFORE DELETE ON bill
    BEGIN SELECT RAISE(ABORT, 'the bill only grows'); END;
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request received.

    `time` is when, in UTC (ISO 8601); `key_hash` the first 16 hex digits of the SHA-256 of the API key; `tag`
    the header X-Client-Request-Id; `prompt_hash` the SHA-256 of the canonical body; `attempt` how often the
    same key had sent it before since the server started; `outcome` is `ok`, `client_gone`, the fault that struck, or
    the provider's name of the error; `latency` the seconds that the model took, before any time scale.
    """

    time: str
    api: str
    request_id: str
    tag: str | None
    model: str = ""
    key_hash: str = ""
    prompt_hash: str = ""
    attempt: int = 0
    outcome: str = "ok"
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: str = "0"
    billed: bool = False
    latency: float = 0.0


@dataclass(frozen=True, slots=True)
class TagTotal:
    """What the calls of one tag came to."""

    billed: int
    cost_usd: str


@dataclass(frozen=True, slots=True)
class Total:
    """What all calls came to."""

    calls: int
    billed: int
    input_tokens: int
    output_tokens: int
    cost_usd: str
    by_tag: dict[str, TagTotal] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As `GET /_bill` shows it."""
        return asdict(self)


_COLUMNS = tuple(column.name for column in fields(Entry))
_INSERT = f"INSERT INTO bill ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_TOKENS = "SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0) FROM bill {}"
_COSTS = "SELECT tag, cost_usd, count(*), sum(billed) FROM bill {} GROUP BY tag, cost_usd ORDER BY tag"


class Bill:
    """The bill in a file, or in memory where `path` is None; opening raises ConfigError."""

    def __init__(self, path: Path | None) -> None:
        # One thread owns the connection: SQLite writes one group at a time anyway, and the loop never waits.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bill")
        self._group: _Group | None = None
        self._turn = asyncio.Lock()
        try:
            self._connection = self._thread.submit(_connect, path).result()
        except sqlite3.Error as error:
            raise ConfigError(f"the bill {path} cannot be opened: {error}.") from error

    async def record(self, entry: Entry) -> None:
        """Return once `entry` is committed."""
        if self._group is None:
            self._group = _Group()
            self._group.committed = asyncio.create_task(self._commit(self._group))
        self._group.entries.append(entry)
        assert self._group.committed is not None
        # Shielded: one client that goes away must not cancel the commit of the others.
        await asyncio.shield(self._group.committed)

    async def total(self, query: BillQuery) -> Total:
        """The sums over the rows that fit."""
        return await self._run(lambda: self._read_total(query))

    async def rows(self, query: BillQuery) -> list[dict[str, Any]]:
        """The rows that fit, in the order of their commit."""
        return await self._run(lambda: self._read_rows(query))

    async def close(self) -> None:
        """Write what is waiting, then close."""
        async with self._turn:
            await self._run(self._connection.close)
        self._thread.shutdown()

    async def _commit(self, group: _Group) -> None:
        async with self._turn:
            self._group = None  # from here on, entries go to the next group
            await self._run(lambda: self._insert(group.entries))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _insert(self, entries: Sequence[Entry]) -> None:
        with self._connection:
            self._connection.executemany(_INSERT, [astuple(entry) for entry in entries])

    def _read_total(self, query: BillQuery) -> Total:
        where, values = query.where()
        calls, input_tokens, output_tokens = self._connection.execute(_TOKENS.format(where), values).fetchone()
        billed: Counter[str | None] = Counter()
        spent: defaultdict[str | None, Decimal] = defaultdict(Decimal)
        # Summed here: SQLite's own sum would take the decimal strings through binary floats.
        for tag, cost, count, paid in self._connection.execute(_COSTS.format(where), values):
            billed[tag] += paid
            spent[tag] += Decimal(cost) * count
        by_tag = {tag: TagTotal(billed[tag], usd(cost)) for tag, cost in spent.items() if tag is not None}
        return Total(calls, billed.total(), input_tokens, output_tokens, usd(sum(spent.values(), Decimal(0))), by_tag)

    def _read_rows(self, query: BillQuery) -> list[dict[str, Any]]:
        where, values = query.where()
        found = self._connection.execute(f"SELECT * FROM bill {where} ORDER BY seq LIMIT ?", [*values, query.limit])
        names = [column[0] for column in found.description]
        return [{**dict(zip(names, row, strict=True)), "billed": bool(row[names.index("billed")])} for row in found]


def usd(amount: Decimal) -> str:
    """`amount` in full, without exponent and trailing zeros."""
    return format(amount.normalize(), "f") if amount else "0"


class _Group:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.committed: asyncio.Task[None] | None = None


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:")
    connection.executescript(_SCHEMA)
    return connection
