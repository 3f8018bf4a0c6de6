"""A bundle is written whole, opened verified, and refused when one byte differs."""

import json
import os
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import tiny_bundle, tiny_contract, tiny_threshold

from embedge.errors import EmbedgeError
from embedge.runtime import Bundle, write_bundle
from embedge.runtime.bundle import placing
from embedge.runtime.bundle.bundle import MANIFEST, SEAL, seal_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "tiny.embedge")


def zipped(folder: Path, target: Path, top: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, top + path.relative_to(folder).as_posix())
    return target


def resealed(folder: Path, change: Callable[[Any], Any]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    answer = change(manifest)
    manifest = manifest if answer is None else answer
    data = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(data)
    (folder / SEAL).write_bytes(seal_of(data))


def refusal(path: Path) -> EmbedgeError:
    with pytest.raises(EmbedgeError) as caught:
        Bundle.open(path)
    return caught.value


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a top folder"])
def test_what_was_written_is_read(folder: Path, tmp_path: Path, form: str) -> None:
    path = folder
    if form != "folder":
        top = "tiny.embedge/" if "top" in form else ""
        path = zipped(folder, tmp_path / "tiny.zip", top)
    with Bundle.open(path) as bundle:
        assert bundle.name == "tiny"
        assert bundle.contract == tiny_contract(64)
        assert bundle.artifact().name == bundle.default_artifact == "fp32"
        assert bundle.artifacts["fp32"].threshold == tiny_threshold()
        assert bundle.artifacts["raw"].threshold is None
        assert bundle.provenance == {"method": "test"}
        assert bundle.files == ["engines/note.txt", "student.fp32.onnx"]
        data = bundle.read("student.fp32.onnx")
        assert data == (folder / "student.fp32.onnx").read_bytes()
        with pytest.raises(EmbedgeError, match=r"E-ARTIFACT.*fp32, raw"):
            bundle.artifact("int8-cpu")
        with pytest.raises(EmbedgeError, match="E-BUNDLE"):
            bundle.read("../secret")


def test_the_seal_is_what_sha256sum_checks(folder: Path) -> None:
    assert os.system(f"cd {folder} && sha256sum --status -c {SEAL}") == 0


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("file", [MANIFEST, SEAL, "student.fp32.onnx", "engines/note.txt"])
def test_one_flipped_byte_anywhere_is_refused(
    folder: Path, tmp_path: Path, file: str, as_zip: bool
) -> None:
    data = bytearray((folder / file).read_bytes())
    for position in {0, len(data) // 3, len(data) // 2, len(data) - 1}:
        data[position] ^= 0x20
        (folder / file).write_bytes(data)
        path = zipped(folder, tmp_path / "b.zip") if as_zip else folder
        assert refusal(path).code == "E-BUNDLE"
        data[position] ^= 0x20
        (folder / file).write_bytes(data)
    Bundle.open(folder).close()


def test_every_byte_of_the_manifest_counts(folder: Path) -> None:
    whole = (folder / MANIFEST).read_bytes()
    for position in range(0, len(whole), 7):
        data = bytearray(whole)
        data[position] ^= 1
        (folder / MANIFEST).write_bytes(data)
        assert refusal(folder).code == "E-BUNDLE"


def test_every_byte_of_a_zip_is_read_or_refused(folder: Path, tmp_path: Path) -> None:
    whole = zipped(folder, tmp_path / "a.zip").read_bytes()
    for position in [*range(200), *range(len(whole) - 900, len(whole))]:
        data = bytearray(whole)
        data[position] ^= 0x41
        (tmp_path / "b.zip").write_bytes(data)
        try:
            with Bundle.open(tmp_path / "b.zip") as bundle:  # an unimportant byte, such as a date
                assert bundle.read("student.fp32.onnx")
        except EmbedgeError as error:
            assert error.code == "E-BUNDLE"  # noqa: PT017


def test_extra_and_missing_files_are_refused(folder: Path) -> None:
    (folder / "surprise.txt").write_text("hello")
    assert "surprise.txt is not in the manifest" in refusal(folder).what
    (folder / "surprise.txt").unlink()
    (folder / "student.fp32.onnx").unlink()
    assert "student.fp32.onnx is missing" in refusal(folder).what
    (folder / SEAL).unlink()
    assert f"{SEAL} is missing" in refusal(folder).what


def test_links_are_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.onnx"
    (folder / "student.fp32.onnx").rename(elsewhere)
    (folder / "student.fp32.onnx").symlink_to(elsewhere)
    assert "is a link" in refusal(folder).what
    (folder / "student.fp32.onnx").unlink()
    elsewhere.rename(folder / "student.fp32.onnx")
    (folder / "engines").rename(tmp_path / "engines")
    (folder / "engines").symlink_to(tmp_path / "engines")
    assert "is a link" in refusal(folder).what


def test_a_pipe_is_refused_without_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "is a link or a device" in refusal(folder).what


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../../b", "a\\b", "c:evil", "", ".", "a//b", "./a", "a/"]
)
def test_names_that_leave_the_bundle_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    def smuggle(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = next(iter(manifest["files"].values()))

    resealed(folder, smuggle)
    assert "is not allowed" in refusal(folder).what
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name or " ../x", b"")
    assert refusal(tmp_path / "evil.zip").code == "E-BUNDLE"


def test_a_zip_entry_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nameless.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("@@@@", b"")
    path.write_bytes(path.read_bytes().replace(b"@@@@", b"\0@@@"))  # a name ends at its first zero
    assert "'' is not allowed" in refusal(path).what


def test_a_linked_zip_entry_is_refused(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    assert "is a link" in refusal(path).what


def test_a_zip_bomb_is_refused_without_unpacking_it(folder: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(MANIFEST, "w", force_zip64=True) as stream:
            for _ in range(64):
                stream.write(bytes(1 << 20))
        archive.writestr(SEAL, b"")
    assert "at most" in refusal(bomb).what

    def claim(manifest: dict[str, Any]) -> None:
        manifest["files"]["student.fp32.onnx"]["bytes"] = 5 << 30

    resealed(folder, claim)
    assert "bytes: 5368709120 is above 2147483648" in refusal(folder).what


def test_what_a_zip_unpacks_to_is_bounded_before_it_is_unpacked(
    folder: Path, tmp_path: Path
) -> None:
    path = zipped(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(80 << 20))
    assert "unpack to" in refusal(path).what


def test_only_plain_deflate_is_unpacked(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("other", b"x")
    assert "packed by method 14" in refusal(path).what


def test_a_long_list_of_entries_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(9000):
            archive.writestr(f"{number:0300}", b"")
    assert "list of entries is too long" in refusal(path).what
    path.write_bytes(b"PK\x05\x06")
    assert "no list of entries" in refusal(path).what


def test_the_large_form_of_zip_is_refused(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "a.zip")
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    path.write_bytes(data[:end] + b"PK\x06\x07" + bytes(16) + data[end:])
    assert "more than 4 GiB" in refusal(path).what


def test_a_digest_is_taken_a_piece_at_a_time(tmp_path: Path) -> None:
    big = os.urandom(24 << 20)
    folder = tiny_bundle(tmp_path / "big.embedge", files={"engines/big.plan": big})
    for path in (folder, zipped(folder, tmp_path / "big.zip")):
        Bundle.open(path).close()
        tracemalloc.start()
        Bundle.open(path).close()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 << 20


@pytest.mark.parametrize(
    "change",
    [
        lambda m: [],
        lambda m: {"format": "embedge.bundle/2"},
        lambda m: {"format": "embedge.bundle/1"},
        lambda m: m.update(files=None),
        lambda m: m.update(artifacts=[1]),
        lambda m: m.update(default_artifact="absent"),
        lambda m: m["artifacts"]["fp32"].update(file="absent.onnx"),
        lambda m: m["artifacts"]["fp32"].pop("precision"),
        lambda m: m["artifacts"]["fp32"].update(threshold={"value": 1}),
        lambda m: m["files"]["student.fp32.onnx"].update(bytes="many"),
    ],
)
def test_a_misstated_manifest_is_refused(folder: Path, change: Callable[..., Any]) -> None:
    resealed(folder, change)
    assert refusal(folder).code == "E-BUNDLE"


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent").code == "E-BUNDLE-MISSING"
    told = refusal(tmp_path)
    assert (told.code, told.what) == (
        "E-BUNDLE-MISSING",
        "this folder is no bundle, it holds no manifest.json",
    )
    (tmp_path / "note.zip").write_text("hello")
    assert refusal(tmp_path / "note.zip").code == "E-BUNDLE"


def test_only_a_bundle_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "tiny.embedge"
    tiny_bundle(target, dim=64)
    tiny_bundle(target, dim=32)
    with Bundle.open(target) as bundle:
        assert bundle.contract.dim == 32
    with pytest.raises(EmbedgeError, match="E-BUNDLE-EXISTS"):
        tiny_bundle(target, name="other")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(EmbedgeError, match="E-BUNDLE-EXISTS"):
        tiny_bundle(tmp_path / "mine")
    (tmp_path / "file").write_text("x")
    with pytest.raises(EmbedgeError, match="E-BUNDLE-EXISTS"):
        tiny_bundle(tmp_path / "file")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "tiny.embedge"]


def test_a_bundle_that_could_not_be_opened_is_never_put_in_place(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-BUNDLE"):
        write_bundle(
            tmp_path / "b",
            name="b",
            contract=tiny_contract(),
            artifacts=[],
            files={},
            provenance={},
            default_artifact="absent",
        )
    with pytest.raises(EmbedgeError, match="E-WRITE"):
        write_bundle(
            tmp_path / "b",
            name="b",
            contract=tiny_contract(),
            artifacts=[],
            files={"a": tmp_path / "absent"},
            provenance={},
            default_artifact="a",
        )
    for name in ("", "../b", "a b", "-x"):
        with pytest.raises(EmbedgeError, match="E-BUNDLE-NAME"):
            tiny_bundle(tmp_path / "b", name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_is_told_from_a_bundle(tmp_path: Path) -> None:
    run = tmp_path / "lock"
    run.mkdir()
    (run / "recipe.json").write_text("{}")
    assert "Repeat the command" in refusal(run).remedy
    tiny_bundle(run / "lock.embedge")
    told = refusal(run)
    assert (told.code, told.what) == ("E-BUNDLE-MISSING", "this is a run folder, not a bundle")
    assert told.remedy == f"Give {run / 'lock.embedge'}"


@pytest.mark.parametrize("raised", [OSError(5, "I/O error"), TimeoutError("an alarm's")])
def test_a_bundle_that_cannot_be_replaced_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    folder = tiny_bundle(tmp_path / "b.embedge")
    before = sorted(each.name for each in folder.iterdir())
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if Path(target) == folder and path.name.endswith(".part"):
            raise raised
        return real(path, target)

    monkeypatch.setattr(placing, "_exchanged", lambda *_: False)  # as on file systems without it
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises((EmbedgeError, TimeoutError)):
        tiny_bundle(folder)
    assert sorted(each.name for each in folder.iterdir()) == before
    assert [each.name for each in tmp_path.iterdir()] == ["b.embedge"]
