"""From a valid request to the model's reply: an answer, put into the form asked for and cut to its limits."""

from __future__ import annotations

import json
import random

from emulator.answers import Answerer
from emulator.instances import make_instance
from emulator.profiles import ModelProfile
from emulator.tokens import Ending, count_prompt_tokens, count_tokens, end
from emulator.wire import Ask, Reply


def make_reply(ask: Ask, profile: ModelProfile, answerer: Answerer, draws: random.Random) -> Reply:
    """What the model replies to `ask`; raises UnusableSchema where the JSON asked for cannot be made."""
    answer = answerer.answer(ask, profile, draws)
    instance, text, stop_sequences = None, answer.in_full, ask.stop_sequences
    if ask.json_wish is not None:
        instance = make_instance(ask.json_wish.schema, answer, luck=draws.random())
        text, stop_sequences = json.dumps(instance, ensure_ascii=False), ()
    ended = end(text, max_tokens=ask.max_tokens, stop_sequences=stop_sequences)
    return Reply(
        ended=ended,
        input_tokens=count_prompt_tokens(message.text for message in ask.messages),
        output_tokens=count_tokens(ended.text),
        instance=None if ended.ending is Ending.LENGTH else instance,
    )
