"""What the machine is, and what it went through while it was measured."""
