"""Result tables as files: CSV for people, NPZ for programs; units stand in the CSV header and in the NPZ's `units`."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_csv(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """One header row of column names with units (`bias_f [1]`), then one row per entry; floats keep 7 digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([f"{cell:.7g}" if isinstance(cell, float | np.floating) else cell for cell in row])


def write_npz(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """One array per column, named without its unit; `units` lists "name [unit]" of every column that has one."""
    arrays = {name.split(" [")[0]: values for name, values in columns.items()}
    np.savez_compressed(path, units=np.array([name for name in columns if " [" in name]), **arrays)
