"""Memory that ran out: what the message's numbers say, and what one measured step says."""

from __future__ import annotations

import base64

import pytest

from bot.confirm import Confirmation, Verdict
from bot.locale import catalogue
from bot.memory import Estimate, Step, from_message, measured, shown, with_batch_size
from bot.render_confirm import confirmed, estimate_sentences
from bot.reports import confirmation_json
from bot.tutor import Tutor
from knowledge.language import Language
from sandbox.pool import Pool
from sandbox.protocol import OutputFile, Result, Snippet, Status

MIB, GIB = 1 << 20, 1 << 30
NEW = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
    "capacity of 14.74 GiB of which 1.06 GiB is free. Process 2391 has 13.67 GiB memory in use. Of "
    "the allocated memory 13.10 GiB is allocated by PyTorch, and 450.00 MiB is reserved by PyTorch "
    "but unallocated."
)
OLD = (
    "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.92 GiB total "
    "capacity; 7.30 GiB already allocated; 11.75 MiB free; 7.40 GiB reserved in total by PyTorch)"
)
TRAINING = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

batch_size = 256
data = TensorDataset(torch.randn(512, 64), torch.randint(0, 4, (512,)))
loader = DataLoader(data, batch_size=batch_size)
net = nn.Sequential(nn.Linear(64, 1000), nn.ReLU(), nn.Linear(1000, 4)).to("cuda")
optimizer = torch.optim.Adam(net.parameters())
for x, y in loader:
    loss = nn.functional.cross_entropy(net(x.cuda()), y.cuda())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def told(estimate: Estimate | None, language: Language = Language.EN) -> str:
    confirmation = Confirmation(
        verdict=Verdict.UNREPAIRED,
        language=language,
        entry=None,
        before_code="",
        before=None,
        after=None,
        missing=(),
        explanation=None,
        code="",
        estimate=estimate,
    )
    return "\n".join(estimate_sentences(confirmation))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (NEW, (2 * GIB, int(1.06 * GIB), int(14.74 * GIB), int(13.1 * GIB))),
        (OLD, (20 * MIB, int(11.75 * MIB), int(7.92 * GIB), int(7.3 * GIB))),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: "
            "can't allocate memory: you tried to allocate 300000000000 bytes. Error code 12",
            (300_000_000_000, None, None, None),
        ),
    ],
    ids=["torch 2", "torch 1", "CPU"],
)
async def test_the_numbers_of_the_message_are_read(
    message: str, expected: tuple[int | None, ...], tutor: Tutor
) -> None:
    confirmation = await tutor.confirm(message, None)

    estimate = confirmation.estimate
    assert estimate is not None
    assert (estimate.asked, estimate.free, estimate.total, estimate.held) == expected
    assert estimate.step is None


def test_what_is_missing_is_said() -> None:
    estimate = Estimate(asked=2 * GIB, free=GIB // 2, total=16 * GIB, held=15 * GIB)

    assert "at least 1.50 GiB was missing" in told(estimate)
    assert "already held 15.00 GiB of 16.00 GiB" in told(estimate)


def test_one_tensor_that_is_larger_than_the_gpu_is_said_to_be() -> None:
    estimate = Estimate(asked=60 * GIB, free=23 * GIB, total=24 * GIB)

    assert "more than the whole device has (24.00 GiB)" in told(estimate)


def test_a_message_without_numbers_says_nothing() -> None:
    assert told(Estimate()) == told(None) == ""
    assert from_message({}, "RuntimeError: CUDA error: out of memory") == Estimate()


def test_the_batch_size_that_fits_is_extrapolated() -> None:
    step = Step(fixed=GIB, each=100 * MIB, batch=256)

    assert step.needs(256) == GIB + 256 * 100 * MIB
    assert step.fits(11 * GIB) == 102
    said = told(Estimate(total=16 * GIB, step=step))
    assert "Batch size 256 needs about 26.00 GiB" in said
    assert f"up to {step.fits(int(14.4 * GIB))} should fit" in said


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step(fixed=20 * GIB, each=MIB, batch=8), "not even one sample fits"),
        (Step(fixed=GIB, each=MIB, batch=8), "Something else probably holds memory"),
    ],
)
def test_where_the_batch_size_is_not_the_cause_that_is_said(step: Step, words: str) -> None:
    assert words in told(Estimate(total=16 * GIB, step=step))


