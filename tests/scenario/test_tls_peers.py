"""kenter auth and kenter tlsa check with servers that people run: Dovecot, Exim, nginx and Kamailio in a private signed DNS;
each with TLSA records that are right under one name, and wrong under another."""
import json
import os
import pathlib
import shutil
import tempfile

import pytest

from mail_support import Authority, Mail, tlsa
from peers_support import Server, program, wait
from world_support import World

DOVECOT, EXIM, NGINX, KAMAILIO = "127.0.2.1", "127.0.2.2", "127.0.2.3", "127.0.2.4"
# host: (address, ports)
HOSTS = {"mail": (DOVECOT, [143, 993, 110, 995, 4190, 587, 465]), "mx": (EXIM, [25, 465]), "phone": (KAMAILIO, [5061])}
# service: what the SRV records say
SRV = {"imap": [("_imap", "mail", 143), ("_imaps", "mail", 993)], "pop3": [("_pop3", "mail", 110), ("_pop3s", "mail", 995)],
       "sieve": [("_sieve", "mail", 4190)], "sip": [("_sips", "phone", 5061)],
       "submission": [("_submission", "mail", 587), ("_submissions", "mail", 465)]}
STARTTLS = {143, 110, 4190, 587, 25}

DOVECOT_SETTINGS = """
base_dir = {path}/run
state_dir = {path}/state
log_path = /dev/stderr
listen = {address}
protocols = imap pop3 sieve submission
ssl = required
ssl_cert = <{file}
ssl_key = <{file}
mail_location = maildir:{path}/mail
submission_relay_host = 127.0.0.1
passdb {{
  driver = static
}}
userdb {{
  driver = static
}}
service managesieve-login {{
  inet_listener sieve {{
    port = 4190
  }}
}}
service submission-login {{
  inet_listener submissions {{
    port = 465
    ssl = yes
  }}
}}
"""

NGINX_SITE = """
    server {{
        listen {address}:443 ssl;
        server_name {name}.host.test;
        ssl_certificate {file};
        ssl_certificate_key {file};
    }}
"""

NGINX_SETTINGS = """
daemon off;
master_process off;
pid {path}/pid;
error_log stderr notice;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {path}/1;
    proxy_temp_path {path}/2;
    fastcgi_temp_path {path}/3;
    uwsgi_temp_path {path}/4;
    scgi_temp_path {path}/5;
{sites}
}}
"""

KAMAILIO_SETTINGS = """#!KAMAILIO
children = 1
tcp_children = 1
log_stderror = yes
auto_aliases = no
enable_tls = yes
disable_sctp = yes
listen = tls:{address}:5061
loadmodule "sl.so"
loadmodule "tls.so"
modparam("tls", "certificate", "{file}")
modparam("tls", "private_key", "{file}")
modparam("tls", "tls_method", "TLSv1.2+")
request_route {{
    sl_send_reply("200", "OK");
}}
"""


def server(world, name, settings, *command, **values):
    one = Server(world.path, name)
    file = one.path / "settings"
    file.write_text(settings.format(path=one.path, **values))
    one.launch(*world.inside.prefix, program(command[0]), *(word.format(file=file, path=one.path) for word in command[1:]))
    return one


def build(world, own, identities):
    top = world.server("knot")
    www = identities["www"]
    lines = [f"{name} A {NGINX}" for name in ("www", "shop", "old")] + [
        f"_443._tcp.www TLSA {tlsa(www.leaf)}", f"_443._tcp.shop TLSA {tlsa(own.certificate, usage=2, selector=0)}",
        f"_443._tcp.old TLSA {tlsa(www.leaf)}"]  # of a site on the same address
    for host, (address, ports) in HOSTS.items():
        for name, right in ((host, True), (f"{host}-wrong", False)):
            lines += [f"{name} A {address}"] + [
                f"_{port}._tcp.{name} TLSA {tlsa(identities[host].leaf, right=right)}" for port in ports]
    world.zone(".", [top])
    world.zone("test.", [top])
    world.zone("host.test.", [top], "\n".join(lines))
    for domain, end in (("right.test.", ""), ("wrong.test.", "-wrong")):
        world.zone(domain, [top], f"@ MX 10 mx{end}.host.test.\n" + "\n".join(
            f"{label}._tcp SRV {order} 0 {port} {host}{end}.host.test."
            for records in SRV.values() for order, (label, host, port) in enumerate(records)))
    world.start()
    for address in (DOVECOT, EXIM, NGINX, KAMAILIO):
        world.inside.address(address)


