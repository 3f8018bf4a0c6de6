from pathlib import Path

from tiny_bundles import tiny_contract, tiny_onnx

from embedge.pipeline.golden_file import golden_file
from embedge.runtime.selftest.golden import Golden


def test_four_artifacts_of_512_numbers_stay_under_300_kb(tmp_path: Path) -> None:
    names = ("fp32", "fp16", "int8-cpu", "int8-trt")
    graphs = {name: tmp_path / f"{name}.onnx" for name in names}
    for path in graphs.values():
        path.write_bytes(tiny_onnx(tiny_contract(512)))
    data = golden_file(graphs, tiny_contract(512))
    assert len(data) <= 300_000
    golden = Golden.parsed(data)
    assert list(golden.artifacts) == list(names)
    assert golden.artifacts["fp16"].faults == {}
    assert len(golden.artifacts["int8-trt"].faults) >= 12
    assert golden_file(graphs, tiny_contract(512)) == data
