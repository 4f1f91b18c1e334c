"""Which GPU torch finds on this host."""

from __future__ import annotations

import asyncio
import sys

_PATIENCE_S = 120.0
_ASKING = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"


async def find_gpu() -> str | None:
    """The name of the first CUDA GPU that torch can use; None where there is none.

    Asked in a process of its own: asking makes a CUDA context, which must not be forked.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-c",
        _ASKING,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            told, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return told.decode("utf-8", "replace").strip() or None
