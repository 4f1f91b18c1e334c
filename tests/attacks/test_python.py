"""Attacks by means of Python and torch."""

from __future__ import annotations

from pathlib import Path

import pytest
from attacker import Target, attack, host_paths, says, serves

from sandbox.protocol import Status, Tier

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("E")]


@pytest.mark.outcome("K")
async def test_os_exit_is_an_exit(any_tier: Target) -> None:
    result = await attack(any_tier, "os._exit(0)")
    assert (result.status, result.exit_code) == (Status.EXIT, 0)


@pytest.mark.outcome("K")
async def test_a_null_read_is_signal_11(any_tier: Target) -> None:
    result = await attack(any_tier, "print('before')\nctypes.string_at(0)")
    assert (result.status, result.signal, result.stdout) == (Status.SIGNAL, 11, "before\n")


@pytest.mark.outcome("K")
async def test_an_overflow_of_the_c_stack_is_signal_11(any_tier: Target) -> None:
    code = "sys.setrecursionlimit(10**9)\ndef f(x): return sorted([0, 1], key=lambda _: f(x))\nf(0)"
    result = await attack(any_tier, code)
    assert (result.status, result.signal) == (Status.SIGNAL, 11), result


async def test_endless_recursion_is_an_error(any_tier: Target) -> None:
    result = await attack(any_tier, "def f(): f()\nf()")
    assert result.exception is not None
    assert result.exception.type == "RecursionError"


@pytest.mark.outcome("K")
async def test_a_crash_dump_names_no_path_of_the_host(strong: Target) -> None:
    code = """
        import faulthandler, torch
        faulthandler.enable()
        torch.utils._pytree.tree_map(lambda _: ctypes.string_at(0), [1])
    """
    result = await attack(strong, code)
    assert result.signal == 11
    assert "Segmentation fault" in result.stderr
    for place in (*host_paths(), "site-packages"):
        assert place not in result.stderr


@pytest.mark.outcome("C")
async def test_a_malicious_pickle_is_harmless_inside(any_tier: Target) -> None:
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


async def test_building_an_extension_is_a_clear_error(any_tier: Target) -> None:
    code = """
        from torch.utils.cpp_extension import load_inline
        load_inline("x", "int f() { return 1; }", functions=["f"])
    """
    result = await attack(any_tier, code)
    assert result.status is Status.ERROR
    assert result.exception is not None


async def test_compiling_a_model_is_a_clear_error_or_works(any_tier: Target) -> None:
    code = """
        import torch
        print(torch.compile(lambda x: x + 1)(torch.ones(1)))
    """
    result = await attack(any_tier, code, wall_s=20.0)
    assert result.status in (Status.OK, Status.ERROR), result
    if result.exception is not None:
        assert result.exception.message


@pytest.mark.outcome("C", floor="E")
async def test_dataloader_workers_are_a_clear_error_where_processes_are_not_allowed(
    any_tier: Target,
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


@pytest.mark.outcome("D")
async def test_the_host_never_unpickles() -> None:
    folder = Path(__file__).parents[2] / "sandbox"
    for path in folder.glob("*.py"):
        assert "pickle" not in path.read_text("utf-8").replace("never pickle", ""), path


@pytest.mark.outcome("C")
async def test_breaking_the_interpreter_is_no_good_end(any_tier: Target) -> None:
    for code in (
        "sys.modules.clear()",
        "import builtins\nbuiltins.__dict__.clear()",
        "import traceback\ntraceback.TracebackException = None\n1 / 0",
        "import threading\nthreading._shutdown = lambda: os._exit(3)",
    ):
        result = await attack(any_tier, code)
        assert result.status in (Status.OK, Status.EXIT, Status.ERROR), (code, result)
    assert await serves(any_tier)


@pytest.mark.outcome("R")
async def test_an_exception_with_hostile_text_is_bounded(any_tier: Target) -> None:
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


@pytest.mark.outcome("R")
async def test_an_exception_whose_str_raises_is_still_told(any_tier: Target) -> None:
    code = "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E()"
    result = await attack(any_tier, code)
    assert result.status in (Status.ERROR, Status.EXIT)


async def test_a_huge_pickle_is_an_error_or_out_of_memory(any_tier: Target) -> None:
    code = """
        import pickle
        # One that says that it is 100 GB, one that doubles itself 60 times.
        doubling = b"(" + b"lp0\\n" + b"(g0\\ng0\\nlp0\\n" * 60 + b"."
        for evil in (b"\\x80\\x04\\x8e" + struct.pack("<Q", 10**11) + b".", doubling):
            try:
                pickle.loads(evil)
                print("loaded")
            except (MemoryError, pickle.UnpicklingError, EOFError, ValueError, OverflowError) as p:
                print(type(p).__name__)
        open("huge.pt", "wb").write(b"\\x80\\x02\\x8e" + struct.pack("<Q", 10**12))
        import torch
        torch.load("huge.pt")
    """
    result = await attack(any_tier, code)
    assert result.status in (Status.ERROR, Status.OOM), result
    assert await serves(any_tier)


@pytest.mark.outcome("R")
async def test_a_multiplication_on_several_threads_works(any_tier: Target) -> None:
    code = """
        import torch
        torch.set_num_threads(2)
        a = torch.ones(600, 600, requires_grad=True)
        (a @ a).sum().backward()
        print(int((a @ a)[0, 0]), int(a.grad[0, 0]), torch.get_num_threads())
    """
    assert await says(any_tier, code) == ["600 1200 2"]


async def test_input_is_at_its_end_at_once_with_a_hint(any_tier: Target) -> None:
    for code in ("input('name? ')", "sys.stdin.readline() or input()"):
        result = await attack(any_tier, code)
        assert result.exception is not None
        assert result.exception.type == "EOFError"
        assert "Write the value into the code" in result.exception.message


@pytest.mark.outcome("R")
async def test_random_numbers_are_not_those_of_another_run(any_tier: Target) -> None:
    code = """
        import random, numpy, torch
        print(random.random(), numpy.random.rand(), torch.rand(1).item(), os.urandom(8).hex())
    """
    told = {line for _ in range(4) for line in await says(any_tier, code)}
    assert len({number for line in told for number in line.split()}) == 16


@pytest.mark.outcome("R")
async def test_code_that_no_parser_takes_is_an_error(any_tier: Target) -> None:
    for code in (
        "(" * 5000,
        "x = " + "-" * 100_000 + "1",
        "a." * 50_000 + "b",
        "\\x00",
        "\u202e = 1",
        "lambda: " * 3000 + "1",
        "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 120)),
    ):
        result = await attack(any_tier, code)
        assert result.status in (Status.ERROR, Status.OOM, Status.SIGNAL), (code[:20], result)
        assert result.status is not Status.SIGNAL or result.signal == 11
    assert await serves(any_tier)
