"""Read pages: PP-OCRv6 (Baidu, Apache-2.0) on ONNX Runtime by RapidOCR, whose wheel carries the weights (31 MB).

It finds lines of text and reads them, printed Latin and Chinese script alike; what order they have is `layout`'s part.
Needs `mirepoix[documents]`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import cache
from math import atan2

import numpy as np
from PIL import Image
from pydantic import JsonValue
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from tasks.local_models.layout import Fragment, read_in_order
from tasks.local_models.pages import UnreadableFile, open_pages
from tasks.providers.base import File

MAX_THREADS = 4
LEAST_SCORE = 0.5
"""How sure the model must be of a line that counts; below are stains and drawings."""

_one_page = threading.Lock()  # the engine keeps state between its steps, and uses all of its threads for one page


def read_pages(prompt: str, files: list[File]) -> JsonValue:
    """`{"text", "pages", "confidence"}` of images and PDFs; the prompt says nothing to this model.

    `text` has a paragraph a line and an empty line between pages; `confidence` (0..1) is the mean over its letters of
    how sure the model is of their line. Raises UnreadableFile, for no files too.
    """
    pages = [_read(picture) for picture in open_pages(files)]
    if not pages:
        raise UnreadableFile("there is no page to read.")
    letters = [(len(fragment.text), score) for page in pages for fragment, score in page]
    total = sum(count for count, _ in letters)
    return {
        "text": "\n\n".join(read_in_order([fragment for fragment, _ in page]) for page in pages),
        "pages": len(pages),
        "confidence": round(sum(count * score for count, score in letters) / total, 4) if total else 0.0,
    }


def _read(picture: Image.Image) -> list[tuple[Fragment, float]]:
    pixels = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])  # the model wants blue first
    with _one_page:
        found = _engine()(pixels)
    return list(_fragments(found)) if isinstance(found, RapidOCROutput) else []


def _fragments(found: RapidOCROutput) -> Iterator[tuple[Fragment, float]]:
    """Level boxes as high as the letters, with the tilt beside them: of a tilted line a box around all is too high."""
    if found.boxes is None or found.txts is None or found.scores is None:
        return
    for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        (left, top), (right, right_top), (_, right_bottom), (_, bottom) = ((float(x), float(y)) for x, y in box)
        middle, height = (top + right_top + right_bottom + bottom) / 4, (bottom - top + right_bottom - right_top) / 2
        tilt = atan2(right_top - top, right - left)
        place = {"left": left, "right": right, "top": middle - height / 2, "bottom": middle + height / 2}
        yield Fragment(text=str(text), tilt=tilt, **place), float(score)


@cache
def _engine() -> RapidOCR:
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.text_score": LEAST_SCORE,
            "Global.use_cls": False,  # turns lines that stand on their head; a page that does would need more
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
