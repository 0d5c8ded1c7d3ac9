"""Programs of other projects, and what their configurations have in common: nothing outside one directory, no user to
become, no door for control. Each function writes the file and gives the command that runs the server."""
import os
import shutil

import pytest


def program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        pytest.fail(f"{name} is not installed: tools/install-deps test")
    return path


def nsd(directory, listen, rest, more=""):
    """`more` stands in the section of the server, `rest` behind it: keys and zones."""
    (directory / "nsd.conf").write_text(f"""
server:
    ip-address: {listen}
    do-ip6: no
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{directory}"
    database: ""
    xfrdfile: "{directory}/xfrd.state"
    xfrdir: "{directory}"
    pidfile: "{directory}/nsd.pid"
    zonelistfile: "{directory}/zone.list"
    {more}
remote-control:
    control-enable: no
{rest}""")
    return [program("nsd"), "-d", "-c", directory / "nsd.conf"]


def knot(directory, listen, rest, more="", log="info"):
    (directory / "db").mkdir(exist_ok=True)
    (directory / "knot.conf").write_text(f"""
server:
    listen: {listen}
    rundir: "{directory}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    {more}
log:
  - target: stderr
    any: {log}
database:
    storage: "{directory}/db"
    journal-db-max-size: 50M
    kasp-db-max-size: 50M
    timer-db-max-size: 50M
    catalog-db-max-size: 50M
{rest}""")
    return [program("knotd"), "-c", directory / "knot.conf", "-s", directory / "knot.sock"]


def unbound(directory, listen, modules, rest, more="", name="unbound.conf"):
    """`modules`: "validator iterator" validates, "iterator" does not. `rest`: stubs and forwarders."""
    (directory / name).write_text(f"""
server:
    interface: {listen}
    do-ip6: no
    directory: "{directory}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    verbosity: 1
    val-log-level: 2
    num-threads: 1
    module-config: "{modules}"
    do-not-query-localhost: no
    {more}
remote-control:
    control-enable: no
{rest}""")
    return [program("unbound"), "-d", "-c", directory / name]
