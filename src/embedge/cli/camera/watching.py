"""`embedge watch --camera`: one JSON line for each thing that was decided."""

import argparse
import json
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from embedge.cli.device.gallery_options import opened_gallery
from embedge.cli.device.matcher_options import decided_by, matcher_from
from embedge.cli.numbers import AMOUNT, COUNT
from embedge.errors import EmbedgeError

if TYPE_CHECKING:
    from embedge.runtime.camera.decisions import Look
    from embedge.runtime.identification import SeenFace
    from embedge.runtime.picture.images import RgbImage

_PRINTING = threading.Lock()  # acts tell of their failures from another thread


def add_camera_options(parser: argparse.ArgumentParser) -> None:
    camera = parser.add_argument_group(
        "camera",
        "Faces are followed from frame to frame. A person is told once --agree of a face's last"
        " --among frames name them and none names another, and again after being away for --again"
        " seconds; a stranger when --among frames name nobody. Needs the extra camera (OpenCV).",
    )
    camera.add_argument(
        "--camera",
        action="store_true",
        help="SOURCE is a camera's number, a stream's URL, or a video file, no folder",
    )
    camera.add_argument("--agree", type=COUNT, default=3, metavar="N", help="frames (3)")
    camera.add_argument("--among", type=COUNT, default=5, metavar="N", help="frames (5)")
    camera.add_argument("--again", type=AMOUNT, default=30.0, metavar="SECONDS", help="(30)")
    camera.add_argument(
        "--lost", type=AMOUNT, default=1.0, metavar="SECONDS", help="out of view: a new face (1)"
    )
    camera.add_argument(
        "--every", type=COUNT, default=1, metavar="N", help="of a video file: each N-th frame (1)"
    )
    camera.add_argument(
        "--run", metavar="COMMAND", help="for each event; it reads the event as JSON, no shell"
    )
    camera.add_argument("--webhook", metavar="URL", help="POST each event as JSON there")


def watch_camera(options: argparse.Namespace) -> int:
    from embedge.runtime.camera.acting import Acting
    from embedge.runtime.camera.decisions import Rules, watched
    from embedge.runtime.camera.frames import opened_frames

    rules = Rules(options.agree, options.among, options.again, options.lost)
    acts = _acts(options)
    faults = _Faults()
    frames = opened_frames(options.source, every=options.every, tell=faults.tell)
    with ExitStack() as held:
        look = _look(options, held)
        acting = held.enter_context(Acting(acts, lambda error: _say(_told(error))))
        for event in watched(faults.passing_over(look), frames, rules):
            _say(event.to_json())
            if acts:
                acting.on(event)
    return 0


def _acts(options: argparse.Namespace) -> list[Any]:
    from embedge.runtime.camera.acting import by_command, by_webhook

    acts = []
    if options.run is not None:
        acts.append(by_command(options.run))
    if options.webhook is not None:
        acts.append(by_webhook(options.webhook))
    return acts


def _look(options: argparse.Namespace, held: ExitStack) -> "Look":
    """Everybody in a frame; a camera without a detector would see nobody."""
    from embedge.runtime.identification import identify_all
    from embedge.runtime.policy import NIST_800_63B, identification_threshold

    matcher = held.enter_context(matcher_from(options))
    if matcher.reader.detector is None:
        raise EmbedgeError(
            "E-NOT-ALIGNED",
            "a camera needs a face detector, and this bundle brings none",
            where=options.bundle,
            remedy="Give --detector FILE.onnx, or put one in: embedge bundle add-detector",
        )
    gallery = held.enter_context(opened_gallery(options))
    policy = NIST_800_63B if options.policy else None
    chosen = decided_by(options, matcher)
    known = matcher.thresholds() if chosen is None else (chosen,)
    if policy is not None:  # what no frame can meet ends it before the first
        identification_threshold(known, len(gallery), policy)
    return lambda image: identify_all(
        matcher,
        gallery,
        image,
        count=1,
        policy=policy,
        threshold=chosen,
        fmr=options.fmr,
        colour="RGB",
    )


class _Faults:
    """What goes wrong with a frame is told once, until a frame is fine again; watching goes on."""

    def __init__(self) -> None:
        self._last: str | None = None

    def tell(self, error: EmbedgeError) -> None:
        if str(error) != self._last:
            _say(_told(error))
        self._last = str(error)

    def passing_over(self, look: "Look") -> "Look":
        def looked(image: "RgbImage") -> "list[SeenFace]":
            try:
                seen = look(image)
            except EmbedgeError as error:
                self.tell(error)
                return []
            self._last = None
            return seen

        return looked


def _told(error: EmbedgeError) -> dict[str, Any]:
    return {"error": error.code, "what": error.what, "remedy": error.remedy}


def _say(record: dict[str, Any]) -> None:
    with _PRINTING:
        print(json.dumps(record), flush=True)


__all__ = ["add_camera_options", "watch_camera"]
