"""What a snippet lacks is told completely, and only when that is why it failed."""

from __future__ import annotations

from bot.missing import missing_parts, undefined_names

SNIPPET = """
import torch
model = Net()
for x, y in train_loader:
    loss = criterion(model(x), y)
"""


def test_all_undefined_names_are_listed_not_only_the_first() -> None:
    missing = missing_parts(SNIPPET, "NameError", "name 'Net' is not defined")

    assert missing == ("Net", "train_loader", "criterion")


def test_a_missing_file_is_named_by_its_path() -> None:
    message = "[Errno 2] No such file or directory: 'data/train.csv'"

    assert missing_parts("open('data/train.csv')", "FileNotFoundError", message) == (
        "data/train.csv",
    )


def test_a_missing_module_is_named() -> None:
    message = "No module named 'torchvision'"

    assert missing_parts("import torchvision", "ModuleNotFoundError", message) == ("torchvision",)


def test_an_error_of_torch_is_no_missing_part() -> None:
    message = "mat1 and mat2 shapes cannot be multiplied (1x3 and 5x2)"

    assert missing_parts(SNIPPET, "RuntimeError", message) == ()


def test_code_that_does_not_parse_has_no_undefined_names() -> None:
    assert undefined_names("def broken(:\n") == ()


def test_names_that_python_brings_are_not_undefined() -> None:
    assert undefined_names("print(len([]), __name__)") == ()
