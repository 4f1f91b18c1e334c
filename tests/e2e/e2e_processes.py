"""Helpers of the end-to-end tests: start a program, and read what broke Discord's description."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
_ADDRESS = re.compile(r"http://[\w.\[\]:]+")
_START_WITHIN = 60  # seconds

OpenPage = Callable[..., Page]


@contextmanager
def started(command: list[str], **environment: str) -> Iterator[str]:
    """Run a program that prints its address, and give that address; stop it afterwards."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    found = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if _ADDRESS.search(line):
                found.set()
        found.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        found.wait(_START_WITHIN)
        address = _ADDRESS.search("".join(lines))
        assert address is not None, f"{command} did not start:\n{''.join(lines)}"
        yield address[0]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        listener.join(5)


def broken_requests(url: str) -> list[str]:
    """What the bot sent that breaks Discord's description; fails where nothing was checked."""
    report = httpx.get(f"{url}/local/contract").json()
    assert report["checked"] > 0
    violations: list[str] = report["violations"]
    return violations
