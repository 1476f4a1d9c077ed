"""pFedMoAP's learner: the gate's mixture against a loop, its step size, and its limits."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from fedsilo.core import ClientTask
from fedsilo.core.errors import BackboneError
from fedsilo.core.state import to_arrays
from fedsilo.learners.moap import EXPERTS
from fedsilo.methods.pfedmoap import PFedMoAP

METHOD = PFedMoAP(context_length=3)


OWN, GATE = "own_context", METHOD.learner.personal


def released_gate(
    gate: dict[str, torch.Tensor], image: torch.Tensor, texts: torch.Tensor, heads: int, scaling: float
) -> torch.Tensor:
    """The gate of the released code for one image (P,) and one class, experts (E, P): head by head, in fp64."""
    weight = {part: gate[f"gate.{part}.weight"].double() for part in ("query", "key", "value", "out")}
    bias = {part: gate[f"gate.{part}.bias"].double() for part in ("query", "value", "out")}
    query = weight["query"] @ image + bias["query"]
    keys = [weight["key"] @ text for text in texts]
    values = [weight["value"] @ text + bias["value"] for text in texts]
    size = len(image) // heads
    mixed = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        fits = torch.stack([query[part] @ key[part] * scaling for key in keys])
        shares = fits.exp() / fits.exp().sum()
        mixed.append(sum(share * value[part] for share, value in zip(shares, values, strict=True)))
    return weight["out"] @ torch.cat(mixed) + bias["out"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "heads", "seen"), [(4, 2, [0, 2, 4, 6]), (3, 1, [0, 2, 4]), (128, 8, list(range(8)))]
)
def test_a_score_is_the_mixtures_plus_lambda_times_the_own_texts(
    toy_model: Any, width: int, heads: int, seen: list[int]
) -> None:
    """As released: every (D / P)-th coordinate, products times 10, nothing normalised again."""
    method = PFedMoAP(context_length=3, gate_width=width, heads=heads, local_weight=0.3)
    generator = torch.Generator().manual_seed(5)
    contexts = [0.5 * torch.randn(3, 16, generator=generator) for _ in range(3)]
    start = method.initial_private(toy_model, 0, 0)
    gate = {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in start.items()}
    pooled = torch.randn(2, 8, generator=generator)
    shared = {"context": torch.zeros(3, 16), EXPERTS: torch.stack(contexts[1:])}
    found = method.predictor(toy_model, shared, {**gate, OWN: contexts[0]})({"image": pooled})

    texts = torch.stack([toy_model.text_features(context) for context in contexts]).double()
    images = normalize(pooled.double(), dim=-1)
    for b in range(2):
        for k in range(5):
            mixed = released_gate(gate, images[b, seen], texts[:, k][:, seen], heads, 10.0)
            expected = toy_model.scale * (images[b, seen] @ mixed + 0.3 * images[b] @ texts[0, k])
            assert float(found[b, k]) == pytest.approx(float(expected), rel=1e-5, abs=1e-5)


def test_the_gate_steps_by_its_own_rate(world: Any) -> None:
    """One plain SGD step: five times the factor moves the gate five times as far, and the context as before."""
    here = world(batch_size=100)
    optimizer = replace(here.rules.training.optimizer, momentum=0.0, weight_decay=0.0, learning_rate=0.01)
    here = replace(here, rules=replace(here.rules, training=replace(here.rules.training, optimizer=optimizer)))
    moves = []
    for factor in (1.0, 5.0):
        method = replace(METHOD, gate_learning_rate_factor=factor)
        client = here.clients(method)[0]
        before = client._private
        received = to_arrays({"context": torch.zeros(3, 16), EXPERTS: 0.3 * torch.ones(2, 3, 16)})
        client.train(ClientTask(0, 0, received))
        moves.append((client._private["gate.out.weight"] - before["gate.out.weight"], client._private[OWN]))
    torch.testing.assert_close(moves[1][0], 5 * moves[0][0], rtol=1e-3, atol=1e-6)
    assert float(moves[0][0].abs().max()) > 1e-4
    assert torch.equal(moves[0][1], moves[1][1])


def test_impossible_values_are_named(toy_model: Any) -> None:
    assert METHOD.problems() == []
    assert PFedMoAP(heads=3).problems() == ["heads: 3 do not divide gate_width 128. Choose a divisor of it."]
    assert PFedMoAP(synchronise="batch").problems()[0].startswith("synchronise: ")
    assert PFedMoAP().begin_from == "mean"
    with pytest.raises(BackboneError, match="16 heads do not divide the joint width 8"):
        PFedMoAP(heads=16).initial_private(toy_model, 0, 0)
