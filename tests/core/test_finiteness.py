"""What counts as a number to compute with, and what is said where one is none."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fedsilo.core.errors import NotFinite
from fedsilo.core.finiteness import (
    LARGEST_NORM,
    find_bad_rows,
    find_fault,
    locate_faults,
    require_scores,
    suggest_remedy,
)
from fedsilo.core.training_settings import Optimizer

NAN, INFINITE = float("nan"), float("inf")


def at(place: int, value: float, dtype: torch.dtype = torch.float32) -> Tensor:
    tensor = torch.ones(2, 3, dtype=dtype)
    tensor.view(-1)[place] = value
    return tensor


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (at(4, NAN), "'b' is nan in 1 of 6 numbers"),
        (at(4, -INFINITE), "'b' is infinite in 1 of 6 numbers"),
        (at(0, -1e25), "'b' holds numbers of up to 1e+25, the sum of whose squares is infinite"),
        (torch.full((4, 4), LARGEST_NORM / 2), "'b' holds numbers of up to 9.2e+18"),  # each alone has a square
        (at(0, 1e25, torch.float64), "'b' holds numbers of up to 1e+25"),
        (at(0, 1e300, torch.float64), "'b' holds numbers of up to 1e+300"),
        (at(0, INFINITE, torch.bfloat16), "'b' is infinite in 1 of 6 numbers"),
    ],
)
def test_the_first_tensor_that_cannot_be_computed_with_is_named(tensor: Tensor, words: str) -> None:
    assert find_fault({"c": at(0, NAN), "b": tensor, "a": torch.ones(3)}).startswith(words)


@pytest.mark.parametrize(
    "tensor",
    [
        at(0, -1e18),
        at(0, 1e-45),
        torch.zeros(0, 3),
        torch.full((3,), 2**62),
        torch.full((200,), 60_000.0, dtype=torch.float16),  # whose norm is beyond half precision
    ],
)
def test_large_small_and_whole_numbers_are_sound(tensor: Tensor) -> None:
    assert find_fault({"a": tensor}) == ""


def test_rows_are_features_or_all_tokens_of_an_image() -> None:
    pooled = torch.ones(5, 3)
    pooled[1, 2], pooled[3, 0] = NAN, 1e30
    assert find_bad_rows(pooled) == [1, 3]
    assert find_bad_rows(pooled[:1]) == find_bad_rows(torch.zeros(0, 3)) == find_bad_rows(torch.zeros(0, 2, 3)) == []
    tokens = torch.ones(4, 2, 3)
    tokens[2, 1, 0] = INFINITE
    assert find_bad_rows(tokens) == [2]


def test_scores_are_refused_with_the_first_image_that_has_such_ones() -> None:
    scores = torch.ones(3, 4)
    require_scores(scores, [7, 8, 9])
    scores[1, 2] = -INFINITE
    with pytest.raises(NotFinite, match=r"scores of 1 of 3 images are infinite, first of image 8"):
        require_scores(scores, [7, 8, 9])
    scores[1, 0] = scores[2, 3] = NAN
    with pytest.raises(NotFinite, match=r"scores of 2 of 3 images are nan, first of image 8"):
        require_scores(scores, [7, 8, 9])


@dataclass(frozen=True)
class Keys:
    mu: float = 1.0
    sigma: float = 0.5
    rank: int = 8
    distance: float = 1e6


@dataclass(frozen=True)
class Parts:
    """Keys inside components, as those of a learner and a strategy."""

    strategy: Keys
    learner: Keys = Keys()


def sections(keys: Keys, **optimizer: float) -> dict[str, object]:
    return {"training.optimizer": Optimizer(**optimizer), "method": keys}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (sections(Keys(rank=10**9)), "Lower training.optimizer.learning_rate=0.001."),
        (sections(Keys(), learning_rate=0.3), "Lower training.optimizer.learning_rate=0.3."),
        (sections(Keys(mu=1e38), learning_rate=0.3), "Lower method.mu=1e+38."),
        (sections(Keys(sigma=1e-30)), "Raise method.sigma=1e-30."),
        (sections(Parts(Keys(mu=1e38))), "Lower method.strategy.mu=1e+38."),  # type: ignore[arg-type]
        (
            sections(Keys(mu=-1e9, sigma=1e-30), weight_decay=1e5),
            "Lower training.optimizer.weight_decay=100000, method.mu=-1e+09. Raise method.sigma=1e-30.",
        ),
    ],
)
def test_the_remedy_names_the_keys_that_are_far_from_ordinary(given: dict[str, object], words: str) -> None:
    assert suggest_remedy(given) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotFinite("the loss is nan"), "here: the loss is nan. Lower"),
        (RuntimeError("value cannot be converted to type float without overflow"), "here: a step or a factor is"),
        (OverflowError("math range error"), "here: a number is beyond double precision"),
        (torch.linalg.LinAlgError("linalg.svd: failed"), "here: a matrix cannot be decomposed"),
    ],
)
def test_errors_about_large_numbers_say_where_and_what_to_do(error: Exception, words: str) -> None:
    with pytest.raises(NotFinite) as caught, locate_faults("here", sections(Keys())):
        raise error
    assert str(caught.value).startswith(words)
    assert str(caught.value).endswith("Lower training.optimizer.learning_rate=0.001.")


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="CUDA error"), locate_faults("here", sections(Keys())):
        raise RuntimeError("CUDA error")
