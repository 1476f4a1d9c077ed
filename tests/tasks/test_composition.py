"""The task of compositions: its numbers by hand and by simulation, and whole runs on a data set of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

import fedsilo
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Candidates, LabelledImages
from fedsilo.core.errors import DataError, FedsiloError, ScenarioError
from fedsilo.core.task import CandidateEvidence
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.loading import load
from fedsilo.report.page.document import draw_page
from fedsilo.report.page.page_data import read_page_data
from fedsilo.report.results.finished_run import Run
from fedsilo.simulation.evaluation import total
from fedsilo.simulation.preparation import partition_of
from fedsilo.storage.run_folder import read_lines
from fedsilo.tasks.classification import Classification
from fedsilo.tasks.composition import Composition
from fedsilo.training.composition_curve import describe_images, exact_curve

TASK = Composition()
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def toy() -> Iterator[Callable[..., LabelledImages]]:
    """Loads the toy data set: toy(world="open", seed=3)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        from toy_pairs import ToyPairs  # type: ignore[import-not-found]

        yield lambda seed=3, **keys: ToyPairs(**keys).load(seed)


@pytest.fixture(scope="module")
def closed(toy: Callable[..., LabelledImages]) -> Candidates:
    return TASK.candidates(toy())


def draw(among: Candidates, images: int, generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    allowed = np.ones(len(among), dtype=bool) if among.allowed is None else among.allowed
    labels = torch.from_numpy(generator.choice(np.flatnonzero(allowed), images))
    return torch.from_numpy(generator.normal(size=(images, len(among))).astype(np.float32)), labels


def test_candidates_are_the_pairs_with_their_words_and_masks(closed: Candidates) -> None:
    assert len(closed) == 24
    assert closed.texts[0] == f"{closed.words['attribute'][0]} {closed.words['object'][0]}"
    assert closed.seen.tolist() == [True] * 12 + [False] * 12
    validation = closed.in_validation()
    assert closed.allowed is not None
    assert validation.allowed is not None
    assert closed.allowed[12:].tolist() == [False] * 6 + [True] * 6
    assert validation.allowed[12:].tolist() == [True] * 6 + [False] * 6
    assert closed.trained_by(np.array([2, 2, 5])).own.nonzero()[0].tolist() == [2, 5]  # type: ignore[union-attr]


def test_targets_have_the_pair_and_its_parts(closed: Candidates) -> None:
    targets = TASK.targets(torch.tensor([3, 0, 20]), closed)
    assert targets["class"].tolist() == [3, 0, 20]
    assert targets["attribute"].tolist() == closed.parts["attribute"][[3, 0, 20]].tolist()
    assert targets["object"].tolist() == closed.parts["object"][[3, 0, 20]].tolist()


def test_losses_are_cross_entropies_over_seen_pairs(closed: Candidates) -> None:
    among = closed.seen_only()
    scores = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    targets = TASK.targets(torch.tensor([0, 3, 5, 11, 11]), among)
    losses = TASK.losses(scores, targets, among)
    assert losses.tolist() == pytest.approx(cross_entropy(scores, targets["class"], reduction="none").tolist())
    assert float(TASK.loss(scores, targets, among)) == pytest.approx(float(losses.mean()))


def test_tallies_of_batches_add_up(closed: Candidates) -> None:
    scores, labels = draw(closed, 60, np.random.default_rng(0))
    tallies = [
        TASK.tally(scores[a:b], TASK.targets(labels[a:b], closed), closed) for a, b in ((0, 0), (0, 25), (25, 60))
    ]
    whole = TASK.tally(scores, TASK.targets(labels, closed), closed)
    assert TASK.measures(total(tallies)) == TASK.measures(whole)
    assert whole["examples"] == 60
    assert sum(np.asarray(value).nbytes for value in whole.values()) < 60 * 20  # nothing of (n, K)


def test_groups_of_pairs_are_measured_at_the_best_bias(closed: Candidates) -> None:
    generator = np.random.default_rng(4)
    scores, labels = draw(closed, 400, generator)
    scores[torch.arange(400), labels] += 2.0
    among = closed.trained_by(np.array([0, 1, 2]))
    columns = describe_images(scores, labels, among)
    curve = exact_curve(columns)
    assert curve is not None
    found = TASK.measures(TASK.tally(scores, TASK.targets(labels, among), among))
    moved = scores + torch.from_numpy(np.where(among.seen, 0, curve.biases[curve.best])).float()
    moved[:, torch.from_numpy(~among.allowed)] = -torch.inf  # type: ignore[operator]
    right = (moved.argmax(dim=1) == labels).numpy()
    pair = labels.numpy()
    expected = {
        "own_pairs": right[pair < 3].mean(),
        "others_pairs": right[(pair >= 3) & (pair < 12)].mean(),
        "unseen_pairs": right[pair >= 12].mean(),
        "harmonic_mean": 2 / (1 / right[pair < 12].mean() + 1 / right[pair >= 12].mean()),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert set(found) == {metric.name for metric in TASK.metrics}


def test_what_the_images_cannot_have_is_left_out(closed: Candidates) -> None:
    scores, _ = draw(closed, 6, np.random.default_rng(0))
    some = torch.tensor([0, 1, 2, 0, 1, 2])
    found = TASK.measures(TASK.tally(scores, TASK.targets(some, closed), closed))
    assert set(found) == {"attribute", "object", "seen"}
    assert TASK.curve(TASK.tally(scores, TASK.targets(some, closed), closed)) is None
    unseen = TASK.measures(TASK.tally(scores, TASK.targets(some + 18, closed), closed))
    assert set(unseen) == {"attribute", "object", "unseen"}
    assert TASK.measures(TASK.tally(scores[:0], TASK.targets(some[:0], closed), closed)) == {}


@pytest.mark.parametrize("world", ["closed", "open"])
def test_the_floor_is_what_random_scores_give(world: str, toy: Callable[..., LabelledImages]) -> None:
    among = TASK.candidates(toy(world=world)).trained_by(np.arange(6))
    scores, labels = draw(among, 400_000, np.random.default_rng(7))
    found = TASK.measures(TASK.tally(scores, TASK.targets(labels, among), among))
    floor = TASK.floor(among)
    assert set(floor) == {metric.name for metric in TASK.metrics if not metric.name.startswith("cge")}
    for name, expected in floor.items():
        assert found[name] == pytest.approx(expected, rel=0.05), name
    assert TASK.chance(among) == floor["auc"]


def no_text(names: Any) -> np.ndarray:
    raise AssertionError("no text feature is needed")


def test_without_feasibility_all_pairs_stay(closed: Candidates) -> None:
    assert TASK.limit(closed, CandidateEvidence(no_text, [])) == (closed, ())


def test_feasibility_forbids_what_is_below_the_threshold(toy: Callable[..., LabelledImages], tmp_path: Path) -> None:
    among = TASK.candidates(toy(world="open"))
    words = [*among.words["attribute"], *among.words["object"]]
    vectors = np.random.default_rng(2).normal(size=(len(words), 8))
    lines = [f"{word} {' '.join(map(str, vector))}\n" for word, vector in zip(words, vectors, strict=True)]
    (tmp_path / "glove.txt").write_text("".join(lines))
    glove = Composition(feasibility="glove", glove=str(tmp_path / "glove.txt"), threshold=0.2)
    limited, notices = glove.limit(among, CandidateEvidence(no_text, []))
    assert limited.allowed is not None
    assert limited.allowed_in_validation is limited.allowed
    assert limited.allowed[:12].all()
    left = int(limited.allowed[12:].sum())
    assert 0 < left < 16
    assert f"{left} of 16 unseen pairs" in notices[0]
    clip, _ = Composition(feasibility="clip", threshold=0.2).limit(
        among, CandidateEvidence(lambda names: np.stack([vectors[words.index(name)] for name in names]), [])
    )
    assert clip.allowed is not None
    assert clip.allowed.tolist() == limited.allowed.tolist()


@pytest.mark.parametrize(
    ("world", "keys", "why"),
    [
        (
            "closed",
            {"feasibility": "clip", "threshold": 0.1},
            r"task\.feasibility: clip .* closed world.*data\.world=open",
        ),
        ("open", {"feasibility": "clip"}, r"task\.threshold: 'validation' needs validation images"),
        ("open", {"feasibility": "clip", "threshold": 1.0}, r"task\.threshold: no unseen pair has .* highest is 0\."),
    ],
)
def test_impossible_limits_are_one_line(
    world: str, keys: dict[str, Any], why: str, toy: Callable[..., LabelledImages]
) -> None:
    among = TASK.candidates(toy(world=world)).trained_by(np.arange(6))
    table = np.random.default_rng(0).uniform(0.2, 1, size=(30, 4))
    with pytest.raises(DataError, match=why):
        Composition(**keys).limit(among, CandidateEvidence(lambda names: table[: len(names)], []))


def test_data_that_do_not_fit_the_task_are_one_line(toy: Callable[..., LabelledImages]) -> None:
    images = toy()
    with pytest.raises(DataError, match=r"task: 'composition' needs .* pairs .*24 plain ones.*task: classification"):
        TASK.candidates(replace(images, pairs=None))
    with pytest.raises(DataError, match=r"'classification' .* 24 classes .* pairs, of which 12 .*task: composition"):
        Classification().candidates(images)
    seen_only = images.test.take(np.flatnonzero(images.test.labels < 12))
    with pytest.raises(DataError, match="none of the 36 test images has an unseen pair"):
        TASK.candidates(replace(images, test=seen_only))
    assert images.validation is not None
    unseen_only = images.validation.take(np.flatnonzero(images.validation.labels >= 12))
    with pytest.raises(DataError, match=r"none of the 12 validation images has a seen pair.*or none at all"):
        TASK.candidates(replace(images, validation=unseen_only))
    empty = images.validation.take(np.array([], dtype=np.int64))
    assert len(TASK.candidates(replace(images, validation=empty))) == 24


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({"feasibility": "glove"}, r"task\.glove: is empty"),
        ({"glove": "x.txt"}, r"task\.glove: has no effect"),
        ({"feasibility": "glove", "glove": "/no/x.txt"}, r"task\.glove: there is no file '/no/x\.txt'"),
        ({"feasibility": "glove", "glove": "~no-such-user/x.txt"}, r"task\.glove: there is no file '~no-such-user"),
        ({"threshold": 2.0}, r"task\.threshold"),
        ({"threshold": "best"}, r"task\.threshold"),
        ({"feasibility": "words"}, r"task\.feasibility"),
    ],
)
def test_impossible_keys_are_one_line(task: dict[str, Any], why: str) -> None:
    with pytest.raises(ScenarioError, match=why):
        from_mapping({"task": {"name": "composition", **task}})


