"""Files from the network that arrive whole or not at all.

    <name>.part     what has come so far; an interrupted fetch goes on with it (HTTP Range)
    <name>          the file, once its length and its checksum are right

Nothing reads a `.part`, so a crash at any moment leaves either no file or the right one.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fedsilo.core.errors import DataError

TIMEOUT_S = 60.0  # of silence, not of the whole transfer
ATTEMPTS = 4
CHUNK = 1 << 20
HEADERS = {"User-Agent": "fedsilo", "Accept-Encoding": "identity"}

Told = Callable[[int, int], None]
"""Is told how many bytes are there and how many there will be, 0 when that is unknown."""


class Interrupted(Exception):
    """The connection ended before the file did; the rest can be asked for."""


def untold(done: int, total: int) -> None:
    """Tells nobody."""


def fetch(url: str, target: Path, md5: str = "", told: Told = untold) -> None:
    """Fetches a file, unless it is there; goes on where an earlier fetch stopped.

    Args:
        url: Where it is.
        target: Where it shall lie; its folder is made.
        md5: Its checksum, "" where none is published: then only the length that the server names is compared.
        told: Told how far it is.

    Raises:
        DataError: It cannot be had, is not the published file, or there is no room; one line.
    """
    part = target.with_name(target.name + ".part")
    try:
        if target.is_file() and (not md5 or _md5(target) == md5):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part) as file:
            _fill(url, file, md5, told)
            os.fsync(file.fileno())
            os.replace(part, target)
    except OSError as error:
        raise DataError(_explanation(url, target, part, error)) from error
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """The partial file, held by this process only."""
    with part.open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{part}: is being fetched by another process. Wait for it and try again.") from error
        yield file


def _fill(url: str, file: BinaryIO, md5: str, told: Told) -> None:
    """Brings the partial file to its end. A file with the wrong checksum is fetched once more from the start."""
    resumed = file.seek(0, os.SEEK_END) > 0
    _to_the_end(url, file, told)
    if md5 and _digest(file) != md5:
        file.truncate(0)
        if resumed:  # what lay there was of another version, or damaged
            _to_the_end(url, file, told)
        if not resumed or _digest(file) != md5:
            file.truncate(0)
            raise DataError(
                f"{url}: what came is not the published file (its md5 is not {md5}). Is a proxy or a login page in "
                "between? Fetch it by hand, or try again later."
            )


def _to_the_end(url: str, file: BinaryIO, told: Told) -> None:
    """Asks again for the rest until it is there; gives up when several tries in a row have brought nothing."""
    fruitless = 0
    while fruitless < ATTEMPTS:
        before = file.seek(0, os.SEEK_END)
        try:
            _ask(url, file, before, told)
            return
        except (Interrupted, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            fruitless = 0 if file.seek(0, os.SEEK_END) > before else fruitless + 1
            last: Exception = error
    raise OSError(f"the connection broke off {ATTEMPTS} times without a byte: {last}") from last


def _ask(url: str, file: BinaryIO, start: int, told: Told) -> None:
    """One request for all from `start` on. Raises Interrupted when less comes than was announced."""
    request = urllib.request.Request(url, headers={**HEADERS, **({"Range": f"bytes={start}-"} if start else {})})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing is left to send: the checksum will tell whether that is right
            if error.headers.get("Content-Range", "").rpartition("/")[2] not in ("", "*", str(start)):
                file.truncate(0)
                raise Interrupted("more was there than the server has") from error
            return
        raise
    with response:
        if start and response.status != http.client.PARTIAL_CONTENT:  # the server does not know of ranges
            file.truncate(0)
            start = 0
        length = int(response.headers.get("Content-Length") or 0)
        total = start + length if length else 0
        done = start
        while chunk := response.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            told(done, total)
        file.flush()
    if total and done < total:
        raise Interrupted(f"{done:,} of {total:,} bytes came")


def _digest(file: BinaryIO) -> str:
    file.flush()
    file.seek(0)
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)


def _explanation(url: str, target: Path, part: Path, error: OSError) -> str:
    """Why it could not be fetched and what to do, in one line."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        size = part.stat().st_size if part.exists() else 0
        return (
            f"{target}: the disk is full, {size / 1e6:,.0f} MB of it are there. Make room and ask again: "
            "it goes on where it stopped."
        )
    reason = " ".join(str(error).split())[:200]
    return f"{url}: could not be fetched: {reason}. Try again: it goes on where it stopped; or put it at {target}."
