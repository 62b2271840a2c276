"""Reach is which addresses a message may go to: those of the internet, and the private ones that the settings allow.

Documents name hosts, and whoever answers for a name may let it lead into our own network. So each request's host is
resolved here, what it resolves to is checked, and the connection goes to exactly that address.
"""

import asyncio
import socket
import ssl
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

_NAT64 = IPv6Network("64:ff9b::/96")
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=30)


@cache
def tls() -> ssl.SSLContext:
    """Return how servers are trusted; made once, since reading the certificates takes longer than a message."""
    return httpx.create_ssl_context(trust_env=False)


class PrivateAddressError(Exception):
    """A host leads to a private address that is not allowed; the message says which, and how to allow it."""


class Reach:
    """`allowed` are hosts, addresses and networks, separated by commas.

    A host that is allowed may lead anywhere.
    """

    def __init__(self, allowed: str) -> None:
        self._hosts: set[str] = set()
        self._networks = []
        for text in filter(None, (one.strip().lower() for one in allowed.split(","))):
            try:
                self._networks.append(ip_network(text))
            except ValueError:
                self._hosts.add(text)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return a host's addresses that may be reached; raise PrivateAddressError for none, OSError for no host."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        every = list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))
        usable = [one for one in every if host.lower() in self._hosts or self._public(one)]
        if not usable:
            raise PrivateAddressError(
                f"{host} leads to the private address {every[0]}: allow it by QINGYU_NOTIFY_PRIVATE if it is meant"
            )
        return usable

    def _public(self, text: str) -> bool:
        address = _meant(ip_address(text))
        return (address.is_global and not address.is_multicast) or any(address in one for one in self._networks)


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that stands inside of an IPv6 address, else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to addresses within reach only; TLS and the Host header keep the name that was asked for."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        # By host: two hosts behind one address must not share a connection, which was opened for one of them.
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that can be connected to; raises PrivateAddressError, OSError, httpx.HTTPError."""
        host, url = request.url.host, request.url
        addresses = await self._reach.addresses(host, url.port or {"https": 443}.get(url.scheme, 80))
        transport = self._transports.get(host)
        if transport is None:
            transport = self._transports[host] = httpx.AsyncHTTPTransport(verify=tls(), limits=LIMITS, trust_env=False)
        for last, address in enumerate(addresses, 1 - len(addresses)):
            aimed = httpx.Request(
                request.method,
                url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await transport.handle_async_request(aimed)
            except httpx.ConnectError:
                if last == 0:
                    raise
        raise AssertionError("a host without an address has raised before")

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()
