"""Coverage-guided fuzzing of one reader: inputs that reach new branches of raofit are damaged further.

`python -m tests.fuzz.guided READER --runs 10000` (extra `fuzz`: atheris). Every input is a number and a chain of
damages of a valid file, chosen from the reader's own damages, so that sealed files stay sealed and the inside is
reached; libFuzzer keeps the chains that cover branches no other reached and changes them. The readers are those of
`tests.fuzz.readers`, the rules those of `tests.fuzz.guard`.
"""

import argparse
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["raofit.io", "raofit.cli"]):
    import raofit.io.basis_file
    import raofit.io.bids_dataset
    import raofit.io.bids_names
    import raofit.io.bvalues
    import raofit.io.coefficient_image
    import raofit.io.dictionary_file
    import raofit.io.fingerprint_sequence
    import raofit.io.listed_settings
    import raofit.io.network_file
    import raofit.io.nifti
    import raofit.io.prior_file
    import raofit.io.protocol_file
    import raofit.io.pulse_trains
    import raofit.io.recipe_file
    import raofit.io.training_set_file  # noqa: F401

import numpy as np

from tests.fuzz.guard import Misbehaved, own_temporary_folder, read_safely, stray_files
from tests.fuzz.mutations import NEED_WHOLE_FILES
from tests.fuzz.readers import READERS

_MOST_STEPS, _STEP_BYTES = 4, 5  # one byte chooses the damage, four what it does


def main() -> None:
    """Fuzz one reader; end with exit code 1 and one line per kind of fault if there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that were not treated as they should")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fuzzing = _Fuzzing(options.reader, Path(folder), options.keep, options.runs)
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number in range(16):
            (corpus / str(number)).write_bytes(np.random.default_rng(number).bytes(1 + 2 * _STEP_BYTES))
        arguments = [
            f"-seed={options.seed}",
            f"-max_len={1 + _MOST_STEPS * _STEP_BYTES}",
            "-len_control=0",
            "-timeout=60",
            "-rss_limit_mb=0",
            "-verbosity=0",
            f"-artifact_prefix={folder}/",
            str(corpus),
        ]
        atheris.Setup([sys.argv[0], *arguments], fuzzing.take)
        atheris.Fuzz()  # ends the process itself, in `take`


class _Fuzzing:
    """The inputs of one reader so far."""

    def __init__(self, name: str, folder: Path, keep: Path | None, n_runs: int):
        self.name, self.reader, self.folder, self.keep, self.n_runs = name, READERS[name], folder, keep, n_runs
        self.n_taken = 0
        self.work, self.temporary, self.valid = (folder / part for part in ("work", "temporary", "valid"))
        for part in (self.work, self.temporary, self.valid):
            part.mkdir()
        self.reader.write(self.valid)
        self.files = sorted(path for path in self.valid.iterdir() if path.is_file())
        self.counts, self.faults = {True: 0, False: 0}, {}

    def take(self, data: bytes) -> None:
        """One input: which file, then steps of damage."""
        chosen = self.files[(data[0] if data else 0) % len(self.files)]
        path = self.work / f"{self.n_taken}-{chosen.name}"
        shutil.copyfile(chosen, path)
        try:
            self._damage(path, data[1:])
            with own_temporary_folder(self.temporary):
                self.counts[read_safely(self.reader.read, path)] += 1
        except Misbehaved as error:
            self._note(path, str(error))
        path.unlink(missing_ok=True)
        if stray_files(self.work):
            self._note(path, f"left behind {stray_files(self.work)}")
        self.n_taken += 1
        if self.n_taken == self.n_runs:
            self._end()

    def _damage(self, path: Path, steps: bytes) -> None:
        damages = self.reader.damages.get(path.suffix, self.reader.damages.get("", ()))
        chain = [
            (damages[steps[start] % len(damages)], int.from_bytes(steps[start + 1 : start + _STEP_BYTES], "little"))
            for start in range(0, len(steps) - _STEP_BYTES + 1, _STEP_BYTES)
        ]
        for damage, seed in sorted(chain, key=lambda step: step[0] not in NEED_WHOLE_FILES):
            before = path.read_bytes()
            try:
                damage(np.random.default_rng(seed), path)
            except Exception:  # an earlier step left nothing that this one can take apart
                path.write_bytes(before)

    def _note(self, path: Path, words: str) -> None:
        kind = words.replace(path.name, "FILE")[:60]
        if kind not in self.faults and self.keep is not None and path.exists():
            self.keep.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.keep / f"{self.name}-{path.name}")
        self.faults.setdefault(kind, f"{path.name}: {words}")

    def _end(self) -> None:
        """Figures, one line per kind of fault, and the exit code."""
        gc.collect()  # what a file was unpacked to goes with the image
        if stray_files(self.temporary):
            self.faults["temporary"] = f"left behind {stray_files(self.temporary)}"
        read, refused = self.counts[True], self.counts[False]
        sys.stdout.write(f"{self.name}: {read} read, {refused} refused, {len(self.faults)} kinds of faults\n")
        sys.stdout.writelines(f"  {words}\n" for words in self.faults.values())
        sys.stdout.flush()
        shutil.rmtree(self.folder)
        os._exit(1 if self.faults else 0)


if __name__ == "__main__":
    main()
