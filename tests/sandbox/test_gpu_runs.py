"""Runs on a real GPU. Skipped, with the reason, where there is none."""

from __future__ import annotations

import textwrap

from sandbox.gpu_pool import GpuPool
from sandbox.protocol import Device, Result, Snippet, Status


async def run(on_gpu: GpuPool, code: str) -> Result:
    return await on_gpu.run(Snippet(code=textwrap.dedent(code), device=Device.CUDA))


async def test_training_on_a_gpu_ends_well_and_lowers_the_loss(on_gpu: GpuPool) -> None:
    result = await run(
        on_gpu,
        """
        import torch
        from torch import nn
        torch.manual_seed(0)
        x = torch.randn(256, 1, 28, 28, device="cuda")
        y = torch.randint(10, (256,), device="cuda")
        model = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 10)
        ).to("cuda")
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(losses[-1] < losses[0])
        """,
    )
    assert result.status is Status.OK, result
    assert result.stdout == "True\n"
    assert result.device is Device.CUDA


async def test_the_context_is_ready_when_the_snippet_begins(on_gpu: GpuPool) -> None:
    result = await run(on_gpu, "import torch\nprint(torch.cuda.is_initialized())")
    assert result.stdout == "True\n", result


async def test_an_error_on_the_gpu_comes_back_in_torchs_words(on_gpu: GpuPool) -> None:
    result = await run(on_gpu, "import torch\ntorch.nn.Linear(4, 2).cuda()(torch.ones(3, 4))")
    assert result.status is Status.ERROR, result
    assert result.exception is not None and "same device" in result.exception.message


async def test_a_half_precision_and_a_compiled_library_work(on_gpu: GpuPool) -> None:
    result = await run(
        on_gpu,
        """
        import torch
        with torch.autocast("cuda"):
            layer = torch.nn.TransformerEncoderLayer(32, 4, batch_first=True).cuda()
            print(layer(torch.randn(2, 5, 32, device="cuda")).shape)
        """,
    )
    assert result.stdout == "torch.Size([2, 5, 32])\n", result


async def test_each_run_has_randomness_of_its_own(on_gpu: GpuPool) -> None:
    code = "import torch\nprint(torch.rand(4, device='cuda').tolist())"
    first, second = await run(on_gpu, code), await run(on_gpu, code)
    assert first.status is second.status is Status.OK, (first, second)
    assert first.stdout != second.stdout
