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
from typing import TYPE_CHECKING

from embedge.cli.device.matcher_options import add_runtime_option
from embedge.cli.numbers import PART, RATE, SEVERAL, THREADS
from embedge.cli.proof.evaluating.checks import check_options
from embedge.cli.ship.foreign_options import feeding_options
from embedge.report.gate.defaults import EER, FMR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedge.calibration.evaluation.figures import Comparison, Side
    from embedge.calibration.evaluation.subjects import EvaluatedModel, TakenModel
    from embedge.calibration.protocols.trained_on import TrainedOn
    from embedge.calibration.trials.ijb import IjbTrial
    from embedge.calibration.trials.pairwise import Evidence, FolderTrial, PairTrial
    from embedge.calibration.trials.result import (
        EvaluatedData,
        EvaluationResult,
        ModelResult,
        ProtocolFacts,
    )
    from embedge.progress import Progress

    Trial = FolderTrial | PairTrial | IjbTrial
    Runs = list[tuple[ModelResult, Evidence | None]]

FLIP = "mirrored pictures: default sum for --bin and --ijb, else the model's own policy"
FOREIGN = "a foreign ONNX file: how it is fed; there is no default"
FMRS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)

WRITES = ("output", "report")  # options that name outputs


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
        "--per-person",
        type=SEVERAL,
        metavar="N",
        help="with --all-pairs: the first N of each",
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
        "--groups-fmr", type=RATE, metavar="FMR", help=f"their common threshold: default {FMR:g}"
    )
    parser.add_argument("--fmrs", type=RATE, nargs="+", default=FMRS, metavar="FMR")
    parser.add_argument(
        "--eer-at-most",
        type=PART,
        metavar="RATE",
        help="gate: the upper end of every model's equal error rate; in a report"
        f" {EER:g} unless given",
    )
    parser.add_argument("--licence", metavar="TEXT", help="of the weights, told in the report")
    parser.add_argument("--data-licence", metavar="TEXT", help="of the faces, told in the report")
    parser.add_argument("--flip", choices=("none", "sum"), help=FLIP)
    parser.add_argument("--space", help="name the space that foreign ONNX files share")
    foreign = parser.add_argument_group(FOREIGN)
    feeding_options(foreign)
    foreign.add_argument(
        "--embedding", metavar="NAME", help="which of several outputs is it; state the feeding too"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep embeddings here")
    parser.add_argument("--threads", type=THREADS, help="of the encoder (default: all cores)")
    add_runtime_option(parser)
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
    from embedge.calibration.trials.result import EvaluationResult
    from embedge.cli.proof.evaluating.models import require_one_space
    from embedge.cli.proof.evaluating.stated import taken_models
    from embedge.cli.proof.evaluating.text import text_of
    from embedge.files import write_json
    from embedge.optional import available, require
    from embedge.progress import Progress
    from embedge.typed import plain

    check_options(options)
    require_one_space(options)
    progress = Progress()
    progress.terminal = progress.terminal and available("rich")
    if options.report:
        require("jinja2", extra="export")
    trial = _trial(options)
    taken = taken_models(options, trial.faces, trial.subjects)
    data = _data(options, trial, progress)
    runs = _measured(options, trial, taken, progress)
    models, matrix = tuple(model for model, _ in runs), _matrix(runs, trial, options)
    result = EvaluationResult.of(_protocol(options), data, models, matrix)
    if options.output:
        write_json(options.output, plain(result))
    if options.report:
        _write_report(result, trial, runs[0][1], options)
    print(json.dumps(plain(result), allow_nan=False) if options.json else text_of(result))
    if result.spoiled:
        print("embedge: the data has faults that spoil these figures", file=sys.stderr)
    return 3 if result.spoiled or _poor(result, options) else 0


def _poor(result: "EvaluationResult", options: argparse.Namespace) -> bool:
    """Where a verdict is asked for: a report holds one, and so does the option."""
    from embedge.report.evaluation import eer_gates
    from embedge.report.gate.text import bound_text, not_shown_text, value_text
    from embedge.report.model import Verdict

    if not options.report and options.eer_at_most is None:
        return False
    verdict = Verdict.of(eer_gates(result, _most(options)))
    for gate in verdict.failed + verdict.not_shown:
        told = f"{value_text(gate)}, not {bound_text(gate)} (--eer-at-most)"
        word = "fails"
        if gate in verdict.not_shown:
            word, told = "is NOT SHOWN to hold", f"{told}; {not_shown_text(gate)}"
        print(f"embedge: gate '{gate.name}' {word}: {told}: {gate.what}", file=sys.stderr)
    return bool(verdict.failed)


def _most(options: argparse.Namespace) -> float:
    return EER if options.eer_at_most is None else float(options.eer_at_most)


def _write_report(
    result: "EvaluationResult",
    trial: "Trial",
    evidence: "Evidence | None",
    options: argparse.Namespace,
) -> None:
    from embedge.report.evaluation import report_from_evaluation, worst_of
    from embedge.report.write import write_report

    worst, shown = None, not options.no_pictures
    if evidence is not None:
        worst = worst_of(result.models[0], evidence, trial.faces, shown=shown)
    command = shlex.join(["embedge", *sys.argv[1:]])
    report = report_from_evaluation(
        result,
        command,
        worst,
        named=shown,
        most_eer=_most(options),
        licences=(options.licence, options.data_licence),
        scores=evidence.scores if evidence else None,
    )
    print(write_report(report, options.report), file=sys.stderr)


def _data(options: argparse.Namespace, trial: "Trial", progress: "Progress") -> "EvaluatedData":
    """The fingerprint is of names, people and content: the same faces elsewhere have the same."""
    from embedge.calibration.evaluation.faces import some_of
    from embedge.calibration.evaluation.integrity import channel_faults
    from embedge.calibration.trials.pairwise import names_of
    from embedge.calibration.trials.result import EvaluatedData
    from embedge.files import sha256_json

    names, people = names_of(trial.faces), trial.subjects.tolist()
    listed, digests = _listed(options, names), _digests(trial, progress)
    seen = channel_faults(some_of(trial.faces), len(names))
    return EvaluatedData(
        images=len(names),
        subjects=len(set(people)),
        findings=(*trial.findings(digests), *seen, *(listed.faults if listed else ())),
        trained_on_known=listed is not None and listed.comparable,
        trained_on=listed.words if listed else None,
        fingerprint=sha256_json([names, people, digests]),
    )


def _digests(trial: "Trial", progress: "Progress") -> list[str]:
    found = []
    with progress.task("fingerprint of the pictures", len(trial.faces)) as task:
        for index in range(len(trial.faces)):
            found.append(trial.faces.digest(index))
            task.advance()
    return found


def _trial(options: argparse.Namespace) -> "Trial":
    from embedge.calibration.protocols.binfile import pairs_from_bin
    from embedge.calibration.protocols.folders import people_in_folders
    from embedge.calibration.protocols.ijb import ijb_set
    from embedge.calibration.protocols.pairlist import pairs_from_list
    from embedge.calibration.trials.ijb import IjbTrial
    from embedge.calibration.trials.pairwise import FolderTrial, PairTrial

    if options.bin:
        return PairTrial(pairs_from_bin(options.bin))
    if options.ijb:
        both = ("1:1", "1:N")
        chosen = both if options.ijb_protocol == "both" else (options.ijb_protocol,)
        return IjbTrial(ijb_set(options.ijb), chosen)
    root = _root(options)
    if options.all_pairs:
        return FolderTrial(*people_in_folders(root, per_person=options.per_person, at_least=2))
    return PairTrial(pairs_from_list(options.pairs, root))


def _root(options: argparse.Namespace) -> Path:
    from embedge.errors import EmbedgeError

    if options.root is None:
        raise EmbedgeError(
            "E-EVALUATE-ROOT",
            "the folder of the pictures was not given",
            remedy="Add --root DIR",
        )
    return Path(options.root)


def _listed(options: argparse.Namespace, names: list[str]) -> "TrainedOn | None":
    """People of the test who are on the list of people trained on."""
    from embedge.calibration.protocols.trained_on import trained_on_from

    if options.trained_on is None:
        return None
    people = {PurePosixPath(name).parent.as_posix() for name in names}
    return trained_on_from(options.trained_on, people)


def _protocol(options: argparse.Namespace) -> "ProtocolFacts":
    from embedge.calibration.trials.result import ProtocolFacts
    from embedge.cli.proof.evaluating.models import flip_of

    if options.all_pairs:
        return ProtocolFacts("all pairs", per_person=options.per_person, flip=options.flip)
    if options.ijb:
        part, flip = options.ijb_protocol, flip_of(options)
        return ProtocolFacts("IJB", options.ijb.name, part=part, flip=flip)
    return ProtocolFacts("pairs", (options.bin or options.pairs).name, flip=flip_of(options))


def _measured(
    options: argparse.Namespace,
    trial: "Trial",
    taken: "Mapping[str, TakenModel]",
    progress: "Progress",
) -> "Runs":
    from embedge.cli.proof.evaluating.models import opened, told_apart

    runs: Runs = []
    for path in options.models:
        model = opened(path, options, taken.get(path))
        side = told_apart(model, {known.side: known.sha256 for known, _ in runs}, path)
        runs.append(_one_measured(model, side, options, trial, progress))
    return runs


def _one_measured(
    model: "EvaluatedModel",
    side: "Side",
    options: argparse.Namespace,
    trial: "Trial",
    progress: "Progress",
) -> "tuple[ModelResult, Evidence | None]":
    from dataclasses import replace

    from embedge.calibration.evaluation.figures import ThresholdsOn
    from embedge.calibration.evaluation.integrity import threshold_set_here
    from embedge.calibration.evaluation.subjects import setting_pictures
    from embedge.calibration.trials.pairwise import RunOptions
    from embedge.calibration.trials.result import ModelResult

    setting = setting_pictures(model, trial.faces)
    known: ThresholdsOn = "other people" if model.set_on else "not checked"
    with (
        model.encoder as encoder,
        progress.task(f"embed with {side}", len(trial.faces)) as task,
    ):
        threshold = model.threshold.value if model.threshold and not setting else None
        # the artifacts of a bundle share a contract, by which a cache names its chunks
        cache = options.cache and options.cache / model.digest
        rate = options.groups_fmr or FMR
        told = RunOptions(options.fmrs, cache, task, options.groups, rate, threshold)
        measured, evidence = trial.run(side, encoder, told)
        contract = encoder.contract
        more = threshold_set_here(setting)
        result = ModelResult(
            side,
            model.digest,
            encoder.provider,
            contract,
            contract.digest,
            model.contract_from,
            model.threshold,
            replace(measured, findings=(*measured.findings, *more)),
            "the same people" if setting else known,
        )
        return result, evidence


def _matrix(runs: "Runs", trial: "Trial", options: argparse.Namespace) -> "tuple[Comparison, ...]":
    """All models in both roles, on the faces that every model could embed.

    Drift is told against the first model by itself.
    """
    import numpy as np

    from embedge.calibration.evaluation.judge import Asked, Subject, judge

    if not options.matrix:
        return ()
    known = [(model, evidence.embedded) for model, evidence in runs if evidence is not None]
    good = np.logical_and.reduce([embedded.acquired for _, embedded in known])
    subjects = [
        Subject(model.side, embedded.embeddings[good], model.contract) for model, embedded in known
    ]
    first = Asked(subjects[0], subjects[0])
    wanted = [
        Asked(gallery, probe, instead_of=first.key)
        for gallery in subjects
        for probe in subjects
        if gallery is not subjects[0] or probe is not subjects[0]
    ]
    return judge([first, *wanted], trial.subjects[good], options.fmrs)
