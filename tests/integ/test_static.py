# SPDX-License-Identifier: Apache-2.0
"""The runtime of static files through ebbd, on both backends of its loop: files, ranges, conditions, compressed files,
addresses, and requests for what is not to be served."""
import email
import gzip
import http.client
import json
import os
import re
import socket
import tarfile
import urllib.parse

import pytest

import pictures
import sites
import web
from test_builds_hostile import outside, said  # noqa: F401  a fixture
from test_runtimes_ring import HAS_RING
from waiting import slow, wait_for

FILES = sites.files()
BIG = "bin/3000001.bin"
WHEN = "Tue, 14 Nov 2023 22:13:20 GMT"  # sites.MTIME
SETTINGS = {"site": {}, "clean": {"STATIC_CLEAN_URLS": "1", "STATIC_IMMUTABLE": "/bin/ /docs/"},
            "slash": {"STATIC_TRAILING_SLASH": "1"}, "bare": {"STATIC_TRAILING_SLASH": "0", "STATIC_CLEAN_URLS": "1"}}


@pytest.fixture(scope="module")
def sites_ebb(module_ebb):
    module_ebb.import_image("oci-archive:" + sites.archive(), "site")
    services = {name: {"env": env} for name, env in SETTINGS.items()}
    if HAS_RING:
        services["ring"] = {"ebb": {"ioUring": True}}
    module_ebb.apply({name: {"runtime": "container", "entrypoint": "site", "maxInstances": 1, "maxConcurrency": 1000,
                             "memory": 64, **more} for name, more in services.items()})
    yield module_ebb
    for name in services:
        module_ebb.cli("rm", name)


@pytest.fixture(params=["site", pytest.param("ring", marks=pytest.mark.skipif(not HAS_RING, reason="needs Linux 6.4"))])
def name(request):
    return request.param


def path_of(file):
    return "/" + urllib.parse.quote(file)


def get(ebb, name, path, method="GET", **fields):
    return ebb.get(name, path, method=method, headers={k.replace("_", "-"): v for k, v in fields.items()})


def test_every_file_is_served_whole(sites_ebb, name):
    connection = http.client.HTTPConnection(*sites_ebb.address, timeout=slow(30))
    tags = {}
    for file, content in FILES.items():
        reply = web.exchange(connection, "GET", path_of(file), None, {"Host": f"{name}.localhost"})
        assert (reply.status, reply.headers["content-length"]) == (200, str(len(content))), file
        assert reply.body == content, file
        assert reply.headers["last-modified"] == WHEN and reply.headers["accept-ranges"] == "bytes"
        assert re.fullmatch(r'"[0-9a-f]{16}"', reply.headers["etag"]), reply
        assert tags.setdefault(reply.headers["etag"], content) == content, "one tag for two contents"
        head = web.exchange(connection, "HEAD", path_of(file), None, {"Host": f"{name}.localhost"})
        assert head.status == 200 and head.body == b""
        assert all(head.headers[k] == reply.headers[k] for k in ("etag", "content-length", "content-type"))
    connection.close()


@pytest.mark.parametrize("path, kind", [
    ("/", "text/html; charset=utf-8"), ("/style.css", "text/css; charset=utf-8"), ("/bin/1.bin", "application/octet-stream"),
    ("/app.3f9a1b2c.js", "text/javascript; charset=utf-8"), ("/data.unknown", "application/octet-stream"),
    ("/only.svg", "image/svg+xml"), ("/empty.txt", "text/plain; charset=utf-8")])
def test_the_name_tells_the_type(sites_ebb, path, kind):
    assert get(sites_ebb, "site", path).headers["content-type"] == kind


RANGES = [("0-0", [(0, 0)]), ("5-9", [(5, 9)]), ("-1", [(3000000, 3000000)]), ("2999990-", [(2999990, 3000000)]),
          ("0-2999999", [(0, 2999999)]), ("1-99999999999999999999", [(1, 3000000)]), ("0-99999", [(0, 99999)]),
          ("0-0,2-3", [(0, 0), (2, 3)]), ("100-200000, -5, 7-7", [(100, 200000), (2999996, 3000000), (7, 7)]),
          ("0-1,99999999-", [(0, 1)]), (",".join(f"{i}-{i}" for i in range(16)), [(i, i) for i in range(16)])]


