"""On call (值班) is who of a roster's recipients is meant at an instant: whose turn it is by dates, or by rotation."""

from schemas.documents import Roster
from schemas.documents.quiet import of_day_ms
from schemas.windows import local_datetime
from streams.domain.resolving import range_ms


def on_call(roster: Roster, at_ms: int) -> tuple[str, ...]:
    """Return who is on call at an instant [epoch ms]; nobody before or after the roster is valid.

    Before the time of the hand-over a day still belongs to whoever was on call the day before.
    """
    start_ms, end_ms = range_ms(roster)
    if not start_ms <= at_ms < end_ms:
        return ()
    day = max(local_datetime(at_ms - of_day_ms(roster.spec.at)).date(), roster.valid_from)
    for turn in reversed(roster.spec.turns):
        if turn.from_ <= day:
            if turn.to is None or day < turn.to:
                return turn.recipients
            break
    rotation = roster.spec.rotation
    if rotation is None or day < rotation.from_:
        return ()
    return (rotation.recipients[(day - rotation.from_).days // rotation.days % len(rotation.recipients)],)
