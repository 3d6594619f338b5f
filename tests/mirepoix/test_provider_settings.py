"""What a provider of the configuration may say beyond its address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from mirepoix.config import Api, Provider
from mirepoix.config_file import parse_config
from pipelines.check import check_config

DOCUMENT = Path(__file__).parents[2] / "docs" / "providers.md"


def test_each_api_has_its_own_address() -> None:
    assert Provider(api=Api.GEMINI).url == "https://generativelanguage.googleapis.com/v1beta"
    assert Provider(api=Api.ANTHROPIC).url == "https://api.anthropic.com/v1"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"api": "azure"}, "api: azure needs a base_url"),
        ({"api": "openai", "extra_body": {"messages": []}}, "cannot set 'messages'"),
        ({"api": "openai", "extra_body": {"stream": True}}, "cannot set 'stream'"),
        ({"api": "openai", "rename": {"seed": "model"}}, "cannot set 'model'"),
        ({"api": "gemini", "rename": {"seed": "x"}}, "rename is for servers that speak OpenAI's format"),
        ({"api": "openai", "headers": {"X-A": "a\r\nX-B: b"}}, "should match pattern"),
        ({"api": "openai", "headers": {"X A": "a"}}, "should match pattern"),
        ({"api": "azure", "base_url": "https://a.org", "api_version": "2024&x=y"}, "should match pattern"),
    ],
)
def test_what_cannot_be_sent_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Provider.model_validate(settings)


def test_the_providers_that_the_document_shows_can_be_configured_so() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    config = parse_config(shown)
    assert check_config(config) == []
    assert config.providers["azure"].api_version == "2024-10-21", "YAML takes it for a date"
