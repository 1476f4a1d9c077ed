"""FedOTP: what the transport does to scores and gradients, and what is shared and what is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import ClientTask, EvaluationTask
from fedsilo.core.training_settings import Optimizer
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines

METHOD = FedOTP(context_length=3)


def federate(here: Any, method: Any, folder: Path) -> Outcome:
    folder.mkdir()
    backend = SerialBackend(here.clients(method))
    return Federation(here.plan(method), backend, Journals(folder), Checkpoints(folder / "checkpoints", 1)).run(
        lambda record: None
    )


@pytest.mark.parametrize("variant", ["unbalanced", "sinkhorn"])
def test_with_equal_prompts_and_all_mass_a_score_is_the_mean_patch_similarity(world: Any, variant: str) -> None:
    here, method = world(), FedOTP(context_length=3, gamma=1.0, variant=variant, tolerance=1e-6, iterations=1000)
    shared = method.initial_shared(here.model, 0)
    pooled, tokens = map(here.warehouse.test.batch(np.arange(9), 0).get, ("image", "patches"))
    with torch.no_grad():
        scores = method.predictor(here.model, shared, {"private_context": shared["context"]})(
            {"image": pooled, "patches": tokens}
        )
        text = here.model.text_features(shared["context"])
    expected = here.model.scale * (normalize(tokens, dim=-1) @ text.T).mean(dim=1)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)


def test_scores_are_the_paper_s_up_to_a_shift(world: Any) -> None:
    here = world()
    shared, private = METHOD.initial_shared(here.model, 0), METHOD.initial_private(here.model, 0, 0)
    pooled, tokens = map(here.warehouse.test.batch(np.arange(4), 0).get, ("image", "patches"))
    with torch.no_grad():
        scores = METHOD.predictor(here.model, shared, private)({"image": pooled, "patches": tokens})
        texts = here.model.text_features(torch.stack([shared["context"], private["private_context"]]))
        similarity = torch.einsum("bmd,nkd->bkmn", normalize(tokens, dim=-1), texts)
        distance = (METHOD.learner._transport(METHOD.solver).plan(similarity) * (1 - similarity)).sum(dim=(-2, -1))
    torch.testing.assert_close(scores, here.model.scale * (METHOD.gamma - distance), rtol=1e-4, atol=1e-4)


def test_the_gradient_is_that_of_a_frozen_plan(world: Any) -> None:
    """Central differences in fp64 with the plan held fixed; with the plan moving they come out otherwise."""
    here = world()
    work = here.work(METHOD)
    at, batch = METHOD.loss(work).leaves, work.everything()
    _, gradients = METHOD.local(work).gradients(at, batch)

    def similarity(point: dict[str, torch.Tensor]) -> torch.Tensor:
        texts = here.model.text_features(torch.stack([point["context"], point["private_context"]]))
        return torch.einsum("bmd,nkd->bkmn", normalize(batch.inputs["patches"], dim=-1), texts).double()

    def loss(point: dict[str, torch.Tensor], plan: torch.Tensor | None) -> float:
        here_similar = similarity(point)
        used = METHOD.learner._transport(METHOD.solver).plan(here_similar).double() if plan is None else plan
        return float(cross_entropy(here.model.scale * (used * here_similar).sum(dim=(-2, -1)), batch.targets["class"]))

    with torch.no_grad():
        frozen = METHOD.learner._transport(METHOD.solver).plan(similarity(dict(at))).double()
        direction = {n: torch.randn(t.shape, generator=torch.Generator().manual_seed(3)) for n, t in at.items()}
        step = 3e-3
        ahead, behind = ({n: t + sign * step * direction[n] for n, t in at.items()} for sign in (1, -1))
        with_frozen = (loss(ahead, frozen) - loss(behind, frozen)) / (2 * step)
        with_moving = (loss(ahead, None) - loss(behind, None)) / (2 * step)
    ours = sum(float((gradients[n] * direction[n]).sum()) for n in at)
    assert ours == pytest.approx(with_frozen, rel=2e-3)
    assert abs(with_moving - with_frozen) > 5 * abs(ours - with_frozen)


def test_the_shared_context_is_the_mean_by_examples_and_the_private_one_never_leaves(
    world: Any, tmp_path: Path
) -> None:
    here = world(rounds=1)
    task = ClientTask(0, 0, here.plan(METHOD).initial)
    updates = [client.train(task) for client in here.clients(METHOD)]
    expected = sum(w * u.tensors["context"].astype(np.float64) for w, u in zip((20, 27, 34), updates, strict=True)) / 81
    federate(here, METHOD, tmp_path / "run")
    checkpoint, _ = Checkpoints(tmp_path / "run" / "checkpoints", 1).newest()
    assert checkpoint is not None
    np.testing.assert_allclose(checkpoint.shared["context"].numpy(), expected, atol=1e-7)
    crossed = {name for line in read_lines(tmp_path / "run" / "wire.jsonl") for name in line["tensors"]}
    assert crossed == {"context"}


def test_who_does_not_take_part_is_evaluated_with_the_new_shared_and_its_own_old_context(world: Any) -> None:
    here = world(rounds=2)
    clients = here.clients(METHOD)
    first = here.plan(METHOD).initial
    for client in clients:
        client.train(ClientTask(0, 0, first))
    kept = clients[2]._private["private_context"].clone()
    new = {"context": clients[0].train(ClientTask(1, 0, first)).tensors["context"]}
    score = clients[2].evaluate(EvaluationTask(1, new))
    assert torch.equal(clients[2]._private["private_context"], kept)
    assert score.own["loss"] != clients[2].evaluate(EvaluationTask(1, first)).own["loss"]


def test_all_clients_begin_with_the_same_pair_of_different_contexts(world: Any) -> None:
    here = world()
    shared = METHOD.initial_shared(here.model, 0)["context"]
    private = [METHOD.initial_private(here.model, 0, client)["private_context"] for client in range(3)]
    assert all(torch.equal(private[0], other) for other in private)
    assert not torch.equal(shared, private[0])


@pytest.mark.parametrize("variant", ["unbalanced", "sinkhorn"])
def test_half_precision_features_at_the_papers_smallest_epsilon_stay_finite(world: Any, variant: str) -> None:
    here, method = world(), FedOTP(context_length=3, epsilon=0.01, variant=variant)
    shared, private = method.initial_shared(here.model, 0), method.initial_private(here.model, 0, 0)
    pooled, tokens = map(here.warehouse.test.batch(np.arange(9), 0).get, ("image", "patches"))
    rounded = tokens.half().float()
    with torch.no_grad():
        scores = method.predictor(here.model, shared, private)({"image": pooled, "patches": rounded})
    assert torch.isfinite(scores).all()


def test_on_disjoint_classes_own_contexts_win_over_one_for_all(world: Any, tmp_path: Path) -> None:
    """Each client holds one or two classes, and images of all classes look alike but for their labels' names."""
    here = world(clients=3, rounds=8, optimizer=Optimizer(learning_rate=0.1))
    labels, tests = here.train_labels, here.warehouse.test_labels
    groups = ((0, 1), (2, 3), (4,))
    from dataclasses import replace

    own = replace(
        here,
        train=[np.flatnonzero(np.isin(labels, group)) for group in groups],
        test=[np.flatnonzero(np.isin(tests, group)) for group in groups],
    )
    personal = federate(own, METHOD, tmp_path / "fedotp").records[-1]["local_accuracy"]
    common = federate(own, PromptFL(context_length=3), tmp_path / "promptfl").records[-1]["local_accuracy"]
    assert float(str(personal)) > float(str(common))


