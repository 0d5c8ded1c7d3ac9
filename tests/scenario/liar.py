"""A primary that does what no primary should: a server on loopback, over UDP and TCP, whose misbehaviour is chosen for
each zone and can be changed while it runs."""
import random
import socket
import struct
import threading

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.renderer
import dns.rrset
import dns.tsig
import dns.zone

T = dns.rdatatype


class Liar:
    """`modes` says for each zone how it misbehaves; "well": not at all. `asked` counts questions by zone and type."""

    def __init__(self, text, address="127.0.0.1", keyring=None):
        self.text, self.address, self.keyring = text, address, keyring
        self.modes, self.serials, self.asked = {}, {}, {}
        self.sent = 0  # octets of transfers
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        while True:
            self.tcp.bind((address, 0))
            self.port = self.tcp.getsockname()[1]
            try:
                self.udp.bind((address, self.port))
                break
            except OSError:
                self.tcp.close()
                self.tcp = socket.socket()
        self.tcp.listen(100)
        self.ending = threading.Event()
        for work in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    def set(self, zone, mode, serial):
        self.serials[zone], self.modes[zone] = serial, mode

    def stop(self):
        self.ending.set()
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        self.udp.close()

    # --- content ---

    def records(self, zone, serial):
        """All records of a version, SOA first."""
        made = dns.zone.from_text(self.text.format(serial=serial, value=f"version {serial}"), zone, relativize=False)
        soa = made.find_rrset(made.origin, "SOA")
        rest = [dns.rrset.from_rdata(name, rdataset.ttl, rdata) for name, rdataset in made.iterate_rdatasets()
                for rdata in rdataset if rdata.rdtype != T.SOA]
        return soa, rest

    def soa(self, zone, serial=None):
        return self.records(zone, self.serials[zone] if serial is None else serial)[0]

    # --- messages ---

    def reply(self, query, answer=(), secret=None, change_id=0, signed=True):
        """Wire of a response; signed when the query was."""
        message = dns.message.Message(id=query.id + change_id & 0xFFFF)
        message.flags = dns.flags.QR | dns.flags.AA
        message.question = list(query.question)
        message.answer = list(answer)
        if query.keyname is not None and signed:
            key = self.keyring if secret is None else dns.tsig.Key(query.keyname, secret, query.keyalgorithm)
            message.use_tsig(key, query.keyname, algorithm=query.keyalgorithm)
            message.request_mac = query.mac
        return message.to_wire(max_size=65535)

    def read(self, wire):
        try:
            query = dns.message.from_wire(wire, keyring=self.keyring)
            zone, kind = query.question[0].name.to_text(omit_final_dot=True).lower(), query.question[0].rdtype
        except Exception:
            return None
        if query.opcode() != dns.opcode.QUERY or zone not in self.modes:
            return None
        self.asked[zone, T.to_text(kind)] = self.asked.get((zone, T.to_text(kind)), 0) + 1
        return query, zone, kind

    # --- UDP: the question for the SOA ---

    def serve_udp(self):
        while not self.ending.is_set():
            try:
                wire, peer = self.udp.recvfrom(65535)
            except OSError:
                return
            read = self.read(wire)
            if read is None:
                continue
            query, zone, _ = read
            mode, serial = self.modes[zone], self.serials[zone]
            if mode == "silent":
                continue
            if mode == "another id":
                self.udp.sendto(self.reply(query, [self.soa(zone)], change_id=1), peer)
                continue
            if mode == "another soa":
                other = dns.rrset.from_text("other.example.", 600, "IN", "SOA", f"a.b. c.d. {serial} 1 1 1 1")
                self.udp.sendto(self.reply(query, [other]), peer)
                continue
            if mode == "garbage in UDP":
                self.udp.sendto(wire[:2] + b"\x84\x00\x00\x01\x00\x09" + random.randbytes(60), peer)
                continue
            if mode == "serial back":
                serial -= 10
            secret = b"another secret than that of both" if mode == "wrong tsig" else None
            self.udp.sendto(self.reply(query, [self.soa(zone, serial)], secret), peer)

    # --- TCP: transfers ---

    def serve_tcp(self):
        while not self.ending.is_set():
            try:
                line, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_stream, args=(line,), daemon=True).start()

    def serve_stream(self, line):
        with line:
            line.settimeout(60)
            try:
                while True:
                    wire = self.take(line, struct.unpack("!H", self.take(line, 2))[0])
                    read = self.read(wire)
                    if read is None or self.answer(line, *read) is False:
                        return
            except (OSError, EOFError):
                pass

    @staticmethod
    def take(line, count):
        data = b""
        while len(data) < count:
            more = line.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def send(self, line, wire):
        line.sendall(struct.pack("!H", len(wire)) + wire)
        self.sent += len(wire) + 2

    def answer(self, line, query, zone, kind):
        """False: the connection is closed behind it."""
        mode, serial = self.modes[zone], self.serials[zone]
        if kind == T.SOA:
            self.send(line, self.reply(query, [self.soa(zone)]))
            return True
        soa, rest = self.records(zone, serial)
        if mode == "well" and kind == T.IXFR:
            kind = T.AXFR  # which is always allowed
        return getattr(self, "do_" + mode.replace(" ", "_"), self.do_well)(line, query, zone, kind, soa, rest)

    def do_well(self, line, query, zone, kind, soa, rest):
        self.send(line, self.reply(query, [soa, *rest, soa]))
        return True

    def do_garbage(self, line, query, zone, kind, soa, rest):
        self.send(line, self.reply(query, [soa, *rest[:3]]))
        self.send(line, struct.pack("!HHHHHH", query.id, 0x8400, 0, 20, 0, 0) + random.Random(1).randbytes(500))
        return True

    def do_noise(self, line, query, zone, kind, soa, rest):
        line.sendall(random.Random(2).randbytes(20000))
        return False

    def do_cut(self, line, query, zone, kind, soa, rest):
        self.send(line, self.reply(query, [soa, *rest[:4]]))
        wire = self.reply(query, rest[4:])
        line.sendall(struct.pack("!H", len(wire)) + wire[:len(wire) // 2])
        return False

    def do_unfinished(self, line, query, zone, kind, soa, rest):
        """All records, but not the SOA that says so."""
        self.send(line, self.reply(query, [soa, *rest]))
        return False

    def do_stall(self, line, query, zone, kind, soa, rest):
        self.ending.wait(120)
        return False

    def do_drip(self, line, query, zone, kind, soa, rest):
        """An octet now and then, never a whole message."""
        for octet in struct.pack("!H", 2000) + self.reply(query, [soa, *rest]):
            line.sendall(bytes([octet]))
            if self.ending.wait(0.5) or self.modes[zone] != "drip":
                return False
        return False

    def do_slow(self, line, query, zone, kind, soa, rest):
        """A record each five seconds, which is slow, but within what is allowed."""
        for record in [soa, *rest, soa]:
            self.send(line, self.reply(query, [record]))
            if self.ending.wait(5) or self.modes[zone] != "slow":
                return False
        return True

    def do_misfit(self, line, query, zone, kind, soa, rest):
        """A difference that does not lead from what the other has; AXFR is refused."""
        if kind == T.AXFR:
            message = dns.message.make_response(query)
            message.set_rcode(dns.rcode.REFUSED)
            self.send(line, message.to_wire())
            return True
        new = dns.rrset.from_text("new." + zone + ".", 60, "IN", "TXT", "new")
        self.send(line, self.reply(query, [soa, self.soa(zone, 1000), rest[1], self.soa(zone, 1001), new,
                                           self.soa(zone, 1005), self.soa(zone), new, soa]))
        return True

    def do_absent(self, line, query, zone, kind, soa, rest):
        """A difference that fits by its serials, but takes away what is not there, and the SOA's own NS."""
        if kind == T.AXFR:
            message = dns.message.make_response(query)
            message.set_rcode(dns.rcode.REFUSED)
            self.send(line, message.to_wire())
            return True
        have = query.authority[0][0].serial
        servers = [r for r in rest if r.rdtype == T.NS]
        never = dns.rrset.from_text("never." + zone + ".", 60, "IN", "TXT", "never was")
        self.send(line, self.reply(query, [soa, self.soa(zone, have), never, *servers, soa, soa]))
        return True

    def do_endless(self, line, query, zone, kind, soa, rest):
        self.send(line, self.reply(query, [soa]))
        for number in range(10 ** 9):
            name = f"n{number}.{zone}."
            big = dns.rrset.from_text(name, 60, "IN", "TXT", " ".join(["x" * 250] * 200))
            self.send(line, self.reply(query, [big]))
            if self.ending.is_set() or self.modes[zone] != "endless":
                break
        return False

    def do_another_zone(self, line, query, zone, kind, soa, rest):
        """Begins and ends with the SOA of another zone."""
        other = dns.rrset.from_text("other.example.", 600, "IN", "SOA", "a.b. c.d. 99 1 1 1 1")
        self.send(line, self.reply(query, [other, *rest, other]))
        return True

    def do_outside(self, line, query, zone, kind, soa, rest):
        """A record that is not of the zone among those that are."""
        alien = dns.rrset.from_text("www.bank.example.", 600, "IN", "A", "192.0.2.66")
        self.send(line, self.reply(query, [soa, *rest, alien, soa]))
        return True

    def do_another_id_in_TCP(self, line, query, zone, kind, soa, rest):
        self.send(line, self.reply(query, [soa, *rest, soa], change_id=1))
        return True

    def do_unsigned(self, line, query, zone, kind, soa, rest):
        """Though the question was signed."""
        self.send(line, self.reply(query, [soa, *rest, soa], signed=False))
        return True

    def do_no_NS(self, line, query, zone, kind, soa, rest):
        """A proper transfer of a zone that is broken."""
        self.send(line, self.reply(query, [soa, *(r for r in rest if r.rdtype != T.NS), soa]))
        return True
