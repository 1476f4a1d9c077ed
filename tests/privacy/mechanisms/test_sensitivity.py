"""By how much one example moves what leaves a client, from batch to upload."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.plain import Plain
from fedsilo.core import Batch, ClientTask, ClientUpdate, Exchange, Method
from fedsilo.core.round_work import LocalWork
from fedsilo.core.seeds import draw_from
from fedsilo.core.state import to_arrays
from fedsilo.methods.composed import Composed
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.fedclip import FedCLIP
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.fedpha import FedPHA
from fedsilo.methods.finetune import FineTune
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.clipping_and_noise import clip_change
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.local_training import clip_gradients
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner

CLIP, BATCH = 0.05, 8
MECHANISM = Central(unit="example", noise_multiplier=1.0, clip_norm=CLIP)


@dataclass(frozen=True)
class Perceptron(ModuleLearner):
    """A network on the pooled feature, with a norm and with draws."""

    def module(self, sizes: ModelSizes) -> nn.Module:
        return nn.Sequential(
            nn.Linear(sizes.joint, 8), nn.GroupNorm(2, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, sizes.candidates)
        )


METHODS: list[Any] = [
    PromptFL(context_length=3, synchronise="batch"),
    DPFPL(context_length=3, rank=2),
    FedOTP(context_length=3, synchronise="batch"),
    FineTune(context_length=3, synchronise="batch"),  # an example after the other
    FedPHA(context_length=3, synchronise="batch"),
    FedCLIP(synchronise="batch"),  # vmap
    Composed(learner=Perceptron(), strategy=FedAvgStrategy(synchronise="batch")),  # opacus
]


def name(method: Method) -> str:
    return type(method).__name__


def gradients(method: Any, work: LocalWork, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    """What a batch gives, shared and own parameters together, before any noise."""
    clipping = work.mechanism.examples
    assert clipping is not None
    with draw_from(7):
        return clip_gradients(method.loss(work), batch, clipping)


def of(batch: Batch, positions: list[int]) -> Batch:
    inputs = {name: column[positions] for name, column in batch.inputs.items()}
    return Batch(inputs, {name: column[positions] for name, column in batch.targets.items()})


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    return math.sqrt(sum(float((one[n].double() - other[n].double()).square().sum()) for n in one))


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_one_example_moves_all_gradients_together_by_at_most_its_share(world: Any, method: Any) -> None:
    """With and without it by C / B, with another in its place by 2 C / B, over shared and own tensors jointly."""
    work = world(mechanism=MECHANISM).work(method, client=2)
    batch = work.everything()
    rows = list(range(9))
    _, whole = gradients(method, work, of(batch, rows))
    unit = CLIP / BATCH
    for gone in (0, 4, 8):
        rest = [row for row in rows if row != gone]
        without = distance(whole, gradients(method, work, of(batch, rest))[1])
        assert 0.99 * unit < without <= unit * (1 + 1e-5), "the clip norm is small enough to be reached"
        replaced = distance(whole, gradients(method, work, of(batch, [*rest, 20 + gone]))[1])
        assert 0 < replaced <= 2 * unit * (1 + 1e-5)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_an_example_s_clipped_gradient_does_not_depend_on_its_batch_mates(world: Any, method: Any) -> None:
    work = world(mechanism=MECHANISM).work(method, client=2)
    batch = work.everything()
    _, alone = gradients(method, work, of(batch, [5]))
    for mates in ([1], [0, 2, 9], list(range(10, 30))):
        _, together = gradients(method, work, of(batch, [5, *mates]))
        _, others = gradients(method, work, of(batch, mates))
        added = {key: together[key] - others[key] for key in together}
        assert distance(added, alone) < 1e-3 * CLIP / BATCH


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_without_an_example_there_is_no_gradient_and_no_loss(world: Any, method: Any) -> None:
    loss, found = gradients(method, work := world(mechanism=MECHANISM).work(method), of(work.everything(), []))
    assert math.isnan(loss)
    assert all(torch.equal(tensor, torch.zeros_like(tensor)) for tensor in found.values())
    assert set(found) == set(method.loss(work).leaves)


@pytest.mark.parametrize("method", [*METHODS[:2], METHODS[-1]], ids=name)
def test_the_upload_of_a_client_moves_by_at_most_two_shares_when_an_example_is_another(world: Any, method: Any) -> None:
    """The whole way through a client: sample, gradients, clipping, mechanism. `central` sends without noise."""
    here = world(mechanism=MECHANISM)
    other = replace(here, warehouse=replace(here.warehouse, train=changed(here.warehouse.train, 50)))
    moved = []
    for exchange in range(12):
        task = ClientTask(0, exchange, here.plan(method).initial)
        sent = [
            {key: torch.from_numpy(array) for key, array in place.clients(method)[2].train(task).tensors.items()}
            for place in (here, other)
        ]
        moved.append(distance(*sent))
    assert max(moved) <= 2 * CLIP / BATCH * (1 + 1e-5)
    assert max(moved) > 0, "the example is in one of these batches"
    assert min(moved) == 0, "and not in all of them"


def changed(source: Any, position: int) -> Any:
    """Features with one example turned round, far away from where it was."""
    pooled = source.columns["image"].copy()
    pooled[:, position] = -7 * pooled[:, position]
    return replace(source, columns={**source.columns, "image": pooled})


@pytest.mark.parametrize("method", METHODS[:3], ids=name)
def test_an_empty_batch_still_sends_noise_and_the_run_goes_on(world: Any, tmp_path: Any, method: Any) -> None:
    """One example per batch on average: more than a third of the batches are empty."""
    mechanism = LocalNoise(unit="example", noise_multiplier=2.0, clip_norm=CLIP)
    here = world(mechanism=mechanism, batch_size=1, rounds=1)
    work = here.work(method)
    empty = [step for step in range(20) if not len(work.batch(step).targets["class"])]
    assert 2 <= len(empty) <= 14
    initial = here.plan(method).initial
    update = here.clients(method)[0].train(ClientTask(0, empty[0], initial))
    noise = update.tensors["context"]
    assert noise.std() == pytest.approx(2.0 * CLIP, rel=0.3)
    assert math.isnan(update.loss)
    outcome = here.federate(method, tmp_path / "run")
    assert all(math.isfinite(score["loss"]) for score in outcome.scores)  # type: ignore[arg-type]
    assert len(outcome.records) == 1


@pytest.mark.parametrize("mechanism", [MECHANISM, LocalNoise(unit="example", noise_multiplier=1.0)])
def test_what_the_loss_is_leaves_a_client_only_where_the_coordinator_is_trusted(world: Any, mechanism: Any) -> None:
    method = METHODS[0]
    here = world(mechanism=mechanism)
    losses = [client.train(ClientTask(0, 0, here.plan(method).initial)).loss for client in here.clients(method)]
    assert [math.isfinite(loss) for loss in losses] == [mechanism.trusts_coordinator] * 3


class Sending:
    """A backend whose clients send uploads that are made already."""

    def __init__(self, uploads: list[dict[str, Tensor]]) -> None:
        self.uploads = uploads

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        return [ClientUpdate(c, self.sent(task, self.uploads[c]), 1, 0.0, 0.0) for c, task in tasks.items()]

    def sent(self, task: ClientTask, upload: dict[str, Tensor]) -> dict[str, Any]:
        change = {name: tensor.double().numpy() - task.shared[name] for name, tensor in upload.items()}
        return {"modular": task.encoding.encode(change, 1, 0.0, bytes(32))} if task.encoding else to_arrays(upload)


@pytest.mark.parametrize("aggregation", [Plain(), Modular()], ids=["plain", "modular"])
@pytest.mark.parametrize("norm", [1e-2, 1e-6, 1e-7])
def test_a_client_moves_the_mean_that_noise_is_added_to_by_at_most_its_share(aggregation: Any, norm: float) -> None:
    """Rounded to fp32 beside numbers of 0.02, a mean moves by up to 1.6 times that at the smallest norm."""
    generator, clients = torch.Generator().manual_seed(0), 10
    known = {"context": 0.02 * torch.randn(8192, generator=generator)}
    changed = [{"context": known["context"] + torch.randn(8192, generator=generator)} for _ in range(clients)]
    uploads = [clip_change(upload, known, norm) for upload in changed]

    def mean(sent: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        tasks = {client: ClientTask(0, 0, to_arrays(known)) for client in range(clients)}
        mechanism = Central(noise_multiplier=1.0, clip_norm=norm)
        exchange = Exchange(tasks, Sending(sent), known, True, 1, mechanism, lambda charged: None)  # type: ignore[arg-type]
        return dict(aggregation.gather(exchange).mean)

    moved = distance(mean(uploads), mean([known, *uploads[1:]]))
    assert 0.5 * norm / clients < moved <= norm / clients * (1 + 1e-6)
