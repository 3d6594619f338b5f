"""The adapters against fakellm (MIT, by Douglas Gregor), which answers by rules as OpenAI or Anthropic would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mirepoix.config import Api
from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.providers.base import Turn
from tests.conformance.foreign import WEATHER, ask, running

APIS = [Api.OPENAI, Api.ANTHROPIC]
RULES = """
version: 1
rules:
  - {name: no model, when: {model_matches: none}, respond: {status: 404, error: "no such model"}}
  - {name: busy, when: {model_matches: busy}, respond: {status: 529, error: "too much at once"}}
  - {name: go on, when: {previous_message_contains: "the air"}, respond: {content: "You said it before."}}
  - name: tools
    when: {tools_include: get_weather}
    respond: {tool_calls: [{name: get_weather, arguments: {city: "São Paulo", days: [1, 2]}}]}
  - {name: all, respond: {content: "Because of the air: «Rayleigh», 青."}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    rules = tmp_path_factory.mktemp("fakellm") / "fakellm.yaml"
    rules.write_text(RULES, encoding="utf-8")
    with running("fakellm", "--config", str(rules), health="/_fakellm/stats") as url:
        yield url + "/v1"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
def test_the_text_comes_back_whole(server: str, api: Api, stream: bool) -> None:
    completion, pieces = ask(server, api, stream=stream)
    assert completion.answer == "Because of the air: «Rayleigh», 青."
    assert pieces == (completion.answer if stream else "")
    assert completion.finish_reason in ("stop", "end_turn")


@pytest.mark.parametrize("api", APIS)
def test_a_conversation_keeps_its_turns(server: str, api: Api) -> None:
    turns = (Turn("user", "Why blue?"), Turn("assistant", "It is the air."), Turn("user", "Are you sure?"))
    assert ask(server, api, turns=turns)[0].answer == "You said it before."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
def test_a_tool_is_asked_for_with_its_arguments(server: str, api: Api, stream: bool) -> None:
    completion, _ = ask(server, api, stream=stream, tools=(WEATHER,))
    assert [(call.name, call.arguments) for call in completion.tool_calls] == [
        ("get_weather", {"city": "São Paulo", "days": [1, 2]})
    ]
    assert completion.finish_reason in ("tool_calls", "tool_use")


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("model", "kind"), [("none", ErrorKind.NOT_FOUND), ("busy", ErrorKind.OVERLOADED)])
def test_an_error_is_what_its_status_says(server: str, api: Api, model: str, kind: ErrorKind) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(server, api, model=model)
    assert caught.value.kind is kind
    assert ("no such model" if model == "none" else "too much at once") in str(caught.value)


def test_a_long_answer_of_anthropic_is_streamed_though_nobody_listens(server: str) -> None:
    completion, pieces = ask(server, Api.ANTHROPIC, max_tokens=30_000)
    assert completion.answer == "Because of the air: «Rayleigh», 青."
    assert pieces == ""
