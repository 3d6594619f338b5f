"""What is found in texts, what is not, and that neither takes long."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirepoix.privacy import Sensitive
from pipelines.privacy import count, scan
from pipelines.privacy.payments import passes_luhn
from pipelines.privacy.plain import plain
from pipelines.privacy.request import look_into
from tests.pipelines.sensitive import CARD, HOLD, HOLD_NONE

EXAMPLES = Path(__file__).parents[2] / "examples"
CASES = [(kind, text) for kind, texts in HOLD.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_what_is_sensitive_is_found(kind: Sensitive, text: str) -> None:
    assert kind in {finding.kind for finding in scan(text)}, ascii(text)


@pytest.mark.parametrize("text", HOLD_NONE)
def test_what_only_looks_so_is_not(text: str) -> None:
    assert [(finding.kind, text[finding.start : finding.end]) for finding in scan(text)] == []


def test_nothing_is_found_in_our_own_questions_and_documents() -> None:
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["question"] for line in lines]
    texts += [path.read_text(encoding="utf-8") for path in (EXAMPLES / "documents").glob("*.txt")]
    assert len(texts) > 70
    assert {text: scan(text) for text in texts if scan(text)} == {}


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_a_finding_says_where_the_data_stands_in_the_text_itself(kind: Sensitive, text: str) -> None:
    before = "Zwölf Boxkämpfer: "
    found = next(finding for finding in scan(before + text) if finding.kind is kind)
    assert len(before) <= found.start < found.end <= len(before) + len(text)


def test_only_the_kinds_that_are_asked_for_are_found() -> None:
    text = f"{CARD} ada@example.org"
    assert [finding.kind for finding in scan(text, [Sensitive.EMAIL])] == [Sensitive.EMAIL]
    assert count(scan(text)) == {"card": 1, "email": 1}


@pytest.mark.parametrize("end", [None, ",", "\n", ")", '"'])
@pytest.mark.parametrize("start", ["", "\n", '"', "(", "number:", "card=", "«"])
def test_it_makes_no_difference_what_stands_around_a_card(start: str, end: str | None) -> None:
    assert count(scan(f"{start}{CARD}{end or ''}")) == {"card": 1}


@pytest.mark.parametrize("position", range(16))
def test_a_card_with_one_wrong_digit_is_none(position: int) -> None:
    digits = "4111111111111111"
    wrong = str((int(digits[position]) + 5) % 10)
    assert not passes_luhn(digits[:position] + wrong + digits[position + 1 :])
    assert "card" not in count(scan(digits[:position] + wrong + digits[position + 1 :]))


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u202e", "\x00"]
)
@pytest.mark.parametrize("text", ["4111111111111111", "ada@example.org", "DE89370400440532013000"])
def test_what_cannot_be_seen_hides_nothing(text: str, hidden: str) -> None:
    assert scan(hidden.join(text))


@given(st.text(max_size=400))
def test_any_text_can_be_looked_into(text: str) -> None:
    for finding in scan(text):
        assert 0 <= finding.start < finding.end <= len(text)


@given(st.text(max_size=200))
def test_a_plain_text_knows_where_each_character_came_from(text: str) -> None:
    seen = plain(text)
    if seen.origin is not None:
        assert len(seen.origin) == len(seen.text)
        assert list(seen.origin) == sorted(seen.origin)
    else:
        assert seen.text == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        *("1 ", "1-", "4111 ", "+1 ", "123-45-", "tel 01 ", "ssn ", "bsn 1", "AB12", "GB82 "),
        *("a", "@", "a@", "a.", "[at]", "x [at] y ", " ", "(", "\u200b\uff11"),
        *("eyJa", "eyJaaaaaaaaa.", "password=a1", "a://", "a:", "a://b:c", "sk-", "-----BEGIN "),
    ],
)
def test_hostile_texts_take_time_in_proportion(piece: str) -> None:
    short, long = piece * (8_000 // len(piece)), piece * (80_000 // len(piece))
    assert _seconds(long) < 40 * _seconds(short) + 0.5


def _seconds(text: str) -> float:
    started = time.process_time()
    scan(text)
    return time.process_time() - started


def test_a_request_is_looked_into_wherever_its_texts_stand() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": f"pay with {CARD}"}]}],
        "tools": [{"name": "t", "parameters": {"properties": {"ada@example.org": {"type": "string"}}}}],
    }
    exposure = look_into(body, Sensitive)
    assert exposure is not None
    assert exposure.found == {"card": 1, "email": 1}
    assert "messages[0].content[0].text" in exposure.places
    assert CARD not in str(exposure)
    assert look_into(body, [Sensitive.IBAN]) is None
    assert look_into(body, []) is None


def test_the_bytes_of_a_file_are_not_taken_for_text() -> None:
    picture = "data:image/png;base64," + "4111111111111111AKIAIOSFODNN7EXAMPLE" * 40
    assert look_into({"image_url": {"url": picture}}, Sensitive) is None
    assert look_into({"image_url": {"url": f"https://example.org/x?password=Tr0ub4dor3x&n={CARD}"}}, Sensitive)
