"""Archives into folders, so that a folder that is there is whole.

An archive is unpacked beside its place and moved there when all of it is out. Names that point elsewhere are refused.
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
from fedsilo.data.published.card import Archive
from fedsilo.data.published.fetching import Told, fetch, untold

PACKED = (".tar.gz", ".tgz", ".tar", ".zip")


def obtain(archives: tuple[Archive, ...], root: Path, told: Told = untold, replace: bool = False) -> list[str]:
    """Fetches and unpacks what is not there yet; the archives themselves are removed afterwards.

    Args:
        archives: The archives of a set.
        root: The root that their folders start from.
        told: Told how far each is.
        replace: Whether files that are there are replaced: they are known to be damaged.

    Returns:
        The names of the archives that were fetched.

    Raises:
        DataError: One cannot be had or is damaged, or there is no room.
    """
    fetched = []
    for archive in archives:
        folder = root / archive.folder
        if not replace and all((folder / path).exists() for path in archive.gives):
            continue
        fetch(archive.url, folder / archive.name, archive.md5, told)
        if archive.name.endswith(PACKED):
            _settle(archive, folder, replace)
        fetched.append(archive.name)
    return fetched


def _settle(archive: Archive, folder: Path, replace: bool) -> None:
    """Unpacks a fetched archive and puts what it gives into its place."""
    file = folder / archive.name
    try:
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as name:
            unpacked = Path(name)
            unpack(file, unpacked)
            if archive.inner:
                unpack(unpacked / archive.inner, unpacked)
            absent = [path for path in archive.gives if not (unpacked / path).exists()]
            if absent:
                raise DataError(f"{file}: {', '.join(absent)} is not in it. Remove it and fetch it again.")
            for path in archive.gives:
                if replace or not (folder / path).exists():
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (unpacked / path).replace(folder / path)
        file.unlink()
    except OSError as error:
        raise DataError(
            f"{file}: could not be unpacked: {error.strerror or error}. Make room and ask again."
        ) from error


def unpack(file: Path, into: Path) -> None:
    """Unpacks a tar or zip archive into a folder.

    Raises:
        DataError: It is damaged, or a name in it points outside of the folder; one line.
        OSError: It cannot be read, or there is no room.
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
                raise tarfile.TarError(f"'{member.name}' points outside of it or is a link")
        archive.extractall(into)


def _unzip(file: Path, into: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            plain = name.replace("\\", "/")
            if plain.startswith("/") or ".." in plain.split("/") or ":" in plain.split("/")[0]:
                raise zipfile.BadZipFile(f"'{name}' points outside of it")
        free, needed = shutil.disk_usage(into).free, sum(member.file_size for member in archive.infolist())
        if needed > free:
            raise OSError(f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free")
        archive.extractall(into)
