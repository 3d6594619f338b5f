"""Which jobs may wait for a batch, which providers take one, and what it costs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from mirepoix.config import Api, Batching, Model, Price, Provider
from mirepoix.errors import InputError
from mirepoix.ledger.accept import Submission
from mirepoix.prices import Usage, cost

DAY = 24 * 3600.0


@pytest.mark.parametrize(
    ("submission", "waits"),
    [
        (Submission("x"), False),
        (Submission("x", deadline=DAY), False),
        (Submission("x", deadline=DAY + 1), True),
        (Submission("x", deadline=DAY + 1, latency="now"), False),
        (Submission("x", deadline=DAY + 1, stream=True), False),
        (Submission("x", latency="batch"), True),
        (Submission("x", latency="batch", deadline=DAY + 1), True),
    ],
)
def test_a_job_may_wait_where_it_says_so_or_has_more_than_a_day(submission: Submission, waits: bool) -> None:
    assert submission.may_wait is waits


def test_what_cannot_wait_is_refused() -> None:
    with pytest.raises(InputError, match="may take a day"):
        Submission("x", latency="batch", deadline=60)
    with pytest.raises(InputError, match="told as a whole"):
        Submission("x", latency="batch", stream=True)
    with pytest.raises(InputError, match="now or batch"):
        Submission("x", latency="soon")


def test_a_provider_takes_batches_at_its_own_address_or_where_it_is_told_to() -> None:
    elsewhere = "https://models.example.com/v1"
    assert Provider(api=Api.OPENAI).batching == Provider(api=Api.ANTHROPIC).batching == Batching()
    assert Provider(api=Api.OPENAI, batch=False).batching is None
    assert Provider.model_validate({"api": "openai", "base_url": elsewhere}).batching is None
    told = Provider.model_validate({"api": "openai", "base_url": elsewhere, "batch": {"price": "0.4"}})
    assert told.batching == Batching(price=Decimal("0.4"))
    assert Provider(api=Api.GEMINI).batching is None
    with pytest.raises(ValidationError, match="anthropic or openai"):
        Provider(api=Api.GEMINI, batch=Batching())


@pytest.mark.parametrize("price", [Price(input=Decimal(1), output=Decimal(2)), None])
def test_a_share_of_the_price_is_paid(price: Price | None) -> None:
    model, usage = Model(provider="p", name="gpt-4o", price=price), Usage(input=1001, output=3, cached=5)
    whole = cost(model, Api.OPENAI, usage)
    assert cost(model, Api.OPENAI, usage, share=Decimal("0.5")) == whole / 2 > 0
