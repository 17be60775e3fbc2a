-- An older binary would book figures by other rules, and orders without their day.
UPDATE schema_floor SET oldest_binary_schema = 4;

-- The moment whose local day is the order's in the reports.
ALTER TABLE orders ADD COLUMN day_at INTEGER;
UPDATE orders SET day_at = CAST(unixepoch(coalesce(body ->> '$.counted.placed_at', body ->> '$.placed_at', body ->> '$.latest_at'), 'subsec') * 1000 AS INTEGER);
CREATE INDEX orders_by_day ON orders (day_at);

-- Refunds that came to nothing, and those that wait for the shop as far as the newest webhook says, have not taken effect.
UPDATE orders SET body = json_set(body, '$.refunds', json((
    SELECT json_group_object(r.key, json(r.value)) FROM json_each(orders.body, '$.refunds') r
    WHERE r.value ->> '$.amount.minor' <> 0 AND 1001 IS NOT (
        SELECT e.event ->> '$.data.refund.status.code' FROM events e
        WHERE e.source = orders.source AND e.order_number = orders.number AND e.event ->> '$.order.refund.id' = r.key
        ORDER BY e.seq DESC LIMIT 1))))
    WHERE body ->> '$.refunds' IS NOT NULL;

-- The figures by the rules of this version, out of the orders as they stand.
DELETE FROM ledger;
INSERT INTO ledger (event, source, shop, order_number, figure, count, minor, currency, effect_at, recorded_at)
    SELECT x'', o.source, o.body ->> '$.shop.id', o.number, f.figure, 1,
           iif(abs(o.body ->> '$.total.minor') <= 1000000000000000, o.body ->> '$.total.minor', NULL),
           iif(abs(o.body ->> '$.total.minor') <= 1000000000000000, o.body ->> '$.total.currency', NULL), o.day_at, o.day_at
    FROM orders o JOIN (SELECT 'orders' AS figure UNION ALL SELECT 'cancelled') f
    WHERE o.day_at IS NOT NULL AND (f.figure = 'orders' OR o.body ->> '$.counted.cancelled_at' IS NOT NULL OR o.body ->> '$.state' = 'cancelled')
    ORDER BY o.seq;
INSERT INTO ledger (event, source, shop, order_number, figure, count, minor, currency, effect_at, recorded_at)
    SELECT x'', o.source, o.body ->> '$.shop.id', o.number, 'refunded', 1,
           iif(abs(r.value ->> '$.amount.minor') <= 1000000000000000, r.value ->> '$.amount.minor', NULL),
           iif(abs(r.value ->> '$.amount.minor') <= 1000000000000000, r.value ->> '$.amount.currency', NULL), r.at, r.at
    FROM orders o JOIN (
        SELECT p.seq, e.value, CAST(unixepoch(e.value ->> '$.at', 'subsec') * 1000 AS INTEGER) AS at
        FROM orders p, json_each(p.body, '$.refunds') e
    ) r ON r.seq = o.seq
    ORDER BY o.seq;

-- When webhooks came, without a look at what they say.
CREATE INDEX events_by_arrival ON events (received_at, source);

-- How many repeats came, by the quarter of an hour, counted since 1970: local days begin at such.
CREATE TABLE repeat_tally (
    quarter INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (quarter, source)
) STRICT, WITHOUT ROWID;

-- How many webhooks were refused: of many in one minute, and of many in all, not each has a row in refusals.
ALTER TABLE refusals ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
CREATE TABLE refusal_tally (
    quarter INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (quarter, source)
) STRICT, WITHOUT ROWID;
INSERT INTO refusal_tally (quarter, source, count) SELECT at / 900000, source, count(*) FROM refusals GROUP BY 1, 2;

-- When each channel took a message last.
CREATE TABLE last_yes (
    channel TEXT    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Each local day that a report has covered, once. No report was made before this version.
DROP TABLE report_runs;
CREATE TABLE report_runs (
    report     TEXT    NOT NULL,
    day        TEXT    NOT NULL,              -- YYYY-MM-DD, in the report's time zone
    event      BLOB,                          -- null: the last day before its beginning
    ledger_seq INTEGER NOT NULL,              -- the newest entry of the ledger that it knew
    PRIMARY KEY (report, day)
) STRICT, WITHOUT ROWID;

-- The pictures of reports that can be fetched, by their unguessable names.
CREATE TABLE pictures (
    token      TEXT    NOT NULL PRIMARY KEY,
    event      BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
