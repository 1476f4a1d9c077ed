"""Plain words: the project is read by engineers whose second language is English."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UNWANTED = {
    "whoever": "name who: the client, the process, the user",
    "whomever": "name who",
    "nobody": "no client, no process, no one",
    "somebody": "a client, a user",
    "anew": "again",
    "hitherto": "until now",
    "thereof": "of it",
    "whence": "from where",
}
PATTERN = re.compile(r"(?<![A-Za-z])(" + "|".join(UNWANTED) + r")(?![A-Za-z])", re.IGNORECASE)
ROOMS = ("platform", "actors", "scenarios", "docs", "deploy", "benchmarks", "tests")
KINDS = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".jinja", ".txt"}


def texts() -> list[Path]:
    """All texts of the project but the history in CHANGELOG.md and this file."""
    found = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "Makefile", "pyproject.toml")]
    for room in ROOMS:
        found += [path for path in sorted((ROOT / room).rglob("*")) if path.suffix in KINDS]
    return [path for path in found if path != Path(__file__).resolve()]


@pytest.mark.parametrize("word", sorted(UNWANTED))
def test_the_pattern_finds_the_word(word: str) -> None:
    assert PATTERN.search(f"def {word}_is_here")
    assert PATTERN.search(f"{word.capitalize()} waits.")
    assert not PATTERN.search(f"x{word}y")


def test_texts_use_plain_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: '{match.group()}'. Write: {UNWANTED[match.group().lower()]}."
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in PATTERN.finditer(line)
    ]
    assert len(texts()) > 500
    assert not found, "\n".join(found)
