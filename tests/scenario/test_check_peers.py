"""Whatever BIND, Knot, NSD or validns say about a zone, `kenter check` says too.

Each zone below has one mistake. All peers look at it; when one of them refuses it or warns, kenter
must have a finding, of the code that is named here, and a refusal must be an error for kenter too.
Where kenter judges otherwise, the table at the end says why.
"""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KENTER = Path(os.environ.get("KENTER", ROOT / "build" / "kenter"))
ORIGIN = "example.org"

HEAD = "$ORIGIN example.org.\n$TTL 3600\n"
SOA = "@ SOA ns1 hostmaster 2026010101 14400 3600 1209600 3600\n"
SERVERS = "@ NS ns1\n@ NS ns2\nns1 A 185.49.140.1\nns2 A 185.49.140.2\n"
HOSTS = "www A 185.49.140.3\nmail A 185.49.140.4\n"
CLEAN = HEAD + SOA + SERVERS + HOSTS
CHILD = "child NS ns1.child\nchild NS ns2.child\nns1.child A 185.49.140.5\nns2.child A 185.49.140.6\n"
SHA1 = "0102030405060708090A0B0C0D0E0F1011121314"
SHA256 = SHA1 + "15161718191A1B1C1D1E1F20"
P256 = ("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5"
        "Ojs8PT4/QA==")
RSA_512 = "AwEAAcHB" + "wcHB" * 20 + "wcE="
RSA_ZERO = "AwEAAQDB" + "wcHB" * 84 + "wcHB"

