"""Work done in threads a little ahead of whoever uses it: results in order, and never more than a window of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Returns the cores that this process may use: a batch system or a container often gives it some of them only."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, window: int
) -> Generator[Result, None, None]:
    """Yields work(item) of each item in their order; threads are at most `window` items ahead.

    The first error, in the order of the items, is raised where its result would have come. However it ends - used
    up, by an error, by Ctrl-C, or closed - what has not begun is given up and no thread is left when it returns.

    Args:
        work: Is called in several threads at once.
        items: Read one at a time, as room comes free.
        threads: How many, >= 1.
        window: Items under way or waiting to be used, >= 1; what bounds the memory.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fedsilo-ahead")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
