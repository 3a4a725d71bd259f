"""A process that dies before its Nth step that changes files: the worst moments a kill can choose."""

import os
import sys
from pathlib import Path

_CHANGES = {
    "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree", "os.scandir",
}  # fmt: skip


def runs_to_its_end(change, step: int) -> bool:
    """Run `change()` in a child of this process, killed just before step `step`; whether it ended before that step.

    Steps are the audited system calls of Python on files, so what lies between two of them is seen as well.
    """
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event, arguments):
            if event in _CHANGES:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            change()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _new_folder(place: Path) -> None:
    from raofit.io.output import new_folder

    with new_folder(place / "out", force=True) as work:
        (work / "a.txt").write_text("new")
        (work / "deep").mkdir()
        (work / "deep" / "b.txt").write_text("new")


def _new_file(place: Path) -> None:
    from raofit.io.output import new_file

    with new_file(place / "out", force=True) as work:
        work.write_text("new")


def _found(out: Path) -> str:
    """Old or new if the output is whole, none if there is none."""
    if out.is_file():
        return out.read_text() or "empty"
    if not out.exists():
        return "none"
    words = {path.name: path.read_text() for path in out.rglob("*.txt")}
    is_whole = sorted(words) == ["a.txt", "b.txt"] and words["a.txt"] == words["b.txt"] and (out / ".raofit").exists()
    return words["a.txt"] if is_whole else f"broken:{sorted(words.items())}"


def main(kind: str, place: Path, *, can_exchange: bool) -> None:
    """Print, step by step, the output just after the kill, after the next run has begun, and after it has ended."""
    from raofit.io import claim, exchange

    change = {"folder": _new_folder, "file": _new_file}[kind]
    if not can_exchange:
        exchange._exchanged = lambda one, other: False
    step, is_done = 0, False
    while not is_done:
        here = place / str(step)
        here.mkdir()
        change(here)
        old = here / "out"
        for path in [old] if kind == "file" else old.rglob("*.txt"):
            path.write_text("old")
        is_done = runs_to_its_end(lambda here=here: change(here), step)
        seen = [_found(old)]
        with claim.claim(old):
            seen.append(_found(old))
        change(here)
        seen += [_found(old), ",".join(sorted(path.name for path in here.iterdir()))]
        sys.stdout.write(" ".join(seen) + "\n")
        step += 1


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), can_exchange=sys.argv[3] == "exchange")
