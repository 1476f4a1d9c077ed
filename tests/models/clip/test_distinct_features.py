"""Features that tell no image apart."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from tests.models.clip.conftest import first

from fedsilo.core import Examples
from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.distinct_features import require_distinct
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.features import (
    Viewing,
)
from fedsilo.models.clip.image_encoder import ImageEncoder


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("", r"the same column 'image' \(visual\.proj is all zero\).* Use other weights: backbone\.pretrained"),
        ("backbone.pixel_std=[1e+39]", r"\. Set backbone\.pixel_std=\[1e\+39\] to null .* or use other weights"),
    ],
)
def test_features_that_tell_no_image_apart_are_refused(
    encoder: ImageEncoder, examples: Examples, keys: str, words: str
) -> None:
    few = first(examples, 5)
    require_distinct(encoder, extract(encoder, few, Viewing()), few)
    tower = copy.deepcopy(encoder.tower)
    tower.proj.data.zero_()
    flat = replace(encoder, tower=tower, pixel_keys=keys)
    with pytest.raises(BackboneError, match=words):
        require_distinct(flat, extract(flat, few, Viewing()), few)
    one = replace(few, digests=("same",) * 5)
    require_distinct(flat, extract(flat, one, Viewing()), one)
