"""The vectors of all entries in a FAISS index, kept in the user's cache directory.

A file is one line of JSON (what the index is made of, size and checksum of the rest), then the
index as FAISS writes it. It is read only when size and checksum are right, and written under
another name first, so that no reader ever sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import platformdirs

from knowledge.encoder import Encoder, Vectors
from knowledge.entry import Entry

FORMAT: Final = "traceback-tutor-index-1"
KEPT_FILES: Final = 4
"""How many files of one model are kept; the oldest of more are deleted."""

_MAX_HEADER = 16_000_000
_log = logging.getLogger(__name__)


class IndexFileError(Exception):
    """A file that is no usable index; the message says why."""


@dataclass(frozen=True)
class Passage:
    """One text by which an entry can be found; `owner` is the entry's place in the library."""

    owner: int
    text: str

    @property
    def digest(self) -> str:
        """A short hash of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()[:24]


def passages(entries: Sequence[Entry]) -> tuple[Passage, ...]:
    """Every title, symptom and message of `entries`."""
    found: list[Passage] = []
    for owner, entry in enumerate(entries):
        texts = dict.fromkeys(signature.plain for signature in entry.signatures)
        for text in entry.texts.values():
            texts.update(dict.fromkeys((text.title, *text.symptoms)))
        found.extend(Passage(owner, text) for text in texts if text.strip())
    return tuple(found)


def default_cache() -> Path:
    """Where indexes are kept unless another directory is given."""
    return Path(platformdirs.user_cache_dir("traceback-tutor"))


class VectorIndex:
    """Cosine similarity of a query to each entry: that of the entry's nearest passage."""

    def __init__(self, index: Any, owners: npt.NDArray[np.int64], size: int) -> None:
        self._index = index
        self._owners = owners
        self._size = size

    def similarities(self, queries: Vectors) -> npt.NDArray[np.float32]:
        """One cosine per entry (-1 to 1): the best over all `queries` and all its passages."""
        best = np.full(self._size, -1.0, dtype=np.float32)
        if not len(queries) or not self._index.ntotal:
            return best
        cosines, places = self._index.search(queries, self._index.ntotal)
        np.maximum.at(best, self._owners[places.ravel()], cosines.ravel())
        return best

    @classmethod
    def open(
        cls, entries: Sequence[Entry], encoder: Encoder, cache: Path | None = None
    ) -> VectorIndex:
        """The index of `entries`: read from `cache` where it is there and sound, else built.

        A build encodes only texts that no earlier index of the same model holds. A file that is
        damaged or foreign is logged and replaced; a cache that cannot be written is logged.
        Raises EncoderError when the model cannot be loaded.
        """
        import faiss

        texts = passages(entries)
        store = Store(cache or default_cache(), encoder.identity)
        vectors = store.read(texts)
        if vectors is None:
            vectors = _build(texts, encoder, store.known())
            store.write(texts, vectors)
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        owners = np.array([passage.owner for passage in texts], dtype=np.int64)
        return cls(index, owners, len(entries))


def _build(
    texts: Sequence[Passage], encoder: Encoder, known: Mapping[str, npt.NDArray[np.float32]]
) -> Vectors:
    missing = [p.text for p in texts if p.digest not in known]
    _log.info("Building the search index: %d of %d texts are new.", len(missing), len(texts))
    fresh = iter(encoder.passages(missing) if missing else np.empty((0, 1), np.float32))
    rows = [known[p.digest] if p.digest in known else next(fresh) for p in texts]
    return np.ascontiguousarray(rows, dtype=np.float32) if rows else np.empty((0, 1), np.float32)


class Store:
    """The index files of one model in one directory."""

    def __init__(self, directory: Path, model: str) -> None:
        self._directory = directory
        self._model = model

    def path(self, texts: Sequence[Passage]) -> Path:
        """The file of the index of `texts`."""
        content = hashlib.sha256("\n".join(p.digest for p in texts).encode()).hexdigest()
        return self._directory / f"{self._model}-{content[:16]}.index"

    def read(self, texts: Sequence[Passage]) -> Vectors | None:
        """The vectors of `texts` from their file; None when there is no file or no sound one."""
        path = self.path(texts)
        if not path.exists():
            return None
        try:
            digests, vectors = _read(path, self._model)
            if digests != [p.digest for p in texts]:
                raise IndexFileError("it was made of other texts")
        except (OSError, IndexFileError) as error:
            _log.warning("The search index %s is unusable (%s); building it anew.", path, error)
            return None
        return vectors

    def known(self) -> dict[str, npt.NDArray[np.float32]]:
        """All vectors of this model's latest sound file, by digest of their text."""
        for path in self._files():
            try:
                digests, vectors = _read(path, self._model)
            except (OSError, IndexFileError):
                continue
            return dict(zip(digests, vectors, strict=True))
        return {}

    def write(self, texts: Sequence[Passage], vectors: Vectors) -> None:
        """Save `vectors` and delete the oldest files; a failure is logged, for search goes on."""
        path = self.path(texts)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            _write(path, self._model, [p.digest for p in texts], vectors)
            for old in self._files()[KEPT_FILES:]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("The search index cannot be kept in %s (%s).", self._directory, error)

    def _files(self) -> list[Path]:
        """This model's files, newest first."""
        try:
            files = [
                (p.stat().st_mtime_ns, p) for p in self._directory.glob(f"{self._model}-*.index")
            ]
        except OSError:
            return []
        return [path for _, path in sorted(files, reverse=True)]


def _write(path: Path, model: str, digests: list[str], vectors: Vectors) -> None:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    body = faiss.serialize_index(index).tobytes()
    header = {
        "format": FORMAT,
        "model": model,
        "texts": digests,
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".index-", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            file.write(body)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path, model: str) -> tuple[list[str], Vectors]:
    """The digests and vectors in the file at `path`. Raises IndexFileError or OSError."""
    import faiss

    with path.open("rb") as file:
        header = _header(file.readline(_MAX_HEADER), model)
        body = file.read()
    if len(body) != header["size"]:
        raise IndexFileError(f"it holds {len(body)} bytes where {header['size']} were written")
    if hashlib.sha256(body).hexdigest() != header["sha256"]:
        raise IndexFileError("its checksum is wrong")
    try:
        index = faiss.deserialize_index(np.frombuffer(body, dtype=np.uint8))
        vectors = index.reconstruct_n(0, index.ntotal)
    except (RuntimeError, AssertionError, AttributeError) as error:
        raise IndexFileError(f"FAISS cannot read it: {error}") from error
    if len(vectors) != len(header["texts"]):
        raise IndexFileError("it has another number of vectors than of texts")
    return header["texts"], vectors


def _header(line: bytes, model: str) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError as error:
        raise IndexFileError("it does not begin with a description") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise IndexFileError("it is no index of this program's version")
    if header.get("model") != model:
        raise IndexFileError("it belongs to another model")
    texts = header.get("texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise IndexFileError("its description lists no texts")
    if not isinstance(header.get("size"), int) or not isinstance(header.get("sha256"), str):
        raise IndexFileError("its description has no size or no checksum")
    return header
