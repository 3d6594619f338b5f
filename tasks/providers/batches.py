"""What every batch API gives and takes, and what OpenAI's and Anthropic's have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, ClassVar, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, JsonValue

from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.providers.base import Completion
from tasks.providers.http import Endpoint
from tasks.providers.trouble import parse_json, validated

CLOCKS_APART = timedelta(hours=1)
A_PAGE = 100


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch as its provider tells of it. `results` are the paths of its results, once it has `ended`.

    `error` is why the provider did not take it on.
    """

    ended: bool
    cancelling: bool = False
    results: tuple[str, ...] = ()
    error: str | None = None


class ShownBatch(BaseModel):
    """What every provider shows of a batch."""

    id: str
    created_at: datetime


S = TypeVar("S", bound=ShownBatch)


class _Page(BaseModel):
    """A page of the list of batches."""

    data: list[dict[str, Any]]
    has_more: bool | None = None


class BatchApi(ABC):
    """The batch API of one provider, whose batches stand at `at`. All of it raises ProviderError.

    The list of batches goes on after the one that the parameter `cursor` names.
    """

    at: ClassVar[str]
    cursor: ClassVar[str]

    def __init__(self, endpoint: Endpoint, headers: dict[str, str]) -> None:
        self._endpoint = endpoint
        self._headers = headers

    @abstractmethod
    def line(self, custom_id: str, body: dict[str, JsonValue]) -> bytes:
        """A request as it stands in a batch, on a line of its own."""

    @abstractmethod
    async def find(self, key: str, requests: int, since: datetime) -> str | None:
        """What the provider calls the batch that was sent under `key`; None where it has none.

        It has so many `requests`, and was sent after `since`. Raises a retryable ProviderError while it cannot be
        known yet.
        """

    @abstractmethod
    async def send(self, key: str, lines: IO[bytes]) -> str:
        """Send a batch under `key`; returns what the provider calls it."""

    @abstractmethod
    async def look(self, remote_id: str) -> SentBatch:
        """How it stands."""

    @abstractmethod
    def completion(self, result: dict[str, Any], body: dict[str, JsonValue]) -> Completion:
        """The answer to `body` in a line of results. Raises ProviderError where there is none."""

    async def cancel(self, remote_id: str) -> None:
        """Ask for no more answers."""
        await self._endpoint.post(f"{self._path(remote_id)}/cancel", self._headers, {})

    async def download(self, path: str, into: IO[bytes]) -> None:
        """Write results to `into`, a line each."""
        await self._endpoint.download(path, self._headers, into)

    def read(self, line: bytes) -> tuple[str, dict[str, Any]]:
        """The custom id of a line of results, and the line as JSON."""
        data = parse_json(self._endpoint.starred(line), None)
        return str(data.get("custom_id")), data

    async def _shown(self, form: type[S], remote_id: str) -> S:
        """A batch as it stands."""
        answer = await self._endpoint.get(self._path(remote_id), self._headers)
        return validated(form, answer.data, answer.status)

    async def _listed(self, form: type[S], since: datetime) -> AsyncIterator[S]:
        """The batches that were made after `since`, the latest first; the provider's clock may differ from ours."""
        after = ""
        while True:
            answer = await self._endpoint.get(f"{self.at}?limit={A_PAGE}{after}", self._headers)
            page = validated(_Page, answer.data, answer.status)
            for data in page.data:
                batch = validated(form, data, answer.status)
                if batch.created_at < since - CLOCKS_APART:
                    return
                yield batch
            if not page.has_more or not page.data:
                return
            after = f"&{self.cursor}={quote(batch.id, safe='')}"

    def _path(self, remote_id: str) -> str:
        return f"{self.at}/{quote(remote_id, safe='')}"


def unanswered(reason: str) -> ProviderError:
    """The batch ended before it was the turn of a request, which may be sent again alone."""
    return ProviderError(reason, kind=ErrorKind.UNANSWERED, retryable=True)
