"""Binds what systemd would, at the addresses given, and becomes the program given, with these sockets.

`activated.py ADDRESS:PORT,... PROGRAM ARGUMENT...`; "-" in the place of an address is a socket that does not listen, "stdin" one that
is this program's own input."""

import fcntl
import os
import socket
import sys

FIRST = 3
# Beyond what is to be used.
APART = 100

sockets = []
for address in sys.argv[1].split(","):
    bound = socket.socket(fileno=os.dup(0)) if address == "stdin" else socket.socket()
    if address not in ("-", "stdin"):
        host, port = address.rsplit(":", 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, int(port)))
        bound.listen(64)
    sockets.append(fcntl.fcntl(bound.fileno(), fcntl.F_DUPFD, APART))
for place, number in enumerate(sockets):
    os.dup2(number, FIRST + place)
    os.close(number)
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
