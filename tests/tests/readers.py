"""A store of a finished run -> an error unless one library reads all of it as the contract's tables say.

    python readers.py LIBRARY STORE      LIBRARY is pyarrow, pandas, duckdb, polars or faiss

Exit code 77, with its name on stderr, where a library is not installed.
"""

import glob
import importlib
import json
import sys

RAW = {"id": "string", "title": "string", "abstract": "string", "categories": "string", "created": "timestamp?"}
TABLES = {
    "raw/shard_*.parquet": RAW,
    "vectors/*/shard_*.parquet": {**RAW, "vector": "vector"},
    "runs/*/centroids.parquet": {"label": "int32", "vector": "vector"},
    "runs/*/labels/shard_*.parquet": {"id": "string", "label": "int32", "similarity": "float32"},
    "runs/*/topics.parquet": {
        "label": "int32", "name": "string", "terms": "strings", "size": "int64", "first": "date?", "last": "date?",
        "peak_period": "string?", "peak_share": "float64?", "recent_share": "float64?", "fade": "float64?",
        "fade_low": "float64?", "fade_high": "float64?", "status": "string", "top_categories": "strings",
        "representative_ids": "strings", "fading_rank": "int32?", "emerging_rank": "int32?",
        "topic_id": "int64", "strength": "float64?",
    },
    "runs/*/changes.parquet": {
        "kind": "string", "topic_id": "int64?", "name": "string?", "other_topic_id": "int64?", "other_name": "string?",
        "documents": "int64?", "share": "float64?", "status": "string?", "former_status": "string?", "fade": "float64?",
        "fade_low": "float64?", "fade_high": "float64?", "former_fade": "float64?", "former_fade_low": "float64?",
        "former_fade_high": "float64?", "document_id": "string?", "title": "string?", "similarity": "float32?",
        "former_similarity": "float32?",
    },
    "runs/*/timeline.parquet": {
        "label": "int32", "period": "date", "count": "int64", "total": "int64", "share": "float64", "complete": "bool",
    },
    "runs/*/lonely.parquet": {
        "rank": "int32", "id": "string", "title": "string", "created": "timestamp?", "categories": "string",
        "label": "int32", "similarity": "float32", "nearest_id": "string?", "nearest_title": "string?",
        "nearest_similarity": "float32?",
    },
}


def tables(store):
    """Yields each table's path with its expected columns, in row order."""
    for pattern, columns in TABLES.items():
        paths = sorted(glob.glob(f"{store}/{pattern}"))
        assert paths, f"{pattern}: nothing there"
        yield from ((path, columns) for path in paths)


def record(store):
    run = json.load(open(f"{store}/latest.json"))["run"]
    return json.load(open(f"{store}/runs/{run}/run.json"))


def expect(path, found, expected):
    assert found == expected, f"{path}: found {found}, expected {expected}"


def num_rows(store, path):
    """How many rows a table must have, None where the store does not say."""
    manifest, of_run = json.load(open(f"{store}/raw/manifest.json")), record(store)
    if "shard_" in path:
        return manifest["shards"][int(path[-13:-8])]["rows"]
    if path.endswith(("topics.parquet", "centroids.parquet")):
        return of_run["clusters"]["found"]
    return of_run["lonely"]["listed"] if path.endswith("lonely.parquet") else None


def check_rows(store, path, found):
    expected = num_rows(store, path)
    assert found > 0 and found == (expected or found), f"{path}: {found} rows, expected {expected}"


def check_pyarrow(pyarrow, store):
    parquet = importlib.import_module("pyarrow.parquet")
    dim = record(store)["dim"]
    types = {
        "string": pyarrow.string(), "int32": pyarrow.int32(), "int64": pyarrow.int64(), "bool": pyarrow.bool_(),
        "float32": pyarrow.float32(), "float64": pyarrow.float64(), "date": pyarrow.date32(),
        "timestamp": pyarrow.timestamp("us", "UTC"),
    }

    def spelled(field):
        kind = field.type
        if pyarrow.types.is_fixed_size_list(kind):
            assert (kind.list_size, kind.value_type) == (dim, pyarrow.float32()), kind
            return "vector"
        if pyarrow.types.is_list(kind):
            return "strings" if kind.value_type == pyarrow.string() else str(kind)
        name = next((name for name, known in types.items() if known == kind), str(kind))
        return name + "?" if field.nullable else name

    for path, columns in tables(store):
        table = parquet.read_table(path, partitioning=None)
        table.validate(full=True)
        expect(path, {field.name: spelled(field) for field in table.schema}, columns)
        check_rows(store, path, table.num_rows)
        metadata = parquet.ParquetFile(path).metadata.metadata
        expect(path, metadata[b"strata.format"], b"2")
        if "/vectors/" in path:
            named = {b"strata.raw_sha256", b"strata.model", b"strata.content_sha256"}
            assert named <= set(metadata), f"{path}: {metadata}"
    for name in ("raw/manifest.json", "latest.json"):
        json.load(open(f"{store}/{name}"))
    for line in open(f"{store}/raw/rejected.jsonl"):
        expect("rejected.jsonl", list(json.loads(line)), ["input", "line", "reason", "id", "text"])


