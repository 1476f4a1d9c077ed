"""Finds contradictions between sections that are sound alone, without loading any data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fedsilo.config.optimizer_checks import check_exact_counts, check_optimizer
from fedsilo.config.partition_checks import check_corruption, check_unseen_classes
from fedsilo.config.protection_checks import (
    check_gradient_mechanism,
    check_identities,
    check_noise_shares,
    check_privacy_without_uploads,
    check_separable_examples,
    check_single_updates,
    check_sum_size,
)
from fedsilo.config.reference_checks import check_reference_names, check_reference_training, check_references
from fedsilo.config.resource_checks import (
    check_client_numbers,
    check_cluster_address,
    check_cuda_without_gpus,
    check_gpus_with_cpu_device,
    check_pretended_gpus,
    check_serial_backend,
)
from fedsilo.config.sections import Scenario
from fedsilo.config.straggler_checks import check_late_updates, check_over_selection, check_straggler_clients
from fedsilo.config.training_checks import check_participation, check_views

RULES: dict[Callable[[Scenario], Iterator[str]], tuple[str, ...]] = {
    check_gpus_with_cpu_device: ("actors", "backbone.device"),
    check_pretended_gpus: ("actors.pretend_gpus", "backbone.device"),
    check_cuda_without_gpus: ("actors", "backbone.device"),
    check_serial_backend: ("actors",),
    check_cluster_address: ("actors",),
    check_client_numbers: ("actors.clients", "actors.groups", "partition"),
    check_views: ("training.online", "training.views"),
    check_optimizer: ("method", "training.optimizer"),
    check_exact_counts: ("method", "privacy"),
    check_privacy_without_uploads: ("method", "privacy"),
    check_single_updates: ("method", "aggregation", "privacy"),
    check_gradient_mechanism: ("method", "privacy"),
    check_noise_shares: ("privacy", "aggregation.name"),
    check_separable_examples: ("privacy", "method"),
    check_sum_size: ("aggregation", "partition", "training.participation", "method"),
    check_identities: ("aggregation", "partition", "method"),
    check_late_updates: ("stragglers", "method", "aggregation", "privacy"),
    check_over_selection: ("stragglers", "training.participation"),
    check_straggler_clients: ("stragglers", "availability", "partition"),
    check_participation: ("training.participation", "partition"),
    check_reference_names: ("evaluation.references",),
    check_corruption: ("partition",),
    check_unseen_classes: ("partition", "method", "evaluation.references"),
    check_references: ("evaluation.references", "method", "training", "aggregation", "privacy", "stragglers"),
    check_reference_training: ("evaluation.references", "method", "training"),
}
"""The rules, each with the key paths that it reads."""


def find_contradictions(
    scenario: Scenario, doubtful: Callable[[tuple[str, ...]], bool] = lambda path: False
) -> list[str]:
    """Finds what contradicts what between the sections of a scenario.

    Args:
        scenario: The scenario; a part with a known problem is at its default, or None.
        doubtful: Whether a key path has a known problem; rules that read it are skipped.

    Returns:
        Lines "section.key: what contradicts what. What to do."; empty for a scenario that can be run.
    """

    def readable(key: str) -> bool:
        path = tuple(key.split("."))
        return getattr(scenario, path[0]) is not None and not doubtful(path)

    sound = [rule for rule, reads in RULES.items() if all(map(readable, reads))]
    return [line for rule in sound for line in rule(scenario)]
