# SPDX-License-Identifier: Apache-2.0
"""Layers of our own files, and OCI archives: the same bytes for the same input.

A layer is a plain tar (the time for gzip would cost more than the disk it saves). An archive is an image-layout of the
OCI image-spec in a tar; its layers are copied into it without being parsed.
"""
import hashlib
import io
import json
import os
import platform
import stat
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
OCI = "application/vnd.oci.image."
ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
BLOCK = 1 << 20


def open_tar(path):
    return tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")


def plain(info):
    """Removes time, owner and names from a header, so that it does not depend on the build."""
    info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
    return info


def describe(path, name):
    """The header of one file, or None for a kind of file that an image may not hold."""
    found = os.lstat(path)
    info = plain(tarfile.TarInfo(name))
    info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
    if stat.S_ISLNK(found.st_mode):
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, os.readlink(path)
    elif stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISREG(found.st_mode):
        info.size = found.st_size
    else:
        return None
    return info


def walk(root):
    """The paths below root, each directory before its content."""
    for folder, folders, files in os.walk(root):
        links = [f for f in folders if os.path.islink(os.path.join(folder, f))]
        for name in [*files, *folders]:
            yield os.path.join(folder, name)
        folders[:] = [f for f in folders if f not in links]


def write_layer(root, out, began, oldest):
    """Writes a base as a layer. Files keep the times that their packages gave them. Files that were made since `began`
    get the newest of those times, so that the same packages make the same bytes."""
    paths = sorted(walk(root))
    known = [t for t in (int(os.lstat(p).st_mtime) for p in paths) if t < int(began)]
    newest, links = max(known, default=oldest), {}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in paths:
            name = os.path.relpath(path, root)
            info = describe(path, name)
            if info is None:
                continue
            info.mtime = min(info.mtime, newest)
            found = os.lstat(path)
            if info.isreg() and found.st_nlink > 1:
                first = links.setdefault((found.st_dev, found.st_ino), name)
                if first != name:
                    info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
            if info.isreg():
                with open(path, "rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)


def digest_file(path):
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def key_of(*parts):
    """A digest over parts, each with its length in front, so that different lists of parts differ."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def text_of(*paths):
    found = []
    for path in paths:
        with open(path, "rb") as file:
            found.append(file.read())
    return key_of(*found)


def add_bytes(tar, name, data):
    info = plain(tarfile.TarInfo(name))
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def compact(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def image_config(template, entrypoint, env, diff_ids):
    with open(template, encoding="utf-8") as file:
        config = json.load(file)
    config["Entrypoint"] = [word.replace("{entrypoint}", entrypoint)
                            for word in config["Entrypoint"]]
    config["Env"] = config.get("Env", []) + env
    machine = platform.machine()
    return compact({"architecture": ARCHES.get(machine, machine), "os": "linux", "config": config,
                    "rootfs": {"type": "layers", "diff_ids": diff_ids}})


def count_known(diff_ids, known):
    """How many layers, from the lowest on, are in a store that has pieces of these names. ebb's store names a
    piece by the chain id of its layers (OCI image-spec config.md, "Layer ChainID")."""
    chain = ""
    for count, diff_id in enumerate(diff_ids):
        chain = "sha256:" + hashlib.sha256(f"{chain} {diff_id}".encode()).hexdigest() if chain else diff_id
        if chain not in known:
            return count
    return len(diff_ids)


def write_image(template, entrypoint, env, name, output, paths, known=frozenset()):
    """Writes the archive without the layers that the store has; returns how many were left out."""
    layers = [(path, {"mediaType": OCI + "layer.v1.tar", "digest": "sha256:" + digest_file(path),
                      "size": os.path.getsize(path)}) for path in paths]
    config = image_config(template, entrypoint, env, [d["digest"] for _, d in layers])
    manifest = compact({
        "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
        "config": {"mediaType": OCI + "config.v1+json", "size": len(config),
                   "digest": "sha256:" + hashlib.sha256(config).hexdigest()},
        "layers": [d for _, d in layers]})
    entry = {"mediaType": OCI + "manifest.v1+json", "size": len(manifest),
             "digest": "sha256:" + hashlib.sha256(manifest).hexdigest()}
    if name:
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    with open_tar(output) as tar:
        add_bytes(tar, "oci-layout", compact({"imageLayoutVersion": "1.0.0"}))
        add_bytes(tar, "index.json", compact({"schemaVersion": 2, "manifests": [entry]}))
        for data in (config, manifest):
            add_bytes(tar, "blobs/sha256/" + hashlib.sha256(data).hexdigest(), data)
        left_out = count_known([d["digest"] for _, d in layers], known)
        for digest, (path, found) in sorted({d["digest"]: (p, d) for p, d in layers[left_out:]}.items()):
            info = plain(tarfile.TarInfo("blobs/sha256/" + digest[7:]))
            info.size = found["size"]
            with open(path, "rb") as file:
                tar.addfile(info, file)
    return left_out
