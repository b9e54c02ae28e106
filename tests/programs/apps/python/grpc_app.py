# SPDX-License-Identifier: Apache-2.0
"""A gRPC server without generated code: messages are bytes as they are."""
import os
import signal
import threading
from concurrent import futures

import grpc

import timers


def hello(request, context):
    context.set_trailing_metadata((("answered-by", "grpcio"),))
    return b"hello " + request + b" from grpcio"


def timer(request, context):
    return timers.by_thread(int(request)).encode()


def count(request, context):
    for n in range(int(request)):
        yield b"%d" % n


def chat(requests, context):
    for request in requests:
        yield b"you said " + request


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as you wish")


METHODS = {"Hello": grpc.unary_unary_rpc_method_handler(hello),
           "Timer": grpc.unary_unary_rpc_method_handler(timer),
           "Count": grpc.unary_stream_rpc_method_handler(count),
           "Chat": grpc.stream_stream_rpc_method_handler(chat),
           "Fail": grpc.unary_unary_rpc_method_handler(fail)}
server = grpc.server(futures.ThreadPoolExecutor(20))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", METHODS),))
server.add_insecure_port(f"0.0.0.0:{os.environ['PORT']}")
server.start()
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ended.wait()
server.stop(2).wait()
