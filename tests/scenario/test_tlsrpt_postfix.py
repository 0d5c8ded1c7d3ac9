"""Sessions for TLSRPT out of the log of a real Postfix: what it sends, host by host and policy by policy, is what
`kenter tlsrpt collect` counts, while the log is renamed and the collector is killed."""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time

import pytest

from mail_support import Authority, Mail
from peers_support import KENTER, PATIENCE, Server, program, wait
from test_postfix import EXPECTED, STS, build, policy_text, receivers, sender
from world_support import World

PLAIN = "starttls-not-supported"
# domain: sessions as (policy, result, host, address without 127.0.2.)
SESSIONS = {
    "right.mail.test": [("tlsa", "success", "h-right", 1)],
    "wrong.mail.test": [("tlsa", "validation-failure", "h-wrong", 2)],
    "expired.mail.test": [("tlsa", "success", "h-expired", 3)],
    "othername.mail.test": [("tlsa", "success", "h-othername", 4)],
    "ta.mail.test": [("tlsa", "success", "h-ta", 5)],
    "tabroken.mail.test": [("tlsa", "validation-failure", "h-tabroken", 6)],
    "taexpired.mail.test": [("tlsa", "certificate-expired", "h-taexpired", 7)],
    "taname.mail.test": [("tlsa", "certificate-host-mismatch", "h-taname", 8)],
    "exim.mail.test": [("tlsa", "success", "h-exim", 20)],
    "eximwrong.mail.test": [("tlsa", "validation-failure", "h-eximwrong", 21)],
    "broken.mail.test": [("tlsa", "dnssec-invalid", "h-broken", None)],
    "noaddress.mail.test": [],
    "user.bogus.test": [],
    "unusable.mail.test": [("tlsa", "success", "h-unusable", 10)],
    "unusableplain.mail.test": [("tlsa", PLAIN, "h-unusableplain", 11)],
    "noservice.mail.test": [("tlsa", PLAIN, "h-noservice", 11)],
    "plain.mail.test": [("no-policy-found", PLAIN, "h-plain", 11)],
    "notlsa.mail.test": [("no-policy-found", "success", "h-notlsa", 10)],
    "right.plain.test": [("tlsa", "success", "h-right", 1)],
    "wrong.plain.test": [("tlsa", "validation-failure", "h-wrong", 2)],
    "alias.mail.test": [("tlsa", "success", "h-alias", 1)],
    "away.mail.test": [("tlsa", "success", "h-away", 1)],
    "tlsaalias.mail.test": [("tlsa", "success", "h-tlsaalias", 1)],
    "domainalias.mail.test": [("tlsa", "success", "h-right", 1)],
    "own.mail.test": [("tlsa", "success", "own", 1)],
    "null.mail.test": [],
    "firstwrong.mail.test": [("tlsa", "validation-failure", "h-wrong", 2), ("tlsa", "success", "h-right", 1)],
    "mixed.mail.test": [("no-policy-found", "success", "h-notlsa", 10)],
    "mixedbroken.mail.test": [("tlsa", "dnssec-invalid", "h-broken", None), ("no-policy-found", "success", "h-notlsa", 10)],
    "good.sts.test": [("sts", "success", "h-sts", 12)],
    "bad.sts.test": [("sts", "certificate-host-mismatch", "h-stswrong", 10)],
    "testing.sts.test": [("sts", "certificate-not-trusted", "h-stswrong", 10)],
    "unlisted.sts.test": [("sts", "validation-failure", "h-notlsa", None)],
    "nofetch.sts.test": [("no-policy-found", "success", "h-stswrong", 10)],
    "both.mail.test": [("tlsa", "success", "h-right", 1)],
    "bothwrong.mail.test": [("tlsa", "validation-failure", "h-wrong", 2)],
}
OURS, REUSE = "127.0.3.1", "127.0.3.2"


