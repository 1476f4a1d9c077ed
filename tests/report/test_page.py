"""The page of a run: complete, escaped, without network, and equal for equal records."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from jinja2 import UndefinedError
from markupsafe import Markup
from PIL import Image

from fedsilo.core.errors import ScenarioError
from fedsilo.report.number_formats import format_bytes, format_seconds, list_numbers
from fedsilo.report.page.bar_chart import draw_gantt
from fedsilo.report.page.chart_frame import Frame, choose_ticks, choose_whole_ticks
from fedsilo.report.page.clients_section import MOST_SMALL
from fedsilo.report.page.document import draw_page, write_page
from fedsilo.report.page.heatmap import draw_heat_map
from fedsilo.report.page.line_chart import ChartLine, draw_curves
from fedsilo.report.page.page_data import read_page_data
from fedsilo.report.page.partition_section import LARGEST
from fedsilo.report.page.rendering import render
from fedsilo.report.page.svg import draw
from fedsilo.report.results.finished_run import Run

Made = Callable[..., Run]
LINKS = ("src", "href", "action", "data", "poster", "srcset", "formaction")


class Reader(HTMLParser):
    """Text, elements and addresses as a browser finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in LINKS or key.endswith(":href")]
        self.handlers += [key for key, _ in attrs if key.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def drawn(run: Run) -> str:
    return draw_page(read_page_data(run))


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def tree(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))


def words(html: str) -> str:
    return " ".join(" ".join(tree(html).find("body").itertext()).split())  # type: ignore[union-attr]


def finish(run: Run, **changes: Any) -> Run:
    rows = [
        {"method": "chance", "role": "reference", "local_accuracy": 0.25},
        {"method": "zero_shot", "role": "reference", "local_accuracy": 0.4, "averaged_rounds": 1, "rounds": 1},
        {"method": "promptfl", "role": "method", "local_accuracy": 0.5, "averaged_rounds": 3, "unseen_accuracy": 0.3},
    ]
    result = {
        **{"scenario": "x", "headline": {"value": 0.5, "last_rounds": 5}, "rows": rows, "privacy": None},
        **{"warnings": ["<w> below"], "notices": ["round 2 was tried again: <gone>"], "sha256": "0", "hashes": {}},
    }
    (run.folder / "result.json").write_text(json.dumps(result | changes))
    return run


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


def test_damage_is_named_and_the_rest_is_shown(made: Made) -> None:
    run = finish(made())
    for name in ("partition.json", "environment.json", "result.json", "privacy.json"):
        (run.folder / name).write_text("{")
    shown = words(drawn(run))
    assert all(shown.count(f"{name}:") == 1 for name in ("environment.json", "result.json", "privacy.json"))
    assert "partition.json: damaged" in shown
    assert "Accuracy of each client" in shown


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


def test_a_scenario_that_is_none_is_refused(made: Made) -> None:
    run = made()
    (run.folder / "scenario.yaml").write_text("method: nothing")
    with pytest.raises(ScenarioError):
        drawn(run)


def test_a_run_of_zero_shot_alone_has_curves_and_no_floor(made: Made) -> None:
    html = drawn(made(method="zero_shot"))
    assert "local accuracy, zero_shot" in words(html)
    assert "points over zero-shot" not in words(html)
    assert 'class="level zero_shot"' not in html


def test_chance_and_zero_shot_are_lines_of_the_overall_picture(made: Made) -> None:
    titles = [title.text or "" for title in tree(drawn(made())).iter("title")]
    assert "zero_shot: 40 %" in titles
    assert "chance: 25 %" in titles
    assert "promptfl, round 3: 53 %" in titles
    assert "local, round 3: 48 %" in titles
    assert not [title for title in titles if title.startswith("zero_shot, round")]  # it is no curve


def test_each_client_has_a_curve_with_its_own_zero_shot_line(made: Made) -> None:
    smalls = [box for box in tree(drawn(made(3))).iter("div") if box.get("class") == "smalls"]
    figures = smalls[0].findall("figure")
    labels = [figure.find("svg").get("aria-label") for figure in figures]  # type: ignore[union-attr]
    assert labels == [
        "00 <y>: 53.0 %, zero-shot 40.0 %",
        "01 <y>, unseen: 53.0 %, zero-shot 40.0 %",
        "02 <y>: 53.0 %, zero-shot 40.0 %",
    ]
    assert all('class="level zero_shot"' in ElementTree.tostring(figure, "unicode") for figure in figures)


