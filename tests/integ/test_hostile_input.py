# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind: a clear error where it belongs, said once, and nothing left behind."""
import gzip
import json
import os
import re

import pytest

import leaks
import oci
import pictures
import web
from ebb import Ebb
from waiting import slow, wait_for


@pytest.fixture
def place(tmp_path):
    return lambda name: str(tmp_path / name)


def assert_clean(ebb):
    """Only ebb's own programs run, and nothing of the failed attempt is on disk."""
    images = os.path.join(ebb.root, "images")
    wait_for(lambda: not [f for where, _, files in os.walk(images) for f in files
                          if "staging" in where])
    wait_for(lambda: {leaks.read(f"/proc/{p}/comm").strip() for p in
                      leaks.descendants(ebb.process.pid)} & {"ebb-unpack", "mkfs.erofs"} == set())


# --- images -------------------------------------------------------------------------------------
def spoil_layer(image):
    """The bytes of the last layer change, the digest stays."""
    digest = image.manifest["layers"][-1]["digest"]
    data = bytearray(image.blobs[digest])
    data[len(data) // 2] ^= 0xFF
    image.blobs[digest] = bytes(data)


def cut_layer(image):
    digest = image.manifest["layers"][-1]["digest"]
    image.blobs[digest] = image.blobs[digest][:-20]


def lose_layer(image):
    del image.blobs[image.manifest["layers"][-1]["digest"]]


def wrong_diff_id(image):
    config = json.loads(image.blobs.pop(image.manifest["config"]["digest"]))
    config["rootfs"]["diff_ids"][-1] = "sha256:" + "0" * 64
    image.manifest["config"] = image._put(oci.CONFIG, json.dumps(config).encode())
    image.seal()


def not_a_tar(image):
    image.manifest["layers"][-1] = image._put(oci.LAYER + "+gzip", gzip.compress(b"no tar" * 999))
    image.seal()


def unknown_media_type(image):
    image.manifest["layers"][-1]["mediaType"] = "application/x-surprise"
    image.seal()


def config_is_no_json(image):
    image.manifest["config"] = image._put(oci.CONFIG, b"{not json")
    image.seal()


def manifest_digest_wrong(image):
    image.index["manifests"][0]["digest"] = "sha256:" + "1" * 64


def digest_is_a_path(image):
    image.index["manifests"][0]["digest"] = "sha256:../../../../etc/passwd"


def index_is_empty(image):
    image.index["manifests"] = []


def other_architecture(image):
    config = json.loads(image.blobs[image.manifest["config"]["digest"]])
    config["architecture"] = "s390x"
    image.manifest["config"] = image._put(oci.CONFIG, json.dumps(config).encode())
    image.seal()


SPOILED = [spoil_layer, cut_layer, lose_layer, wrong_diff_id, not_a_tar, unknown_media_type,
           config_is_no_json, manifest_digest_wrong, digest_is_a_path, index_is_empty]


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda f: f.__name__)
def test_spoiled_image_is_refused(module_ebb, place, spoil):
    image = pictures.probe_image()
    spoil(image)
    done = module_ebb.import_image("oci:" + image.write_dir(place("x")), "spoiled", ok=False)
    assert done.code == 1 and len(done.err) > 20, done
    assert "spoiled" not in str(module_ebb.cli("image", "ls", "--json").json)
    assert_clean(module_ebb)


@pytest.mark.parametrize("name, data", [
    ("empty", b""), ("noise", os.urandom(70000)), ("zip", gzip.compress(b"x" * 10000)),
    ("half", None)], ids=["empty", "noise", "zip", "half"])
def test_file_that_is_no_archive_is_refused(module_ebb, place, name, data):
    if data is None:
        with open(pictures.probe_archive(), "rb") as f:
            data = f.read(200000)
    with open(place("f.tar"), "wb") as f:
        f.write(data)
    for kind in ("oci-archive", "docker-archive"):
        done = module_ebb.import_image(f"{kind}:{place('f.tar')}", "bad", ok=False)
        assert done.code == 1 and done.err.strip(), done
    assert_clean(module_ebb)


