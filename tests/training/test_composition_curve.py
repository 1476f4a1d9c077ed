"""The curve of compositions: by hand, by brute force over biases, and against numbers of the released evaluator."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsilo.core.batch import Candidates
from fedsilo.training.composition_curve import (
    LOWEST,
    describe_images,
    exact_curve,
    is_right,
    margins,
    measure_as_released,
)

KEPT = Path(__file__).with_name("composition_vectors.npz")
"""Some cases of the file below: scores and what the released evaluator, run by its authors' code, made of them."""

VECTORS = Path(os.environ.get("FEDSILO_TEST_VECTORS", "")) / "czsl_evaluator.npz"
"""All cases, where a folder with them is named."""

CASES = (
    *("closed_random", "closed_perfect", "closed_val", "closed_nounseen"),
    *("open_nomask", "open_masked", "open_masked_negscores", "open_infmask"),
)

# 4 attributes x 2 objects, of which pairs 0 to 3 are seen; images 0 to 3 show seen pairs, 4 to 7 unseen ones.
SCORES = np.array(
    [
        [5, 1, 2, 0, 3, 1, 0, 0],  # right up to the bias 2
        [1, 4, 2, 0, 0, 0, 1, 3.5],  # right up to 0.5
        [3, 1, 2, 0, 0, 0, 0, 1],  # never: another seen pair is higher
        [0, 0, 1, 6, 2, 0, 0, 1],  # right up to 4
        [2, 1, 0, 0, 3, 1, 2, 0],  # right from -1
        [4, 1, 0, 0, 0, 3, 1, 0],  # right from 1
        [5, 0, 0, 1, 1, 2, 4, 0],  # right from 1 as well
        [1, 0, 0, 0, 0, 2, 1, 0],  # never: another unseen pair is higher
    ],
    dtype=np.float32,
)


