"""`fedsilo privacy` as a user types it."""

import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fedsilo.cli import main
from fedsilo.core.privacy_events import PrivacyEvent
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.accounting.gaussian_releases import gaussian_epsilon

SAMPLED = ("--releases", "200", "--rate", "0.05")


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fedsilo", "privacy", *words])
    monkeypatch.setenv("COLUMNS", "120")
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_noise_for_an_epsilon_and_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "--epsilon", "1", *SAMPLED, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["epsilon"] <= 1
    assert set(found["by_accountant"]) == {"pld", "rdp", "without sampling"}
    assert (found["delta"], found["releases"], found["rate"], found["adjacency"]) == (1e-5, 200, 0.05, "zero_out")
    assert typed(monkeypatch, "--noise-multiplier", str(found["noise_multiplier"]), *SAMPLED, "--json") == 0
    assert json.loads(capsys.readouterr().out) == found
    assert found["epsilon"] == epsilon([PrivacyEvent(found["noise_multiplier"], 0.05, 200)], 1e-5).epsilon


def test_the_table_names_accountants_with_the_best_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--noise-multiplier", "10", "--releases", "100", "--adjacency", "replace", "--delta", "1e-6")
    assert typed(monkeypatch, *words) == 0
    lines = capsys.readouterr().out.splitlines()
    value = f"{gaussian_epsilon(2.0, 1e-6):.4f}"
    assert lines[0].strip() == "100 releases, all in each, replace"
    rows = [line for line in lines if line.startswith("│")]
    assert [row.split()[1] for row in rows] == ["closed", "rdp"]
    assert value in rows[0]
    assert lines[-1] == f"noise multiplier 10   epsilon {value} at delta 1e-06"


def test_no_noise_has_no_bound(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "--noise-multiplier", "0") == 0
    assert "epsilon no bound at delta" in capsys.readouterr().out
    assert typed(monkeypatch, "--noise-multiplier", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["epsilon"] == "inf"


def test_the_picture_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "spending.png"
    assert typed(monkeypatch, "--noise-multiplier", "5", "--releases", "40", "--plot", str(picture)) == 0
    assert f"picture: {picture}" in capsys.readouterr().out.replace("\n", "")
    with Image.open(picture) as image:
        assert image.size == (1050, 600)


@pytest.mark.parametrize(("words", "line"), [
    ((), "privacy: needs one of --epsilon and --noise-multiplier; the other is computed."),
    (("--epsilon", "1", "--noise-multiplier", "1"), "privacy: needs one of"),
    (("--epsilon", "0"), "epsilon: must be a number > 0, got 0.0."),
    (("--epsilon", "1e-9", "--releases", "1000000000"), "epsilon 1e-09: cannot be reached"),
    (("--epsilon", "1e12"), "epsilon 1e+12: protects nothing: noise of 0.001 times the sensitivity"),
    (("--epsilon", "1e300", "--rate", "0.5"), "epsilon 1e+300: protects nothing"),
    (("--noise-multiplier", "-1"), "expense: multiplier must be a number >= 0, got -1.0."),
    (("--noise-multiplier", "1", "--rate", "1.5"), "expense: rate must be in (0, 1], got 1.5."),
    (("--noise-multiplier", "1", "--releases", "0"), "privacy: --releases must be from 1 to 1e15, got 0."),
    (("--noise-multiplier", "1", "--releases", "1" * 401), "privacy: --releases must be from 1 to 1e15, got 11111111"),
    (("--epsilon", "1", "--releases", "-" + "1" * 401), "privacy: --releases must be from 1 to 1e15, got -1111111"),
    (("--noise-multiplier", "1", "--delta", "1"), "delta: must be in (0, 1), got 1.0."),
    (("--noise-multiplier", "1", "--adjacency", "add"), "privacy: --adjacency must be zero_out or replace, got 'add'."),
    (("--noise-multiplier", "1", "--plot", "/nowhere/a.png"), "/nowhere/a.png: cannot be written"),
])  # fmt: skip
def test_what_is_wrong_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str
) -> None:
    assert typed(monkeypatch, *words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(line)
    assert printed.err.count("\n") == 1


ABSURD = (
    "nan",
    "inf",
    "-inf",
    "0",
    "-0.0",
    "-1",
    "1e-400",
    "5e-324",
    "1e-300",
    "1e-12",
    "1e12",
    "1e300",
    "1e400",
    "1" * 401,
)
OPTIONS = {
    "--epsilon": (),
    "--noise-multiplier": (),
    "--delta": (("--epsilon", "1"), ("--noise-multiplier", "1")),
    "--rate": (("--epsilon", "1"), ("--noise-multiplier", "1"), ("--noise-multiplier", "5e-324")),
    "--releases": (("--epsilon", "1"), ("--noise-multiplier", "1"), ("--noise-multiplier", "1e-300", "--rate", "0.1")),
}
COUNTS = ("0", "-1", "1000000000000000", "1" * 16, "1" * 309, "1" * 401)


@pytest.mark.parametrize(("option", "others"), [(o, rest) for o, each in OPTIONS.items() for rest in each or ((),)])
def test_an_absurd_value_is_answered_rightly_or_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, others: tuple[str, ...]
) -> None:
    for value in COUNTS if option == "--releases" else ABSURD:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code = typed(monkeypatch, option, value, *others, "--json")
        printed = capsys.readouterr()
        if code == 2:
            assert printed.out == ""
            assert printed.err.count("\n") == 1
            assert len(printed.err) < 200
            continue
        assert code == 0
        assert printed.err == ""
        _hold(json.loads(printed.out), dict(zip((words := (option, value, *others))[::2], words[1::2], strict=True)))


