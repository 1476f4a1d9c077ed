"""The sections of a scenario that are not components; their fields are the keys, with their meanings as `help`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fedsilo.config.evaluation_section import Evaluation
from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import Aggregation, Availability, Dataset, Mechanism, Method, Partition, Task
from fedsilo.core.config_fields import key
from fedsilo.core.training_settings import Training
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.storage.loggers.mlflow import MLflow
from fedsilo.storage.loggers.tensorboard import TensorBoard
from fedsilo.storage.loggers.wandb import WeightsAndBiases

LOGGERS = ("tensorboard", "mlflow", "wandb")
"""Loggers by name, which are fields of `Tracking`."""

OWN_KEYS = {"GPU": "gpus", "CPU": "cpus", "memory": "actors.memory_mb_per_client"}
"""Resources with a key of their own, which is named here."""

AUTO, PACK, SPREAD = "auto", "pack", "spread"

_WORD = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
LABEL_NAME = re.compile(rf"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?{_WORD}")
"""Names of labels that Ray accepts."""

LABEL = re.compile(rf"!?({_WORD}|in\( *{_WORD}( *, *{_WORD})* *\))")
"""Values of labels that Ray accepts."""

SMALLEST_STORE_MB = 80
"""Ray refuses a smaller object store."""


@dataclass(frozen=True)
class Heading:
    """The keys above the sections."""

    name: str = key("", "Name of the run folders; the file's own name by default.")
    seed: int = key(0, "All random draws follow from it.", within=">= 0")


@dataclass(frozen=True)
class ClientResources:
    """Resources of one client actor, where they differ from those of the others."""

    gpus: float | None = key(None, "GPU share of this client: a fraction up to 1, or a whole number.", within=">= 0")
    cpus: float | None = key(None, "CPUs of this client.", within=">= 0")
    resources: dict[str, float] = key(
        dict, "Amounts of the cluster's own resources, by their names, for example {TPU: 1}."
    )
    labels: dict[str, str] = key(
        dict, "Labels that its node must have, beside those of actors.labels and before them where both name one."
    )


@dataclass(frozen=True)
class GroupResources(ClientResources):
    """Resources of each client of a group, where they differ from those of the others."""

    clients: list[int] = key(list, "Numbers of the clients.")


@dataclass(frozen=True)
class Actors:
    """Where clients live and what they may use."""

    backend: str = key("ray", "Ray actors, or all clients one after the other in this process.", "ray", "serial")
    address: str = key("", "Ray cluster: empty for this machine, else 'auto' or host:port.")
    clients_per_actor: int = key(
        0,
        "Clients per actor, which work one after the other; they must ask for the same resources, which the actor gets "
        "once. 0: one each or, where so many processes do not fit into memory, enough for one actor per core.",
        within=">= 0",
    )
    gpus_per_client: float | str = key(
        0.0,
        "GPU share of each client actor: a fraction up to 1, or a whole number. auto: measured before the first round "
        "by the client with the most work, on a GPU of its own.",
        AUTO,
        within=">= 0",
    )
    cpus_per_client: float = key(
        0.0, "CPUs Ray reserves for each client actor; 0 lets all share the cores.", within=">= 0"
    )
    memory_mb_per_client: int = key(
        0, "Memory Ray reserves for each client actor, MiB; 0 reserves none.", within=">= 0"
    )
    labels: dict[str, str] = key(
        dict,
        "Labels that the node of every client actor must have, for example {ray.io/accelerator-type: A100}; as a "
        "value Ray also takes '!A100', 'in(A100, H100)' and '!in(A100, H100)'.",
    )
    placement: str = key(
        PACK,
        "pack: client actors that ask for resources use as few nodes as possible; spread: all client actors use as "
        "many nodes as there are.",
        PACK,
        SPREAD,
    )
    clients: dict[int, ClientResources] = key(
        dict, "Resources of single clients by number, for example {3: {gpus: 0.5}}; they come before all others."
    )
    groups: dict[str, GroupResources] = key(
        dict, "Resources of groups of clients, for example {large: {clients: [0, 1], gpus: 0.5}}; then come these."
    )
    domains: dict[str, ClientResources] = key(
        dict, "Resources of the clients of a domain, for example {photo: {gpus: 0.5}}; then these."
    )
    threads: int = key(1, "Torch threads per client; part of what the numbers depend on.", within=">= 1")
    encoders: int = key(
        0,
        "Encoder actors for image features; 0: one per GPU of the cluster, which they give back before clients are "
        "placed, or one per core where there is no GPU or backbone.device is cpu.",
        within=">= 0",
    )
    pretend_gpus: int = key(
        0, "GPUs that do not exist and that a local Ray pretends to have, to try placements; 0: none.", within=">= 0"
    )
    wait_for_nodes: bool = key(
        False,
        "For clusters that grow: waits for resources that are not there yet, start_timeout_s at most, instead of "
        "refusing the run.",
    )
    start_timeout_s: float = key(120.0, "Longest wait for actors to be placed and ready, seconds.", within="> 0")
    timeout_s: float = key(1800.0, "Longest wait for one exchange, evaluation or checkpoint, seconds.", within="> 0")
    retries: int = key(2, "How often a round is tried again after a client died.", within=">= 0")
    object_store_mb: int = key(
        0,
        f"Object store of a local Ray, MiB, >= {SMALLEST_STORE_MB}; 0: Ray's own choice, 30 % of the memory.",
        within=">= 0",
    )
    dashboard: bool = key(False, "Start the Ray dashboard with a local Ray; its address is printed.")
    log_level: str = key(
        "info",
        "Least level of the lines that actors write into Ray's logs, which the dashboard shows: a line per client and "
        "round with info, per exchange too with debug.",
        "debug",
        "info",
        "warning",
    )

    def overrides(self) -> dict[str, ClientResources]:
        """Returns the resources of single clients, groups and domains by key: "clients.3", "groups.large"."""
        single = {f"clients.{number}": own for number, own in self.clients.items()}
        grouped = {f"groups.{name}": own for name, own in self.groups.items()}
        return {**single, **grouped, **{f"domains.{name}": own for name, own in self.domains.items()}}

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields beyond their ranges."""
        found = [f"clients.{number}: clients are numbered from 0." for number in self.clients if number < 0]
        found += _problems_of_groups(self.groups)
        shares = {f"{where}.gpus": resources.gpus for where, resources in self.overrides().items()}
        for name, gpus in {"gpus_per_client": self.gpus_per_client, **shares}.items():
            if (
                isinstance(gpus, float) and gpus > 1 and gpus != int(gpus)
            ):  # Ray gives out parts of one GPU or whole ones
                found.append(f"{name}: must be at most 1 or a whole number, got {gpus}.")
        for where, resources in self.overrides().items():
            found += _problems_of_resources(f"{where}.resources", resources.resources)
            found += _problems_of_labels(f"{where}.labels", resources.labels)
        found += _problems_of_labels("labels", self.labels)
        if 0 < self.object_store_mb < SMALLEST_STORE_MB:
            found.append(f"object_store_mb: must be 0 or >= {SMALLEST_STORE_MB}, got {self.object_store_mb}.")
        return found


