"""Student to artifact: ONNX graphs, engines, parity, report."""
