"""What a run gives back."""

from __future__ import annotations

import asyncio
import base64
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from sandbox.pool import Pool
from sandbox.protocol import Device, Result, Snippet, Status, Tier

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRAINING = """
import torch
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    loss = model(torch.randn(8, 4)).pow(2).mean()
    loss.backward()
    optimizer.step()
print("done")
"""


async def run(pool: Pool, code: str, **limits: float) -> Result:
    changed = pool.limits.model_copy(update=limits)
    return await pool.run(Snippet(code=textwrap.dedent(code)), changed)


# --- Statuses -------------------------------------------------------------------------------------


async def test_a_run_that_ends_well_is_ok_and_tells_what_it_used(pool: Pool) -> None:
    result = await run(pool, TRAINING)
    assert (result.status, result.exit_code, result.signal) == (Status.OK, 0, None)
    assert result.stdout == "done\n"
    assert result.stderr == ""
    assert 0 < result.cpu_s < 5
    assert 0 < result.wall_s < 5
    assert 1 < result.peak_mib < 512
    assert (result.tier, result.device) == (Tier.STRONG, Device.CPU)


async def test_stdout_and_stderr_come_apart(pool: Pool) -> None:
    result = await run(pool, "import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


async def test_sys_exit_gives_its_code(pool: Pool) -> None:
    result = await run(pool, "import sys\nsys.exit(7)")
    assert (result.status, result.exit_code) == (Status.EXIT, 7)


async def test_sys_exit_with_words_prints_them_and_gives_1(pool: Pool) -> None:
    result = await run(pool, "import sys\nsys.exit('no data')")
    assert (result.status, result.exit_code, result.stderr) == (Status.EXIT, 1, "no data\n")


async def test_os_exit_0_is_an_exit_and_not_a_good_end(pool: Pool) -> None:
    result = await run(pool, "import os\nos._exit(0)")
    assert (result.status, result.exit_code) == (Status.EXIT, 0)


async def test_a_signal_is_told_by_number(pool: Pool) -> None:
    result = await run(pool, "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
    assert (result.status, result.signal) == (Status.SIGNAL, signal.SIGTERM)


async def test_what_was_printed_before_the_time_limit_is_kept(pool: Pool) -> None:
    result = await run(pool, "print('begun', end='')\nwhile True: pass", wall_s=1)
    assert (result.status, result.stdout) == (Status.TIMEOUT, "begun")
    assert result.wall_s >= 1
    assert result.cpu_s > 0
    assert "1 s" in result.detail


async def test_too_much_output_ends_the_run_and_keeps_first_and_last_bytes(pool: Pool) -> None:
    code = "for i in range(10**9): print(f'line {i}')"
    result = await run(pool, code, output_bytes=2048)
    assert result.status is Status.OUTPUT_LIMIT
    assert result.truncated
    lines = result.stdout.splitlines()
    assert lines[0] == "line 0"
    assert int(lines[-2].split()[1]) > 200
    assert len(result.stdout) < 2048 + 100


async def test_over_allocation_is_an_ordinary_error(pool: Pool) -> None:
    result = await run(pool, "import torch\ntorch.ones(2**30)")
    assert result.status is Status.ERROR
    assert result.exception is not None
    assert "can't allocate memory" in result.exception.message


async def test_memory_that_only_the_kernel_can_count_ends_in_oom(pool: Pool) -> None:
    code = """
        import mmap
        shared = mmap.mmap(-1, 2 << 30)
        for start in range(0, 2 << 30, 1 << 20):
            shared[start : start + (1 << 20)] = b"x" * (1 << 20)
    """
    result = await run(pool, code)
    assert result.status is Status.OOM
    assert "512 MiB" in result.detail


# --- Exceptions -----------------------------------------------------------------------------------


async def test_a_traceback_shows_the_learners_own_lines(pool: Pool) -> None:
    code = """\
        import torch

        def forward(x):
            return torch.nn.Linear(10, 2)(x)

        print("before")
        forward(torch.randn(4, 5))
    """
    result = await run(pool, code)
    assert (result.status, result.exit_code, result.stdout) == (Status.ERROR, 1, "before\n")
    report = result.exception
    assert report is not None
    assert report.type == "RuntimeError"
    assert report.message == "mat1 and mat2 shapes cannot be multiplied (4x5 and 10x2)"
    assert report.line == 4
    lines = report.traceback.splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        '  File "<snippet>", line 7, in <module>',
        "    forward(torch.randn(4, 5))",
    ]
    assert '  File "<snippet>", line 4, in forward' in lines
    assert any(line.startswith('  File "torch/nn/modules/linear.py", line ') for line in lines)
    assert lines[-1] == f"RuntimeError: {report.message}"
    assert "/" not in report.traceback.replace("torch/nn/modules/", "")


async def test_a_chained_exception_shows_both_parts_without_our_frames(pool: Pool) -> None:
    code = """\
        try:
            {}["k"]
        except KeyError as e:
            raise ValueError("second") from e
    """
    report = (await run(pool, code)).exception
    assert report is not None
    assert (report.type, report.line) == ("ValueError", 4)
    assert "KeyError: 'k'" in report.traceback
    assert "direct cause" in report.traceback
    assert "guest" not in report.traceback


async def test_a_syntax_error_names_its_line(pool: Pool) -> None:
    result = await run(pool, "x = 1\ndef f(:\n    pass")
    report = result.exception
    assert result.status is Status.ERROR
    assert report is not None
    assert (report.type, report.line) == ("SyntaxError", 2)
    assert report.traceback.startswith('  File "<snippet>", line 2\n')


async def test_an_exception_of_the_snippets_own_has_its_plain_name(pool: Pool) -> None:
    report = (await run(pool, "class Odd(Exception): pass\nraise Odd('no')")).exception
    assert report is not None
    assert (report.type, report.message, report.line) == ("Odd", "no", 2)


async def test_endless_recursion_is_an_ordinary_error(pool: Pool) -> None:
    report = (await run(pool, "def f(): return f()\nf()")).exception
    assert report is not None
    assert report.type == "RecursionError"
    assert "repeated" in report.traceback


async def test_input_ends_at_once_with_a_hint(pool: Pool) -> None:
    result = await run(pool, "name = input('name? ')")
    assert result.exception is not None
    assert result.exception.type == "EOFError"
    assert "Write the value into the code" in result.exception.message
    assert result.stdout == "name? "
    assert result.wall_s < 2


async def test_a_warning_names_no_folder_of_the_host(pool: Pool) -> None:
    code = "import torch\ntorch.nn.functional.mse_loss(torch.ones(2, 1), torch.ones(2))"
    result = await run(pool, code)
    assert "UserWarning: Using a target size" in result.stderr
    assert "/opt/" not in result.stderr
    assert str(Path(sys.prefix)) not in result.stderr


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\ny = '\0'", "Line 2 of the snippet holds a NUL character"),
        ("x = '\ud800'", "Line 1 of the snippet holds a half of a surrogate pair"),
        ("x = 1\n" * 100_000, "more than the 200000 that are taken"),
    ],
    ids=["NUL", "surrogate", "too long"],
)
async def test_code_that_is_no_text_is_refused_in_words(
    pool: Pool, code: str, message: str
) -> None:
    result = await pool.run(Snippet(code=code))
    assert result.status is Status.ERROR
    assert message in result.detail
    assert result.exception is not None


