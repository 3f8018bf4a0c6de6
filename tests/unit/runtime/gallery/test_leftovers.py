"""What a proof of erasure looks into: backups in every ordinary form, and what it cannot open."""

import base64
import binascii
import bz2
import gzip
import io
import json
import lzma
import os
import quopri
import re
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from gallery_rows import CONTRACT, KEY, create, unit

from embedge.runtime import Gallery
from embedge.runtime.gallery.leftovers import budget
from embedge.runtime.gallery.storage.raw import Raw
from embedge.runtime.gallery.storage.traces import Traces


def _zipped(how: int, name: str = "g") -> Callable[[bytes], bytes]:
    def form(data: bytes) -> bytes:
        with zipfile.ZipFile(stream := io.BytesIO(), "w", how) as archive:
            archive.writestr(name, data)
        return stream.getvalue()

    return form


def _tarred(data: bytes, *, old: bool = False) -> bytes:
    with tarfile.open(fileobj=(stream := io.BytesIO()), mode="w") as archive:
        (member := tarfile.TarInfo("g")).size = len(data)
        archive.addfile(member, io.BytesIO(data))
    made = stream.getvalue()
    if old:  # a v7 tar has no magic
        made = made[:257] + bytes(8) + made[265:]
        told = sum(made[:148]) + 8 * ord(" ") + sum(made[156:512])
        made = made[:148] + b"%06o\0 " % told + made[156:]
    return made


def _stored(data: bytes) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE backup (name, value)")
    connection.execute("INSERT INTO backup VALUES ('x', ?), ('y', 'z')", (data,))
    connection.commit()
    return connection.serialize()


def _database(data: bytes) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(data)
    return connection


def _vacuumed(page: int) -> Callable[[bytes], bytes]:
    def form(data: bytes) -> bytes:
        connection = _database(data)
        connection.execute("CREATE TABLE more (value)")  # of another program
        connection.executescript(f"PRAGMA page_size={page}; VACUUM INTO '/dev/shm/{os.getpid()}'")
        copy = Path(f"/dev/shm/{os.getpid()}")
        found = copy.read_bytes()
        copy.unlink()
        return found

    return form


def _dumped(data: bytes) -> bytes:
    return "\n".join(_database(data).iterdump()).encode()


def _as_csv(data: bytes) -> bytes:
    connection = _database(data)
    people = connection.execute("SELECT id, hex(sealed) FROM person").fetchall()
    (header,) = connection.execute("SELECT hex(value) FROM header").fetchone()
    lines = [f"1,{header}", *(f"{number},{sealed}" for number, sealed in people)]
    return "\n".join(lines).encode()


def _lines(text: bytes, before: bytes, after: bytes = b"") -> bytes:
    lines = [text[at : at + 76] for at in range(0, len(text), 76)]
    return b"\n".join(before + line + after for line in lines)


def _uuencoded(data: bytes) -> bytes:
    lines = [binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45)]
    return b"begin 644 g\n" + b"".join(lines) + b"`\nend\n"