def parts_of(reply):
    """The ranges of an answer, as (first, last, bytes)."""
    if reply.headers["content-type"].startswith("multipart/byteranges"):
        whole = email.message_from_bytes(b"Content-Type: " + reply.headers["content-type"].encode() + b"\r\n\r\n" + reply.body)
        found = [(part["content-range"], part.get_payload(decode=True)) for part in whole.get_payload()]
    else:
        found = [(reply.headers["content-range"], reply.body)]
    return [(*map(int, re.fullmatch(r"bytes (\d+)-(\d+)/3000001", text).groups()), data) for text, data in found]


@pytest.mark.parametrize("asked, wanted", RANGES)
def test_ranges_are_those_bytes(sites_ebb, name, asked, wanted):
    content = FILES[BIG]
    reply = get(sites_ebb, name, "/" + BIG, Range="bytes=" + asked)
    assert reply.status == 206 and int(reply.headers["content-length"]) == len(reply.body)
    assert parts_of(reply) == [(a, b, content[a:b + 1]) for a, b in wanted]


@pytest.mark.parametrize("asked", ["bytes=2-1", "bytes=x", "bytes=", "chars=0-1", "bytes=0-,0-", "bytes=" + "1-1," * 17])
def test_a_range_that_is_none_gives_the_whole_file(sites_ebb, asked):
    assert get(sites_ebb, "site", "/about.html", Range=asked).status == 200


def test_a_range_outside_is_416_with_the_size(sites_ebb):
    for asked in ("bytes=3000001-", "bytes=-0", "bytes=9000000-,9999999-"):
        reply = get(sites_ebb, "site", "/" + BIG, Range=asked)
        assert reply.status == 416 and reply.headers["content-range"] == "bytes */3000001"
        assert "cache-control" not in reply.headers
    assert get(sites_ebb, "site", "/empty.txt", Range="bytes=0-").status == 200
    assert get(sites_ebb, "site", "/" + BIG, "HEAD", Range="bytes=0-1").status == 200


