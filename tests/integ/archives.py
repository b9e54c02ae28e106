# SPDX-License-Identifier: Apache-2.0
"""
The same image in the archives of other tools. A function that bears the name of a tool writes the names, links,
media types and times as that tool does; they were copied by hand from its archives.
"""
import gzip
import hashlib
import json

import oci
import tars
from tars import folder, link, member, symlink

ARCH = "amd64"
YEAR_1980 = 315532801  # as buildpacks set it
EMPTY = bytes(1024)    # the layer docker makes for an instruction that changes nothing


def hexof(data):
    return hashlib.sha256(data).hexdigest()


def config_of(layers, config, **more):
    return json.dumps({"architecture": ARCH, "os": "linux", "config": config,
                       "rootfs": {"type": "layers", "diff_ids": [oci.sha256(x) for x in layers]}, **more}).encode()


def zipped(data):
    return gzip.compress(data, 6, mtime=0)


def manifest(config, layers, tags=("it:latest",)):
    return member("manifest.json", json.dumps([{"Config": config, "RepoTags": list(tags), "Layers": layers}]).encode())


# --- docker-archive -------------------------------------------------------------------------------
def docker_1_10(layers, config):
    """A directory per layer, with the version 1 files; one that comes again is a link to the first."""
    body = config_of(layers, config)
    out, names, first = [], [], {}
    for n, layer in enumerate(layers):
        key = hexof(b"%d" % n)
        names.append(key + "/layer.tar")
        out += [folder(key + "/"), member(key + "/VERSION", b"1.0"), member(key + "/json", b'{"id": "%d"}' % n)]
        if layer in first:
            out.append(symlink(names[n], "../" + first[layer]))
        else:
            out.append(member(names[n], layer))
            first[layer] = names[n]
    out += [member(hexof(body) + ".json", body), manifest(hexof(body) + ".json", names),
            member("repositories", b'{"it": {"latest": "x"}}')]
    return "docker-archive", tars.end(*out)


def docker_25(layers, config):
    """An OCI layout and a manifest.json in one."""
    body = config_of(layers, config)
    made = layout(layers, config, "application/vnd.oci.image.layer.v1.tar", lambda x: x)
    names = ["blobs/sha256/" + hexof(x) for x in layers]
    return "docker-archive", tars.end(folder("blobs/"), folder("blobs/sha256/"), *made,
                                      manifest("blobs/sha256/" + hexof(body), names),
                                      member("repositories", b"{}"))


def docker_25_as_oci(layers, config):
    return "oci-archive", docker_25(layers, config)[1]


def podman(layers, config):
    """podman save: layers by their diff_id, and links with the old names."""
    body = config_of(layers, config)
    out = [member(hexof(layer) + ".tar", layer) for layer in dict.fromkeys(layers)]
    for layer in dict.fromkeys(layers):
        old = hexof(b"old" + layer)
        out += [folder(old), member(old + "/VERSION", b"1.0"), symlink(old + "/layer.tar", f"../{hexof(layer)}.tar"),
                member(old + "/json", b"{}")]
    out += [member(hexof(body) + ".json", body), manifest(hexof(body) + ".json", [hexof(x) + ".tar" for x in layers],
                                                          ["localhost/it:latest"])]
    return "docker-archive", tars.end(*out)


def ko(layers, config):
    """ko, crane, kaniko: the config is called by its digest, layers are compressed."""
    body = config_of(layers, config)
    packed = {hexof(zipped(x)) + ".tar.gz": zipped(x) for x in layers}
    return "docker-archive", tars.end(member(oci.sha256(body), body), *(member(*x) for x in packed.items()),
                                      manifest(oci.sha256(body), [hexof(zipped(x)) + ".tar.gz" for x in layers],
                                               ["ko.local/it:latest"]))


def jib(layers, config):
    """The config's name says nothing of its content."""
    body = config_of(layers, config, created="1970-01-01T00:00:00Z")
    packed = {hexof(zipped(x)) + ".tar.gz": zipped(x) for x in layers}
    return "docker-archive", tars.end(*(member(*x) for x in packed.items()), member("config.json", body),
                                      manifest("config.json", [hexof(zipped(x)) + ".tar.gz" for x in layers]))


