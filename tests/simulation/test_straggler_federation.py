"""Paced rounds with real training on toy features: whose updates count, by how much, and what a resumed run knows."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.aggregation.secure import Secure
from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import ClientTask, ClientUpdate, LocalResult, Mechanism, Method, Predictor, RoundRecord, State
from fedsilo.core.errors import ClientLost, RunError, ScenarioError
from fedsilo.core.round_work import LocalWork
from fedsilo.core.state import sha256
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.fedper import FedPer
from fedsilo.methods.fedprox import FedProx
from fedsilo.methods.finetune import FineTune
from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.simulation.availability.file import File
from fedsilo.simulation.availability.renewal import Renewal
from fedsilo.simulation.availability.speeds import Speeds
from fedsilo.simulation.availability.sporadic import Sporadic
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import FederationPlan, Outcome
from fedsilo.simulation.noise_calibration import check_aggregation, fit_mechanism, plan_privacy
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines

METHOD = PromptFL(context_length=3)
BUFFERED = StragglerPolicy(mode="buffered", buffer=2, deadline_s=40)
STRAGGLERS = Speeds(seconds_per_step=[1, 2, 5], drop_out=0.1)
"""Of clients with 2, 3 and 4 batches: 2, 6 and 20 seconds a round."""


def federate(plan: FederationPlan, backend: Any, folder: Path, watch: Any = lambda record: None) -> Outcome:
    folder.mkdir(exist_ok=True)
    return Federation(plan, backend, Journals(folder), Checkpoints(folder / "checkpoints", 2)).run(watch)


def bits(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.shared_sha256, outcome.private_sha256, [dict(score) for score in outcome.scores]


def timeless(outcome: Outcome) -> list[dict[str, object]]:
    return [
        {k: v for k, v in record.items() if k not in ("seconds", "slowest", "attempts")} for record in outcome.records
    ]


@dataclass(frozen=True)
class Halving(Method):
    """Halves what it received and adds one more than the client's number; so every update can be worked out."""

    uploads = ("x",)

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        return {"x": torch.zeros(1)}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        return {}

    def train(self, work: LocalWork) -> LocalResult:
        return LocalResult({"x": 0.5 * work.shared["x"] + work.client + 1}, {}, 0.0, 1)

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        return lambda inputs: torch.zeros(len(inputs["image"]), 5) + shared["x"]


def alike(world: Any, **training: Any) -> Any:
    """Three clients with 16 images each."""
    here = world(**training)
    return replace(here, train=[part[:16] for part in here.train])


@pytest.mark.parametrize(
    ("stragglers", "expected"),
    [
        (
            # round 2 adds client 0, fresh, and client 2 from w_0; round 3 client 0, fresh, and client 1 from w_2 = 2.25
            StragglerPolicy(mode="buffered", buffer=2),
            [1.5, 2.25, 3.0535254, 3.0535254 + ((1 - 3.0535254 / 2) + (2 - 2.25 / 2) / math.sqrt(2)) / 2],
        ),
        (
            StragglerPolicy(mode="buffered", buffer=2, staleness_exponent=0, server_rate=0.5),
            [0.75, 1.3125, 2.1484375, 2.1484375 + ((1 - 2.1484375 / 2) + (2 - 1.3125 / 2)) / 4],
        ),
    ],
)
def test_what_buffered_rounds_add_up_worked_out_by_hand(
    world: Any, tmp_path: Path, stragglers: StragglerPolicy, expected: list[float]
) -> None:
    """The rounds of test_cohort: (0, 1), (0, 1), (0, 2 from round 0), (0, 1 from round 2)."""
    here = alike(world, rounds=4)
    plan = here.plan(Halving(), stragglers=stragglers, availability=Speeds(seconds_per_step=[1, 2, 5]))
    seen: list[float] = []

    def look(record: RoundRecord) -> None:
        checkpoint, _ = Checkpoints(tmp_path / "run" / "checkpoints", 2).newest()
        assert checkpoint is not None
        seen.append(float(checkpoint.shared["x"]))
        assert sorted(checkpoint.versions) == ([2] if record.round == 2 else [])

    outcome = federate(plan, SerialBackend(here.clients(Halving())), tmp_path / "run", look)
    assert seen == pytest.approx(expected, rel=1e-6)
    assert [record["staleness"] for record in outcome.records] == [[0, 0], [0, 0], [0, 2], [0, 1]]
    assert [record["clock_s"] for record in outcome.records] == [4, 8, 10, 12]


