"""What `mirepoix.yaml` holds: providers, models and pipelines, as frozen models.

Reading the file, with line numbers in its errors, is the work of `mirepoix.config_file`.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    JsonValue,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from mirepoix.addresses import is_link_local
from mirepoix.caps import EVERY_TENANT, Alert, Bound, Period
from mirepoix.errors import PipelineError
from mirepoix.paths import location, walk
from mirepoix.privacy import Privacy
from mirepoix.rollouts import NextVersion, Rollout
from mirepoix.spec import Call, Pipeline
from mirepoix.strict import Strict, unknown
from mirepoix.webhooks import EnvName, Webhooks

ORCHESTRATE = "orchestrate"
BULK_SUFFIX = ".bulk"
LINK_LOCAL = "a link-local or metadata address; if that is what you want, say allow_link_local: true."

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
PricePerMillion = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]
Version = Annotated[
    str,
    BeforeValidator(lambda given: given.isoformat() if isinstance(given, date) else given),
    Field(pattern=r"^[A-Za-z0-9.-]{1,40}$"),
]
"""Most versions are dates, and YAML reads those as such."""
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]{0,1000}$")]
Usd = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]


class Api(StrEnum):
    """The wire format that a provider speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    AZURE = "azure"
    PYTHON = "python"


DEFAULT_BASE_URLS = {
    Api.OPENAI: "https://api.openai.com/v1",
    Api.ANTHROPIC: "https://api.anthropic.com/v1",
    Api.GEMINI: "https://generativelanguage.googleapis.com/v1beta",
}
BATCHES = frozenset({Api.OPENAI, Api.ANTHROPIC})
"""The formats that have one for batches."""
ANTHROPIC_WITHOUT_SAMPLING = "2026-10-21"
"""From this API version on, sampling parameters are refused (docs: platform.claude.com, API versioning)."""
OURS = frozenset({"model", "messages", "contents", "stream", "stream_options", "system", "systemInstruction"})
"""Fields of a request that its question fills in; an `extra_body` cannot."""


class Misplaced(PipelineError, ValueError):
    """A name that refers to nothing; `loc` says where it stands, as keys and indices from the top of the file."""

    def __init__(self, message: str, *loc: str | int) -> None:
        super().__init__(message)
        self.loc = loc


class Limits(Strict):
    """What all workers together may ask of a provider, or of one of its models.

    `rpm` requests and `tpm` tokens in any 60 s (a request counts with its prompt and all the tokens it may answer
    until it is known how many it did), `concurrency` requests at once. None: no limit.
    """

    rpm: PositiveInt | None = None
    tpm: PositiveInt | None = None
    concurrency: PositiveInt | None = None


class Breaker(Strict):
    """After `failures` in a row a provider is left alone for `cooldown` seconds; then one call at a time tries it."""

    failures: PositiveInt = 10
    cooldown: float = Field(default=5, gt=0, le=3600)


class Workers(Strict):
    """How many worker processes a provider is to have, for those who scale it: from `least` to `most`.

    As many in between as clear what waits within `drain` seconds, and as its limits can feed.
    """

    least: NonNegativeInt = 1
    most: PositiveInt = 10
    drain: float = Field(default=60, gt=0, le=86_400)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least is {self.least}, and most only {self.most}.")
        return self


class Batching(Strict):
    """How calls that may wait are gathered for a provider's batch API.

    A batch is sent with `requests` requests, before it has more than `bytes` bytes, or `wait` seconds after its first;
    then it is looked at every `poll` seconds. An answer costs `price` times what it would cost alone. Half is what
    OpenAI and Anthropic take; OpenAI allows 50,000 requests and 200 MB, Anthropic 100,000 and 256 MB
    (developers.openai.com/api/docs/guides/batch, platform.claude.com/docs/en/build-with-claude/batch-processing).
    """

    price: Decimal = Field(default=Decimal("0.5"), ge=0, le=1, decimal_places=4)
    requests: PositiveInt = Field(default=50_000, le=100_000)
    bytes: PositiveInt = Field(default=100_000_000, le=256_000_000)
    wait: float = Field(default=60, ge=0, le=86_400)
    poll: float = Field(default=60, gt=0, le=3600)


