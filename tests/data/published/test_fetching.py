"""Downloads from servers that stop early, send wrong bytes, do not support ranges or do not answer; full disks."""

import errno
import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.published import fetching
from fedsilo.data.published.dataset_card import Archive
from fedsilo.data.published.fetching import fetch
from fedsilo.data.published.unpacking import obtain, unpack

BODY = bytes(range(256)) * 4000
MD5 = hashlib.md5(BODY).hexdigest()


@dataclass
class Server:
    """Behaviour of a small server, and its requests.

    Attributes:
        files: Bodies by path.
        ranges: Whether it knows of ranges.
        breaks: So many requests get only this many bytes before the line is cut.
        asked: The Range headers of all requests.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server(files={"/file.bin": BODY})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            told.asked.append(wanted)
            if self.path not in told.files:
                return self.send_error(404)
            body, start = told.files[self.path], 0
            if wanted and told.ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    return self.end_headers()
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start : start + told.breaks.pop(0)] if told.breaks else body[start:])
            return None

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        told.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        running.shutdown()
        thread.join()


def refusal(server: Server, target: Path, md5: str = MD5, path: str = "/file.bin") -> str:
    with pytest.raises(DataError) as caught:
        fetch(server.url + path, target, md5)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    return str(caught.value)


def test_a_file_comes_whole_and_is_not_asked_for_again(server, tmp_path):
    seen: list[tuple[int, int]] = []
    for _ in range(2):
        fetch(
            server.url + "/file.bin", tmp_path / "new" / "file.bin", MD5, lambda done, total: seen.append((done, total))
        )
    assert (tmp_path / "new" / "file.bin").read_bytes() == BODY
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.bin"]
    assert server.asked == [""]
    assert seen[-1] == (len(BODY), len(BODY))


def test_an_interrupted_download_continues_where_it_stopped(server, tmp_path):
    server.breaks = [1000, 70_000, 5]
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == ["", "bytes=1000-", "bytes=71000-", "bytes=71005-"]


def test_a_later_fetch_continues_with_the_partial_file(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY[:12_345])
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == ["bytes=12345-"]


def test_a_server_without_ranges_sends_it_all_again(server, tmp_path):
    server.ranges, server.breaks = False, [1000]
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == ["", "bytes=1000-"]


def test_a_part_that_is_already_whole_only_gets_its_name(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("rest", [b"x" * 500, BODY + b"too much", BODY[:-1] + b"x"])
def test_a_part_of_another_file_is_thrown_away(server, rest, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(rest)
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked[-1] == ""


def test_a_file_that_is_there_and_damaged_is_fetched_again(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(BODY[:-1])
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_wrong_body_never_gets_the_file_s_name(server, tmp_path):
    server.files["/file.bin"] = b"<html>please log in</html>"
    assert f"the downloaded file is not the published one (its md5 is not {MD5})" in refusal(
        server, tmp_path / "file.bin"
    )
    assert list(tmp_path.iterdir()) == []
    server.files["/file.bin"] = BODY
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)


def test_without_a_checksum_the_length_must_be_right(server, tmp_path):
    server.breaks = [10] + [0] * 20
    line = refusal(server, tmp_path / "file.bin", md5="")
    assert (
        f"the connection ended {fetching.ATTEMPTS} times in a row without a new byte: 10 of 1,024,000 bytes arrived"
        in line
    )
    assert (tmp_path / "file.bin.part").read_bytes() == BODY[:10]


def test_a_file_that_is_not_there_and_a_server_that_is_not_there_are_one_line(server, tmp_path):
    assert "HTTP Error 404: Not Found" in refusal(server, tmp_path / "file.bin", path="/other.bin")
    server.url = "http://127.0.0.1:9"
    assert f"or put the file at {tmp_path / 'file.bin'}." in refusal(server, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_partial_file_and_the_next_fetch_continues(server, tmp_path, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    server.breaks = [5000]
    with monkeypatch.context() as patch:
        patch.setattr(fetching, "ATTEMPTS", 1)
        patch.setattr(fetching.os, "fsync", full)
        assert "the disk is full, 1 MB of the file are there. Make room" in refusal(server, tmp_path / "file.bin")
    server.asked.clear()
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked != [""]


def test_two_processes_do_not_write_one_file(server, tmp_path):
    with fetching._lock(tmp_path / "file.bin.part") as file:
        file.write(b"x")
        file.flush()
        assert "is being fetched by another process" in refusal(server, tmp_path / "file.bin")


def test_a_killed_process_leaves_no_lock_behind(server, tmp_path):
    part = tmp_path / "file.bin.part"
    code = f"""
from pathlib import Path
from fedsilo.data.published import fetching
with fetching._lock(Path({str(part)!r})) as file:
    file.write({BODY[:7]!r})
    file.flush()
    print("locked", flush=True)
    input()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        assert other.stdout.readline() == "locked\n"
        assert "is being fetched by another process" in refusal(server, tmp_path / "file.bin")
        other.kill()
    fetch(server.url + "/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.bin"]


