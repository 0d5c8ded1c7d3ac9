"""Against real things: a private root with zones on Kenter, BIND, Knot, NSD and PowerDNS, good ones and such that are
broken in one way each, asked through Unbound, BIND and libunbound. What kenter trace says of each is in
tests/golden/trace/WAYS; Unbound and delv say the same, or it is told here why they do not. LAB_GOLDEN=DIRECTORY makes
the cases of tests/golden/trace anew there."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import lab_world
from peers_support import KENTER, program

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "trace"
SOURCES = ("unbound", "bind", "recursion")


def read_ways():
    """Name -> (status, code of the cause or "-", pattern of the sentence)."""
    found = {}
    for line in (GOLDEN / "WAYS").read_text().splitlines():
        if line and not line.startswith("#"):
            name, status, code, pattern = line.split(maxsplit=3)
            assert name not in found, name
            found[name] = (status, code, pattern)
    return found


WAYS = read_ways()

EITHER = {"secure", "failed"}
OPT_OUT = ("RFC 5155 section 9.2: where the NSEC3 that covers the next closer name has the Opt-Out flag, an unsigned "
           "delegation may be there, and AD must not be set. BIND calls it validated.")
ONE_TRY = ("RFC 4035 section 5.3.3 lets any good signature do, RFC 4034 section 8 any key of the tag. BIND 9.18 tries "
           "one that fails per answer since CVE-2023-50387, so that it depends on which comes first.")

# Where Unbound or delv say something else, and why that is so. Name -> {peer: (what it says, why)}.
DIFFERENT = {
    "optout-ds": {"delv": ("secure", OPT_OUT)},
    "optout-nxdomain": {"delv": ("secure", OPT_OUT)},
    "one-bad-one-good": {"delv": (EITHER, ONE_TRY)},
    "key-collision": {"delv": (EITHER, ONE_TRY)},
    "ent-nxdomain": {"delv": ("failed", "The response code is not signed; the NSEC proves that the name is there "
                                        "without the type, which is what we say. delv believes the code and looks "
                                        "for a zone cut that is not there.")},
    "ds-sha1": {peer: ("secure", "RFC 9905 section 3: validators must not use SHA-1 any more; the zone counts as "
                                 "unsigned (RFC 4035 section 5.2). These releases are older. --legacy says secure.")
                for peer in ("delv", "validating")},
    "ds-sha1-beside": {"validating": ("secure", "RFC 4509 section 3: a DS with SHA-1 is ignored where one with SHA-256 "
                                                "stands beside it, else an attacker could choose the weaker one.")},
    "revoked-ds": {"validating": ("secure", "RFC 5011 section 2.1: a revoked key is used for nothing but to verify its "
                                            "own revocation. Unbound looks at the bit in its anchors only.")},
    "rrsig": {"delv": ("failed", "It gives up by itself: 'shut down hung fetch'.")},
}

# Where what a resolver hands on is another answer. (name, source) -> (status, code, why).
OTHERWISE = {
    ("any-apex", "bind"): ("bogus", "validate.unsigned", "BIND adds the NS of the parent's referral to what it has "
                           "gathered under ANY; these have no signature, and nobody can tell them from forged ones."),
    ("ds-vanished-unproved", "bind"): ("bogus", "validate.denial-missing", "Unbound takes the DS from the referral, "
                                       "BIND asks for it and gets the lie."),
}


def of_unbound(lab, way):
    """What a validating Unbound makes of it."""
    at = lab.validating.at
    if way.resolver is not None:
        at = lab.believers[way.name].at
    text = lab.dig(at, *way.question)
    if "status: SERVFAIL" in text or "status:" not in text:
        return "failed"
    return "secure" if re.search(r"flags:[^;]* ad[ ;]", text) else "insecure"


def of_delv(lab, way):
    resolver = way.resolver or lab.forwarders["unbound"]
    try:
        done = lab.inside.run(program("delv"), resolver.at, "-a", lab.delv_anchor, "+root=.", *way.question, timeout=6)
    except subprocess.TimeoutExpired:
        return "failed"
    text = done.stdout + done.stderr
    if re.search("resolution failed: (?!ncache)", text) or "pending validation" in text:
        return "failed"
    return "insecure" if "unsigned answer" in text else "secure" if "fully validated" in text else "failed"


def of_kenter(lab, way, source):
    """The document of kenter trace."""
    options = ["--json", "--save", lab.path / "cases" / f"{way.name}-{source}.json", "--timeout", "9s"]
    if way.resolver is not None:
        at = [way.resolver.at]
    elif source == "recursion":
        at = ["--recursive", "--root-hints", lab.hints_file]
    else:
        at = [lab.forwarders[source].at]
    done = lab.inside.run(KENTER, "trace", "--anchor", lab.anchor_file, *options, *way.question, *at,
                          environment={"LC_ALL": "C.UTF-8"})
    assert done.stdout.startswith("{"), f"{way.name}: {done.returncode} {done.stdout} {done.stderr}"
    return json.loads(done.stdout)


def ask_all(lab):
    """Everything of everybody, several at a time: name -> who -> what it says."""
    jobs = []
    for way in sorted(lab.ways, key=lambda way: way.fast):
        jobs += [(way, source, of_kenter, (source,)) for source in (SOURCES if way.resolver is None else ["unbound"])]
        jobs += [(way, "delv", of_delv, ()), (way, "validating", of_unbound, ())]
    found = {way.name: {} for way in lab.ways}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        waiting = [(way, who, pool.submit(function, lab, way, *more)) for way, who, function, more in jobs]
        for way, who, answer in waiting:
            found[way.name][who] = answer.result()
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with lab_world.Lab(tmp_path_factory.mktemp("lab")) as lab:
        (lab.path / "cases").mkdir()
        lab.populate()
        lab.start()
        lab.anchor_file, lab.hints_file = lab.anchor(), lab.hints()
        lab.delv_anchor = lab.path / "delv.keys"
        lab.delv_anchor.write_text("trust-anchors {%s};\n" % "".join(f'. static-ds {ds};'
                                                                    for ds in lab.quoted_ds()))
        lab.unbound_forwarder = lab.unbound(address="10.53.4.1")
        lab.forwarders = {"unbound": lab.unbound_forwarder, "bind": lab.bind(address="10.53.4.2")}
        lab.validating = lab.unbound(validating=True, address="10.53.4.3")
        lab_world.false_resolvers(lab)
        lab.believers = {}
        for number, way in enumerate([way for way in lab.ways if way.resolver is not None], 1):
            lab.believers[way.name] = lab.resolver(
                "unbound", True, f'\nforward-zone:\n    name: "."\n    forward-addr: {way.resolver.address}\n',
                f"10.53.5.{number}", wanted=False)
        lab.found = ask_all(lab)
        if "LAB_GOLDEN" in os.environ:
            for way in lab.ways:
                shutil.copy(lab.path / "cases" / f"{way.name}-unbound.json",
                            pathlib.Path(os.environ["LAB_GOLDEN"]) / f"{way.name}.json")
        yield lab


def group(status):
    return "failed" if status in ("bogus", "error") else status


def cause(result):
    """The code of the first finding that says what is wrong."""
    return next((item["code"] for item in result["findings"]), "-")


def test_every_way_is_told(lab):
    assert {way.name for way in lab.ways} == set(WAYS)
    assert len([name for name, (status, _, _) in WAYS.items() if status in ("bogus", "error")]) >= 40


@pytest.mark.parametrize("name", WAYS)
def test_verdict(lab, name):
    status, code, pattern = WAYS[name]
    for source in SOURCES:
        if source not in lab.found[name]:
            continue
        result = lab.found[name][source]["result"]
        if (name, source) in OTHERWISE:
            assert (result["status"], cause(result)) == OTHERWISE[name, source][:2]
            continue
        assert result["status"] == status, (source, result["sentence"])
        assert cause(result) == code, (source, result["sentence"], result["findings"])
        assert re.search(pattern, result["sentence"]), (source, result["sentence"])


@pytest.mark.parametrize("name", WAYS)
def test_peers_agree(lab, name):
    for peer in ("delv", "validating"):
        wanted, why = DIFFERENT.get(name, {}).get(peer, (group(WAYS[name][0]), "the same"))
        wanted = wanted if isinstance(wanted, set) else {wanted}
        assert lab.found[name][peer] in wanted, (peer, why)


@pytest.mark.parametrize("name, most", [("ttl-beyond-expiry", 3600), ("ttl-raised", 300)])
def test_time_to_live(lab, name, most):
    """RFC 4035 section 5.3.3: not longer than the signature lives, not more than was signed."""
    for source in SOURCES:
        assert 0 < lab.found[name][source]["result"]["ttl"] <= most


def test_replays(lab):
    """What was recorded gives the same result."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        def again(name):
            done = subprocess.run([KENTER, "trace", "--json", "--replay", lab.path / "cases" / f"{name}-unbound.json"],
                                  capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
            return json.loads(done.stdout)["result"]
        for name, result in zip(WAYS, pool.map(again, WAYS)):
            # What came after the verdict was clear counts in one of them only.
            assert {**result, "cost": None} == {**lab.found[name]["unbound"]["result"], "cost": None}, name


def test_ten_thousand_replays():
    """In one process, from the file to the result: the same results, and no more memory at the end."""
    done = subprocess.run([KENTER.parent / "tests" / "tools" / "replays", "10000", *sorted(GOLDEN.glob("*.json"))],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
