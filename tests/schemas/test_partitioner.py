"""The partitioner agrees with Kafka's own clients, and keeps an enterprise together."""

import pytest
from kafka.partitioner.default import murmur2 as kafka_murmur2

from schemas.partitioner import murmur2, partition_of, partition_of_key


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_what_kafka_gives(data, expected):
    assert murmur2(data) == expected & 0xFFFFFFFF


def test_keys_of_any_length_go_where_another_client_sends_them():
    for length in range(40):
        data = bytes(range(65, 65 + length))
        assert murmur2(data) == kafka_murmur2(data) & 0xFFFFFFFF


def test_an_enterprise_and_its_meters_share_a_partition():
    for number in range(50):
        place = partition_of_key(f"e{number}", 12)
        assert partition_of(f"enterprise/e{number}", 12) == place == partition_of(f"meter/e{number}.m01", 12)


def test_a_territory_goes_by_its_whole_name():
    assert partition_of("park/e1", 1000) == partition_of_key("park/e1", 1000)
