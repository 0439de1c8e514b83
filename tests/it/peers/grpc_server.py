"""A gRPC environment: unary, server, client and bidirectional streams of plain bytes. Ends with its input."""

import sys
import threading
from concurrent import futures

import grpc

name = sys.argv[1].encode()


def unary(request, context):
    if request == b"fail":
        context.abort(grpc.StatusCode.UNAVAILABLE, "asked to fail")
    context.set_trailing_metadata((("x-trailer", "kept"),))
    return name + b":" + request


def server_stream(request, context):
    for number in range(int(request)):
        yield name + b":%d" % number


def client_stream(requests, context):
    return name + b":%d" % sum(len(request) for request in requests)


def bidirectional(requests, context):
    for request in requests:
        yield name + b":" + request


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Bidirectional": grpc.stream_stream_rpc_method_handler(bidirectional),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listens on 127.0.0.1:{port}", flush=True)
sys.stdin.read()
server.stop(0)
