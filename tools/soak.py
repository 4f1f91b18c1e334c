"""Runs hostile snippets in a row, and looks afterwards for anything that they left.

    python tools/soak.py [--runs 10000] [--seed N] [--tier strong|floor] [--at-once 2]

Each run carries a canary of its own, leaves it wherever it can, looks for those of others, and then
attacks. Ends with 1 when a process, a file, a descriptor, a control group, a canary in another run,
or a change in the zygote is found.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from sandbox.pool import Pool
from sandbox.protocol import Limits, Result, Snippet, Status, Tier

LIMITS = Limits(wall_s=5.0, memory_mib=128, scratch_mib=4, processes=16, output_bytes=20_000)
_LOOK_EVERY = 250
"""Runs after which one looks through all of its memory: it takes half a second."""
_SETTLED = 40
"""Runs after which the zygote has its working memory; what it has more later, it has lost."""
_GROWTH_MIB = 2.0
_PLACES = {tempfile.gettempdir(), "/tmp", "/dev/shm"}  # noqa: S108 - where a run could leave things

PRELUDE = """\
import ctypes, errno, os, signal, socket, struct, sys, tempfile, threading, time
libc = ctypes.CDLL(None, use_errno=True)
CANARY, FAMILY = {canary!r}, {family!r}
def attempt(function, *args):
    try:
        return function(*args)
    except OSError as problem:
        return errno.errorcode.get(problem.errno, "")
def strange(text):
    return any(part[:16] != CANARY[-16:] for part in text.split(FAMILY)[1:])
def look():
    for place in {{os.getcwd(), tempfile.gettempdir(), "/dev/shm"}}:
        for folder, folders, names in os.walk(place):
            for name in names:
                path = os.path.join(folder, name)
                if strange(path) or strange(str(attempt(lambda: open(path).read()))):
                    print("STRANGE", path)
    if strange(str(os.environ)) or strange(str(list(sys.modules))) or strange(str(sys.path)):
        print("STRANGE in the interpreter")
look()
for place in (".", tempfile.gettempdir(), "/dev/shm"):
    attempt(lambda: open(place + "/" + CANARY, "w").write(CANARY))
os.environ["LEFT"] = CANARY
sys.modules[CANARY] = sys
sys.path.append(CANARY)
kept = [CANARY.encode() * 3 for _ in range(100)]
print(CANARY, flush=True)
"""

LOOK_INTO_MEMORY = """
for line in open("/proc/self/maps"):
    span, rights = line.split()[:2]
    if rights.startswith("r") and "[v" not in line:
        low, high = (int(x, 16) for x in span.split("-"))
        data = ctypes.string_at(low, high - low)
        for part in data.split(FAMILY.encode())[1:]:
            word = part[:16]
            if word.isalnum() and word != CANARY[-16:].encode():
                print("STRANGE in memory", hex(low))
