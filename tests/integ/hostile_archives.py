# SPDX-License-Identifier: Apache-2.0
"""Hostile archives around a layer that is good: JSON, digests, sizes, indexes, members of the outer tar."""
import json

import oci
import tars
from hostile_layers import ANY, REFUSED, TAKEN, UP
from tars import CHAR, FIFO, FOLDER, base256, end, header, link, member, pax, symlink

GOOD = end(member("f", b"fine"))
NOTHING = "sha256:" + "0" * 64


def image(spoil=None, **more):
    made = oci.Image([GOOD], zip_layers=False, **more)
    if spoil:
        spoil(made)
    return made


def archive(made, instead=None, before=b"", behind=b""):
    """The outer tar; instead: {member's name: bytes of a tar}."""
    files = {name: member(name, data) for name, data in made.files()}
    files.update(instead or {})
    return end(before, *files.values(), behind)


def with_index(text):
    return archive(image(), {"index.json": member("index.json", text)})


def document(kind, text, **more):
    """An image whose config or manifest is this text; its digests are right."""
    made = image(**more)
    if kind == "config":
        made.manifest["config"] = made._put(oci.CONFIG, text)
        made.seal()
    else:
        made.index["manifests"][0].update(made._put(oci.MANIFEST, text))
    return archive(made)


def edited(change, kind="config"):
    """change(the parsed config or manifest) spoils it."""
    made = image()
    if kind == "manifest":
        change(made.manifest)
    elif kind == "index":
        change(made.index)
        return archive(made)
    else:
        body = json.loads(made.blobs[made.manifest["config"]["digest"]])
        change(body)
        made.manifest["config"] = made._put(oci.CONFIG, json.dumps(body).encode())
    made.seal()
    return archive(made)


TEXTS = {
    "empty": b"", "null": b"null", "number": b"1", "text": b'"x"', "list": b"[]", "object": b"{}", "words": b"hello",
    "cut": b'{"manifests": [',
    "deep_lists": b"[" * 100000, "deep_objects": b'{"a":' * 100000, "deep_closed": b"[" * 5000 + b"]" * 5000,
    "nul": b"{}\0{}",
    "two": b"{}{}", "garbage_behind": b"{} x", "comment": b"/* x */ {}", "byte_order_mark": b"\xef\xbb\xbf{}",
    "utf16": '{"a": 1}'.encode("utf-16"),
    "not_utf8": b'{"a": "\xff\xfe"}', "surrogate": b'{"a": "\\ud800"}', "nul_escape": b'{"a\\u0000b": "\\u0000"}',
    "bad_escape": b'{"a": "\\x"}',
    "big_number": b'{"a": 1e999999}', "long_number": b'{"a": ' + b"9" * 100000 + b"}", "long_text": b'{"a": "'
    + b"x" * (3 << 20) + b'"}',
    "over_4_mb": b'{"a": "' + b"x" * (5 << 20) + b'"}', "many_keys": b"{"
    + b",".join(b'"%d":0' % n for n in range(200000)) + b"}",
    "many_elements": b"[" + b"0," * 500000 + b"0]", "trailing_comma": b'{"a": 1,}', "single_quotes": b"{'a': 1}",
    "nan": b'{"a": NaN}'}


def texts(_):
    for what, text in TEXTS.items():
        yield "index_" + what, with_index(text), REFUSED
        yield "manifest_" + what, document("manifest", text), REFUSED
        yield "config_" + what, document("config", text), REFUSED
        yield "docker_" + what, ("docker-archive", end(member("manifest.json", text))), REFUSED


def twice(_):
    """A key that comes twice: whichever counts, what is unpacked is what its digest says."""
    made = image()
    good = json.dumps(made.index["manifests"]).encode()
    bad = good.replace(made.index["manifests"][0]["digest"].encode(), NOTHING.encode())
    for what, (first, second) in {"good_bad": (good, bad), "bad_good": (bad, good)}.items():
        yield "twice_manifests_" + what, with_index(b'{"manifests": %s, "manifests": %s}' % (first, second)), ANY
    body = made.blobs[made.manifest["config"]["digest"]]
    for what, more in {"rootfs": b'"rootfs": {"type": "layers", "diff_ids": []}',
                       "config": b'"config": {"User": "0"}'}.items():
        yield "twice_config_" + what, document("config", body[:-1] + b", " + more + b"}"), ANY