def _listed(data: bytes, line: str, size: int, *, swapped: bool = False) -> bytes:
    def told(at: int) -> str:
        row = data[at : at + 16]
        groups = [row[i : i + size][:: -1 if swapped else 1].hex() for i in range(0, 16, size)]
        text = re.sub(rb"[^ -~]", b".", row).decode()
        return line.format(at, " ".join(groups), text)

    return "\n".join(told(at) for at in range(0, len(data), 16)).encode()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "at an odd offset": lambda data: b"x" + data,
    **{f"zip, stored, {n}": _zipped(zipfile.ZIP_STORED, "g" * n) for n in range(1, 5)},
    "zip, deflated": _zipped(zipfile.ZIP_DEFLATED),
    "tar": _tarred,
    "tar.gz": lambda data: gzip.compress(_tarred(data)),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    **{f"pages of {size}": _vacuumed(size) for size in (512, 1024, 8192, 65536)},
    "SQL dump": _dumped,
    "SQL dump in UTF-16": lambda data: _dumped(data).decode().encode("utf-16"),
    "SQL dump, packed": lambda data: gzip.compress(_dumped(data)),
    "CSV of hexadecimal": _as_csv,
    "base64": base64.b64encode,
    "base64 in a mail": lambda data: b"Content: base64\n\n" + base64.encodebytes(data),
    "hexadecimal": lambda data: data.hex().encode(),
    "hexadecimal in lines": lambda data: data.hex("\n", 30).encode(),
    "gzip in an old tar": lambda data: _tarred(gzip.compress(data), old=True),
    "gzip after a script": lambda data: b"#!/bin/sh\n" * 99 + gzip.compress(data),
    "gzip after gzip": lambda data: gzip.compress(b"hi") + gzip.compress(data) + b"end",
    "xz within zeros": lambda data: bytes(4096) + lzma.compress(data) + bytes(4096),
    "bz2 after a picture": lambda data: b"\xff\xd8\xff" + bytes(99) + bz2.compress(data),
    "zlib after zlib": lambda data: zlib.compress(b"hi" * 9) + zlib.compress(data),
    "zip within others": lambda data: b"x" * 9 + _zipped(8)(data) + b"x" * 99_999,
    "bare deflate": lambda data: zlib.compress(data, wbits=-15),
    "UTF-8 of Latin-1": lambda data: data.decode("latin-1").encode(),
    "zlib in a database": lambda data: _stored(zlib.compress(data)),
    "base64 in JSON": lambda data: json.dumps({"d": base64.encodebytes(data).decode()}).encode(),
    "base64 in PHP's JSON": lambda data: base64.b64encode(data).replace(b"/", b"\\/"),
    "base64 quoted in a mail": lambda data: _lines(base64.b64encode(data), b"> "),
    "base64 in Python": lambda data: _lines(base64.b64encode(data), b"  '", b"'"),
    "base64 in an address": lambda data: b"data:;base64," + quote(base64.b64encode(data)).encode(),
    "base32": base64.b32encode,
    "base85": base64.b85encode,
    "Ascii85": base64.a85encode,
    "Ascii85 in JSON": lambda data: json.dumps({"d": base64.a85encode(data).decode()}).encode(),
    "Ascii85 in Python": lambda data: repr({"d": base64.a85encode(data).decode()}).encode(),
    "uuencode": _uuencoded,
    "uuencode in JSON": lambda data: json.dumps({"d": _uuencoded(data).decode()}).encode(),
    "xxd": lambda data: _listed(data, "{:08x}: {}  {}", 2),
    "hexdump -C": lambda data: _listed(data, "{:08x}  {} |{}|", 1),
    "od -x": lambda data: _listed(data, "{:07o} {}", 2, swapped=True),
    "od -tx1": lambda data: _listed(data, "{:07o} {}", 1),
    "a C array": lambda data: ", ".join(f"0x{byte:02x}" for byte in data).encode(),
    "a JSON array": lambda data: json.dumps(list(data)).encode(),
    "Python's repr": lambda data: repr(data).encode(),
    "\\x escapes": lambda data: "".join(f"\\x{byte:02x}" for byte in data).encode(),
    "JSON's escapes": lambda data: json.dumps(data.decode("latin-1")).encode("latin-1"),
    "quoted-printable": quopri.encodestring,
    "percent signs": lambda data: quote(data).encode(),
    "gzip in base64 in JSON": lambda data: json.dumps(
        {"d": base64.encodebytes(gzip.compress(data)).decode()}
    ).encode(),
    "without its beginning": lambda data: data[1001:],
}


@pytest.mark.parametrize("renewed", [False, True], ids=["same epoch", "before a renewal"])
@pytest.mark.parametrize("form", FORMS)
def test_a_backup_is_found_in_whatever_form(tmp_path: Path, form: str, renewed: bool) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        backup = tmp_path / "backup"
        backup.write_bytes(FORMS[form]((tmp_path / "people.gallery").read_bytes()))
        if renewed:
            gallery.renew()
        proof = gallery.erase("ann", prove=True)
        assert not proof.proven
        assert proof.copies == (str(backup),)
        assert not proof.unreadable
        backup.unlink()
        assert gallery.erase("ben", prove=True).proven


@pytest.mark.parametrize("size", [300, 3000, 4096])
def test_pieces_of_a_backup_are_found(tmp_path: Path, size: int) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        data = (tmp_path / "people.gallery").read_bytes()
        for start in range(0, len(data), size):
            (tmp_path / f"x{start:08d}").write_bytes(data[start : start + size])
        gallery.renew()
        proof = gallery.erase("ann", prove=True)
        assert proof.copies
        assert all("/x0" in copy for copy in proof.copies)
        assert not proof.proven


