"""Attacks by means of Python, torch, output and files."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from attacker import attack, says

from sandbox.pool import Pool
from sandbox.protocol import Status, Tier

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_os_exit_is_an_exit(any_tier: Pool) -> None:
    result = await attack(any_tier, "os._exit(0)")
    assert (result.status, result.exit_code) == (Status.EXIT, 0)


async def test_a_null_read_is_signal_11(any_tier: Pool) -> None:
    result = await attack(any_tier, "print('before')\nctypes.string_at(0)")
    assert (result.status, result.signal, result.stdout) == (Status.SIGNAL, 11, "before\n")


async def test_an_overflow_of_the_c_stack_is_signal_11(any_tier: Pool) -> None:
    code = "sys.setrecursionlimit(10**9)\ndef f(x): return sorted([0, 1], key=lambda _: f(x))\nf(0)"
    result = await attack(any_tier, code)
    assert (result.status, result.signal) == (Status.SIGNAL, 11), result


async def test_endless_recursion_is_an_error(any_tier: Pool) -> None:
    result = await attack(any_tier, "def f(): f()\nf()")
    assert result.exception is not None
    assert result.exception.type == "RecursionError"


async def test_a_crash_dump_names_no_path_of_the_host(strong: Pool) -> None:
    code = """
        import faulthandler, torch
        faulthandler.enable()
        torch.utils._pytree.tree_map(lambda _: ctypes.string_at(0), [1])
    """
    result = await attack(strong, code)
    assert result.signal == 11
    assert "Segmentation fault" in result.stderr
    for place in (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]), "site-packages"):
        assert place not in result.stderr


async def test_a_malicious_pickle_is_harmless_inside(any_tier: Pool) -> None:
    code = """
        import pickle, torch
        class Evil:
            def __reduce__(self):
                return os.system, ("touch /tmp/evil; kill -9 -1",)
        torch.save(Evil(), "evil.pt")
        print(torch.load("evil.pt", weights_only=False) != 0)
        print(os.path.exists("/tmp/evil"))
    """
    assert await says(any_tier, code) == ["True", "False"]


async def test_building_an_extension_is_a_clear_error(strong: Pool) -> None:
    code = """
        from torch.utils.cpp_extension import load_inline
        load_inline("x", "int f() { return 1; }", functions=["f"])
    """
    result = await attack(strong, code)
    assert result.status is Status.ERROR
    assert result.exception is not None


async def test_compiling_a_model_is_a_clear_error_or_works(strong: Pool) -> None:
    code = """
        import torch
        print(torch.compile(lambda x: x + 1)(torch.ones(1)))
    """
    result = await attack(strong, code, wall_s=20.0)
    assert result.status in (Status.OK, Status.ERROR), result
    if result.exception is not None:
        assert result.exception.message


async def test_dataloader_workers_are_a_clear_error_where_processes_are_not_allowed(
    any_tier: Pool,
) -> None:
    code = """
        import torch
        from torch.utils.data import DataLoader
        print(len(list(DataLoader(torch.ones(4), num_workers=1))))
    """
    result = await attack(any_tier, code)
    if any_tier.tier is Tier.STRONG:
        assert result.stdout == "4\n", result
    else:
        assert result.exception is not None
        assert "Use num_workers=0" in result.exception.message


async def test_the_host_never_unpickles() -> None:
    folder = Path(__file__).parents[2] / "sandbox"
    for path in folder.glob("*.py"):
        assert "pickle" not in path.read_text("utf-8").replace("never pickle", ""), path


async def test_breaking_the_interpreter_is_no_good_end(any_tier: Pool) -> None:
    for code in (
        "sys.modules.clear()",
        "import builtins\nbuiltins.__dict__.clear()",
        "import traceback\ntraceback.TracebackException = None\n1 / 0",
        "import threading\nthreading._shutdown = lambda: os._exit(3)",
    ):
        result = await attack(any_tier, code)
        assert result.status in (Status.OK, Status.EXIT, Status.ERROR), (code, result)
    assert (await says(any_tier, "print('next')")) == ["next"]


async def test_an_exception_with_hostile_text_is_bounded(any_tier: Pool) -> None:
    code = """
        class E(Exception):
            def __str__(self): return "\\ud800" + "x" * 10**7
        E.__qualname__ = "E" * 10**6
        raise E()
    """
    result = await attack(any_tier, code)
    assert result.status is Status.ERROR
    assert result.exception is not None
    assert len(result.model_dump_json()) < 300_000


async def test_an_exception_whose_str_raises_is_still_told(any_tier: Pool) -> None:
    code = "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E()"
    result = await attack(any_tier, code)
    assert result.status in (Status.ERROR, Status.EXIT)


# --- Output ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [1, 2])
async def test_a_flood_ends_the_run_and_keeps_its_two_ends(any_tier: Pool, stream: int) -> None:
    code = f"os.write({stream}, b'BEGIN')\nwhile True: os.write({stream}, b'x' * 65536)"
    result = await attack(any_tier, code, output_bytes=10_000)
    text = result.stdout if stream == 1 else result.stderr
    assert (result.status, result.truncated) == (Status.OUTPUT_LIMIT, True)
    assert text.startswith("BEGINxxx")
    assert text.endswith("xxx")
    assert len(text) < 10_100


async def test_a_line_of_100_megabytes_is_capped(any_tier: Pool) -> None:
    result = await attack(any_tier, "for _ in range(100): print('x' * 10**6, end='')")
    assert result.truncated
    assert len(result.stdout) < 1_000_100


async def test_bytes_that_are_no_text_are_shown_replaced(any_tier: Pool) -> None:
    result = await attack(any_tier, r"os.write(1, b'a\xff\xfe\0b\n')")
    assert result.stdout.startswith("a\ufffd\ufffd\0b\n")
    json.loads(result.model_dump_json())


# --- Files ----------------------------------------------------------------------------------------


async def test_only_ordinary_files_are_handed_back(any_tier: Pool) -> None:
    code = r"""
        open("good.txt", "w").write("good")
        os.symlink("/etc/shadow", "link")
        os.symlink("/", "top")
        os.link("good.txt", "second-name")
        open("alone.bin", "wb").write(b"\0\1")
        os.mkdir("d")
        open("d/inner", "w").write("inner")
        os.makedirs("a/b/c/d/e/f")
        with socket.socket(socket.AF_UNIX) if os.path.isdir("/scratch") else open("s", "w") as s:
            s.bind("sock") if hasattr(s, "bind") else None
        open("huge", "wb").truncate(9 << 20)
        open("odd\n\x1b[31m", "w").write("x")
    """
    result = await attack(any_tier, code)
    assert result.status is (Status.OK if any_tier.tier is Tier.STRONG else result.status), result
    names = {file.name: base64.b64decode(file.content_base64) for file in result.files}
    assert names["alone.bin"] == b"\0\1"
    assert names["d/inner"] == b"inner"
    assert not {"link", "top", "second-name", "good.txt", "huge", "sock"} & set(names)
    skipped = "\n".join(result.skipped_files)
    assert "link: a symbolic link" in skipped
    assert "top: a symbolic link" in skipped
    assert "second-name: a file with several names" in skipped
    assert "a/b/c/d: more than 4 folders deep" in skipped
    assert all(name.isprintable() for name in names)
    assert "x1b" in "".join(names)


async def test_too_many_files_are_bounded(any_tier: Pool) -> None:
    code = "for n in range(700): open(f'f{n:03}', 'w').close()"
    result = await attack(any_tier, code)
    assert len(result.files) == 16
    assert len(result.skipped_files) <= 64
    assert any("more than 512 files" in line for line in result.skipped_files) or any(
        "more than 16 files" in line for line in result.skipped_files
    )


async def test_unreadable_files_are_skipped_and_removed(any_tier: Pool) -> None:
    code = """
        os.mkdir("closed"); open("closed/f", "w").close(); os.chmod("closed", 0)
        open("mine", "w").close(); os.chmod("mine", 0)
    """
    result = await attack(any_tier, code)
    assert result.status is Status.OK, result
    assert (await says(any_tier, "print(os.listdir('.'))")) == ["[]"]
