"""Submit jobs and get their answers.

from mirepoix import Client

with Client() as client:
    print(client.submit("ask", "What is the capital of France?").result(timeout=30))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from types import TracebackType
from typing import Self, Unpack
from weakref import WeakSet

from pydantic import JsonValue

from mirepoix.again import Again
from mirepoix.config import Config
from mirepoix.config_file import load_config
from mirepoix.errors import BrokerError, InputError, JobFailed, NotFound, ResultTimeout
from mirepoix.ledger.accept import Accepted, Options, Submission, accept_again, accept_jobs
from mirepoix.ledger.contents import encode
from mirepoix.ledger.ending import cancel_job
from mirepoix.ledger.engine import Database
from mirepoix.ledger.export import export_traces
from mirepoix.ledger.feedback import record_feedback
from mirepoix.ledger.read import read_ended, read_jobs, read_states, read_trace
from mirepoix.ledger.search import Search, SearchFields, find_jobs
from mirepoix.pieces import Listening, Piece, decode
from mirepoix.publisher import Publisher
from mirepoix.rollouts import NextVersion
from mirepoix.settings import Settings
from mirepoix.spans import submitting
from mirepoix.spec import Pipeline
from mirepoix.states import FeedbackSource, JobState, Lane
from mirepoix.strict import unknown
from mirepoix.views import ExportedTrace, JobView, TraceView
from mirepoix.wake import Ear
from mirepoix.webhooks import require_callback

MAX_INPUT_BYTES = 4_000_000
BATCH = 500
LOOK_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class _Destination:
    """Where jobs go: a pipeline, the name it is listed under, and what is being brought out for it."""

    name: str
    spec: Pipeline
    new: NextVersion | None = None


class Client:
    """The producer's door: writes jobs to the ledger, tells the broker, reads answers from the ledger.

    Threads may share a client. Without arguments it takes its settings from the environment and its pipelines from
    `mirepoix.yaml`.
    """

    def __init__(self, settings: Settings | None = None, config: Config | None = None) -> None:
        self.settings = settings or Settings.from_env()
        self.database = Database(self.settings.database_url)
        self._config = config
        self._publisher = Publisher(self.settings)
        self._ears: WeakSet[Ear] = WeakSet()
        self._resting: list[Ear] = []

    @property
    def config(self) -> Config:
        """The configuration, read at first use."""
        if self._config is None:
            self._config = load_config(self.settings.config_path)
        return self._config

    def submit(
        self,
        pipeline: str | Pipeline,
        input: JsonValue,
        *,
        wait_broker: bool = True,
        known_as: str | None = None,
        before_start: Callable[[str], object] | None = None,
        **options: Unpack[Options],
    ) -> Handle:
        """Accept one job for `pipeline` (a configured name, or a pipeline built in Python).

        The options are those of `Submission`: tenant, key, task, max_cost, deadline, priority, stream, tags, callback,
        traceparent. While the broker is away the job is accepted and goes out when it is back; with
        `wait_broker=False` a broker that is away is a BrokerError and nothing is accepted. `known_as` is the name under
        which a pipeline built in Python is listed (its own, if it has one). `before_start` is given the id of the job
        before anybody can begin it, to listen for its answer by other means than the handle. Raises NotFound,
        PipelineError, InputError, LedgerError.
        """
        to = self._resolve(pipeline)
        if known_as is not None:
            to = replace(to, name=known_as)
        return self._accept(to, [Submission(input, **options)], wait_broker, before_start)[0]

    def submit_many(
        self, pipeline: str | Pipeline, jobs: Iterable[JsonValue | Submission], **options: Unpack[Options]
    ) -> list[Handle]:
        """Accept many jobs; inputs and `Submission`s may be mixed. As `submit_batches`, all at once."""
        return [handle for batch in self.submit_batches(pipeline, jobs, **options) for handle in batch]

    def submit_batches(
        self, pipeline: str | Pipeline, jobs: Iterable[JsonValue | Submission], **options: Unpack[Options]
    ) -> Iterator[list[Handle]]:
        """Accept jobs as they come, 500 at a time: a batch is one transaction, whole in the ledger when it is yielded.

        Lazy: what is not iterated over is not submitted. The options are for the inputs that are no `Submission`.
        """
        to = self._resolve(pipeline)
        waiting = iter(jobs)
        while batch := list(islice(waiting, BATCH)):
            whole = [job if isinstance(job, Submission) else Submission(job, **options) for job in batch]
            yield self._accept(to, whole)

    def submit_again(self, again: Again) -> Handle:
        """Run the job `again.job` again: the pipeline, input and parameters that it had, but no key and no deadline.

        Raises NotFound, and NotReplayable where its texts are no longer as they were.
        """
        with self.database.write() as connection:
            (accepted,) = accept_again(connection, again)
        return Handle(self, accepted.job_id, published=self._publish([accepted]))

    def get(self, job_id: str) -> Handle:
        """The handle of a job that exists; raises NotFound."""
        with self.database.read() as connection:
            if not read_states(connection, [job_id]):
                raise NotFound(f"no job {job_id!r} in this ledger. `mirepoix jobs` lists them.")
        return Handle(self, job_id)

    def jobs(self, **fields: Unpack[SearchFields]) -> list[JobView]:
        """The newest jobs first, of those that fit; the fields are those of `Search`: state, pipeline, tenant, model, …

        `text` finds jobs a moment after their end; one that has not ended has no words yet.
        """
        with self.database.read() as connection:
            return read_jobs(connection, find_jobs(connection, Search(**fields)))

    def export(self, **fields: Unpack[SearchFields]) -> Iterator[ExportedTrace]:
        """The traces of all jobs that fit, the oldest first, with prompts and answers; `limit` bounds nothing here.

        Lazy: some jobs at a time are in memory, however many there are.
        """
        yield from export_traces(self.database, Search(**fields))

    def as_ended(self, handles: Sequence[Handle], timeout: float | None = None) -> Iterator[JobView]:
        """Yield each job when it has ended, whatever its end; raises ResultTimeout after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = [handle.id for handle in handles]
        with self._listening(waiting) as ear:
            looked_at, among = time.monotonic(), waiting
            while waiting:
                ended = self.ended(among)
                yield from ended
                gone = {view.job for view in ended}
                waiting = [id_ for id_ in waiting if id_ not in gone]
                if waiting:
                    told = ear.ended(_patience(deadline, waiting))
                    among = [id_ for id_ in waiting if id_ in told]
                if not among or time.monotonic() - looked_at > LOOK_INTERVAL:
                    looked_at, among = time.monotonic(), waiting

    def close(self) -> None:
        """Give all connections back."""
        for ear in list(self._ears):
            ear.close()
        self._publisher.close()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def asubmit(
        self,
        pipeline: str | Pipeline,
        input: JsonValue,
        *,
        wait_broker: bool = True,
        **options: Unpack[Options],
    ) -> Handle:
        """As `submit`, without blocking the event loop."""
        return await asyncio.to_thread(self.submit, pipeline, input, wait_broker=wait_broker, **options)

    async def asubmit_many(
        self, pipeline: str | Pipeline, jobs: Iterable[JsonValue | Submission], **options: Unpack[Options]
    ) -> list[Handle]:
        """As `submit_many`, without blocking the event loop."""
        return await asyncio.to_thread(self.submit_many, pipeline, jobs, **options)

    def _accept(
        self,
        to: _Destination,
        jobs: Sequence[Submission],
        wait_broker: bool = True,
        before_start: Callable[[str], object] | None = None,
    ) -> list[Handle]:
        for job in jobs:
            require_input(job.input)
            if job.callback is not None:
                require_callback(job.callback, self.config.webhooks)
        if not wait_broker:
            self._publisher.require_broker()
        with submitting(to.name, jobs) as told:
            with self.database.write() as connection:
                accepted = accept_jobs(connection, to.name, to.spec, told.jobs, to.new)
            told.accepted([job.job_id for job in accepted])
            if before_start is not None:
                before_start(accepted[0].job_id)
            listens = before_start is None and len(jobs) == 1 and jobs[0].stream
            ear = self.open_ear(accepted[0].job_id) if listens else None
            published = self._publish([job for job in accepted if job.fresh])
            if published:  # else shadows go out with the others, when the broker is back
                self._publish([Accepted(job.shadow, True, Lane.BULK) for job in accepted if job.shadow is not None])
        return [Handle(self, job.job_id, published=published, ear=ear) for job in accepted]

    @contextmanager
    def _listening(self, job_ids: Sequence[str]) -> Iterator[Ear]:
        """An ear for the ends of these jobs, which others use before and after."""
        try:
            ear = self._resting.pop()
        except IndexError:
            ear = Ear(self.settings.redis_url)
        self._ears.add(ear)
        ear.listen_for(job_ids)
        try:
            yield ear
        finally:
            ear.rest()
            if ear.deaf:
                ear.close()
            else:
                self._resting.append(ear)

    def open_ear(self, job_id: str) -> Ear:
        """Listen for the answer of a job, from now until the ear, or this client, is closed."""
        ear = Ear(self.settings.redis_url)
        ear.listen_for([job_id], with_text=True)
        self._ears.add(ear)
        return ear

    def _publish(self, jobs: list[Accepted]) -> bool:
        try:
            self._publisher.start({lane: [job.job_id for job in jobs if job.lane is lane] for lane in Lane})
        except BrokerError:
            return False
        return True

    def _resolve(self, pipeline: str | Pipeline) -> _Destination:
        if isinstance(pipeline, str):
            if pipeline not in self.config.pipelines:
                raise NotFound(unknown(f"pipeline {pipeline!r}", pipeline, self.config.pipelines))
            return _Destination(pipeline, self.config.pipelines[pipeline], self.config.next_version(pipeline))
        name = pipeline.name or pipeline.kind
        self.config.require_models(name, pipeline)
        return _Destination(name, pipeline)

    def ended(self, job_ids: Sequence[str]) -> list[JobView]:
        """Those of the jobs that have ended."""
        with self.database.read() as connection:
            return read_ended(connection, job_ids)


