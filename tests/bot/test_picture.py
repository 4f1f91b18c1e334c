"""The picture of the way of the data."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from matplotlib import image

from bot.picture import MOST, way_of_the_data
from sandbox.protocol import Layer

FINE = Layer(
    name="conv", type="Conv2d", input="[4, 1, 28, 28]", output="[4, 8, 26, 26]", parameters=80
)
BROKEN = Layer(name="fc", type="Linear", input="[4, 5408]", parameters=5130, failed=True)


def pixels(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(image.imread(io.BytesIO(png), format="png"))[..., :3]


def reddish(png: bytes) -> int:
    red, green, blue = np.moveaxis(pixels(png), -1, 0)
    return int(((red > 0.6) & (green < 0.3) & (blue < 0.3)).sum())


def test_only_a_failing_layer_is_drawn_red() -> None:
    assert reddish(way_of_the_data((FINE, BROKEN))) > 200
    assert reddish(way_of_the_data((FINE, FINE))) == 0


def test_a_deep_model_makes_no_endless_picture() -> None:
    assert (
        pixels(way_of_the_data([FINE] * 40)).shape == pixels(way_of_the_data([FINE] * MOST)).shape
    )


@pytest.mark.parametrize("name", ["$\\frac{", "a\x1b[31m\u202eb", "名前", "x" * 300, "", "_^$$"])
def test_hostile_names_are_drawn_and_break_nothing(name: str) -> None:
    layer = Layer(name=name[:200], type=name[:200], input=name[:200], failed=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a font without such a letter draws a box
        png = way_of_the_data((layer,))

    assert reddish(png) > 50