def bazel_docker(layers, config):
    """rules_docker: every name begins with ./, repeated layers are hard links; no word of the platform."""
    body = json.loads(config_of(layers, config))
    body.update(architecture="", os="", created="0001-01-01T00:00:00Z")
    body = json.dumps(body).encode()
    out, names, first = [member("./" + hexof(body) + ".json", body)], [], {}
    for n, layer in enumerate(layers):
        names.append(f"{n:064x}/layer.tar")
        out.append(folder(f"./{n:064x}"))
        out.append(link("./" + names[n], "./" + first[layer]) if layer in first else member("./" + names[n], layer))
        first.setdefault(layer, names[n])
    text = json.dumps([{"Config": hexof(body) + ".json", "RepoTags": ["bazel/image:it"], "Layers": names,
                        "Parent": ""}]).encode()
    return "docker-archive", tars.end(*out, member("./manifest.json", text), member("./repositories", b"{}"))


def bazel_oci(layers, config):
    """rules_oci's oci_load: blobs of a layout, layers with an ending."""
    body = config_of(layers, config)
    names = ["blobs/sha256/" + hexof(zipped(x)) + ".tar.gz" for x in layers]
    return "docker-archive", tars.end(manifest("blobs/sha256/" + hexof(body), names),
                                      member("blobs/sha256/" + hexof(body), body),
                                      *(member(*x) for x in dict(zip(names, map(zipped, layers))).items()))


def nix(layers, config):
    """dockerTools: directories that come again and again, times of one second after 1970, links between layers."""
    body = config_of(layers, config, created="1970-01-01T00:00:01+00:00")
    out, names = [], []
    for n, layer in enumerate(layers):
        key = hexof(b"nix%d" % n)
        names.append(key + "/layer.tar")
        out += [folder(".", mtime=1, mode=0o555), folder(key, mtime=1, mode=0o555), folder(key, mtime=1, mode=0o555)]
        same = layers.index(layer)
        out += [symlink(names[n], f"../{names[same]}", mtime=1) if same < n else member(names[n], layer, mode=0o444,
            mtime=1)]
        out += [member(key + "/VERSION", b"1.0", mtime=1)]
    out += [member(hexof(body) + ".json", body, mtime=1), manifest(hexof(body) + ".json", names, ["it:" + "0" * 32])]
    return "docker-archive", tars.end(*out)


def nix_streamed(layers, config):
    """streamLayeredImage: every layer begins with the same directories."""
    again = [folder("./", mtime=1, mode=0o555) + folder("./nix", mtime=1, mode=0o555)
             + folder("./nix/store", mtime=1, mode=0o555)]
    return nix([again[0] + x for x in layers], config)


def buildpacks(layers, config):
    """pack: layers of 1980, called from the root, the lifecycle's directories, a user by number."""
    cnb = tars.end(folder("cnb", uid=1000, gid=1000, mtime=YEAR_1980), folder("cnb/process", mtime=YEAR_1980),
                   symlink("cnb/process/web", "/srv/probe", mtime=YEAR_1980),
                   folder("layers", uid=1000, gid=1000, mtime=YEAR_1980),
                   folder("workspace", uid=1000, gid=1000, mtime=YEAR_1980))
    layers = [*layers, cnb]
    body = config_of(layers, {**config, "User": "1000:1000", "Entrypoint": ["/cnb/process/web"],
                              "WorkingDir": "/workspace",
                              "Env": ["CNB_LAYERS_DIR=/layers", "CNB_APP_DIR=/workspace"]},
                              created="1980-01-01T00:00:01Z")
    names = [f"/{hexof(x)}.tar" for x in layers]
    return "docker-archive", tars.end(*(member(n, x, mtime=YEAR_1980) for n, x in dict(zip(names, layers)).items()),
                                      member("/" + oci.sha256(body), body, mtime=YEAR_1980),
                                      manifest(oci.sha256(body), names, ["it"]))


def compressed(layers, config):
    return "docker-archive", zipped(docker_1_10(layers, config)[1])


# --- oci-archive ----------------------------------------------------------------------------------
def described(out, kind, data, **more):
    out.setdefault("blobs/sha256/" + hexof(data), data)
    return {"mediaType": kind, "digest": oci.sha256(data), "size": len(data), **more}


