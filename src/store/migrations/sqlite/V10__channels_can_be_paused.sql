-- Channels that a person has paused: nothing is sent to them until a person resumes them. An older binary does not know of it,
-- and sends to them.
CREATE TABLE paused_channels (
    channel   TEXT    NOT NULL PRIMARY KEY,
    since     INTEGER NOT NULL,
    paused_by TEXT    NOT NULL                -- who did it, as people read it
) STRICT, WITHOUT ROWID;

-- Under which lease an attempt was begun, null where its daemon had none: as long as that lease runs, its holder is making the
-- attempt, and whoever works the channel under another one leaves it alone.
ALTER TABLE attempts ADD COLUMN lease TEXT;

-- The orders of a number that people call out, the newest first.
CREATE INDEX orders_by_short_number ON orders (short_number, seq) WHERE short_number IS NOT NULL;
