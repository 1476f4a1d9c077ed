from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.methods.fedpha import FedPHA
from fedsilo.storage.run_folder import read_lines


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("length", "ratio", "kept"), [(5, 0.8, 4), (16, 0.8, 13), (4, 0.5, 2), (3, 1.0, 3), (4, 0.1, 1)]
)
def test_the_projection_is_onto_the_trailing_right_singular_vectors(length: int, ratio: float, kept: int) -> None:
    shared, private = draw(0, length, 40), draw(1, 2, 40)
    # Another way to the same vectors: eigenvectors of shared^T shared, ascending; all but `length` have eigenvalue 0.
    _, vectors = np.linalg.eigh((shared.T @ shared).double().numpy())
    trailing = vectors[:, 40 - length : 40 - length + kept]
    expected = private.double().numpy() @ trailing @ trailing.T
    projected = FedPHA(ratio=ratio).learner.project(private, shared)
    np.testing.assert_allclose(projected.numpy(), expected, atol=1e-4)


def test_class_specific_contexts_are_projected_class_by_class() -> None:
    shared, private, method = draw(0, 3, 5, 16), draw(1, 3, 2, 16), FedPHA(class_specific=True)
    together = method.learner.project(private, shared)
    for k in range(3):
        torch.testing.assert_close(together[k], method.learner.project(private[k], shared[k]))


@pytest.mark.parametrize("lengths", [(), (2,)])
def test_the_loss_is_the_sum_of_its_four_terms(world: Any, lengths: tuple[int, ...]) -> None:
    here, method = world(), FedPHA(context_length=5, private_lengths=lengths, margin=0.6)
    shared, private = draw(0, 5, 16), draw(1, lengths[0] if lengths else 5, 16)
    work = here.work(method)
    batch, encode = work.batch(0), here.model.text_features
    own, common, projected = encode(private), encode(shared), encode(method.learner.project(private, shared))
    terms = [
        cross_entropy(here.model.score(batch.inputs["image"], text), batch.targets["class"]) for text in (own, common)
    ]
    terms.append(sum(((own[k] - projected[k]) ** 2).mean() for k in range(5)) / 5)  # type: ignore[arg-type]
    terms.append(sum(max(0.6 - float((own[k] - common[k]).norm()), 0.0) for k in range(5)) / 5)  # type: ignore[arg-type]
    value = method.loss(work)({"context": shared, "private_context": private}, batch)
    assert float(value) == pytest.approx(float(sum(terms)), rel=1e-5)
    assert all(float(term) > 0 for term in terms[:3])


def test_equal_contexts_are_pulled_nowhere_and_pay_the_whole_margin(world: Any) -> None:
    here, method = world(), FedPHA(context_length=3, ratio=1.0, margin=0.25)
    work, context = here.work(method), draw(0, 3, 16)
    batch = work.batch(0)
    fit = float(
        cross_entropy(
            here.model.score(batch.inputs["image"], here.model.text_features(context)), batch.targets["class"]
        )
    )
    value = method.loss(work)({"context": context, "private_context": context}, batch)
    assert float(value) == pytest.approx(2 * fit + 0.25, rel=1e-5)


@pytest.mark.parametrize("repeated", [False, True])
def test_the_shared_context_learns_as_if_the_projection_were_given(world: Any, repeated: bool) -> None:
    """A word that stands twice makes singular values vanish, and the SVD's derivative with them."""
    here, method = world(), FedPHA(context_length=3)
    work, private = here.work(method), draw(1, 3, 16)
    shared = draw(0, 1, 16).repeat(3, 1) if repeated else draw(0, 3, 16)
    batch, encode = work.batch(0), here.model.text_features

    def without_the_projection(context: Tensor) -> Tensor:
        common = encode(context)
        fit = cross_entropy(here.model.score(batch.inputs["image"], common), batch.targets["class"])
        return fit + (1.0 - (encode(private) - common).norm(dim=-1)).relu().mean()

    at = {"context": shared, "private_context": private}
    _, gradients = method.local(work).gradients(at, batch)
    leaf = shared.clone().requires_grad_()
    (expected,) = torch.autograd.grad(without_the_projection(leaf), leaf)
    torch.testing.assert_close(gradients["context"], expected, rtol=1e-4, atol=1e-6)
    assert gradients["private_context"].isfinite().all()


def test_a_gradient_through_the_svd_is_that_of_the_moving_projection(world: Any) -> None:
    """By central differences in fp64, with the projection from eigenvectors."""
    shared, private, weights = (
        draw(seed, *shape).double() for seed, shape in ((0, (4, 12)), (1, (2, 12)), (2, (2, 12)))
    )

    def value(at: Tensor) -> float:
        _, vectors = np.linalg.eigh((at.T @ at).numpy())
        trailing = torch.from_numpy(vectors[:, 12 - 4 : 12 - 4 + 3])  # all but the first of four: floor(0.25 * 4) fall
        return float((weights * (private @ trailing @ trailing.T)).sum())

    method = FedPHA(ratio=0.75, gradient_through_svd=True)
    leaf = shared.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((weights * method.learner.project(private, leaf)).sum(), leaf)
    direction = draw(3, 4, 12).double()
    step = 1e-6
    expected = (value(shared + step * direction) - value(shared - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-5)
    assert abs(expected) > 0.01

    here = world()
    at, batch = {"context": draw(0, 3, 16), "private_context": draw(1, 3, 16)}, here.work(FedPHA()).batch(0)
    fixed, moving = (
        each.local(here.work(each)).gradients(at, batch)[1]
        for each in (FedPHA(context_length=3), FedPHA(context_length=3, gradient_through_svd=True))
    )
    assert not torch.allclose(fixed["context"], moving["context"], rtol=1e-3)
    torch.testing.assert_close(fixed["private_context"], moving["private_context"])


def test_private_contexts_have_their_own_lengths_and_stay(world: Any, tmp_path: Path) -> None:
    here, method = world(rounds=2), FedPHA(context_length=3, private_lengths=(2, 4))
    lengths = [len(method.initial_private(here.model, 0, client)["private_context"]) for client in range(3)]
    assert lengths == [2, 4, 2]
    assert len(FedPHA(context_length=3).initial_private(here.model, 0, 1)["private_context"]) == 3
    outcome = here.federate(method, tmp_path / "run")
    assert len(set(outcome.private_sha256)) == 3
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert all(line["tensors"] == {"context": [[3, 16], "float32"]} for line in lines if line["tensors"])


def test_the_private_context_alone_predicts(world: Any) -> None:
    here, method = world(), FedPHA(context_length=3)
    pooled, private = here.warehouse.test.batch(np.arange(7), 0)["image"], draw(0, 3, 16)
    expected = here.model.score(pooled, here.model.text_features(private))
    state = {"private_context": private}
    assert torch.equal(method.predictor(here.model, {"context": draw(1, 3, 16)}, state)({"image": pooled}), expected)


def test_lengths_are_read_from_a_scenario() -> None:
    method = from_mapping({"method": {"name": "fedpha", "private_lengths": [4, 16]}}).method
    assert method == FedPHA(private_lengths=(4, 16))
