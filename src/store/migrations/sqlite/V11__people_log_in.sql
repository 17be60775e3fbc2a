-- Who is logged in to the page. What a browser proves its session with is not kept, only its digest.
CREATE TABLE sessions (
    digest   BLOB    NOT NULL PRIMARY KEY,    -- SHA-256 of the session's key
    token    TEXT    NOT NULL,                -- the name of the access token with which somebody logged in
    proof    BLOB    NOT NULL,                -- HMAC-SHA256 of that token as it was configured, keyed with the session's key
    begun_at INTEGER NOT NULL,
    used_at  INTEGER NOT NULL,                -- noted at most once an hour
    browser  TEXT    NOT NULL                 -- as people know it
) STRICT, WITHOUT ROWID;
