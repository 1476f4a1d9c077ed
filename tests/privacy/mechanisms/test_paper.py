"""Deviations as published, clipping, who adds what, and the epsilon that the noise is really worth."""

import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedsilo.core import PrivacyContext, Release
from fedsilo.core.seeds import keyed_generator
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.privacy.mechanisms.paper import Paper

FACTS = PrivacyContext(
    rounds=100, clients=10, batch_size=32, personal=True, gradients=True, streams=3, sizes=(32,) * 10
)
SHARED_ONLY = replace(FACTS, personal=False, streams=1)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def release(step: int = 0, participants: int = 1, purpose: str = "private noise", client: int = 0) -> Release:
    return Release({}, participants, keyed_generator(7, purpose, client=client, step=step))


def charged(mechanism: Paper, folder: Path, rounds: int = 100) -> float:
    """What the ledger counts when every client's 32 examples have been in so many batches of a whole pass each."""
    ledger = Ledger(folder, mechanism)
    for round in range(rounds):
        ledger.charge(LedgerEntry(round, 0, 0, tuple(range(10))))
    spent = ledger.epsilon()
    assert spent is not None
    return spent


@pytest.mark.parametrize(("epsilon", "expected"), [(0.4, 26.5), (0.1, 106.0), (0.01, 1060.0)])
def test_the_deviation_is_the_published_one(epsilon: float, expected: float) -> None:
    assert Paper(epsilon=epsilon).fit(FACTS).deviation == pytest.approx(expected, rel=2e-3)


def test_noise_has_the_stated_deviation_at_each_of_its_places() -> None:
    nothing = {"a": torch.zeros(400, 500)}
    personal, shared = Paper().fit(FACTS), Paper().fit(SHARED_ONLY)
    sigma = math.sqrt(100 * math.log(1e5)) / 0.4 * 10 / 32
    places = {
        "own gradients": (personal.protect_private(nothing, release()), sigma),
        "upload beside own parameters": (personal.protect_client(nothing, release()), 0.0),
        "mean beside own parameters": (personal.protect_mean(nothing, release(participants=10)), sigma / 10),
        "upload of a method that only shares": (shared.protect_client(nothing, release()), sigma),
        "mean of a method that only shares": (shared.protect_mean(nothing, release(participants=10)), 0.0),
    }
    for place, (noisy, deviation) in places.items():
        assert float(noisy["a"].std()) == pytest.approx(deviation, rel=0.02), place
        assert abs(float(noisy["a"].mean())) <= 0.01 * deviation, place


def test_noise_is_independent_over_clients_steps_and_tensors() -> None:
    mechanism, nothing = Paper().fit(FACTS), {"u": torch.zeros(90_000), "v": torch.zeros(90_000)}
    draws = [mechanism.protect_private(nothing, release(step, client=c)) for step in (0, 1) for c in (0, 1)]
    columns = torch.stack([draw[name] for draw in draws for name in ("u", "v")])
    correlation = torch.corrcoef(columns) - torch.eye(8)
    assert float(correlation.abs().max()) < 0.02
    again = mechanism.protect_private(nothing, release())
    assert torch.equal(again["u"], draws[0]["u"])


@pytest.mark.parametrize("personal", [True, False])
def test_each_gradient_is_clipped_by_itself_and_small_ones_are_left_alone(personal: bool) -> None:
    mechanism = Paper(epsilon=1e9, clip_norm=2.0).fit(replace(FACTS, personal=personal))
    gradients = {"u": torch.full((4,), 3.0), "v": torch.tensor([0.6, 0.8])}
    for clipped in (
        mechanism.protect_private(gradients, release()),
        mechanism.protect_client(gradients, release()),
    ):
        assert float(clipped["u"].norm()) == pytest.approx(2.0, rel=1e-5)
        assert torch.allclose(clipped["u"] * 3.0, gradients["u"], atol=1e-5)
        assert torch.allclose(clipped["v"], gradients["v"], atol=1e-5)


def test_a_gradient_of_zero_stays_one() -> None:
    clipped = Paper().fit(FACTS).protect_client({"a": torch.zeros(3)}, release())
    assert torch.equal(clipped["a"], torch.zeros(3))


REFERENCE = {  # privacy.md, section 7, rows E and F: one and three gradients of a batch
    1: {0.01: 0.681, 0.05: 4.09, 0.1: 9.30, 0.2: 22.5, 0.4: 59.8},
    3: {0.01: 1.24, 0.05: 7.81, 0.1: 18.6, 0.2: 48.4, 0.4: 140.0},
}


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("nominal", [0.01, 0.05, 0.1, 0.2, 0.4])
def test_what_the_noise_is_worth_is_far_from_what_was_published(tmp_path: Path, nominal: float, streams: int) -> None:
    mechanism = Paper(epsilon=nominal).fit(replace(FACTS, streams=streams))
    sound = charged(mechanism, tmp_path)
    assert sound == pytest.approx(REFERENCE[streams][nominal], rel=5e-3)
    budget = mechanism.guarantee(sound)
    assert (budget.epsilon, budget.delta, budget.guaranteed, budget.unit) == (nominal, 1e-5, False, "example")
    assert f"epsilon {sound:.3g}" in budget.note
    assert "\n" not in budget.note


def test_smaller_epsilons_are_worth_less_and_more_passes_cost_more(tmp_path: Path) -> None:
    def worth(epsilon: float, **changes: int) -> float:
        folder = tmp_path / f"{epsilon}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return charged(Paper(epsilon=epsilon).fit(FACTS), folder, **changes)

    falling = [worth(epsilon) for epsilon in (50.0, 0.4, 0.1, 0.01, 1e-6)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] > 0
    assert worth(0.4, rounds=200) > falling[1]


def test_an_example_is_counted_once_for_every_pass_over_its_client_s_data() -> None:
    mechanism = Paper().fit(replace(FACTS, sizes=(32, 100, 7)))  # 1, 3 and 1 batches in a pass
    charges = [[sum(e.count for e in mechanism.expenses(client, x)) for x in range(7)] for client in range(3)]
    assert charges == [[3] * 7, [3, 0, 0, 3, 0, 0, 3], [3] * 7]


def test_a_fitted_mechanism_can_be_sent_and_fitting_changes_no_key() -> None:
    fitted = Paper(epsilon=0.2).fit(FACTS)
    back = pickle.loads(pickle.dumps(fitted))
    assert back == Paper(epsilon=0.2)
    assert back.deviation == fitted.deviation
    with pytest.raises(AssertionError):
        _ = Paper(epsilon=0.2).deviation
