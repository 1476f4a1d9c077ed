"""Columns of a partition's figure: places of few clients, order of many."""

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples, LabelledImages, Share
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.report.figures.partition_columns import FITTING, IN_ORDER, Columns
from fedsilo.report.figures.partition_figure import draw_partition


def blank(i):
    return Image.new("RGB", (1, 1))


def manifest(clients: int) -> Manifest:
    """Client n holds n % 3 + 1 examples of one domain and of one class, which is not in the order of clients."""
    generator = np.random.default_rng(0)
    sizes = np.arange(clients) % 3 + 1
    kinds, origins = generator.integers(0, 7, clients), generator.integers(0, 4, clients)
    owners = np.repeat(np.arange(clients), sizes)
    examples = Examples(kinds[owners], origins[owners], blank, tuple(map(str, range(len(owners)))))
    images = LabelledImages(tuple("abcdefg"), tuple("wxyz"), "a {}", examples, examples)
    parts = np.split(np.arange(len(owners)), np.cumsum(sizes)[:-1])
    shares = [Share(part, part, "wxyz"[origin]) for part, origin in zip(parts, origins.tolist(), strict=True)]
    return freeze(images, shares, {"name": "rule"}, 0)


def test_few_clients_keep_their_places():
    found = manifest(IN_ORDER)
    columns = Columns.of(found)
    assert (columns.classes == found.train_counts()).all()
    assert columns.note == ""


@pytest.mark.parametrize("clients", [IN_ORDER + 1, FITTING, 4 * FITTING + 5, 10_000])
def test_many_are_put_in_order_and_no_example_is_lost(clients):
    found = manifest(clients)
    columns = Columns.of(found)
    assert len(columns.train) <= FITTING
    assert f"{clients:,} clients" in columns.note
    each = -(-clients // FITTING)
    sizes = np.diff(np.append(np.arange(0, clients, each), clients))
    assert (columns.train * sizes[:, None]).sum(axis=0) == pytest.approx(
        np.array([client.train_domains for client in found.clients]).sum(axis=0)
    )
    assert (columns.classes * sizes[:, None]).sum(axis=0) == pytest.approx(found.train_counts().sum(axis=0))
    domains = columns.train.argmax(axis=1)
    assert (np.diff(domains) >= 0).all()
    assert len(columns.borders) == 3
    if each == 1:
        largest = columns.classes.argmax(axis=1)
        assert all((np.diff(largest[domains == domain]) >= 0).all() for domain in range(4))


def test_ten_thousand_clients_fit_a_page(tmp_path):
    draw_partition(manifest(10_000), tmp_path / "partition.png", "a title")
    with Image.open(tmp_path / "partition.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert 1500 < pixels.shape[1] < 2500
    assert (pixels[:, -8:] == 255).all()
    assert (pixels[-8:] == 255).all()
