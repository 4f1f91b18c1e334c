"""The tables of a diagnosis: no line is wider than a phone shows, and nothing decisive is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bot.tables import WIDTH, failing_line, layers_table, things_table
from knowledge.language import Language
from sandbox.protocol import Layer, Place, Scene, Thing, ThingKind

PLACE = Place(
    line=9, function="forward", code="return self.fc(h)", expression="self.fc(h)", start=7, end=17
)
SCENE = Scene(
    place=PLACE,
    things=(
        Thing(
            name="h",
            kind=ThingKind.TENSOR,
            type="Tensor",
            shape=(32, 16384),
            dtype="float32",
            device="cpu",
            requires_grad=True,
            is_leaf=False,
            contiguous=True,
            minimum=0.0,
            maximum=3.25,
            nans=0,
        ),
        Thing(
            name="self.fc",
            kind=ThingKind.MODULE,
            type="Linear",
            text="in_features=512, out_features=10",
        ),
    ),
    layers=(
        Layer(
            name="conv",
            type="Conv2d",
            input="[32, 3, 64, 64]",
            output="[32, 16, 32, 32]",
            parameters=448,
        ),
        Layer(name="fc", type="Linear", input="[32, 16384]", parameters=5130, failed=True),
    ),
)


def test_carets_stand_under_the_part_that_failed() -> None:
    assert failing_line(PLACE).splitlines() == ["return self.fc(h)", "       ^^^^^^^^^^"]


def test_a_long_line_is_shown_around_the_part_that_failed() -> None:
    code = "x" * 90 + " = self.fc(h) + " + "y" * 90
    start = code.index("self.fc")
    shown, carets = failing_line(
        Place(line=1, function="f", code=code, start=start, end=start + 10)
    ).splitlines()

    assert shown[carets.index("^") : carets.rindex("^") + 1] == "self.fc(h)"
    assert cell_len(shown) <= WIDTH


def test_a_tensor_tells_dtype_shape_and_range() -> None:
    table = things_table(SCENE, Language.EN)

    assert "h  float32 [32,16384]" in table
    assert "0 … 3.25" in table
    assert "grad_fn" in table
    assert "in_features=512" in table


def test_the_layer_that_fails_is_the_last_row() -> None:
    lines = layers_table(SCENE.layers, Language.EN).splitlines()

    assert lines[0].startswith("conv Conv2d")
    assert lines[0].endswith("448")
    assert lines[1] == "  [32,3,64,64] → [32,16,32,32]"
    assert lines[-1].startswith("  [32,16384] → ")
    assert "fails here" in lines[-1]


@pytest.mark.parametrize("language", Language)
def test_a_deep_model_is_cut_at_its_beginning_and_says_so(language: Language) -> None:
    layers = [
        Layer(name=f"layers.{n}", type="Linear", input="[1, 8]", output="[1, 8]") for n in range(40)
    ]

    table = layers_table(layers, language)

    assert "28" in table.splitlines()[0]
    assert "layers.39" in table
    assert "layers.20" not in table


texts = st.text(max_size=120)


@given(texts, texts, texts, st.integers(-5, 130), st.integers(-5, 130), st.sampled_from(Language))
def test_no_line_is_wider_than_a_phone(
    name: str, code: str, text: str, start: int, end: int, language: Language
) -> None:
    place = Place(line=1, function="f", code=code, start=start, end=end)
    thing = Thing(name=name, kind=ThingKind.OTHER, type=text[:100], text=text)
    layer = Layer(name=name, type=code, input=text, output=text, parameters=12_345_678)
    shown = "\n".join(
        (
            failing_line(place),
            things_table(Scene(place=place, things=(thing,)), language),
            layers_table((layer,), language),
        )
    )

    assert all(cell_len(line) <= WIDTH for line in shown.splitlines())
