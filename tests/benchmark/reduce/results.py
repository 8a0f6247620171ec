"""A folder of one measured reduce -> its figures; figures that a program did not give are None."""

import json
import re
import statistics
from pathlib import Path

# What measurements.json may say of a stage.
FIGURES = ("seconds", "cpu_seconds", "bytes_read", "bytes_written", "rows", "operations", "peak_memory_bytes")


class Measured:
    """One reduce: its stages by name, in their order, and the whole as time(1) saw it."""

    def __init__(self, folder):
        read = lambda name: json.loads((Path(folder) / name).read_text())
        self.measurements, self.record = read("measurements.json"), read("run.json")
        self.stages = {stage["name"]: stage for stage in self.measurements["stages"]}
        self.peak = max(read(f"peak-{when}.json")["gflops"] for when in ("before", "after"))
        self.time = timed((Path(folder) / "time.txt").read_text())

    def figure(self, stage, name):
        """Returns one figure of one stage, or None."""
        return self.stages.get(stage, {}).get(name)

    def share_of_peak(self, stage):
        """Returns what part of the machine's matrix peak the operations of a stage make, or None."""
        operations, seconds = self.figure(stage, "operations"), self.figure(stage, "seconds")
        return operations / seconds / (self.peak * 1e9) if operations and seconds else None


def timed(text):
    """Reads what time -v wrote: wall and processor seconds, and the most resident memory in bytes."""
    field = lambda name: re.search(rf"{name}.*: (\S+)$", text, re.MULTILINE).group(1)
    wall = sum(float(part) * 60**at for at, part in enumerate(reversed(field("Elapsed").split(":"))))
    return {
        "seconds": wall,
        "cpu_seconds": float(field("User time")) + float(field("System time")),
        "peak_memory_bytes": int(field("Maximum resident")) * 1024,
    }


def median(values):
    """Returns the median of those that are not None, or None."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def index_bytes(record):
    """Returns the size of the index that a run wrote."""
    return sum(output["bytes"] for output in record["outputs"] if output["key"].endswith("index.faiss"))
