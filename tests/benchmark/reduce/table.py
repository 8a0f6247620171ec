"""Measured reduces -> a Markdown table for each corpus and store, with medians over the runs.

    python table.py RESULTS        RESULTS/CORPUS/STORE/RUN/{measurements.json,run.json,time.txt,peak-*.json}
"""

import sys
from pathlib import Path

from results import FIGURES, Measured, index_bytes, median

HEADINGS = ("stage", "wall s", "CPU s", "read", "written", "rows", "operations", "of peak", "peak memory")


def main():
    for folder in sorted(Path(sys.argv[1]).glob("*/*/")):
        runs = [Measured(run) for run in sorted(folder.glob("*/")) if (run / "measurements.json").exists()]
        if runs:
            print("\n".join(described(folder, runs)), end="\n\n")


def described(folder, runs):
    """Returns the lines of one corpus from one store."""
    record, host = runs[0].record, runs[0].measurements["host"]
    peaks = ", ".join(f"{run.peak:.0f}" for run in runs)
    yield f"### {folder.parent.name} from {'MinIO on loopback' if folder.name == 's3' else 'a directory'}"
    yield ""
    yield (
        f"{record['rows']:,} × {record['dim']}, k = {record['clusters']['found']}, {record['index']['factory']} of "
        f"{size(index_bytes(record))}; {host['cpu']}, {host['threads']} threads; {len(runs)} runs, medians; "
        f"sgemm peak {peaks} GFLOP/s"
    )
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield f"|---|{'---:|' * (len(HEADINGS) - 1)}"
    for stage in runs[0].stages:
        figures = {name: median([run.figure(stage, name) for run in runs]) for name in FIGURES}
        share = median([run.share_of_peak(stage) for run in runs])
        yield f"| {stage} | {' | '.join(cells(figures, share))} |"
    whole = {name: median([run.time[name] for run in runs]) for name in runs[0].time}
    yield f"| process | {' | '.join(cells(whole, None))} |"
    if len(runs) > 1:
        yield ""
        yield "wall: " + ", ".join(f"{run.time['seconds']:.1f}" for run in runs) + " s"


def cells(figures, share):
    """Returns the cells of one row, a dash for what is not known."""
    shown = lambda name, form: "–" if figures.get(name) is None else form(figures[name])
    return (
        shown("seconds", "{:.1f}".format),
        shown("cpu_seconds", "{:.1f}".format),
        shown("bytes_read", size),
        shown("bytes_written", size),
        shown("rows", "{:,.0f}".format),
        shown("operations", lambda operations: f"{operations / 1e12:.2f} T"),
        "–" if share is None else f"{share:.0%}",
        shown("peak_memory_bytes", size),
    )


def size(num_bytes):
    """Spells bytes as people read them."""
    return f"{num_bytes / 2**30:.2f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.0f} MiB"


if __name__ == "__main__":
    main()
