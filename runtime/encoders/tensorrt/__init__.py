"""The encoder on TensorRT engines, and the little of CUDA that it needs."""
