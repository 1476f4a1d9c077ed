"""Paths that users write: relative to the home folder, expanded, and from another current folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_ELSEWHERE: ContextVar[bool] = ContextVar("elsewhere", default=False)


def from_home(root: str) -> Path:
    """Replaces ~ by the home folder.

    Args:
        root: A path.

    Returns:
        The path; unchanged if it names a user that does not exist.
    """
    try:
        return Path(root).expanduser()
    except RuntimeError:
        return Path(root)


def expand(root: str) -> Path:
    """Makes the path of a folder or archive absolute.

    Args:
        root: A path; ~ is the home folder, other relative paths start at the current folder.

    Returns:
        The absolute path.
    """
    return from_home(root).absolute()


@contextmanager
def elsewhere() -> Iterator[None]:
    """Context in which no path counts as missing, because the scenario is read for another machine."""
    token = _ELSEWHERE.set(True)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def is_missing(root: str) -> bool:
    """Finds out whether nothing exists at a path.

    Args:
        root: A path.

    Returns:
        Whether it is missing; False inside `elsewhere`.
    """
    try:
        return not (_ELSEWHERE.get() or expand(root).exists())
    except OSError:  # name too long, or folder not readable
        return True
