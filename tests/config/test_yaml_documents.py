from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import ScenarioError


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
