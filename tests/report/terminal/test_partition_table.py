"""Tables of partitions."""

from __future__ import annotations

import numpy as np
import pytest
from tests.report.terminal.conftest import text

from fedsilo.core import Examples, LabelledImages, Share
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.report.terminal.partition_table import partition_table


@pytest.fixture
def manifest() -> Manifest:
    def examples(split: str) -> Examples:
        return Examples(
            np.array([0, 0, 1]), np.array([0, 0, 0]), lambda i: None, tuple(f"{split}{i}" for i in range(3))
        )  # type: ignore

    images = LabelledImages(("[red]", "a[/b]"), ("[bold]",), "a {}", examples("train"), examples("test"))
    return freeze(images, [Share(np.arange(3), np.arange(3), "[bold]")], {"name": "x"}, 0)


def test_classes_and_domains_may_be_what_rich_takes_for_its_marks(manifest: Manifest) -> None:
    shown = text(partition_table(manifest))
    assert "[bold]" in shown
    assert "[red] 2, a[/b] 1" in shown
