"""Descent inside a client, against steps worked out by hand."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.core.errors import NotFinite
from fedsilo.core.local_trainer import APART, Terms
from fedsilo.core.privacy import ExampleClipping
from fedsilo.core.training_settings import LearningRateSchedule
from fedsilo.methods.composed import Composed


def local_of(here: Any, learner: Any, **changes: Any) -> Any:
    method = Composed(learner=learner)
    return method.local(here.work(method, **changes))


def start(local: Any) -> dict[str, Tensor]:
    return {name: torch.zeros(1) for name in local.learner.names()}


def test_every_batch_of_every_epoch_is_one_step_and_the_loss_is_their_mean(plain: Any, numbers: Any) -> None:
    """Four steps by half the gradient halve the distance four times."""
    local = local_of(plain(local_epochs=2), numbers())
    end = local.descend(start(local))
    assert (float(end.params["a"]), float(end.params["b"])) == pytest.approx((1 - 2**-4, 3 * (1 - 2**-4)))
    assert end.steps == 4
    assert end.loss == pytest.approx(sum((1 + 9) / 2 / 4**step for step in range(4)) / 4)
    assert end.memory == {}


def test_neither_what_was_received_nor_the_start_is_changed(plain: Any, numbers: Any) -> None:
    local = local_of(plain(), numbers())
    begun = start(local)
    before = {name: tensor.clone() for name, tensor in {**local.work.shared, **local.work.private}.items()}
    end = local.descend(begun)
    assert {name: float(tensor) for name, tensor in begun.items()} == {"a": 0.0, "b": 0.0}
    assert all(torch.equal({**local.work.shared, **local.work.private}[name], before[name]) for name in before)
    assert float(end.buffers["count"]) == 2
    assert float(local.buffers["count"]) == 0


def test_a_parameter_has_a_learning_rate_of_its_own(plain: Any, numbers: Any) -> None:
    local = local_of(plain(batch_size=20), numbers(rate=0.5))
    end = local.descend(start(local))
    assert (float(end.params["a"]), float(end.params["b"])) == pytest.approx((0.5, 0.75))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_constant_gradient_moves_parameters_by_travel_times_itself(
    plain: Any, numbers: Any, stepped: Any, momentum: float
) -> None:
    """Under a schedule that changes at every step, with a penalty that makes the gradient 2 everywhere."""
    schedule = LearningRateSchedule(name="exponential", gamma=0.5, by="step")
    here = plain(local_epochs=2, optimizer=stepped(momentum=momentum), schedule=schedule)
    local = local_of(here, numbers(), round=1)
    constant = Terms(correction=lambda gradients: {name: torch.full((1,), 2.0) for name in gradients})
    end = local.descend(start(local), constant)
    rates, velocity, travel = [0.5 * 0.5 ** (1 + step / 4) for step in range(4)], 0.0, 0.0
    for rate in rates:
        velocity = 1 + momentum * velocity
        travel += rate * velocity
    assert end.travel == pytest.approx(travel)
    assert float(end.params["a"]) == pytest.approx(-2 * travel)


def test_time_goes_on_from_exchange_to_exchange(plain: Any, numbers: Any) -> None:
    schedule = LearningRateSchedule(name="exponential", gamma=0.5, by="step")
    here = plain(batch_size=20, schedule=schedule)
    method = Composed(learner=numbers())
    local = method.local(here.work(method, round=1, exchange=3, exchanges=4))
    end = local.descend(start(local))
    assert float(end.params["a"]) == pytest.approx(0.5 * 0.5**1.75)
    _, own, _, _ = local.one_batch(start(local), ("b",))
    assert float(own["b"]) == pytest.approx(3 * 0.5 * 0.5**1.75)


def test_what_a_strategy_adds_is_stepped_along(plain: Any, numbers: Any) -> None:
    """Gradients at 0 are -1 and -3; the penalty adds 4 to that of a, the contrast 6, the correction 10 to that of b."""
    local = local_of(plain(batch_size=20), numbers())
    seen: list[int] = []

    def contrast(params: Any, batch: Any) -> Tensor:
        seen.append(len(batch))
        return 6 * params["a"].sum()

    def correction(gradients: Any) -> dict[str, Tensor]:
        return {**gradients, "b": gradients["b"] + 10}

    terms = Terms(penalty=lambda params: 4 * params["a"].sum(), contrast=contrast, correction=correction)
    end = local.descend(start(local), terms)
    assert (float(end.params["a"]), float(end.params["b"])) == pytest.approx((-0.5 * 9, -0.5 * 7))
    assert seen == [20]


def test_a_correction_comes_after_the_noise_and_a_penalty_is_not_clipped(plain: Any, numbers: Any, louder: Any) -> None:
    """Each example's gradient (-1, -3) is clipped to length 1; 20 of them over the public number 10, then 100 more."""
    mechanism = louder(ExampleClipping(1.0, 10, poisson=False))
    local = local_of(plain(batch_size=20), replaced(numbers), mechanism=mechanism)
    read: list[float] = []

    def correction(gradients: Any) -> Any:
        read.append(float(gradients["b"]))
        return gradients

    terms = Terms(penalty=lambda params: 7 * params["b"].sum(), correction=correction)
    end = local.descend(start(local), terms)
    clipped = 20 / 10 / math.sqrt(10)
    assert float(end.params["a"]) == pytest.approx(-0.5 * (100 - clipped), rel=1e-5)
    assert read == pytest.approx([100 - 3 * clipped + 7], rel=1e-5)
    assert mechanism.protected == [["a", "b"]]


