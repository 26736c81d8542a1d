"""A certificate authority of the tests' own, by the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@dataclass
class Authority:
    """A certificate authority in a folder."""

    folder: Path
    name: str = "Test authority"

    def __post_init__(self) -> None:
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 30, "-subj", f"/CN={self.name}"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", self.folder / "ca.key", "-out", self.folder / "ca.pem"),
        )
        (self.folder / "index.txt").touch()
        (self.folder / "serial").write_text("01\n")

    @property
    def pem(self) -> str:
        return (self.folder / "ca.pem").read_text()

    def certify(self, name: str, begin: str = "20200101000000Z", end: str = "20500101000000Z") -> Path:
        """A certificate for ``name`` with its key, in one file."""
        made = self.folder / f"{name}-{end}"
        config = made.with_suffix(".cnf")
        config.write_text(
            "[ca]\ndefault_ca=d\n[d]\n"
            f"database={self.folder}/index.txt\nserial={self.folder}/serial\nnew_certs_dir={self.folder}\n"
            "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
            f"[e]\nsubjectAltName=DNS:{name},IP:127.0.0.1\n"
        )
        key, request = made.with_suffix(".key"), made.with_suffix(".csr")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl(
            *("ca", "-batch", "-notext", "-config", config, "-extensions", "e", "-in", request),
            *("-cert", self.folder / "ca.pem", "-keyfile", self.folder / "ca.key", "-out", made.with_suffix(".crt")),
            *("-startdate", begin, "-enddate", end),
        )
        made.write_text(key.read_text() + made.with_suffix(".crt").read_text())
        return made
