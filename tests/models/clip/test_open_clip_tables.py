"""The tables that are read from open_clip's files, against open_clip itself."""

import open_clip
import pytest

from fedsilo.models.clip.open_clip_tables import has_weights, list_weight_tags, read_configurations


def test_configurations_are_those_of_open_clip_in_its_order() -> None:
    found = read_configurations()
    assert list(found) == open_clip.list_models()
    assert all(config == open_clip.get_model_config(name) for name, config in found.items())


@pytest.mark.parametrize("name", ["ViT-B-16", "RN50", "no-such-model"])
def test_weight_tags_are_those_of_open_clip(name: str) -> None:
    tags = [tag for model, tag in open_clip.list_pretrained() if model == name]
    assert sorted(list_weight_tags(name)) == sorted(tags)
    assert bool(tags) == (name != "no-such-model")
    assert all(has_weights(name, tag) for tag in tags)
    assert not has_weights(name, "no-such-tag")
