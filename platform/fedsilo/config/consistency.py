"""Sections that are sound alone and contradict each other; what can be known without loading any data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress

from fedsilo.config.layer_merging import split_method_name
from fedsilo.config.optimizer_checks import check_optimizer
from fedsilo.config.reference_methods import find_refusals, make_reference
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.sections import Actors, Scenario
from fedsilo.config.straggler_checks import (
    check_late_updates,
    check_over_selection,
    check_straggler_clients,
    count_clients,
)
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import name_of, title_of
from fedsilo.core.training_settings import FLOATING_ERROR
from fedsilo.partitioning.corruption.alteration import Alteration
from fedsilo.partitioning.corruption.kinds import SEVERITIES


def find_contradictions(
    scenario: Scenario, doubtful: Callable[[tuple[str, ...]], bool] = lambda path: False
) -> list[str]:
    """Returns "section.key: what contradicts what. What to do." lines, none for a scenario that can be run.

    Args:
        scenario: The scenario; what is doubtful in it is at its default, or not there at all.
        doubtful: Whether something is known to be wrong at a key path; what is wrong anyway contradicts nothing.
    """

    def readable(key: str) -> bool:
        path = tuple(key.split("."))
        return getattr(scenario, path[0]) is not None and not doubtful(path)

    sound = [rule for rule, reads in RULES.items() if all(map(readable, reads))]
    return [line for rule in sound for line in rule(scenario)]


def check_corruption(scenario: Scenario) -> Iterator[str]:
    """Kinds and severities are known to the corruptions, which the partition's contract knows nothing of."""
    corruption = scenario.partition.corruption
    severities = [corruption.severity] if isinstance(corruption.severity, int) else corruption.severity
    if not severities:
        yield "partition.corruption.severity: is empty. Give a number from 1 to 5, or several."
    for severity in severities:
        if severity not in SEVERITIES:
            yield f"partition.corruption.severity: must be 1 to {SEVERITIES[-1]}, got {severity}."
    for line in dict.fromkeys(line for kind in corruption.kinds for line in Alteration(kind, 1).problems()):
        yield f"partition.corruption.kinds: {line.partition(': ')[2]}"


def check_unseen_classes(scenario: Scenario) -> Iterator[str]:
    """What was learnt for each class says nothing of classes that nobody trained on."""
    methods = {title_of(scenario.method): scenario.method}
    with suppress(UnknownComponent, TypeError):  # said by `check_reference_names`
        methods |= {name: make_reference(name, scenario.method) for name in scenario.evaluation.references}
    for name, method in methods.items():
        if scenario.partition.unseen.classes and not method.reads_names:
            has = hasattr(method, "class_specific")
            yield (
                f"partition.unseen.classes: '{name}' learns something for every class, which new classes have nothing "
                f"of. Use another method{', or method.class_specific=false' if has else ''}."
            )


def check_gpus_with_cpu_device(scenario: Scenario) -> Iterator[str]:
    """A client cannot use a GPU that the backbone is told to stay away from; pretended GPUs compute nothing anyway."""
    if scenario.backbone.device == "cpu" and gpu_keys(scenario.actors) and not scenario.actors.pretend_gpus:
        key = gpu_keys(scenario.actors)[0]
        yield f"{key}: asks for a GPU, but backbone.device is 'cpu'. Set it to 'auto', or ask for no GPU."


def check_pretended_gpus(scenario: Scenario) -> Iterator[str]:
    """Nothing can be computed on a GPU that does not exist."""
    if scenario.actors.pretend_gpus and scenario.backbone.device.startswith("cuda"):
        yield (
            f"actors.pretend_gpus: {scenario.actors.pretend_gpus} pretended GPUs cannot be computed on, but "
            f"backbone.device is '{scenario.backbone.device}'. Set it to 'cpu', or pretend none."
        )


def check_cuda_without_gpus(scenario: Scenario) -> Iterator[str]:
    """On Ray a client computes on the GPU that it is given; where none is, "cuda" would not be what happens."""
    actors, device = scenario.actors, scenario.backbone.device
    if actors.backend != "ray" or actors.pretend_gpus or not device.startswith("cuda"):
        return
    if not gpu_keys(actors):
        yield (
            f"backbone.device: is '{device}', but actors.gpus_per_client is 0, and Ray clients compute on a GPU only "
            "if they are given one. Give them a share, such as 0.25, or set the device to 'auto'."
        )
    elif device != "cuda":
        yield f"backbone.device: is '{device}', but Ray chooses which GPU an actor gets. Set it to 'cuda'."


