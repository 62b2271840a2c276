"""Simulated meters: a mean, the shapes of a day, a week and a year, noise from a fixed seed, and what goes wrong.

How a meter reads (register or interval, step, resolution, where it starts again from 0) is what its document in the
demo's registry says.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.decimals import at_scale, scale_of
from schemas.documents import Meter
from schemas.windows import DAY_MS, HOUR_MS, date_ms, local_ms
from services.simulator.channel import FIRST_MS, LAST_MS, Channel

SEED = 20_180_101
# 2018 began on a Monday.
SATURDAY = 5
DAYS_OF_YEAR = 365

# Share of the mean in each hour of a day, of mean 1 after scaling.
FLAT = (1.0,) * 24
DAYTIME = (6, 6, 6, 6, 6, 7, 8, 10, 13, 14, 14, 14, 13, 14, 14, 14, 13, 12, 11, 10, 9, 8, 7, 6)
NIGHTLY = (15, 15, 15, 15, 15, 15, 14, 10, 8, 8, 8, 8, 8, 8, 8, 8, 8, 6, 6, 6, 6, 9, 13, 15)
EVENING = (6, 6, 6, 6, 7, 10, 13, 14, 12, 10, 9, 8, 8, 8, 8, 9, 11, 13, 14, 14, 13, 11, 9, 7)
LESSONS = (2, 2, 2, 2, 2, 3, 8, 15, 18, 18, 18, 18, 14, 16, 18, 18, 17, 12, 10, 10, 9, 5, 3, 2)
SEWERS = (7, 5, 4, 4, 4, 5, 9, 14, 15, 14, 13, 12, 12, 11, 10, 10, 10, 11, 13, 15, 15, 14, 12, 9)

_Numbers = npt.NDArray[Any]


class Spell(NamedTuple):
    """Some hours of every so many days: from the hour `first` of a day on, for `hours`; the first lies in day `every`.

    `factor` is what the load is multiplied by in them, where a spell is about the load.
    """

    every: int
    first: int
    hours: int
    factor: float = 0.0

    def holds(self, day: _Numbers, hour: _Numbers) -> _Numbers:
        """Tell of each place whether it lies in the spell; `day` counts from 0, all of shape (slots,)."""
        return (day % self.every == self.every - 1) & (hour >= self.first) & (hour < self.first + self.hours)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a meter measures: `mean_per_h` [the meter's unit an hour], the shape of its days, and its weekends' share.

    `winter` is how much more than its mean it takes at the turn of the year, as a share. In the spell `silent` nothing
    comes; in the `surge` the load is another. `rolls_over_ms` is an instant [epoch ms] at which a register with a
    modulus starts again from 0.
    """

    mean_per_h: float
    shape: tuple[float, ...] = FLAT
    weekend: float = 1.0
    noise: float = 0.06
    winter: float = 0.0
    silent: Spell | None = None
    surge: Spell | None = None
    rolls_over_ms: int | None = None


PROFILES = {
    "bz-hospital.e01": Profile(190.0, DAYTIME, weekend=0.8),
    "bz-hospital.g01": Profile(14.0, EVENING, winter=0.3, rolls_over_ms=local_ms(2018, 2, 3, 9)),
    # Every third night a tap stays open.
    "bz-hospital.w01": Profile(6.0, DAYTIME, weekend=0.85, surge=Spell(3, 1, 3, 4.0)),
    "bz-food.e01": Profile(120.0, DAYTIME, weekend=0.35),
    "bz-food.h01": Profile(0.9, DAYTIME, weekend=0.3, silent=Spell(4, 2, 2)),
    # A compressor runs beside the others for two hours of every day.
    "bz-chemicals.e01": Profile(420.0, noise=0.03, surge=Spell(1, 10, 2, 1.5)),
    "bz-chemicals.e02": Profile(420.0, noise=0.03, surge=Spell(1, 10, 2, 1.5)),
    "bz-chemicals.g01": Profile(60.0, noise=0.03),
    "bz-chemicals.h01": Profile(1.2, noise=0.05),
    # In summer cooling takes more.
    "bz-datacentre.e01": Profile(540.0, noise=0.02, winter=-0.04),
    "bz-datacentre.e02": Profile(372.0, noise=0.02),
    "bz-datacentre.w01": Profile(0.8, DAYTIME, winter=-0.5),
    # Every second night the blowers run without need.
    "bz-sewage.e01": Profile(150.0, SEWERS, noise=0.04, surge=Spell(2, 2, 2, 1.9)),
    "bz-sewage.w01": Profile(470.0, SEWERS, noise=0.04),
    "bz-school.e01": Profile(60.0, LESSONS, weekend=0.3, silent=Spell(11, 13, 5)),
    "bz-school.g01": Profile(3.0, LESSONS, weekend=0.1),
    # Mills run at night, when electricity is cheap; the register's line is down for four hours every third day.
    "nj-cement.e01": Profile(260.0, NIGHTLY, silent=Spell(3, 9, 4)),
    "nj-cement.e02": Profile(150.0, NIGHTLY),
    "nj-cement.c01": Profile(0.085, NIGHTLY, silent=Spell(5, 14, 3)),
    "nj-cement.l01": Profile(1.1, NIGHTLY),
    "nj-ceramics.e01": Profile(180.0, DAYTIME, weekend=0.9),
    "nj-ceramics.g01": Profile(90.0, noise=0.03),
    "nj-heat.g01": Profile(95.0, EVENING, winter=0.5),
    "nj-heat.h01": Profile(2.5, EVENING, winter=0.5),
    "nj-hotel.e01": Profile(85.0, EVENING, weekend=1.25),
    "nj-hotel.h01": Profile(0.6, EVENING, weekend=1.2, winter=0.4),
}