ESCAPES = {
    "dotdot": [oci.entry("../escaped", b"x")],
    "absolute": [oci.entry("/escaped", b"x")],
    "symlink_then_file": [oci.entry("d", kind=b"2", target="/"), oci.entry("d/escaped", b"x")],
    "hardlink_out": [oci.entry("h", kind=b"1", target="../../../../../../etc/shadow")],
}


@pytest.mark.parametrize("name", ESCAPES)
def test_layer_can_not_write_outside(module_ebb, place, name):
    image = pictures.probe_image(layers=pictures.probe_layers() + [oci.layer(*ESCAPES[name])])
    done = module_ebb.import_image("oci:" + image.write_dir(place("x")), "escape", ok=False)
    for where in ("/escaped", place("escaped"), os.path.join(module_ebb.root, "escaped")):
        assert not os.path.exists(where)
    if done.code == 0:  # taken apart harmlessly
        module_ebb.cli("image", "rm", "escape")
    assert_clean(module_ebb)


@pytest.mark.parametrize("source", ["oci:/does/not/exist", "oci-archive:/does/not/exist",
                                    "dir:/does/not/exist", "ftp:whatever", "nonsense"])
def test_source_that_is_not_there_is_named(module_ebb, source):
    done = module_ebb.import_image(source, "x", ok=False)
    assert done.code in (1, 2) and source.split(":")[-1] in done.err, done


# --- services -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def host(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return module_ebb


def test_image_that_does_not_exist_is_named(host):
    done = host.deploy("ghost", "no-such-image", ok=False)
    assert done.code == 1 and "no-such-image" in done.err, done
    assert host.get("ghost").status == 404


def write_json(host, services):
    path = os.path.join(host.root, "bad.json")
    with open(path, "w") as f:
        json.dump({"services": services}, f)
    return path


def broken(host, name, **settings):
    """Deploys a service that can't start, asks it once, removes it; the answer and the log lines."""
    host.apply({name: {"runtime": "container", "entrypoint": "probe", "minInstances": 0, **settings}},
               ok=False)
    reply = host.get(name, timeout=40)
    lines = host.log_lines(rf"event=instance_failed service={name} ")
    host.cli("rm", name, ok=False)
    wait_for(lambda: not host.instances(name))
    return reply, lines


def assert_said(reply, lines, word):
    """The cause stands in the answer, and in the log once for each start that failed."""
    assert reply.status == 502 and reply.headers.get("x-ebb-error"), reply
    assert re.search(word, reply.text, re.I), reply
    assert lines and all(re.search(word, line, re.I) for line in lines), lines
    instances = [re.search(r"instance=(\S+)", line).group(1) for line in lines]
    assert len(set(instances)) == len(lines), lines


def test_missing_entrypoint_is_named(host):
    reply, lines = broken(host, "nofile", command=["/not/there"])
    assert_said(reply, lines, "/not/there|no such file|exec")


def test_entrypoint_that_is_no_program_is_named(host):
    reply, lines = broken(host, "notprogram", command=["/etc/passwd"])
    assert_said(reply, lines, "permission|exec|/etc/passwd")


def test_process_that_exits_at_once_is_named_with_its_code(host):
    reply, lines = broken(host, "exits", env={"PROBE_MODE": "exit"})
    assert_said(reply, lines, "7")


def test_process_that_never_listens_is_named(host):
    reply, lines = broken(host, "mute", env={"PROBE_MODE": "mute"}, ebb={"initTimeout": "1s"})
    assert_said(reply, lines, "listen")


def test_slow_start_is_waited_for(host):
    host.apply({"late": {"runtime": "container", "entrypoint": "probe",
                         "env": {"PROBE_MODE": "slow"}}})
    assert host.get("late").status == 200
    host.cli("rm", "late")


