"""Rewrites of DataLoader: batches, workers, samplers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from bot.rewrites.case import (
    GUESS,
    LIKELY,
    SURE,
    Case,
    Grade,
    Proposal,
    guess,
    likely,
    rewrite,
    sure,
)
from bot.rewrites.layers import argument, with_argument, without_argument
from bot.rewrites.names import parameters
from bot.rewrites.source import called, dotted, find

_WORKERS = (
    "main-guard-missing",
    "dataloader-worker-killed",
    "dataloader-pickle",
    "cuda-fork",
    "shared-memory-exhausted",
    "too-many-open-files",
)


def loaders(case: Case) -> list[cst.Call]:
    """The DataLoaders, the one that the failing line loops over or makes first."""
    everywhere = [call for call in case.source.calls if called(call) == "DataLoader"]
    first: list[cst.Call] = []
    for name in case.failing_expressions():
        made = case.names.constructed(name)
        if made is not None and called(made) == "DataLoader" and made not in first:
            first.append(made)
    return first + [call for call in everywhere if call not in first]


@rewrite("single-process", *_WORKERS, grades=(Grade.SURE, Grade.LIKELY))
def single_process(case: Case) -> Iterator[Proposal]:
    """Loads the data in the main process, with num_workers=0."""
    edit, changed = case.edit(), False
    for call in loaders(case):
        workers = argument(call, "num_workers")
        if workers is None or case.names.number(workers) == 0:
            continue
        new = with_argument(case, call, "num_workers", "0")
        for option in (
            "persistent_workers",
            "prefetch_factor",
            "multiprocessing_context",
            "timeout",
        ):
            if argument(new, option) is not None:
                new = without_argument(new, option)
        edit.swap(call, new)
        changed = True
    if changed:
        yield likely(edit)


@rewrite("main-guard", "main-guard-missing", "cuda-fork", grades=SURE)
def main_guard(case: Case) -> Iterator[Proposal]:
    """Runs the script's own lines only in the main process, under if __name__ == "__main__"."""
    if "__main__" in case.source.code:
        return
    body = list(case.source.module.body)
    kept = (cst.ClassDef, cst.FunctionDef)
    start = 0
    for at, statement in enumerate(body):
        imports = isinstance(statement, cst.SimpleStatementLine) and all(
            isinstance(small, cst.Import | cst.ImportFrom)
            or (isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString))
            for small in statement.body
        )
        if isinstance(statement, kept) or imports:
            start = at + 1
    top = body[:start]
    guarded = body[start:]
    # A definition between two lines of the script: what stands above it and is no definition
    # stays where it is, for the definition may use it.
    if guarded and all(isinstance(s, cst.BaseStatement) for s in guarded):
        first = guarded[0]
        leading = getattr(first, "leading_lines", ())
        block = cst.parse_statement('if __name__ == "__main__":\n    pass')
        inner = [first.with_changes(leading_lines=()), *guarded[1:]]
        block = block.with_changes(leading_lines=leading, body=cst.IndentedBlock(body=inner))
        yield Proposal(case.source.module.with_changes(body=[*top, block]).code, Grade.SURE, {})


@rewrite(
    "drop-last-batch",
    "batchnorm-single-value",
    "view-invalid-size",
    "rnn-hidden-size",
    grades=(Grade.LIKELY, Grade.GUESS),
)
def drop_last_batch(case: Case) -> Iterator[Proposal]:
    """Leaves the last, smaller batch out of training."""
    edit, changed = case.edit(), False
    for call in loaders(case):
        if argument(call, "drop_last") is None and argument(call, "batch_size") is not None:
            edit.swap(call, with_argument(case, call, "drop_last", "True"))
            changed = True
    if changed:
        grade = likely if case.slug == "batchnorm-single-value" else guess
        yield grade(edit)


