"""Heads, and that images do not meet in the cross attention to prototypes."""

import pytest
import torch

from fedsilo.models.prompts.decomposition import CrossDecomposer, choose_heads


@pytest.mark.parametrize(
    ("width", "most", "heads"), [(768, 16, 16), (8, 16, 8), (20, 16, 10), (13, 12, 1), (768, 12, 12)]
)
def test_heads_are_the_largest_divisor(width: int, most: int, heads: int) -> None:
    assert choose_heads(width, most) == heads


def test_images_do_not_meet_and_weights_sum_to_one() -> None:
    torch.manual_seed(0)
    module, images, prototypes = CrossDecomposer(16).double(), torch.randn(3, 16).double(), torch.randn(5, 16).double()
    found, weights = module(images, prototypes)
    alone, weight = module(images[1:2], prototypes)
    torch.testing.assert_close(found[1:2], alone)
    torch.testing.assert_close(weights[1:2], weight)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3).double())
