"""Who may use an entry, and how often."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Owner:
    """Whose something is.

    Attributes:
        key_id: of the API key that it was made with; empty where nobody knows.
        device_id: of the device that the request named; empty where it named none.
    """

    key_id: str = ""
    device_id: str = ""


NOBODY = Owner()


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        owner: of what this request makes.
        sees_all: an administrator, or everybody where the entry asks for no key.
        address: the client's; empty where nobody knows.
    """

    owner: Owner
    sees_all: bool
    address: str = ""

    @property
    def source(self) -> str:
        """Who takes turns with others: key, device and address as one word, which gives none of them away."""
        named = "\0".join((self.owner.key_id, self.owner.device_id, self.address))
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    def may_see(self, owner: Owner) -> bool:
        """Whether what is the owner's may be shown, used or ended; what is nobody's is the administrators'."""
        return self.sees_all or self.owns(owner)

    def owns(self, owner: Owner) -> bool:
        """Whether the caller itself is the owner."""
        return owner == self.owner != NOBODY


ANYBODY = Caller(NOBODY, sees_all=True)


class ApiKeys(Protocol):
    """The valid API keys."""

    @property
    def required(self) -> bool:
        """Whether the entry requires a key at all."""
        ...

    def accepts(self, key: str) -> bool:
        """Whether the key is valid, an administrator's included."""
        ...

    def accepts_admin(self, key: str) -> bool:
        """Whether the key is an administrator's."""
        ...

    def id_of(self, key: str) -> str:
        """What stands for an accepted key in records; it does not give the key away."""
        ...

    def name_of(self, key_id: str) -> str:
        """What the configuration calls a key; one word for all that have no name, and one for keys of the past."""
        ...


class RateLimiter(Protocol):
    """Limits the number of requests of one key."""

    async def check(self, key: str) -> None:
        """Count one request.

        Raises:
            GatewayError: ``rate_limited``, with the seconds to wait.
        """
        ...
