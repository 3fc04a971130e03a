-- +goose Up
-- What was tried on a target is looked up at each gate, and by when it was.
CREATE INDEX entries_of_plans ON entries (at) WHERE step IN ('policy-plan', 'policy_violation');
