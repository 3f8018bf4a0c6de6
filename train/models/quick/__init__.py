"""Training steps of common layers on CPUs in few passes over memory, where there is a compiler."""
