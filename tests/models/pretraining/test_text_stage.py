from dataclasses import replace

import torch

from fedsilo.models.pretraining.text_stage import TEXT_RECIPE, encode_pictures, fit_text, replace_text_tower
from fedsilo.models.pretraining.towers import Speller, new_model, read_tokenizer
from fedsilo.models.pretraining.training_images import choose_emblems, draw_all


def is_image_side(name: str) -> bool:
    return name.startswith("visual.") or name == "logit_scale"


def test_renewing_replaces_the_text_tower_and_nothing_else(folder):
    model, old, fresh = (new_model(folder, seed) for seed in (0, 0, 1))
    replace_text_tower(model, fresh)
    for name, weight in model.named_parameters():
        source = old if is_image_side(name) else fresh
        assert weight.equal(source.state_dict()[name])
        assert weight.requires_grad != is_image_side(name)


def test_fitting_lowers_the_loss_repeats_and_leaves_the_image_tower_alone(folder):
    emblems = choose_emblems(24, 0)
    pictures = draw_all(emblems, 1)
    recipe = replace(TEXT_RECIPE, steps=10, batch=24, warm_up=2)

    def losses() -> list[float]:
        model, found = new_model(folder, 0), []
        looks = encode_pictures(model, pictures)
        replace_text_tower(model, new_model(folder, 1))
        speller = Speller(read_tokenizer(folder))
        fit_text(model, looks, emblems, speller, recipe, lambda _, loss, __: found.append(loss))
        assert encode_pictures(model, pictures)[0].equal(looks[0])
        return found

    first = losses()
    assert first == losses()
    assert sum(first[-3:]) < sum(first[:3])


def test_looks_are_of_length_one_and_shorter_on_average(folder):
    pooled, patches = encode_pictures(new_model(folder, 0), draw_all(choose_emblems(3, 0), 1))
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(3))
    assert (patches.norm(dim=1) < 1).all()
