"""Options of `embedge evaluate` that make no sense together, or alone."""

import argparse

from embedge.errors import EmbedgeError

__all__ = ["check_options"]


def check_options(options: argparse.Namespace) -> None:
    if (options.matrix or options.groups) and not options.all_pairs:
        raise EmbedgeError(
            "E-EVALUATE-OPTIONS",
            "--matrix and --groups compare all pairs",
            remedy="Give --all-pairs and --root DIR",
        )
    if options.per_person is not None and options.per_person < 2:
        raise EmbedgeError(
            "E-EVALUATE-OPTIONS",
            f"--per-person is {options.per_person}, which leaves no two pictures of a person",
            remedy="Give --per-person 2 or more",
        )
    if options.require_provider is not None and options.runtime not in (None, "onnxruntime"):
        raise EmbedgeError(
            "E-EVALUATE-OPTIONS",
            f"--require-provider is of ONNX Runtime, and --runtime asks for {options.runtime}",
            remedy="Give one of the two",
        )
    if options.groups_fmr is not None and options.groups is None:
        raise EmbedgeError(
            "E-EVALUATE-OPTIONS",
            "--groups-fmr says nothing without groups",
            remedy="Add --groups FILE, or leave --groups-fmr out",
        )
    rates = {"--fmrs": options.fmrs, "--groups-fmr": [options.groups_fmr]}
    for name, given in {**rates, "--eer-at-most": [options.eer_at_most]}.items():
        for rate in given:
            if rate is not None and not (0 < rate < 1 or (name == "--eer-at-most" and rate == 1)):
                raise EmbedgeError(
                    "E-EVALUATE-OPTIONS",
                    f"{name} {rate:g} is no rate",
                    remedy="Give a number between 0 and 1, such as 0.001",
                )
