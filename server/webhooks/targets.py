"""Where webhooks may go: the allow-list of the machine's settings, and what an address resolved to (T17). Pure.

An entry is `https://HOST[:PORT]` or `https://HOST[:PORT]@NETWORK`. Without a network the host must resolve to public
addresses; with one, to addresses inside it: so a name inside the site's own network says which. Plain `http://` is
allowed where the entry itself says so. The server connects to the address that was checked, not to the name again.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_TARGETS = 50
MAX_URL_CHARACTERS = 500
MAX_ADDRESSES = 16
"""Addresses of one name that are looked at."""
PORTS = {"https": 443, "http": 80}
HIGHEST_PORT = 65_535


class TargetError(ValueError):
    """An entry of the allow-list that cannot be used; says which and why."""


@dataclass(frozen=True, slots=True)
class Target:
    """One entry: scheme, host and port must be equal; the resolved addresses must lie in `network`, or be public."""

    scheme: str
    host: str
    port: int
    network: Network | None

    def takes(self, address: Address) -> bool:
        """Tell whether webhooks may connect to an address that the host resolved to."""
        plain = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
        if self.network is not None:
            return plain.version == self.network.version and plain in self.network
        return plain.is_global and not plain.is_multicast and not _is_carried(plain)


def parse_targets(text: str) -> tuple[Target, ...]:
    """Read the allow-list, entries with commas between. Raises TargetError."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if len(entries) > MAX_TARGETS:
        msg = f"at most {MAX_TARGETS} entries"
        raise TargetError(msg)
    return tuple(_entry(entry) for entry in entries)


def target_of(url: str, targets: Sequence[Target]) -> Target | None:
    """Return the entry that allows an address, or None: unknown host, other port, user names, odd spelling."""
    try:
        parts = urlsplit(url)
        found = _place(parts)
    except ValueError:
        return None
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url or parts.fragment:
        return None
    return next((one for one in targets if (one.scheme, one.host, one.port) == found), None)


def chosen(target: Target, resolved: Sequence[str]) -> str | None:
    """Return the first address to connect to; None when there is none, or when any of them is not allowed."""
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in resolved[:MAX_ADDRESSES]]
    if not addresses or not all(target.takes(address) for address in addresses):
        return None
    return str(addresses[0])


def _place(parts: SplitResult) -> tuple[str, str, int]:
    if parts.scheme not in PORTS or parts.username is not None or parts.password is not None or not parts.hostname:
        msg = "needs https:// or http://, a host and no user name"
        raise ValueError(msg)
    port = parts.port if parts.port is not None else PORTS[parts.scheme]
    if not 0 < port <= HIGHEST_PORT:
        msg = "has no such port"
        raise ValueError(msg)
    return parts.scheme, parts.hostname.rstrip("."), port


def _entry(entry: str) -> Target:
    origin, _, network = entry.partition("@")
    try:
        parts = urlsplit(origin)
        scheme, host, port = _place(parts)
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            msg = "is a host, not an address of a page"
            raise ValueError(msg)  # noqa: TRY301 - every slip of an entry is told in one place
        inside = ipaddress.ip_network(network, strict=False) if network else _itself(host)
    except ValueError as error:
        msg = f"{entry}: {error}"
        raise TargetError(msg) from error
    return Target(scheme, host, port, inside)


def _itself(host: str) -> Network | None:
    """Return the network of a host that is written as an address: whoever wrote it there meant it."""
    try:
        return ipaddress.ip_network(host)
    except ValueError:
        return None


def _is_carried(address: Address) -> bool:
    """Tell whether an IPv6 address carries an IPv4 one behind the name of a tunnel (6to4, Teredo, NAT64)."""
    if isinstance(address, IPv4Address):
        return False
    nat64 = address in ipaddress.ip_network("64:ff9b::/96") or address in ipaddress.ip_network("64:ff9b:1::/48")
    return nat64 or address.sixtofour is not None or address.teredo is not None
