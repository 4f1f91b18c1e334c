"""Loops, single samples, tables, masks, and one mistake on several lines, mended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from learner import Example, fault_of, mend

from bot.repair import Grade, candidates
from bot.rewrites.siblings import alike

EXAMPLES = [
    Example(
        "nest-loop-target",
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.arange(6.0), torch.arange(6)), batch_size=2)
        seen = []
        for i, x, y in enumerate(loader):
            seen.append((i, x.sum().item(), y[0].item()))
        """,
        lambda names: names["seen"] == [(0, 1.0, 0), (1, 5.0, 2), (2, 9.0, 4)],
        slug="shape-unpack",
    ),
    Example(
        "nest-loop-target",
        """
        import torch

        pairs = [(torch.tensor(1.0), torch.tensor(2.0)), (torch.tensor(3.0), torch.tensor(4.0))]
        weights = [0.5, 2.0]
        total = 0.0
        for x, y, w in zip(pairs, weights):
            total += w * (x * y).item()
        """,
        lambda names: names["total"] == 25.0,
        slug="shape-unpack",
    ),
    Example(
        "stop-before-neighbour",
        """
        import torch

        prices = torch.tensor([1.0, 4.0, 9.0, 16.0])
        steps = []
        for i in range(len(prices)):
            steps.append((prices[i + 1] - prices[i]).item())
        """,
        lambda names: names["steps"] == [3.0, 5.0, 7.0],
    ),
    Example(
        "batch-before-unpack",
        """
        import torch
        from torch import nn

        class Patches(nn.Module):
            def forward(self, x):
                n, c, h, w = x.shape
                return x.reshape(n, c * h, w).mean(1)

        picture = torch.arange(24.0).reshape(2, 3, 4)
        out = Patches()(picture)
        """,
        lambda names: names["out"].tolist() == [[10.0, 11.0, 12.0, 13.0]],
        slug="shape-unpack",
    ),
    Example(
        "last-sizes",
        """
        import torch

        picture = torch.rand(3, 8, 9)
        h, w = picture.shape
        """,
        lambda names: (names["h"], names["w"]) == (8, 9),
        slug="shape-unpack",
    ),
    Example(
        "unpack-what-is-there",
        """
        import torch

        picture = torch.rand(3, 8, 9)
        n, c, h, w = picture.shape
        area = h * w
        """,
        lambda names: (names["c"], names["area"]) == (3, 72),
        slug="shape-unpack",
        first=False,
    ),
    Example(
        "one-as-batch",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3)
                self.fc = nn.Linear(4 * 6 * 6, 2)

            def forward(self, x):
                x = torch.relu(self.conv(x))
                return self.fc(torch.flatten(x, 1))

        model = Net()
        picture = torch.rand(3, 8, 8)
        out = model(picture)
        """,
        lambda names: names["out"].shape == (1, 2) and names["model"].fc.in_features == 144,
    ),
    Example(
        "one-as-batch",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 6 * 6, 5))
        out = model(torch.rand(1, 8, 8))
        """,
        lambda names: names["out"].shape == (1, 5) and names["model"][3].in_features == 72,
    ),
    Example(
        "slice-table",
        """
        import torch
        from torch import nn

        class Positions(nn.Module):
            def __init__(self, size, most=50):
                super().__init__()
                self.register_buffer("pe", torch.arange(1.0 * most * size).view(1, most, size))

            def forward(self, x):
                return x + self.pe

        out = Positions(4)(torch.zeros(2, 7, 4))
        """,
        lambda names: names["out"].shape == (2, 7, 4) and names["out"][1, 6, 3] == 27.0,
    ),
    Example(
        "slice-table",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(9, 4)
                self.pos = nn.Parameter(torch.ones(32, 4))

            def forward(self, tokens):
                return self.embed(tokens) + self.pos

        out = Net()(torch.zeros(3, 5, dtype=torch.long))
        """,
        lambda names: names["out"].shape == (3, 5, 4),
    ),
    Example(
        "slice-mask",
        """
        import torch
        from torch import nn

        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        mask = torch.triu(torch.ones(10, 10), diagonal=1).bool()
        x = torch.rand(2, 6, 8)
        out = layer(x, src_mask=mask)
        """,
        lambda names: names["out"].shape == (2, 6, 8),
    ),
    Example(
        "slice-mask",
        """
        import torch
        from torch import nn

        class Attention(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("mask", torch.tril(torch.ones(16, 16)))

            def forward(self, scores):
                scores = scores.masked_fill(self.mask == 0, float("-inf"))
                return scores.softmax(-1)

        out = Attention()(torch.zeros(1, 2, 4, 4))
        """,
        lambda names: names["out"][0, 0, 1].tolist() == [0.5, 0.5, 0.0, 0.0],
    ),
    Example(
        "mask-of-this-length",
        """
        import torch
        from torch import nn

        layer = nn.MultiheadAttention(8, 2, batch_first=True)
        x = torch.rand(2, 6, 8)
        out, _ = layer(x, x, x, attn_mask=nn.Transformer.generate_square_subsequent_mask(4))
        """,
        lambda names: names["out"].shape == (2, 6, 8),
    ),
    Example(
        "count-matches",
        """
        import torch

        guesses = torch.tensor([1, 2, 0, 1])
        labels = torch.tensor([1, 0, 0, 1])
        correct = 0
        if guesses == labels:
            correct += 1
        """,
        lambda names: names["correct"] == 3,
    ),
    Example(
        "sum-before-backward",
        """
        import torch

        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x**2
        y.backward()
        slope = x.grad
        """,
        lambda names: names["slope"].tolist() == [2.0, 4.0, 6.0],
    ),
    Example(
        "match-destination",
        """
        import torch

        table = torch.zeros(4)
        table[torch.tensor([0, 2])] = torch.tensor([1, 3])
        """,
        lambda names: names["table"].tolist() == [1.0, 0.0, 3.0, 0.0],
    ),
    Example(
        "match-destination",
        """
        import torch

        table = torch.zeros(4, dtype=torch.long)
        values = torch.tensor([0.5, 1.5])
        table.scatter_(0, torch.tensor([1, 3]), values)
        """,
        lambda names: names["table"].tolist() == [0.0, 0.5, 0.0, 1.5],
        needs_scene=True,
    ),
    Example(
        "guard-gradient",
        """
        import torch

        w = torch.tensor([1.0], requires_grad=True)
        b = torch.tensor([0.0], requires_grad=True)
        for step in range(2):
            w.grad.zero_()
            b.grad.zero_()
            ((w * 3 + b - 2) ** 2).sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
                b -= 0.1 * b.grad
        """,
        lambda names: round(names["b"].item(), 4) == 0.0 and names["w"].grad is not None,
    ),
    Example(
        "ignore-value",
        """
        import torch
        from torch import nn

        criterion = nn.CrossEntropyLoss()
        scores = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
        loss = criterion(scores, torch.tensor([0, 255]))
        """,
        lambda names: torch.isclose(names["loss"], -torch.log_softmax(names["scores"][0], 0)[0]),
    ),
    Example(
        "spell-device",
        """
        import torch

        device = torch.device("CPU")
        x = torch.ones(2, device=device)
        """,
        lambda names: names["x"].device.type == "cpu",
    ),
    Example(
        "batch-of-pictures",
        """
        import torch
        from torch import nn

        rows = torch.arange(2.0 * 16).view(2, 16)
        pictures = rows.view(1, 4, 4)
        out = nn.Conv2d(1, 3, 3)(pictures)
        """,
        lambda names: names["out"].shape == (2, 3, 2, 2),
    ),
    Example(
        "build-as-saved",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, hidden=8):
                super().__init__()
                self.one = nn.Linear(4, hidden)
                self.two = nn.Linear(hidden, 2)

            def forward(self, x):
                return self.two(self.one(x))

        saved = Net(hidden=16).state_dict()
        model = Net()
        model.load_state_dict(saved)
        """,
        lambda names: names["model"].one.out_features == 16,
    ),
    Example(
        "make-directory",
        """
        import torch

        path = "runs/first/weights.pt"
        torch.save({"epoch": 3}, path)
        """,
        lambda names: torch.load(names["path"], weights_only=True) == {"epoch": 3},
        needs_scene=True,  # a second run would find the folder
    ),
    Example(
        "transpose-input",
        """
        import torch
        from torch import nn

        lstm = nn.LSTM(5, 8, batch_first=True)
        x = torch.rand(2, 5, 12)
        out, _ = lstm(x)
        """,
        lambda names: names["out"].shape == (2, 12, 8),
        needs_scene=True,
    ),
    Example(
        "set-input-size",
        """
        import torch
        from torch import nn

        gru = nn.GRU(input_size=1, hidden_size=8, batch_first=True)
        x = torch.rand(2, 12, 3)
        out, _ = gru(x)
        """,
        lambda names: names["out"].shape == (2, 12, 8),
        needs_scene=True,
        first=False,
    ),
    Example(
        "plain-number",
        """
        import json
        import torch

        history = {"loss": []}
        for step in range(2):
            loss = (torch.ones(2) * step).mean()
            history["loss"].append(loss)
        history["weights"] = torch.ones(2)
        history["epochs"] = 2
        text = json.dumps(history)
        """,
        lambda names: names["text"] == '{"loss": [0.0, 1.0], "weights": [1.0, 1.0], "epochs": 2}',
    ),
    Example(
        "step-with-closure",
        """
        import torch

        w = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.LBFGS([w])
        losses = []
        for step in range(3):
            optimizer.zero_grad()
            loss = ((w - 2) ** 2).sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        """,
        lambda names: names["losses"][0] == 4.0 and names["losses"][-1] < 1e-3,
    ),
    Example(
        "detach-kept",
        """
        import copy
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        output = model(torch.ones(3, 2))
        best = copy.deepcopy(output)
        """,
        lambda names: torch.equal(names["best"], names["output"].detach()),
        slug="deepcopy-non-leaf",
    ),
    Example(
        "update-without-grad",
        """
        import torch

        w = torch.tensor([1.0], requires_grad=True)
        b = torch.tensor([0.0], requires_grad=True)
        (w * 2 + b).sum().backward()
        # one step
        w -= 0.5 * w.grad
        b -= 0.5 * b.grad
        """,
        lambda names: (names["w"].item(), names["b"].item()) == (0.0, -0.5),
    ),
    Example(
        "set-in-channels",
        """
        import torch
        from torch import nn

        class Decoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2)
                self.up2 = nn.ConvTranspose2d(16, 4, 2, stride=2)
                self.out = nn.Conv2d(4, 1, 1)

            def forward(self, x):
                return self.out(self.up2(self.up1(x)))

        model = Decoder()
        out = model(torch.rand(1, 16, 4, 4))
        """,
        lambda names: (
            names["out"].shape == (1, 1, 16, 16)
            and names["model"].up1.in_channels == 16
            and names["model"].up2.in_channels == 8
        ),
    ),
    Example(
        "save-only-weights",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 1)

            def forward(self, x):
                return self.fc(x)

        model = Net()
        torch.save(model, "net.pt")
        again = torch.load("net.pt").eval()
        out = again(torch.ones(1, 3))
        """,
        lambda names: torch.equal(names["out"], names["model"](torch.ones(1, 3))),
    ),
    Example(
        "match-checkpoint-size",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, hidden):
                super().__init__()
                self.one = nn.Linear(4, hidden)
                self.two = nn.Linear(hidden, 2)

        saved = Net(16).state_dict()
        model = Net(8)
        model.load_state_dict(saved)
        """,
        lambda names: names["model"].two.in_features == 16,
    ),
    Example(
        "target-to-long",
        """
        import torch
        from torch import nn

        criterion = nn.CrossEntropyLoss()
        out = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
        y = torch.tensor([0.0, 1.0])

        def test():
            loss = criterion(out, y)
            return loss.item()

        loss = criterion(out, y)
        tested = test()
        """,
        lambda names: names["tested"] == names["loss"].item(),
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example.check()


GUESSED = {
    "a mask could mean all or any": """\
import torch
x = torch.tensor([1.0, -1.0])
if x > 0:
    x = -x
""",
    "an inverse of a singular matrix": """\
import torch
x = torch.linalg.inv(torch.ones(2, 2))
""",
    "a padding that mirrors more than there is": """\
import torch
x = torch.nn.functional.pad(torch.rand(1, 1, 3), (4, 4), mode="reflect")
""",
    "fractions as class numbers": """\
import torch
from torch import nn
y = torch.tensor([0.3, 0.7])
loss = nn.CrossEntropyLoss()(torch.rand(2, 3), y)
""",
    "fractions as indices": """\
import torch
from torch import nn
x = torch.tensor([0.3, 0.7])
out = nn.Embedding(3, 2)(x)
""",
    "classes far above those of the layer": """\
import torch
from torch import nn
model = nn.Linear(2, 3)
y = torch.tensor([0, 40])
loss = nn.CrossEntropyLoss()(model(torch.rand(2, 2)), y)
""",
    "an update that makes a parameter none": """\
import torch
def noisy(w, noise):
    w += noise
    return w
out = noisy(torch.ones(2, requires_grad=True), torch.rand(2))
""",
}

PICTURES_LAST = """\
import torch
from torch import nn
x = torch.rand(8, 32, 32, 3)
out = nn.Conv2d(3, 4, 3)(x)
"""


def test_channels_that_stand_last_are_moved_and_the_layer_is_only_changed_as_a_guess() -> None:
    grades = {one.rewrite: one.grade for one in candidates(PICTURES_LAST, fault_of(PICTURES_LAST))}

    assert grades["permute-channels"] is not Grade.GUESS
    assert grades["set-in-channels"] is Grade.GUESS


SINGLE = """\
import torch
from torch import nn
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
out = model(torch.rand(3, 8, 8))
"""


def test_one_picture_is_made_a_batch_before_the_layer_is_fitted_to_it() -> None:
    proposed = candidates(SINGLE, fault_of(SINGLE))

    assert proposed[0].rewrite == "one-as-batch"
    assert all(one.grade is Grade.GUESS for one in proposed if one.rewrite == "set-in-features")


RECORDS = """\
import json
import torch
log = []
for epoch in range(2):
    loss = torch.tensor(float(epoch))
    log.append({"epoch": epoch, "loss": loss})
text = json.dumps(log)
"""


def test_records_for_json_hold_numbers_where_they_are_made() -> None:
    mended = mend(RECORDS)

    assert mended.run.names["log"] == [{"epoch": 0, "loss": 0.0}, {"epoch": 1, "loss": 1.0}]


@pytest.mark.parametrize("code", GUESSED.values(), ids=GUESSED.keys())
def test_what_may_compute_something_else_is_only_a_guess(code: str) -> None:
    proposed = candidates(code, fault_of(code))

    assert proposed
    assert {one.grade for one in proposed if one.rewrite != "out-of-place"} == {Grade.GUESS}


def test_targets_in_another_order_are_transposed_not_viewed() -> None:
    code = (
        "import torch\nfrom torch import nn\nout, y = torch.rand(3, 4), torch.rand(4, 3)\n"
        "loss = nn.BCELoss()(out, y)\n"
    )
    first = mend(code)

    assert "y.T" in first.candidate.code
    assert all("view_as" not in one.code for one in candidates(code, fault_of(code)))


def test_the_same_line_is_mended_wherever_it_stands() -> None:
    before = "a = x.numpy()\nif later:\n    a = x.numpy()\nb = y.numpy()\nc = y.sum()\n"
    after = before.replace("x.numpy()", "x.detach().numpy()", 1)

    same, similar = alike(before, after)

    assert same == before.replace("x.numpy()", "x.detach().numpy()")
    assert similar == same.replace("y.numpy()", "y.detach().numpy()")


def test_lines_that_do_something_else_are_left_alone() -> None:
    before = "a = f(x, dim=1)\nb = g(x, dim=1)\nc = f(x, dim=2)\nd = f(x, axis=1)\n"
    after = before.replace("f(x, dim=1)", "f(x.T, dim=1)", 1)

    assert list(alike(before, after)) == []


def test_a_list_that_is_collected_holds_the_numbers_and_a_loss_one() -> None:
    kept = mend("import torch\nx = []\nx.append(torch.tensor([1, 2]).item())\n")
    loss = mend(
        "import torch\nfrom torch import nn\ncriterion = nn.MSELoss(reduction='none')\n"
        "loss = criterion(torch.ones(2), torch.zeros(2))\nvalue = loss.item()\n"
    )

    assert kept.candidate.rewrite == "numbers-as-list"
    assert kept.run.names["x"] == [[1, 2]]
    assert loss.candidate.grade is Grade.LIKELY
    assert loss.run.names["value"] == 1.0