def check_serial_backend(scenario: Scenario) -> Iterator[str]:
    """The serial backend has no actors that could be given anything."""
    actors = scenario.actors
    if actors.backend != "serial":
        return
    others = ("pretend_gpus", "address", "clients_per_actor")
    asked = [*gpu_keys(actors), *(f"actors.{key}" for key in others if getattr(actors, key))]
    for key in asked:
        yield f"{key}: is for Ray actors, but actors.backend is 'serial'. Leave it out, or set the backend to 'ray'."


def check_cluster_address(scenario: Scenario) -> Iterator[str]:
    """What a Ray is started with cannot be said to one that runs already."""
    actors = scenario.actors
    for key in ("pretend_gpus", "object_store_mb", "dashboard"):
        if actors.address and getattr(actors, key):
            yield (
                f"actors.{key}: is for a Ray that is started here, but actors.address is '{actors.address}'. "
                "Leave out one of the two."
            )


def check_client_numbers(scenario: Scenario) -> Iterator[str]:
    """Resources can be given only to clients that there are."""
    clients = count_clients(scenario)
    actors = scenario.actors
    named = [(f"clients.{number}", number) for number in actors.clients]
    named += [(f"groups.{name}.clients", number) for name, group in actors.groups.items() for number in group.clients]
    for key, number in named:
        if clients is not None and number >= clients:
            yield f"actors.{key}: there is no client {number}, the partition makes 0 to {clients - 1}."


def check_views(scenario: Scenario) -> Iterator[str]:
    """Views are either cached or drawn anew."""
    if scenario.training.online and scenario.training.views:
        yield (
            f"training.online: draws new views, but training.views asks for {scenario.training.views} cached ones. "
            "Choose one of the two."
        )


def check_privacy_without_uploads(scenario: Scenario) -> Iterator[str]:
    """Where nothing leaves a client there is nothing to protect, and a budget in the report would mislead."""
    mode, method = name_of(scenario.privacy), scenario.method
    if mode == "none" or (method.trains and method.uploads):
        return
    why = "sends nothing" if method.trains else "trains nothing"
    yield f"privacy.mode: '{mode}' protects what clients send, but method '{title_of(method)}' {why}. Set it to 'none'."


def check_single_updates(scenario: Scenario) -> Iterator[str]:
    """Some methods compare clients' updates on the server; a sum is not enough for them."""
    method = scenario.method
    if not method.reads_updates:
        return
    needs = f"method '{title_of(method)}' needs each client's update in the clear"
    if not scenario.aggregation.shows_updates:
        yield f"aggregation.name: '{name_of(scenario.aggregation)}' shows their sum only, but {needs}. Use 'plain'."
    if name_of(scenario.privacy) != "none":
        yield f"privacy.mode: '{name_of(scenario.privacy)}' protects their mean only, but {needs}. Use 'none'."


def check_gradient_mechanism(scenario: Scenario) -> Iterator[str]:
    """Some mechanisms are stated for one gradient per batch and say nothing of a round's training."""
    mechanism, method = scenario.privacy, scenario.method
    if mechanism.per_batch and method.uploads and not method.uploads_gradients:
        yield (
            f"privacy.mode: '{name_of(mechanism)}' is for methods that send every batch's gradient, method "
            f"'{title_of(method)}' sends what a round's training gives. Set method.synchronise to 'batch'"
            f"{'' if hasattr(method, 'synchronise') else ' (which this method has not: choose another one)'}."
        )


def check_noise_shares(scenario: Scenario) -> Iterator[str]:
    """A share of the noise hides nothing; all of them together do, in a sum that is all anybody sees."""
    if scenario.privacy.adds_shares and not scenario.aggregation.masks:
        yield (
            f"privacy.mode: '{name_of(scenario.privacy)}' adds noise in shares, but aggregation.name "
            f"'{name_of(scenario.aggregation)}' shows each client's update with its share only. Set it to 'secure'."
        )


