"""Attacks on what other runs leave, and on what the host keeps: files, memory, secrets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

import pytest
from attacker import Target, Unavailable, Ward, attack, guarding, says, serves

from sandbox.protocol import Status

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("D")]


async def test_files_of_another_run_are_out_of_reach(any_tier: Target) -> None:
    secret = secrets.token_hex(8)
    writer = asyncio.create_task(
        attack(
            any_tier,
            f"import tempfile\nopen('own', 'w').write('{secret}')\n"
            f"open(tempfile.gettempdir() + '/tmp-{secret}', 'w')\ntime.sleep(1)",
        )
    )
    await asyncio.sleep(0.4)
    code = f"""
        here = os.getcwd()
        for top in ("/scratch", "/tmp", "/dev/shm", os.path.dirname(here)):
            for folder, folders, files in os.walk(top):
                # What all runs see read-only, and what the kernel makes up.
                folders[:] = [] if folder in ("/opt", "/usr", "/proc", "/sys") else folders
                for name in files:
                    path = os.path.join(folder, name)
                    assert "{secret}" not in name, path
                    if attempt(os.path.getsize, path) == 16:
                        assert "{secret}" not in str(attempt(lambda: open(path).read())), path
        print("absent")
    """
    assert await says(any_tier, code) == ["absent"]
    assert (await writer).status is Status.OK


_PLACES = '{"here": ".", "temporary": tempfile.gettempdir(), "shared memory": "/dev/shm"}'


@pytest.mark.outcome("C")
async def test_files_that_a_run_leaves_are_absent_in_the_next(any_tier: Target) -> None:
    leave = f"""
        import tempfile
        written = 0
        for folder in {_PLACES}.values():
            for name in ("left", ".left", "left.py", "sitecustomize.py", "torch.py"):
                answer = attempt(lambda: open(folder + "/" + name, "w"))
                written += not isinstance(answer, str)
        print(written >= 10)
    """
    look = f"""
        import tempfile
        print([f for f in {_PLACES}.values() if os.path.isdir(f) and attempt(os.listdir, f)
               not in ([], ["matplotlib"], "EACCES")])
    """
    assert await says(any_tier, leave) == ["True"]
    for _ in range(3):
        assert await says(any_tier, look) == ["[]"]


@pytest.mark.outcome("C")
async def test_what_a_run_changes_in_torch_is_as_before_in_the_next(any_tier: Target) -> None:
    leave = """
        import torch, json, builtins
        torch.relu = json.dumps = torch.nn.Linear.forward = None
        torch.ones = lambda *a: "left"
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True)
        torch.zeros(1).add_(1)
        builtins.left = 1
        os.environ["LEFT"] = "1"
        sys.modules["left"] = sys
        sys.path.insert(0, "left")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("left")
    """
    look = """
        import torch, json
        print(torch.relu is None, json.dumps is None, torch.ones(1).dtype,
              torch.nn.Linear(2, 2)(torch.ones(2)).shape, "LEFT" in os.environ,
              "left" in sys.modules, "left" in sys.path, "left" in dir(__builtins__),
              torch.zeros(1), torch.are_deterministic_algorithms_enabled(),
              signal.getsignal(signal.SIGTERM))
    """
    before = await says(any_tier, look)
    assert await says(any_tier, leave) == ["left"]
    for _ in range(3):
        assert await says(any_tier, look) == before


async def test_the_memory_of_the_library_cannot_be_changed_for_the_next(any_tier: Target) -> None:
    """Pages that all forks share: changed in place, they are this run's own copy."""
    spoil = """
        import torch
        name = ctypes.create_string_buffer(8)
        torch_name = id(torch.nn.Linear.__qualname__)
        size = sys.getsizeof(torch.nn.Linear.__qualname__)
        ctypes.memset(torch_name + size - 7, ord("X"), 6)
        ctypes.memset(id(7) + 24, 9, 1)
        print(torch.nn.Linear.__qualname__, 3 + 4)
    """
    assert await says(any_tier, spoil) == ["XXXXXX 9"]
    for _ in range(3):
        look = "import torch\nprint(torch.nn.Linear.__qualname__, 3 + 4)"
        assert await says(any_tier, look) == ["Linear 7"]


async def test_no_memory_is_shared_with_another_run(any_tier: Target) -> None:
    """The one shared mapping is the report's; what is written there is gone in the next run."""
    code = """
        shared = []
        for line in open("/proc/self/maps"):
            span, rights, *_ = line.split()
            if rights[1] + rights[3] == "ws":
                low, high = (int(x, 16) for x in span.split("-"))
                shared.append((low, high))
        marks = [ctypes.string_at(high - 64, 64) for low, high in shared]
        print(len(shared), {mark == bytes(64) for mark in marks})
        for low, high in shared:
            ctypes.memset(high - 64, 0x58, 64)
            ctypes.c_int.from_address(high - 64).value = 1
            # Somebody who waits there would be another run.
            assert call(NUMBER["futex"], high - 64, 1, 100, 0, 0, 0) == 0
    """
    for _ in range(3):
        assert await says(any_tier, code) == ["1 {True}"]


async def test_libraries_cannot_be_written(any_tier: Target) -> None:
    code = """
        import torch
        denied = {"EROFS", "EACCES", "EPERM"}
        before = os.stat(torch.__file__)
        places = [os.path.dirname(torch.__file__), os.path.dirname(os.__file__), "/usr/lib", "/etc"]
        assert {attempt(lambda: open(p + "/left", "w")) for p in places} <= denied
        for how in ("w", "a", "r+"):
            assert attempt(lambda: open(torch.__file__, how)) in denied
        assert attempt(os.remove, torch.__file__) in denied
        assert attempt(os.truncate, torch.__file__, 0) in denied
        attempt(os.chmod, torch.__file__, 0o666)
        attempt(os.utime, torch.__file__, (0, 0))
        after = os.stat(torch.__file__)
        print([(b, a) for b, a in zip(before, after) if b != a])
    """
    assert await says(any_tier, code) == ["[]"]