@pytest.mark.parametrize("language", list(Language))
def test_every_sentence_is_said_in_every_language(language: Language) -> None:
    parts = [
        Estimate(asked=MIB),
        Estimate(asked=2 * MIB, free=MIB, total=4 * MIB, held=MIB),
        Estimate(asked=9 * MIB, free=MIB, total=4 * MIB),
        Estimate(total=10 * MIB, step=Step(MIB, MIB, 99)),
        Estimate(total=10 * MIB, step=Step(11 * MIB, MIB, 99)),
        Estimate(total=10 * MIB, step=Step(MIB, MIB, 2)),
    ]

    said = "\n".join(told(part, language) for part in parts)

    keys = [key for key in catalogue(language) if key.startswith("memory.")]
    assert len(keys) == 8
    for key in keys:
        start = catalogue(language)[key].split("{")[0]
        assert start in said
    assert "{" not in said


def test_an_array_of_numpy_tells_its_size() -> None:
    assert from_message({"amount": "12.5 GiB"}, "Unable to allocate 12.5 GiB") == Estimate(
        asked=int(12.5 * GIB)
    )


def test_sizes_are_shown_as_torch_shows_them() -> None:
    assert [shown(n) for n in (12, 2048, 20 * MIB, 3 * GIB // 2)] == [
        "12 bytes",
        "2.00 KiB",
        "20.00 MiB",
        "1.50 GiB",
    ]


def test_every_written_batch_size_is_changed() -> None:
    code = 'é = "ü"; batch_size = 64\nDataLoader(d, batch_size=128, shuffle=True)\nother = 64\n'

    changed = with_batch_size(code, 2)

    assert changed is not None
    assert changed[0].splitlines() == [
        'é = "ü"; batch_size = 2',
        "DataLoader(d, batch_size=2, shuffle=True)",
        "other = 64",
    ]
    assert changed[1] == 128
    assert with_batch_size("size = 64\nDataLoader(d, batch_size=size)", 2) is None
    assert with_batch_size("batch_size = (", 2) is None


async def test_a_step_is_measured_in_the_sandbox(tutor: Tutor) -> None:
    confirmation = await tutor.confirm(f"```python\n{TRAINING}```\n{OLD}", None)

    assert confirmation.simulated
    assert confirmation.estimate is not None
    step = confirmation.estimate.step
    assert step is not None
    assert step.batch == 256
    weights = 4 * (64 * 1000 + 1000 + 1000 * 4 + 4)
    # Weights, gradients and Adam's two numbers for each weight.
    assert 4 * weights <= step.fixed <= 4.1 * weights
    # Of each sample the input, what ReLU returns, the scores and the class; twice what ReLU returns
    # for the gradients on its two sides.
    each = 4 * (64 + 3 * 1000 + 4) + 8
    assert 0.9 * each <= step.each <= 1.1 * each
    embed = confirmed(confirmation).embeds[0]
    assert "Batch size 256 needs about" in (embed.description or "")
    told = confirmation_json(confirmation)["estimate"]
    assert told["step"] == {"fixed": step.fixed, "each": step.each, "batch": 256}


async def test_code_without_a_step_is_not_measured(pool: Pool) -> None:
    async def run(code: str) -> Result:
        return await pool.run(Snippet(code=code))

    assert await measured("batch_size = 8\nprint(1)", run) is None
    assert await measured("batch_size = 8\n1 / 0", run) is None
    assert await measured("print(1)", run) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"nan", b'{"fixed": -1, "saved": 2}', b'{"fixed": "1", "saved": 2}', b"\xff"],
)
async def test_what_a_snippet_writes_in_its_place_is_not_believed(content: bytes) -> None:
    async def run(code: str) -> Result:
        body = base64.b64encode(content).decode()
        file = OutputFile(name="step-memory.json", size=len(content), content_base64=body)
        return Result(status=Status.EXIT, exit_code=0, files=(file,))

    assert await measured("batch_size = 8", run) is None
