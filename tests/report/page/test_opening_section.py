"""The main numbers and the comparison of methods."""

from __future__ import annotations

import json

from tests.report.conftest import Made, lines
from tests.report.page.conftest import drawn, finish, tree, words


def test_an_unfinished_run_shows_what_there_is_so_far(made: Made) -> None:
    run = made(rounds=6)
    lines(
        run.folder / "rounds.jsonl", [json.loads(x) for x in (run.folder / "rounds.jsonl").read_text().splitlines()[:2]]
    )
    shown = words(drawn(run))
    assert "not finished: 2 of 6 rounds of promptfl" in shown
    assert "so far" in shown
    assert "50.5 % local accuracy, promptfl" in shown  # the mean of 50.01 and 51.01
    assert "fedsilo resume" in shown


def test_a_run_of_zero_shot_alone_has_curves_and_no_floor(made: Made) -> None:
    html = drawn(made(method="zero_shot"))
    assert "local accuracy, zero_shot" in words(html)
    assert "points over zero-shot" not in words(html)
    assert 'class="level zero_shot"' not in html


def test_columns_of_unseen_clients_appear_where_there_are_such(made: Made) -> None:
    shown = words(drawn(finish(made(unseen_accuracy=0.3))))
    assert "30.0 % unseen clients" in shown
    assert "Unseen clients: they never train" in shown
    assert "1 client never trained (1)" in shown


def test_the_row_of_the_method_is_bold_and_the_others_are_not(made: Made) -> None:
    rows = [row for row in tree(drawn(made())).iter("tr") if row.find("th") is not None]
    names = [row.find("th/b") for row in rows]
    assert [name.text for name in names if name is not None] == ["promptfl"]
