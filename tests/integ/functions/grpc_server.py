# SPDX-License-Identifier: Apache-2.0
"""A gRPC server of Python's grpcio, without generated code: messages are bytes as they are."""
import os
import signal
import threading
import time
from concurrent import futures

import grpc

cancelled = []


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as you wish")


def sleep(request, context):
    time.sleep(int(request) / 1000)
    return b"slept"


def metadata(request, context):
    told = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-head", told["x-asked"]),))
    context.set_trailing_metadata((("x-tail-bin", told["x-raw-bin"]),))
    return b"deadline" if context.time_remaining() else b"none"


def count(request, context):
    for n in range(int(request)):
        yield b"%d" % n


def wait(request, context):
    ended = threading.Event()
    context.add_callback(lambda: (cancelled.append(1), ended.set()))
    yield b"begun"
    ended.wait(60)


def chat(requests, context):
    for request in requests:
        yield b"you said " + request


UNARY = {"Say": lambda request, context: request, "Fail": fail, "Sleep": sleep, "Metadata": metadata,
         "Cancelled": lambda request, context: b"%d" % len(cancelled)}
METHODS = {
    **{name: grpc.unary_unary_rpc_method_handler(work) for name, work in UNARY.items()},
    "Collect": grpc.stream_unary_rpc_method_handler(lambda requests, context: b"%d" % sum(map(len, requests))),
    "Count": grpc.unary_stream_rpc_method_handler(count), "Wait": grpc.unary_stream_rpc_method_handler(wait),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
server = grpc.server(futures.ThreadPoolExecutor(120), options=[
    ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
    ("grpc.http2.min_ping_interval_without_data_ms", 100), ("grpc.keepalive_permit_without_calls", 1)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", METHODS),))
server.add_insecure_port(f"0.0.0.0:{os.environ['PORT']}")
server.start()
print("listens", flush=True)
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ended.wait()
server.stop(2).wait()
