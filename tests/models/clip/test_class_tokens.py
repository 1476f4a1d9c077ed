from __future__ import annotations

from typing import Any

import pytest
import torch

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.class_tokens import ClassTokens, embed_class_names, find_ends, format_name, format_word

NAMES = ("cat", "aquarium_fish", "T-shirt", "éclair", "3 o'clock", "")


def tokens_of(names: Any, tokenizer: Any, small: Any, context_length: int = 77) -> ClassTokens:
    return embed_class_names(names, tokenizer, small.token_embedding.weight, None, context_length)


@pytest.mark.parametrize("length", [1, 4, 16])
def test_suffix_is_what_the_placeholders_leave(small: Any, tokenizer: Any, length: int) -> None:
    tokens = tokens_of(NAMES, tokenizer, small)
    ids = tokenizer([f"{'X ' * length}{name.replace('_', ' ')}." for name in NAMES])
    own = [row[1 + length : int(row.argmax()) + 1] for row in ids]
    assert tokens.lengths == tuple(len(row) for row in own)
    assert torch.equal(tokens.embeddings, small.token_embedding(torch.cat(own)))
    assert torch.equal(tokens.sos, small.token_embedding.weight[tokenizer.sot_token_id])


def test_suffix_of_a_word_is_word_stop_end(small: Any, tokenizer: Any) -> None:
    word, stop = tokenizer.encode("cat"), tokenizer.encode(".")
    expected = small.token_embedding.weight[[*word, *stop, tokenizer.eot_token_id]]
    assert torch.equal(tokens_of(["cat"], tokenizer, small).embeddings, expected)


def test_tokens_survive_the_way_through_tensors(small: Any, tokenizer: Any) -> None:
    tokens = tokens_of(NAMES, tokenizer, small)
    again = ClassTokens.from_tensors(tokens.tensors())
    assert (again.lengths, len(again)) == (tokens.lengths, len(NAMES))
    assert again.embeddings is tokens.embeddings
    assert torch.equal(again.sos, tokens.sos)


def test_underscores_read_as_spaces() -> None:
    assert format_name("maple_tree") == "maple tree"


def test_end_is_the_highest_id_or_the_first_end_token() -> None:
    ids = torch.tensor([[5, 2, 9, 2, 2], [5, 9, 2, 0, 0]])
    assert find_ends(ids, None).tolist() == [2, 1]
    assert find_ends(ids, 2).tolist() == [1, 2]


def test_name_too_long_for_the_tower_is_refused_by_name(small: Any, tokenizer: Any) -> None:
    tokens_of([" ".join(["cat"] * 73)], tokenizer, small)
    with pytest.raises(BackboneError, match=r"class \d \('cat cat.*\.\.\.'\): its name has 76 tokens, at most 75"):
        tokens_of(["dog", " ".join(["cat"] * 74)], tokenizer, small)


def test_no_names_are_refused(small: Any, tokenizer: Any) -> None:
    with pytest.raises(BackboneError, match="there are none"):
        tokens_of([], tokenizer, small)


def without_start(texts: list[str], context_length: int) -> torch.Tensor:
    """A tokenizer as SigLIP has it: no start token."""
    return torch.tensor([[7, 7, 7, 7, 3, 1, 1, 1] for _ in texts])


def several_per_word(texts: list[str], context_length: int) -> torch.Tensor:
    return torch.tensor([[0, 7, 8, 7, 8, 7, 8, 7, 8, 3, 9] for _ in texts])


@pytest.mark.parametrize("other", [without_start, several_per_word])
def test_tokenizer_of_another_kind_is_refused(small: Any, other: Any) -> None:
    with pytest.raises(BackboneError, match="does not begin with one start token"):
        tokens_of(["cat"], other, small)


def test_a_word_is_in_lower_case_with_spaces() -> None:
    assert format_word("Faux.Leather_x") == "faux leather x"
