"""What the scenarios of `kenter verify` share: a zone with everything in it, keys, peers' signers
and verifiers, and our verdict as data."""

import json
import os
import pathlib
import subprocess
import time

KENTER = os.environ.get("KENTER", str(pathlib.Path(__file__).parents[2] / "build" / "kenter"))

ORIGIN = "example."

# Wildcards, empty non-terminals, DNAME, delegations with and without DS, nested cuts, glue and
# occluded data, an empty non-terminal that leads to delegations without DS only, letter case.
ZONE = """\
$TTL 3600
@ SOA ns1 Hostmaster 2026010100 7200 1800 1209600 900
@ NS ns1
@ NS NS2.Other.test.
@ MX 10 Mail
@ TXT "v=spf1 -all"
@ CAA 0 issue "ca.test"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
mail A 192.0.2.3
mail A 192.0.2.4
www CNAME Mail
* TXT "wild"
a.ent.deep A 192.0.2.10
b.ent.deep 300 A 192.0.2.11
*.wild MX 5 mail
dn DNAME dn.other.test.
below.dn TXT "occluded"
secure NS ns.secure
secure DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.secure A 192.0.2.20
insecure NS ns.insecure
insecure NS ns2.other.test.
ns.insecure A 192.0.2.21
sub.insecure NS ns.sub.insecure
ns.sub.insecure A 192.0.2.22
one.island NS ns.other.test.
two.island NS ns.other.test.
_sip._tcp SRV 0 0 5060 mail
_443._tcp.www TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
naptr NAPTR 10 20 "u" "E2U+sip" "!^.*$!sip:x@example!" .
types TYPE65500 \\# 4 01020304
types HINFO "a" "b"
svc HTTPS 1 . alpn=h2
Upper.Case A 192.0.2.30
"""


def run(command, directory, check=True, **more):
    done = subprocess.run(
        [str(word) for word in command], cwd=directory, capture_output=True, text=True,
        timeout=120, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def new_key(directory, algorithm, ksk=False, bits=None, origin=ORIGIN):
    """The base name of a key pair made by dnssec-keygen."""
    command = ["dnssec-keygen", "-q", "-a", str(algorithm), "-K", str(directory)]
    if algorithm in (5, 7, 8, 10):
        command += ["-b", str(bits or 1024)]
    if ksk:
        command += ["-f", "KSK"]
    return run(command + [origin], directory).stdout.strip()


def bind_sign(directory, zone, keys, options=(), name="zone", origin=ORIGIN):
    """Signs with dnssec-signzone; gives the signed file."""
    directory = pathlib.Path(directory)
    source = directory / f"{name}.in"
    lines = [(directory / f"{key}.key").read_text() for key in keys]
    source.write_text(zone + "".join(lines))
    signed = directory / f"{name}.signed"
    run(["dnssec-signzone", "-P", "-q", "-o", origin, "-f", signed, *options, source, *keys],
        directory)
    return signed


class Verdict:
    def __init__(self, done):
        self.code = done.returncode
        self.text = done.stdout
        if done.returncode not in (0, 1):
            raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        document = json.loads(done.stdout)
        self.findings = document["findings"]
        self.summary = document["summary"]

    @property
    def errors(self):
        return [f for f in self.findings if f["severity"] == "error"]

    def codes(self, owner=None):
        return {f["code"] for f in self.findings if owner is None or place(f) == owner}

    def __str__(self):
        return "\n".join(f"{f['severity']} {f['code']} {place(f)} {f['message']}"
                         for f in self.findings)


def place(finding):
    return (finding.get("owner") or "").lower()


def verify(file, *options, origin=ORIGIN):
    return Verdict(run([KENTER, "verify", "--json", "--origin", origin, *options, file],
                       pathlib.Path(file).parent, check=False))


def now_text(offset=0):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + offset))