@pytest.mark.parametrize(
    "method", [METHOD, FedProx(context_length=3), FedPer(context_length=4), FedOTP(context_length=3)]
)
def test_with_equal_speeds_and_everybody_at_work_a_buffered_run_is_fedavg(
    world: Any, tmp_path: Path, method: Method
) -> None:
    here = world()
    ends = []
    for name, stragglers in (("sync", StragglerPolicy()), ("buffered", StragglerPolicy(mode="buffered"))):
        folder = tmp_path / name
        federate(here.plan(method, stragglers=stragglers), SerialBackend(here.clients(method)), folder)
        checkpoint, _ = Checkpoints(folder / "checkpoints", 2).newest()
        assert checkpoint is not None
        ends.append(checkpoint.shared)
    assert ends[0].keys() == ends[1].keys()
    for name in ends[0]:
        torch.testing.assert_close(ends[1][name], ends[0][name], rtol=1e-5, atol=1e-6)


def test_a_late_client_is_as_if_it_had_not_been_asked(world: Any, tmp_path: Path) -> None:
    """Its update is in no mean, and its private prompt is the one that it began with."""
    method = FedOTP(context_length=3)
    here = world(rounds=1)
    plan = here.plan(method, availability=Speeds(seconds_per_step=[1, 2, 5]), stragglers=StragglerPolicy(deadline_s=10))
    outcome = federate(plan, SerialBackend(here.clients(method)), tmp_path / "run")
    record: Any = outcome.records[0]
    assert (record["participants"], record["late"], record["clock_s"]) == ([0, 1], [2], 10)
    initial = sha256(method.initial_private(here.model, 0, 2))
    assert [private == initial for private in outcome.private_sha256] == [False, False, True]
    clients = here.clients(method)
    updates = [clients[number].train(ClientTask(0, 0, plan.initial)) for number in (0, 1)]
    mean = plan.aggregation.combine(updates, uniform=False)  # type: ignore[attr-defined]
    assert outcome.shared_sha256 == sha256({name: tensor.float() for name, tensor in mean.items()})
    assert {line["direction"]: line["clients"] for line in read_lines(tmp_path / "run" / "wire.jsonl")[:2]} == {
        "down": [0, 1],
        "up": [0, 1],
    }
    assert outcome.notices == (
        "stragglers: 2 updates counted; 1 times a client was late or not needed, 0 times offline.",
    )


def test_a_round_without_an_update_changes_nothing_and_is_on_record(world: Any, tmp_path: Path) -> None:
    here = world(rounds=4, seed=4)
    plan = here.plan(METHOD, availability=Sporadic(online=0.5), stragglers=StragglerPolicy(minimum=2, deadline_s=30))
    empty = [round for round in range(4) if not plan.schedule.participants(round)]
    assert empty
    outcome = federate(plan, SerialBackend(here.clients(METHOD)), tmp_path / "run")
    before = sha256({name: torch.from_numpy(array) for name, array in plan.initial.items()})
    for round, record in enumerate(outcome.records):
        assert (record["shared_sha256"] == before) == (round in empty)
        assert (record["exchanges"] == 0) == (record["participants"] == []) == (round in empty)
        before = str(record["shared_sha256"])
    assert f"stragglers: {len(empty)} of 4 rounds ended without an update" in outcome.notices[0]


class Cut(Exception):
    """Stands for kill -9."""


CASES = {
    "buffered": (METHOD, BUFFERED, STRAGGLERS),
    "private": (
        FedOTP(context_length=3),
        BUFFERED,
        Renewal(seconds_per_step=[1, 2, 5], mean_online_s=60, mean_offline_s=10),
    ),
    "deadline": (FedOTP(context_length=3), StragglerPolicy(deadline_s=15), STRAGGLERS),
    "alone": (Local(context_length=3), BUFFERED, STRAGGLERS),
    "tuned": (FineTune(context_length=3), BUFFERED, STRAGGLERS),
}


