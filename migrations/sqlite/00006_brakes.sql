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
CREATE TABLE failures ( -- what did not help, for the decision to try it again
    incident  TEXT    NOT NULL,
    attempt   INTEGER NOT NULL,
    target    TEXT    NOT NULL,
    playbook  TEXT    NOT NULL,
    failed_at TEXT    NOT NULL, -- RFC 3339, UTC
    PRIMARY KEY (incident, attempt)
);
CREATE INDEX failures_of_a_playbook ON failures (target, playbook);