@rewrite("eval-for-one-sample", "batchnorm-single-value", grades=(Grade.LIKELY, Grade.GUESS))
def eval_for_one_sample(case: Case) -> Iterator[Proposal]:
    """Puts the model into evaluation mode before it sees a single sample."""
    calls = case.callers or [
        c for c in case.failing(cst.Call) if case.names.constructed(c.func) is not None
    ]
    for call in calls:
        name = dotted(call.func)
        if name is None or name.startswith("self"):
            continue
        statement = case.source.statement_of(call)
        for above in case.source.ancestors(statement):
            if isinstance(above, cst.With) and case.source.enclosing(call, cst.FunctionDef) is (
                case.source.enclosing(above, cst.FunctionDef)
            ):
                statement = above
        if not isinstance(statement, cst.FunctionDef):
            trains = any(called(one) == "backward" for one in case.source.calls)
            edit = case.edit().before(statement, f"{name}.eval()")
            yield (guess if trains else likely)(edit, what=name)


_COLLATE = '''def pad_batch(batch):
    """Fills the sequences of a batch up to the length of its longest."""
    columns = zip(*batch) if isinstance(batch[0], tuple) else [batch]
    filled = []
    for column in columns:
        items = [torch.as_tensor(item) for item in column]
        if items[0].ndim == 0:
            filled.append(torch.stack(items))
        else:
            filled.append(pad_sequence(items, batch_first=True))
    return tuple(filled) if isinstance(batch[0], tuple) else filled[0]
'''


