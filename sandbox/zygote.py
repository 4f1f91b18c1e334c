"""The warm parent: torch imported, one thread, forks cells. Started by sandbox.launch.

It never sees a snippet, holds no secret, never touches CUDA, and never runs an operation on several
threads: a fork of a process with worker threads hangs in its first parallel operation.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import multiprocessing.util
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from sandbox import cell, guest, kernel, pages, seccomp, wire
from sandbox.protocol import Device, Tier
from sandbox.rehearsal import rehearse

_ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - inside the cell
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108
    "PATH": "/usr/bin",
    "PYTHONUNBUFFERED": "1",
    "TMPDIR": "/tmp",  # noqa: S108
}
_WHILE_LOADING = {
    "CUDA_VISIBLE_DEVICES": "",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Threads that wait for work sleep, and leave the processors to the runs beside them: spinning
    # makes small operations several times as slow where threads outnumber the processors.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_IMPORTED = (
    "numpy",
    "torch._dynamo",
    "torch.nn.functional",
    "torch.utils.data",
    "torch.utils.serialization.config",
)
_IMPORTED_FOR_PLOTS = (
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    # What Pillow loads when a figure is saved for the first time.
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
    "PIL.features",
)


def main() -> NoReturn:
    """Warm up, say so, and make cells until the pool goes away."""
    setting = json.loads(os.environ["TUTOR_ZYGOTE"])
    kernel.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The kernel reaps the guards; the pool watches them by pidfd.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(_ENVIRONMENT | _WHILE_LOADING)
    if temporary := setting.get("temporary"):
        os.environ.update(dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), temporary))
    with socket.socket(fileno=setting["socket"]) as control:
        try:
            version = warm_up()
            # Snippets import what is installed, not the sandbox.
            sys.path[:] = [path for path in sys.path if path not in ("", setting["tutor"])]
        except Exception as problem:
            wire.send(control, wire.Failed(why=f"{type(problem).__name__}: {problem}"))
            os._exit(3)
        # Libraries leave paths of this process in it.
        os.environ.clear()
        os.environ.update(_ENVIRONMENT)
        wire.send(control, wire.Ready(torch=version))
        _serve(control)
    os._exit(0)


def warm_up() -> str:
    """Import what snippets import, on one thread; returns torch's version."""
    import torch

    torch.set_num_threads(1)
    for name in _IMPORTED:
        importlib.import_module(name)
    # A cell cannot import them any more: it sees the installed packages only.
    for name in guest.LATER:
        importlib.import_module(name)
    with contextlib.suppress(ImportError):
        for name in _IMPORTED_FOR_PLOTS:
            importlib.import_module(name)
    before = _threads()
    rehearse()
    if (started := _threads() - before) > 0:
        raise RuntimeError(f"the warm-up started {started} threads, and none survives a fork")
    # Here and not in the cell, so that no run pays for it.
    importlib.import_module("sandbox.layers").install()
    for tier in (Tier.FLOOR, Tier.STRONG):
        for device in Device:
            seccomp.assemble(tier, device=device)
    # Of the exit functions keep only the one that waits for child processes: others collect
    # garbage through the whole heap, which costs a run ten times what it takes itself.
    atexit._clear()
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
    # Out of sight of the collector: a collection in a child would copy every page.
    gc.collect()
    gc.freeze()
    pages.enlarge()
    tempfile.tempdir = None
    return str(torch.__version__)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def _serve(control: socket.socket) -> None:
    several = _maps_several_ids()
    while (received := wire.receive(control)) is not None:
        body, fds = received
        try:
            arm = wire.Arm.model_validate_json(body)
            _make_cell(arm, cell.Fds(arm, fds), several)
        finally:
            for fd in fds:
                os.close(fd)


def _make_cell(arm: wire.Arm, fds: cell.Fds, several: bool) -> None:
    """Fork a guard. When that fails, the pool learns it on the cell's own socket."""
    if arm.tier is not Tier.STRONG:
        if os.fork() == 0:
            cell.guard(arm, fds, None)
        return
    mapped_r, mapped_w = os.pipe()
    try:
        pid = kernel.fork_into(cell.FLAGS)
        if pid == 0:
            os.close(mapped_w)
            cell.guard(arm, fds, mapped_r)
        outside = arm.slot if several else 0
        for kind in ("uid", "gid"):
            Path(f"/proc/{pid}/{kind}_map").write_text(f"{cell.UID} {outside} 1", "ascii")
        os.write(mapped_w, b"1")
    except OSError as problem:
        with socket.socket(fileno=os.dup(fds.control)) as told, contextlib.suppress(OSError):
            wire.send(told, wire.Failed(why=str(problem)))
    finally:
        os.close(mapped_r)
        os.close(mapped_w)


def _maps_several_ids() -> bool:
    """True when the launcher was root and gave this namespace a range of user ids."""
    words = Path("/proc/self/uid_map").read_text("ascii").split()
    return len(words) == 3 and 1 < int(words[2]) < 1 << 31


if __name__ == "__main__":
    main()
