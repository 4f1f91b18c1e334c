"""How often a screenshot of a traceback finds the entry that the traceback itself finds.

Run by hand: `python tools/measure_screenshots.py [EVERY]` takes every EVERYth post in each look.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections import Counter
from pathlib import Path

import matplotlib
import yaml
from PIL import Image, ImageDraw, ImageFont

from bot.assembly import build_searcher
from bot.inputs import InputError
from bot.ocr import ScreenReader
from bot.settings import Settings
from knowledge.post import parse
from knowledge.search import Searcher

POSTS = Path(__file__).parents[1] / "tests" / "e2e" / "repair_posts.yaml"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
HEADER = "Traceback (most recent call last)"
LOOKS = {
    "dark 14 px": ("DejaVuSansMono.ttf", 14, "#1e1e1e", "#d4d4d4", None),
    "light 13 px": ("DejaVuSansMono.ttf", 13, "#ffffff", "#141414", None),
    "green 16 px": ("DejaVuSansMono.ttf", 16, "#000000", "#00e600", None),
    "solarized 12 px": ("DejaVuSansMono.ttf", 12, "#002b36", "#839496", None),
    "light 14 px, JPEG 60": ("DejaVuSansMono.ttf", 14, "#ffffff", "#3c3c3c", 60),
    "dark 13 px, JPEG 40": ("DejaVuSansMono.ttf", 13, "#282c34", "#abb2bf", 40),
    "dark bold 20 px": ("DejaVuSansMono-Bold.ttf", 20, "#282a36", "#f8f8f2", None),
    "light 11 px": ("DejaVuSansMono.ttf", 11, "#ffffff", "#000000", None),
}
"""Font, size in pixels, ground, ink, and the quality of a JPEG or None for PNG."""
WRAPPED = 100
"""The width of a window, in letters: half of the screenshots are wrapped there."""


def main() -> None:
    """Render, read, search, count."""
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    searcher = build_searcher(Settings())
    posts = yaml.safe_load(POSTS.read_text("utf-8"))
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for number, post in enumerate(posts):
        text = post["text"]
        traceback = text[text.index(HEADER) :].split("```")[0].rstrip()
        if found(searcher, traceback) != post["entry"]:
            continue
        for place, look in enumerate(LOOKS):
            if (number + place) % every:
                continue
            data = rendered(_wrapped(traceback) if number % 2 else traceback, look)
            try:
                read = asyncio.run(ScreenReader().read(data, "shot.png"))
            except InputError:
                continue  # wider than any screen
            entry = found(searcher, read)
            total[look] += 1
            right[look] += entry == post["entry"]
            wrong[look] += entry not in (None, post["entry"])
    for look in LOOKS:
        print(f"{look:24} {right[look]:4} of {total[look]:4}, wrong {wrong[look]}")
    print(f"{'all':24} {right.total():4} of {total.total():4}, wrong {wrong.total()}")


def found(searcher: Searcher, text: str) -> str | None:
    """The entry that answers a text; None for silence."""
    ranking = searcher.search(parse(text))
    return ranking.best.entry.slug if ranking.answered and ranking.best else None


def rendered(text: str, look: str) -> bytes:
    """A screenshot of a text."""
    name, size, ground, ink, quality = LOOKS[look]
    font = ImageFont.truetype(FONTS / name, size)
    lines = text.split("\n")
    width = int(max(font.getlength(line) for line in lines)) + 20
    image = Image.new("RGB", (width, (size + 4) * len(lines) + 24), ground)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((10, 10 + number * (size + 4)), line, font=font, fill=ink)
    file = io.BytesIO()
    image.save(file, "JPEG" if quality else "PNG", quality=quality or 75)
    return file.getvalue()


def _wrapped(text: str) -> str:
    return "\n".join(
        line[start : start + WRAPPED]
        for line in text.split("\n")
        for start in range(0, max(len(line), 1), WRAPPED)
    )


if __name__ == "__main__":
    main()
