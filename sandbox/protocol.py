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


WATCHED_AT_MOST = 32
THINGS_AT_MOST = 12
LAYERS_AT_MOST = 40
FINDINGS_AT_MOST = 64
NAME_AT_MOST = 200
"""Characters of a name that the guest tells."""
TEXT_AT_MOST = 1000
"""Characters of a line or a description that the guest tells."""

Name = Annotated[str, Field(max_length=NAME_AT_MOST)]
Text = Annotated[str, Field(max_length=TEXT_AT_MOST)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


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
    files: Annotated[int, Field(ge=0, le=64)] = 16
    """How many of them are handed back."""
    files_mib: Annotated[int, Field(ge=1, le=64)] = 8
    """How large those are together, at most."""
    code_bytes: Annotated[int, Field(ge=1)] = 200_000
    """The longest snippet that is taken."""


class Snippet(Frozen):
    """Python source that somebody wants to run."""

    code: str
    device: Device = Device.CPU
    watch: Annotated[tuple[int, ...], Field(max_length=WATCHED_AT_MOST)] = ()
    """Lines of `code`, from 1, of which the result is to tell whether they were executed."""
    check: bool = False
    """True to look for silent pitfalls while it runs; costs time."""
    simulate_cuda: bool = False
    """True to compute on the CPU under the rules of a machine with one CUDA device."""


class ExceptionReport(Frozen):
    """The exception that ended a snippet, as the guest told it: data to show, never to trust."""

    type: str
    message: str
    traceback: str
    line: int | None = None
    """Line of the snippet's own code that raised, from 1; None when no frame is the snippet's."""


class ThingKind(StrEnum):
    """What sort of value a name on the failing line stands for."""

    TENSOR = "tensor"
    MODULE = "module"
    NUMBER = "number"
    LOADER = "loader"
    DATASET = "dataset"
    OTHER = "other"


class Thing(Frozen):
    """One thing that the failing line names."""

    name: Name
    """As written: `x`, `self.fc`, `batch[0]`."""
    kind: ThingKind
    type: Name
    """Its class: `Tensor`, `Linear`, `DataLoader`."""
    shape: Annotated[tuple[int, ...], Field(max_length=64)] | None = None
    dtype: Name | None = None
    """Without the prefix: `float32`."""
    device: Name | None = None
    requires_grad: bool | None = None
    is_leaf: bool | None = None
    contiguous: bool | None = None
    minimum: Finite | None = None
    """Of the finite values; None where it is not cheap to find."""
    maximum: Finite | None = None
    nans: int | None = None
    """How many values are NaN; None where it is not cheap to find."""
    text: Text = ""
    """Declared sizes (`in_features=784, out_features=10`), a number's value, loader settings."""


class Place(Frozen):
    """One line of the learner's own code."""

    line: int
    function: Name
    code: Text
    """The line, without the blanks around it."""
    expression: Text | None = None
    """The sub-expression that was being evaluated, as written."""
    start: int | None = None
    """The part of `code` that `expression` takes, in characters, for carets."""
    end: int | None = None


class Layer(Frozen):
    """One row of the way of the data through a model."""

    name: Name
    """Qualified, as in `named_modules()`: `features.conv1`; empty for the model itself."""
    type: Name
    input: Name
    """`[4, 1, 28, 28]`, or `2 tensors` where there are several."""
    output: Name | None = None
    """None where it failed or did not finish."""
    parameters: Annotated[int, Field(ge=0)] = 0
    """How many numbers it learns, those of its children included."""
    failed: bool = False


class Scene(Frozen):
    """What the failing line saw."""

    place: Place
    """The innermost line of the learner's own code."""
    caller: Place | None = None
    """The line that called the module in which it failed, where there is one."""
    things: Annotated[tuple[Thing, ...], Field(max_length=THINGS_AT_MOST)] = ()
    """What `place` names, then what `caller` names; each name once."""
    layers: Annotated[tuple[Layer, ...], Field(max_length=LAYERS_AT_MOST)] = ()
    """The layers that ran, up to the failing one; empty when no nn.Module was running."""


class Check(StrEnum):
    """A silent pitfall that check mode can find."""

    SOFTMAX_BEFORE_CROSS_ENTROPY = "softmax-before-cross-entropy"
    SIGMOID_BEFORE_BCE_WITH_LOGITS = "sigmoid-before-bce-with-logits"
    TARGET_BROADCAST = "target-broadcast"
    GRADIENTS_NEVER_ZEROED = "gradients-never-zeroed"
    PARAMETERS_WITHOUT_GRADIENT = "parameters-without-gradient"
    PARAMETERS_NEVER_CHANGE = "parameters-never-change"
    TRAIN_MODE_IN_EVALUATION = "train-mode-in-evaluation"
    LAYERS_NOT_REGISTERED = "layers-not-registered"
    OPTIMIZER_OVER_OTHER_PARAMETERS = "optimizer-over-other-parameters"
    SCHEDULER_BEFORE_OPTIMIZER = "scheduler-before-optimizer"
    LOSS_NOT_FINITE = "loss-not-finite"
    GRADIENTS_EXPLODE = "gradients-explode"
    GRADIENTS_VANISH = "gradients-vanish"
    GRAPH_KEPT = "graph-kept"
    WEIGHT_DECAY_ON_NORM_OR_BIAS = "weight-decay-on-norm-or-bias"
    DATA_NOT_SHUFFLED = "data-not-shuffled"
    DATA_NOT_NORMALISED = "data-not-normalised"
    ONE_CLASS_ONLY = "one-class-only"
    FLOAT64_CREEPS_IN = "float64-creeps-in"
    TENSOR_OF_A_SIZE = "tensor-of-a-size"


class Finding(Frozen):
    """One warning of check mode."""

    check: Check
    line: int | None = None
    """Line of the snippet, from 1."""
    facts: Annotated[dict[Name, int | Finite | Text], Field(max_length=12)] = Field(
        default_factory=dict
    )
    """Numbers and names for the sentence about it."""


class OutputFile(Frozen):
    """A file that the snippet left in its working directory."""

    name: str
    size: int
    content_base64: str


class Wall(StrEnum):
    """A wall or limit of the sandbox that a snippet's own error may come from."""

    POLICY = "policy"
    """Other programs, the network, and all that lies outside the working directory."""
    DISK = "disk"
    MEMORY = "memory"
    PROCESSES = "processes"


class Hint(Frozen):
    """What an error most likely comes from, where its message is one that a wall causes."""

    wall: Wall
    most: int | None = None
    """What the run may have: MiB of files or of memory, or processes and threads together."""


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
    scene: Scene | None = None
    """What the failing line saw, as the guest told it: data to show, never to trust."""
    reached: tuple[int, ...] = ()
    """The watched lines that were executed, as the guest told it; sorted."""
    findings: tuple[Finding, ...] = ()
    """What check mode found, as the guest told it."""
    hint: Hint | None = None
    """Of an error: which wall of the sandbox it most likely comes from."""
    detail: str = ""
    """For people: why the status is what it is, when the status alone does not say it."""
