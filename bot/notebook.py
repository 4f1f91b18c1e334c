"""Takes from a notebook what a learner would have pasted: the last error, and the code up to it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import nbformat

from bot.fence import visible
from bot.inputs import InputError
from knowledge.python_tree import parse_python

SUFFIX: Final = ".ipynb"
MAX_BYTES: Final = 8 << 20
"""Bytes of a notebook that are read: pictures in it take most of them."""
MAX_CELLS: Final = 2_000
MAX_CODE: Final = 60_000
"""Characters of code that are taken, whole cells, the nearest to the error."""
MAX_ERROR: Final = 20_000
"""Characters of an error that are taken, its end."""

_VERSION: Final = 4
_TRACEBACK: Final = "Traceback (most recent call last)"
_CELL_MAGIC: Final = re.compile(r"\s*%%(\w+)")
_STILL_PYTHON: Final = frozenset({"time", "timeit", "capture", "prun", "memit"})
"""Cell magics under which Python stands."""
_NOT_PYTHON: Final = re.compile(
    r"""(?P<indent>[ \t]*)(?:
      [!%?]                          # !pip install, %matplotlib, ?print
    | [\w., ]+=[ \t]*[!%]\w          # files = !ls
    | [\w.]+\?{1,2}[ \t]*$           # print?
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Notebook:
    """What a notebook tells: its code, up to the cell that failed last, and that cell's error."""

    code: str
    error: str

    def post(self) -> str:
        """Both as a learner pastes them."""
        parts = [f"```python\n{self.code}\n```"] if self.code else []
        return "\n\n".join([*parts, *([f"```\n{self.error}\n```"] if self.error else [])])


@dataclass(frozen=True)
class _Cell:
    """One cell of code: its source, its error if it failed, and how late it was run."""

    source: str
    error: str
    run_as: int


def read_notebook(text: str, name: str) -> Notebook:
    """The last error of a notebook, and its code; all of the code where nothing failed.

    Of several cells that failed, the one that was run last counts. Lines of the shell and of
    IPython are left out. Raises InputError for what is no notebook, for one with too many cells,
    and for one that holds neither code nor an error.
    """
    cells = _cells(text, name)
    failed = max(
        (place for place, cell in enumerate(cells) if cell.error),
        key=lambda place: (cells[place].run_as, place),
        default=None,
    )
    shown = cells if failed is None else cells[: failed + 1]
    error = "" if failed is None else cells[failed].error
    notebook = Notebook(_code(cell.source for cell in reversed(shown)), error)
    if not notebook.post():
        raise InputError(
            "notebook_empty",
            f"{name} holds neither code nor an error. Run the cell that fails, save the notebook "
            "and hand it in again.",
            name=name,
        )
    return notebook


def require_error(notebook: Notebook, name: str) -> Notebook:
    """`notebook` itself, when something failed in it. Raises InputError."""
    if not notebook.error:
        raise InputError(
            "notebook_no_error",
            f"{name} holds no error. Run the cell that fails, save the notebook with its output "
            "and hand it in again.",
            name=name,
        )
    return notebook


def _cells(text: str, name: str) -> Sequence[_Cell]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cells without an id, which do no harm
            # A notebook that breaks its schema is still read as far as it goes.
            found = nbformat.reads(  # type: ignore[no-untyped-call]
                text, as_version=_VERSION, capture_validation_error={}
            )
        cells = [dict(cell) for cell in found["cells"]]
        if len(cells) > MAX_CELLS:
            raise _too_long(name)
        return [_cell(cell) for cell in cells if cell.get("cell_type") == "code"]
    except InputError:
        raise
    except Exception:
        # Which error a damaged notebook raises is up to each of nbformat's readers and upgrades.
        raise InputError(
            "not_a_notebook",
            f"{name} is not a notebook that can be read: its JSON is damaged or says something "
            "else. Save it again in Jupyter, or paste the error as text.",
            name=name,
        ) from None


def _too_long(name: str) -> InputError:
    return InputError(
        "notebook_too_long",
        f"{name} has more than {MAX_CELLS:,} cells. Paste the cell that fails and its error.",
        name=name,
        limit=f"{MAX_CELLS:,}",
    )


def _cell(cell: dict[str, Any]) -> _Cell:
    count = cell.get("execution_count")
    errors = [*filter(None, map(_error, cell.get("outputs") or ()))]
    return _Cell(
        source=_text(cell.get("source")),
        error=errors[-1] if errors else "",
        run_as=count if isinstance(count, int) else 0,
    )


def _error(output: Any) -> str:
    """The error that an output shows, without colours; empty for any other output."""
    match output:
        case {"output_type": "error"}:
            told = "\n".join(map(str, output.get("traceback") or ()))
            told = told or f"{output.get('ename')}: {output.get('evalue')}"
        case {"output_type": "stream", "text": printed} if _TRACEBACK in _text(printed):
            # A script that was run by the shell tells its error as text.
            told = _text(printed)
        case _:
            return ""
    return visible(told[-MAX_ERROR:]).strip("\n")


def _text(value: Any) -> str:
    """A text that may stand there as a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _code(newest_first: Iterable[str]) -> str:
    """The Python of cells in their order; the oldest go when it is too much."""
    kept: list[str] = []
    room = MAX_CODE
    for source in newest_first:
        python = _python(source)
        room -= len(python)
        if room < 0:
            break
        if python.strip():
            kept.append(python.strip("\n"))
    return "\n\n".join(reversed(kept))


def _python(source: str) -> str:
    """A cell without what only IPython understands; empty when nothing else is in it."""
    magic = _CELL_MAGIC.match(source)
    if magic is not None:
        if magic[1] not in _STILL_PYTHON:
            return ""
        source = source[magic.start() :].lstrip().partition("\n")[2]
    if len(source) > MAX_CODE or _is_python(source):
        return source
    return "\n".join(_plain(source.split("\n")))


def _is_python(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parse_python(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _plain(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        found = _NOT_PYTHON.match(line)
        if found is None:
            yield line
        elif found["indent"]:
            yield f"{found['indent']}pass"  # it may have been all that its block held
