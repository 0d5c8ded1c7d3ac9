"""The kenter command as a person or a script sees it: every verb, exit codes, JSON, streams, colours,
bad usage, and files that cannot be read or written."""
import fcntl
import json
import os
import pathlib
import pty
import signal
import struct
import subprocess
import termios
import time

import dns.zone
import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
KENTER = os.environ.get("KENTER", str(TOP / "build" / "kenter"))

GOOD = """$ORIGIN example.
$TTL 3600
@ SOA ns1.example.net. hostmaster 1 7200 3600 1209600 300
@ NS ns1.example.net.
@ NS ns2.example.net.
@ MX 10 mail
mail A 192.0.2.25
www A 192.0.2.80
www AAAA 2001:db8::80
*.wild TXT "anything"
a.b.c TXT "deep"
sub NS ns.sub
ns.sub A 192.0.2.53
"""
BAD = GOOD + "www CNAME mail\nbroken A 192.0.2.300\n"

VERBS = ["check", "sign", "verify", "diff", "format", "trace", "lookup", "auth", "auth-server", "mta", "policy",
         "tlsrpt", "tlsrpt collect", "tlsrpt show", "tlsa make", "tlsa check", "tlsa next", "tlsa gate", "tlsa done", "tlsa status",
         "sshfp make", "sshfp get", "openpgpkey make",
         "openpgpkey get", "smimea make", "smimea get", "ipseckey make", "ipseckey get", "key new", "key list",
         "key show", "key set", "key ds", "key import", "key export", "zones", "status", "why", "log", "reload",
         "get", "set", "add", "delete", "create", "remove", "export", "top", "explain", "help", "man", "completion",
         "version"]


def kenter(*args, stdin="", env=None, **more):
    variables = {**os.environ, "TERM": "xterm", **(env or {})}
    return subprocess.run([KENTER, *map(str, args)], input=stdin, text=True, capture_output=True,
                          env=variables, timeout=120, **more)


def good(*args, **more):
    result = kenter(*args, **more)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def report(*args, **more):
    """The JSON document of a call, wherever it went, and the exit code."""
    result = kenter(*args, "--json", **more)
    text = result.stdout or result.stderr
    document = json.loads(text)
    assert document["ok"] == (result.returncode == 0)
    assert document["summary"]["errors"] == 0 or result.returncode in (1, 3)
    for finding in document["findings"]:
        assert set(finding) == {"code", "severity", "file", "line", "column", "owner", "type",
                                "message", "why", "remedy"}
    return document, result.returncode


def codes(document):
    return {finding["code"] for finding in document["findings"]}


@pytest.fixture
def zone(tmp_path):
    path = tmp_path / "example.zone"
    path.write_text(GOOD)
    return path


@pytest.fixture
def signed(tmp_path, zone):
    path = tmp_path / "example.signed"
    good("sign", zone, "-o", path, "--keys", tmp_path / "keys")
    return path


def large_zone(path, names):
    with open(path, "w") as file:
        file.write("$ORIGIN large.example.\n$TTL 3600\n@ SOA ns1.example.net. h 1 7200 3600 1209600 "
                   "300\n@ NS ns1.example.net.\n@ NS ns2.example.net.\n")
        for i in range(names):
            file.write(f"host{i:07} A 198.51.{i // 256 % 256}.{i % 256}\n")
    return path


# --- every verb ---

@pytest.mark.parametrize("verb", VERBS)
def test_help(verb):
    result = good(*verb.split(), "--help")
    assert result.stdout.startswith(f"kenter {verb}: ")
    assert "usage: kenter " + verb in result.stdout
    assert "Examples" in result.stdout and "      kenter " in result.stdout.replace("source <(", "")
    assert "--json" in result.stdout
    assert result.stderr == ""
    assert good("help", *verb.split()).stdout == result.stdout
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_help_lists_every_verb():
    listed = {verb["name"] for verb in json.loads(good("help", "--json").stdout)["verbs"]}
    assert listed == set(VERBS)
    text = good("--help").stdout
    assert all(f"  {verb} " in text or f"  {verb}\n" in text for verb in VERBS)
    assert kenter().returncode == 2
    assert kenter("key").returncode == 2
    assert "key import" in good("key", "--help").stdout


def test_version():
    assert good("version").stdout.startswith("kenter ")
    assert good("--version").stdout == good("version").stdout
    assert report("version")[0]["summary"]["version"] in good("version").stdout