@pytest.mark.parametrize("case", CASES)
def test_a_paced_run_resumed_after_any_round_ends_like_the_whole_one(world: Any, tmp_path: Path, case: str) -> None:
    method, stragglers, availability = CASES[case]
    here = world(rounds=5)
    plan = here.plan(method, stragglers=stragglers, availability=availability)
    if case in ("buffered", "private"):
        assert any(plan.schedule.outstanding(round) for round in range(4)), "nothing is under way: no test"
    whole = federate(plan, SerialBackend(here.clients(method)), tmp_path / "whole")
    for at in range(5) if case == "private" else (1, 3):

        def cut(record: RoundRecord, at: int = at) -> None:
            if record.round == at:
                raise Cut

        with pytest.raises(Cut):
            federate(plan, SerialBackend(here.clients(method)), tmp_path / f"cut{at}", cut)
        resumed = federate(plan, SerialBackend(here.clients(method)), tmp_path / f"cut{at}")
        assert bits(resumed) == bits(whole)
        assert timeless(resumed) == timeless(whole)
        assert resumed.notices == whole.notices


class Flaky(SerialBackend):
    """Loses client 0 in one round, after others have done their part."""

    def __init__(self, world: Any, method: Method, round: int) -> None:
        super().__init__(world.clients(method))
        self.world, self.method, self.rounds = world, method, [round]

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        updates = super().train(tasks)
        if self.rounds and next(iter(tasks.values())).round == self.rounds[0]:
            self.rounds.pop()
            raise ClientLost("client 0 died", client=0)
        return updates

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        self._clients[0] = self.world.clients(method)[0]
        return {0}


@pytest.mark.parametrize("round", [1, 3])
def test_a_paced_round_tried_again_gives_the_same_bits(world: Any, tmp_path: Path, round: int) -> None:
    method, stragglers, availability = CASES["private"]
    here = world(rounds=5)
    plan = here.plan(method, stragglers=stragglers, availability=availability)
    whole = federate(plan, SerialBackend(here.clients(method)), tmp_path / "whole")
    again = federate(plan, Flaky(here, method, round), tmp_path / "again")
    assert bits(again) == bits(whole)
    assert timeless(again) == timeless(whole)
    assert "was tried again" in again.notices[0]


def test_a_checkpoint_whose_older_shared_state_is_damaged_is_passed_over(world: Any, tmp_path: Path) -> None:
    here = alike(world, rounds=4)
    plan = here.plan(
        Halving(),
        stragglers=StragglerPolicy(mode="buffered", buffer=2),
        availability=Speeds(seconds_per_step=[1, 2, 5]),
    )

    def cut(record: RoundRecord) -> None:
        if record.round == 2:
            raise Cut

    whole = federate(plan, SerialBackend(here.clients(Halving())), tmp_path / "whole")
    with pytest.raises(Cut):
        federate(plan, SerialBackend(here.clients(Halving())), tmp_path / "run", cut)
    older = tmp_path / "run" / "checkpoints" / "round-0002" / "shared-before-0002.safetensors"
    content = bytearray(older.read_bytes())
    content[-1] ^= 1
    older.write_bytes(bytes(content))
    resumed = federate(plan, SerialBackend(here.clients(Halving())), tmp_path / "run")
    assert bits(resumed) == bits(whole)
    assert "damaged checkpoint" in resumed.notices[0]


def test_a_run_is_not_resumed_under_another_trace(world: Any, tmp_path: Path) -> None:
    path = tmp_path / "availability.csv"
    head = "client,online_from_s,online_until_s,seconds_per_step\n"
    path.write_text(head + "0,0,,1\n1,0,,2\n2,0,,3\n")
    here = world(rounds=3)
    plan = here.plan(METHOD, availability=File(str(path)))

    def cut(record: RoundRecord) -> None:
        raise Cut

    with pytest.raises(Cut):
        federate(plan, SerialBackend(here.clients(METHOD)), tmp_path / "run", cut)
    path.write_text(head + "0,0,,1\n1,0,,2\n2,0,,4\n")
    other = here.plan(METHOD, availability=File(str(path)))
    with pytest.raises(RunError, match="round 0 had other participants or another simulated time"):
        federate(other, SerialBackend(here.clients(METHOD)), tmp_path / "run")


