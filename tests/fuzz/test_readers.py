"""Damaged files: every reader reads them or says in one sentence what is wrong with which file, and nothing else.

`RAOFIT_FUZZ=10000 pytest -n 0 tests/fuzz` takes that many files per reader. A failure names the number of the file,
which `RAOFIT_FUZZ_FIRST` starts from.
"""

import gc
import os
import shutil
import sys

import numpy as np
import pytest

from tests.fuzz.guard import Misbehaved, own_temporary_folder, read_safely, stray_files
from tests.fuzz.readers import READERS

N_FILES = int(os.environ.get("RAOFIT_FUZZ", "200"))
FIRST = int(os.environ.get("RAOFIT_FUZZ_FIRST", "0"))
_MOST_SHOWN = 12


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_one_sentence(name, tmp_path):
    reader, valid, work, temporary = READERS[name], tmp_path / "valid", tmp_path / "work", tmp_path / "temporary"
    for folder in (valid, work, temporary):
        folder.mkdir()
    reader.write(valid)
    files = sorted(path for path in valid.iterdir() if path.is_file())
    counts, faults = {True: 0, False: 0}, {}
    with own_temporary_folder(temporary):
        for path in files:
            assert read_safely(reader.read, path), f"{path.name} is not valid to begin with"
        for number in range(FIRST, FIRST + N_FILES):
            random = np.random.default_rng(number)
            path = work / f"{number}-{files[number % len(files)].name}"
            shutil.copyfile(files[number % len(files)], path)
            reader.damaged(random, path)
            try:
                counts[read_safely(reader.read, path)] += 1
            except Misbehaved as error:
                faults.setdefault(str(error)[:60].replace(path.name, "FILE"), f"{path.name}: {error}")
            path.unlink()
            assert stray_files(work) == [], f"left behind by number {number}"
    gc.collect()  # what a file was unpacked to goes with the image
    assert stray_files(work) + stray_files(temporary) == []
    sys.stdout.write(f"{name}: {counts[True]} read, {counts[False]} refused, {len(faults)} kinds of faults\n")
    assert not faults, "\n".join(list(faults.values())[:_MOST_SHOWN])
    assert counts[False] > 0.2 * N_FILES, f"only {counts[False]} of {N_FILES} files were damaged"
