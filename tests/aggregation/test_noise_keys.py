"""No noise key is used twice on different content, and no release is uncharged, whatever a run is interrupted by."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.aggregation.conftest import Leaking

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.plain import Plain
from fedsilo.aggregation.secagg.update_vectors import ModularEncoding
from fedsilo.aggregation.secure import Secure
from fedsilo.core import Aggregation, ClientTask, ClientUpdate, Mechanism, Method
from fedsilo.core.errors import ClientLost
from fedsilo.core.round_work import LocalWork
from fedsilo.core.seeds import KeyedGenerator
from fedsilo.core.state import sha256
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy import clipping_and_noise, mechanism_base
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.privacy.mechanisms import central, distributed, local, paper, rigorous
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.privacy.mechanisms.paper import Paper
from fedsilo.privacy.mechanisms.rigorous import Rigorous
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.environment import describe_arithmetic
from fedsilo.storage.run_folder import Journals, read_lines

ROUNDS, BATCHES = PromptFL(context_length=3), DPFPL(context_length=3, rank=2)
EXAMPLE: dict[str, Any] = {"unit": "example", "noise_multiplier": 2.0}
SHUFFLED: dict[str, Any] = {**EXAMPLE, "sampling": "shuffled"}
CLIENTS = 4


class Cut(BaseException):
    """Stands for kill -9 of the coordinator."""


class Faulty(Leaking):
    """Has the process end, or a client be lost, at chosen exchanges, counted from the start of the process."""

    def __init__(self, here: Any, method: Method, faults: Mapping[int, Any]) -> None:
        drops = {number: fault for number, fault in faults.items() if isinstance(fault, tuple)}
        super().__init__(here.clients(method), drops)
        self.faults, self.trained = faults, -1

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        self.trained += 1
        fault = self.faults.get(self.trained)
        if fault == "begin":
            raise Cut
        updates = super().train(tasks)
        if fault == "end":
            raise Cut
        if isinstance(fault, tuple):
            raise ClientLost("client 3 died", client=3)
        return updates

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        if self.faults.get(self.sums + 1) == "begin":
            raise Cut
        super().learn(tasks)

    def _left(self, stage: str, answers: dict[int, bytes]) -> dict[int, bytes]:
        if stage == "unmask" and self.faults.get(self.sums) == "end":
            raise Cut
        return super()._left(stage, answers)


def go(here: Any, method: Method, folder: Path, faults: Mapping[int, Any], **plan: Any) -> Outcome | None:
    """One process: it runs what is to do until it is killed, which gives None."""
    folder.mkdir(exist_ok=True)
    backend, checkpoints = Faulty(here, method, faults), Checkpoints(folder / "checkpoints", 9)
    federation = Federation(here.plan(method, **plan), backend, Journals(folder), checkpoints)
    try:
        return federation.run(lambda record: None)
    except Cut:
        return None


Uses = dict[bytes, list[str]]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Uses:
    """What each key was used on: what noise was added to, or the states that a client's draw follows from."""
    uses: Uses = defaultdict(list)
    gaussian, encode, secret = clipping_and_noise.add_gaussian_noise, ModularEncoding.encode, LocalWork.secret

    def noise(state: Any, deviation: float, generator: KeyedGenerator) -> Any:
        uses[generator.key].append(f"{sha256(state)} {deviation}")
        return gaussian(state, deviation, generator)

    def share(self: ModularEncoding, change: Any, examples: int, loss: float, key: bytes) -> Any:
        content = b"".join(name.encode() + array.tobytes() for name, array in sorted(change.items()))
        uses[key].append(f"{hashlib.sha256(content).hexdigest()} {self}")
        return encode(self, change, examples, loss, key)

    def draw(self: LocalWork, purpose: str, step: int) -> KeyedGenerator:
        generator = secret(self, purpose, step)
        uses[b"drawn by a client" + generator.key].append(sha256(self.shared) + sha256(self.private))
        return generator

    for module in (mechanism_base, central, distributed, local, paper, rigorous):
        monkeypatch.setattr(module, "add_gaussian_noise", noise)
    monkeypatch.setattr(ModularEncoding, "encode", share)
    monkeypatch.setattr(LocalWork, "secret", draw)
    return uses


MODES: list[tuple[Mechanism, Method, Aggregation]] = [
    (Central(**SHUFFLED), BATCHES, Plain()),
    (LocalNoise(**SHUFFLED), BATCHES, Secure()),
    (Paper(), BATCHES, Secure()),
    (Distributed(**SHUFFLED), BATCHES, Secure()),
    (Distributed(noise_multiplier=2.0), ROUNDS, Secure()),
]
OTHERS: list[tuple[Mechanism, Method, Aggregation]] = [
    (Central(noise_multiplier=2.0), ROUNDS, Plain()),
    (Central(noise_multiplier=2.0), ROUNDS, Secure()),
    (Central(**SHUFFLED), BATCHES, Modular()),
    (Central(**EXAMPLE), BATCHES, Secure()),
    (Rigorous(noise_multiplier=2.0), BATCHES, Plain()),
    (Rigorous(noise_multiplier=2.0, sampling="shuffled"), BATCHES, Secure()),
    (LocalNoise(noise_multiplier=2.0), ROUNDS, Plain()),
    (LocalNoise(noise_multiplier=2.0), ROUNDS, Modular()),
    (LocalNoise(**EXAMPLE), BATCHES, Plain()),
    (Paper(), BATCHES, Plain()),
    (Distributed(**EXAMPLE), BATCHES, Secure()),
]
EVERY = [*MODES, *(pytest.param(*mode, marks=pytest.mark.slow) for mode in OTHERS)]
PROCESSES: Sequence[Mapping[int, Any]] = [
    {0: ("mask", (3,)), 2: "begin"},
    {1: "end"},
    {1: ("mask", (0, 1, 2)), 4: "begin"},
    {2: ("unmask", (0, 1, 2))},
]
"""Client 3 is left out first; then three processes, two of which are killed, go on with everybody, and sums fail."""


