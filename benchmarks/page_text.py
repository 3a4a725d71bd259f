"""The benchmark page as Markdown, from the results that `benchmarks.page` measured."""

import itertools

import numpy as np

ABSENT = (  # on the package index, for these models, and not measured
    ("osipi-ivim", "IVIM", "its modules cannot be imported as installed: they import one another as `src.…`"),
    ("ivim-mri", "IVIM", "needs NumPy older than 2, and fits files only"),
    ("super-ivim-dc", "IVIM", "a network trained on ranges of its own; needs SimpleITK, which could not be installed"),
    ("mrax", "T2", "could not be installed; by its description it fits the studies of a graphical program, not arrays"),
    ("ukat", "T2", "needs SciPy older than 1.12, and so NumPy older than 2"),
)


def page(results: dict, stem: str) -> str:
    """The whole page; `stem` names the figure and the numbers beside it."""
    parts = [_head(results, stem)]
    for name, task in results["tasks"].items():
        records = [record for record in results["records"] if record["task"] == name]
        if not records:
            continue
        parts += [
            f"## {task['title']}\n\n{task['text']}",
            _accuracy(task, records),
            _speed(task, records),
            _memory(task, records),
            _start(task, records),
        ]
    parts.append(_missing(results))
    return "\n\n".join(part for part in parts if part) + "\n"


def size_label(size: int) -> str:
    """1000 → 10³; other numbers as they are."""
    exponent = round(np.log10(size))
    return f"10{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(digit)] for digit in str(exponent))}" if 10**exponent == size else f"{size}"


def sizes_of(records: list[dict]) -> list[int]:
    """Numbers of voxels, ascending."""
    return sorted({record["size"] for record in records})


def _head(results: dict, stem: str) -> str:
    machine = results["machine"]
    others = [record["others_cores"] for record in results["records"] if record.get("others_cores") is not None]
    quiet = _quiet(others) if others else ""
    interpreters = "; ".join(
        f"Python {each['python']} with " + ", ".join(f"{name} {version}" for name, version in each["versions"].items())
        for each in results["interpreters"]
    )
    return f"""# Benchmarks

Speed, memory and accuracy of raofit beside the packages for the same model that pip installs, on the same voxels.
Written by `python -m benchmarks.page` (how: `benchmarks/README.md`); [every number]({stem}.json).

{machine["processor"]}, {machine["cores"]} cores, {machine["memory"]}, {machine["system"]}; {results["date"]}, commit
{results["commit"]}. {interpreters}. {quiet}

- **Cores.** Every method may use all {machine["cores"]}; *cores used* is what it did use. Voxel loops use one, with the
  threads of the linear algebra switched off; they could be split over processes.
- **Speed** counts fitting alone, from float32 magnitudes in memory to estimates in memory: the median of up to five
  calls, ± half their range; without ±, of one call. Importing, training and compiling stand under *Start and cores*.
- **—** is a number of voxels at which one fit would take more than {results["budget_s"]:.0f} s at the speed of the
  number before it. Nothing is extrapolated.
- **Memory** is the peak of a process that does nothing else, less what it held when the fit began: the interpreter, the
  packages and the measurements. What a program needs to be compiled is in it, and most of it for few voxels.
- **Accuracy** is that of the first 1000 voxels, the same for all: bias, standard deviation (ddof 0), RMSE, and the
  slope of the error against the truth (−1: the data are ignored). A bias is known to std/√1000. √CRB is the scatter of
  an efficient unbiased estimator at these truths (root mean square, and in brackets the median). A small RMSE with a
  slope near −1 is the prior, not the data.

![Speed and memory against the number of voxels]({stem}.png)"""


def _quiet(others: list[float]) -> str:
    """How much the machine had to do besides."""
    said = f"Other work took {np.median(others):.1f} cores in the median, {np.max(others):.1f} at most"
    if np.median(others) < 0.1:
        return said + "."
    return (
        f"**The machine was not idle: {said[0].lower()}{said[1:]}.** Speeds are too small, by about what *cores used* "
        "lacks to one (or to all, where a method uses several), and budgets end at smaller numbers of voxels."
    )


def _speed(task: dict, records: list[dict]) -> str:
    return _by_size("### Voxels per second", task, records, _rate)


def _memory(task: dict, records: list[dict]) -> str:
    return _by_size("### Memory of the fit, MB", task, records, lambda record: f"{_added(record):,.0f}")


def _by_size(title: str, task: dict, records: list[dict], cell) -> str:
    sizes = sizes_of(records)
    rows = []
    for method, found in _per_method(task, records, is_timed=True):
        cells = [_cell(found.get(size), cell) for size in sizes]
        rows.append([method, *cells])
    return f"{title}\n\n{_table(['voxels', *map(size_label, sizes)], rows)}"


def _cell(record: dict | None, cell) -> str:
    if record is None:
        return ""
    if "seconds" in record:
        return cell(record)
    return "—" if "skipped" in record else "failed"


def _rate(record: dict) -> str:
    rates = record["size"] / np.array(record["seconds"])
    spread = f" ± {(rates.max() - rates.min()) / 2 / np.median(rates):.0%}" if len(rates) > 1 else ""
    return _three_digits(float(np.median(rates))) + spread


