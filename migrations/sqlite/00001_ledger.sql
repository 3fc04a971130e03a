-- +goose Up
CREATE TABLE entries (
    seq       INTEGER PRIMARY KEY,
    incident  TEXT    NOT NULL,
    attempt   INTEGER NOT NULL,
    phase     TEXT    NOT NULL,
    step      TEXT    NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('intent', 'done', 'event')),
    actor     TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    at        TEXT    NOT NULL, -- RFC 3339, UTC
    prev_hash TEXT    NOT NULL,
    hash      TEXT    NOT NULL,
    UNIQUE (incident, attempt, step, kind)
);

CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, -- sha256 of bytes, in hex
    bytes  BLOB NOT NULL
);