def check_separable_examples(scenario: Scenario) -> Iterator[str]:
    """Clipping an example's gradient bounds what it does only if it does nothing elsewhere."""
    method = scenario.method
    if scenario.privacy.by_example and method.trains and method.uploads and not method.separable:
        yield (
            f"privacy.unit: 'example' needs losses of single examples, method '{title_of(method)}' {method.entangled}."
        )


def check_sum_size(scenario: Scenario) -> Iterator[str]:
    """A secure sum takes a number of clients, in the rounds with the fewest as well."""
    clients = count_clients(scenario)
    if clients is None or not scenario.method.uploads:
        return
    fewest = scenario.training.participants(clients)
    for count in sorted({fewest, clients}):
        for line in scenario.aggregation.refusals(count):
            yield f"aggregation.{line}"
            return


def check_identities(scenario: Scenario) -> Iterator[str]:
    """Where clients sign, everybody must know every client's public key."""
    clients = count_clients(scenario)
    if clients is not None and scenario.method.uploads:
        for line in scenario.aggregation.identity_problems(clients):
            yield f"aggregation.{line}"


def check_participation(scenario: Scenario) -> Iterator[str]:
    """A round needs a client."""
    clients, share = count_clients(scenario), scenario.training.participation
    if clients is not None and share * clients < 1 - FLOATING_ERROR:
        least = math.ceil(1000 / clients) / 1000 if clients <= 1000 else 1 / clients
        yield f"training.participation: {share} of {clients} clients is less than one. Use at least {least:.3g}."


def check_reference_names(scenario: Scenario) -> Iterator[str]:
    """Methods to compare with are named without keys, so each must be one that can do without."""
    for name in scenario.evaluation.references:
        try:
            for path, part in split_method_name(name).items():
                find_component(path, part)()
        except UnknownComponent as error:
            yield f"evaluation.references: {error}"
        except TypeError:
            yield f"evaluation.references: method '{name}' needs keys. Run it as a scenario of its own."


def check_references(scenario: Scenario) -> Iterator[str]:
    """A reference is trained with the method's keys, under the same mechanism and aggregation; not all can be."""
    for name in scenario.evaluation.references:
        try:
            made = make_reference(name, scenario.method)
        except (UnknownComponent, TypeError):
            continue  # said by `check_reference_names`
        if name == title_of(scenario.method):
            continue  # nothing is run twice, and the method's own rules have spoken
        for why in find_refusals(made, scenario.privacy, scenario.aggregation, scenario.pace.buffered):
            yield (
                f"evaluation.references: '{name}' cannot be trained with this scenario's keys: {why}. Leave it out, "
                "or use `fedsilo compare`, where every method has keys of its own."
            )


RULES: dict[Callable[[Scenario], Iterator[str]], tuple[str, ...]] = {
    check_gpus_with_cpu_device: ("actors", "backbone.device"),
    check_pretended_gpus: ("actors.pretend_gpus", "backbone.device"),
    check_cuda_without_gpus: ("actors", "backbone.device"),
    check_serial_backend: ("actors",),
    check_cluster_address: ("actors",),
    check_client_numbers: ("actors.clients", "actors.groups", "partition"),
    check_views: ("training.online", "training.views"),
    check_optimizer: ("method", "training.optimizer"),
    check_privacy_without_uploads: ("method", "privacy"),
    check_single_updates: ("method", "aggregation", "privacy"),
    check_gradient_mechanism: ("method", "privacy"),
    check_noise_shares: ("privacy", "aggregation.name"),
    check_separable_examples: ("privacy", "method"),
    check_sum_size: ("aggregation", "partition", "training.participation", "method"),
    check_identities: ("aggregation", "partition", "method"),
    check_late_updates: ("pace", "method", "aggregation", "privacy"),
    check_over_selection: ("pace", "training.participation"),
    check_straggler_clients: ("pace", "trace", "partition"),
    check_participation: ("training.participation", "partition"),
    check_reference_names: ("evaluation.references",),
    check_corruption: ("partition",),
    check_unseen_classes: ("partition", "method", "evaluation.references"),
    check_references: ("evaluation.references", "method", "aggregation", "privacy", "pace"),
}
"""The rules, each with what it reads."""


def gpu_keys(actors: Actors) -> list[str]:
    """Returns the keys that ask for a GPU."""
    single = [f"actors.{key}.gpus" for key, resources in actors.overrides().items() if resources.gpus]
    return (["actors.gpus_per_client"] if actors.gpus_per_client else []) + single
