"""A process that stands before a server or a resolver, hands questions on, and alters what comes back. Its only argument
is a JSON file: a list of {"listen": address, "upstream": address, "lies": {suffix of names: name of a lie}}."""
import json
import pathlib
import socket
import struct
import sys
import threading
import time

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

T = dns.rdatatype
PROOFS = (T.NSEC, T.NSEC3)


def kind_of(rrset):
    return rrset.covers if rrset.rdtype == T.RRSIG else rrset.rdtype


def drop(section, *kinds, owner=None):
    section[:] = [rrset for rrset in section if kind_of(rrset) not in kinds or
                  (owner is not None and rrset.name != owner)]


def strip(reply):
    for section in (reply.answer, reply.authority, reply.additional):
        section[:] = [rrset for rrset in section if rrset.rdtype not in (T.RRSIG, T.NSEC, T.NSEC3)]


def alter(reply):
    for rrset in reply.answer:
        if rrset.rdtype == T.A:
            rrset.clear()
            rrset.add(dns.rdata.from_text("IN", "A", "192.0.2.66"), 300)


class Call:
    def __init__(self, query, upstream, lie):
        self.query, self.upstream, self.lie = query, upstream, lie
        self.question = query.question[0]
        self.name, self.rdtype = self.question.name, self.question.rdtype

    def ask(self, name=None, rdtype=None):
        query = self.query
        if name is not None:
            query = dns.message.make_query(name, rdtype, want_dnssec=True, payload=4096)
        return dns.query.tcp(query, self.upstream, timeout=5)

    def proofs_of(self, name, rdtype="A"):
        """The authority section for another name."""
        return self.ask(dns.name.from_text(name), rdtype).authority

    def nsec3_owner(self, reply, name):
        """The owner of the NSEC3 that matches or covers a name, among those in a reply."""
        sets = sorted((rrset for rrset in reply.authority if rrset.rdtype == T.NSEC3), key=lambda rrset: rrset.name)
        if not sets:
            return None
        hashed = dns.dnssec.nsec3_hash(name, sets[0][0].salt, sets[0][0].iterations, 1).lower().encode()
        for rrset in sets:
            first = rrset.name.labels[0].lower()
            last = dns.rdtypes.ANY.NSEC3.base64.b32encode(rrset[0].next).translate(
                bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghijklmnopqrstuv"))
            if first == hashed or (first < hashed < last if first < last else hashed > first or hashed < last):
                return rrset.name
        return None


# Lies: from a call to a message, octets, or None for silence.

def refuse(call):
    reply = dns.message.make_response(call.query)
    reply.set_rcode(dns.rcode.REFUSED)
    return reply


def fail(call):
    reply = dns.message.make_response(call.query)
    reply.set_rcode(dns.rcode.SERVFAIL)
    return reply


def silent(_):
    return None


def no_proofs(call):
    """Positive answers without the proof that no closer name is there."""
    reply = call.ask()
    if reply.answer:
        drop(reply.authority, *PROOFS)
    return reply


def no_encloser(call):
    """Without the NSEC3 that matches the parent of the name asked for."""
    reply = call.ask()
    if reply.rcode() == dns.rcode.NXDOMAIN:
        drop(reply.authority, T.NSEC3, owner=call.nsec3_owner(reply, call.name.parent()))
    return reply


def no_next_closer(call):
    reply = call.ask()
    if reply.rcode() == dns.rcode.NXDOMAIN:
        drop(reply.authority, T.NSEC3, owner=call.nsec3_owner(reply, call.name))
    return reply


def no_wildcard(call):
    reply = call.ask()
    if reply.rcode() == dns.rcode.NXDOMAIN:
        star = dns.name.Name((b"*",) + call.name.parent().labels)
        drop(reply.authority, T.NSEC3, owner=call.nsec3_owner(reply, star))
    return reply


def no_nsec_wildcard(call):
    """Without the NSEC that denies the wildcard: that of the apex."""
    reply = call.ask()
    if reply.rcode() == dns.rcode.NXDOMAIN:
        drop(reply.authority, T.NSEC, owner=call.name.parent())
    return reply


def is_target(call):
    return call.name.labels[0].lower() == b"www"


def nxdomain(call):
    """www is not there, they say, and prove nothing."""
    reply = call.ask()
    if is_target(call):
        reply.answer.clear()
        reply.authority[:] = [rrset for rrset in call.proofs_of("none." + call.name.parent().to_text())
                              if kind_of(rrset) == T.SOA]
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


def nodata(call):
    reply = nxdomain(call)
    reply.set_rcode(dns.rcode.NOERROR)
    return reply


def other_proof(call):
    """www is not there, they say, and give the proof of another name's absence."""
    reply = call.ask()
    if is_target(call):
        reply.answer.clear()
        reply.authority[:] = call.proofs_of("none." + call.name.parent().to_text())
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


def contradicting_proof(call):
    """www A is not there, they say, and give the NSEC that says that it is."""
    reply = call.ask()
    if is_target(call) and call.rdtype == T.A:
        reply.answer.clear()
        reply.authority[:] = call.proofs_of(call.name.to_text(), "MX")
    return reply


def ent_nxdomain(call):
    reply = call.ask()
    if call.name.labels[0].lower() == b"ent":
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


def dname_target(call):
    reply = call.ask()
    for rrset in reply.answer:
        if rrset.rdtype == T.CNAME:
            target = rrset[0].target
            rrset.clear()
            rrset.add(dns.rdata.from_text("IN", "CNAME", "evil." + target.parent().to_text()), 300)
    reply.answer[:] = [rrset for rrset in reply.answer if kind_of(rrset) != T.A]
    return reply


def no_cname(call):
    """A DNAME without the CNAME that follows from it (RFC 6672 section 3.4 lets validators make it)."""
    reply = call.ask()
    reply.answer[:] = [rrset for rrset in reply.answer if kind_of(rrset) != T.CNAME]
    return reply


def inject(call):
    reply = call.ask()
    for rrset in reply.answer:
        if rrset.rdtype == T.A:
            rrset.add(dns.rdata.from_text("IN", "A", "192.0.2.66"), rrset.ttl)
    return reply


def unsigned_alias(call):
    reply = call.ask()
    if is_target(call) and call.rdtype == T.A:
        evil = dns.name.from_text("other", call.name.parent())
        reply.answer[:] = [dns.rrset.from_text(call.name, 300, "IN", "CNAME", evil.to_text()),
                           *call.ask(evil, "A").answer]
    return reply


def no_ds_proof(call):
    """The parent's side without its signed denial: nothing says that the delegation is insecure."""
    reply = call.ask()
    drop(reply.authority, *PROOFS)
    return reply


def no_ds(call):
    """DS are made to vanish; the proof is of another name."""
    reply = call.ask()
    if call.rdtype == T.DS and reply.answer:
        reply.answer.clear()
        reply.authority[:] = call.proofs_of("none." + call.name.parent().to_text())
        reply.set_rcode(dns.rcode.NOERROR)
    elif not reply.answer and call.rdtype != T.DS:
        drop(reply.authority, T.DS)
    return reply


def no_ds_unproved(call):
    reply = call.ask()
    if call.rdtype == T.DS and reply.answer:
        reply.answer.clear()
    return reply


def child_ds(call):
    """DS of the zone itself answered as a server of the child does, without asking the parent."""
    reply = call.ask()
    if call.rdtype == T.DS and reply.answer:
        reply.answer.clear()
        reply.authority[:] = call.proofs_of(call.name.to_text(), "TYPE65280")
        reply.set_rcode(dns.rcode.NOERROR)
    return reply


def compact(call):
    """Compact denial of existence (RFC 9824), signed while answering."""
    from lab_records import Key, signature
    reply = call.ask()
    if reply.rcode() != dns.rcode.NXDOMAIN:
        return reply
    zone = next(rrset.name for rrset in reply.authority if rrset.rdtype == T.SOA)
    key = next(Key.load(pathlib.Path(call.lie.split(" ")[1])))
    after = dns.name.Name((b"\0",) + call.name.labels)
    nsec = dns.rdata.from_text("IN", "NSEC", f"{after.to_text()} RRSIG NSEC TYPE128")
    reply.authority[:] = [rrset for rrset in reply.authority if kind_of(rrset) == T.SOA]
    reply.authority += [dns.rrset.from_rdata(call.name, 300, nsec),
                        dns.rrset.from_rdata(call.name, 300, signature(call.name, T.NSEC, [nsec], zone, key))]
    reply.set_rcode(dns.rcode.NOERROR)
    return reply


def strip_all(call):
    """As one that knows nothing of DNSSEC."""
    reply = call.ask()
    strip(reply)
    reply.flags &= ~dns.flags.AD
    return reply


def lie_ad(call):
    """Altered data, and the claim that they were validated."""
    reply = call.ask()
    alter(reply)
    reply.flags |= dns.flags.AD
    return reply


def lie_ad_stripped(call):
    reply = lie_ad(call)
    strip(reply)
    return reply


def advertise(call):
    """What does not exist has an address."""
    reply = call.ask()
    if reply.rcode() == dns.rcode.NXDOMAIN:
        reply.set_rcode(dns.rcode.NOERROR)
        reply.authority.clear()
        reply.answer[:] = [dns.rrset.from_text(call.name, 300, "IN", "A", "192.0.2.66")]
    return reply


def garbage(call):
    return struct.pack("!HHHHHH", call.query.id, 0x8180, 1, 9, 0, 0) + b"\xc0\x0c\xc0\x0c"


def other_question(call):
    reply = call.ask()
    reply.question = [dns.rrset.RRset(dns.name.from_text("other.invalid."), 1, call.rdtype)]
    return reply


def other_id(call):
    reply = call.ask()
    reply.id ^= 1
    return reply


def truncated(call):
    reply = dns.message.make_response(call.query)
    reply.flags |= dns.flags.TC
    return reply


LIES = {name: value for name, value in list(globals().items()) if callable(value) and not name.startswith("_")}


class Liar:
    def __init__(self, listen, upstream, lies):
        self.upstream = upstream
        self.lies = sorted(((dns.name.from_text(suffix), lie) for suffix, lie in lies.items()),
                           key=lambda item: -len(item[0].labels))
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind((listen, 53))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((listen, 53))
        self.tcp.listen(50)
        for work in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    def reply(self, wire, tcp):
        query = dns.message.from_wire(wire)
        lie = next((lie for suffix, lie in self.lies if query.question[0].name.is_subdomain(suffix)), None)
        call = Call(query, self.upstream, lie)
        reply = call.ask() if lie is None else LIES[lie.split(" ")[0]](call)
        if reply is None or isinstance(reply, bytes):
            return reply
        if lie != "other_id":
            reply.id = query.id
        wire = reply.to_wire(max_size=65535)
        if not tcp and len(wire) > max(query.payload, 512):
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        return wire

    def answer_udp(self, wire, peer):
        reply = self.reply(wire, False)
        if reply is not None:
            self.udp.sendto(reply, peer)

    def serve_udp(self):
        while True:
            wire, peer = self.udp.recvfrom(65535)
            threading.Thread(target=self.answer_udp, args=(wire, peer), daemon=True).start()

    def answer_tcp(self, connection):
        with connection:
            connection.settimeout(10)
            stream = connection.makefile("rb")
            while True:
                head = stream.read(2)
                if len(head) < 2:
                    return
                reply = self.reply(stream.read(struct.unpack("!H", head)[0]), True)
                if reply is None:
                    return
                connection.sendall(struct.pack("!H", len(reply)) + reply)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self.answer_tcp, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    liars = [Liar(**item) for item in json.loads(pathlib.Path(sys.argv[1]).read_text())]
    while True:
        time.sleep(3600)
