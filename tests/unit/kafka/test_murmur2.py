"""The hash of keys: another value would send the events of one order to two partitions."""

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from kits.kafka.murmur2 import murmur2


@given(st.binary(max_size=80))
def test_every_key_has_the_hash_that_other_clients_give_it(key: bytes) -> None:
    """Of any length, the last bytes included."""
    assert murmur2(key) == reference(key) & 0xFFFFFFFF