def test_a_template_under_another_name_is_found_in_an_archive(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("anna", unit(9), CONTRACT)
        copy = _vacuumed(1024)((tmp_path / "people.gallery").read_bytes())
        gallery.enroll("ann", unit(9), CONTRACT)
        gallery.erase("anna")
        gallery.renew()
        (tmp_path / "a.zip").write_bytes(_zipped(zipfile.ZIP_DEFLATED, "old")(copy))
        proof = gallery.erase("ann", prove=True)
    hit = f"{tmp_path / 'a.zip'} (old): a template of theirs under the name 'anna'"
    assert proof.found == (hit,)


def test_the_folder_of_a_link_is_searched_too(tmp_path: Path) -> None:
    for folder in ("real", "link", "further"):
        (tmp_path / folder).mkdir()
    (tmp_path / "link" / "g").symlink_to("../real/people.gallery")
    (tmp_path / "further" / "g").symlink_to("../link/g")
    with create(tmp_path / "real") as gallery:
        gallery.enroll(["ann", "ben", "cem"], unit(9, 3), CONTRACT)
    data = (tmp_path / "real" / "people.gallery").read_bytes()
    with Gallery.open(tmp_path / "further" / "g", key=KEY, writable=True) as gallery:
        for name, folder in (("ann", "link"), ("ben", "further")):
            backup = tmp_path / folder / "g.bak"
            backup.write_bytes(data)
            proof = gallery.erase(name, prove=True)
            assert proof.copies == (str(backup),)
            backup.unlink()
        proof = gallery.erase("cem", prove=True)
        assert proof.proven
        assert proof.files == (str(tmp_path / "real" / "people.gallery"),)


def _locked(data: bytes) -> bytes:
    """A zip whose entry says that it is encrypted."""
    packed = bytearray(_zipped(zipfile.ZIP_STORED)(data))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


CLOSED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "7z": (lambda _: b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive"),
    "PGP": (lambda _: b"-----BEGIN PGP MESSAGE-----\n\nhQ", "encrypted by PGP"),
    "openssl": (lambda _: b"Salted__" + bytes(99), "encrypted by openssl"),
    "no webp": (lambda _: b"RIFF" + os.urandom(9000), "looks encrypted or compressed"),
    "no mp4": (lambda _: b"\0\0\0\x20ftyp" + os.urandom(9000), "looks encrypted or compressed"),
    "nothing known": (lambda _: os.urandom(50_000), "looks encrypted or compressed"),
    "a locked zip": (_locked, "could not be unpacked"),
    "half of a .gz": (lambda data: gzip.compress(data)[:-999], "could not be unpacked"),
    "7z in a tar": (lambda _: _tarred(b"7z\xbc\xaf\x27\x1c" + bytes(99)), "a 7z archive"),
    "openssl in base64": (
        lambda _: base64.encodebytes(b"Salted__" + bytes(99)),
        "encrypted by openssl",
    ),
    "7z in base64": (lambda _: base64.b64encode(b"7z\xbc\xaf\x27\x1c" + bytes(99)), "a 7z archive"),
    "nothing known in hexadecimal": (lambda _: os.urandom(9000).hex().encode(), "looks encrypted"),
    "too deep": (lambda _: _deep(b"nothing"), "packed too deeply"),
}


def _deep(data: bytes) -> bytes:
    for _ in range(6):
        data = gzip.compress(data)
    return data


@pytest.mark.parametrize("kind", CLOSED)
def test_what_cannot_be_looked_into_is_named_and_no_proof(tmp_path: Path, kind: str) -> None:
    form, why = CLOSED[kind]
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        data = (tmp_path / "people.gallery").read_bytes() * 2
        gallery.renew()
        (tmp_path / "closed").write_bytes(form(data))
        proof = gallery.erase("ann", prove=True)
        assert not proof.proven
        assert any(f"{tmp_path / 'closed'}" in told and why in told for told in proof.unreadable)


def test_all_files_together_unpack_no_more_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "LARGEST", 3 << 20)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        for name in ("a.gz", "b.gz", "c.zlib"):
            pack = zlib.compress if "zlib" in name else gzip.compress
            (tmp_path / name).write_bytes(pack(bytes(2 << 20)))
        proof = gallery.erase("ann", prove=True)
    why = "not looked into: more than 3 MiB to unpack in all"
    assert proof.unreadable == tuple(f"{tmp_path / name}: {why}" for name in ("b.gz", "c.zlib"))
    assert not proof.proven


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    read, real = list[int](), Raw.read

    def counted(file: Raw, start: int, length: int) -> bytes:
        read.append(length if file.path.name == "sparse" else 0)
        return real(file, start, length)

    monkeypatch.setattr(Raw, "read", counted)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        proof = gallery.erase("ann", prove=True)
    assert proof.unreadable == (f"{tmp_path / 'sparse'}: not looked into: larger than 256 MiB",)
    assert proof.searched_bytes == (tmp_path / "people.gallery").stat().st_size
    assert sum(read) < 1 << 20  # where the next file by name may go on