def descriptors(_):
    values = {"missing": None, "number": 5, "null_bytes": "sha256:\0", "sha512": "sha512:" + "0" * 128,
              "upper": "SHA256:" + "0" * 64, "short": NOTHING[:-1],
              "long": NOTHING + "0", "letters": "sha256:" + "z" * 64, "path": "sha256:../../../../etc/passwd",
              "slash": "sha256:/" + "0" * 63,
              "bare": "0" * 64, "empty": "", "list": ["x"], "other": NOTHING, "spaces": " " + NOTHING}
    for what, digest in values.items():
        for where in ("config", "layer", "manifest"):
            yield f"digest_{where}_{what}", edited_descriptor(where, "digest", digest), REFUSED
    for what, size in {"missing": None, "negative": -1, "text": "12", "half": 1.5, "huge": 1 << 70,
                       "max": (1 << 63) - 1, "zero": 0, "true": True,
                       "one_more": "+1", "one_less": "-1"}.items():
        for where in ("config", "layer", "manifest"):
            yield f"size_{where}_{what}", edited_descriptor(where, "size", size), REFUSED
    for what, kind in {"missing": None, "empty": "", "number": 7, "other": "text/html",
                       "index": "application/vnd.oci.image.index.v1+json",
                       "upper": oci.MANIFEST.upper(), "long": "x" * 100000, "newline": "a\nb\x1b[31m"}.items():
        for where in ("config", "layer", "manifest"):
            yield f"type_{where}_{what}", edited_descriptor(where, "mediaType", kind), REFUSED


def edited_descriptor(where, key, value):
    def change(parent):
        at = {"config": lambda: parent["config"], "layer": lambda: parent["layers"][0],
              "manifest": lambda: parent["manifests"][0]}[where]()
        if value in ("+1", "-1"):
            at[key] += int(value)
        elif value is None:
            del at[key]
        else:
            at[key] = value
    return edited(change, "index" if where == "manifest" else "manifest")


