import json
import math

import numpy as np
import open_clip
import pytest
import torch

from fedsilo.data.emblems.words import CLASSES, DOMAINS, TEMPLATE
from fedsilo.models.pretraining.__main__ import SHIPPED, main
from fedsilo.models.pretraining.accuracy_table import measure
from fedsilo.models.pretraining.pretrain import PretrainingRecipe, contrast, make_batches, schedule_rate, train
from fedsilo.models.pretraining.towers import (
    CONFIG,
    MERGES,
    WEIGHTS,
    Speller,
    encode_images,
    encode_words,
    new_model,
    read_model,
    read_tokenizer,
    write_folder,
    write_weights,
)
from fedsilo.models.pretraining.training_images import choose_emblems, draw_all, is_seen, shift_randomly


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny")
    write_folder(path)
    return path


def test_encoders_equal_open_clip_without_vectors(folder):
    model = new_model(folder, 1).eval()
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    ids = read_tokenizer(folder)(["a cat", "a picture of a lightning bolt."])
    with torch.no_grad():
        pooled, tokens = encode_images(model, pixels)
        words = encode_words(model, ids, torch.zeros(*ids.shape, 128))
        torch.testing.assert_close(pooled, model.encode_image(pixels, normalize=True))
        torch.testing.assert_close(words, model.encode_text(ids, normalize=True))
    assert tokens.shape == (3, 64, 128)


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


def test_pictures_leave_classes_out_of_some_domains():
    missing = {name: sum(not is_seen(label, at) for label in range(24)) for at, name in enumerate(DOMAINS)}
    assert missing == {"photo": 0, "sketch": 0, "blueprint": 0, "neon": 0, "mosaic": 16, "watercolour": 16}
    assert all(is_seen(emblem.label, emblem.domain) for emblem in choose_emblems(600, 0))


def test_shifting_moves_by_four_pixels_at_most():
    pictures = np.zeros((20, 64, 64, 3), dtype=np.uint8)
    pictures[:, 32, 32] = 255
    row, column = np.argwhere(shift_randomly(pictures, np.random.default_rng(0))[..., 0])[:, 1:].T
    assert set(np.abs(row - 32)) <= {0, 1, 2, 3, 4}
    assert len(set(column)) > 3


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


def test_weights_return_from_half_precision(folder):
    model = new_model(folder, 2)
    write_weights(folder, model)
    for name, value in read_model(folder).state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_the_shipped_folder_is_small_and_loads_through_open_clip():
    assert (SHIPPED / WEIGHTS).stat().st_size < 4_000_000
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{SHIPPED}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{SHIPPED}", bpe_path=str(SHIPPED / MERGES))
    config = json.loads((SHIPPED / CONFIG).read_text())
    assert config["model_cfg"]["text_cfg"]["vocab_size"] == tokenizer.vocab_size
    normalise = preprocess.transforms[-1]
    assert tuple(normalise.mean) == tuple(config["preprocess_cfg"]["mean"])
    ids = tokenizer([TEMPLATE.format(name) for name in CLASSES])
    with torch.no_grad():
        torch.testing.assert_close(model.eval().encode_text(ids), read_model(SHIPPED).encode_text(ids))


def test_the_shipped_weights_know_emblems_and_leave_something_to_learn():
    table = measure(read_model(SHIPPED), read_tokenizer(SHIPPED), each=(3, 3))
    zero_shot = dict(zip(table.columns, table.rows["zero-shot"], strict=True))
    patches = dict(zip(table.columns, table.rows["zero-shot, mean patch"], strict=True))
    probe = dict(zip(table.columns, table.rows["linear probe"], strict=True))
    assert 0.4 <= zero_shot["all"] <= 0.8
    assert abs(zero_shot["all"] - patches["all"]) <= 0.1
    assert max(zero_shot["mosaic"], zero_shot["watercolour"]) < min(
        zero_shot[d] for d in ("sketch", "blueprint", "neon")
    )
    assert probe["all"] > zero_shot["all"]
    assert "| linear probe |" in table.text()


def test_the_command_trains_saves_and_prints_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fedsilo.models.pretraining.__main__.measure", lambda *_: measure(*_, each=(1, 1)))
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    assert main([str(tmp_path), "--pictures", "256", "--steps", "1", "--text-steps", "1", "--threads", "1"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {CONFIG, WEIGHTS, MERGES}
    assert "| zero-shot |" in capsys.readouterr().out
