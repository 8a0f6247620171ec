"""A store in a directory -> its vectors, ids and runs, as numpy has them."""

import json
from pathlib import Path

import numpy
import pyarrow.parquet as parquet


class Stored:
    """One corpus: `vectors` [rows, dim] float32, `ids`, and the number of words of each document."""

    def __init__(self, folder, model):
        self.folder = Path(folder)
        manifest = json.loads((self.folder / "raw/manifest.json").read_text())
        names = [Path(shard["key"]).name for shard in manifest["shards"]]
        files = [self.folder / "vectors" / model / name for name in names]
        ids = [parquet.read_table(file, columns=["id"])["id"].to_pylist() for file in files]
        self.ids = numpy.array([id for shard in ids for id in shard])
        self.vectors = numpy.concatenate([vectors_of(file) for file in files])
        self.shard_names = names
        assert len(self.vectors) == len(self.ids) == manifest["rows"], "the shards are short of rows"

    def num_words(self):
        """Returns the words of each document's title and text."""
        counts = []
        for name in self.shard_names:
            table = parquet.read_table(self.folder / "raw" / name, columns=["title", "abstract"])
            texts = zip(table["title"].to_pylist(), table["abstract"].to_pylist())
            counts.extend(len(title.split()) + len(text.split()) for title, text in texts)
        return numpy.array(counts)


class Run:
    """One finished run: its record and its tables."""

    def __init__(self, store, name):
        self.folder = Path(store) / "runs" / name
        self.record = json.loads((self.folder / "run.json").read_text())
        self.parameters = self.record["parameters"]

    def table(self, name):
        """Reads one of the run's tables."""
        return parquet.read_table(self.folder / name)

    def centroids(self):
        """Returns the centroids, [clusters, dim] float32, in the order of their labels."""
        table = self.table("centroids.parquet").sort_by("label")
        assert table["label"].to_pylist() == list(range(len(table))), "labels are not 0, 1, 2, …"
        return vectors_of(self.folder / "centroids.parquet")

    def labels(self, shard_names):
        """Returns ids, labels and similarities of all rows."""
        tables = [self.table(f"labels/{name}") for name in shard_names]
        column = lambda name: numpy.concatenate([table[name].to_numpy() for table in tables])
        return column("id"), column("label"), column("similarity")


def vectors_of(file):
    """Reads the column `vector` of a Parquet file, [rows, dim] float32."""
    table = parquet.read_table(file, columns=["vector"])
    values = [chunk.flatten().to_numpy() for chunk in table["vector"].chunks]
    return numpy.concatenate(values).reshape(len(table), -1)