def damaged(_):
    def flip(which):
        made = image()
        digest = {"layer": made.manifest["layers"][0]["digest"], "config": made.manifest["config"]["digest"],
                  "manifest": made.index["manifests"][0]["digest"]}[which]
        data = bytearray(made.blobs[digest])
        data[len(data) // 2] ^= 1
        made.blobs[digest] = bytes(data)
        return archive(made)
    for which in ("layer", "config", "manifest"):
        yield "flipped_" + which, flip(which), REFUSED
    yield "layer_is_the_config", edited(lambda m: m["layers"].__setitem__(0, {**m["config"], "mediaType": oci.LAYER}),
                                        "manifest"), REFUSED
    yield "config_is_the_layer", edited(lambda m: m.update(config={**m["layers"][0], "mediaType": oci.CONFIG}),
                                        "manifest"), REFUSED
    for what, count in {"none": 0, "two": 2, "hundred": 100}.items():
        yield f"layers_{what}", edited(lambda m, n=count: m.update(layers=m["layers"] * n), "manifest"), REFUSED
        yield f"diff_ids_{what}", edited(lambda c,
                                         n=count: c["rootfs"].update(diff_ids=c["rootfs"]["diff_ids"] * n)), REFUSED
    for what, value in {"null": None, "text": "x", "object": {}, "numbers": [1], "nested": [[]],
                        "long": [NOTHING] * 100000}.items():
        yield "diff_ids_are_" + what, edited(lambda c, v=value: c["rootfs"].update(diff_ids=v)), REFUSED
        yield "layers_are_" + what, edited(lambda m, v=value: m.update(layers=v), "manifest"), REFUSED
    yield "diff_id_wrong", edited(lambda c: c["rootfs"].update(diff_ids=[NOTHING])), REFUSED
    yield "foreign_layer", edited(lambda m: m["layers"][0].update(digest=NOTHING, urls=["http://localhost/x"]),
                                  "manifest"), REFUSED
    yield "embedded_data", edited(lambda m: m["layers"][0].update(data="ZXZpbA==", digest=NOTHING), "manifest"), REFUSED


def indexes(_):
    kind = "application/vnd.oci.image.index.v1+json"

    def nested(depth, loop=False):
        made = image()
        entry = made.index["manifests"][0]
        for _ in range(depth):
            entry = made._put(kind, json.dumps({"manifests": [entry]}).encode())
        if loop:
            entry = {**entry, "digest": NOTHING}
            made.blobs[NOTHING] = json.dumps({"manifests": [entry]}).encode()
        made.index = {"manifests": [entry]}
        return archive(made)
    yield "index_in_itself", nested(1, loop=True), REFUSED
    for depth in (5, 6, 50, 1000):
        yield f"index_nested_{depth}", nested(depth), REFUSED
    for what, manifests in {"none": [], "null": None, "numbers": [1, 2], "nulls": [None] * 10, "text": "x",
                            "object": {"a": 1}}.items():
        yield "index_of_" + what, edited(lambda i, m=manifests: i.update(manifests=m), "index"), REFUSED
    yield "index_of_10000", edited(lambda i: i.update(manifests=i["manifests"] * 10000), "index"), TAKEN
    for what, platform in {"windows": {"os": "windows"}, "arch": {"architecture": "pdp11"},
                           "unknown": {"os": "unknown", "architecture": "unknown"}}.items():
        yield "index_only_" + what, edited(lambda i, p=platform: i["manifests"][0].update(platform=p), "index"), REFUSED
    for what, platform in {"list": [], "text": "x", "number": {"os": 5}}.items():
        yield "index_platform_" + what, edited(lambda i, p=platform: i["manifests"][0].update(platform=p), "index"), ANY


def configs(_):
    values = {
        "Entrypoint": ["text", 5, {}, [1], [None], ["x"] * 10000, ["x" * 100000], ["a\0b"]],
        "Cmd": ["text", [["x"]], ["\ud800"]],
        "Env": ["A=1", [1], ["A=" + "x" * 200000], ["A=1"] * 20000, ["A\nB=1"], ["=x"], ["A"], [""], ["A=1\0B=2"],
                ["LD_PRELOAD=/evil.so"]],
        "User": ["../..", "-1", "4294967295", "4294967296", "65536", "0:65536", "a:b:c", "nobody\n", ":", "::",
                 "x" * 5000, "root:nobody-here", " 0", "0x0", "+0"],
        "WorkingDir": ["relative", "..", "/" + UP + "etc", "/" + "x" * 5000, "/a\nb", "/proc/self/cwd", "/dev"],
        "StopSignal": ["0", "65", "-1", "SIG", "SIGNONSENSE", "SIGRTMIN+99", "9" * 50, "\n"],
        "ExposedPorts": [{"0/tcp": {}}, {"70000/tcp": {}}, {"x/tcp": {}}, {"-1": {}}, {"8080/sctp": {}}, [], "8080",
                         {str(n): {} for n in range(20000)}],
        "Volumes": [{UP: {}}, {"/": {}}, {"/etc": {}}], "Labels": [{"a" * 100000: "b"}],
        "Healthcheck": [{"Test": ["CMD", "evil"]}],
        "OnBuild": [["RUN evil"]], "Shell": [5]}
    for key, options in values.items():
        for n, value in enumerate(options):
            yield f"config_{key}_{n}", edited(lambda c, k=key, v=value: c["config"].update({k: v})), ANY
    for key, value in {"os": "windows", "architecture": "pdp11"}.items():
        yield "config_for_" + value, edited(lambda c, k=key, v=value: c.update({k: v})), REFUSED
    for what, value in {"missing": None, "list": [], "type": {"type": "other", "diff_ids": "x"}}.items():
        yield "config_rootfs_" + what, edited(lambda c, v=value: c.update(rootfs=v)), REFUSED
    yield "config_config_list", edited(lambda c: c.update(config=[])), ANY


def members(victim):
    made = image()
    layer = "blobs/" + made.manifest["layers"][0]["digest"].replace(":", "/")
    for what, target in {"absolute": victim + "/secret", "up": UP + victim.lstrip("/") + "/secret",
                         "self": "index.json", "proc": "/proc/self/environ",
                         "missing": "not-there", "empty": ""}.items():
        yield "index_is_a_link_" + what, archive(made, {"index.json": symlink("index.json", target)}), REFUSED
        yield "layer_is_a_link_" + what, archive(made, {layer: symlink(layer, target)}), REFUSED
        yield "layer_is_a_hard_link_" + what, archive(made, {layer: link(layer, target)}), REFUSED
    for what, kind in {"dir": FOLDER, "fifo": FIFO, "device": CHAR}.items():
        yield "index_is_a_" + what, archive(made, {"index.json": member("index.json", kind=kind, major=1,
                                                                        minor=5)}), REFUSED
        yield "layer_is_a_" + what, archive(made, {layer: member(layer, kind=kind, major=1, minor=5)}), REFUSED
    yield "member_names_dotdot", archive(made, before=member("../evil", b"evil")
                                         + member("/" + UP + "evil", b"evil")), TAKEN
    yield "member_links_chain", archive(made, {layer: b"".join(symlink(f"blobs/{n}", str(n + 1)) for n in range(50))
                                               + symlink(layer, "../0")}), REFUSED
    yield "index_twice", archive(made, behind=member("index.json", b"{}")), ANY
    yield "index_claims", archive(made, {"index.json": header("index.json", size=base256(1 << 40, 12))}), REFUSED
    yield "index_negative", archive(made, {"index.json": header("index.json", size=base256(-1, 12))}), REFUSED
    yield "layer_claims", archive(made, {layer: header(layer, size=base256(1 << 40, 12))}), REFUSED
    holes = pax(("GNU.sparse.major", 1), ("GNU.sparse.minor", 0), ("GNU.sparse.name", "index.json"),
                ("GNU.sparse.realsize", 1 << 50))
    yield "index_sparse", archive(made, {"index.json": holes + member("x", tars.padded(b"1\n0\n1\n") + b"x")}), REFUSED
    yield "members_70000", archive(made, before=member("x") * 70000), REFUSED
    whole = archive(made)
    for at in (0, 1, 512, 700, len(whole) // 2):
        yield f"archive_cut_at_{at}", whole[:at] or b"\0", REFUSED
    yield "archive_of_zeros", bytes(20480), REFUSED
    yield "archive_is_text", b"this is not an archive\n" * 100, REFUSED
    yield "no_layout_file", archive(made, {"oci-layout": b""}), ANY
    yield "other_layout", archive(made, {"oci-layout": member("oci-layout", b'{"imageLayoutVersion": "9.0.0"}')}), ANY


def docker(victim):
    """Archives as of docker save, made wrong."""
    body = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": [oci.sha256(GOOD)]}}).encode()
    name = oci.sha256(body)[7:] + ".json"

    def saved(manifest, *more):
        text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        return "docker-archive", end(member("manifest.json", text), member(name, body), member("a/layer.tar", GOOD),
                                     *more)
    yield "docker_good", saved([{"Config": name, "Layers": ["a/layer.tar"]}]), TAKEN
    for what, config in {"path": "../../etc/passwd", "absolute": victim + "/secret", "missing": "0" * 64 + ".json",
                         "number": 5, "none": None, "empty": "",
                         "list": [], "long": "x" * 100000, "link": "l" * 64}.items():
        yield "docker_config_" + what, saved([{"Config": config, "Layers": ["a/layer.tar"]}],
                                             symlink("l" * 64, victim + "/secret")), REFUSED
    for what, layers in {"path": ["../../etc/passwd"], "absolute": [victim + "/secret"], "missing": ["b/layer.tar"],
                         "number": [5], "none": None, "empty": [],
                         "twice": ["a/layer.tar"] * 2, "text": "a/layer.tar", "manifest": ["manifest.json"],
                         "link": ["evil"], "loop": ["loop"],
                         "long": ["x" * 100000], "dir": ["a"]}.items():
        more = symlink("evil", victim + "/secret") + symlink("loop", "loop")
        yield "docker_layers_" + what, saved([{"Config": name, "Layers": layers}], more), REFUSED
    yield "docker_two_images", saved([{"Config": name, "Layers": ["a/layer.tar"]}] * 2), REFUSED
    yield "docker_no_image", saved([]), REFUSED
    yield "docker_not_a_list", saved({"Config": name, "Layers": ["a/layer.tar"]}), ANY
    yield "docker_other_layer", ("docker-archive", end(member("manifest.json", json.dumps([{"Config": name,
        "Layers": ["a"]}]).encode()), member(name, body),
                                                       member("a", end(member("evil", b"evil"))))), REFUSED
    yield "docker_config_spoiled", ("docker-archive", end(member("manifest.json", json.dumps([{"Config": name,
        "Layers": ["a"]}]).encode()),
                                                          member(name, body + b" "), member("a", GOOD))), REFUSED
    for what, data in {"dotdot": end(member("../evil", b"x")), "device": end(member("d", kind=CHAR, major=1)),
                       "text": b"hello", "owner": end(member("f", uid=99999))}.items():
        yield "rootfs_" + what, ("rootfs", data), REFUSED
