"""Records of what a result was made from."""

import json
from importlib import metadata

import numpy as np

from raofit.io.provenance import provenance, readable, sha256, write_json


def test_sha256_of_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")  # the test vector of FIPS 180-2, appendix B.1
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_record_names_command_versions_and_inputs(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    record = provenance(["raofit", "map", "my scan.nii"], [path])
    assert record["Command"] == "raofit map 'my scan.nii'"
    assert record["Versions"]["jax"] == metadata.version("jax")
    assert record["GeneratedBy"] == {"Name": "raofit", "Version": metadata.version("raofit")}
    assert record["Inputs"] == [{"Path": str(path), "SHA256": sha256(path)}]
    lines = readable(record)
    assert lines[f"SHA-256 of {path}"] == sha256(path)
    assert f"jax {metadata.version('jax')}" in lines["Versions"]


def test_json_holds_numpy_values_and_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": np.array([1.5, np.nan]), "n": np.int64(3), "p": tmp_path, "i": float("inf")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": [1.5, None], "n": 3, "p": str(tmp_path), "i": None}
