"""CSP: scores, loss and gradients against a plain implementation; its table, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from fedsilo.core.errors import BackboneError
from fedsilo.learners.csp import CSPLearner


def test_scores_are_scaled_cosines_with_whole_prompts_of_all_pairs(
    pairs_model: Any, pairs_batch: Any, plain: Any
) -> None:
    learner = CSPLearner()
    params, buffers = plain.started(learner, pairs_model)
    with torch.no_grad():
        found = learner.scores(params, buffers, pairs_batch.inputs, pairs_model)
    texts = plain.families(pairs_model, params, params["table"])["pair"]
    expected = 10.0 * plain.cosines(pairs_batch.inputs["image"], texts)
    assert found.shape == (7, 6)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_loss_and_gradients_are_those_of_the_plain_loss_over_the_seen_pairs(
    pairs_model: Any, pairs_batch: Any, plain: Any
) -> None:
    seen = pairs_model.seen_only()

    def loss(leaves: Any) -> torch.Tensor:
        texts = plain.families(seen, leaves, leaves["table"])["pair"]
        assert len(texts) == 4
        scores = 10.0 * plain.cosines(pairs_batch.inputs["image"], texts)
        return plain.cross_entropy(scores, pairs_batch.targets["class"])

    gradients = plain.check_training(CSPLearner(dropout=0.0), seen, pairs_batch, loss)
    assert set(gradients) == {"table"}


def test_words_start_from_the_mean_of_their_tokens(pairs_model: Any) -> None:
    table = CSPLearner().init(pairs_model, 0, 0)["table"]
    rows = pairs_model.words["object"].embeddings  # cat | red dog | bird, a stop and an end behind each
    expected = [rows[0], (rows[3] + rows[4]) / 2, rows[7]]
    torch.testing.assert_close(table[2:], torch.stack(expected), rtol=0, atol=1e-12)
    torch.testing.assert_close(table[0], pairs_model.words["attribute"].embeddings[0], rtol=0, atol=0)


def test_dropout_is_scaled_and_drawn_in_training_only(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    learner = CSPLearner(dropout=0.5)
    params, buffers = plain.started(learner, pairs_model)
    masked = []
    learner.run(lambda module: masked.append(learner.soften(module)) or module.table, params, pairs_model, True)
    kept = masked[0] != 0
    assert 0.2 < kept.double().mean() < 0.8
    torch.testing.assert_close(masked[0][kept], 2 * params["table"][kept], rtol=0, atol=0)
    with torch.no_grad():
        once, again = (learner.scores(params, buffers, pairs_batch.inputs, pairs_model) for _ in range(2))
    assert torch.equal(once, again)


def test_classes_that_are_no_pairs_are_refused_in_one_line(pairs_model: Any) -> None:
    with pytest.raises(BackboneError, match=r"^method: .*attributes and objects.* task: composition.*\.$"):
        CSPLearner().init(replace(pairs_model, words={}), 0, 0)