SCENARIO = """
name: toy
seed: 3
data: {name: "toy_pairs:ToyPairs"}
partition: {name: composed, clients: 2, test: global}
task: composition
method: promptfl
training: {rounds: 3, local_epochs: 1, batch_size: 8, optimizer: {learning_rate: 0.01}}
evaluation: {references: [local]}
actors: {backend: serial}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("compositions")
    (folder / "toy.yaml").write_text(SCENARIO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(folder / "cache"))
        patch.syspath_prepend(str(HERE))
        yield folder


def run_toy(place: Path, **keys: Any) -> Run:
    return fedsilo.run(place / "toy.yaml", **{"tracking.root": str(place / "runs"), **keys})


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    return run_toy(place)


@pytest.fixture(scope="module")
def opened(place: Path) -> Run:
    keys = {"name": "opened", "method": "zero_shot", "evaluation.references": [], "training.rounds": 1}
    return run_toy(place, **keys, **{"data.world": "open", "task.feasibility": "clip"})


def zero_shot_scores(images: LabelledImages, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores from the backbone alone, without the engine."""
    loaded, examples = load(Backbone()), getattr(images, part)
    pixels = torch.stack([loaded.images.preprocessing.plain(examples.fetch(i)) for i in range(len(examples))])
    with torch.no_grad():
        pooled = loaded.images.columns(pixels, frozenset({"image"}))["image"]
        texts = loaded.encode_texts([images.template.replace("{}", name) for name in images.classes])
        scores = loaded.scale * normalize(pooled, dim=-1) @ normalize(texts, dim=-1).T
    return scores, torch.from_numpy(examples.labels)


