"""Unpacking of archives into folders, so that an existing folder is always complete.

An archive is unpacked into a temporary folder beside the target and moved when it is complete. Archives whose names
point outside the folder are refused.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

from fedsilo.core.errors import DataError
from fedsilo.data.published.dataset_card import Archive
from fedsilo.data.published.fetching import ByteProgress, fetch, ignore_progress

PACKED = (".tar.gz", ".tgz", ".tar", ".zip")


def obtain(
    archives: tuple[Archive, ...], root: Path, report: ByteProgress = ignore_progress, replace: bool = False
) -> list[str]:
    """Downloads and unpacks the archives whose files are missing, then deletes the archives.

    Args:
        archives: Archives of a set.
        root: Root that their folders start from.
        report: Called with the progress of each download in bytes.
        replace: Whether to replace existing files, because they are damaged.

    Returns:
        Names of the archives that were downloaded.

    Raises:
        DataError: An archive cannot be downloaded, is damaged, or the disk is full.
    """
    fetched = []
    for archive in archives:
        folder = root / archive.folder
        if not replace and all((folder / path).exists() for path in archive.gives):
            continue
        fetch(archive.url, folder / archive.name, archive.md5, report)
        if archive.name.endswith(PACKED):
            _unpack_in_place(archive, folder, replace)
        fetched.append(archive.name)
    return fetched


def _unpack_in_place(archive: Archive, folder: Path, replace: bool) -> None:
    """Unpacks a downloaded archive and moves its files to their place."""
    file = folder / archive.name
    try:
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as name:
            unpacked = Path(name)
            unpack(file, unpacked)
            if archive.inner:
                unpack(unpacked / archive.inner, unpacked)
            absent = [path for path in archive.gives if not (unpacked / path).exists()]
            if absent:
                raise DataError(f"{file}: it does not contain {', '.join(absent)}. Remove it and fetch it again.")
            for path in archive.gives:
                if replace or not (folder / path).exists():
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (unpacked / path).replace(folder / path)
        file.unlink()
    except OSError as error:
        raise DataError(
            f"{file}: could not be unpacked: {error.strerror or error}. Make room and try again."
        ) from error


def unpack(file: Path, into: Path) -> None:
    """Unpacks a tar or zip archive.

    Args:
        file: The archive.
        into: Target folder.

    Raises:
        DataError: The archive is damaged, or a name in it points outside the folder.
        OSError: The archive cannot be read, or the disk is full.
    """
    try:
        if zipfile.is_zipfile(file):
            _unzip(file, into)
        else:
            _untar(file, into)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        gzip.BadGzipFile,
        lzma.LZMAError,
        zlib.error,
        EOFError,
        RuntimeError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{file}: not a sound archive: {reason}. Remove it and fetch it again.") from error


def _untar(file: Path, into: Path) -> None:
    with tarfile.open(file) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(into, filter="data")
            return
        for member in archive.getmembers():  # the first releases of Python 3.11 have no filters
            if not (member.isfile() or member.isdir()) or member.name.startswith("/") or ".." in member.name.split("/"):
                raise tarfile.TarError(f"'{member.name}' points outside the folder or is a link")
        archive.extractall(into)


def _unzip(file: Path, into: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            plain = name.replace("\\", "/")
            if plain.startswith("/") or ".." in plain.split("/") or ":" in plain.split("/")[0]:
                raise zipfile.BadZipFile(f"'{name}' points outside the folder")
        free, needed = shutil.disk_usage(into).free, sum(member.file_size for member in archive.infolist())
        if needed > free:
            raise OSError(f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free")
        archive.extractall(into)
