"""The strong tier for a user without any rights: user namespaces, and no control group."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import nobody
import pytest

_RUN = """
import asyncio, json, os
from sandbox.pool import Pool
from sandbox.protocol import Limits, Snippet

CODE = {code}

async def main():
    async with Pool(limits=Limits(memory_mib=256, wall_s=10.0)) as pool:
        results = [(await pool.run(Snippet(code=code))).model_dump(mode="json") for code in CODE]
        many = await asyncio.gather(*(pool.run(Snippet(code=str(n))) for n in range(20)))
    print(json.dumps({{"uid": os.getuid(), "why": pool.why, "results": results,
                      "many": [r.stdout for r in many]}}))

asyncio.run(main())
"""

_MEMORY = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        kept = bytearray(60 << 20)
        for i in range(0, len(kept), 4096):
            kept[i] = 1
        time.sleep(8)
        os._exit(0)
time.sleep(8)
"""

_SHARED = """
import mmap
shared = mmap.mmap(-1, 1 << 30)
for start in range(0, 1 << 30, 1 << 20):
    shared[start : start + (1 << 20)] = b"x" * (1 << 20)
"""

_TRAINING = """
import os, torch
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.Adam(model.parameters())
model(torch.randn(8, 4)).sum().backward()
optimizer.step()
open("weights.txt", "w").write("w")
print(os.getuid(), os.getpid() < 10, sorted(os.listdir("/")))
"""


def _run_as_nobody(code: list[str]) -> dict[str, object]:
    script = _RUN.format(code=repr(code))
    done = subprocess.run(
        nobody.command(script),
        env=nobody.environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    if "cannot reach tier strong" in done.stderr and "unshare" in done.stderr:
        pytest.skip(f"no unprivileged user namespaces here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox runs on Linux")
def test_a_user_without_rights_gets_the_strong_tier() -> None:
    answer = _run_as_nobody([_TRAINING, "1 / 0", _MEMORY, _SHARED])
    assert answer["uid"] != 0
    training, error, memory, shared = answer["results"]  # type: ignore[misc]
    assert training["status"] == "ok", training
    assert training["tier"] == "strong"
    uid, first, top = training["stdout"].split(" ", 2)
    assert (uid, first) == ("1000", "True")
    shown = {"dev", "etc", "lib", "lib32", "lib64", "opt", "proc", "scratch", "sys", "tmp", "usr"}
    assert set(ast.literal_eval(top)) <= shown
    assert [file["name"] for file in training["files"]] == ["weights.txt"]
    assert error["exception"]["type"] == "ZeroDivisionError"
    if "guard watches memory" in str(answer["why"]):
        # No control group bounds a whole cell: its guard has to.
        assert memory["status"] == "oom", memory
        assert shared["status"] == "oom", shared
        assert shared["peak_mib"] < 512
    assert answer["many"] == [f"{n}\n" for n in range(20)]
