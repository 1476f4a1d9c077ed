"""Lists of pairs that do not fit each other are refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

LIST_FAULTS = {
    "unknown attribute": ("test", ["Wet Cat", "New Cat"], ["New Cat", "attribute 'New'", "Add a training pair"]),
    "unknown object": ("val", ["Wet Cat", "Old Bird"], ["Old Bird", "object 'Bird'", "val_pairs.txt"]),
    "unseen in both": ("val", ["Wet Cat", "Old Cat", "Dry Dog.House"], ["Dry Dog.House", "test too", "Remove"]),
    "repeated line": ("train", ["Wet Cat", "Dry Tree", "Wet Cat"], ["line 3 repeats line 1", "Wet Cat", "Remove"]),
    "not a pair": ("train", ["Wet Cat", "Dry"], ["line 2", "'Dry'", "attribute object"]),
    "three words": ("test", ["Wet Cat Dog"], ["line 1", "Wet Cat Dog"]),
    "empty train": ("train", [], ["0 training pairs", "At least 2"]),
    "empty test": ("test", [], ["0 test pairs", "1 test pair"]),
    "same word": ("train", ["wet Tree_Top"], ["'Wet' and 'wet'", "Rename"]),
}


@pytest.mark.parametrize("fault", LIST_FAULTS)
def test_lists_that_do_not_fit_are_one_line(fault: str, small: Any, tmp_path: Path) -> None:
    split, lines, facts = LIST_FAULTS[fault]
    if fault == "same word":
        lines = small.lists[split] + lines
    message = small.refusal("pairs_folder", small.write(tmp_path, lists=small.lists | {split: lines}))
    assert "compositional-split-natural" in message
    for fact in facts:
        assert fact in message