def test_conditions_are_those_of_rfc_9110(sites_ebb):
    tag = get(sites_ebb, "site", "/about.html").headers["etag"]
    for fields, status in (
            ({"If_None_Match": tag}, 304), ({"If_None_Match": "W/" + tag}, 304), ({"If_None_Match": "*"}, 304),
            ({"If_None_Match": f'"x", {tag}'}, 304), ({"If_None_Match": '"x"'}, 200),
            ({"If_None_Match": '"x"', "If_Modified_Since": WHEN}, 200), ({"If_Modified_Since": WHEN}, 304),
            ({"If_Modified_Since": "Tuesday, 14-Nov-23 22:13:20 GMT"}, 304), ({"If_Modified_Since": "yesterday"}, 200),
            ({"If_Modified_Since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 200), ({"If_Match": tag}, 200),
            ({"If_Match": "*"}, 200), ({"If_Match": "W/" + tag}, 412), ({"If_Match": '"x"'}, 412),
            ({"If_Match": '"x"', "If_None_Match": tag}, 412), ({"If_Unmodified_Since": WHEN}, 200),
            ({"If_Unmodified_Since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 412),
            ({"Range": "bytes=0-1", "If_Range": tag}, 206), ({"Range": "bytes=0-1", "If_Range": WHEN}, 206),
            ({"Range": "bytes=0-1", "If_Range": "W/" + tag}, 200), ({"Range": "bytes=0-1", "If_Range": '"x"'}, 200),
            ({"Range": "bytes=9999-", "If_Range": '"x"'}, 200), ({"Range": "bytes=9999-", "If_None_Match": tag}, 304),
            ({"Range": "bytes=0-1", "If_Range": "Tue, 14 Nov 2023 22:13:21 GMT"}, 200)):
        reply = get(sites_ebb, "site", "/about.html", **fields)
        assert reply.status == status, fields
        if status == 304:
            assert reply.body == b"" and reply.headers["etag"] == tag and "cache-control" in reply.headers


def test_the_compressed_file_that_the_client_likes_best_is_served(sites_ebb):
    path = "/app.3f9a1b2c.js"
    plain = get(sites_ebb, "site", path)
    for accepted, suffix, coding in (("gzip", ".gz", "gzip"), ("gzip, br", ".br", "br"), ("zstd, gzip", ".zst", "zstd"),
                                     ("br;q=0, gzip;q=0.1, zstd;q=0", ".gz", "gzip"), ("identity", "", None),
                                     ("*;q=0", "", None), ("deflate", "", None)):
        reply = get(sites_ebb, "site", path, Accept_Encoding=accepted)
        assert reply.body == FILES[path[1:] + suffix] and reply.headers.get("content-encoding") == coding, accepted
        assert reply.headers["vary"].lower() == "accept-encoding"
        assert reply.headers["content-type"] == plain.headers["content-type"]
        assert (reply.headers["etag"] == plain.headers["etag"]) == (coding is None)
    packed = get(sites_ebb, "site", path, Accept_Encoding="gzip", Range="bytes=2-9")
    assert packed.status == 206 and packed.body == FILES[path[1:] + ".gz"][2:10]
    tag = get(sites_ebb, "site", path, Accept_Encoding="gzip").headers["etag"]
    same = get(sites_ebb, "site", path, Accept_Encoding="gzip", If_None_Match=tag)
    assert same.status == 304 and same.headers["vary"].lower() == "accept-encoding"
    assert get(sites_ebb, "site", path, If_None_Match=tag).status == 200, "one coding's tag is not another's"
    assert gzip.decompress(get(sites_ebb, "site", "/only.svg", Accept_Encoding="br, gzip").body) == b"<svg/>"
    assert "vary" not in get(sites_ebb, "site", "/about.html", Accept_Encoding="gzip").headers


def test_only_hashed_names_are_kept_for_ever(sites_ebb):
    def kept(name, path):
        return "immutable" in get(sites_ebb, name, path).headers["cache-control"]
    assert kept("site", "/app.3f9a1b2c.js") and not kept("site", "/") and not kept("site", "/bin/1.bin")
    assert kept("clean", "/bin/1.bin") and kept("clean", "/docs/guide") and not kept("clean", "/about")


@pytest.mark.parametrize("name, path, status, more", [
    ("site", "/about", 404, None), ("site", "/docs", 200, "docs"), ("site", "/docs/", 200, "docs"),
    ("site", "/docs/guide.html", 200, "guide"), ("site", "/about.html/", 404, None), ("site", "/within.html", 200, "about"),
    ("site", "//docs//guide.html", 200, "guide"), ("site", "/bin", 404, None), ("site", "/bin/", 404, None),
    ("clean", "/about", 200, "about"), ("clean", "/about/", 200, "about"), ("clean", "/about.html?x=/y", 308, "/about?x=/y"),
    ("clean", "/docs", 200, "beside"), ("clean", "/docs/", 200, "docs"), ("clean", "/docs/index.html", 308, "/docs"),
    ("clean", "/index.html", 308, "/"), ("clean", "/docs/guide", 200, "guide"), ("clean", "/", 200, "home"),
    ("slash", "/docs?q", 308, "/docs/?q"), ("slash", "/docs/", 200, "docs"), ("slash", "/style.css/", 308, "/style.css"),
    ("slash", "/style.css", 200, None), ("slash", "/.well-known/token", 200, None),
    ("bare", "/docs/", 308, "/docs"), ("bare", "/docs", 200, "beside"), ("bare", "/about.html", 308, "/about"),
    ("bare", "//evil.example/", 308, "/evil.example"), ("bare", "/%5Cevil.example/", 308, "/%5Cevil.example")])
def test_each_page_has_its_address(sites_ebb, name, path, status, more):
    reply = get(sites_ebb, name, path)
    assert reply.status == status, reply
    if status == 308:
        assert reply.headers["location"] == more
    elif more:
        assert f"<title>{more}</title>" in reply.text
    elif status == 404:
        assert "<title>missing</title>" in reply.text and reply.headers["content-type"].startswith("text/html")


def test_other_methods_are_told_what_is_allowed(sites_ebb):
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND"):
        reply = sites_ebb.get("site", "/about.html", method=method, body=b"x" * 1000)
        assert reply.status == 405 and reply.headers["allow"] == "GET, HEAD, OPTIONS"
    reply = get(sites_ebb, "site", "/about.html", "OPTIONS")
    assert reply.status == 204 and reply.headers["allow"] == "GET, HEAD, OPTIONS"
    reply = get(sites_ebb, "site", "/none", "HEAD")
    assert reply.status == 404 and reply.body == b"" and int(reply.headers["content-length"]) == len(FILES["404.html"])


HOSTILE = [
    "/../secret.txt", "/docs/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/docs/%2e%2e/%2e%2e/secret.txt",
    "/docs/..%2f..%2fsecret.txt", "/%252e%252e/secret.txt", "/..%5csecret.txt", "/..\\secret.txt", "/.%2e/secret.txt",
    "/%c0%ae%c0%ae/secret.txt", "/out.txt", "/up/secret.txt", "/up/www/about.html", "/.env", "/%2eenv", "/.git/config",
    "/docs/.htpasswd", "/.well-known/../.env", "/.well-known/.env", "/vercel.json", "/%76ercel.json", "//vercel.json",
    "/about.html/../../secret.txt", "/about.html%00.txt", "/%00", "/about.html%0d%0aX: y", "/%", "/%2", "/%zz", "/%2g",
    "/%25zz", "/proc/self/environ", "/app/secret.txt", "//secret.txt", "/./../secret.txt", "/" + "a" * 256,
    "/" + "a/" * 3000, "/" + "%61" * 3000, "/" + "x" * 20000, "/secret.txt%2f", "/%2f%2fsecret.txt", "/?/../secret.txt%zz",
    "/www/secret.txt", "/docs/....//....//secret.txt", "/;/../secret.txt", "/~/secret.txt", "/CON", "/about.html::$DATA",
]


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_path_gets_nothing_that_is_not_served(sites_ebb, path):
    for name in SETTINGS:
        with web.Raw(sites_ebb.address) as raw:
            raw.send(b"GET %b HTTP/1.1\r\nHost: %b.localhost\r\nConnection: close\r\n\r\n" % (path.encode(), name.encode()))
            answer = raw.read_to_end()
        status = int(answer.split()[1])
        assert sites.SECRET not in answer
        assert status in (308, 400, 404, 414, 431) or path.startswith("/?"), (name, answer[:300])
        assert b"\r\nX: y" not in answer
        location = re.search(rb"\r\nlocation: ([^\r]*)", answer, re.I)
        assert not location or re.fullmatch(rb"/([^/\\].*)?", location[1]), location[1]
    assert get(sites_ebb, "site", "/about.html").status == 200


def test_fields_that_are_nonsense_change_nothing(sites_ebb):
    for field in ("Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
                  "Accept-Encoding"):
        for value in ("", ",", "\"", "W/", "bytes=" + "-" * 5000, "x" * 9000, "*" * 50, ";q=" * 500, "\xff\xfe", "0" * 400):
            reply = sites_ebb.get("site", "/app.3f9a1b2c.js", headers={field: value.encode("latin-1")})
            assert reply.status in (200, 412), (field, value, reply)
            assert reply.status == 200 or field == "If-Match"


def descriptors(ebb, name):
    return len(os.listdir(f"/proc/{ebb.instance(name)['pid']}/fd"))


def test_clients_that_leave_in_the_middle_leave_nothing(sites_ebb, name):
    get(sites_ebb, name, "/about.html")
    before = descriptors(sites_ebb, name)
    for _ in range(20):
        with socket.create_connection(sites_ebb.address, timeout=slow(10)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(b"GET /%b HTTP/1.1\r\nHost: %b.localhost\r\n\r\n" % (BIG.encode(), name.encode()))
            assert sock.recv(1000)
    wait_for(lambda: descriptors(sites_ebb, name) <= before)
    sites_ebb.wait_frozen(name)


def test_a_slow_reader_gets_its_file_whole_and_holds_up_nobody(sites_ebb, name):
    with socket.create_connection(sites_ebb.address, timeout=slow(30)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.sendall(b"GET /%b HTTP/1.1\r\nHost: %b.localhost\r\nRange: bytes=1-2999999\r\n\r\n" % (BIG.encode(), name.encode()))
        got = sock.recv(100)
        assert get(sites_ebb, name, "/about.html").status == 200
        answer = http.client.HTTPResponse(sock)
        while b"\r\n\r\n" not in got:
            got += sock.recv(100)
        body = got.partition(b"\r\n\r\n")[2]
        while len(body) < 2999999:
            body += sock.recv(1 << 16)
        answer.close()
    assert body == FILES[BIG][1:3000000]


def test_many_files_flow_at_once_through_one_instance(sites_ebb, name):
    names = [n for n in FILES if n.startswith("bin/")] * 4
    replies = web.many(len(names), lambda i: get(sites_ebb, name, "/" + names[i]))
    assert all(r.status == 200 and r.body == FILES[n] for r, n in zip(replies, names))
    assert len({r.instance for r in replies}) == 1


def test_it_is_frozen_thawed_billed_and_confined_as_others_are(sites_ebb):
    get(sites_ebb, "site", "/")
    sites_ebb.wait_frozen("site")
    before = sites_ebb.instance("site")
    assert get(sites_ebb, "site", "/" + BIG).body == FILES[BIG]
    sites_ebb.wait_frozen("site")
    after = sites_ebb.instance("site")
    assert after["id"] == before["id"] and after["invocations"] == before["invocations"] + 1
    assert after["cpu_us"] > before["cpu_us"]
    with open(f"/proc/{after['pid']}/status", encoding="ascii") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines())
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and int(status["CapEff"], 16) == 0


# --- ebb build ------------------------------------------------------------------------------------------------
only_on_the_host = pytest.mark.skipif(pictures.IN_VM, reason="the guest has neither compiler nor bases")


def config_of(archive):
    """The config of the archive's image: the blob with an Entrypoint."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.startswith("blobs/") and member.size < 10000:
                document = json.loads(tar.extractfile(member).read())
                if "config" in document and "rootfs" in document:
                    return document["config"]
    raise AssertionError("no config")


@only_on_the_host
def test_a_directory_of_pages_is_guessed_and_built_without_running_anything(outside):  # noqa: F811
    outside.put("public/index.html", "<h1>hello</h1>")
    outside.put("public/app.py", "raise SystemExit('it ran')")
    outside.put("public/evil.c", "#include <ebb.h>\n#error it was compiled\n")
    outside.put("ebb.json", '{"services": {"a": {"root": ".", "cleanUrls": true, "trailingSlash": false}}}')
    done = outside.build(None, None)
    assert done.returncode == 0, said(done)
    assert "runtime static, because public/index.html is there" in said(done) and "entrypoint public" in said(done)
    config = config_of(outside.output)
    assert config["Entrypoint"] == ["/usr/lib/ebb/static/serve", "public"] and config["WorkingDir"] == "/app"
    assert {"EBB_RUNTIME=1", "STATIC_CLEAN_URLS=1", "STATIC_TRAILING_SLASH=0"} <= set(config["Env"])
    outside.assert_untouched()


@only_on_the_host
@pytest.mark.parametrize("entry, words", [("gone", "no such directory"), ("index.html", "no such directory"),
                                          ("../x", "must be the path"), ("--help", "must be the path"),
                                          ("/etc", "must be the path"), ("link", "link out of the directory")])
def test_a_root_that_is_no_directory_inside_is_refused(outside, entry, words):  # noqa: F811
    outside.put("index.html", "<h1>hello</h1>")
    if entry == "link":
        os.symlink("/etc", outside.source + "/link")
    done = outside.build("static", entry)
    assert done.returncode != 0 and words in said(done)
    assert not os.path.exists(outside.output)


@only_on_the_host
def test_a_directory_without_a_page_is_built_and_said(outside):  # noqa: F811
    outside.put("files/a.txt", "a")
    done = outside.build("static", "files/")
    assert done.returncode == 0 and "no index.html, so / answers 404" in said(done)
    assert config_of(outside.output)["Entrypoint"][1] == "files/"


@only_on_the_host
def test_the_example_deploys_by_its_file(ebb):
    folder = os.path.join(pictures.PROJECT, "examples/static")
    ebb.cli("deploy", "-f", folder + "/ebb.json", "--wait", timeout=slow(120),
            env={"EBB_LIBEXEC": pictures.LIBEXEC, "EBB_CACHE": pictures.CACHE})
    assert "hello from static files" in ebb.get("static").text
    assert ebb.get("static", "/docs/about").status == 200
    assert ebb.get("static", "/docs/about.html").headers["location"] == "/docs/about"
    assert "immutable" in ebb.get("static", "/assets/style.3f9a1b2c.css").headers["cache-control"]
    assert "not here" in ebb.get("static", "/none").text
