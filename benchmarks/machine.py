"""What speeds depend on: the machine, the interpreter and the packages."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_SUPPORTING = ("jax", "numpy", "scipy", "torch")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions(packages) -> dict[str, str]:
    """Versions of those of the packages that are installed, and of what they stand on."""
    found = {}
    for name in dict.fromkeys((*packages, *_SUPPORTING)):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Processor, cores, memory, operating system."""
    return {
        "processor": _processor(),
        "cores": str(cores()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }


def source() -> dict[str, str]:
    """The commit, and the state of the package's source alone, which decides whether a measurement is still valid."""
    changed = _git("status", "--porcelain", "src/raofit")
    return {
        "commit": (_git("rev-parse", "--short=10", "HEAD") or "unknown") + ("-changed" if changed else ""),
        "tree": (_git("rev-parse", "--short=10", "HEAD:src/raofit") or "unknown") + ("-changed" if changed else ""),
    }


def busy_seconds() -> float | None:
    """Seconds all cores together have worked since the machine was started, for anyone; None where unknown."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    except (OSError, ValueError):
        return None
    user, nice, system, _, _, interrupts, soft_interrupts, *_ = fields
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
