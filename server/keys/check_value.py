"""Key-check values: three bytes by which people compare keys without seeing them.

`CMAC(K, 16 zero bytes)[0:3]`, the AES way of ANSI X9.24-1; reveals nothing of the key.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

CHECK_VALUE_BYTES = 3


def check_value(key: bytes) -> str:
    """Return the check value of an AES key, six capital hex digits."""
    mac = CMAC(AES(key))
    mac.update(bytes(16))
    return mac.finalize()[:CHECK_VALUE_BYTES].hex().upper()
