"""What of a benchmark page is still to be measured, and what is not tried."""


def still_valid(records: list[dict], versions: dict[tuple[str, str], str]) -> list[dict]:
    """Measurements of an earlier run whose method still has the version it had; refusals and failures are tried again.

    `versions` maps (task, method) to the version at hand.
    """
    return [
        record
        for record in records
        if "seconds" in record and versions.get((record["task"], record["method"])) == record["version"]
    ]


def why_not(earlier: list[dict], size: int, *, budget_s: float, memory_gb: float) -> str:
    """Why a number of voxels is not tried, judged by the largest smaller one of that method; empty if it is.

    Memory is judged from 10⁵ voxels on: below, what a program needs to be compiled outweighs the voxels.
    """
    smaller = [record for record in earlier if record["size"] < size]
    if not smaller:
        return ""
    last = max(smaller, key=lambda record: record["size"])
    if "seconds" not in last:
        return last.get("skipped") or "it failed on fewer voxels"
    ratio = size / last["size"]
    seconds = min(last["seconds"]) * ratio
    if seconds > budget_s:
        return f"time: at the speed of {last['size']:,} voxels it would take {seconds:,.0f} s"
    needed = (last["peak_mb"] - last["resident_mb"]) * ratio / 1e3
    if last["size"] >= 10**5 and needed > 0.7 * memory_gb:
        return f"memory: by that of {last['size']:,} voxels it would need {needed:,.0f} GB"
    return ""