def test_memory_beyond_the_limit_at_start_is_named(host):
    reply, lines = broken(host, "glutton", memory=64, env={"PROBE_ALLOC_MB": "300"})
    assert_said(reply, lines, "oom|memory")


def test_failing_service_does_not_disturb_another(host):
    host.deploy("good", "probe")
    host.cli("deploy", "-f", write_json(host, {"bad": {
        "runtime": "container", "entrypoint": "probe", "minInstances": 1,
        "env": {"PROBE_MODE": "exit"}}}), ok=False)
    for _ in range(10):
        assert host.get("good").status == 200
    starts = host.log_lines("bad-")
    assert len(starts) < 200, "a failing service is restarted without end"
    host.cli("rm", "bad")
    wait_for(lambda: not host.instances("bad"))


def test_waiting_for_a_service_that_can_not_start_ends_with_the_reason(host):
    done = host.deploy("doomed", "probe", "--min", "1", "--env", "PROBE_MODE=exit", ok=False)
    host.cli("rm", "doomed")
    assert done.code == 1 and re.search(r"\bcode 7\b", done.err), done
    wait_for(lambda: not host.instances("doomed"))


# --- ebb.json -----------------------------------------------------------------------------------
WRONG = {
    "memory_small": ({"memory": 3}, r"memory.*3.*64"),
    "memory_text": ({"memory": "lots"}, "memory"),
    "memory_real": ({"memory": 128.5}, "memory"),
    "duration": ({"maxDuration": 0}, "maxDuration"),
    "concurrency": ({"maxConcurrency": "many"}, "maxConcurrency"),
    "prefix": ({"routePrefix": "api"}, "routePrefix"),
    "runtime": ({"runtime": "cobol"}, "runtime"),
    "min_above_max": ({"minInstances": 5, "maxInstances": 2}, "minInstances|maxInstances"),
    "env_number": ({"env": {"A": {}}}, "env"),
    "env_name": ({"env": {"A=B": "x"}}, "env"),
    "freeze": ({"ebb": {"freezeAfter": "soon"}}, "freezeAfter"),
    "command": ({"command": 7}, "command"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_value_is_refused_with_its_path(host, name):
    change, word = WRONG[name]
    done = host.apply({"wrong": {"runtime": "container", "entrypoint": "probe", **change}}, ok=False)
    assert done.code in (1, 2) and re.search(word, done.err), done
    assert host.rest("GET", "/v1/services/wrong").status == 404


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"services": []}', '{"services": {"a": 1}}',
                                  '{"services": {"a": {}, "a": {}}}', '{"services": {"A B": {}}}',
                                  "\xff\xfe", "{" * 100000])
def test_malformed_ebb_json_is_refused(host, place, text):
    with open(place("ebb.json"), "w", encoding="latin-1") as f:
        f.write(text)
    done = host.cli("deploy", "-f", place("ebb.json"), ok=False)
    assert done.code in (1, 2) and done.err.strip(), done


def test_unknown_key_only_warns(host):
    done = host.apply({"warned": {"runtime": "container", "entrypoint": "probe", "colour": "red"}})
    assert "colour" in done.err
    host.cli("rm", "warned")


@pytest.mark.parametrize("name", ["", "UPPER", "a" * 64, "-a", "a.b", "../x", "a/b", "ä"])
def test_bad_service_name_is_refused(host, name):
    done = host.cli("deploy", "--image", "probe", "--", name, ok=False)
    assert done.code in (1, 2), done


# --- REST ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "/nothing/here", None, 404), ("GET", "/v1/services/nobody", None, 404),
    ("DELETE", "/v1/services/nobody", None, 404), ("GET", "/v1/instances/nobody-1", None, 404),
    ("POST", "/v1/instances/nobody-1/freeze", None, 404), ("PATCH", "/v1/services/x", None, 405),
    ("PUT", "/v1/services/x", "{", 400), ("PUT", "/v1/services/x", "{}", (400, 422)),
    ("DELETE", "/v1/images/nobody", None, 404)])
