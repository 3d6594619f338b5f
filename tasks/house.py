"""What the tasks of one worker process share."""

from __future__ import annotations

import time
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

import redis
from sqlalchemy import Connection
from ulid import ULID

from db.latencies import recent_latencies
from db.steps import read_spec
from mirepoix.config import Config
from mirepoix.ledger.engine import Database
from mirepoix.paths import Place
from mirepoix.settings import Settings
from mirepoix.spec import Pipeline, Route
from mirepoix.states import Lane
from mirepoix.wake import connect
from pipelines.canvas import Canvas
from pipelines.routers import NEEDS_NO_LATENCY
from tasks.compiled import Compiled, compile_pipeline
from tasks.flights import Flights
from tasks.guard import Guard
from tasks.limits import Gatekeeper, connect_limits
from tasks.loop import Loop
from tasks.meters import Meters
from tasks.providers import open_adapter, open_batches
from tasks.providers.base import Adapter
from tasks.providers.batches import BatchApi
from tasks.sending import SendingApp
from tasks.showing import Showing
from tasks.spans import NO_SPANS, Spans
from tasks.telling import Teller
from tasks.timers import Timers
from tasks.trained import Trained

if TYPE_CHECKING:
    from pipelines.learned.answer_policy import AnswerPolicy
    from pipelines.learned.model import LearnedRouter

SPECS_KEPT = 256
LATENCIES_FRESH = 10.0


class House:
    """Settings, configuration, the ledger, the event loop and the adapters; each opened at first use, per process."""

    def __init__(self, app: SendingApp, settings: Settings, config: Config) -> None:
        self.app = app
        self.settings = settings
        self.config = config
        self.worker_id = str(ULID())
        self.spans: Spans = NO_SPANS
        self._lock = Lock()
        self._adapters: dict[str, Adapter] = {}
        self._batches: dict[str, BatchApi] = {}
        self._specs: dict[str, Pipeline] = {}
        self._compiled: dict[tuple[str, str], Compiled] = {}
        self._latencies: tuple[float, dict[str, float]] = (float("-inf"), {})

    @cached_property
    def database(self) -> Database:
        """The ledger."""
        return Database(self.settings.database_url)

    @cached_property
    def redis(self) -> redis.Redis:
        """Where ends are announced."""
        return connect(self.settings.redis_url)

    @cached_property
    def teller(self) -> Teller:
        """Tells answers while they come."""
        return Teller(connect(self.settings.redis_url))

    @cached_property
    def loop(self) -> Loop:
        """The process's event loop."""
        return Loop()

    @cached_property
    def flights(self) -> Flights:
        """The calls that this process has in hand."""
        return Flights(self.loop)

    @cached_property
    def timers(self) -> Timers:
        """What this process is to do later."""
        return Timers()

    @cached_property
    def guard(self) -> Guard:
        """Looks into what leaves the house."""
        return Guard(self.config)

    @cached_property
    def meters(self) -> Meters:
        """What this process counts."""
        return Meters(frozenset(self.config.pipelines))

    @cached_property
    def trained(self) -> Trained:
        """The trained routers and policies, by name and by hash."""
        return Trained()

    def policy(self, connection: Connection, name: str) -> AnswerPolicy:
        """The answer policy that decides under `name` now; raises PipelineError."""
        return self.trained.policy(connection, name)

    def router(self, connection: Connection, name: str) -> LearnedRouter:
        """The router that decides under `name` now; raises PipelineError."""
        return self.trained.router(connection, name)

    @property
    def measures(self) -> bool:
        """Whether anybody wants to know how jobs end."""
        return self.settings.metrics_port > 0 or self.spans is not NO_SPANS

    @cached_property
    def showing(self) -> Showing:
        """Shows Flower what becomes of tasks."""
        return Showing(self.app)

    @cached_property
    def limits(self) -> Gatekeeper:
        """What all workers together may ask of the providers."""
        return Gatekeeper(connect_limits(self.settings.redis_url), self.config, self.worker_id)

    @cached_property
    def providers(self) -> dict[str, str]:
        """Who serves each model."""
        return {key: model.provider for key, model in self.config.models.items()}

    def adapter(self, provider: str) -> Adapter:
        """The adapter of `provider`, with its connection pool."""
        with self._lock:
            if provider not in self._adapters:
                self._adapters[provider] = open_adapter(
                    provider, self.config.providers[provider], self.loop, emulator_url=self.settings.emulator_url
                )
            return self._adapters[provider]

    def batches(self, provider: str) -> BatchApi:
        """The batch API of `provider`, with a connection pool of its own."""
        with self._lock:
            if provider not in self._batches:
                self._batches[provider] = open_batches(
                    provider, self.config.providers[provider], self.loop, emulator_url=self.settings.emulator_url
                )
            return self._batches[provider]

    def spec(self, connection: Connection, version: str) -> Pipeline:
        """The pipeline of that version, from memory where it was read before."""
        if version not in self._specs:
            if len(self._specs) >= SPECS_KEPT:
                self._specs.clear()
            self._specs[version] = read_spec(connection, version)
        return self._specs[version]

    def known_spec(self, version: str) -> Pipeline:
        """As `spec`, for who holds no connection."""
        if version in self._specs:
            return self._specs[version]
        with self.database.read() as connection:
            return self.spec(connection, version)

    def compiled(self, connection: Connection, name: str, version: str) -> Compiled:
        """That version of the pipeline `name`, checked and planned once; raises PipelineError."""
        if (name, version) not in self._compiled:
            if len(self._compiled) >= SPECS_KEPT:
                self._compiled.clear()
            self._compiled[name, version] = compile_pipeline(name, self.spec(connection, version), self.config)
        return self._compiled[name, version]

    def latencies(self, connection: Connection, place: Place) -> dict[str, float]:
        """What models took of late, measured at the most `LATENCIES_FRESH` seconds ago; nothing where none is asked."""
        if isinstance(place.node, Route) and place.node.by in NEEDS_NO_LATENCY:
            return {}
        measured_at, latencies = self._latencies
        if time.monotonic() - measured_at > LATENCIES_FRESH:
            latencies = recent_latencies(connection)
            self._latencies = (time.monotonic(), latencies)
        return latencies

    def canvas(self, job_id: str, lane: Lane) -> Canvas:
        """Builds the Celery canvas of a job."""
        return Canvas(self.app, job_id, lane, self.config.provider_of)
