-- The catalog: who the tenants are, and what each of them runs.

CREATE TABLE fluxnex_master.tenants (
    tenant          text PRIMARY KEY CHECK (tenant ~ '^[a-z][a-z0-9_]{0,39}$'),
    title           text NOT NULL DEFAULT '',
    schema_name     text NOT NULL UNIQUE,
    -- Version of the configuration that runs; a pointer, so that rolling back is one update.
    running_version bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);

CREATE TABLE fluxnex_master.configurations (
    tenant        text NOT NULL REFERENCES fluxnex_master.tenants,
    version       bigint NOT NULL,
    content_hash  bytea NOT NULL,
    notifications json NOT NULL,
    applied_by    text NOT NULL,
    applied_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, version)
);

CREATE TABLE fluxnex_master.connections (
    tenant     text NOT NULL,
    version    bigint NOT NULL,
    connection text NOT NULL,
    definition json NOT NULL,
    -- The connector's manifest as it was when the configuration was applied.
    manifest   json NOT NULL,
    PRIMARY KEY (tenant, version, connection),
    FOREIGN KEY (tenant, version) REFERENCES fluxnex_master.configurations
);

CREATE TABLE fluxnex_master.flows (
    tenant     text NOT NULL,
    version    bigint NOT NULL,
    flow       text NOT NULL,
    definition json NOT NULL,
    PRIMARY KEY (tenant, version, flow),
    FOREIGN KEY (tenant, version) REFERENCES fluxnex_master.configurations
);

CREATE TABLE fluxnex_master.audit_log (
    entry  uuid PRIMARY KEY,
    tenant text NOT NULL,
    actor  text NOT NULL,
    action text NOT NULL,
    detail json NOT NULL,
    at     timestamptz NOT NULL
);

-- What landed in a dead-letter queue. A message that cannot be read has no tenant. The key is the
-- content, because a message that goes in again gets a new id, and its returns must be counted.
CREATE TABLE fluxnex_master.dead_letters (
    queue      text NOT NULL,
    digest     bytea NOT NULL,
    tenant     text,
    body       text NOT NULL,
    -- `unreadable` never goes in again by itself; `infrastructure` does, while re-entries remain.
    reason     text NOT NULL CHECK (reason IN ('unreadable', 'infrastructure')),
    state      text NOT NULL CHECK (state IN ('waiting', 'reentered', 'failed')),
    reentries  integer NOT NULL DEFAULT 0,
    next_at    timestamptz NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL,
    PRIMARY KEY (queue, digest)
);
CREATE INDEX dead_letters_waiting ON fluxnex_master.dead_letters (next_at) WHERE state = 'waiting';
