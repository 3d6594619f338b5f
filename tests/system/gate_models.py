"""In-process tiers, judges and functions for tests of cascades: the job's input says what each of them says.

A tier sees `N {"tiers": […], …}` and answers with the text of tier N; null there means that it breaks.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any
from uuid import uuid4

from pydantic import JsonValue

from mirepoix import Answer


def say(prompt: str) -> str:
    """What the input has for this tier."""
    number, _, given = prompt.partition(" ")
    said = json.loads(given)["tiers"][int(number)]
    if said is None:
        raise ValueError("this tier has nothing to say")
    return str(said)


def ramble(prompt: str) -> str:
    """Something else each time."""
    return uuid4().hex


def judge(prompt: str) -> JsonValue:
    """The score that the answer asks for, as in `judge me 0.4`; breaks where it asks for that."""
    answer = re.search(r"<answer-(\w+)>\n(.*)\n</answer-\1>", prompt, re.DOTALL)
    assert answer is not None, "the judge is shown no answer"
    assert "<question-" in prompt, "the judge is shown no question"
    if "break the judge" in answer[2]:
        raise ValueError("the judge breaks")
    found = re.search(r"judge me (\S+)", answer[2])
    return f'Well.\n{{"score": {found[1]}, "reason": "it asked for that"}}' if found else "No idea."


def compare(prompt: str) -> JsonValue:
    """Whether both answers name the same city; breaks, or talks nonsense, where one of them asks for that."""
    found = [re.search(rf"<{name}-(\w+)>\n(.*)\n</{name}-\1>", prompt, re.DOTALL) for name in ("answer", "other")]
    assert all(found), "the judge is not shown both answers"
    assert "<question-" in prompt, "the judge is shown no question"
    answers = [one[2] for one in found if one]
    if any("break the judge" in answer for answer in answers):
        raise ValueError("the judge breaks")
    if any("nonsense" in answer for answer in answers):
        return "They are both very nice."
    cities = [{city for city in ("Paris", "Lyon") if city in answer} for answer in answers]
    return {"same": cities[0] == cities[1], "reason": "the city"}


def grade(answer: Answer) -> tuple[float, str]:
    """Good where the answer says so and the input wants that; breaks or hangs where the answer asks for it."""
    if "raise" in answer.text:
        raise KeyError("grade")
    if "hang" in answer.text:
        time.sleep(30)
    wanted: Any = answer.input
    return (0.9, f"tier {answer.tier} is good") if wanted["good"] in answer.text else (0.1, "it is not")