def published_plan(similarity: torch.Tensor, gamma: float, epsilon: float, sweeps: int) -> torch.Tensor:
    """One problem (M, N), the paper's loop in fp64, entry by entry."""
    patches, prompts = similarity.shape
    kernel = ((similarity - 1) / epsilon).exp()
    v = [1.0] * prompts
    for _ in range(sweeps):
        u = [min(1 / patches / sum(float(kernel[m, n]) * v[n] for n in range(prompts)), 1.0) for m in range(patches)]
        v = [gamma / prompts / sum(float(kernel[m, n]) * u[m] for m in range(patches)) for n in range(prompts)]
    return torch.tensor([[u[m] * float(kernel[m, n]) * v[n] for n in range(prompts)] for m in range(patches)])


@pytest.mark.parametrize(("prompts", "shared_prompts"), [(2, 1), (3, 1), (4, 2), (4, 3)])
@pytest.mark.parametrize("class_specific", [False, True])
def test_scores_are_the_transport_to_n_prompts_each_with_its_share_of_the_mass(
    world: Any, prompts: int, shared_prompts: int, class_specific: bool
) -> None:
    """`tolerance: 0` makes exactly so many sweeps as are asked for."""
    here = world()
    method = FedOTP(
        context_length=2, prompts=prompts, shared_prompts=shared_prompts, class_specific=class_specific,
        tolerance=0.0, iterations=7, epsilon=0.05,
    )  # fmt: skip
    assert method.problems() == []
    shared, private = method.initial_shared(here.model, 0), method.initial_private(here.model, 0, 1)
    one = (5, 2, 16) if class_specific else (2, 16)
    contexts = [*shared["context"].reshape(-1, *one), *private["private_context"].reshape(-1, *one)]
    assert (len(contexts), shared["context"].numel()) == (prompts, shared_prompts * contexts[0].numel())
    assert len({context.sum().item() for context in contexts}) == prompts
    pooled, tokens = map(here.warehouse.test.batch(np.arange(3), 0).get, ("image", "patches"))
    found = method.predictor(here.model, shared, private)({"image": pooled, "patches": tokens})
    texts = torch.stack([method.learner.text(here.model, context) for context in contexts]).double()
    patches = normalize(tokens.double(), dim=-1)
    for b in range(3):
        for k in range(5):
            similarity = patches[b] @ texts[:, k].T
            expected = here.model.scale * (published_plan(similarity, 0.8, 0.05, 7) * similarity).sum()
            assert float(found[b, k]) == pytest.approx(float(expected), rel=1e-5, abs=1e-5)


