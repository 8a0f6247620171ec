"""This machine, now -> what its matrix products can do, as JSON: {"gflops": best, "threads": n}.

    python peak.py [SECONDS]

The best of the float32 products of square matrices that fit into so many seconds (3). numpy takes as many threads as
the affinity mask leaves, or OPENBLAS_NUM_THREADS.
"""

import json
import os
import sys
import time

import numpy

SIDE = 4_096


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    left, right = (numpy.random.default_rng(seed).random((SIDE, SIDE), dtype=numpy.float32) for seed in (1, 2))
    product = left @ right
    end, best = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        numpy.matmul(left, right, out=product)
        best = min(best, time.perf_counter() - start)
    threads = int(os.environ.get("OPENBLAS_NUM_THREADS", len(os.sched_getaffinity(0))))
    print(json.dumps({"gflops": 2 * SIDE**3 / best / 1e9, "threads": threads}))


if __name__ == "__main__":
    main()
