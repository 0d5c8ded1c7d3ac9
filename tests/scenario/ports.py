"""Ports of 127.0.0.1 that nobody else takes: not another test that runs at the same time, and not the system for a
client, which could have one while its server is being started again."""
import fcntl
import itertools
import pathlib
import socket
import tempfile

FIRST, BLOCK, BLOCKS = 10000, 440, 50  # ends below 32768, where the system's own begin


def _own_block():
    """As long as this process lives; the lock ends with it."""
    for number in range(BLOCKS):
        try:
            lock = open(pathlib.Path(tempfile.gettempdir()) / f"kenter-test-ports-{number}", "a")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        return lock, itertools.cycle(range(FIRST + number * BLOCK, FIRST + (number + 1) * BLOCK))
    raise RuntimeError(f"{BLOCKS} test runs at once")


_lock, _ports = _own_block()


def free_port():
    """One for UDP and TCP, given again only when all of the block were."""
    for port in itertools.islice(_ports, BLOCK):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("", port))
                udp.bind(("", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
