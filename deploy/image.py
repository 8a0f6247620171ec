#!/usr/bin/env python3
"""Programs built on this machine -> an OCI image in a tar, without a container engine.

    image.py --out FILE.tar --programs FOLDER --onnxruntime FILE [--model FOLDER] [--name NAME:TAG]
    image.py --folder FOLDER …      the file system alone, for deploy/Dockerfile

The file system holds the three programs, the shared libraries that they and ONNX Runtime are linked with (as the loader
of this machine finds them), certificates, time zones, and a user that is not root; no shell. `docker load`, `podman
load`, `ctr images import`, `kind load image-archive` and `skopeo copy oci-archive:` read the archive.

The same files give the same bytes: entries are sorted, and all times are 1970. What is in it is printed at the end.
"""

import argparse
import dataclasses
import gzip
import hashlib
import io
import json
import os
import platform
import stat
import subprocess
import sys
import tarfile
import tempfile

PROGRAMS = ("map-worker", "reduce-worker", "strata")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
USER = 65532
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
TIME_ZONES = "/usr/share/zoneinfo"
# Copies of all zones under other rules, which nothing asks for.
OTHER_TIME_ZONES = ("posix", "right")
RUNTIME = "/usr/local/lib/libonnxruntime.so"
MODELS = "/usr/local/share/strata/models"
TEXTS = {
    "/etc/group": f"root:x:0:\nstrata:x:{USER}:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
    "/etc/passwd": f"root:x:0:0:root:/:/nonexistent\nstrata:x:{USER}:{USER}:strata:/tmp:/nonexistent\n",
}
ENVIRONMENT = {
    "PATH": "/usr/local/bin",
    "HOME": "/tmp",
    "ORT_DYLIB_PATH": RUNTIME,
    "SSL_CERT_FILE": CERTIFICATES,
    "STRATA_CACHE": "/cache",
}


class Refusal(Exception):
    """What somebody has to change before there can be an image."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file (with `data`), a symbolic link (with `link`) or a folder (with neither)."""

    mode: int
    data: bytes | None = None
    link: str = ""
    owner: int = 0


@dataclasses.dataclass(frozen=True)
class Blob:
    """Bytes that the image names by their sha256."""

    kind: str
    data: bytes

    @property
    def sha256(self):
        return hashlib.sha256(self.data).hexdigest()

    @property
    def path(self):
        return f"blobs/sha256/{self.sha256}"

    def descriptor(self, **more):
        media_type = f"application/vnd.oci.image.{self.kind}"
        return {"mediaType": media_type, "digest": f"sha256:{self.sha256}", "size": len(self.data), **more}


def read(path):
    """Reads a file of this machine, through symbolic links."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Refusal(f"{path}: cannot be read: {error.strerror}") from error
    return Entry(0o755 if os.stat(path).st_mode & stat.S_IXUSR else 0o644, data)


def tree(folder, place, without=()):
    """Reads a folder of this machine: path in the image -> entry. Links within it stay links."""
    entries = {}
    for parent, folders, names in os.walk(folder):
        if parent == folder:
            folders[:] = [name for name in folders if name not in without]
        for name in names:
            path = os.path.join(parent, name)
            target = os.readlink(path) if os.path.islink(path) else ""
            is_kept = target and not os.path.isabs(target)
            entries[place + path[len(folder) :]] = Entry(0o777, link=target) if is_kept else read(path)
    return entries


def libraries(paths):
    """Asks the loader what `paths` are linked with: name -> path on this machine; the loader itself by its own path."""
    found = {}
    for path in paths:
        asked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
        if asked.returncode:
            raise Refusal(f"{path}: ldd cannot read it: {asked.stderr.strip()}")
        for line in asked.stdout.splitlines():
            name, _, rest = line.strip().partition(" => ")
            if rest.startswith("not found"):
                raise Refusal(f"{path}: is linked with {name}, which is not here")
            place = (rest or name).rsplit(" (", 1)[0]
            # The kernel's own has no file.
            if place.startswith("/"):
                found[name if rest else place] = place
    return found


def system(found):
    """Places libraries beside the C library, where the loader looks by itself; the loader where programs name it."""
    beside = os.path.dirname(found["libc.so.6"])
    return {name if name.startswith("/") else f"{beside}/{name}": read(path) for name, path in found.items()}


def stripped(path):
    """Reads a program without its symbols, which are a quarter of it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "program")
        try:
            subprocess.run(["strip", "-o", copy, path], capture_output=True, text=True, check=True)
        except FileNotFoundError as error:
            raise Refusal("strip is not installed; Debian's package is binutils") from error
        except subprocess.CalledProcessError as error:
            raise Refusal(f"{path}: strip cannot read it: {error.stderr.strip()}") from error
        return Entry(0o755, read(copy).data)


def layers(arguments):
    """What the image is made of, what changes least first: each a map from path to entry."""
    programs = {name: os.path.join(arguments.programs, name) for name in PROGRAMS}
    absent = [path for path in programs.values() if not os.path.isfile(path)]
    if absent:
        raise Refusal(f"{', '.join(absent)}: not there; `cargo build --release --workspace --bins` makes them")
    texts = {path: Entry(0o644, text.encode()) for path, text in TEXTS.items()}
    folders = {"/tmp": Entry(0o1777), "/cache": Entry(0o755, owner=USER)}
    base = {**texts, **folders, CERTIFICATES: read(CERTIFICATES), RUNTIME: read(arguments.onnxruntime)}
    base |= tree(TIME_ZONES, TIME_ZONES, OTHER_TIME_ZONES)
    base |= system(libraries([*programs.values(), arguments.onnxruntime]))
    model = tree(arguments.model.rstrip("/"), model_place(arguments.model)) if arguments.model else {}
    made = {f"/usr/local/bin/{name}": stripped(path) for name, path in programs.items()}
    return [layer for layer in (base, model, made) if layer]


