"""Cross-modal traction: images do not meet, texts of all images may be one set, chunks change nothing."""

from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from fedsilo.models.prompts import traction
from fedsilo.models.prompts.traction import Traction, TractionLayer


@pytest.fixture(scope="module")
def drawn() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(4)
    return tuple(torch.randn(*shape, generator=generator).double() for shape in ((3, 8), (5, 8), (3, 4, 8)))


def test_one_set_of_texts_is_that_of_every_image_and_images_do_not_meet(drawn: Any) -> None:
    torch.manual_seed(0)
    _, texts, patches = drawn
    layer = TractionLayer(8, 0.0).double()
    found = layer(texts.unsqueeze(0), patches)
    torch.testing.assert_close(found, layer(texts.expand(3, -1, -1), patches))
    torch.testing.assert_close(found[1:2], layer(texts.unsqueeze(0), patches[1:2]))


def test_without_strength_scores_are_plain_cosines_and_chunks_change_nothing(
    drawn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    image, texts, patches = drawn
    module = Traction(8, 2, 0.0).double()
    plain = normalize(image, dim=1) @ normalize(texts, dim=1).T
    with torch.no_grad():
        whole = module.score(image, texts, patches)
        monkeypatch.setattr(traction, "ROWS_AT_ONCE", 6)
        torch.testing.assert_close(module.score(image, texts, patches), whole)
        assert not torch.allclose(whole, plain)
        module.strength.zero_()
        torch.testing.assert_close(module.score(image, texts, patches), plain)
