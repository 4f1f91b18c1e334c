"""The way of the data as a picture: one box a layer, shapes on the arrows, the failing one red.

It holds names and numbers only, no words of any language, so that no font can lack a letter.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from bot.fence import visible
from sandbox.protocol import Layer

MOST: Final = 16
"""Boxes at most; of a deep model the last layers before the failure are drawn."""
_WIDTH_IN: Final = 3.6
_STEP_IN: Final = 0.78
_DPI: Final = 200
_BOX: Final = "#e8eef7"
_FAILED: Final = "#f9dedc"
_INK: Final = "#1b1b1f"
_RED: Final = "#b3261e"
_LONGEST: Final = 34


def way_of_the_data(layers: Sequence[Layer]) -> bytes:
    """A PNG, as wide as a phone shows it. `layers` is not empty."""
    drawn = list(layers[-MOST:])
    height = _STEP_IN * len(drawn) + 0.5
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, _WIDTH_IN)
    axes.set_ylim(height, 0)
    axes.axis("off")
    middle = _WIDTH_IN / 2

    def write(y: float, text: str, size: float, colour: str, weight: str = "normal") -> None:
        # A stranger's names: a dollar sign in them is no formula.
        axes.text(
            middle,
            y,
            _short(text),
            ha="center",
            va="center",
            fontsize=size,
            color=colour,
            weight=weight,
            parse_math=False,
        )

    write(0.2, drawn[0].input, 8, _INK)
    for number, layer in enumerate(drawn):
        top = 0.38 + number * _STEP_IN
        edge = _RED if layer.failed else _INK
        axes.add_patch(
            FancyBboxPatch(
                (0.35, top),
                _WIDTH_IN - 0.7,
                0.4,
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=_FAILED if layer.failed else _BOX,
                edgecolor=edge,
                linewidth=1.2 if layer.failed else 0.6,
            )
        )
        write(top + 0.14, layer.name or layer.type, 8.5, edge, "bold")
        counted = f"{layer.type} · {layer.parameters:,}" if layer.parameters else layer.type
        write(top + 0.295, counted, 7, edge)
        write(top + 0.58, "✗" if layer.failed else f"↓ {layer.output or '…'}", 8, edge)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _short(text: str) -> str:
    shown = " ".join(visible(text).split())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
