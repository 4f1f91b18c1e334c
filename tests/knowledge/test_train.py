"""A model trained on entries puts texts of one entry together, the same way each time."""

from __future__ import annotations

import numpy as np

from knowledge.encoder import bundled_model
from knowledge.entry import load_entries
from knowledge.train import static_model, texts_of, train

ENTRIES = load_entries()[:8]


def trained(steps: int) -> np.ndarray:
    model = static_model(ENTRIES, general_count=200)
    train(model, ENTRIES, steps=steps)
    texts = [text for entry in ENTRIES for text in (texts_of(entry)[0][0], texts_of(entry)[1][0])]
    return np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=False))


def test_training_draws_the_languages_of_an_entry_together() -> None:
    vectors = trained(200)
    cosines = vectors[::2] @ vectors[1::2].T
    others = cosines[~np.eye(len(ENTRIES), dtype=bool)]

    assert cosines.diagonal().mean() > others.mean() + 0.15


def test_the_bundled_model_can_be_read_by_everybody() -> None:
    files = list(bundled_model().iterdir())

    assert {"modules.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in files}
    assert all(file.stat().st_mode & 0o044 for file in files)
