"""Encoders: what is alike shares bits, what is not shares none."""

import numpy as np

from detectors.base import IntArray
from detectors.hashing import drawn, hashed
from detectors.htm import date, random_distributed
from detectors.htm.date import DAY, HOUR, ring_bits

BITS, ON = 400, 21
SPAN = ON * (BITS // ON)


def code(number: int, seed: int = 1) -> set[int]:
    active = np.empty(ON, np.int64)
    random_distributed.encode(number, BITS, seed, active)
    return set(active.tolist())


def hour(time: int, bits: int = 54, offset: int = 400) -> IntArray:
    active = np.empty(ON, np.int64)
    date.encode(time, bits, offset, active)
    return active


def test_a_hash_is_splitmix_over_its_keys() -> None:
    def by_hand(*keys: int) -> int:
        h, mask = 0, 2**64 - 1
        for key in keys:
            h = ((h ^ (key & mask)) + 0x9E3779B97F4A7C15) & mask
            h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & mask
            h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & mask
            h ^= h >> 31
        return h

    for keys in ((0, 0, 0), (1, -2, 3), (2**62, 2**50, -1)):
        assert int(hashed(*keys)) == by_hand(*keys)
        assert drawn(*keys, 10) == (by_hand(*keys) >> 33) % 10


def test_every_bucket_has_the_same_number_of_bits() -> None:
    for number in (*range(-1000, 1000, 7), -(2**52), 2**52):
        bits = code(number)
        assert len(bits) == ON
        assert min(bits) >= 0
        assert max(bits) < BITS


def test_buckets_share_a_bit_less_for_each_step_between_them_and_far_ones_none() -> None:
    middle = range(-SPAN // 2 + ON, SPAN // 2 - ON)
    for a in middle:
        for b in middle:
            assert len(code(a) & code(b)) == max(0, ON - abs(a - b)), (a, b)


def test_buckets_of_different_spans_share_bits_by_chance_only() -> None:
    near = [code(number) for number in range(-100, 100)]
    far = [code(number) for number in range(10_000, 10_200)]
    shared = [len(a & b) for a in near for b in far]
    assert 0.8 < np.mean(shared) < 1.4
    assert max(shared) <= 8


def test_a_bucket_is_a_width_of_values_around_the_centre_and_the_farthest_stand_in_the_last() -> None:
    assert [random_distributed.bucket(x, 10.0, 2.0) for x in (10.0, 10.9, 11.1, 6.0)] == [0, 0, 1, -2]
    assert random_distributed.bucket(1e300, 0.0, 1e-300) == 500
    assert random_distributed.bucket(-1e308, 1e308, 1e-9) == -500


def test_times_of_day_share_bits_up_to_the_radius_and_across_midnight() -> None:
    assert ring_bits(ON, 9.49) == 54
    noon = hour(12 * HOUR)
    assert noon.min() >= 400
    assert noon.max() < 454
    assert set(noon) == set(hour(12 * HOUR + 300 * DAY))
    assert len(set(hour(DAY - HOUR // 2)) & set(hour(DAY + HOUR // 2))) in (18, 19)
    assert not set(noon) & set(hour(22 * HOUR))
    assert len(set(hour(-HOUR)) & set(hour(23 * HOUR))) == ON
