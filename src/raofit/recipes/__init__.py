"""Whole workflows as data: how a network is trained, from simulation to a measured card."""
