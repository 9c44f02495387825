# SPDX-License-Identifier: MIT
"""The controller's packets in a file."""
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, Optional

from .core import quietly, settle

if TYPE_CHECKING:
    from .adapter import Adapter


class Capture:
    """Packets between host and controller, into a file (btsnoop)."""

    def __init__(self, adapter: "Adapter", file: Any, keys: Optional[bool],
                 snaplen: Optional[int]) -> None:
        self._adapter, self._file = adapter, file
        self._options: Dict[str, Any] = {"keys": keys, "snaplen": snaplen}

    async def __aenter__(self) -> "Capture":
        opened = isinstance(self._file, (str, os.PathLike))
        fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600) \
            if opened else self._file if isinstance(self._file, int) else self._file.fileno()
        try:
            await self._adapter.client.claim("Adapter1.StartCapture", fd, undo=self._undo,
                                             **self._options)
        finally:
            if opened:
                os.close(fd)
        return self

    async def _undo(self, _: Any) -> None:
        await self._adapter.client.call("Adapter1.StopCapture", urgent=True)

    async def __aexit__(self, *_: Any) -> None:
        if self._adapter.client.gone is None:
            await settle(quietly(self._undo(None)))
