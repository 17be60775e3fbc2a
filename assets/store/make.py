#!/usr/bin/env python3
"""Makes the dictionary by which the store packs events and orders (src/store/recording/packed.rs): what webhooks of all kinds have in common.

It is trained on the store of tests/stored/schema7.db.gz, whose events and orders stand there as plain JSON, with their digits
varied, so that numbers and times of the samples are not learned. A dictionary in use is never changed, because what was packed
by it could not be read any more: a better one gets a number of its own.

    pip install zstandard==0.25.0
    python3 assets/store/make.py
"""

import gzip
import pathlib
import random
import re
import sqlite3

import zstandard

HERE = pathlib.Path(__file__).parent
STORED = HERE.parent.parent / "tests" / "stored" / "schema7.db.gz"
BYTES = 16 * 1024
VARIANTS = 20


def varied(chance: random.Random, text: bytes) -> bytes:
    """With about half of its digits others."""
    return re.sub(rb"\d", lambda digit: b"%d" % chance.randrange(10) if chance.random() < 0.5 else digit[0], text)


def main() -> None:
    chance = random.Random(8)
    connection = sqlite3.connect(":memory:")
    image = bytearray(gzip.decompress(STORED.read_bytes()))
    # A database in memory has no write-ahead log: https://sqlite.org/fileformat.html, file format version numbers.
    image[18:20] = b"\x01\x01"
    connection.deserialize(bytes(image))
    events = connection.execute("SELECT event, repeat_keys, body FROM events WHERE source <> 'orderbell' ORDER BY seq").fetchall()
    orders = connection.execute("SELECT body FROM orders ORDER BY seq").fetchall()
    samples = [event.encode() + keys.encode() + body for event, keys, body in events for _ in range(VARIANTS)]
    samples += [order.encode() for (order,) in orders for _ in range(VARIANTS)]
    samples = [varied(chance, sample) for sample in samples]
    dictionary = zstandard.train_dictionary(BYTES, samples, dict_id=1)
    (HERE / "1.dict").write_bytes(dictionary.as_bytes())


if __name__ == "__main__":
    main()
