"""Attaching to a session without a client at hand."""

from __future__ import annotations

import os
from typing import Any, Literal, Union, overload

from .client import Client
from .exclusive_worker import ExclusiveWorker
from .shared_worker import SharedWorker

_Path = Union[None, str, "os.PathLike[str]"]


@overload
def attach(
    session_id: str,
    *,
    shared: Literal[False] = False,
    socket_path: _Path = None,
    store: _Path = None,
    **options: Any,
) -> ExclusiveWorker: ...


@overload
def attach(
    session_id: str,
    *,
    shared: Literal[True],
    socket_path: _Path = None,
    store: _Path = None,
    **options: Any,
) -> SharedWorker: ...


@overload
def attach(
    session_id: str, *, shared: bool, socket_path: _Path = None, store: _Path = None, **options: Any
) -> Union[ExclusiveWorker, SharedWorker]: ...


def attach(
    session_id: str, *, shared: bool = False, socket_path: _Path = None, store: _Path = None, **options: Any
) -> Union[ExclusiveWorker, SharedWorker]:
    """
    Attaches a worker to a session, as `Client(socket_path, store=store).attach(session_id, …)` does.

    :param options: the other arguments of `Client.attach`: `worker`, `on_pause`, `reconnect`

    >>> with attach("nightly", shared=True) as worker:
    ...     for file in worker:
    ...         worker.report(file, analyze(file))
    """
    with Client(socket_path, store=store) as client:
        return client.attach(session_id, shared=shared, **options)
