"""Composition: an image shows an object in a state, and some pairs of the two are not trained on.

Scores are over pairs of an attribute and an object. The metrics follow the curve of `training.composition_curve`: the
accuracies on images of seen and unseen pairs under a bias that unseen pairs are given, which is varied.

Dimensions: b images, K candidates (pairs), S of them seen, V allowed ones unseen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.core.batch import ATTRIBUTE, CLASS, OBJECT, Candidates, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.data import LabelledImages
from fedsilo.core.errors import DataError
from fedsilo.core.metrics import Metric
from fedsilo.core.task import EXAMPLES, CandidateEvidence, Tally, Task
from fedsilo.data.files.user_paths import expand, is_missing
from fedsilo.data.files.word_vectors import read_word_vectors
from fedsilo.training.composition_curve import describe_images, exact_curve, is_right, measure_as_released
from fedsilo.training.pair_feasibility import choose_threshold, score_feasibility

NONE, CLIP, GLOVE, VALIDATION = "none", "clip", "glove", "validation"

POINTS = 101
"""Points of a curve that are kept for its picture."""

_CURVE = "Accuracy on seen over accuracy on unseen pairs, by the bias of unseen pairs; dot: best harmonic mean"
_AT_BEST = "at the bias with the best harmonic mean."
_RELEASED = "by the rule of the released evaluator: at most 40 biases, none at minus infinity."


@dataclass(frozen=True)
class Composition(Task):
    """Cross-entropy over pairs of attribute and object; seen, unseen, harmonic mean and area of the bias curve."""

    feasibility: str = key(
        NONE,
        "Open world: which unseen pairs may be predicted. none: all; clip, glove: those whose words are like those of "
        "seen pairs, by the backbone's text features or by a GloVe file.",
        NONE,
        CLIP,
        GLOVE,
    )
    glove: str = key("", "Path of the GloVe text file, for example glove.6B.300d.txt; ~ is the home folder.")
    threshold: float | str = key(
        VALIDATION,
        "Least feasibility of an unseen pair. validation: the one of 50 with the best zero-shot auc on validation "
        "images; 0.4 is usual for glove.",
        VALIDATION,
        within="in [-1, 1]",
    )

    metrics = (
        Metric("auc", "Area below the accuracy on seen pairs over the accuracy on unseen pairs.", title="AUC"),
        Metric("seen", "Accuracy on images of pairs that are trained on, among these pairs.", title="S"),
        Metric("unseen", "Accuracy on images of pairs that no client trains on, among these pairs.", title="U"),
        Metric("harmonic_mean", "The best harmonic mean of both accuracies over all biases.", title="HM"),
        Metric(ATTRIBUTE, "Share of the images whose predicted pair has the right attribute.", title="attr"),
        Metric(OBJECT, "Share of the images whose predicted pair has the right object.", title="obj"),
        Metric("own_pairs", f"Accuracy on images of pairs that the client trained on, {_AT_BEST}", column=False),
        Metric("others_pairs", f"Accuracy on images of pairs that only others trained on, {_AT_BEST}", column=False),
        Metric("unseen_pairs", f"Accuracy on images of pairs that no client trained on, {_AT_BEST}", column=False),
        Metric("cge_auc", f"auc {_RELEASED}", column=False),
        Metric("cge_harmonic_mean", f"harmonic mean {_RELEASED}", column=False),
        Metric("cge_seen", f"seen {_RELEASED}", column=False),
        Metric("cge_unseen", f"unseen {_RELEASED}", column=False),
    )

    def candidates(self, images: LabelledImages) -> Candidates:
        """Lists the pairs of the data set.

        Args:
            images: The data set with its pairs.

        Returns:
            One candidate per pair, K in all; those that are trained on first.

        Raises:
            DataError: The data set has no pairs, or its test images cannot give a curve.
        """
        pairs = images.pairs
        if pairs is None:
            raise DataError(
                "task: 'composition' needs classes that are pairs of an attribute and an object, this data set has "
                f"{len(images.classes)} plain ones. Choose a data set of pairs, or `task: classification`."
            )
        for name, part in (("test", images.test), ("validation", images.validation)):
            if part is None or (name == "validation" and not len(part)):
                continue
            seen = int(pairs.seen[part.labels].sum())
            if seen in (0, len(part)):
                which = "seen" if seen == 0 else "unseen"
                raise DataError(
                    f"data: none of the {len(part)} {name} images has {'a' if seen == 0 else 'an'} {which} pair, so "
                    f"seen and unseen accuracy have no curve. Give {name} images of both kinds"
                    f"{', or none at all' if name == 'validation' else ''}."
                )
        return Candidates(
            texts=images.classes,
            parts={ATTRIBUTE: pairs.attribute, OBJECT: pairs.object},
            seen=pairs.seen,
            words={ATTRIBUTE: pairs.attributes, OBJECT: pairs.objects},
            allowed=pairs.test,
            allowed_in_validation=pairs.validation,
        )

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields."""
        found = super().problems()
        if self.feasibility == GLOVE and not self.glove.strip():
            found.append("glove: is empty, feasibility: glove needs the path of a GloVe text file. Give it.")
        elif self.feasibility == GLOVE and is_missing(self.glove):
            found.append(f"glove: there is no file '{self.glove}' (looked for {expand(self.glove)}).")
        if self.feasibility != GLOVE and self.glove:
            found.append(f"glove: has no effect with feasibility: {self.feasibility}. Remove it, or use glove.")
        return found

    def limit(self, among: Candidates, evidence: CandidateEvidence) -> tuple[Candidates, tuple[str, ...]]:
        """Forbids unseen pairs that are not feasible.

        Args:
            among: The K candidates.
            evidence: Text features of words, and zero-shot scores of validation images.

        Returns:
            The candidates, and how many of them are left by which threshold.

        Raises:
            DataError: The candidates are those of the closed world, validation images are needed and missing, no unseen
                pair is left, or the GloVe file does not serve.
        """
        if self.feasibility == NONE:
            return among, ()
        if among.allowed is not None and not among.allowed.all():
            raise DataError(
                f"task.feasibility: {self.feasibility} chooses among all pairs, but the candidates of the closed world "
                "are given. Use data.world=open, or task.feasibility=none."
            )
        vectors = [self._read_vectors(among.words[part], evidence) for part in (ATTRIBUTE, OBJECT)]
        feasible = score_feasibility(among, *vectors)
        threshold, how = self._find_threshold(among, feasible, evidence)
        allowed = among.seen | (feasible >= threshold)
        unseen, left = int((~among.seen).sum()), int((allowed & ~among.seen).sum())
        if not left:
            raise DataError(
                f"task.threshold: no unseen pair has a feasibility of {threshold:.4g} or more, the highest is "
                f"{feasible[~among.seen].max():.4g}. Lower it."
            )
        notice = f"task.feasibility: {left} of {unseen} unseen pairs have {threshold:.4g} or more{how}."
        return replace(among, allowed=allowed, allowed_in_validation=allowed), (notice,)

    def _read_vectors(self, names: tuple[str, ...], evidence: CandidateEvidence) -> np.ndarray[Any, Any]:
        if self.feasibility == GLOVE:
            return read_word_vectors(expand(self.glove), names)
        return evidence.encode(names)

    def _find_threshold(
        self, among: Candidates, feasible: np.ndarray[Any, Any], evidence: CandidateEvidence
    ) -> tuple[float, str]:
        if not isinstance(self.threshold, str):
            return self.threshold, ""
        batches = iter(evidence.validation)
        first = next(batches, None)
        if first is None:
            raise DataError(
                "task.threshold: 'validation' needs validation images, the data set has none. Give a number, such as "
                "0.4 for glove."
            )
        threshold, area = choose_threshold(chain([first], batches), among, feasible)
        return threshold, f", chosen by the zero-shot auc of {100 * area:.1f} % on validation images"

    def targets(self, labels: Tensor, among: Candidates) -> Columns:
        """Makes the columns of pairs, attributes and objects.

        Args:
            labels: (b,) int64 pairs in [0, K).
            among: The K candidates.

        Returns:
            "class", the pair, "attribute" and "object", (b,) int64 each.
        """
        parts = {name: torch.from_numpy(among.parts[name]).to(labels.device) for name in (ATTRIBUTE, OBJECT)}
        return {CLASS: labels, **{name: values[labels] for name, values in parts.items()}}

    def losses(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Computes the cross-entropy of each example over pairs.

        Args:
            scores: Scores (b, K).
            targets: Columns of targets, (b,) int64 each.
            among: The K candidates.

        Returns:
            (b,) losses.
        """
        return cross_entropy(scores, targets[CLASS], reduction="none")

    def tally(self, scores: Tensor, targets: Columns, among: Candidates) -> Tally:
        """Keeps what curves need of each image; b may be 0.

        Args:
            scores: Scores (b, K).
            targets: Columns of targets, (b,) int64 each.
            among: The K candidates.

        Returns:
            Columns of `describe_images`, (b,) each, and "examples".
        """
        return {EXAMPLES: len(scores), **describe_images(scores, targets[CLASS], among)}

    def measures(self, tally: Tally) -> Mapping[str, float]:
        """Computes the metrics; one that the images cannot have is left out.

        Args:
            tally: Columns of images.

        Returns:
            The metrics in [0, 1].
        """
        columns = _columns(tally)
        seen = columns["seen"].astype(bool)
        if not len(seen):
            return {}
        found = {part: float(columns[part].mean()) for part in (ATTRIBUTE, OBJECT)}
        first = columns["first"]
        found |= {name: float(first[kind].mean()) for name, kind in (("seen", seen), ("unseen", ~seen)) if kind.any()}
        curve = exact_curve(columns)
        if curve is None:
            return found
        found |= {"auc": curve.area, "harmonic_mean": float(curve.harmonic.max())}
        right, own = is_right(columns, float(curve.biases[curve.best])), columns["own"].astype(bool)
        kinds = {"own_pairs": seen & own, "others_pairs": seen & ~own, "unseen_pairs": ~seen}
        found |= {name: float(right[kind].mean()) for name, kind in kinds.items() if kind.any()}
        return found | {f"cge_{name}": value for name, value in measure_as_released(columns).items()}

    def curve(self, tally: Tally) -> Mapping[str, Any] | None:
        """Computes the curve for its picture.

        Args:
            tally: Columns of images.

        Returns:
            Names of both axes, what it shows, points [unseen, seen] and the position of the best harmonic mean; None
            without images of both kinds.
        """
        found = exact_curve(_columns(tally))
        if found is None:
            return None
        points, best = found.thin(POINTS)
        return {"x": "unseen", "y": "seen", "about": _CURVE, "points": points, "best": best}

    def floor(self, among: Candidates) -> Mapping[str, float]:
        """Computes the metrics of independent random scores.

        The position of the highest score of a kind is independent of its value, so at a bias below which lies the part
        t of all margins the accuracies are (1 - t) / S and t / V: the curve is a straight line.

        Args:
            among: The K candidates, of which images of allowed ones are equally frequent.

        Returns:
            Expected metrics of many images; without those of the released rule.
        """
        allowed = np.ones(len(among), dtype=bool) if among.allowed is None else among.allowed
        chosen = {name: among.parts[name][allowed] for name in (ATTRIBUTE, OBJECT)}
        found = {name: float(((np.bincount(values) / len(values)) ** 2).sum()) for name, values in chosen.items()}
        seen, unseen = int((among.seen & allowed).sum()), int((~among.seen & allowed).sum())
        if not (seen and unseen):
            return {**found, "auc": 0.0, "harmonic_mean": 0.0}
        roots = math.sqrt(seen) + math.sqrt(unseen)
        on_seen, on_unseen = 1 / (math.sqrt(seen) * roots), 1 / (math.sqrt(unseen) * roots)
        found |= {"auc": 0.5 / (seen * unseen), "seen": 1 / seen, "unseen": 1 / unseen, "harmonic_mean": 2 / roots**2}
        return {**found, "own_pairs": on_seen, "others_pairs": on_seen, "unseen_pairs": on_unseen}


def _columns(tally: Tally) -> dict[str, np.ndarray[Any, Any]]:
    return {name: value for name, value in tally.items() if isinstance(value, np.ndarray)}