def test_rest_error_is_a_problem_document(host, method, path, body, status):
    reply = host.rest(method, path, body=body, headers={"Content-Type": "application/json"})
    assert reply.status in (status if isinstance(status, tuple) else (status,)), reply
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert reply.json["status"] == reply.status and reply.json["title"]


# --- HTTP ---------------------------------------------------------------------------------------
GOOD = b"Host: probe.localhost\r\n"
MALFORMED = {
    "no_host": b"GET / HTTP/1.1\r\n\r\n",
    "two_hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "http_0_9": b"GET /\r\n\r\n",
    "http_2_0": b"GET / HTTP/2.0\r\n" + GOOD + b"\r\n",
    "obs_fold": b"GET / HTTP/1.1\r\n" + GOOD + b"A: b\r\n c\r\n\r\n",
    "space_before_colon": b"GET / HTTP/1.1\r\n" + GOOD + b"A : b\r\n\r\n",
    "length_and_chunked": b"POST / HTTP/1.1\r\n" + GOOD
                          + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two_lengths": b"POST / HTTP/1.1\r\n" + GOOD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "bad_length": b"POST / HTTP/1.1\r\n" + GOOD + b"Content-Length: -1\r\n\r\n",
    "huge_length": b"POST / HTTP/1.1\r\n" + GOOD + b"Content-Length: 99999999999999999999\r\n\r\n",
    "chunked_twice": b"POST / HTTP/1.1\r\n" + GOOD + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "bare_lf": b"GET / HTTP/1.1\nHost: probe.localhost\n\n",
    "nul": b"GET / HTTP/1.1\r\n" + GOOD + b"A: b\0c\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_is_refused_by_the_gateway(host, name):
    status = web.raw_status(host.address, MALFORMED[name])
    assert status in (400, 501, 505, 0), status
    assert not [i for i in host.instances() if i["tickets"]]


def test_too_large_a_head_is_431(host):
    assert web.raw_status(host.address, b"GET / HTTP/1.1\r\n" + GOOD + b"A: " + b"x" * 70000
                          + b"\r\n\r\n") in (400, 431)


def test_malformed_chunk_ends_the_connection(host):
    host.deploy("good", "probe")
    with web.Raw(host.address) as raw:
        raw.send(b"POST /sink HTTP/1.1\r\nHost: good.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"zz\r\nhello\r\n")
        answer = raw.read_to_end()
    assert b" 200 " not in answer.split(b"\r\n")[0]
    wait_for(lambda: all(i["tickets"] == 0 for i in host.instances("good")))
    assert host.get("good").status == 200


def test_head_that_never_ends_is_given_up(new_ebb):
    ebb = new_ebb(settings={"head_timeout_ms": 500})
    with web.Raw(ebb.address) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: x")
        raw.sock.settimeout(slow(10))
        answer = raw.read_to_end()
    assert answer == b"" or b" 408 " in answer


# --- a second ebbd --------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "[::]"])
def test_an_address_where_another_ebbd_listens_is_refused(host, address):
    """SO_REUSEPORT would let both listen, and each would get some of the clients."""
    second = Ebb(port=host.port)
    listen = f"{address}:{host.port}"
    said = second.refuses_to_start([listen if w == f"127.0.0.1:{host.port}" else w for w in second.command()])
    assert f"cannot listen on {listen}: another ebbd" in said and "--listen ADDR:PORT" in said, said
    host.apply({"good": {"runtime": "container", "entrypoint": "probe"}})
    assert {r.status for r in web.many(20, lambda i: host.get("good"))} == {200}


def test_an_address_where_another_ebbd_listened_is_free(new_ebb):
    first = new_ebb()
    port = first.port
    first.stop()
    assert new_ebb(port=port).http().status == 404