@pytest.mark.parametrize(("clients", "pictures"), [(MOST_SMALL, MOST_SMALL), (MOST_SMALL + 1, 0)])
def test_many_clients_are_rows_of_a_heat_map(clients: int, pictures: int, made: Made) -> None:
    html = drawn(made(clients, 2))
    assert len(re.findall(r"zero-shot 40\.\d %</title>", html)) == pictures
    assert ('class="pixels"' in html) == (pictures == 0)


def test_a_heat_map_has_a_pixel_for_each_client_and_round() -> None:
    values = np.linspace(0, 1, 21).reshape(7, 3)
    values[2, 1] = np.nan
    picture = draw_heat_map(values, 0.0, 1.0, "x")
    encoded = re.search(r'href="data:image/png;base64,([^"]+)"', picture)
    assert encoded
    with Image.open(io.BytesIO(base64.b64decode(encoded[1]))) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (7, 3, 3)
    assert pixels[2, 1].tolist() == [150, 150, 150]
    lightness = np.delete(pixels.astype(int).sum(axis=2).ravel(), 7)
    assert (np.diff(lightness) > 0).all()  # who sees no colours reads it as well
    at = [float(y) for y in re.findall(r'<text x="40" y="([0-9.]+)"', picture)]
    assert len(at) == 7
    assert at == sorted(set(at))


def test_a_budget_is_stated_with_its_curve_and_clients(made: Made) -> None:
    run = made(epsilon=2.0)
    expenses = [{"multiplier": 1.1, "rate": 0.25, "count": 7}]
    clients = {"0": {"epsilon": 2.0, "expenses": expenses}, "1": {"epsilon": None, "expenses": expenses}}
    guarantee = {
        **{"epsilon": 2.0, "delta": 1e-5, "guaranteed": False, "unit": "example", "note": "<n>", "counted": 2.0},
        **{"by_accountant": {"pld": 2.0, "rdp": None}, "clients": clients},
    }
    (run.folder / "privacy.json").write_text(json.dumps(guarantee))
    charge = {"round": 0, "exchange": 0, "attempt": 0, "clients": [0]}
    lines(run.folder / "ledger.jsonl", [charge, {**charge, "attempt": 1}])
    shown = words(drawn(run))
    assert "promptfl : a nominal epsilon of 2 at delta 1e-05 per example, 2 releases on record. <n>" in shown
    assert "multiplier 1.1, rate 0.25, count 7" in shown
    assert "Epsilon after each round" in shown
    assert "∞" in shown
    assert "releases made more than once in round 0" in shown
    assert "Nothing is promised" not in shown


def test_without_a_budget_nothing_is_promised(made: Made) -> None:
    shown = words(drawn(made()))
    assert "Nothing is promised, so nothing was charged." in shown
    assert "Nothing is clipped, no noise is added." in shown
    assert "Epsilon after" not in shown


def test_columns_of_unseen_clients_appear_where_there_are_such(made: Made) -> None:
    shown = words(drawn(finish(made(unseen_accuracy=0.3))))
    assert "30.0 % unseen clients" in shown
    assert "Unseen clients: they never train" in shown
    assert "1 client never trained (1)" in shown


def test_the_row_of_the_method_is_bold_and_the_others_are_not(made: Made) -> None:
    rows = [row for row in tree(drawn(made())).iter("tr") if row.find("th") is not None]
    names = [row.find("th/b") for row in rows]
    assert [name.text for name in names if name is not None] == ["promptfl"]


def test_the_partitions_picture_is_in_the_page_unless_it_is_too_large(made: Made) -> None:
    run = made()
    path = run.folder / "partition.png"
    Image.new("RGB", (3, 2), "red").save(path)
    (image,) = tree(drawn(run)).iter("img")
    assert base64.b64decode(image.attrib["src"].partition(",")[2]) == path.read_bytes()
    assert "3 clients" in image.attrib["alt"]
    path.write_bytes(bytes(LARGEST + 1))
    html = drawn(run)
    assert "<img" not in html
    assert "partition.png is too large for this page" in words(html)