class Handle:
    """One submitted job. `published` is False when the broker was away; the orchestrators send it later."""

    def __init__(self, client: Client, job_id: str, *, published: bool = True, ear: Ear | None = None) -> None:
        self._client = client
        self._ear = ear
        self.id = job_id
        self.published = published

    @property
    def state(self) -> JobState:
        """The state as the ledger has it at this moment."""
        return self.view().state

    def view(self) -> JobView:
        """The job as it stands: state, output, cost, models, calls."""
        with self._client.database.read() as connection:
            return read_jobs(connection, [self.id])[0]

    def wait(self, timeout: float | None = None) -> JobView:
        """Wait until the job has ended, whatever its end; raises ResultTimeout after `timeout` seconds."""
        return next(self._client.as_ended([self], timeout))

    def result(self, timeout: float | None = None) -> JsonValue:
        """Wait for the output. Raises JobFailed when it failed or was cancelled, ResultTimeout when it takes longer."""
        return _output(self.wait(timeout))

    def stream(self, timeout: float | None = None) -> Generator[Piece]:
        """The answer in pieces as the model speaks, if the job was submitted with `stream=True`.

        Where the last word is not one model's (a cascade, an ensemble, a schema), or the pieces were not heard in time,
        the answer comes at the end, in one. All pieces since the last one with `restart` make the whole output (JSON,
        where it is no text). Raises as `result`.
        """
        ear, self._ear = self._ear or self._client.open_ear(self.id), None
        with ear:
            yield from self._pieces(ear, None if timeout is None else time.monotonic() + timeout)

    def _pieces(self, ear: Ear, deadline: float | None) -> Iterator[Piece]:
        listening, heard = Listening(), b""
        while heard or not (ended := self._client.ended([self.id])):
            heard = ear.listen(_patience(deadline, [self.id]))
            told = decode(heard)
            piece = listening.hear(told) if told is not None else None
            if piece is not None:
                yield piece
        yield from listening.end(_output(ended[0]))

    def trace(self) -> TraceView:
        """Everything recorded of the job so far."""
        with self._client.database.read() as connection:
            return read_trace(connection, self.id)

    def cancel(self) -> bool:
        """End the job as `cancelled`; False when it had ended before. Steps not yet begun never begin."""
        with self._client.database.write() as connection:
            return cancel_job(connection, self.id)

    def feedback(
        self, score: float, *, note: str | None = None, source: FeedbackSource | str = FeedbackSource.USER
    ) -> None:
        """Say how good the answer was, from 0 (of no use) to 1 (right), in place of what `source` said before.

        Routers learn from it (`mirepoix train`). `source` is `user`, `schema`, `unit-test` or `judge`. Raises
        InputError, also where there is no answer, and for a `note` on a job whose texts are not kept as they are.
        """
        with self._client.database.write() as connection:
            record_feedback(connection, self.id, score, source, note)

    async def astate(self) -> JobState:
        """As `state`, without blocking the event loop."""
        return (await asyncio.to_thread(self.view)).state

    async def aresult(self, timeout: float | None = None) -> JsonValue:
        """As `result`, without blocking the event loop."""
        return await asyncio.to_thread(self.result, timeout)

    async def astream(self, timeout: float | None = None) -> AsyncIterator[Piece]:
        """As `stream`, without blocking the event loop."""
        pieces = self.stream(timeout)
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece
        finally:
            with suppress(ValueError):  # given up while the thread still listens, which then closes it at its end
                pieces.close()

    async def atrace(self) -> TraceView:
        """As `trace`, without blocking the event loop."""
        return await asyncio.to_thread(self.trace)

    async def acancel(self) -> bool:
        """As `cancel`, without blocking the event loop."""
        return await asyncio.to_thread(self.cancel)

    async def afeedback(
        self, score: float, *, note: str | None = None, source: FeedbackSource | str = FeedbackSource.USER
    ) -> None:
        """As `feedback`, without blocking the event loop."""
        await asyncio.to_thread(self.feedback, score, note=note, source=source)


