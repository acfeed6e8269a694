"""Nothing may ask the world: a socket that would leave this machine ends the program that opens it."""

import ipaddress
import sys
from typing import Any

LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
HERE = frozenset({"", "localhost", "ip6-localhost"})


class LeavesTheMachine(RuntimeError):  # noqa: N818 - what happens, not what is wrong
    """A host elsewhere was looked up, or a connection to it was opened."""


def is_here(host: Any) -> bool:
    """Whether a host or address is this machine."""
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return name in HERE or ipaddress.ip_address(name.split("%")[0]).is_loopback or name in {"0.0.0.0", "::"}  # noqa: S104
    except ValueError:
        return False


def forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse, as an audit hook, what leaves this machine; sockets of the file system stay."""
    if event in LOOKUPS and not is_here(arguments[0]):
        msg = f"{event} of a host elsewhere"
        raise LeavesTheMachine(msg)
    if event in CONNECTIONS and isinstance(arguments[1], tuple) and not is_here(arguments[1][0]):
        msg = f"{event} to a host elsewhere"
        raise LeavesTheMachine(msg)


def stay_here() -> None:
    """Forbid it in this process from now on."""
    sys.addaudithook(forbid)