# --- Like a notebook ------------------------------------------------------------------------------


async def test_a_bare_last_expression_is_shown(pool: Pool) -> None:
    assert (
        await run(pool, "import torch\nx = torch.ones(2)\nx * 2")
    ).stdout == "tensor([2., 2.])\n"


async def test_none_as_last_expression_is_not_shown(pool: Pool) -> None:
    assert (await run(pool, "print('a')")).stdout == "a\n"


async def test_a_long_last_expression_is_cut(pool: Pool) -> None:
    shown = (await run(pool, "'x' * 10**7")).stdout
    assert len(shown) < 25_000
    assert "characters left out" in shown


async def test_an_error_in_repr_is_the_snippets_error(pool: Pool) -> None:
    code = "class A:\n    def __repr__(self): return 1 / 0\nA()"
    report = (await run(pool, code)).exception
    assert report is not None
    assert (report.type, report.line) == ("ZeroDivisionError", 2)


async def test_a_main_guard_runs(pool: Pool) -> None:
    assert (await run(pool, "if __name__ == '__main__':\n    print('main')")).stdout == "main\n"


async def test_the_source_of_a_function_can_be_inspected(pool: Pool) -> None:
    code = "import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))"
    assert "return 1" in (await run(pool, code)).stdout


async def test_torchscript_compiles_a_function_of_the_snippet(pool: Pool) -> None:
    code = "import torch\n@torch.jit.script\ndef f(x: int) -> int:\n    return x + 1\nf(1)"
    result = await run(pool, code)
    assert (result.status, result.stdout) == (Status.OK, "2\n"), result


