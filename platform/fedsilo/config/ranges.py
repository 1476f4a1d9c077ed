"""Ranges of numbers, as they are declared for a key: ">= 1", "> 0", "in (0, 1]"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_ONE_SIDED = re.compile(r"(>=|>|<=|<) (\S+)")
_TWO_SIDED = re.compile(r"in ([\[(])(\S+), (\S+)([\])])")


@dataclass(frozen=True, slots=True)
class Range:
    """A range of numbers; an open end does not belong to it.

    Attributes:
        text: The range as it is declared, for messages.
        low: Lower end, -inf where there is none.
        high: Upper end, inf where there is none.
        open_low: Whether the lower end is open.
        open_high: Whether the upper end is open.
    """

    text: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Checks whether a number is in the range.

        Args:
            value: The number.

        Returns:
            True if it is.
        """
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below


def parse_range(text: str) -> Range:
    """Parses a range.

    Args:
        text: For example "in [0, 1)".

    Returns:
        The range.

    Raises:
        ValueError: The text has none of the known forms: a mistake in the component that declares it.
    """
    if found := _ONE_SIDED.fullmatch(text):
        sign, end = found[1], float(found[2])
        if sign.startswith(">"):
            return Range(text, low=end, open_low=sign == ">")
        return Range(text, high=end, open_high=sign == "<")
    if found := _TWO_SIDED.fullmatch(text):
        return Range(text, float(found[2]), float(found[3]), open_low=found[1] == "(", open_high=found[4] == ")")
    raise ValueError(f"'{text}' is no range. Write it as '>= 1', '> 0' or 'in (0, 1]'.")
