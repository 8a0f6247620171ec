"""results.json of the benchmark -> table.md and plot.svg.

    python report.py OUT

A ratio is another library's time over ours to an inertia that is no higher: above 1 where we are faster.
"""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plot  # noqa: E402 (the backend comes first)

OURS = "strata"


def ours_to(entries, inertia):
    """Returns our first step that is no worse; None if none is."""
    reached = [entry for entry in entries if entry["name"] == OURS and entry["inertia"] <= inertia]
    return min(reached, key=lambda entry: entry["seconds"], default=None)


def line(entries, entry):
    """One line of the table."""
    values = [entry["name"], entry["budget"], f"{entry['seconds']:.2f}", f"{entry['inertia']:,.0f}"]
    if entry["name"] == OURS:
        values += ["", ""]
    elif (match := ours_to(entries, entry["inertia"])) is None:
        values += ["not reached", ""]
    else:
        values += [f"{match['seconds']:.2f} ({match['inertia']:,.0f})", f"{entry['seconds'] / match['seconds']:.1f}"]
    return f"| {' | '.join(values)} |"


def table(entries):
    """The table of one case: our finished fit and all of the others."""
    shown = [entry for entry in entries if entry["name"] != OURS or entry["budget"] == "fit"]
    head = ["| | budget | s | inertia | ours to no more, s (inertia) | ratio |", "|---|---|---|---|---|---|"]
    return "\n".join(head + [line(entries, entry) for entry in shown])


def draw(axes, entries, title):
    """Inertia against time, the seeding left out: its inertia would flatten all else."""
    for name in dict.fromkeys(entry["name"] for entry in entries):
        points = [entry for entry in entries if entry["name"] == name and entry["budget"] != "step 0"]
        seconds, inertias = [entry["seconds"] for entry in points], [entry["inertia"] for entry in points]
        axes.plot(seconds, inertias, "-o" if name == OURS else "o", markersize=3, label=name)
    axes.set(title=title, xscale="log", xlabel="seconds", ylabel="inertia")
    lowest = min(entry["inertia"] for entry in entries)
    axes.set_ylim(lowest * 0.998, lowest * 1.08)
    axes.grid(alpha=0.3)


def main(out):
    results = json.loads((out / "results.json").read_text())
    cases = {}
    for entry in results["entries"]:
        cases.setdefault((entry["data"], entry["k"]), []).append(entry)
    figure, all_axes = plot.subplots(1, len(cases), figsize=(5 * len(cases), 4), layout="constrained")
    peaks = ", ".join(f"{peak:.0f}" for peak in results["peaks"])
    text = [f"{results['threads']} threads, the best of {results['rounds']} rounds; sgemm peak of each: {peaks} GFLOP/s.\n"]
    for axes, ((data, k), entries) in zip(all_axes, cases.items()):
        text.append(f"**{data}, k = {k}**\n\n{table(entries)}\n")
        draw(axes, entries, f"{data}, k = {k}")
    all_axes[0].legend()
    figure.savefig(out / "plot.svg")
    (out / "table.md").write_text("\n".join(text))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
