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