# name: (what is added to the clean zone, or the zone when it starts with $, code of kenter)
ZONES = {
    # The apex.
    "no-soa": (HEAD + SERVERS, "zone.soa-missing"),
    "no-ns": (HEAD + SOA + HOSTS, "zone.ns-missing"),
    "one-ns": (HEAD + SOA + "@ NS ns1\nns1 A 185.49.140.1\n", "zone.ns-single"),
    "two-soa": ("@ SOA ns1 hostmaster 2 14400 3600 1209600 3600", "zone.soa-multiple"),
    "soa-below-apex": ("sub SOA ns1 hostmaster 2 14400 3600 1209600 3600",
                       "zone.soa-not-at-apex"),
    "soa-mname-slash": (HEAD + "@ SOA ns/1 hostmaster 1 14400 3600 1209600 3600\n" + SERVERS,
                        "zone.soa-mname"),
    "soa-rname-slash": (HEAD + "@ SOA ns1 host/master 1 14400 3600 1209600 3600\n" + SERVERS,
                        "zone.soa-rname"),
    "soa-rname-at": (HEAD + "@ SOA ns1 hostmaster\\@example.org. 1 14400 3600 1209600 3600\n" +
                     SERVERS, "zone.soa-rname"),
    "cname-at-apex": ("@ CNAME www.example.net.", "zone.cname-at-apex"),
    "out-of-zone": ("www.example.net. A 185.49.140.9", "zone.out-of-zone"),
    # Sets.
    "ttl-differs": ("a 60 TXT \"x\"\na 61 TXT \"y\"", "zone.ttl-differs"),
    "duplicate": ("a A 185.49.140.9\na A 185.49.140.9", "zone.duplicate-record"),
    "alike": ("@ HTTPS 1 www\n@ HTTPS 1 WWW", "zone.records-alike"),
    # Name servers and glue.
    "ns-missing-target": ("@ NS gone", "zone.ns-address-missing"),
    "ns-no-address": ("text TXT \"x\"\n@ NS text", "zone.ns-address-missing"),
    "ns-cname": ("a CNAME www\n@ NS a", "zone.ns-target-alias"),
    "ns-below-dname": ("d DNAME example.net.\n@ NS ns.d", "zone.ns-target-alias"),
    "ns-address-text": ("@ NS 192.0.2.1", "zone.target-is-address"),
    "ns-slash": ("a NS n/s.example.net.\na NS ns1", "zone.target-host-name"),
    "ns-underscore": ("a NS n_s.example.net.\na NS ns1", "zone.target-host-name"),
    "ns-wildcard": ("*.w NS ns1\n*.w NS ns2", "zone.ns-wildcard"),
    "child-one-ns": ("child NS ns1", "zone.delegation-ns-single"),
    "child-ns-missing": ("child NS gone\nchild NS ns1", "zone.ns-address-missing"),
    "child-ns-cname": ("a CNAME www\nchild NS a\nchild NS ns1", "zone.ns-target-alias"),
    "glue-missing": ("child NS ns1.child\nchild NS ns2", "zone.glue-missing"),
    "glue-missing-self": ("child NS child\nchild NS ns2", "zone.glue-missing"),
    "glue-sibling": (CHILD + "other NS ns3.child\nother NS ns2", "zone.glue-sibling-missing"),
    # Aliases.
    "cname-other": ("a CNAME www\na TXT \"x\"", "zone.cname-and-other-data"),
    "cname-dname": ("a CNAME www\na DNAME example.net.", "zone.cname-and-other-data"),
    "cname-two": ("a CNAME www\na CNAME mail", "zone.cname-several"),
    "dname-two": ("a DNAME example.net.\na DNAME example.com.", "zone.dname-several"),
    "dname-ns": ("a DNAME example.net.\na NS ns1\na NS ns2", "zone.dname-and-ns"),
    "dname-child": ("a DNAME example.net.\nb.a A 185.49.140.9", "zone.occluded-by-dname"),
    "dname-apex-child": (HEAD + SOA + "@ NS ns.example.net.\n@ NS ns.example.com.\n"
                         "@ DNAME example.net.\nwww A 185.49.140.3\n", "zone.occluded-by-dname"),
    "dname-wildcard": ("*.a DNAME example.net.", "zone.dname-wildcard"),
    "cname-loop": ("a CNAME b\nb CNAME a", "zone.alias-loop"),
    "cname-self": ("a CNAME a", "zone.alias-loop"),
    "cname-dangling": ("a CNAME gone", "zone.alias-dangling"),
    # Hosts of other records.
    "mx-missing": ("@ MX 10 gone", "zone.mx-target-missing"),
    "mx-no-address": ("text TXT \"x\"\n@ MX 10 text", "zone.mx-target-missing"),
    "mx-cname": ("a CNAME www\n@ MX 10 a", "zone.mx-target-alias"),
    "mx-below-dname": ("d DNAME example.net.\n@ MX 10 m.d", "zone.mx-target-alias"),
    "mx-address": ("@ MX 10 192.0.2.1.", "zone.target-is-address"),
    "mx-underscore": ("@ MX 10 my_mail\nmy_mail A 185.49.140.9", "zone.target-host-name"),
    "mx-owner-underscore": ("a_b MX 10 mail", "zone.owner-host-name"),
    "srv-missing": ("_x._tcp SRV 0 0 1 gone", "zone.srv-target-missing"),
    "srv-cname": ("a CNAME www\n_x._tcp SRV 0 0 1 a", "zone.srv-target-alias"),
    "srv-below-dname": ("d DNAME example.net.\n_x._tcp SRV 0 0 1 s.d", "zone.srv-target-alias"),
    "a-underscore": ("a_b A 185.49.140.9", "zone.owner-host-name"),
    "aaaa-underscore": ("a_b AAAA 2a04:b900::9", "zone.owner-host-name"),
    "wildcard-inside": ("a.*.b A 185.49.140.9", "zone.wildcard-inside"),
    "rp-txt": ("@ RP joe joe.people", "zone.rp-txt-missing"),
    "afsdb-subtype": ("@ AFSDB 9 www", "zone.afsdb-subtype"),
    "lp-self": ("a LP 10 a", "zone.lp-self"),
    "rp-mailbox": ("@ RP joe.a_b .", "zone.mailbox-name"),
    "hyphen": ("-a CNAME www", "zone.label-hyphen"),
    "md": ("a MD www", "zone.type-withdrawn"),
    "mb": ("a MB www", "zone.type-obsolete"),
    "wks": ("a WKS 185.49.140.9 6 25", "zone.type-obsolete"),
    "a6": ("a A6 0 2a04:b900::9", "zone.type-obsolete"),
    "dlv": ("a DLV 1 13 2 " + SHA256, "zone.type-obsolete"),
    "naptr-regexp": ("a NAPTR 1 1 \"u\" \"x\" \"bad\" .", "zone.naptr-regexp"),
    "mx-address-relative": ("@ MX 10 192.0.2.1", "zone.target-is-address"),
    "cname-at-cut": (CHILD + "child CNAME www", "zone.cname-and-other-data"),
    # DNSSEC records.
    "ds-at-apex": ("@ DS 1 13 2 " + SHA256, "zone.ds-at-apex"),
    "ds-length": (CHILD + "child DS 1 13 2 " + SHA1, None),
    "ds-sha1": (CHILD + "child DS 1 13 1 " + SHA1, "zone.ds-digest-deprecated"),
    "ds-rsasha1": (CHILD + "child DS 1 5 2 " + SHA256, "zone.algorithm-deprecated"),
    "ds-unknown-digest": (CHILD + "child DS 1 13 77 " + SHA256, "zone.ds-digest-unknown"),
    "ds-without-ns": ("www DS 1 13 2 " + SHA256, "zone.ds-without-ns"),
    "dnskey-protocol": ("@ DNSKEY 257 4 13 " + P256, "zone.dnskey-protocol"),
    "dnskey-flags": ("@ DNSKEY 1 3 13 " + P256, "zone.dnskey-flags"),
    "dnskey-reserved-flags": ("@ DNSKEY 259 3 13 " + P256, "zone.dnskey-flags"),
    "dnskey-short": ("@ DNSKEY 257 3 8 " + RSA_512, "zone.dnskey-rsa-short"),
    "dnskey-zero": ("@ DNSKEY 257 3 8 " + RSA_ZERO, "zone.dnskey-leading-zero"),
    "dnskey-no-ksk": ("@ DNSKEY 256 3 13 " + P256, "zone.dnskey-no-sep"),
    "dnskey-algorithm": ("@ DNSKEY 257 3 99 " + P256, "zone.algorithm-unknown"),
    "key-algorithm": ("a KEY 512 3 1 " + RSA_ZERO, "zone.algorithm-deprecated"),
    "nsec3param-not-apex": ("a NSEC3PARAM 1 0 0 -", "zone.apex-only-type"),
    "nsec3param-flags": ("@ NSEC3PARAM 1 1 0 -", "zone.nsec3param-shape"),
    "nsec3param-algorithm": ("@ NSEC3PARAM 2 0 0 -", "zone.nsec3param-shape"),
    "nsec3param-iterations": ("@ NSEC3PARAM 1 0 500 -", "zone.nsec3param-cost"),
    "cds-delete": ("@ CDS 1 0 1 " + SHA1 + "\n@ CDNSKEY 256 3 0 AQID", "zone.cds-delete-form"),
    "cds-alone": ("@ CDS 1 13 2 " + SHA256, "zone.cds-alone"),
    "cds-disagree": ("@ CDS 1 13 2 " + SHA256 + "\n@ CDNSKEY 257 3 13 " + P256,
                     "zone.cds-disagree"),
    "cds-other-key": ("@ CDS 1 13 2 " + SHA256 + "\n@ DNSKEY 257 3 13 " + P256, "zone.cds-no-key"),
    # Other records.
    "spf-type": ("@ SPF \"v=spf1 -all\"", "zone.spf-type-alone"),
    "tlsa-host": ("www TLSA 3 1 1 " + SHA256, "zone.tlsa-owner"),
    "tlsa-usage": ("_443._tcp.www TLSA 9 1 1 " + SHA256, "zone.tlsa-parameter"),
    "tlsa-length": ("_443._tcp.www TLSA 3 1 1 " + SHA1, "zone.tlsa-length"),
    "sshfp-algorithm": ("www SSHFP 9 1 " + SHA1, "zone.sshfp-parameter"),
    "sshfp-length": ("www SSHFP 1 2 " + SHA1, "zone.sshfp-length"),
    "naptr-flags": ("a NAPTR 1 1 \"+\" \"x\" \"\" www", "zone.naptr-flags"),
    "cert-type": ("a CERT 255 0 8 AQID", "zone.cert-type"),
    "smimea-length": ("_smimecert SMIMEA 3 0 1 " + SHA1, "zone.tlsa-length"),
    # What only kenter sees.
    "apex-cds-elsewhere": ("www CDS 1 13 2 " + SHA256, "zone.apex-only-type"),
    "name-doubled": ("@ MX 10 mail.example.org\nmail.example.org A 185.49.140.9",
                     "zone.name-doubled"),
    "occluded": (CHILD + "www.child TXT \"x\"", "zone.occluded-by-cut"),
    "orphan-glue": (CHILD + "old.child A 185.49.140.9", "zone.glue-orphan"),
    "mx-null-mixed": ("@ MX 0 .\n@ MX 10 mail", "zone.mx-null-mixed"),
    "caa-value": ("@ CAA 0 issue \"a, b\"", "zone.caa-value"),
    "svcb-alias-mixed": ("@ HTTPS 0 www\n@ HTTPS 1 .", "zone.svcb-alias-mixed"),
}

