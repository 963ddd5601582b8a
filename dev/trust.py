"""Certificate authorities for the registry clients, where the system has none of its own."""

import os
import ssl
import sys
from pathlib import Path

# Where Go's crypto/x509 looks on Linux; OpenSSL's own place is asked of Python.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_has_bundle() -> bool:
    """Whether the user or the system names a bundle of certificate authorities that is there."""
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    found = ssl.get_default_verify_paths()
    return bool(named) or any(path and Path(path).is_file() for path in (*_SYSTEM_BUNDLES, found.cafile))


def certificates() -> dict[str, str]:
    """The environment that a client of a registry needs besides the user's: empty where the system has a bundle.

    Otherwise the bundle that came inside this environment's pip (which was itself installed by hash).
    """
    if system_has_bundle():
        return {}
    for place in sys.path:
        bundle = Path(place) / "pip" / "_vendor" / "certifi" / "cacert.pem"
        if bundle.is_file():
            return {"SSL_CERT_FILE": str(bundle)}
    return {}
