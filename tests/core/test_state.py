import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsilo.core.errors import RunError
from fedsilo.core.state import borrow, read_state, sha256, to_arrays, to_arrays_of, to_tensors, write_bytes, write_state


def test_the_hash_is_that_of_names_shapes_types_and_bytes() -> None:
    one = {"a": torch.arange(6.0).reshape(2, 3)}
    assert sha256(one) == sha256(to_arrays(one)) == sha256({"a": torch.arange(6.0).reshape(2, 3)})
    others = [
        {"b": one["a"]},
        {"a": one["a"].reshape(3, 2)},
        {"a": one["a"].double()},
        {"a": one["a"] + torch.tensor([0.0, 0.0, 1e-6])},
        {},
    ]
    assert len({sha256(one), *(sha256(other) for other in others)}) == 6


def test_the_hash_does_not_depend_on_the_order_of_names() -> None:
    a, b = torch.ones(2), torch.zeros(3)
    assert sha256({"a": a, "b": b}) == sha256({"b": b, "a": a})


def test_a_written_state_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    state = {"context": torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), "none": torch.zeros(0)}
    expected = write_state(tmp_path / "s.safetensors", state)
    back = read_state(tmp_path / "s.safetensors", expected)
    assert all(torch.equal(back[name], state[name]) for name in state)
    assert [p.name for p in tmp_path.iterdir()] == ["s.safetensors"]


@pytest.mark.parametrize("damage", ["flip", "cut", "other", "gone"])
def test_a_damaged_state_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.safetensors"
    expected = write_state(path, {"context": torch.ones(4, 8)})
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
    path.write_bytes(bytes(content[:-5] if damage == "cut" else content))
    if damage == "other":
        write_state(path, {"context": torch.zeros(4, 8)})
    if damage == "gone":
        path.unlink()
    with pytest.raises(RunError, match=r"s\.safetensors"):
        read_state(path, expected)


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        write_bytes(tmp_path / "no" / "such" / "folder", b"x")
    assert list(tmp_path.iterdir()) == []


def test_tensors_are_copies_and_borrowed_ones_are_not() -> None:
    array = np.ones(3, dtype=np.float32)
    copy, same = to_tensors({"a": array})["a"], borrow(array)
    array[0] = 5
    assert copy[0] == 1
    assert same[0] == 5


def test_a_tensor_in_several_states_is_one_array_and_sent_once() -> None:
    shared, own = torch.randn(100, 8, generator=torch.Generator().manual_seed(1)), torch.zeros(2)
    arrays = to_arrays_of({0: {"context": shared, "own": own}, 3: {"context": shared}, 5: {"context": shared[:50]}})
    assert arrays[0]["context"] is arrays[3]["context"]
    assert [sha256(arrays[key]) for key in (0, 3, 5)] == [
        sha256({"context": shared, "own": own}), sha256({"context": shared}), sha256({"context": shared[:50]}),
    ]  # fmt: skip
    assert len(pickle.dumps({n: arrays[3] | {} for n in range(50)}, protocol=5)) < 2 * shared.nbytes
