"""The self-test finds what a snippet could do where there are no walls."""

from __future__ import annotations

import subprocess

import nobody

from sandbox import probe
from sandbox.protocol import Result, Status


def test_without_walls_the_self_test_finds_what_is_possible() -> None:
    """Its attempts, made by a user without rights in an ordinary process."""
    with probe.attempts() as snippet:
        done = subprocess.run(
            nobody.command("import json\n" + snippet.code),
            env={**nobody.environment(), "LEFT": "1"},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
    found = probe.faults(Result(status=Status.OK, stdout=done.stdout))
    assert {
        "connect to a TCP port of the host",
        "connect to a local socket of the host",
        "read a file of the host",
        "start a program",
        "take a handle of its guard",
    } <= set(found)


def test_a_self_test_that_did_not_run_is_no_good_news() -> None:
    for result in (
        Result(status=Status.OK, stdout="nothing"),
        Result(status=Status.ERROR, stdout="[]"),
        Result(status=Status.INTERNAL, detail="lost"),
    ):
        assert "did not run" in probe.faults(result)[0]
