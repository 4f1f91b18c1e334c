"""Train the bundled language model on the entries.

    python -m knowledge.train [FOLDER]

The model is a vector for each word piece, averaged over a text (sentence-transformers'
StaticEmbedding), with word pieces learnt from the entries too, so that it knows the three languages
and PyTorch's words, and nothing else. Texts of one entry (titles, symptoms, summaries, messages, in
any language) are drawn together and apart from those of others. Writes the model to FOLDER, by
default where the search loads it from. Two runs differ a little (the word pieces are found by
several threads), so fit the confidence anew after one: `knowledge.calibrate`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knowledge.encoder import bundled_model
from knowledge.entry import Entry, load_entries

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

WORD_PIECES: Final = 12_000
DIMENSION: Final = 128
STEPS: Final = 1_000
BATCH: Final = 48
RATE: Final = 0.03
MAX_TEXT: Final = 300
"""Characters of a text that are trained on."""

_SEED: Final = 7
_UNKNOWN: Final = "<unk>"


def texts_of(entry: Entry) -> list[list[str]]:
    """The texts of an entry, a list for each language; all of them mean the same."""
    groups = [[text.title, text.summary, *text.symptoms] for text in entry.texts.values()]
    groups[0].extend(signature.plain for signature in entry.signatures)
    return [kept for group in groups if (kept := [text for text in group if text.strip()])]


def static_model(entries: Sequence[Entry]) -> SentenceTransformer:
    """An untrained model whose word pieces are those of the texts of `entries`."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(_SEED)
    embedding = StaticEmbedding(_tokenizer(entries), embedding_dim=DIMENSION)
    return SentenceTransformer(modules=[embedding], device="cpu")


def _tokenizer(entries: Sequence[Entry]) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace()]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=WORD_PIECES,
        special_tokens=[_UNKNOWN],
        unk_token=_UNKNOWN,
        show_progress=False,
    )
    texts = (text for entry in entries for group in texts_of(entry) for text in group)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


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


if __name__ == "__main__":
    main()
