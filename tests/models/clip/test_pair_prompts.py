"""Prompts of pairs that share attributes, against each prompt alone; groups, tiles and parts."""

from itertools import product
from typing import Any

import pytest
import torch

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip import pair_prompts
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.pair_prompts import arrange_pairs, encode_pair_prompts
from fedsilo.models.clip.text_tower import TextTower, encode_prompts

CONTEXT = torch.randn(3, 16, generator=torch.Generator().manual_seed(1)).double()
TABLE = torch.randn(49, 16, generator=torch.Generator().manual_seed(2)).double()


@pytest.fixture(scope="module")
def tower(toy_model: Any) -> Any:
    return TextTower(toy_model.tower.meta, {n: t.double() for n, t in toy_model.tower.tensors().items()})


@pytest.fixture(scope="module")
def tokens(toy_model: Any) -> Any:
    words = toy_model.words["attribute"]
    return ClassTokens(words.embeddings.double(), words.lengths, words.sos.double(), words.names)


def alone(tower: Any, tokens: Any, context: Any, table: Any, pairs: Any) -> Any:
    """Each pair as a class of three tokens of its own."""
    found = []
    for attribute, object in pairs.tolist():
        rows = torch.stack([table[attribute], table[object], tokens.embeddings[-1]])
        found.append(encode_prompts(tower, ClassTokens(rows, (3,), tokens.sos, (2,)), context))
    return torch.cat(found)


MANY = [(3, 4 + o) for o in range(45)]
SOME = [(2, 5), (0, 7), (2, 4), (1, 5), (0, 4), (2, 9)]


@pytest.mark.parametrize("pairs", [SOME, SOME[:1], MANY + SOME], ids=["some", "one", "more than a tile"])
def test_features_and_gradients_are_those_of_each_prompt_alone(tower: Any, tokens: Any, pairs: Any) -> None:
    numbers, grads = torch.tensor(pairs), []
    weights = torch.randn(len(pairs), 8, generator=torch.Generator().manual_seed(3)).double()
    for encode in (encode_pair_prompts, alone):
        context, table = CONTEXT.clone().requires_grad_(), TABLE.clone().requires_grad_()
        found = encode(tower, tokens, context, table, numbers)
        grads.append((found, *torch.autograd.grad((found * weights).sum(), (context, table))))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_an_attribute_is_one_row_and_a_pair_two() -> None:
    packed = arrange_pairs(tuple(SOME), 49, 4, torch.device("cpu"))
    assert len(packed.sources) == 3 + 2 * len(SOME)
    many = arrange_pairs(tuple(product(range(4), range(4, 14))), 49, 4, torch.device("cpu"))
    assert len(many.sources) == 4 + 2 * 40
    assert sum(many.pattern.tiles) == len(many.sources)
    assert max(many.pattern.tiles) <= 64


def test_parts_give_the_same_features(tower: Any, tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = torch.tensor(SOME)
    with torch.no_grad():
        whole = encode_pair_prompts(tower, tokens, CONTEXT, TABLE, pairs)
        monkeypatch.setattr(pair_prompts, "AT_ONCE", 2)
        parts = encode_pair_prompts(tower, tokens, CONTEXT, TABLE, pairs)
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-9)


def test_a_context_that_leaves_no_room_for_two_words_is_refused(tower: Any, tokens: Any) -> None:
    with pytest.raises(BackboneError, match="20"):
        encode_pair_prompts(tower, tokens, CONTEXT[:1].expand(17, -1), TABLE, torch.tensor(SOME))
