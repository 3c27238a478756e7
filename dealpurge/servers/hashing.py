"""The slot of a key, by which a cluster tells its keys apart."""

from __future__ import annotations

from binascii import crc_hqx

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot


def slot_of(key: bytes) -> int:
    """The slot that a cluster hashes the key to."""
    return int(key_slot(key)) if b"{" in key else crc_hqx(key, 0) % REDIS_CLUSTER_HASH_SLOTS


def by_slot(keys: list[bytes]) -> list[list[bytes]]:
    """The keys of each slot."""
    slots: dict[int, list[bytes]] = {}
    for key in keys:
        # Spelt out: a call for every key of a purge takes its time.
        slot = slot_of(key) if b"{" in key else crc_hqx(key, 0) % REDIS_CLUSTER_HASH_SLOTS
        try:
            slots[slot].append(key)
        except KeyError:
            slots[slot] = [key]
    return list(slots.values())
