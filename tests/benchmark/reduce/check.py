"""A finished run -> whether it says the truth: lonely list, labels, inertia and index against brute force.

    python check.py --store DIR --run NAME [--lonely-reference FILE.csv] [--queries 1000] [--least-recall 0.8]

The lonely list must be that of brute force in float64: every document of the corpus that could be on it is compared with
all others. Float32 products only rule out what lies beyond their rounding. Labels must be nearest centroids but for
ties within float32's rounding. Exit code 1 where anything differs.
"""

import argparse
import csv
import sys

import faiss
import numpy

from stored import Run, Stored

# The rounding of a float32 inner product of unit vectors, with room: the worst case at 384 dimensions is 2.3e-5.
MARGIN = 1e-4
# Products are taken in blocks of so many rows by so many columns: 64 MiB each.
BLOCK_ROWS = 2_048
BLOCK_COLUMNS = 8_192
# A float32 label may lose to another centroid by so much in squared distance.
TIE = 1e-5
# Neighbours whose recall is measured.
NEIGHBOURS = 10


def main():
    arguments = parse()
    run = Run(arguments.store, arguments.run)
    stored = Stored(arguments.store, run.record["vectors_of"])
    checks = {
        "lonely": lambda: check_lonely(stored, run),
        "labels": lambda: check_labels(stored, run),
        "index": lambda: check_index(stored, run, arguments),
    }
    if arguments.lonely_reference:
        checks["lonely reference"] = lambda: check_reference(run, arguments.lonely_reference)
    failures = 0
    for name, check in checks.items():
        said, is_right = check()
        print(f"{name}: {'right' if is_right else 'WRONG'}: {said}", flush=True)
        failures += not is_right
    sys.exit(1 if failures else 0)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--lonely-reference", help="rank,id,similarity_5th,… by brute force")
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--least-recall", type=float, default=0.8)
    return parser.parse_args()


def check_lonely(stored, run):
    """Compares the list with that of brute force."""
    found = run.table("lonely.parquet").to_pylist()
    neighbours = min(run.parameters["lonely_k"], len(stored.ids) - 1)
    least_words = run.parameters["lonely_min_words"]
    listable = stored.num_words() >= least_words if least_words else numpy.ones(len(stored.ids), bool)
    wanted = min(run.parameters["lonely"], int(listable.sum()))
    # Whatever else could be listed has its k-th neighbour below the last one that is; a list that is too short tells nothing.
    last = max(entry["similarity"] for entry in found) if len(found) == wanted > 0 else 1.0
    candidates = below(stored.vectors, neighbours, last + MARGIN, numpy.flatnonzero(listable))
    entries = sorted((exact(stored, row, neighbours) for row in candidates), key=lambda entry: entry[:2])
    expected = [(id, numpy.float32(kth), nearest, numpy.float32(first)) for kth, id, nearest, first in entries]
    expected = expected[:wanted]
    names = ("id", "similarity", "nearest_id", "nearest_similarity")
    listed = [tuple(entry[name] for name in names) for entry in found]
    differing = [at + 1 for at, (a, b) in enumerate(zip(listed, expected)) if not is_same(a, b)]
    is_right = len(listed) == len(expected) == wanted and not differing
    said = f"{len(listed)} listed of {len(expected)}, last at {last:.6f}, {len(candidates)} compared with all"
    return said + (f"; ranks {differing[:5]} differ" if differing else ""), is_right


def is_same(listed, expected):
    """Compares entries; sums in another order may move the last bit of a similarity."""
    near = lambda a, b: abs(float(a) - float(b)) <= 1.2e-7
    return listed[0::2] == expected[0::2] and near(listed[1], expected[1]) and near(listed[3], expected[3])


def below(vectors, neighbours, threshold, rows):
    """Returns those of `rows` of which fewer than `neighbours` others are surely as near as `threshold`."""
    left = []
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        counts = numpy.zeros(len(block), int)
        for first in range(0, len(vectors), BLOCK_COLUMNS):
            near = vectors[block] @ vectors[first : first + BLOCK_COLUMNS].T > threshold + MARGIN
            own = (block >= first) & (block < first + BLOCK_COLUMNS)
            near[own, block[own] - first] = False
            counts += near.sum(1)
            block, counts = block[counts < neighbours], counts[counts < neighbours]
            if not len(block):
                break
        left.extend(block)
    return left


def exact(stored, row, neighbours):
    """Returns the k-th similarity of `row` in float64, its id, and its nearest other with its similarity."""
    similarities = numpy.empty(len(stored.ids))
    own = stored.vectors[row].astype(float)
    own /= numpy.sqrt((own * own).sum())
    for start in range(0, len(stored.ids), 65_536):
        part = stored.vectors[start : start + 65_536].astype(float)
        similarities[start : start + 65_536] = part @ own / numpy.sqrt((part * part).sum(1))
    similarities[row] = -numpy.inf
    kth = numpy.partition(similarities, -neighbours)[-neighbours]
    # Sums in another order may move the last bits of equal similarities apart.
    ties = numpy.flatnonzero(similarities >= similarities.max() - 1e-14)
    nearest = min(ties, key=lambda tied: stored.ids[tied])
    return kth, str(stored.ids[row]), str(stored.ids[nearest]), similarities[nearest]


