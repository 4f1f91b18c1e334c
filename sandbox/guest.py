"""What runs inside the walls: the snippet, and the report about it.

Everything here shares a process with the snippet, so nothing here is believed by the pool.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import contextlib
import importlib
import inspect
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

from sandbox.budget import within
from sandbox.protocol import FINDINGS_AT_MOST, ExceptionReport, Finding, Limits, Scene
from sandbox.rehearsal import rehearse
from sandbox.watch import Watch
from sandbox.wire import GuestReport, Job

SNIPPET = "<snippet>"
BROKEN = 70
"""Exit code of a process whose interpreter the snippet broke beyond reporting."""
LATER = ("sandbox.checks", "sandbox.layers", "sandbox.scene", "sandbox.simulated_cuda")
"""Modules that need torch, which the pool's process does not import: the zygote imports them."""
_FOLDER = os.path.dirname(__file__) + "/"  # noqa: PTH120 - as frames tell it
_SCENE_S = 0.3
_FINDINGS_S = 1.0
_SHOWN_VALUE = 20_000
_SHOWN_TYPE = 500
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


def prepare(limits: Limits, *, processes: bool, rehearsed: bool) -> None:
    """Make this fork a fresh interpreter: own randomness, own streams, the wanted threads.

    `processes` tells whether the walls let a snippet start processes, `rehearsed` whether there is
    time to make the first training step quick.
    """
    if rehearsed:
        rehearse()
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


def run(job: Job, most: int) -> tuple[int, bytes]:
    """Run a snippet as the main module; returns the exit code and the report, a GuestReport.

    `most` is the room for the report, in bytes.
    """
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    lines = list(io.StringIO(job.code, newline=None))
    linecache.cache[SNIPPET] = (len(job.code), None, lines, SNIPPET)
    itself = os.getpid()
    exit_code, told = 0, GuestReport(how="finished")
    scene, checker, watch = None, None, Watch(job.watch)
    try:
        tree = ast.parse(job.code, SNIPPET)
        checker = _prepare_reports(job, tree)
        watch.mark(tree)
        _execute(tree, main.__dict__)
    except SystemExit as leaving:
        exit_code, told = _exit_code(leaving), GuestReport(how="exit")
    except BaseException as problem:
        exit_code, told = 1, GuestReport(how="error", exception=_describe(problem))
        # Not in a fork that the snippet made: it would wait for threads of torch that it lacks.
        if job.scene and os.getpid() == itself:
            scene = _scene(job, problem)
    findings = _findings(checker)
    _wind_up()
    more = {"scene": scene, "findings": findings, "reached": watch.reached}
    body = told.model_copy(update=more).model_dump_json().encode()
    return exit_code, body if len(body) <= most else told.model_dump_json().encode()


def _execute(tree: ast.Module, names: dict[str, object]) -> None:
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


# --- Reporting what happened inside ---------------------------------------------------------------


def _prepare_reports(job: Job, tree: ast.Module) -> Any:
    """Install what the job asks for; returns the watcher of check mode, or None."""
    if not job.scene:
        importlib.import_module("sandbox.layers").remove()
    if job.simulate_cuda:
        importlib.import_module("sandbox.simulated_cuda").install()
    if job.check:
        with contextlib.suppress(Exception):
            return importlib.import_module("sandbox.checks").install(tree, job.code)
    return None


def _scene(job: Job, problem: BaseException) -> Scene | None:
    """What the failing line saw, as far as it could be read in time."""
    with contextlib.suppress(BaseException):
        device_of = None
        if job.simulate_cuda:
            device_of = importlib.import_module("sandbox.simulated_cuda").device_of
        reader = importlib.import_module("sandbox.scene").Reader(job.code, SNIPPET, device_of)
        with contextlib.suppress(BaseException), within(_SCENE_S):
            reader.read(problem)
        scene: Scene | None = reader.scene
        return scene
    return None


def _findings(checker: Any) -> tuple[Finding, ...]:
    """The warnings of check mode that came in time and that JSON can carry."""
    kept: list[Finding] = []
    if checker is not None:
        with contextlib.suppress(BaseException), within(_FINDINGS_S):
            for finding in checker.findings():
                if len(kept) == FINDINGS_AT_MOST:
                    break
                with contextlib.suppress(ValueError):
                    kept.append(Finding.model_validate_json(finding.model_dump_json()))
    return tuple(kept)


# --- Reporting an exception -----------------------------------------------------------------------


def _describe(problem: BaseException) -> ExceptionReport:
    told = traceback.TracebackException.from_exception(problem, compact=True)
    line = None
    for each in _chain(told):
        own = [frame for frame in each.stack if not _is_ours(frame.filename)]
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
        type=_bounded(module + kind.__qualname__, _SHOWN_TYPE),
        message=_bounded(message, _SHOWN_MESSAGE),
        traceback=_bounded("".join(told.format()), _SHOWN_TRACEBACK),
        line=line,
    )


def _is_ours(filename: str) -> bool:
    """True for frames that a traceback leaves out: they prepare, start and watch the snippet."""
    return filename == ast.__file__ or filename.startswith(_FOLDER)


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


def _bounded(text: str, most: int) -> str:
    """`text` cut as `_cut` does, with half characters written out."""
    return _cut(_cut(text, most).encode("utf-8", "backslashreplace").decode(), most)


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
        if filename.startswith(_FOLDER):
            # Of a call that went through the simulation of CUDA.
            filename, lineno, line = *_own_place(filename, lineno), None
        code = linecache.getline(filename, lineno) if line is None else line
        return written(message, category, short(filename), lineno, code)

    warnings.formatwarning = formatwarning


def _own_place(filename: str, lineno: int) -> tuple[str, int]:
    """The line of the snippet that is being executed; what is given where there is none."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == SNIPPET:
            return SNIPPET, frame.f_lineno
        frame = frame.f_back
    return filename, lineno


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
