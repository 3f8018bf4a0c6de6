"""Artifacts for runtimes that do not read ONNX: converted, compared, timed, put into a bundle."""
