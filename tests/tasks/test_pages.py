"""Files become pages, and hostile ones become errors."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from tasks.local_models import pages
from tasks.local_models.pages import LONG_SIDE, UnreadableFile, open_pages
from tasks.providers.base import File


def file_of(data: bytes, media_type: str = "image/png") -> File:
    return File(media_type, base64.b64encode(data).decode())


def saved(image: Image.Image, kind: str, *more: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **({"save_all": True, "append_images": more} if more else {}))
    return stream.getvalue()


def blank(width: int = 60, height: int = 40, mode: str = "RGB", colour: str | int = "white") -> Image.Image:
    return Image.new(mode, (width, height), colour)


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises more than it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_each_frame_of_an_image_and_each_page_of_a_pdf_is_a_page() -> None:
    tiff, pdf = saved(blank(), "TIFF", blank(), blank()), saved(blank(), "PDF", blank())
    assert len(list(open_pages([file_of(tiff), file_of(pdf, "application/pdf"), file_of(saved(blank(), "PNG"))]))) == 6


def test_what_a_file_is_counts_and_not_what_it_is_called() -> None:
    assert len(list(open_pages([file_of(saved(blank(), "PDF"), "image/png")]))) == 1


def test_black_and_white_comes_as_black_and_white() -> None:
    (page,) = open_pages([file_of(saved(blank(mode="1", colour=1), "PNG"))])
    assert page.getpixel((5, 5)) == (255, 255, 255)


def test_what_is_transparent_is_white() -> None:
    (page,) = open_pages([file_of(saved(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG"))])
    assert page.getpixel((5, 5)) == (255, 255, 255)


def test_a_large_page_is_scaled_down() -> None:
    (page,) = open_pages([file_of(saved(blank(5000, 100), "JPEG"))])
    assert page.size == (LONG_SIDE, 40)


def test_a_page_on_its_side_is_set_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    stream = io.BytesIO()
    blank(60, 40).save(stream, "JPEG", exif=exif)
    (page,) = open_pages([file_of(stream.getvalue())])
    assert page.size == (40, 60)


def pdf_of_a_huge_page() -> bytes:
    return saved(blank(), "PDF").replace(b"/MediaBox [ 0 0 60", b"/MediaBox [ 0 0 14400000")


def test_a_huge_page_of_a_pdf_is_rendered_small() -> None:
    data = pdf_of_a_huge_page()
    assert b"14400000" in data
    (page,) = open_pages([file_of(data)])
    assert max(page.size) <= LONG_SIDE


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(lambda: File("image/png", url="http://127.0.0.1/x.png"), id="a URL"),
        pytest.param(lambda: File("image/png", "%%%"), id="no base64"),
        pytest.param(lambda: file_of(b""), id="nothing"),
        pytest.param(lambda: file_of(b"%PDF-1.7\nnonsense"), id="a broken PDF"),
        pytest.param(lambda: file_of(saved(blank(200, 200), "JPEG")[:300]), id="half an image"),
        pytest.param(lambda: file_of(saved(blank(), "GIF")), id="a format that is not read"),
        pytest.param(lambda: file_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), id="an SVG"),
        pytest.param(lambda: file_of(png_that_claims(30_000, 30_000)), id="a decompression bomb"),
        pytest.param(lambda: file_of(png_that_claims(10_000, 10_000)), id="too many pixels"),
        pytest.param(lambda: file_of(saved(blank(), "PDF", *[blank()] * pages.MAX_PAGES)), id="a PDF too long"),
        pytest.param(lambda: file_of(saved(blank(), "TIFF", *[blank()] * pages.MAX_PAGES)), id="too many frames"),
    ],
)
def test_a_bad_file_is_an_error_of_ours(file: Callable[[], File]) -> None:
    with pytest.raises(UnreadableFile):
        list(open_pages([file()]))


def test_a_file_with_too_many_bytes_is_not_decoded() -> None:
    huge = File("image/png", "A" * (pages.MAX_BYTES * 4 // 3 + 8))
    with pytest.raises(UnreadableFile, match="more than 50,000,000 bytes"):
        list(open_pages([huge]))
