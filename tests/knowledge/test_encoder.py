"""The bundled model turns texts into unit vectors, loads late, and another can take its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from knowledge.encoder import Encoder, EncoderError, bundled_model


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


def test_vectors_have_length_one(encoder: Encoder) -> None:
    vectors = encoder.queries(["the loss is nan", "学習が進まない", "loss 一直不变"])

    assert vectors.shape[0] == 3
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_a_text_without_words_is_near_to_nothing(encoder: Encoder) -> None:
    assert np.allclose(encoder.queries([""]), 0.0)


def test_texts_of_like_meaning_are_near_across_languages(encoder: Encoder) -> None:
    english, japanese, chinese, other = encoder.passages(
        [
            "the loss becomes nan after a few steps",
            "途中から loss が nan になる",
            "训练几步之后 loss 变成 nan",
            "the layers in my Python list are missing from parameters()",
        ]
    )

    assert english @ japanese > english @ other + 0.2
    assert english @ chinese > english @ other + 0.2


def test_a_very_long_text_is_taken(encoder: Encoder) -> None:
    assert encoder.queries(["shape " * 100_000]).shape[0] == 1


def test_a_missing_model_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"(?s)'.*nowhere'.*unset it to use the bundled one"):
        (tmp_path / "nowhere").mkdir()
        Encoder(tmp_path / "nowhere").load()


def test_the_identity_changes_with_the_files_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = Encoder(tmp_path).identity
    (tmp_path / "config.json").write_text('{"size": 2}')

    assert Encoder(tmp_path).identity != before
    assert Encoder().identity != before


def test_nothing_heavy_is_imported_before_the_first_text() -> None:
    code = (
        "import sys; from knowledge.encoder import Encoder;"
        "import knowledge.search, knowledge.index;"
        "Encoder().identity;"
        "print([m for m in ('torch', 'faiss', 'sentence_transformers') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def test_the_bundled_model_is_on_disk() -> None:
    assert (bundled_model() / "modules.json").is_file()
