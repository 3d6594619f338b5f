"""What each emulated model costs, how able it is and how fast.

Prices: LiteLLM's price map 1.109.1; gpt-4 is OpenAI's list price of 2023. Times to the first token: modelstats.ai of
3 April 2026 (GPT-4.1 mini 0.769 s, GPT-4.1 0.844 s, Sonnet 4.6 1.293 s, Opus 4.6 1.604 s, Gemini 2.5 Flash-Lite 0.42
s for it and for the cheapest tier, Gemini 2.5 Flash 0.492 s, Gemini 2.5 Pro 6.065 s) and kunalganglani.com of March
2026 (Haiku 4.5 0.597 s; Gemini 2.5 Flash 204 tokens/s), each given to the nearest model of today. Sources differ two-
to threefold for one model, so these are settings for experiments, not truths about anybody's service. Speeds and
skills are made up to rise and fall with price; skills are on the scale of difficulties, which are about N(0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from mirepoix.config import Api, Config, Model, Price
from mirepoix.errors import ConfigError
from mirepoix.prices import Usage, cost

WireApi = Literal["openai", "anthropic", "gemini"]

THOUSAND = 1000
_WIRE_APIS: Mapping[str, WireApi] = {"anthropic": "anthropic", "gemini": "gemini"}


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """One emulated model, known by its wire `name`.

    `skill` is on the scale of the questions' difficulty; `guess` is the chance to be right on a hopeless
    question; `ttft_median` is in seconds; `confidence_auroc` is how well its own confidence tells its right
    answers from its wrong ones (0.5: not at all, 1: always). A `steady` model says the same, and takes as long, however
    often it is sent the same request.
    """

    name: str
    api: WireApi
    price: Price
    skill: float
    guess: float = 0.05
    ttft_median: float = 0.8
    ttft_sigma: float = 0.45
    tokens_per_second: float = 100.0
    confidence_auroc: float = 0.75
    steady: bool = False

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Decimal:
        """USD, exact: tokens times the price per million; `cached_tokens` are among the input's."""
        cached = self.price.input if self.price.cached_input is None else self.price.cached_input
        plain = input_tokens - cached_tokens
        return (plain * self.price.input + cached_tokens * cached + output_tokens * self.price.output).scaleb(-6)


def _profile(
    name: str, api: WireApi, price: tuple[str, str, str], skill: float, ttft: float, speed: float
) -> ModelProfile:
    input_price, cached, output_price = map(Decimal, price)
    return ModelProfile(
        name=name,
        api=api,
        price=Price(input=input_price, cached_input=cached, output=output_price),
        skill=skill,
        ttft_median=ttft,
        tokens_per_second=speed,
    )


DEFAULT_PROFILES: Mapping[str, ModelProfile] = {
    profile.name: profile
    for profile in (
        _profile("gpt-6-luna", "openai", ("0.10", "0.01", "0.50"), skill=0.3, ttft=0.42, speed=200),
        _profile("gpt-5.4-mini", "openai", ("0.75", "0.075", "4.5"), skill=1.0, ttft=0.769, speed=140),
        _profile("gpt-6-sol", "openai", ("2", "0.2", "10"), skill=2.0, ttft=0.844, speed=90),
        _profile("gpt-4", "openai", ("30", "30", "60"), skill=2.5, ttft=1.1, speed=40),
        _profile("claude-haiku-4-5", "anthropic", ("1", "0.10", "5"), skill=1.0, ttft=0.597, speed=140),
        _profile("claude-sonnet-5-5", "anthropic", ("2", "0.1", "10"), skill=2.0, ttft=1.293, speed=80),
        _profile("claude-opus-5-5", "anthropic", ("4", "0.2", "20"), skill=2.5, ttft=1.604, speed=60),
        _profile("gemini-2.5-flash-lite", "gemini", ("0.10", "0.01", "0.40"), skill=0.3, ttft=0.42, speed=204),
        _profile("gemini-3.6-flash", "gemini", ("0.75", "0.075", "3.75"), skill=1.0, ttft=0.492, speed=204),
        _profile("gemini-2.5-pro", "gemini", ("1.25", "0.125", "10"), skill=2.0, ttft=6.065, speed=90),
    )
}
_LADDER = tuple(profile for profile in DEFAULT_PROFILES.values() if profile.api != "gemini")
"""Those whose times rise with their prices: Gemini's pro takes longer than models that cost twice as much."""


def profiles_for(config: Config) -> Mapping[str, ModelProfile]:
    """A profile for each configured model asked over HTTP, by wire name, at the price the product uses.

    Raises ConfigError for a model without a known price, and for two of one wire name that differ in price or
    format, which nothing in a request would tell apart.
    """
    profiles: dict[str, ModelProfile] = {}
    for key, model in config.models.items():
        api = config.providers[model.provider].api
        if api is Api.PYTHON:
            continue
        profile = _configured(model, api)
        if profiles.setdefault(profile.name, profile) != profile:
            raise ConfigError(
                f"models.{key}: another model is also called {profile.name!r} on the wire, with a different "
                "price or format; the emulator could not tell them apart. Give both one price, or drop one."
            )
    return profiles


def _configured(model: Model, api: Api) -> ModelProfile:
    price = model.price or _published(model, api)
    known = DEFAULT_PROFILES.get(model.name) or _interpolate(model.name, price.output)
    # All other formats that there are, local servers' among them, are OpenAI's.
    return replace(known, api=_WIRE_APIS.get(api.value, "openai"), price=price)


def _published(model: Model, api: Api) -> Price:
    """The price of the product's table; asked for 1,000 tokens, as some prices rise with long prompts."""
    return Price(
        input=(cost(model, api, Usage(input=THOUSAND, output=0)) * THOUSAND).normalize(),
        cached_input=(cost(model, api, Usage(input=THOUSAND, output=0, cached=THOUSAND)) * THOUSAND).normalize(),
        output=(cost(model, api, Usage(input=0, output=THOUSAND)) * THOUSAND).normalize(),
    )


def _interpolate(name: str, output_price: Decimal) -> ModelProfile:
    """Between the two default profiles whose output prices enclose this one, on a logarithmic scale."""
    by_price = sorted(_LADDER, key=lambda profile: profile.price.output)
    cheaper = max((p for p in by_price if p.price.output <= output_price), key=_output, default=by_price[0])
    dearer = min((p for p in by_price if p.price.output >= output_price), key=_output, default=by_price[-1])
    low, high = math.log(_output(cheaper)), math.log(_output(dearer))
    share = 0.0 if high == low else (math.log(output_price) - low) / (high - low)
    return replace(
        cheaper,
        name=name,
        skill=_between(cheaper.skill, dearer.skill, share),
        ttft_median=_between(cheaper.ttft_median, dearer.ttft_median, share),
        tokens_per_second=_between(cheaper.tokens_per_second, dearer.tokens_per_second, share),
    )


def _output(profile: ModelProfile) -> float:
    return float(profile.price.output)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
