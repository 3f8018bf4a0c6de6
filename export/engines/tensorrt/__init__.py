"""What TensorRT's builder is told, and what it answers."""