def image(out, layers, config, layer_kind, pack, kinds=(oci.MANIFEST, oci.CONFIG), notes=None, **more):
    """Puts an image's blobs into out; its descriptor."""
    text = {"schemaVersion": 2, "mediaType": kinds[0], "config": described(out, kinds[1], config_of(layers, config)),
            "layers": [described(out, layer_kind, pack(x), **(notes(x) if notes else {})) for x in layers]}
    return described(out, kinds[0], json.dumps(text).encode(), **more)


def files(blobs, entries, **more):
    index = json.dumps({"schemaVersion": 2, "manifests": entries, **more}).encode()
    return [member("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), *(member(*x) for x in blobs.items()),
            member("index.json", index)]


def layout(layers, config, kind, pack, **more):
    blobs = {}
    return files(blobs, [image(blobs, layers, config, kind, pack, **more)])


def buildah(layers, config):
    return "oci-archive", tars.end(*layout(layers, config, oci.LAYER + "+gzip", zipped))


def docker_types(layers, config):
    """A registry's docker manifest, copied into a layout."""
    docker = "application/vnd.docker."
    return "oci-archive", tars.end(*layout(layers, config, docker + "image.rootfs.diff.tar.gzip", zipped,
                                           kinds=(docker + "distribution.manifest.v2+json", docker
                                                  + "container.image.v1+json")))


def foreign_types(layers, config):
    return "oci-archive", tars.end(*layout(layers, config,
                                           "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", zipped))


def uncompressed(layers, config):
    return "oci-archive", tars.end(*layout(layers, config, oci.LAYER, lambda x: x))


def mislabelled(layers, config):
    """Said to be compressed, and not: the content decides, whose digests are promised."""
    return "oci-archive", tars.end(*layout(layers, config, oci.LAYER + "+gzip", lambda x: x))


def zstd_frame(data):
    """RFC 8878: one frame of raw blocks."""
    blocks = [data[at:at + (128 << 10)] for at in range(0, len(data), 128 << 10)] or [b""]
    out = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    for n, block in enumerate(blocks):
        out += (len(block) << 3 | (n == len(blocks) - 1)).to_bytes(3, "little") + block
    return out


def zstd(layers, config):
    return "oci-archive", tars.end(*layout(layers, config, oci.LAYER + "+zstd", zstd_frame))


def zstd_chunked(layers, config):
    """containers/storage: many frames, a skippable one with a table of contents, annotations."""
    def pack(data):
        frames = [zstd_frame(data[at:at + 5000]) for at in range(0, len(data), 5000)]
        return b"".join(frames) + b"\x50\x2a\x4d\x18" + (64).to_bytes(4, "little") + b"GNUlInUx".rjust(64, b"\0")
    return "oci-archive", tars.end(*layout(layers, config, oci.LAYER + "+zstd", pack, notes=lambda x: {
        "annotations": {"io.github.containers.zstd-chunked.manifest-checksum": oci.sha256(x)}}))


def estargz(layers, config):
    """stargz-snapshotter: a gzip member per file, a landmark and a table of contents as the last files."""
    toc = member(".no.prefetch.landmark", b"\xf0") + member("stargz.index.json", b'{"version": 1, "entries": []}')
    layers = [toc + x for x in layers]

    def pack(data):
        return b"".join(zipped(data[at:at + 4096]) for at in range(0, len(data), 4096))
    return "oci-archive", tars.end(*layout(layers, config, oci.LAYER + "+gzip", pack, notes=lambda x: {
        "annotations": {"containerd.io/snapshot/stargz/toc.digest": oci.sha256(x)}}))


PLATFORMS = [("windows", "amd64"), ("linux", "s390x"), ("linux", ARCH), ("linux", "arm64")]


def platforms(blobs, layers, config):
    """An image for each; only ours has the program."""
    return [image(blobs, layers if (system, arch) == ("linux", ARCH) else [EMPTY], config, oci.LAYER + "+gzip", zipped,
                  platform={"os": system, "architecture": arch}) for system, arch in PLATFORMS]


def multi_platform(layers, config):
    blobs = {}
    return "oci-archive", tars.end(*files(blobs, platforms(blobs, layers, config)))


def nested(layers, config):
    blobs = {}
    kind = "application/vnd.oci.image.index.v1+json"
    inner = described(blobs, kind, json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": platforms(blobs,
        layers, config)}).encode())
    return "oci-archive", tars.end(*files(blobs, [inner]))