def test_of_n_prompts_the_first_are_averaged_and_the_others_stay(world: Any, tmp_path: Path) -> None:
    here, method = world(rounds=2), FedOTP(context_length=3, prompts=4, shared_prompts=2)
    outcome = federate(here, method, tmp_path / "run")
    assert len(set(outcome.private_sha256)) == 3
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert {str(line["tensors"]) for line in lines if line["tensors"]} == {"{'context': [[2, 3, 16], 'float32']}"}


def test_two_prompts_begin_as_ever_and_more_begin_with_them(world: Any) -> None:
    here, many = world(), FedOTP(context_length=3, prompts=5, shared_prompts=2)
    assert METHOD.initial_shared(here.model, 0)["context"].shape == (3, 16)
    assert torch.equal(
        many.initial_shared(here.model, 0)["context"][0], METHOD.initial_shared(here.model, 0)["context"]
    )
    private = many.initial_private(here.model, 0, 0)["private_context"]
    assert torch.equal(private[0], METHOD.initial_private(here.model, 0, 0)["private_context"])
    assert private.shape == (3, 3, 16)


def test_the_published_keys_are_read_from_a_scenario() -> None:
    keys = {"name": "fedotp", "prompts": 4, "shared_prompts": 2, "tolerance": 0}
    assert from_mapping({"method": keys}).method == FedOTP(prompts=4, shared_prompts=2, tolerance=0.0)


def test_prompts_that_leave_no_private_one_are_refused() -> None:
    (line,) = FedOTP(prompts=3, shared_prompts=3).problems()
    assert line.startswith("shared_prompts: 3 of 3 prompts leave no private one. Use 1 to 2")


def test_a_solver_that_cannot_cap_patches_is_refused() -> None:
    assert FedOTP(solver="pot", gamma=0.8).problems() != []
    assert FedOTP(solver="pot", variant="sinkhorn").problems() == []


def test_evaluation_may_have_a_solver_of_its_own_and_training_keeps_its_bits(world: Any) -> None:
    here = world()
    swept, exact = FedOTP(context_length=3, epsilon=0.01), FedOTP(context_length=3, epsilon=0.01, solver="newton")
    mixed = FedOTP(context_length=3, epsilon=0.01, evaluation_solver="newton")
    shared, private = mixed.initial_shared(here.model, 0), mixed.initial_private(here.model, 0, 0)
    inputs = here.warehouse.test.batch(np.arange(9), 0)

    def scores(method: FedOTP) -> torch.Tensor:
        with torch.no_grad():
            return method.predictor(here.model, shared, private)(inputs)

    def gradient(method: FedOTP) -> torch.Tensor:
        work = here.work(method)
        found = method.local(work).gradients(method.loss(work).leaves, work.everything())[1]
        return found["context"]

    assert torch.equal(scores(mixed), scores(exact))
    assert not torch.equal(scores(mixed), scores(swept))
    assert torch.equal(gradient(mixed), gradient(swept))
    assert not torch.equal(gradient(mixed), gradient(exact))


def test_a_solver_of_evaluation_that_does_not_fit_is_refused_too() -> None:
    (line,) = FedOTP(evaluation_solver="pot", gamma=0.8).problems()
    assert "'pot'" in line
    assert "evaluation_solver" in line
