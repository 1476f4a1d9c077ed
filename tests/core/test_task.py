"""What every task has without writing it: names that are checked, a mean loss, and the headline of a random guess."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

from fedsilo.core.metrics import Metric
from fedsilo.core.task import Task


@dataclass(frozen=True)
class Ranking(Task):
    """A task whose loss is the label and whose guess is known."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("rank"), Metric("recall"))

    def candidates(self, images: Any) -> Any:
        return None

    def targets(self, labels: torch.Tensor, among: Any) -> Any:
        return {"class": labels}

    def losses(self, scores: torch.Tensor, targets: Any, among: Any) -> torch.Tensor:
        return scores[:, 0] * targets["class"]

    def tally(self, scores: torch.Tensor, targets: Any, among: Any) -> Any:
        return {"examples": len(scores)}

    def measures(self, tally: Any) -> Mapping[str, float]:
        return {}

    def floor(self, among: Any) -> Mapping[str, float]:
        return {"recall": 0.5, "rank": 0.125}


def test_the_loss_is_the_mean_over_examples() -> None:
    scores, targets = torch.tensor([[2.0], [5.0]]), {"class": torch.tensor([1, 4])}
    assert Ranking().loss(scores, targets, None).item() == (2 * 1 + 5 * 4) / 2  # type: ignore[arg-type]


def test_chance_is_the_guess_s_headline_metric() -> None:
    assert Ranking().chance(None) == 0.125  # type: ignore[arg-type]


def test_by_default_all_candidates_stay_and_there_is_no_curve() -> None:
    among: Any = object()
    assert Ranking().limit(among, None) == (among, ())  # type: ignore[arg-type]
    assert Ranking().curve({}) is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("Top 1",), ["metric 'Top 1': a metric's name is lower-case"]),
        (("loss",), ["'loss' would be recorded for two things"]),
        (("a", "local_a"), ["'local_a' would be recorded for two things"]),
        (("rank", "recall_5"), []),
    ],
)
def test_names_that_cannot_be_recorded_are_problems(
    names: tuple[str, ...], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ranking, "metrics", tuple(map(Metric, names)))
    found = Ranking().problems()
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))
