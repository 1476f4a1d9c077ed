"""Makes names and texts printable: on a terminal, in a picture, on a page, in a file.

A folder's name is bytes. Python represents bytes that it cannot decode as halves of letters (PEP 383), which no
terminal, font or file accepts; other names hold line breaks, escape sequences or marks that reverse the direction of
the text after them.
"""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"
"""Invisible, and part of how Persian words and many emoji are written."""

_INVISIBLE = ("Cc", "Cf", "Cs")
"""Unicode's categories of control characters, marks for layout, and halves of letters."""


def make_printable(text: str, keep: str = "") -> str:
    """Replaces control characters and all that cannot be shown by an escape such as \x1b.

    Args:
        text: Any text; bytes that could not be decoded become the most likely letters, see `make_legible`.
        keep: Characters to leave unchanged, for example line breaks.

    Returns:
        A printable text.
    """
    text = make_legible(text)
    if text.isprintable():
        return text
    return "".join(_shown(letter) if letter not in keep + JOINERS else letter for letter in text)


def make_legible(name: str) -> str:
    """Decodes the undecoded bytes in a name: as UTF-8, otherwise as Latin-1.

    Where the locale is C, Python decodes no byte above 127; elsewhere another system wrote such names.

    Args:
        name: The name as Python gives it.

    Returns:
        The name in letters.
    """
    if not _is_undecoded(name):
        return name
    try:
        data = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # halves of letters that stand for no byte
        return name
    try:
        letters = data.decode("utf-8")
    except UnicodeDecodeError:
        letters = data.decode("latin-1")
    return unicodedata.normalize("NFC", letters)


def is_guessed(name: str) -> bool:
    """Checks whether a name has bytes that are not UTF-8, so that its letters are a guess.

    Args:
        name: The name as Python gives it.

    Returns:
        True if it has.
    """
    if not _is_undecoded(name):
        return False
    try:
        name.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return True
    return False


def keep_visible(text: str) -> str:
    """Removes invisible characters and line breaks.

    Args:
        text: Any text.

    Returns:
        One line with single blanks.
    """
    words = " ".join(make_legible(text).split())
    seen = "".join(c for c in words if c in JOINERS or unicodedata.category(c) not in _INVISIBLE)
    return " ".join(seen.split())


def encode_utf8(text: str) -> bytes:
    """Encodes a text in UTF-8, with halves of letters as escapes that JSON and YAML can read.

    Args:
        text: Any text.

    Returns:
        The bytes.
    """
    return text.encode("utf-8", "backslashreplace")


def _is_undecoded(name: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in name)


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    if unicodedata.category(letter) == "Zs":  # blanks of other widths
        return " "
    return letter.encode("unicode_escape").decode("ascii")
