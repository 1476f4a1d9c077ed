"""`fedsilo validate`, `show`, `list` and `describe`: commands that train nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from fedsilo.cli.output import line, show_json
from fedsilo.cli.output import show as show_tables
from fedsilo.cli.run_commands import Json, Overrides, ScenarioFile, conclude


def validate(scenario: ScenarioFile, changes: Overrides = None, json: Json = False) -> None:
    """Check a scenario and print it completely, with all defaults.

    Args:
        scenario: Scenario file.
        changes: `key.path=value` texts that override the file.
        json: Whether to print JSON.
    """
    from fedsilo.config.dumping import to_mapping, to_yaml
    from fedsilo.config.scenario_reading import read

    checked = read(scenario, changes or ())
    if json:
        show_json(to_mapping(checked))
    else:
        line(to_yaml(checked).rstrip())


def show_run(folder: Path, json: bool) -> None:
    """Prints the tables of a run.

    Args:
        folder: The run's folder.
        json: Whether to print JSON.
    """
    from fedsilo.partitioning.heterogeneity import FILE, Scores
    from fedsilo.report.results.finished_run import load
    from fedsilo.report.terminal.partition_table import scores_line
    from fedsilo.report.terminal.run_tables import clients_table, rounds_table, slowest_line

    found = load(folder)
    if json:
        document: dict[str, Any] = {"run": str(folder), "finished": found.finished}
        document |= {"rounds": found.rounds.to_dict("records"), "clients": found.clients.to_dict("records")}
        show_json({**document, "result": found.result if found.finished else None})
        return
    if not found.rounds.empty:
        show_tables(rounds_table(found), clients_table(found))
        if (folder / FILE).exists():  # runs of earlier versions have none
            line(scores_line(Scores.read(folder / FILE)))
        if slowest := slowest_line(found):
            line(slowest)
    if found.finished:
        conclude(found, json=False)
    else:
        line(f"not finished: {len(found.rounds)} of {found.scenario.training.rounds} rounds. fedsilo resume {folder}")


def show(folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")], json: Json = False) -> None:
    """Print a run's rounds, clients and results from its records.

    Args:
        folder: The run's folder.
        json: Whether to print JSON.
    """
    show_run(folder, json)


def list_components(json: Json = False) -> None:
    """List methods, learners, strategies, tasks, partitions, shifts, data sets, availability and backbones.

    Args:
        json: Whether to print JSON.
    """
    from fedsilo.core import (
        Availability,
        ConceptShift,
        Dataset,
        FeatureShift,
        LabelShift,
        Learner,
        Method,
        Partition,
        QuantityShift,
        Strategy,
        Task,
    )
    from fedsilo.core.registry import find, names
    from fedsilo.report.terminal.component_tables import listing_table

    kinds: dict[str, Any] = {
        "methods": Method,
        "learners": Learner,
        "strategies": Strategy,
        "tasks": Task,
        "partitions": Partition,
        **{f"{contract.kind}s": contract for contract in (LabelShift, FeatureShift, QuantityShift, ConceptShift)},
        "data sets": Dataset,
        "availability": Availability,
    }
    found = {
        kind: [(name, _first_line(find(contract, name))) for name in names(contract)]
        for kind, contract in kinds.items()
    }
    found["backbones"] = _backbones()
    if json:
        show_json({kind: dict(entries) for kind, entries in found.items()})
        return
    for kind, entries in found.items():
        show_tables(listing_table(kind, entries))


def _backbones() -> list[tuple[str, str]]:
    from fedsilo.models.clip.catalogue import list_model_names

    own, *others = list_model_names()
    return [(own, "The shipped small CLIP."), ("any open_clip model", f"{len(others)} names, e.g. ViT-B-16, RN50.")]


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def describe(
    kind: Annotated[str | None, typer.Argument(help="A section, for example method.")] = None,
    name: Annotated[str | None, typer.Argument(help="A component, for example promptfl.")] = None,
    json: Json = False,
) -> None:
    """Print all scenario keys with type, default and meaning.

    Args:
        kind: A section; None for all of them.
        name: A component of the section; None for the section's own keys.
        json: Whether to print JSON.
    """
    from fedsilo.config.key_descriptions import describe as rows_of
    from fedsilo.config.key_descriptions import describe_everything
    from fedsilo.report.terminal.component_tables import description_table

    title = " ".join(word for word in (kind, name) if word)
    tables = [(title, rows_of(kind, name))] if kind else list(describe_everything())
    if json:
        show_json([asdict(row) for _, rows in tables for row in rows])
    else:
        show_tables(*(description_table(title, rows) for title, rows in tables))
