"""Files that appear whole or not at all, and take no other file's place."""

from __future__ import annotations

import errno
import os
import uuid
from typing import Iterable

from .errors import SessiondError, StorageFailedError, StorageFullError

_MODE = 0o640


def write_whole(directory: str, names: Iterable[str], content: bytes) -> str:
    """
    Writes a new file, durably, and makes its directory if it is missing.

    :param names: the first one that is free becomes its name
    :returns: its path
    :raises StorageFullError: nothing was written
    :raises StorageFailedError: nothing was written
    """
    try:
        os.makedirs(directory, exist_ok=True)
        staged = os.path.join(directory, f".{uuid.uuid4().hex}.tmp")
        try:
            _write_synced(staged, content)
            paths = (os.path.join(directory, name) for name in names)
            path = next(path for path in paths if _took(staged, path))
        finally:
            if os.path.lexists(staged):
                os.unlink(staged)
        _sync(directory)
        return path
    except OSError as error:
        raise _storage_error(directory, error) from error


def _write_synced(path: str, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _took(staged: str, path: str) -> bool:
    """Gives a file its name, unless another file has it."""
    try:
        os.link(staged, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        # Some file systems have no second names.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK) or os.path.lexists(path):
            raise
        os.rename(staged, path)
        return True


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _storage_error(directory: str, error: OSError) -> SessiondError:
    message = f"cannot write to {directory}: {error.strerror}"
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StorageFullError(f"{message}; free some space") if is_full else StorageFailedError(message)
