"""Addresses that nobody means to send prompts or keys to: link-local ones, where clouds answer with credentials."""

from __future__ import annotations

import ipaddress
import socket

METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
METADATA_ADDRESSES = frozenset(ipaddress.ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254"))
"""Of Alibaba Cloud and of AWS over IPv6; the others use 169.254.169.254, which is link-local."""


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


def _leads_there(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local or address in METADATA_ADDRESSES
