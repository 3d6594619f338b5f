"""How things stand for a tenant in the lanes, and what follows for its jobs.

A tenant that is alone is served in order, and nothing is gained by moving its jobs about: each that comes into the fast
lane is sent a second time, which was a tenth of what a call cost its worker (bench/README.md). Jobs come into it only
where they would wait for others: another tenant's, or less urgent ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, or_, select

from mirepoix.ledger.tables import Job
from mirepoix.queues import A_MESSAGE
from mirepoix.rollouts import SHADOW
from mirepoix.states import Lane

FAST_JOBS = 20
"""How many open jobs of one tenant travel in the fast lane."""

_OPEN = (Job.finished_at.is_(None), ~Job.batch)
"""Jobs whose calls may wait for a batch never travel in the fast lane, nor does anyone wait for them."""
_MINE = (*_OPEN, Job.tenant == bindparam("of_tenant"))
_FAST = select(Job.id).where(*_MINE, Job.lane == Lane.FAST).limit(FAST_JOBS).subquery()
_URGENCY = select(Job.priority).where(*_MINE, Job.lane == Lane.BULK)
_IN_ANY_LANE = select(Job.id).where(*_OPEN, Job.lane.in_(list(Lane)))
_STANDING = select(
    select(func.count()).select_from(_FAST).scalar_subquery().label("fast"),
    _URGENCY.order_by(Job.priority.desc()).limit(1).scalar_subquery().label("most_urgent"),
    _URGENCY.order_by(Job.priority).limit(1).scalar_subquery().label("least_urgent"),
    or_(
        _IN_ANY_LANE.where(Job.tenant < bindparam("of_tenant")).exists(),
        _IN_ANY_LANE.where(Job.tenant > bindparam("of_tenant")).exists(),
    ).label("others"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """So many more jobs of a tenant the fast lane takes; how urgent those in its bulk lane are; who else has any."""

    room: int
    most_urgent: int | None
    least_urgent: int | None
    others: bool

    def lets_in(self, priority: int) -> bool:
        """Whether a new job is to travel fast, if there is room: a tenant that is alone keeps its order."""
        return self.others or self.most_urgent is None or priority > self.most_urgent

    def calls_in(self, ended: int) -> bool:
        """Whether jobs of the bulk lane are to come in now that one of priority `ended` has left the fast lane.

        As many at a time as one message starts; one that is more urgent at once.
        """
        more_urgent = self.most_urgent is not None and self.most_urgent > ended
        return self.waits and self.room >= (1 if more_urgent else A_MESSAGE)

    @property
    def waits(self) -> bool:
        """Whether jobs of the bulk lane wait for others that they should go before."""
        if self.most_urgent is None or self.least_urgent is None:
            return False
        return self.others or self.most_urgent > self.least_urgent


def read_standing(connection: Connection, tenant: str) -> Standing:
    """How things stand for `tenant`: some index look-ups. No room is for shadows, since nobody waits for them."""
    row = connection.execute(_STANDING, {"of_tenant": tenant}).one()
    room = 0 if tenant == SHADOW else FAST_JOBS - row.fast
    return Standing(room, row.most_urgent, row.least_urgent, row.others)
