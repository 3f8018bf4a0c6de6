"""What is beside a gallery is searched: copies that open, and templates in whatever form."""

import json
import os
import pickle
import shutil
import sqlite3
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_rows import CONTRACT, KEY, create, unit

from embedge.runtime import Gallery
from embedge.runtime.gallery.leftovers import searching
from embedge.runtime.gallery.search.int8 import int8_from_float


@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_a_plain_backup_is_found(tmp_path: Path, rows: str) -> None:
    with create(tmp_path, None, rows) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        gallery.enroll("ben", unit(10), CONTRACT)
        copy = (tmp_path / "people.gallery").read_bytes()
        (tmp_path / "old backup").write_bytes(b"x" + copy)
        proof = gallery.erase("ann", prove=True)
    assert not proof.proven
    assert all("old backup" in hit for hit in proof.found)


def test_an_encrypted_backup_within_another_file_is_found(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        copy = (tmp_path / "people.gallery").read_bytes()
        (tmp_path / "archive.tar").write_bytes(b"1234567" + copy)
        proof = gallery.erase("ann", prove=True)
    assert not proof.proven
    assert proof.found
    assert proof.copies == (str(tmp_path / "archive.tar"),)


def test_copies_that_still_open_are_named_also_those_from_before_a_renewal(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        shutil.copyfile(tmp_path / "people.gallery", tmp_path / "before")
        gallery.renew()
        proof = gallery.erase("ann", prove=True)
        assert proof.copies == (str(tmp_path / "before"),)
        assert not proof.found  # other bytes altogether
        assert not proof.proven
        (tmp_path / "before").unlink()
        assert gallery.erase("ben", prove=True).proven


@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
@pytest.mark.parametrize("offset", [0, 3])
def test_the_encoders_own_numbers_are_found_without_being_given(
    tmp_path: Path, key: bytes | None, kind: str, offset: int
) -> None:
    own = unit(9)
    form = int8_from_float(own) if kind == "int8" else own.astype(kind)
    with create(tmp_path, key) as gallery:
        gallery.enroll("ann", own, CONTRACT)
        (tmp_path / "cache.bin").write_bytes(os.urandom(500 + offset) + form.tobytes() + b"tail")
        proof = gallery.erase("ann", prove=True)
    assert proof.found
    assert all("cache.bin" in hit for hit in proof.found)
    assert not proof.proven


@pytest.mark.parametrize("given", [False, True])
def test_from_one_byte_a_dimension_floats_are_recognised(tmp_path: Path, given: bool) -> None:
    own = unit(9)
    with create(tmp_path, rows="int8") as gallery:
        gallery.enroll(["ann", "ben"], np.concatenate([own, unit(10)]), CONTRACT)
        (tmp_path / "cache.npy").write_bytes(own.tobytes())
        (tmp_path / "others.npy").write_bytes(unit(11, 500).tobytes())
        proof = gallery.erase("ann", prove=True, embeddings=own if given else None)
        assert not proof.proven
        assert all("cache.npy" in hit for hit in proof.found)
        assert any("give the pictures" in text for text in proof.unknown) is not given


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_the_gallerys_own_export_is_found(tmp_path: Path, rows: str, indent: int | None) -> None:
    with create(tmp_path, rows=rows) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        for name in ("ann", "ben"):
            text = " " * ((1 << 22) - 900) + json.dumps(gallery.export(name), indent=indent)
            (tmp_path / f"{name}.json").write_text(text)
        proof = gallery.erase("ann", prove=True)
        (tmp_path / "ann.json").unlink()
        assert not proof.proven
        assert any("embedge gallery export" in form for form in proof.forms)
        assert proof.found
        for hit in proof.found:
            place, at = hit.split(": byte ")
            assert place.endswith("ann.json")
            assert text.index("embedding") - 20 < int(at) < len(text)
        assert not gallery.erase("ben", prove=True).proven


def test_a_place_that_cannot_be_read_is_no_proof(tmp_path: Path) -> None:
    (tmp_path / "people.gallery.bad").symlink_to("/proc/self/mem")  # reading it fails with EIO
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
        proof = gallery.erase("ann", prove=True)
    assert len(proof.unreadable) == 1
    assert not proof.proven


def test_a_file_that_goes_meanwhile_is_named_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, gone = searching._files_of, tmp_path / "a gone one"
    monkeypatch.setattr(searching, "_files_of", lambda *its: [gone, *listed(*its)])
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(1), CONTRACT)
        proof = gallery.erase("ann", prove=True)
    assert proof.unreadable == (f"{gone}: No such file or directory",)
    assert str(tmp_path / "people.gallery") in proof.files
    assert not proof.proven


@pytest.mark.parametrize("damage", ["UPDATE person SET sealed = x'00' WHERE id = 1", None])
def test_a_damaged_copy_that_recovery_reads_is_found(tmp_path: Path, damage: str | None) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        shutil.copyfile(tmp_path / "people.gallery", tmp_path / "before")
        connection = sqlite3.connect(tmp_path / "before")
        connection.execute(damage or "DELETE FROM header")
        connection.commit()
        connection.close()
        gallery.renew()
        proof = gallery.erase("ben", prove=True)
    assert proof.copies == (str(tmp_path / "before"),)
    assert not proof.proven


@pytest.mark.parametrize("kept", ["copy and journal", "journal alone", "packed"])
def test_what_a_stale_copys_journal_puts_back_is_found(tmp_path: Path, kept: str) -> None:
    """The copy itself has forgotten the person; rolled back, it has them again."""
    path, copy = tmp_path / "people.gallery", tmp_path / "old.gallery"
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=PERSIST")
        connection.execute("PRAGMA cache_spill=1")
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM person WHERE id = 1")
        connection.execute("CREATE TABLE more (x)")  # more than the cache holds: it is spilled
        connection.execute("INSERT INTO more VALUES (zeroblob(500000))")
        shutil.copyfile(path, copy)
        shutil.copyfile(f"{path}-journal", f"{copy}-journal")
        connection.execute("ROLLBACK")
        connection.close()
        if kept == "copy and journal":
            gallery.renew()
        else:
            copy.unlink()
        if kept == "packed":  # at whatever alignment an archive has
            (tmp_path / "a.tar").write_bytes(bytes(512) + Path(f"{copy}-journal").read_bytes())
            (tmp_path / "old.gallery-journal").unlink()
        proof = gallery.erase("ann", prove=True)
    assert not proof.proven
    holder = "a.tar" if kept == "packed" else "old.gallery-journal"
    assert proof.copies == (str(tmp_path / holder),)


def test_what_a_killed_recovery_left_is_searched(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        (left := tmp_path / ".embedge-recovering-x").mkdir()
        shutil.copyfile(tmp_path / "people.gallery", left / "g")
        proof = gallery.erase("ann", prove=True)
        assert proof.copies == (str(left / "g"),)


def test_an_open_gallery_beside_it_is_read_too(tmp_path: Path) -> None:
    with Gallery.create(
        tmp_path / "open", CONTRACT, key=None, rows="int8", unencrypted=True
    ) as beside:
        beside.enroll("ann", unit(9), CONTRACT)
    with create(tmp_path, rows="int8") as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        proof = gallery.erase("ann", prove=True)
    assert proof.copies == (str(tmp_path / "open"),)
    assert not proof.proven


def test_a_copy_under_an_earlier_key_cannot_be_read_and_is_no_proof(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        shutil.copyfile(tmp_path / "people.gallery", tmp_path / "before")
        gallery.renew(bytes(32))
        proof = gallery.erase("ann", prove=True)
    assert proof.unreadable == (f"{tmp_path / 'before'}: a gallery that this key does not open",)
    assert not proof.proven


def test_a_file_made_to_take_for_ever_is_no_proof_and_takes_seconds(tmp_path: Path) -> None:
    """Every eighth byte begins what looks like a page of 256 rows; a thousand galleries in one."""
    (tmp_path / "pages").write_bytes(bytes.fromhex("0d000001000ff000") * 200_000)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        header = gallery.mirror.seen().ledger.header
        with sqlite3.connect(tmp_path / "galleries") as connection:
            connection.execute("CREATE TABLE header (id INTEGER PRIMARY KEY, value BLOB)")
            for number in range(1000):
                other = replace(header, cipher="none", epoch=f"{number:032x}").to_bytes()
                connection.execute("INSERT INTO header VALUES (?, ?)", (number, other))
        connection.close()
        began = time.process_time()
        proof = gallery.erase("ann", prove=True)
        assert time.process_time() - began < 20
    assert proof.unreadable == (
        f"{tmp_path / 'galleries'}: more galleries than can be tried",
        f"{tmp_path / 'pages'}: more rows than fit into it",
    )
    assert not proof.proven


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("others", ["float32", "int8"])
def test_another_gallery_with_the_template_under_another_name(
    tmp_path: Path, rows: str, others: str
) -> None:
    """Under the same key, many templates a record, one of them the person's."""
    with Gallery.create(tmp_path / "other", CONTRACT, key=KEY, rows=others) as beside:
        beside.enroll("zoe", np.concatenate([unit(20, 60), unit(9)]), CONTRACT)
        beside.enroll("yan", unit(30, 60), CONTRACT)
    with create(tmp_path, rows=rows) as gallery:
        gallery.enroll(["ann", "ben"], np.concatenate([unit(9), unit(10)]), CONTRACT)
        proof = gallery.erase("ann", prove=True)
        hit = f"{tmp_path / 'other'}: a template of theirs under the name 'zoe'"
        assert (proof.found, proof.copies, proof.proven) == ((hit,), (), False)
        assert gallery.erase("ben", prove=True).proven


def _text(format_of: Callable[[float], str], between: str = ", ") -> Callable[[np.ndarray], bytes]:
    return lambda row: between.join(map(format_of, row)).encode()


WRITTEN = {
    "str of float32": _text(str),
    "savetxt": _text("{:.18e}".format, "\n"),
    "six decimals, TSV": _text("{:.6f}".format, "\t"),
    "four decimals": _text("{:.4f}".format, ","),
    "three digits": _text("{:.3g}".format, " "),
    "repr of float32": lambda row: repr(list(row)).encode(),
    "semicolons": _text(str, ";"),
    "commas for points": lambda row: ";".join(map(str, row)).replace(".", ",").encode(),
    "UTF-16": lambda row: json.dumps(row.tolist()).encode("utf-16"),
    "UTF-16, big-endian": lambda row: json.dumps(row.tolist(), indent=4).encode("utf-16-be"),
    "numpy's print": lambda row: str(row).encode(),
    "pickle of a list, protocol 0": lambda row: pickle.dumps(row.tolist(), 0),
    "base64": lambda row: b"x" + b64encode(row.tobytes()),
    "base64 after other bytes": lambda row: b64encode(b"ab" + row.tobytes()),
    "hex": lambda row: row.tobytes().hex().encode(),
    "HEX": lambda row: row.tobytes().hex().upper().encode(),
    "float64": lambda row: b"abc" + row.astype("<f8").tobytes(),
    "float32, big-endian": lambda row: b"ab" + row.astype(">f4").tobytes(),
    "float64, big-endian": lambda row: row.astype(">f8").tobytes(),
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_whatever_form_it_is_written_in(tmp_path: Path, form: str, rows: str) -> None:
    own, other = unit(9)[0], unit(10)[0]
    with create(tmp_path, rows=rows) as gallery:
        gallery.enroll(["ann", "ben"], np.stack([own, other]), CONTRACT)
        if rows == "int8" and ("64" in form or "ex" in form.lower()):  # as they are kept
            (ann,) = gallery.export("ann")["templates"]
            own = np.array(ann["embedding"], np.float32)
        (tmp_path / "theirs").write_bytes(bytes(300) + WRITTEN[form](own) + b"\n")
        proof = gallery.erase("ann", prove=True)
        hits = [hit for hit in proof.found if "theirs: byte" in hit]  # and what is decoded from it
        assert hits
        assert all("theirs" in hit for hit in proof.found)
        assert all(int(hit.rsplit(" ", 1)[1]) >= 300 for hit in hits)
        assert gallery.erase("ben", prove=True).proven


@pytest.mark.parametrize(
    "leave",
    [
        lambda folder, row: (folder / "link").symlink_to(b64encode(row.tobytes()).decode()),
        lambda folder, row: (folder / row.astype(np.float16).tobytes().hex()[:250]).touch(),
        lambda folder, row: (folder / row.astype(np.float16).tobytes().hex()[:250]).mkdir(),
        lambda folder, row: _with_attribute(folder / "note", row.tobytes()),
        lambda folder, row: _with_attribute(folder / "people.gallery", b64encode(row.tobytes())),
    ],
    ids=["where a link leads to", "its name", "a folder's", "its attribute", "the gallery's own"],
)
def test_what_is_kept_beside_a_files_bytes_is_found(
    tmp_path: Path, leave: Callable[..., Any]
) -> None:
    row = unit(9)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", row, CONTRACT)
        leave(tmp_path, row[0])
        proof = gallery.erase("ann", prove=True, embeddings=row)
    assert not proof.proven
    told = (": its name", ": its attribute", ": where it leads to")
    assert any(each in found for found in proof.found for each in told)


def _with_attribute(path: Path, value: bytes) -> None:
    path.touch()
    try:
        os.setxattr(path, "user.face", value)
    except OSError:
        pytest.skip("this file system keeps no attributes")