def _hold(found: dict[str, Any], asked: dict[str, str]) -> None:
    """What is answered is what was asked, and never less than the exact epsilon of the releases without sampling."""
    spent, noise = float(found["epsilon"]), float(found["noise_multiplier"])
    assert (found["releases"], found["rate"]) == (int(asked.get("--releases", 1)), float(asked.get("--rate", 1)))
    assert found["delta"] == float(asked.get("--delta", 1e-5))
    if "--epsilon" in asked:
        assert spent <= float(asked["--epsilon"])
    else:
        assert noise == float(asked["--noise-multiplier"])
    if found["rate"] == 1:
        mu = math.inf if noise == 0 else math.sqrt(found["releases"]) / noise
        assert spent == pytest.approx(gaussian_epsilon(mu, found["delta"]))
    elif found["rate"] < found["delta"]:
        assert spent == 0
    assert spent == min(map(float, found["by_accountant"].values()))


def test_a_unit_that_is_hardly_ever_sampled_needs_no_noise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "--epsilon", "1", "--rate", "1e-9", "--releases", "1000", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["noise_multiplier"], found["epsilon"], found["by_accountant"]["never sampled"]) == (0, 0, 0)
    # A thousand times as many releases: the chance to be in one of them is a tenth, far above delta.
    assert typed(monkeypatch, "--noise-multiplier", "0", "--rate", "1e-7", "--releases", "1000000", "--json") == 0
    assert json.loads(capsys.readouterr().out)["epsilon"] == "inf"


def test_a_scenario_and_options_that_it_would_pass_over_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "scenario.yaml", "--epsilon", "3", "--noise-multiplier", "1", "--rate", "0.5") == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "--epsilon, --noise-multiplier, --rate" in printed


def test_a_long_search_says_how_far_it_is_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fedsilo.cli.privacy_command.EVERY_S", 0.0)
    assert typed(monkeypatch, "--epsilon", "1", *SAMPLED, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["epsilon"] <= 1
    lines = printed.err.splitlines()
    assert lines
    assert all(text.startswith("looking for the noise multiplier: ") for text in lines)
