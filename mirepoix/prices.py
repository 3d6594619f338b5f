"""What a call costs: exact decimal USD from token counts.

A price in the configuration wins; what it leaves out is looked up in `genai-prices`, a maintained table of the
providers' published prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import genai_prices

from mirepoix.config import Api, Model, Price
from mirepoix.errors import ConfigError

PICO = Decimal("1e-12")
MILLION = Decimal(1_000_000)
FULL_PRICE = Decimal(1)
PRICE_LISTS = {Api.GEMINI: "google"}
"""Where `genai-prices` calls a provider something else than we do."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input` counts all prompt tokens; `cached` and `cache_write` are parts of it.

    `cache_write_1h` is the part of `cache_write` that is kept for an hour. `output` counts everything billed as output;
    `reasoning` is a part of it. `estimated` marks counts that the provider did
    not report and that were estimated from the text.
    """

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    estimated: bool = False


def cost(model: Model, api: Api, usage: Usage, prices_of: str | None = None, *, share: Decimal = FULL_PRICE) -> Decimal:
    """USD for `usage` on `model`, to 12 decimal places; 0 for in-process models without a price.

    `prices_of` is whose published prices hold where those are not the prices of the API's own company; `share` is the
    part of the price that is paid (a batch's, `mirepoix.config.Batching`).
    Raises ConfigError where neither the configuration nor the table knows a price.
    """
    if model.price is not None:
        return (_by_price(model.price, usage) * share).quantize(PICO)
    if api is Api.PYTHON:
        return Decimal(0)
    return (_by_table(model.name, prices_of or PRICE_LISTS.get(api, api.value), usage) * share).quantize(PICO)


def require_price(key: str, model: Model, api: Api, prices_of: str | None = None) -> None:
    """Raise ConfigError now rather than at the first answer when the price of `model` is not known."""
    try:
        cost(model, api, Usage(input=1, output=1), prices_of)
    except ConfigError as error:
        raise ConfigError(f"models.{key}: {error}") from error


def _by_price(price: Price, usage: Usage) -> Decimal:
    cached = price.input if price.cached_input is None else price.cached_input
    write = price.input if price.cache_write is None else price.cache_write
    write_1h = write if price.cache_write_1h is None else price.cache_write_1h
    plain, short = usage.input - usage.cached - usage.cache_write, usage.cache_write - usage.cache_write_1h
    from_cache, to_cache = usage.cached * cached, short * write + usage.cache_write_1h * write_1h
    return (plain * price.input + from_cache + to_cache + usage.output * price.output) / MILLION


def _by_table(name: str, price_list: str, usage: Usage) -> Decimal:
    counts = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
    )
    try:
        return genai_prices.calc_price(counts, name, provider_id=price_list).total_price
    except LookupError as error:
        raise ConfigError(
            f"no published price is known for {name!r}; give it one: price: {{input: …, output: …}}."
        ) from error