class Tenant(Strict):
    """What holds for one tenant, or, under the name `*`, for each tenant that has no entry of its own.

    `daily_cost` and `monthly_cost` are what its calls of one day, and of one month (UTC), may cost at the most, in USD.
    `secret_env` names the variable with the secret that signs its callbacks, where that is not everybody's.
    """

    daily_cost: Usd | None = None
    monthly_cost: Usd | None = None
    secret_env: EnvName | None = None


class Provider(Strict):
    """An endpoint with its wire format and its own queue, `provider.<name>`.

    `key_env` names the environment variable that holds the API key. An address that is link-local or a cloud's metadata
    service is refused unless `allow_link_local`. `external: false` says that what is sent there
    stays in the house. `api_version` is Anthropic's, or for Azure's addresses by deployment theirs. `headers` and
    `extra_body` are sent with every request, `rename` gives fields of the body the names that this server knows them by
    (null: leaves them out), and `prices_of` is whose published prices hold (an id of `genai-prices`, such as `mistral`)
    where that is not the api's own company. `concurrency` is how many calls one worker process holds in flight;
    `timeout` and `connect_timeout` are seconds; `retries` is how often a retryable failure is sent again. `limits` and
    `breaker` hold for all workers together. `workers` is for those who scale them (docs/operations.md). `batch` is how
    calls that may wait are sent together (false: not at all; left out: as `Batching` says at OpenAI's and Anthropic's
    own addresses, and not at all elsewhere).
    """

    api: Api
    base_url: HttpUrl | None = None
    key_env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")
    external: bool = True
    allow_link_local: bool = False
    api_version: Version | None = None
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    rename: dict[str, str | None] = Field(default_factory=dict)
    prices_of: str | None = Field(default=None, max_length=64)
    concurrency: PositiveInt = Field(default=50, le=10_000)
    timeout: float = Field(default=120, gt=0, le=3600)
    connect_timeout: float = Field(default=5, gt=0, le=60)
    retries: int = Field(default=5, ge=0, le=100)
    limits: Limits = Limits()
    breaker: Breaker = Breaker()
    workers: Workers = Workers()
    batch: Batching | Literal[False] | None = None

    @property
    def batching(self) -> Batching | None:
        """How calls that may wait are batched; None where this address is not known to take batches, or must not."""
        if self.batch is None:
            return Batching() if self.api in BATCHES and self.base_url is None else None
        return self.batch or None

    @property
    def url(self) -> str:
        """Where requests go, without a trailing slash."""
        return str(self.base_url or DEFAULT_BASE_URLS.get(self.api, "")).rstrip("/")

    @model_validator(mode="after")
    def _adds_what_can_be_added(self) -> Self:
        taken = sorted(OURS & {*self.extra_body, *self.rename.values()})
        if taken:
            raise ValueError(f"extra_body and rename cannot set {taken[0]!r}, which the question fills in.")
        if self.rename and self.api not in (Api.OPENAI, Api.AZURE):
            raise ValueError("rename is for servers that speak OpenAI's format (api: openai or azure).")
        if self.api is Api.AZURE and self.base_url is None:
            raise ValueError("api: azure needs a base_url, such as https://NAME.openai.azure.com.")
        return self

    @model_validator(mode="after")
    def _takes_batches(self) -> Self:
        if self.batch and self.api not in BATCHES:
            raise ValueError(f"batch is for providers with api: {' or '.join(sorted(BATCHES))}.")
        return self

    @model_validator(mode="after")
    def _leads_to_no_metadata(self) -> Self:
        host = urlsplit(self.url).hostname if self.base_url else None
        if host and not self.allow_link_local and is_link_local(host):
            raise ValueError(f"base_url leads to {host!r}, {LINK_LOCAL}")
        return self

    @model_validator(mode="after")
    def _python_has_no_address(self) -> Self:
        if self.api is Api.PYTHON and (self.base_url or self.key_env):
            raise ValueError("a provider with api: python runs in the worker; it takes no base_url and no key_env.")
        return self


