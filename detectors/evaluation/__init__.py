"""How good scores are, given labels: arrays in, numbers out."""