def _added(record: dict) -> float:
    return record["peak_mb"] - record["resident_mb"]


def _start(task: dict, records: list[dict]) -> str:
    rows = []
    for method, found in _per_method(task, records, is_timed=True):
        measured = [record for record in found.values() if "seconds" in record]
        if not measured:
            continue
        largest = max(measured, key=lambda record: record["size"])
        compiling = [_compiling(record) for record in measured if record["warm_up_s"] is not None]
        trained = [record["train_s"] for record in measured if "train_s" in record]
        rows.append(
            [
                method,
                largest["version"].split(" ")[0],
                f"{np.median([record['start_s'] for record in measured]):.1f}",
                f"{trained[0]:.0f}" if trained else "",
                f"{np.median(compiling):.1f}" if compiling else "",
                f"{largest['cores_used']:.1f}",
                f"{largest['resident_mb'] - largest['input_mb']:,.0f}",
            ]
        )
    header = ["method", "version", "import, s", "training, s", "compiling, s", "cores used", "before the fit, MB"]
    return f"### Start and cores\n\n{_table(header, rows)}"


def _compiling(record: dict) -> float:
    """Seconds of the first call beyond what as many voxels take later."""
    return max(0.0, record["warm_up_s"] - min(record["seconds"]) * record["warm_up_voxels"] / record["size"])


def _accuracy(task: dict, records: list[dict]) -> str:
    cells_of = _errors if task["has_truth"] else _distances
    rows, failed = [], []
    for method, found in _per_method(task, records):
        measured = [record for record in found.values() if "seconds" in record]
        if not measured:
            continue
        first = min(measured, key=lambda record: record["size"])
        cells = [cells_of(first["accuracy"][each["name"]]) for each in task["parameters"]]
        rows.append([method, *itertools.chain(*cells)])
        if first["failed"]:
            failed.append(f"{method}: {100 * first['failed']:.2g} % of the voxels have no estimate.")
    if "bound" in task:
        rows.append(["√CRB", *itertools.chain(*(_bound(task["bound"][each["name"]]) for each in task["parameters"]))])
    note = f"The optimum is the published one to {task['probes']:.0e}." if "probes" in task else ""
    return "\n\n".join(
        part for part in ("### Accuracy", _table(_accuracy_header(task), rows), note, " ".join(failed)) if part
    )


def _accuracy_header(task: dict) -> list[str]:
    first, *others = (
        ("bias", "std", "RMSE", "slope")
        if task["has_truth"]
        else ("median", "median difference", "99 % differ by less than", "within 1 %")
    )
    header = ["method"]
    for parameter in task["parameters"]:
        unit = f" ({parameter['unit']})" if parameter["unit"] else ""
        header += [f"{parameter['name']}{unit}: {first}", *others]
    return header


def _errors(numbers: dict) -> list[str]:
    slope = numbers["slope"]
    return [
        _number(numbers["bias"], "+.3g"), _number(numbers["std"], ".3g"), _number(numbers["rmse"], ".3g"),
        _number(slope and round(slope, 2) + 0.0, "+.2f"),  # no negative zero
    ]  # fmt: skip


def _bound(bound: dict) -> list[str]:
    return ["0", f"{bound['rms']:.3g} ({bound['median']:.3g})", f"{bound['rms']:.3g}", "0"]


def _distances(numbers: dict) -> list[str]:
    kinds = (("median", ".4g"), ("median_difference", ".1g"), ("large_difference", ".2g"), ("close", ".1%"))
    return [_number(numbers[name], form) for name, form in kinds]


def _number(number: float | None, form: str) -> str:
    return "none" if number is None else format(number, form)


def _per_method(task: dict, records: list[dict], *, is_timed: bool = False):
    """Label and records by size of every method that was tried; yardsticks are not timed."""
    for method, about in task["methods"].items():
        if is_timed and about["is_yardstick"]:
            continue
        found = {record["size"]: record for record in records if record["method"] == method}
        if found:
            yield about["label"], found


def _missing(results: dict) -> str:
    lines = []
    for task in results["tasks"].values():
        lines += [
            f"- {about['label']} ({task['title']}): {about['missing']}"
            for about in task["methods"].values()
            if "missing" in about
        ]
    measured = {(record["task"], record["method"]) for record in results["records"]}
    for name, task in results["tasks"].items():
        lines += [
            f"- {about['label']} ({task['title']}): left out of this run"
            for method, about in task["methods"].items()
            if "missing" not in about and (name, method) not in measured
        ]
    for record in results["records"]:
        if "failed_because" in record:
            label = results["tasks"][record["task"]]["methods"][record["method"]]["label"]
            lines.append(f"- {label}, {size_label(record['size'])} voxels: {record['failed_because']}")
    lines += [f"- {name} ({model}): {why}" for name, model, why in ABSENT]
    return "## Not measured\n\n" + "\n".join(lines)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _three_digits(number: float) -> str:
    """142321.7 → 142,000."""
    rounded = float(f"{number:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"
