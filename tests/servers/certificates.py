"""Key stores for a TLS listener, made by the JDK's keytool: one that is good, one whose certificate has expired."""

import subprocess
from pathlib import Path

PASSWORD = "only-for-tests"


def keystore(folder: Path, name: str, *, expired: bool = False) -> tuple[Path, Path]:
    """A PKCS12 key store for 127.0.0.1 and localhost, and its own certificate as PEM."""
    store, certificate = folder / f"{name}.p12", folder / f"{name}.pem"
    when = ["-startdate", "-30d", "-validity", "10"] if expired else ["-validity", "3650"]
    common = ["-keystore", str(store), "-storetype", "PKCS12", "-storepass", PASSWORD, "-alias", "kafka"]
    _keytool(
        "-genkeypair", *common, "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=localhost",
        "-ext", "SAN=IP:127.0.0.1,DNS:localhost", "-ext", "BC=ca:true", *when,
    )  # fmt: skip
    _keytool("-exportcert", *common, "-rfc", "-file", str(certificate))
    return store, certificate


def _keytool(*arguments: str) -> None:
    subprocess.run(["keytool", *arguments], check=True, capture_output=True)
