-- +goose Up
ALTER TABLE claims ADD COLUMN cluster TEXT NOT NULL DEFAULT '';
ALTER TABLE claims ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE claims ADD COLUMN acting_at TEXT; -- RFC 3339, UTC: since when it merges or is merged
CREATE TABLE pauses ( -- not part of the audit either: its rows say who paused and resumed
    cluster   TEXT PRIMARY KEY, -- empty: all
    by_whom   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    paused_at TEXT NOT NULL -- RFC 3339, UTC
);
