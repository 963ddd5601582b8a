"""What a gateway reads of a Secret, and from when to when a certificate holds: read without a library for it.

RFC 5280, section 4.1: Certificate, TBSCertificate and Validity are sequences. Before Validity stand a version, which
can be missing, the serial number, the algorithm and the issuer.
"""

from binascii import Error, a2b_base64

from mlmesh.graph.fields import mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PAIRS = (("cert", "key"), ("tls.crt", "tls.key"))  # in the order in which istiod looks for them
AUTHORITIES = ("cacert", "ca.crt")
_READ = {key for pair in PAIRS for key in pair} | {*AUTHORITIES}
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _VERSION, _UTC, _GENERALIZED = 0x30, 0xA0, 0x17, 0x18


def trimmed(secret: "dict[str, Any]") -> "dict[str, Any]":
    """A Secret with nothing but its metadata and what a gateway reads: others are large, and are nobody's business."""
    return {
        "metadata": secret.get("metadata"),
        **{
            field: {key: value for key, value in mapping(secret.get(field)).items() if key in _READ}
            for field in ("data", "stringData")
        },
    }


def validity(pem: str) -> tuple[str, str]:
    """The dates, as ``YYYYMMDDHHMMSSZ``, between which the first certificate of a PEM text holds.

    Raises ValueError, with nothing of the text in it, where there is none.
    """
    _, begun, rest = pem.partition(_BEGIN)
    body, ended, _ = rest.partition(_END)
    if not begun or not ended:
        raise ValueError("no PEM block of a certificate")
    try:
        held = _field(_field(a2b_base64(body), 0, _SEQUENCE)[0], 0, _SEQUENCE)[0]
        at = 0
        if held[:1] == bytes([_VERSION]):
            at = _field(held, at, _VERSION)[1]
        for _ in range(3):  # serial number, algorithm, issuer
            at = _field(held, at)[1]
        dates = _field(held, at, _SEQUENCE)[0]
        first, at = _date(dates, 0)
        last, _ = _date(dates, at)
    except (Error, IndexError, UnicodeDecodeError):
        raise ValueError("the PEM block is no certificate") from None
    return first, last


def _field(data: bytes, at: int, tag: int | None = None) -> tuple[bytes, int]:
    """The content of the DER field that begins at a place, and where it ends. ValueError for another tag."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if (tag is not None and data[at] != tag) or start + length > len(data):
        raise ValueError("the PEM block is no certificate")
    return data[start : start + length], start + length


def _date(data: bytes, at: int) -> tuple[str, int]:
    content, end = _field(data, at)
    text = content.decode("ascii")
    if data[at] == _UTC:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif data[at] != _GENERALIZED:
        raise ValueError("the PEM block is no certificate")
    return text, end
