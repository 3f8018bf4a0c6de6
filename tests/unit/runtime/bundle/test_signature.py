"""A signature vouches for every byte, for one key, and for nothing else."""

import json
import shutil
import subprocess
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import tiny_bundle

from embedge.errors import EmbedgeError
from embedge.runtime import FaceMatcher
from embedge.runtime.bundle.bundle import MANIFEST, SEAL, SIGNATURE, Bundle, seal_of
from embedge.runtime.bundle.signature import require_signature, sign_bundle, signature_of
from embedge.runtime.bundle.signing_keys import new_signing_key
from embedge.runtime.bundle.trust import require_current


@pytest.fixture
def key(tmp_path: Path) -> Path:
    new_signing_key(tmp_path / "key.pem")
    return tmp_path / "key.pem"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "tiny.embedge")


def public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def test_an_unsigned_bundle_opens_but_is_not_vouched_for(bundle: Path, key: Path) -> None:
    with Bundle.open(bundle) as opened:
        assert signature_of(opened) is None
        with pytest.raises(EmbedgeError, match="it is not signed"):
            require_signature(opened, [public(key)])


def test_a_signed_bundle_is_vouched_for_by_its_key_alone(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    other = new_signing_key(tmp_path / "other.pem")
    signed = sign_bundle(bundle, key)
    with Bundle.open(bundle) as opened:
        assert require_signature(opened, [other, public(key)]) == signed
        with pytest.raises(EmbedgeError, match="not trusted"):
            require_signature(opened, [other])


def test_the_signature_travels_in_the_zip(bundle: Path, key: Path, tmp_path: Path) -> None:
    sign_bundle(bundle, key)
    packed = tmp_path / "tiny.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(bundle.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(bundle))
    with Bundle.open(packed) as opened:
        require_signature(opened, [public(key)])
    with pytest.raises(EmbedgeError, match="E-SIGN:"):
        sign_bundle(packed, key)


def test_a_resealed_change_breaks_the_signature(bundle: Path, key: Path) -> None:
    """Whoever changes the manifest can mend the seal, but not the signature."""
    sign_bundle(bundle, key)
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["artifacts"]["fp32"]["threshold"]["value"] = -0.99
    text = json.dumps(manifest).encode()
    (bundle / MANIFEST).write_bytes(text)
    (bundle / SEAL).write_bytes(seal_of(text))
    with Bundle.open(bundle) as opened, pytest.raises(EmbedgeError, match="does not fit"):
        require_signature(opened, [public(key)])


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("signature", "00" * 64, "does not fit"),
        ("signature", "zz", "cannot be read"),
        ("public_key", "00" * 31, "cannot be read"),
        ("key_id", "0" * 64, "names another key"),
        ("format", "embedge.signature/2", "cannot be read"),
        (None, None, "cannot be read"),
    ],
)
def test_a_spoilt_signature_file_is_an_error_not_an_absence(
    bundle: Path, key: Path, field: str | None, value: str | None, complaint: str
) -> None:
    sign_bundle(bundle, key)
    file = bundle / SIGNATURE
    if field is None:
        file.write_text("[1, 2]")
    else:
        file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    with Bundle.open(bundle) as opened, pytest.raises(EmbedgeError, match=complaint):
        signature_of(opened)


def test_a_huge_signature_file_is_refused_before_it_is_read(bundle: Path) -> None:
    (bundle / SIGNATURE).write_bytes(b" " * 5000)
    with pytest.raises(EmbedgeError, match="E-BUNDLE"):
        Bundle.open(bundle)


def test_signing_again_replaces_the_signature(bundle: Path, key: Path, tmp_path: Path) -> None:
    sign_bundle(bundle, key)
    new_signing_key(tmp_path / "second.pem")
    sign_bundle(bundle, tmp_path / "second.pem")
    with Bundle.open(bundle) as opened:
        require_signature(opened, [tmp_path / "second.pem.pub"])


