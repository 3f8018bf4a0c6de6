"""The inspector's answers of several TensorRT versions, summed up."""

from embedge.export.engines.tensorrt.layers import layer_summary


def layer(name: str, kind: str, datatype: str, **more: object) -> dict[str, object]:
    tensor = {"Name": "x", "Dimensions": [1, 8, 8, 8], "Format/Datatype": datatype}
    return {"Name": name, "LayerType": kind, "Inputs": [tensor], "Outputs": [tensor], **more}


LAYERS = [
    layer("conv0", "CaskConvolution", "Thirty-two wide channel vectorized row major Int8 format"),
    layer("conv1", "CaskConvolution", "Int8 NC/4HW4"),
    layer("prelu", "PointWiseV2", "Two wide channel vectorized row major FP16 format"),
    layer("fc", "gemm", "Half"),
    layer("last", "CaskGemm", "Row major linear FP32 format"),
    layer("Reformatting CopyNode for Input Tensor 0 to conv0", "Reformat", "Row major linear FP32"),
    layer("copy", "NoOp", "Row major linear FP32"),
    layer("shape", "ShapeHostToDevice", "Row major linear Int32"),
]


def test_counts_by_the_type_a_layer_reads() -> None:
    summary = layer_summary(LAYERS)
    assert summary["by_type"] == {"FP16": 2, "FP32": 1, "INT32": 1, "INT8": 2}
    assert summary["fp32"] == ["last"]
    assert summary["layers"] == 8


def test_reformats_are_named_apart() -> None:
    named = layer_summary(LAYERS)["reformats"]
    assert named == ["Reformatting CopyNode for Input Tensor 0 to conv0", "copy"]
    by_origin = layer("r", "Reorder", "Int8", Origin="REFORMAT")
    assert layer_summary([by_origin])["reformats"] == ["r"]


def test_a_plan_without_details_says_so() -> None:
    summary = layer_summary(["conv0", "conv1"])
    assert summary["without_details"] == 2
    assert summary["by_type"] == {}


def test_an_unknown_word_is_not_guessed() -> None:
    assert layer_summary([layer("x", "y", "Quaternion")])["by_type"] == {"unknown": 1}
    assert layer_summary([{"Name": "x", "LayerType": "y"}])["by_type"] == {"unknown": 1}
