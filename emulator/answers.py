"""What an emulated model says: a known answer, right or wrong by its skill, or the prompt's own sentences."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from emulator.draws import generator
from emulator.extract import most_central, statements
from emulator.judging import answer_to_judge, score_answer
from emulator.profiles import ModelProfile
from emulator.questions import Found, Question, QuestionBank
from emulator.recorded import RecordedAnswer
from emulator.skill import Outcome, stated_confidence, try_question
from emulator.wire import Ask

SENTENCES = 3
UNKNOWN_CONFIDENCE = 0.2
EVEN = 0.5
_QUOTED = 80
_CLASSIFY = re.compile(r"\bclassif|\btask types?\b|\btype of task\b|\bcategor", re.IGNORECASE)
_OPTIONS = re.compile(r"(?:one of|categories|types?|options)[^:\n]*:([^\n]+)", re.IGNORECASE)
_BULLETS = re.compile(r"key points|bullet", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in words to what was `asked`; `sentences` are there to fill longer fields with.

    `outcome` is how the model really did; None where there was nothing to get right or wrong. `input_tokens` and
    `output_tokens` are those recorded, where it is a recorded answer.
    """

    text: str
    asked: str
    confidence: float
    sentences: tuple[str, ...] = ()
    states_confidence: bool = False
    outcome: Outcome | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def in_full(self) -> str:
        """The answer and, where the prompt asks for it, a last line with its confidence."""
        return f"{self.text}\nConfidence: {self.confidence:.2f}" if self.states_confidence else self.text