@pytest.mark.parametrize(("mechanism", "method", "how"), EVERY, ids=lambda part: type(part).__name__)
def test_no_key_is_used_twice_on_different_content(
    world: Any, tmp_path: Path, used: Uses, mechanism: Mechanism, method: Method, how: Aggregation
) -> None:
    here = world(clients=CLIENTS, rounds=3 if method is ROUNDS else 2, mechanism=mechanism)
    ends = [go(here, method, tmp_path / "run", faults, aggregation=how, retries=3) for faults in PROCESSES]
    assert ends[0] is None
    assert ends[-1] is not None
    keys = list(used)
    assert len(keys) > 10
    assert [key for key in keys if len(set(used[key])) > 1] == []
    again = [key for key in keys if len(used[key]) > 1]
    assert bool(again) >= (not how.masks), "what is done again in the clear is done with the same noise"
    opened = [(line["round"], line["exchange"], line["attempt"]) for line in read_lines(tmp_path / "run/ledger.jsonl")]
    assert len(set(opened)) == len(opened)
    assert {attempt for _, _, attempt in opened} == {0} or how.masks


@pytest.mark.parametrize("mechanism", [Central(**SHUFFLED), LocalNoise(**SHUFFLED), Distributed(**SHUFFLED), Paper()])
def test_who_misses_the_first_exchange_of_a_pass_is_charged_for_the_sums_that_it_is_in(
    world: Any, tmp_path: Path, mechanism: Mechanism
) -> None:
    """Client 4 has one pass of six batches in each round, and is missing in the first sum of each."""
    here = world(clients=5, rounds=2, mechanism=mechanism)
    drops = {0: ("mask", (4,)), 6: ("mask", (4,))}
    outcome = go(here, BATCHES, tmp_path / "run", drops, aggregation=Secure())
    assert outcome is not None
    lines = read_lines(tmp_path / "run" / "ledger.jsonl")
    assert [4 in line["clients"] for line in lines] == [False, *[True] * 5] * 2, "a line for every sum that is opened"
    spent = json.loads((tmp_path / "run" / "privacy.json").read_text())["clients"]
    streams = 3 if isinstance(mechanism, Paper) else 1
    assert [expense["count"] for expense in spent["4"]["expenses"]] == [2 * streams]
    assert [expense["count"] for expense in spent["0"]["expenses"]] == [6 * streams], "a pass in every other sum"


def entries(**changes: Any) -> LedgerEntry:
    return LedgerEntry(**{"round": 2, "exchange": 0, "attempt": 0, "clients": (0, 1), "start": "s", **changes})


def test_a_number_is_used_again_only_where_everything_that_bits_follow_from_is_the_same(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mechanism = world(mechanism=Central(noise_multiplier=2.0)).fitted(ROUNDS)
    Ledger(tmp_path, mechanism).charge(entries())
    ledger = Ledger(tmp_path, mechanism)
    assert ledger.attempt(2, (0, 1), "s") == 0
    assert ledger.attempt(2, (0, 1)) == 0, "states that are not known yet are taken to be the same"
    assert ledger.attempt(1, (0, 1), "s") == 0, "nothing of it is on record"
    assert ledger.attempt(2, (0, 1, 2), "s") == 1, "a availability that was changed"
    assert ledger.attempt(2, (0, 1), "other") == 1, "an earlier round that ended otherwise"
    assert Ledger(tmp_path, mechanism, repeats=False).attempt(2, (0, 1), "s") == 1, "a GPU, or masks"
    monkeypatch.setattr("fedsilo.privacy.ledger.describe_arithmetic", lambda: "another machine")
    moved = Ledger(tmp_path, mechanism)
    assert moved.attempt(2, (0, 1), "s") == 1
    moved.charge(entries(attempt=1))
    monkeypatch.undo()
    assert Ledger(tmp_path, mechanism).attempt(2, (0, 1), "s") == 2, "and back: nothing tells what came in between"


def test_a_number_is_not_used_again_by_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = describe_arithmetic()
    assert describe_arithmetic() == before
    monkeypatch.setattr("fedsilo.storage.environment.hash_source", lambda: "0" * 64)
    assert describe_arithmetic() != before, "another source of fedsilo, whose bits may be others"


@pytest.mark.parametrize("how", [Plain(), Secure()])
def test_a_run_of_an_older_version_goes_on_with_new_noise_that_is_charged(
    world: Any, tmp_path: Path, used: Uses, how: Aggregation
) -> None:
    """Its ledger has no line for an exchange that cost nothing, and says nothing of states and arithmetic."""
    here = world(clients=CLIENTS, rounds=2, mechanism=Central(**SHUFFLED))
    whole = go(here, BATCHES, tmp_path / "whole", {}, aggregation=how)
    assert go(here, BATCHES, tmp_path / "run", {8: "begin"}, aggregation=how) is None
    path, due = tmp_path / "run" / "ledger.jsonl", here.fitted(BATCHES)
    lines = [line for line in read_lines(path) if any(due.expenses(c, line["exchange"]) for c in line["clients"])]
    for line in lines:
        del line["start"], line["arithmetic"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = go(here, BATCHES, tmp_path / "run", {}, aggregation=how)
    assert whole is not None
    assert ended is not None
    attempts = {(line["round"], line["attempt"]) for line in read_lines(path)}
    assert attempts == {(0, 0), (1, 0), (1, 1)}
    assert (ended.epsilon or 0) > (whole.epsilon or 0)