async def test_a_shown_figure_comes_back_as_a_picture(pool: Pool) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.figure()"
    result = await run(pool, code)
    assert [file.name for file in result.files] == ["figure-1.png", "figure-2.png"], result
    assert base64.b64decode(result.files[0].content_base64).startswith(b"\x89PNG")


async def test_a_thread_is_waited_for(pool: Pool) -> None:
    code = """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.2), print("late"))).start()
    """
    assert (await run(pool, code)).stdout == "late\n"


# --- Work that people bring -----------------------------------------------------------------------


async def test_dataloader_workers_work(pool: Pool) -> None:
    code = """
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        data = TensorDataset(torch.arange(12.0))
        for epoch in range(2):
            print(sum(float(b[0].sum()) for b in DataLoader(data, batch_size=3, num_workers=2)))
    """
    result = await run(pool, code)
    assert (result.status, result.stdout) == (Status.OK, "66.0\n66.0\n"), result


async def test_an_error_in_a_dataloader_worker_is_shown(pool: Pool) -> None:
    code = """
        from torch.utils.data import DataLoader
        class Broken:
            def __len__(self): return 4
            def __getitem__(self, i): raise IndexError("bad sample")
        next(iter(DataLoader(Broken(), num_workers=1)))
    """
    report = (await run(pool, code)).exception
    assert report is not None
    assert report.type == "IndexError"
    assert "Caught IndexError in DataLoader worker process 0" in report.message


async def test_a_product_on_several_threads_works(pool: Pool) -> None:
    code = """
        import torch
        print(torch.get_num_threads())
        a = torch.randn(1500, 1500)
        print(torch.allclose((a @ a)[0], a[0] @ a, rtol=1e-3, atol=1e-2))
    """
    result = await run(pool, code)
    assert result.stdout == "2\nTrue\n"


async def test_random_numbers_differ_between_runs(pool: Pool) -> None:
    code = (
        "import random, numpy, torch\n"
        "print(random.random(), numpy.random.rand(), torch.rand(1).item())"
    )
    first, second = await asyncio.gather(run(pool, code), run(pool, code))
    pairs = zip(first.stdout.split(), second.stdout.split(), strict=True)
    assert all(one != other for one, other in pairs)


async def test_files_that_a_snippet_writes_come_back(pool: Pool) -> None:
    code = """
        import os, pathlib
        os.makedirs("runs/a")
        pathlib.Path("runs/a/log.txt").write_text("loss 1.0")
    """
    result = await run(pool, code)
    assert [(f.name, f.size) for f in result.files] == [("runs/a/log.txt", 8)]
    assert base64.b64decode(result.files[0].content_base64) == b"loss 1.0"
