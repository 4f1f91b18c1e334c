"""How sure a match is: constants of two logistic models over a few features of a search.

`knowledge.calibrate` fits them on labelled posts; nothing here knows any single post. A model turns
features into the probability that answering with the best match is right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Model:
    """A logistic model: `bias`, and one weight per named feature."""

    bias: float
    weights: Mapping[str, float]

    def probability(self, features: Mapping[str, float]) -> float:
        """The probability, 0 to 1, for features by name."""
        total = self.bias + sum(w * features[name] for name, w in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


SIGNATURE: Final = Model(
    bias=2.1,
    weights={
        "literal": 2.64,
        "torch_context": 1.27,
        "general_only": -3.52,
        "general_frames": -2.1,
        "foreign_only": -5.05,
        "elsewhere": -0.6,
        "settled": -3.19,
    },
)
"""For a post in which a signature fits."""

MEANING: Final = Model(
    bias=-7.32,
    weights={
        "coverage": 2.01,
        "score": 2.69,
        "familiarity": 2.53,
        "margin": 2.88,
        "nearness": 0.57,
        "about": 0.98,
        "off_topic": -1.84,
        "foreign": -2.59,
        "asking": 0.58,
        "trouble": 1.01,
        "settled": -2.59,
        "shown_code": -0.98,
        "unknown_error": -2.07,
        "pitfall": 3.01,
        "hint": 2.0,
    },
)
"""For a post that is matched by its words and meaning alone."""

THRESHOLD: Final = 0.7
"""Below this confidence the tutor keeps silent unless it was asked."""
