"""Simulated CUDA: placement mistakes fail in torch's own words, and sound programs run."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

import pytest

from knowledge.post import parse
from knowledge.search import Searcher
from sandbox.pool import Pool
from sandbox.protocol import Result, Snippet, Status

HEAD = """\
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""
GOT = "Expected all tensors to be on the same device, but got {} is on {}, different from other"
FOUND = (
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
)


@dataclass(frozen=True)
class Mistake:
    """A placement mistake, and the one replacement that mends it."""

    name: str
    code: str
    wrong: str
    right: str
    message: str
    entry: str = "device-mismatch"

    @property
    def corrected(self) -> str:
        assert self.wrong in self.code
        return HEAD + dedent(self.code).replace(self.wrong, self.right)


MISTAKES = [
    Mistake(
        "input of a linear layer left on the CPU",
        """
        model = nn.Linear(4, 2).to(device)
        x = torch.randn(3, 4)
        print(model(x).shape)
        """,
        "model(x)",
        "model(x.to(device))",
        GOT.format("mat1", "cpu")
        + " tensors on cuda:0 (when checking argument in method wrapper_CUDA_addmm)",
    ),
    Mistake(
        "model left on the CPU",
        """
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        x = torch.randn(3, 4, device="cuda")
        print(model(x).shape)
        """,
        "nn.Linear(8, 2))",
        "nn.Linear(8, 2)).cuda()",
        GOT.format("mat1", "cuda:0") + " tensors on cpu",
    ),
    Mistake(
        "images left on the CPU",
        """
        model = nn.Conv2d(1, 4, 3).cuda()
        images = torch.randn(2, 1, 8, 8)
        print(model(images).shape)
        """,
        "torch.randn(2, 1, 8, 8)",
        "torch.randn(2, 1, 8, 8).cuda()",
        "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) "
        "should be the same",
    ),
    Mistake(
        "convolution left on the CPU",
        """
        model = nn.Conv2d(1, 4, 3)
        images = torch.randn(2, 1, 8, 8).to("cuda")
        print(model(images).shape)
        """,
        "nn.Conv2d(1, 4, 3)",
        'nn.Conv2d(1, 4, 3).to("cuda")',
        "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) "
        "should be the same",
    ),
    Mistake(
        "token numbers left on the CPU",
        """
        table = nn.Embedding(10, 4).to(device)
        words = torch.tensor([[1, 2, 3]])
        print(table(words).shape)
        """,
        "torch.tensor([[1, 2, 3]])",
        "torch.tensor([[1, 2, 3]], device=device)",
        GOT.format("index", "cpu") + " tensors on cuda:0 (when checking argument in method "
        "wrapper_CUDA__index_select)",
    ),
    Mistake(
        "targets of a loader left on the CPU",
        """
        data = TensorDataset(torch.randn(8, 4), torch.randint(0, 3, (8,)))
        model = nn.Linear(4, 3).to(device)
        for x, y in DataLoader(data, batch_size=4):
            x = x.to(device)
            loss = nn.CrossEntropyLoss()(model(x), y)
            loss.backward()
        """,
        "x = x.to(device)",
        "x, y = x.to(device), y.to(device)",
        GOT.format("target", "cpu") + " tensors on cuda:0 (when checking argument in method "
        "wrapper_CUDA_nll_loss_forward)",
    ),
    Mistake(
        "class weights left on the CPU",
        """
        criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))
        scores = torch.randn(4, 2, device=device, requires_grad=True)
        criterion(scores, torch.tensor([0, 1, 1, 0], device=device)).backward()
        """,
        "torch.tensor([1.0, 2.0]))",
        "torch.tensor([1.0, 2.0])).to(device)",
        GOT.format("weight", "cpu"),
    ),
    Mistake(
        "targets of a regression left on the CPU",
        """
        prediction = nn.Linear(3, 1).to(device)(torch.randn(5, 3).to(device))
        target = torch.randn(5, 1)
        loss = F.mse_loss(prediction, target)
        """,
        "torch.randn(5, 1)",
        "torch.randn(5, 1).to(device)",
        FOUND,
    ),
    Mistake(
        "parts of two devices joined",
        """
        hidden = torch.zeros(2, 3, device=device)
        extra = torch.ones(2, 1)
        print(torch.cat([hidden, extra], dim=1).shape)
        """,
        "torch.ones(2, 1)",
        "torch.ones(2, 1, device=device)",
        GOT.format("tensors", "cpu"),
    ),
    Mistake(
        "first state of an LSTM left on the CPU",
        """
        rnn = nn.LSTM(3, 5, batch_first=True).to(device)
        x = torch.randn(2, 4, 3, device=device)
        state = torch.zeros(1, 2, 5), torch.zeros(1, 2, 5)
        out, state = rnn(x, state)
        """,
        "torch.zeros(1, 2, 5), torch.zeros(1, 2, 5)",
        "torch.zeros(1, 2, 5).to(x), torch.zeros(1, 2, 5, device=x.device)",
        "Input and hidden tensors are not at the same device, "
        "found input tensor at cuda:0 and hidden tensor at cpu",
    ),
    Mistake(
        "a tensor of a module that is no buffer",
        """
        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.scale = torch.ones(4)

            def forward(self, x):
                return self.fc(x) * self.scale

        model = Scaled().to(device)
        print(model(torch.randn(2, 4).to(device)).shape)
        """,
        "self.scale = torch.ones(4)",
        'self.register_buffer("scale", torch.ones(4))',
        FOUND,
    ),
    Mistake(
        "positions that forward makes on the CPU",
        """
        class Positions(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding(16, 4)

            def forward(self, x):
                return x + self.table(torch.arange(x.shape[1]))

        model = Positions().cuda()
        print(model(torch.zeros(2, 5, 4, device="cuda")).shape)
        """,
        "torch.arange(x.shape[1])",
        "torch.arange(x.shape[1], device=x.device)",
        GOT.format("index", "cpu"),
    ),
    Mistake(
        "what .to() returns is not kept",
        """
        x = torch.randn(3, 4)
        x.to(device)
        weight = torch.randn(4, 2, device=device)
        print(x @ weight)
        """,
        "x.to(device)",
        "x = x.to(device)",
        GOT.format("mat2", "cuda:0") + " tensors on cpu",
    ),
    Mistake(
        "an index on the GPU for data on the CPU",
        """
        data = torch.randn(10, 2)
        chosen = torch.randperm(10, device=device)[:3]
        print(data[chosen].shape)
        """,
        "data[chosen]",
        "data[chosen.cpu()]",
        "indices should be either on cpu or on the same device as the indexed tensor (cpu)",
    ),
    Mistake(
        "a mask left on the CPU",
        """
        scores = torch.randn(2, 4, 4, device=device)
        mask = torch.triu(torch.ones(4, 4), diagonal=1).bool()
        print(scores.masked_fill(mask, float("-inf")).softmax(-1).sum())
        """,
        "torch.ones(4, 4)",
        "torch.ones(4, 4, device=scores.device)",
        "expected self and mask to be on the same device, but got mask on cpu and self on cuda:0",
    ),
    Mistake(
        "predictions that go to NumPy from the GPU",
        """
        model = nn.Linear(4, 2).to(device)
        with torch.no_grad():
            out = model(torch.randn(3, 4, device=device))
        print(out.argmax(1).numpy())
        """,
        ".numpy()",
        ".cpu().numpy()",
        "can't convert cuda:0 device type tensor to numpy. "
        "Use Tensor.cpu() to copy the tensor to host memory first.",
        "cuda-tensor-to-numpy",
    ),
    Mistake(
        "a list of losses that NumPy averages",
        """
        import numpy as np

        losses = [torch.rand((), device="cuda") for _ in range(3)]
        print(np.mean(np.array([np.array(loss) for loss in losses])))
        """,
        "np.array(loss)",
        "loss.item()",
        "can't convert cuda:0 device type tensor to numpy",
        "cuda-tensor-to-numpy",
    ),
    Mistake(
        "a second device that is not there",
        """
        x = torch.zeros(2, device="cuda:1")
        """,
        "cuda:1",
        "cuda:0",
        "CUDA error: invalid device ordinal",
        "cuda-invalid-device",
    ),
    Mistake(
        "a generator of the CPU for numbers on the GPU",
        """
        source = torch.Generator().manual_seed(0)
        noise = torch.randn(3, generator=source, device=device)
        """,
        "torch.Generator()",
        "torch.Generator(device=device)",
        "Expected a 'cuda' device type for generator but found 'cpu'",
        "generator-device",
    ),
]

