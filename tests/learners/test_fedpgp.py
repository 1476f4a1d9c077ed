import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from fedsilo.core import ClientTask
from fedsilo.core.training_settings import Optimizer
from fedsilo.methods.fedpgp import FedPGP
from fedsilo.privacy.mechanisms.paper import Paper

METHOD = FedPGP(context_length=4, rank=2)


def test_the_contrast_is_the_papers_formula_on_three_numbers() -> None:
    """One class; cosines 1 with the origin and 0 with the personal feature."""
    origin = shared = torch.tensor([[1.0, 0.0]])
    personal = torch.tensor([[0.0, 1.0]])
    found = float(FedPGP(temperature=0.5).learner.contrast(origin, shared, personal))
    assert found == pytest.approx(math.log(1 + math.exp(-2.0)), rel=1e-5)
    assert float(FedPGP().learner.contrast(origin, shared, shared)) == pytest.approx(math.log(2), rel=1e-5)


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_the_loss_is_cross_entropy_and_the_weighted_contrast_with_clip_s_own_features(world: Any, mu: float) -> None:
    method = replace(METHOD, mu=mu)
    job = world().work(method)
    model, batch = job.model, job.batch(0)
    shared, own = job.shared["context"], job.shared["context"] + job.private["u"] @ job.private["v"]
    t_s, t_p = model.text_features(shared), model.text_features(own)
    expected = cross_entropy(model.score(batch.inputs["image"], t_p), batch.targets["class"])
    up = torch.exp((normalize(model.zero_shot, dim=-1) * t_s).sum(-1) / 0.5)
    down = torch.exp((t_s * t_p).sum(-1) / 0.5)
    expected = expected + mu * (-torch.log(up / (up + down))).mean()
    found = method.loss(job)({**job.shared, **job.private}, batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_placeholders_are_what_the_authors_code_contrasts_with(world: Any) -> None:
    method = replace(METHOD, origin="placeholders")
    assert (METHOD.phrases, method.phrases) == ((), ("X X X X",))
    assert replace(method, context_words="a photo").phrases == ("a photo", "X X X X")
    here = world()
    letters = torch.randn(4, 16, generator=torch.Generator().manual_seed(3))
    here = replace(here, model=replace(here.model, phrases={"X X X X": letters}))
    job = here.work(method)
    model, batch = job.model, job.batch(0)
    own = job.shared["context"] + job.private["u"] @ job.private["v"]
    t_0, t_s, t_p = (model.text_features(context).double() for context in (letters, job.shared["context"], own))
    pulls = [((t_0[k] @ t_s[k] / 0.5).exp(), (t_s[k] @ t_p[k] / 0.5).exp()) for k in range(5)]
    contrast = sum(-(up / (up + down)).log() for up, down in pulls) / 5
    expected = cross_entropy(model.score(batch.inputs["image"], t_p.float()), batch.targets["class"]) + contrast
    found = method.loss(job)({**job.shared, **job.private}, batch)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert float(METHOD.loss(job)({**job.shared, **job.private}, batch)) != pytest.approx(float(expected), rel=1e-3)


def test_the_contrast_reaches_the_shared_context_and_both_factors(world: Any) -> None:
    here = world(rounds=1, local_epochs=2)
    with_it, without = (m.train(here.work(m)) for m in (METHOD, replace(METHOD, mu=0.0)))
    assert not torch.allclose(with_it.upload["context"], without.upload["context"])
    for name in ("u", "v"):
        assert not torch.allclose(with_it.private[name], without.private[name])
        assert not torch.equal(without.private[name], here.work(METHOD).private[name])


@pytest.mark.parametrize("synchronise", ["round", "batch"])
@pytest.mark.parametrize("class_specific", [False, True])
def test_only_the_shared_context_is_sent(world: Any, synchronise: str, class_specific: bool) -> None:
    method = replace(METHOD, synchronise=synchronise, class_specific=class_specific)
    here = world(rounds=1)
    client = here.clients(method)[0]
    initial = here.plan(method).initial
    update = client.train(ClientTask(0, 0, initial))
    assert set(update.tensors) == {"context"}
    assert {name for name in client._private if "/" not in name} == {"u", "v"}
    assert client._private["u"].shape == (4, 2)
    assert client._private["v"].shape == (2, 16)
    assert method.uploads_gradients == (synchronise == "batch")
    assert (method.personal, method.streams) == (True, 3)


def test_noise_is_on_both_factors_and_not_on_what_is_sent(world: Any) -> None:
    method = replace(METHOD, synchronise="batch", mu=0.0)
    plain = Optimizer(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    ends = []
    for mechanism in (None, Paper(epsilon=50.0, clip_norm=1e3)):
        here = world(rounds=1, optimizer=plain, mechanism=mechanism)
        client = here.clients(method)[0]
        ends.append((client.train(ClientTask(0, 0, here.plan(method).initial)), client._private))
    np.testing.assert_array_equal(ends[0][0].tensors["context"], ends[1][0].tensors["context"])
    for name in ("u", "v"):
        assert float((ends[0][1][name] - ends[1][1][name]).abs().max()) > 0.1
