"""Read a document: plain text out of plain text, with its line breaks mended."""

from __future__ import annotations

import re
import unicodedata

HYPHENATED = re.compile(r"(\w)-\n(\w)")
PARAGRAPH = re.compile(r"\n\s*\n")


def read(document: str) -> str:
    """The text of `document` in one normal form: a paragraph a line, words rejoined, no control characters."""
    text = unicodedata.normalize("NFC", document.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(char for char in text if char in "\n\t" or unicodedata.category(char) != "Cc")
    paragraphs = PARAGRAPH.split(HYPHENATED.sub(r"\1\2", text))
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())
