# SPDX-License-Identifier: Apache-2.0
"""Wrong or rare deeds of programs on the Node and Python runtimes: only the request that did it gets an error or is
cut, no client waits until maxDuration, and the log says which request it was and why, without losing a byte."""
import socket
import threading
import time

import pytest

import node_apps
import pictures
import web
from ebb import CACHE
from waiting import wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")

PROGRAMS = {"node": node_apps.service("odd.mjs"), "fetch": node_apps.service("odd-fetch.mjs"),
            "asgi": node_apps.python_service("odd:app"), "wsgi": node_apps.python_service("odd:wsgi")}


@pytest.fixture(scope="module")
def odd(runtimes_ebb):
    with node_apps.deployed(runtimes_ebb, PROGRAMS) as ebb:
        yield ebb


def log_of(ebb, name, ident):
    return ebb.cli("logs", "--request", ident, name).out


def says(ebb, name, reply, text):
    return wait_for(lambda: text in log_of(ebb, name, reply.headers["x-ebb-id"]), what=f"{text!r} of {reply}")


REFUSED = {
    "node": {"/microtask": "thrown on purpose", "/null": "null", "/shy": "cannot be shown",
             "/proxy": "error in request", "/patched": "thrown on purpose", "/head": "thrown on purpose"},
    "fetch": {"/nothing": "the handler of GET /nothing returned undefined, not a Response",
              "/fails-at-once": "thrown by pull", "/locked": "locked", "/copied": "CONTENT_LENGTH_MISMATCH"},
    "asgi": {"/status": "status '200' is none", "/header": "line break or NUL in header b'x-a'",
             "/twice": "sent before", "/text": "body is str, not bytes"},
    "wsgi": {"/twice": "a second call needs exc_info", "/none": "not iterable", "/text": "str, not bytes",
             "/status": "'OK' is no status", "/header": "line feed", "/never": "did not call start_response",
             "/interrupt": "KeyboardInterrupt"},
}


@pytest.mark.parametrize("name,path", [(name, path) for name in REFUSED for path in REFUSED[name]])
def test_it_is_a_500_and_the_log_of_the_request_says_why(odd, name, path):
    instance = odd.get(name).instance
    reply = odd.get(name, path)
    assert (reply.status, reply.text) == (500, "Internal Server Error\n"), reply
    assert "x-kept" not in reply.headers
    says(odd, name, reply, REFUSED[name][path])
    assert odd.get(name).instance == instance


CUT = {"node": {"/short": b"abc", "/begun": b"begun"}, "fetch": {"/fails-later": b"bytes"},
       "asgi": {"/short": b"odd\n"}}


@pytest.mark.parametrize("name,path", [(name, path) for name in CUT for path in CUT[name]])
def test_what_was_written_arrives_and_its_missing_end_is_seen(odd, name, path):
    with web.Raw(odd.address) as raw:
        raw.send(f"GET {path} HTTP/1.1\r\nHost: {name}.localhost\r\n\r\n".encode())
        got = raw.read_to_end()
    assert got.startswith(b"HTTP/1.1 200 ") and CUT[name][path] in got and b"\r\n0\r\n" not in got, got
    ident = got.split(b"x-ebb-id: ")[1][:32].decode()
    wait_for(lambda: "content-length" in log_of(odd, name, ident).lower() or "Error" in log_of(odd, name, ident))


def test_an_error_behind_a_whole_answer_takes_nothing_of_it(odd):
    assert len(odd.get("node", "/whole").body) == 20_000_000


@pytest.mark.parametrize("name", ["node", "asgi", "wsgi"])
def test_a_begun_line_behind_the_answer_is_not_lost(odd, name):
    says(odd, name, odd.get(name, "/late-words"), "late words")


@pytest.mark.parametrize("name", ["node", "asgi"])
def test_a_begun_line_is_not_lost_where_the_process_ends(odd, name):
    reply = odd.get(name, "/last-words", method="POST")
    assert reply.status == 502, reply
    says(odd, name, reply, "last words")


def test_bytes_written_to_stdout_are_lines_of_the_request(odd):
    says(odd, "asgi", odd.get("asgi", "/bytes"), "bytes of stdout: é")


def leave(ebb, name, path):
    """A client that goes away when its request has reached the instance."""
    with socket.create_connection(ebb.address) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}.localhost\r\n\r\n".encode())
        wait_for(lambda: ebb.instance(name)["tickets"] > 0)


def test_what_listens_to_the_signal_works_for_the_request(odd):
    """Its lines carry the id, its waitUntil keeps the instance awake."""
    odd.get("node")
    leave(odd, "node", "/gone")
    wait_for(lambda: odd.instance("node")["holds"] == 1)
    def told():
        lines = odd.cli("logs", "--json", "node").out.splitlines()
        return [line for line in lines if "aborted" in line or "tidied up" in line]
    wait_for(lambda: len(told()) > 1)
    assert all('"request"' in line for line in told()), told()
    leave(odd, "node", "/gone-late")
    wait_for(lambda: "late signal: true" in odd.cli("logs", "node").out)


def test_fetch_style_answers_of_all_kinds(odd):
    assert odd.get("fetch", "/foreign").text == "foreign"
    fetched = odd.get("fetch", "/fetched")
    assert fetched.text == "from upstream " * 100 and "content-encoding" not in fetched.headers
    assert odd.get("fetch", "/redirect").headers["content-length"] == "0"
    assert odd.get("fetch", "/proto").headers["__proto__"] == "kept"
    assert odd.get("fetch", "/endless", method="HEAD").status == 200
    wait_for(lambda: odd.get("fetch", "/seen").json == ["cancelled"])
    with web.Raw(odd.address) as raw:
        raw.send(b"OPTIONS * HTTP/1.1\r\nHost: fetch.localhost\r\n\r\n")
        assert b" 200 " in raw.read_until(b"\r\n")


