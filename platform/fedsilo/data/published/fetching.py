"""Downloads of files that are complete or absent.

    <name>.part     bytes received so far; an interrupted download continues with it (HTTP Range)
    <name>          the file, after its length and checksum are verified

Nothing reads a `.part` file. So a crash at any moment leaves either no file or the correct one.
"""

from __future__ import annotations

import errno
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

TIMEOUT_S = 60.0  # without a new byte, not of the whole transfer
ATTEMPTS = 4
CHUNK = 1 << 20
HEADERS = {"User-Agent": "fedsilo", "Accept-Encoding": "identity"}

ByteProgress = Callable[[int, int], None]
"""report(done, total): bytes received so far, and bytes in all, 0 if unknown."""


class Interrupted(Exception):
    """The connection ended before the file was complete; the rest can be requested again."""


def ignore_progress(done: int, total: int) -> None:
    """Ignores a progress report.

    Args:
        done: Bytes received.
        total: Bytes in all; 0 if unknown.
    """


def fetch(url: str, target: Path, md5: str = "", report: ByteProgress = ignore_progress) -> None:
    """Downloads a file unless it exists; continues an earlier, interrupted download.

    Args:
        url: Address of the file.
        target: Path to write; its folder is created.
        md5: Checksum; "" where none is published, then only the length that the server announces is checked.
        report: Called with the progress in bytes.

    Raises:
        DataError: The file cannot be downloaded, is not the published one, or the disk is full.
    """
    part = target.with_name(target.name + ".part")
    try:
        if target.is_file() and (not md5 or _md5(target) == md5):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(part) as file:
            _fill(url, file, md5, report)
            os.fsync(file.fileno())
            os.replace(part, target)
    except OSError as error:
        raise DataError(_explanation(url, target, part, error)) from error
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()


@contextmanager
def _lock(part: Path) -> Iterator[BinaryIO]:
    """Opens the partial file, locked for this process."""
    from filelock import lock_descriptor  # imported here: most commands find their files complete

    with part.open("ab+") as file:  # the lock is on the file itself, so none is left beside the data
        if not lock_descriptor(file.fileno(), blocking=False):
            raise DataError(f"{part}: is being fetched by another process. Wait for it and try again.")
        yield file


def _fill(url: str, file: BinaryIO, md5: str, report: ByteProgress) -> None:
    """Completes the partial file. A file with a wrong checksum is downloaded once more from the start."""
    resumed = file.seek(0, os.SEEK_END) > 0
    _resume_until_complete(url, file, report)
    if md5 and _digest(file) != md5:
        file.truncate(0)
        if resumed:  # the old bytes were of another version, or damaged
            _resume_until_complete(url, file, report)
        if not resumed or _digest(file) != md5:
            file.truncate(0)
            raise DataError(
                f"{url}: the downloaded file is not the published one (its md5 is not {md5}). Is a proxy or a login "
                "page in between? Fetch it by hand, or try again later."
            )


def _resume_until_complete(url: str, file: BinaryIO, report: ByteProgress) -> None:
    """Requests the rest until the file is complete; gives up after several attempts in a row without a new byte."""
    fruitless = 0
    while fruitless < ATTEMPTS:
        before = file.seek(0, os.SEEK_END)
        try:
            _ask(url, file, before, report)
            return
        except (Interrupted, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            fruitless = 0 if file.seek(0, os.SEEK_END) > before else fruitless + 1
            last: Exception = error
    raise OSError(f"the connection ended {ATTEMPTS} times in a row without a new byte: {last}") from last


def _ask(url: str, file: BinaryIO, start: int, report: ByteProgress) -> None:
    """Requests all bytes from `start` on. Raises Interrupted if fewer bytes arrive than announced."""
    request = urllib.request.Request(url, headers={**HEADERS, **({"Range": f"bytes={start}-"} if start else {})})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing is left to send; the checksum decides whether the file is right
            if error.headers.get("Content-Range", "").rpartition("/")[2] not in ("", "*", str(start)):
                file.truncate(0)
                raise Interrupted("the partial file is longer than the server's") from error
            return
        raise
    with response:
        if start and response.status != http.client.PARTIAL_CONTENT:  # the server does not support ranges
            file.truncate(0)
            start = 0
        length = int(response.headers.get("Content-Length") or 0)
        total = start + length if length else 0
        done = start
        while chunk := response.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            report(done, total)
        file.flush()
    if total and done < total:
        raise Interrupted(f"{done:,} of {total:,} bytes arrived")


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
    """Explains in one line why the download failed and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        size = part.stat().st_size if part.exists() else 0
        return (
            f"{target}: the disk is full, {size / 1e6:,.0f} MB of the file are there. Make room and try again: "
            "it continues where it stopped."
        )
    reason = " ".join(str(error).split())[:200]
    return (
        f"{url}: could not be fetched: {reason}. Try again: it continues where it stopped; or put the file at {target}."
    )
