"""Money is exact: by the configured price, else by the published one, else refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirepoix.config import Api, Model, Price
from mirepoix.errors import ConfigError
from mirepoix.prices import Usage, cost, require_price

PRICE = Price(input=Decimal("0.25"), output=Decimal(2), cached_input=Decimal("0.025"), cache_write=Decimal("0.3125"))


def test_each_token_has_its_price() -> None:
    model = Model(provider="p", name="m", price=PRICE)
    usage = Usage(input=1000, output=100, cached=400, cache_write=200)
    dollars = (400 * Decimal("0.25") + 400 * Decimal("0.025") + 200 * Decimal("0.3125") + 100 * 2) / 1_000_000
    assert cost(model, Api.OPENAI, usage) == dollars


def test_cached_tokens_cost_as_others_where_nothing_is_said() -> None:
    model = Model(provider="p", name="m", price=Price(input=Decimal(1), output=Decimal(1)))
    assert cost(model, Api.OPENAI, Usage(input=10, output=0, cached=5, cache_write=5)) == Decimal("0.00001")


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_parts_add_up_to_the_whole(counts: list[int]) -> None:
    model = Model(provider="p", name="m", price=PRICE)
    parts = sum((cost(model, Api.OPENAI, Usage(input=count, output=0)) for count in counts), Decimal(0))
    assert parts == cost(model, Api.OPENAI, Usage(input=sum(counts), output=0))


def test_a_published_price_is_looked_up() -> None:
    model = Model(provider="p", name="gpt-4o-mini")
    assert cost(model, Api.OPENAI, Usage(input=1_000_000, output=1_000_000)) == Decimal("0.75")


@pytest.mark.parametrize(
    ("name", "api", "prices_of"),
    [
        ("gemini-2.5-flash", Api.GEMINI, None),
        ("gpt-4o-mini", Api.AZURE, None),
        ("mistral-small-latest", Api.OPENAI, "mistral"),
        ("deepseek-chat", Api.OPENAI, "deepseek"),
        ("llama-3.3-70b-versatile", Api.OPENAI, "groq"),
        ("openai/gpt-4o-mini", Api.OPENAI, "openrouter"),
    ],
)
def test_each_company_has_its_published_prices(name: str, api: Api, prices_of: str | None) -> None:
    model = Model(provider="p", name=name)
    dear = cost(model, api, Usage(input=1_000_000, output=0), prices_of)
    assert dear > 0
    assert cost(model, api, Usage(input=1_000_000, output=0, cached=1_000_000), prices_of) <= dear


def test_what_is_kept_for_an_hour_costs_more_to_write() -> None:
    model = Model(provider="p", name="claude-haiku-4-5")
    short = cost(model, Api.ANTHROPIC, Usage(input=1_000_000, output=0, cache_write=1_000_000))
    long = cost(model, Api.ANTHROPIC, Usage(input=1_000_000, output=0, cache_write=1_000_000, cache_write_1h=1_000_000))
    assert (short, long) == (Decimal("1.25"), Decimal(2))
    price = PRICE.model_copy(update={"cache_write_1h": Decimal(3)})
    usage = Usage(input=10, output=0, cache_write=10, cache_write_1h=4)
    assert (
        cost(Model(provider="p", name="m", price=price), Api.OPENAI, usage)
        == (6 * Decimal("0.3125") + 4 * 3) / 1_000_000
    )


def test_an_unknown_price_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"models\.mine: no published price is known for 'my-own'; give it one"):
        require_price("mine", Model(provider="p", name="my-own"), Api.OPENAI)


def test_a_model_in_the_house_costs_nothing_unless_said() -> None:
    usage = Usage(input=1000, output=1000)
    assert cost(Model(provider="p", name="m", callable="a:b"), Api.PYTHON, usage) == 0
    assert cost(Model(provider="p", name="m", callable="a:b", price=PRICE), Api.PYTHON, usage) > 0