@pytest.mark.parametrize("path", ["/behind", "/behind-length"])
def test_what_an_application_does_behind_its_answer_keeps_the_instance_awake(odd, path):
    """As Starlette's BackgroundTask does; under BaseHTTPMiddleware the answer's end comes behind it."""
    reply = odd.get("asgi", path)
    assert reply.text == "odd\n"
    wait_for(lambda: odd.instance("asgi")["holds"] == 1)
    odd.wait_frozen("asgi")
    assert "tidied up" in log_of(odd, "asgi", reply.headers["x-ebb-id"])


def test_sys_exit_in_a_task_ends_the_process_and_the_others_run_again(odd):
    odd.get("asgi")
    replies = [None] * 5

    def ask(i):
        replies[i] = odd.get("asgi", "/sleep", timeout=60)

    others = [threading.Thread(target=ask, args=(i,)) for i in range(5)]
    for other in others:
        other.start()
    wait_for(lambda: odd.instance("asgi")["tickets"] == 5)
    left = odd.get("asgi", "/task-leaves", method="POST")
    for other in others:
        other.join()
    assert left.status == 502 and "exited with code 8" in left.text, left
    says(odd, "asgi", left, "sys.exit(8) called by request")
    assert [r.status for r in replies] == [200] * 5


def test_wsgi_may_begin_late_and_short_bodies_leave_the_connection_open(odd):
    late = odd.get("wsgi", "/late")
    assert (late.status, late.text) == (203, "late\n")
    assert odd.get("wsgi").headers["content-length"] == "4"


def test_threads_that_never_end_do_not_end_the_service(odd):
    """maxDuration cannot stop a thread: the instance is replaced, though none is free to say so."""
    odd.apply({"stuck": node_apps.python_service("odd:wsgi", maxDuration=1, env={"WSGI_THREADS": "1"})})
    instance = odd.get("stuck").instance
    assert odd.get("stuck", "/forever").status == 504
    assert wait_for(lambda: (reply := odd.get("stuck")).status == 200 and reply, 20).instance != instance
    assert "goes on behind maxDuration" in odd.cli("logs", "stuck").out
    odd.cli("rm", "stuck")


def test_an_upload_that_wsgi_has_no_room_for_is_told_so(odd):
    odd.apply({"small": node_apps.python_service("odd:wsgi", ebb={"scratch": 8})})
    for _ in range(10):
        reply = odd.get("small", method="POST", body=b"x" * 20_000_000)
        assert reply.status == 413, reply
        assert odd.get("small", method="POST", body=b"x" * 4_000_000).text == "odd\n"
        says(odd, "small", reply, "its body does not fit into /tmp: raise `ebb.scratch`")
    odd.cli("rm", "small")


@pytest.mark.parametrize("entry", ["odd:plain", "odd:wrapped", "odd:make()"])
def test_what_is_an_asgi_application_without_looking_like_one(odd, entry):
    odd.apply({"entry": node_apps.python_service(entry)})
    assert odd.get("entry").text == "odd\n"
    odd.cli("rm", "entry")


ABSENT = {("node", "absent.mjs"): "entrypoint absent.mjs: there is no such file in",
          ("python", "absent:app"): "entrypoint absent:app: there is no module absent in",
          ("python", "main"): "an application is MODULE:NAME"}


@pytest.mark.parametrize("runtime,entry", ABSENT)
def test_nothing_is_built_for_an_entry_point_that_is_not_there(odd, tmp_path, runtime, entry):
    (tmp_path / "main.py").write_text("app = None\n")
    done = odd.cli("build", tmp_path, "-o", tmp_path / "image", "--runtime", runtime, "--entrypoint", entry,
                   ok=False, timeout=300, env={"EBB_CACHE": CACHE})
    assert done.code == 1 and ABSENT[runtime, entry] in done.err, done
    assert not (tmp_path / "image").exists()


def test_why_a_function_did_not_start_while_it_was_built_is_told(odd, tmp_path):
    # Told once: the code baked then is kept in the cache.
    (tmp_path / "index.mjs").write_text(f"throw new Error('no database to be found'); // {time.time_ns()}\n")
    done = odd.cli("build", tmp_path, "-o", tmp_path / "image", timeout=300, env={"EBB_CACHE": CACHE})
    assert "Error: no database to be found" in done.err, done


NO_ENTRY = {"odd:nothing": "/app/odd.py has no 'nothing'", "odd:number": "int is no application",
            "odd:make": "if it makes one: odd:make()", "odd.py:app": "name the module, not its file: odd:app",
            "absent:app": "there is no module absent in /app", "odd:": "what is the application's name",
            "odd:no_start": "no database to be found"}


@pytest.mark.parametrize("entry", NO_ENTRY)
def test_an_entry_point_that_is_none_is_told_so(odd, entry):
    odd.apply({"entry": node_apps.python_service(entry)})
    reply = odd.get("entry")
    assert reply.status == 502 and "`ebb logs entry` has its output" in reply.text, reply
    wait_for(lambda: NO_ENTRY[entry] in odd.cli("logs", "entry").out)
    odd.cli("rm", "entry")