@rewrite("pad-batch", "collate-unequal-sizes", grades=LIKELY)
def pad_batch(case: Case) -> Iterator[Proposal]:
    """Fills the sequences of a batch up to equal length, in a collate_fn."""
    for call in loaders(case):
        if argument(call, "collate_fn") is not None:
            continue
        statement = case.source.statement_of(call)
        for above in case.source.ancestors(statement):
            if isinstance(above, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                statement = above
        edit = case.edit().importing("import torch")
        edit.importing("from torch.nn.utils.rnn import pad_sequence")
        edit.swap(call, with_argument(case, call, "collate_fn", "pad_batch"))
        yield likely(edit.before(statement, f"\n\n{_COLLATE}\n"))


@rewrite("lists-for-batches", "collate-unequal-sizes", "collate-bad-type", grades=GUESS)
def lists_for_batches(case: Case) -> Iterator[Proposal]:
    """Hands each batch over as lists, for what cannot be made into one tensor."""
    for call in loaders(case):
        if argument(call, "collate_fn") is None:
            text = "lambda batch: tuple(zip(*batch))"
            yield guess(case.edit().swap(call, with_argument(case, call, "collate_fn", text)))


@rewrite("paths-as-text", "collate-bad-type", grades=SURE)
def paths_as_text(case: Case) -> Iterator[Proposal]:
    """Hands paths over as text, which batches can hold."""
    if "Path" not in case.message:
        return
    edit, changed = case.edit(), False
    for call in case.source.calls:
        above = case.source.parent(call)
        if called(call) == "Path" and isinstance(above, cst.Element):
            edit.replace(call, f"str({case.text(call)})")
            changed = True
    for function in find(case.source.module, cst.FunctionDef):
        if function.name.value != "__getitem__":
            continue
        for node in find(function, cst.Return):
            for element in node.value.elements if isinstance(node.value, cst.Tuple) else ():
                if "path" in case.text(element.value).lower() or "file" in case.text(element.value):
                    edit.replace(element.value, f"str({case.text(element.value)})")
                    changed = True
    if changed:
        yield sure(edit)


@rewrite("drop-loader-option", "dataloader-option-conflict", grades=(Grade.SURE, Grade.LIKELY))
def drop_loader_option(case: Case) -> Iterator[Proposal]:
    """Takes the option of a DataLoader away that another one rules out."""
    options = [
        name
        for name, sign in (
            ("shuffle", "shuffle"),
            ("persistent_workers", "persistent_workers"),
            ("prefetch_factor", "prefetch_factor"),
            ("multiprocessing_context", "multiprocessing_context"),
            ("timeout", "timeout"),
            ("drop_last", "drop_last"),
        )
        if sign in case.message
    ]
    for call in loaders(case):
        if "batch_sampler" in case.message and argument(call, "batch_sampler") is not None:
            options = ["batch_size", "shuffle", "sampler", "drop_last"]
        new = call
        for option in options:
            if argument(new, option) is not None:
                new = without_argument(new, option)
        if new is not call:
            yield sure(case.edit().swap(call, new), name=", ".join(options))
        if "num_workers" in case.message and argument(call, "num_workers") is not None:
            yield likely(
                case.edit().swap(call, with_argument(case, call, "num_workers", "0")),
                name="num_workers",
            )
        size = argument(call, "batch_size")
        found = re.search(r"batch_size=(\S+)", case.message)
        number = case.names.number(size) if size is not None else None
        if found and "positive integ" in case.message and isinstance(number, float) and number >= 1:
            edit = case.edit().swap(call, with_argument(case, call, "batch_size", str(int(number))))
            yield sure(edit, name="batch_size")


@rewrite("no-pinning", "pin-memory", grades=SURE)
def no_pinning(case: Case) -> Iterator[Proposal]:
    """Pins memory only where there is a GPU and the data are on the CPU."""
    edit, changed = case.edit(), False
    for call in loaders(case):
        if argument(call, "pin_memory") is not None:
            edit.swap(call, without_argument(call, "pin_memory"))
            changed = True
    if changed:
        yield sure(edit)


@rewrite("shuffle-training", "silent-no-shuffle", grades=LIKELY)
def shuffle_training(case: Case) -> Iterator[Proposal]:
    """Shuffles the training data."""
    for call in loaders(case):
        name = case.text(case.source.statement_of(call)).lower()
        shuffle = argument(call, "shuffle")
        if any(word in name for word in ("test", "val", "eval")) or argument(call, "sampler"):
            continue
        if shuffle is None or case.text(shuffle) == "False":
            yield likely(case.edit().swap(call, with_argument(case, call, "shuffle", "True")))


@rewrite("fewer-workers", "silent-dataloader-slow", grades=LIKELY)
def fewer_workers(case: Case) -> Iterator[Proposal]:
    """Starts as many workers as the machine has cores."""
    cores = case.number("cores")
    for call in loaders(case) if cores is not None else ():
        workers = argument(call, "num_workers")
        if workers is not None and cores is not None:
            new = with_argument(case, call, "num_workers", str(cores))
            yield likely(case.edit().swap(call, new), number=cores)


@rewrite("name-the-lambda", "dataloader-pickle", grades=LIKELY)
def name_the_lambda(case: Case) -> Iterator[Proposal]:
    """Makes a lambda a function with a name, which other processes can find."""
    for node in find(case.source.module, cst.Lambda):
        if case.names.owner(node) is None and not isinstance(case.source.parent(node), cst.Arg):
            continue
        statement: cst.CSTNode = node
        for above in case.source.ancestors(node):
            if isinstance(above, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                statement = above
        scope = case.names.scope(node)
        known = set(parameters(scope))
        if {n.value for n in find(node.body, cst.Name)} & known:
            continue
        params = case.text(node.params)
        text = f"def transform_item({params}):\n    return {case.text(node.body)}\n"
        if isinstance(statement, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            edit = case.edit().before(statement, text).replace(node, "transform_item")
            yield likely(edit, old=case.text(node))


@rewrite("halve-batch", "cuda-out-of-memory", "cpu-out-of-memory", grades=GUESS)
def halve_batch(case: Case) -> Iterator[Proposal]:
    """Halves the batch, and with it the memory that a step needs."""
    for call in loaders(case):
        size = argument(call, "batch_size")
        number = case.names.number(size) if size is not None else None
        if size is not None and isinstance(number, int) and number > 1:
            edit = case.edit().swap(call, with_argument(case, call, "batch_size", str(number // 2)))
            yield guess(edit, old=number, number=number // 2)


@rewrite("share-through-files", "too-many-open-files", grades=LIKELY)
def share_through_files(case: Case) -> Iterator[Proposal]:
    """Shares tensors between processes through files, which needs no open handles."""
    for call in loaders(case)[:1]:
        line = 'torch.multiprocessing.set_sharing_strategy("file_system")'
        if line not in case.source.code:
            statement = case.source.statement_of(call)
            yield likely(case.edit().importing("import torch").before(statement, line))
