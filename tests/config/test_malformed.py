"""What a user is told about a scenario that cannot be run: malformed.txt, line by line, and what text cannot show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import ScenarioError

TABLE = Path(__file__).with_name("malformed.txt")


@dataclass
class Case:
    title: str
    files: dict[str, list[str]] = field(default_factory=lambda: {"q.yaml": []})
    overrides: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def cases() -> Iterator[Case]:
    _, *blocks = ("\n" + TABLE.read_text()).split("\n## ")
    for block in blocks:
        title, *rest = block.rstrip().split("\n")
        case, file = Case(title), "q.yaml"
        for line in rest:
            if line.startswith("> "):
                case.lines.append(line[2:])
            elif line.startswith("$ "):
                case.overrides.append(line[2:])
            elif line.startswith("@ "):
                file = line[2:]
                case.files[file] = []
            else:
                case.files[file].append(line)
        yield case


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title.replace(" ", "-"))
@pytest.mark.usefixtures("components")
def test_every_problem_gets_its_line(case: Case, folder: Path) -> None:
    for name, lines in case.files.items():
        (folder / name).write_text("\n".join(lines) or "seed: 0")  # a file without a key is refused as such
    before = sorted(folder.iterdir())
    with pytest.raises(ScenarioError) as caught:
        read("q.yaml", case.overrides)
    assert list(caught.value.problems) == case.lines
    assert str(caught.value) == "\n".join(case.lines)
    assert sorted(folder.iterdir()) == before, "nothing may be written"


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 140
    assert all(case.lines for case in CASES)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"name: caf\xe9", "q.yaml: is not UTF-8 text: byte 0xe9 at 9."),
        ("seed: 3".encode("utf-16"), "q.yaml: is not UTF-8 text: byte 0xff at 0."),
        (b"seed: \x00", "q.yaml:1: not YAML: character 0 at position 6 is not allowed."),
        (b"data: " + b"[" * 25 + b"]" * 25, "q.yaml:1: is nested more than 20 levels deep."),
        (b"[" * 100_000, "q.yaml:1: is nested more than 20 levels deep."),
        (b"{a: " * 500 + b"1" + b"}" * 500, "q.yaml:1: is nested more than 20 levels deep."),
        (b"- " * 5_000, "q.yaml:1: is nested more than 20 levels deep."),
        (b"x" * 300_000, "q.yaml:1: has 300000 characters, more than the 262144 of a scenario."),
        (b"x" * 2_000_000, "q.yaml: has 2000000 bytes. That is no scenario."),
        (
            b"name: '" + b"${" * 200 + b"a" + b"}" * 200 + b"'",
            "q.yaml:1: name: an interpolation of more than 300 characters is not read.",
        ),
        (
            b"seed: " + b"9" * 6000,
            "q.yaml:1: seed: must be a whole number >= 0, got '999999999999999999999999999..."
            "9999999999999999999999999999'. That is too large.",
        ),
    ],
    ids=[
        "latin-1",
        "utf-16",
        "nul",
        "lists",
        "brackets",
        "braces",
        "dashes",
        "long",
        "huge",
        "interpolation",
        "digits",
    ],
)
@pytest.mark.usefixtures("components")
def test_odd_bytes_get_one_line(content: bytes, line: str, folder: Path) -> None:
    (folder / "q.yaml").write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        read("q.yaml")
    assert caught.value.problems == (line,)


@pytest.mark.usefixtures("components")
def test_aliases_that_expand_without_end_are_refused(folder: Path) -> None:
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (folder / "q.yaml").write_text("\n".join(laughs))
    with pytest.raises(ScenarioError, match=r"q.yaml:1: has more than 20000 values, aliases written out"):
        read("q.yaml")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "scenario: no file is named. Give the path of a scenario file."),
        ("  ", "scenario: no file is named. Give the path of a scenario file."),
        (".", ".: is a folder, not a scenario file."),
        ("qick.yaml", "qick.yaml: there is no such file. Did you mean 'quick.yaml'?"),
        ("privacy.epsilon=3", "privacy.epsilon=3: is a change of a key. Name the scenario file before it."),
        ("deep/quick.yaml", "deep/quick.yaml: there is no such file."),
        ("/dev/null", "/dev/null: is not a plain file."),
        ("a\0b", r"a\x00b: there is no such file."),
    ],
)
@pytest.mark.usefixtures("components")
def test_paths_that_are_no_file_get_one_line(path: str, line: str, folder: Path) -> None:
    (folder / "quick.yaml").write_text("")
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert caught.value.problems == (line,)