def naive(scores: torch.Tensor, labels: torch.Tensor, seen: np.ndarray, allowed: np.ndarray) -> dict[str, float]:
    """The definition over the allowed candidates: all biases between two margins, all candidates ranked for each."""
    table = np.where(allowed, scores.double().numpy(), -1e10)
    margin = np.sort(table[:, seen].max(axis=1) - table[:, ~seen].max(axis=1))
    s, u = [], []
    for bias in [margin[0] - 1, *((margin[1:] + margin[:-1]) / 2), margin[-1] + 1]:
        right = (table + np.where(seen, 0, bias)).argmax(axis=1) == labels.numpy()
        s.append(right[seen[labels]].mean())
        u.append(right[~seen[labels]].mean())
    area = sum((u[i + 1] - u[i]) * (s[i + 1] + s[i]) / 2 for i in range(len(s) - 1))
    return {"auc": area, "seen": max(s), "unseen": max(u)}


def test_zero_shot_is_what_the_backbone_gives_in_both_splits(run: Run, place: Path) -> None:
    images, _ = partition_of(run.scenario)
    assert images.pairs is not None
    (record,) = read_lines(run.folder / "references" / "zero_shot" / "rounds.jsonl")
    for part, mask, view in (
        ("test", images.pairs.test, "local_"),
        ("validation", images.pairs.validation, "validation_"),
    ):
        expected = naive(*zero_shot_scores(images, part), images.pairs.seen, mask)
        assert {name: record[view + name] for name in expected} == pytest.approx(expected, abs=1e-6), part
    everything = naive(*zero_shot_scores(images, "test"), images.pairs.seen, np.ones(24, dtype=bool))
    assert everything["unseen"] < record["local_unseen"]  # the pairs of validation would be confused with others