def candidates(scores: np.ndarray = SCORES, seen: int = 4, **masks: np.ndarray) -> Candidates:
    count = scores.shape[1]
    parts = {"attribute": np.arange(count) // 2, "object": np.arange(count) % 2}
    return Candidates(tuple(map(str, range(count))), parts, np.arange(count) < seen, **masks)


def described(scores: np.ndarray = SCORES, pair: list[int] | None = None, **masks: np.ndarray) -> dict[str, np.ndarray]:
    pair = list(range(8)) if pair is None else pair
    return describe_images(
        torch.from_numpy(scores.copy()), torch.tensor(pair, dtype=torch.int64), candidates(scores, **masks)
    )


def test_columns_by_hand() -> None:
    found = described(own=np.arange(8) < 2)
    assert found["seen"].tolist() == [True] * 4 + [False] * 4
    assert found["own"].tolist() == [True] * 2 + [False] * 6
    assert found["first"].tolist() == [True, True, False, True, True, True, True, False]
    assert margins(found).tolist() == [2, 0.5, 2, 4, -1, 1, 1, -1]
    assert found["best_seen"].dtype == found["best_unseen"].dtype == np.float32
    # Predictions without bias: 0, 1, 0, 3, 4, 0, 0, 5.
    assert found["attribute"].tolist() == [True, True, False, True, True, False, False, False]
    assert found["object"].tolist() == [True, True, True, True, True, False, True, True]


def test_curve_by_hand() -> None:
    curve = exact_curve(described())
    assert curve is not None
    # Breaks at -1 (unseen 4), 0.5 (seen 1), 1 (unseen 5 and 6), 2 (seen 0), 4 (seen 3).
    assert curve.unseen.tolist() == [0, 0.25, 0.25, 0.75, 0.75, 0.75]
    assert curve.seen.tolist() == [0.75, 0.75, 0.5, 0.5, 0.25, 0]
    assert curve.area == pytest.approx(0.25 * 0.75 + 0.5 * 0.5)
    assert curve.harmonic.max() == pytest.approx(2 * 0.5 * 0.75 / 1.25)
    assert 1 < curve.biases[curve.best] < 2
    points, best = curve.thin(100)
    assert points == [[float(u), float(s)] for u, s in zip(curve.unseen, curve.seen, strict=True)]
    assert points[best] == [0.75, 0.5]


def test_few_points_keep_both_ends_and_the_best() -> None:
    curve = exact_curve(described())
    assert curve is not None
    points, best = curve.thin(3)
    assert points[0] == [0, 0.75]
    assert points[-1] == [0.75, 0]
    assert points[best] == [0.75, 0.5]
    assert len(points) == 3


def test_is_right_has_a_tie_on_the_losing_side() -> None:
    found = described()
    at_one = is_right(found, 1.0)
    assert at_one.tolist() == [True, False, False, True, True, False, False, False]  # images 5 and 6 are tied
    assert is_right(found, 1.5).tolist() == [True, False, False, True, True, True, True, False]


def test_a_tie_within_a_kind_is_an_error() -> None:
    scores = np.array([[2, 2, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 3, 3, 0, 0]], dtype=np.float32)
    assert described(scores, [0, 4])["first"].tolist() == [False, False]
    scores[:, 0] += 1
    scores[:, 4] += 1
    assert described(scores, [0, 4])["first"].tolist() == [True, True]


def test_a_pair_that_may_not_be_predicted_counts_nowhere() -> None:
    scores = np.array([[1, 2, 0, 0, 9, 3, 1, 0], [0, 0, 0, 0, 9, 3, 1, 0]], dtype=np.float32)
    allowed = np.arange(8) != 4
    found = described(scores, [1, 5], allowed=allowed)
    assert found["best_unseen"].tolist() == [3, 3]
    assert found["first"].tolist() == [True, True]
    own_pair = described(scores, [1, 4], allowed=allowed)
    assert own_pair["first"].tolist() == [True, False]
    negative = described(scores - 20, [1, 5], allowed=allowed)  # a mask is not a product with 0
    assert negative["first"].tolist() == [True, True]
    assert negative["best_unseen"].tolist() == [-17, -17]


def test_without_unseen_candidates_everything_stays_finite() -> None:
    found = described(SCORES[:4], [0, 1, 2, 3], allowed=np.arange(8) < 4)
    assert found["best_unseen"].tolist() == [LOWEST] * 4
    assert np.isfinite(margins(found)).all()
    assert exact_curve(found) is None


def test_no_images_are_no_curve() -> None:
    found = described(SCORES[:0], [])
    assert {len(values) for values in found.values()} == {0}
    assert exact_curve(found) is None


def test_released_numbers_by_hand() -> None:
    found = measure_as_released(described())
    # Biases -1.0001, 0.9999, 0.9999 and 1000: the image of a bias is itself wrong there.
    assert found["seen"] == 0.75
    assert found["unseen"] == 0.75
    assert found["auc"] == pytest.approx(0.25 * (0.75 + 0.5) / 2 + 0.5 * 0.5 / 2)
    assert found["harmonic_mean"] == pytest.approx(2 * 0.5 * 0.25 / 0.75)


def test_a_released_bias_lies_just_below_its_margin() -> None:
    scores = np.zeros((2, 8), dtype=np.float32)
    scores[0, [0, 4]] = 0.99995, 0  # a seen image whose margin is 5e-5 below that of the unseen one
    scores[1, [0, 4]] = 2, 1
    found = measure_as_released(described(scores, [0, 4]))
    assert found["seen"] == 1.0
    scores[0, 0] = 0.9998
    assert measure_as_released(described(scores, [0, 4]))["seen"] == 0.0


def test_released_numbers_are_zero_where_no_unseen_image_is_right() -> None:
    scores = SCORES.copy()
    scores[:, 7] = 8.0
    found = described(scores, [0, 1, 2, 3, 4, 5, 6, 4])
    assert measure_as_released(found) == {"seen": 0.0, "unseen": 0.0, "harmonic_mean": 0.0, "auc": 0.0}
    curve = exact_curve(found)
    assert curve is not None
    assert curve.seen.max() == 0.75


def brute_force(scores: np.ndarray, pair: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """The definition: add each bias to unseen scores, rank all candidates, and count."""
    s, u = [], []
    half = np.array([scores[i, seen].max() - scores[i, ~seen].max() for i in range(len(pair))])
    breaks = np.unique(half)
    biases = [breaks[0] - 1, *((breaks[1:] + breaks[:-1]) / 2), breaks[-1] + 1]
    for bias in biases:
        moved = scores + np.where(seen, 0, bias)
        true = moved[np.arange(len(pair)), pair]
        right = (moved >= true[:, None]).sum(axis=1) == 1
        s.append(right[seen[pair]].mean())
        u.append(right[~seen[pair]].mean())
    harmonic = [2 * a * b / (a + b) if a + b else 0.0 for a, b in zip(s, u, strict=True)]
    area = sum((u[i + 1] - u[i]) * (s[i + 1] + s[i]) / 2 for i in range(len(s) - 1))
    return {"S": max(s), "U": max(u), "HM": max(harmonic), "AUC": area}


@pytest.mark.parametrize("ties", [False, True])
def test_the_curve_is_that_of_the_definition(ties: bool) -> None:
    generator = np.random.default_rng(5)
    scores = generator.normal(size=(200, 12)).astype(np.float64)
    pair = generator.integers(0, 12, 200)
    scores[np.arange(200), pair] += 1.2
    if ties:
        scores = np.round(scores)
    seen = np.arange(12) < 5
    found = describe_images(torch.from_numpy(scores.astype(np.float32)), torch.from_numpy(pair), candidates(scores, 5))
    curve = exact_curve(found)
    assert curve is not None
    scores = scores.astype(np.float32).astype(np.float64)
    expected = brute_force(scores, pair, seen)
    got = {"S": curve.seen.max(), "U": curve.unseen.max(), "HM": curve.harmonic.max(), "AUC": curve.area}
    assert got == pytest.approx(expected, abs=1e-12)


def load(case: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    with np.load(KEPT) as kept:
        vectors = dict(kept)
    if f"{case}_scores" not in vectors:
        if not VECTORS.is_file():
            pytest.skip("FEDSILO_TEST_VECTORS does not name the folder of czsl_evaluator.npz")
        vectors = dict(np.load(VECTORS))
    data = {name.removeprefix(f"{case}_"): value for name, value in vectors.items() if name.startswith(f"{case}_")}
    scores = data.get("masked_scores", data["scores"])
    parts = {"attribute": data["pairs_idx"][:, 0].astype(np.int64), "object": data["pairs_idx"][:, 1].astype(np.int64)}
    texts = tuple(map(str, range(scores.shape[1])))
    among = Candidates(texts, parts, data["seen_mask"], allowed=data["cand_mask"])
    return data, describe_images(torch.from_numpy(scores), torch.from_numpy(data["pair_truth"].astype(np.int64)), among)


@pytest.mark.parametrize("case", CASES)
def test_vectors_of_the_released_evaluator(case: str) -> None:
    data, found = load(case)
    curve = exact_curve(found)
    assert curve is not None
    exact = [curve.seen.max(), curve.unseen.max(), curve.harmonic.max(), curve.area]
    assert exact == pytest.approx(data["exact_S_U_HM_AUC"].tolist(), abs=1e-9)
    released = [measure_as_released(found)[name] for name in ("seen", "unseen", "harmonic_mean", "auc")]
    assert released == pytest.approx(data["released"][:4].tolist(), abs=1e-6)
    if case != "open_masked_negscores":  # whose scores are tied at 0
        parts = [found["attribute"].mean(), found["object"].mean()]
        assert parts == pytest.approx(data["released"][4:6].tolist(), abs=1e-6)


def test_vectors_with_ties_are_the_lower_bound() -> None:
    data, found = load("closed_ties")
    curve = exact_curve(found)
    assert curve is not None
    exact = np.array([curve.seen.max(), curve.unseen.max(), curve.harmonic.max(), curve.area])
    assert exact == pytest.approx(data["exact_pess"].tolist(), abs=1e-9)
    assert (exact <= data["exact_opt"] + 1e-9).all()
    released = [measure_as_released(found)[name] for name in ("seen", "unseen", "harmonic_mean", "auc")]
    assert (np.array(released) <= data["exact_opt"] + 1e-6).all()
