"""Damage done to valid files: to their bytes, their words, their plain values and their HDF5 contents.

Every function takes a NumPy random generator first and changes nothing but a copy.
"""

import copy
import json
import re
import struct
import warnings

import h5py
import numpy as np

from raofit.io.seal import seal

_EXTREME_INTEGERS = (0, 1, -1, 2, 7, 127, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**62, -(2**63))
_WORDS = (
    "0", "-1", "1", "1e400", "-1e400", "nan", "inf", "-inf", "1e-300", "9" * 5000, "1" * 30, "0x10", "1_0", '""',
    '"text"', "true", "false", "null", "[]", "[1]", "[[1, 2], [3]]", "{}", '{"a" = 1}', '{"a": 1}', "1979-05-27",
    "[" * 20_000, "{" * 3000, '{"a":' * 20_000, "\0", "é", "\ufeff", "=", "", "1,2", "ms", "°", "#", "\n", '"' * 3,
)  # fmt: skip
_VALUES = (
    None, True, False, 0, -1, 1, 3.7, 10**30, 10**400, float("nan"), float("inf"), -float("inf"), 1e-320, "", "text",
    "nan", [], {}, [1], [[1, 2], [3]], ["a"], {"a": 1}, [None], [1e308] * 3, "../../etc", "\0", "qmt", "adc",
    [0] * 2000,
)  # fmt: skip
_MOST_BYTES = 1 << 20  # of an array that is changed; a claim of terabytes is left as it is
_WORD = re.compile(r"[^\s,=\[\]{}:]+")


