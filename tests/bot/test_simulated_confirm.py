"""Posts about devices, mended on a host without a GPU: before and after under simulated CUDA."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

import pytest

from bot.confirm import Confirmation, Verdict, unified_diff
from bot.locale import say
from bot.render_confirm import confirmed
from bot.reports import confirmation_json
from bot.simulation import needs_simulation
from bot.tutor import Tutor
from knowledge.language import Language
from sandbox.pool import Pool
from sandbox.protocol import Snippet

ON = "RuntimeError: Expected all tensors to be on the same device, "
APART = ON + "but found at least two devices, cuda:0 and cpu!"


@dataclass(frozen=True)
class Told:
    """A learner's post about devices, and what must hold after the repaired code."""

    name: str
    prose: str
    code: str
    message: str
    holds: str
    entry: str = "device-mismatch"

    @property
    def post(self) -> str:
        return f"{self.prose}\n\n```python\n{dedent(self.code).strip()}\n```\n\n{self.message}\n"


POSTS = [
    Told(
        "batches stay on the CPU",
        "Works on my laptop, but in Colab with the T4 it stops at the first batch.",
        """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        points = TensorDataset(torch.randn(24, 6), torch.randint(0, 3, (24,)))
        loader = DataLoader(points, batch_size=8)
        net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3)).to(device)
        criterion = nn.CrossEntropyLoss()
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for features, labels in loader:
            opt.zero_grad()
            scores = net(features)
            loss = criterion(scores, labels)
            loss.backward()
            opt.step()
        """,
        ON + "but got mat1 is on cpu, different from other tensors on cuda:0 "
        "(when checking argument in method wrapper_CUDA_addmm)",
        "assert scores.is_cuda and next(net.parameters()).is_cuda",
    ),
    Told(
        "the model was never moved",
        "My images are on the gpu, what is a weight type?",
        """
        import torch
        from torch import nn

        cnn = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 2))
        pictures = torch.rand(4, 3, 8, 8).cuda()
        logits = cnn(pictures)
        print(logits.shape)
        """,
        "RuntimeError: Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) "
        "should be the same",
        "assert logits.shape == (4, 2)",
    ),
    Told(
        "an attribute that is no buffer",
        "Everything is on cuda, I even printed it. Still this:",
        """
        import torch
        from torch import nn

        class Normalized(nn.Module):
            def __init__(self):
                super().__init__()
                self.mean = torch.zeros(5)
                self.head = nn.Linear(5, 2)

            def forward(self, x):
                return self.head(x - self.mean)

        model = Normalized().to("cuda")
        out = model(torch.randn(3, 5, device="cuda"))
        """,
        APART,
        "assert out.is_cuda and out.shape == (3, 2)",
    ),
    Told(
        "positions are made on the CPU",
        "Position embedding crashes on the GPU only",
        """
        import torch
        from torch import nn

        class Reader(nn.Module):
            def __init__(self):
                super().__init__()
                self.words = nn.Embedding(50, 8)
                self.places = nn.Embedding(20, 8)

            def forward(self, tokens):
                where = torch.arange(tokens.size(1))
                return self.words(tokens) + self.places(where)

        reader = Reader().cuda()
        tokens = torch.randint(0, 50, (2, 7)).cuda()
        vectors = reader(tokens)
        """,
        ON + "but got index is on cpu, different from other tensors on cuda:0 "
        "(when checking argument in method wrapper_CUDA__index_select)",
        "assert vectors.is_cuda and vectors.shape == (2, 7, 8)",
    ),
    Told(
        "what .to() returns is dropped",
        "I do call .to(device) on x and nothing changes!",
        """
        import torch
        from torch import nn

        device = "cuda"
        layer = nn.Linear(4, 1).to(device)
        x = torch.randn(10, 4)
        x.to(device)
        y = layer(x)
        """,
        ON + "but got mat1 is on cpu, different from other tensors on cuda:0 "
        "(when checking argument in method wrapper_CUDA_addmm)",
        "assert y.is_cuda and layer.weight.is_cuda",
    ),
    Told(
        "targets of a regression stay on the CPU",
        "loss line crashes, model and input are on the gpu",
        """
        import torch
        from torch import nn

        device = torch.device("cuda")
        net = nn.Linear(3, 1).to(device)
        x = torch.randn(16, 3, device=device)
        target = torch.randn(16, 1)
        prediction = net(x)
        loss = nn.MSELoss()(prediction, target)
        loss.backward()
        """,
        APART,
        "assert loss.is_cuda and net.weight.grad.is_cuda",
    ),
    Told(
        "predictions go to NumPy",
        "confusion matrix does not work in colab",
        """
        import torch
        from torch import nn

        classifier = nn.Linear(6, 3).cuda()
        batch = torch.randn(9, 6).cuda()
        with torch.no_grad():
            guesses = classifier(batch).argmax(dim=1)
        found = guesses.numpy()
        print(found.shape)
        """,
        "TypeError: can't convert cuda:0 device type tensor to numpy. "
        "Use Tensor.cpu() to copy the tensor to host memory first.",
        "assert found.shape == (9,)",
        "cuda-tensor-to-numpy",
    ),
    Told(
        "the generator is on the CPU",
        "reproducible noise on the graphics card?",
        """
        import torch

        seeded = torch.Generator()
        seeded.manual_seed(7)
        noise = torch.randn(2, 3, generator=seeded, device="cuda")
        """,
        "RuntimeError: Expected a 'cuda' device type for generator but found 'cpu'",
        "assert noise.is_cuda",
        "generator-device",
    ),
]