@pytest.mark.parametrize("page", good("man", "--list").stdout.split() if os.path.exists(KENTER) else [])
def test_man_pages(page):
    roff = good("man", page).stdout
    assert roff.startswith(".TH \"KENTER")
    assert ".SH NAME" in roff and ".SH EXIT STATUS" in roff
    for line in roff.splitlines():
        assert not line.startswith(".") or line.split()[0] in (
            ".TH", ".SH", ".TP", ".PP", ".RS", ".RE", ".nf", ".fi"), line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    script = good("completion", shell).stdout
    assert "opt-out" in script and "import" in script
    assert json.loads(good("completion", shell, "--json").stdout)["script"] == script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def bash_complete(*words):
    script = good("completion", "bash").stdout
    quoted = " ".join(f"'{word}'" for word in words)
    script += (f"\nCOMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}\n_kenter\n"
               "printf '%s\\n' \"${COMPREPLY[@]}\"\n")
    out = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=True)
    return out.stdout.split()


def test_bash_completes():
    assert bash_complete("kenter", "ver") == ["verify", "version"]
    assert bash_complete("kenter", "key", "ex") == ["export"]
    assert bash_complete("kenter", "tlsrpt", "") == ["collect", "show"]  # it works by itself, too
    assert bash_complete("kenter", "tlsrpt", "--sen") == ["--send", "--sendmail"]
    assert bash_complete("kenter", "tlsrpt", "collect", "--on") == ["--once"]
    assert "--opt-out" in bash_complete("kenter", "sign", "--o")
    assert bash_complete("kenter", "sign", "--serial", "un") == ["unixtime"]
    assert bash_complete("kenter", "key", "new", "--role", "z") == ["zsk"]
    assert bash_complete("kenter", "sign", "--serial", "=", "un") == ["unixtime"]
    assert bash_complete("kenter", "completion", "z") == ["zsh"]
    assert bash_complete("kenter", "explain", "") == [] and "Makefile" in bash_complete("kenter", "check", "Mak")


# --- check ---

def test_check_good(zone):
    result = good("check", zone)
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1].startswith("example.: 7 names, 11 records, 0 errors")


def test_check_bad(tmp_path):
    path = tmp_path / "bad.zone"
    path.write_text(BAD)
    result = kenter("check", path)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert any(line.startswith(f"{path}:15:") and "192.0.2.300" in line and
               line.endswith("[syntax.bad-rdata]") for line in lines)
    assert sum(line.startswith("    why: ") for line in lines) == sum(
        line.startswith("    do:  ") for line in lines) > 0
    brief = kenter("check", "--brief", path)
    assert brief.returncode == 1 and "why:" not in brief.stdout
    document, code = report("check", path)
    assert code == 1 and document["verb"] == "check" and document["summary"]["zone"] == "example."
    assert "syntax.bad-rdata" in codes(document)
    assert document["summary"]["errors"] >= 2


def test_check_standard_input():
    assert "example.: 7 names" in good("check", "-", stdin=GOOD).stdout
    result = kenter("check", "-", stdin=BAD)
    assert result.returncode == 1 and "<stdin>:15:" in result.stdout
    assert report("check", "-", stdin=BAD)[1] == 1


def test_check_strict():
    warned = GOOD + "www 60 A 192.0.2.81\n"
    assert kenter("check", "-", stdin=warned).returncode == 0
    assert kenter("check", "--strict", "-", stdin=warned).returncode == 1


def test_check_limit():
    many = GOOD + "".join(f"x{i} A 1.2.3\n" for i in range(300))
    result = kenter("check", "-b", "-", stdin=many)
    assert result.stdout.count("[syntax.bad-rdata]") == 101
    assert "... and 200 more" in result.stdout
    assert kenter("check", "-b", "--limit", "0", "-", stdin=many).stdout.count("bad-rdata]") == 300
    assert report("check", "--limit=5", "-", stdin=many)[0]["summary"]["errors"] == 300


def test_check_origin():
    relative = "@ 60 SOA ns.example.net. h 1 7200 3600 1209600 300\n@ 60 NS ns.example.net.\n"
    assert report("check", "--origin", "dom.test", "-", stdin=relative)[0]["summary"][
        "zone"] == "dom.test."


def test_check_policy(tmp_path, zone):
    policy = tmp_path / "policy.yaml"
    policy.write_text("nonsense: 1\n")
    document, code = report("check", "--policy", policy, zone)
    assert code == 1
    finding = [f for f in document["findings"] if f["code"] == "policy.invalid"][0]
    assert finding["file"] == str(policy) and finding["line"] == 1


