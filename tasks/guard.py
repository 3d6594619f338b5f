"""Nothing personal or secret leaves the house: every request is looked into before it is opened.

This is the one place that all requests pass, whatever pattern asks: fallbacks, judges, fusing, re-asks, a model's
answer that carries the data on. What is found is told by its kind and place, never by what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from mirepoix.config import Config
from mirepoix.views import Decision
from pipelines.privacy import say
from pipelines.privacy.request import Exposure, look_into
from tasks.providers.base import Question


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that must stay in the house: the model that is asked instead, or None, and why."""

    model: str | None
    decision: Decision


def keep_in_house(
    config: Config,
    *,
    named: str,
    asked: str,
    question: Question,
    body: dict[str, JsonValue],
    failed: Callable[[], Collection[str]],
) -> Kept | None:
    """Whether the request `body` to the model `asked` must stay in the house; None: it may go.

    `named` is the model that the pipeline names, whose fallbacks may take its place; `failed` tells those that have
    been asked in vain.
    """
    if not config.is_external(asked):
        return None
    exposure = _exposure(config, body, question)
    if exposure is None:
        return None
    in_vain = failed()
    instead = next((model for model in config.in_house(named) if model not in in_vain), None)
    reason = f"the request holds {say(exposure.found)} in {', '.join(exposure.places)}; {asked!r} is external" + (
        f", {instead!r} is in the house" if instead else f", and {_nobody(config, named)}"
    )
    features = {"found": exposure.found, "places": list(exposure.places), "external": asked, "in_house": instead}
    return Kept(instead, Decision(choice=instead or "fail", reason=reason, confidence=1.0, features=features))


def may_fall_back(config: Config, question: Question, fallback: str) -> bool:
    """Whether `question` may go to `fallback`: one that is external must never be asked what is sensitive."""
    return not config.is_external(fallback) or _exposure(config, asdict(question), question) is None


def _exposure(config: Config, request: object, question: Question) -> Exposure | None:
    privacy = config.privacy
    exposure = look_into(request, privacy.looked_for)
    files = sum(len(turn.files) for turn in question.turns)
    if not files or privacy.sensitive == "allow" or privacy.files == "allow":
        return exposure
    found, places = ({}, ()) if exposure is None else (exposure.found, exposure.places)
    return Exposure(found | {"file": files}, (*places, "files"))


def _nobody(config: Config, named: str) -> str:
    """Why there is nobody in the house to ask, and what to do about it."""
    local = config.in_house(named)
    if local:
        return f"those in the house have failed ({', '.join(local)})"
    return (
        f"there is no model in the house to ask instead: give {named!r} a fallback whose provider has external: false, "
        "or name one as privacy: {model: NAME}"
    )
