"""What a failing line saw, and the way of the data: plain-text tables for a phone-wide message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, chop_cells, set_cell_size

from bot.fence import visible
from bot.locale import say
from knowledge.language import Language
from sandbox.protocol import Layer, Place, Scene, Thing, ThingKind

WIDTH: Final = 32
"""Columns of a code block that a phone of 390 pixels shows without breaking its lines."""
_INDENT: Final = 2
_LAYERS: Final = 12
"""Rows of the way of the data that are shown: the last ones before the failure tell most."""


def failing_line(place: Place) -> str:
    """A line of the learner's code with carets under the part that failed."""
    code = _flat(place.code)
    if place.start is None or place.end is None or not 0 <= place.start < place.end <= len(code):
        return "\n".join(chop_cells(code, WIDTH))
    # A long line is shown around the part that matters.
    width = min(place.end - place.start, WIDTH)
    begin = max(0, min(place.start - (WIDTH - width) // 2, len(code) - WIDTH))
    shown = code[begin : begin + WIDTH]
    indent = cell_len(code[begin : place.start])
    marked = cell_len(code[place.start : place.start + width])
    return f"{shown}\n{' ' * indent}{'^' * max(1, min(marked, WIDTH - indent))}"


def things_table(scene: Scene, language: Language) -> str:
    """Each thing that the failing line names: its name, then what it is. Empty for none."""
    rows: list[str] = []
    for thing in scene.things:
        rows += _row(thing.name, _described(thing, language))
    return "\n".join(rows)


def layers_table(layers: Sequence[Layer], language: Language) -> str:
    """Layer by layer: name and number of parameters, then input and output shape.

    Empty for none. Of a deep model the last layers before the failure are shown.
    """
    rows: list[str] = []
    if len(layers) > _LAYERS:
        rows.append(say(language, "scene.layers_above", count=len(layers) - _LAYERS))
    for layer in layers[-_LAYERS:]:
        name = _flat(" ".join(filter(None, (layer.name, layer.type))))
        rows.append(_spread(name, f"{layer.parameters:,}" if layer.parameters else ""))
        output = say(language, "scene.fails_here") if layer.failed else layer.output or "…"
        rows += _indented(f"{_tight(layer.input)} → {_tight(output)}")
    return "\n".join(rows)


def _row(name: str, facts: Sequence[str]) -> list[str]:
    head = _flat(name)
    first, *others = facts or ("",)
    if cell_len(head) + 2 + cell_len(first) <= WIDTH:
        return [f"{head}  {first}".rstrip(), *(line for each in others for line in _indented(each))]
    return [*chop_cells(head, WIDTH), *(line for each in facts for line in _indented(each))]


def _described(thing: Thing, language: Language) -> list[str]:
    """The facts about a thing, the one that most often decides first."""
    if thing.kind is not ThingKind.TENSOR:
        return [_flat(f"{thing.type}({thing.text})" if thing.text else thing.type)]
    facts = [f"{thing.dtype} {_tight(str(list(thing.shape or ())))}"]
    more = []
    if thing.device and thing.device != "cpu":
        more.append(thing.device)
    if thing.requires_grad:
        more.append("requires_grad" if thing.is_leaf is not False else "grad_fn")
    if thing.contiguous is False:
        more.append(say(language, "scene.not_contiguous"))
    if more:
        facts.append(", ".join(more))
    if thing.nans:
        facts.append(f"NaN × {thing.nans:,}")
    if thing.minimum is not None and thing.maximum is not None:
        facts.append(f"{thing.minimum:.4g} … {thing.maximum:.4g}")
    return [_flat(fact) for fact in facts]


def _spread(left: str, right: str) -> str:
    """Two texts at the two ends of a line."""
    room = WIDTH - cell_len(right) - bool(right)
    head = left if cell_len(left) <= room else set_cell_size(left, room - 1) + "…"
    return f"{set_cell_size(head, room)} {right}".rstrip()


def _indented(text: str) -> list[str]:
    return [" " * _INDENT + line for line in _wrapped(_flat(text), WIDTH - _INDENT)]


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, broken between words where they fit."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines += chop_cells(word, width)
    return [line for line in lines if line]


def _tight(shape: str) -> str:
    return shape.replace(", ", ",")


def _flat(text: str) -> str:
    """A stranger's text on one line, with what is invisible written out."""
    return " ".join(visible(text).split())
