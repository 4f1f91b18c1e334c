"""Screenshots for tests: text drawn as terminals and notebooks draw it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

_FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"


@dataclass(frozen=True)
class Look:
    """How a screen shows text: colours as red, green, blue; sizes in pixels."""

    ground: tuple[int, int, int] = (30, 30, 30)
    ink: tuple[int, int, int] = (212, 212, 212)
    size: int = 15
    form: str = "PNG"
    quality: int = 80


DARK = Look()
LIGHT = Look(ground=(255, 255, 255), ink=(30, 30, 30), form="JPEG", quality=60)
GREEN = Look(ground=(0, 0, 0), ink=(0, 220, 0), size=13, form="WEBP")


def screenshot(text: str, look: Look = DARK) -> bytes:
    """An image file that shows `text` line by line."""
    font = ImageFont.truetype(_FONT, look.size)
    lines = text.split("\n")
    step = look.size + 4
    width = int(max(font.getlength(line) for line in lines)) + 24
    image = Image.new("RGB", (width, step * len(lines) + 24), look.ground)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((12, 12 + number * step), line, font=font, fill=look.ink)
    file = io.BytesIO()
    image.save(file, look.form, quality=look.quality)
    return file.getvalue()
