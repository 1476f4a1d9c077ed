"""What every method is held against: guessing by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsilo.core import Measures
from fedsilo.core.metrics import LOCAL, POOLED


@dataclass(frozen=True, slots=True)
class Floor:
    """What every method is held against: guessing.

    Attributes:
        measures: The task's.
        chance: The metrics of guessing, by name.
    """

    measures: Measures
    chance: Mapping[str, float]

    @property
    def headline(self) -> float:
        """Returns the headline metric of guessing."""
        return self.chance[self.measures.headline.name]

    @property
    def row(self) -> dict[str, Any]:
        """Returns the row of guessing: each metric as clients have it, and over all images."""
        views = {view + name: value for name, value in self.chance.items() for view in (LOCAL, POOLED)}
        return {"method": "chance", "role": "reference", **views}
