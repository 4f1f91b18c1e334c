"""Whatever was put before, around or into the lines of a traceback, it is read the same."""

from __future__ import annotations

import pytest
from pasted_posts import calls, pasted, read

from knowledge.post import parse


@pytest.mark.parametrize(
    "wrapped",
    [
        "\n".join("> " + line for line in pasted("plain").split("\n")),
        "\n".join("[rank3]: " + line for line in pasted("plain").split("\n")),
        "\n".join(
            "2031-05-04 10:11:12,345 - ERROR - " + line for line in pasted("plain").split("\n")
        ),
        "\n".join("trainer-1  | " + line for line in pasted("plain").split("\n")),
        "```\n" + pasted("plain") + "```",
        "<pre>" + pasted("plain").replace("<", "&lt;").replace(">", "&gt;") + "</pre>",
        pasted("plain").replace("RuntimeError", "\x1b[1;31mRuntimeError\x1b[0m"),
        pasted("plain").replace("RuntimeError", "\\u001b[31mRuntimeError\\u001b[0m"),
        pasted("plain").replace("\n", "\r\n"),
        pasted("plain").replace("\n", "\\n"),
        " ".join(pasted("plain").split()),
        "\n".join(line.strip() for line in pasted("plain").split("\n")),
        pasted("plain").replace("_", "\\_").replace("<module>", "\\<module\\>"),
        pasted("plain").replace(" ", "\u00a0"),
    ],
    ids=[
        "quoted",
        "rank",
        "logger",
        "compose",
        "fenced",
        "html",
        "ansi",
        "escaped ansi",
        "crlf",
        "one string",
        "one line",
        "unindented",
        "markdown",
        "no-break spaces",
    ],
)
def test_wrapping_does_not_hide_the_error(wrapped: str) -> None:
    post = parse(wrapped)

    assert post.errors[0].text == (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x96 and 48x10)"
    )
    assert {frame.function for frame in post.errors[0].frames} >= {"main", "forward"}
    assert post.code == ()


def test_a_rank_before_every_line_is_taken_off() -> None:
    post = read("ranks")

    assert post.errors[0].exception == "RuntimeError"
    assert post.errors[0].message.startswith("Expected to have finished reduction")
    assert calls(post) == ["<module>", "backward"]
    assert post.errors[0].frames[0].code == "loss.backward()"


def test_a_logger_s_time_level_and_name_are_learned_from_the_traceback() -> None:
    post = read("logger")

    assert post.errors[0].text == "IndexError: Target 10 is out of bounds."
    assert calls(post) == ["step", "cross_entropy"]
    assert post.errors[0].frames[0].code == "loss = self.crit(out, y)"
    assert post.prose.splitlines() == ["epoch 3 begins", "shutting down"]


def test_the_service_of_docker_compose_is_taken_off_and_another_s_lines_do_not_disturb() -> None:
    post = read("compose")

    assert post.errors[0].message.startswith("Can't call numpy() on Tensor that requires grad.")
    assert post.errors[0].message.endswith("instead.")
    assert post.errors[0].frames[0].code == "return net(x).numpy()"
    assert "checkpoint starting" in post.prose


def test_pod_and_time_of_kubectl_are_taken_off() -> None:
    post = read("kubectl")

    assert post.errors[0].text.startswith(
        "RuntimeError: Error(s) in loading state_dict for Net:\nsize mismatch for fc.weight"
    )
    assert calls(post) == ["<module>", "load_state_dict"]


def test_the_next_record_of_airflow_is_no_part_of_the_message() -> None:
    post = read("airflow")

    assert post.errors[0].text == "ValueError: optimizer got an empty parameter list"
    assert post.errors[0].frames[0].file == "/dags/train.py"
    assert post.prose.endswith("Command exited with return code 1")


def test_pytest_in_github_actions_is_read() -> None:
    post = read("github_actions")

    assert post.errors[0].text == (
        "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"
    )
    assert post.errors[0].frames[0].file == "tests/test_step.py"
    assert post.errors[0].frames[0].code == "loss.backward()"
    assert calls(post)[-1] == "backward"


def test_a_failure_of_pytest_is_read_without_its_summary() -> None:
    post = read("pytest_long")

    assert len(post.errors) == 1
    assert post.errors[0].message == "shape '[-1, 400]' is invalid for input of size 6272"
    assert [frame.line for frame in post.errors[0].frames] == [9, 22]
    assert post.errors[0].frames[1].code == "x = x.view(-1, 400)"


