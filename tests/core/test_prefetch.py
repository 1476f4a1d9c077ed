from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedsilo.core.prefetch import prefetch


def left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fedsilo-ahead")]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("window", [1, 2, 50])
def test_results_come_in_the_order_of_the_items(threads: int, window: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (item % 3))
        return item * item

    assert list(prefetch(work, range(20), threads, window)) == [item * item for item in range(20)]
    assert list(prefetch(work, [], threads, window)) == []
    assert left() == []


def test_threads_are_never_further_ahead_than_the_window() -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        while read < 100:
            read += 1
            yield read

    for used, _ in enumerate(prefetch(lambda item: item, items(), 4, 10)):
        assert read - used <= 10
    assert read == 100


def test_two_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(2)
    assert list(prefetch(lambda item: both.wait() >= 0, range(4), 2, 4)) == [True] * 4


def test_error_comes_in_its_turn_and_leaves_no_thread() -> None:
    done: list[int] = []

    def work(item: int) -> int:
        if item in (3, 5):
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match="item 3"):
        done.extend(prefetch(work, range(100), 2, 8))
    assert done == [0, 1, 2]
    assert left() == []


def test_closing_gives_up_what_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    given_up = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(False, cancel_futures=cancel_futures)
            given_up.set()
            super().shutdown(wait)

    def work(item: int) -> int:
        begun.append(item)
        if item:
            given_up.wait()
        return item

    monkeypatch.setattr("fedsilo.core.prefetch.ThreadPoolExecutor", Pool)
    results = prefetch(work, range(100), 2, 40)
    assert next(results) == 0
    results.close()
    assert len(begun) <= 3  # the first, and one in each thread
    assert left() == []
