"""A private world with servers of mail and other services in it, for commands that authenticate them."""
import datetime
import hashlib
import json
import pathlib
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peers_support import wait
from world_support import World

SCRIPTED = pathlib.Path(__file__).parent / "scripted.py"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


class Identity:
    """A certificate and its key. `days`: until it ends, below 0 for one that has ended; `issuer`: an Identity; `names`: what
    it is for, instead of DNS names."""

    def __init__(self, directory, name, *more, days=30, issuer=None, authority=False, names=None, key=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        if names is None:
            names = [x509.DNSName(each) for each in (name, *more)]
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        signer = issuer or self
        builder = (x509.CertificateBuilder().subject_name(self.subject).issuer_name(signer.subject)
                   .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=60))
                   .not_valid_after(now + datetime.timedelta(days=days))
                   .add_extension(x509.SubjectAlternativeName(names), critical=False)
                   .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True))
        self.certificate = builder.sign(signer.key, hashes.SHA256())
        directory.mkdir(parents=True, exist_ok=True)
        stem = f"{name}-{self.certificate.serial_number % 100000}"
        self.file, self.key_file, self.der_file = (directory / f"{stem}.{end}" for end in ("crt", "key", "der"))
        chain = self.certificate.public_bytes(PEM) + (issuer.certificate.public_bytes(PEM) if issuer else b"")
        self.file.write_bytes(chain)
        self.der_file.write_bytes(self.certificate.public_bytes(DER))
        self.key_file.write_bytes(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                                                         serialization.NoEncryption()))

    def data(self, selector=1):
        return (self.certificate.public_bytes(DER) if selector == 0 else
                self.key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo))

    def tlsa(self, usage=3, selector=1, matching=1):
        data = self.data(selector)
        made = data if matching == 0 else hashlib.new({1: "sha256", 2: "sha512"}[matching], data).digest()
        return f"{usage} {selector} {matching} {made.hex()}"


class Services(World):
    """A world with scripted servers: `serve` before `start`."""

    def __init__(self, path):
        super().__init__(path)
        self.scripts, self.scripted = [], None

    def identity(self, name, *more, **how):
        return Identity(self.path / "identities", name, *more, **how)

    def serve(self, address, port, speaks, identity, does=""):
        self.scripts.append({"address": address, "port": port, "speaks": speaks, "does": does,
                             "certificate": str(identity.file), "key": str(identity.key_file)})

    def start(self):
        settings = self.path / "scripts.json"
        settings.write_text(json.dumps(self.scripts))
        log = (self.path / "scripted.log").open("w")
        self.scripted = subprocess.Popen([*self.inside.prefix, sys.executable, str(SCRIPTED), str(settings)],
                                         stdout=log, stderr=subprocess.STDOUT)
        wait(lambda: "ready" in (self.path / "scripted.log").read_text(), "the scripted servers")
        super().start()

    def __exit__(self, *what):
        if self.scripted is not None:
            self.scripted.kill()
            self.scripted.wait()
        super().__exit__(*what)

    def auth(self, *arguments, code=0, **more):
        """The JSON document of kenter auth."""
        options = ["--json", "--server", self.resolver_used.address]
        done = self.kenter("auth", *options, *arguments, code=code, **more)
        return json.loads(done.stdout)
