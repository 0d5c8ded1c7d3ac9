"""Signed zones as lists of records in which anything can be changed, and keys that sign anything, however wrong."""
import struct
import time

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.DNSKEY
import dns.rdtypes.ANY.RRSIG
import dns.zone
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

IN = dns.rdataclass.IN
DAY = 86400
KSK, ZSK, REVOKE = 257, 256, 128


def rdatatype(text):
    return dns.rdatatype.from_text(text)


class Key:
    """A key of algorithm 13, ECDSA P-256 with SHA-256."""

    def __init__(self, private=None, flags=KSK, protocol=3):
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        octets = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
        self.dnskey = dns.rdtypes.ANY.DNSKEY.DNSKEY(IN, dns.rdatatype.DNSKEY, flags, protocol, 13, octets)

    @classmethod
    def load(cls, directory):
        """All keys of a key directory that have this algorithm."""
        for file in sorted(directory.glob("*+013+*.key.pem")):
            flags = 257 if '"flags": 257' in file.with_name(file.name.replace(".key.pem", ".json")).read_text() else 256
            yield cls(serialization.load_pem_private_key(file.read_bytes(), None), flags)

    @property
    def tag(self):
        return dns.dnssec.key_id(self.dnskey)

    def ds(self, zone, digest="SHA256"):
        return dns.dnssec.make_ds(zone, self.dnskey, digest, policy=dns.dnssec.allow_all_policy).to_text()

    def sign(self, data):
        signature = self.private.sign(data, ec.ECDSA(hashes.SHA256()))
        return b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(signature))


def keys_with_one_tag(count, flags=ZSK):
    """So many keys that have the same tag."""
    found = {}
    while True:
        key = Key(flags=flags)
        same = found.setdefault(key.tag, [])
        same.append(key)
        if len(same) == count:
            return same


def signature(owner, kind, rdatas, signer, key, ttl=300, **fields):
    """An RRSIG over a set, in which every field can be chosen; what a verifier reconstructs from these fields is what
    is signed."""
    now = int(time.time())
    labels = len(owner.labels) - 1 - (1 if owner.is_wild() else 0)
    values = {"algorithm": 13, "labels": labels, "original_ttl": ttl, "expiration": now + 10 * DAY,
              "inception": now - 3600, "key_tag": key.tag, "signer": signer, **fields}
    head = struct.pack("!HBBIIIH", kind, *[values[name] for name in ("algorithm", "labels", "original_ttl",
                                                                    "expiration", "inception", "key_tag")])
    data = head + values["signer"].to_digestable()
    signed = owner
    if values["labels"] < labels:
        signed = dns.name.Name((b"*",) + owner.labels[-(values["labels"] + 1):])
    for rdata in sorted(rdata.to_digestable() for rdata in rdatas):
        data += signed.to_digestable() + struct.pack("!HHIH", kind, IN, values["original_ttl"], len(rdata)) + rdata
    return dns.rdtypes.ANY.RRSIG.RRSIG(IN, dns.rdatatype.RRSIG, kind, values["algorithm"], values["labels"],
                                       values["original_ttl"], values["expiration"], values["inception"],
                                       values["key_tag"], values["signer"], key.sign(data))


class Records:
    """The records of a signed zone. Owners are relative to it, "@" is its apex."""

    def __init__(self, zone, lines):
        """`zone`: of world_support; its keys sign what is signed anew."""
        self.origin = dns.name.from_text(zone.name)
        self.keys = list(Key.load(zone.keys))
        read = dns.zone.from_text("\n".join(lines), origin=self.origin, relativize=False, check_origin=False)
        self.items = [[name, ttl, rdata] for name, ttl, rdata in read.iterate_rdatas()]

    @property
    def key(self):
        return self.keys[0]

    def name(self, text):
        return self.origin if text == "@" else dns.name.from_text(text, self.origin)

    def is_of(self, item, owner, kind, covers):
        return (item[0] == owner and item[2].rdtype == rdatatype(kind) and
                (covers is None or item[2].type_covered == rdatatype(covers)))

    def of(self, owner, kind, covers=None):
        found = [item for item in self.items if self.is_of(item, self.name(owner), kind, covers)]
        assert found, f"no {owner} {kind} {covers or ''}"
        return found

    def remove(self, owner, kind, covers=None):
        for item in self.of(owner, kind, covers):
            self.items.remove(item)

    def remove_all(self, *kinds):
        self.items = [item for item in self.items if dns.rdatatype.to_text(item[2].rdtype) not in kinds]

    def change(self, owner, kind, covers=None, **fields):
        """Fields of the first; a function is given the old value."""
        item = self.of(owner, kind, covers)[0]
        item[2] = item[2].replace(**{name: value(getattr(item[2], name)) if callable(value) else value
                                     for name, value in fields.items()})

    def put(self, owner, kind, *texts, ttl=300):
        """In place of what is there."""
        self.items = [item for item in self.items if not self.is_of(item, self.name(owner), kind, None)]
        self.items += [[self.name(owner), ttl, dns.rdata.from_text(IN, kind, text, origin=self.origin,
                                                                   relativize=False)] for text in texts]

    def add(self, owner, rdata, ttl=300):
        self.items.append([self.name(owner), ttl, rdata])

    def sign(self, owner, kind, key=None, keep=False, **fields):
        """Signs a set anew, with the zone's key or another one."""
        found = self.of(owner, kind)
        if not keep:
            self.items = [item for item in self.items if not self.is_of(item, self.name(owner), "RRSIG", kind)]
        fields.setdefault("ttl", found[0][1])
        rrsig = signature(self.name(owner), rdatatype(kind), [item[2] for item in found],
                          fields.pop("signer", self.origin), key or self.key, **fields)
        self.items.append([self.name(owner), found[0][1], rrsig])

    def sign_all(self, key, keys_too=False, **fields):
        """Everything, by one key alone; the DNSKEY set stays as it is unless wanted."""
        sets = {(item[0], item[2].type_covered) for item in self.items if item[2].rdtype == dns.rdatatype.RRSIG and
                (keys_too or item[2].type_covered != dns.rdatatype.DNSKEY)}
        for owner, kind in sets:
            self.sign(owner.relativize(self.origin).to_text(), dns.rdatatype.to_text(kind), key, **fields)

    def keyset(self, *keys, signers=None):
        """Publishes these keys only, the DNSKEY set signed by `signers` or the first."""
        ttl = self.of("@", "DNSKEY")[0][1]
        self.items = [item for item in self.items if not self.is_of(item, self.origin, "DNSKEY", None) and
                      not self.is_of(item, self.origin, "RRSIG", "DNSKEY")]
        for key in keys:
            self.add("@", key.dnskey, ttl)
        for signer in signers or keys[:1]:
            self.sign("@", "DNSKEY", signer, keep=True)

    def lines(self):
        first = sorted(self.items, key=lambda item: item[2].rdtype != dns.rdatatype.SOA)
        return [f"{name} {ttl} IN {dns.rdatatype.to_text(rdata.rdtype)} {rdata.to_text()}"
                for name, ttl, rdata in first]