def require_input(value: JsonValue) -> None:
    """Raise InputError when `value` cannot be a job's input."""
    if isinstance(value, str) and not value.strip():
        raise InputError("the input is empty; give a text, or a JSON value.")
    if value is None or value in ({}, []):
        raise InputError("the input is empty; give a text, or a JSON value.")
    size = len(encode(value)[1].encode())
    if size > MAX_INPUT_BYTES:
        raise InputError(f"the input has {size:,} bytes; the limit is {MAX_INPUT_BYTES:,}. Split it into several jobs.")


def _output(view: JobView) -> JsonValue:
    if view.state is not JobState.SUCCEEDED:
        reason = f": {view.error}" if view.error else ""
        raise JobFailed(f"job {view.job} {view.state}{reason}", job_id=view.job, state=view.state)
    if view.forgotten:
        raise NotFound(f"the output of job {view.job} is no longer stored (its pipeline says store: none).")
    return view.output


def _patience(deadline: float | None, waiting: Sequence[str]) -> float:
    if deadline is None:
        return LOOK_INTERVAL
    left = deadline - time.monotonic()
    if left <= 0:
        raise ResultTimeout(f"{len(waiting)} job(s) have not ended in time, {waiting[0]} among them; they go on.")
    return min(left, LOOK_INTERVAL)
