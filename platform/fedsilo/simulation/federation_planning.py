"""The federations of a run: which methods are trained, and what each is planned to do."""

from __future__ import annotations

from pathlib import Path

from fedsilo.config.reference_methods import make_reference
from fedsilo.config.resource_checks import list_gpu_keys
from fedsilo.config.sections import Scenario
from fedsilo.core import Method
from fedsilo.core.registry import title_of
from fedsilo.core.state import to_arrays
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.simulation.client_sampling import traffic_of
from fedsilo.simulation.federation_plan import FederationPlan
from fedsilo.simulation.job import JobPart
from fedsilo.simulation.noise_calibration import check_aggregation, fit_mechanism
from fedsilo.simulation.preparation import Prepared
from fedsilo.simulation.schedule import Schedule

ZERO_SHOT = "zero_shot"


def methods_of(scenario: Scenario) -> dict[str, Method]:
    """Lists the methods of a run: zero-shot, which every round is compared with, the scenario's method, its references.

    Args:
        scenario: The scenario.

    Returns:
        Methods by name, in this order.
    """
    main = title_of(scenario.method)
    others = [name for name in scenario.evaluation.reference_names if name not in (main, ZERO_SHOT)]
    first = {} if main == ZERO_SHOT else {ZERO_SHOT: ZeroShot()}
    return {**first, main: scenario.method, **{name: make_reference(name, scenario.method) for name in others}}


def part_of(name: str, method: Method, scenario: Scenario, prepared: Prepared, folder: Path) -> JobPart:
    """Plans the federation of one method.

    Args:
        name: The method's name.
        method: The method.
        scenario: The scenario.
        prepared: What was made before round 0.
        folder: The run's folder.

    Returns:
        The federation, with its own folder.

    Raises:
        ScenarioError: The mechanism or the aggregation cannot serve this method's rounds.
    """
    sizes = prepared.manifest.training_sizes
    initial = to_arrays(method.initial_shared(prepared.model.seen_only(), scenario.seed))
    main = name == title_of(scenario.method)
    training = scenario.training if main else scenario.evaluation.training_of(name, scenario.training)
    schedule = Schedule(
        method=method,
        training=training,
        sizes=sizes,
        seed=scenario.seed,
        stragglers=scenario.stragglers,
        availability=scenario.availability,
        traffic=traffic_of(method, initial),
    )
    plan = FederationPlan(
        method=method,
        task=scenario.task,
        training=training,
        evaluate_every=scenario.evaluation.every,
        mechanism=fit_mechanism(scenario.privacy, schedule),
        aggregation=check_aggregation(scenario.aggregation.with_absolute_paths(), schedule),
        seed=scenario.seed,
        sizes=sizes,
        stragglers=scenario.stragglers,
        availability=scenario.availability,
        initial=initial,
        neighbour_rounds=_neighbour_rounds(scenario),
        retries=scenario.actors.retries,
        unseen=frozenset(client.number for client in prepared.manifest.clients if not client.seen),
        on_cpus=_on_cpus(scenario, prepared),
    )
    own = folder if main else folder / "references" / name.replace(":", ".")
    return JobPart(name, own, plan)


def _on_cpus(scenario: Scenario, prepared: Prepared) -> bool:
    """Whether no client computes on a GPU: in this process where the model is, on Ray by what actors are given."""
    actors = scenario.actors
    given = actors.backend == "ray" and not actors.pretend_gpus and bool(list_gpu_keys(actors))
    return prepared.model.device == "cpu" and not given


def _neighbour_rounds(scenario: Scenario) -> int:
    when = scenario.evaluation.neighbours
    return {"never": 0, "last": headline_rounds(scenario), "always": scenario.training.rounds}[when]


def headline_rounds(scenario: Scenario) -> int:
    """Finds how many evaluated rounds the headline averages.

    Args:
        scenario: The scenario.

    Returns:
        The scenario's number, or the method's own.
    """
    return scenario.evaluation.last or scenario.method.headline_rounds