def simulated(meters: Iterable[Meter], seed: int = SEED) -> Iterator[Channel]:
    """Yield the channels of those meters that have a profile; the same meters and seed give the same readings."""
    for meter in meters:
        profile = PROFILES.get(meter.id)
        if profile is not None:
            yield _channel(meter, profile, seed)


def _channel(meter: Meter, profile: Profile, seed: int) -> Channel:
    spec = meter.spec
    step_ms = spec.step_ms or HOUR_MS
    scale = scale_of(spec.resolution)
    # A checksum of the id, since Python's own hash of a text differs from run to run.
    random = np.random.default_rng([seed, zlib.crc32(meter.id.encode())])
    starts_ms = np.arange(FIRST_MS, LAST_MS, step_ms, dtype=np.int64)
    hour = (starts_ms - FIRST_MS) // HOUR_MS % 24
    day = (starts_ms - FIRST_MS) // DAY_MS
    load = _load(profile, day, hour)
    load = load * np.maximum(0.0, 1 + profile.noise * random.standard_normal(len(starts_ms)))
    counts = np.rint(profile.mean_per_h * step_ms / HOUR_MS * load * 10**scale).astype(np.int64)
    stamps_ms = starts_ms if spec.stamp == "start" else starts_ms + step_ms
    if spec.type == "register":
        # A register is read at the instant it begins, too: without that its first span would be missing.
        begin_ms = date_ms(meter.valid_from)
        stamps_ms = np.concatenate(([FIRST_MS], stamps_ms))
        hour, day = np.concatenate(([0], hour)), np.concatenate(([0], day))
        counts = np.concatenate(([0], np.cumsum(counts)))
        counts += int(random.integers(10_000, 99_999)) * 10**scale
        if spec.modulus is not None:
            modulus = at_scale(spec.modulus, scale)
            if profile.rolls_over_ms is not None:
                counts -= counts[np.searchsorted(stamps_ms, profile.rolls_over_ms)]
            counts %= modulus
        sent = stamps_ms >= begin_ms
    else:
        sent = stamps_ms > date_ms(meter.valid_from)
    if meter.valid_to is not None:
        sent &= stamps_ms <= date_ms(meter.valid_to)
    if profile.silent is not None:
        sent &= ~profile.silent.holds(day, hour)
    delay_ms = step_ms if spec.stamp == "start" else 0
    source = spec.source[0].id or ""
    return Channel(
        source, meter.short_id, tuple(stamps_ms[sent].tolist()), tuple(counts[sent].tolist()), scale, delay_ms
    )


def _load(profile: Profile, day: _Numbers, hour: _Numbers) -> _Numbers:
    """Return the load of each slot as a multiple of the mean, without noise; all of shape (slots,)."""
    shape = np.array(profile.shape) / np.mean(profile.shape)
    load = shape[hour] * np.where(day % 7 >= SATURDAY, profile.weekend, 1.0)
    load = load * (1 + profile.winter * np.cos(2 * np.pi * day / DAYS_OF_YEAR))
    if profile.surge is not None:
        load = load * np.where(profile.surge.holds(day, hour), profile.surge.factor, 1.0)
    return load
