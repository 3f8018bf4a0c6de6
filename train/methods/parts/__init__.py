"""What the distillation methods are made of."""
