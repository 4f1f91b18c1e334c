"""Groups texts that say the same, by the distance of their vectors."""

from __future__ import annotations

from typing import Final

from scipy.cluster.hierarchy import fcluster, linkage

from knowledge.encoder import Vectors

SAME_ERROR: Final = 0.2
"""The mean cosine distance within which two messages are one error. Messages that differ in their
numbers or file names are 0.0 to 0.1 apart; two errors of one type (`module 'x' has no attribute`,
`object has no attribute`) 0.23 and more."""
SAME_QUESTION: Final = 0.4
"""The same for questions in words, which vary more: 0.35 to 0.45 apart where they ask one thing."""


def clusters(vectors: Vectors, threshold: float) -> tuple[tuple[int, ...], ...]:
    """The numbers of the rows, grouped, the largest group first.

    Agglomerative clustering with average linkage: groups are joined while the mean cosine distance
    between them is at most `threshold`. Equal sizes keep the order of their first rows.
    """
    if len(vectors) < 2:
        return tuple((number,) for number in range(len(vectors)))
    tree = linkage(vectors, method="average", metric="cosine")
    labels = fcluster(tree, t=threshold, criterion="distance").tolist()
    groups: dict[int, list[int]] = {}
    for number, label in enumerate(labels):
        groups.setdefault(label, []).append(number)
    return tuple(map(tuple, sorted(groups.values(), key=lambda group: (-len(group), group[0]))))
