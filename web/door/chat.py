"""`/v1/chat/completions`: OpenAI's clients ask a pipeline or a model, and get a job's answer."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from db.listing import Tokens, read_tokens
from mirepoix.client import Handle
from mirepoix.ledger.accept import Options
from mirepoix.pieces import Piece
from mirepoix.spec import version
from mirepoix.states import JobState
from mirepoix.views import JobView, usd_text
from web.door.callers import Caller, Submitter
from web.door.chat_reply import Answered, ChatCompletion, Choice, answered, status_of, why
from web.door.chat_request import ChatRequest
from web.door.conversation import Asked, asked_of
from web.door.hearing import AsyncEar, cancelled_unless_ended, follow
from web.door.jobs import KeyHeader, require_same
from web.door.sse import HEARTBEAT, EventStream, event
from web.errors import ErrorReply, harmless, refuse
from web.house import House, house_of

LONGEST_WAIT = 600.0
"""Seconds that a job may take unless it says so itself: for as long OpenAI's clients wait by default."""
NO_RETRY = {"x-should-retry": "false"}
"""OpenAI's clients repeat what fails with 409 or a 5xx; a job that failed would be paid for again."""

router = APIRouter(
    tags=["openai"],
    responses={"4XX": {"model": ErrorReply}, "5XX": {"model": ErrorReply, "description": "The job failed"}},
)


@dataclass(frozen=True, slots=True)
class _Run:
    """A job under way. `kept`: its key lets the caller come back to it, so it goes on when they leave."""

    house: House
    handle: Handle
    request: ChatRequest
    with_tools: bool
    kept: bool
    created: int

    @property
    def headers(self) -> dict[str, str]:
        """Which job this is."""
        return {"x-request-id": self.handle.id}

    async def end(self, view: JobView) -> Answered:
        """The whole answer."""
        tokens = await run_in_threadpool(self._tokens)
        return answered(view, tokens, with_tools=self.with_tools)

    def _tokens(self) -> Tokens:
        with self.house.client.database.read() as connection:
            return read_tokens(connection, self.handle.id)


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletion,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The answer, or chunks."}
    },
)
async def complete_chat(request: Request, caller: Submitter, chat: ChatRequest, key: KeyHeader = None) -> Response:
    """Answer a conversation; the job's id comes back as `x-request-id`.

    A job whose caller goes away is cancelled, unless it has an `Idempotency-Key` to come back with.
    """
    house = house_of(request)
    asked = await run_in_threadpool(asked_of, house.config, chat)
    ear = AsyncEar(house.settings.redis_url, with_text=bool(chat.stream))
    try:
        handle = await run_in_threadpool(_submit, house, caller, chat, asked, key, ear)
    except BaseException:  # raised again: a request that is cancelled here would leave its listener behind
        await ear.aclose()
        raise
    run = _Run(house, handle, chat, asked.with_tools, key is not None, int(time.time()))
    if chat.stream:
        return EventStream(_chunks(run, ear), run.headers)
    return await _whole(request, run, ear)


def _submit(house: House, caller: Caller, chat: ChatRequest, asked: Asked, key: str | None, ear: AsyncEar) -> Handle:
    options = Options(
        tenant=caller.acts_for(chat.tenant),
        key=key,
        task=chat.task,
        max_cost=chat.max_cost,
        deadline=chat.deadline or LONGEST_WAIT,
        priority=chat.priority,
        stream=bool(chat.stream),
        tags=chat.metadata or {},
    )
    configured = asked.spec is house.config.pipelines.get(chat.model)  # then by name, since a rollout may go with it
    handle = house.client.submit(
        chat.model if configured else asked.spec,
        asked.input,
        known_as=chat.model,
        before_start=ear.attend_from_thread,
        **options,
    )
    if key is not None:
        new = house.config.next_version(chat.model) if configured else None
        versions = {version(asked.spec)} if new is None else {version(asked.spec), new.version}
        require_same(house, handle, chat.model, asked.input, options, versions=versions)
    return handle


