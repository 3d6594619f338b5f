"""Profiles from a configuration."""

from __future__ import annotations

from decimal import Decimal

import pytest

from emulator.draws import generator
from emulator.latency import draw_latency
from emulator.profiles import DEFAULT_PROFILES, profiles_for
from mirepoix.config_file import parse_config
from mirepoix.errors import ConfigError

PROVIDERS = """
providers:
  one: {api: openai, base_url: http://127.0.0.1:1/v1}
  two: {api: anthropic}
  home: {api: python, external: false}
models:
"""


def test_each_model_asked_over_http_has_a_profile_by_its_wire_name() -> None:
    models = """
      top: {provider: one, name: gpt-4, price: {input: 3, output: 6}}
      haiku: {provider: two, name: claude-haiku-4-5}
      ocr: {provider: home, callable: "tasks.ocr:read"}
    """
    profiles = profiles_for(parse_config(PROVIDERS + models))
    assert profiles.keys() == {"gpt-4", "claude-haiku-4-5"}
    assert profiles["gpt-4"].skill == DEFAULT_PROFILES["gpt-4"].skill
    assert profiles["gpt-4"].cost(1_000, 10) == Decimal("0.00306")
    assert profiles["claude-haiku-4-5"].api == "anthropic"
    assert profiles["claude-haiku-4-5"].cost(1_000_000, 0) == 1
    assert profiles["claude-haiku-4-5"].cost(0, 1_000_000) == 5


@pytest.mark.parametrize(
    ("output_price", "skill"),
    [("0", 0.3), ("0.5", 0.3), ("1.5", 0.65), ("4.5", 1.0), ("20", 2.5), ("900", 2.5)],
)
def test_an_unknown_model_is_as_able_as_its_output_price_suggests(output_price: str, skill: float) -> None:
    models = f"      own: {{provider: one, price: {{input: 1, output: {output_price}}}}}"
    profile = profiles_for(parse_config(PROVIDERS + models))["own"]
    assert profile.skill == pytest.approx(skill)
    assert (profile.name, profile.api, profile.price.output) == ("own", "openai", Decimal(output_price))


def test_two_models_of_one_wire_name_must_agree() -> None:
    first = "      a: {provider: one, name: gpt-4}\n"
    same = first + "      b: {provider: one, name: gpt-4}"
    assert len(profiles_for(parse_config(PROVIDERS + same))) == 1
    differ = first + "      b: {provider: two, name: gpt-4, price: {input: 1, output: 2}}"
    with pytest.raises(ConfigError, match=r"models\.b: another model is also called 'gpt-4' on the wire"):
        profiles_for(parse_config(PROVIDERS + differ))


def test_a_model_without_a_known_price_is_refused() -> None:
    with pytest.raises(ConfigError, match="no published price is known for 'own'"):
        profiles_for(parse_config(PROVIDERS + "      own: {provider: one}"))


def test_latencies_have_the_median_of_their_profile() -> None:
    profile = DEFAULT_PROFILES["gpt-4"]
    drawn = sorted(draw_latency(profile, 40, generator("latency", number)).total for number in range(2001))
    assert drawn[1000] == pytest.approx(profile.ttft_median + 40 / profile.tokens_per_second, rel=0.05)
    assert drawn[0] > 0
