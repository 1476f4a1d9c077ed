import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.data.train_test_split import split_stratified


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(cells=st.lists(st.integers(0, 5), min_size=1, max_size=60), fraction=st.floats(0.01, 0.99))
def test_each_group_keeps_and_gives_something(cells, fraction):
    cells = np.array(cells)
    train, test = split_stratified(cells, fraction, np.random.default_rng(0))
    assert sorted([*train, *test]) == list(range(len(cells)))
    for cell in np.unique(cells):
        size, held = (cells == cell).sum(), (cells[test] == cell).sum()
        assert held == 0 if size == 1 else 1 <= held < size
        assert abs(held - size * fraction) <= 1


def test_sizes_are_rounded_half_up():
    _, test = split_stratified(np.repeat([0, 1, 2], [10, 6, 2]), 0.25, np.random.default_rng(0))
    assert np.bincount(np.repeat([0, 1, 2], [10, 6, 2])[test]).tolist() == [3, 2, 1]


def test_the_generator_decides_who():
    drawn = {tuple(split_stratified(np.zeros(20), 0.5, np.random.default_rng(seed))[1]) for seed in range(4)}
    assert len(drawn) == 4
