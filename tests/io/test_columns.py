"""Result tables as CSV and NPZ."""

import csv

import numpy as np

from raofit.io.columns import write_csv, write_npz

COLUMNS = {
    "method": np.array(["fit", "network"]),
    "bias_D [mm²/s]": np.array([1.23456789e-3, np.nan]),
    "n": np.array([3, 4]),
}


def test_csv_has_units_in_its_header(tmp_path):
    write_csv(tmp_path / "table.csv", COLUMNS)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["method", "bias_D [mm²/s]", "n"], ["fit", "0.001234568", "3"], ["network", "nan", "4"]]


def test_npz_names_units_beside_the_arrays(tmp_path):
    write_npz(tmp_path / "table.npz", COLUMNS)
    with np.load(tmp_path / "table.npz", allow_pickle=False) as stored:
        assert set(stored.files) == {"method", "bias_D", "n", "units"}
        assert stored["units"].tolist() == ["bias_D [mm²/s]"]
        np.testing.assert_array_equal(stored["bias_D"], COLUMNS["bias_D [mm²/s]"])