def test_every_client_is_measured_on_own_others_and_unseen_pairs(run: Run) -> None:
    lines = read_lines(run.folder / "clients.jsonl")
    assert len(lines) == 6
    images, manifest = partition_of(run.scenario)
    held = [set(images.train.labels[np.array(client.train)].tolist()) for client in manifest.clients]
    for line in lines:
        others = set(range(12)) - held[line["client"]]
        assert ("others_pairs" in line) == bool(others)
        assert 0 <= line["own_pairs"] <= 1
        assert line["examples"] == 54
        assert line["validation_auc"] is not None
    assert all(value == value for line in lines for value in line.values())


def test_the_round_is_selected_by_validation_images_and_not_by_test_images(run: Run) -> None:
    records, row = read_lines(run.folder / "rounds.jsonl"), run.result["rows"][-1]
    by_validation = [record["validation_auc"] for record in records]
    by_test = [record["local_auc"] for record in records]
    chosen = int(np.argmax(by_validation))
    assert chosen != int(np.argmax(by_test))  # so the two rules differ here
    assert row["selected_round"] == chosen
    assert row["selected_local_auc"] == by_test[chosen]
    assert row["selected_local_harmonic_mean"] == records[chosen]["local_harmonic_mean"]
    assert row["local_auc"] == pytest.approx(np.mean(by_test))
    assert row["best_local_auc"] == max(by_test)


def test_curves_are_recorded_for_each_round(run: Run) -> None:
    lines, records = read_lines(run.folder / "curves.jsonl"), read_lines(run.folder / "rounds.jsonl")
    assert [line["round"] for line in lines] == [0, 1, 2]
    for line, record in zip(lines, records, strict=True):
        unseen, seen = np.array(line["points"]).T
        assert (line["x"], line["y"]) == ("unseen", "seen")
        assert float((np.diff(unseen) * (seen[1:] + seen[:-1]) / 2).sum()) == pytest.approx(record["auc"])
        u, s = line["points"][line["best"]]
        assert 2 * u * s / (u + s) == pytest.approx(record["harmonic_mean"])


def test_the_page_draws_the_curves(run: Run) -> None:
    html = draw_page(read_page_data(run))
    section = html[html.index("Seen and unseen") :]
    assert section[: section.index("</figure>")].count("<path") == 3
    for words in (
        "Accuracy on seen over accuracy on unseen pairs",
        "Closed world: 18 of 24 candidates",
        "cge harmonic mean",
        "own pairs",
    ):
        assert words in section
    assert "damaged" not in html
    assert "nan" not in section[: section.index("</section>")]


def test_the_chance_of_the_run_is_that_of_its_candidates(run: Run) -> None:
    floor = run.scenario.task.floor(run.candidates)
    assert run.result["rows"][0]["local_auc"] == floor["auc"] == 0.5 / (12 * 6)
    assert read_page_data(run).chance == floor["auc"]


def test_predict_names_a_pair_that_may_be_predicted(run: Run) -> None:
    images, _ = partition_of(run.scenario)
    assert images.pairs is not None
    rows = [0, 9, 40, 53]
    frame = run.predict(1, [images.test.fetch(i) for i in rows])
    forbidden = [name for name, allowed in zip(images.classes, images.pairs.test, strict=True) if not allowed]
    assert len(forbidden) == 6
    assert (frame[[f"p({name})" for name in forbidden]] == 0).all(axis=None)
    assert frame[[column for column in frame.columns if column.startswith("p(")]].sum(axis=1).tolist() == pytest.approx(
        [1] * 4
    )
    colours = [name.split()[0] for name in frame["class"]]
    assert colours == [images.classes[images.test.labels[i]].split()[0] for i in rows]


def test_open_world_with_feasibility_is_a_run(opened: Run) -> None:
    images, _ = partition_of(opened.scenario)
    assert images.pairs is not None
    assert len(images.classes) == 28
    candidates = opened.candidates
    assert candidates.allowed is not None
    left = int(candidates.allowed[12:].sum())
    assert any(f"{left} of 16 unseen pairs" in notice and "validation" in notice for notice in opened.result["notices"])
    (record,) = read_lines(opened.folder / "rounds.jsonl")
    expected = naive(*zero_shot_scores(images, "test"), images.pairs.seen, candidates.allowed)
    assert {name: record[f"local_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert opened.result["rows"][0]["local_unseen"] == pytest.approx(1 / left)


def test_without_validation_images_nothing_is_selected(place: Path) -> None:
    keys = {"name": "blind", "method": "zero_shot", "evaluation.references": [], "training.rounds": 1}
    row = run_toy(place, **keys, **{"data.validation": False}).result["rows"][-1]
    assert "selected_round" not in row
    assert row["validation_auc"] is None


def test_a_data_set_without_pairs_is_refused_before_the_first_round(place: Path) -> None:
    with pytest.raises(FedsiloError, match="task: 'composition' needs classes that are pairs"):
        run_toy(place, data="emblems", partition="composed")
