#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Layers and OCI archives, the same bytes for the same input.

  oci.py layer DIR OUT                   a directory as a layer
  oci.py image --config FILE --entrypoint X [--env K=V]... [--name REF] --output OUT LAYER...

A .layer file is a tar (plain; gzip would cost more time than the disk it saves): sorted names, time 0,
owner 0:0, modes without the builder's umask. OUT of image is an OCI archive (image-layout in a tar).
"""
import argparse
import hashlib
import io
import json
import os
import platform
import stat
import sys
import tarfile

OCI = "application/vnd.oci.image."
ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
BLOCK = 1 << 20


def bare(name):
    """A header that says nothing about who built it, when and where."""
    info = tarfile.TarInfo(name)
    info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
    return info


def describe(path, name):
    """The header of one file, or None for what an image may not hold."""
    found = os.lstat(path)
    info = bare(name)
    info.mode = stat.S_IMODE(found.st_mode)
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
    """Paths below root, sorted as bytes, directories before what is in them."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        links = [f for f in folders if os.path.islink(os.path.join(folder, f))]
        for name in sorted(set(files) | set(links)):
            yield os.path.join(folder, name)
        folders[:] = [f for f in folders if f not in links]
        for name in folders:
            yield os.path.join(folder, name)


def write_layer(root, out):
    links = {}
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(walk(root)):
            name = os.path.relpath(path, root)
            info = describe(path, name)
            if info is None:
                print(f"ebb-build: left out {name}: neither file, directory nor link",
                      file=sys.stderr)
                continue
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


def add_bytes(tar, name, data):
    info = bare(name)
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


def write_image(args):
    layers = []
    for path in args.layers:
        digest = digest_file(path)
        layers.append((path, {"mediaType": OCI + "layer.v1.tar", "digest": "sha256:" + digest,
                              "size": os.path.getsize(path)}))
    config = image_config(args.config, args.entrypoint, args.env, [d["digest"] for _, d in layers])
    manifest = compact({
        "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
        "config": {"mediaType": OCI + "config.v1+json", "size": len(config),
                   "digest": "sha256:" + hashlib.sha256(config).hexdigest()},
        "layers": [d for _, d in layers]})
    entry = {"mediaType": OCI + "manifest.v1+json", "size": len(manifest),
             "digest": "sha256:" + hashlib.sha256(manifest).hexdigest()}
    if args.name:
        entry["annotations"] = {"org.opencontainers.image.ref.name": args.name}
    with tarfile.open(args.output, "w", format=tarfile.PAX_FORMAT) as tar:
        add_bytes(tar, "oci-layout", compact({"imageLayoutVersion": "1.0.0"}))
        add_bytes(tar, "index.json", compact({"schemaVersion": 2, "manifests": [entry]}))
        for data in (config, manifest):
            add_bytes(tar, "blobs/sha256/" + hashlib.sha256(data).hexdigest(), data)
        for digest, (path, found) in sorted({d["digest"]: (p, d) for p, d in layers}.items()):
            info = bare("blobs/sha256/" + digest[7:])
            info.size = found["size"]
            with open(path, "rb") as file:
                tar.addfile(info, file)


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(required=True)
    layer = verbs.add_parser("layer")
    layer.add_argument("root")
    layer.add_argument("output")
    layer.set_defaults(run=lambda a: write_layer(a.root, a.output))
    image = verbs.add_parser("image")
    image.add_argument("--config", required=True)
    image.add_argument("--entrypoint", required=True)
    image.add_argument("--env", action="append", default=[])
    image.add_argument("--name", default="")
    image.add_argument("--output", required=True)
    image.add_argument("layers", nargs="+")
    image.set_defaults(run=write_image)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
