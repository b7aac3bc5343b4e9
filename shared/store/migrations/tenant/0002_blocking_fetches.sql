-- Blocking fetches: when each may start, until when an attempt may take, when it ended, and when sweep last
-- looked at it. States: wanted (committed, not started yet), started (the state machine has it), fetching (an
-- attempt is under way, its task token is known), fed (the parent is on its way through L2 and L3), and at the
-- end stored or failed. Finished ones stay longer than the 90 days for which the name of an execution is taken:
-- the generation that the name is made of must not begin anew.
ALTER TABLE {schema}.dependency_fetches
    ADD COLUMN start_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN woken_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN busy_until timestamptz,
    ADD COLUMN finished_at timestamptz;
CREATE INDEX dependency_fetches_open ON {schema}.dependency_fetches (woken_at)
    WHERE state IN ('wanted', 'started', 'fetching', 'fed');
CREATE INDEX dependency_fetches_finished ON {schema}.dependency_fetches (finished_at) WHERE finished_at IS NOT NULL;
