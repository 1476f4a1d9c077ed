"""What `fedsilo privacy` foresees: the same as counting round by round, and bounded work for very many rounds."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from fedsilo.cli import privacy_plan as planning
from fedsilo.core.privacy_events import AnyPrivacyEvent
from fedsilo.core.training_settings import Training
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.accounting import privacy_accountant as spending
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.accounting.privacy_accountant import PrivacyAccountant
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.simulation.noise_calibration import EVERY_ROUND, plan_privacy
from fedsilo.simulation.schedule import Schedule

METHOD = PromptFL(context_length=3, synchronise="batch")
SIZES = (40, 56, 64, 96)
BATCH = 16
EXCHANGES = 96 // BATCH


@dataclass(frozen=True)
class Asked(Central):
    """A mechanism that notes how often it is asked what an exchange costs a client."""

    calls: ClassVar[Counter[str]] = Counter()

    def expenses(self, client: int, exchange: int) -> tuple[AnyPrivacyEvent, ...]:
        self.calls["expenses"] += 1
        return super().expenses(client, exchange)


def schedule(rounds: int, **training: Any) -> Schedule:
    return Schedule(METHOD, Training(rounds=rounds, batch_size=BATCH, **training), SIZES, 0)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the accountants are asked, too."""
    calls = Asked.calls
    calls.clear()

    def exact(expenses: Any, *rest: Any) -> Any:
        calls["accountant"] += 1
        return epsilon(expenses, *rest)

    monkeypatch.setattr(spending, "epsilon", exact)
    return calls


@pytest.mark.parametrize("rounds", [3, 2_000])
def test_the_work_of_an_outlook_does_not_grow_with_the_rounds(counted: Counter[str], rounds: int) -> None:
    ahead = plan_privacy(Asked(unit="example", noise_multiplier=60.0), schedule(rounds))
    turns = len(SIZES) * EXCHANGES
    assert counted["expenses"] <= (1 + min(rounds, EVERY_ROUND)) * turns
    # For the plan as a whole, for each point, and for each kind of client.
    assert counted["accountant"] <= min(rounds, EVERY_ROUND) + 2 * len(SIZES)
    assert ahead.curve[-1].releases == rounds
    assert {sum(e.count for e in group.expenses) for group in ahead.groups} == {rounds * EXCHANGES}


def test_an_outlook_is_what_counting_round_by_round_gives() -> None:
    plan = schedule(9, participation=0.5)
    ahead = plan_privacy(Central(unit="example", noise_multiplier=3.0), plan)
    one_by_one = PrivacyAccountant()
    for round in range(9):
        for exchange, clients in plan.turns_of(round):
            for client in clients:
                one_by_one.add(client, ahead.mechanism.expenses(client, exchange))
        worst = max(epsilon(one_by_one.of(client), 1e-5).epsilon for client in one_by_one.clients)
        assert ahead.curve[round].spent.epsilon == worst
    assert {client: group.expenses for group in ahead.groups for client in group.clients} == {
        client: one_by_one.of(client) for client in range(len(SIZES))
    }


def test_a_long_count_says_so_at_once_and_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    (tmp_path / "private.yaml").write_text(
        "data: {name: emblems, classes: 4}\nmethod: promptfl\nprivacy: {mode: central, noise_multiplier: 60.0}\n"
    )
    monkeypatch.setattr(planning, "EVERY_S", 0.0)
    monkeypatch.setattr(planning, "MANY_ROUNDS", 99)
    planning.foresee(tmp_path / "private.yaml", ["training.rounds=100"], None, True)
    first, *others = capsys.readouterr().err.splitlines()
    assert "100 rounds" in first
    assert others
    assert all(text.startswith("counting epsilon: ") for text in others)
