"""The top of the page: what came out, and what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from fedsilo.core.metrics import NEW, UNSEEN, WORST, Measures
from fedsilo.core.registry import name_of
from fedsilo.report.page.markup import Markup, element, folded, joined, section, table
from fedsilo.report.page.page_data import Material, Record
from fedsilo.report.phrases import listed, number, several, size
from fedsilo.report.terminal.run_tables import averaged, learning, legend


def headline(material: Material) -> Markup:
    """Returns the name of the run, how far it is, and its main numbers."""
    asked = material.scenario.training.rounds
    done = len(material.main.rounds) if material.main else 0
    state = "finished" if material.result else f"not finished: {done} of {asked} rounds of {material.method}"
    about = element("p", f"fedsilo run {material.folder.name} · {state}", class_="faint")
    tiles = [_tile(value, what, more) for value, what, more in _numbers(material)]
    return element("header", element("h1", material.scenario.name), about, element("ul", tiles, class_="tiles"))


def _tile(value: str, what: str, more: str) -> Markup:
    return element("li", element("b", value), element("span", what), element("small", more))


def _numbers(material: Material) -> Iterator[tuple[str, str, str]]:
    """Value, what it is, and a word about it."""
    rows = {str(row["method"]): row for row in material.rows}
    own, floor = rows.get(material.method), rows.get("zero_shot")
    measures, metric = material.measures, material.measures.headline
    local = measures.local
    if own:
        yield metric.shown(own[local]), f"local {metric.words}, {material.method}", _averaged(material)
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
    if material.manifest:
        unseen = sum(not client.seen for client in material.manifest.clients)
        more = f"{len(material.manifest.classes)} classes" + (f", {unseen} unseen" if unseen else "")
        yield str(len(material.manifest.clients)), "clients", more
    if material.main and material.main.rounds:
        up = sum(record.get("upload_bytes", 0) for record in material.main.rounds)
        yield size(up), "uploaded", several(len(material.main.rounds), "round")
    if material.main and material.main.privacy:
        yield _epsilon(material.main.privacy)


def _epsilon(guarantee: Record) -> tuple[str, str, str]:
    """The tile of the budget. An epsilon that is infinite is null in the statement."""
    epsilon = "∞" if guarantee["epsilon"] is None else number(guarantee["epsilon"])
    kind = "epsilon" if guarantee["guaranteed"] else "nominal epsilon"
    return epsilon, f"{kind} per {guarantee['unit']}", f"delta {guarantee['delta']:g}"


def _averaged(material: Material) -> str:
    return averaged({"rows": material.rows, "headline": {"last_rounds": material.last_rounds}})


def comparison(material: Material) -> Markup:
    """Returns the table of all methods with its legend, warnings below it."""
    rows = material.rows
    if not rows:
        return section("Comparison", element("p", "No round has been measured yet."))
    measures = material.measures
    names = [name for name in measures.titles if any(row.get(name) is not None for row in rows)]
    header = ["method", *(measures.titles[name] for name in names), "first", "best*"]
    body = [_row(row, names, measures) for row in rows]
    about = f"{measures.unit.capitalize()}, {_averaged(material)}" + ("" if material.result else ", so far")
    result = {"rows": rows, "metrics": list(map(asdict, measures.metrics))}
    warnings = material.result["warnings"] if material.result else []
    return section(
        "Comparison",
        element("p", f"{about}. Bold is the scenario's method; first and best are single rounds."),
        table(header, body, about),
        [element("p", line, class_="faint") for line in legend(result).splitlines()],
        [element("p", element("b", "Warning: "), line, class_="warning") for line in warnings],
    )


def _row(row: Record, names: list[str], measures: Measures) -> list[str]:
    values = (measures.written(name, row.get(name)) for name in names)
    cells = [str(row["method"]), *values, *learning(row, measures)]
    return [element("b", cell) for cell in cells] if row["role"] == "method" else cells


def asked(material: Material) -> Markup:
    """Returns what the scenario asks, in sentences, and the whole of it folded."""
    return section(
        "Scenario",
        [element("p", sentence) for sentence in _sentences(material)],
        folded("All keys (scenario.yaml)", element("pre", element("code", material.yaml), tabindex=0)),
    )


def _sentences(material: Material) -> Iterator[Markup]:
    scenario, training = material.scenario, material.scenario.training
    yield joined(["Data: ", element("b", name_of(scenario.data)), _extent(material), _backbone(material)])
    epochs = several(training.local_epochs, "local epoch")
    yield joined(
        [
            "Method: ",
            element("b", material.method),
            f", {several(training.rounds, 'round')} of {epochs}, batches of {training.batch_size}, "
            f"{training.optimizer.name} with learning rate {training.optimizer.learning_rate:g}, "
            f"{_in_a_round(material)} in each round. ",
            _references(material),
        ]
    )
    yield joined(
        [
            "Privacy: ",
            element("b", name_of(scenario.privacy)),
            ". Aggregation: ",
            element("b", name_of(scenario.aggregation)),
            f". Seed {scenario.seed}.",
        ]
    )


def _in_a_round(material: Material) -> str:
    scenario = material.scenario
    if scenario.pace.buffer:
        return f"{several(scenario.pace.buffer, 'buffered update')}"
    share = f"{100 * scenario.training.participation:g} % of the clients"
    return f"buffered updates of {share}" if scenario.pace.buffered else share


def _extent(material: Material) -> str:
    manifest = material.manifest
    if manifest is None:
        return ", not split yet. "
    unseen = [client.number for client in manifest.clients if not client.seen]
    apart = f"; {several(len(unseen), 'client')} never trained ({listed(unseen)})" if unseen else ""
    return (
        f", {several(len(manifest.classes), 'class', 'classes')} in {several(len(manifest.domains), 'domain')}, "
        f"{manifest.train_examples:,} training and {manifest.test_examples:,} test images, "
        f"split by {_rule(manifest.rule)} among {several(len(manifest.clients), 'client')}{apart}. "
    )


def _rule(rule: Record) -> str:
    """A partition's name and the shifts that it is made of: "composed (label dirichlet, beta 0.3; feature domains)"."""
    shifts = [
        f"{slot} {value['name']}{_settings(value)}"
        for slot, value in rule.items()
        if isinstance(value, Mapping) and value.get("name", "none") not in ("none", "natural")
    ]
    return f"{rule.get('name', 'a rule')}" + (f" ({'; '.join(shifts)})" if shifts else _settings(rule))


def _settings(keys: Record) -> str:
    """The single values among keys that say something: ", beta 0.3"."""
    given = {key: value for key, value in keys.items() if key not in ("name", "clients", "min_train", "min_test")}
    told = (f", {key} {v}" for key, v in given.items() if v and isinstance(v, (int, float, str)) and v is not True)
    return "".join(told)


def _backbone(material: Material) -> str:
    backbone = material.scenario.backbone
    return f"Frozen model: {backbone.name}{f' ({backbone.pretrained})' if backbone.pretrained else ''}."


def _references(material: Material) -> str:
    names = material.scenario.evaluation.reference_names
    return f"Compared with zero-shot{''.join(f', {name}' for name in names)}."
