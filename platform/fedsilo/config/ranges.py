"""Ranges of numbers as they are written beside a key: ">= 1", "> 0", "in (0, 1]"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_ONE_SIDED = re.compile(r"(>=|>|<=|<) (\S+)")
_TWO_SIDED = re.compile(r"in ([\[(])(\S+), (\S+)([\])])")


@dataclass(frozen=True, slots=True)
class Range:
    """A set of numbers with two ends; an open end is itself left out.

    Attributes:
        text: How it is written, for messages.
        low: Lower end, -inf where there is none.
        high: Upper end, inf where there is none.
        open_low: Whether the lower end is left out.
        open_high: Whether the upper end is left out.
    """

    text: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Whether the number lies in the range."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below


def parse_range(text: str) -> Range:
    """Returns the range that a text such as "in [0, 1)" means.

    Raises:
        ValueError: The text is none of the known forms: a mistake in the component that declares it.
    """
    if found := _ONE_SIDED.fullmatch(text):
        sign, end = found[1], float(found[2])
        if sign.startswith(">"):
            return Range(text, low=end, open_low=sign == ">")
        return Range(text, high=end, open_high=sign == "<")
    if found := _TWO_SIDED.fullmatch(text):
        return Range(text, float(found[2]), float(found[3]), open_low=found[1] == "(", open_high=found[4] == ")")
    raise ValueError(f"'{text}' is no range. Write it as '>= 1', '> 0' or 'in (0, 1]'.")
