-- An older binary would send by itself what is waiting inside a digest.
UPDATE schema_floor SET oldest_binary_schema = 2;

-- Whether the channel calls the event's kind urgent.
ALTER TABLE deliveries ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
-- How often a person asked for it once more; each round composes anew, with idempotency keys of its own.
ALTER TABLE deliveries ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
-- Whether a digest that carried it died: a second one that dies takes it along.
ALTER TABLE deliveries ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;
-- For a fallback: the delivery that it stands in for, and the channels that could not be reached, JSON, the first one first.
ALTER TABLE deliveries ADD COLUMN instead_of BLOB;
ALTER TABLE deliveries ADD COLUMN unreached TEXT;
-- For a delivery that waited too long: 1 when its fallback was asked, 2 when the fallback hears of the event anyway.
ALTER TABLE deliveries ADD COLUMN fell_back INTEGER NOT NULL DEFAULT 0;

-- What waits inside a digest (its `digest` is set) is not due by itself: its leader is.
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (channel, urgent, due_at, event_seq) WHERE state = 'waiting' AND digest IS NULL;
CREATE INDEX deliveries_of_digest ON deliveries (digest) WHERE digest IS NOT NULL;
CREATE INDEX deliveries_standing_in ON deliveries (instead_of) WHERE instead_of IS NOT NULL;
CREATE INDEX deliveries_to_fall_back ON deliveries (channel, created_at) WHERE state = 'waiting' AND urgent = 1 AND fell_back = 0;
CREATE INDEX deliveries_dead ON deliveries (channel) WHERE state = 'dead';

-- What happened to a delivery besides its attempts: held, returned, asked for once more.
CREATE TABLE steps (
    seq      INTEGER PRIMARY KEY,
    delivery BLOB    NOT NULL,
    at       INTEGER NOT NULL,
    step     TEXT    NOT NULL,
    detail   TEXT    NOT NULL
) STRICT;
CREATE INDEX steps_of_delivery ON steps (delivery);

-- How each route judged the event: the fingerprint of the routes, a colon, a letter for each route.
ALTER TABLE events ADD COLUMN routes TEXT NOT NULL DEFAULT '';

-- How far the far side's clock was ahead of ours, in seconds, where it said.
ALTER TABLE attempts ADD COLUMN far_ahead_s INTEGER;

-- How often in a row a credential was found shut when it should have been open again.
ALTER TABLE credentials ADD COLUMN closings INTEGER NOT NULL DEFAULT 1;

CREATE INDEX pacing_slots_of_attempt ON pacing_slots (attempt);

ALTER TABLE parked_channels ADD COLUMN probed_at INTEGER NOT NULL DEFAULT 0;

-- Webhooks that were not believed, so that somebody who misses one can see why. Bounded; the body is never kept.
CREATE TABLE refusals (
    seq    INTEGER PRIMARY KEY,
    source TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    bytes  INTEGER NOT NULL
) STRICT;
CREATE INDEX refusals_of_source ON refusals (source, at);

-- When each source was heard of last, heartbeats included.
CREATE TABLE signs_of_life (
    source TEXT    NOT NULL PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the operator was told is wrong and has not been told is right again.
CREATE TABLE troubles (
    topic   TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    detail  TEXT    NOT NULL,
    PRIMARY KEY (topic, subject)
) STRICT, WITHOUT ROWID;
