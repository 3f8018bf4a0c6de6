"""CUDA for the TensorRT encoder: device facts, memory, streams, graphs; imports nothing."""