def check_labels(stored, run):
    """Compares labels, similarities, topic sizes and inertia with those that the centroids give."""
    ids, labels, similarities = run.labels(stored.shard_names)
    centroids = run.centroids().astype(float)
    inertia, losing, worst, off = 0.0, 0, 0.0, 0.0
    for start in range(0, len(labels), BLOCK_ROWS):
        rows = stored.vectors[start : start + BLOCK_ROWS].astype(float)
        given = labels[start : start + BLOCK_ROWS]
        products = rows @ centroids.T
        distances = (rows * rows).sum(1)[:, None] - 2 * products + (centroids * centroids).sum(1)
        own = distances[numpy.arange(len(rows)), given]
        inertia += own.sum()
        excess = own - distances.min(1)
        losing, worst = losing + (excess > 0).sum(), max(worst, excess.max())
        lengths = numpy.sqrt((rows * rows).sum(1)) * numpy.linalg.norm(centroids, axis=1)[given]
        cosines = products[numpy.arange(len(rows)), given] / lengths
        off = max(off, numpy.abs(cosines - similarities[start : start + BLOCK_ROWS]).max())
    sizes = run.table("topics.parquet").sort_by("label")["size"].to_numpy()
    ratio = run.record["inertia"] / inertia
    parts = {
        "ids in row order": (ids == stored.ids).all(),
        f"{losing} labels not the float64 nearest, by at most {worst:.1e}": worst <= TIE,
        f"similarities off by at most {off:.1e}": off <= MARGIN,
        "sizes are counts": (numpy.bincount(labels, minlength=len(centroids)) == sizes).all(),
        f"inertia {run.record['inertia']:.2f}, {ratio - 1:+.1e} of float64's": abs(ratio - 1) < 1e-5,
    }
    return "; ".join(f"{said}{'' if is_right else ' (WRONG)'}" for said, is_right in parts.items()), all(parts.values())


def check_index(stored, run, arguments):
    """Measures how many of the nearest the index finds as FAISS's own library reads it."""
    index = faiss.read_index(str(run.folder / "index.faiss"))
    described = run.record["index"]
    if described["nprobe"]:
        faiss.extract_index_ivf(index).nprobe = described["nprobe"]
    chosen = numpy.random.default_rng(1).choice(len(stored.ids), min(arguments.queries, len(stored.ids)), replace=False)
    queries = stored.vectors[chosen]
    truth = nearest(stored.vectors, queries)
    _, found = index.search(queries, NEIGHBOURS)
    recall = numpy.mean([len(set(a) & set(b)) / len(a) for a, b in zip(truth, found)])
    itself = numpy.mean([row in neighbours for row, neighbours in zip(chosen, found)])
    said = f"{described['factory']}, nprobe {described['nprobe']}: recall@{NEIGHBOURS} {recall:.4f}, itself {itself:.4f}"
    return said, index.ntotal == len(stored.ids) and recall >= arguments.least_recall


def nearest(vectors, queries):
    """Returns the rows of the nearest vectors of each query by brute force."""
    flat = faiss.IndexFlatIP(vectors.shape[1])
    best_similarities = numpy.empty((len(queries), 0), numpy.float32)
    best_rows = numpy.empty((len(queries), 0), numpy.int64)
    for start in range(0, len(vectors), 200_000):
        flat.reset()
        flat.add(vectors[start : start + 200_000])
        similarities, rows = flat.search(queries, NEIGHBOURS)
        best_similarities = numpy.hstack([best_similarities, similarities])
        best_rows = numpy.hstack([best_rows, numpy.where(rows < 0, rows, rows + start)])
        order = numpy.argsort(-best_similarities, axis=1, kind="stable")[:, :NEIGHBOURS]
        best_similarities = numpy.take_along_axis(best_similarities, order, 1)
        best_rows = numpy.take_along_axis(best_rows, order, 1)
    return best_rows


def check_reference(run, file):
    """Compares the list's ids and similarities with a file made by another program."""
    with open(file, newline="", encoding="utf-8") as opened:
        expected = [(row["id"], float(row["similarity_5th"])) for row in csv.DictReader(opened)]
    table = run.table("lonely.parquet")
    listed = list(zip(table["id"].to_pylist(), table["similarity"].to_pylist()))
    wanted = min(run.parameters["lonely"], len(expected))
    differing = sum(a[0] != b[0] or abs(a[1] - b[1]) > 1e-6 for a, b in zip(listed, expected))
    said = f"{len(listed)} listed, {len(expected)} known, {differing} differ"
    return said, min(len(listed), len(expected)) >= wanted > 0 and not differing


if __name__ == "__main__":
    main()
