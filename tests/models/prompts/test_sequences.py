"""The class name anywhere and contexts of single classes, against open_clip's encoding of the same words as text."""

import pytest
import torch
from tests.models.prompts.shipped_model import NAMES, WORDS, loaded, model
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.core.errors import BackboneError
from fedsilo.methods.fedpgp import FedPGP
from fedsilo.methods.promptfl import PromptFL
from fedsilo.models.prompts.sequences import POSITIONS, encode_apart

AROUND = {
    "end": "a bright red picture {}.",
    "middle": "a bright {} red picture.",
    "front": "{} a bright red picture.",
}


def as_text(template: str, names: tuple[str, ...] = NAMES) -> Tensor:
    return normalize(loaded().encode_texts([template.replace("{}", name) for name in names]), dim=-1)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("class_specific", [False, True])
def test_a_context_of_words_gives_the_features_of_the_same_words_as_text(position: str, class_specific: bool) -> None:
    method = PromptFL(context_length=4, context_words=WORDS, class_position=position, class_specific=class_specific)
    here = model(WORDS)
    context = method.initial_shared(here, 0)["context"]
    assert context.shape[:-1] == ((3, 4) if class_specific else (4,))
    torch.testing.assert_close(method.learner.text(here, context), as_text(AROUND[position]), rtol=1e-5, atol=1e-5)


def test_every_class_has_its_own_context_when_it_is_class_specific() -> None:
    here = model("sketch of", "photo of")
    sketch, photo = (here.phrases[text] for text in ("sketch of", "photo of"))
    contexts = torch.stack([sketch, photo, sketch])
    method = PromptFL(context_length=2, class_specific=True)
    mixed = method.learner.text(here, contexts)
    expected = torch.stack([as_text("sketch of {}.")[0], as_text("photo of {}.")[1], as_text("sketch of {}.")[2]])
    torch.testing.assert_close(mixed, expected, rtol=1e-5, atol=1e-5)


def test_bare_names_have_the_features_of_their_text() -> None:
    here = model()
    found = here.name_features()
    torch.testing.assert_close(found, as_text("{}"), rtol=1e-5, atol=1e-5)
    assert here.name_features() is found
    assert not here.pack().unpack().name_features().requires_grad
    torch.testing.assert_close(here.pack().unpack().name_features(), found, rtol=0, atol=0)


def test_placeholders_have_the_features_of_their_text() -> None:
    method = FedPGP(context_length=3, origin="placeholders")
    features = method.learner.encode_origin(model(*method.phrases))
    torch.testing.assert_close(features, as_text("X X X {}."), rtol=1e-5, atol=1e-5)


def test_several_prompts_are_encoded_as_each_alone() -> None:
    here, generator = model(), torch.Generator().manual_seed(0)
    contexts = torch.randn(2, 3, 4, here.width, generator=generator)
    both = here.features_apart(contexts, "middle")
    alone = torch.cat([here.features_apart(contexts[n : n + 1], "middle") for n in range(2)])
    torch.testing.assert_close(both, alone, rtol=1e-6, atol=1e-6)


def test_words_that_do_not_fit_and_sequences_that_are_too_long_are_refused() -> None:
    with pytest.raises(BackboneError, match="context_words: 'a bright red picture' has 4 tokens"):
        PromptFL(context_length=3, context_words=WORDS).initial_shared(model(WORDS), 0)
    here = model()
    with pytest.raises(BackboneError, match="positions, the text tower has 77"):
        encode_apart(here.tower, here.classes, torch.zeros(1, 3, 76, here.width), "front")


def test_the_gradient_reaches_each_class_s_own_context_only() -> None:
    here = model()
    contexts = (0.1 * torch.randn(3, 2, here.width, generator=torch.Generator().manual_seed(0))).requires_grad_()
    features = PromptFL(context_length=2, class_specific=True).learner.text(here, contexts)
    (gradient,) = torch.autograd.grad(features[1].sum(), contexts)
    assert gradient[1].abs().sum() > 0
    assert not gradient[[0, 2]].any()