SOUND = {
    "a classifier on batches": """
        data = TensorDataset(torch.randn(32, 1, 8, 8), torch.randint(0, 3, (32,)))
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
            nn.Dropout(), nn.Linear(4 * 36, 3)
        ).to(device)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        total = 0.0
        for epoch in range(2):
            for x, y in DataLoader(data, batch_size=8, shuffle=True, pin_memory=True):
                x, y = x.to(device, non_blocking=True), y.to(device)
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                total += loss.item()
            scheduler.step()
        net.eval()
        with torch.no_grad():
            out = net(torch.randn(2, 1, 8, 8, device=device))
        print(out.argmax(1).cpu().numpy(), total > 0)
    """,
    "an optimizer made before the move": """
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        model.cuda()
        before = model.weight.detach().clone()
        for _ in range(3):
            loss = (model(torch.ones(4, 3, device="cuda")) - 1).pow(2).mean()
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            optimizer.step()
        assert model.weight.grad.device == model.weight.device == torch.device("cuda:0")
        assert not torch.equal(before, model.weight)
    """,
    "saved, loaded, moved back": """
        model = nn.LSTM(3, 4, num_layers=2, batch_first=True).to(device)
        torch.save({"model": model.state_dict(), "step": 3}, "checkpoint.pt")
        other = nn.LSTM(3, 4, num_layers=2, batch_first=True)
        kept = torch.load("checkpoint.pt", map_location=device)
        assert kept["model"]["weight_ih_l0"].is_cuda
        assert not torch.load("checkpoint.pt", map_location="cpu")["model"]["weight_ih_l0"].is_cuda
        assert torch.load("checkpoint.pt")["model"]["weight_ih_l0"].device.type == "cuda"
        old = torch.load("checkpoint.pt", map_location=lambda storage, place: storage.cuda())
        assert old["model"]["weight_ih_l0"].is_cuda
        other.load_state_dict(kept["model"])
        assert other.weight_ih_l0.device.type == "cpu"
        other.cpu()(torch.randn(1, 5, 3))
    """,
    "packed sequences": """
        rnn = nn.GRU(3, 4, batch_first=True, bidirectional=True).to(device)
        x, lengths = torch.randn(2, 5, 3).to(device), torch.tensor([5, 2])
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        out, hidden = rnn(packed)
        out, sizes = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
        assert out.is_cuda and hidden.is_cuda and not sizes.is_cuda
        out.sum().backward()
    """,
    "a transformer with masks": """
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        model = nn.TransformerEncoder(layer, 2).to(device)
        x = torch.randn(2, 5, 8, device=device)
        mask = nn.Transformer.generate_square_subsequent_mask(5, device=device)
        padding = torch.zeros(2, 5, device=device)
        model(x, mask=mask, src_key_padding_mask=padding).mean().backward()
        query = torch.randn(2, 2, 5, 4, device=device)
        assert F.scaled_dot_product_attention(query, query, query).is_cuda
    """,
    "mixed precision with a scaler": """
        model = nn.Linear(4, 2).to(device)
        optimizer = torch.optim.AdamW(model.parameters())
        scaler = torch.amp.GradScaler("cuda")
        for _ in range(2):
            with torch.autocast("cuda", dtype=torch.float16):
                loss = model(torch.randn(3, 4, device=device)).pow(2).mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    """,
    "numbers of the CPU beside tensors of the GPU": """
        x = torch.randn(3, device=device)
        scale = torch.tensor(2.0)
        x = x * scale + torch.tensor(1) - 1
        x /= scale
        x[0] = torch.tensor(5.0)
        x[1:] = torch.zeros(2)
        rows = torch.tensor([0, 2])
        assert x[rows].is_cuda
        other = torch.empty(3)
        other.copy_(x)
        assert not other.is_cuda and torch.equal(other, x.cpu())
        assert torch.normal(0.0, 1.0, (2,), device=device).is_cuda
        assert x.tolist()[0] == 5.0 and float(x[0]) == x.max().item()
    """,
    "gradients, hooks and checkpoints": """
        from torch.utils.checkpoint import checkpoint

        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, grad):
                return grad * torch.full((1,), 2.0, device=grad.device)

        x = torch.randn(2, 3, device=device, requires_grad=True)
        x.register_hook(lambda grad: grad * torch.ones(3, device=device))
        block = nn.Linear(3, 3).to(device)
        y = checkpoint(lambda h: block(h) + torch.ones(3, device=device), x, use_reentrant=False)
        Double.apply(y).sum().backward()
        assert x.grad.is_cuda and block.weight.grad.is_cuda
        grads = torch.autograd.grad((x ** 2).sum(), x, create_graph=True)
        assert (grads[0] * x).sum().is_cuda
    """,
    "a generator and a discriminator": """
        import copy

        maker = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 4)).to(device)
        judge = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).to(device)
        average = copy.deepcopy(maker)
        steps = [torch.optim.Adam(net.parameters()) for net in (maker, judge)]
        criterion = nn.BCEWithLogitsLoss()
        for _ in range(2):
            fake = maker(torch.randn(6, 2, device=device))
            real = torch.randn(6, 4).to(device)
            loss = criterion(judge(real), torch.ones(6, 1, device=device))
            loss = loss + criterion(judge(fake.detach()), torch.zeros(6, 1).to(device))
            steps[1].zero_grad()
            loss.backward()
            steps[1].step()
            scores = judge(fake)
            steps[0].zero_grad()
            criterion(scores, torch.ones_like(scores)).backward()
            steps[0].step()
            with torch.no_grad():
                for kept, new in zip(average.parameters(), maker.parameters()):
                    kept.mul_(0.9).add_(new, alpha=0.1)
        assert next(average.parameters()).is_cuda
    """,
    "a default device and what torch.cuda tells": """
        torch.cuda.manual_seed_all(0)
        with torch.device("cuda"):
            model = nn.Linear(2, 2)
        torch.set_default_device("cuda")
        x = torch.randn(3, 2)
        assert model(x).device == torch.device("cuda", torch.cuda.current_device())
        torch.set_default_device("cpu")
        assert torch.zeros(1).device.type == "cpu"
        assert torch.cuda.device_count() == 1 and torch.cuda.get_device_name(0)
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        print(torch.cuda.memory_allocated() / 1e6, torch.cuda.max_memory_allocated())
    """,
}


