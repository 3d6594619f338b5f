"""What is wrong with a configuration is said with its file, line, key and what to do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mirepoix.config_file import load_config, parse_config
from mirepoix.errors import ConfigError

PROVIDERS = "providers:\n  openai: {api: openai}\n  local: {api: python, external: false}\n"
MODELS = 'models:\n  mini: {provider: openai, name: gpt-5.4-mini}\n  reader: {provider: local, callable: "m:f"}\n'
GOOD = PROVIDERS + MODELS
TWO = GOOD + "pipelines:\n  p: {call: {model: mini}}\n  q: {call: {model: mini}}\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("providers:\n  openai: {apy: openai}\n" + MODELS, 2, "unknown key 'apy'. Did you mean 'api'?"),
        ("providers:\n  openai: {api: opnai}\n" + MODELS, 2, "'openai', 'anthropic', 'gemini', 'azure' or 'python'"),
        (PROVIDERS + "models:\n  mini: {provider: opnai}\n", 5, "unknown provider 'opnai'. Did you mean 'openai'?"),
        (PROVIDERS + "models:\n  mini: {provider: local}\n", 5, "needs callable: module:function"),
        (PROVIDERS + 'models:\n  mini: {provider: openai, callable: "m:f"}\n', 5, "takes no callable"),
        (PROVIDERS + "models:\n  mini: {provider: openai, fallbacks: [mini]}\n", 5, "cannot fall back to itself"),
        (PROVIDERS + "models:\n  mini: {provider: openai, fallbacks: [x]}\n", 5, "unknown fallback 'x'"),
        (GOOD + "pipelines:\n  p: {call: {model: mimi}}\n", 8, "unknown model 'mimi'. Did you mean 'mini'?"),
        (GOOD + "pipelines:\n  p: {call: {modle: mini}}\n", 8, "unknown key 'modle'. Did you mean 'model'?"),
        (GOOD + "pipelines:\n  p: {chain: []}\n", 8, "at least 1 item"),
        (GOOD + "pipelines:\n  p: {cal: {model: mini}}\n", 8, "unknown key 'cal'. Did you mean 'call'?"),
        (GOOD + "pipelines:\n  p: {}\n", 8, "this one has none"),
        (GOOD + "pipelines:\n  p: {chain: &a [{chain: *a}]}\n", 8, "contains itself"),
        (GOOD + "pipelines:\n  p: {call: {model: mini}}\n  p: {call: {model: mini}}\n", 9, "stands here twice"),
        (
            GOOD + "pipelines:\n  p: {ensemble: {members: [{call: {model: mini}}], min_success: 2}}\n",
            8,
            "only 1 member",
        ),
        ("providers:\n  orchestrate: {api: openai}\n" + MODELS, 2, "name of the house's own queue"),
        ("providers: [\n", 2, "not valid YAML"),
        (TWO + "rollouts:\n  p: {to: q, canary: 10}\n", 11, "in percent, above 0% and at most 100%, like 5%"),
        (TWO + "rollouts:\n  p: {to: q, shadow: 0%}\n", 11, "in percent, above 0% and at most 100%, like 5%"),
        (TWO + "rollouts:\n  p: {to: q, canary: 100%}\n", 11, "has nothing to be compared with"),
        (TWO + "rollouts:\n  p: {to: q}\n", 11, "say what it gets: shadow or canary"),
        (TWO + "rollouts:\n  p: {to: r, shadow: 5%}\n", 11, "unknown pipeline 'r'"),
        (TWO + "rollouts:\n  r: {to: q, shadow: 5%}\n", 11, "unknown pipeline 'r'"),
        (TWO + "rollouts:\n  p: {to: p, shadow: 5%}\n", 11, "next version stands in another pipeline"),
        (TWO + "rollouts:\n  p: {to: q, canary: 5%, by: tenat}\n", 11, "Did you mean 'tenant'?"),
        (TWO + 'rollouts:\n  p: {to: q, canary: 5%, by: "tag:a b"}\n', 11, "a name has letters"),
    ],
)
def test_a_mistake_is_found_at_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "m.yaml")
    assert f"m.yaml:{line}:" in str(caught.value)
    assert says in str(caught.value)


def test_mistakes_are_told_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("providers:\n  a: {apy: openai}\n  b: {api: openai, timeout: -1}\nmodels:\n  m: {provider: a}\n")
    assert len(str(caught.value).splitlines()) == 2


def test_a_mistake_deep_in_a_pipeline_is_found_at_its_line() -> None:
    text = GOOD + (
        "pipelines:\n"
        "  deep:\n"
        "    chain:\n"
        "      - call: {model: mini}\n"
        "      - route:\n"
        "          by: complexity\n"
        "          to:\n"
        "            - {below: 0.5, call: {model: mini}}\n"
        "            - ensemble:\n"
        "                members:\n"
        "                  - call: {model: mini}\n"
        "                  - call: {model: lost}\n"
    )
    with pytest.raises(ConfigError, match=r"mirepoix\.yaml:18: .*step '1\.to\.1\.members\.1': unknown model 'lost'"):
        parse_config(text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[" * 5000, "a: " * 3, "- 1\n", "null\n", "\x00"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text)


def test_a_file_that_is_not_there_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mirepoix init"):
        load_config(tmp_path / "mirepoix.yaml")


def test_names_and_prices_are_read_exactly() -> None:
    config = parse_config(PROVIDERS + "models:\n  m: {provider: openai, price: {input: 0.1, output: 0.000001}}\n")
    price = config.models["m"].price
    assert price is not None
    assert (price.input, price.output) == (Decimal("0.1"), Decimal("0.000001"))
    assert config.models["m"].name == "m"
    assert config.providers["openai"].url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "169.254.1.1:8080",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "100.100.100.200",
    ],
)
def test_an_address_where_clouds_keep_credentials_is_refused_unless_it_is_meant(host: str) -> None:
    text = (
        f'providers:\n  p: {{api: openai, base_url: "http://{host}/v1"}}\nmodels:\n  m: {{provider: p, name: gpt-4}}\n'
    )
    with pytest.raises(ConfigError, match=r"c:2: providers.p: base_url leads to .* say allow_link_local: true"):
        parse_config(text, "c")
    parse_config(text.replace("api: openai,", "api: openai, allow_link_local: true,"), "c")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "10.0.0.7", "vllm.internal", "[::1]", "api.openai.com"])
def test_servers_of_ones_own_may_be_asked(host: str) -> None:
    parse_config(f'providers:\n  p: {{api: openai, base_url: "http://{host}/v1"}}\nmodels:\n  m: {{provider: p}}\n')
