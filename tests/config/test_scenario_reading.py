"""How a scenario comes together: defaults, files, what they extend, overrides, interpolation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.config.sections import ClientResources, Scenario
from fedsilo.core.errors import ScenarioError
from fedsilo.core.registry import name_of
from fedsilo.core.training_settings import Training

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        *(("", "is empty"), ("\n  \n", "is empty"), ("# data: emblems\n", "has no key"), ("---\n", "has no key")),
        *(("{}\n", "has no key"), ("null\n", "has no key"), ("training: {}\n", "has no value")),
        ("training:\n  optimizer:\ntracking:\n", "has no value"),
    ],
)
def test_a_file_without_a_key_is_refused_and_names_the_command_that_writes_one(
    text: str, what: str, folder: Path
) -> None:
    for file in (written(folder, bare=text), written(folder, usual="extends: bare.yaml", bare=text)):
        with pytest.raises(ScenarioError, match=rf"bare\.yaml:1: {what}.* fedsilo new FILE"):
            read(file)


def test_a_link_that_leads_nowhere_is_named_as_one(folder: Path) -> None:
    (folder / "q.yaml").symlink_to("gone.yaml")
    with pytest.raises(ScenarioError, match=r"q\.yaml: is a link to 'gone\.yaml', where there is no file"):
        read(folder / "q.yaml")


def test_a_number_of_thousands_of_digits_is_too_large(folder: Path) -> None:
    with pytest.raises(ScenarioError, match=r"seed: must be a whole number.*That is too large"):
        read(written(folder, q=f"seed: {'9' * 6000}"))


def test_a_file_with_one_key_is_the_usual_scenario(folder: Path) -> None:
    scenario = read(written(folder, usual="seed: 0\n"))
    assert (scenario.name, scenario.seed) == ("usual", 0)
    parts = (scenario.data, scenario.partition, scenario.method, scenario.privacy, scenario.aggregation)
    assert [name_of(part) for part in parts] == ["emblems", "composed", "promptfl", "none", "plain"]
    assert scenario.training == Training()
    assert scenario.backbone.name == "fedsilo-tiny"
    assert scenario.actors.backend == "ray"
    assert scenario.tracking.root == "runs"
    assert scenario.source == str(folder / "usual.yaml")


@pytest.mark.parametrize(
    ("stem", "name"), [("a b", "a-b"), ("über", "über"), ("a.b", "a.b"), ("%", "scenario"), ("-x-", "x")]
)
def test_the_name_is_that_of_the_file_as_far_as_a_folder_can_have_it(folder: Path, stem: str, name: str) -> None:
    (folder / f"{stem}.yaml").write_text("seed: 0\n")
    assert read(folder / f"{stem}.yaml").name == name


@pytest.mark.parametrize(("text", "name"), [("2024", "2024"), ("1e3", "1e3"), ("007", "007"), ("0x1F", "0x1F")])
def test_a_number_is_taken_as_a_name_as_it_is_written(folder: Path, text: str, name: str) -> None:
    assert read(written(folder, q=f"name: {text}")).name == name


def test_a_bare_name_and_a_mapping_mean_the_same(folder: Path) -> None:
    bare = read(written(folder, a="method: local\nprivacy: none\ntraining: {optimizer: adam}\nbackbone: fedsilo-tiny"))
    full = read(
        written(
            folder,
            a="method: {name: local}\nprivacy: {mode: none}\n"
            "training: {optimizer: {name: adam}}\nbackbone: {name: fedsilo-tiny}",
        )
    )
    assert bare == full
    assert bare.training.optimizer.name == "adam"


def test_a_component_can_come_from_anywhere(folder: Path) -> None:
    scenario = read(written(folder, q="method: {name: 'lab.method.fedotp:FedOTP', mass: 0.5}"))
    assert vars(scenario.method) == {"context_length": 16, "mass": 0.5}


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "'1e-3'", "0.001", ".001", "+1.e-3"])
def test_fractions_may_be_written_in_every_usual_way(folder: Path, number: str) -> None:
    scenario = read(written(folder, q=f"training: {{optimizer: {{learning_rate: {number}}}}}"))
    assert scenario.training.optimizer.learning_rate == 0.001


def test_a_whole_number_may_stand_for_a_fraction_and_becomes_one(folder: Path) -> None:
    share = read(written(folder, q="training: {participation: 1}")).training.participation
    assert isinstance(share, float)
    assert share == 1.0


def test_values_arrive_in_the_types_of_the_fields(folder: Path) -> None:
    scenario = read(
        written(
            folder,
            q="data: {name: folder, root: x, sizes: {1: 2}, crop: [3, 4], limit: 5}\n"
            "actors: {clients: {3: {gpus: 1}, '4': {cpus: 2}}}\nevaluation: {references: [local]}",
        )
    )
    assert vars(scenario.data) | {"sizes": {"1": 2}, "crop": (3, 4), "limit": 5} == vars(scenario.data)
    assert scenario.actors.clients == {3: ClientResources(gpus=1.0), 4: ClientResources(cpus=2.0)}
    assert scenario.evaluation.reference_names == ["local"]


def test_the_file_wins_over_what_it_extends_and_the_command_line_over_both(folder: Path) -> None:
    file = written(
        folder,
        q="extends: middle.yaml\ntraining: {rounds: 3}",
        middle="extends: below/basis.yaml\nseed: 2\ntraining: {rounds: 2, batch_size: 22}",
    )
    (folder / "below").mkdir()
    (folder / "below" / "basis.yaml").write_text("seed: 1\ntraining: {rounds: 1, batch_size: 11, views: 1}")
    training = read(file, ["training.views=4"]).training
    assert (training.rounds, training.batch_size, training.views) == (3, 22, 4)
    assert read(file).seed == 2
    assert read(file, ["seed=5", "seed=6"]).seed == 6


def test_a_base_mapping_lies_below_the_file(folder: Path) -> None:
    file = written(folder, q="training: {rounds: 3}")
    scenario = read(file, base={"training.rounds": 9, "training": {"views": 2}, "method": "local"})
    assert (scenario.training.rounds, scenario.training.views) == (3, 2)
    assert name_of(scenario.method) == "local"


def test_lists_are_replaced_and_mappings_are_merged(folder: Path) -> None:
    file = written(
        folder,
        q="extends: b.yaml\ndata: {domains: [c]}\nactors: {clients: {2: {gpus: 1}}}",
        b="data: {domains: [a, b]}\nactors: {clients: {1: {gpus: 0.5}}}",
    )
    scenario = read(file, ["actors.clients.1.cpus=2"])
    assert vars(scenario.actors)["clients"] == {1: ClientResources(0.5, 2.0), 2: ClientResources(1.0)}
    assert scenario.data == read(file).data
    assert tuple(scenario.data.domains) == ("c",)  # type: ignore[attr-defined]


@pytest.mark.parametrize("override", ["method=local", "method.name=local", "method={name: local}"])
def test_another_method_keeps_the_keys_that_it_knows_and_drops_the_others(folder: Path, override: str) -> None:
    file = written(folder, q="method: {name: fedotp, context_length: 4, mass: 0.5}")
    scenario = read(file, [override])
    assert name_of(scenario.method) == "local"
    assert vars(scenario.method) == {"context_length": 4}


def test_keys_beside_the_new_name_or_after_it_are_checked(folder: Path) -> None:
    file = written(folder, q="extends: b.yaml\nmethod: {name: local, mass: 0.5}", b="method: {name: fedotp, mass: 0.1}")
    with pytest.raises(ScenarioError, match=r"q.yaml:2: method.mass: unknown key"):
        read(file)


def test_naming_the_same_method_again_drops_nothing(folder: Path) -> None:
    file = written(folder, q="method: {name: fedotp, mass: 0.5}")
    assert vars(read(file, ["method=fedotp"]).method)["mass"] == 0.5


def test_a_misspelt_method_in_a_base_is_no_problem_once_another_is_named(folder: Path) -> None:
    file = written(folder, q="extends: b.yaml\nmethod: local", b="method: {name: lokal, anything: 3}")
    assert name_of(read(file).method) == "local"


def test_an_empty_section_says_nothing(folder: Path) -> None:
    file = written(folder, q="extends: b.yaml\ntraining:\n  # rounds: 3\n", b="training: {rounds: 7, optimizer: }")
    assert read(file).training.rounds == 7


def test_interpolation_reaches_given_values_defaults_and_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SEED", "17")
    text = (
        "name: ${method.name}-${partition.clients}-${seed}\n"
        "seed: ${oc.env:LAB_SEED}\n"
        "method: ${tracking.root}\n"
        "training: {rounds: 6, local_epochs: '${.rounds}'}\n"
        "evaluation: {every: '${training.rounds}', last: '${evaluation.every}'}\n"
        "data: {domains: ['${tracking.root}', plain]}\n"
        "tracking: {root: local}\n"
        "privacy: {mode: '${oc.env:LAB_MODE,none}'}\n"
    )
    scenario = read(written(folder, q=text))
    assert scenario.name == "local-10-17"
    assert scenario.training.local_epochs == 6
    assert (scenario.evaluation.every, scenario.evaluation.last) == (6, 6)
    assert tuple(scenario.data.domains) == ("local", "plain")  # type: ignore[attr-defined]


def test_an_escaped_interpolation_is_text(folder: Path) -> None:
    assert read(written(folder, q=r"tracking: {root: 'a\${x}'}")).tracking.root == "a${x}"


@pytest.mark.parametrize(
    ("override", "value"),
    [("actors.address=", ""), ("tracking.root=~/runs", "~/runs"), ("tracking.root=a=b", "a=b"), (" name = x", "x")],
)
def test_overrides_are_split_at_the_first_equals_sign(folder: Path, override: str, value: str) -> None:
    scenario = read(written(folder, q="seed: 0"), [override])
    assert value in (scenario.tracking.root, scenario.name, scenario.actors.address)


def test_a_problem_names_the_file_that_the_value_comes_from(folder: Path) -> None:
    written(folder, q="extends: b.yaml\n\nseed: x", b="training:\n  rounds: 0\n  views: 3\nnonsense: 1")
    with pytest.raises(ScenarioError) as caught:
        read("q.yaml", ["training.views=-1"])
    assert [line.split(": ")[:2] for line in caught.value.problems] == [
        ["b.yaml:2", "training.rounds"],
        ["b.yaml:4", "nonsense"],
        ["q.yaml:3", "seed"],
        ["command line", "training.views"],
    ]


def test_a_mapping_may_be_nested_or_dotted_or_both() -> None:
    nested = from_mapping({"seed": 3, "training": {"rounds": 2, "optimizer": {"momentum": 0}}, "method": "local"})
    dotted = from_mapping({"seed": 3, "training.rounds": 2, "training.optimizer.momentum": 0.0, "method.name": "local"})
    both = from_mapping({"training": {"rounds": 2}, "training.optimizer.momentum": 0}, ["seed=3", "method=local"])
    assert nested == dotted == both
    assert nested.name == "scenario"


def test_a_mapping_may_hold_what_python_users_have(tmp_path: Path) -> None:
    scenario = from_mapping(
        {
            "seed": np.int64(4),
            "training.participation": np.float32(0.5),
            "tracking.root": tmp_path,
            "data.domains": ("a",),
        }
    )
    assert (scenario.seed, scenario.training.participation) == (4, 0.5)
    assert scenario.tracking.root == str(tmp_path)


def test_a_mapping_may_extend_a_file(folder: Path) -> None:
    written(folder, basis="seed: 8\ntraining: {rounds: 2}")
    scenario = from_mapping({"extends": "basis.yaml", "training.rounds": 3})
    assert (scenario.seed, scenario.training.rounds) == (8, 3)


def looped() -> dict[str, object]:
    mapping: dict[str, object] = {}
    mapping["data"] = mapping
    return mapping


def wide() -> dict[str, object]:
    items: list[object] = []
    items.extend([items] * 9)
    return {"data": {"domains": items}}


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"seed": object()}, "scenario: seed: cannot be of type object. Give a number, text, list or mapping."),
        ({3: 4}, "scenario: a key must be a word, got 3."),
        ({"": 4}, "scenario: a key must be a word, got ''."),
        ({"a..b": 4}, "scenario: a key must be a word, got 'a..b'."),
        ({"training": {None: 4}}, "scenario: training: a key must be a word, got null."),
        ({"training": {"rounds": "3"}}, "must be a whole number >= 1, got '3'. Write it without quotes."),
        ({"seed": 10**5000}, "scenario: seed: must be a whole number >= 0, got a number of thousands of digits."),
        ({"tracking.root": "a\0"}, r"scenario: tracking.root: must be text, got 'a\x00'. It has a control character."),
        ({"training": 3, "training.views": -1}, "scenario: training.views: must be a whole number >= 0, got -1."),
        (looped(), "scenario: data: is more than 20 levels deep. That is no scenario."),
        (wide(), "scenario: data: is of more than 20000 values. That is no scenario."),
    ],
)
def test_a_wrong_mapping_gets_its_line(mapping: dict[str, object], line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_mapping(mapping)
    assert any(line in problem for problem in caught.value.problems)


def test_scenarios_are_values(folder: Path) -> None:
    one, other = read(written(folder, a="name: x")), read(written(folder, b="name: x"))
    assert one == other, "the source is not part of what is run"
    assert isinstance(one, Scenario)
    with pytest.raises(AttributeError):
        one.seed = 3  # type: ignore[misc]
