"""The schema for editors accepts what the reader accepts, and has the reader's keys and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from fedsilo.config.editor_schema import make_schema
from fedsilo.config.key_descriptions import describe_everything
from fedsilo.config.old_keys import RENAMED_KEYS, RENAMED_SECTIONS
from fedsilo.config.problems import Problems, SourcePlace
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.schema import CONTRACTS, HEADING, NAMED, PLAIN, SECTIONS, keys, selector
from fedsilo.config.starter import read_starter
from fedsilo.config.yaml_documents import parse
from fedsilo.core import registry
from fedsilo.core.errors import ScenarioError

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
FILES = sorted(SCENARIOS.rglob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made = make_schema()
    Draft7Validator.check_schema(made)
    return made


def faults(schema: dict[str, Any], values: Any) -> list[str]:
    """What the schema finds wrong."""
    return [error.message for error in Draft7Validator(schema).iter_errors(as_json(values))]


def as_json(values: Any) -> Any:
    """The values with keys as JSON has them."""
    if isinstance(values, dict):
        return {str(key): as_json(value) for key, value in values.items()}
    return [as_json(value) for value in values] if isinstance(values, (list, tuple)) else values


def parsed(text: str) -> Any:
    problems = Problems()
    values, _ = parse(text, SourcePlace("file"), problems)
    assert problems.lines() == []
    return values


def test_every_shipped_scenario_is_valid(schema: dict[str, Any]) -> None:
    assert len(FILES) > 50
    wrong = {file: faults(schema, parsed(file.read_text(encoding="utf-8"))) for file in FILES}
    assert {file: found for file, found in wrong.items() if found} == {}


def test_the_starter_is_valid(schema: dict[str, Any]) -> None:
    text = read_starter()
    commented = text.partition("#\n")
    assert faults(schema, parsed(text)) == []
    assert faults(schema, parsed(commented[2].replace("# ", "", 1).replace("\n# ", "\n"))) == []


SOUND = [
    "method: fedotp",
    "method: fedotp+fedprox",
    "method: {name: coop+fedprox, mu: 0.1}",
    "method: {learner: coop, strategy: fedprox, mu: 0.01}",
    "method: {learner: {name: coop, context_length: 8}, strategy: ditto}",
    "partition: {name: noniid-labeldir, concept: null}",
    "partition: {label: {name: dirichlet, beta: 1e-3}}",
    "training:",
    "training: {optimizer: adam, schedule: {name: cosine, warmup: 2}}",
    "training: {optimizer: {persistent: true}}",
    "{pace: {deadline_s: 3}, trace: {name: speeds, spread: 1}, aggregation: ring}",
    "{trace: sporadic, aggregation: {name: ring, bound: 4}}",
    "training: {rounds: '${training.batch_size}', optimizer: {learning_rate: '${method.gamma}'}}",
    "backbone: ViT-B-16",
    "backbone: {pixel_mean: [0.5, 0.4, 0.4]}",
    "privacy: {mode: central, epsilon: 8}",
    "actors: {gpus_per_client: auto, clients: {3: {gpus: 0.5}}, groups: {large: {clients: [0, 1], gpus: 1}}}",
    "{name: 7, seed: 3}",
]

EXTERNAL = [
    'method: "my_lab.mine:Mine"',
    'method: {name: "my_lab.mine:Mine", depth: 3}',
    'method: {learner: "my_lab.shift:Shift", start: 0.01, strategy: fedavg}',
    'partition: {label: {name: "my_lab.mine:Mine", anything: [1]}}',
    "method: {name: '${availability.name}', depth: 3}",
    "{extends: other.yaml, privacy: {epsilon: 4}, method: {gamma: 0.5}}",
]
"""What only the reader can check further."""


@pytest.mark.parametrize("text", [*SOUND, *EXTERNAL])
def test_every_form_that_the_reader_takes_is_valid(schema: dict[str, Any], text: str) -> None:
    assert faults(schema, parsed(text)) == []


WRONG = [
    ("trainig: {rounds: 3}", "trainig"),
    ("training: {round: 3}", "round"),
    ("training: {rounds: 0}", "minimum"),
    ("training: {rounds: 1.5}", "1.5"),
    ("training: {participation: 1.1}", "1.1"),
    ("training: {participation: 0}", "0"),
    ("training: {optimizer: adamm}", "adamm"),
    ("training: {optimizer: {learning_rate: fast}}", "fast"),
    ("training: {optimizer: {persistent: 3}}", "3"),
    ("pace: {deadline: 3}", "pace"),
    ("aggregation: rings", "rings"),
    ("method: promtfl", "promtfl"),
    ("method: {name: promtfl}", "promtfl"),
    ("method: {name: promptfl, gamma: 0.8}", "gamma"),
    ("method: {name: fedotp, gamma: true}", "True"),
    ("method: {learner: coop, strategy: fedprox, nu: 0.1}", "nu"),
    ("partition: {label: {name: dirichlet, bta: 0.3}}", "bta"),
    ("partition: {label: dirichlett}", "dirichlett"),
    ("privacy: {name: central}", "name"),
    ("privacy: {mode: central, epsilon: -1}", "-1"),
    ("evaluation: {references: local}", "local"),
    ("backbone: {pixel_mean: [0.5, 0.4]}", "0.5, 0.4"),
    ("actors: {clients: {3: {gpu: 1}}}", "gpu"),
    ("tracking: {wandb: {mode: sometimes}}", "sometimes"),
]


@pytest.mark.filterwarnings("ignore::fedsilo.core.errors.OldKeyWarning")
@pytest.mark.parametrize(("text", "named"), WRONG, ids=[text for text, _ in WRONG])
def test_a_wrong_key_type_or_number_is_found_as_the_reader_finds_it(
    schema: dict[str, Any], text: str, named: str
) -> None:
    values = parsed(text)
    assert faults(schema, values)
    with pytest.raises(ScenarioError):
        from_mapping(values)


@pytest.mark.filterwarnings("ignore::fedsilo.core.errors.OldKeyWarning")
@pytest.mark.parametrize("text", SOUND[:-1])
def test_the_reader_takes_them_too(text: str) -> None:
    """Where the reader finds a contradiction it is between sections, never a key, a type or a range."""
    lines: tuple[str, ...] = ()
    try:
        from_mapping(parsed(text), {"method": "fedotp"} if "method.gamma" in text else {})
    except ScenarioError as error:
        lines = error.problems
    assert not [line for line in lines if "unknown key" in line or "must be" in line]


def test_top_level_keys_are_those_of_the_reader(schema: dict[str, Any]) -> None:
    assert set(schema["properties"]) == {*HEADING, "extends", *SECTIONS, *RENAMED_SECTIONS}


@pytest.mark.parametrize("path", sorted(NAMED), ids=".".join)
def test_keys_of_every_component_are_those_of_the_reader(schema: dict[str, Any], path: tuple[str, ...]) -> None:
    named = {entry.get("title"): entry for entry in choices(schema, schema["$defs"]["_".join(path)])}
    every = set()
    for name in registry.names(NAMED[path]):
        own = set(keys(find_component(path, name)))
        every |= own
        found = set(named[f"{path[-1]} {name}"]["properties"])
        if (path, name) == (("method",), "composed"):  # keys of a learner and a strategy may stand beside their names
            assert own < found
            continue
        assert found == own | {selector(path[-1])}
    unnamed = set(named[f"{path[-1]} unnamed"]["properties"])
    assert every <= unnamed if path == ("method",) else every == unnamed


def test_a_combination_has_the_keys_of_all_learners_and_strategies(schema: dict[str, Any]) -> None:
    combined = schema["$defs"]["method_composed"]["properties"]
    inner = [
        (("method", slot), name) for slot in ("learner", "strategy") for name in registry.names(NAMED["method", slot])
    ]
    known = {key for path, name in inner for key in keys(find_component(path, name))}
    assert set(combined) == known | {"name", "learner", "strategy"}


@pytest.mark.parametrize("section", PLAIN)
def test_keys_of_every_plain_section_are_those_of_the_reader(schema: dict[str, Any], section: str) -> None:
    found = set(paths(schema, schema["properties"][section], section))
    described = {row.key for title, rows in describe_everything() if title == section for row in rows}
    old = {".".join(map(str, key.old)) for key in RENAMED_KEYS if key.old[0] == section}
    assert found == described | old


def test_every_key_has_its_meaning_and_default(schema: dict[str, Any]) -> None:
    rounds = schema["$defs"]["training"]["properties"]["rounds"]
    assert (rounds["default"], rounds["description"]) == (10, "Federated rounds.")
    assert schema["$defs"]["training_optimizer"]["properties"]["persistent"]["deprecated"] is True
    assert set(CONTRACTS) <= set(schema["properties"])


def choices(schema: dict[str, Any], node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node's alternatives, references followed."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    if "anyOf" not in node:
        yield node
    for choice in node.get("anyOf", ()):
        yield from choices(schema, choice)


def paths(schema: dict[str, Any], node: dict[str, Any], path: str) -> Iterator[str]:
    """The keys of a plain section and of the sections inside, as `describe` writes them."""
    for choice in choices(schema, node):
        for name, inner in choice.get("properties", {}).items():
            deeper = list(paths(schema, inner, f"{path}.{name}"))
            yield from deeper or [f"{path}.{name}"]
        items = choice.get("additionalProperties")
        if isinstance(items, dict):
            inside = "number" if path.endswith("actors.clients") else "name"
            within = list(paths(schema, items, f"{path}.<{inside}>"))
            yield from [path, *within] if within else []
        names = [name for item in choices(schema, choice.get("items", {})) for name in item.get("properties", {})]
        if names:  # sections in a list are described with their own keys only
            yield from [path, *(f"{path}.<number>.{name}" for name in names)]