def model_place(folder):
    return f"{MODELS}/{os.path.basename(folder.rstrip('/'))}"


def with_parents(entries):
    """Adds the folders that lead to the entries."""
    parents = {}
    for path in entries:
        while (path := os.path.dirname(path)) != "/":
            parents[path] = Entry(0o755)
    return parents | entries


def pack(entries):
    """Entries -> an uncompressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in sorted(with_parents(entries).items()):
            info = tarfile.TarInfo(path.lstrip("/"))
            info.mode, info.uid, info.gid, info.linkname = entry.mode, entry.owner, entry.owner, entry.link
            is_file = entry.data is not None
            info.type = tarfile.REGTYPE if is_file else tarfile.SYMTYPE if entry.link else tarfile.DIRTYPE
            info.size = len(entry.data) if is_file else 0
            tar.addfile(info, io.BytesIO(entry.data) if is_file else None)
    return buffer.getvalue()


def full_name(name):
    """`strata` -> `docker.io/library/strata:latest`, which is what a container engine makes of it."""
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, "latest"
    host = repository.split("/")[0]
    if "/" not in repository:
        repository = f"docker.io/library/{repository}"
    elif not any(mark in host for mark in ".:") and host != "localhost":
        repository = f"docker.io/{repository}"
    return f"{repository}:{tag}"


def configuration(architecture, model, tars):
    environment = ENVIRONMENT | ({"STRATA_MODEL": model_place(model)} if model else {})
    diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]
    return {
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Cmd": ["strata", "--help"],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }


def encode(value):
    return json.dumps(value, indent=1, sort_keys=True).encode()


def image(name, architecture, model, tars):
    """Layers -> the files of the archive, in OCI's layout and with the list that `docker load` reads."""
    packed = [Blob("layer.v1.tar+gzip", gzip.compress(tar, 6, mtime=0)) for tar in tars]
    config = Blob("config.v1+json", encode(configuration(architecture, model, tars)))
    kind = "manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": f"application/vnd.oci.image.{kind}"}
    manifest |= {"config": config.descriptor(), "layers": [blob.descriptor() for blob in packed]}
    manifest = Blob(kind, encode(manifest))
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    described = manifest.descriptor(annotations=names, platform={"architecture": architecture, "os": "linux"})
    files = {f"/{blob.path}": Entry(0o644, blob.data) for blob in (*packed, config, manifest)}
    texts = {
        "/oci-layout": {"imageLayoutVersion": "1.0.0"},
        "/index.json": {"schemaVersion": 2, "manifests": [described]},
        "/manifest.json": [{"Config": config.path, "RepoTags": [name], "Layers": [blob.path for blob in packed]}],
    }
    return files | {path: Entry(0o644, encode(text)) for path, text in texts.items()}


def megabytes(size):
    return f"{size / 1e6:8.1f} MB"


def describe(contents, out, name):
    """What is in the image, the many files of time zones and models as one."""
    sizes = {}
    for path, entry in (pair for layer in contents for pair in layer.items()):
        shown = next((folder for folder in (TIME_ZONES, MODELS) if path.startswith(f"{folder}/")), path)
        sizes[shown] = sizes.get(shown, 0) + len(entry.data or b"")
    lines = [f"{megabytes(size)}  {path}" for path, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))]
    total = megabytes(sum(sizes.values()))
    return "\n".join([*lines, f"{total}  in all", f"{megabytes(os.path.getsize(out))}  {out} ({name}), compressed"])


def write_tree(entries, folder):
    """Entries -> files below a folder; owners too, where this is root."""
    for path, entry in sorted(with_parents(entries).items()):
        place = folder.rstrip("/") + path
        if entry.link:
            os.symlink(entry.link, place)
            continue
        if entry.data is None:
            os.makedirs(place, exist_ok=True)
        else:
            with open(place, "wb") as file:
                file.write(entry.data)
        os.chmod(place, entry.mode)
        if os.geteuid() == 0:
            os.chown(place, entry.owner, entry.owner)


def write_archive(arguments, architecture, contents, name):
    archive = pack(image(name, architecture, arguments.model, [pack(layer) for layer in contents]))
    partial = f"{arguments.out}.partial"
    with open(partial, "wb") as file:
        file.write(archive)
    os.replace(partial, arguments.out)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", metavar="FILE")
    target.add_argument("--folder", metavar="FOLDER")
    parser.add_argument("--programs", required=True, metavar="FOLDER")
    parser.add_argument("--onnxruntime", required=True, metavar="FILE")
    parser.add_argument("--model", metavar="FOLDER")
    parser.add_argument("--name", default="strata:latest", metavar="NAME:TAG")
    return parser.parse_args()


def main():
    arguments = parse()
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise Refusal(f"{platform.machine()}: expected one of {', '.join(ARCHITECTURES)}")
    contents = layers(arguments)
    if arguments.folder:
        for layer in contents:
            write_tree(layer, arguments.folder)
        return
    name = full_name(arguments.name)
    write_archive(arguments, architecture, contents, name)
    print(describe(contents, arguments.out, name))


if __name__ == "__main__":
    try:
        main()
    except Refusal as refusal:
        print(f"image: {refusal}", file=sys.stderr)
        sys.exit(2)
