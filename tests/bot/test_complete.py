"""Completing what learners paste: every completed snippet here is really run."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.complete import Completed, complete
from bot.missing import undefined_names


def run(completed: Completed) -> dict[str, object]:
    """The names that a completed snippet of this file leaves behind."""
    names: dict[str, object] = {}
    exec(compile(completed.code, "<completed>", "exec"), names)
    return names


def shape(value: object) -> tuple[int, ...]:
    return tuple(value.shape)  # type: ignore[attr-defined]


def test_usual_imports_are_added_and_said() -> None:
    completed = complete("layer = nn.Linear(3, 2)\nout = F.relu(layer(torch.ones(1, 3)))\n")

    assert set(completed.imports) == {
        "import torch",
        "from torch import nn",
        "import torch.nn.functional as F",
    }
    assert shape(run(completed)["out"]) == (1, 2)


def test_imports_come_after_the_docstring_and_the_future() -> None:
    code = '"""Homework."""\nfrom __future__ import annotations\nx = torch.ones(2)\n'

    assert shape(run(complete(code))["x"]) == (2,)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("net = nn.Linear(784, 10)\nout = net(x)\n", (4, 784)),
        ("net = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))\nout = net(x)\n", (4, 12)),
        ("net = nn.Conv2d(1, 8, 3)\nout = net(x)\n", (4, 1, 28, 28)),
        (
            "width = 16\nnet = nn.LSTM(width * 2, 8, batch_first=True)\nout, _ = net(x)\n",
            (4, 5, 32),
        ),
        ("net = nn.Embedding(50, 8)\nout = net(x.to('cpu'))\n", (4, 7)),
        ("out = nn.BatchNorm1d(6)(x)\n", (4, 6)),
    ],
)
def test_an_input_is_made_up_in_the_shape_that_the_layer_takes(
    code: str, expected: tuple[int, ...]
) -> None:
    completed = complete(code)

    assert shape(run(completed)["x"]) == expected
    assert [each.name for each in completed.made_up] == ["x"]
    assert str(list(expected)) in completed.made_up[0].text


CONVOLUTIONAL = """\
class Net(nn.Module):
    def __init__(self, hidden, classes=7):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 13 * 13, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        return self.fc2(F.relu(self.fc1(x)))


model = Net(20)
criterion = nn.CrossEntropyLoss()
for epoch in range(num_epochs):
    for images, labels in train_loader:
        optimizer.zero_grad()
        outputs = model(images.to(device))
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
"""


def test_a_picture_gets_the_size_with_which_the_first_linear_layer_fits() -> None:
    names = run(complete(CONVOLUTIONAL))

    assert shape(names["images"]) == (4, 3, 64, 64)
    assert shape(names["outputs"]) == (4, 7)


def test_whole_training_loops_run_and_all_that_was_made_up_is_named() -> None:
    completed = complete(CONVOLUTIONAL)

    assert not completed.missing
    assert {each.name for each in completed.made_up} == {
        "num_epochs",
        "train_loader",
        "optimizer",
        "device",
    }
    assert "< 7" in next(each.text for each in completed.made_up if each.name == "train_loader")


def test_the_posted_message_decides_over_what_would_fit() -> None:
    slots = {"rows": 5, "cols": 11, "in_features": 7, "out_features": 3}

    completed = complete(
        "net = nn.Linear(7, 3)\nnet(x)\n", slug="matmul-shape-mismatch", slots=slots
    )

    with pytest.raises(RuntimeError, match="5x11 and 7x3"):
        run(completed)


@pytest.mark.parametrize(
    ("slug", "slots", "message"),
    [
        ("target-dtype-not-long", {"got": "Float"}, "to be Long or Byte, but got Float"),
        ("loss-batch-mismatch", {"inputs": 4, "targets": 9}, "to match target batch_size"),
    ],
)
def test_a_target_is_made_up_as_the_message_says(
    slug: str, slots: dict[str, int | float | str], message: str
) -> None:
    code = "net = nn.Linear(5, 3)\nout = net(x)\nloss = F.nll_loss(out, y)\n"

    completed = complete(code, slug=slug, slots=slots)

    with pytest.raises((RuntimeError, ValueError), match=message):
        run(completed)


def test_what_nothing_determines_is_listed() -> None:
    completed = complete("import torch\nprint(encoder(torch.ones(2)), beta)\n")

    assert completed.missing == ("encoder", "beta")
    assert not completed.made_up


def test_a_data_set_of_torchvision_is_stood_in_for() -> None:
    code = (
        "import torch\nfrom torchvision import datasets, transforms\n"
        "tf = transforms.Compose([transforms.ToTensor()])\n"
        "data = datasets.CIFAR10('data', train=True, download=True, transform=tf)\n"
        "loader = torch.utils.data.DataLoader(data, batch_size=8)\n"
        "images, labels = next(iter(loader))\n"
    )

    completed = complete(code)

    assert shape(run(completed)["images"]) == (8, 3, 32, 32)
    assert completed.made_up[0].name == "CIFAR10"


def test_whole_code_is_left_exactly_as_it_is() -> None:
    code = "import torch\n\n\nx = torch.ones(2)  # two\nprint( x )"

    assert complete(code) == Completed(code, (), (), ())


@pytest.mark.parametrize("code", ["def f(:\n", "\0", "x = " + "(" * 500 + ")" * 500, ""])
def test_code_that_does_not_parse_comes_back_as_it_is(code: str) -> None:
    assert complete(code).code == code


@given(st.lists(st.sampled_from(CONVOLUTIONAL.splitlines()), max_size=25).map("\n".join))
def test_completing_never_breaks_what_parses(code: str) -> None:
    completed = complete(code)

    try:
        ast.parse(code)
    except SyntaxError:
        assert completed.code == code
    else:
        ast.parse(completed.code)
        assert set(undefined_names(completed.code)) <= set(undefined_names(code))
