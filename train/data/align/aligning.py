"""Align a folder of photos: several processes, resumable, the target whole or absent."""

import fcntl
import multiprocessing
import shutil
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.files import sweep_parts, write_text
from embedge.printed import printable
from embedge.progress import Progress
from embedge.runtime.picture.detect.onnx_detector import OnnxDetector
from embedge.train.data.align.cutting import Cut, Cutter, Cutting, cut_here, ready
from embedge.train.data.align.journal import Journal, synced
from embedge.train.data.align.photos import Photo, Photos, found_photos
from embedge.train.data.align.sheet import write_sheet
from embedge.train.data.tools.writers import require_new

__all__ = ["LANDMARKS", "REFUSED", "SHEET", "Aligned", "align"]

LANDMARKS, REFUSED, SHEET = "landmarks.tsv", "refused.tsv", "contact-sheet.jpg"
_WINDOW = 64  # photos handed to each process at a time
_POINTS = ("left-eye", "right-eye", "nose", "mouth-left", "mouth-right")


@dataclass(frozen=True, slots=True)
class Aligned:
    """`people` are those of whom a face was kept; `reused` were cut before an earlier stop."""

    folder: Path
    photos: Photos
    people: int
    faces: int
    refused: tuple[Cut, ...]
    reused: int
    shown: int


def align(cutting: Cutting, target: Path, progress: Progress, *, processes: int = 1) -> Aligned:
    """Cut every photo. The unfinished lies in `TARGET.part`, and the same call goes on there."""
    require_new(target)
    photos = found_photos(cutting.root)
    _require_detector(cutting)
    part = target.with_name(target.name + ".part")
    with _claimed(part), Journal(part, cutting) as journal:
        sweep_parts(part)
        reused = len(journal.done)
        todo = [photo for photo in photos.photos if photo.name not in journal.done]
        with progress.task("aligning", len(photos.photos), done=reused) as task:
            refused = sum(bool(cut.code) for cut in journal.done.values())
            for cut in _cuts(cutting, part, todo, processes):
                journal.note(cut)
                refused += bool(cut.code)
                task.advance(note=f"{refused} refused" if refused else "")
        cuts = [journal.done[photo.name] for photo in photos.photos]
        kept = [cut for cut in cuts if not cut.code]
        if not kept:
            shutil.rmtree(part)  # other options would be refused beside it
            raise _no_face(cuts, cutting)
        shown = _finished(part, cuts, kept)
        journal.remove()
    (part / ".lock").unlink()
    part.rename(target)
    refused_cuts = tuple(cut for cut in cuts if cut.code)
    people = 0 if photos.flat else len({cut.crop.partition("/")[0] for cut in kept})
    return Aligned(target, photos, people, len(kept), refused_cuts, reused, shown)


def _cuts(cutting: Cutting, part: Path, todo: Sequence[Photo], processes: int) -> Iterator[Cut]:
    if processes == 1 or len(todo) < 2:
        cutter = Cutter(cutting, part)
        yield from map(cutter.cut, todo)
        return
    pool = ProcessPoolExecutor(
        min(processes, len(todo)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=ready,
        initargs=(cutting, part),
    )
    workers: list[BaseProcess] = []
    try:
        step = _WINDOW * processes
        for first in range(0, len(todo), step):
            cuts = pool.map(cut_here, todo[first : first + step], chunksize=4)
            workers = [*multiprocessing.active_children()]
            yield from cuts
    except BrokenProcessPool as error:
        killed = any(worker.exitcode == -signal.SIGKILL for worker in workers)
        why = ": it was killed, most often for want of memory" if killed else " without a word"
        raise EmbedgeError(
            "E-ALIGN-PROCESS",
            f"a process that was aligning ended{why}",
            where=part,
            remedy="Run the same command with --processes 1: what was cut is kept",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _no_face(cuts: Sequence[Cut], cutting: Cutting) -> EmbedgeError:
    codes = ", ".join(sorted({cut.code for cut in cuts}))
    return EmbedgeError(
        "E-ALIGN-NONE",
        f"of {len(cuts)} photos none gave a face ({codes}); the first: {cuts[0].photo}:"
        f" {cuts[0].why}",
        where=cutting.root,
        remedy="Look at that photo; --face largest takes one of several, --min-eyes lets"
        " smaller ones in",
    )


def _finished(part: Path, cuts: Sequence[Cut], kept: Sequence[Cut]) -> int:
    """Tables, sheet, and all of it on the disk."""
    write_text(part / LANDMARKS, _landmarks(kept))
    write_text(part / REFUSED, _refused([cut for cut in cuts if cut.code]))
    synced(part / cut.crop for cut in kept)
    return write_sheet(part, [cut.crop for cut in kept], part / SHEET)


def _landmarks(cuts: Sequence[Cut]) -> str:
    points = "\t".join(f"{name}-{axis}" for name in _POINTS for axis in "xy")
    head = f"# pixels of the photo as it is held upright\ncrop\tphoto\tscore\t{points}\n"
    return head + "".join(
        f"{printable(cut.crop)}\t{printable(cut.photo)}\t{cut.score:.3f}\t"
        + "\t".join(f"{number:.2f}" for number in cut.landmarks)
        + "\n"
        for cut in cuts
    )


def _refused(cuts: Sequence[Cut]) -> str:
    lines = (f"{printable(cut.photo)}\t{cut.code}\t{printable(cut.why)}\n" for cut in cuts)
    return "photo\tcode\treason\n" + "".join(lines)


def _require_detector(cutting: Cutting) -> None:
    """A wrong file is told once and at once, not for every photo."""
    if not cutting.detector.is_file():
        raise EmbedgeError(
            "E-DETECTOR",
            "there is no such detector",
            where=cutting.detector,
            remedy="Check --detector; docs/detectors.md says where to get one",
        )
    OnnxDetector(cutting.detector, sizes=(cutting.size,), threads=1).close()


@contextmanager
def _claimed(part: Path) -> Iterator[None]:
    try:
        part.mkdir(parents=True, exist_ok=True)
        lock = (part / ".lock").open("w")
    except OSError as error:
        raise EmbedgeError(
            "E-WRITE",
            f"cannot make the folder: {error.strerror}",
            where=part,
            remedy="Choose a folder you may write to",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbedgeError(
                "E-RUN-BUSY",
                "another process is aligning into this folder",
                where=part,
                remedy="Wait for it, or choose another target",
            ) from error
        yield
