"""What runs inside the walls: the snippet, and the report about it.

Everything here shares a process with the snippet, so nothing here is believed by the pool.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import contextlib
import io
import linecache
import os
import random
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from sandbox.protocol import ExceptionReport, Limits
from sandbox.wire import GuestReport

SNIPPET = "<snippet>"
BROKEN = 70
"""Exit code of a process whose interpreter the snippet broke beyond reporting."""
_OURS = (__file__, ast.__file__)
"""Files whose frames a traceback leaves out: they compile and start the snippet."""
_SHOWN_VALUE = 20_000
_SHOWN_MESSAGE = 20_000
_SHOWN_TRACEBACK = 60_000
_FIGURES_AT_MOST = 8
_INPUT_HINT = (
    "input() has nobody to ask here: a snippet runs without a keyboard. "
    "Write the value into the code instead."
)


def import_folders() -> list[str]:
    """Folders that modules are loaded from, links resolved."""
    folders = {os.path.realpath(path) for path in (*sys.path, sys.base_prefix, sys.prefix) if path}
    return sorted(folders)


def prepare(limits: Limits, *, processes: bool) -> None:
    """Make this fork a fresh interpreter: own randomness, own streams, the wanted threads.

    `processes` tells whether the walls let a snippet start processes.
    """
    _reseed()
    _threads(limits.threads)
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        stream = io.TextIOWrapper(
            # Unbuffered, so that what was printed is there when the run is killed.
            io.FileIO(fd, "w" if fd else "r", closefd=False),
            encoding="utf-8",
            errors="backslashreplace",
            write_through=True,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = [SNIPPET]
    builtins.input = _no_input
    _shorten_warnings()
    _keep_figures()
    if not processes:
        _refuse_workers()


def run(code: str) -> tuple[int, GuestReport]:
    """Run `code` as the main module; returns the exit code and the report."""
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    linecache.cache[SNIPPET] = (len(code), None, code.splitlines(keepends=True), SNIPPET)
    exit_code, told = 0, GuestReport(how="finished")
    try:
        _execute(code, main.__dict__)
    except SystemExit as leaving:
        exit_code, told = _exit_code(leaving), GuestReport(how="exit")
    except BaseException as problem:
        exit_code, told = 1, GuestReport(how="error", exception=_describe(problem))
    _wind_up()
    return exit_code, told


def _execute(code: str, names: dict[str, object]) -> None:
    tree = ast.parse(code, SNIPPET)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, SNIPPET, "exec", dont_inherit=True), names)  # noqa: S102 - its purpose
        return
    del tree.body[-1]
    shown = compile(ast.Expression(last.value), SNIPPET, "eval", dont_inherit=True)
    exec(compile(tree, SNIPPET, "exec", dont_inherit=True), names)  # noqa: S102
    value = eval(shown, names)  # noqa: S307 - its purpose
    if value is not None:
        print(_cut(repr(value), _SHOWN_VALUE))


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    print(leaving.code, file=sys.stderr)
    return 1


def _wind_up() -> None:
    """What an interpreter does at its end: wait for threads, call exit functions, flush."""
    with contextlib.suppress(BaseException):
        _save_figures()
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


# --- Reporting an exception -----------------------------------------------------------------------


def _describe(problem: BaseException) -> ExceptionReport:
    told = traceback.TracebackException.from_exception(problem, compact=True)
    line = None
    for each in _chain(told):
        own = [frame for frame in each.stack if frame.filename not in _OURS]
        first = next((i for i, frame in enumerate(own) if frame.filename == SNIPPET), 0)
        if each is told:
            numbers = [frame.lineno for frame in own if frame.filename == SNIPPET]
            line = numbers[-1] if numbers else None
            if isinstance(problem, SyntaxError) and problem.filename == SNIPPET:
                line = problem.lineno
        for frame in own:
            frame.filename = short(frame.filename)
        each.stack[:] = own[first:]
    try:
        message = str(problem)
    except BaseException as second:
        message = f"<str() of the exception raised {type(second).__name__}>"
    kind = type(problem)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return ExceptionReport(
        type=_clean(_cut(module + kind.__qualname__, 500)),
        message=_clean(_cut(message, _SHOWN_MESSAGE)),
        traceback=_clean(_cut("".join(told.format()), _SHOWN_TRACEBACK)),
        line=line,
    )


def _chain(told: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """`told`, its causes and contexts, and the members of groups."""
    waiting, seen = [told], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
        waiting += each.exceptions or []


def short(path: str) -> str:
    """`path` as people name it: `torch/nn/modules/linear.py`, without the folders above."""
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        if path.startswith(folder + "/"):
            return path[len(folder) + 1 :]
    return path


def _cut(text: str, most: int) -> str:
    """`text`, or its first and last parts when it is longer than `most` characters."""
    if len(text) <= most:
        return text
    left_out = len(text) - most
    return f"{text[: most // 2]}\n… {left_out} characters left out …\n{text[-most // 2 :]}"


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# --- Making a fork a fresh interpreter ------------------------------------------------------------


def _reseed() -> None:
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(int.from_bytes(os.urandom(4), "little"))
    if torch := sys.modules.get("torch"):
        torch.seed()


def _threads(count: int) -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def _no_input(prompt: object = "", /) -> str:
    print(prompt, end="", flush=True)
    raise EOFError(_INPUT_HINT)


def _shorten_warnings() -> None:
    written = warnings.formatwarning

    def formatwarning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        code = linecache.getline(filename, lineno) if line is None else line
        return written(message, category, short(filename), lineno, code)

    warnings.formatwarning = formatwarning


def _keep_figures() -> None:
    """plt.show() has no window here: it keeps the figures as files, as a notebook shows them."""
    if pyplot := sys.modules.get("matplotlib.pyplot"):

        def show(*_: object, **__: object) -> None:
            _save_figures()

        pyplot.show = show  # type: ignore[attr-defined]


def _refuse_workers() -> None:
    """Say in words what the walls would say with a number."""
    if loader := sys.modules.get("torch.utils.data.dataloader"):

        def refuse(asked: Any) -> None:
            raise RuntimeError(
                f"DataLoader(num_workers={asked.num_workers}) starts processes, and this sandbox "
                "allows none. Use num_workers=0."
            )

        loader._MultiProcessingDataLoaderIter = refuse  # type: ignore[attr-defined]


_saved = 0


def _save_figures() -> None:
    """Save open figures as figure-1.png, … in the working directory and close them."""
    global _saved
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    numbers: Sequence[int] = pyplot.get_fignums()
    for number in numbers:
        if _saved < _FIGURES_AT_MOST:
            _saved += 1
            pyplot.figure(number).savefig(f"figure-{_saved}.png")
        pyplot.close(number)