async def simulated(pool: Pool, code: str) -> Result:
    return await pool.run(Snippet(code=code, simulate_cuda=True))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
async def test_a_placement_mistake_fails_in_the_words_of_torch(
    mistake: Mistake, pool: Pool, searcher: Searcher
) -> None:
    result = await simulated(pool, HEAD + dedent(mistake.code))

    assert result.exception is not None
    assert mistake.message in result.exception.message
    ranking = searcher.search(parse(result.exception.traceback))
    assert ranking.answered
    assert ranking.matches[0].entry.slug == mistake.entry


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
async def test_the_corrected_program_runs(mistake: Mistake, pool: Pool) -> None:
    result = await simulated(pool, mistake.corrected)

    assert result.status is Status.OK, result.exception


@pytest.mark.parametrize("name", SOUND)
async def test_a_sound_program_runs_as_it_is(name: str, pool: Pool) -> None:
    result = await simulated(pool, HEAD + dedent(SOUND[name]))

    assert result.status is Status.OK, result.exception
    assert "Warning" not in result.stderr


async def test_the_failing_line_shows_the_simulated_devices(pool: Pool) -> None:
    code = HEAD + "model = nn.Linear(4, 2).to(device)\nx = torch.randn(3, 4)\nmodel(x)\n"

    result = await simulated(pool, code)

    assert result.scene is not None
    assert {each.name: each.device for each in result.scene.things}["x"] == "cpu"
    code = HEAD + "x = torch.ones(2, device=device)\ny = torch.ones(2)\nx + y\n"
    result = await simulated(pool, code)
    assert result.scene is not None
    devices = {each.name: each.device for each in result.scene.things}
    assert devices == {"x": "cuda:0", "y": "cpu"}


