"""Servers that follow a script: mail, IMAP, POP3, ManageSieve, XMPP bare TLS and documents over HTTPS, right and wrong. Run inside the network
of a world:

    scripted.py SETTINGS

SETTINGS is JSON, a list of {address, port, speaks, does, certificate, key}. `speaks`: smtp, imap, pop3, sieve, xmpp, tls, https.
`does`: of https the document, or an object of documents by path; "!404 Not Found" is an answer without one, "!https://…" leads
elsewhere, "!silent" and "!endless" are what they say. Otherwise "" (all is right), or what goes wrong: silent, silent-later, silent-tls, drop, drop-later, garbage, flood, no-tls,
refuse, inject, plain-after, old-tls, stop. "ready" goes to standard output when all of them listen."""
import json
import pathlib
import socket
import ssl
import sys
import threading
import time

WHILE = 30  # of those who stall


class Server:
    def __init__(self, settings):
        self.speaks, self.does = settings["speaks"], settings.get("does", "")
        self.listener = socket.create_server((settings["address"], settings["port"]), backlog=64)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.does == "old-tls":
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = ssl.TLSVersion.TLSv1_1
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.context.load_cert_chain(settings["certificate"], settings["key"])

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(WHILE)
        try:
            with connection:
                if self.does == "silent":
                    time.sleep(WHILE)
                elif self.does == "garbage":
                    connection.sendall(bytes(range(256)) * 8)
                    connection.recv(4096)
                elif self.does == "flood":
                    while True:
                        connection.sendall(b"2" * 65536)
                elif self.speaks == "https":
                    self.document(connection)
                elif self.does != "drop":
                    self.talk(connection)
        except OSError:
            pass

    def document(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as secret:
            path = secret.recv(4096).split()[1].decode()
            text = self.does if isinstance(self.does, str) else self.does.get(path, "!404 Not Found")
            status, more = ("200 OK", "") if not text.startswith("!") else (text[1:], "")
            if text == "!endless":
                secret.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
                for _ in range(1600):
                    secret.sendall(b" " * 65536)
            elif text == "!silent":
                time.sleep(WHILE)
            elif text.startswith("!https:"):
                status, more = "302 Found", f"Location: {text[1:]}\r\n"
            body = "" if text.startswith("!") else text
            secret.sendall(f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{more}"
                           f"Connection: close\r\n\r\n{body}".encode())

    def talk(self, connection):
        if self.speaks != "tls" and not getattr(self, self.speaks)(connection):
            return
        if self.does == "silent-tls":
            time.sleep(WHILE)
        elif self.does == "plain-after":
            connection.sendall(b"250 there is no TLS here\r\n" * 100)
            connection.recv(4096)
        elif self.does == "stop":
            connection.recv(16)
        else:
            with self.context.wrap_socket(connection, server_side=True) as secret:
                secret.recv(4096)

    def consent(self, connection, yes, no):
        """True: go on with TLS."""
        if self.does == "silent-later":
            time.sleep(WHILE)
        elif self.does == "refuse":
            connection.sendall(no)
        elif self.does == "inject":
            connection.sendall(yes + b"250 injected\r\n")
            return True
        elif self.does != "drop-later":
            connection.sendall(yes)
            return True
        return False

    def line(self, connection):
        text = b""
        while not text.endswith(b"\n"):
            octet = connection.recv(1)
            if not octet:
                raise ConnectionError
            text += octet
        return text.decode().strip()

    def smtp(self, connection):
        connection.sendall(b"220-mx.invalid speaks first\r\n220 ESMTP\r\n")
        while True:
            verb = self.line(connection).split()[0].upper()
            if verb == "EHLO":
                offer = b"" if self.does == "no-tls" else b"250-STARTTLS\r\n"
                connection.sendall(b"250-mx.invalid\r\n" + offer + b"250 SIZE 1000000\r\n")
            elif verb == "STARTTLS":
                return self.consent(connection, b"220 go on\r\n", b"454 not now\r\n")
            else:
                connection.sendall(b"221 bye\r\n" if verb == "QUIT" else b"502 what?\r\n")

    def imap(self, connection):
        offer = b"" if self.does == "no-tls" else b" STARTTLS"
        connection.sendall(b"* OK [CAPABILITY IMAP4rev1" + offer + b"] hello\r\n")
        while True:
            tag, verb = self.line(connection).split()[:2]
            if verb.upper() == "CAPABILITY":
                connection.sendall(b"* CAPABILITY IMAP4rev1" + offer + b"\r\n" + tag.encode() + b" OK done\r\n")
            elif verb.upper() == "STARTTLS":
                return self.consent(connection, tag.encode() + b" OK begin\r\n", tag.encode() + b" BAD no\r\n")
            else:
                connection.sendall(tag.encode() + b" BAD what?\r\n")

    def pop3(self, connection):
        connection.sendall(b"+OK hello\r\n")
        while True:
            verb = self.line(connection).split()[0].upper()
            if verb == "CAPA":
                offer = b"" if self.does == "no-tls" else b"STLS\r\n"
                connection.sendall(b"+OK\r\nUSER\r\n" + offer + b".\r\n")
            elif verb == "STLS" and self.does != "no-tls":
                return self.consent(connection, b"+OK begin\r\n", b"-ERR no\r\n")
            else:
                connection.sendall(b"-ERR what?\r\n")

    def sieve(self, connection):
        offer = b"" if self.does == "no-tls" else b'"STARTTLS"\r\n'
        connection.sendall(b'"IMPLEMENTATION" "scripted"\r\n' + offer + b'OK "hello"\r\n')
        while True:
            if self.line(connection).upper() == "STARTTLS":
                return self.consent(connection, b'OK "begin"\r\n', b'NO "not now"\r\n')
            connection.sendall(b'NO "what?"\r\n')

    def xmpp(self, connection):
        opening = b""
        while b"stream:stream" not in opening or not opening.rstrip().endswith(b">"):
            opening += connection.recv(4096)
        space = b"jabber:server" if b"jabber:server" in opening else b"jabber:client"
        offer = b"" if self.does == "no-tls" else b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
        connection.sendall(b"<?xml version='1.0'?><stream:stream xmlns='" + space +
                           b"' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
                           b"<stream:features>" + offer + b"</stream:features>")
        if b"starttls" not in connection.recv(4096):
            return False
        return self.consent(connection, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
                            b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")


def main():
    servers = [Server(settings) for settings in json.loads(pathlib.Path(sys.argv[1]).read_text())]
    for server in servers:
        threading.Thread(target=server.run, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