def test_the_columns_of_kaggle_are_taken_off() -> None:
    post = read("kaggle")

    assert post.errors[0].text == "IndexError: index out of range in self"
    assert [frame.code for frame in post.errors[0].frames] == [
        "emb = table(ids)",
        "return F.embedding(",
    ]
    assert post.prose == "Kaggle's log of my submission:\n\nEpoch 1/5"


def test_links_and_hidden_frames_of_colab_are_read() -> None:
    post = read("colab")

    assert post.errors[0].message.startswith("Given groups=1, weight of size [64, 3, 7, 7]")
    assert calls(post) == ["<cell line: 4>", "_conv_forward"]
    assert post.errors[0].frames[0].code == "out = net(batch)"
    assert post.code == ()
    assert post.prose == ""


def test_entities_breaks_and_markdown_escapes_are_undone() -> None:
    post = read("html_and_markdown")

    assert post.errors[0].text == "TypeError: can't multiply *Tensor* by str in fit_model"
    assert post.errors[0].frames[0].file == "fit_model.py"
    assert post.errors[0].frames[0].code == "w *= torch.__version__"
    assert post.prose == ""


def test_what_was_escaped_twice_is_read() -> None:
    post = read("double_escaped")

    assert post.errors[0].message.startswith("Trying to backward through the graph a second time")
    assert post.errors[0].frames[0].file == "gan.py"
    assert post.prose == "Copied from the forum:"


def test_quotes_in_quotes_are_taken_off() -> None:
    post = read("quoted_deeply")

    assert (
        post.errors[0].text == "RuntimeError: Expected hidden[0] size (2, 8, 64), got [2, 16, 64]"
    )
    assert post.errors[0].frames[0].code == "out, h = lstm(x, (h0, c0))"
    assert "Did you set batch_first?" in post.prose


def test_curly_quotes_are_straightened() -> None:
    post = read("curly_quotes")

    assert post.errors[0].text == "AttributeError: 'dict' object has no attribute 'cuda'"
    assert post.errors[0].frames[0].file == "train.py"


def test_the_lines_of_two_processes_are_told_apart() -> None:
    post = read("interleaved")

    assert post.errors[0].text == "RuntimeError: shape '[4, -1]' is invalid for input of size 30"
    assert [frame.line for frame in post.errors[0].frames] == [40, 31]
    assert post.errors[1].exception == "torch.distributed.DistBackendError"
    assert [frame.line for frame in post.errors[1].frames] == [40, 33]


def test_the_task_numbers_of_srun_are_taken_off() -> None:
    post = read("srun")

    assert len(post.errors) == 1
    assert post.errors[0].text == "torch.AcceleratorError: CUDA error: invalid device ordinal"
    assert post.errors[0].frames[0].code == "torch.cuda.set_device(local_rank)"
    assert post.prose == "srun: error: node3: tasks 0-1: Exited with exit code 1"


def test_a_progress_bar_before_the_traceback_is_taken_off() -> None:
    post = read("progress_bar")

    assert post.errors[0].text == "IndexError: Target 7 is out of bounds."
    assert calls(post) == ["<module>", "training_step"]


def test_a_box_with_local_variables_is_read_without_them() -> None:
    post = read("rich_box")

    assert post.errors[0].text == "RuntimeError: expected scalar type Long but found Float"
    assert calls(post) == ["main", "cross_entropy"]
    assert post.errors[0].frames[0].code.startswith("loss = crit(")
    assert post.code == ()


def test_the_values_that_loguru_draws_are_no_code() -> None:
    post = read("loguru")

    assert post.errors[0].message == "grad can be implicitly created only for scalar outputs"
    assert [frame.code for frame in post.errors[0].frames] == ["step(net, x)", "net(x).backward()"]
    assert post.code == ()


def test_a_commented_traceback_does_not_uncomment_the_code_below_it() -> None:
    commented = "".join(f"# {line}\n" for line in pasted("plain").strip().split("\n"))
    post = parse(commented + "# w = 1\nx = torch.ones(2)\n")

    assert post.errors[0].message.endswith("(16x96 and 48x10)")
    assert calls(post) == ["<module>", "main", "forward"]
    assert "# w = 1" in post.text


def test_a_windows_path_keeps_its_backslashes() -> None:
    assert read("windows_japanese").errors[0].frames[1].file.endswith("torch\\__init__.py")
