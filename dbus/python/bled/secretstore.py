# SPDX-License-Identifier: MIT
"""Where a program keeps the bonds (Adapter.provide_secrets)."""
from __future__ import annotations

from typing import Any, MutableMapping, Optional, Tuple


class SecretStore:
    """Where bonds are kept (Adapter.provide_secrets): by methods, async or not. Types, keys and
    values mean nothing to it. This one is a mapping of (type, key) to value, a dict by default."""

    def __init__(self, secrets: Optional[MutableMapping[Tuple[int, bytes], bytes]] = None) -> None:
        self.secrets = {} if secrets is None else secrets

    def load(self, sec_type: int, index: int, key: Optional[bytes]) -> Any:
        """The value of this key; without a key the one at this index among those of the type. None:
        there is none."""
        if key is not None:
            return self.secrets.get((sec_type, key))
        values = [v for (kind, _), v in self.secrets.items() if kind == sec_type]
        return values[index] if index < len(values) else None

    def store(self, sec_type: int, key: bytes, value: Optional[bytes]) -> Any:
        """Keeps a value; None: deletes what is there. False: it could not."""
        if value is None:
            self.secrets.pop((sec_type, key), None)
        else:
            self.secrets[sec_type, key] = value