async def test_memory_that_no_tensor_uses_is_free_again(pool: Pool) -> None:
    code = """
        def step():
            x = torch.randn(100, 100, device=device, requires_grad=True)
            (x @ x).relu().sum().backward()
            return x.grad.cpu()

        step()
        first = torch.cuda.memory_allocated()
        for _ in range(50):
            step()
        print(torch.cuda.memory_allocated() == first == 0, torch.cuda.max_memory_allocated() > 0)
    """

    result = await simulated(pool, HEAD + dedent(code))

    assert result.stdout == "True True\n", result.stderr


async def test_without_simulation_there_is_no_gpu(pool: Pool) -> None:
    result = await pool.run(Snippet(code="import torch\ntorch.zeros(1).cuda()\n"))

    assert result.exception is not None
    assert "CUDA" in result.exception.message


async def test_frames_of_the_simulation_stay_out_of_the_traceback(pool: Pool) -> None:
    code = HEAD + dedent(MISTAKES[0].code)

    result = await simulated(pool, code)

    assert result.exception is not None
    assert "sandbox/" not in result.exception.traceback
    assert result.exception.line == len(code.splitlines())


async def test_a_warning_names_the_line_of_the_snippet(pool: Pool) -> None:
    code = HEAD + "x = torch.zeros(4, 1, device=device)\nF.mse_loss(x, x[:, 0])\n"

    result = await simulated(pool, code)

    assert "<snippet>:8: UserWarning: Using a target size" in result.stderr
    assert "sandbox/" not in result.stderr
