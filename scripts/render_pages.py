"""Print the known texts of the document example as page images, as a scanner would see them.

    .venv/bin/python scripts/render_pages.py examples/document_intelligence/pages

Needs Debian's fonts-ebgaramond, fonts-oldstandard, fonts-linuxlibertine, fonts-liberation2 and fonts-courier-prime. The
same text gives the same image. `huckleberry_finn.jpg` is a real scan, and left as it is.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = Path("/usr/share/fonts")
GARAMOND = "opentype/ebgaramond/EBGaramond12-Regular.otf"
OLD_STANDARD = "truetype/fonts-oldstandard/OldStandard-Regular.ttf"
LIBERTINE = "opentype/linux-libertine/LinLibertine_R.otf"
TIMES = "truetype/liberation2/LiberationSerif-Regular.ttf"
HELVETICA = "truetype/liberation2/LiberationSans-Regular.ttf"
TYPEWRITER = "opentype/courier-prime/Courier Prime.otf"
WIDTH, HEIGHT, MARGIN, GUTTER = 1000, 1414, 90, 48  # A5 at 170 dpi
INK, PAPER = 40, 236
TYPOGRAPHY = {ord("'"): 0x2019}


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is set and how badly it is scanned: `tilt` in degrees, `blur` in pixels, `noise` in grey levels."""

    font: str
    size: int = 27
    columns: int = 1
    tilt: float = 0.0
    blur: float = 0.5
    noise: float = 4.0
    shade: float = 0.0
    quality: int = 55


LOOKS = {
    "alice_in_wonderland": Look(LIBERTINE, tilt=0.6),
    "bill_of_rights": Look(OLD_STANDARD, size=22, columns=2, tilt=-0.3),
    "complaint": Look(HELVETICA, size=25, tilt=0.4),
    "declaration_of_independence": Look(GARAMOND, size=27, tilt=-0.7, shade=30),
    "gettysburg_address": Look(GARAMOND, size=30, tilt=0.5, noise=7),
    "moby_dick": Look(OLD_STANDARD, size=28, tilt=1.0, blur=0.8),
    "order": Look(TYPEWRITER, size=24, tilt=-0.4),
    "origin_of_species": Look(TIMES, tilt=-1.0, noise=8),
    "pride_and_prejudice": Look(LIBERTINE, size=26, shade=45),
    "raven": Look(OLD_STANDARD, size=25, tilt=0.3),
    "second_inaugural": Look(TIMES, size=28, blur=0.9),
    "tale_of_two_cities": Look(GARAMOND, size=31, tilt=-0.5, quality=35),
    "virginia": Look(TYPEWRITER, size=24, tilt=0.8, noise=6),
}


def main(folder: Path) -> None:
    """Render `NAME.txt` of each page that has a look to `NAME.jpg` beside it."""
    for name, look in LOOKS.items():
        page = typeset((folder / f"{name}.txt").read_text(encoding="utf-8"), look)
        scan(page, look, name).save(folder / f"{name}.jpg", quality=look.quality, optimize=True)


def typeset(text: str, look: Look) -> Image.Image:
    """The page as a printer would make it: justified, paragraphs indented; a line of verse stays a line."""
    page = Image.new("L", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.truetype(FONTS / look.font, look.size)
    width = (WIDTH - 2 * MARGIN - (look.columns - 1) * GUTTER) / look.columns
    lines = [line for paragraph in text.strip().split("\n\n") for line in [*_lines(paragraph, font, width), None]]
    pitch = look.size * 1.36
    rows = -(-len(lines) // look.columns)
    for column in range(look.columns):
        left, y = MARGIN + column * (width + GUTTER), float(MARGIN)
        for line in lines[column * rows : (column + 1) * rows]:
            if line is not None:
                _draw(draw, line, left, y, width, font)
            y += pitch * (1 if line is not None else 0.5)
        if y > HEIGHT - MARGIN / 2:
            raise ValueError(f"the text is {y - HEIGHT + MARGIN:.0f} pixels too long for its page: {text[:40]!r}")
    return page


@dataclass(frozen=True, slots=True)
class Line:
    """Words of one line; `full` lines are spread over the whole width."""

    words: list[str]
    full: bool
    indent: float


def _lines(paragraph: str, font: ImageFont.FreeTypeFont, width: float) -> list[Line]:
    verse = "\n" in paragraph
    done: list[Line] = []
    for source in paragraph.translate(TYPOGRAPHY).split("\n"):
        words: list[str] = []
        indent = 0.0 if verse or source.isupper() or len(source) < 60 else font.size * 1.5
        for word in _curly(source).split():
            if words and font.getlength(" ".join([*words, word])) + indent > width:
                done.append(Line(words, full=not verse, indent=indent))
                words, indent = [], 0.0
            words.append(word)
        done.append(Line(words, full=False, indent=indent))
    return done


def _curly(text: str) -> str:
    pieces = text.split('"')
    return pieces[0] + "".join(("“" if index % 2 == 0 else "”") + piece for index, piece in enumerate(pieces[1:]))


def _draw(
    draw: ImageDraw.ImageDraw, line: Line, left: float, y: float, width: float, font: ImageFont.FreeTypeFont
) -> None:
    spare = width - line.indent - font.getlength(" ".join(line.words)) if line.full else 0.0
    x = left + line.indent
    for word, following in pairwise([*line.words, ""]):
        draw.text((x, y), word, fill=INK, font=font)
        x += font.getlength(f"{word} " if following else word) + spare / max(1, len(line.words) - 1)


def scan(page: Image.Image, look: Look, seed: str) -> Image.Image:
    """The page through a cheap scanner: tilted, out of focus, noisy, and darker where the book's spine was."""
    tilted = page.rotate(look.tilt, Image.Resampling.BICUBIC, fillcolor=PAPER)
    pixels = np.asarray(tilted.filter(ImageFilter.GaussianBlur(look.blur)), dtype=np.float64)
    draws = np.random.default_rng(random.Random(seed).getrandbits(64))
    noise = Image.fromarray(draws.normal(128, look.noise * 2, pixels.shape).clip(0, 255).astype(np.uint8))
    grain = np.asarray(noise.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float64) - 128
    spine = look.shade * np.exp(-np.arange(WIDTH) / 120)
    return Image.fromarray((pixels + grain - spine).clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
