"""The plain data between a caller, the pool and a cell. JSON on every wire, never pickle."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Device(StrEnum):
    """Where a snippet asks to run."""

    CPU = "cpu"
    CUDA = "cuda"


class Tier(StrEnum):
    """How strong the walls around a run are, strongest last.

    `none` is no wall at all and is only ever reported, never served; `floor` is Landlock, seccomp
    and rlimits; `strong` adds namespaces, a read-only root and, where writable, cgroups.
    """

    NONE = "none"
    FLOOR = "floor"
    STRONG = "strong"

    @property
    def rank(self) -> int:
        """0 for the weakest tier, growing with strength."""
        return list(Tier).index(self)


class Status(StrEnum):
    """How a run ended, as its parent observed it."""

    OK = "ok"
    ERROR = "error"
    EXIT = "exit"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    OOM = "oom"
    OUTPUT_LIMIT = "output_limit"
    INTERNAL = "internal"


class Frozen(BaseModel):
    """Base of all messages: immutable, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_inf_nan="null")


class Limits(Frozen):
    """What one run may use."""

    wall_s: Annotated[float, Field(gt=0, le=3600)] = 15.0
    memory_mib: Annotated[int, Field(ge=64)] = 2048
    output_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    """Per stream; the first and the last bytes are kept."""
    scratch_mib: Annotated[int, Field(ge=1)] = 64
    """Room for files in the snippet's working directory."""
    processes: Annotated[int, Field(ge=1)] = 64
    """Processes and threads together."""
    threads: Annotated[int, Field(ge=1)] = 2
    """Threads that torch uses for one operation."""
    code_bytes: Annotated[int, Field(ge=1)] = 200_000
    """The longest snippet that is taken."""


class Snippet(Frozen):
    """Python source that somebody wants to run."""

    code: str
    device: Device = Device.CPU


class ExceptionReport(Frozen):
    """The exception that ended a snippet, as the guest told it: data to show, never to trust."""

    type: str
    message: str
    traceback: str
    line: int | None = None
    """Line of the snippet's own code that raised, from 1; None when no frame is the snippet's."""


class OutputFile(Frozen):
    """A file that the snippet left in its working directory."""

    name: str
    size: int
    content_base64: str


class Result(Frozen):
    """Everything that is known about one finished run."""

    status: Status
    exit_code: int | None = None
    signal: int | None = None
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    """True when stdout or stderr lost bytes to the output limit."""
    exception: ExceptionReport | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0
    tier: Tier = Tier.NONE
    device: Device = Device.CPU
    files: tuple[OutputFile, ...] = ()
    skipped_files: tuple[str, ...] = ()
    """Names of files that were not handed back, each with the reason in words."""
    detail: str = ""
    """For people: why the status is what it is, when the status alone does not say it."""
