"""Find a pipeline's mistakes before a job does."""

from __future__ import annotations

from mirepoix.config import Api, Config
from mirepoix.errors import ConfigError, PipelineError
from mirepoix.paths import Place, children, walk
from mirepoix.prices import require_price
from mirepoix.spec import Call, Ensemble, Map, Pipeline
from pipelines.reducers.weights import known_models
from pipelines.templates import check_template

ANTHROPIC_WITHOUT_SAMPLING = "2026-10-21"
"""From this API version on, `temperature` is refused (docs: platform.claude.com, API versioning)."""


def check_config(config: Config) -> list[str]:
    """Every mistake in the pipelines and prices of `config`, as messages; none when all is well."""
    problems: list[str] = []
    for key, model in config.models.items():
        try:
            require_price(key, model, config.providers[model.provider].api)
        except ConfigError as error:
            problems.append(str(error))
    for name, spec in config.pipelines.items():
        try:
            check_pipeline(name, spec, config)
        except PipelineError as error:
            problems.append(str(error))
    return problems


def check_pipeline(name: str, spec: Pipeline, config: Config) -> None:
    """Raise PipelineError for the first mistake in `spec`, known as `name`."""
    config.require_models(name, spec)
    try:
        for place in walk(spec):
            _check_node(place, config)
    except PipelineError as error:
        raise PipelineError(f"pipeline {name!r}: {error}") from error


def _check_node(place: Place, config: Config) -> None:
    node = place.node
    if isinstance(node, Ensemble) and node.reliability is not None:
        _check_reliability(place, node.reliability)
    if isinstance(node, Map):
        check_template(node.over, place, "over")
    if not isinstance(node, Call):
        return
    check_template(node.prompt, place, "prompt")
    if node.system is not None:
        check_template(node.system, place, "system")
    provider = config.providers[config.provider_of(node.model)]
    recent = (provider.api_version or ANTHROPIC_WITHOUT_SAMPLING) >= ANTHROPIC_WITHOUT_SAMPLING
    if node.temperature is not None and provider.api is Api.ANTHROPIC and recent:
        raise PipelineError(
            f"step {place.path!r}: Anthropic takes no temperature from API version {ANTHROPIC_WITHOUT_SAMPLING} on. "
            f"Leave it out, or set api_version: 2023-06-01 on provider {config.provider_of(node.model)!r}."
        )


def _check_reliability(place: Place, reliability: dict[str, float]) -> None:
    """Each member has a voice, and some voice counts."""
    known = [known_models(member, reliability) for member in children(place)]
    for index, models in enumerate(known):
        if not models:
            raise PipelineError(f"step {place.path!r}: reliability names no model of member {index}; name one of each.")
    if all(min(models.values()) <= 0.5 for models in known):
        raise PipelineError(f"step {place.path!r}: no member is right more than half of the time; none has a voice.")
