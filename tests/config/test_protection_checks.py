"""What a method needs to see, against what an aggregation or a mechanism lets be seen."""

from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core.errors import ScenarioError

SUMS_ONLY = """
from dataclasses import dataclass
from fedsilo.aggregation.plain import Plain

@dataclass(frozen=True)
class SumsOnly(Plain):
    shows_updates = False
"""


@pytest.fixture
def sums_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns the name of an aggregation that shows the sum and nothing else, as secure aggregation does."""
    (tmp_path / "protected_lab.py").write_text(SUMS_ONLY)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "protected_lab:SumsOnly"


def problems(**sections: Any) -> list[str]:
    try:
        from_mapping(sections)
    except ScenarioError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("name", ["fedamp", "pfedmoap"])
def test_methods_that_compare_updates_are_refused_where_only_sums_are_seen(name: str, sums_only: str) -> None:
    (line,) = problems(method=name, aggregation=sums_only)
    assert f"method '{name}' needs each client's update in the clear. Use 'plain'." in line
    (line,) = problems(method=name, privacy={"mode": "central", "noise_multiplier": 1.0})
    assert line.endswith(f"method '{name}' needs each client's update in the clear. Use 'none'.")
    assert problems(method=name) == []


@pytest.mark.parametrize("name", ["fedotp", "dpfpl", "promptfl"])
def test_methods_that_need_a_mean_only_run_where_only_sums_are_seen(name: str, sums_only: str) -> None:
    assert problems(method=name, aggregation=sums_only) == []


def test_noise_for_gradients_is_refused_for_a_round_s_training() -> None:
    (line,) = problems(method="promptfl", privacy="paper")
    assert "Set method.synchronise to 'batch'." in line
    assert problems(method={"name": "promptfl", "synchronise": "batch"}, privacy="paper") == []
    assert problems(method="dpfpl", privacy="paper") == []


def test_a_component_whose_own_code_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"{SUMS_ONLY}\n    def problems(self):\n        raise RuntimeError('no such user')\n"
    (tmp_path / "failing_lab.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    privacy = {"mode": "distributed", "noise_multiplier": 1}
    (line,) = problems(method="promptfl", privacy=privacy, aggregation="failing_lab:SumsOnly")
    assert line.endswith("aggregation: RuntimeError: no such user")
