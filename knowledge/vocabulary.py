"""The words of known messages: what lets a damaged word be mended with certainty."""

from __future__ import annotations

import builtins
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

_ENTRIES = Path(__file__).parent / "entries"
_SIGNATURES = re.compile(r"^signatures:\n((?:[ \-].*\n)+)", re.MULTILINE)
_SLOT = re.compile(r"\{[^{}\n]{0,80}\}")
_WORD = re.compile(r"(?<![\w.'\"/\\])[A-Za-z][a-z]{1,30}\b(?![.'\"_(/\\]\w)")

EXCEPTIONS: Final = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception) and name.endswith("Error")
) | {
    "AcceleratorError",
    "ChildFailedError",
    "DistBackendError",
    "OutOfMemoryError",
    "TorchRuntimeError",
    "UnpicklingError",
}
"""Names of exceptions, without their modules."""


@lru_cache(maxsize=1)
def message_words() -> frozenset[str]:
    """The words of all message templates of the shipped entries."""
    words = {"CUDA", "Torch", "mat1", "mat2"}
    for path in sorted(_ENTRIES.glob("*/*.md")):
        if path.name.count(".") > 1:
            continue  # a translation holds no signatures
        found = _SIGNATURES.search(path.read_text(encoding="utf-8") + "\n")
        if found:
            words.update(_WORD.findall(_SLOT.sub(" ", found[1])))
    return frozenset(words)