def test_a_timeline_goes_on_where_the_row_above_ends() -> None:
    picture = draw_gantt(
        [("a", [("train", 1.0), ("evaluate", 2.0)]), ("b", [("train", 1.0)])], ["train", "evaluate"], "x", str
    )
    found = re.findall(r'<rect class="bar (c\d)" x="([0-9.]+)" y="([0-9.]+)" width="([0-9.]+)"', picture)
    looks, lefts, tops, widths = zip(*found, strict=True)
    assert looks == ("c0", "c1", "c0")
    assert float(tops[0]) == float(tops[1]) < float(tops[2])
    for number in (0, 1):
        assert float(lefts[number]) + float(widths[number]) == pytest.approx(float(lefts[number + 1]), abs=0.1)
    assert float(widths[1]) == pytest.approx(2 * float(widths[0]), abs=0.1)


def test_bytes_are_those_of_the_records(made: Made) -> None:
    shown = words(drawn(made(clients=5, rounds=4)))
    assert "2 kB uploaded" in shown  # 4 rounds of 5 clients with 100 bytes each
    assert "promptfl 2 kB 1 kB 500 B 100 B 4" in shown
    assert "message: keys 50 B 20 1 kB" in shown


def test_clients_that_dropped_out_are_listed(made: Made) -> None:
    assert "3 promptfl 1, 2" in words(drawn(made(dropped=[1, 2])))


def test_the_slowest_client_of_a_round_is_shown_where_it_is_recorded(made: Made) -> None:
    run = made(slowest={"client": 1, "seconds": 2.5, "median": 0.5})
    assert "client 01" in words(drawn(run))
    assert "half of the clients up to" in words(drawn(run))
    (run.folder / "rounds.jsonl").unlink()
    assert "Slowest clients" not in words(drawn(run))


PACED = {"clock_s": 12.5, "simulated_s": 2.5, "late": [0], "offline": [1, 2], "staleness": [0, 3]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        (PACED, "promptfl: 12.5 simulated seconds; 4 times a client was late or not needed, 8 times offline; 0 rounds"),
        (PACED, "2 12.5 2.5 0 to 2 0 1, 2 0, 3"),
        ({**PACED, "participants": []}, "4 rounds without an update"),
    ],
)
def test_simulated_time_is_shown_where_there_is_any(changes: dict[str, Any], expected: str, made: Made) -> None:
    shown = words(drawn(made(**changes)))
    assert expected in shown
    assert ("Simulated time" in shown) == bool(expected)


def test_text_is_escaped_and_markup_is_not() -> None:
    assert draw("text", "<a>", Markup("<b></b>"), title='"&') == '<text title="&#34;&amp;">&lt;a&gt;<b></b></text>'
    assert (
        draw("line", x1=1.0, x2=2.25, id=None, stroke_dasharray="4 2")
        == '<line x1="1" x2="2.2" stroke-dasharray="4 2"/>'
    )
    damaged = render("damaged", title='"&', error="<a>\ud800\x00\u202e" + Markup("<b></b>"))
    assert '<h2 id="&#34;&amp;">&#34;&amp;</h2>' in damaged
    assert "&lt;a&gt;\ufffd\ufffd\ufffd" in damaged
    assert "<b></b>" in damaged


def test_a_variable_that_a_section_forgot_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="error"):
        render("damaged", title="x")


def test_a_gap_breaks_a_line() -> None:
    picture = draw_curves([ChartLine("m", [(0, 0.1), (1, 0.2), (2, None), (3, 0.3)])], [], "x", str)
    path = re.search(r'd="([^"]*)"', picture)
    assert path
    assert re.sub("[0-9. ]", "", path[1]) == "MLM"
    assert picture.count("<circle") == 3


def test_values_lie_where_the_axis_says() -> None:
    frame = Frame((0, 10), (0, 1), 100, 100, left=20, bottom=20, top=10, right=10)
    assert (frame.x(0), frame.x(10), frame.y(0), frame.y(1)) == (20, 90, 80, 10)
    assert Frame((0, 0), (5, 5)).y(5) == Frame((0, 1), (0, 1)).y(0.5)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.61, 0.8, [0.65, 0.7, 0.75, 0.8]), (3, 3, [3]), (0, 17, [0, 5, 10, 15])],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert choose_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("last", [0, 1, 2, 7, 199])
def test_rounds_are_whole(last: int) -> None:
    found = choose_whole_ticks(last)
    assert found == [int(tick) for tick in found]
    assert found[0] == 0
    assert max(found) <= last
    assert len(found) <= 8