def test_quiet(zone):
    assert good("check", "-q", zone).stdout == ""


# --- files that cannot be read ---

@pytest.mark.parametrize("verb", ["check", "verify", "format"])
def test_missing_file(verb):
    document, code = report(verb, "/nonexistent/zone")
    assert code == 3 and "file.unreadable" in codes(document)


def test_directory_as_file(tmp_path):
    assert kenter("check", tmp_path).returncode == 3


# --- bad usage ---

@pytest.mark.parametrize("args,words", [
    (["chekc", "x"], "did you mean \"check\"?"),
    (["verfy"], "did you mean \"verify\"?"),
    (["frobnicate"], "there is no verb"),
    (["--frobnicate"], "there is no option"),
    (["key", "nwe"], "did you mean \"new\"?"),
    (["check", "--orign", "x", "y"], "did you mean --origin?"),
    (["check", "--zzzzzzzz", "y"], "there is no option --zzzzzzzz"),
    (["check", "-Z", "y"], "there is no option -Z"),
    (["check"], "FILE is missing"),
    (["check", "a", "b"], "one argument too many"),
    (["check", "x", "--origin"], "needs a value"),
    (["check", "x", "--json=1"], "takes no value"),
    (["check", "x", "--threads", "many"], "a whole number"),
    (["check", "x", "--origin", "a..b"], "a domain name"),
    (["check", "x", "--origin", "a", "--origin", "b"], "given twice"),
    (["check", "x", "--color", "blue"], "auto|always|never"),
    (["check", ""], "a path"),
    (["sign", "x"], "--keys DIRECTORY is missing"),
    (["sign", "x", "--keys", "k", "--algorithm", "ROT13"], "no algorithm that Kenter knows"),
    (["sign", "x", "--keys", "k", "--algorithm", "5"], "does not sign with RSASHA1"),
    (["sign", "x", "--keys", "k", "--validity", "soon"], "a duration"),
    (["verify", "x", "--at", "yesterday"], "a time"),
    (["verify", "x", "--ds", "1 2 3"], "is not a DS record"),
    (["verify", "x", "--ds", "1 13 2 zz"], "is not a DS record"),
    (["diff", "-", "-"], "only one"),
    (["explain"], "give one CODE"),
    (["explain", "file.unreadabel"], "did you mean \"file.unreadable\"?"),
    (["completion", "tcsh"], "bash, zsh or fish"),
    (["man", "nothing"], "there is no page"),
    (["key", "new", "example", "--keys", "k", "--bits", "2048"], "have one size"),
    (["key", "new", "example", "--keys", "k", "--algorithm", "8", "--bits", "100"], "bits"),
    (["key", "import", "x.pem", "--keys", "k"], "give --zone and --algorithm"),
    (["key", "ds", "example", "--keys", "k", "--digest", "1"], "SHA-256"),
])
def test_bad_usage(args, words, tmp_path):
    result = kenter(*args, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_option_forms(zone):
    assert good("check", "--origin=example", "-qj1", zone).stdout == ""
    assert good("check", "-j", "1", "--", zone).returncode == 0
    assert kenter("check", "--", "-q").returncode == 3


# --- colours and progress ---

def on_terminal(*args, env=None):
    """Runs kenter on a terminal of its own; what it shows, and the exit code."""
    variables = {**os.environ, "TERM": "xterm", **(env or {})}
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(KENTER, [KENTER, *map(str, args)], variables)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(fd)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_colors(tmp_path):
    path = tmp_path / "bad.zone"
    path.write_text(BAD)
    assert "\033[" not in kenter("check", path).stdout
    assert "\033[" in kenter("check", "--color", "always", path).stdout
    assert "\033[" in on_terminal("check", path)[0]
    assert "\033[" not in on_terminal("check", path, env={"NO_COLOR": "1"})[0]
    assert "\033[" in on_terminal("check", path, env={"NO_COLOR": ""})[0]
    assert "\033[" not in on_terminal("check", path, env={"TERM": "dumb"})[0]
    assert "\033[" not in on_terminal("check", "--color=never", path)[0]
    assert "\033[" in on_terminal("check", "--color=always", path, env={"NO_COLOR": "1"})[0]


def test_progress(tmp_path):
    path = large_zone(tmp_path / "large.zone", 2000)
    args = ["sign", path, "-o", "/dev/null", "--keys", tmp_path / "keys", "--algorithm", "10", "-j1"]
    shown, code = on_terminal(*args)
    assert code == 0 and "signing" in shown and "%" in shown
    assert "%" not in on_terminal(*args, "--quiet")[0]
    assert "%" not in kenter(*args).stderr
    assert "%" not in on_terminal("check", path)[0]


def test_control_characters_stay_off_the_terminal(tmp_path):
    path = tmp_path / "evil\033[31m.zone"
    path.write_text(BAD)
    assert "\033" not in kenter("check", path).stdout


# --- sign and verify ---

@pytest.mark.parametrize("options", [
    [], ["--nsec3"], ["--opt-out"], ["--zonemd", "sha384"], ["--zonemd", "sha512", "--nsec3"],
    ["--serial", "unixtime"], ["--serial", "date"], ["--serial", "keep"], ["--validity", "30d"],
    ["--algorithm", "ED25519"], ["--algorithm", "8"], ["--verify"], ["--threads", "1"],
])
def test_sign_and_verify(tmp_path, zone, options):
    out, keys = tmp_path / "out", tmp_path / "keys"
    result = good("sign", zone, "-o", out, "--keys", keys, *options)
    assert "had no key" in result.stdout and "signatures made" in result.stdout
    assert oct(os.stat(keys).st_mode & 0o777) == "0o700"
    ds = tmp_path / "ds"
    ds.write_text(good("key", "ds", "example", "--keys", keys, "--digest", "2,4").stdout)
    document, code = report("verify", out, "--ds", f"@{ds}")
    assert code == 0 and document["summary"]["signatures"] > 10
    assert document["summary"]["denial"].startswith(
        "NSEC3" if {"--nsec3", "--opt-out"} & set(options) else "NSEC")
    assert dns.zone.from_file(str(out), origin="example.", relativize=False).nodes
    again = good("sign", zone, "-o", out, "--keys", keys, "--previous", out, *options)
    assert "had no key" not in again.stdout and " kept" in again.stdout
    assert kenter("verify", out).returncode == 0


def test_previous_keeps_signatures(tmp_path, zone, signed):
    document, _ = report("sign", zone, "-o", signed, "--keys", tmp_path / "keys", "--previous",
                         signed, "--serial", "keep")
    assert document["summary"]["signatures_made"] <= 1
    assert document["summary"]["signatures_kept"] > 10
    document, _ = report("sign", zone, "-o", signed, "--keys", tmp_path / "keys")
    assert document["summary"]["signatures_kept"] == 0


def test_previous_that_is_no_use(tmp_path, zone):
    keys, out = tmp_path / "keys", tmp_path / "out"
    result = good("sign", zone, "-o", out, "--keys", keys, "--previous", tmp_path / "none")
    assert "not there yet" in result.stdout
    broken = tmp_path / "broken"
    broken.write_text("this is no zone\n")
    document, code = report("sign", zone, "-o", out, "--keys", keys, "--previous", broken)
    assert code == 0 and "sign.previous-unusable" in codes(document)
    other = tmp_path / "other"
    other.write_text(GOOD.replace("$ORIGIN example.", "$ORIGIN other."))
    document, code = report("sign", zone, "-o", out, "--keys", keys, "--previous", other)
    assert code == 0 and "sign.previous-unusable" in codes(document)


def test_sign_streams(tmp_path):
    keys = tmp_path / "keys"
    result = good("sign", "-", "--keys", keys, stdin=GOOD)
    assert "RRSIG" in result.stdout and "had no key" in result.stderr
    assert "signatures made" in result.stderr
    assert good("verify", "-", stdin=result.stdout).returncode == 0
    result = good("sign", "-", "--keys", keys, "--json", stdin=GOOD)
    assert json.loads(result.stderr)["summary"]["signatures_made"] > 10


def test_sign_default_output(zone, tmp_path):
    good("sign", zone, "--keys", tmp_path / "keys")
    assert "RRSIG" in (tmp_path / "example.zone.signed").read_text()


def test_sign_refuses_bad_zones(tmp_path):
    out, keys, path = tmp_path / "out", tmp_path / "keys", tmp_path / "bad.zone"
    out.write_text("old")
    path.write_text(BAD)
    assert kenter("sign", path, "-o", out, "--keys", keys, "--allow-errors").returncode == 1
    path.write_text(GOOD + "@ MX 10 192.0.2.1\nx NS ns.x\n@ NS nowhere\n")
    assert kenter("sign", path, "-o", out, "--keys", keys).returncode == 1
    assert out.read_text() == "old" and not keys.exists()
    good("sign", path, "-o", out, "--keys", keys, "--allow-errors")
    assert "RRSIG" in out.read_text()


def test_verify_at(signed):
    assert kenter("verify", signed, "--at", "now+5d").returncode == 0
    document, code = report("verify", signed, "--at", "now+40d")
    assert code == 1 and "verify.rrsig-expired" in codes(document)
    assert report("verify", signed, "--at", "2001-01-01")[1] == 1
    document, code = report("verify", signed, "--margin", "90d")
    assert code == 0 and document["summary"]["warnings"] > 0
    assert kenter("verify", signed, "--margin", "90d", "--strict").returncode == 1


def test_verify_ds(tmp_path, signed):
    ds = good("key", "ds", "example", "--keys", tmp_path / "keys").stdout
    good("verify", signed, "--ds", ds.strip())
    good("verify", signed, "--ds", " ".join(ds.split()[4:]))
    good("verify", "--ds", "@-", signed, stdin="; a comment\n\n" + ds)
    wrong = ds.split()[4:]
    wrong[3] = "00" * 32
    document, code = report("verify", signed, "--ds", " ".join(wrong))
    assert code == 1
    assert kenter("verify", signed, "--ds", "@/nonexistent").returncode == 3
    assert kenter("verify", signed, "--ds", "@/dev/null").returncode == 2


def test_verify_finds_damage(tmp_path, signed):
    text = signed.read_text().replace("192.0.2.80", "192.0.2.81")
    document, code = report("verify", "-", stdin=text)
    assert code == 1
    assert any(finding["owner"] == "www.example." for finding in document["findings"])


# --- output that cannot be written ---

def test_unwritable_output(tmp_path, zone):
    keys = tmp_path / "keys"
    document, code = report("sign", zone, "-o", tmp_path / "none" / "out", "--keys", keys)
    assert code == 3 and "file.unwritable" in codes(document)
    assert kenter("format", zone, "-o", zone / "out").returncode == 3
    assert kenter("format", zone, "-o", tmp_path).returncode == 3


def test_full_device(tmp_path, zone):
    result = kenter("sign", zone, "-o", "/dev/full", "--keys", tmp_path / "keys")
    assert result.returncode == 3 and "No space left" in result.stdout
    for args in (["check", zone], ["format", zone], ["version"], ["explain", "--all"], ["help"]):
        with open("/dev/full", "w") as full:
            result = subprocess.run([KENTER, *map(str, args)], stdout=full, stderr=subprocess.PIPE)
        assert result.returncode == 3, args
        assert b"No space left" in result.stderr, args


def test_full_disk(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", small],
                      capture_output=True).returncode != 0:
        pytest.skip("mounting is not possible here")
    try:
        out = small / "zone"
        out.write_text("old")
        path = large_zone(tmp_path / "large.zone", 20000)
        result = kenter("format", path, "-o", out)
        assert result.returncode == 3 and "No space left" in result.stdout
        assert out.read_text() == "old"
        assert [entry.name for entry in small.iterdir()] == ["zone"]
        result = kenter("key", "new", "example", "--keys", small / "keys")
        assert result.returncode == 0
    finally:
        subprocess.run(["umount", small], check=True)


def test_killed_while_writing(tmp_path):
    path = large_zone(tmp_path / "large.zone", 60000)
    whole = good("format", path).stdout
    out = tmp_path / "out"
    for step in range(16):
        out.write_text("old")
        process = subprocess.Popen([KENTER, "format", path, "-o", out], stdout=subprocess.DEVNULL)
        time.sleep(0.008 * step)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert out.read_text() in ("old", whole)
    # At most the one that was about to be renamed is left.
    assert len(list(tmp_path.glob(".out.*"))) <= 1


def test_file_system_without_nameless_files(tmp_path, zone):
    """Some have no O_TMPFILE: then the file beside has a name from the beginning."""
    source, preload = tmp_path / "refuse.c", tmp_path / "refuse.so"
    source.write_text("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        int open64(const char *path, int flags, ...);
        int open64(const char *path, int flags, ...)
        {
            if ((flags & O_TMPFILE) == O_TMPFILE) {
                errno = EOPNOTSUPP;
                return -1;
            }
            return openat(AT_FDCWD, path, flags, 0644);
        }
        """)
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", preload], check=True)
    out = tmp_path / "out"
    env = {"LD_PRELOAD": str(preload), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    good("format", zone, "-o", out, env=env)
    assert len(out.read_text().splitlines()) == 11
    assert not list(tmp_path.glob(".out.*"))
    out.write_text("old")
    assert kenter("format", "-", "-o", out, stdin=BAD, env=env).returncode == 1
    assert out.read_text() == "old" and not list(tmp_path.glob(".out.*"))


def test_reader_that_goes_away(tmp_path):
    path = large_zone(tmp_path / "large.zone", 60000)
    process = subprocess.Popen([KENTER, "format", path], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) in (-signal.SIGPIPE, 3)


def test_link_and_mode_stay(tmp_path, zone):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    good("format", zone, "-o", link)
    assert link.is_symlink() and "SOA" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o640


# --- diff and format ---

def test_diff(tmp_path, zone):
    new = tmp_path / "new.zone"
    new.write_text(GOOD.replace("192.0.2.80", "192.0.2.81").replace("hostmaster 1", "hostmaster 2"))
    result = good("diff", zone, new)
    assert "-www.example. 3600 IN A 192.0.2.80\n" in result.stdout
    assert "+www.example. 3600 IN A 192.0.2.81\n" in result.stdout
    assert len(result.stdout.splitlines()) == 4
    assert "2 records removed, 2 added" in result.stderr
    assert len(good("diff", "--ignore-serial", zone, new).stdout.splitlines()) == 2
    assert kenter("diff", "--exit-code", zone, new).returncode == 1
    assert kenter("diff", "--exit-code", zone, zone).returncode == 0
    document, _ = report("diff", zone, new)
    assert {(c["change"], c["type"]) for c in document["changes"]} == {
        ("removed", "A"), ("added", "A"), ("removed", "SOA"), ("added", "SOA")}
    assert json.loads(good("diff", "--as", "json", "-", new, stdin=GOOD).stdout)["changes"]
    assert "\033[31" in good("diff", "--color=always", zone, new).stdout.replace("1;31", "31")


def test_diff_as_update(tmp_path, zone):
    new = tmp_path / "new.zone"
    new.write_text(GOOD.replace("192.0.2.80", "192.0.2.81").replace("hostmaster 1", "hostmaster 2")
                   .replace("@ NS ns1.example.net.", "@ NS ns3.example.net.")
                   .replace("mail A", "mail 60 A"))
    lines = good("diff", "--as", "update", zone, new).stdout.splitlines()
    assert lines[0] == "zone example." and lines[-1] == "send"
    assert "update delete www.example. IN A 192.0.2.80" in lines
    assert "update add www.example. 3600 IN A 192.0.2.81" in lines
    assert not any(line.startswith("update delete") and " SOA " in line for line in lines)
    # The last server at the apex cannot be removed, so a new one comes first.
    assert lines.index("update add example. 3600 IN NS ns3.example.net.") < lines.index(
        "update delete example. IN NS ns1.example.net.")
    # A removal after the change of a TTL would take the record away.
    assert "update add mail.example. 60 IN A 192.0.2.25" in lines
    assert not any(line.startswith("update delete mail") for line in lines)
    assert good("diff", "--as", "update", zone, zone).stdout == ""


def test_diff_of_two_zones(tmp_path, zone):
    other = tmp_path / "other.zone"
    other.write_text(GOOD.replace("$ORIGIN example.", "$ORIGIN other."))
    document, code = report("diff", zone, other)
    assert code == 1 and "file.other-zone" in codes(document)


def test_diff_ignores_form_and_order(tmp_path, signed):
    for style in ("lines", "pretty"):
        out = tmp_path / style
        good("format", "--style", style, signed, "-o", out)
        assert good("diff", "--exit-code", signed, out).stdout == ""


def test_diff_ignores_dnssec(zone, signed):
    types = {line.split()[3] for line in good("diff", "--ignore-dnssec", zone, signed)
             .stdout.splitlines()}
    assert types == {"SOA", "DNSKEY", "CDS", "CDNSKEY"}


def test_format(tmp_path, zone):
    lines = good("format", zone).stdout.splitlines()
    assert len(lines) == 11 and all(line.split()[2] == "IN" for line in lines)
    assert lines[0].startswith("example.")
    source = good("format", "--order", "source", zone).stdout.splitlines()
    assert sorted(source) == sorted(lines) and source != lines
    records = json.loads(good("format", "--style", "json", zone).stdout)
    assert len(records) == 11
    mx = [record for record in records if record["type"] == "MX"][0]
    assert mx["name"] == "example." and mx["ttl"] == 3600 and "data" in mx
    pretty = good("format", "-s", "pretty", "-", stdin=GOOD).stdout
    assert pretty.startswith("$ORIGIN example.")
    good("format", zone, "-o", zone)
    assert zone.read_text().splitlines() == lines


def test_format_refuses_to_lose_records(tmp_path):
    out = tmp_path / "out"
    out.write_text("old")
    result = kenter("format", "-", "-o", out, stdin=BAD)
    assert result.returncode == 1 and out.read_text() == "old"


# --- keys ---

def new_key(keys, *options, zone="example"):
    return report("key", "new", zone, "--keys", keys, *options)[0]["key"]


def test_keys(tmp_path):
    keys = tmp_path / "keys"
    ksk = new_key(keys, "--role", "ksk")
    zsk = new_key(keys, "--role", "zsk", "--publish", "now", "--activate", "now+3d")
    assert (ksk["state"], zsk["state"]) == ("active", "published")
    assert (ksk["flags"], zsk["flags"]) == (257, 256)
    listed = report("key", "list", "--keys", keys)[0]["keys"]
    assert {key["id"] for key in listed} == {ksk["id"], zsk["id"]}
    assert len(good("key", "list", "example", "--keys", keys).stdout.splitlines()) == 2
    assert good("key", "list", "other", "--keys", keys).stdout == ""
    states = {key["role"]: key["state"]
              for key in report("key", "list", "--keys", keys, "--at", "now+4d")[0]["keys"]}
    assert states == {"ksk": "active", "zsk": "active"}
    shown = good("key", "show", "example", zsk["id"][:8], "--keys", keys).stdout
    assert zsk["id"] in shown and "IN DNSKEY 256 3 13" in shown
    good("key", "set", "example", str(zsk["tag"]), "--keys", keys, "--inactive", "now-1s")
    assert report("key", "show", "example", str(zsk["tag"]), "--keys", keys)[0]["key"][
        "state"] == "retired"


def test_first_keys_are_made_once(tmp_path, zone):
    """Several at the same time, with a directory that is not there yet: all sign with one key."""
    keys = tmp_path / "keys"
    running = [subprocess.Popen([KENTER, "sign", zone, "-o", tmp_path / f"out{i}", "--keys", keys],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for i in range(8)]
    for i, process in enumerate(running):
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        good("verify", tmp_path / f"out{i}")
    assert len(list(keys.glob("*.pem"))) == 1


@pytest.mark.parametrize("algorithm", ["8", "10", "13", "14", "15", "16", "rsasha256", "ED25519"])
def test_key_algorithms(tmp_path, algorithm):
    key = new_key(tmp_path / "keys", "--algorithm", algorithm)
    assert algorithm.upper() in (str(key["algorithm"]), key["algorithm_name"])


def test_key_bits(tmp_path):
    new_key(tmp_path / "keys", "--algorithm", "8", "--bits", "3072")
    assert "bits         3072" in kenter(
        "key", "show", "example", str(report("key", "list", "--keys", tmp_path / "keys")[0]
                                      ["keys"][0]["tag"]), "--keys", tmp_path / "keys").stdout


def test_key_ds(tmp_path):
    keys = tmp_path / "keys"
    key = new_key(keys)
    new_key(keys, "--role", "zsk")
    lines = good("key", "ds", "example", "--keys", keys, "--digest", "2,4").stdout.splitlines()
    assert [line.split()[3:7] for line in lines] == [
        ["DS", str(key["tag"]), "13", "2"], ["DS", str(key["tag"]), "13", "4"]]
    assert " CDS " in good("key", "ds", "example", "--keys", keys, "--cds").stdout
    assert " CDNSKEY 257 3 13 " in good("key", "ds", "example", "--keys", keys, "--cdnskey").stdout
    assert len(report("key", "ds", "example", "--keys", keys)[0]["records"]) == 1
    document, code = report("key", "ds", "other", "--keys", keys)
    assert code == 1 and "key.unknown" in codes(document)


def test_key_unknown(tmp_path):
    keys = tmp_path / "keys"
    assert report("key", "list", "--keys", keys)[1] == 3
    new_key(keys)
    document, code = report("key", "show", "example", "ffffffff", "--keys", keys)
    assert code == 1 and "key.unknown" in codes(document)


def test_key_move(tmp_path):
    keys, other, pairs = tmp_path / "keys", tmp_path / "other", tmp_path / "pairs"
    pairs.mkdir(mode=0o700)
    key = new_key(keys)
    tag = str(key["tag"])
    good("key", "export", "example", tag, "--to", "bind", "--keys", keys, "-o", pairs)
    assert report("key", "export", "example", tag, "--to", "bind", "--keys", keys, "-o",
                  pairs)[1] == 1
    stem = next(pairs.glob("*.private"))
    assert stem.stat().st_mode & 0o777 == 0o600
    moved = report("key", "import", stem, "--keys", other, "--zone", "example")[0]["key"]
    assert moved["id"] == key["id"] and moved["role"] == "csk"
    assert report("key", "import", stem, "--keys", other)[1] == 1
    pem = tmp_path / "key.pem"
    good("key", "export", "example", tag, "--to", "pem", "--keys", keys, "-o", pem)
    assert pem.stat().st_mode & 0o777 == 0o600
    assert good("key", "export", "example", tag, "--to", "pem", "--keys",
                keys).stdout == pem.read_text()
    third = report("key", "import", pem, "--zone", "example", "--algorithm", "13", "--keys",
                   tmp_path / "third")[0]["key"]
    assert third["id"] == key["id"]
    document, code = report("key", "import", pem, "--zone", "example", "--algorithm", "15",
                            "--keys", tmp_path / "fourth")
    assert code == 1


def test_key_for_another_zone(tmp_path, zone):
    keys = tmp_path / "keys"
    other = new_key(keys, zone="other")
    good("key", "export", "other", str(other["tag"]), "--to", "bind", "--keys", keys, "-o",
         tmp_path)
    document, code = report("key", "import", next(tmp_path.glob("Kother*.key")), "--keys",
                            tmp_path / "k2", "--zone", "example")
    assert code == 1 and "file.other-zone" in codes(document)
    # Keys of other zones in the directory are left alone.
    document, _ = report("sign", zone, "-o", tmp_path / "out", "--keys", keys)
    assert document["summary"]["keys_made"] == 1
    # A key that only pretends to be of this zone is refused.
    for path in keys.glob("other*"):
        path.rename(keys / path.name.replace("other", "example"))
    assert report("sign", zone, "-o", tmp_path / "out", "--keys", keys)[1] == 1


def test_key_permissions(tmp_path, zone, signed):
    keys = tmp_path / "keys"
    before = signed.read_text()
    secret = next(keys.glob("*.pem"))
    for path, mode in ((secret, 0o644), (keys, 0o755), (keys, 0o777)):
        old = path.stat().st_mode & 0o777
        path.chmod(mode)
        document, code = report("sign", zone, "-o", signed, "--keys", keys)
        assert code == 1 and "key.permissions" in codes(document), path
        path.chmod(old)
    assert signed.read_text() == before
    secret.write_text("nonsense")
    assert report("sign", zone, "-o", signed, "--keys", keys)[1] == 1
    secret.unlink()
    assert report("sign", zone, "-o", signed, "--keys", keys)[1] == 1
    assert signed.read_text() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_unreadable_key(tmp_path, zone, signed):
    keys = tmp_path / "keys"
    document, code = report("key", "list", "--keys", keys, user=65534, cwd="/")
    assert code in (1, 3)
    assert codes(document) & {"key.permissions", "key.owner", "file.unreadable"}


def test_keys_out_of_time(tmp_path, zone):
    keys = tmp_path / "keys"
    new_key(keys, "--publish", "now-60d", "--activate", "now-60d", "--inactive", "now-30d",
            "--remove", "now-1d")
    document, code = report("sign", zone, "-o", tmp_path / "out", "--keys", keys)
    assert code == 1 and not (tmp_path / "out").exists()
    future = tmp_path / "future"
    new_key(future, "--publish", "now+10d", "--activate", "now+10d")
    assert report("sign", zone, "-o", tmp_path / "out", "--keys", future)[1] == 1


# --- explain ---

def test_explain():
    assert "a file cannot be read" in good("explain", "FILE.unreadable").stdout
    rows = report("explain", "--all")[0]["codes"]
    assert len(rows) > 50 and len({row["code"] for row in rows}) == len(rows)
    for row in rows:
        assert row["why"].endswith(".") and row["remedy"].endswith(".")


def test_catalogue_page_is_current():
    assert (TOP / "docs" / "checks.md").read_text() == good("explain", "--all", "--markdown").stdout
