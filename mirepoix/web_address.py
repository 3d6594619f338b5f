"""Where the pages of this home are, known to every process that shares it: `<home>/web.url`, while they are served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def address_kept(home: Path, url: str) -> Iterator[None]:
    """Keep `url` while the block runs; the file appears whole or not at all."""
    file = _file(home)
    home.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(url + "\n")
    draft.replace(file)
    try:
        yield
    finally:
        if _read(home) == url:
            file.unlink(missing_ok=True)


def running_web(home: Path) -> str | None:
    """The address at which the pages of `home` answer at this moment; None: nowhere."""
    url = _read(home)
    return url if url is not None and _is_ours(url) else None


def _file(home: Path) -> Path:
    return home / "web.url"


def _read(home: Path) -> str | None:
    try:
        return _file(home).read_text().strip() or None
    except FileNotFoundError:
        return None


def _is_ours(url: str) -> bool:
    """Whether Mirepoix answers there: the file may be left over from a process that was killed."""
    try:
        answer = httpx.get(f"{url}/healthz", timeout=2, trust_env=False)
        return answer.is_success and "mirepoix" in answer.json()
    except (httpx.HTTPError, ValueError):
        return False