def _problems_of_groups(groups: Mapping[str, GroupResources]) -> Iterator[str]:
    """Refuses clients in two groups: their resources would depend on the order of the groups."""
    first: dict[int, str] = {}
    for name, group in groups.items():
        if not group.clients:
            yield f"groups.{name}.clients: is empty. Name the group's clients, for example [0, 1]."
        for number in group.clients:
            if number < 0:
                yield f"groups.{name}.clients: clients are numbered from 0, got {number}."
            elif number in first:
                yield f"groups.{name}.clients: client {number} is in '{first[number]}' already. Leave it in one."
            first.setdefault(number, name)


def _problems_of_resources(where: str, asked: Mapping[str, float]) -> Iterator[str]:
    for name, amount in asked.items():
        if name in OWN_KEYS:
            yield f"{where}.{name}: has a key of its own: {OWN_KEYS[name]}."
        elif amount <= 0 or (amount > 1 and amount != int(amount)):
            yield f"{where}.{name}: must be above 0, and at most 1 or a whole number, got {amount}."


def _problems_of_labels(where: str, asked: Mapping[str, str]) -> Iterator[str]:
    for name, value in asked.items():
        if not LABEL_NAME.fullmatch(name):
            yield f"{where}: a label's name is letters, digits, '-', '_' and '.', after domain/ or not, got {name!r}."
        if not LABEL.fullmatch(value):
            yield (
                f"{where}.{name}: must be a word of letters, digits, '-', '_' and '.', or one after '!', or some in "
                f"in(a, b) or !in(a, b), got {value!r}."
            )


@dataclass(frozen=True)
class Tracking:
    """Where results go."""

    root: str = key("runs", "Folder that holds the run folders.")
    checkpoints: int = key(2, "Checkpoints kept, the newest ones.", within=">= 1")
    loggers: list[str] = key(
        list, f"Loggers that receive every round, beside the run's own records: {', '.join(LOGGERS)}."
    )
    tensorboard: TensorBoard = key(TensorBoard, "Settings of that logger.")
    mlflow: MLflow = key(MLflow, "Settings of that logger.")
    wandb: WeightsAndBiases = key(WeightsAndBiases, "Settings of that logger.")

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields beyond their ranges."""
        found = [
            f"loggers: '{name}' is none. Available: {', '.join(LOGGERS)}."
            for name in self.loggers
            if name not in LOGGERS
        ]
        if not self.root.strip():
            found.append(
                "root: is empty, so runs would land in the current folder. Name a folder, or '.' if that is meant."
            )
        return found


@dataclass(frozen=True)
class Scenario:
    """One experiment, checked and complete.

    Attributes:
        source: Where it was read from, for messages; not part of the experiment.
    """

    name: str
    seed: int
    data: Dataset
    backbone: Backbone
    partition: Partition
    task: Task
    method: Method
    training: Training
    stragglers: StragglerPolicy
    availability: Availability
    evaluation: Evaluation
    privacy: Mechanism
    aggregation: Aggregation
    actors: Actors
    tracking: Tracking
    source: str = field(default="", compare=False)