def test_the_whole_proof_has_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "LONGEST", -1.0)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        (tmp_path / "note").write_bytes(b"note" * 99)
        proof = gallery.erase("ann", prove=True)
    assert {told.partition(": ")[0] for told in proof.unreadable} == {
        str(tmp_path / name) for name in ("people.gallery", "note")
    }
    assert all("not looked into within" in told for told in proof.unreadable)
    assert not proof.proven


ORDINARY = {
    "model.npy": unit(3, 500).tobytes(),
    "list.csv": "\n".join(f"{n},{n * 7919},p{n}" for n in range(3000)).encode(),
    "digests.txt": "\n".join(os.urandom(16).hex() for _ in range(900)).encode(),
    "letter.txt": "Grüße aus Köln, 東京, Ελλάδα. ".encode() * 300,
    "note.txt": b"Keep this folder. " * 500,
    "photo.png": b"\x89PNG\r\n\x1a\n" + os.urandom(9000),
    "scan.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + os.urandom(9000),
    "scan.j2k": b"\xff\x4f\xff\x51" + os.urandom(9000),
    "font.woff2": b"wOF2" + os.urandom(9000),
    "film.webm": b"\x1a\x45\xdf\xa3" + os.urandom(9000),
    "scan.webp": b"RIFF" + (9004).to_bytes(4, "little") + b"WEBP" + os.urandom(9000),
    "film.mp4": b"\0\0\0\x10ftypisom\0\0\0\1\0\0\x23\x30mdat" + os.urandom(9000),
    "mask.raw": bytes([4, 0, *[255] * 9]) * 300 + bytes([4, 0, 255]),  # as a row's head begins
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_files_beside_it_are_no_obstacle(tmp_path: Path, name: str) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        (tmp_path / name).write_bytes(ORDINARY[name])
        assert gallery.erase("ann", prove=True).proven


@pytest.mark.parametrize("first", [b"\r", b"1", b"\0"], ids=["a leaf's byte", "a digit", "zero"])
def test_no_size_of_a_file_ends_the_proof(tmp_path: Path, first: bytes) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        for size in range(65):
            data = (first + np.random.default_rng(size).bytes(63))[:size]
            (tmp_path / f"n{size}").write_bytes(data)
            (tmp_path / f"t{size}.tar").write_bytes(_tarred(data))
        proof = gallery.erase("ann", prove=True)
    assert not [told for told in proof.unreadable if "not looked into" in told]
    assert proof.proven


def test_a_file_that_cannot_be_searched_is_named_and_the_rest_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Traces.hits

    def hits(traces: Traces, name: str, parts: Iterable[bytes]) -> object:
        if name.endswith("odd"):
            raise IndexError("beyond the end")
        return real(traces, name, parts)

    monkeypatch.setattr(Traces, "hits", hits)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        (tmp_path / "z.copy").write_bytes((tmp_path / "people.gallery").read_bytes())
        (tmp_path / "odd").write_bytes(b"odd")
        proof = gallery.erase("ann", prove=True)
    told = f"{tmp_path / 'odd'}: not looked into: IndexError: beyond the end"
    assert proof.unreadable == (told,)
    assert proof.copies == (str(tmp_path / "z.copy"),)
