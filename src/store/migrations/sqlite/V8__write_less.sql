-- An older binary knows nothing of what is packed.
UPDATE schema_floor SET oldest_binary_schema = 8;

-- What is in these tables moves to the new ones in many steps, at the start of the daemon; then they are gone.
DROP INDEX events_of_order;
DROP INDEX events_by_arrival;
DROP INDEX orders_by_day;
ALTER TABLE events RENAME TO events_of_schema_7;
ALTER TABLE orders RENAME TO orders_of_schema_7;

CREATE TABLE events (
    seq            INTEGER PRIMARY KEY,       -- the sequence of arrival
    id             BLOB    NOT NULL UNIQUE,
    received_at    INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    shop           TEXT,                      -- its id
    order_number   TEXT,
    unproven       INTEGER NOT NULL,          -- 1: no recipe fits its signature, and its source only observes
    repeats        INTEGER NOT NULL DEFAULT 0,
    last_repeat_at INTEGER,
    routes         TEXT    NOT NULL,          -- how each route judged it: the fingerprint of the routes, a colon, a letter for each
    packed         BLOB    NOT NULL           -- the event in our words and its dedupe keys (both JSON), and the body as it came, masked
) STRICT;
CREATE INDEX events_of_order ON events (source, order_number) WHERE order_number IS NOT NULL;
-- When webhooks came, without a look at what they say.
CREATE INDEX events_by_arrival ON events (received_at, source);
CREATE INDEX events_unproven ON events (received_at, source) WHERE unproven = 1;

CREATE TABLE orders (
    seq          INTEGER PRIMARY KEY,
    source       TEXT NOT NULL,
    number       TEXT NOT NULL,
    short_number TEXT,                        -- the number that people call out
    day_at       INTEGER,                     -- the moment whose local day is the order's in the reports
    packed       BLOB NOT NULL,               -- the order as it stands, JSON
    UNIQUE (source, number)
) STRICT;
CREATE INDEX orders_by_day ON orders (day_at);
