"""Numbers and names as the page has them."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float) -> str:
    """Returns a number with three figures that count."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def size(count: float) -> str:
    """Returns bytes as "81.9 kB"."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:.3g} {unit}" if count < 999.5 * least else f"{count / least:,.0f} {unit}"
    return f"{count:g} B"


def seconds(value: float) -> str:
    """Returns a time as "1.65 s" or "3 min 5 s"."""
    if value < 100:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def several(count: int, word: str, words: str = "") -> str:
    """Returns "1 client" or "3 clients"."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def listed(numbers: Sequence[int], most: int = 20) -> str:
    """Returns numbers as "0 to 9" where they follow each other, else "0, 3, 8", cut after `most`."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    shown = ", ".join(map(str, numbers[:most]))
    return shown + (f" and {len(numbers) - most} more" if len(numbers) > most else "")
