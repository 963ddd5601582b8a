"""Tokens (JWTs) of a signer of the test's own, by RS256, with nothing but the standard library."""

import base64
import hashlib
import json
import secrets
import time
from typing import Any

_BITS = 2048
_EXPONENT = 65537
# What PKCS #1 puts before the digest: that it is one of SHA-256.
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
_SMALL_PRIMES = [n for n in range(3, 1000, 2) if all(n % d for d in range(3, n, 2))]


class Signer:
    """An issuer with a key: `jwks` is its public half as inline keys, `token` signs claims."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        p, q = _prime(_BITS // 2), _prime(_BITS // 2)
        self._modulus = p * q
        self._private = pow(_EXPONENT, -1, (p - 1) * (q - 1))

    @property
    def jwks(self) -> str:
        """The key set, as JSON."""
        key = {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": "one",
            "n": _number(self._modulus),
            "e": _number(_EXPONENT),
        }
        return json.dumps({"keys": [key]})

    def token(self, *, seconds: float = 3600, **claims: Any) -> str:
        """A token that holds for so many seconds from now on: one that is negative has expired."""
        body = {"iss": self.issuer, "sub": "user", "exp": int(time.time() + seconds), **claims}
        head = {"alg": "RS256", "typ": "JWT", "kid": "one"}
        signed = ".".join(_text(json.dumps(part).encode()) for part in (head, body))
        size = _BITS // 8
        digest = _SHA256 + hashlib.sha256(signed.encode()).digest()
        block = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
        signature = pow(int.from_bytes(block), self._private, self._modulus)
        return f"{signed}.{_text(signature.to_bytes(size))}"


def _prime(bits: int) -> int:
    while True:
        # The two highest bits are set, so that the product has all of its bits.
        found = secrets.randbits(bits) | 3 << (bits - 2) | 1
        if all(found % small for small in _SMALL_PRIMES) and found % _EXPONENT != 1 and _probably_prime(found):
            return found


def _probably_prime(number: int) -> bool:
    """Miller and Rabin's test, twenty times."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(20):
        power = pow(secrets.randbelow(number - 3) + 2, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8))
