"""Sentence vectors by sentence-transformers, loaded only when a search needs them."""

from __future__ import annotations

import gc
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]
"""Shape (texts, dimension); every row has length 1."""

MAX_TEXT: Final = 2_000
"""How many characters of a text are encoded; models read a few hundred words at most."""

_SMALL = 20_000_000

_MANY = 256
"""From so many texts on, encoding uses every processor."""


class EncoderError(RuntimeError):
    """The model cannot be loaded; the message says which and what to do."""


def bundled_model() -> Path:
    """The directory of the model that comes with the project (made by `knowledge.train`)."""
    return Path(__file__).with_name("model")


class Encoder:
    """Turns texts into unit vectors.

    `model` is the name or the directory of any sentence-transformers model; by default the bundled
    one, which needs no network. `threads` is how many threads torch uses in this process; one by
    default, because on a machine that is busy (with sandboxes, say) several wait for each other
    and take longer than one.
    """

    def __init__(self, model: str | Path | None = None, *, threads: int = 1) -> None:
        self._model = str(model) if model is not None else None
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: SentenceTransformer | None = None

    @property
    def name(self) -> str:
        """The model's name or path as it was set; "bundled" for the project's own."""
        return self._model or "bundled"

    @cached_property
    def identity(self) -> str:
        """A short hash that differs between models: of the name, and of a directory's files."""
        digest = hashlib.sha256(self.name.encode())
        folder = Path(self._model) if self._model else bundled_model()
        if folder.is_dir():
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                size = path.stat().st_size
                digest.update(f"{path.relative_to(folder).as_posix()}:{size}\n".encode())
                if size < _SMALL:
                    digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def queries(self, texts: Sequence[str]) -> Vectors:
        """The vectors of what people ask. Raises EncoderError when the model cannot be loaded."""
        return self._encode(texts, "query: ")

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of what entries say. Raises EncoderError when the model cannot be loaded."""
        return self._encode(texts, "passage: ")

    def load(self) -> None:
        """Load the model now rather than at the first text."""
        self._transformer()

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        model = self._transformer()
        # Models of the E5 family are trained with these words before every text.
        used = prefix if "e5" in Path(self.name).name.lower().split("-") else ""
        import torch

        # Thousands of texts come when an index is built: once, and somebody waits for it.
        torch.set_num_threads(self._threads if len(texts) < _MANY else os.cpu_count() or 1)
        vectors = model.encode(
            [used + text[:MAX_TEXT] for text in texts],
            batch_size=32,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def _transformer(self) -> SentenceTransformer:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> SentenceTransformer:
        source = self._model or str(bundled_model())
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        local = Path(source).is_dir()
        if local:  # read when the libraries are imported, so set before
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
        try:
            with _uncollected():
                import torch
                from sentence_transformers import SentenceTransformer
                from transformers.utils import logging as transformers_logging
        except ImportError as error:
            raise EncoderError(
                f"sentence-transformers cannot be imported ({error}); "
                "run: pip install sentence-transformers"
            ) from error
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(self._threads)
        try:
            return SentenceTransformer(
                source, device="cpu", local_files_only=local, trust_remote_code=False
            )
        except Exception as error:  # whatever a model's files make the library raise
            raise EncoderError(
                f"the language model {source!r} cannot be loaded ({error}); set the name or the "
                "directory of a sentence-transformers model, or unset it to use the bundled one"
            ) from error


@contextmanager
def _uncollected() -> Iterator[None]:
    """Put off the garbage collection: a quarter of the time in which these libraries are imported
    goes into looking through their objects again and again, none of which can go.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
