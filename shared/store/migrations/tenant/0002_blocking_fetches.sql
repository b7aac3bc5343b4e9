-- Blocking fetches: when each may start, when it ended, and when sweep last looked at it.
-- States: wanted (committed, not started yet), started, fetching (its task token is known), and at the end
-- stored or failed. Finished ones stay longer than the 90 days for which the name of an execution is taken:
-- the generation that the name is made of must not begin anew.
ALTER TABLE {schema}.dependency_fetches
    ADD COLUMN start_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN woken_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN finished_at timestamptz;
CREATE INDEX dependency_fetches_open ON {schema}.dependency_fetches (woken_at)
    WHERE state IN ('wanted', 'started', 'fetching');
CREATE INDEX dependency_fetches_finished ON {schema}.dependency_fetches (finished_at) WHERE finished_at IS NOT NULL;