class Price(Strict):
    """USD per 1,000,000 tokens. What is left out of `cached_input` and `cache_write` costs as `input` does.

    `cache_write_1h` is for what Anthropic keeps for an hour; left out, it costs as `cache_write` does.
    """

    input: PricePerMillion
    output: PricePerMillion
    cached_input: PricePerMillion | None = None
    cache_write: PricePerMillion | None = None
    cache_write_1h: PricePerMillion | None = None


class Capability(StrEnum):
    """What not every model can do."""

    VISION = "vision"
    """Takes pictures and documents."""
    TOOLS = "tools"
    """Can ask its caller to run functions."""
    SCHEMA = "schema"
    """Can be held to a JSON Schema by its provider."""
    SAMPLING = "sampling"
    """Takes temperature and top_p."""
    LOGPROBS = "logprobs"
    """Tells how likely its words were."""


class Latency(Strict):
    """How fast a model answers: seconds to its first token, then tokens per second (None: all at once)."""

    first_token: float = Field(ge=0, le=3600)
    tokens_per_second: float | None = Field(default=None, gt=0)

    def of(self, tokens: int) -> float:
        """Seconds for an answer of so many tokens."""
        return self.first_token + (0 if self.tokens_per_second is None else tokens / self.tokens_per_second)


class Model(Strict):
    """A model of a provider.

    `name` is what the provider calls it (default: its key here). `callable` is `module:function` of an in-process
    model. `price` left out is looked up by `mirepoix.prices`. `limits` hold beside those of its provider. `fallbacks`
    are asked in order when it fails for good. `context_window` is how many tokens of prompt and answer it takes (left
    out: looked up by `mirepoix.facts`), `capabilities` all that it can do (left out: not known, so nothing is ruled
    out), `latency` how fast it answers (left out: as measured).
    """

    provider: Name
    name: str = Field(default="", max_length=200)
    callable: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    price: Price | None = None
    max_tokens: PositiveInt = 1024
    limits: Limits = Limits()
    fallbacks: tuple[Name, ...] = ()
    context_window: PositiveInt | None = None
    capabilities: frozenset[Capability] | None = None
    latency: Latency | None = None


def _fill_wire_names(models: dict[str, Model]) -> dict[str, Model]:
    return {key: model if model.name else model.model_copy(update={"name": key}) for key, model in models.items()}


