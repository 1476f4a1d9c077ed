"""A coordinator that is killed in the middle of a private round: what it drew, what is charged, what comes out."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray

from fedsilo.aggregation.plain import Plain
from fedsilo.aggregation.secure import Secure
from fedsilo.config.sections import Actors
from fedsilo.core import ClientTask, ClientUpdate, Release, RoundRecord, State
from fedsilo.core.state import sha256
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.run_folder import read_lines
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.runtime import RayRuntime, ray_runtime

pytestmark = [pytest.mark.ray, pytest.mark.slow(40)]

CLIENTS, METHOD = 4, DPFPL(context_length=3, rank=2)
SHUFFLED: dict[str, Any] = {"unit": "example", "sampling": "shuffled", "noise_multiplier": 2.0}
BEGUN = 2
"""Exchanges of round 0 that are over when the coordinator dies; the second is in the first one's pass."""

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[attr-defined]  # workers lack this file


def note(path: str, release: Release, content: State) -> None:
    with Path(path).open("a") as file:
        file.write(f"{release.generator.key.hex()} {sha256(content)}\n")


@dataclass(frozen=True)
class NotingCentral(Central):
    """Writes down under which key it adds noise to what."""

    notes: str = ""

    def protect_mean(self, mean: State, release: Release) -> State:
        note(self.notes, release, mean)
        return super().protect_mean(mean, release)

    def protect_private(self, gradients: State, release: Release) -> State:
        note(self.notes, release, gradients)
        return super().protect_private(gradients, release)


@dataclass(frozen=True)
class NotingShares(Distributed):
    """The same for what a client steps along; its shares in sums are drawn under keys of the same attempt."""

    notes: str = ""

    def protect_private(self, gradients: State, release: Release) -> State:
        note(self.notes, release, gradients)
        return super().protect_private(gradients, release)


def silent(part: str, record: RoundRecord) -> None:
    pass


def mortal(struck: Path) -> type[RayBackend]:
    """A backend that ends its coordinator's process once, when clients of round 0 were asked for another exchange."""

    class Mortal(RayBackend):
        def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
            self.strike(tasks)
            return super().train(tasks)

        def learn(self, tasks: Mapping[int, ClientTask]) -> None:
            super().learn(tasks)
            self.strike(tasks)

        def strike(self, tasks: Mapping[int, ClientTask]) -> None:
            task = next(iter(tasks.values()))
            if (task.round, task.exchange) == (0, BEGUN) and not struck.exists():
                struck.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    return Mortal


@pytest.fixture(scope="module")
def runtime() -> Iterator[RayRuntime]:
    section = Actors(object_store_mb=80, start_timeout_s=600, timeout_s=600, retries=1, clients_per_actor=2)
    with ray_runtime(section) as started:
        yield started


@pytest.mark.parametrize("case", ["central", "masked"])
def test_a_replaced_coordinator_uses_no_noise_key_on_other_content(
    runtime: RayRuntime, world: Any, tmp_path: Path, case: str
) -> None:
    """In the clear the same bits come again, at no charge; sums under masks are made with other noise and charged."""
    notes, folder = str(tmp_path / "notes"), tmp_path / "ray"
    folder.mkdir()
    masked = case == "masked"
    mechanism = NotingShares(**SHUFFLED, notes=notes) if masked else NotingCentral(**SHUFFLED, notes=notes)
    here = world(clients=CLIENTS, rounds=2, mechanism=mechanism, aggregation=Secure() if masked else Plain())
    runtime.backend = mortal(tmp_path / "struck")
    outcome = runtime.run(here.job(folder, METHOD, retries=1), here.prepared(), here.rules, silent)["method"]
    assert "the coordinator died" in outcome.notices[0]
    used = [line.split() for line in Path(notes).read_text().splitlines()]

    lines = [(line["round"], line["attempt"], line["exchange"]) for line in read_lines(folder / "ledger.jsonl")]
    first, second = (range(int(str(record["exchanges"]))) for record in outcome.records)
    again = 1 if masked else 0
    opened = [(0, 0, exchange) for exchange in range(BEGUN)] if masked else []
    assert lines == [*opened, *((0, again, exchange) for exchange in first), *((1, 0, e) for e in second)]
    keys = {key for key, _ in used}
    assert len(keys) == len({(key, content) for key, content in used}), "no key serves two contents"
    assert len(used) > len(keys) or masked, "what is done again in the clear is done under the same keys"

    (tmp_path / "serial").mkdir()
    job = here.job(tmp_path / "serial", METHOD)
    whole = SerialRuntime().run(job, here.prepared(), here.rules, silent)["method"]
    if masked:
        assert (outcome.epsilon or 0) > (whole.epsilon or 0)
    else:
        assert (outcome.shared_sha256, outcome.private_sha256) == (whole.shared_sha256, whole.private_sha256)
        assert outcome.epsilon == whole.epsilon