async def _whole(request: Request, run: _Run, ear: AsyncEar) -> Response:
    async with ear:
        async for heard in follow(run.house.client, run.handle.id, ear):
            if isinstance(heard, JobView):
                return await _reply(run, heard)
            if not run.kept and await request.is_disconnected():
                await cancelled_unless_ended(run.handle)
    raise AssertionError("a followed job ends with its view")


async def _reply(run: _Run, view: JobView) -> Response:
    headers = run.headers | {"x-mirepoix-cost-usd": usd_text(view.cost_usd)}
    if view.state is not JobState.SUCCEEDED:
        return refuse(status_of(view), harmless(why(view)), code=view.error_kind, headers=headers | NO_RETRY)
    end = await run.end(view)
    reply = ChatCompletion(
        id=f"chatcmpl-{view.job}",
        created=run.created,
        model=run.request.model,
        choices=[Choice(message=end.said, finish_reason=end.finish)],
        usage=end.usage,
    )
    return JSONResponse(_unset_dropped(reply), headers=headers)


def _unset_dropped(reply: ChatCompletion) -> dict[str, object]:
    """`tool_calls` is left out where there are none."""
    return reply.model_dump(exclude={"choices": {0: {"message": {"tool_calls"}}}} if not _has_calls(reply) else None)


def _has_calls(reply: ChatCompletion) -> bool:
    return reply.choices[0].message.tool_calls is not None


async def _chunks(run: _Run, ear: AsyncEar) -> AsyncIterator[bytes]:
    """The answer as it comes. What was sent cannot be taken back: one that starts over otherwise is an error."""
    whole = False
    try:
        async with ear:
            yield _chunk(run, {"role": "assistant", "content": "", "refusal": None})
            sent, said = "", ""
            async for heard in follow(run.house.client, run.handle.id, ear):
                if isinstance(heard, JobView):
                    whole = True
                    async for last in _ending(run, heard, sent, said):
                        yield last
                elif isinstance(heard, Piece):
                    said = heard.text if heard.restart else said + heard.text
                    if said.startswith(sent) and len(said) > len(sent) and not run.with_tools:
                        yield _chunk(run, {"content": said[len(sent) :]})
                        sent = said
                else:
                    yield HEARTBEAT
    finally:
        if not whole and not run.kept:
            with anyio.CancelScope(shield=True):
                await cancelled_unless_ended(run.handle)


async def _ending(run: _Run, view: JobView, sent: str, said: str) -> AsyncIterator[bytes]:
    if view.state is not JobState.SUCCEEDED:
        yield _failure(why(view), view.error_kind)
        return
    if sent and said != sent:
        yield _failure(f"the answer was started over while it was told; GET /v1/jobs/{view.job} has it.", "restarted")
        return
    end = await run.end(view)
    if run.with_tools:
        delta = end.said.model_dump(exclude={"role", "refusal"}, exclude_none=True)
        calls = [{"index": number, **call.model_dump()} for number, call in enumerate(end.said.tool_calls or [])]
        yield _chunk(run, delta | ({"tool_calls": calls} if calls else {}))
    yield _chunk(run, {}, finish=end.finish)
    if run.request.include_usage:
        yield _chunk(run, None, usage=end.usage.model_dump())
    yield event("[DONE]")


def _chunk(
    run: _Run, delta: dict[str, object] | None, *, finish: str | None = None, usage: dict[str, object] | None = None
) -> bytes:
    """A chunk; without a `delta` the one that has the usage."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    body: dict[str, object] = {
        "id": f"chatcmpl-{run.handle.id}",
        "object": "chat.completion.chunk",
        "created": run.created,
        "model": run.request.model,
        "choices": choices,
    }
    if run.request.include_usage:
        body["usage"] = usage
    return event(json.dumps(body))


def _failure(message: str, code: str | None) -> bytes:
    error = {"message": harmless(message), "type": "server_error", "param": None, "code": code}
    return event(json.dumps({"error": error}))