def check_pandas(pandas, store):
    # What is null turns integers into floats; lists and days are objects.
    types = {
        "string": "str", "string?": "str", "int32": "int32", "int32?": "float64", "int64": "int64", "int64?": "float64",
        "bool": "bool",
        "float32": "float32", "float32?": "float32", "float64": "float64", "float64?": "float64", "date": "object",
        "date?": "object", "timestamp?": "datetime64[us, UTC]", "strings": "object", "vector": "object",
    }
    dim = record(store)["dim"]
    for path, columns in tables(store):
        table = pandas.read_parquet(path)
        found = {name: str(kind) for name, kind in table.dtypes.items()}
        whole = {name for name, kind in columns.items() if kind in ("int32?", "int64?") and table[name].notna().all()}
        expect(path, found, {name: types[kind.rstrip("?") if name in whole else kind] for name, kind in columns.items()})
        check_rows(store, path, len(table))
        for name, kind in columns.items():
            assert kind.endswith("?") or table[name].notna().all(), f"{path}: {name} has nulls"
            assert kind != "vector" or set(map(len, table[name])) == {dim}, f"{path}: {name} has other dimensions"


def check_duckdb(duckdb, store):
    types = {
        "string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "bool": "BOOLEAN", "float32": "FLOAT",
        "float64": "DOUBLE", "date": "DATE", "timestamp": "TIMESTAMP WITH TIME ZONE", "strings": "VARCHAR[]",
        "vector": "FLOAT[]",
    }
    for path, columns in tables(store):
        found = dict(duckdb.sql(f"select column_name, column_type from (describe from '{path}')").fetchall())
        expect(path, found, {name: types[kind.rstrip("?")] for name, kind in columns.items()})
        check_rows(store, path, duckdb.sql(f"select count(*) from '{path}'").fetchall()[0][0])
        duckdb.sql(f"select {', '.join(f'max({name}::varchar)' for name in columns)} from '{path}'").fetchall()
    of_run = record(store)
    run = f"{store}/runs/{of_run['run']}"
    joined = f"""select count(*) from '{run}/labels/*.parquet' join '{store}/raw/*.parquet' using (id)
                 join '{run}/topics.parquet' using (label)"""
    expect("labels, documents and topics joined", duckdb.sql(joined).fetchall()[0][0], of_run["rows"])


def check_polars(polars, store):
    types = {
        "string": polars.String, "int32": polars.Int32, "int64": polars.Int64, "bool": polars.Boolean,
        "float32": polars.Float32, "float64": polars.Float64, "date": polars.Date,
        "timestamp": polars.Datetime("us", "UTC"), "strings": polars.List(polars.String),
        "vector": polars.Array(polars.Float32, record(store)["dim"]),
    }
    for path, columns in tables(store):
        table = polars.read_parquet(path)
        expect(path, dict(table.schema), {name: types[kind.rstrip("?")] for name, kind in columns.items()})
        check_rows(store, path, table.height)
        for name, kind in columns.items():
            assert kind.endswith("?") or table[name].null_count() == 0, f"{path}: {name} has nulls"


def check_faiss(faiss, store):
    numpy, parquet = importlib.import_module("numpy"), importlib.import_module("pyarrow.parquet")
    of_run = record(store)
    index = faiss.read_index(f"{store}/runs/{of_run['run']}/index.faiss")
    expect("index.faiss", (index.ntotal, index.d, index.metric_type), (of_run["rows"], of_run["dim"],
                                                                      faiss.METRIC_INNER_PRODUCT))
    paths = sorted(glob.glob(f"{store}/vectors/*/shard_*.parquet"))
    columns = [parquet.read_table(path)["vector"].combine_chunks().flatten().to_numpy() for path in paths]
    vectors = numpy.concatenate(columns).reshape(-1, of_run["dim"])
    # Exact copies are nearest to each other as much as to themselves.
    _, first, copies = numpy.unique(vectors, axis=0, return_index=True, return_counts=True)
    rows = numpy.sort(first[copies == 1])[::7]
    similarities, found = index.search(vectors[rows], 1)
    expect("nearest documents", found[:, 0].tolist(), rows.tolist())
    assert numpy.abs(similarities - 1).max() < 1e-4, similarities


def main():
    library, store = sys.argv[1:]
    try:
        needed = [importlib.import_module(name) for name in ("pyarrow", library)]
    except ModuleNotFoundError as error:
        print(error.name, file=sys.stderr)
        return 77
    globals()[f"check_{library}"](needed[-1], store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
