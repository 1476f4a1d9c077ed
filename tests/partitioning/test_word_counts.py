"""Attributes and objects of a partition: counts, scores, tables and picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fedsilo.core import LabelledImages
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.emblems_pairs import EmblemsPairs
from fedsilo.partitioning.heterogeneity import label_shift, measure
from fedsilo.partitioning.manifest import Manifest
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.objects import Objects
from fedsilo.partitioning.word_counts import count_words
from fedsilo.report.figures.partition_columns import Columns
from fedsilo.report.figures.partition_figure import draw_partition
from fedsilo.report.terminal.partition_table import partition_table
from fedsilo.simulation.preparation import partition_of

Both = tuple[LabelledImages, Manifest]


@pytest.fixture(scope="module")
def both() -> Both:
    data = EmblemsPairs(objects=8, domains=("photo",), world="open")
    scenario: Any = SimpleNamespace(partition=ComposedPartition(3, Objects()), seed=0, data=data)
    return partition_of(scenario, lambda examples: None)  # type: ignore[arg-type, return-value]


def test_words_are_counted_at_each_client(both: Both) -> None:
    images, manifest = both
    found = {counts.part: counts for counts in count_words(manifest)}
    assert images.pairs is not None
    assert found["attribute"].words == tuple(sorted(images.pairs.attributes))
    assert found["object"].words == tuple(sorted(images.pairs.objects))
    for client, share in enumerate(manifest.shares()):
        for split, part in (("train", images.train), ("test", images.test)):
            labels = part.labels[getattr(share, split)]
            expected = Counter(images.classes[label].split(" ", 1)[1] for label in labels)
            row = getattr(found["object"], split)[client]
            assert dict(zip(found["object"].words, row.tolist(), strict=True)) == {
                word: expected[word] for word in found["object"].words
            }


def test_plain_classes_have_no_words(both: Both, toy: Any) -> None:
    scenario: Any = SimpleNamespace(
        partition=ComposedPartition(3),
        seed=0,
        data=SimpleNamespace(load=lambda seed: toy(train=60, test=60, classes=4)),
    )
    _, manifest = partition_of(scenario, lambda examples: None)  # type: ignore[arg-type, return-value]
    assert count_words(manifest) == ()
    assert "attributes" not in table_text(manifest)
    assert measure(manifest, None).score("object_shift") is None


def test_scores_of_words_are_those_of_their_counts(both: Both) -> None:
    _, manifest = both
    scores = measure(manifest, None)
    attributes, objects = count_words(manifest)
    for part, counts in (("attribute", attributes), ("object", objects)):
        score = scores.score(f"{part}_shift")
        assert score is not None
        assert score.value == pytest.approx(label_shift(counts.train).mean())
    apart, alike = scores.score("object_distance"), scores.score("attribute_distance")
    assert apart is not None
    assert alike is not None
    assert apart.value == pytest.approx(1.0)  # clients share no object
    assert not apart.within_null
    assert alike.value < 0.7


def test_columns_have_words_and_seen_pairs_only(both: Both) -> None:
    images, manifest = both
    columns = Columns.of(manifest)
    assert images.pairs is not None
    assert len(columns.names) == images.pairs.seen.sum() < len(images.classes) == 64
    assert columns.attributes == 8
    assert columns.words.shape == (3, 16)
    assert columns.words[:, :8].sum() == columns.words[:, 8:].sum() == columns.classes.sum() == len(images.train)


def table_text(manifest: Manifest) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(partition_table(manifest))
    return captured.get()


def test_the_table_counts_pairs_attributes_and_objects(both: Both) -> None:
    _, manifest = both
    text = table_text(manifest)
    counts = [*(found.train for found in count_words(manifest))]
    row = next(line for line in text.splitlines() if "00" in line)
    numbers = [cell.strip() for cell in row.split("│")]
    assert "pairs" in text
    assert numbers[5:8] == [
        str((manifest.train_counts()[0] > 0).sum()), *(str((table[0] > 0).sum()) for table in counts)
    ]  # fmt: skip


def test_the_picture_is_higher_by_its_words(both: Both, tmp_path: Path) -> None:
    _, manifest = both
    draw_partition(manifest, tmp_path / "words.png", "a study")
    without = Manifest(
        **{name: getattr(manifest, name) for name in Manifest.__slots__} | {"attributes": (), "objects": ()}
    )
    draw_partition(without, tmp_path / "plain.png", "a study")
    high = [np.asarray(Image.open(tmp_path / f"{name}.png")).shape[0] for name in ("words", "plain")]
    assert high[0] != high[1]


def test_words_that_do_not_fit_the_classes_are_refused(both: Both, tmp_path: Path) -> None:
    _, manifest = both
    cut = Manifest(**{name: getattr(manifest, name) for name in Manifest.__slots__} | {"attributes": ("red",)})
    cut.write(tmp_path / "p.json")
    with pytest.raises(DataError, match="attributes and objects are not those of all classes"):
        Manifest.read(tmp_path / "p.json")
