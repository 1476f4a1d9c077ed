"""Texts of compositions: bare words, and pairs that a client holds."""

from typing import Any

import numpy as np
import torch

from fedsilo.core.batch import Candidates
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.prompts.compositions import PairNumbers, encode_bare_words, encode_pairs, encode_words, start_table
from fedsilo.models.prompts.sequences import encode_names
from fedsilo.simulation.frozen_parts import frozen_model


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


def test_words_of_data_are_their_own_tokens_whatever_sign_they_end_with() -> None:
    """Against open_clip's tokens of the words alone: dots read as blanks, and no full stop joins the last sign."""
    from fedsilo.models.clip.loading import load

    words = {"attribute": ("Faux.Leather", "half_new", "WOW!"), "object": ("Boots.Mid-Calf", "cup (big)")}
    read = ("faux leather", "half new", "wow!", "boots mid-calf", "cup (big)")
    parts = {"attribute": np.array([0, 1, 2]), "object": np.array([0, 1, 1])}
    candidates = Candidates(("0", "1", "2"), parts, np.ones(3, dtype=bool), words)
    loaded = load(Backbone(device="cpu"))
    model = frozen_model(loaded, candidates.texts, "a {}.", candidates=candidates)
    ids = loaded.tokenizer(read)
    means = [loaded.embedding[row[1 : int(row.argmax())]].mean(dim=0) for row in ids]
    torch.testing.assert_close(start_table(model), torch.stack(means), rtol=0, atol=1e-6)
    bare = torch.cat([encode_bare_words(model, part) for part in words])
    torch.testing.assert_close(bare, loaded.encode_texts(read), rtol=1e-4, atol=1e-5)
