"""Opening of the page: the main numbers, the comparison of methods, and the scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from markupsafe import Markup

from fedsilo.core.metrics import NEW, UNSEEN, WORST, Measures
from fedsilo.core.registry import name_of
from fedsilo.report.number_formats import capitalize_first, format_bytes, format_number, list_numbers, pluralize
from fedsilo.report.page.page_data import PageData, Record
from fedsilo.report.page.page_elements import HtmlTable
from fedsilo.report.page.rendering import render
from fedsilo.report.terminal.run_tables import (
    describe_averaged_rounds,
    format_learning,
    format_selected,
    results_legend,
)


def draw_headline(data: PageData) -> Markup:
    """Draws the name of the run, its progress, and its main numbers.

    Args:
        data: The run's records.

    Returns:
        The page's header.
    """
    done = len(data.main.rounds) if data.main else 0
    return render(
        "headline",
        name=data.scenario.name,
        run=data.folder.name,
        finished=bool(data.result),
        done=done,
        rounds=data.scenario.training.rounds,
        method=data.method,
        tiles=list(_tiles(data)),
    )


def _tiles(data: PageData) -> Iterator[tuple[str, str, str]]:
    """The main numbers: value, name and remark of each."""
    rows = {str(row["method"]): row for row in data.rows}
    own, floor = rows.get(data.method), rows.get("zero_shot")
    measures, metric = data.measures, data.measures.headline
    local = measures.local
    if own:
        yield metric.shown(own[local]), f"local {metric.words}, {data.method}", _describe_rounds(data)
        yield metric.shown(own.get(measures.of(WORST))), "worst client", "its own test images"
    if own and floor and own is not floor:
        gain = metric.difference(own[local] - floor[local])
        yield (
            gain,
            "points over zero-shot" if metric.ratio else "over zero-shot",
            f"zero-shot {metric.shown(floor[local])}",
        )
    if own and own.get(measures.of(UNSEEN)) is not None:
        yield metric.shown(own[measures.of(UNSEEN)]), "unseen clients", "never trained"
    if own and own.get(measures.of(NEW)) is not None:
        yield metric.shown(own[measures.of(NEW)]), "new classes", "not trained on"
    if data.manifest:
        unseen = sum(not client.seen for client in data.manifest.clients)
        more = f"{len(data.manifest.classes)} classes" + (f", {unseen} unseen" if unseen else "")
        yield str(len(data.manifest.clients)), "clients", more
    if data.main and data.main.rounds:
        up = sum(record.get("upload_bytes", 0) for record in data.main.rounds)
        yield format_bytes(up), "uploaded", pluralize(len(data.main.rounds), "round")
    if data.main and data.main.privacy:
        yield _epsilon(data.main.privacy)


def _epsilon(guarantee: Record) -> tuple[str, str, str]:
    """The tile of the privacy budget. The records write an infinite epsilon as null."""
    epsilon = "∞" if guarantee["epsilon"] is None else format_number(guarantee["epsilon"])
    kind = "epsilon" if guarantee["guaranteed"] else "nominal epsilon"
    return epsilon, f"{kind} per {guarantee['unit']}", f"delta {guarantee['delta']:g}"


def _describe_rounds(data: PageData) -> str:
    return describe_averaged_rounds({"rows": data.rows, "headline": {"last_rounds": data.last_rounds}})


def draw_comparison(data: PageData) -> Markup:
    """Draws the table of all methods, with its legend and the run's warnings.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    rows, measures = data.rows, data.measures
    if not rows:
        return render("comparison", table=None)
    names = [name for name in measures.titles if any(row.get(name) is not None for row in rows)]
    about = f"{capitalize_first(measures.unit)}, {_describe_rounds(data)}" + ("" if data.result else ", so far")
    selected = any(row.get("selected_round") is not None for row in rows)
    table = HtmlTable(
        header=["method", *(measures.titles[name] for name in names), "first", "best*", *["selected"] * selected],
        rows=[_row(row, names, measures) + [format_selected(row, measures)] * selected for row in rows],
        about=about,
        bold=[number for number, row in enumerate(rows) if row["role"] == "method"],
    )
    columns = results_legend({"rows": rows, "metrics": list(map(asdict, measures.metrics))})
    warnings = data.result["warnings"] if data.result else []
    return render("comparison", table=table, legend=columns.splitlines(), warnings=warnings)


def _row(row: Record, names: list[str], measures: Measures) -> list[str]:
    values = (measures.written(name, row.get(name)) for name in names)
    return [str(row["method"]), *values, *format_learning(row, measures)]


def draw_scenario(data: PageData) -> Markup:
    """Draws a summary of the scenario in sentences, with the whole file folded below it.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    scenario, training, backbone = data.scenario, data.scenario.training, data.scenario.backbone
    return render(
        "scenario",
        dataset=name_of(scenario.data),
        partition=_partition(data),
        backbone=f"{backbone.name} ({backbone.pretrained})" if backbone.pretrained else backbone.name,
        method=data.method,
        rounds=pluralize(training.rounds, "round"),
        epochs=pluralize(training.local_epochs, "local epoch"),
        batch_size=training.batch_size,
        optimizer=training.optimizer.name,
        learning_rate=f"{training.optimizer.learning_rate:g}",
        cohort=_cohort(data),
        references=["zero-shot", *scenario.evaluation.reference_names],
        privacy=name_of(scenario.privacy),
        aggregation=name_of(scenario.aggregation),
        seed=scenario.seed,
        yaml=data.yaml,
    )


def _cohort(data: PageData) -> str:
    """Clients or updates of a round."""
    scenario = data.scenario
    if scenario.stragglers.buffer:
        return f"{pluralize(scenario.stragglers.buffer, 'buffered update')}"
    share = f"{100 * scenario.training.participation:g} % of the clients"
    return f"buffered updates of {share}" if scenario.stragglers.buffered else share


def _partition(data: PageData) -> str:
    manifest = data.manifest
    if manifest is None:
        return "not split yet"
    unseen = [client.number for client in manifest.clients if not client.seen]
    apart = f"; {pluralize(len(unseen), 'client')} never trained ({list_numbers(unseen)})" if unseen else ""
    return (
        f"{pluralize(len(manifest.classes), 'class', 'classes')} in {pluralize(len(manifest.domains), 'domain')}, "
        f"{manifest.train_examples:,} training and {manifest.test_examples:,} test images, "
        f"split by {_rule(manifest.rule)} among {pluralize(len(manifest.clients), 'client')}{apart}"
    )


def _rule(rule: Record) -> str:
    """Name of a partition with its shifts: "composed (label dirichlet, beta 0.3; feature domains)"."""
    shifts = [
        f"{slot} {value['name']}{_settings(value)}"
        for slot, value in rule.items()
        if isinstance(value, Mapping) and value.get("name", "none") not in ("none", "natural")
    ]
    return f"{rule.get('name', 'a rule')}" + (f" ({'; '.join(shifts)})" if shifts else _settings(rule))


def _settings(keys: Record) -> str:
    """Single values among a component's keys, without defaults and switches: ", beta 0.3"."""
    given = {key: value for key, value in keys.items() if key not in ("name", "clients", "min_train", "min_test")}
    texts = (f", {key} {v}" for key, v in given.items() if v and isinstance(v, (int, float, str)) and v is not True)
    return "".join(texts)
