"""Addresses that nobody means to send prompts or keys to: link-local ones, where clouds answer with credentials.

And those that a stranger must not make us call: everything that is not on the public internet.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
METADATA_ADDRESSES = frozenset(ipaddress.ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254"))
"""Of Alibaba Cloud and of AWS over IPv6; the others use 169.254.169.254, which is link-local."""
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Its last 32 bits are an IPv4 address, which a gateway of the network calls (RFC 6052)."""


def is_link_local(host: str) -> bool:
    """Whether `host`, a name or an address as it stands in a URL, is link-local or a cloud's metadata service."""
    bare = host.strip("[]").rstrip(".").lower()
    return bare in METADATA_NAMES or _leads_there(bare)


def resolves_to_link_local(host: str) -> bool:
    """As `is_link_local`, of what the name stands for at this moment; False where it stands for nothing."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None)
    except OSError:
        return False
    return any(_leads_there(str(address[0])) for _, _, _, _, address in found)


def as_address(text: str) -> Address | None:
    """What `text` (without brackets) means as an address: an IPv4 one where it only wraps that; None for a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if within is not None:
            return within
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_open(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Whether a stranger may make us call `address`: it is public, or in one of the networks that are `allowed`.

    What is link-local, of a metadata service, multicast or unspecified never is.
    """
    if _is_metadata(address) or address.is_multicast or address.is_unspecified:
        return False
    return address.is_global or any(address in network for network in allowed if network.version == address.version)


def _leads_there(text: str) -> bool:
    address = as_address(text)
    return address is not None and _is_metadata(address)


def _is_metadata(address: Address) -> bool:
    return address.is_link_local or address in METADATA_ADDRESSES
