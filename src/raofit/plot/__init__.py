"""Matplotlib figures from result tables and maps; every function returns a figure and touches no global state."""
