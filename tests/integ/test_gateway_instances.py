# SPDX-License-Identifier: Apache-2.0
"""The gateway alone: instances that freeze, fill up, die, and never come."""
import errno, json, os, signal, socket, sys, threading
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gateway_harness import Gateway, Reader, Upstream, until
from waiting import pass_time, throughout


@pytest.fixture
def up():
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def make():
    made = []

    def gateway(**kw):
        made.append(Gateway(**kw))
        return made[-1]

    yield gateway
    for one in made:
        assert one.stop() == 0, "".join(one.log)


def one(make, up, **kw):
    limit = kw.pop("limit", 100)
    service = {k: kw.pop(k) for k in list(kw) if k in ("max_ms", "init_ms", "prefix", "hosts", "name")}
    gw = make(**kw)
    gw.service(**service)
    gw.up(0, up.port, limit=limit)
    return gw


def test_a_frozen_instance_is_thawed_by_the_request(make, up):
    gw = one(make, up)
    gw.get("/hello")
    assert gw.do("freeze", 0)[2] == "1"
    status, fields, body = gw.get("/hello")
    assert (status, body, fields["x-ebb-start"]) == (200, b"hello", "thaw")
    board = gw.board()
    assert (board["state"], board["thaws"], board["freeze"]) == ("running", 1, "0")


def test_pooled_connections_are_not_used_after_a_freeze(make, up):
    gw = one(make, up)
    gw.get("/hello")
    gw.get("/hello")
    assert up.connections == 1
    gw.do("freeze", 0)
    gw.get("/hello")
    assert up.connections == 1  # no server's idle timer is that short
    gw.do("freeze", 0)
    assert set(throughout(1.1, lambda: gw.board()["freeze"])) == {"1"}
    gw.get("/hello")
    assert up.connections == 2
    assert gw.counters()["pool_poisoned"] == 1


def test_a_bad_request_thaws_nothing(make, up):
    gw = one(make, up)
    gw.do("freeze", 0)
    assert gw.ask("GET / HTTP/1.1\r\n\r\n")[0] == 400
    assert gw.board()["freeze"] == "1"


def test_routing_by_host_name_and_prefix(make, up):
    gw = make()
    gw.service(0, "root", prefix="/")
    gw.service(1, "api", prefix="/api")
    gw.service(2, "shop", prefix="-", hosts=["shop.example"])
    gw.service(3, "cart", prefix="/cart", hosts=["shop.example"])
    for slot in range(4):
        gw.up(slot, up.port, service=slot)

    def served(host, path):
        return gw.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")[1]["x-ebb-instance"]

    assert served("127.0.0.1", "/hello") == "inst-0"
    assert served("any", "/api") == "inst-1"
    assert served("any", "/api?x") == "inst-1"
    assert served("any", "/api/hello") == "inst-1"
    assert served("any", "/apix") == "inst-0"
    assert served("shop.example", "/cart/1") == "inst-3"
    assert served("SHOP.example:8080", "/hello") == "inst-2"
    assert served("api.localhost", "/hello") == "inst-1"
    assert served("shop.test.example", "/hello") == "inst-2"
    gw.do("unservice", 0)
    status, fields, body = gw.get("/hello")
    assert (status, fields["x-ebb-error"]) == (404, "NO_SERVICE")
    assert json.loads(body)["error"]["code"] == "NO_SERVICE"


def test_a_request_waits_for_its_first_instance(make, up):
    gw = make()
    gw.service()
    with gw.connect() as sock:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert gw.event("need_instance") == ["0", "1"]
        gw.up(0, up.port)
        status, fields, body = Reader(sock).response()
        assert (status, body, fields["x-ebb-start"]) == (200, b"hello", "cold")


def test_a_request_that_waits_too_long_is_503(make):
    gw = make()
    gw.service(init_ms=100)
    status, fields, _ = gw.get("/hello")
    assert (status, fields["x-ebb-error"], fields["retry-after"]) == (503, "OVERLOADED", "1")
    assert gw.counters()["queued"] == 1


def test_the_queue_is_bounded(make):
    gw = make(queue_max=2)
    gw.service()
    waiting = [gw.connect() for _ in range(2)]
    for sock in waiting:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    gw.event("need_instance")
    until(lambda: gw.counters()["waiting"] == 2, "two in the queue")
    assert gw.get("/hello")[0] == 503
    for sock in waiting:
        sock.close()


