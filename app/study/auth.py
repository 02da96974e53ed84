"""Who may run studies: facilitators, their passwords and their sessions.

Passwords are kept as Argon2id (RFC 9106, the parameters of argon2-cffi's low-memory profile: 64 MiB, 3 passes, 4
lanes); guesses are held back by name and by address. A session is 32 random bytes in a cookie, their SHA-256 in the
database, so that it can be ended from anywhere. All facilitators of an installation see all its studies: they are one
lab.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import limits
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db.base import now
from app.study.models import Facilitator, FacilitatorSession
from app.web.errors import Problem
from app.web.security import new_token, token_hash

COOKIE = "sb_facilitator"
IDLE = timedelta(hours=12)
"""A session that was not used for so long is over."""
SEEN_EVERY = timedelta(minutes=5)
"""How often its use is written down: not at each look of the monitor."""
SHORTEST, LONGEST = 10, 200
PER_NAME = limits.parse("5 per 15 minute")
PER_ADDRESS = limits.parse("30 per 15 minute")
HASHINGS = 2
"""Passwords checked at once: each takes 64 MiB, and who floods the page must not take more."""

WRONG = "Name or password are not right. Try again; “spatialbalancing admin password NAME” sets a new one."
_hasher = PasswordHasher()


@dataclass(frozen=True)
class Who:
    """Who is signed in, and by which session."""

    id: str
    name: str
    session_id: str


class Throttle:
    """Wrong passwords are counted by name and by address; a right one frees the name. In memory: a restart forgets."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def refuse_many(self, name: str, address: str) -> None:
        """Raises Problem 429."""
        for limit, key in self._keys(name, address):
            if not self._limiter.test(limit, *key):
                reset = self._limiter.get_window_stats(limit, *key).reset_time
                seconds = max(1, int(reset - now().timestamp()) + 1)
                raise Problem(
                    429,
                    "too-many-tries",
                    f"Too many wrong passwords. Try again in {-(-seconds // 60)} minutes.",
                    headers={"Retry-After": str(seconds)},
                )

    def failed(self, name: str, address: str) -> None:
        for limit, key in self._keys(name, address):
            self._limiter.hit(limit, *key)

    def succeeded(self, name: str) -> None:
        self._limiter.clear(PER_NAME, "name", _plain(name))

    @staticmethod
    def _keys(name: str, address: str) -> list[tuple[limits.RateLimitItem, tuple[str, str]]]:
        return [(PER_NAME, ("name", _plain(name))), (PER_ADDRESS, ("address", address))]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()


def create(session: Session, name: str, password: str) -> Facilitator:
    """Raises Problem 422, and 409 when the name is taken."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 80 or "\0" in name:
        raise Problem(422, "bad-name", "A name has 1 to 80 characters.")
    if any(_plain(known) == _plain(name) for known in session.scalars(select(Facilitator.name))):
        raise Problem(409, "name-taken", f"There is a facilitator {name} already. Choose another name.")
    made = Facilitator(name=name, password_hash=hashed(password))
    session.add(made)
    session.flush()
    return made


def hashed(password: str) -> str:
    """Raises Problem 422 for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Problem(
            422, "bad-password", f"A password has {SHORTEST} to {LONGEST} characters; a few words in a row are good."
        )
    return _hasher.hash(unicodedata.normalize("NFC", password))


def named(session: Session, name: str) -> Facilitator | None:
    """In any case."""
    every = session.scalars(select(Facilitator).order_by(Facilitator.created_at))
    return next((f for f in every if _plain(f.name) == _plain(name)), None)


def listed(session: Session) -> Sequence[Facilitator]:
    return session.scalars(select(Facilitator).order_by(Facilitator.name)).all()


def is_any(session: Session) -> bool:
    return bool(session.scalar(select(func.count()).select_from(Facilitator).where(Facilitator.disabled_at.is_(None))))


def is_right(found: Facilitator | None, password: str) -> bool:
    """Takes as long for a name that is not known as for one that is."""
    try:
        _hasher.verify(found.password_hash if found else _nobody(), unicodedata.normalize("NFC", password[:LONGEST]))
    except (VerificationError, InvalidHashError):
        return False
    return found is not None and found.disabled_at is None


@cache
def _nobody() -> str:
    return _hasher.hash(new_token())


def sign_in(session: Session, facilitator_id: str, password: str) -> str:
    """The new session's token; the password was checked before, outside of the transaction (it takes a tenth of a
    second). Brings the hash up to today's parameters."""
    facilitator = session.get_one(Facilitator, facilitator_id)
    if _hasher.check_needs_rehash(facilitator.password_hash):
        facilitator.password_hash = _hasher.hash(unicodedata.normalize("NFC", password))
    token = new_token()
    session.add(FacilitatorSession(facilitator_id=facilitator.id, token_hash=token_hash(token)))
    return token


def who(session: Session, token: str | None) -> tuple[Who, bool] | None:
    """Who has this token, and whether its use should be written down (`seen`)."""
    if not token:
        return None
    row = session.execute(
        select(FacilitatorSession, Facilitator)
        .join(Facilitator, Facilitator.id == FacilitatorSession.facilitator_id)
        .where(
            FacilitatorSession.token_hash == token_hash(token),
            FacilitatorSession.revoked_at.is_(None),
            FacilitatorSession.seen_at > now() - IDLE,
            Facilitator.disabled_at.is_(None),
        )
    ).first()
    if row is None:
        return None
    kept, facilitator = row
    return Who(facilitator.id, facilitator.name, kept.id), kept.seen_at < now() - SEEN_EVERY


def seen(session: Session, session_id: str) -> None:
    session.execute(update(FacilitatorSession).where(FacilitatorSession.id == session_id).values(seen_at=now()))


def sessions(session: Session, facilitator_id: str) -> Sequence[FacilitatorSession]:
    """Those that can still be used, the latest first."""
    return session.scalars(
        select(FacilitatorSession)
        .where(
            FacilitatorSession.facilitator_id == facilitator_id,
            FacilitatorSession.revoked_at.is_(None),
            FacilitatorSession.seen_at > now() - IDLE,
        )
        .order_by(FacilitatorSession.seen_at.desc())
    ).all()


def revoke(session: Session, facilitator_id: str, session_id: str | None = None, *, but: str | None = None) -> None:
    """End one session, or all `but` one."""
    ended = update(FacilitatorSession).where(
        FacilitatorSession.facilitator_id == facilitator_id, FacilitatorSession.revoked_at.is_(None)
    )
    if session_id is not None:
        ended = ended.where(FacilitatorSession.id == session_id)
    if but is not None:
        ended = ended.where(FacilitatorSession.id != but)
    session.execute(ended.values(revoked_at=now()))


def set_password(session: Session, facilitator: Facilitator, password: str, *, but: str | None = None) -> None:
    """All sessions `but` one end with the old password. Raises Problem 422."""
    facilitator.password_hash = hashed(password)
    facilitator.disabled_at = None
    revoke(session, facilitator.id, but=but)


def disable(session: Session, facilitator: Facilitator) -> None:
    """May no longer sign in; their notes keep their name."""
    facilitator.disabled_at = now()
    revoke(session, facilitator.id)
