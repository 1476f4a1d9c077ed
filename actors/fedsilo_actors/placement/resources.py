"""The resources that each client asks Ray for: the same for all, or its own, its group's or its domain's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fedsilo.config.sections import AUTO, Actors, ClientResources
from fedsilo.core.errors import ResourceError


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources that one actor asks Ray for.

    Attributes:
        gpus: GPUs, a fraction up to 1 or a whole number.
        cpus: CPUs that Ray reserves.
        memory: Bytes that Ray reserves, 0 for none.
        others: Names and amounts of other resources of the cluster, by name.
        labels: Names and values of the labels that its node must have, by name.
    """

    gpus: float
    cpus: float
    memory: int = 0
    others: tuple[tuple[str, float], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def larger(self, of: str) -> Resources | None:
        """Doubles the share of what ran out, up to a whole GPU.

        Args:
            of: "GPU" or "memory"; memory can only be doubled where some is reserved.

        Returns:
            The larger resources; None where no more can be given.
        """
        if of == "GPU":
            return replace(self, gpus=min(2 * self.gpus, 1.0)) if 0 < self.gpus < 1 else None
        return replace(self, memory=2 * self.memory) if self.memory else None

    def bundle(self) -> dict[str, float]:
        """Converts the resources to a placement group bundle.

        Returns:
            Amounts > 0 by resource name.
        """
        bundle = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory), **dict(self.others)}
        return {name: value for name, value in bundle.items() if value > 0}


def read_demands(section: Actors, domains: Sequence[str]) -> list[Resources]:
    """Reads what each client asks for: from `actors.clients`, else from its group, else from its domain.

    Args:
        section: The scenario's `actors`.
        domains: Each client's domain, "" when mixed.

    Returns:
        Resources in client order.

    Raises:
        ResourceError: Resources are given to a client or domain that the partition does not have.
    """
    for stranger in _strangers(section, domains):
        raise ResourceError(stranger)
    return [_demand(section, settings) for settings in _settings(section, domains)]


def find_automatic_clients(section: Actors, domains: Sequence[str]) -> list[int]:
    """Finds the clients whose share of a GPU is measured: `auto` is set, and nothing else for these clients.

    Args:
        section: The scenario's `actors`.
        domains: Each client's domain, "" when mixed.

    Returns:
        Their numbers, ascending.
    """
    if section.gpus_per_client != AUTO:
        return []
    return [n for n, own in enumerate(_settings(section, domains)) if all(one.gpus is None for one in own)]


def _settings(section: Actors, domains: Sequence[str]) -> Iterator[list[ClientResources]]:
    """The settings for each client in particular, in order of precedence."""
    groups = {number: group for group in section.groups.values() for number in group.clients}
    for number, domain in enumerate(domains):
        of_domain = section.domains.get(domain) if domain else None
        own = [section.clients.get(number), groups.get(number), of_domain]
        yield [settings for settings in own if settings is not None]


def _demand(section: Actors, settings: Sequence[ClientResources]) -> Resources:
    """The resources by the first setting that names each of them."""
    for_all = 0.0 if isinstance(section.gpus_per_client, str) else section.gpus_per_client  # not measured yet
    gpus = next((own.gpus for own in settings if own.gpus is not None), for_all)
    cpus = next((own.cpus for own in settings if own.cpus is not None), section.cpus_per_client)
    others = {name: amount for own in reversed(settings) for name, amount in own.resources.items()}
    labels = {**section.labels, **{name: value for own in reversed(settings) for name, value in own.labels.items()}}
    memory = section.memory_mb_per_client << 20
    return Resources(gpus, cpus, memory, tuple(sorted(others.items())), tuple(sorted(labels.items())))


def _strangers(section: Actors, domains: Sequence[str]) -> Iterator[str]:
    count = len(domains)
    groups = {f"groups.{name}.clients": group.clients for name, group in section.groups.items()}
    for key, numbers in {"clients": list(section.clients), **groups}.items():
        for number in sorted(numbers):
            if not 0 <= number < count:
                yield f"actors.{key}: there is no client {number}, the partition has {count} (0 to {count - 1})."
    known = sorted({domain for domain in domains if domain})
    for domain in sorted(set(section.domains) - set(known)):
        there = f"Clients are of: {', '.join(known)}." if known else "All clients are of several domains or of none."
        yield f"actors.domains: there is no client of the domain '{domain}' alone. {there}"
