import numpy as np
import pytest
import torch

from fedsilo.data.emblems.drawing import Emblem
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEXTURES
from fedsilo.models.pretraining.captions import VECTOR, write_caption
from fedsilo.models.pretraining.pretrain import match_captions
from fedsilo.models.pretraining.towers import Speller, read_tokenizer, write_folder

BOAT = Emblem(CLASSES.index("sailing boat"), 4, 1, 3, 0)


def captions(emblem: Emblem, count: int = 300, longest: int = 16):
    generator = np.random.default_rng(0)
    return [write_caption(emblem, longest, generator) for _ in range(count)]


def test_a_caption_says_what_it_declares_and_no_other_class():
    for caption in captions(BOAT):
        text = " ".join(caption.words)
        label, colour, texture, domain = caption.says
        assert label == BOAT.label
        assert "sailing boat" in text
        for number, name in ((colour, COLOURS[4]), (texture, TEXTURES[1]), (domain, DOMAINS[3])):
            assert (name in caption.words) == (number >= 0)


def test_captions_vary_in_length_and_carry_vectors_up_to_the_limit():
    found = captions(BOAT)
    assert len({len(caption.words) for caption in found}) > 12
    assert max(caption.words.count(VECTOR) for caption in found) >= 15
    assert max(caption.words.count(VECTOR) for caption in captions(BOAT, longest=4)) <= 4


def test_captions_of_words_alone_carry_no_vector():
    generator = np.random.default_rng(0)
    assert not any(VECTOR in write_caption(BOAT, 16, generator, vectors=0.0).words for _ in range(200))


def test_spelling_word_by_word_equals_the_tokenizer(tmp_path):
    write_folder(tmp_path)
    tokenizer = read_tokenizer(tmp_path)
    plain = [caption.words for caption in captions(BOAT, 60) if VECTOR not in caption.words]
    table = Speller(tokenizer).spell(plain)
    assert table.equal(tokenizer([" ".join(words) for words in plain])[:, : table.shape[1]])


def test_vectors_are_marked_and_never_taken_for_the_end(tmp_path):
    write_folder(tmp_path)
    tokenizer = read_tokenizer(tmp_path)
    table = Speller(tokenizer).spell([(VECTOR, VECTOR, "cat")])
    assert table[0, 1:3].tolist() == [-1, -1]
    assert table.argmax(dim=1).item() == 4


@pytest.mark.parametrize(
    ("says", "expected"), [((2, -1, -1, -1), [1, 1, 0]), ((2, 1, -1, -1), [1, 0, 0]), ((2, 1, -1, 5), [0, 0, 0])]
)
def test_truth_holds_a_caption_against_every_picture(says, expected):
    shown = [Emblem(2, 1, 0, 0, 0), Emblem(2, 3, 0, 0, 1), Emblem(5, 1, 0, 0, 2)]
    caption = type(captions(BOAT, 1)[0])(("x",), says)
    assert match_captions(shown, [caption] * 3)[:, 0].equal(torch.tensor(expected, dtype=torch.bool))