def test_numbers_as_words() -> None:
    assert [format_bytes(n) for n in (0, 999, 8216, 999_900, 3.4e9)] == [
        "0 B",
        "999 B",
        "8.22 kB",
        "1,000 kB",
        "3.4 GB",
    ]
    assert [format_seconds(n) for n in (0.5, 99, 125, 3725)] == ["0.5 s", "99 s", "2 min 5 s", "1 h 2 min"]
    assert [list_numbers(n) for n in ([], [3], [0, 1, 2], [0, 2])] == ["", "3", "0 to 2", "0, 2"]
    assert list_numbers([1, 3, 5], most=2) == "1, 3 and 1 more"


def stage(
    round: int, name: str, began: float, work: Mapping[int, tuple[float, float]], seconds: float
) -> dict[str, Any]:
    """A line of timeline.jsonl; work is each client's beginning and seconds."""
    return {
        **{"round": round, "stage": name, "began": began, "until": began + seconds, "seconds": seconds},
        **{"clients": list(work), "client_began": [w[0] for w in work.values()]},
        **{"client_until": [sum(w) for w in work.values()], "client_seconds": [w[1] for w in work.values()]},
    }


def bars_of(text: str) -> dict[str, tuple[float, float]]:
    """Left and width of each bar of the picture of clients at work, by its words."""
    found = re.findall(
        r'<rect class="bar c\d" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*><title>([^<]*, round[^<]*)<', text
    )
    return {
        words: (float(left), float(width)) for left, width, words in found if words.startswith(("client ", "coord"))
    }


def test_clients_at_work_have_a_row_each_in_the_newest_rounds(made: Made) -> None:
    run = made(clients=2, rounds=5)
    records = []
    for round in range(5):
        records.append(stage(round, "train", 0.0, {0: (0.5, 1.0), 1: (0.0, 2.0)}, 2.0))
        records.append(stage(round, "evaluate", 3.0, {0: (3.0, 1.0), 1: (-9.0, 0.5)}, 1.0))
    lines(run.folder / "timeline.jsonl", records)
    text = draw_page(read_page_data(run))
    drawn = bars_of(text)
    assert len(drawn) == 3 * 2 * 3  # rounds, stages, the coordinator and two clients
    assert "rounds 2 to 4" in text
    at = {words: left for words, (left, _) in drawn.items()}
    second = (760 - 92 - 20) / 12  # three rounds of four seconds
    assert at["client 00, round 2, train: 1 s"] == pytest.approx(92 + 0.5 * second, abs=0.1)
    assert at["client 01, round 3, train: 2 s"] == pytest.approx(92 + 4 * second, abs=0.1)
    assert drawn["client 01, round 3, train: 2 s"][1] == pytest.approx(2 * second, abs=0.1)
    assert at["client 01, round 2, evaluate: 0.5 s"] == 92  # a clock that is wrong stays in the picture


def test_of_many_clients_those_at_work_longest_are_drawn_and_it_is_said(made: Made) -> None:
    run = made(clients=60, rounds=1)
    work = {client: (0.0, 1.0 + (client * 7) % 60) for client in range(60)}
    lines(run.folder / "timeline.jsonl", [stage(0, "train", 0.0, work, 61.0)])
    text = draw_page(read_page_data(run))
    assert "The 40 of 60 clients that were at work longest." in text
    shown = {int(words[7:9]) for words in bars_of(text) if words.startswith("client")}
    assert shown == set(sorted(work, key=lambda client: -work[client][1])[:40])


def test_masked_training_is_the_coordinator_s_wait_and_a_run_without_a_timeline_has_no_such_picture(made: Made) -> None:
    run = made(clients=2, rounds=1)
    assert "Clients at work" not in draw_page(read_page_data(run))
    measured = stage(0, "evaluate", 1.0, {0: (1.0, 0.5), 1: (1.5, 0.5)}, 1.0)
    lines(run.folder / "timeline.jsonl", [stage(0, "train", 0.0, {}, 1.0), measured])
    text = draw_page(read_page_data(run))
    assert "Updates are masked" in text
    assert {words.split(", ")[0] for words in bars_of(text) if ", train" in words} == {"coordinator"}


def test_waiting_between_exchanges_is_said(made: Made) -> None:
    run = made(clients=1, rounds=1)
    record = stage(0, "train", 0.0, {0: (0.0, 1.0)}, 3.0) | {"client_until": [3.0]}
    lines(run.folder / "timeline.jsonl", [record])
    assert "waiting included" in draw_page(read_page_data(run))