class NotRecorded(Exception):
    """The model has no recorded answer to this question, and is to give no other."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """What all models share: the questions they know of, the seed of their luck and how alike they err.

    With `recorded_only` they give recorded answers and no others.
    """

    bank: QuestionBank
    seed: int
    rho: float
    recorded_only: bool = False

    def answer(self, ask: Ask, profile: ModelProfile, draws: random.Random) -> Answer:
        """What the model says to `ask`; `draws` is this request's own luck. Raises NotRecorded."""
        users = [message.text for message in ask.messages if message.role == "user"]
        system = "\n".join(message.text for message in ask.messages if message.role == "system")
        found = next((found for text in reversed(users) if (found := self.bank.find(text))), None)
        judged = answer_to_judge(users[-1], f"{system}\n{users[-1]}") if users else None
        if judged is not None:
            return self._judge(judged, found, profile, draws)
        recorded = None if found is None else found.question.recorded.get(profile.name)
        if found is not None and recorded is not None:
            return self._answer_recorded(found, recorded, system, profile, draws)
        if self.recorded_only:
            raise NotRecorded
        if found is None or found.question.answer is None:
            return self._answer_unknown(users[-1] if users else "", system, profile, draws)
        return self._answer_known(found, found.question.answer, system, profile, draws)

    def _answer_recorded(
        self, found: Found, recorded: RecordedAnswer, system: str, profile: ModelProfile, draws: random.Random
    ) -> Answer:
        outcome = Outcome(margin=1.0 if recorded.right else -1.0)
        return Answer(
            text=recorded.text,
            asked=found.question.question,
            confidence=stated_confidence(profile, outcome, draws),
            states_confidence=_asks_for_confidence(f"{system}\n{found.around}"),
            outcome=outcome,
            input_tokens=recorded.input_tokens,
            output_tokens=recorded.output_tokens,
        )

    def _answer_known(
        self, found: Found, right: str, system: str, profile: ModelProfile, draws: random.Random
    ) -> Answer:
        question, instruction = found.question, f"{system}\n{found.around}"
        shared = generator(self.seed, "question", question.id)
        outcome = try_question(profile, question.difficulty, shared=shared, own=draws, rho=self.rho)
        text = right if outcome.right else self._wrong_answer(question, shared, draws)
        return Answer(
            text=_choose_option(instruction, question.question, question.task) or text,
            asked=question.question,
            confidence=stated_confidence(profile, outcome, draws),
            sentences=tuple(most_central(statements(found.around), SENTENCES)),
            states_confidence=_asks_for_confidence(instruction),
            outcome=outcome,
        )

    def _judge(self, judged: str, found: Found | None, profile: ModelProfile, draws: random.Random) -> Answer:
        """A score for another's answer; to a question that nobody knows, as sure as of any text."""
        right = None if found is None else found.question.answer
        if found is None or right is None:
            outcome = self._try_text(judged, profile, draws)
            score = stated_confidence(profile, outcome, draws)
        else:
            question, shared = found.question, generator(self.seed, "question", found.question.id)
            outcome = try_question(profile, question.difficulty, shared=shared, own=draws, rho=self.rho)
            score = score_answer(profile, outcome, judged, (right, *question.accept), draws)
        reason = "It says what I would have said." if score >= EVEN else "I would have said something else."
        text = json.dumps({"score": round(score, 2), "reason": reason})
        return Answer(text=text, asked=judged, confidence=score, outcome=outcome)

    def _wrong_answer(self, question: Question, shared: random.Random, draws: random.Random) -> str:
        """With probability rho the one that tempts all models, else any, so that votes can agree on one."""
        wrong = [text for text in question.wrong if text not in (question.answer, *question.accept)]
        if not wrong:
            return "I do not know."
        tempting = wrong[int(shared.random() * len(wrong))]
        return tempting if draws.random() < self.rho else wrong[int(draws.random() * len(wrong))]

    def _answer_unknown(self, prompt: str, system: str, profile: ModelProfile, draws: random.Random) -> Answer:
        instruction = f"{system}\n{prompt}"
        found = statements(prompt)
        option = _choose_option(instruction, prompt, None)
        is_text = option is not None or len(found) >= SENTENCES
        outcome = self._try_text(prompt, profile, draws) if is_text else None
        return Answer(
            text=option or _summary(found, instruction) or _not_known(prompt),
            asked=prompt,
            confidence=UNKNOWN_CONFIDENCE if outcome is None else stated_confidence(profile, outcome, draws),
            sentences=tuple(most_central(found, SENTENCES)),
            states_confidence=_asks_for_confidence(instruction),
            outcome=outcome,
        )

    def _try_text(self, text: str, profile: ModelProfile, draws: random.Random) -> Outcome:
        """As if the text were a question of middling difficulty."""
        shared = generator(self.seed, "text", blake2b(text.encode(), digest_size=16).hexdigest())
        return try_question(profile, 0.0, shared=shared, own=draws, rho=self.rho)


def _asks_for_confidence(instruction: str) -> bool:
    return "confidence" in instruction.casefold()


def _choose_option(instruction: str, text: str, task: str | None) -> str | None:
    """Where a class is asked for: the question's own task, else the option the text names most."""
    listed = _OPTIONS.search(instruction)
    if not listed or not _CLASSIFY.search(instruction):
        return None
    options = [option.strip(" \t.'\"`") for option in re.split(r",|;|\||/|\bor\b|\band\b", listed.group(1))]
    options = [option for option in options if option]
    if task is not None and task in options:
        return task
    words = text.replace(listed.group(0), " ").casefold()
    return max(options, key=lambda option: words.count(option.casefold()), default=None)


def _summary(sentences: Sequence[str], instruction: str) -> str | None:
    if len(sentences) < SENTENCES:
        return None
    chosen = most_central(sentences, SENTENCES)
    if _BULLETS.search(instruction):
        return "\n".join(f"- {sentence}" for sentence in chosen)
    return " ".join(chosen)


def _not_known(prompt: str) -> str:
    asked = " ".join(prompt.split())
    shown = asked if len(asked) <= _QUOTED else f"{asked[:_QUOTED]}…"
    return f'The emulator does not know an answer to "{shown}".' if asked else "The emulator was asked nothing."
