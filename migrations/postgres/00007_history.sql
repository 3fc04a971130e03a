-- +goose Up
-- What is applied may be of another playbook than the first plan, and an attempt that begins with a merge has no plan.
DROP INDEX entries_of_plans;
CREATE INDEX entries_of_plans ON entries (at) WHERE step IN ('policy-plan', 'policy_violation', 'policy-apply');
