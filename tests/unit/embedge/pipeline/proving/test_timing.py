"""What a device runs: the fastest that holds, by more than the noise."""

from timings import timings

from embedge.pipeline.proving.timing import fastest


def test_a_narrower_graph_is_the_default_only_where_it_is_faster() -> None:
    order = ["fp32", "fp16", "int8-cpu"]
    assert fastest(timings(fp32=2.0, fp16=2.1, int8_cpu=1.0), order).artifact == "int8-cpu"
    slow = fastest(timings(fp32=1.30, fp16=1.31, int8_cpu=1.28), order)
    assert slow.artifact == "fp32"
    assert "int8-cpu not faster than fp32" in slow.why


def test_what_misses_a_gate_is_not_the_default_and_other_runtimes_are_only_told() -> None:
    timed = timings(fp32=2.0, int8_cpu=1.0, int8_openvino=0.5)
    chosen = fastest(timed, ["fp32"])
    assert chosen.artifact == "fp32"
    assert "with its own runtime int8-openvino 0.50" in chosen.why
    assert "no artifact" in fastest(timed, []).why
