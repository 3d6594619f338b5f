"""Nothing personal or secret leaves the house: every request is looked into before it is opened.

This is the one place that all requests pass, whatever pattern asks: fallbacks, judges, fusing, re-asks, a model's
answer that carries the data on. What is found is told by its kind and place, never by what it is.

A long request is looked into before the transaction in which it is opened, not within it (`tasks.memory`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import partial

from pydantic import JsonValue

from mirepoix.config import Config
from mirepoix.views import Decision
from pipelines.privacy import count, say, scan
from pipelines.privacy.request import Exposure, look_into
from tasks.memory import Memory
from tasks.providers.base import Question


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that must stay in the house: the model that is asked instead, or None, and why."""

    model: str | None
    decision: Decision


class Guard:
    """Looks into requests as the `privacy:` section of `config` says. Safe to share between threads."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._requests = Memory[Exposure | None]()
        self._texts = Memory[dict[str, int]]()

    def keep_in_house(
        self,
        *,
        named: str,
        asked: str,
        question: Question,
        body: dict[str, JsonValue],
        failed: Callable[[], Collection[str]],
    ) -> Kept | None:
        """Whether the request `body` to the model `asked` must stay in the house; None: it may go.

        `named` is the model that the pipeline names, whose fallbacks may take its place; `failed` tells those that have
        been asked in vain. Raises NotLookedInto.
        """
        config = self._config
        if not config.is_external(asked):
            return None
        exposure = _with_files(
            config, self._requests.recall(json.dumps(body), partial(self._look_into, body)), question
        )
        if exposure is None:
            return None
        in_vain = failed()
        instead = next((model for model in config.in_house(named) if model not in in_vain), None)
        reason = f"the request holds {say(exposure.found)} in {', '.join(exposure.places)}; {asked!r} is external" + (
            f", {instead!r} is in the house" if instead else f", and {_nobody(config, named)}"
        )
        features = {"found": exposure.found, "places": list(exposure.places), "external": asked, "in_house": instead}
        return Kept(instead, Decision(choice=instead or "fail", reason=reason, confidence=1.0, features=features))

    def may_fall_back(self, question: Question, fallback: str) -> bool:
        """Whether `question` may go to `fallback`: one that is external must never be asked what is sensitive."""
        if not self._config.is_external(fallback):
            return True
        request = asdict(question)
        exposure = self._requests.find(json.dumps(request), partial(self._look_into, request))
        return _with_files(self._config, exposure, question) is None

    def count_in(self, text: str) -> dict[str, int]:
        """How many of each kind that is looked for stand in `text`. Raises NotLookedInto."""
        return self._texts.recall(text, lambda: count(scan(text, self._config.privacy.looked_for)))

    def _look_into(self, request: object) -> Exposure | None:
        return look_into(request, self._config.privacy.looked_for)


def _with_files(config: Config, exposure: Exposure | None, question: Question) -> Exposure | None:
    """What is found in a request, and its files, where they count as sensitive."""
    privacy = config.privacy
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
