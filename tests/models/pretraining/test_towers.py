"""The towers that are trained, against open_clip."""

import json

import open_clip
import torch

from fedsilo.data.emblems.words import CLASSES, TEMPLATE
from fedsilo.models.pretraining.__main__ import SHIPPED
from fedsilo.models.pretraining.towers import (
    CONFIG,
    MERGES,
    WEIGHTS,
    encode_images,
    encode_words,
    new_model,
    read_model,
    read_tokenizer,
    write_weights,
)


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
