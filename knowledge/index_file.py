"""Index files: the vectors of texts, kept in the user's cache directory from one start to the next.

A file is one line of JSON (what it is made of, size and checksum of the rest), then the digests of
the texts, then the index as FAISS writes it. It is read only when size and checksum are right, and
written under another name first, so that no reader ever sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import platformdirs

FORMAT: Final = "traceback-tutor-index-2"
KEPT_FILES: Final = 4
"""How many files of one model are kept; the oldest of more are deleted."""

DIGEST: Final = "S24"
"""The numpy type of a digest."""

_DIGEST_BYTES = np.dtype(DIGEST).itemsize
_MAX_HEADER = 10_000
_log = logging.getLogger(__name__)

Digests = npt.NDArray[np.bytes_]
"""Short hashes of texts, one for each row of an index."""


class IndexFileError(Exception):
    """A file that is no usable index; the message says why."""


@dataclass(frozen=True)
class Stored:
    """A FAISS index and the digests of the texts in its rows."""

    index: Any
    digests: Digests


def digest(text: str) -> bytes:
    """A short hash of a text."""
    whole = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return whole[:_DIGEST_BYTES].encode()


def default_cache() -> Path:
    """Where indexes are kept unless another directory is given."""
    return Path(platformdirs.user_cache_dir("traceback-tutor"))


class Store:
    """The index files of one model in one directory."""

    def __init__(self, directory: Path, model: str) -> None:
        self._directory = directory
        self._model = model

    def path(self, digests: Digests) -> Path:
        """The file of the index of the texts with these digests."""
        content = hashlib.sha256(digests.tobytes()).hexdigest()
        return self._directory / f"{self._model}-{content[:16]}.index"

    def read(self, digests: Digests) -> Stored | None:
        """What is kept for texts with these digests: their own file, else the newest sound one.

        None when there is no sound file of this model. One that should be sound is logged.
        """
        own = self.path(digests)
        for path in dict.fromkeys((own, *self._files())):
            try:
                return _read(path, self._model)
            except FileNotFoundError:
                continue
            except (OSError, IndexFileError) as error:
                if path == own:
                    _log.warning(
                        "The search index %s is unusable (%s); building it anew.", path, error
                    )
        return None

    def write(self, digests: Digests, stored: Stored) -> None:
        """Save the index for texts with these digests and delete the oldest files.

        A failure is logged, for search goes on without.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            _write(self.path(digests), self._model, stored)
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


def _write(path: Path, model: str, stored: Stored) -> None:
    import faiss

    parts = (stored.digests.tobytes(), faiss.serialize_index(stored.index).data)
    checksum = hashlib.sha256()
    for part in parts:
        checksum.update(part)
    header = {
        "format": FORMAT,
        "model": model,
        "texts": len(stored.digests),
        "size": sum(len(part) for part in parts),
        "sha256": checksum.hexdigest(),
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".index-", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            for part in parts:
                file.write(part)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path, model: str) -> Stored:
    """What the file at `path` holds. Raises IndexFileError or OSError."""
    import faiss

    with path.open("rb") as file:
        header = _header(file.readline(_MAX_HEADER), model)
        body = file.read()
    if len(body) != header["size"]:
        raise IndexFileError(f"it holds {len(body)} bytes where {header['size']} were written")
    if hashlib.sha256(body).hexdigest() != header["sha256"]:
        raise IndexFileError("its checksum is wrong")
    end = header["texts"] * _DIGEST_BYTES
    if not 0 <= end <= len(body):
        raise IndexFileError("it has no room for the texts of its description")
    try:
        index = faiss.deserialize_index(np.frombuffer(body, dtype=np.uint8, offset=end))
        rows = int(index.ntotal)
    except (RuntimeError, AssertionError, AttributeError, ValueError) as error:
        raise IndexFileError(f"FAISS cannot read it: {error}") from error
    if rows != header["texts"]:
        raise IndexFileError("it has another number of vectors than of texts")
    return Stored(index, np.frombuffer(body[:end], dtype=DIGEST))


def _header(line: bytes, model: str) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError as error:
        raise IndexFileError("it does not begin with a description") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise IndexFileError("it is no index of this program's version")
    if header.get("model") != model:
        raise IndexFileError("it belongs to another model")
    if not isinstance(header.get("sha256"), str) or not all(
        type(header.get(key)) is int for key in ("texts", "size")
    ):
        raise IndexFileError("its description has no size or no checksum")
    return header
