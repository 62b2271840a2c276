"""Simulated meters: a mean, the shapes of a day and of a week, noise from a fixed seed, and hours of silence.

How a meter reads (register or interval, step, resolution) is what its document in the demo's registry says.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from schemas.decimals import scale_of
from schemas.documents import Meter
from schemas.windows import DAY_MS, HOUR_MS, date_ms
from services.simulator.channel import FIRST_MS, LAST_MS, Channel

SEED = 20_180_101
# 2018 began on a Monday.
SATURDAY = 5

# Share of the mean in each hour of a day, of mean 1 after scaling.
FLAT = (1.0,) * 24
DAYTIME = (6, 6, 6, 6, 6, 7, 8, 10, 13, 14, 14, 14, 13, 14, 14, 14, 13, 12, 11, 10, 9, 8, 7, 6)
NIGHTLY = (15, 15, 15, 15, 15, 15, 14, 10, 8, 8, 8, 8, 8, 8, 8, 8, 8, 6, 6, 6, 6, 9, 13, 15)
EVENING = (6, 6, 6, 6, 7, 10, 13, 14, 12, 10, 9, 8, 8, 8, 8, 9, 11, 13, 14, 14, 13, 11, 9, 7)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a meter measures: `mean_per_h` [the meter's unit an hour], the shape of its days, and its weekends' share.

    `silent` is (every how many days, from which hour, for how many hours) nothing comes; None: never.
    """

    mean_per_h: float
    shape: tuple[float, ...] = FLAT
    weekend: float = 1.0
    noise: float = 0.06
    silent: tuple[int, int, int] | None = None


PROFILES = {
    # Mills run at night, when electricity is cheap; the register's line is down for four hours every third day.
    "nj-cement.e01": Profile(260.0, NIGHTLY, silent=(3, 9, 4)),
    "nj-cement.e02": Profile(150.0, NIGHTLY),
    "nj-cement.c01": Profile(0.085, NIGHTLY, silent=(5, 14, 3)),
    "bz-hospital.e01": Profile(190.0, DAYTIME, weekend=0.8),
    "bz-hospital.g01": Profile(14.0, EVENING),
    "bz-food.e01": Profile(120.0, DAYTIME, weekend=0.35),
    "bz-food.h01": Profile(0.9, DAYTIME, weekend=0.3, silent=(4, 2, 2)),
    "nj-heat.g01": Profile(95.0, EVENING),
    "nj-heat.h01": Profile(2.5, EVENING),
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
    shape = np.array(profile.shape) / np.mean(profile.shape)
    load = shape[hour] * np.where(day % 7 >= SATURDAY, profile.weekend, 1.0)
    load = load * np.maximum(0.0, 1 + profile.noise * random.standard_normal(len(starts_ms)))
    counts = np.rint(profile.mean_per_h * step_ms / HOUR_MS * load * 10**scale).astype(np.int64)
    stamps_ms = starts_ms if spec.stamp == "start" else starts_ms + step_ms
    if spec.type == "register":
        counts = int(random.integers(10_000, 99_999)) * 10**scale + np.cumsum(counts)
    sent = stamps_ms > date_ms(meter.valid_from)
    if profile.silent is not None:
        every, first, length = profile.silent
        sent &= ~((day % every == every - 1) & (hour >= first) & (hour < first + length))
    delay_ms = step_ms if spec.stamp == "start" else 0
    source = spec.source[0].id or ""
    return Channel(
        source, meter.short_id, tuple(stamps_ms[sent].tolist()), tuple(counts[sent].tolist()), scale, delay_ms
    )
