# SPDX-License-Identifier: Apache-2.0
"""OCI images made by hand, right or wrong in exactly one place (image-spec v1.1)."""
import copy
import gzip
import hashlib
import io
import json
import os
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name, data=None, mode=None, uid=0, gid=0, kind=None, target=""):
    """One member of a layer: a file with data, else a directory, link or device by kind."""
    info = tarfile.TarInfo(name)
    info.type = kind or (tarfile.DIRTYPE if data is None else tarfile.REGTYPE)
    info.mode = mode if mode is not None else 0o755 if info.type == tarfile.DIRTYPE else 0o644
    info.uid, info.gid, info.linkname = uid, gid, target
    info.size = len(data) if data is not None else 0
    return info, data


def layer(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(copy.copy(info), io.BytesIO(data) if data is not None else None)
    return out.getvalue()


class Image:
    """blobs and index are plain data until write(): a test may spoil them before."""

    def __init__(self, layers, config=None, zip_layers=True, name="latest"):
        self.blobs = {}
        packed = [gzip.compress(x, 1, mtime=0) if zip_layers else x for x in layers]
        body = {"architecture": "amd64", "os": "linux", "config": config or {},
                "rootfs": {"type": "layers", "diff_ids": [sha256(x) for x in layers]}}
        self.manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self._put(CONFIG, json.dumps(body).encode()),
            "layers": [self._put(LAYER + ("+gzip" if zip_layers else ""), x) for x in packed]}
        self.name = name
        self.seal()

    def _put(self, kind, data):
        self.blobs[sha256(data)] = data
        return {"mediaType": kind, "digest": sha256(data), "size": len(data)}

    def seal(self):
        """(Re)makes the index for the present manifest."""
        described = self._put(MANIFEST, json.dumps(self.manifest).encode())
        described["annotations"] = {"org.opencontainers.image.ref.name": self.name}
        self.index = {"schemaVersion": 2, "manifests": [described]}

    def files(self):
        yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'
        yield "index.json", json.dumps(self.index).encode()
        for digest, data in self.blobs.items():
            yield "blobs/" + digest.replace(":", "/"), data

    def write_dir(self, path):
        for name, data in self.files():
            os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
            with open(os.path.join(path, name), "wb") as f:
                f.write(data)
        return path

    def write_archive(self, path):
        with tarfile.open(path, "w") as tar:
            for name, data in self.files():
                tar.addfile(*(lambda i, d: (i, io.BytesIO(d)))(*entry(name, data)))
        return path


def append_layer(layout, data):
    """One more layer on the only image of an OCI layout directory made by somebody else."""
    def load(digest):
        with open(os.path.join(layout, "blobs", digest.replace(":", "/")), "rb") as f:
            return json.load(f)

    def put(kind, blob):
        with open(os.path.join(layout, "blobs", sha256(blob).replace(":", "/")), "wb") as f:
            f.write(blob)
        return {"mediaType": kind, "digest": sha256(blob), "size": len(blob)}

    with open(layout + "/index.json", encoding="utf-8") as f:
        index = json.load(f)
    manifest = load(index["manifests"][0]["digest"])
    config = load(manifest["config"]["digest"])
    config["rootfs"]["diff_ids"].append(sha256(data))
    manifest["config"] = put(CONFIG, json.dumps(config).encode())
    manifest["layers"].append(put(LAYER, data))
    index["manifests"][0].update(put(MANIFEST, json.dumps(manifest).encode()))
    with open(layout + "/index.json", "w", encoding="utf-8") as f:
        json.dump(index, f)
