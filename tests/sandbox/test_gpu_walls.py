"""What a cell on a GPU is allowed beyond one on the CPU, as far as that shows without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest
import torch
from pydantic import ValidationError

from sandbox import cuda, kernel, landlock
from sandbox.pool import Pool
from sandbox.protocol import Limits, Tier
from sandbox.runner import SandboxError
from sandbox.wire import Cuda

GPU = Cuda(uuid="GPU-0a1b2c3d-0000-0000-0000-000000000000", node=1, fraction=0.5)
floor = pytest.mark.skipif(
    kernel.landlock_abi() < landlock.FLOOR_ABI,
    reason=f"the floor tier needs Landlock {landlock.FLOOR_ABI}",
)


def behind_walls(code: str) -> dict[str, str]:
    """What a fresh process prints as JSON that goes behind the walls of a GPU's cell first."""
    script = f"""
import json, os, sys, threading
from pathlib import Path
from sandbox import cuda, guest, kernel, landlock, seccomp, view
from sandbox.protocol import Device, Tier
from sandbox.wire import Cuda

def attempt(act):
    try:
        act()
    except OSError as problem:
        return type(problem).__name__
    return "possible"

def landlocked(driven):
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    readable = [*guest.import_folders(), *view.SYSTEM, "/proc/self", *cuda.READABLE]
    landlock.confine(readable, [], ["/dev/null", *cuda.WRITABLE], driven)

program = seccomp.assemble(Tier.FLOOR, device=Device.CUDA)  # its files are out of reach later

{textwrap.dedent(code)}
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    answer: dict[str, str] = json.loads(told.stdout)
    return answer


def test_only_the_nodes_of_one_gpu_are_in_reach() -> None:
    assert cuda.nodes(GPU) == ["/dev/nvidia1", *cuda.NODES]
    # Of other GPUs, of displays, and of the rights to configure the driver, none.
    assert not {"/dev/nvidia0", "/dev/nvidia-modeset", "/dev/nvidia-caps"} & set(cuda.nodes(GPU))


@pytest.mark.parametrize("uuid", ["MIG-0a1b", "0", "GPU-0,1", "GPU-0\nX", ""])
def test_a_name_that_is_no_whole_gpus_is_refused(uuid: str) -> None:
    with pytest.raises(ValidationError):
        Cuda(uuid=uuid, node=0, fraction=0.5)


@floor
def test_what_libcuda_reads_and_writes_is_in_reach_and_nothing_beside_it() -> None:
    told = behind_walls("""
        landlocked([])
        task = Path("/proc/self/task", str(threading.get_native_id()))
        print(json.dumps({
            "its devices": attempt(lambda: Path("/proc/devices").read_text()),
            "its memory": attempt(lambda: os.listdir("/sys/devices/system/node")),
            "name of a thread": attempt(lambda: (task / "comm").write_text("cuda")),
            "a new file": attempt(lambda: Path("/tmp/of-a-test").write_text("")),
            "another device": attempt(lambda: os.open("/dev/full", os.O_RDWR)),
            "another process": attempt(lambda: Path("/proc/1/comm").write_text("x")),
            "the kernel's settings": attempt(lambda: Path("/proc/sys/kernel/hostname").read_text()),
        }))
    """)
    assert told == {
        "its devices": "possible",
        "its memory": "possible",
        "name of a thread": "possible",
        "a new file": "PermissionError",
        "another device": "PermissionError",
        "another process": "PermissionError",
        "the kernel's settings": "PermissionError",
    }


@floor
@pytest.mark.skipif(kernel.landlock_abi() < 5, reason="Landlock looks at ioctl since version 5")
def test_orders_reach_only_the_devices_that_are_meant() -> None:
    code = """
        import fcntl
        landlocked({driven})
        null = os.open("/dev/null", os.O_RDWR)
        # A request that the device does not know, of the NVIDIA driver's type.
        try:
            fcntl.ioctl(null, 0x46FF)
        except OSError as problem:
            print(json.dumps({{"error": type(problem).__name__}}))
    """
    assert behind_walls(code.format(driven=[])) == {"error": "PermissionError"}
    assert behind_walls(code.format(driven=["/dev/null"])) == {"error": "OSError"}


@floor
def test_threads_that_ran_before_are_behind_the_same_walls() -> None:
    told = behind_walls("""
        go, done, seen = threading.Event(), threading.Event(), {}
        def driver():
            go.wait()
            seen["a file"] = attempt(lambda: Path("/etc/hostname").read_text())
            seen["another program"] = attempt(lambda: os.execv("/bin/true", ["true"]))
            seen["memory that is a file"] = attempt(lambda: os.memfd_create("x"))
            done.set()
        landlocked([])
        threading.Thread(target=driver, daemon=True).start()
        early = attempt(lambda: os.close(os.memfd_create("x")))
        kernel.install_filter(program)
        go.set()
        done.wait()
        print(json.dumps({"while the context is made": early, **seen}))
    """)
    assert told == {
        "while the context is made": "possible",
        "a file": "PermissionError",
        "another program": "PermissionError",
        "memory that is a file": "PermissionError",
    }


@floor
@pytest.mark.skipif(torch.cuda.is_available(), reason="a context can be made here")
async def test_a_context_that_cannot_be_made_is_told_in_torchs_words() -> None:
    pool = Pool(
        limits=Limits(memory_mib=512),
        minimum_tier=Tier.FLOOR,
        maximum_tier=Tier.FLOOR,
        size=0,
        cuda=GPU,
    )
    with pytest.raises(SandboxError, match=r"Torch not compiled with CUDA|NVIDIA|CUDA"):
        await pool.start()