def replaced(numbers: Any) -> Any:
    """The learner without statistics, which examples could meet in."""

    class Separate(numbers):  # type: ignore[misc]
        averaged = ()

        def buffers(self, frozen: Any, seed: int, client: int) -> Any:
            return {"noted": torch.zeros(1)}

    return Separate()


def test_what_never_bears_on_an_upload_is_not_protected(plain: Any, numbers: Any, louder: Any) -> None:
    mechanism = louder(ExampleClipping(1.0, 10, poisson=False))
    local = local_of(plain(batch_size=20), replaced(numbers), mechanism=mechanism)
    end = local.descend(start(local), Terms(private=False))
    assert float(end.params["b"]) == pytest.approx(1.5)
    assert mechanism.protected == []


def test_without_protection_of_examples_noise_is_for_what_leaves_and_no_step_has_it(
    plain: Any, numbers: Any, louder: Any
) -> None:
    mechanism = louder()
    local = local_of(plain(batch_size=20), numbers(), mechanism=mechanism)
    assert float(local.descend(start(local)).params["a"]) == pytest.approx(0.5)
    assert mechanism.protected == []


def test_of_one_batch_own_gradients_are_protected_and_stepped_along_and_the_others_sent(
    plain: Any, numbers: Any, louder: Any, stepped: Any
) -> None:
    mechanism = louder()
    here = plain(optimizer=stepped(momentum=0.9))
    local = local_of(here, numbers(), mechanism=mechanism, exchange=1)
    begun = start(local)
    sent, own, memory, value = local.one_batch(begun, ("b",))
    assert {name: float(tensor) for name, tensor in sent.items()} == {"a": -1.0}
    assert set(own) == {"b", "drawn", "noted"}, "what the client stepped, and its own buffers"
    assert float(own["b"]) == pytest.approx(-0.5 * 97)
    assert {name: float(tensor) for name, tensor in memory.items()} == pytest.approx({"optimizer/b/momentum": 97.0})
    assert value == pytest.approx(5.0)
    assert mechanism.protected == [["b"]]
    assert float(begun["b"]) == 0
    later = replace(local, work=replace(local.work, private={**local.work.private, **memory}))
    _, on, _, _ = later.one_batch(begun, ("b",))
    assert float(on["b"]) == pytest.approx(-0.5 * (97 + 0.9 * 97)), "the optimizer goes on where it was"


