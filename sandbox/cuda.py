"""What a cell on a GPU has beyond one on the CPU: device nodes, a few files, a warm context.

The lists are what others found that CUDA needs behind Landlock (docs/decisions/0018-gpu.md names
the reports); libcuda ends with error 304, "OS call failed", when it misses one of them.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from sandbox.wire import Cuda

NODES = (
    "/dev/nvidiactl",  # the driver itself
    "/dev/nvidia-uvm",  # memory that the processor and the GPU share
    "/dev/nvidia-uvm-tools",  # opened with it since driver 570
)
READABLE = (
    "/proc/driver/nvidia",
    "/proc/driver/nvidia-uvm",
    "/proc/devices",  # the major number of nvidia-uvm
    "/proc/modules",  # whether the driver's modules are loaded
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",  # which memory is near which processor
    "/sys/module/nvidia",
    "/sys/module/nvidia_uvm",
)
WRITABLE = ("/proc/self/task",)
"""Since driver 570 the threads of libcuda write their names below it (`…/<thread>/comm`)."""


def nodes(cuda: Cuda) -> list[str]:
    """The device nodes of one GPU. Those of others stay out of reach."""
    return [f"/dev/nvidia{cuda.node}", *NODES]


def make_ready(cuda: Cuda) -> None:
    """Make the context of this process, and have it load what a first training step loads.

    Behind Landlock, so that the threads that it starts are behind it, too. Raises what torch raises
    when the GPU cannot be used.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = cuda.uuid
    torch: Any = importlib.import_module("torch")
    torch.cuda.init()
    # More than its part fails as an ordinary torch.OutOfMemoryError.
    torch.cuda.set_per_process_memory_fraction(cuda.fraction)
    factor = torch.ones(64, 64, device="cuda", requires_grad=True)
    (factor @ factor).relu().sum().backward()
    torch.cuda.synchronize()
    del factor
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
