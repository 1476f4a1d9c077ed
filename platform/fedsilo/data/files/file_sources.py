"""Sources of image files: a folder or a zip, with one interface.

A source holds nothing but a path, so it can be pickled to any process. Archives are read and never unpacked; names
that point outside an archive are not followed.
"""

from __future__ import annotations

import os
import unicodedata
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from fedsilo.core.errors import DataError
from fedsilo.data.files.user_paths import expand, is_missing

_UTF8 = 0x800
"""The bit of a name in a zip that says that it is UTF-8; without it the name is of code page 437."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a source.

    Attributes:
        name: Name by which `read` finds it.
        parts: Its folders and its own name, for the user.
    """

    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Content of a source, in sorted order, without hidden files.

    Attributes:
        files: All files.
        folders: All folders as their parts, empty ones too.
        refused: Names that were skipped because they point outside or cannot be read.
    """

    files: tuple[Member, ...]
    folders: tuple[tuple[str, ...], ...]
    refused: tuple[str, ...]


class Source(Protocol):
    """A folder or archive with image files."""

    def listing(self) -> Listing:
        """Lists the content.

        Returns:
            Files and folders.
        """
        ...

    def read(self, name: str) -> bytes:
        """Reads one file.

        Args:
            name: `Member.name` of the file.

        Returns:
            Its bytes.

        Raises:
            OSError: The file cannot be read; archives raise ValueError and other errors too.
        """
        ...

    def size(self, name: str) -> int:
        """Measures one file.

        Args:
            name: `Member.name` of the file.

        Returns:
            Bytes that it takes on disk.

        Raises:
            OSError: The file cannot be found; archives raise KeyError.
        """
        ...


def open_source(root: str) -> Source:
    """Opens a folder or a zip.

    Args:
        root: Its path.

    Returns:
        The source.

    Raises:
        DataError: There is no folder and no readable zip.
    """
    path = expand(root)
    if not is_missing(root) and path.is_dir():
        return FolderSource(str(path))
    if is_missing(root) or not path.is_file():
        raise DataError(f"data.root: there is no folder or zip '{root}' (looked for {path}). Correct the path.")
    if not zipfile.is_zipfile(path):
        raise DataError(f"data.root: '{root}' is neither a folder nor a readable zip. Is the file whole?")
    return ZipSource(str(path))


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder. Links to folders are followed, except to a folder that contains the link.

    Attributes:
        root: Absolute path.
    """

    root: str

    def listing(self) -> Listing:
        """Lists the content."""
        files: list[Member] = []
        folders: list[tuple[str, ...]] = []
        refused: list[str] = []

        def unreadable(error: OSError) -> None:
            refused.append(os.path.relpath(error.filename, self.root))

        for folder, below, names in os.walk(self.root, followlinks=True, onerror=unreadable):
            below[:] = sorted(name for name in below if not _hidden(name) and not _loops(folder, name))
            relative = Path(folder).relative_to(self.root)
            around = tuple(map(_decoded, relative.parts))
            folders += [(*around, _decoded(name)) for name in below]
            files += [
                Member((relative / name).as_posix(), (*around, _decoded(name))) for name in names if not _hidden(name)
            ]
        return _sorted(files, folders, refused)

    def read(self, name: str) -> bytes:
        """Returns the bytes of one file. Raises OSError."""
        return Path(self.root, name).read_bytes()

    def size(self, name: str) -> int:
        """Returns the bytes that one file takes. Raises OSError."""
        return Path(self.root, name).stat().st_size


@dataclass(frozen=True, slots=True)
class ZipSource:
    """A zip archive, opened once in each process that reads from it.

    Attributes:
        path: Absolute path of the archive.
    """

    path: str

    def listing(self) -> Listing:
        """Lists the content. Raises DataError when the archive's directory is damaged."""
        try:
            found = {info.filename: _zipped(info) for info in self._archive().infolist()}
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise DataError(f"data.root: {self.path} is not a readable zip: {error}. Is the file whole?") from error
        files: list[Member] = []
        folders: dict[tuple[str, ...], None] = {}
        refused: list[str] = []
        for name in sorted(found):
            plain = found[name].replace("\\", "/")  # as some programs on Windows write them
            parts = tuple(part for part in plain.split("/") if part not in ("", "."))
            if plain.startswith("/") or ".." in parts or ":" in plain.split("/")[0]:
                refused.append(name)
                continue
            if any(_hidden(part) for part in parts):
                continue
            inside = parts if plain.endswith("/") else parts[:-1]
            folders.update({inside[: depth + 1]: None for depth in range(len(inside))})
            if not plain.endswith("/"):
                files.append(Member(name, parts))
        return _sorted(files, list(folders), refused)

    def read(self, name: str) -> bytes:
        """Returns the bytes of one file, unpacked. Raises OSError, zipfile.BadZipFile or RuntimeError (encrypted)."""
        return self._archive().read(name)

    def size(self, name: str) -> int:
        """Returns the bytes that one file takes in the archive. Raises OSError or KeyError."""
        return self._archive().getinfo(name).compress_size

    def _archive(self) -> zipfile.ZipFile:
        found = os.stat(self.path)
        return _opened(self.path, (found.st_ino, found.st_size, found.st_mtime_ns), os.getpid())


@lru_cache(maxsize=8)
def _opened(path: str, version: tuple[int, int, int], process: int) -> zipfile.ZipFile:
    """Opens the archive for one process.

    A forked child that reads through its parent's file moves the parent's position, and both read wrong bytes. A file
    that was replaced is opened again.
    """
    return zipfile.ZipFile(path)


def _sorted(files: list[Member], folders: list[tuple[str, ...]], refused: list[str]) -> Listing:
    return Listing(
        tuple(sorted((Member(file.name, _composed(file.parts)) for file in files), key=lambda file: file.parts)),
        tuple(sorted(map(_composed, folders))),
        tuple(sorted(refused)),
    )


def _decoded(name: str) -> str:
    """A name on disk as it reads where the locale is UTF-8, so that classes have the same order in every locale."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _zipped(info: zipfile.ZipInfo) -> str:
    """A name in an archive: UTF-8 where its bytes are, though programs forget to mark it so; else as they say."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _composed(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Parts with composed letters: some systems write accented names decomposed, others do not."""
    return tuple(unicodedata.normalize("NFC", part) for part in parts)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX" or name.lower() in ("thumbs.db", "desktop.ini")


def _loops(folder: str, name: str) -> bool:
    """Whether a folder is a link to a folder that contains it."""
    path = os.path.join(folder, name)
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    return os.path.commonpath([target, os.path.realpath(folder)]) == target