async def test_message_queues_and_shared_memory_ids_are_denied(any_tier: Target) -> None:
    code = """
        print(call(NUMBER["mq_open"], b"q", 0o102, 0o600, None))
        print(call(NUMBER["shmget"], 0, 4096, 0o1600), call(NUMBER["semget"], 0, 1, 0o1600),
              call(NUMBER["msgget"], 0, 0o1600))
    """
    assert await says(any_tier, code) == ["EPERM", "EPERM EPERM EPERM"]


async def test_the_environment_holds_no_secret(any_tier: Target) -> None:
    names = (await says(any_tier, "print(*sorted(os.environ))"))[0].split()
    known = {"HOME", "LANG", "LC_CTYPE", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "TMPDIR"}
    assert set(names) <= known | {"PYTHONUNBUFFERED"}


@pytest.mark.parametrize("ward", list(Ward), ids=str)
async def test_the_heap_holds_no_secret_of_the_bot(ward: Ward) -> None:
    """The attack knows how the secrets begin, and the hash of what follows, never the rest."""
    begin, end = secrets.token_hex(8), secrets.token_hex(8)
    control_begin, control_end = secrets.token_hex(8), secrets.token_hex(8)
    code = f"""
        import hashlib
        held = bytes.fromhex("{(control_begin + control_end).encode().hex()}")
        def occurrences(begin, digest):
            count = 0
            for line in open("/proc/self/maps"):
                span, rights = line.split()[:2]
                if not rights.startswith("rw") or "[v" in line:
                    continue
                low, high = (int(x, 16) for x in span.split("-"))
                data = ctypes.string_at(low, high - low)
                at = data.find(begin)
                while at >= 0:
                    count += hashlib.sha256(data[at + 16 : at + 32]).hexdigest() == digest
                    at = data.find(begin, at + 1)
            return count
        print(occurrences(b"{begin}", "{hashlib.sha256(end.encode()).hexdigest()}"))
        digest = "{hashlib.sha256(control_end.encode()).hexdigest()}"
        print(occurrences(b"{control_begin}", digest) > 0)
    """
    try:
        async with guarding(ward, TUTOR_TEST_SECRET=begin + end) as target:
            assert await says(target, code, memory_mib=2048, wall_s=30.0) == ["0", "True"]
    except Unavailable as problem:
        pytest.skip(str(problem))


async def test_the_files_of_the_host_are_out_of_sight(any_tier: Target, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    paths = [str(secret), "/etc/shadow", "/root/.bashrc", "/var/log", "/run", str(Path.home())]
    paths += [str(Path(__file__)), "/etc/machine-id", "/etc/hostname", "/boot", "/home"]
    code = f"""
        def read(path):
            return os.listdir(path) if os.path.isdir(path) else open(path).read()
        print({{attempt(read, p) for p in {paths}}} <= {{"ENOENT", "EACCES"}})
    """
    assert await says(any_tier, code) == ["True"]


async def test_the_name_of_the_host_is_not_told(strong: Target) -> None:
    assert await says(strong, "print(socket.gethostname(), os.uname().nodename)") == ["cell cell"]


def _on_the_host(name: str) -> list[str]:
    return [
        folder
        for top in {tempfile.gettempdir(), "/tmp", "/dev/shm"}
        for folder, folders, files in os.walk(top)
        if name in folders or name in files
    ]


async def _is_gone_from_the_host(name: str) -> bool:
    """Whether no file or folder of this name lies in the places for temporary files.

    The pool may still be clearing up when a result is there.
    """
    async with asyncio.timeout(20):  # a guard against hanging
        while _on_the_host(name):  # noqa: ASYNC110 - a look from outside
            await asyncio.sleep(0.02)
    return True


@pytest.mark.outcome("C")
async def test_nothing_is_left_on_the_disk_of_the_host(any_tier: Target) -> None:
    name = f"left-{secrets.token_hex(8)}"
    code = f"""
        import tempfile
        for folder in {_PLACES}.values():
            attempt(lambda: open(folder + "/{name}", "w"))
        print("left")
    """
    assert await says(any_tier, code) == ["left"]
    assert await _is_gone_from_the_host(name)


@pytest.mark.outcome("C")
async def test_a_tree_deeper_than_a_path_is_long_is_removed(any_tier: Target) -> None:
    """1,200 folders in one another: the way down is longer than a path, and than a stack."""
    name = f"deeper-{secrets.token_hex(4)}"
    code = f"""
        for _ in range(1200):
            os.mkdir("{name}")
            os.chdir("{name}")
        time.sleep(0.2)
        print("dug")
    """
    result = await attack(any_tier, code)
    assert result.status in (Status.OK, Status.SIGNAL), result
    assert await serves(any_tier)
    assert await _is_gone_from_the_host(name)


@pytest.mark.outcome("C")
async def test_closed_folders_are_removed(any_tier: Target) -> None:
    name = f"closed-{secrets.token_hex(4)}"
    code = f"""
        import tempfile
        os.mkdir("{name}", 0)
        os.mkdir("open")
        open("open/{name}", "w").write("x")
        for place in ("open", ".", tempfile.gettempdir()):
            attempt(os.chmod, place, 0)
    """
    result = await attack(any_tier, code)
    assert result.status is Status.OK, result
    assert await serves(any_tier)
    assert await _is_gone_from_the_host(name)
