"""Where participants' browsers find this server, for the links that a facilitator hands out.

Nothing that a request claims about a proxy decides where a link leads (X-Forwarded-Host and the like): a link is a
credential. The addresses offered are those that the settings allow (SPATIAL_ALLOWED_ORIGINS), the one that the
facilitator's own page is at, and, where the server listens on all of the machine's addresses, those.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import psutil

from app.settings import Settings

IPV4 = "0.0.0.0"  # noqa: S104
"""Listens on all of the machine's addresses of the old kind only."""


def offered(settings: Settings, page_origin: str, port: int | None = None) -> list[str]:
    """Origins without a slash at the end, the best first."""
    found = [origin.rstrip("/") for origin in settings.allowed_origins]
    own = page_origin.rstrip("/")
    served = port or urlsplit(own).port or settings.port
    ips = machine_addresses() if listens_on_all(settings) else []
    machine = [f"http://{_host(ip)}:{served}" for ip in ips if ":" not in ip or settings.host != IPV4]
    found += [*machine, own] if is_loopback(own) else [own, *machine]
    return list(dict.fromkeys(found))


def listens_on_all(settings: Settings) -> bool:
    return settings.host in (IPV4, "::", "")


def is_loopback(origin: str) -> bool:
    """Whether only this computer can follow it."""
    host = urlsplit(origin).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def machine_addresses() -> list[str]:
    """Of this machine's networks; IPv4 first, without loopback and link-local ones."""
    every = [a for addresses in psutil.net_if_addrs().values() for a in addresses]
    ips = []
    for address in every:
        if address.family in (socket.AF_INET, socket.AF_INET6):
            ip = ipaddress.ip_address(address.address.partition("%")[0])
            if not (ip.is_loopback or ip.is_link_local or ip.is_unspecified):
                ips.append(ip)
    return [str(ip) for ip in sorted(ips, key=lambda ip: (ip.version, not ip.is_private, int(ip)))]


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
