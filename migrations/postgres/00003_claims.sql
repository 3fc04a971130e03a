-- +goose Up
CREATE TABLE claims ( -- not part of the audit: rows come and go
    target   TEXT    PRIMARY KEY,
    incident TEXT    NOT NULL,
    attempt  INTEGER NOT NULL,
    taken_at TEXT    NOT NULL -- RFC 3339, UTC
);
