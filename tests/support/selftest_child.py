"""`selftest_child.py GOLDEN ARTIFACT=MODEL.onnx …`: the self-test on OpenVINO in a process."""

import sys
from pathlib import Path

from embedge.runtime.encoders.openvino import OpenVinoEncoder
from embedge.runtime.selftest.golden import Golden
from embedge.runtime.selftest.selftest import tested_encoder

golden = Golden.parsed(Path(sys.argv[1]).read_bytes())
for pair in sys.argv[2:]:
    artifact, _, model = pair.partition("=")
    with OpenVinoEncoder(model, threads=1) as encoder:
        found = tested_encoder(encoder, golden, artifact)
    print(artifact, "passed" if found.passed else f"failed {found.findings}")
