-- +goose Up
-- The last row once more, so that rows which are cut off the end are missed.
CREATE TABLE head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  BIGINT  NOT NULL,
    hash TEXT    NOT NULL
);
INSERT INTO head SELECT 1, coalesce(max(seq), 0), coalesce((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), '') FROM entries;

-- +goose StatementBegin
CREATE FUNCTION ledger_moves_its_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE head SET seq = NEW.seq, hash = NEW.hash WHERE seq = NEW.seq - 1 AND hash = NEW.prev_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the ledger is append-only: row % does not follow its head', NEW.seq;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER entries_follow_the_head AFTER INSERT ON entries
    FOR EACH ROW EXECUTE FUNCTION ledger_moves_its_head();
-- +goose StatementBegin
CREATE FUNCTION ledger_keeps_its_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM entries WHERE seq = NEW.seq AND hash = NEW.hash AND seq = OLD.seq + 1) THEN
        RAISE EXCEPTION 'the ledger is append-only: its head only moves to the next row';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER head_moves_forward BEFORE UPDATE ON head
    FOR EACH ROW EXECUTE FUNCTION ledger_keeps_its_head();
CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
