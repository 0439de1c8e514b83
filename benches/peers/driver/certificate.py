"""A self-signed certificate for one run: ECDSA on P-256, the same for every peer."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

# What TLS clients of a run offer, so that every server does the same work.
CLIENT_CONFIG = """\
openssl_conf = defaults
[defaults]
ssl_conf = ssl
[ssl]
system_default = offered
[offered]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""
PROTOCOL = "TLSv1.3"
CIPHER = "TLS_AES_128_GCM_SHA256"
GROUP = "X25519"


@dataclass(frozen=True)
class Certificate:
    chain: Path
    key: Path
    both: Path
    client_config: Path


def make(directory: Path) -> Certificate:
    made = Certificate(
        chain=directory / "chain.pem",
        key=directory / "key.pem",
        both=directory / "both.pem",
        client_config=directory / "client.cnf",
    )
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(made.key), "-out", str(made.chain)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    made.both.write_text(made.chain.read_text() + made.key.read_text())
    made.client_config.write_text(CLIENT_CONFIG)
    return made
