"""What every wire format is reduced to, so that one endpoint and one set of answers serve them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from emulator.limits import Excess, Level
from emulator.profiles import WireApi
from emulator.thoughts import Thinking
from emulator.tokens import Ended, count_prompt_tokens

Json = Any
"""A decoded JSON value; JSON schemas may be `true` and `false` besides objects."""


class ApiError(Exception):
    """A refusal in a provider's words: HTTP `status`, the provider's `kind` and `code`, OpenAI's `param`.

    `headers` are those that only this answer has; `details` are Google's, a list of objects with a type each.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        param: str | None = None,
        code: str | int | None = None,
        headers: Mapping[str, str] | None = None,
        details: Iterable[Json] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})
        self.details = list(details)

    @property
    def outcome(self) -> str:
        """What the bill calls it: the most telling of the provider's names for it."""
        return str(self.code or self.kind)


Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, its text parts joined by newlines; `files` are the media types of its other parts.

    They count as tokens and are not looked into.
    """

    role: Role
    text: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonWish:
    """The wish for an answer in JSON, valid against `schema`, and handed to `tool` where one is called.

    `name` is what the provider's errors call the schema; `is_forced` tells that the request names the tool to call.
    """

    schema: Json
    name: str
    tool: str | None = None
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A valid request: the conversation with its system prompt first, and how to answer it.

    `streams`: token by token, and with `tells_usage` (which not all formats ask about) with its usage in the end.
    `top_logprobs`: with the log-probability of each token, and of so many that might stand in its place; None: without.
    `words_refusals`: a refusal comes with words, as in formats that have a place for them.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    json_wish: JsonWish | None = None
    streams: bool = False
    tells_usage: bool = True
    top_logprobs: int | None = None
    thinking: Thinking | None = None
    words_refusals: bool = True

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all messages and their files."""
        files = sum(len(message.files) for message in self.messages)
        return count_prompt_tokens((message.text for message in self.messages), files)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's natural log-probability, and the likeliest tokens at its place, itself among them."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says to an `Ask`; `instance` is the value of an answer in JSON not cut short.

    `logprobs` has one item for each of the `pieces` of the text where they were asked for. `thought_tokens` came before
    the text and are not among its `output_tokens`; `cached_tokens` are among its `input_tokens`.
    """

    ended: Ended
    input_tokens: int
    output_tokens: int
    instance: Json | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    thought_tokens: int = 0
    cached_tokens: int = 0

    @property
    def paid_tokens(self) -> int:
        """All that is billed as output."""
        return self.output_tokens + self.thought_tokens


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event: its data, which is JSON or a text as it is, and its name in formats that have names.

    `is_of_content`: it opens or closes a part of the content, and would not be there if there were none.
    """

    data: Json
    name: str | None = None
    is_of_content: bool = False


@dataclass(frozen=True, slots=True)
class Framing:
    """How events become bytes of `media_type`; `tail` comes after the last of them."""

    media_type: str
    encode: Callable[[Event], bytes]
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer in events: those before its first token, how one tells a token, and those after the last.

    `piece` takes the token's text and its index; None: this token is told with others, later. Without a `framing` they
    are server-sent events.
    """

    opening: tuple[Event, ...]
    piece: Callable[[str, int], Event | None]
    closing: tuple[Event, ...]
    framing: Framing | None = None


class Wire(Protocol):
    """A provider's wire format: reads requests, writes answers and errors, in the provider's own words."""

    @property
    def api(self) -> WireApi:
        """The name of the format in profiles and on the bill."""

    @property
    def content_key(self) -> str:
        """Where in an answer its texts stand."""

    @property
    def usage_key(self) -> str:
        """Where in an answer, or an event, its tokens are counted."""

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The API key sent, or None."""

    def read(self, body: Json, headers: Mapping[str, str]) -> Ask:
        """Validate a decoded body; raises ApiError."""

    def write(self, ask: Ask, reply: Reply) -> Json:
        """The body of a 200 answer."""

    def stream(self, ask: Ask, reply: Reply) -> Streamed:
        """The same as events."""

    def error_event(self, error: ApiError, request_id: str) -> Event:
        """An error that comes after the stream has begun."""

    def write_error(self, error: ApiError, request_id: str) -> Json:
        """The body of an error."""

    def request_id(self) -> str:
        """A new id in the provider's style."""

    def headers(self, request_id: str, seconds: float) -> dict[str, str]:
        """The provider's own headers of an answer that took `seconds`."""

    def rate_headers(self, levels: Iterable[Level]) -> dict[str, str]:
        """How much is left of each limit."""

    def wait_headers(self, seconds: float, *, as_date: bool = False) -> dict[str, str]:
        """The headers that ask the client to come back in `seconds`."""

    def postpone(self, error: ApiError, seconds: float, *, as_date: bool = False) -> None:
        """Let `error` ask the client to come back in `seconds`, where the provider's errors do."""

    def no_key(self) -> ApiError:
        """No API key was sent."""

    def wrong_key(self, key: str) -> ApiError:
        """The API key is not accepted."""

    def too_large(self, limit: int) -> ApiError:
        """The body is larger than `limit` bytes."""

    def not_json(self, reason: str) -> ApiError:
        """The body is not JSON."""

    def unknown_model(self, name: str) -> ApiError:
        """No model goes by that name."""

    def bad_schema(self, name: str, reason: str) -> ApiError:
        """The JSON schema called `name` cannot be used."""

    def unknown_url(self, status: int, method: str, path: str) -> ApiError:
        """No endpoint is at this path (404), or none that takes this method (405)."""

    def failure(self, status: int, model: str) -> ApiError:
        """The error of that status, for no fault of the request."""

    def out_of_money(self) -> ApiError:
        """The account has no money left; waiting does not help."""

    def over_limit(self, excess: Excess, model: str) -> ApiError:
        """The request is beyond a rate limit."""
