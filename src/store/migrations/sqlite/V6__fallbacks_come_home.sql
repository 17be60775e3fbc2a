-- `fell_back` of a delivery has more values: 3 its fallback was asked, and its channel is to catch up in a digest; 4 the same,
-- by itself; 5 the fallback was sent it, so it waits for that digest. An older binary sends them as any other.

-- Which urgent messages wait because they were refused, or their answer was lost.
CREATE INDEX deliveries_tried ON deliveries (channel, fell_back, created_at) WHERE state = 'waiting' AND urgent = 1 AND attempts > 0;
CREATE INDEX deliveries_to_catch_up ON deliveries (channel, event_seq) WHERE state = 'waiting' AND fell_back >= 4;
