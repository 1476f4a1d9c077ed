import io
import os
import pickle
import subprocess
import sys
import zipfile

import pytest

from fedsilo.aggregation.secure import Secure
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.image_folder import ImageFolder
from fedsilo.data.files.file_sources import FolderSource, ZipSource, open_source
from fedsilo.data.files.user_paths import is_missing
from fedsilo.partitioning.rules.manifest import FromManifest
from fedsilo.simulation.availability.file import File


def pack(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return str(path)


def shown(source):
    return ["/".join(file.parts) for file in source.listing().files]


@pytest.mark.parametrize("path", ["~no-such-user/x", "n" * 5000, "nul\0", "/dev/null/x"])
def test_a_path_that_cannot_be_is_one_at_which_there_is_nothing(path):
    assert is_missing(path)
    for made in (Secure(identities=path), ImageFolder(root=path), FromManifest(file=path), File(file=path)):
        key = next(name for name in ("identities", "root", "file") if hasattr(made, name))
        assert [line for line in made.problems() if line.startswith(f"{key}: ")], type(made).__name__
    with pytest.raises(DataError, match="no folder or zip"):
        open_source(path)


def test_names_that_point_outside_lead_nowhere(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    names = ["../evil.png", "cat/../../evil.png", "/evil.png", "C:/evil.png", "..\\evil.png"]
    source = ZipSource(pack(root / "a.zip", dict.fromkeys([*names, "cat/good.png"], b"x")))
    listing = source.listing()
    assert [file.name for file in listing.files] == ["cat/good.png"]
    assert sorted(listing.refused) == sorted(names)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in root.iterdir()] == ["a.zip"]


def test_windows_separators_are_separators(tmp_path):
    source = ZipSource(pack(tmp_path / "a.zip", {"photo\\cat\\1.png": b"1"}))
    (file,) = source.listing().files
    assert file.parts == ("photo", "cat", "1.png")
    assert source.read(file.name) == b"1"


LISTING = """\
import os, sys
from fedsilo.data.files.file_sources import FolderSource
source = FolderSource(sys.argv[1])
files = source.listing().files
print([ascii(file.parts) for file in files], [source.read(file.name).decode() for file in files])
"""


def test_names_have_the_same_letters_and_order_in_every_locale(tmp_path):
    for number, name in enumerate(["caf\udce9", "cafe\u0301", "caf\u65e5", "\u65e5", "\uffe5", "\U0001f431", "z"]):
        folder = os.path.join(os.fsencode(tmp_path), name.encode("utf-8", "surrogateescape"))
        os.mkdir(folder)
        with open(os.path.join(folder, b"a.png"), "w") as file:
            file.write(str(number))
    told = [
        subprocess.run(
            [sys.executable, "-c", LISTING, str(tmp_path)],
            env=os.environ | {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            capture_output=True,
            check=True,
        ).stdout
        for locale in ("C.UTF-8", "C")
    ]
    assert told[0] == told[1]
    assert told[0].count(b"a.png") == 7


def test_names_in_a_zip_are_utf_8_where_they_can_be_marked_so_or_not(tmp_path):
    path = tmp_path / "a.zip"
    pack(path, {f"{letters}/1.png": letters.encode() for letters in ("cafxx", "strax")})
    path.write_bytes(path.read_bytes().replace(b"cafxx/", "café/".encode()).replace(b"strax/", b"stra\xe1/"))
    source = ZipSource(str(path))
    assert shown(source) == ["café/1.png", "straß/1.png"]
    assert [source.read(file.name) for file in source.listing().files] == [b"cafxx", b"strax"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("日本/1.png", b"")
    assert shown(ZipSource(str(path))) == ["日本/1.png"]


def test_hidden_things_are_not_listed(tmp_path):
    files = ["__MACOSX/cat/._1.png", "cat/.DS_Store", ".git/x", "cat/1.png", "cat/Thumbs.db"]
    assert shown(ZipSource(pack(tmp_path / "a.zip", dict.fromkeys(files, b"")))) == ["cat/1.png"]
    for name in files:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).touch()
    assert shown(FolderSource(str(tmp_path / "folder"))) == ["cat/1.png"]


def test_decomposed_letters_are_composed(tmp_path):
    source = ZipSource(pack(tmp_path / "a.zip", {"pie\u0301/1.png": b"1", "pi\u00e9/2.png": b"2"}))
    assert shown(source) == ["pi\u00e9/1.png", "pi\u00e9/2.png"]
    assert [source.read(file.name) for file in source.listing().files] == [b"1", b"2"]


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1.png").touch()
    os.symlink(tmp_path / "data", tmp_path / "data" / "cat" / "again")
    os.symlink(tmp_path / "other", tmp_path / "data" / "dog")
    assert shown(FolderSource(str(tmp_path / "data"))) == ["dog/1.png"]


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_what_is_no_zip_is_one_line(content, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="neither a folder nor a readable zip"):
        open_source(str(tmp_path / "a.zip"))


def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder or zip .*looked for .*a\.zip"):
        open_source(str(tmp_path / "a.zip"))


def test_a_damaged_or_cut_zip_is_one_line(tmp_path):
    path = tmp_path / "a.zip"
    pack(path, {f"cat/{i}.png": bytes(1000) for i in range(50)})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"PK\x01\x02", b"XX\x01\x02"))
    with pytest.raises(DataError, match="is not a readable zip: Bad magic number"):
        open_source(str(path)).listing()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="Is the file whole"):
        open_source(str(path))


def test_a_replaced_archive_is_opened_again(tmp_path):
    source = ZipSource(pack(tmp_path / "a.zip", {"x": b"old"}))
    assert source.read("x") == b"old"
    pack(tmp_path / "new.zip", {"x": b"new one"})
    os.replace(tmp_path / "new.zip", tmp_path / "a.zip")
    assert source.read("x") == b"new one"


def test_a_used_source_can_be_pickled(tmp_path):
    source = ZipSource(pack(tmp_path / "a.zip", {"x": b"content"}))
    source.read("x")
    assert pickle.loads(pickle.dumps(source)).read("x") == b"content"


FORKS = """
import os, sys
from fedsilo.data.files.file_sources import ZipSource
source = ZipSource(sys.argv[1])
names = [file.name for file in source.listing().files]
def sound():
    return all(source.read(name) == name.encode() * 20_000 for name in names * 3)
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        try:
            os._exit(0 if sound() else 1)
        except BaseException:
            os._exit(2)
    children.append(child)
mine = sound()
statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(mine, statuses)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_processes_read_at_once(tmp_path):
    path = pack(tmp_path / "a.zip", {f"cat/{i}": f"cat/{i}".encode() * 20_000 for i in range(30)})
    done = subprocess.run([sys.executable, "-c", FORKS, path], capture_output=True, text=True)
    assert done.stdout.strip() == "True [0, 0, 0]", done.stderr


def test_encrypted_members_are_an_error_of_their_own(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("cat/1.png", b"secret")
    data = bytearray(stream.getvalue())
    data[6] |= 1  # the encryption flag of the local header and of the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(RuntimeError, match="encrypted"):
        ZipSource(str(tmp_path / "a.zip")).read("cat/1.png")
