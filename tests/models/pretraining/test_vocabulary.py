import gzip

import pytest

from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEXTURES
from fedsilo.models.pretraining.towers import MERGES, read_tokenizer, write_folder
from fedsilo.models.pretraining.vocabulary import count_tokens, learn_merges, write_merges


def test_the_most_frequent_pair_is_merged_first():
    assert learn_merges(["aab", "aac", "ba"]) == [("a", "a"), ("aa", "b</w>"), ("aa", "c</w>"), ("b", "a</w>")]


def test_the_file_starts_with_a_title_and_ends_without_an_empty_merge(tmp_path):
    write_merges(tmp_path / "m.gz", [("a", "b"), ("ab", "c</w>")])
    assert gzip.decompress((tmp_path / "m.gz").read_bytes()).decode().split("\n")[1:] == ["a b", "ab c</w>"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    write_folder(folder)
    assert (folder / MERGES).stat().st_size < 10_000
    return read_tokenizer(folder)


def test_every_caption_word_is_one_token(tokenizer):
    for word in " ".join((*CLASSES, *COLOURS, *TEXTURES, *DOMAINS, "a", "picture", "of")).split():
        assert len(tokenizer.encode(word)) == 1


def test_a_word_never_met_is_spelled_and_comes_back(tokenizer):
    assert tokenizer.decode(tokenizer.encode("zeppelin")).strip() == "zeppelin"


def test_the_end_of_text_is_the_highest_of_all_tokens(tokenizer):
    assert tokenizer.eot_token_id == tokenizer.vocab_size - 1
    words = {word for names in (CLASSES, COLOURS) for name in names for word in name.split()}
    merges = learn_merges(words)
    assert count_tokens(merges) == 514 + len(merges)
