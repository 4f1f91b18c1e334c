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
    bias=1.95,
    weights={
        "literal": 2.55,
        "torch_context": 1.35,
        "general_only": -3.71,
        "foreign_only": -5.08,
        "elsewhere": -0.54,
    },
)
"""For a post in which a signature fits."""

MEANING: Final = Model(
    bias=-6.93,
    weights={
        "coverage": 2.67,
        "score": 2.57,
        "familiarity": 2.61,
        "margin": 3.13,
        "nearness": 0.67,
        "about": 0.82,
        "off_topic": -1.87,
        "foreign": -2.14,
        "asking": 0.72,
        "unknown_error": -1.82,
        "pitfall": 3.02,
        "hint": 2.0,
    },
)
"""For a post that is matched by its words and meaning alone."""

THRESHOLD: Final = 0.6
"""Below this confidence the tutor keeps silent unless it was asked."""
