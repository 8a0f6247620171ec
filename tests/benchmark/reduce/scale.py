"""Reduces of growing corpora -> drawings of time and memory by stage (SVG and PNG), and their table in Markdown.

    python scale.py RESULTS OUTPUT MEMORY      RESULTS/ROWS/{measurements.json,…}; OUTPUT.svg, OUTPUT.png; such as 4GiB
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot

from results import Measured, index_bytes

# What a reduce may take beside its index: this, and so many bytes a document.
BASE_BYTES = 400 << 20
ROW_BYTES = 40


def main():
    folder, output, memory = sys.argv[1:]
    sizes = sorted((int(path.name), Measured(path)) for path in Path(folder).iterdir())
    stages = [name for name in sizes[0][1].stages if name != "all"]
    figure, (times, memories) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    draw_times(times, sizes, stages)
    draw_memories(memories, sizes, stages, memory)
    for axes in (times, memories):
        axes.set_xlabel("million documents")
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(title(sizes[-1][1]), fontsize=10)
    for ending in ("svg", "png"):
        figure.savefig(f"{output}.{ending}", dpi=150)
    print("\n".join(table(sizes, stages)))


def title(largest):
    """Says what was measured, and on what."""
    host, record = largest.measurements["host"], largest.record
    return f"{record['dim']} dimensions, k = {record['clusters']['found']}; {host['cpu']}, {host['threads']} threads"


def millions(sizes):
    """Returns the corpora's sizes in millions."""
    return [rows / 1e6 for rows, _ in sizes]


def draw_times(axes, sizes, stages):
    """Draws wall seconds, stage upon stage."""
    heights = [[measured.figure(stage, "seconds") or 0.0 for _, measured in sizes] for stage in stages]
    axes.stackplot(millions(sizes), heights, labels=stages, alpha=0.8)
    axes.plot(millions(sizes), [measured.time["seconds"] for _, measured in sizes], "k.-", label="process")
    axes.set_ylabel("seconds")


def draw_memories(axes, sizes, stages, memory):
    """Draws resident memory: the process's peak, the stages' where they are known, what was allowed and the bound."""
    peaks = [measured.time["peak_memory_bytes"] / 2**30 for _, measured in sizes]
    axes.plot(millions(sizes), peaks, "k.-", label="process")
    for stage in stages:
        known = [(rows / 1e6, measured.figure(stage, "peak_memory_bytes")) for rows, measured in sizes]
        known = [(rows, peak / 2**30) for rows, peak in known if peak is not None]
        if known:
            axes.plot(*zip(*known), ".--", linewidth=1, label=stage)
    axes.plot(millions(sizes), [bound(*size) / 2**30 for size in sizes], ":", label="400 MiB + 40 B a document + index")
    axes.axhline(gibibytes(memory), color="tab:red", linewidth=1, label=f"--memory {memory}")
    axes.set_ylabel("GiB resident")


def bound(rows, measured):
    """Returns what a reduce of so many rows may take at most, in bytes."""
    return BASE_BYTES + ROW_BYTES * rows + index_bytes(measured.record)


def gibibytes(text):
    """Reads a size such as 4GiB or 512MiB."""
    unit = {"K": 2**-20, "M": 2**-10, "G": 1.0, "T": 2**10}[text.rstrip("iB")[-1].upper()]
    return float(text.rstrip("iB")[:-1]) * unit


def table(sizes, stages):
    """Returns the lines of a table with a row for each size."""
    yield f"{title(sizes[-1][1])}; sgemm peak {', '.join(f'{measured.peak:.0f}' for _, measured in sizes)} GFLOP/s"
    yield ""
    yield f"| rows | process s | CPU s | {' | '.join(f'{stage} s' for stage in stages)} | memory | bound | index |"
    yield f"|---:|{'---:|' * (len(stages) + 5)}"
    for rows, measured in sizes:
        times = [measured.time["seconds"], measured.time["cpu_seconds"]]
        times += [measured.figure(stage, "seconds") for stage in stages]
        spelled = ["–" if seconds is None else f"{seconds:.1f}" for seconds in times]
        bytes_ = [measured.time["peak_memory_bytes"], bound(rows, measured), index_bytes(measured.record)]
        spelled += [f"{num_bytes / 2**20:,.0f} MiB" for num_bytes in bytes_]
        yield f"| {rows:,} | {' | '.join(spelled)} |"


if __name__ == "__main__":
    main()
