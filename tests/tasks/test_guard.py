"""Who is asked instead when a request must stay in the house."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from mirepoix.config import Config
from mirepoix.privacy import Sensitive
from pipelines.privacy.request import Exposure, look_into
from tasks.guard import Guard, Kept
from tasks.memory import SHORT, Memory, NotLookedInto
from tasks.providers.base import File, Question, Tool, Turn

CARD = "4111 1111 1111 1111"
MODELS = {
    "far": {"provider": "out", "price": {"input": 1, "output": 1}, "fallbacks": ["further", "near", "nearer"]},
    "further": {"provider": "out", "price": {"input": 1, "output": 1}},
    "near": {"provider": "in", "callable": "json:loads", "fallbacks": ["further"]},
    "nearer": {"provider": "in", "callable": "json:loads"},
    "last": {"provider": "in", "callable": "json:loads"},
}
PROVIDERS = {"out": {"api": "openai"}, "in": {"api": "python", "external": False}}


def house(**privacy: Any) -> Config:
    """A configuration with that privacy section."""
    return Config.model_validate({"providers": PROVIDERS, "models": MODELS, "privacy": privacy})


def question(text: str = "Hello.", **more: Any) -> Question:
    """A question with one turn."""
    files = more.pop("files", ())
    return Question("far", (Turn("user", text, files),), more.pop("system", None), 100, None, **more)


def kept(
    config: Config, text: str, *, named: str = "far", asked: str = "far", failed: frozenset[str] = frozenset()
) -> Kept | None:
    """What becomes of a request with that text."""
    body: Any = {"messages": [{"role": "user", "content": text}]}
    return Guard(config).keep_in_house(
        named=named, asked=asked, question=question(text), body=body, failed=lambda: failed
    )


@pytest.mark.parametrize(
    ("failed", "privacy", "instead"),
    [
        ((), {}, "near"),
        (("near",), {}, "nearer"),
        (("near", "nearer"), {}, None),
        (("near", "nearer"), {"model": "last"}, "last"),
        (("near", "nearer", "last"), {"model": "last"}, None),
    ],
)
def test_the_next_in_the_house_is_asked_and_none_twice(
    failed: tuple[str, ...], privacy: dict[str, Any], instead: str | None
) -> None:
    found = kept(house(**privacy), CARD, failed=frozenset(failed))
    assert found is not None
    assert found.model == instead
    assert found.decision.choice == (instead or "fail")
    assert CARD not in found.decision.model_dump_json()


def test_what_is_harmless_or_stays_in_the_house_goes_its_way() -> None:
    assert kept(house(), "Hello.") is None
    assert kept(house(), CARD, asked="near") is None
    assert kept(house(sensitive="allow"), CARD) is None
    assert kept(house(kinds=["email"]), CARD) is None


def test_it_says_what_to_do_where_nobody_is_in_the_house() -> None:
    found = kept(house(), CARD, named="further", asked="further")
    assert found is not None
    assert found.model is None
    assert "give 'further' a fallback whose provider has external: false" in found.decision.reason
    assert "messages[0].content" in found.decision.reason


@pytest.mark.parametrize(
    "asked",
    [
        question(CARD),
        question(system=f"Know {CARD}."),
        question(tools=(Tool("pay", f"pays with {CARD}", {}),)),
        question(tools=(Tool("pay", "pays", {"properties": {"card": {"default": CARD}}}),)),
        question(schema={"enum": [CARD]}),
        question(stop=(CARD,)),
        question(files=(File("image/png", url=f"https://example.org/?card={CARD}"),)),
        Question("far", (Turn("user", CARD), Turn("assistant", "Thanks."), Turn("user", "Go on.")), None, 10, None),
        Question("far", (Turn("user", "Hello."), Turn("assistant", CARD), Turn("user", "Go on.")), None, 10, None),
    ],
)
def test_no_part_of_a_question_falls_back_to_an_external_model(asked: Question) -> None:
    assert not Guard(house()).may_fall_back(asked, "further")
    assert Guard(house()).may_fall_back(asked, "nearer")
    assert Guard(house(sensitive="allow")).may_fall_back(asked, "further")


def test_files_stay_in_the_house_where_it_says_so() -> None:
    asked = question(files=(File("image/png", data="iVBORw0KGgo=" * 40),))
    assert Guard(house()).may_fall_back(asked, "further")
    assert not Guard(house(files="local")).may_fall_back(asked, "further")
    found = Guard(house(files="local")).keep_in_house(named="far", asked="far", question=asked, body={}, failed=tuple)
    assert found is not None
    assert (found.model, found.decision.features["found"]) == ("near", {"file": 1})


@pytest.mark.parametrize("text", [f"{CARD} {'x' * SHORT}", "x" * SHORT])
def test_a_long_request_is_looked_into_before_it_is_opened_and_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    guard, looks = Guard(house()), list[object]()

    def counted(request: object, kinds: Iterable[Sensitive]) -> Exposure | None:
        looks.append(request)
        return look_into(request, kinds)

    def keep(text: str = text) -> Kept | None:
        body: Any = {"messages": [{"role": "user", "content": text}]}
        return guard.keep_in_house(named="far", asked="far", question=question(text), body=body, failed=tuple)

    monkeypatch.setattr("tasks.guard.look_into", counted)

    with pytest.raises(NotLookedInto) as unseen:
        keep()
    assert not looks, "nothing is looked for within the transaction"
    unseen.value.look()
    for _ in range(3):
        assert (keep() is not None) is (CARD in text)
    assert len(looks) == 1
    with pytest.raises(NotLookedInto):
        keep(text + "!")


def test_a_route_counts_in_a_long_text_before_it_decides() -> None:
    guard, text = Guard(house()), f"{CARD} {'x' * SHORT}"
    with pytest.raises(NotLookedInto) as unseen:
        guard.count_in(text)
    unseen.value.look()
    assert guard.count_in(text) == {"card": 1}
    assert guard.count_in(CARD) == {"card": 1}


def test_what_long_texts_hold_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.memory.MOST_KEPT", 2)
    memory, texts = Memory[int](), [f"{number} {'x' * SHORT}" for number in range(5)]
    for text in texts:
        assert memory.find(text, partial(int, text[0])) == int(text[0])
    assert memory.recall(texts[-1], lambda: -1) == 4
    with pytest.raises(NotLookedInto):
        memory.recall(texts[0], lambda: -1)
