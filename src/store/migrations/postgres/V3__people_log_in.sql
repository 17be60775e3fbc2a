-- Who is logged in to the page. What a browser proves its session with is not kept, only its digest.
CREATE TABLE sessions (
    digest   BYTEA  NOT NULL PRIMARY KEY,              -- SHA-256 of the session's key
    token    TEXT COLLATE "C" NOT NULL,                -- the name of the access token with which somebody logged in
    proof    BYTEA  NOT NULL,                          -- HMAC-SHA256 of that token as it was configured, keyed with the session's key
    begun_at BIGINT NOT NULL,
    used_at  BIGINT NOT NULL,                          -- noted at most once an hour
    browser  TEXT COLLATE "C" NOT NULL                 -- as people know it
);
