"""A server of XMPP of a few lines: it opens a stream to a server, and says what its arguments tell it.

    xmpp_peer.py ADDRESS CERTIFICATE KEY LOCAL REMOTE STEP...

LOCAL: the domain that it claims; REMOTE: the other's. Steps: "bidi", asks for streams in both directions; "hear", writes down
what comes, until the end; and names of domains that it claims, too. Each line of its output tells what came of it."""
import re
import socket
import ssl
import sys

address, certificate, key, local, remote, *steps = sys.argv[1:]
conn = socket.create_connection((address, 5269), 20)
head = ("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
        f"xmlns:db='jabber:server:dialback' version='1.0' from='{local}' to='{remote}'>")


def say(text):
    conn.sendall(text.encode())


def read(until):
    text = ""
    while not re.search(until, text):
        data = conn.recv(4096)
        if not data:
            sys.exit("closed: " + " ".join(re.findall("<stream:error>.*</stream:error>", text)))
        text += data.decode()
    return text


say(head)
read("</stream:features>")
say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
read("<proceed")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(certificate, key)
conn = context.wrap_socket(conn, server_hostname=remote)
say(head)
print("EXTERNAL" if "EXTERNAL" in read("</stream:features>|</stream:stream>") else "no EXTERNAL")
for step in steps:
    if step == "bidi":
        say("<bidi xmlns='urn:xmpp:bidi'/>")
    elif step == "hear":
        print("hears")
        conn.settimeout(None)
        while data := conn.recv(4096):
            print(data.decode())
    else:
        say(f"<db:result from='{step}' to='{remote}'>key</db:result>")
        print(step, re.search("type='([^']*)'", read("<db:result[^>]*>")).group(1))
