"""Which daemon a client talks to if it was given no socket: the one that `sessionctl` would talk to."""

from __future__ import annotations

import os
from typing import Optional, Union

from .daemon import Daemon
from .on_demand import StoreDaemon
from .personal import not_own, why_not_own

DEFAULT_SESSIONS_DIR = ".sessions"
_SERVICE_SOCKET = "/run/sessiond/sessiond.sock"


def find_daemon(
    *,
    socket_path: Union[None, str, "os.PathLike[str]"] = None,
    store: Union[None, str, "os.PathLike[str]"] = None,
    timeout: Optional[float] = None,
) -> Daemon:
    """
    The first of: the socket, the store, `$SESSIOND_SOCKET`, the nearest store, the user's own service, the
    system service.

    :param timeout: how long the daemon of a store may take to say which store it serves, in seconds
    :raises DaemonUnreachableError: `not_permitted`: the store that was named is not the user's own
    """
    if socket_path is not None:
        return Daemon(os.fspath(socket_path))
    if store is not None:
        return store_daemon(store, timeout=timeout)
    named = os.environ.get("SESSIOND_SOCKET")
    if named:
        return Daemon(named)
    nearest = _nearest_store()
    if nearest is not None:
        return StoreDaemon(nearest, timeout=timeout)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = os.path.join(runtime, "sessiond.sock") if runtime else None
    return Daemon(own if own is not None and os.path.exists(own) else _SERVICE_SOCKET)


def store_daemon(
    store: Union[str, "os.PathLike[str]"], *, timeout: Optional[float] = None, may_make: bool = False
) -> StoreDaemon:
    """
    The daemon of a store that was named.

    :param may_make: whether the store may be made if it is missing
    :raises DaemonUnreachableError: `not_permitted`: it is not the user's own
    """
    path = os.path.abspath(store)
    if os.path.lexists(path):
        why = why_not_own(path)
        if why is not None:
            raise not_own(path, why)
    return StoreDaemon(path, timeout=timeout, may_make=may_make)


def _nearest_store() -> Optional[str]:
    """
    Looks in the working directory and above, up to the root of its repository. The home directory and those
    above it never have a store: it would take in whatever is below.
    """
    try:
        directory = os.getcwd()
    except OSError:
        return None
    while not _is_home_or_above(directory):
        path = os.path.join(directory, DEFAULT_SESSIONS_DIR)
        if os.path.lexists(path) and why_not_own(path) is None:
            return path
        above = os.path.dirname(directory)
        if above == directory or os.path.exists(os.path.join(directory, ".git")):
            return None
        directory = above
    return None


def _is_home_or_above(directory: str) -> bool:
    home = os.path.realpath(os.path.expanduser("~"))
    return home == directory or home.startswith(os.path.join(directory, ""))