def docker_list(layers, config):
    blobs = {}
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    inner = described(blobs, kind, json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": platforms(blobs,
        layers, config)}).encode())
    return "oci-archive", tars.end(*files(blobs, [inner]))


def buildkit(layers, config):
    """docker buildx -o type=oci: in the index beside the image what attests to it, of no platform."""
    blobs = {}
    mine = image(blobs, layers, config, oci.LAYER + "+gzip", zipped, platform={"os": "linux", "architecture": ARCH})
    proof = image(blobs, [EMPTY], {}, "application/vnd.in-toto+json", lambda x: b'{"predicate": {}}',
                  platform={"os": "unknown", "architecture": "unknown"},
                  annotations={"vnd.docker.reference.type": "attestation-manifest",
                               "vnd.docker.reference.digest": mine["digest"]})
    kind = "application/vnd.oci.image.index.v1+json"
    inner = described(blobs, kind, json.dumps({"schemaVersion": 2, "manifests": [proof, mine]}).encode(),
                      annotations={"io.containerd.image.name": "docker.io/library/it:latest",
                                   "org.opencontainers.image.ref.name": "latest"})
    return "oci-archive", tars.end(*files(blobs, [inner]))


def attested_flat(layers, config):
    """The same without the inner index, and without a word of platforms."""
    blobs = {}
    mine = image(blobs, layers, config, oci.LAYER + "+gzip", zipped)
    proof = image(blobs, [EMPTY], {}, "application/vnd.in-toto+json", lambda x: b"{}",
                  annotations={"vnd.docker.reference.type": "attestation-manifest",
                               "vnd.docker.reference.digest": mine["digest"]})
    return "oci-archive", tars.end(*files(blobs, [mine, proof]))


def signed(layers, config):
    """cosign, oras: signatures and lists of parts lie beside the image, called artifacts, or of types of their own."""
    blobs = {}
    mine = image(blobs, layers, config, oci.LAYER + "+gzip", zipped)
    seal = image(blobs, [EMPTY], {}, oci.LAYER, zipped, artifactType="application/vnd.dev.cosign.artifact.sig.v1+json")
    parts = described(blobs, "application/spdx+json", b"{}")
    return "oci-archive", tars.end(*files(blobs, [seal, parts, mine]))


def two_names(layers, config):
    """One image under two names: no question which is meant."""
    blobs = {}
    mine = image(blobs, layers, config, oci.LAYER + "+gzip", zipped)
    entries = [{**mine, "annotations": {"org.opencontainers.image.ref.name": name}} for name in ("latest", "v1")]
    return "oci-archive", tars.end(*files(blobs, entries))


def with_more(layers, config):
    """Files that no specification knows, in front, between and behind; index.json first, oci-layout last."""
    blobs = {}
    mine = image(blobs, layers, config, oci.LAYER + "+gzip", zipped, annotations={"x": "y"},
                 **{"x-unknown": [1, {"a": None}]})
    first, *middle, last = files(blobs, [mine], annotations={"made": "by hand"})
    return "oci-archive", tars.end(member("README", b"hello"), folder("blobs/sha512"),
                                   member("blobs/sha512/" + "0" * 128, b"x"), folder("./"), last,
                                   symlink("latest", "index.json"), *middle,
                                   member("blobs/sha256/" + "1" * 64, b"of nobody"), first)


def hard_linked(layers, config):
    """tar of a layout that keeps its blobs in a pool and links to them."""
    made = []
    for n, data in enumerate(layout(layers, config, oci.LAYER + "+gzip", zipped)):
        name, size = data[:100].rstrip(b"\0").decode(), int(data[124:135], 8)
        made += [member(f"pool/{n}", data[512:512 + size]), link(name, f"pool/{n}")]
    return "oci-archive", tars.end(*made)


DOCKER = [docker_1_10, docker_25, podman, ko, jib, bazel_docker, bazel_oci, nix, nix_streamed, buildpacks, compressed]
OCI = [docker_25_as_oci, buildah, docker_types, foreign_types, uncompressed, mislabelled, zstd, zstd_chunked, estargz,
       multi_platform, nested,
       docker_list, buildkit, attested_flat, signed, two_names, with_more, hard_linked]
