"""Student to artifact: ONNX graphs, FP16, INT8, engines."""
