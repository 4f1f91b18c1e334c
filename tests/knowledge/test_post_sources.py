"""Chains, launchers, workers, dying interpreters: the error that went wrong first is found."""

from __future__ import annotations

import pytest
from pasted_posts import calls, pasted, read

from knowledge.language import Language
from knowledge.post import parse


def test_the_direct_cause_decides_over_what_it_became() -> None:
    post = read("direct_cause")

    assert [error.exception for error in post.errors] == ["RuntimeError", "sweep.TrialError"]
    assert post.errors[0].message.endswith("multi-target not supported")
    assert calls(post)[-1] == "training_step"


def test_an_error_that_was_handled_does_not_decide() -> None:
    post = read("handled_first")

    assert post.errors[0].message.startswith("Input type (torch.cuda.FloatTensor)")
    assert calls(post) == ["<module>", "features", "encode", "_conv_forward"]
    assert post.errors[1].text == "KeyError: 'cat.png'"


def test_an_error_that_its_handler_only_translated_decides() -> None:
    assert read("chained").errors[0].text == "KeyError: 'lr'"


def test_an_empty_queue_is_no_root() -> None:
    post = parse(
        "Traceback (most recent call last):\n"
        '  File "/env/torch/utils/data/dataloader.py", line 1131, in _try_get_data\n'
        "    data = self._data_queue.get(timeout=timeout)\n"
        "_queue.Empty\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "/env/torch/utils/data/dataloader.py", line 1144, in _try_get_data\n'
        "    raise RuntimeError(\n"
        "RuntimeError: DataLoader timed out after 30 seconds\n"
    )

    assert post.errors[0].text == "RuntimeError: DataLoader timed out after 30 seconds"


def test_the_original_traceback_of_a_worker_decides_with_its_own_frames() -> None:
    post = read("worker_original")

    assert post.errors[0].message.startswith("default_collate: batch must contain tensors")
    assert calls(post) == ["_worker_loop", "collate"]
    assert post.errors[-1].message == "Caught TypeError in DataLoader worker process 0."


def test_the_rank_that_the_launcher_calls_the_root_cause_decides() -> None:
    post = read("elastic_root_cause")

    assert post.errors[0].text == "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"
    assert post.errors[1].message.startswith("Detected mismatch between collectives")
    assert "local_rank: 0)" not in post.prose
    assert "exitcode" not in post.prose.split("failed (exitcode")[0]


def test_another_root_cause_makes_another_rank_decide() -> None:
    text = pasted("elastic_root_cause")
    head, tail = text.rsplit("rank      : 0 (local_rank: 0)", 1)
    post = parse(head + "rank      : 3 (local_rank: 3)" + tail)

    assert post.errors[0].message.startswith("Detected mismatch between collectives")


def test_a_traceback_inside_the_launcher_s_table_is_read() -> None:
    post = read("elastic_recorded")

    assert post.errors[0].message.startswith("Sizes of tensors must match except in dimension 0.")
    assert post.errors[0].frames[-1].code == "y = torch.cat([a, b])"
    assert post.errors[-1].exception is not None
    assert post.errors[-1].exception.endswith("ChildFailedError")
    assert post.prose == ""


def test_the_errors_inside_an_exception_group_decide_over_the_group() -> None:
    post = read("exception_group")

    assert {error.message[-8:] for error in post.errors[:2]} == {"[28, 28]", "[32, 32]"}
    assert post.errors[0].frames[0].code == "return net(x)"
    assert post.errors[2].exception == "ExceptionGroup"
    assert calls(post) == ["predict"]
    assert post.prose == ""


def test_notes_are_part_of_the_message() -> None:
    post = read("notes")

    assert post.errors[0].message.splitlines() == [
        "index out of range in self",
        "while reading batch 12 of shard train-03",
        "the largest id was 30522",
    ]


def test_carets_and_tildes_are_no_code() -> None:
    post = read("carets")

    assert [frame.code for frame in post.errors[0].frames] == [
        "print(net(torch.rand(2, 5)) + bias)",
        "return self.value + other",
    ]
    assert post.errors[0].message.endswith("at non-singleton dimension 1")
    assert (post.code, post.prose) == ((), "")


def test_the_frames_of_faulthandler_belong_to_its_error_outermost_first() -> None:
    post = read("faulthandler")

    assert post.errors[0].text == "Fatal Python error: Segmentation fault"
    assert calls(post) == ["<module>", "_wrapped_call_impl", "_conv_forward"]
    assert [frame.line for frame in post.errors[0].frames] == [31, 1518, 456]
    assert post.prose.startswith("It just dies")


def test_a_native_stack_trace_is_neither_message_nor_prose() -> None:
    post = read("cpp_stack")

    assert post.errors[0].message.startswith(
        "CUDA error: device-side assert triggered\nCUDA kernel"
    )
    assert "Exception raised from c10_cuda_check_implementation" in post.errors[0].message
    assert "frame #" not in post.errors[0].message
    assert post.prose == "The labels go from 1 to 10, is that the reason?"


def test_what_a_terminated_program_says_is_an_error() -> None:
    post = read("terminate")

    assert post.errors[0].exception is None
    assert post.errors[0].message.startswith("CUDA error: an illegal memory access was encountered")
    assert "frame #" not in post.prose


def test_the_last_of_several_errors_decides_and_the_first_is_kept() -> None:
    post = read("several_errors")

    assert post.errors[0].text.startswith("ValueError: Expected input batch_size (1)")
    assert post.errors[0].frames[0].code == "loss = crit(net(x[None]), y)"
    assert post.errors[1].message.startswith("Expected 4-dimensional input")
    assert post.prose.endswith("Which of them is the real problem?")


def test_question_code_and_traceback_of_one_post_are_told_apart() -> None:
    post = read("code_and_question")

    assert post.prose == "这个网络为什么一跑就报错？"
    assert post.code[0].startswith("class Net(nn.Module):\n    def __init__(self):")
    assert post.errors[0].text == (
        "AttributeError: cannot assign module before Module.__init__() call"
    )
    assert post.errors[0].frames[-1].code == "self.fc = nn.Linear(4, 2)"
    assert post.language is Language.ZH


@pytest.mark.parametrize("line", ["Exception: no data", "| Exception: no data"])
def test_a_bare_exception_is_an_error(line: str) -> None:
    assert parse(line).errors[0].text == "Exception: no data"
