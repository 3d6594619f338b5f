"""What is known of a model beyond its price: how much it can read."""

from __future__ import annotations

from genai_prices import data_snapshot

from mirepoix.config import Api, Model, Provider
from mirepoix.prices import PRICE_LISTS


def context_window(model: Model, provider: Provider) -> int | None:
    """How many tokens `model` takes: as configured, else as published (`genai-prices`); None where nobody says."""
    if model.context_window is not None or provider.api is Api.PYTHON:
        return model.context_window
    listed = provider.prices_of or PRICE_LISTS.get(provider.api, provider.api.value)
    try:
        _, known = data_snapshot.get_snapshot().find_provider_model(model.name, None, listed, None)
    except LookupError:
        return None
    return known.context_window