"""

ATTACKS = {
    "nothing more": "",
    "an error": "1 / 0",
    "exit 0": "os._exit(0)",
    "NULL": "ctypes.string_at(0)",
    "endless recursion": "def f(): f()\nf()",
    "C stack": "sys.setrecursionlimit(10**9)\n"
    "def f(x): return sorted([0, 1], key=lambda _: f(x))\nf(0)",
    "kill everybody": "attempt(os.kill, -1, 9)",
    "kill parents": "for p in range(1, 400): p != os.getpid() and attempt(os.kill, p, 9)",
    "stop itself": "os.kill(os.getpid(), 19)",
    "daemons": "for _ in range(4):\n    if attempt(os.fork) == 0:\n        os.setsid()\n"
    "        signal.signal(15, signal.SIG_IGN)\n        while True: time.sleep(60)",
    "busy daemon": "if attempt(os.fork) == 0:\n    os.setsid()\n    while True: pass",
    "fork bomb": "while True:\n    if attempt(os.fork) == 'EPERM': break",
    "threads": "for _ in range(200):\n    threading.Thread(target=time.sleep, args=(60,), "
    "daemon=True).start()",
    "thread that stays": "threading.Thread(target=time.sleep, args=(60,)).start()",
    "memory": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "shared memory": "import mmap\nm = mmap.mmap(-1, 1 << 30)\n"
    "while True: m.write(b'x' * (1 << 20))",
    "memory of torch": "import torch\nx = [torch.ones(10**6) for _ in range(1000)]",
    "disk": "with open('big', 'wb') as f:\n    while True: f.write(bytes(1 << 18))",
    "disk elsewhere": "with open(tempfile.gettempdir() + '/big', 'wb') as f:\n"
    "    while True: f.write(bytes(1 << 18))",
    "inodes": "for n in range(10**5): open(str(n), 'w').close()",
    "deep folders": "for _ in range(300): os.mkdir('d'); os.chdir('d')",
    "closed folders": "os.mkdir('closed', 0); os.chdir('/')",
    "links": "os.symlink('/etc/shadow', 'a'); os.symlink('/', 'b'); os.link(CANARY, 'c')",
    "odd names": "open('a\\n\\u202e\\x1b[0m', 'w'); open('n' * 255, 'w')",
    "descriptors": "kept2 = []\nwhile True: kept2.append(open('/dev/null'))",
    "sockets": "kept3 = []\nwhile True: kept3.append(socket.socketpair())",
    "flood": "while True: os.write(1, CANARY.encode() * 500)",
    "flood of errors": "while True: os.write(2, b'x' * 65536)",
    "forged frames": "for fd in range(3, 200): attempt(os.write, fd, b'\\0\\0\\0\\2{}')",
    "forged report": "for l in open('/proc/self/maps'):\n    w = l.split()\n"
    "    if w[1][1] + w[1][3] == 'ws':\n        a, b = (int(x, 16) for x in w[0].split('-'))\n"
    "        ctypes.memset(a, 0xFF, b - a)\nos._exit(3)",
    "torch spoilt": "import torch\ntorch.relu = torch.nn.Linear.forward = None\n"
    "torch.set_default_dtype(torch.float64)",
    "library spoilt": "import torch\nname = torch.nn.Linear.__qualname__\n"
    "ctypes.memset(id(name) + sys.getsizeof(name) - 7, 88, 6)",
    "interpreter gone": "sys.modules.clear()",
    "exit functions": "import atexit\natexit.register(lambda: os._exit(9))",
    "pulls apart": "import gc\nfor o in gc.get_objects()[:3000]:\n"
    "    if isinstance(o, dict): o.clear()",
    "system calls": "for n in range(300, 460):\n"
    "    if n not in (335, 336): libc.syscall(n, 0, 0, 0, 0, 0, 0)",
    "huge error": "raise ValueError('\\ud800' * 10**6)",
    "closed streams": "os.close(0); os.close(1); os.close(2)",
    "training": "import torch\nm = torch.nn.Linear(4, 2)\no = torch.optim.Adam(m.parameters())\n"
    "m(torch.randn(8, 4)).sum().backward()\no.step()",
    "a loop": "while True: pass",
    "a loop in C": "ctypes.PyDLL(None).sleep(600)",
    "deaf": "for n in {*range(1, 65)} - {9, 19, 32, 33}: signal.signal(n, signal.SIG_IGN)\n"
    "time.sleep(600)",
}
SLOW = {"a loop", "a loop in C", "deaf", "stop itself", "thread that stays", "fork bomb", "inodes"}
"""Attacks that last as long as they may: rarer, and with a short time limit."""
_SHORT_S = 0.3
_SLOW_SHARE = 0.03


@dataclass
class Soak:
    """What was run, and what was found."""

    family: str
    statuses: Counter[Status] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def judge(self, name: str, canary: str, result: Result) -> None:
        """Note how a run ended, and any byte in its result that is another run's."""
        self.statuses[result.status] += 1
        if result.status is Status.INTERNAL:
            self.faults.append(f"{name}: lost: {result.detail}")
        text = result.model_dump_json()
        if "STRANGE" in result.stdout:
            self.faults.append(f"{name}: {result.stdout[-200:]}")
        others = set(re.findall(self.family + "([0-9a-f]{16})", text))
        if others - {canary[-16:]}:
            self.faults.append(f"{name}: a canary of another run came back")


async def soak(pool: Pool, runs: int, seed: int, at_once: int) -> Soak:
    """Run `runs` attacks, `at_once` side by side."""
    # Not one word, or the text of a snippet would be taken for a canary.
    told = Soak(family=f"canary{secrets.token_hex(4)}of")
    chance = random.Random(seed)  # noqa: S311 - to repeat a run
    quick, slow = sorted(set(ATTACKS) - SLOW), sorted(SLOW)
    orders = iter(
        [chance.choice(slow if chance.random() < _SLOW_SHARE else quick) for _ in range(runs)]
    )
    done = 0

    async def worker() -> None:
        nonlocal done
        for name in orders:
            done += 1
            canary = told.family + secrets.token_hex(8)
            code = PRELUDE.format(canary=canary, family=told.family)
            code += LOOK_INTO_MEMORY if done % _LOOK_EVERY == 0 else ATTACKS[name]
            limits = LIMITS.model_copy(update={"wall_s": _SHORT_S}) if name in SLOW else LIMITS
            told.judge(name, canary, await pool.run(Snippet(code=code), limits))

    async with asyncio.TaskGroup() as together:
        for _ in range(at_once):
            together.create_task(worker())
    return told


# --- What was there before, and what is there afterwards ------------------------------------------


