"""A Parquet file of vectors -> the data sets of the benchmark, as .npy and as raw float32.

    python data.py VECTORS.parquet OUT

`real` holds the vectors in a random order, as a sample keyed by id comes; `noisy` 300,000 copies of random ones, each
with noise of about 0.73 of a vector's length, at unit length again. Both depend on the vectors and the seeds here alone.
"""

import pathlib
import sys

import numpy as np
import pyarrow.parquet as parquet

NOISY_ROWS = 300_000
# Each of 384 dimensions, so that inertia at 400 clusters is 0.65 a row.
NOISE = np.float32(0.0375)


def real(path):
    """Reads the vectors in a random order."""
    column = parquet.read_table(path, columns=["vector"])["vector"].combine_chunks()
    vectors = np.asarray(column.values, dtype=np.float32).reshape(len(column), -1)
    return vectors[np.random.default_rng(1).permutation(len(vectors))]


def noisy(vectors):
    """Makes noisy copies of random vectors."""
    draw = np.random.default_rng(7)
    copies = vectors[draw.integers(0, len(vectors), NOISY_ROWS)]
    copies += draw.standard_normal(copies.shape, dtype=np.float32) * NOISE
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    return copies


def main(path, out):
    vectors = real(path)
    for name, rows in {"real": vectors, "noisy": noisy(vectors)}.items():
        np.save(out / f"{name}.npy", rows)
        rows.tofile(out / f"{name}.f32")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
