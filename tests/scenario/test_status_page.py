"""The pages for a browser: what they say, that foreign text stays text, that nothing is loaded, and that their size
has a bound."""
import base64
import hashlib
import html.parser
import http.client
import socket
import urllib.parse

import pytest

import peers_support
from api_support import ask, serving
from ports import free_port

HOSTILE = r"""\<script\>alert\(1\)\</script\>\&\'\".\007\%41\+b.test."""
TAGS = set("html head meta title style body h1 h2 p a small strong span table thead tbody tr th td time div dl dt dd "
           "form label input select option button br".split())
VOID = {"meta", "input", "br"}


class Page(html.parser.HTMLParser):
    """Reads a page, and refuses whatever may not be in one."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.links, self.text, self.style, self.rows, self.tag = [], "", "", [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS, tag
        self.tag = tag
        for name, value in attributes:
            assert not name.startswith("on") and name not in ("src", "style", "srcset"), (name, value)
            if name in ("href", "action"):
                assert not urllib.parse.urlsplit(value).scheme and not value.startswith("/"), value
                self.links.append(value)
        if tag == "tr":
            self.rows.append("")

    def handle_data(self, data):
        if self.tag == "style" and not self.style:
            self.style = data
            return
        self.text += data
        if self.rows:
            self.rows[-1] += data


def show(place, target, status=200):
    reply = ask(place, "GET", target)
    assert reply.status == status and reply.type == "text/html", reply.data
    page = Page(reply.data.decode())
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
    assert policy == {"default-src": "'none'", "style-src": f"'sha256-{digest}'", "form-action": "'self'",
                      "base-uri": "'none'", "frame-ancestors": "'none'"}
    assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["Cache-Control"] == "no-store"
    for control in "\x00\x07\x1b\x7f\u202e\u2066":
        assert control not in page.text
    return page


@pytest.fixture
def api(tmp_path):
    with serving(tmp_path / "socket", "--hostile", "yes"):
        yield tmp_path / "socket"


def test_the_server_and_its_zones(api):
    page = show(api, "/")
    for text in ("running", "127.0.0.1@5300", "control", "file /etc/zones/broken.zone", "line 7 is as a test wants it"):
        assert text in page.text
    assert "zone?zone=example.com." in page.links and "./?state=problem" in page.links
    assert "example.com." not in show(api, "/?state=new").text.split("Last problem")[1].split("Process")[0]
    assert "There are no such zones." in show(api, "/?state=expired&after=&limit=").text


def test_a_zone(api):
    page = show(api, "/zone?zone=broken.test")
    for text in ("The file cannot be used", "the seventh line of /etc/zones/broken.zone", "gate.refused", "Why: ",
                 "Do: ", "/etc/zones/broken.zone:7:3", "serial 30 was published"):
        assert text in page.text, text
    assert "serial 29" not in show(api, "/zone?zone=broken.test&count=1").text
    assert "nothing is published yet" in show(api, "/zone?zone=new.test").text
    assert "there is no zone" in show(api, "/zone?zone=none.test", 404).text
    assert "the parameter zone is needed" in show(api, "/zone", 400).text
    assert "did you mean" in show(api, "/?stat=ok", 400).text


def test_foreign_hosts(tmp_path):
    """A name that somebody lets lead here shows no page; what is counted has no secrets from those who can connect."""
    port = free_port()

    def status(host, target="/"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.putrequest("GET", target, skip_host=True)
        for value in [] if host is None else [host]:
            connection.putheader("Host", value)
        connection.endheaders()
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        assert reply.status == 200 or "example.com." not in text
        return reply.status

    with serving(tmp_path / "socket", "--metrics", port):
        for host in ("127.0.0.1", f"127.0.0.1:{port}", "localhost", f"LocalHost:{port}", "[::1]", f"[::1]:{port}",
                     "192.0.2.1", "[2001:db8::1]:9353"):
            assert status(host) == 200, host
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example",
                     "[::1].evil.example", "[evil]", "x" * 300):
            assert status(host) == 421, host
            assert status(host, "/zone?zone=example.com.") == 421, host
            assert status(host, "/metrics") == 200, host


def test_foreign_text_stays_text(api):
    page = show(api, "/?state=problem")
    assert HOSTILE in page.text and "<img src=x onerror='alert(1)'>&amp;\"" in page.text
    link = next(link for link in page.links if "script" in link)
    page = show(api, "/" + link)
    assert HOSTILE in page.text
    assert "the seventh line of /etc/<img src=x onerror='alert(1)'>" in page.text
    for text in ("<script>alert(1)</script>", '"><img src=x>', "\u202e\x1b[31m", "a b", "%", "a" * 500, "\\"):
        value = urllib.parse.quote(text, safe="")
        for target in (f"/?after={value}", f"/?state={value}", f"/?limit={value}", f"/?{value}=1",
                       f"/zone?zone={value}"):
            reply = ask(api, "GET", target)
            assert reply.status in (200, 400, 404)
            Page(reply.data.decode())
    for raw in ("%ff%fe", "%c2%9b", "%e2%80"):  # octets that are no text
        Page(ask(api, "GET", f"/zone?zone={raw}").data.decode(errors="replace"))


def test_many_zones(tmp_path):
    with serving(tmp_path / "socket", "--zones", 5000):
        pages, seen, link = 0, set(), "./?limit=1000"
        while link is not None:
            page = show(tmp_path / "socket", "/" + link.removeprefix("./"))
            seen |= {link for link in page.links if link.startswith("zone?zone=")}
            link = next((link for link in page.links if "after=" in link), None)
            pages += 1
        assert len(seen) == 5006 and pages == 6
        assert len(ask(tmp_path / "socket", "GET", "/").data) < 100_000
        assert len(ask(tmp_path / "socket", "GET", "/?limit=1000").data) < 1_000_000
        show(tmp_path / "socket", "/?limit=100000", 400)


def test_of_kenterd(tmp_path):
    """A whole server, over TCP: a zone whose name is markup, and one whose file is."""
    zone = r"\<b\>x\</b\>.test"
    (tmp_path / "good").write_text("@ 600 SOA ns1 hostmaster 1 7200 900 1209600 300\n@ 600 NS ns1\nns1 600 A 192.0.2.1\n")
    (tmp_path / "bad").write_text("@ 600 SOA ns1 hostmaster 1 7200 900 1209600 300\n@ 600 NS ns1\n"
                                  "www 600 A <script>x</script>\n")
    port = free_port()
    with peers_support.watched():
        kenterd = peers_support.Kenterd(tmp_path / "kenterd")
        kenterd.settings.setdefault("api", {})["metrics"] = f"127.0.0.1@{port}"
        kenterd.settings |= {"zones": {zone: str(tmp_path / "good"), "bad.test": str(tmp_path / "bad")}}
        kenterd.start()
        peers_support.wait(lambda: "problem" in show(port, "/zone?zone=bad.test").text
                           and "ns1." in show(port, "/zone?zone=" + urllib.parse.quote(zone)).text, "both are seen")
        assert zone + "." in show(port, "/").text
        page = show(port, "/zone?zone=bad.test")
        assert "<script>x</script>" in page.text and "bad:3" in page.text and "Do: " in page.text
        page = show(port, "/zone?zone=" + urllib.parse.quote(zone))
        assert "ns1." + zone in page.text and "Serial" in page.text
        for path in ("/v1/status", "/v1/zones", "/v1/zones/bad.test"):
            assert ask(port, "GET", path).status == 404
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert b" 405 " in client.recv(4096)
