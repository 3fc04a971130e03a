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
DECLARE
    was  head%ROWTYPE;
    next RECORD;
BEGIN
    SELECT * INTO was FROM head FOR UPDATE;
    FOR next IN SELECT seq, prev_hash, hash FROM added ORDER BY seq LOOP
        IF next.seq <> was.seq + 1 OR next.prev_hash <> was.hash THEN
            RAISE EXCEPTION 'the ledger is append-only: row % does not follow its head', next.seq;
        END IF;
        was.seq := next.seq;
        was.hash := next.hash;
    END LOOP;
    UPDATE head SET seq = was.seq, hash = was.hash WHERE seq <> was.seq;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER entries_follow_the_head AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_moves_its_head();
-- +goose StatementBegin
CREATE FUNCTION ledger_keeps_its_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq <= OLD.seq OR NOT EXISTS (SELECT 1 FROM entries WHERE seq = NEW.seq AND hash = NEW.hash) THEN
        RAISE EXCEPTION 'the ledger is append-only: its head only moves to a later row';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER head_moves_forward BEFORE UPDATE ON head
    FOR EACH ROW EXECUTE FUNCTION ledger_keeps_its_head();
CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
