"""Measure models on faces: error rates with intervals, and faults of the data.

The exit status is 3 when the data shows a fault that spoils the figures (a leaking split, pairs
that contradict their folders, one picture under two people, shuffled labels). The figures are
printed all the same.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedge.calibration.evaluation.integrity import Finding
    from embedge.calibration.evaluation.subjects import EvaluatedModel
    from embedge.calibration.evaluation.tests import FolderTest, PairTest
    from embedge.calibration.protocols.ijb_run import IjbTest
    from embedge.progress import Progress
    from embedge.runtime.contract import EmbeddingContract

    Test = FolderTest | PairTest | IjbTest
    Run = tuple[dict[str, Any], EmbeddingContract, Any]

SCHEMA = "embedge.evaluation/1"
FLIP = "mirrored pictures: default sum for --bin and --ijb, else the model's own policy"
FMRS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        nargs="+",
        required=True,
        metavar="MODEL",
        help="an .onnx file, a bundle NAME.embedge, or NAME.embedge:ARTIFACT",
    )
    protocol = parser.add_mutually_exclusive_group(required=True)
    protocol.add_argument("--pairs", type=Path, metavar="FILE", help="list: FOLD, A, B, SAME")
    protocol.add_argument("--all-pairs", action="store_true", help="every pair under --root")
    protocol.add_argument("--bin", type=Path, metavar="FILE", help="LFW, CFP-FP, AgeDB … .bin")
    protocol.add_argument(
        "--ijb", type=Path, metavar="DIR", help="IJB-B or IJB-C: loose_crop, meta"
    )
    parser.add_argument(
        "--ijb-protocol", choices=("1:1", "1:N", "both"), default="both", help="default: both"
    )
    parser.add_argument("--root", type=Path, help="folder of the pictures: PERSON/PICTURE")
    parser.add_argument(
        "--per-person", type=int, metavar="N", help="with --all-pairs: the first N of each person"
    )
    parser.add_argument(
        "--trained-on", type=Path, metavar="FILE", help="names of people trained on, one a line"
    )
    parser.add_argument(
        "--matrix", action="store_true", help="with --all-pairs: every model against every other"
    )
    parser.add_argument(
        "--groups", type=Path, metavar="FILE", help="with --all-pairs: rates of labelled groups"
    )
    parser.add_argument(
        "--groups-fmr", type=float, default=1e-3, metavar="FMR", help="their common threshold"
    )
    parser.add_argument("--fmrs", type=float, nargs="+", default=FMRS, metavar="FMR")
    parser.add_argument("--flip", choices=("none", "sum"), help=FLIP)
    parser.add_argument("--space", help="name the space that foreign ONNX files share")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep embeddings here")
    parser.add_argument("--threads", type=int, help="threads of the encoder (default: all cores)")
    parser.add_argument("--require-provider", metavar="NAME", help="fail unless this one runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the JSON here too")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write report.html and report.json: curves, histograms, matrix, worst pairs",
    )
    parser.add_argument(
        "--no-pictures", action="store_true", help="keep faces and names out of the report"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.cli.proof.evaluate_text import text_of
    from embedge.files import write_json
    from embedge.optional import available, require
    from embedge.progress import Progress

    _check(options)
    progress = Progress()
    progress.terminal = progress.terminal and available("rich")
    if options.report:
        require("jinja2", extra="export")
    test = _test(options)
    data = _data(options, test, progress)
    measured = [_measured(path, options, test, progress) for path in options.models]
    result = _evaluated(options, test, data, measured)
    if options.output:
        write_json(options.output, result)
    if options.report:
        _write_report(result, test, measured, options)
    print(json.dumps(result, allow_nan=False) if options.json else text_of(result))
    if result["spoiled"]:
        print("embedge: the data has faults that spoil these figures", file=sys.stderr)
    return 3 if result["spoiled"] else 0


def _write_report(
    result: dict[str, Any], test: "Test", measured: "list[Run]", options: argparse.Namespace
) -> None:
    from embedge.report.evaluation import report_from_evaluation, worst_of
    from embedge.report.privacy import without_pictures
    from embedge.report.write import write_report

    report = report_from_evaluation(result, shlex.join(["embedge", *sys.argv[1:]]))
    facts, contract, first = measured[0]
    if not options.ijb:  # which compares templates, not pictures
        report["worst"] = worst_of(facts["name"], first, test.faces, contract)
    shown = without_pictures(report) if options.no_pictures else report
    print(write_report(shown, options.report), file=sys.stderr)


def _data(options: argparse.Namespace, test: "Test", progress: "Progress") -> dict[str, Any]:
    """Whose faces these are, and what is wrong with them before any model has looked.

    The fingerprint is of names, people and content: the same faces elsewhere have the same.
    """
    from embedge.files import sha256_json

    leaks, digests = _leaks(options, test), _digests(test, progress)
    names, people = list(test.faces.names), test.subjects.tolist()
    return {
        "images": len(names),
        "subjects": len(set(people)),
        "findings": [finding.to_json() for finding in test.findings(digests) + leaks],
        "trained_on_known": options.trained_on is not None,
        "fingerprint": sha256_json([names, people, digests]),
    }


def _digests(test: "Test", progress: "Progress") -> list[str]:
    found = []
    with progress.task("fingerprint of the pictures", len(test.faces.names)) as task:
        for number in range(len(test.faces.names)):
            found.append(test.faces.digest(number))
            task.advance()
    return found


def _evaluated(
    options: argparse.Namespace, test: "Test", data: dict[str, Any], measured: "list[Run]"
) -> dict[str, Any]:
    models = [{**facts, "result": result.to_json()} for facts, _, result in measured]
    everything = data["findings"] + [f for model in models for f in model["result"]["findings"]]
    return {
        "schema": SCHEMA,
        "protocol": _protocol(options),
        "data": data,
        "models": models,
        "matrix": _matrix(measured, test, options) if options.matrix else None,
        "spoiled": any(finding["severity"] == "error" for finding in everything),
    }


def _test(options: argparse.Namespace) -> "Test":
    from embedge.calibration.evaluation.tests import FolderTest, PairTest
    from embedge.calibration.protocols.binfile import pairs_from_bin
    from embedge.calibration.protocols.folders import people_in_folders
    from embedge.calibration.protocols.ijb import ijb_set
    from embedge.calibration.protocols.ijb_run import IjbTest
    from embedge.calibration.protocols.pairlist import pairs_from_list

    if options.bin:
        return PairTest(pairs_from_bin(options.bin))
    if options.ijb:
        both = ("1:1", "1:N")
        chosen = both if options.ijb_protocol == "both" else (options.ijb_protocol,)
        return IjbTest(ijb_set(options.ijb), chosen)
    root = _root(options)
    if options.all_pairs:
        return FolderTest(*people_in_folders(root, per_person=options.per_person, at_least=2))
    return PairTest(pairs_from_list(options.pairs, root))


def _check(options: argparse.Namespace) -> None:
    from embedge.errors import EmbedgeError

    if (options.matrix or options.groups) and not options.all_pairs:
        raise EmbedgeError(
            "E-EVALUATE-OPTIONS",
            "--matrix and --groups compare all pairs",
            remedy="Give --all-pairs and --root DIR",
        )


def _root(options: argparse.Namespace) -> Path:
    from embedge.errors import EmbedgeError

    if options.root is None:
        raise EmbedgeError(
            "E-EVALUATE-ROOT",
            "the folder of the pictures was not given",
            remedy="Add --root DIR",
        )
    return Path(options.root)


def _leaks(options: argparse.Namespace, test: "Test") -> "list[Finding]":
    """People of the test who are on the list of people trained on."""
    from embedge.calibration.evaluation.integrity import leaking_subjects
    from embedge.errors import EmbedgeError

    if options.trained_on is None:
        return []
    try:
        trained = options.trained_on.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EmbedgeError(
            "E-PEOPLE",
            f"cannot read the list of people: {error}",
            where=options.trained_on,
            remedy="Give a text file with one name a line",
        ) from error
    people = {PurePosixPath(name).parent.as_posix() for name in test.faces.names}
    return leaking_subjects([name.strip() for name in trained], people)


def _protocol(options: argparse.Namespace) -> dict[str, Any]:
    if options.all_pairs:
        return {"name": "all pairs", "per_person": options.per_person, "people": "2+ pictures"}
    if options.ijb:
        protocol = {"name": "IJB", "folder": options.ijb.name, "protocol": options.ijb_protocol}
        return {**protocol, "flip": _flip(options)}
    return {"name": "pairs", "file": (options.bin or options.pairs).name, "flip": _flip(options)}


def _flip(options: argparse.Namespace) -> str | None:
    """The published protocols add the embedding of the mirrored picture."""
    published = options.bin is not None or options.ijb is not None
    return options.flip or ("sum" if published else None)


def _measured(
    path: str,
    options: argparse.Namespace,
    test: "Test",
    progress: "Progress",
) -> "Run":
    from embedge.calibration.evaluation.tests import RunOptions

    model = _opened(path, options)
    with (
        model.encoder as encoder,
        progress.task(f"embed with {model.name}", len(test.faces.names)) as task,
    ):
        told = RunOptions(
            options.fmrs,
            options.cache,
            task,
            options.groups,
            options.groups_fmr,
            model.threshold.value if model.threshold else None,
        )
        return model.to_json(), encoder.contract, test.run(model.name, encoder, told)


def _matrix(measured: "list[Run]", test: "Test", options: argparse.Namespace) -> dict[str, Any]:
    """All models in both roles, on the faces that every model could embed."""
    import numpy as np

    from embedge.calibration.evaluation.matrix import InSpace, cross_space_matrix

    rows = [(facts, contract, result.rows) for facts, contract, result in measured]
    good = np.logical_and.reduce([embedded.acquired for _, _, embedded in rows])
    models = [
        InSpace(facts["name"], contract, embedded.embeddings[good])
        for facts, contract, embedded in rows
    ]
    return cross_space_matrix(models, test.subjects[good], options.fmrs).to_json()


def _opened(path: str, options: argparse.Namespace) -> "EvaluatedModel":
    from embedge.calibration.evaluation.subjects import opened_model

    return opened_model(
        path,
        space=options.space,
        flip=_flip(options),
        threads=options.threads,
        require_provider=options.require_provider,
    )
