"""The pages of the document example are read, and what was read is compared with what stands there."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
from PIL import Image
from rapidfuzz.distance import Levenshtein

from tasks.local_models.ocr import read_pages
from tasks.local_models.pages import UnreadableFile
from tasks.local_models.report import Report, report
from tasks.providers.base import File

PAGES = Path(__file__).parents[2] / "examples" / "document_intelligence" / "pages"
ONE_SIGN = str.maketrans({0x201C: '"', 0x201D: '"', 0x2019: "'", 0x2018: "'", 0x2014: "-", 0x2013: "-"})
"""How a quotation mark or a dash was drawn is the printer's choice, so all of a kind count as one."""


def attached(path: Path) -> File:
    return File("image/jpeg", base64.b64encode(path.read_bytes()).decode(), name=path.name)


def read(*files: File) -> dict[str, object]:
    answer = read_pages("", list(files))
    assert isinstance(answer, dict)
    return dict(answer)


def accuracy(said: str, known: str) -> float:
    """1 - edits / letters, where any white space is one space."""
    said, known = (" ".join(text.translate(ONE_SIGN).split()) for text in (said, known))
    return 1 - Levenshtein.distance(said, known) / len(known)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_shipped_pages_are_read_almost_to_the_letter(record_property: Callable[[str, object], None]) -> None:
    scores: dict[str, float] = {}
    started = time.monotonic()
    for page in sorted(PAGES.glob("*.jpg")):
        known = page.with_suffix(".txt").read_text(encoding="utf-8")
        scores[page.stem] = accuracy(str(read(attached(page))["text"]), known)
    seconds = (time.monotonic() - started) / len(scores)
    told = ", ".join(f"{name} {score:.1%}" for name, score in scores.items())
    record_property("figure", f"OCR, character accuracy: {told}")
    record_property("figure", f"OCR, mean of {len(scores)} pages: {mean(scores.values()):.2%}, {seconds:.1f} s a page")
    assert len(scores) >= 12
    assert mean(scores.values()) >= 0.95, scores
    assert min(scores.values()) >= 0.9, scores


def test_a_pdf_of_several_scans_is_read_page_by_page() -> None:
    first, second = (Image.open(PAGES / f"{name}.jpg") for name in ("order", "complaint"))
    stream = io.BytesIO()
    first.save(stream, "PDF", save_all=True, append_images=[second], resolution=170)
    answer = read(File("application/pdf", base64.b64encode(stream.getvalue()).decode()))
    assert answer["pages"] == 2
    before, after = str(answer["text"]).split("\n\n")
    assert "4111 1111 1111 1111" in before
    assert "maria.keller@example.org" in after
    assert float(str(answer["confidence"])) > 0.9


def test_an_empty_page_has_no_text() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (500, 500), "white").save(stream, "PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    assert read(File("image/png", data)) == {"text": "", "pages": 1, "confidence": 0.0}


def test_without_a_page_there_is_nothing_to_read() -> None:
    with pytest.raises(UnreadableFile, match="no page"):
        read()


def test_the_house_reports_in_the_documents_own_words() -> None:
    known = (PAGES / "complaint.txt").read_text(encoding="utf-8")
    made = Report.model_validate(report(known))
    assert made.key_points
    assert all(point in " ".join(known.split()) for point in made.key_points)
    assert made.sentiment < 0.1
    assert made.confidence == 1


@pytest.mark.parametrize("text", ["", "   ", "...", "Hello", "{}", '{"text": 3}'])
def test_a_report_on_next_to_nothing_says_so_or_repeats_it(text: str) -> None:
    made = Report.model_validate(report(text))
    assert made.summary == text.strip() or made.summary == "There is no text."
    assert made.sentiment == 0