def launch(world, mail, identities):
    """All at once; then each of its ports is waited for."""
    servers = [
        server(world, "dovecot", DOVECOT_SETTINGS, "dovecot", "-F", "-c", "{file}", address=DOVECOT,
               file=identities["mail"].file),
        server(world, "nginx", NGINX_SETTINGS, "nginx", "-p", "{path}", "-c", "{file}", sites="".join(
            NGINX_SITE.format(address=NGINX, name=name, file=identities[name].file) for name in ("www", "shop", "old"))),
        server(world, "kamailio", KAMAILIO_SETTINGS, "kamailio", "-DD", "-E", "-m", "16", "-M", "4", "-Y", "{path}", "-f",
               "{file}", address=KAMAILIO, file=identities["phone"].file),
        mail.exim("exim", [EXIM], [identities["mx"]])]
    wanted = {f"{address}:{port}" for address, ports in [*HOSTS.values(), (NGINX, [443])] for port in ports}

    def listening():
        for one in servers:
            one.alive()
        return wanted <= set(world.must(program("ss"), "-Hltn").stdout.split())
    wait(listening, "all servers")
    return servers


@pytest.fixture(scope="module")
def world():
    if os.geteuid() != 0:
        pytest.skip("Dovecot and Exim start as root only")
    path = pathlib.Path(tempfile.mkdtemp(prefix="kenter-tls-"))
    path.chmod(0o755)
    own, servers = Authority(path, "own"), []
    identities = {name: own.issue(name, [f"{name}.host.test"]) for name in ("mail", "mx", "www", "shop", "old", "phone")}
    try:
        with World(path) as world:
            build(world, own, identities)
            world.identities = identities
            mail = Mail(world, world.unbound())
            try:
                servers = launch(world, mail, identities)
                yield world
            finally:
                for one in servers:
                    one.end()
    finally:
        shutil.rmtree(path, ignore_errors=True)


def ask(world, *verb, code):
    done = world.kenter(*verb, "--json", "--anchor", world.anchor(), "--server", "127.0.53.1", code=code, anchor=False)
    document = json.loads(done.stdout)
    return document, [finding["code"] for finding in document["findings"]], [
        (endpoint["port"], endpoint["start"], attempt["result"], attempt["by"])
        for domain in document["domains"] for endpoint in domain["endpoints"] for attempt in endpoint["attempts"]]


def start(port):
    return "starttls" if port in STARTTLS else "tls"


@pytest.mark.parametrize("service", [*SRV, "smtp"])
def test_services(world, service):
    """Right records, then wrong ones, at the end of SRV or MX."""
    ports = [port for _, _, port in SRV.get(service, [(None, None, 25)])]
    _, codes, found = ask(world, "auth", service, "right.test", code=0)
    assert sorted(found) == sorted((port, start(port), "authenticated", "dane") for port in ports) and codes == []
    _, codes, found = ask(world, "auth", service, "wrong.test", code=1)
    assert {(port, result) for port, _, result, _ in found} == {(port, "refused") for port in ports}
    assert set(codes) >= {"dane.tlsa-mismatch"}


@pytest.mark.parametrize("host, port", [(host, port) for host, (_, ports) in HOSTS.items() for port in ports])
def test_check(world, host, port):
    document, codes, _ = ask(world, "tlsa", "check", f"{host}.host.test:{port}", code=0)
    (record,) = document["tlsa"]["records"]
    assert record["matches"] == f"{HOSTS[host][0]}@{port}" and codes == []
    document, codes, _ = ask(world, "tlsa", "check", f"{host}-wrong.host.test:{port}", code=1)
    assert "dane.tlsa-mismatch" in codes and document["tlsa"]["proposed"] == [tlsa(world.identities[host].leaf)]


def test_sites_of_one_address(world):
    """What SNI names is what is shown: by its key, by its authority, and not by a neighbour's key."""
    for name in ("www", "shop"):
        _, codes, found = ask(world, "auth", "https", f"{name}.host.test", code=0)
        assert found == [(443, "tls", "authenticated", "dane")] and codes == []
    _, codes, found = ask(world, "auth", "https", "old.host.test", code=1)
    assert [result for _, _, result, _ in found] == ["refused"] and "dane.tlsa-mismatch" in codes