@dataclass(frozen=True)
class Traces:
    """What runs could leave on this host."""

    processes: frozenset[int]
    files: frozenset[str]
    descriptors: int
    cgroups: frozenset[str]

    def more_than(self, before: Traces) -> list[str]:
        """In words, what is there that was not there before."""
        found = [f"process {pid} is left" for pid in self.processes - before.processes]
        found += [f"file {path} is left" for path in sorted(self.files - before.files)[:20]]
        found += [f"control group {path} is left" for path in self.cgroups - before.cgroups]
        if self.descriptors > before.descriptors:
            found.append(f"{self.descriptors} descriptors are open, {before.descriptors} before")
        return found


def traces(family: str = "") -> Traces:
    """What is there now; of the files those of cells, or with `family` in their name."""
    files = {
        os.path.join(folder, name)  # noqa: PTH118 - of thousands
        for place in _PLACES
        for folder, folders, names in os.walk(place)
        for name in (*folders, *names)
        if "tutor-cell-" in name or (family and family in name)
    }
    own = f"traceback-tutor-{os.getpid()}-"
    groups = {str(p) for p in Path("/sys/fs/cgroup").rglob(f"{own}*") if p.is_dir()}
    return Traces(
        processes=frozenset(p.pid for p in psutil.Process().children(recursive=True)),
        files=frozenset(files),
        descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names only
        cgroups=frozenset(groups),
    )


@dataclass(frozen=True)
class Zygote:
    """What the memory of a zygote was at one moment."""

    pid: int
    unwritable: str
    """A hash of all its memory that may not be written: code and constants of all libraries."""
    own_mib: float
    """What is private to it and written to: its heap."""

    @classmethod
    def now(cls) -> Zygote:
        """Of the one zygote that runs below this process. Raises OSError where it is not seen."""
        forks = [p for p in psutil.Process().children(recursive=True) if _is_zygote(p)]
        (pid,) = [p.pid for p in forks if not _is_zygote(p.parent())]
        return cls(pid, _hash(pid), _own_mib(pid))

    def changed_from(self, before: Zygote) -> list[str]:
        """In words, what changed that must not."""
        found = []
        if self.pid != before.pid:
            found.append("the zygote is another process")
        if self.unwritable != before.unwritable:
            found.append("code or constants in the zygote's memory changed")
        if self.own_mib - before.own_mib > _GROWTH_MIB:
            found.append(f"the zygote grew from {before.own_mib:.1f} to {self.own_mib:.1f} MiB")
        return found


def _is_zygote(process: psutil.Process | None) -> bool:
    try:
        return process is not None and "sandbox.zygote" in process.cmdline()
    except psutil.Error:
        return False


def _hash(pid: int) -> str:
    told = hashlib.blake2b()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - sought in
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if rights.startswith("r-") and "[v" not in line:
                low, high = (int(x, 16) for x in span.split("-"))
                told.update(line.encode())
                memory.seek(low)
                told.update(memory.read(high - low))
    return told.hexdigest()


def _own_mib(pid: int) -> float:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_Dirty")) / 1024


async def run(runs: int, seed: int, tier: Tier, at_once: int) -> tuple[Soak, Zygote, Zygote]:
    """A whole soak: the runs, and what was found during and after them."""
    before = traces()
    async with Pool(
        limits=LIMITS, minimum_tier=tier, maximum_tier=tier, recycle=10 * runs + 1000
    ) as pool:
        settling = await soak(pool, min(_SETTLED, runs), seed, at_once)
        first = Zygote.now()
        told = await soak(pool, max(0, runs - _SETTLED), seed + 1, at_once)
        last = Zygote.now()
    # The pool is closed: nothing of it may be there any more.
    told.faults += settling.faults + last.changed_from(first)
    told.faults += traces(told.family).more_than(before)
    told.statuses += settling.statuses
    return told, first, last


def main() -> None:
    """Read the command line, soak, tell, and end with 1 when something was found."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    options.add_argument("--tier", type=Tier, default=Tier.STRONG)
    options.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    chosen = options.parse_args()
    begun = time.monotonic()
    told, first, last = asyncio.run(run(chosen.runs, chosen.seed, chosen.tier, chosen.at_once))
    table = Table("ended", "runs", title=f"{chosen.runs} runs, seed {chosen.seed}, {chosen.tier}")
    for status, count in told.statuses.most_common():
        table.add_row(status.value, str(count))
    console = Console()
    console.print(table)
    console.print(
        f"{time.monotonic() - begun:.0f} s; the zygote had {first.own_mib:.1f} MiB of its own, "
        f"then {last.own_mib:.1f}; code and constants hashed to {last.unwritable[:16]}."
    )
    for fault in told.faults[:50]:
        console.print(f"FOUND: {fault}", markup=False)
    sys.exit(1 if told.faults else 0)


if __name__ == "__main__":
    main()
