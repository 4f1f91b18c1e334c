"""How a run ended.

Judged is by what this process sees itself: the exit status that the guard waited for, the clock,
the control group. What the guest reports is shown, and decides nothing but the words.
"""

from __future__ import annotations

import os
import signal

from sandbox.protocol import Device, ExceptionReport, Hint, Limits, Result, Status, Tier, Wall
from sandbox.run import Cut, Seen


def judge(seen: Seen, tier: Tier, limits: Limits, device: Device = Device.CPU) -> Result:
    """The verdict on a finished run."""
    status, detail = _status(seen, limits)
    code = number = None
    ending = seen.ending
    if ending is not None and status in (Status.OK, Status.ERROR, Status.EXIT):
        code = os.waitstatus_to_exitcode(ending.wait_status)
    if ending is not None and status is Status.SIGNAL:
        number = os.WTERMSIG(ending.wait_status)
    report = seen.report
    exception = report.exception if report and status is Status.ERROR else None
    hint = _hint(exception, limits) if exception else None
    return Result(
        status=status,
        exit_code=code,
        signal=number,
        stdout=seen.stdout.text,
        stderr=seen.stderr.text,
        truncated=seen.stdout.truncated or seen.stderr.truncated,
        exception=exception,
        hint=hint,
        scene=report.scene if report and status is Status.ERROR else None,
        reached=report.reached if report else (),
        findings=report.findings if report else (),
        wall_s=seen.wall_s,
        cpu_s=ending.cpu_s if ending else 0.0,
        peak_mib=seen.peak_mib if seen.peak_mib is not None else ending.peak_mib if ending else 0.0,
        tier=tier,
        device=device,
        files=seen.files,
        skipped_files=seen.skipped,
        detail=detail or (hint_sentence(hint) if hint else ""),
    )


def _status(seen: Seen, limits: Limits) -> tuple[Status, str]:
    if seen.cut is Cut.TIMEOUT:
        return Status.TIMEOUT, f"The run was stopped after {limits.wall_s:g} s, the time limit."
    if seen.sentence is not None:
        return seen.sentence.status, seen.sentence.detail
    if seen.cut is Cut.OUTPUT:
        return (
            Status.OUTPUT_LIMIT,
            f"The run was stopped because it printed more than {limits.output_bytes} bytes.",
        )
    memory = f"The run was killed because it needed more than {limits.memory_mib} MiB of memory."
    ending = seen.ending
    if seen.lost:
        return (
            Status.INTERNAL,
            "The sandbox lost this run; it is not the snippet's fault. Try again.",
        )
    if ending is None:
        return Status.OOM, memory
    how = seen.report.how if seen.report else None
    finished = ending.wait_status == 0 and how == "finished"
    if ending.over == "memory" or (seen.out_of_memory and not finished):
        return Status.OOM, memory
    if ending.over == "disk":
        return (
            Status.SIGNAL,
            f"The run was stopped because its files took more than {limits.scratch_mib} MiB.",
        )
    if os.WIFSIGNALED(ending.wait_status):
        name = _signal_name(os.WTERMSIG(ending.wait_status))
        return Status.SIGNAL, f"The run was ended by signal {name}."
    if finished:
        return Status.OK, ""
    if how == "error" and ending.wait_status == 1 << 8:
        return Status.ERROR, ""
    return Status.EXIT, f"The snippet ended itself with exit code {ending.wait_status >> 8}."


def hint_sentence(hint: Hint) -> str:
    """A hint in English words, for the command line and the log."""
    match hint.wall:
        case Wall.POLICY:
            return (
                "The sandbox denied this: a snippet starts no other programs, has no network, and "
                "changes nothing outside its own working directory."
            )
        case Wall.DISK:
            return f"The files of a run may take {hint.most} MiB together."
        case Wall.MEMORY:
            return f"A run may use {hint.most} MiB of memory."
        case Wall.PROCESSES:
            return f"A run may have {hint.most} processes and threads together."


def _hint(exception: ExceptionReport, limits: Limits) -> Hint | None:
    """Which limit or wall an error comes from, when its message is one that they cause.

    The guest told the message: a wrong one leads to a wrong hint about the snippet's own error.
    """
    kind, message = exception.type, exception.message
    if "Operation not permitted" in message:
        return Hint(wall=Wall.POLICY)
    if "No space left on device" in message or "File too large" in message:
        return Hint(wall=Wall.DISK, most=limits.scratch_mib)
    if kind == "MemoryError" or "can't allocate memory" in message:
        return Hint(wall=Wall.MEMORY, most=limits.memory_mib)
    if "can't start new thread" in message or "Resource temporarily unavailable" in message:
        return Hint(wall=Wall.PROCESSES, most=limits.processes)
    return None


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
