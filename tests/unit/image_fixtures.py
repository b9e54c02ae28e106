#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes image archives for test_image.c, good and bad, into the directory that is its argument.

The bad ones are made byte by byte, because no image tool would write them; some good ones are made by umoci and skopeo
where those are installed (tools.txt says whether they are).
"""
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
OCI = "application/vnd.oci.image."
PASSWD = b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/app:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:1001:\nextra:x:44:nobody,app\n"


def entry(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = fields.pop("mode", 0o644)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name, mode=0o755, **fields):
    return entry(name, type=tarfile.DIRTYPE, mode=mode, **fields)


def make_tar(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Image:
    """An OCI layout in memory; blobs can be broken between building and writing."""

    def __init__(self):
        self.blobs, self.manifests = {}, []

    def put(self, data):
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return digest

    def blob(self, media_type, data, **more):
        return {"mediaType": media_type, "digest": "sha256:" + self.put(data),
                "size": len(data), **more}

    def add(self, layers, ref=None, config=None, pack=None, layer_type=OCI + "layer.v1.tar+gzip",
            manifest_type=OCI + "manifest.v1+json", diff_ids=None, arch=ARCH):
        pack = pack or (lambda data: gzip.compress(data, mtime=0))
        described = [self.blob(layer_type, pack(data)) for data in layers]
        ids = diff_ids or ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]
        document = {"architecture": arch, "os": "linux", "config": config or {},
                    "rootfs": {"type": "layers", "diff_ids": ids}, "x-foreign": [1, {"a": None}]}
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "layers": described,
                    "config": self.blob(OCI + "config.v1+json", json.dumps(document).encode())}
        note = {"annotations": {"org.opencontainers.image.ref.name": ref}} if ref else {}
        self.manifests.append(self.blob(manifest_type, json.dumps(manifest).encode(), **note))
        return described

    def nest(self):
        """Puts the manifests into an index of their own, with a platform of another machine first."""
        other = dict(self.manifests[0], platform={"os": "linux", "architecture": "pdp11"})
        mine = dict(self.manifests[0], platform={"os": "linux", "architecture": ARCH})
        index = {"schemaVersion": 2, "manifests": [other, mine]}
        self.manifests = [self.blob(OCI + "index.v1+json", json.dumps(index).encode())]

    def write(self, path):
        index = json.dumps({"schemaVersion": 2, "manifests": self.manifests}).encode()
        files = [entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]
        files += [entry("./blobs/sha256/" + d, data) for d, data in sorted(self.blobs.items())]
        files.append(entry("index.json", index))
        with open(path, "wb") as out:
            out.write(make_tar(*files))


def plain_layer(*more):
    return make_tar(folder("etc"), entry("etc/passwd", PASSWD), entry("etc/group", GROUP),
                    folder("app"), entry("app/run", b"#!/bin/sh\n", mode=0o755, mtime=1000), *more)


def one(path, layers, break_it=None, **how):
    image = Image()
    described = image.add(layers, **how)
    if break_it:
        break_it(image, described[0]["digest"][7:])
    image.write(path)


def flip(image, digest):
    data = bytearray(image.blobs[digest])
    data[len(data) // 2] ^= 1
    image.blobs[digest] = bytes(data)


def cut(image, digest):
    image.blobs[digest] = image.blobs[digest][:-20]


def remove(image, digest):
    del image.blobs[digest]


def good(out):
    config = {"Entrypoint": ["/app/run"], "Cmd": ["-v", "x y"], "Env": ["A=1", "B=ü"],
              "User": "app", "WorkingDir": "/app", "StopSignal": "SIGRTMIN+3",
              "ExposedPorts": {"8080/tcp": {}, "53/udp": {}}}
    xattrs = {"SCHILY.xattr.user.keep": "yes", "SCHILY.xattr.user.overlay.opaque": "y",
              "SCHILY.xattr.security.capability": "no", "SCHILY.xattr.trusted.overlay.opaque": "y"}
    lower = plain_layer(
        folder("tree"), entry("tree/gone", b"1"), entry("tree/kept", b"2"),
        folder("opaque"), entry("opaque/old", b"3"), folder("swap"), entry("swap/old", b"4"),
        entry("first", b"linked"), entry("second", type=tarfile.LNKTYPE, linkname="first"),
        entry("su", b"s", mode=0o4755, uid=7, gid=8), folder("attr", pax_headers=xattrs),
        entry("na\u00efve-\u4e2d", b"n"), entry("pipe", type=tarfile.FIFOTYPE),
        entry("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("link", type=tarfile.SYMTYPE, linkname="../../etc/passwd"))
    upper = make_tar(
        folder("tree"), entry("tree/.wh.gone"), folder("opaque"), entry("opaque/new", b"5"),
        entry("opaque/.wh..wh..opq"), folder("swap"), entry("swap/new", b"6"), entry(".wh.swap"),
        entry("tree/.wh.both"), entry("tree/both", b"7"))
    one(out + "/good.oci", [lower, upper, make_tar()], config=config)
    image = Image()
    image.add([lower, upper], config=dict(config, User="1000:extra", StopSignal="2"), ref="v1")
    image.nest()
    image.write(out + "/nested.oci")
    image = Image()
    image.add([lower], ref="v1")
    image.add([plain_layer()], ref="v2")
    image.write(out + "/two.oci")
    with open(out + "/rootfs.tar", "wb") as file:
        file.write(plain_layer())
    docker(out + "/docker.tar", lower, upper, config)


def docker(path, lower, upper, config):
    ids = ["sha256:" + hashlib.sha256(data).hexdigest() for data in (lower, upper, lower)]
    document = json.dumps({"architecture": ARCH, "os": "linux", "config": config,
                           "rootfs": {"type": "layers", "diff_ids": ids}}).encode()
    name = hashlib.sha256(document).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": ["demo:1"], "Layers": ["a/layer.tar", "b/layer.tar",
                                                                   "c/layer.tar"]}]
    with open(path, "wb") as file:
        file.write(make_tar(
            entry("a/layer.tar", lower), entry("b/layer.tar", upper),
            entry("c/layer.tar", type=tarfile.SYMTYPE, linkname="../a/layer.tar"),
            entry(name, document), entry("manifest.json", json.dumps(manifest).encode())))


def bad(out):
    layer = plain_layer()
    loop = [entry("d", type=tarfile.SYMTYPE, linkname="/e"), entry("e", type=tarfile.SYMTYPE, linkname="d")]
    one(out + "/digest.oci", [layer], flip)
    one(out + "/size.oci", [layer], cut)
    one(out + "/absent.oci", [layer], remove)
    one(out + "/diffid.oci", [layer], diff_ids=["sha256:" + "0" * 64])
    one(out + "/count.oci", [layer], diff_ids=["sha256:" + "0" * 64] * 2)
    one(out + "/half.oci", [layer], pack=lambda data: gzip.compress(data, mtime=0)[:-40])
    one(out + "/symlink.oci", [plain_layer(*loop, entry("d/passwd", b"evil"))])
    one(out + "/dotdot.oci", [plain_layer(entry("app/../../evil", b"evil"))])
    one(out + "/hardlink.oci", [plain_layer(entry("l", type=tarfile.LNKTYPE,
                                                  linkname="../../../../etc/shadow"))])
    one(out + "/device.oci", [plain_layer(entry("app/disk", type=tarfile.BLKTYPE, devmajor=8))])
    one(out + "/owner.oci", [plain_layer(entry("app/x", uid=70000))])
    one(out + "/user.oci", [layer], config={"User": "nobody-here"})
    one(out + "/signal.oci", [layer], config={"StopSignal": "SIGNONSENSE"})
    one(out + "/arch.oci", [layer], arch="pdp11")
    one(out + "/layertype.oci", [layer], layer_type="application/x-strange")
    one(out + "/manifesttype.oci", [layer], manifest_type="application/x-strange")
    one(out + "/notgzip.oci", [layer], pack=lambda data: b"neither tar nor gzip" * 100)
    with open(out + "/good.oci", "rb") as file:
        data = file.read()
    with open(out + "/cut.oci", "wb") as file:
        file.write(data[:len(data) // 2])
    with open(out + "/text.oci", "wb") as file:
        file.write(b"this is not an archive\n" * 100)
    image = Image()
    image.add([layer])
    image.manifests[0]["size"] += 1
    image.write(out + "/manifestsize.oci")


def tools(out):
    """The same small image by umoci, and through skopeo."""
    if not shutil.which("umoci") or not shutil.which("skopeo"):
        return
    root, layout = out + "/root", out + "/layout"
    os.makedirs(root + "/app")
    with open(root + "/app/run", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n")
    for command in (
            ["umoci", "init", "--layout", layout],
            ["umoci", "new", "--image", layout + ":demo"],
            ["umoci", "insert", "--image", layout + ":demo", root + "/app", "/app"],
            ["umoci", "config", "--image", layout + ":demo", "--config.entrypoint", "/app/run"],
            ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:demo",
             f"oci-archive:{out}/skopeo.oci:demo"],
            ["skopeo", "--insecure-policy", "copy", "-q", "--dest-compress-format", "zstd",
             "--dest-compress", f"oci:{layout}:demo", f"oci:{out}/zstd:demo"],
            ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:demo",
             f"docker-archive:{out}/skopeo.docker:demo:1"],
            ["tar", "-C", out + "/zstd", "-cf", out + "/zstd.oci", "."]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(out + "/tools.txt", "w", encoding="utf-8") as file:
        file.write("umoci skopeo\n")


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    good(sys.argv[1])
    bad(sys.argv[1])
    tools(sys.argv[1])
