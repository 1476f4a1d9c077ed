"""The sections that every partition has: altered images of some clients, and what is kept out of training."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.config_fields import key


@dataclass(frozen=True, slots=True)
class Corruption:
    """Altered images of some clients: another camera, another scanner."""

    kinds: list[str] = key(
        list, "What is done, for example [blur, noise]: each client gets one of them. Empty: nothing."
    )
    severity: int | list[int] = key(3, "From 1, hardly seen, to 5; of several, as in [1, 3, 5], each client gets one.")
    clients: float = key(1.0, "Part of the clients whose images are altered, drawn, rounded.", within="in [0, 1]")


@dataclass(frozen=True, slots=True)
class Unseen:
    """Clients, domains and classes that are excluded from training and measured nevertheless."""

    clients: int | list[int] = key(0, "Clients that never train: how many, drawn, or which ones, for example [3, 7].")
    domains: list[str] = key(
        list, "Domains that no client trains on; each becomes one more client, which is only measured."
    )
    classes: float = key(
        0.0,
        "Part of the classes that no client trains on, the last ones: every client is measured on them with their "
        "names only, and on the others with theirs (base-to-new).",
        within="in [0, 1)",
    )
