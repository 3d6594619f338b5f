"""Pictures of pages out of files: images and PDFs, within bounds that hostile ones do not pass."""

from __future__ import annotations

import base64
import binascii
import io
import threading
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice

import pypdfium2
from PIL import Image, ImageOps, ImageSequence

from tasks.providers.base import File

MAX_BYTES = 50_000_000
"""Of one file."""
MAX_PAGES = 50
"""Of all files of one call together."""
MAX_PIXELS = 60_000_000
"""Of one picture before it is scaled down: A4 at 600 dpi has 35 million."""
LONG_SIDE = 2000
"""Pixels of what is handed on: a page of A4 at 170 dpi. The models scale down what is larger."""
PDF_DPI = 200
IMAGE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
WHITE = (255, 255, 255)

_pdfium = threading.Lock()  # PDFium may be used by one thread of a process at a time


class UnreadableFile(ValueError):
    """A file is no image or PDF that can be read, or it is beyond the bounds."""


def open_pages(files: Iterable[File]) -> Iterator[Image.Image]:
    """The pages of all `files` in their order, upright and in RGB; raises UnreadableFile, for one page too many too."""
    pages = (page for file in files for page in _pages_of(file))
    yield from islice(pages, MAX_PAGES)
    if next(pages, None) is not None:
        raise UnreadableFile(f"there are more than {MAX_PAGES} pages.")


def _pages_of(file: File) -> Iterator[Image.Image]:
    data = _decode(file)
    if data[:1024].lstrip().startswith(b"%PDF-"):
        yield from _pdf_pages(data)
    else:
        yield from _pictures(data)


def _decode(file: File) -> bytes:
    if file.data is None:
        raise UnreadableFile("a local model fetches no URLs; hand over the file's data.")
    if len(file.data) * 3 // 4 > MAX_BYTES:
        raise UnreadableFile(f"a file has more than {MAX_BYTES:,} bytes.")
    try:
        return base64.b64decode(file.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableFile("the data of a file is no base64.") from error


def _pictures(data: bytes) -> Iterator[Image.Image]:
    """The frames of an image; its size is looked at before a pixel is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own bound is below Pillow's
            with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
                for frame in ImageSequence.Iterator(image):
                    if frame.width * frame.height > MAX_PIXELS:
                        raise UnreadableFile(f"a picture has more than {MAX_PIXELS:,} pixels.")
                    yield _on_white(ImageOps.exif_transpose(frame))
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableFile("a file is neither a PDF nor an image that can be read.") from error


def _pdf_pages(data: bytes) -> Iterator[Image.Image]:
    """The pages as they look, at 200 dpi or as fine as fits: a text layer may say other things than a reader sees."""
    with _pdfium:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise UnreadableFile("a PDF cannot be read, or needs a password.") from error
        try:
            count = len(document)
            if count > MAX_PAGES:
                raise UnreadableFile(f"a PDF has {count} pages; the limit is {MAX_PAGES}.")
            pages = [_render(document[index]) for index in range(count)]
        except pypdfium2.PdfiumError as error:
            raise UnreadableFile("a page of a PDF cannot be read.") from error
        finally:
            document.close()
    yield from pages


def _render(page: pypdfium2.PdfPage) -> Image.Image:
    longest = max(page.get_size())
    scale = min(PDF_DPI / 72, LONG_SIDE / longest) if longest > 0 else 1.0
    picture: Image.Image = page.render(scale=scale).to_pil()
    return picture.convert("RGB")


def _on_white(frame: Image.Image) -> Image.Image:
    """In RGB, with white where it is transparent, and no larger than is of use."""
    frame.draft("RGB", (LONG_SIDE, LONG_SIDE))
    if frame.has_transparency_data:
        frame = frame.convert("RGBA")
        page = Image.new("RGB", frame.size, WHITE)
        page.paste(frame, mask=frame.getchannel("A"))
    else:
        page = frame.convert("RGB")
    page.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return page
