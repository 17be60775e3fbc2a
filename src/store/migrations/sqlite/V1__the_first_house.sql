-- Times are milliseconds since 1970, UTC. Ids are UUIDv7, 16 bytes, so that they arrive in order.

-- The oldest schema number that a binary must know to run on this store. A migration that an older binary cannot live with
-- raises it to its own number.
CREATE TABLE schema_floor (oldest_binary_schema INTEGER NOT NULL) STRICT;
INSERT INTO schema_floor VALUES (1);

CREATE TABLE events (
    seq            INTEGER PRIMARY KEY,       -- the sequence of arrival
    id             BLOB    NOT NULL UNIQUE,
    kind           TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    order_number   TEXT,
    received_at    INTEGER NOT NULL,
    event          TEXT    NOT NULL,          -- the event in our words, JSON
    body           BLOB    NOT NULL,          -- as it came, masked
    repeat_keys    TEXT    NOT NULL,          -- its rows in repeat_keys, JSON list
    repeats        INTEGER NOT NULL DEFAULT 0,
    last_repeat_at INTEGER
) STRICT;
CREATE INDEX events_of_order ON events (source, order_number) WHERE order_number IS NOT NULL;

-- What makes a second telling recognisable: a key of the event's own transaction.
CREATE TABLE repeat_keys (
    source  TEXT NOT NULL,
    key     TEXT NOT NULL,
    event   BLOB NOT NULL,
    content BLOB,                             -- SHA-256; null where the key alone decides
    at      INTEGER NOT NULL,
    PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    seq    INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    number TEXT NOT NULL,
    body   TEXT NOT NULL,                     -- the order as it stands, JSON
    UNIQUE (source, number)
) STRICT;

-- What the reports count, as differences.
CREATE TABLE ledger (
    seq          INTEGER PRIMARY KEY,
    event        BLOB    NOT NULL,
    source       TEXT    NOT NULL,
    shop         TEXT,
    order_number TEXT    NOT NULL,
    figure       TEXT    NOT NULL,
    count        INTEGER NOT NULL,
    minor        INTEGER,
    currency     TEXT,
    effect_at    INTEGER NOT NULL,
    recorded_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_by_effect ON ledger (effect_at);

CREATE TABLE deliveries (
    id         BLOB    NOT NULL PRIMARY KEY,
    event      BLOB    NOT NULL,
    event_seq  INTEGER NOT NULL,              -- deliveries go out in the sequence of arrival
    channel    TEXT    NOT NULL,
    order_key  TEXT,                          -- source and order number; deliveries of one order belong together
    state      TEXT    NOT NULL,              -- waiting, delivered, merged, dead, cancelled
    due_at     INTEGER NOT NULL,              -- while it is being sent: when the lease ends
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    spent      INTEGER NOT NULL DEFAULT 0,    -- steps of the retry schedule used up
    form       TEXT    NOT NULL DEFAULT 'full',
    outcome    TEXT,                          -- of the last attempt
    answer     TEXT,                          -- the far side's last word
    digest     BLOB                           -- the delivery that carried this one
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (channel, due_at, event_seq) WHERE state = 'waiting';
CREATE INDEX deliveries_of_order ON deliveries (channel, order_key, event_seq) WHERE state = 'waiting' AND order_key IS NOT NULL;
CREATE INDEX deliveries_of_event ON deliveries (event);

-- The exact bytes of each part, so that a retry sends the same.
CREATE TABLE parts (
    delivery BLOB    NOT NULL,
    form     TEXT    NOT NULL,
    part     INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    done     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (delivery, form, part)
) STRICT;

CREATE TABLE attempts (
    seq        INTEGER PRIMARY KEY,
    delivery   BLOB    NOT NULL,
    part       INTEGER NOT NULL,
    form       TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,                       -- null while it is under way
    outcome    TEXT,
    answer     TEXT
) STRICT;
CREATE INDEX attempts_of_delivery ON attempts (delivery);
CREATE INDEX attempts_open ON attempts (seq) WHERE ended_at IS NULL;

-- Allowances: one row for each slot taken of a credential, and until when a credential is shut.
CREATE TABLE pacing_slots (
    credential TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    free_at    INTEGER NOT NULL,
    PRIMARY KEY (credential, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE credentials (
    credential   TEXT    NOT NULL PRIMARY KEY,
    closed_until INTEGER NOT NULL,
    reason       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE parked_channels (
    channel      TEXT    NOT NULL PRIMARY KEY,
    since        INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    probes       INTEGER NOT NULL DEFAULT 0,
    next_probe_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE report_runs (
    report TEXT NOT NULL,
    day    TEXT NOT NULL,                     -- YYYY-MM-DD, in the report's time zone
    event  BLOB NOT NULL,
    PRIMARY KEY (report, day)
) STRICT, WITHOUT ROWID;
