"""The attack on whole clients: sums with known coins, and a small run with sound and flawed mechanisms."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsilo
from fedsilo.core import Method
from fedsilo.core.errors import RunError
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.absent_clients import Absence
from fedsilo.runs.audit.audit_request import ClientAudit
from fedsilo.runs.audit.client_attack import Sums, compute_log_ratios, guess_coins
from fedsilo.runs.audit.client_audit import audit_clients
from fedsilo.runs.audit.shadow_runs import list_client_shadows, toss_coins

SCENARIO = Path(__file__).parents[3] / "scenarios" / "privacy" / "clients.yaml"
CLIENTS = {
    "data": {"classes": 4, "train_per_class_and_domain": 6, "test_per_class_and_domain": 1},
    "partition": {"clients": 6},
    "training": {"rounds": 2, "batch_size": 8, "optimizer": {"learning_rate": 0.1}},
}


def sums(
    noise: float, seed: int = 0, clients: int = 40, size: int = 400, times: float = 1.0
) -> tuple[Sums, np.ndarray]:
    """One round of clients that have much in common, the coins of a half of them heads.

    Their contributions are so many times as long as was promised.
    """
    generator = np.random.default_rng(seed)
    changes = generator.normal(size=(clients, size)) / 20 + generator.normal(size=size) / 20
    there = generator.random(clients) < 0.5
    published = times * (there @ changes) + noise * generator.normal(size=size)
    return Sums(changes @ changes.T, changes @ published, float(published @ published), size), there


def test_without_noise_every_coin_is_told() -> None:
    found, there = sums(0.0)
    assert np.array_equal(compute_log_ratios(found) > 0, there)


def test_with_noise_the_scores_are_the_likelihood_ratios_of_the_clearest_coins() -> None:
    """Of one client alone the ratio is known: (x . c - |c|^2 / 2) / noise^2."""
    generator = np.random.default_rng(1)
    change, noise = generator.normal(size=(1, 5000)), 40.0
    published = change[0] + noise * generator.normal(size=5000)
    one = Sums(change @ change.T, change @ published, float(published @ published), 5000)
    exact = (published @ change[0] - change[0] @ change[0] / 2) / noise**2
    assert compute_log_ratios(one)[0] == pytest.approx(exact, rel=0.05)


def test_much_noise_leaves_guessing() -> None:
    tried = [sums(100.0, seed) for seed in range(20)]
    every, right = guess_coins(
        np.concatenate([compute_log_ratios(found) for found, _ in tried]),
        np.concatenate([there for _, there in tried]),
        1.0,
    )
    assert every == 800
    assert 0.43 < right / every < 0.57


@pytest.mark.parametrize(("times", "least"), [(10.0, 0.95), (3.0, 0.8), (1.0, 0.55)])
def test_contributions_that_are_too_long_are_told_by_their_length(times: float, least: float) -> None:
    """As behind a clip norm ten times too large, under noise that would hide those that were promised.

    Were their length taken to be the promised one, all that the clients have in common would speak for each of them.
    """
    tried = [sums(5.0, seed, clients=8, size=4000, times=times) for seed in range(10)]
    every, right = guess_coins(
        np.concatenate([compute_log_ratios(found) for found, _ in tried]),
        np.concatenate([there for _, there in tried]),
        1.0,
    )
    assert right / every >= least


def test_the_clearest_are_guessed_first() -> None:
    scores, there = np.array([5.0, -0.1, -4.0, 0.2]), np.array([True, True, False, False])
    assert guess_coins(scores, there, 0.5) == (2, 2)
    assert guess_coins(scores, there, 1.0) == (4, 2)


def test_the_method_of_a_shadow_run_is_the_audited_one_but_for_the_training_of_the_absent() -> None:
    own = {name for name, _ in inspect.getmembers(Method) if not name.startswith("_")} - {"kind", "train", "problems"}
    assert own <= set(vars(Absence))


@pytest.fixture
def audited(run: Callable[..., Run]) -> Callable[..., dict[str, Any]]:
    """Audits a small run under a privacy section."""

    def make(shadows: int = 4, **privacy: Any) -> dict[str, Any]:
        done = run(**CLIENTS, privacy=privacy) if privacy else run(**CLIENTS)
        return audit_clients(done.folder, ClientAudit(shadows=shadows)) | {"folder": done.folder}

    return make


@pytest.mark.slow
def test_a_flawed_mechanism_is_contradicted(audited: Callable[..., dict[str, Any]]) -> None:
    found = audited(
        mode="fedsilo.runs.audit.flawed_mechanisms:NoNoise", unit="client", noise_multiplier=4.0, clip_norm=0.02
    )
    assert found["coins"] == 24
    assert found["epsilon"]["epsilon"] > found["claim"]["epsilon"]
    assert found["epsilon"]["epsilon"] <= found["epsilon"]["most"]
    absent = list_client_shadows(Run(found["folder"]), 4)[1].scenario.method
    assert isinstance(absent, Absence)
    assert absent.absent == np.flatnonzero(~toss_coins(Run(found["folder"]), 1)).tolist()


@pytest.mark.slow
def test_a_clip_norm_that_is_ten_times_too_large_is_contradicted(tmp_path: Path) -> None:
    loose = fedsilo.run(
        SCENARIO, privacy={"mode": "fedsilo.runs.audit.flawed_mechanisms:LooseClip"}, tracking={"root": str(tmp_path)}
    )
    found = audit_clients(loose.folder, ClientAudit(shadows=8))
    assert found["epsilon"]["epsilon"] > found["claim"]["epsilon"]


@pytest.mark.slow
def test_a_sound_one_is_not_and_the_control_is_guessing(audited: Callable[..., dict[str, Any]]) -> None:
    found = audited(mode="central", unit="client", noise_multiplier=8.0, clip_norm=0.02)
    assert found["epsilon"]["epsilon"] <= found["claim"]["epsilon"]
    control = audit_clients(found["folder"], ClientAudit(shadows=4, shuffle=True))
    assert control["verdict"][0].startswith("a control")
    assert (found["folder"] / "audit-clients-shuffled.json").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": {"name": "promptfl", "context_length": 1, "synchronise": "batch"}}, "results of whole rounds"),
        ({"method": {"name": "local", "context_length": 1}}, "results of whole rounds"),
    ],
)
def test_where_nothing_can_be_contradicted_it_says_so(
    run: Callable[..., Run], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunError, match=f"unit client: .*{words}.*cannot contradict"):
        audit_clients(run(**changes).folder)
