"""What models say: known answers, wrong ones, options, extracts and confidences."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from emulator.answers import Answerer
from emulator.draws import generator
from emulator.extract import most_central, statements
from emulator.profiles import DEFAULT_PROFILES
from emulator.questions import Question, QuestionBank
from emulator.wire import Ask, Message

ABLE = replace(DEFAULT_PROFILES["gpt-4"], skill=9, guess=0)
UNABLE = replace(ABLE, name="unable", skill=-9)
QUESTION = "What is the capital of France?"
WRONG = ("Lyon", "Marseille", "Nice", "Lille")
BANK = QuestionBank([Question(id="q", question=QUESTION, answer="Paris", wrong=WRONG, task="geography")])
TEXT = (
    "The harbour of Lindau was enlarged in 1856. A lighthouse marks the entrance of the harbour. "
    "Visitors like ice cream. The lighthouse of the harbour is the southernmost lighthouse of Germany. "
    "It rained."
)


def say(prompt: str, system: str = "", rho: float = 0.6, able: bool = True, luck: int = 0) -> str:
    messages = (Message("system", system), Message("user", prompt))
    answerer = Answerer(BANK, seed=0, rho=rho)
    answer = answerer.answer(Ask(model="m", messages=messages), ABLE if able else UNABLE, generator("luck", luck))
    return answer.in_full


def test_an_able_model_gives_the_bare_answer() -> None:
    assert say(f"Please answer.\n{QUESTION}") == "Paris"


def test_an_unable_model_gives_a_wrong_answer_on_which_votes_can_agree() -> None:
    said = Counter(say(QUESTION, able=False, luck=luck) for luck in range(400))
    assert said.keys() == set(WRONG)
    assert said.most_common(1)[0][1] > 200


def test_at_rho_1_all_give_the_same_wrong_answer() -> None:
    assert len({say(QUESTION, able=False, rho=1, luck=luck) for luck in range(50)}) == 1


def test_a_question_is_answered_within_a_conversation() -> None:
    messages = (Message("user", QUESTION), Message("assistant", "Paris"), Message("user", "Are you sure?"))
    answer = Answerer(BANK, seed=0, rho=0.6).answer(Ask(model="m", messages=messages), ABLE, generator("luck"))
    assert answer.text == "Paris"


@pytest.mark.parametrize(
    ("prompt", "system"), [(f"{QUESTION}\nState your CONFIDENCE.", ""), (QUESTION, "With confidence.")]
)
def test_the_confidence_stands_on_the_last_line_where_it_is_asked_for(prompt: str, system: str) -> None:
    assert re.fullmatch(r"Paris\nConfidence: 0\.\d\d", say(prompt, system))


def test_a_class_is_chosen_from_the_options() -> None:
    options = "Classify this query as one of: history, geography, or cooking."
    assert say(f"{options}\n{QUESTION}") == "geography"
    assert say(f"{options}\nHow long does one stir when cooking risotto?") == "cooking"


def test_a_text_is_answered_with_its_most_central_sentences() -> None:
    assert say(f"Summarise this text:\n\n{TEXT}") == (
        "The harbour of Lindau was enlarged in 1856. A lighthouse marks the entrance of the harbour. "
        "The lighthouse of the harbour is the southernmost lighthouse of Germany."
    )


def test_key_points_come_as_a_list() -> None:
    points = say(f"Give the key points.\n{TEXT}").splitlines()
    assert len(points) == 3
    assert all(point.startswith("- ") for point in points)


def test_an_unknown_question_is_said_to_be_unknown() -> None:
    assert say("Who  sings?") == 'The emulator does not know an answer to "Who sings?".'
    assert say("Who sings? Say your confidence.").endswith("\nConfidence: 0.20")


def test_headings_questions_and_instructions_state_nothing() -> None:
    text = "Report\nSummarise this. What is it? It is a dog. The list:\n" + "no full stop but a long line " * 3
    assert statements(text) == ["It is a dog.", ("no full stop but a long line " * 3).strip()]


def test_central_sentences_keep_their_order() -> None:
    assert most_central(["Apples fall.", "Rain.", "Apples grow."], 2) == ["Apples fall.", "Apples grow."]
