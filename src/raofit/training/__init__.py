"""Targets, losses, networks and the training loop."""
