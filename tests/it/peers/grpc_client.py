"""Calls every kind of gRPC method through the proxy, so many times, and prints who answered, as JSON.

With "talk" it opens one bidirectional call and says on it what it reads, line by line, and prints each answer."""

import collections
import json
import queue
import sys

import grpc

target, mode = sys.argv[1], sys.argv[2]


def talk():
    with grpc.insecure_channel(target) as channel:
        said = queue.Queue()
        answers = channel.stream_stream("/test.Echo/Bidirectional")(iter(said.get, None))
        try:
            for line in sys.stdin:
                said.put(line.strip().encode())
                print(next(answers).decode(), flush=True)
        except grpc.RpcError:
            print("closed", flush=True)


if mode == "talk":
    talk()
    sys.exit()
rounds = int(mode)
answered = {kind: collections.Counter() for kind in ("unary", "server", "client", "bidirectional")}


def served_by(kind, message, expected):
    name, _, rest = message.partition(b":")
    assert rest == expected, (kind, message, expected)
    answered[kind][name.decode()] += 1
    return name


with grpc.insecure_channel(target) as channel:
    unary = channel.unary_unary("/test.Echo/Unary")
    server_stream = channel.unary_stream("/test.Echo/ServerStream")
    client_stream = channel.stream_unary("/test.Echo/ClientStream")
    bidirectional = channel.stream_stream("/test.Echo/Bidirectional")
    for number in range(rounds):
        text = b"hello %d" % number
        response, call = unary.with_call(text, timeout=10)
        served_by("unary", response, text)
        assert ("x-trailer", "kept") in [tuple(it) for it in call.trailing_metadata()], "trailer lost"

        parts = list(server_stream(b"5", timeout=10))
        names = {served_by("server", part, b"%d" % at) for at, part in enumerate(parts)}
        assert len(parts) == 5 and len(names) == 1, parts

        served_by("client", client_stream(iter([b"abc"] * 7), timeout=10), b"21")

        # Each message is sent only after the answer to the one before, so neither direction may be buffered.
        turns = queue.Queue()
        turns.put(b"0")
        answers = bidirectional(iter(turns.get, None), timeout=10)
        for at, answer in enumerate(answers):
            served_by("bidirectional", answer, b"%d" % at)
            turns.put(b"%d" % (at + 1) if at < 3 else None)
    try:
        unary(b"fail", timeout=10)
        raise SystemExit("the status was lost")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        assert error.details() == "asked to fail", error
print(json.dumps(answered))
