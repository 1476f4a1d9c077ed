"""Numbers, sizes and times as text."""

from __future__ import annotations

from collections.abc import Sequence


def format_number(value: float) -> str:
    """Formats a number with three significant figures.

    Args:
        value: The number.

    Returns:
        Such as "0.0123" or "1,235".
    """
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def format_bytes(count: float) -> str:
    """Formats a number of bytes.

    Args:
        count: Bytes, at least 0.

    Returns:
        Such as "81.9 kB".
    """
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:.3g} {unit}" if count < 999.5 * least else f"{count / least:,.0f} {unit}"
    return f"{count:g} B"


def format_seconds(value: float) -> str:
    """Formats a length of time.

    Args:
        value: Seconds, at least 0.

    Returns:
        Such as "1.65 s" or "3 min 5 s".
    """
    if value < 100:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def capitalize_first(text: str) -> str:
    """Writes the first letter as a capital and leaves the others as they are.

    Args:
        text: The text.

    Returns:
        Such as "AUC of each client" or "Accuracy over rounds".
    """
    return text[:1].upper() + text[1:]


def pluralize(count: int, word: str, words: str = "") -> str:
    """Writes a count with its noun.

    Args:
        count: How many.
        word: The noun in the singular.
        words: The noun in the plural; "" for `word` with an s.

    Returns:
        Such as "1 client" or "3 clients".
    """
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def list_numbers(numbers: Sequence[int], most: int = 20) -> str:
    """Lists whole numbers.

    Args:
        numbers: The numbers in order.
        most: How many numbers to write at most.

    Returns:
        Such as "0 to 9" where the numbers are consecutive, else "0, 3, 8" or "0, 3 and 5 more".
    """
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    shown = ", ".join(map(str, numbers[:most]))
    return shown + (f" and {len(numbers) - most} more" if len(numbers) > most else "")
