"""What BIND, ldns and Knot sign is accepted by `kenter verify`."""

import shutil

import pytest

from verify_support import KENTER, ORIGIN, ZONE, bind_sign, new_key, run, verify

ALGORITHMS = [8, 10, 13, 14, 15, 16]

CHAINS = {
    "nsec": [],
    "nsec3": ["-3", "-", "-H", "0"],
    "nsec3-salt": ["-3", "aabbccdd", "-H", "5"],
    "opt-out": ["-3", "-", "-H", "0", "-A"],
}

DENIAL = {"nsec": "NSEC", "nsec3": "NSEC3", "nsec3-salt": "NSEC3", "opt-out": "NSEC3 opt-out"}

ONE_NAME = "$TTL 300\n@ SOA ns.other.test. h 1 2 3 4 5\n@ NS ns.other.test.\n"


def many_names():
    """Delegations with and without DS, hosts, deep names: enough for many slices of work."""
    lines = [ONE_NAME]
    for i in range(400):
        lines.append(f"h{i} A 192.0.2.{i % 250}\n")
        lines.append(f"d{i}.x{i % 7} NS ns.d{i}.x{i % 7}\nns.d{i}.x{i % 7} A 192.0.2.1\n")
        if i % 3 == 0:
            lines.append(f"s{i} NS ns.s{i}\ns{i} DS {i} 13 2 {'ab' * 32}\nns.s{i} AAAA ::1\n")
    return "".join(lines)


SHAPES = {"all": ZONE, "one-name": ONE_NAME, "many": many_names()}


def accepted(signed, denial=None, options=()):
    verdict = verify(signed, *options)
    assert not verdict.errors, str(verdict)
    assert verdict.code == 0
    if denial:
        assert verdict.summary["denial"] == denial
    return verdict


def need(tool):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bind_algorithms(tmp_path, algorithm, chain):
    need("dnssec-signzone")
    keys = [new_key(tmp_path, algorithm, ksk=True), new_key(tmp_path, algorithm)]
    signed = bind_sign(tmp_path, ZONE, keys, CHAINS[chain])
    verdict = accepted(signed, DENIAL[chain])
    warned = verdict.codes() - {"verify.key-roles"}
    expected = {"verify.nsec3-iterations"} if chain == "nsec3-salt" else set()
    assert warned == expected, str(verdict)
    tag = keys[0].rsplit("+", 1)[1]
    dsset = (tmp_path / f"dsset-{ORIGIN}").read_text()
    assert str(int(tag)) in dsset
    accepted(signed, options=["--ds", f"@{tmp_path / f'dsset-{ORIGIN}'}"])


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bind_shapes(tmp_path, shape, chain):
    need("dnssec-signzone")
    keys = [new_key(tmp_path, 13, ksk=True), new_key(tmp_path, 13)]
    signed = bind_sign(tmp_path, SHAPES[shape], keys, CHAINS[chain])
    one = accepted(signed, DENIAL[chain], ["-j", "1"])
    three = accepted(signed, DENIAL[chain], ["-j", "3"])
    for summary in (one.summary, three.summary):
        summary.pop("seconds")
    assert one.summary == three.summary


def test_bind_two_algorithms_and_several_keys(tmp_path):
    need("dnssec-signzone")
    keys = [new_key(tmp_path, a, ksk) for a in (8, 13) for ksk in (True, False, False)]
    signed = bind_sign(tmp_path, ZONE, keys)
    verdict = accepted(signed, "NSEC")
    assert verdict.summary["signatures"] == 2 * 2 * verdict.summary["rrsets"] + 2


def test_bind_standby_and_single_key(tmp_path):
    need("dnssec-signzone")
    key = new_key(tmp_path, 13, ksk=True)
    signed = bind_sign(tmp_path, ZONE, [key], ["-z"])
    accepted(signed, "NSEC")


def test_legacy_algorithm(tmp_path):
    need("dnssec-signzone")
    keys = [new_key(tmp_path, 7, ksk=True), new_key(tmp_path, 7)]
    signed = bind_sign(tmp_path, ZONE, keys, ["-3", "-", "-H", "0"])
    assert "verify.key-none-usable" in verify(signed).codes()
    accepted(signed, "NSEC3", ["--legacy"])


LDNS = {
    "nsec": ([], "NSEC"),
    "nsec3": (["-n", "-t", "0"], "NSEC3"),
    "nsec3-salt": (["-n", "-s", "aabb", "-t", "3"], "NSEC3"),
    "opt-out": (["-n", "-p", "-t", "0"], "NSEC3 opt-out"),
    "zonemd": (["-z", "1:1", "-z", "1:2"], "NSEC"),
}


@pytest.mark.parametrize("how", LDNS)
@pytest.mark.parametrize("algorithm", [8, 13, 15])
def test_ldns(tmp_path, algorithm, how):
    need("ldns-signzone")
    options, denial = LDNS[how]
    keys = [new_key(tmp_path, algorithm, ksk=True), new_key(tmp_path, algorithm)]
    (tmp_path / "zone.in").write_text(ZONE)
    run(["ldns-signzone", "-o", ORIGIN, "-f", "zone.signed", *options, "zone.in", *keys], tmp_path)
    verdict = accepted(tmp_path / "zone.signed", denial)
    assert verdict.summary["zonemd_checked"] == ("yes" if how == "zonemd" else "no")


KNOT = {
    "nsec": ("", "NSEC"),
    "nsec3": ("    nsec3: on\n    nsec3-iterations: 0\n    nsec3-salt-length: 0\n", "NSEC3"),
    "nsec3-salt": ("    nsec3: on\n    nsec3-iterations: 5\n", "NSEC3"),
    "opt-out": ("    nsec3: on\n    nsec3-iterations: 0\n    nsec3-opt-out: on\n",
                "NSEC3 opt-out"),
    "csk": ("    single-type-signing: on\n", "NSEC"),
}


@pytest.mark.parametrize("how", KNOT)
@pytest.mark.parametrize("algorithm", ["ecdsap256sha256", "ed25519", "rsasha256"])
def test_knot(tmp_path, algorithm, how):
    need("kzonesign")
    options, denial = KNOT[how]
    (tmp_path / "example.zone").write_text("$ORIGIN example.\n" + ZONE)
    (tmp_path / "out").mkdir()
    (tmp_path / "db").mkdir()
    (tmp_path / "knot.conf").write_text(f"""
server:
    rundir: {tmp_path}
database:
    storage: {tmp_path}/db
policy:
  - id: p
    algorithm: {algorithm}
{options}
zone:
  - domain: {ORIGIN}
    storage: {tmp_path}
    file: example.zone
    dnssec-signing: on
    dnssec-policy: p
    zonemd-generate: zonemd-sha384
""")
    run(["kzonesign", "-c", "knot.conf", "-o", "out", ORIGIN], tmp_path)
    signed = next((tmp_path / "out").iterdir())
    verdict = accepted(signed, denial)
    assert verdict.summary["zonemd_checked"] == "yes"


def test_the_command_is_there():
    assert "verify" in run([KENTER, "help"], ".").stdout
