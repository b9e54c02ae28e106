# SPDX-License-Identifier: Apache-2.0
"""
Requests of clients (RFC 9110, 9112): each test is named after its rule. An accepted request is compared byte for byte
with what the function got; a refused one never reaches it.
"""
import socket

import pytest

from gateway_harness import BLOCK, Reader, until
from peer import forwarded, passes, refused, same_each_time

H = b"Host: a\r\n"


def get(fields=b"", target=b"/", method=b"GET", version=b"HTTP/1.1", host=H):
    return method + b" " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b""):
    return get(fields, method=b"POST") + body


# --- RFC 9112 section 6: framing, and every way to leave open where a request ends

@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                                    b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"])
def test_content_length_and_transfer_encoding_exclude_each_other(gw, up, fields):
    """RFC 9112, 6.1 and 6.3"""
    refused(gw, up, post(fields, b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 400)


@pytest.mark.parametrize("second", [b"5", b"6", b"05"])
def test_content_length_is_not_repeated_equal_or_not(gw, up, second):
    """RFC 9112, 6.3"""
    refused(gw, up, post(b"Content-Length: 5\r\nContent-Length: " + second + b"\r\n", b"hello"), 400)


@pytest.mark.parametrize("value", [b"5, 5", b"5,6", b"+5", b"-5", b"0x5", b"5 5", b"", b"5a", b"5.0", b"5;",
                                   b"18446744073709551621", b"9" * 40, b"\xb2"])
def test_content_length_is_digits_that_fit(gw, up, value):
    """RFC 9110, 8.6"""
    refused(gw, up, post(b"Content-Length: " + value + b"\r\n", b"hello"), 400)


@pytest.mark.parametrize("value", [b"identity", b"gzip", b"chunked, identity", b"chunked, gzip", b"xchunked",
                                   b"chunked, chunked", b"chunked;q=1", b"\"chunked\"", b"", b"chunked\x0b",
                                   b", chunked ,", b"chunked x"])
def test_transfer_encoding_ends_in_chunked_once(gw, up, value):
    """RFC 9112, 6.1 and 6.3"""
    refused(gw, up, post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"), 400)


def test_transfer_codings_before_chunked_are_not_implemented(gw, up):
    """RFC 9112, 6.1: a coding that is not understood is 501"""
    refused(gw, up, post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501)


def test_transfer_encoding_is_not_repeated(gw, up):
    """RFC 9112, 6.1"""
    refused(gw, up, post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400)
    refused(gw, up, post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"), 400)


def test_transfer_encoding_is_of_http_11_only(gw, up):
    """RFC 9112, 6.1"""
    refused(gw, up, get(b"Transfer-Encoding: chunked\r\n", method=b"POST", version=b"HTTP/1.0"), 400)


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"  CHUNKED"])
def test_transfer_encoding_chunked_in_any_case(gw, up, value):
    """RFC 9112, 7"""
    passes(gw, up, post(b"Transfer-Encoding: " + value + b"\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
           b"POST /", {"chunked": True, "body": b"3\r\nabc\r\n0\r\n\r\n"})


@pytest.mark.parametrize("name", [b"Content_Length", b"Transfer_Encoding", b"X_Forwarded_For", b"x-ebb_id",
                                  b"Proxy_Authorization"])
def test_lookalikes_with_an_underscore_end_here(gw, up, name):
    """A program that reads fields as CGI does takes content_length for content-length."""
    passes(gw, up, get(name + b": 5\r\nMy_Own: kept\r\n"), b"GET /", b"My_Own: kept")


def test_a_request_without_framing_has_no_body(gw, up):
    """RFC 9112, 6.3: the bytes behind it are the next request"""
    with gw.connect() as sock:
        sock.sendall(get(method=b"POST") + get(target=b"/second"))
        reader = Reader(sock)
        assert [reader.response()[0] for _ in range(2)] == [200, 200]
    assert same_each_time(up.got()) == forwarded(b"POST /")
    assert same_each_time(up.got()) == forwarded(b"GET /second")


# --- RFC 9112 section 7.1: chunks

@pytest.mark.parametrize("body", [
    b"zz\r\n", b"-1\r\n", b"+1\r\nx\r\n0\r\n\r\n", b"0x1\r\nx\r\n0\r\n\r\n", b" 1\r\nx\r\n0\r\n\r\n",
    b"1 \r\nx\r\n0\r\n\r\n", b"1\t;a\r\nx\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b";\r\n", b"1g\r\nx\r\n0\r\n\r\n",
    b"1\nx\r\n0\r\n\r\n", b"1\rx\r\n0\r\n\r\n", b"1\r\nx\n0\r\n\r\n", b"1\r\nxy\r\n0\r\n\r\n",
    b"1\r\nx0\r\n\r\n", b"0\r\r\n\r\n"])
def test_chunk_sizes_are_hexadecimal_lines(gw, up, body):
    """RFC 9112, 7.1"""
    refused(gw, up, post(b"Transfer-Encoding: chunked\r\n", body), 400)


@pytest.mark.parametrize("size", [b"10000000000000001", b"ffffffffffffffff1", b"1" + b"0" * 30])
def test_chunk_sizes_do_not_overflow(gw, up, size):
    """RFC 9112, 7.1: recipients MUST anticipate large numbers"""
    refused(gw, up, post(b"Transfer-Encoding: chunked\r\n", size + b"\r\nx\r\n0\r\n\r\n"), 400)


def test_leading_zeros_of_a_chunk_size_are_no_ambiguity(gw, up):
    """RFC 9112, 7.1: written anew without them"""
    passes(gw, up, post(b"Transfer-Encoding: chunked\r\n", b"0003\r\nabc\r\n000\r\n\r\n"),
           b"POST /", {"chunked": True, "body": b"3\r\nabc\r\n0\r\n\r\n"})


@pytest.mark.parametrize("extension", [b";", b";;a", b"; ", b";=b", b";a\nb", b";a\rb", b";a\x00", b";a\x7f",
                                       b";a=" + b"x" * 2000])
def test_bad_chunk_extensions_are_refused(gw, up, extension):
    """RFC 9112, 7.1.1"""
    refused(gw, up, post(b"Transfer-Encoding: chunked\r\n", b"1" + extension + b"\r\nx\r\n0\r\n\r\n"), 400)


@pytest.mark.parametrize("extension", [b";a", b"; a=b", b";a=\"quoted ;, text\"", b";a=1;b=2"])
def test_chunk_extensions_end_here(gw, up, extension):
    """RFC 9112, 7.1.1: a recipient MUST ignore unrecognized chunk extensions"""
    passes(gw, up, post(b"Transfer-Encoding: chunked\r\n", b"1" + extension + b"\r\nx\r\n0" + extension
                        + b"\r\n\r\n"), b"POST /", {"chunked": True, "body": b"1\r\nx\r\n0\r\n\r\n"})


@pytest.mark.parametrize("sent, seen", [(b"X: 1\r\n", b"X: 1\r\n"), (b"X:1 \r\ny:\r\n", b"X: 1\r\ny: \r\n"),
                                        (b"X: 1\r\n" * 100, b"X: 1\r\n" * 100),
                                        (b"X: " + b"y" * 16000 + b"\r\n", b"X: " + b"y" * 16000 + b"\r\n")])
def test_trailers_go_on(gw, up, sent, seen):
    """RFC 9110, 6.5: written anew, behind the field that announces them"""
    passes(gw, up, post(b"Trailer: x\r\nTransfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n" + sent + b"\r\n"),
           b"POST /", b"Trailer: x", {"chunked": True, "body": b"1\r\nx\r\n0\r\n" + seen + b"\r\n"})


@pytest.mark.parametrize("trailer", [b"Content-Length: 100", b"Transfer-Encoding: chunked", b"Host: evil", b"X-Ebb-Id: 1",
                                     b"content_length: 1", b"Trailer: y", b"Authorization: x", b"Cookie: a=b",
                                     b"X-Forwarded-For: 1.2.3.4", b"Connection: close", b"Expect: 100-continue",
                                     b"If-Match: x", b"Content-Encoding: gzip", b"TE: trailers", b"X-Request-Id: 1"])
def test_trailers_that_say_how_to_take_the_message_are_dropped(gw, up, trailer):
    """RFC 9110, 6.5.1"""
    passes(gw, up, post(b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n" + trailer + b"\r\n\r\n"),
           b"POST /", {"chunked": True, "body": b"1\r\nx\r\n0\r\n\r\n"})


def test_a_request_without_chunks_announces_no_trailers(gw, up):
    """RFC 9110, 6.6.2"""
    passes(gw, up, post(b"Trailer: x\r\nContent-Length: 1\r\n", b"x"), b"POST /", b"Content-Length: 1", {"body": b"x"})


def test_trailers_go_on_behind_a_body_that_came_in_pieces(gw, up):
    """RFC 9112, 7.1.2: also where the function has read most of the request by then"""
    with gw.connect() as sock:
        sock.sendall(post(b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n"))
        until(lambda: gw.board()["tickets"] == 1, "it is asked")
        for piece in (b"1\r\ny\r\n0\r\nX:", b" 1\r", b"\nY: 2\r\n\r", b"\n"):
            sock.sendall(piece)
        assert Reader(sock).response()[0] == 200
    assert up.got().endswith(b"\r\ny\r\n0\r\nX: 1\r\nY: 2\r\n\r\n")


@pytest.mark.parametrize("trailer", [b"no colon", b" folded: 1", b"\tfolded: 1", b"X : 1", b": 1", b"X: \x00",
                                     b"X: a\nGET / HTTP/1.1", b"X: a\rb", b"X: " + b"y" * 20000])
def test_bad_trailers_are_refused(gw, up, trailer):
    """RFC 9112, 7.1.2: trailers are field lines"""
    with gw.connect() as sock:
        sock.sendall(post(b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n" + trailer + b"\r\n\r\n"))
        assert Reader(sock).response()[0] == 400


def test_a_body_cut_into_single_bytes_is_the_same_body(gw, up):
    """RFC 9112, 7.1.3"""
    with gw.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(b"Transfer-Encoding: chunked\r\n", b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"):
            sock.sendall(bytes([byte]))
        assert Reader(sock).response()[0] == 200
    raw = up.got()
    head, body = raw.split(b"\r\n\r\n", 1)
    assert same_each_time(head + b"\r\n\r\n") == forwarded(b"POST /", chunked=True)
    import io
    data, lines = b"", io.BytesIO(body)
    while (size := int(lines.readline(), 16)) > 0:
        data += lines.read(size)
        assert lines.read(2) == b"\r\n"
    assert data == b"abcde" and lines.read() == b"T: v\r\n\r\n"


# --- RFC 9112 section 2 and 5: lines and fields

@pytest.mark.parametrize("raw", [
    b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\n\r\n", b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: 1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\n"])
def test_a_bare_lf_ends_no_line(gw, up, raw):
    """RFC 9112, 2.2"""
    refused(gw, up, raw, 400)


@pytest.mark.parametrize("raw", [
    b"GET / HTTP/1.1\rHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n"])
def test_a_bare_cr_is_invalid(gw, up, raw):
    """RFC 9112, 2.2"""
    refused(gw, up, raw, 400)


def test_empty_lines_before_a_request_are_ignored(gw, up):
    """RFC 9112, 2.2"""
    passes(gw, up, b"\r\n\r\n" + get(), b"GET /")


def test_an_empty_line_may_come_in_two_pieces(gw, up):
    """RFC 9112, 2.2"""
    with gw.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\n\r\n" + get():
            sock.sendall(bytes([byte]))
        assert Reader(sock).response()[0] == 200
    assert same_each_time(up.got()) == forwarded(b"GET /")


@pytest.mark.parametrize("start", [b"\n", b"\r\r\n", b"\r", b" ", b"\t\r\n", b"\r\n "])
def test_nothing_but_empty_lines_comes_before_a_request(gw, up, start):
    """RFC 9112, 2.2"""
    refused(gw, up, start + get(), 400)


@pytest.mark.parametrize("field", [b"X: a\r\n b", b"X: a\r\n\tb", b"X:\r\n a", b"Transfer-Encoding:\r\n chunked"])
def test_folded_lines_are_refused(gw, up, field):
    """RFC 9112, 5.2: obs-fold"""
    refused(gw, up, get(field + b"\r\n"), 400)


def test_white_space_before_the_first_field_is_refused(gw, up):
    """RFC 9112, 2.2"""
    refused(gw, up, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400)


@pytest.mark.parametrize("field", [b"Transfer-Encoding : chunked", b"Content-Length\t: 5", b"X : y", b"X\x0b: y"])
def test_no_space_stands_before_a_colon(gw, up, field):
    """RFC 9112, 5.1"""
    refused(gw, up, get(field + b"\r\n"), 400)


@pytest.mark.parametrize("field", [b"X", b": y", b"X Y: z", b"X(y): z", b"X\x80: z", b"\"X\": y", b"X/: y", b"X[]: y",
                                   b"X@: y", b"{X}: y"])
def test_field_names_are_tokens(gw, up, field):
    """RFC 9110, 5.1"""
    refused(gw, up, get(field + b"\r\n"), 400)


@pytest.mark.parametrize("byte", [0, 1, 7, 8, 11, 12, 14, 27, 31, 127])
def test_control_characters_are_refused_everywhere(gw, up, byte):
    """RFC 9110, 5.5"""
    c = bytes([byte])
    for raw in (get(b"X: a" + c + b"b\r\n"), get(b"X" + c + b": b\r\n"), get(target=b"/" + c),
                get(method=b"G" + c), get(version=b"HTTP/1.1" + c), get(host=b"Host: a" + c + b"\r\n")):
        refused(gw, up, raw, 400)


def test_field_values_may_hold_obs_text_and_tabs(gw, up):
    """RFC 9110, 5.5"""
    passes(gw, up, get(b"X: \xe4\tb\xff \r\n"), b"GET /", b"X: \xe4\tb\xff")


@pytest.mark.parametrize("field", [b"Content-Length:\t2", b"Content-Length: 2\t", b"Content-Length:\t 2 \t"])
def test_a_tab_is_white_space_as_good_as_any(gw, up, field):
    """RFC 9110, 5.6.3: it means the same to everybody behind us, who reads it written anew"""
    passes(gw, up, b"POST / HTTP/1.1\r\nHost:\ta\t\r\n" + field + b"\r\nX:\ty\t\r\n\r\nok", b"POST /", b"Content-Length: 2", b"X: y", {"body": b"ok"})


def test_a_tab_around_a_coding(gw, up):
    """RFC 9110, 5.6.3"""
    passes(gw, up, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\t\r\nConnection:\tkeep-alive\t\r\n\r\n2\r\nok\r\n0\r\n\r\n",
           b"POST /", {"body": b"2\r\nok\r\n0\r\n\r\n", "chunked": True})


def test_white_space_around_a_field_value_is_not_part_of_it(gw, up):
    """RFC 9112, 5.1"""
    passes(gw, up, get(b"X: \t a b \t\r\nEmpty:\r\n"), b"GET /", b"X: a b", b"Empty: ")


def test_fields_keep_their_order_and_repetition(gw, up):
    """RFC 9110, 5.3"""
    passes(gw, up, get(b"X: 1\r\nY: 2\r\nX: 3\r\n"), b"GET /", b"X: 1", b"Y: 2", b"X: 3")


# --- RFC 9112 section 3: the request line

@pytest.mark.parametrize("line", [b"GET /", b"GET", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET / x HTTP/1.1",
                                  b"GET / HTTP/1.1 ", b" GET / HTTP/1.1", b"GET\t/ HTTP/1.1", b"GET /\tHTTP/1.1",
                                  b"GET  HTTP/1.1", b"/ GET HTTP/1.1"])
def test_the_request_line_is_method_target_version(gw, up, line):
    """RFC 9112, 3"""
    refused(gw, up, line + b"\r\n" + H + b"\r\n", 400)


@pytest.mark.parametrize("version", [b"http/1.1", b"HTTP/1", b"HTTP/11", b"HTTP/1.1.1", b"HTTP/1,1", b"HTTP/x.1",
                                     b"HTTP/01.1", b"HTTPS/1.1", b"HTTP 1.1", b"ICE/1.0", b"HTTP/1.11"])
def test_versions_have_one_form(gw, up, version):
    """RFC 9112, 2.3"""
    refused(gw, up, get(version=version), 400)


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3.0", b"HTTP/9.9"])
def test_other_versions_are_not_supported(gw, up, version):
    """RFC 9110, 15.6.6"""
    refused(gw, up, get(version=version), 505, "VERSION_NOT_SUPPORTED")


@pytest.mark.parametrize("method", [b"G(T", b"G@T", b"\"GET\"", b"G,T", b"G\xc4T"])
def test_methods_are_tokens(gw, up, method):
    """RFC 9110, 9.1"""
    refused(gw, up, get(method=method), 400)


@pytest.mark.parametrize("method", [b"FOO", b"get", b"Get", b"TRACE"])
def test_methods_not_known_are_not_implemented(gw, up, method):
    """RFC 9110, 9.1 and 9.3.8: methods are case-sensitive; TRACE shows a client what a front added"""
    refused(gw, up, get(method=method), 501)


@pytest.mark.parametrize("byte", [b"#", b"\"", b"<", b">", b"\\", b"\x80", b"\xff"])
def test_request_targets_have_no_other_characters(gw, up, byte):
    """RFC 9112, 3.2 and RFC 3986"""
    refused(gw, up, get(target=b"/a" + byte), 400)


def test_request_targets_pass_unchanged(gw, up):
    """RFC 9112, 3.2.1 and RFC 9110, 7.7: a proxy must not rewrite the path"""
    target = b"/%2e%2E//a/../b;c=1:@!$&'()*+,~-._|[]{}^`?q=/?%00&&r=1"
    passes(gw, up, get(target=target), b"GET " + target)


def test_an_empty_query_stays_one(gw, up):
    """RFC 9112, 3.2.1"""
    passes(gw, up, get(target=b"/a?"), b"GET /a?")


@pytest.mark.parametrize("target, path", [(b"http://b.example/x?y", b"/x?y"), (b"HTTP://b.example", b"/"),
                                          (b"http://b.example?y", b"/?y"), (b"https://b.example/", b"/")])
def test_absolute_form_replaces_host(gw, up, target, path):
    """RFC 9112, 3.2.2"""
    passes(gw, up, get(target=target), b"GET " + path, {"host": b"b.example"})


@pytest.mark.parametrize("target", [b"http:///x", b"http://", b"http://u@b/", b"http://u:p@b/", b"ftp://b/", b"http:/b/",
                                    b"http://b:x/", b"http://b:99999/", b"http://[::1/", b"http://b b/", b"//b/x y"])
def test_absolute_form_needs_a_valid_authority(gw, up, target):
    """RFC 9112, 3.2.2"""
    refused(gw, up, get(target=target), 400)


def test_absolute_form_needs_a_host_field_too(gw, up):
    """RFC 9112, 3.2"""
    refused(gw, up, get(target=b"http://b/", host=b""), 400)


@pytest.mark.parametrize("method, target, status", [(b"CONNECT", b"a:80", 501), (b"GET", b"a:80", 400),
                                                    (b"GET", b"a", 400), (b"CONNECT", b"/", 501)])
def test_authority_form_is_not_served(gw, up, method, target, status):
    """RFC 9112, 3.2.3"""
    refused(gw, up, get(method=method, target=target), status)


def test_asterisk_form_is_for_options(gw, up):
    """RFC 9112, 3.2.4"""
    passes(gw, up, get(method=b"OPTIONS", target=b"*"), b"OPTIONS *")
    refused(gw, up, get(target=b"*"), 400)
    refused(gw, up, get(method=b"OPTIONS", target=b"*?a"), 400)


def test_options_of_a_whole_server_becomes_an_asterisk(gw, up):
    """RFC 9112, 3.2.4: the last proxy on the chain sends "*" """
    passes(gw, up, get(method=b"OPTIONS", target=b"http://b.example:81"), b"OPTIONS *", {"host": b"b.example:81"})


# --- RFC 9110 section 7.2: Host

@pytest.mark.parametrize("host", [b"", b"Host: a\r\nHost: a\r\n", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nhost: a\r\n"])
def test_there_is_exactly_one_host(gw, up, host):
    """RFC 9112, 3.2"""
    refused(gw, up, get(host=host), 400)


@pytest.mark.parametrize("value", [b"", b"a b", b"a,b", b"a/b", b"u@a", b"a:x", b"a:65536", b"a:1:2", b"[::1", b"[x]",
                                   b"[1::2::3]", b"[::1]x", b"http://a", b"a\x80", b"a?b", b"a#", b":80", b"a%00", b"[]",
                                   b"a" * 256, b"[fe80::1%eth0]"])
def test_host_is_valid(gw, up, value):
    """RFC 9110, 7.2 and RFC 3986, 3.2.2"""
    refused(gw, up, get(host=b"Host: " + value + b"\r\n"), 400)


@pytest.mark.parametrize("value, seen", [(b"a.example:8080", b"a.example:8080"), (b"127.0.0.1", b"127.0.0.1"),
                                         (b"[2001:db8::1]:80", b"[2001:db8::1]:80"), (b"a:", b"a"), (b"A_b-c.", b"A_b-c.")])
def test_host_passes_with_its_port(gw, up, value, seen):
    """RFC 9110, 7.2; an empty port is none (RFC 3986, 3.2.3)"""
    passes(gw, up, get(host=b"Host:  " + value + b" \r\n"), b"GET /", {"host": seen})


# --- RFC 9110 section 7.6.1: fields that are meant for the next hop only

def test_connection_options_are_removed(gw, up):
    """RFC 9110, 7.6.1"""
    long = b"X-" + b"l" * 80
    passes(gw, up, get(b"Connection: X-One ,keep-alive\r\nX-One: 1\r\nx-two: 2\r\nConnection: ,X-TWO,\r\n"
                       + long + b": 1\r\nConnection: " + long.lower() + b"\r\nX-Three: 3\r\n"),
           b"GET /", b"X-Three: 3")


def test_fields_of_one_hop_are_removed(gw, up):
    """RFC 9110, 7.6.1; RFC 9112, appendix C.2.2"""
    passes(gw, up, get(b"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: x\r\n"
                       b"Proxy-Authorization: Basic eDp5\r\nUpgrade: foo\r\nX: y\r\n"), b"GET /", b"X: y")


@pytest.mark.parametrize("name", [b"Content-Length", b"Host", b"X-Forwarded-For", b"X-Request-Id"])
def test_connection_cannot_remove_what_frames_or_names_a_request(gw, up, name):
    """RFC 9110, 7.6.1: not for fields meant for all recipients"""
    passes(gw, up, post(b"Connection: close, " + name + b"\r\nContent-Length: 3\r\n", b"abc"),
           b"POST /", b"Content-Length: 3", {"body": b"abc"})


@pytest.mark.parametrize("value", [b"h2c", b"foo, h2c", b"H2C"])
def test_h2c_is_not_upgraded_to(gw, up, value):
    """RFC 9113, 3.1: a tunnel of HTTP/2 would carry requests past every check"""
    passes(gw, up, get(b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nUpgrade: " + value + b"\r\n"),
           b"GET /")


def test_no_upgrade_behind_a_body(gw, up):
    """RFC 9110, 7.8: the whole request comes first"""
    passes(gw, up, post(b"Connection: upgrade\r\nUpgrade: foo\r\nContent-Length: 1\r\n", b"x"),
           b"POST /", b"Content-Length: 1", {"body": b"x"})


def test_no_upgrade_of_http_10(gw, up):
    """RFC 9110, 7.8"""
    passes(gw, up, get(b"Connection: upgrade\r\nUpgrade: foo\r\n", version=b"HTTP/1.0"), b"GET /",
           {"version": b"1.0"})


def test_via_names_each_hop(gw, up):
    """RFC 9110, 7.6.3: a gateway must say that it was there"""
    passes(gw, up, get(b"Via: 1.0 fred\r\n"), b"GET /", b"Via: 1.0 fred")


# --- RFC 9110 section 10.1.1: Expect

def test_expect_100_continue_is_answered_before_the_body(gw, up):
    """RFC 9110, 10.1.1"""
    with gw.connect() as sock:
        sock.sendall(post(b"Content-Length: 3\r\nExpect: 100-Continue\r\n"))
        reader = Reader(sock)
        assert reader.head()[2] == b"HTTP/1.1 100 Continue"
        sock.sendall(b"abc")
        assert reader.response()[0] == 200
    assert same_each_time(up.got()) == forwarded(b"POST /", b"Content-Length: 3", body=b"abc")


def test_no_100_continue_where_the_body_is_there_or_none_comes(gw, up):
    """RFC 9110, 10.1.1"""
    passes(gw, up, post(b"Content-Length: 3\r\nExpect: 100-continue\r\n", b"abc"), b"POST /", b"Content-Length: 3",
           {"body": b"abc"})
    passes(gw, up, get(b"Expect: 100-continue\r\n"), b"GET /")


def test_expect_of_http_10_is_ignored(gw, up):
    """RFC 9110, 10.1.1: a server must ignore it in HTTP/1.0"""
    passes(gw, up, get(b"Content-Length: 3\r\nExpect: 100-continue\r\n", method=b"POST", version=b"HTTP/1.0") + b"abc",
           b"POST /", b"Content-Length: 3", {"body": b"abc", "version": b"1.0"})


@pytest.mark.parametrize("value", [b"200-ok", b"100-continue, x", b"100-continue=1"])
def test_other_expectations_fail(gw, up, value):
    """RFC 9110, 15.5.18"""
    refused(gw, up, post(b"Content-Length: 3\r\nExpect: " + value + b"\r\n", b"abc"), 417, "EXPECTATION_FAILED")


# --- RFC 9112 section 9: connections

def test_pipelined_requests_are_answered_in_order(gw, up):
    """RFC 9112, 9.3.2"""
    up.answer = lambda conn, raw: conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + raw[5:7])
    with gw.connect() as sock:
        sock.sendall(b"".join(get(target=b"/%02d" % i) for i in range(30)))
        reader = Reader(sock)
        assert [reader.response()[2] for _ in range(30)] == [b"%02d" % i for i in range(30)]


def test_a_bad_request_ends_the_pipeline(gw, up):
    """RFC 9112, 9.3.2: nothing behind it is believed"""
    with gw.connect() as sock:
        sock.sendall(get() + b"BAD\r\n\r\n" + get(target=b"/smuggled"))
        reader = Reader(sock)
        assert [reader.response()[0] for _ in range(2)] == [200, 400]
        assert reader.rest() == b""
    assert same_each_time(up.got()) == forwarded(b"GET /")
    assert up.requests.empty()


def test_connections_of_http_11_persist_and_those_of_http_10_do_not(gw, up):
    """RFC 9112, 9.3"""
    for version, fields, stays in ((b"HTTP/1.1", b"", True), (b"HTTP/1.1", b"Connection: close\r\n", False),
                                   (b"HTTP/1.1", b"Connection: x, CLOSE\r\n", False), (b"HTTP/1.0", b"", False),
                                   (b"HTTP/1.0", b"Connection: Keep-Alive\r\n", True),
                                   (b"HTTP/1.0", b"Connection: keep-alive, close\r\n", False)):
        with gw.connect() as sock:
            sock.sendall(get(fields, version=version))
            reader = Reader(sock)
            assert reader.response()[0] == 200
            if stays:
                sock.sendall(get())
                assert reader.response()[0] == 200
            else:
                assert reader.rest() == b""


@pytest.mark.parametrize("last", [get(b"Connection: close\r\n"), get(version=b"HTTP/1.0"), b"BAD\r\n\r\n",
                                  post(b"Connection: close\r\nContent-Length: 3\r\n", b"abc"),
                                  post(b"Connection: close\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")])
def test_bytes_behind_the_last_request_do_not_reset_its_answer(gw, up, last):
    """RFC 9112, 9.6: a reset could erase the end of the answer before the client reads it"""
    with gw.connect() as sock:
        sock.sendall(last + BLOCK[:100000])
        reader = Reader(sock)
        assert reader.response()[0] in (200, 400)
        assert reader.rest() == b""


def test_http_10_needs_no_host(gw, up):
    """RFC 9112, 3.2"""
    passes(gw, up, get(version=b"HTTP/1.0", host=b""), b"GET /", {"host": b"localhost", "version": b"1.0"})


def test_a_body_of_known_length_passes_whole(gw, up):
    """RFC 9112, 6.2"""
    for size in (1, 2, 16000, 16384, 40000, 300000):
        body = BLOCK[:size]
        passes(gw, up, post(b"Content-Length: %d\r\n" % size, body), b"POST /", b"Content-Length: %d" % size,
               {"body": body})


def test_a_request_cut_in_its_body_is_no_request(gw, up):
    """RFC 9112, 8: an incomplete message is not taken for a whole one"""
    for fields, body in ((b"Content-Length: 10\r\n", b"half"), (b"Transfer-Encoding: chunked\r\n", b"a\r\nhalf")):
        with gw.connect() as sock:
            sock.sendall(post(fields, body))
            sock.shutdown(socket.SHUT_WR)
            assert Reader(sock).rest() == b""
    assert up.requests.empty()
