-- How long each wait was when it was set, in milliseconds: however the clock is set, it ends no further ahead than that.
ALTER TABLE deliveries ADD COLUMN wait_ms INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET wait_ms = max(0, due_at - coalesce(
    (SELECT coalesce(ended_at, started_at) FROM attempts WHERE delivery = deliveries.id ORDER BY seq DESC LIMIT 1), created_at))
    WHERE state = 'waiting';
-- Six hours and a tenth, the longest of its kind.
ALTER TABLE parked_channels ADD COLUMN wait_ms INTEGER NOT NULL DEFAULT 23760000;
-- A day, as far as a closing was believed so far.
ALTER TABLE credentials ADD COLUMN wait_ms INTEGER NOT NULL DEFAULT 86400000;
