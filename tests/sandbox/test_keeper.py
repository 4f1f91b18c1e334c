"""The process that keeps a cell's memory is in nobody's way, and harmless when a run has ended."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.pool import Pool
from sandbox.protocol import Limits, Snippet, Status, Tier


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool() -> AsyncIterator[Pool]:
    async with Pool(size=1) as pool:
        if pool.tier is not Tier.STRONG:
            pytest.skip(f"the strong tier is not to be had: {pool.why}")
        yield pool


async def output(pool: Pool, code: str, limits: Limits | None = None) -> str:
    result = await pool.run(Snippet(code=textwrap.dedent(code)), limits)
    assert result.status is Status.OK, result
    return result.stdout


@pytest.mark.asyncio(loop_scope="session")
async def test_a_snippet_that_waits_for_its_children_waits_for_none(pool: Pool) -> None:
    code = """
        import os
        try:
            os.wait()
        except ChildProcessError:
            print("no child")
        if os.fork() == 0:
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        """
    assert await output(pool, code) == "no child\n7\n"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_snippet_has_all_processes_that_it_may_have(pool: Pool) -> None:
    code = """
        import os, time
        count = 1
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(60)
                count += 1
        except BlockingIOError:
            print(count)
        """
    assert await output(pool, code, Limits(processes=5)) == "5\n"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGSTOP", "SIGTERM", "SIGSEGV"])
async def test_a_signal_to_the_keeper_changes_nothing_for_the_run(pool: Pool, number: str) -> None:
    code = f"""
        import os, signal
        others = {{int(n) for n in os.listdir("/proc") if n.isdecimal()}} - {{1, os.getpid()}}
        for other in others:
            os.kill(other, signal.{number})
        print(len(others), "signalled")
        """
    assert await output(pool, code) == "1 signalled\n"


@pytest.mark.asyncio(loop_scope="session")
async def test_what_processes_print_before_the_end_is_all_there(pool: Pool) -> None:
    code = """
        import os
        if os.fork() == 0:
            os.write(1, b"a" * 60_000)
            os._exit(0)
        os.wait()
        print("end")
        """
    assert await output(pool, code) == "a" * 60_000 + "end\n"


def test_a_killed_keeper_is_waited_for_until_it_executes_nothing() -> None:
    code = """
        import os, signal, time
        from sandbox.keeper import Keeper, start_keeper
        pid = start_keeper()
        keeper = Keeper(pid)
        assert keeper.pids() == {pid}
        signal.alarm(60)
        os.kill(pid, signal.SIGKILL)
        keeper.wait_until_harmless()
        with open(f"/proc/{pid}/stat") as stat:
            assert int(stat.read().rpartition(")")[2].split()[6]) & 0x4
        os.waitpid(pid, 0x40000000)  # __WALL
        assert keeper.pids() == set()
        keeper.wait_until_harmless()
        print("harmless", signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert said.stdout == "harmless set()\n", said.stderr
