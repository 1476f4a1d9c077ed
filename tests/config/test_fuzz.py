"""Whatever is thrown at the reader, it answers with a scenario or with lines, never with another exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsilo.config.dumping import to_yaml
from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.config.schema import CONTRACTS, PLAIN, SECTIONS, keys
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import ScenarioError

pytestmark = pytest.mark.usefixtures("components")

QUICK = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NAMES = "local fedotp central dirichlet folder zero_shot none lab.odd.raises:X no 1e-3 08 a:b ~ 1_0"
MARKS = ["${seed}", "${training}", "${nix}", "${", r"\${x}", "???", "", " ", "${oc.env:X}", "\ud800"]
WORDS = st.sampled_from([*NAMES.split(), *MARKS])
KEYS = st.sampled_from(
    [*SECTIONS, "seed", "name", "mode", "mass", "root", "rounds", "optimizer", "clients", "extends", "nonsense", "a.b"]
    + [key for section in PLAIN.values() for key in keys(section)]
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 40) | st.integers() | st.floats() | WORDS | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers(-1, 12) | SCALARS, inner, max_size=4)
    ),
    max_leaves=12,
)


def answer(reading: Callable[[], Scenario]) -> Scenario | None:
    """The scenario, or None when lines were given; any other exception fails the test."""
    try:
        return reading()
    except ScenarioError as error:
        lines = error.problems
    assert lines
    for line in lines:
        assert len(line.splitlines()) == 1
        assert line.encode(), "it can be printed"
        assert ": " in line
    return None


@QUICK
@given(st.dictionaries(KEYS | st.text(max_size=5), VALUES, max_size=5), st.lists(WORDS, max_size=2))
def test_any_mapping_gets_an_answer(mapping: dict[str, Any], overrides: list[str]) -> None:
    answer(lambda: from_mapping(mapping, overrides))


@QUICK
@given(st.sampled_from([*CONTRACTS, *PLAIN]), st.data())
def test_any_value_of_any_key_gets_an_answer_and_good_ones_survive_the_dump(section: str, data: st.DataObject) -> None:
    known = [*keys(PLAIN[section])] if section in PLAIN else ["name", "mode", "clients", "beta", "root", "clip_norm"]
    given_keys = st.dictionaries(st.sampled_from(known), VALUES, max_size=3)
    scenario = answer(lambda: from_mapping({section: data.draw(given_keys)}))
    if scenario is not None:
        again = from_mapping({}, [f"{key}={_flow(value)}" for key, value in yaml.safe_load(to_yaml(scenario)).items()])
        assert again == scenario


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.removesuffix("...\n")


@QUICK
@given(st.text(max_size=60) | st.lists(st.sampled_from("[]{}:,-#&*!|>'\"%@` \n\tax1~?$\\"), max_size=40).map("".join))
def test_any_text_gets_an_answer(text: str) -> None:
    answer(lambda: from_mapping({}, [f"training={text}", text]))


@QUICK
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_file_gets_an_answer(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "q.yaml").write_bytes(content)
    answer(lambda: read(tmp_path / "q.yaml"))
