"""The saved index is read when it is sound, rebuilt when it is not, and never half written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from knowledge.encoder import Encoder, Vectors
from knowledge.entry import Device, Entry, Kind, Proof, Text
from knowledge.index import VectorIndex, passages
from knowledge.index_file import KEPT_FILES
from knowledge.language import Language
from knowledge.signature import Signature


class Letters(Encoder):
    """Counts letters, so that vectors can be foretold; remembers what it was given."""

    identity = "letters"

    def __init__(self) -> None:
        super().__init__("letters")
        self.encoded: list[str] = []

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        self.encoded += texts
        counts = [[text.lower().count(letter) + 1e-3 for letter in "abcdefghij"] for text in texts]
        vectors = np.array(counts, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def entry(slug: str, *symptoms: str, template: str = "unique {x:d} words") -> Entry:
    return Entry(
        slug=slug,
        category="test",
        kind=Kind.ERROR,
        device=Device.ANY,
        signatures=(Signature(template),),
        texts={Language.EN: Text(slug, symptoms, "", "", "")},
        see=(),
        docs=(),
        fails=None,
        works=None,
        proof=Proof(True, "", ""),
    )


LIBRARY = (entry("first", "aaa", "bbb"), entry("second", "ccc", "ddd"))


def index_file(cache: Path) -> Path:
    (path,) = cache.glob("*.index")
    return path


def test_the_nearest_passage_counts_for_its_entry(tmp_path: Path) -> None:
    encoder = Letters()
    index = VectorIndex.open(LIBRARY, encoder, tmp_path)

    first, second = index.similarities(encoder.queries(["bb"]))

    assert first > 0.99
    assert second < 0.9


def test_a_saved_index_is_read_back_without_encoding(tmp_path: Path) -> None:
    VectorIndex.open(LIBRARY, Letters(), tmp_path)
    again = Letters()
    index = VectorIndex.open(LIBRARY, again, tmp_path)

    assert again.encoded == []
    assert index.similarities(again.queries(["ddd"])).argmax() == 1


def test_a_changed_entry_costs_only_its_own_texts(tmp_path: Path) -> None:
    VectorIndex.open(LIBRARY, Letters(), tmp_path)
    again = Letters()
    VectorIndex.open((LIBRARY[0], entry("second", "ccc", "eee")), again, tmp_path)

    assert again.encoded == ["eee"]


def test_models_do_not_share_an_index(tmp_path: Path) -> None:
    class Other(Letters):
        identity = "other"

    VectorIndex.open(LIBRARY, Letters(), tmp_path)
    other = Other()
    VectorIndex.open(LIBRARY, other, tmp_path)

    assert set(other.encoded) == {passage.text for passage in passages(LIBRARY)}


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"\x00" * 64,
        lambda whole: whole[:-7],
        lambda whole: whole + b"more",
        lambda whole: whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        lambda whole: whole.replace(b'"model": "letters"', b'"model": "another"'),
        lambda whole: whole.replace(b"traceback-tutor-index", b"some-other-programme"),
        lambda whole: b"[]\n" + whole,
        lambda whole: b'{"format": 1}\n',
        lambda whole: whole.split(b"\n", 1)[0] + b"\n",
        lambda whole: b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    ],
    ids=[
        "empty",
        "zeros",
        "cut",
        "longer",
        "one bit",
        "other model",
        "foreign",
        "list",
        "half header",
        "header only",
        "pickle",
    ],
)
def test_a_damaged_or_foreign_file_is_rebuilt_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    assert callable(damage)
    VectorIndex.open(LIBRARY, Letters(), tmp_path)
    path = index_file(tmp_path)
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    encoder = Letters()

    with caplog.at_level(logging.WARNING):
        index = VectorIndex.open(LIBRARY, encoder, tmp_path)

    assert [str(path) in record.getMessage() for record in caplog.records] == [True]
    assert index.similarities(encoder.queries(["ccc"])).argmax() == 1
    assert path.read_bytes() == sound


def test_a_cache_that_cannot_be_written_does_not_stop_a_search(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    encoder = Letters()

    with caplog.at_level(logging.WARNING):
        index = VectorIndex.open(LIBRARY, encoder, tmp_path / "file" / "cache")

    assert "cannot be kept" in caplog.text
    assert index.similarities(encoder.queries(["aaa"])).argmax() == 0


def test_nothing_but_indexes_is_left_behind_and_old_ones_go(tmp_path: Path) -> None:
    for number in range(KEPT_FILES + 3):
        VectorIndex.open((entry("only", "a" * (number + 1)),), Letters(), tmp_path)

    assert len(list(tmp_path.iterdir())) == KEPT_FILES
    assert all(path.suffix == ".index" for path in tmp_path.iterdir())


def test_a_library_without_entries_has_an_empty_index(tmp_path: Path) -> None:
    encoder = Letters()
    index = VectorIndex.open((), encoder, tmp_path)

    assert index.similarities(encoder.queries(["aaa"])).shape == (0,)
