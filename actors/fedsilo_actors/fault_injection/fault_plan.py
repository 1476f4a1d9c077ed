"""The plan of faults, a function of the chaos seed, so that a run under faults can be repeated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fedsilo.config.sections import Scenario
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.core.seeds import derive
from fedsilo.core.state import write_bytes
from fedsilo.storage.run_folder import read_json

KINDS: Mapping[str, tuple[str, ...]] = {
    "kill": ("client", "encoder", "coordinator", "driver", "node"),
    "hang": ("client", "encoder", "coordinator"),
    "raise": ("client", "encoder"),
    "exhaust": ("client",),
    "damage": ("checkpoint",),
    "fill": ("store", "disk"),
}
"""The possible targets of each deed."""

LARGEST_STORE_MB = 1024
"""Largest object store that is filled; a larger one would use up the machine's memory."""

PLAN = "chaos.json"


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """One point of a run where one kind of fault can strike.

    Attributes:
        kind: Deed and target: "kill client".
        stage: The stage of the run: "train", "evaluate", "save", "encode", "watch", "prepare".
        round: The round, 0 outside rounds.
        exchange: The exchange within it; for an encoder the first image of the chunk.
        client: The client, 0 where no client is concerned.
    """

    kind: str
    stage: str
    round: int = 0
    exchange: int = 0
    client: int = 0


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The faults of one run.

    Attributes:
        seed: The chaos seed.
        odds: Probability of each kind at each point where it can strike, in [0, 1].
        hang_s: How long a client or an encoder that hangs sleeps, seconds: longer than any time limit.
    """

    seed: int
    odds: Mapping[str, float]
    hang_s: float = 3600.0

    def is_due(self, point: FaultPoint) -> bool:
        """Checks whether a fault is planned for a point; the answer is always the same.

        Args:
            point: The point.

        Returns:
            Whether it is.
        """
        purpose = f"chaos: {point.kind}, {point.stage}"
        drawn = derive(self.seed, purpose, round=point.round, client=point.client, step=point.exchange)
        return drawn / 2**63 < self.odds.get(point.kind, 0.0)

    def write(self, folder: Path) -> None:
        """Writes the plan into a run's folder.

        Args:
            folder: The run's folder.
        """
        write_bytes(folder / PLAN, json.dumps(asdict(self)).encode())


def read_plan(folder: Path) -> FaultPlan:
    """Reads the plan in a run's folder.

    Args:
        folder: The run's folder.

    Returns:
        The plan.

    Raises:
        RunError: There is none, or it is damaged.
    """
    document = read_json(folder / PLAN)
    try:
        return FaultPlan(int(document["seed"]), dict(document["odds"]), float(document["hang_s"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder / PLAN}: is no plan of faults: {error!r}.") from error


def parse_odds(asked: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Parses the faults that were asked for on the command line.

    Args:
        asked: By deed ("kill"), each "target:chance", as in "client:0.1".

    Returns:
        Probability by kind.

    Raises:
        ScenarioError: Words are malformed, unknown, given twice or not in [0, 1]; it names all of them.
    """
    found: dict[str, float] = {}
    problems: list[str] = []
    for deed, words in asked.items():
        for word in words:
            target, _, chance = word.partition(":")
            kind, trouble = f"{deed} {target}", _trouble(deed, target, chance)
            if not trouble and kind in found:
                trouble = "is given twice. Give it once."
            if trouble:
                problems.append(f"--{deed} {word}: {trouble}")
            else:
                found[kind] = float(chance)
    if not found and not problems:
        problems.append("chaos: no fault is asked for. Give some, for example --kill client:0.1.")
    if problems:
        raise ScenarioError("\n".join(problems), problems)
    return found


def _trouble(deed: str, target: str, chance: str) -> str:
    if target not in KINDS[deed]:
        return f"there is no '{target}' to {deed}. There is: {', '.join(KINDS[deed])}."
    try:
        value = float(chance)
    except ValueError:
        return f"needs a chance from 0 to 1, as in {target}:0.1."
    return "" if 0 <= value <= 1 else f"the chance must be from 0 to 1, got {value:g}."


def check_faults(odds: Mapping[str, float], scenario: Scenario, limit_s: float) -> None:
    """Refuses faults that this scenario cannot have, and scenarios that are meant to end otherwise after a fault.

    Args:
        odds: Probability of each kind.
        scenario: The scenario.
        limit_s: Longest time of one attempt, seconds.

    Raises:
        ScenarioError: There are problems; it names all of them.
    """
    actors, hanging = scenario.actors, [kind for kind in odds if kind.startswith("hang")]
    problems: list[str] = []
    if actors.backend != "ray":
        problems.append("actors.backend: is serial, where no part can fail alone. Use ray.")
    if actors.address:
        problems.append("actors.address: faults are only for a Ray that this run starts itself. Leave it empty.")
    if scenario.aggregation.masks:
        problems.append(
            "aggregation: a masked sum goes on without a client that dropped out, so its hashes differ by design. "
            "Use plain."
        )
    if hanging and actors.timeout_s > limit_s / 4:
        problems.append(
            f"actors.timeout_s: an actor that hangs is given up after {actors.timeout_s:g} s, "
            f"an attempt has {limit_s:g} s. Lower it, for example to 10, or raise --limit."
        )
    if "fill store" in odds and not 0 < actors.object_store_mb <= LARGEST_STORE_MB:
        problems.append(
            f"actors.object_store_mb: must be from 80 to {LARGEST_STORE_MB} to be filled, got {actors.object_store_mb}."
        )
    if problems:
        raise ScenarioError("\n".join(problems), problems)
