"""From a path to a source of faces: what lies there decides."""

from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import FaceDataset, FaceSet
from embedge.train.data.sources.folder import ImageFolder, PictureFolder
from embedge.train.data.sources.joined import JoinedFaces
from embedge.train.data.sources.mxnet import MxnetFaces
from embedge.train.data.sources.people import RenderedPeople
from embedge.train.data.sources.shards import TarFaces, shard_paths
from embedge.train.data.view import View, check_unchanged

__all__ = ["PICTURES", "nameless", "open_faces"]

PICTURES = "pictures:"


def open_faces(source: str | Path) -> FaceDataset:
    """Open a folder of people, train.rec, tar shards, a converted face set, or rendered people."""
    text, path = str(source), Path(source)
    if text.startswith("rendered:"):
        return RenderedPeople.named(text)
    if text.startswith(PICTURES):
        return PictureFolder(_there(Path(text.removeprefix(PICTURES))))
    if "{" in text or path.suffix == ".tar":
        return TarFaces(shard_paths(text))
    if path.suffix == ".rec":
        return MxnetFaces(path)
    if not _there(path).is_dir():
        raise _unknown(path)
    return _open_folder(path)


def nameless(source: str) -> str:
    """How to open this source without asking who is who, where it is a folder of pictures."""
    path = Path(source)
    plain = path.is_dir() and type(_opened_or_none(path)) in (ImageFolder, type(None))
    return f"{PICTURES}{path}" if plain else source


def _opened_or_none(path: Path) -> FaceDataset | None:
    try:
        return _open_folder(path)
    except EmbedgeError as error:
        if error.code != "E-DATA-EMPTY":
            raise
        return None


def _there(path: Path) -> Path:
    if not path.exists():
        raise EmbedgeError(
            "E-DATA-MISSING",
            "there is nothing at this path",
            where=path,
            remedy="Give a folder of people, a .rec file, tar shards, or a converted face set",
        )
    return path


def _open_folder(path: Path) -> FaceDataset:
    if (path / "faces.json").is_file():
        return FaceSet.load(path)
    if View.in_folder(path):
        return _viewed(View.load(path))
    if (path / "train.rec").is_file():
        return MxnetFaces(path / "train.rec")
    records = sorted(path.glob("*.rec"))
    if len(records) > 1:
        raise EmbedgeError(
            "E-DATA-FORMAT",
            f"the folder holds {len(records)} record files and no train.rec",
            where=path,
            remedy="Name one of them",
        )
    if records:
        return MxnetFaces(records[0])
    if any(path.glob("*.tar")):
        return TarFaces(shard_paths(str(path)))
    return ImageFolder(path)


def _viewed(view: View) -> FaceDataset:
    chosen = view.open(open_faces(view.source))
    if not view.extra:
        return chosen
    more = {source: open_faces(source) for source in view.extra}
    for source, faces in more.items():
        check_unchanged(source, faces.fingerprint, view.extra[source])
    return JoinedFaces([chosen, *more.values()])


def _unknown(path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-DATA-FORMAT",
        "this file is not a source of faces",
        where=path,
        remedy="Give a folder of people, a .rec file, tar shards, or a converted face set",
    )
