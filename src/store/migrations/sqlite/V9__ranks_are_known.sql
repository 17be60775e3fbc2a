-- By which kinds what waits for a channel was last ranked as urgent or not, JSON: a start need not look at all of it again.
CREATE TABLE ranked_channels (
    channel TEXT NOT NULL PRIMARY KEY,
    urgent  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
