"""The page of a run: complete, escaped, without network, and equal for equal records."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.report.conftest import Made, lines
from tests.report.page.conftest import drawn, finish, read, tree, words

from fedsilo.report.page.document import write_page
from fedsilo.report.results.finished_run import Run


@pytest.mark.parametrize(("clients", "rounds"), [(1, 1), (3, 4), (60, 2), (61, 2), (200, 15)])
def test_a_page_is_well_formed_and_needs_nothing_else(clients: int, rounds: int, made: Made) -> None:
    html = drawn(made(clients, rounds))
    found = read(html)
    assert tree(html).tag == "html"
    assert "script" not in found.elements
    assert not found.handlers
    assert all(address.startswith("data:image/png;base64,") for address in found.addresses)
    assert not re.search(r"https?:|@import|url\(", html)
    assert len(html) < 1_000_000
    assert "Cannot be drawn" not in html


def test_names_of_users_are_text(made: Made) -> None:
    html = drawn(finish(made()))
    shown = words(html)
    for name in ('x<script>alert("x")</script>', "y & z", "<y>", "run <1>", "<u>", "<w> below"):
        assert name in shown, name
    assert "context <b> (2×3 float32), loss" in shown
    assert "round 2 was tried again: <gone>" in shown
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_the_same_records_give_the_same_bytes(made: Made) -> None:
    run = made(70)
    write_page(run, run.folder / "a.html")
    write_page(Run(run.folder), run.folder / "b.html")
    assert (run.folder / "a.html").read_bytes() == (run.folder / "b.html").read_bytes()


@pytest.mark.parametrize("gone", [["rounds.jsonl", "clients.jsonl", "wire.jsonl"], ["partition.json"], ["references"]])
def test_a_run_that_has_hardly_begun_has_a_page(gone: list[str], made: Made) -> None:
    run = made()
    for name in gone:
        (run.folder / name).rename(run.folder.parent / name)
    assert "promptfl" in words(drawn(run))


def test_a_folder_with_a_scenario_alone_has_a_page(made: Made) -> None:
    run = made()
    for path in list(run.folder.iterdir()):
        if path.name != "scenario.yaml":
            path.rename(run.folder.parent / path.name)
    shown = words(drawn(run))
    assert "No round has been measured yet." in shown
    assert "The data have not been split yet." in shown


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("privacy.json", {"epsilon": 1.0}, "Ledger"),
        ("environment.json", {"command": 3}, "Surroundings"),
        ("wire.jsonl", {"round": 0, "tensors": 1}, "Traffic"),
        ("rounds.jsonl", {"round": 0, "local_accuracy": "high"}, "Overall"),
        ("clients.jsonl", {"round": 0}, "Clients"),
    ],
)
def test_records_of_another_shape_cost_their_part_of_the_page(
    name: str, content: dict[str, Any], part: str, made: Made
) -> None:
    run = made()
    lines(run.folder / name, [content])
    html = drawn(run)
    assert f"{part} Cannot be drawn, its records are damaged: " in words(html)
    assert "Who holds what" in html
