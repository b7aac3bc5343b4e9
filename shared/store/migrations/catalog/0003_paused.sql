-- Whether an operator stopped everything that a tenant runs.
ALTER TABLE fluxnex_master.configurations ADD COLUMN paused boolean NOT NULL DEFAULT false;
