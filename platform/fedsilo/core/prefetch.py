"""Runs work in threads ahead of its use: results in order, and never more than a window of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Counts the cores that this process may use: a batch system or a container often allows only some of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, window: int
) -> Generator[Result, None, None]:
    """Runs work(item) for all items in threads that are at most `window` items ahead.

    The first error, in the order of the items, is raised in the place of its result. When the generator ends
    (exhausted, by an error, by Ctrl-C, or closed), work that has not begun is cancelled and no thread is left.

    Args:
        work: The function; several threads call it at once.
        items: Its arguments; read one at a time, as room becomes free.
        threads: Number of threads, >= 1.
        window: Items in progress or waiting to be used, >= 1; it bounds the memory.

    Yields:
        work(item) of each item, in their order.
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