def bytes_changed(random: np.random.Generator, content: bytes) -> bytes:
    """One to four changes of bytes: flips, extreme integers, blocks doubled, removed or moved, truncation."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        place, length = int(random.integers(len(data) + 1)), int(random.integers(1, 64))
        match random.integers(8):
            case 0 | 1:
                if place < len(data):
                    data[place] ^= 1 << int(random.integers(8))
            case 2:
                data[place : place + length] = random.bytes(length)
            case 3:
                data[place:place] = data[place : place + length * int(random.integers(1, 9))]
            case 4:
                del data[place : place + length]
            case 5:
                kind = "<>"[random.integers(2)] + "bhiqfd"[random.integers(6)]
                packed = _packed(kind, random.choice(np.array(_EXTREME_INTEGERS, dtype=object)))
                data[place : place + len(packed)] = packed
            case 6:
                del data[place:]
            case 7:
                data[place : place + length] = bytes([int(random.choice([0, 255]))]) * length
    return bytes(data)


def head_changed(random: np.random.Generator, content: bytes, *, n_bytes: int = 352) -> bytes:
    """As `bytes_changed`, within the first bytes, where formats say what the others mean."""
    return bytes_changed(random, content[:n_bytes]).ljust(n_bytes, b"\0")[:n_bytes] + content[n_bytes:]


def text_changed(random: np.random.Generator, content: bytes) -> bytes:
    """One to three changes of words or lines: replaced by extreme ones, exchanged, doubled, removed."""
    text = content.decode()
    for _ in range(int(random.integers(1, 4))):
        words, lines = list(_WORD.finditer(text)), text.splitlines(keepends=True)
        match random.integers(6):
            case 0 | 1 | 2 if words:
                word = words[random.integers(len(words))]
                text = text[: word.start()] + str(random.choice(_WORDS)) + text[word.end() :]
            case 3 if words:
                one, other = (words[random.integers(len(words))] for _ in range(2))
                text = text[: one.start()] + other.group() + text[one.end() :]
            case 4 if lines:
                lines.insert(int(random.integers(len(lines))), lines[random.integers(len(lines))])
                text = "".join(lines)
            case 5 if lines:
                del lines[random.integers(len(lines))]
                text = "".join(lines)
    return text.encode()


def tree_changed(random: np.random.Generator, tree):
    """One to three values or names of a tree of dictionaries and lists replaced, doubled or removed."""
    tree = copy.deepcopy(tree)
    for _ in range(int(random.integers(1, 4))):
        nodes = [node for node in _nodes(tree) if node]
        if not nodes:
            return tree
        node = nodes[random.integers(len(nodes))]
        key = list(node)[random.integers(len(node))] if isinstance(node, dict) else int(random.integers(len(node)))
        match random.integers(5):
            case 0 | 1 | 2:
                node[key] = copy.deepcopy(_VALUES[random.integers(len(_VALUES))])
            case 3:
                node.pop(key)
            case 4 if isinstance(node, dict):
                node[f"{key}_"] = node.pop(key)
            case 4:
                node.extend(node[: int(random.integers(1, 100))])
    return tree


def json_changed(random: np.random.Generator, content: bytes) -> bytes:
    """JSON with values or names changed."""
    return json.dumps(tree_changed(random, json.loads(content))).encode()


def array_changed(random: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """An array with other values, type, shape or axes."""
    array = np.array(array)
    match random.integers(8):
        case 0 | 1 if array.size and array.dtype.kind in "iufc":
            values = np.array([0, -1, 1, np.nan, np.inf, -np.inf, 1e300, 1e-300])
            with np.errstate(all="ignore"):
                array.flat[random.integers(array.size)] = random.choice(values).astype(array.dtype)
        case 2:
            return array.reshape(-1)[: int(random.integers(array.size + 1))]
        case 3:
            return np.moveaxis(array, 0, -1) if array.ndim else array[None]
        case 4:
            return array[..., None] if random.integers(2) else array[None]
        case 5 if array.dtype.names is None:
            kinds = ("S3", "U2", np.int8, np.float16, np.float32, np.complex64, np.bool_, np.uint64)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of imaginary parts that are lost
                return array.astype(np.dtype(kinds[random.integers(len(kinds))]))
        case 6:
            return np.empty((0, *array.shape[1:]), array.dtype)
        case 7:
            return np.concatenate([np.atleast_1d(array)] * 2, axis=0)
    return array


def sealed_hdf5_changed(random: np.random.Generator, path) -> None:
    """As `hdf5_changed`, with the right checksum."""
    hdf5_changed(random, path)
    seal(path)


def hdf5_changed(random: np.random.Generator, path) -> None:
    """One to three datasets or attributes of the file changed in place: values, types, shapes, names, size claimed."""
    with h5py.File(path, "r+") as file:
        for _ in range(int(random.integers(1, 4))):
            names = []
            file.visit(names.append)
            attributes = list(file.attrs)
            if attributes and random.random() < 0.4:
                _change_attribute(random, file, attributes[random.integers(len(attributes))])
            elif names:
                _change_item(random, file, names[random.integers(len(names))])


NEED_WHOLE_FILES = (hdf5_changed, sealed_hdf5_changed)  # on damaged ones the HDF5 library may crash, or run forever


def _change_attribute(random, file, name) -> None:
    value = file.attrs[name]
    try:
        tree = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        tree = None
    if tree is not None and random.random() < 0.7:
        file.attrs[name] = json.dumps(tree_changed(random, tree))
        return
    choices = ("", "{", "[]", "[" * 20_000, "1", '"a"', 3, np.nan, np.arange(3), b"\xff\xfe", "ivim", "adc", None)
    chosen = choices[random.integers(len(choices))]
    del file.attrs[name]
    if chosen is not None:
        file.attrs[name] = chosen


def _change_item(random, file, name) -> None:
    item = file[name]
    if isinstance(item, h5py.Dataset) and item.shape is not None and item.nbytes < _MOST_BYTES:
        array, kept = np.array(item[()]), dict(item.attrs)
    else:
        array, kept = np.arange(4.0), {}
    del file[name]
    match random.integers(8):
        case 0:
            return
        case 1:
            file.create_group(name)
            return
        case 2:  # claims terabytes and stores nothing
            shape = tuple(10 ** int(random.integers(1, 7)) for _ in range(int(random.integers(1, 4))))
            made = file.create_dataset(name, shape, array.dtype if array.dtype.kind in "iuf" else float, chunks=True)
        case 3:
            made = file.create_dataset(name, data=h5py.Empty("f4"))
        case _:
            changed = array_changed(random, array)
            made = file.create_dataset(name, data=changed.astype("S") if changed.dtype.kind == "U" else changed)
    made.attrs.update(kept)


def _nodes(tree):
    if isinstance(tree, dict | list):
        yield tree
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from _nodes(child)


def _packed(kind: str, value: int) -> bytes:
    if kind[1] in "fd":
        return struct.pack(kind, float(value))
    size = struct.calcsize(kind)
    return int(value % 2 ** (8 * size)).to_bytes(size, "little" if kind[0] == "<" else "big")
