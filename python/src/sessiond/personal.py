"""
Stores of one user: whether a directory is one, where the socket of its daemon may be, and what the daemon
wrote down for its clients. It changes nothing except to make a store, and starts nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import stat
import unicodedata
from hashlib import sha256
from typing import List, Mapping, NamedTuple, Optional

from .connection import MOST_PATH_BYTES
from .errors import DaemonUnreachableError, StorageFailedError, StorageFullError

STATE_DIRECTORY = ".sessiond"
_ELSEWHERE = "name a store elsewhere"
_MOST_FILE_BYTES = 16_384
"""No daemon writes a larger `daemon.json`."""


class DaemonFile(NamedTuple):
    """What a daemon writes down when it serves a store. Only an answer of the socket shows that it lives."""

    socket: str
    on_demand: bool
    """Whether it was started by a client, and ends by itself."""
    was_stopped: bool
    """Whether somebody asked it to stop. False while it serves, and after it was killed."""


def read_daemon_file(store: str) -> Optional[DaemonFile]:
    """Reads `.sessiond/daemon.json`. None if there is none, or nothing that a daemon can have written."""
    path = os.path.join(store, STATE_DIRECTORY, "daemon.json")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MOST_FILE_BYTES:
                return None
            written = json.loads(file.read(_MOST_FILE_BYTES))
        socket_path, on_demand = written["socket"], written["on_demand"]
        stopped_time = written["stopped_time"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(socket_path, str) or not os.path.isabs(socket_path) or not isinstance(on_demand, bool):
        return None
    return DaemonFile(socket_path, on_demand, stopped_time is not None)


def why_bad_name(directory: str) -> Optional[str]:
    """Says why no store can be at a path, in words that follow the path; None if it can."""
    if any(unicodedata.category(character) == "Cc" for character in directory):
        return "has a control character in its path, such as a line break"
    if os.path.basename(directory) == STATE_DIRECTORY:
        return f"holds the state of a store; the store itself is {shlex.quote(os.path.dirname(directory))}"
    return None


def why_not_own(directory: str) -> Optional[str]:
    """
    Says why a directory is not a store of the user's own, in words that follow its path; None if it is. It
    must belong to the user, and nobody else may write in it. A group that may write is refused even if the
    user is alone in it: where a directory has an access control list, these bits stand for the list (acl(5)).
    """
    bad_name = why_bad_name(directory)
    if bad_name is not None:
        return bad_name
    user = os.geteuid()
    try:
        link = os.lstat(directory)
        if stat.S_ISLNK(link.st_mode) and link.st_uid != user:
            return f"is a symbolic link of the user {link.st_uid}"
        facts = os.stat(directory)
    except FileNotFoundError:
        return "does not exist"
    except PermissionError:
        return "cannot be looked at by this user"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if not stat.S_ISDIR(facts.st_mode):
        return "is not a directory"
    if facts.st_uid != user:
        return f"belongs to the user {facts.st_uid}, and this is the user {user}"
    writers = [
        *(["its group"] if facts.st_mode & stat.S_IWGRP else []),
        *(["everybody"] if facts.st_mode & stat.S_IWOTH else []),
    ]
    if not writers:
        return None
    return f"may be written by {' and '.join(writers)}; to use it: chmod go-w {shlex.quote(directory)}"


def make_store(path: str) -> None:
    """
    Makes a store, if it is missing, with a file that keeps it out of git.

    :raises DaemonUnreachableError: `not_permitted`: what is there is no store of the user's own
    """
    bad_name = why_bad_name(path)
    if bad_name is not None:
        raise not_own(path, f"{bad_name}; {_ELSEWHERE}")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            os.mkdir(path, 0o700)
            is_new = True
        except FileExistsError:
            is_new = False
        why = why_not_own(path)
        if why is not None:
            raise not_own(path, why if "; " in why else f"{why}; {_ELSEWHERE}")
        if is_new:
            _keep_out_of_git(path)
    except OSError as error:
        if isinstance(error, DaemonUnreachableError):
            raise
        what = f"cannot make the store {path}: {error.strerror}; {_ELSEWHERE}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(f"{what}, or free some space") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DaemonUnreachableError("not_permitted", path, what) from error
        raise StorageFailedError(what) from error


def not_own(path: str, why: str) -> DaemonUnreachableError:
    """The error for what has the place of a store and does not count as one."""
    return DaemonUnreachableError("not_permitted", path, f"{path} cannot be used as a store: it {why}")


def _keep_out_of_git(store: str) -> None:
    path = os.path.join(store, ".gitignore")
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write("*\n")
    except FileExistsError:
        pass
    except OSError:
        # A store without the file would be seen by git for ever.
        for undo, what in ((os.unlink, path), (os.rmdir, store)):
            try:
                undo(what)
            except OSError:
                pass
        raise


def store_socket(store: str, env: Mapping[str, str]) -> Optional[str]:
    """
    The socket at which to try: the one that the daemon wrote down, else the first of the places where there
    is one of the user's own. None if there is none.

    :param store: the real path of the directory of the sessions
    """
    written = read_daemon_file(store)
    places = [*([written.socket] if written else []), *socket_places(store, env)]
    return next((path for path in places if _is_own_socket(path)), None)


def socket_places(store: str, env: Mapping[str, str]) -> List[str]:
    """The paths at which a daemon of the store may listen, the first choice first."""
    name = f"{sha256(os.fsencode(store)).hexdigest()[:32]}.sock"
    runtime = env.get("XDG_RUNTIME_DIR", "")
    above = [directory for directory in (env.get("TMPDIR", ""), "/tmp") if os.path.isabs(directory)]
    places = [
        os.path.join(store, STATE_DIRECTORY, "sessiond.sock"),
        *([os.path.join(runtime, "sessiond", name)] if _is_private(runtime) else []),
        *(os.path.join(directory, f"sessiond-{os.geteuid()}", name) for directory in above),
    ]
    fitting = [path for path in places if len(os.fsencode(path)) <= MOST_PATH_BYTES]
    return list(dict.fromkeys(fitting))


def _is_own_socket(path: str) -> bool:
    """
    Whether there is a socket of the user's own at a path, in a directory where nobody else can replace it. A
    client connects to no other socket because a file told it to: who answers there could make up sessions.
    """
    try:
        facts, above = os.lstat(path), os.stat(os.path.dirname(path))
    except (OSError, ValueError):
        return False
    if not stat.S_ISSOCK(facts.st_mode) or facts.st_uid != os.geteuid():
        return False
    if above.st_uid not in (os.geteuid(), 0):
        return False
    return not above.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or bool(above.st_mode & stat.S_ISVTX)


def _is_private(directory: str) -> bool:
    """Whether it is a directory, not a link, of the user's own that nobody else may write."""
    if not os.path.isabs(directory):
        return False
    try:
        facts = os.lstat(directory)
    except OSError:
        return False
    is_written_by_others = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not is_written_by_others