# Where a peer refuses and kenter only warns, or a peer speaks and kenter is silent: why.
EXCEPTIONS = {
    ("ds-unknown-digest", "kzonecheck"):
        "validators take the child for unsigned (RFC 4035 section 5.2), so it resolves: a warning",
    ("mb", "kzonecheck"): "Knot does not know the name of the type; by number it loads",
    ("wks", "kzonecheck"): "the same",
    ("a6", "kzonecheck"): "the same",
    ("a6", "nsd-checkzone"): "NSD reads no A6 since RFC 6563 made it historic",
    ("dlv", "kzonecheck"): "Knot does not know the name of the type; by number it loads",
    ("cds-alone", "named-checkzone"):
        "BIND wants the DNSKEY set beside CDS; a source zone gets its keys when it is signed",
}


def named_checkzone(path):
    run = subprocess.run(["named-checkzone", "-i", "full", "-k", "warn", "-m", "warn", "-M", "warn",
                          "-S", "warn", "-n", "warn", "-W", "warn", "-r", "warn", ORIGIN, path],
                         capture_output=True, text=True, timeout=60)
    # What it would learn from the Internet is left out: the test must not depend on a network.
    said = [line for line in (run.stdout + run.stderr).splitlines()
            if line != "OK" and "loaded serial" not in line and "(out of zone)" not in line]
    return run.returncode != 0, said