@pytest.mark.parametrize("told", POSTS, ids=lambda each: each.name)
async def test_a_post_about_devices_ends_in_a_simulated_repair(
    told: Told, tutor: Tutor, pool: Pool
) -> None:
    confirmation = await tutor.confirm(told.post, None)

    assert confirmation.before is not None
    assert confirmation.before.exception is not None
    assert confirmation.verdict is Verdict.FIXED, confirmation.before.exception.message
    assert confirmation.entry is not None
    assert confirmation.entry.slug == told.entry
    assert confirmation.simulated
    assert unified_diff(confirmation.before_code, confirmation.code)
    checked = Snippet(code=f"{confirmation.code}\n{told.holds}\n", simulate_cuda=True)
    after = await pool.run(checked)
    assert after.exception is None, after.exception


async def test_a_learner_s_own_change_is_judged_under_the_same_rules(tutor: Tutor) -> None:
    told = POSTS[5]
    code = dedent(told.code).strip()

    wrong = await tutor.confirm(told.post, code.replace("net(x)", "net(x).float()"))
    right = await tutor.confirm(told.post, code.replace("(16, 1)", "(16, 1, device=device)"))

    assert wrong.verdict is Verdict.SAME_ERROR
    assert right.verdict is Verdict.FIXED
    assert wrong.simulated
    assert right.simulated


async def test_another_error_in_code_for_a_gpu_is_found_without_one(tutor: Tutor) -> None:
    code = """\
import torch
from torch import nn

net = nn.Sequential(nn.Flatten(), nn.Linear(100, 2)).cuda()
images = torch.rand(4, 1, 8, 8).cuda()
out = net(images)
"""
    message = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x64 and 100x2)"

    confirmation = await tutor.confirm(f"```python\n{code}```\n{message}", None)

    assert confirmation.simulated
    assert confirmation.before is not None
    assert confirmation.before.exception is not None
    assert message.endswith(confirmation.before.exception.message)


@pytest.mark.parametrize("language", list(Language))
async def test_a_simulation_is_told_as_one(language: Language, tutor: Tutor) -> None:
    confirmation = await tutor.confirm(POSTS[7].post, None, language)

    embed = confirmed(confirmation).embeds[0]
    assert say(language, "change.simulated") in (embed.description or "")
    assert confirmation_json(confirmation)["simulated"] is True


def simulated(slug: str | None, code: str) -> bool:
    return needs_simulation(slug, code)


def test_a_machine_without_a_gpu_is_not_given_one() -> None:
    assert not simulated("cuda-not-available", "model.cuda()")
    assert not simulated("load-cuda-on-cpu", 'torch.load("m.pt", map_location="cuda")')


def test_code_that_asks_first_needs_no_gpu() -> None:
    guarded = 'device = "cuda" if torch.cuda.is_available() else "cpu"\n'

    assert not simulated("linear-in-features", guarded)
    assert not simulated(None, "if torch.cuda.is_available():\n    model.cuda()\n")
    assert simulated("device-mismatch", guarded)
    assert simulated(None, 'x = torch.zeros(3, device="cuda:0")\n')
    assert not simulated(None, "def broken(:")


async def test_a_post_for_the_cpu_is_not_simulated(tutor: Tutor) -> None:
    post = "```python\nimport torch\ntorch.zeros(2, 3) @ torch.zeros(2, 3)\n```"

    confirmation: Confirmation = await tutor.confirm(post, None)

    assert not confirmation.simulated
