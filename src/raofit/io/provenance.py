"""What a result was made from: versions, input hashes, command, time."""

import datetime
import hashlib
import json
import math
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

_LIBRARIES = ("raofit", "jax", "jaxlib", "equinox", "numpy", "scipy", "nibabel")
_READ_BYTES = 1 << 20


def provenance(command: Sequence[str], inputs: Iterable[Path]) -> dict[str, Any]:
    """JSON-ready record of a run: command line, software versions, platform, UTC time, SHA-256 of each input file."""
    return {
        "GeneratedBy": {"Name": "raofit", "Version": metadata.version("raofit")},
        "Command": shlex.join(command),
        "Versions": versions(),
        "Platform": platform.platform(),
        "GeneratedAt": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "Inputs": [{"Path": str(path), "SHA256": sha256(path)} for path in inputs],
    }


def readable(record: Mapping[str, Any]) -> dict[str, str]:
    """A record as plain lines for a page: what, and its value; settings are left to the JSON files."""
    lines = {
        "Command": record["Command"],
        "Versions": ", ".join(f"{name} {version}" for name, version in record["Versions"].items()),
        "Platform": record["Platform"],
        "Made": record["GeneratedAt"],
    }
    if "Seconds" in record:
        lines["Seconds"] = f"{record['Seconds']:.1f}"
    return lines | {f"SHA-256 of {item['Path']}": item["SHA256"] for item in record["Inputs"]}


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries a result depends on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _LIBRARIES}


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file; NumPy numbers and arrays become plain ones, numbers that are not finite become null."""
    path.write_text(json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def provenance_words(record: Mapping[str, Any], *, seed: int | None = None) -> dict[str, object]:
    """A record of `provenance` as the lines at the end of a page."""
    words = {} if seed is None else {"seed": seed}
    return {
        "command": record["Command"],
        **words,
        "time": record["GeneratedAt"],
        "platform": record["Platform"],
        "versions": ", ".join(f"{name} {version}" for name, version in record["Versions"].items()),
        "inputs": ", ".join(f"{item['Path']} ({item['SHA256']})" for item in record["Inputs"]) or "none",
    }