@pytest.mark.parametrize("kept", [False, True])
def test_an_optimizer_is_fresh_or_goes_on_under_its_prefix(plain: Any, numbers: Any, stepped: Any, kept: bool) -> None:
    here = plain(batch_size=20, optimizer=stepped(momentum=0.5, state="kept" if kept else "fresh"))
    local = local_of(here, numbers())
    end = local.descend(start(local), memory="other/")
    assert sorted(end.memory) == (["other/a/momentum", "other/b/momentum"] if kept else [])
    later = replace(local, work=replace(local.work, private={**local.work.private, **end.memory}))
    on = later.descend(start(local), memory="other/")
    assert float(on.params["a"]) == pytest.approx(0.5 * (1 + 0.5 * kept))
    assert float(later.descend(start(local)).params["a"]) == pytest.approx(0.5), "another prefix, another memory"


def test_each_step_draws_for_itself_and_the_same_step_draws_the_same(plain: Any, numbers: Any) -> None:
    here = plain(local_epochs=2)
    local = local_of(here, numbers())
    before = torch.random.get_rng_state()
    whole = local.descend(start(local)).buffers["drawn"][:4]
    assert torch.equal(torch.random.get_rng_state(), before), "the global generator is as it was"
    torch.rand(3)
    assert torch.equal(local.descend(start(local)).buffers["drawn"][:4], whole)
    assert len(set(whole.tolist())) == 4
    second = local.descend(start(local), Terms(epochs=range(1, 2))).buffers["drawn"][:2]
    assert torch.equal(second, whole[2:]), "an epoch draws the same whatever came before it"
    apart = local.descend(start(local), Terms(epochs=range(APART, APART + 1))).buffers["drawn"][:2]
    others = [local_of(here, numbers(), **{where: 1}).descend(start(local)) for where in ("client", "round")]
    drawn = [*whole.tolist(), *apart.tolist(), *(float(x) for end in others for x in end.buffers["drawn"][:4])]
    assert len(set(drawn)) == len(drawn)


def test_exchanges_draw_as_the_steps_of_their_round(plain: Any, numbers: Any) -> None:
    """The draw of a batch is the same whether it is stepped along or its gradient is sent."""
    here = plain(local_epochs=2)
    local = local_of(here, numbers())
    whole = local.descend(start(local)).buffers["drawn"][:4].tolist()
    drawn = []
    for exchange in range(4):
        one = local_of(here, numbers(), exchange=exchange)
        _, own, _, _ = one.one_batch(start(one), ("b",))
        drawn.append(float(own["drawn"][0]))
    assert drawn == whole


def test_of_one_batch_buffers_that_the_learner_writes_are_kept_and_the_work_is_as_it_was(
    plain: Any, numbers: Any
) -> None:
    """A client that dies after training and does the exchange again must begin where it began."""
    local = local_of(plain(), numbers())
    before = {name: tensor.clone() for name, tensor in {**local.work.shared, **local.work.private}.items()}
    first, again = (local.one_batch(start(local), ("b",))[1] for _ in range(2))
    assert float(first["drawn"][0]) != 0
    assert torch.equal(first["drawn"], again["drawn"])
    local.gradients(start(local), local.work.batch(0))
    assert all(torch.equal({**local.work.shared, **local.work.private}[n], tensor) for n, tensor in before.items())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_refused_with_its_step(plain: Any, numbers: Any, bad: float) -> None:
    local = local_of(plain(), numbers())
    steps: list[int] = []

    def penalty(params: Any) -> Tensor:
        steps.append(1)
        return params["a"].sum() * 0 + (bad if len(steps) == 2 else 0.0)

    with pytest.raises(NotFinite, match=rf"the loss is {bad} at step 1"):
        local.descend(start(local), Terms(penalty=penalty))