def test_no_service_takes_all_places_of_the_queue(make):
    gw = make(queue_max=9)
    gw.service(0, "greedy", prefix="/greedy")
    gw.service(1, "modest", prefix="/modest")

    def sent(path):
        sock = gw.connect()
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return sock

    waiting = [sent("/greedy") for _ in range(6)]
    until(lambda: gw.counters()["waiting"] == 6, "two thirds")
    status, fields, _ = gw.get("/greedy")
    assert (status, fields["x-ebb-error"]) == (503, "OVERLOADED")
    assert 1 <= int(fields["retry-after"]) <= 30
    waiting += [sent("/modest")]
    until(lambda: gw.counters()["waiting"] == 7, "the other one still finds room")
    for sock in waiting:
        sock.close()


def test_a_nacked_request_runs_elsewhere_whatever_its_method(make, up):
    gw = one(make, up)
    other = Upstream()
    other.on_nack = other.on_echo
    with gw.connect() as sock:
        sock.sendall(b"POST /nack HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        assert gw.event("need_instance") == ["0", "1"]
        gw.up(1, other.port)
        status, fields, body = Reader(sock).response()
        assert (status, body, fields["x-ebb-instance"]) == (200, b"body", "inst-1")
    assert gw.counters()["nacks"] == 1
    assert gw.board(0)["tickets"] == gw.board(1)["tickets"] == 0
    other.close()


def test_nacked_by_everybody_is_overloaded(make, up):
    gw = one(make, up, queue_age_ms=300)
    status, fields, _ = gw.get("/nack")
    assert (status, fields["x-ebb-error"], fields["retry-after"]) == (503, "OVERLOADED", "1")
    assert up.counts["nack"] == 1
    assert gw.board()["tickets"] == 0


def test_a_saturated_instance_is_the_last_resort(make, up):
    gw = one(make, up)
    gw.up(1, up.port)
    gw.do("saturate", 1, 1)
    gw.do("freeze", 0)
    assert gw.get("/hello")[1]["x-ebb-instance"] == "inst-0"
    gw.do("saturate", 0, 1)
    gw.do("saturate", 1, 0)
    assert gw.get("/hello")[1]["x-ebb-instance"] == "inst-1"
    gw.do("down", 1, 0, 0)
    assert gw.get("/hello")[1]["x-ebb-instance"] == "inst-0"


def test_a_start_that_failed_is_told_to_those_who_wait(make):
    gw = make()
    gw.service()
    for retry, want in ((0, 502), (7, 503)):
        with gw.connect() as sock:
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            while gw.event("need_instance")[1] != "1":
                pass
            gw.do("startfailed", 0, retry, "no-\"memory\"")
            status, fields, body = Reader(sock).response()
            assert status == want
            assert 'no-"memory"' in json.loads(body)["error"]["message"]
            assert fields.get("retry-after") == ("7" if retry else None)


def test_more_requests_than_room_wait_their_turn(make, up):
    gw = one(make, up, limit=2)
    socks = [gw.connect() for _ in range(10)]
    for sock in socks:
        sock.sendall(b"GET /sleep?0.05 HTTP/1.1\r\nHost: a\r\n\r\n")
    for sock in socks:
        assert Reader(sock).response()[2] == b"slept"
        sock.close()
    assert gw.board()["tickets"] == 0
    assert gw.board()["invocations"] == 10


def test_the_fullest_instance_with_room_is_preferred(make, up):
    gw = one(make, up, limit=3)
    gw.up(1, up.port, limit=3)
    socks = [gw.connect() for _ in range(4)]
    for sock in socks:
        sock.sendall(b"GET /sleep?0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: gw.board(0)["tickets"] + gw.board(1)["tickets"] == 4, "four tickets")
    assert sorted([gw.board(0)["tickets"], gw.board(1)["tickets"]]) == [1, 3]
    for sock in socks:
        assert Reader(sock).response()[0] == 200
        sock.close()


def test_awake_is_preferred_to_frozen(make, up):
    gw = one(make, up)
    gw.up(1, up.port)
    gw.do("freeze", 0)
    for _ in range(3):
        assert gw.get("/hello")[1]["x-ebb-instance"] == "inst-1"
    assert gw.board(0)["state"] == "frozen"


def test_max_duration_is_504_and_gives_the_ticket_back(make, up):
    gw = one(make, up, max_ms=100)
    status, fields, _ = gw.get("/never")
    assert (status, fields["x-ebb-error"]) == (504, "MAX_DURATION")
    until(lambda: gw.board()["tickets"] == 0, "the instance to end its side")
    assert up.seen.get(timeout=5)[0] == "never"


def test_who_goes_on_after_max_duration_keeps_its_ticket_and_is_told(make, up):
    gw = one(make, up, max_ms=100)
    up.on_deaf = lambda *_: until(lambda: released.is_set(), "the test to let it go")
    released = threading.Event()
    assert gw.get("/deaf")[0] == 504
    assert gw.board()["tickets"] == 1
    assert gw.event("suspect") == ["0", str(errno.ETIMEDOUT)]
    until(lambda: gw.board()["tickets"] == 0, "the ticket")
    released.set()


def test_an_idempotent_request_survives_a_closed_connection(make, up):
    gw = one(make, up)
    up2 = Upstream()
    gw.up(1, up2.port)
    assert gw.get("/close-once")[2] == b"second time"
    up2.close()
    assert gw.board()["tickets"] == 0


def test_a_pooled_connection_closed_by_its_server_is_replaced(make, up):
    gw = one(make, up)
    for _ in range(5):
        assert gw.get("/hello")[0] == 200
        up.drop_connections()
    assert gw.get("/hello")[0] == 200


def test_a_post_is_never_sent_twice(make, up):
    gw = one(make, up)
    status, fields, _ = gw.ask("POST /close HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx")
    assert (status, fields["x-ebb-error"]) == (502, "INSTANCE_CRASHED")
    assert up.counts["close"] == 1
    assert gw.event("suspect")[0] == "0"
    assert gw.board()["tickets"] == 0


def test_the_cause_of_a_death_is_named(make, up):
    gw = one(make, up)
    with gw.connect() as sock:
        sock.sendall(b"POST /close HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx")
        gw.event("suspect")
        gw.do("down", 0, 3, 9)
        status, _, body = Reader(sock).response()
        assert status == 502
        assert "out of memory (oom" in json.loads(body)["error"]["message"]


def test_requests_of_a_dead_instance_run_on_another(make, up):
    gw = one(make, up)
    other = Upstream()
    with gw.connect() as sock:
        sock.sendall(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        assert up.seen.get(timeout=5)[0] == "never"
        gw.do("down", 0, 2, 11)
        other.on_never = lambda conn, reader, fields, arg, raw: other.reply(conn, b"the other one")
        gw.up(1, other.port)
        up.drop_connections()
        status, fields, body = Reader(sock).response()
        assert (status, body, fields["x-ebb-instance"]) == (200, b"the other one", "inst-1")
    other.close()


def test_an_instance_that_refuses_is_suspected_and_left_alone(make, up):
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    gw = make()
    gw.service()
    gw.up(0, port)
    with gw.connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx")
        assert gw.event("suspect")[0] == "0"
        gw.up(1, up.port)
        assert Reader(sock).response()[1]["x-ebb-instance"] == "inst-1"
    assert gw.board(0)["tickets"] == 0


def test_requests_wait_for_sockets_when_the_stock_is_empty(make, up):
    gw = one(make, up)
    gw.do("sockets", "off")
    socks = [gw.connect() for _ in range(20)]
    for sock in socks:
        sock.sendall(b"GET /sleep?0.1 HTTP/1.1\r\nHost: a\r\n\r\n")
    for sock in socks:
        assert Reader(sock).response()[2] == b"slept"
        sock.close()


def test_a_full_table_of_connections_is_503(make, up):
    gw = one(make, up, connections=4)
    held = [gw.connect() for _ in range(4)]
    for sock in held:
        gw.get("/hello", sock)
    with gw.connect() as sock:
        status, fields, body = Reader(sock).response()
        assert (status, fields["x-ebb-error"]) == (503, "OVERLOADED")
        json.loads(body)
    for sock in held:
        sock.close()
    until(lambda: gw.counters()["clients"] == 0, "slots free again")
    assert gw.get("/hello")[0] == 200


def test_an_incomplete_head_times_out(make, up):
    gw = one(make, up, head_ms=100)
    assert gw.ask("GET / HTTP/1.1\r\nHost:")[0] == 408
    with gw.connect() as sock:
        assert gw.get("/hello", sock)[0] == 200
        sock.sendall(b"GET")
        assert Reader(sock).response()[0] == 408


def test_an_idle_connection_is_closed(make, up):
    gw = one(make, up, idle_ms=100)
    with gw.connect() as sock:
        assert gw.get("/hello", sock)[0] == 200
        assert sock.recv(1) == b""


def test_draining_finishes_what_is_open_and_exits(make, up):
    gw = one(make, up)
    idle, busy = gw.connect(), gw.connect()
    gw.get("/hello", idle)
    busy.sendall(b"GET /sleep?0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: gw.board()["tickets"] == 1, "one under way")
    gw.do("drain")
    assert idle.recv(1) == b""
    status, fields, body = Reader(busy).response()
    assert (body, fields["connection"]) == (b"slept", "close")
    assert gw.event("exit") == ["0"]
    gw.stub.wait(10)
    idle.close()
    busy.close()


def test_a_drain_waits_for_the_first_request_of_a_connection(make, up):
    """A connection that was accepted a moment before has a request on its way."""
    gw = one(make, up)
    late, silent = gw.connect(), gw.connect()
    until(lambda: gw.counters()["clients"] == 2, "both are accepted")
    os.kill(gw.pid, signal.SIGSTOP)  # so the drain comes first, and the request in time
    try:
        gw.do("drain")
        late.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    finally:
        os.kill(gw.pid, signal.SIGCONT)
    status, fields, body = Reader(late).response()
    assert (status, body, fields["connection"]) == (200, b"hello", "close")
    assert silent.recv(1) == b""
    assert gw.event("exit") == ["0"]
    gw.stub.wait(10)
    late.close()
    silent.close()


def test_an_idle_gateway_does_not_wake_up(make, up):
    gw = one(make, up)
    gw.get("/hello")
    gw.do("freeze", 0)
    until(lambda: gw.counters()["upstreams"] == 0, "the pool to run dry")
    before = gw.counters()["enters"]
    pass_time(1)
    assert gw.counters()["enters"] - before <= 2  # the two questions


def test_the_gateway_runs_under_its_policy(make, up):
    gw = one(make, up)
    if any("unconfined" in line for line in gw.log):
        pytest.skip("a sanitizer build needs system calls of its own")
    with open(f"/proc/{gw.pid}/status") as status:
        assert "Seccomp:\t2" in status.read()


def choices(gw, count):
    """The next `count` choices that are told: {slot, reason, tickets, awake, frozen, saturated, full, made}."""
    names = ("service", "slot", "reason", "tickets", "awake", "frozen", "saturated", "full", "made")
    told = [dict(zip(names, gw.event("choice"), strict=True)) for _ in range(count)]
    return [{n: v if n == "reason" else int(v) for n, v in one.items()} for one in told]


def test_ebbd_hears_why_an_instance_was_chosen_when_that_changes(make, up):
    gw = one(make, up, limit=3)
    for _ in range(5):
        gw.get("/hello")
    first, = choices(gw, 1)
    assert (first["slot"], first["reason"], first["tickets"], first["full"]) == (0, "only", 1, 0)
    gw.up(1, up.port, limit=3)
    gw.do("freeze", 0)
    gw.do("freeze", 1)
    gw.get("/hello")
    woken, = choices(gw, 1)
    assert (woken["reason"], woken["awake"], woken["frozen"]) == ("woken", 0, 2)
    assert woken["made"] + first["made"] == 6  # five of the first kind, told with the next change
    gw.do("saturate", 0, 1)
    gw.do("saturate", 1, 1)
    for _ in range(3):
        gw.get("/hello")
    last, = choices(gw, 1)
    assert last["reason"] in ("saturated", "woken") and last["made"] == 3


def test_what_stays_the_same_is_told_once(make, up):
    gw = one(make, up)
    gw.get("/hello")
    choices(gw, 1)
    for _ in range(3):
        throughout(0.6, lambda: gw.get("/hello"), every_s=0.05)
    gw.up(1, up.port)
    gw.do("freeze", 0)
    gw.get("/hello")
    assert choices(gw, 1)[0]["made"] >= 30
