"""The `tutor` command, as a person starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def tutor(
    *arguments: str, given: str | bytes = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `tutor` with `given` as its standard input."""
    run = subprocess.run(
        [str(Path(sys.executable).with_name("tutor")), *arguments],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(
        run.args, run.returncode, run.stdout.decode(), run.stderr.decode()
    )
