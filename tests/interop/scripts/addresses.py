"""Says of each address in the arguments whether Python's `ipaddress` finds it public, one line for each.

Public is what is globally reachable, and neither multicast nor reserved. An address that wraps IPv4 addresses is
as public as they are, as far as `ipaddress` unwraps it.
"""

import ipaddress
import sys


def public(address):
    if address.version == 6:
        inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        inside = [wrapped for wrapped in inside if wrapped is not None]
        if inside:
            return all(public(wrapped) for wrapped in inside)
    return address.is_global and not address.is_multicast and not address.is_reserved


for text in sys.argv[1:]:
    print("public" if public(ipaddress.ip_address(text)) else "special")
