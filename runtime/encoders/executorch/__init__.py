"""The encoder on ExecuTorch's XNNPACK, and the pool of threads that its process shares."""
