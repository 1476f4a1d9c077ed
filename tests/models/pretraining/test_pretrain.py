import math

import numpy as np
import pytest
import torch

from fedsilo.models.pretraining.__main__ import main
from fedsilo.models.pretraining.accuracy_table import measure
from fedsilo.models.pretraining.pretrain import PretrainingRecipe, contrast, make_batches, schedule_rate, train
from fedsilo.models.pretraining.towers import (
    CONFIG,
    MERGES,
    WEIGHTS,
    Speller,
    new_model,
    read_tokenizer,
)
from fedsilo.models.pretraining.training_images import choose_emblems, draw_all


def test_contrast_of_a_known_case_leaves_true_pairs_out():
    similarity = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    every = torch.eye(2, dtype=torch.bool)
    rows = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))
    columns = math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-2))
    assert contrast(similarity, every).item() == pytest.approx((rows + columns) / 4, rel=1e-6)
    assert contrast(similarity, torch.ones(2, 2, dtype=torch.bool)).item() == 0


def test_rate_rises_and_falls_to_nothing():
    recipe = PretrainingRecipe(steps=100, warm_up=10, rate=1.0)
    assert schedule_rate(0, recipe) == pytest.approx(0.1)
    assert schedule_rate(10, recipe) == 1.0
    assert schedule_rate(99, recipe) < 0.001


def test_training_repeats_bit_for_bit_and_lowers_the_loss(folder):
    emblems = choose_emblems(24, 0)
    pictures = draw_all(emblems, 1)

    def losses() -> list[float]:
        found: list[float] = []
        recipe = PretrainingRecipe(steps=12, batch=24, warm_up=3)
        feed = make_batches(emblems, pictures, Speller(read_tokenizer(folder)), 128, recipe)
        train(new_model(folder, 0), feed, recipe, lambda _, loss, __: found.append(loss))
        return found

    first = losses()
    assert first == losses()
    assert sum(first[-4:]) < sum(first[:4])


def test_batches_show_every_picture_once_an_epoch(folder):
    emblems = choose_emblems(12, 0)
    pictures = np.zeros((12, 64, 64, 3), dtype=np.uint8) + np.arange(12, dtype=np.uint8)[:, None, None, None]
    recipe = PretrainingRecipe(steps=7, batch=3)
    feed = list(make_batches(emblems, pictures, Speller(read_tokenizer(folder)), 128, recipe))
    assert len(feed) == 7
    assert len(set(torch.cat([batch.pixels[:, 0, 0, 0] for batch in feed[:4]]).tolist())) == 12
    assert len(set(torch.cat([batch.pixels[:, 0, 0, 0] for batch in feed[4:]]).tolist())) == 9


def test_the_command_trains_saves_and_prints_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fedsilo.models.pretraining.__main__.measure", lambda *_: measure(*_, each=(1, 1)))
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    assert main([str(tmp_path), "--pictures", "256", "--steps", "1", "--text-steps", "1", "--threads", "1"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {CONFIG, WEIGHTS, MERGES}
    assert "| zero-shot |" in capsys.readouterr().out
