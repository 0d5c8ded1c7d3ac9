"""Servers that follow a script: mail, IMAP, POP3, ManageSieve, XMPP, bare TLS and documents over HTTPS, right and wrong. Run inside
the network of a world:

    scripted.py SETTINGS

SETTINGS is JSON, a list of {address, port, speaks, does, certificate, key}. `speaks`: one of PROTOCOLS, tls, https. `does`: "" (all is
right), or what goes wrong: "no-tls", "old-tls", or "WHAT@STEP", where the steps are those of the protocol and then tls, and

    silent   says nothing             half     says the half, then nothing      slow     an octet now and then
    drop     closes the connection    garbage  what is no text, or no TLS       flood    a line without end
    more     lines without end        null     an octet 0 in the middle         early    answers the next step as well
    refuse   says no                  inject   text behind the consent

Of https it is the document, or an object of documents by path; "!404 Not Found" is an answer without one, "!https://…" leads
elsewhere, "!silent" and "!endless" are what they say, "!type:text/html …" is a document of another type. "ready" goes to standard output when all of them listen."""
import itertools
import json
import pathlib
import re
import socket
import ssl
import sys
import threading
import time

WHILE = 30  # of those who stall
TLS = b"urn:ietf:params:xml:ns:xmpp-tls"

# Each step: what the client says before (a pattern), what is said then ({offer}: that there is TLS), and lines of which
# there may be any number.
PROTOCOLS = {
    "smtp": {"offer": b"250-STARTTLS\r\n", "no": b"454 not now\r\n", "steps": {
        "greeting": (b"", b"220-mx.invalid speaks first\r\n220 ESMTP\r\n", b"220-more\r\n"),
        "offer": (rb"EHLO [^\r]+\r\n", b"250-mx.invalid\r\n{offer}250 SIZE 1000000\r\n", b"250-MORE\r\n"),
        "consent": (rb"STARTTLS\r\n", b"220 go on\r\n", b"220-more\r\n")}},
    "imap": {"offer": b" STARTTLS", "no": b"b NO not now\r\n", "steps": {
        "greeting": (b"", b"* OK [CAPABILITY IMAP4rev1] hello\r\n", b"* OK more\r\n"),
        "offer": (rb"a CAPABILITY\r\n", b"* CAPABILITY IMAP4rev1{offer}\r\na OK done\r\n", b"* CAPABILITY MORE\r\n"),
        "consent": (rb"b STARTTLS\r\n", b"b OK begin\r\n", b"* OK more\r\n")}},
    "pop3": {"offer": b"STLS\r\n", "no": b"-ERR not now\r\n", "steps": {
        "greeting": (b"", b"+OK hello\r\n", b"+OK more\r\n"),
        "offer": (rb"CAPA\r\n", b"+OK\r\nUSER\r\n{offer}.\r\n", b"MORE\r\n"),
        "consent": (rb"STLS\r\n", b"+OK begin\r\n", b"+OK more\r\n")}},
    "sieve": {"offer": b'"STARTTLS"\r\n', "no": b'NO "not now"\r\n', "steps": {
        "offer": (b"", b'"IMPLEMENTATION" "scripted"\r\n{offer}OK "hello"\r\n', b'"MORE" "more"\r\n'),
        "consent": (rb"STARTTLS\r\n", b'OK "begin"\r\n', b'"MORE"\r\n')}},
    "xmpp": {"offer": b"<starttls xmlns='" + TLS + b"'/>", "no": b"<failure xmlns='" + TLS + b"'/></stream:stream>", "steps": {
        "greeting": (rb"<stream:stream[^>]+>", b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' id='1' "
                     b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", b" "),
        "offer": (b"", b"<stream:features>{offer}</stream:features>", b"<more xmlns='more'/>"),
        "consent": (rb"<starttls [^>]+>", b"<proceed xmlns='" + TLS + b"'/>", b"<more xmlns='more'/>")}},
}


class Server:
    def __init__(self, settings):
        self.speaks, self.does = settings["speaks"], settings.get("does", "")
        self.what, _, self.at = self.does.partition("@") if isinstance(self.does, str) else ("", "", "")
        self.listener = socket.create_server((settings["address"], settings["port"]), backlog=64)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        if self.what == "old-tls":
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = ssl.TLSVersion.TLSv1_1
        self.context.load_cert_chain(settings["certificate"], settings["key"])

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(WHILE)
        try:
            with connection:
                if self.speaks == "https":
                    self.document(connection)
                elif self.speaks == "tls" or self.talk(connection):
                    self.secure(connection)
        except OSError:
            pass

    def document(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as secret:
            path = secret.recv(4096).split()[1].decode()
            text = self.does if isinstance(self.does, str) else self.does.get(path, "!404 Not Found")
            status, more, kind = text[1:] if text.startswith("!") else "200 OK", "", "text/plain"
            if text == "!endless":
                secret.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
                for _ in range(1600):
                    secret.sendall(b" " * 65536)
            elif text == "!silent":
                time.sleep(WHILE)
            elif text.startswith("!https:"):
                status, more = "302 Found", f"Location: {text[1:]}\r\n"
            elif text.startswith("!type:"):
                status, kind, text = "200 OK", *text[6:].split(" ", 1)
            body = "" if text.startswith("!") else text
            secret.sendall(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}"
                           f"Connection: close\r\n\r\n{body}".encode())

    def talk(self, connection):
        """Until TLS. False: it does not come to that."""
        protocol = PROTOCOLS[self.speaks]
        offer = b"" if self.what == "no-tls" else protocol["offer"]
        steps = [(step, awaits, says.replace(b"{offer}", offer), more) for step, (awaits, says, more) in protocol["steps"].items()]
        heard, early = b"", False
        for number, (step, awaits, says, more) in enumerate(steps):
            while not re.search(awaits, heard):
                some = connection.recv(4096)
                if not some:
                    return False
                heard += some
            heard = heard[re.search(awaits, heard).end():]
            if self.what and self.what not in ("no-tls", "old-tls") and step == (self.at or steps[0][0]):
                if self.what == "refuse":
                    says, early = protocol["no"], True
                elif self.what == "inject":
                    says += b"250 injected\r\n"
                elif self.what == "early":
                    says, early = says + steps[number + 1][2], True
                else:
                    self.misbehave(connection, says, more)
                    return False
            connection.sendall(says)
            if early:
                connection.recv(4096)
                return False
        return True

    def misbehave(self, connection, says, more):
        middle = len(says) // 2
        if self.what == "silent":
            time.sleep(WHILE)
        elif self.what == "half":
            connection.sendall(says[:middle])
            time.sleep(WHILE)
        elif self.what == "slow":
            for octet in itertools.cycle(more):
                connection.sendall(bytes([octet]))
                time.sleep(0.1)
        elif self.what == "garbage":
            connection.sendall(bytes(range(255, -1, -1)) * 8)
            connection.recv(4096)
        elif self.what == "null":
            connection.sendall(says[:middle] + b"\0" + says[middle:])
            connection.recv(4096)
        elif self.what in ("flood", "more"):
            if self.speaks == "pop3" and self.what == "more" and self.at == "offer":
                connection.sendall(b"+OK\r\n")
            while True:
                connection.sendall((b"2" if self.what == "flood" else more) * 8192)
        else:
            assert self.what == "drop", self.what

    def secure(self, connection):
        if self.at == "tls" and self.what == "silent":
            time.sleep(WHILE)
        elif self.at == "tls" and self.what == "drop":
            connection.recv(16)
        elif self.at == "tls" and self.what == "garbage":
            connection.sendall(b"250 there is no TLS here\r\n" * 100)
            connection.recv(4096)
        elif self.at == "tls" and self.what == "flood":  # warnings without end
            connection.recv(4096)
            while True:
                connection.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 1000)
        elif self.at == "tls":
            self.handshake_in_part(connection)
        else:
            with self.context.wrap_socket(connection, server_side=True) as secret:
                secret.recv(4096)

    def handshake_in_part(self, connection):
        """half: of the first flight; slow: all of it, an octet at a time."""
        heard, says = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.context.wrap_bio(heard, says, server_side=True)
        heard.write(connection.recv(65536))
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            pass
        flight = says.read()
        if self.what == "half":
            connection.sendall(flight[:len(flight) // 2])
            time.sleep(WHILE)
        for octet in flight:
            connection.sendall(bytes([octet]))
            time.sleep(0.02)


def main():
    servers = [Server(settings) for settings in json.loads(pathlib.Path(sys.argv[1]).read_text())]
    for server in servers:
        threading.Thread(target=server.run, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