class Config(Strict):
    """The whole of `mirepoix.yaml`. Names are checked against each other here, templates in `pipelines.check`."""

    providers: dict[Name, Provider] = Field(min_length=1)
    models: Annotated[dict[Name, Model], AfterValidator(_fill_wire_names)] = Field(min_length=1)
    pipelines: dict[Name, Pipeline] = Field(default_factory=dict)
    rollouts: dict[Name, Rollout] = Field(default_factory=dict)
    tenants: dict[str, Tenant] = Field(default_factory=dict)
    privacy: Privacy = Privacy()
    webhooks: Webhooks = Webhooks()
    alerts: tuple[Alert, ...] = ()

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        if ORCHESTRATE in self.providers:
            raise Misplaced(
                f"{ORCHESTRATE!r} is the name of the house's own queue; choose another.", "providers", ORCHESTRATE
            )
        for name in self.providers:
            if name.endswith(BULK_SUFFIX):
                raise Misplaced(f"a provider's name cannot end with {BULK_SUFFIX!r}.", "providers", name)
        for key, model in self.models.items():
            self._check_model(key, model)
        self._check_privacy()
        self._check_alerts()
        for name, spec in self.pipelines.items():
            self.require_models(name, spec)
        self._check_rollouts()
        return self

    def _check_rollouts(self) -> None:
        for name, rollout in self.rollouts.items():
            for pipeline, *place in ((name,), (rollout.to, "to")):
                if pipeline not in self.pipelines:
                    raise Misplaced(
                        unknown(f"pipeline {pipeline!r}", pipeline, self.pipelines), "rollouts", name, *place
                    )
            if rollout.to == name:
                raise Misplaced("a pipeline's next version stands in another pipeline.", "rollouts", name, "to")

    def _check_privacy(self) -> None:
        asked = self.privacy.model
        if asked is None:
            return
        if asked not in self.models:
            raise Misplaced(unknown(f"model {asked!r}", asked, self.models), "privacy", "model")
        if self.is_external(asked):
            text = f"{asked!r} is external (provider {self.provider_of(asked)!r}); name one with external: false."
            raise Misplaced(text, "privacy", "model")

    def _check_alerts(self) -> None:
        for index, alert in enumerate(self.alerts):
            if alert.tenant != EVERY_TENANT and not self.bounds(alert.tenant):
                text = f"tenant {alert.tenant!r} has no daily_cost and no monthly_cost that it could pass a share of."
                raise Misplaced(text, "alerts", index, "tenant")
            if (alert.secret_env or self.webhooks.secret_env) is None:
                raise Misplaced("alerts are signed: give a secret_env here, or webhooks a secret_env.", "alerts", index)

    def _check_model(self, key: str, model: Model) -> None:
        if model.provider not in self.providers:
            raise Misplaced(
                unknown(f"provider {model.provider!r}", model.provider, self.providers), "models", key, "provider"
            )
        in_process = self.providers[model.provider].api is Api.PYTHON
        if in_process != (model.callable is not None):
            need = "needs callable: module:function" if in_process else "takes no callable"
            raise Misplaced(f"a model of provider {model.provider!r} {need}.", "models", key)
        for index, fallback in enumerate(model.fallbacks):
            if fallback not in self.models:
                text = unknown(f"fallback {fallback!r}", fallback, self.models)
                raise Misplaced(text, "models", key, "fallbacks", index)
            if fallback == key:
                raise Misplaced("a model cannot fall back to itself.", "models", key, "fallbacks", index)

    def require_models(self, name: str, spec: Pipeline) -> None:
        """Raise PipelineError when `spec`, known as `name`, asks a model that is not configured.

        Or when a step below its root says what to store, which holds for whole jobs.
        """
        for place in walk(spec):
            if place.parent is not None and place.node.store is not None:
                text = f"pipeline {name!r}, step {place.path!r}: `store` stands at the root of a pipeline only."
                raise Misplaced(text, "pipelines", name, *location(place), "store")
            if isinstance(place.node, Call) and place.node.model not in self.models:
                asked = place.node.model
                text = f"pipeline {name!r}, step {place.path!r}: {unknown(f'model {asked!r}', asked, self.models)}"
                raise Misplaced(text, "pipelines", name, *location(place), "call", "model")

    def next_version(self, pipeline: str) -> NextVersion | None:
        """What is being brought out for `pipeline`; None: nothing."""
        rollout = self.rollouts.get(pipeline)
        return None if rollout is None else NextVersion(rollout, self.pipelines[rollout.to])

    def bounds(self, tenant: str) -> tuple[Bound, ...]:
        """What the calls of `tenant` may cost in a day and in a month, and who is told of it; empty: no cap."""
        entry = self._entry(tenant)
        alerts = tuple(alert for alert in self.alerts if alert.tenant in (EVERY_TENANT, tenant))
        caps = () if entry is None else ((Period.DAY, entry.daily_cost), (Period.MONTH, entry.monthly_cost))
        return tuple(Bound(period, most, alerts) for period, most in caps if most is not None)

    def callback_secret(self, tenant: str) -> str | None:
        """The name of the variable with the secret that signs the callbacks of `tenant`."""
        entry = self._entry(tenant)
        return (entry.secret_env if entry is not None else None) or self.webhooks.secret_env

    def _entry(self, tenant: str) -> Tenant | None:
        return self.tenants.get(tenant) or self.tenants.get(EVERY_TENANT)

    def provider_of(self, model: str) -> str:
        """The provider whose queue serves `model`."""
        return self.models[model].provider

    def is_external(self, model: str) -> bool:
        """Whether what `model` is asked leaves the house."""
        return self.providers[self.provider_of(model)].external

    def line(self, model: str) -> tuple[str, ...]:
        """`model` and those asked after it, in order."""
        return (model, *self.models[model].fallbacks)

    def in_house(self, model: str) -> tuple[str, ...]:
        """The models that may be asked in place of `model` what must not leave the house, in order."""
        last = () if self.privacy.model is None else (self.privacy.model,)
        return tuple(name for name in dict.fromkeys((*self.line(model), *last)) if not self.is_external(name))
