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
