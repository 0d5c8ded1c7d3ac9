"""States that a zone passes through while keys and chains change: what is allowed is no error, what
is left over is told."""

import shutil

import pytest

from verify_support import ORIGIN, ZONE, bind_sign, new_key, place, run, verify

pytestmark = pytest.mark.skipif(shutil.which("dnssec-signzone") is None,
                                reason="dnssec-signzone is not installed")


def one_line_records(directory, signed):
    """The records of a signed file as lines, as named-compilezone writes them."""
    out = directory / "lines"
    run(["named-compilezone", "-q", "-i", "none", "-s", "full", "-o", out, ORIGIN, signed],
        directory)
    return set(out.read_text().splitlines())


def write(path, records):
    path.write_text("\n".join(sorted(records, key=lambda r: "\tSOA\t" not in r and " SOA " not in r))
                    + "\n")
    return path


def two_chains(tmp_path, first, second):
    keys = [new_key(tmp_path, 13, ksk=True), new_key(tmp_path, 13)]
    dates = ["-s", "20260101000000", "-e", "20360101000000"]
    one = one_line_records(tmp_path, bind_sign(tmp_path, ZONE, keys, first + dates, "one"))
    other = one_line_records(tmp_path, bind_sign(tmp_path, ZONE, keys, second + dates, "other"))
    return one | other


def at_2027(file):
    return verify(file, "--at", "2027-01-01")


def test_revoked_key(tmp_path):
    old, new, zsk = (new_key(tmp_path, 13, ksk=True), new_key(tmp_path, 13, ksk=True),
                     new_key(tmp_path, 13))
    revoked = run(["dnssec-revoke", f"{old}.key"], tmp_path).stdout.strip().rsplit("/", 1)[-1]
    verdict = verify(bind_sign(tmp_path, ZONE, [revoked.removesuffix(".key"), new, zsk]))
    assert not verdict.errors, str(verdict)
    assert "verify.key-revoked" in verdict.codes(ORIGIN)
    assert all(f["severity"] == "info" for f in verdict.findings), str(verdict)


def test_signatures_before_the_key(tmp_path):
    """An algorithm rollover begins with signatures whose key is not yet published (RFC 6781)."""
    keys = [new_key(tmp_path, 13, ksk=True), new_key(tmp_path, 13)]
    signed = bind_sign(tmp_path, ZONE, keys)
    with signed.open("a", encoding="ascii") as file:
        file.write("mail.example. 3600 IN RRSIG A 15 2 3600 20360101000000 20260101000000 1 "
                   "example. " + "A" * 86 + "==\n")
    verdict = verify(signed)
    assert not verdict.errors, str(verdict)
    assert verdict.codes("mail.example.") == {"verify.rrsig-unknown-key"}


def test_key_before_the_signatures(tmp_path):
    """The reverse order is what breaks zones."""
    keys = [new_key(tmp_path, 13, ksk=True), new_key(tmp_path, 13)]
    standby = new_key(tmp_path, 15)
    signed = bind_sign(tmp_path, ZONE + (tmp_path / f"{standby}.key").read_text(), keys,
                       ["-x"])
    verdict = verify(signed)
    assert "verify.rrset-algorithm" in verdict.codes("mail.example."), str(verdict)


def test_standby_key(tmp_path):
    keys = [new_key(tmp_path, 13, ksk=True), new_key(tmp_path, 13)]
    standby = new_key(tmp_path, 13)
    signed = bind_sign(tmp_path, ZONE + (tmp_path / f"{standby}.key").read_text(), keys)
    (tmp_path / f"{standby}.private").unlink()
    verdict = verify(signed)
    assert not verdict.errors, str(verdict)
    assert verdict.codes() == {"verify.key-roles"}
    assert "standby" in verdict.findings[0]["message"]


def test_standby_ds(tmp_path):
    keys = [new_key(tmp_path, 13, ksk=True), new_key(tmp_path, 13)]
    signed = bind_sign(tmp_path, ZONE, keys)
    good = (tmp_path / f"dsset-{ORIGIN}").read_text()
    ds = tmp_path / "ds"
    ds.write_text(good + f"{ORIGIN} IN DS 1 13 2 {'ab' * 32}\n")
    verdict = verify(signed, "--ds", f"@{ds}")
    assert not verdict.errors, str(verdict)
    assert verdict.codes() == {"verify.ds-unmatched"}


def test_two_nsec3_chains(tmp_path):
    records = two_chains(tmp_path, ["-3", "-"], ["-3", "aabb"])
    verdict = at_2027(write(tmp_path / "zone", records))
    # Merging the two NSEC3PARAM sets spoils their signatures, and nothing else.
    assert {(f["code"], place(f)) for f in verdict.errors} == {("verify.rrsig-bad", ORIGIN)}
    assert verdict.summary["denial"] == "NSEC3"
    gap = sorted(r for r in records if "NSEC3\t1 0 0 AABB" in r or "NSEC3 1 0 0 AABB" in r)[0]
    verdict = at_2027(write(tmp_path / "zone", records - {gap}))
    assert "verify.nsec3-partial" in verdict.codes(ORIGIN), str(verdict)
    assert "verify.nsec3-missing" not in verdict.codes(), str(verdict)


def test_from_nsec_to_nsec3(tmp_path):
    records = two_chains(tmp_path, [], ["-3", "-"])
    verdict = at_2027(write(tmp_path / "zone", records))
    # The NSEC of the apex does not know of NSEC3PARAM, since the two were signed apart.
    assert {(f["code"], place(f)) for f in verdict.errors} == {("verify.nsec-bitmap", ORIGIN)}, \
        str(verdict)
    assert "verify.denial-mixed" in verdict.codes(ORIGIN)
