"""Kafka kit, sending: the hash that decides a key's partition, as the Java client computes it."""

from struct import unpack_from

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """MurmurHash2 (Appleby, 2008) as an unsigned 32-bit number, word by word.

    The client library has it too, byte by byte: that took a tenth of what sending a record costs.
    """
    h = _SEED ^ len(key)
    for k in unpack_from(f"<{len(key) >> 2}I", key):
        k = (k * _M) & _MASK  # noqa: PLW2901 - the algorithm's own names
        h = ((h * _M) & _MASK) ^ (((k ^ (k >> 24)) * _M) & _MASK)
    tail = key[len(key) & ~3 :]
    if tail:
        h = ((h ^ int.from_bytes(tail, "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)