def kzonecheck(path):
    run = subprocess.run(["kzonecheck", "-o", ORIGIN, path], capture_output=True, text=True,
                         timeout=60)
    said = [line for line in (run.stdout + run.stderr).splitlines()
            if line and "No semantic error" not in line]
    return run.returncode != 0, said


def nsd_checkzone(path):
    run = subprocess.run(["nsd-checkzone", ORIGIN, path], capture_output=True, text=True,
                         timeout=60)
    said = [line for line in (run.stdout + run.stderr).splitlines() if "is ok" not in line]
    return run.returncode != 0, said


def validns(path):
    run = subprocess.run(["validns", "-p", "all", "-z", ORIGIN + ".", path], capture_output=True,
                         text=True, timeout=60)
    # It loads no zone anywhere, so it refuses nothing: all that it says is advice. Types that are
    # newer than it are left out, and that a zone with NSEC3PARAM should be signed.
    said = [line for line in (run.stdout + run.stderr).splitlines()
            if "unsupported rdtype" not in line and "apex NSEC not found" not in line]
    return False, said


PEERS = {"named-checkzone": named_checkzone, "kzonecheck": kzonecheck,
         "nsd-checkzone": nsd_checkzone, "validns": validns}


def find(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def kenter(path):
    run = subprocess.run([KENTER, "check", "--json", "--origin", ORIGIN, path],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode in (0, 1), run.stderr
    return json.loads(run.stdout)["findings"]


def write(tmp_path, text):
    path = tmp_path / ORIGIN
    path.write_text(text if text.startswith("$") else CLEAN + text + "\n")
    return path


def ask_peers(path):
    return {name: look(path) for name, look in PEERS.items() if find(name)}


def test_clean(tmp_path):
    path = write(tmp_path, CLEAN + CHILD)
    assert kenter(path) == []
    for name, (refused, said) in ask_peers(path).items():
        assert not refused and said == [], name


@pytest.mark.parametrize("name", ZONES)
def test_zone(tmp_path, name):
    text, code = ZONES[name]
    path = write(tmp_path, text)
    findings = kenter(path)
    codes = {finding["code"] for finding in findings}
    if code is not None:
        assert code in codes, findings
    bad = any(finding["severity"] == "error" for finding in findings)
    for peer, (refused, said) in ask_peers(path).items():
        if (name, peer) in EXCEPTIONS:
            continue
        if refused or said:
            assert findings, f"{peer} says {said}"
        if refused:
            assert bad, f"{peer} refuses: {said}; kenter only {sorted(codes)}"


@pytest.mark.parametrize("name, peer", EXCEPTIONS)
def test_exception_is_needed(tmp_path, name, peer):
    if not find(peer):
        pytest.skip(f"{peer} is not installed")
    path = write(tmp_path, ZONES[name][0])
    refused, _ = PEERS[peer](path)
    assert refused
    assert not any(finding["severity"] == "error" for finding in kenter(path))