def tar(files: dict[str, bytes], suffix: str = "gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{suffix}") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def archive_of(server: Server, name: str, body: bytes, gives: tuple[str, ...], **keys: str) -> Archive:
    server.files[f"/{name}"] = body
    return Archive(f"{server.url}/{name}", "set", gives, hashlib.md5(body).hexdigest(), **keys)


def test_an_archive_gives_what_it_must_and_is_removed(server, tmp_path):
    body = tar({"top/images/a.jpg": b"a", "top/labels/b.txt": b"b", "top/other/c": b"c"})
    archives = (archive_of(server, "set.tar.gz", body, ("top/images", "top/labels")),)
    assert obtain(archives, tmp_path) == ["set.tar.gz"]
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["set/top/images/a.jpg", "set/top/labels/b.txt"]
    assert obtain(archives, tmp_path) == []
    (tmp_path / "set/top/labels/b.txt").write_bytes(b"mine")
    (tmp_path / "set/top/images/a.jpg").unlink()
    (tmp_path / "set/top/images").rmdir()
    assert obtain(archives, tmp_path) == ["set.tar.gz"]
    assert (tmp_path / "set/top/labels/b.txt").read_bytes() == b"mine"
    assert (tmp_path / "set/top/images/a.jpg").read_bytes() == b"a"


def test_an_archive_in_an_archive_and_a_plain_file_are_put_in_their_place(server, tmp_path):
    body = packed({"outer/inner.tar.gz": tar({"images/a.jpg": b"a"}), "outer/rest": b"x"})
    archives = (
        archive_of(server, "set.zip", body, ("images",), inner="outer/inner.tar.gz"),
        archive_of(server, "labels.mat", b"m", ("labels.mat",)),
    )
    assert obtain(archives, tmp_path) == ["set.zip", "labels.mat"]
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["set/images/a.jpg", "set/labels.mat"]


def test_damaged_files_are_replaced_where_that_is_asked(server, tmp_path):
    archives = (archive_of(server, "set.tar.gz", tar({"top/a": b"right", "top/b": b"right"}), ("top/a", "top/b")),)
    (tmp_path / "set/top").mkdir(parents=True)
    for name in ("a", "b", "mine"):
        (tmp_path / "set/top" / name).write_bytes(b"wrong")
    obtain(archives, tmp_path, replace=True)
    assert [(tmp_path / "set/top" / name).read_bytes() for name in ("a", "b", "mine")] == [b"right", b"right", b"wrong"]


def test_an_archive_that_lacks_what_it_must_give_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError, match=r"set\.tar\.gz: it does not contain images\."):
        obtain((archive_of(server, "set.tar.gz", tar({"other/a": b"a"}), ("images",)),), tmp_path)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["set.tar.gz"]


def outcome(archive: Path, into: Path) -> str:
    """What is said of an archive; "" when it can be unpacked."""
    try:
        unpack(archive, into)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
@pytest.mark.parametrize("pack", [tar, packed])
def test_names_that_point_outside_are_refused(name, pack, tmp_path):
    (tmp_path / "into").mkdir()
    (tmp_path / "archive").write_bytes(pack({"good": b"g", name: b"e"}))
    line = outcome(tmp_path / "archive", tmp_path / "into")
    assert "not a sound archive" in line or (pack is tar and name == "/evil")  # tar's filter makes that one relative
    assert "\n" not in line
    assert {path.name for path in tmp_path.iterdir()} == {"into", "archive"}
    assert not Path("/evil").exists()


def test_tars_are_safe_without_python_s_own_filter(tmp_path, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter", raising=False)  # Python before 3.11.4 has none
    (tmp_path / "into").mkdir()
    for name in ("../evil", "/evil"):
        (tmp_path / "archive").write_bytes(tar({"good": b"g", name: b"e"}))
        assert f"not a sound archive: '{name}' points outside the folder" in outcome(
            tmp_path / "archive", tmp_path / "into"
        )
    with tarfile.open(tmp_path / "archive", "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    assert "is a link" in outcome(tmp_path / "archive", tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


@pytest.mark.parametrize("place", [40, -20, None])
@pytest.mark.parametrize("pack", [tar, packed, lambda files: b"rubbish" * 99])
def test_a_damaged_archive_is_one_line(pack, place, tmp_path):
    data = pack({f"{number}": bytes(5000) + bytes([number]) for number in range(30)})
    data = data[: len(data) // 2] if place is None else data[:place] + b"????" + data[place + 4 :]
    (tmp_path / "archive").write_bytes(data)
    line = outcome(tmp_path / "archive", tmp_path)
    assert "\n" not in line
    if place is None:  # other changes may be in bytes that the format does not look at
        assert line.startswith(f"{tmp_path / 'archive'}: not a sound archive: ")


def test_a_disk_that_is_full_while_unpacking_leaves_no_half_folder(server, tmp_path, monkeypatch):
    archives = (archive_of(server, "set.tar.gz", tar({"images/a": b"a"}), ("images",)),)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", full)
        with pytest.raises(DataError, match="could not be unpacked: No space left on device"):
            obtain(archives, tmp_path)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["set.tar.gz"]
    obtain(archives, tmp_path)
    assert (tmp_path / "set/images/a").read_bytes() == b"a"
    assert server.asked == [""]
