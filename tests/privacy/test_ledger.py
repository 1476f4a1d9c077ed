"""What a federation has spent: charged before it is known, kept over crashes, held to a budget."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.plain import Plain
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientTask, ClientUpdate, RoundRecord
from fedsilo.core.errors import ClientLost, PrivacyBudgetError, RunError
from fedsilo.core.privacy_events import DiscretePrivacyEvent, PrivacyEvent
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.privacy.mechanisms.paper import Paper
from fedsilo.privacy.mechanisms.rigorous import Rigorous
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines

ROUNDS, BATCHES = PromptFL(context_length=3), DPFPL(context_length=3, rank=2)
NOISE = 4.0


class Cut(Exception):
    """Stands for kill -9."""


class Mortal(SerialBackend):
    """Dies, or loses a client, when it trains for the n-th time."""

    def __init__(self, here: Any, method: Any, fault: Exception | None = None, at: int = 0) -> None:
        super().__init__(here.clients(method))
        self.fault, self.at, self.calls = fault, at, 0
        self.charged: list[int] = []
        self.folder: Path | None = None

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        self.charged.append(len(read_lines(self.folder / "ledger.jsonl")) if self.folder else 0)
        self.calls += 1
        if self.fault and self.calls == self.at + 1:
            raise self.fault
        return super().train(tasks)

    def restart(self, method: Any, mechanism: Any) -> set[int]:
        return set()


def go(
    here: Any,
    method: Any,
    folder: Path,
    backend: SerialBackend | None = None,
    watch: Callable[[RoundRecord], None] = lambda record: None,
    **plan: Any,
) -> Outcome:
    folder.mkdir(exist_ok=True)
    backend = backend or SerialBackend(here.clients(method))
    if isinstance(backend, Mortal):
        backend.folder = folder
    federation = Federation(
        here.plan(method, **plan), backend, Journals(folder), Checkpoints(folder / "checkpoints", 9)
    )
    return federation.run(watch)


def lines(folder: Path) -> list[dict[str, Any]]:
    return read_lines(folder / "ledger.jsonl")


def test_what_is_released_is_charged_before(world: Any, tmp_path: Path) -> None:
    here = world(mechanism=LocalNoise(noise_multiplier=NOISE))
    backend = Mortal(here, ROUNDS, Cut(), at=1)
    with pytest.raises(Cut):
        go(here, ROUNDS, tmp_path / "run", backend)
    assert backend.charged == [1, 2], "on disk when clients begin"
    last = lines(tmp_path / "run")[-1]
    assert {name: last[name] for name in ("round", "exchange", "attempt", "clients")} == {
        "round": 1,
        "exchange": 0,
        "attempt": 0,
        "clients": [0, 1, 2],
    }


def test_a_charge_that_cannot_be_written_stops_the_release(world: Any, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, world(mechanism=LocalNoise(noise_multiplier=NOISE)).fitted(ROUNDS))
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(RunError, match=r"ledger.jsonl: cannot be written: .* Free space, then resume"):
        ledger.charge(LedgerEntry(0, 0, 0, (0,)))


DAMAGED = {
    "a client that is none": '{"round":0,"exchange":0,"attempt":0,"clients":[99]}',
    "a client below 0": '{"round":0,"exchange":0,"attempt":0,"clients":[-1]}',
    "a client twice": '{"round":0,"exchange":0,"attempt":0,"clients":[0,0]}',
    "clients as text": '{"round":0,"exchange":0,"attempt":0,"clients":"01"}',
    "infinite": '{"round":1e999,"exchange":0,"attempt":0,"clients":[0]}',
    "not whole": '{"round":0.5,"exchange":0,"attempt":0,"clients":[0]}',
    "below 0": '{"round":0,"exchange":0,"attempt":-1,"clients":[0]}',
    "start is no text": '{"round":0,"exchange":0,"attempt":0,"clients":[0],"start":{}}',
    "deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "blank": "  ",
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_ledger_with_a_damaged_line_is_refused_and_left_as_it_is(world: Any, tmp_path: Path, what: str) -> None:
    mechanism = world(mechanism=Central(noise_multiplier=NOISE, unit="example")).fitted(BATCHES)
    Ledger(tmp_path, mechanism).charge(LedgerEntry(0, 0, 0, (0, 1)))
    path = tmp_path / "ledger.jsonl"
    written = path.read_text() + DAMAGED[what] + "\n" + "torn"
    path.write_text(written)
    with pytest.raises(RunError, match=r"ledger\.jsonl: is damaged: .*(line 2|client 99).*Put the file back"):
        Ledger(tmp_path, mechanism, clients=range(3))
    assert path.read_text() == written


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_finished_round_that_lacks_any_of_its_lines_is_refused(world: Any, tmp_path: Path, lost: int) -> None:
    """Client 2 missed the first exchange of its pass, so only the second line charges it."""
    here = world(mechanism=Central(noise_multiplier=NOISE, unit="example", sampling="shuffled"))
    mechanism = here.fitted(BATCHES)
    turns = [(exchange, (0, 1, 2)) for exchange in range(3)]
    assert not mechanism.expenses(2, 1), "a line that costs nothing as planned"
    ledger, path = Ledger(tmp_path, mechanism), tmp_path / "ledger.jsonl"
    ledger.charge(LedgerEntry(0, 1, 0, (0, 1, 2), "s"))
    for exchange, clients in enumerate([(0, 1), (0, 1, 2), (0, 1, 2)]):
        ledger.charge(LedgerEntry(0, exchange, 1, clients, "s"))
    Ledger(tmp_path, mechanism).require(0, turns)
    kept = path.read_text().splitlines(keepends=True)
    del kept[1 + lost]
    path.write_text("".join(kept))
    with pytest.raises(RunError, match="round 0 is finished and not charged"):
        Ledger(tmp_path, mechanism).require(0, turns)


def test_a_last_line_that_lacks_its_newline_only_is_a_charge(world: Any, tmp_path: Path) -> None:
    mechanism, path = world(mechanism=LocalNoise(noise_multiplier=NOISE)).fitted(ROUNDS), tmp_path / "ledger.jsonl"
    ledger = Ledger(tmp_path, mechanism)
    for round in range(2):
        ledger.charge(LedgerEntry(round, 0, 0, (0, 1), "s"))
    written = path.read_bytes()
    path.write_bytes(written.rstrip(b"\n"))
    again = Ledger(tmp_path, mechanism, repeats=False)
    assert (again.epsilon(), again.attempt(1, (0, 1), "s")) == (ledger.epsilon(), 1)
    assert path.read_bytes() == written, "the next line begins as a line"
    path.write_bytes(written[:-2])
    assert Ledger(tmp_path, mechanism).is_begun(1) is False, "what is cut off in its middle was never released"
    assert path.read_bytes() == written.splitlines(keepends=True)[0]


@pytest.mark.parametrize("aggregation", [Plain(), Modular()])
@pytest.mark.parametrize(
    ("clients", "fault"), [([0, 1], "does not charge client 2"), ([1, 2], "does not charge client 0")]
)
def test_a_client_that_was_taken_out_of_all_lines_is_missed(
    world: Any, tmp_path: Path, aggregation: Any, clients: list[int], fault: str
) -> None:
    here = world(rounds=2, mechanism=Central(noise_multiplier=NOISE))
    go(here, ROUNDS, tmp_path, aggregation=aggregation)
    go(here, ROUNDS, tmp_path, aggregation=aggregation)
    edited = "".join(json.dumps({**line, "clients": clients}) + "\n" for line in lines(tmp_path))
    (tmp_path / "ledger.jsonl").write_text(edited)
    with pytest.raises(
        RunError, match=rf"ledger\.jsonl: the line of round 0, exchange 0, .*{fault}.*Put the file back"
    ):
        go(here, ROUNDS, tmp_path, aggregation=aggregation)


def test_a_client_that_dropped_out_of_a_sum_is_not_missed_and_a_stranger_is(world: Any, tmp_path: Path) -> None:
    here = world(clients=3, participation=0.7, mechanism=LocalNoise(noise_multiplier=NOISE)).fitted(ROUNDS)
    ledger = Ledger(tmp_path, here)
    ledger.charge(LedgerEntry(0, 0, 0, (0, 1), "s"))
    ledger.require(0, [(0, (0, 1, 2))], dropped=[2])
    with pytest.raises(RunError, match="charges client 1, which did not take part"):
        ledger.require(0, [(0, (0, 2))], dropped=[])


def test_a_ledger_that_is_no_file_is_refused(world: Any, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(RunError, match=r"ledger\.jsonl: cannot be read: .*Put the file back"):
        Ledger(tmp_path, world(mechanism=LocalNoise(noise_multiplier=NOISE)).fitted(ROUNDS))


MECHANISMS = [
    (Central(noise_multiplier=NOISE), ROUNDS),
    (LocalNoise(noise_multiplier=NOISE, unit="example", sampling="shuffled", adjacency="replace"), BATCHES),
    (Rigorous(noise_multiplier=NOISE), BATCHES),
    (Paper(), BATCHES),
]


@pytest.mark.parametrize(("mechanism", "method"), MECHANISMS)
def test_the_statement_is_the_accountant_s_word_on_what_was_charged(
    world: Any, tmp_path: Path, mechanism: Any, method: Any
) -> None:
    here = world(mechanism=mechanism, participation=0.7)
    outcome = go(here, method, tmp_path / "run")
    document = json.loads((tmp_path / "run" / "privacy.json").read_text())
    worst = 0.0
    for client, entry in document["clients"].items():
        expenses = [PrivacyEvent(**expense) for expense in entry["expenses"]]
        spent = epsilon(expenses, mechanism.delta, mechanism.adjacency)
        assert entry["epsilon"] == spent.epsilon
        worst = max(worst, spent.epsilon)
        turns = [e for line in lines(tmp_path / "run") for e in [line] if int(client) in line["clients"]]
        due = [here.fitted(method).expenses(int(client), turn["exchange"]) for turn in turns]
        assert sum(e.count for e in expenses) == sum(e.count for some in due for e in some)
    assert document["counted"] == worst == outcome.epsilon
    assert (document["unit"], document["delta"]) == (getattr(mechanism, "unit", "example"), 1e-5)
    assert document["guaranteed"] == (not isinstance(mechanism, Paper))
    assert document["epsilon"] == (0.4 if isinstance(mechanism, Paper) else worst)
    growing = [float(str(record["epsilon"])) for record in outcome.records]
    assert growing == sorted(set(growing)), "it grows from round to round"
    assert growing[-1] == outcome.epsilon


def test_shares_of_noise_are_stated_as_what_they_are(world: Any, tmp_path: Path) -> None:
    here = world(mechanism=Distributed(noise_multiplier=NOISE))
    outcome = go(here, ROUNDS, tmp_path / "run", aggregation=Secure())
    document = json.loads((tmp_path / "run" / "privacy.json").read_text())
    (expense,) = [DiscretePrivacyEvent(**one) for one in document["clients"]["1"]["expenses"]]
    assert (expense.multiplier, expense.count) == (pytest.approx(NOISE), 3)
    assert outcome.epsilon == pytest.approx(epsilon([PrivacyEvent(NOISE, 1.0, 3)], 1e-5).epsilon, rel=1e-3)
    assert [record["loss"] for record in outcome.records] == [None] * 3


def test_nothing_is_written_where_nothing_is_promised(world: Any, tmp_path: Path) -> None:
    outcome = go(world(mechanism=NoMechanism()), ROUNDS, tmp_path / "run")
    assert outcome.epsilon is None
    assert [record["epsilon"] for record in outcome.records] == [None] * 3
    assert not (tmp_path / "run" / "ledger.jsonl").exists()
    assert not (tmp_path / "run" / "privacy.json").exists()


def test_rounds_are_run_as_they_were_planned(world: Any, tmp_path: Path) -> None:
    here = world(clients=4, participation=0.5, rounds=4, mechanism=Rigorous(noise_multiplier=NOISE))
    outcome = go(here, BATCHES, tmp_path / "run")
    schedule = here.plan(BATCHES).schedule
    for record in outcome.records:
        participants = schedule.participants(int(str(record["round"])))
        assert (record["participants"], record["exchanges"]) == (list(participants), schedule.exchanges(participants))
    planned = [(round, *turn) for round in range(4) for turn in schedule.turns_of(round)]
    charged = [(line["round"], line["exchange"], tuple(line["clients"])) for line in lines(tmp_path / "run")]
    due = here.fitted(BATCHES)
    assert charged == [(r, e, clients) for r, e, clients in planned if any(due.expenses(c, e) for c in clients)]
    assert outcome.epsilon == due.planned


@pytest.mark.parametrize(("method", "at"), [(ROUNDS, 1), (ROUNDS, 2), (BATCHES, 5)])
def test_a_run_cut_off_in_a_round_ends_like_the_whole_one_and_has_spent_the_same(
    world: Any, tmp_path: Path, method: Any, at: int
) -> None:
    """The budget is just enough: whatever is counted twice would stop the run early."""
    mechanism = Rigorous(epsilon=3.0) if method is BATCHES else Central(epsilon=3.0)
    here = world(mechanism=mechanism, rounds=3)
    whole = go(here, method, tmp_path / "whole")
    assert len(whole.records) == 3
    assert whole.epsilon is not None
    assert 2.99 < whole.epsilon <= 3.0
    cut = Mortal(here, method, Cut(), at=at)
    with pytest.raises(Cut):
        go(here, method, tmp_path / "cut", cut)
    with (tmp_path / "cut" / "ledger.jsonl").open("a") as file:
        file.write('{"round":9,"exch')  # torn by the crash: its release was never made
    resumed = go(here, method, tmp_path / "cut")
    assert resumed.shared_sha256 == whole.shared_sha256
    assert resumed.epsilon == whole.epsilon
    assert resumed.notices == ()
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")


def test_a_round_tried_again_is_charged_once_where_the_same_bits_are_sent(world: Any, tmp_path: Path) -> None:
    here = world(mechanism=Rigorous(noise_multiplier=NOISE))
    whole = go(here, BATCHES, tmp_path / "whole")
    again = go(here, BATCHES, tmp_path / "again", Mortal(here, BATCHES, ClientLost("client 1 died", client=1), at=6))
    assert again.shared_sha256 == whole.shared_sha256
    assert again.epsilon == whole.epsilon
    assert lines(tmp_path / "again") == lines(tmp_path / "whole")


class Unheard(SerialBackend):
    """Loses two clients at the opening of chosen sums: after they have been charged."""

    def __init__(self, here: Any, method: Any, sums: tuple[int, ...]) -> None:
        super().__init__(here.clients(method))
        self.sums, self.stages = sums, 0

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        answers = super().answer(messages, timeout_s)
        self.stages += 1
        if self.stages % 4 == 0 and self.stages // 4 - 1 in self.sums:
            return dict(list(answers.items())[2:])
        return answers

    def restart(self, method: Any, mechanism: Any) -> set[int]:
        return set()


def test_a_sum_given_up_after_its_charge_is_charged_again(world: Any, tmp_path: Path) -> None:
    here = world(clients=5, mechanism=Distributed(noise_multiplier=NOISE))
    again = go(here, ROUNDS, tmp_path / "run", Unheard(here, ROUNDS, (1,)), aggregation=Secure())
    assert [(line["round"], line["attempt"]) for line in lines(tmp_path / "run")] == [(0, 0), (1, 0), (1, 1), (2, 0)]
    whole = go(here, ROUNDS, tmp_path / "whole", aggregation=Secure())
    assert again.epsilon is not None
    assert whole.epsilon is not None
    assert again.epsilon > whole.epsilon
    assert again.epsilon == pytest.approx(epsilon([PrivacyEvent(NOISE, 1.0, 4)], 1e-5).epsilon, rel=1e-3)


def test_a_second_attempt_takes_the_last_round_off_a_budget_that_was_just_enough(world: Any, tmp_path: Path) -> None:
    here = world(clients=5, rounds=4, mechanism=Distributed(epsilon=2.0))
    ended = go(here, ROUNDS, tmp_path / "run", Unheard(here, ROUNDS, (1,)), aggregation=Secure(), evaluate_every=4)
    assert len(ended.records) == 3
    assert ended.epsilon is not None
    assert ended.epsilon <= 2.0
    assert ended.notices[-1] == "stopped after 3 of 4 rounds: the next one would exceed the budget, epsilon 2."
    assert ended.records[-1]["local_accuracy"] is not None, "the last round is evaluated"
    warned = world(clients=5, rounds=4, mechanism=Distributed(epsilon=2.0, on_budget="warn"))
    ended = go(warned, ROUNDS, tmp_path / "warned", Unheard(warned, ROUNDS, (1,)), aggregation=Secure())
    assert len(ended.records) == 4
    assert ended.epsilon is not None
    assert ended.epsilon > 2.0
    assert any("may exceed its budget, epsilon 2." in line for line in ended.notices)


def test_a_last_round_is_not_tried_again_beyond_the_budget(world: Any, tmp_path: Path) -> None:
    here = world(clients=5, rounds=3, mechanism=Distributed(epsilon=2.0))
    ended = go(here, ROUNDS, tmp_path / "run", Unheard(here, ROUNDS, (2,)), aggregation=Secure())
    assert len(ended.records) == 2
    assert ended.epsilon is not None
    assert ended.epsilon <= 2.0
    assert ended.notices[-1].startswith("stopped after 2 of 3 rounds")
    resumed = go(here, ROUNDS, tmp_path / "run", aggregation=Secure())
    assert (resumed.shared_sha256, resumed.epsilon) == (ended.shared_sha256, ended.epsilon)


def budgeted(noise: float, budget: float, **keys: Any) -> Central:
    return Central(noise_multiplier=noise, budget=budget, **keys)


def test_a_run_stops_before_the_round_that_its_budget_does_not_hold(world: Any, tmp_path: Path) -> None:
    costs = [epsilon([PrivacyEvent(NOISE, 1.0, rounds)], 1e-5).epsilon for rounds in range(1, 6)]
    here = world(rounds=5, mechanism=budgeted(NOISE, (costs[2] + costs[3]) / 2))
    ended = go(here, ROUNDS, tmp_path / "run", evaluate_every=5)
    assert len(ended.records) == 3
    assert ended.epsilon == pytest.approx(costs[2])
    assert ended.notices[0].startswith("stopped after 3 of 5 rounds")
    assert ended.records[-1]["local_accuracy"] is not None
    again = go(here, ROUNDS, tmp_path / "run", evaluate_every=5)
    assert (again.shared_sha256, len(again.records)) == (ended.shared_sha256, 3)
    exactly = world(rounds=5, mechanism=budgeted(NOISE, costs[4]))
    assert len(go(exactly, ROUNDS, tmp_path / "exactly").records) == 5


def test_a_run_that_only_warns_goes_on_and_says_so_once(world: Any, tmp_path: Path) -> None:
    here = world(rounds=5, mechanism=budgeted(NOISE, 0.5, on_budget="warn"))
    ended = go(here, ROUNDS, tmp_path / "run")
    assert len(ended.records) == 5
    assert ended.notices == ("from round 0 on the run may exceed its budget, epsilon 0.5.",)


def test_a_budget_that_holds_no_round_is_refused_and_nothing_is_charged(world: Any, tmp_path: Path) -> None:
    here = world(mechanism=budgeted(NOISE, 0.01))
    with pytest.raises(PrivacyBudgetError, match=r"^privacy.budget: one round already costs more than 0.01. Take more"):
        go(here, ROUNDS, tmp_path / "run")
    assert lines(tmp_path / "run") == []


def cut_after(round: int) -> Callable[[RoundRecord], None]:
    def watch(record: RoundRecord) -> None:
        if record.round == round:
            raise Cut

    return watch


@pytest.mark.parametrize(
    "damage",
    [
        b"{}\n",
        b'{"clients":[0]}\n',
        b"[1,2]\n",
        b"7\n",
        b"\n",
        b'{"round":0,"exchange":0,"attempt":0,"clients":null}\n',
        b'{"round":"x","exchange":0,"attempt":0,"clients":[0]}\n',
        b'{"round":0,"exchange":0,"att\n',
        b"\xff\xfe\n",
    ],
)
def test_a_damaged_ledger_is_refused_with_its_line(world: Any, tmp_path: Path, damage: bytes) -> None:
    here = world(mechanism=Central(noise_multiplier=NOISE))
    with pytest.raises(Cut):
        go(here, ROUNDS, tmp_path / "run", watch=cut_after(1))
    path = tmp_path / "run" / "ledger.jsonl"
    path.write_bytes(damage + path.read_bytes())
    with pytest.raises(
        RunError, match=r"ledger.jsonl: is damaged: .*Put the file back; it says what was spent"
    ) as caught:
        go(here, ROUNDS, tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_ledger_without_a_finished_round_is_refused_with_its_line(world: Any, tmp_path: Path, kept: int) -> None:
    here = world(mechanism=Central(noise_multiplier=NOISE))
    with pytest.raises(Cut):
        go(here, ROUNDS, tmp_path / "run", watch=cut_after(1))
    path = tmp_path / "run" / "ledger.jsonl"
    content = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    if kept:
        path.write_bytes(content[0])
    with pytest.raises(RunError, match=rf"ledger.jsonl: round {kept} is finished and not charged: lines are missing"):
        go(here, ROUNDS, tmp_path / "run")


def test_no_epsilon_is_a_nan(world: Any, tmp_path: Path) -> None:
    here = world(mechanism=LocalNoise(noise_multiplier=0.001))
    outcome = go(here, ROUNDS, tmp_path / "run")
    assert outcome.epsilon is not None
    assert math.isfinite(outcome.epsilon)
    assert outcome.epsilon > 1e5
