"""Contexts that start from words."""

import pytest
import torch
from tests.models.prompts.shipped_model import WORDS, model

from fedsilo.methods.promptfl import PromptFL


@pytest.mark.parametrize(("position", "first"), [("end", 3), ("middle", 1), ("front", 0)])
def test_words_stand_next_to_the_name_and_the_rest_is_random(position: str, first: int) -> None:
    """Seven vectors, four of words; in the middle the name comes behind the third vector, amid the words."""
    here, form = model(WORDS), {"context_length": 7, "class_position": position}
    context = PromptFL(**form, context_words=WORDS).initial_shared(here, 0)["context"]
    random = PromptFL(**form).initial_shared(here, 0)["context"]
    assert torch.equal(context[first : first + 4], here.phrases[WORDS])
    others = [place for place in range(7) if not first <= place < first + 4]
    assert torch.equal(context[others], random[others])
