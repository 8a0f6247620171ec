"""Data sets -> inertia and time of four k-means at several budgets, in OUT/results.json.

    python benchmark.py --program PROGRAM --data FOLDER --out OUT [--rounds 3] [--threads 2]

All cluster the same rows, in memory as float32, with the same number of threads; timed is the fit alone. Inertia is
computed by one function for all, over all rows in float64. Rounds take turns, so that whatever else the machine does
meets all alike, and the best time of each counts. Each round measures the peak of a matrix product, too.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

CASES = [("real", 100), ("real", 400), ("noisy", 400)]
SEED = 42
BLOCK_ROWS = 8_192


def inertia(rows, centroids):
    """Returns the sum of squared distances of all rows to their nearest centroids, in float64."""
    centroids = centroids.astype("float64")
    norms, total = (centroids**2).sum(1), 0.0
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS].astype("float64")
        total += (block**2).sum() + (norms - 2.0 * (block @ centroids.T)).min(1).sum()
    return float(total)


def timed(work):
    """Runs once; returns seconds and what came out."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def ours(program, path, dim, k, threads):
    """Runs our program; yields (budget, seconds, centroids) for each step and for the finished fit."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--vectors", path, "--dim", dim, "--clusters", k, "--seed", SEED, "--out", folder]
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        lines = subprocess.check_output([str(part) for part in command], env=environment, text=True).splitlines()
        for step, (seconds, name) in enumerate(line.split() for line in lines):
            budget = "fit" if step == len(lines) - 1 else f"step {step}"
            yield budget, float(seconds), np.fromfile(f"{folder}/{name}", np.float32).reshape(k, dim)


def minibatch(rows, k, batch_rows, passes):
    """sklearn's MiniBatchKMeans for up to so many passes over the rows."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(k, batch_size=batch_rows, max_iter=passes, n_init=1, random_state=SEED)
    return lambda: model.fit(rows).cluster_centers_


def faiss_kmeans(rows, k, iterations, points):
    """faiss.Kmeans for so many iterations on at most so many points a centroid."""
    import faiss

    model = faiss.Kmeans(rows.shape[1], k, niter=iterations, seed=SEED, max_points_per_centroid=points)

    def train():
        model.train(rows)
        return model.centroids

    return train


def superkmeans(rows, k, threads, **parameters):
    """SuperKMeans with the given parameters."""
    from superkmeans import SuperKMeans

    model = SuperKMeans(k, rows.shape[1], n_threads=threads, seed=SEED, **parameters)
    return lambda: model.train(rows)


def others(rows, k, threads):
    """Yields (name, budget, work) for each other library and budget."""
    for batch_rows, passes in ((4_096, 1), (4_096, 80), (16_384, 1), (16_384, 10), (16_384, 80)):
        yield "sklearn MiniBatchKMeans", f"batch {batch_rows}, {passes} passes", minibatch(rows, k, batch_rows, passes)
    for iterations in (1, 2, 4, 10, 20, 25):
        yield "faiss.Kmeans", f"{iterations} iterations", faiss_kmeans(rows, k, iterations, len(rows))
    yield "faiss.Kmeans", "defaults", faiss_kmeans(rows, k, 25, 256)
    yield "SuperKMeans", "defaults", superkmeans(rows, k, threads)
    every = {"hierarchical": False, "sampling_fraction": 1.0, "max_points_per_cluster": len(rows)}
    yield "SuperKMeans", "flat, defaults", superkmeans(rows, k, threads, hierarchical=False)
    yield "SuperKMeans", "8 bits, 10 iterations", superkmeans(
        rows, k, threads, iters=10, quantizer="sq8", full_precision_final_centroids=True, **every
    )
    for iterations in (1, 2, 4, 10, 20, 25):
        yield "SuperKMeans", f"{iterations} iterations", superkmeans(rows, k, threads, iters=iterations, **every)
    for refinements in (0, 5, 20):
        yield "SuperKMeans", f"hierarchical, {refinements} refinements", superkmeans(
            rows, k, threads, hierarchical=True, iters_refinement=refinements, max_points_per_cluster=len(rows)
        )


def peak():
    """Returns the rate of a large float32 product, in GFLOP/s."""
    import numpy as np

    a = np.random.default_rng(0).standard_normal((4_096, 4_096), dtype=np.float32)
    seconds = min(timed(lambda: a @ a)[0] for _ in range(3))
    return 2 * 4_096**3 / seconds / 1e9


class Results:
    """The best time and the inertia of each contender, data set and budget."""

    def __init__(self):
        self.entries, self.peaks = {}, []

    def add(self, case, name, budget, seconds, rows, centroids):
        key = (*case, name, budget)
        if key not in self.entries:
            self.entries[key] = {"seconds": seconds, "inertia": inertia(rows, centroids)}
        self.entries[key]["seconds"] = min(self.entries[key]["seconds"], seconds)
        print(*key, f"{seconds:.3f} s", round(self.entries[key]["inertia"], 1), file=sys.stderr, flush=True)

    def write(self, path, about):
        names = ("data", "k", "name", "budget")
        entries = [dict(zip(names, key)) | entry for key, entry in self.entries.items()]
        path.write_text(json.dumps({**about, "peaks": self.peaks, "entries": entries}, indent=1))


def measure(results, case, arguments):
    """Runs all contenders once over one case."""
    import numpy as np

    data, k = case
    rows = np.load(arguments.data / f"{data}.npy")
    found = ours(arguments.program, arguments.data / f"{data}.f32", rows.shape[1], k, arguments.threads)
    for budget, seconds, centroids in found:
        results.add(case, "strata", budget, seconds, rows, centroids)
    for name, budget, work in others(rows, k, arguments.threads):
        seconds, centroids = timed(work)
        results.add(case, name, budget, seconds, rows, np.asarray(centroids))


def main():
    parser = argparse.ArgumentParser()
    for name in ("--program", "--data", "--out"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)  # Read when numpy and the others are imported, below.
    results = Results()
    for _ in range(arguments.rounds):
        results.peaks.append(peak())
        for case in CASES:
            measure(results, case, arguments)
        results.write(arguments.out / "results.json", {"threads": arguments.threads, "rounds": arguments.rounds})


if __name__ == "__main__":
    main()
