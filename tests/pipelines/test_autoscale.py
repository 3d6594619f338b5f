"""How many worker processes a provider is worth."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mirepoix.config import Config
from mirepoix.config_file import parse_config
from pipelines.autoscale import FULL, Load, feed, most_useful, size

COUNTS = st.integers(0, 100_000)
LIMITS = st.fixed_dictionaries(
    {}, optional={"rpm": st.integers(1, 10_000), "tpm": st.integers(1, 10**7), "concurrency": st.integers(1, 5_000)}
)
LOADS = st.builds(
    Load,
    waiting=COUNTS,
    oldest=st.floats(0, 10_000),
    held=COUNTS,
    running=st.integers(0, 200),
    latency=st.none() | st.floats(0.001, 600),
    tokens=st.none() | st.floats(1, 100_000),
    ended=st.just(100),
    failed=st.integers(0, 100),
    shut=st.sampled_from([None, "its breaker is open"]),
)


def config(limits: dict[str, int] | None = None, threads: int = 10, **workers: float) -> Config:
    """One provider with these limits and bounds, and one model."""
    found = parse_config("providers: {p: {api: openai}}\nmodels: {m: {provider: p}}")
    given_ = {"workers": {"least": 0, "most": 10_000, **workers}, "limits": limits or {}, "concurrency": threads}
    provider = found.providers["p"].model_validate({"api": "openai", **given_})
    return found.model_copy(update={"providers": {"p": provider}})


CONFIGS = st.builds(config, LIMITS, st.integers(1, 500))
CALM = Load(running=1, latency=2.0, tokens=100.0)


def workers(house: Config, load: Load) -> int:
    return size(house, "p", load).workers


@given(CONFIGS, LOADS)
def test_never_more_than_the_limits_can_feed(house: Config, load: Load) -> None:
    fed = feed(house, "p", 2.0 if load.latency is None else load.latency, load.tokens)
    if not math.isinf(fed.calls):
        assert workers(house, load) <= max(1, math.ceil(fed.calls / house.providers["p"].concurrency))


@given(LIMITS, LOADS, st.integers(0, 5), st.integers(5, 20))
def test_always_within_the_bounds_of_the_configuration(
    limits: dict[str, int], load: Load, least: int, most: int
) -> None:
    assert least <= workers(config(limits, least=least, most=most), load) <= most


@given(CONFIGS, LOADS, COUNTS)
def test_more_to_do_is_never_worth_fewer(house: Config, load: Load, more: int) -> None:
    assert workers(house, replace(load, waiting=load.waiting + more)) >= workers(house, load)
    assert workers(house, replace(load, held=load.held + more)) >= workers(house, load)


@given(CONFIGS, LOADS)
def test_who_follows_the_advice_is_given_the_same_again(house: Config, load: Load) -> None:
    advised = workers(house, replace(load, shut=None, failed=0))
    assert workers(house, replace(load, shut=None, failed=0, running=advised)) == advised


@given(CONFIGS, LOADS)
def test_a_provider_in_trouble_gets_no_more_than_it_has(house: Config, load: Load) -> None:
    assert workers(house, replace(load, shut="its breaker is open")) <= max(1, load.running)
    assert workers(house, replace(load, failed=51)) <= max(1, load.running)


@given(CONFIGS, LOADS)
def test_one_worker_at_least_where_there_is_something_to_do(house: Config, load: Load) -> None:
    assert (workers(house, load) > 0) or load.waiting + load.held == 0


def test_littles_law() -> None:
    """1,200 calls of 2 s within 60 s are 40 at once: four processes of ten."""
    sizing = size(config(), "p", replace(CALM, waiting=1200))
    assert (sizing.workers, sizing.wanted) == (4, 40.0)
    assert sizing.reason == (
        "1200 calls wait (the oldest for 0 s), 0 are in hand, cleared in 60 s at 2.00 s a call: "
        "40.0 at once, 10 a process"
    )


def test_what_has_waited_long_is_hurried() -> None:
    sizes = [workers(config(), replace(CALM, waiting=1200, oldest=oldest)) for oldest in (0, 30, 45, 1000)]
    assert sizes == [4, 8, 16, 16]


def test_few_calls_that_take_long_need_no_more_than_a_thread_each() -> None:
    assert workers(config(), replace(CALM, waiting=20, latency=600.0)) == 2


def test_each_limit_bounds_and_is_named() -> None:
    busy = replace(CALM, waiting=100_000)
    bounds: dict[str, dict[str, int]] = {
        "rpm: 600": {"rpm": 600},  # 10 a second, of 2 s each: 20 at once
        "tpm: 60000": {"tpm": 60_000},  # of 100 tokens each: 10 a second
        "concurrency: 20": {"concurrency": 20},
    }
    for name, limits in bounds.items():
        sizing = size(config(limits), "p", busy)
        assert (sizing.workers, sizing.fed) == (2, 20.0), name
        assert f"{name} feeds no more than 20.0 at once" in sizing.reason


def test_limits_of_models_bound_their_provider_only_when_all_have_some() -> None:
    one, all_ = (
        parse_config(f"providers: {{p: {{api: openai}}}}\nmodels: {{a: {{provider: p, limits: {{rpm: 60}}}}, b: {b}}}")
        for b in ("{provider: p}", "{provider: p, limits: {rpm: 120}}")
    )
    assert math.isinf(feed(one, "p", 2.0, None).calls)
    assert feed(all_, "p", 2.0, None).calls == 6.0


def test_a_small_ebb_takes_nobody_away_and_a_great_one_does() -> None:
    held = [workers(config(), replace(CALM, held=held, running=5)) for held in (51, 50, 36, 34, 10, 0)]
    assert held == [6, 5, 5, 5, 2, 0]
    assert math.ceil(34 / 10 / FULL) == 5


def test_what_is_not_known_is_assumed_and_said() -> None:
    assert "2.00 s a call (assumed" in size(config(), "p", Load(waiting=10)).reason


def test_a_shut_provider_keeps_one_that_finds_out_when_it_is_open() -> None:
    sizing = size(config(), "p", Load(waiting=10_000, shut="its breaker is open"))
    assert sizing.workers == 1
    assert "no more are added while its breaker is open" in sizing.reason


def test_the_most_that_can_ever_be_useful() -> None:
    assert most_useful(config({"rpm": 60}, most=50), "p") == 12  # calls of 120 s, the time-out: 120 at once
    assert most_useful(config(most=50), "p") == 50
