"""From a valid request to the model's reply: an answer, put into the form asked for and cut to its limits."""

from __future__ import annotations

import json
import random

from emulator.answers import UNKNOWN_CONFIDENCE, Answer, Answerer
from emulator.instances import make_instance
from emulator.logprobs import token_logprobs
from emulator.profiles import ModelProfile
from emulator.skill import stated_confidence
from emulator.thoughts import count_thoughts
from emulator.tokens import Ended, Ending, count_tokens, end, pieces
from emulator.wire import Ask, Reply, TokenLogprob


def make_reply(ask: Ask, profile: ModelProfile, answerer: Answerer, draws: random.Random) -> Reply:
    """What the model replies to `ask`; raises UnusableSchema, and NotRecorded."""
    answer = answerer.answer(ask, profile, draws)
    instance, text, stop_sequences = None, answer.in_full, ask.stop_sequences
    if ask.json_wish is not None:
        instance = make_instance(ask.json_wish.schema, answer, luck=draws.random())
        text, stop_sequences = json.dumps(instance, ensure_ascii=False), ()
    thoughts = count_thoughts(ask.thinking, count_tokens(text), ask.max_tokens)
    rest = None if ask.max_tokens is None else ask.max_tokens - thoughts
    ended = end(text, max_tokens=rest, stop_sequences=stop_sequences)
    return Reply(
        ended=ended,
        input_tokens=ask.prompt_tokens if answer.input_tokens is None else answer.input_tokens,
        output_tokens=_output_tokens(ended, answer),
        instance=None if ended.ending is Ending.LENGTH else instance,
        logprobs=None if ask.top_logprobs is None else _logprobs(ended, answer, ask.top_logprobs, profile, draws),
        thought_tokens=thoughts,
    )


def _output_tokens(ended: Ended, answer: Answer) -> int:
    """Those recorded, of an answer that ends where the recorded one did."""
    if answer.output_tokens is None or ended.ending is not Ending.DONE:
        return count_tokens(ended.text)
    return answer.output_tokens


def _logprobs(
    ended: Ended, answer: Answer, top: int, profile: ModelProfile, draws: random.Random
) -> tuple[TokenLogprob, ...]:
    outcome = answer.outcome
    sureness = UNKNOWN_CONFIDENCE if outcome is None else stated_confidence(profile, outcome, draws)
    return token_logprobs(pieces(ended.text), sureness, top, draws)
