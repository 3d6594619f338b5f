"""Find a pipeline's mistakes before a job does."""

from __future__ import annotations

from mirepoix.config import ANTHROPIC_WITHOUT_SAMPLING, Api, Config
from mirepoix.errors import ConfigError, PipelineError
from mirepoix.paths import Place, children, samples_of, walk
from mirepoix.prices import require_price
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Map, Pipeline, Route
from pipelines.gates import load_function
from pipelines.reducers.weights import known_models
from pipelines.routers import check_route
from pipelines.templates import check_expression, check_template, names_in


def check_config(config: Config) -> list[str]:
    """Every mistake in the pipelines and prices of `config`, as messages; none when all is well."""
    problems: list[str] = []
    for key, model in config.models.items():
        try:
            require_price(key, model, config.providers[model.provider].api, config.providers[model.provider].prices_of)
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
    match node:
        case Map():
            check_template(node.over, place, "over")
        case Cascade():
            _check_gates(place, node, config)
        case Ensemble() if node.reliability is not None:
            _check_reliability(place, node.reliability)
        case If():
            _check_condition(place, node)
        case Route():
            _check_route(place, node)
        case Call():
            _check_call(place, node, config)


def _check_condition(place: Place, node: If) -> None:
    check_expression(node.when, place, "when")
    if place.parent is None or not isinstance(place.parent.node, Chain):
        raise PipelineError(f"step {place.path!r}: `when` stands on steps of a chain only.")


def _check_call(place: Place, node: Call, config: Config) -> None:
    check_template(node.prompt, place, "prompt")
    if node.system is not None:
        check_template(node.system, place, "system")
    for field, expression in (("messages", node.messages), ("files", node.files)):
        if expression is not None:
            check_expression(expression, place, field)
    provider = config.providers[config.provider_of(node.model)]
    recent = (provider.api_version or ANTHROPIC_WITHOUT_SAMPLING) >= ANTHROPIC_WITHOUT_SAMPLING
    sampling = "temperature" if node.temperature is not None else "top_p" if node.top_p is not None else None
    if sampling is not None and provider.api is Api.ANTHROPIC and recent:
        raise PipelineError(
            f"step {place.path!r}: Anthropic takes no {sampling} from API version {ANTHROPIC_WITHOUT_SAMPLING} on. "
            f"Leave it out, or set api_version: 2023-06-01 on provider {config.provider_of(node.model)!r}."
        )


def _check_route(place: Place, node: Route) -> None:
    try:
        check_route(node)
    except PipelineError as error:
        raise PipelineError(f"step {place.path!r}: {error}") from error


def _check_gates(place: Place, node: Cascade, config: Config) -> None:
    gates = node.accept.gates
    comparing = node.accept.agreement.by.judge if node.accept.agreement else None
    if comparing is not None and (unseen := {"answer", "other"} - names_in(comparing.call.prompt).names):
        raise PipelineError(f"step {place.path!r}: the prompt that compares answers does not show {sorted(unseen)}.")
    if gates is None:
        return
    try:
        if gates.function is not None:
            load_function(gates.function.callable)
        if gates.judge is not None and "answer" not in names_in(gates.judge.call.prompt).names:
            raise PipelineError("the judge's prompt does not show it the {{ answer }}.")
    except PipelineError as error:
        raise PipelineError(f"step {place.path!r}: {error}") from error
    if gates.consistency is not None:
        for tier in children(place):
            _check_node(samples_of(place, tier.index)[0], config)


def _check_reliability(place: Place, reliability: dict[str, float]) -> None:
    """Each member has a voice, and some voice counts."""
    known = [known_models(member, reliability) for member in children(place)]
    for index, models in enumerate(known):
        if not models:
            raise PipelineError(f"step {place.path!r}: reliability names no model of member {index}; name one of each.")
    if all(min(models.values()) <= 0.5 for models in known):
        raise PipelineError(f"step {place.path!r}: no member is right more than half of the time; none has a voice.")
