"""`fedsilo audit` as a user types it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fedsilo

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"classes": 4, "domains": ["sketch"], "train_per_class_and_domain": 3, "test_per_class_and_domain": 2},
    "partition": {"clients": 2},
    "method": {"name": "promptfl", "context_length": 1},
    "training": {"rounds": 1, "optimizer": {"learning_rate": 0.1}},
    "actors": {"backend": "serial"},
}

Call = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module", autouse=True)
def _quick_attacks() -> Iterator[None]:
    """What the attacks find is not looked at here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedsilo.runs.audit.shadow_model_attack.EPOCHS", 20)
        patch.setattr("fedsilo.runs.audit.attack_evaluation.PERMUTATIONS", 50)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(folder / "cache"))
        return fedsilo.run(SMALL, tracking={"root": str(folder / "runs")}).folder.relative_to(folder)


@pytest.fixture(scope="module")
def audit(folder: Path, command: Any) -> Call:
    made: Call = command("audit", folder)
    return made


@pytest.fixture(scope="module")
def done(run: Path, audit: Call) -> tuple[str, str]:
    return audit(str(run), "--shadows", "4")


def test_an_audit_prints_a_table_words_and_where_it_is(done: tuple[str, str], run: Path, folder: Path) -> None:
    out, err = done
    for word in (
        "membership inference, client view",
        "4 shadow runs",
        "likelihood ratio",
        "attack models",
        "TPR at 1 % FPR",
        "epsilon >=",
        "claimed",  # the column of the claimed epsilon, its title on two lines
        "none",
        "50 is guessing",
        "membership",
        "the run claims no epsilon.",
    ):
        assert word in out
    assert out.endswith(f"audit: {run}/audit.json\n")
    assert (folder / run / "audit.json").exists()
    assert err.splitlines() == [f"{n + 1}/4  shadow-{n:03d}: done" for n in range(4)]


def test_again_nothing_is_run(done: tuple[str, str], run: Path, audit: Call) -> None:
    out, err = audit(str(run), "--shadows", "4")
    assert out == done[0]
    assert err.splitlines() == [f"{n + 1}/4  shadow-{n:03d}: ran before" for n in range(4)]


def test_json_is_the_document_and_nothing_else(done: tuple[str, str], run: Path, audit: Call, folder: Path) -> None:
    out, err = audit(str(run), "--shadows", "4", "--json")
    assert json.loads(out) == json.loads((folder / run / "audit.json").read_text())
    assert err == ""


def test_the_control_says_so(done: tuple[str, str], run: Path, audit: Call) -> None:
    out, _ = audit(str(run), "--shadows", "4", "--shuffle", "--view", "shared", "--quiet")
    assert "shared view, membership shuffled" in out
    assert "a control: membership was shuffled" in out
    assert out.endswith("audit-shared-shuffled.json\n")


def test_ctrl_c_says_how_to_go_on(
    done: tuple[str, str], run: Path, audit: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fedsilo.runs.comparison.execute.go", interrupted)
    out, err = audit(str(run), "--shadows", "5", "--quiet", code=130)
    assert (out, err) == ("", "stopped. The same command continues with what is missing.\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("nowhere",), "nowhere: there is no such run."),
        (("cache",), "cache: is not a run folder"),
        (("RUN", "--shadows", "0"), "shadows: must be at least 4"),
        (("RUN", "--shadows", "-1"), "shadows: must be at least 4"),
        (("RUN", "--jobs", "0"), "jobs: must be at least 1"),
        (("RUN", "--view", "all"), "view: must be one of client, shared, got 'all'."),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words: tuple[str, ...], line: str, run: Path, audit: Call) -> None:
    out, err = audit(*[str(run) if word == "RUN" else word for word in words], code=2)
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1