def test_keys_are_private_never_overwritten_and_may_be_locked(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "locked.pem"
    new_signing_key(path, b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(EmbedgeError, match="never overwritten"):
        new_signing_key(path)
    with pytest.raises(EmbedgeError, match="does not open"):
        sign_bundle(bundle, path)
    with pytest.raises(EmbedgeError, match="does not open"):
        sign_bundle(bundle, path, b"wrong")
    sign_bundle(bundle, path, b"secret")
    path.chmod(0o644)
    with pytest.raises(EmbedgeError, match="other users"):
        sign_bundle(bundle, path, b"secret")


def test_a_damaged_bundle_is_not_signed(bundle: Path, key: Path) -> None:
    (bundle / "student.fp32.onnx").write_bytes(b"x")
    with pytest.raises(EmbedgeError, match="E-BUNDLE"):
        sign_bundle(bundle, key)
    assert not (bundle / SIGNATURE).exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_openssl_agrees(bundle: Path, key: Path, tmp_path: Path) -> None:
    """The signature is plain Ed25519 over manifest.json: anybody's tools can check it."""
    sign_bundle(bundle, key)
    raw = tmp_path / "raw.sig"
    raw.write_bytes(bytes.fromhex(json.loads((bundle / SIGNATURE).read_text())["signature"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public(key)), "-rawin"]
    command += ["-in", str(bundle / MANIFEST), "-sigfile", str(raw)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (bundle / MANIFEST).write_bytes((bundle / MANIFEST).read_bytes() + b" ")
    assert subprocess.run(command, capture_output=True).returncode != 0


def zipped_with_a_bomb(bundle: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(bundle.rglob("*")):
            if file.is_file() and file.name != "student.fp32.onnx":
                archive.write(file, file.relative_to(bundle))
        archive.writestr("student.fp32.onnx", bytes(60 << 20))
    return target


def test_nothing_but_the_envelope_is_unpacked_before_it_is_authenticated(
    bundle: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zipped_with_a_bomb(bundle, tmp_path / "bomb.zip")
    unpacked: list[str] = []
    plain: Any = zipfile.ZipFile.open

    def noted(self: zipfile.ZipFile, info: zipfile.ZipInfo, *more: Any) -> Any:
        unpacked.append(info.filename)
        return plain(self, info, *more)

    monkeypatch.setattr(zipfile.ZipFile, "open", noted)
    with pytest.raises(EmbedgeError, match=r"E-SIGNATURE.*not signed"):
        Bundle.open(packed, trusted=[public(key)])
    assert set(unpacked) == {MANIFEST, SEAL}


def test_a_manifest_is_not_even_parsed_before_it_is_authenticated(bundle: Path, key: Path) -> None:
    text = b"[" * 100_000
    (bundle / MANIFEST).write_bytes(text)
    (bundle / SEAL).write_bytes(seal_of(text))
    with pytest.raises(EmbedgeError, match="not signed"):
        Bundle.open(bundle, trusted=[public(key)])
    with pytest.raises(EmbedgeError, match="E-BUNDLE:"):
        Bundle.open(bundle)


def test_an_older_signed_bundle_does_not_replace_a_newer_one_unnoticed(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    trusted = [public(key)]
    sign_bundle(bundle, key)
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-OLD.*no version"):
        Bundle.open(bundle, trusted=trusted, at_least=1)
    sign_bundle(bundle, key, version=1)
    old = shutil.copytree(bundle, tmp_path / "old.embedge")
    sign_bundle(bundle, key, version=2)
    Bundle.open(bundle, trusted=trusted, at_least=2).close()
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-OLD.*version 1, at least 2"):
        Bundle.open(old, trusted=trusted, at_least=2)
    with pytest.raises(EmbedgeError, match=r"E-OPTION.*signed"):
        Bundle.open(old, at_least=1)
    with pytest.raises(EmbedgeError, match=r"E-SIGN:.*version 2 already"):
        sign_bundle(bundle, key, version=1)
    with Bundle.open(bundle) as opened:
        assert opened.declared.version == 2


def test_a_signed_bundle_ends_with_its_last_day(bundle: Path, key: Path) -> None:
    sign_bundle(bundle, key, version=3, expires=date(2020, 5, 17))
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-EXPIRED.*2020-05-17"):
        Bundle.open(bundle, trusted=[public(key)])
    with Bundle.open(bundle) as opened:  # nobody asked who vouches for it
        declared = opened.declared
    require_current(declared, 3, today=date(2020, 5, 17))
    with pytest.raises(EmbedgeError, match="E-BUNDLE-EXPIRED"):
        require_current(declared, 3, today=date(2020, 5, 18))
    sign_bundle(bundle, key, version=4)
    with Bundle.open(bundle) as opened:
        assert opened.declared.expires == date(2020, 5, 17)


def test_a_matcher_is_told_whom_to_trust_before_it_opens(bundle: Path, key: Path) -> None:
    with pytest.raises(EmbedgeError, match="not signed"):
        FaceMatcher.load(bundle, trusted=[public(key)])
    with Bundle.open(bundle) as opened, pytest.raises(EmbedgeError, match=r"E-OPTION.*too late"):
        FaceMatcher.load(opened, trusted=[public(key)])


def test_an_interrupted_signing_leaves_it_signed(
    bundle: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was before or anew, whichever file is the last to be written."""
    sign_bundle(bundle, key, version=1)
    real = Path.replace
    for last in range(99):
        written: list[Path] = []

        def replace(
            part: Path, target: Path, last: int = last, written: list[Path] = written
        ) -> Path:
            if len(written) == last:
                raise KeyboardInterrupt
            written.append(target)
            return real(part, target)

        monkeypatch.setattr(Path, "replace", replace)
        try:
            sign_bundle(bundle, key, version=last + 2)
        except KeyboardInterrupt:
            with Bundle.open(bundle, trusted=[public(key)]) as opened:
                assert opened.declared.version == 1
        else:
            break
    assert last == 5
    with Bundle.open(bundle, trusted=[public(key)]) as opened:
        assert opened.declared.version == last + 2


def test_signing_alone_changes_nothing_else(bundle: Path, key: Path) -> None:
    text = json.dumps(json.loads((bundle / MANIFEST).read_text()), indent=None).encode()
    (bundle / MANIFEST).write_bytes(text)
    (bundle / SEAL).write_bytes(seal_of(text))
    sign_bundle(bundle, key)
    assert (bundle / MANIFEST).read_bytes() == text
    assert [path.name for path in bundle.parent.iterdir() if path.name.startswith(".")] == []