@pytest.mark.parametrize(
    "stragglers",
    [
        StragglerPolicy(deadline_s=15, minimum=2),
        StragglerPolicy(mode="buffered", buffer=2),
        StragglerPolicy(over_select=1.5),
    ],
)
def test_who_sent_is_charged_and_the_plan_foresees_it(world: Any, tmp_path: Path, stragglers: StragglerPolicy) -> None:
    """Noise is solved for, foreseen, allowed and charged by the same participants; who is late costs nothing."""
    availability = replace(STRAGGLERS, drop_out=0.3)
    here = world(rounds=5, participation=0.67 if stragglers.over_select > 1 else 1.0)
    schedule = here.plan(METHOD, stragglers=stragglers, availability=availability).schedule
    mechanism = fit_mechanism(Central(epsilon=8.0, clip_norm=0.5), schedule)
    ahead = plan_privacy(Central(epsilon=8.0, clip_norm=0.5), schedule)
    assert max(group.epsilon for group in ahead.groups) == pytest.approx(8.0, abs=0.05)
    plan = here.plan(METHOD, stragglers=stragglers, availability=availability, mechanism=mechanism)
    assert plan.schedule.cohorts == schedule.cohorts
    clients = here.clients(METHOD)
    outcome = federate(plan, SerialBackend(clients), tmp_path / "run")
    counts = {c: sum(c in r["participants"] for r in outcome.records) for c in range(3)}  # type: ignore[operator]
    assert len(set(counts.values())) > 1
    ledger = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    assert [line["clients"] for line in ledger] == [r["participants"] for r in outcome.records if r["participants"]]
    assert len(outcome.records) == 5
    guarantee = json.loads((tmp_path / "run" / "privacy.json").read_text())
    charged = {int(c): sum(e["count"] for e in one["expenses"]) for c, one in guarantee["clients"].items()}
    assert charged == {client: count for client, count in counts.items() if count}
    assert outcome.epsilon == pytest.approx(max(group.epsilon for group in ahead.groups))
    # a finished run is resumed without a charge being missed in rounds that no client sent in
    assert bits(federate(plan, SerialBackend(clients), tmp_path / "run")) == bits(outcome)


def test_a_stale_update_under_a_clip_moves_the_mean_by_no_more_than_a_fresh_one(world: Any, tmp_path: Path) -> None:
    """What the noise is scaled to: a client's change, clipped against what it received, over the buffer's size."""
    norm, here = 0.05, world(rounds=5)
    stragglers, availability = StragglerPolicy(mode="buffered", buffer=2), Speeds(seconds_per_step=[1, 2, 5])
    schedule = here.plan(METHOD, stragglers=stragglers, availability=availability).schedule
    mechanism = fit_mechanism(Central(noise_multiplier=0.001, clip_norm=norm), schedule)
    plan = here.plan(METHOD, stragglers=stragglers, availability=availability, mechanism=mechanism)
    seen: list[Any] = []
    settled: list[float] = []

    class Spying(type(plan.aggregation)):  # type: ignore[misc]
        def combine(self, updates: Any, uniform: bool) -> Any:
            assert uniform
            settled.extend(float(np.linalg.norm(u.tensors["context"] - seen[-1])) for u in updates)
            return super().combine(updates, uniform)

        def gather(self, exchange: Any) -> Any:
            seen.append(exchange.reference["context"].double().numpy())
            return super().gather(exchange)

    outcome = federate(replace(plan, aggregation=Spying()), SerialBackend(here.clients(METHOD)), tmp_path / "run")
    stale = [s for record in outcome.records for s in record["staleness"]]  # type: ignore[attr-defined]
    assert max(stale) > 0
    for length, staleness in zip(settled, stale, strict=True):
        assert length <= norm / math.sqrt(1 + staleness) * (1 + 1e-5)


def test_a_secure_sum_is_refused_before_the_run_where_a_round_would_have_too_few(world: Any) -> None:
    here = world(clients=6, rounds=6)
    availability = Sporadic(online=0.6)
    plan = here.plan(METHOD, availability=availability)
    assert 0 < min(len(plan.schedule.participants(r)) for r in range(6)) < 3
    with pytest.raises(
        ScenarioError,
        match=r"aggregation\.clients: .* at least 3, got 1\. Or set stragglers\.minimum, so that smaller rounds",
    ):
        check_aggregation(Secure(threshold=3), plan.schedule)
    enough = here.plan(METHOD, availability=availability, stragglers=StragglerPolicy(minimum=3))
    assert check_aggregation(Secure(threshold=3), enough.schedule) == Secure(threshold=3)
