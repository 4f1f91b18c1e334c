"""What the driver's management library (NVML) tells of one GPU."""

from __future__ import annotations

from typing import Protocol

import pynvml

from sandbox.protocol import Device
from sandbox.runner import DeviceUnavailable


class GpuLost(Exception):
    """The driver does not answer for the GPU any more; the message is its own."""


class Gpu(Protocol):
    """One GPU, as far as its memory is concerned. Sizes in bytes."""

    name: str
    uuid: str
    node: int
    """The number of its device node, /dev/nvidia<node>."""
    total: int

    def used(self) -> int:
        """Memory that is taken now, by whomever. Blocks. Raises GpuLost."""


class NvmlGpu:
    """A GPU of this host. Asking about it makes no CUDA context."""

    def __init__(self, index: int) -> None:
        """`index` counts as nvidia-smi does. Raises DeviceUnavailable."""
        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            self.name: str = pynvml.nvmlDeviceGetName(self._handle)
            self.uuid: str = pynvml.nvmlDeviceGetUUID(self._handle)
            self.node: int = pynvml.nvmlDeviceGetMinorNumber(self._handle)
            self.total: int = pynvml.nvmlDeviceGetMemoryInfo(self._handle).total
        except pynvml.NVMLError as error:
            raise DeviceUnavailable(
                Device.CUDA,
                f"This host has no CUDA GPU number {index} that can be used (NVML: {error}); "
                "use --device cpu.",
            ) from None

    def used(self) -> int:
        """Memory that is taken now, by whomever. Blocks. Raises GpuLost."""
        try:
            return int(pynvml.nvmlDeviceGetMemoryInfo(self._handle).used)
        except pynvml.NVMLError as error:
            raise GpuLost(str(error)) from None