class Collector:
    def __init__(self, mail, web, log):
        self.mail, self.log = mail, log
        self.directory = mail.path / "sessions"
        self.options = ["--postfix-log", log, "--sessions", self.directory, "--sts-ca", web.file, "--anchor",
                        mail.world.anchor(), "--server", "127.0.53.1"]
        self.server = None

    def start(self):
        self.server = self.mail.start(Server(self.mail.path, "collector"), KENTER, "tlsrpt", "collect", *self.options)

    def kill(self):
        os.kill(self.inner(), signal.SIGKILL)
        self.server.process.wait(PATIENCE)
        self.mail.processes.remove(self.server)

    def inner(self):
        """The collector itself, below the commands that made its namespaces: they became it by exec."""
        return self.server.process.pid

    def once(self):
        return self.mail.run(KENTER, "tlsrpt", "collect", *self.options, "--once")

    def sessions(self):
        return [json.loads(line) for file in sorted(self.directory.glob("*.jsonl")) for line in
                file.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def of(self, domain):
        return [session for session in self.sessions() if session["policy-domain"] == domain]


def facts(session):
    address = session.get("receiving-ip")
    return (session["policy-type"], session["result-type"], session["receiving-mx-hostname"].split(".")[0],
            int(address.rsplit(".", 1)[1]) if address else None)


@pytest.fixture(scope="module")
def scene():
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    path = pathlib.Path(tempfile.mkdtemp(prefix="kenter-tlsrpt-"))
    path.chmod(0o755)
    web, own = Authority(path, "web"), Authority(path, "own")
    try:
        with World(path) as world:
            table = build(world, web, own)
            mail = Mail(world, world.unbound(validating=True))
            for address in sorted({row[0] for row in table.values()}) + ["127.0.2.80", OURS, REUSE, "127.0.3.9"]:
                world.inside.address(address)
            try:
                receivers(mail, table)
                mail.policy_host("127.0.2.80", web.issue("policies", [f"mta-sts.{name}" for name in STS]),
                                 {f"mta-sts.{name}": policy_text(name) for name in STS
                                  if not name.startswith("nofetch")})
                service = mail.sidecar("--sts-ca", web.file, "--server", "127.0.53.1")
                settings = {"smtp_tls_policy_maps": f"socketmap:unix:{service.socket}:postfix", "smtp_tls_CAfile": web.file}
                mail.ours = sender(mail, "ours", OURS, settings)
                mail.reuse = mail.postfix("reuse", {
                    **settings, "inet_interfaces": REUSE, "smtp_dns_support_level": "dnssec",
                    "smtp_tls_security_level": "dane", "smtp_host_lookup": "dns", "smtp_tls_loglevel": "1",
                    "smtp_tls_connection_reuse": "yes", "default_destination_concurrency_limit": "1",
                    "smtp_connection_cache_destinations": "right.mail.test",
                }, f"{REUSE}:2525 inet n - n - - smtpd\ntlsproxy unix - - n - 0 tlsproxy\n")
                mail.web = web
                yield mail
            finally:
                mail.end()
    finally:
        shutil.rmtree(path, ignore_errors=True)


def send(mail, box, address, recipients, count=1):
    wait(lambda: box.alive() or mail.run(program("smtp-source"), "-m", str(count), "-f", "a@sender.invalid", "-t",
                                         recipients[0], f"{address}:2525").returncode == 0, f"{box.name} takes mail")
    for recipient in recipients[1:]:
        assert mail.run(program("smtp-source"), "-f", "a@sender.invalid", "-t", recipient, f"{address}:2525").returncode == 0
    for recipient in recipients:
        wait(lambda: box.outcome(recipient), f"the fate of mail to {recipient}", 4 * PATIENCE)


def test_sessions_of_a_sender(scene):
    """In three parts: followed, killed, and read on after the log was renamed twice in the meantime."""
    begun = time.monotonic()
    collector = Collector(scene, scene.web, scene.ours.maillog)
    names = list(SESSIONS)
    parts = [names[:12], names[12:20], names[20:28], names[28:]]
    first = [f"user@{name}" for name in parts[0]]
    collector.start()
    send(scene, scene.ours, OURS, first)
    log = scene.ours.maillog
    wait(lambda: len(collector.of("eximwrong.mail.test")) == 1, "the collector follows")
    collector.kill()
    # Mail without TLS counts when its session began after the log did for sure, whose times are whole seconds.
    wait(lambda: time.monotonic() > begun + 4, "the log is old enough")
    texts = []
    for number, part in enumerate(parts[1:], 2):
        # Renamed as logrotate does; Postfix goes on with a new file when it is told.
        texts.append(log.read_text())
        if number < 4:
            for old in (1, 0):
                source = log.with_name(f"mail.log.{old}") if old else log
                if source.exists():
                    source.rename(log.with_name(f"mail.log.{old + 1}"))
            assert scene.run(program("postfix"), "-c", scene.ours.path / "conf", "reload").returncode == 0
            wait(lambda: log.exists() and log.stat().st_size > 0, "Postfix has a new log")
        send(scene, scene.ours, OURS, [f"user@{name}" for name in part])
    done = collector.once()
    assert done.returncode == 0, done.stderr
    found = collections.defaultdict(list)
    for session in collector.sessions():
        found[session["policy-domain"]].append(facts(session))
    for domain, expected in SESSIONS.items():
        # Deferred mail may have been tried again in the meantime.
        tries = 1 if EXPECTED[domain][1] == "sent" else max(1, len(found[domain]) // max(1, len(expected)))
        assert found[domain] == expected * tries, domain
    assert set(found) <= set(SESSIONS)
    # Read again from the start, it comes to the same.
    again = Collector(scene, scene.web, scene.ours.path / "all.log")
    again.directory = scene.path / "again"
    again.options[3] = again.directory
    (scene.ours.path / "all.log").write_text("".join(
        log.with_name(name).read_text() for name in ("mail.log.2", "mail.log.1", "mail.log")))
    assert again.once().returncode == 0
    assert sorted(map(facts, again.sessions())) == sorted(map(facts, collector.sessions()))
    policy = collector.of("good.sts.test")[0]
    assert policy["policy-string"] == ["version: STSv1", "mode: enforce", "mx: *.mail.test", "max_age: 86400"]
    assert policy["mx-host"] == ["*.mail.test"]
    assert re.fullmatch(r"3 1 1 [0-9a-f]{64}", collector.of("right.mail.test")[0]["policy-string"][0])


def test_connections_that_are_used_again(scene):
    """By tlsproxy(8): several mails over one session are one session."""
    send(scene, scene.reuse, REUSE, ["user@right.mail.test"], count=6)
    log = scene.reuse.maillog
    wait(lambda: len(re.findall(r"to=<user@right.mail.test>.*status=sent", log.read_text())) == 6, "all is sent")
    collector = Collector(scene, scene.web, log)
    collector.directory = scene.path / "reused"
    collector.options[3] = collector.directory
    assert collector.once().returncode == 0
    handshakes = len(re.findall(r"smtp.*TLS connection established", log.read_text()))
    assert "tlsproxy" in log.read_text() and "conn_use=" in log.read_text() and handshakes < 6
    assert [facts(session) for session in collector.sessions()] == [("tlsa", "success", "h-right", 1)] * handshakes
