"""A program that is started to take over and does it badly: MODE says how. It speaks as far as it has to."""

import json
import os
import socket
import struct
import sys
import time

MODE = sys.argv[1]


def hang():
    time.sleep(60)
    sys.exit(9)


def read(stream):
    head = stream.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        sys.exit(8)
    (length,) = struct.unpack(">I", head)
    return json.loads(stream.recv(length, socket.MSG_WAITALL))


def say(stream, word):
    text = json.dumps(word).encode()
    stream.sendall(struct.pack(">I", len(text)) + text)


stream = socket.socket(fileno=os.dup(0))
hello = read(stream)
for count in [count for _, count in hello["listeners"]] + [1]:
    while count > 0:
        _, sockets, _, _ = socket.recv_fds(stream, 1, 64)
        for descriptor in sockets:
            os.close(descriptor)
        count -= len(sockets)

if MODE == "silent":
    hang()
if MODE == "garbage":
    stream.sendall(b"\xff\xff\xff\xffgarbage")
    hang()
if MODE == "out of turn":
    say(stream, "Leading")
    hang()
say(stream, "Loaded")
if MODE == "dies loaded":
    sys.exit(7)
assert read(stream) == "Released"
if MODE == "silent with the journal":
    hang()
say(stream, "Ready")
assert read(stream) == "Lead"
if MODE == "dies at the lead":
    sys.exit(7)
hang()
