"""The partition's picture in the page."""

from __future__ import annotations

import base64

from PIL import Image
from tests.report.conftest import Made
from tests.report.page.conftest import drawn, tree, words

from fedsilo.report.page.partition_section import LARGEST


def test_the_partitions_picture_is_in_the_page_unless_it_is_too_large(made: Made) -> None:
    run = made()
    path = run.folder / "partition.png"
    Image.new("RGB", (3, 2), "red").save(path)
    (image,) = tree(drawn(run)).iter("img")
    assert base64.b64decode(image.attrib["src"].partition(",")[2]) == path.read_bytes()
    assert "3 clients" in image.attrib["alt"]
    path.write_bytes(bytes(LARGEST + 1))
    html = drawn(run)
    assert "<img" not in html
    assert "partition.png is too large for this page" in words(html)
