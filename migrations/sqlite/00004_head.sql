-- +goose Up
-- The last row once more, so that rows which are cut off the end are missed.
CREATE TABLE head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL,
    hash TEXT    NOT NULL
);
INSERT INTO head SELECT 1, coalesce(max(seq), 0), coalesce((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), '') FROM entries;

-- INSERT OR REPLACE deletes without a delete trigger.
-- +goose StatementBegin
CREATE TRIGGER entries_are_not_replaced BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE incident = NEW.incident AND attempt = NEW.attempt AND step = NEW.step AND kind = NEW.kind)
    OR NOT EXISTS (SELECT 1 FROM head WHERE seq = NEW.seq - 1 AND hash = NEW.prev_hash)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: the row does not follow its head');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER entries_move_the_head AFTER INSERT ON entries BEGIN
    UPDATE head SET seq = NEW.seq, hash = NEW.hash;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER head_moves_forward BEFORE UPDATE ON head
WHEN NOT EXISTS (SELECT 1 FROM entries WHERE seq = NEW.seq AND hash = NEW.hash AND seq = OLD.seq + 1)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its head only moves to the next row');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER head_is_not_replaced BEFORE INSERT ON head BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER head_is_not_deleted BEFORE DELETE ON head BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
-- +goose StatementEnd
