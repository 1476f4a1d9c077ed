"""Texts of compositions: bare words, and pairs that a client holds."""

from typing import Any

import torch

from fedsilo.models.prompts.compositions import PairNumbers, encode_bare_words, encode_pairs, encode_words
from fedsilo.models.prompts.sequences import encode_names


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def test_gradients_flow_to_the_context_and_to_the_words_of_the_pairs(toy_model: Any) -> None:
    context, table = drawn(3, 16).requires_grad_(), drawn(5, 16).requires_grad_()
    own = PairNumbers.of(toy_model).select(torch.tensor([0.0, 1, 0, 0, 0]))  # dark, red dog
    encode_pairs(toy_model, context, table, own).square().sum().backward()
    assert float(context.grad.abs().max()) > 0
    assert table.grad.abs().amax(dim=1).bool().tolist() == [True, False, False, True, False]


def test_labels_of_own_pairs_count_among_them(toy_model: Any) -> None:
    own = PairNumbers.of(toy_model).select(torch.tensor([0.0, 1, 0, 1, 1]))
    assert len(own) == 3
    assert own.labels(torch.tensor([4, 1, 3])).tolist() == [2, 0, 1]
    assert (own.attribute.tolist(), own.object.tolist()) == ([0, 1, 0], [1, 2, 2])


def test_bare_words_have_neither_context_nor_full_stop(toy_model: Any) -> None:
    found = encode_bare_words(toy_model, "object")
    assert not found.requires_grad
    torch.testing.assert_close(found, encode_names(toy_model.tower, toy_model.words["object"]), rtol=0, atol=0)
    one = toy_model.words["object"].embeddings[:1]  # cat, as a word behind an empty context
    alone = encode_words(toy_model, one[:0], one.unsqueeze(0))
    torch.testing.assert_close(found[:1], alone, rtol=1e-5, atol=1e-6)
