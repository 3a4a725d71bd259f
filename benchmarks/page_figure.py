"""Speed and memory against the number of voxels, on logarithmic axes."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

_MARKERS = "os^vDPX<>*hp"


def draw(results: dict, path: Path) -> None:
    """One row of panels per task that was run on several numbers of voxels."""
    tasks = {
        name: task
        for name, task in results["tasks"].items()
        if len({record["size"] for record in results["records"] if record["task"] == name}) > 1
    }
    if not tasks:
        tasks = dict(list(results["tasks"].items())[:1])
    figure = Figure(figsize=(9.5, 4.0 * len(tasks)), layout="constrained")
    rows = figure.subplots(len(tasks), 2, squeeze=False)
    for (name, task), (speed, memory) in zip(tasks.items(), rows, strict=True):
        records = [record for record in results["records"] if record["task"] == name and "seconds" in record]
        _curves(speed, task, records, lambda record: record["size"] / np.median(record["seconds"]))
        _curves(memory, task, records, lambda record: max(record["peak_mb"] - record["resident_mb"], 1.0))
        speed.set(title=task["title"], ylabel="voxels per second")
        memory.set(title=task["title"], ylabel="memory of the fit (MB)")
        memory.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7.5, frameon=False)
    figure.savefig(path, dpi=85, metadata={"Software": None})


def _curves(axes, task: dict, records: list[dict], value) -> None:
    colors = mpl.colormaps["tab10"].colors
    for index, (method, about) in enumerate(task["methods"].items()):
        found = sorted((record for record in records if record["method"] == method), key=lambda record: record["size"])
        if not found or about["is_yardstick"]:
            continue
        is_ours = about["package"] == "raofit"
        axes.loglog(
            [record["size"] for record in found],
            [value(record) for record in found],
            color=colors[index % len(colors)],
            marker=_MARKERS[index % len(_MARKERS)],
            linewidth=2.2 if is_ours else 1.1,
            linestyle="-" if is_ours else "--",
            markersize=5,
            label=about["label"].replace("`", ""),
        )
    axes.set_xlabel("voxels")
    axes.grid(alpha=0.3)
