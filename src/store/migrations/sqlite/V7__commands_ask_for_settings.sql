-- What commands ask of the running daemon about its settings, and its answer: halves of a key that neither side keeps, and
-- digests under it. No value stands here, and none can be guessed from it.
CREATE TABLE settings_inquiries (
    id BLOB NOT NULL PRIMARY KEY,
    asked_at INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    answer TEXT
) STRICT;
