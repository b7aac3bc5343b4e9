-- The records of one tenant. `{schema}` and `{tenant}` are filled in from a checked tenant id.
-- Every row says whose it is, and the CHECK refuses anybody else's.

-- One dedupe domain over webhook, poll, fetch and replay. Expires; unpartitioned, to stay unique.
CREATE TABLE {schema}.event_ids (
    tenant          text NOT NULL CHECK (tenant = '{tenant}'),
    connection      text NOT NULL,
    sender_event_id text NOT NULL,
    event           uuid NOT NULL,
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (connection, sender_event_id)
);
CREATE INDEX event_ids_expiry ON {schema}.event_ids (expires_at);

-- The history of events: how each came in, and how it ended before any delivery was made of it.
CREATE TABLE {schema}.events (
    tenant          text NOT NULL CHECK (tenant = '{tenant}'),
    event           uuid PRIMARY KEY,
    connection      text NOT NULL,
    sender_event_id text NOT NULL,
    object          text,
    source_id       text,
    source          text NOT NULL,
    arrived_at      timestamptz NOT NULL,
    state           text NOT NULL,
    reason          text,
    -- Outcome per flow for events that made no delivery there: {"<flow>": {"state", "reason"}}.
    outcomes        jsonb NOT NULL DEFAULT '{}',
    registered_at   timestamptz NOT NULL
);
CREATE INDEX events_record ON {schema}.events (connection, object, source_id, arrived_at);
CREATE INDEX events_failed ON {schema}.events (arrived_at) WHERE state = 'failed';

-- Events between L2 and L4, with the ordering keys that must wait for them.
CREATE TABLE {schema}.in_flight (
    tenant       text NOT NULL CHECK (tenant = '{tenant}'),
    event        uuid NOT NULL,
    flow         text NOT NULL,
    target       text NOT NULL,
    connection   text NOT NULL,
    object       text NOT NULL,
    source_id    text NOT NULL,
    ordering_key text NOT NULL,
    arrived_at   timestamptz NOT NULL,
    since        timestamptz NOT NULL,
    woken_at     timestamptz NOT NULL,
    PRIMARY KEY (event, flow, target)
);
CREATE INDEX in_flight_record ON {schema}.in_flight (connection, object, source_id);
CREATE INDEX in_flight_key ON {schema}.in_flight (target, ordering_key, arrived_at);
CREATE INDEX in_flight_woken ON {schema}.in_flight (woken_at);

-- The replica: the state of every source record that was seen.
CREATE TABLE {schema}.source_records (
    tenant         text NOT NULL CHECK (tenant = '{tenant}'),
    connection     text NOT NULL,
    object         text NOT NULL,
    source_id      text NOT NULL,
    source_version bigint,
    arrived_at     timestamptz NOT NULL,
    -- The event whose place the record has.
    placed_by      uuid NOT NULL,
    -- The event that brought the content, and carries it on; not moved by confirmations.
    event          uuid NOT NULL,
    content_hash   bytea NOT NULL,
    payload        json NOT NULL,
    deleted        boolean NOT NULL,
    first_seen     timestamptz NOT NULL,
    last_seen      timestamptz NOT NULL,
    PRIMARY KEY (connection, object, source_id)
) WITH (fillfactor = 85);

CREATE TABLE {schema}.source_record_versions (
    tenant         text NOT NULL CHECK (tenant = '{tenant}'),
    connection     text NOT NULL,
    object         text NOT NULL,
    source_id      text NOT NULL,
    event          uuid NOT NULL,
    source_version bigint,
    arrived_at     timestamptz NOT NULL,
    payload        json NOT NULL,
    deleted        boolean NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (connection, object, source_id, arrived_at, event)
);

CREATE TABLE {schema}.canonical_records (
    tenant         text NOT NULL CHECK (tenant = '{tenant}'),
    entity         text NOT NULL,
    canonical_id   uuid NOT NULL,
    version        bigint NOT NULL,
    data           json NOT NULL,
    content_hash   bytea NOT NULL,
    -- The parents that the record refers to: names, types and ids, position by position.
    parent_names    text[] NOT NULL,
    parent_entities text[] NOT NULL,
    parent_ids      uuid[] NOT NULL,
    flow           text NOT NULL,
    connection     text NOT NULL,
    object         text NOT NULL,
    source_id      text NOT NULL,
    source_version bigint,
    arrived_at     timestamptz NOT NULL,
    placed_by      uuid NOT NULL,
    event          uuid NOT NULL,
    stored_at      timestamptz NOT NULL,
    PRIMARY KEY (canonical_id, entity)
) WITH (fillfactor = 85);

-- What each application calls a canonical record.
CREATE TABLE {schema}.cross_references (
    tenant         text NOT NULL CHECK (tenant = '{tenant}'),
    connection     text NOT NULL,
    entity         text NOT NULL,
    canonical_id   uuid NOT NULL,
    target_id      text NOT NULL,
    -- The target's own version of the record (QuickBooks: SyncToken), for the next update.
    target_version text,
    learnt_at      timestamptz NOT NULL,
    PRIMARY KEY (connection, canonical_id, entity)
);
CREATE INDEX cross_references_target ON {schema}.cross_references (connection, entity, target_id);

-- Records that need a parent that is not here yet.
CREATE TABLE {schema}.waiting_records (
    tenant           text NOT NULL CHECK (tenant = '{tenant}'),
    connection       text NOT NULL,
    object           text NOT NULL,
    source_id        text NOT NULL,
    flow             text NOT NULL,
    parent_id        uuid NOT NULL,
    parent_entity    text NOT NULL,
    parent_object    text NOT NULL,
    parent_source_id text NOT NULL,
    event            uuid NOT NULL,
    since            timestamptz NOT NULL,
    deadline         timestamptz NOT NULL,
    PRIMARY KEY (connection, object, source_id, flow, parent_id)
);
CREATE INDEX waiting_records_parent ON {schema}.waiting_records (parent_id);
CREATE INDEX waiting_records_deadline ON {schema}.waiting_records (deadline);

-- One blocking fetch per missing parent, however many wait for it.
CREATE TABLE {schema}.dependency_fetches (
    tenant       text NOT NULL CHECK (tenant = '{tenant}'),
    parent_id    uuid PRIMARY KEY,
    connection   text NOT NULL,
    object       text NOT NULL,
    source_id    text NOT NULL,
    generation   integer NOT NULL,
    task_token   text,
    state        text NOT NULL,
    reason       text,
    attempts     integer NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL,
    deadline     timestamptz NOT NULL
);

-- The ordering ledger.
CREATE TABLE {schema}.deliveries (
    tenant          text NOT NULL CHECK (tenant = '{tenant}'),
    delivery        uuid PRIMARY KEY,
    target          text NOT NULL,
    object          text NOT NULL,
    flow            text NOT NULL,
    entity          text NOT NULL,
    canonical_id    uuid NOT NULL,
    version         bigint NOT NULL,
    revision        integer NOT NULL,
    event           uuid NOT NULL,
    ordering_key    text NOT NULL,
    -- Place in the ordering key: arrival of the event, or the place of the delivery it supersedes.
    place_at        timestamptz NOT NULL,
    place_event     uuid NOT NULL,
    state           text NOT NULL,
    reason          text,
    fingerprint     text,
    -- Failed, and nobody was told yet.
    untold          boolean NOT NULL DEFAULT false,
    payload         json,
    parent_names    text[] NOT NULL,
    parent_entities text[] NOT NULL,
    parent_ids      uuid[] NOT NULL,
    -- The parent that the last claim found missing at the target; its delivery wakes this one.
    blocked_on      uuid,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    fence           uuid,
    claimed_until   timestamptz,
    woken_at        timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    UNIQUE (target, flow, entity, canonical_id, version, revision)
) WITH (fillfactor = 80);
CREATE INDEX deliveries_heads ON {schema}.deliveries (target, ordering_key, place_at, place_event)
    WHERE state IN ('pending', 'sending', 'failed', 'held');
CREATE INDEX deliveries_open_record ON {schema}.deliveries (target, canonical_id)
    WHERE state IN ('pending', 'sending', 'failed', 'held');
CREATE INDEX deliveries_due ON {schema}.deliveries (next_attempt_at) WHERE state IN ('pending', 'sending');
CREATE INDEX deliveries_blocked ON {schema}.deliveries (blocked_on) WHERE blocked_on IS NOT NULL;
CREATE INDEX deliveries_untold ON {schema}.deliveries (updated_at) WHERE untold;
CREATE INDEX deliveries_event ON {schema}.deliveries (event);

CREATE TABLE {schema}.delivery_attempts (
    tenant          text NOT NULL CHECK (tenant = '{tenant}'),
    delivery        uuid NOT NULL,
    number          integer NOT NULL,
    fence           uuid NOT NULL,
    outcome         text NOT NULL,
    status          integer,
    reason          text,
    started_at      timestamptz NOT NULL,
    duration_ms     integer NOT NULL,
    request_digest  text NOT NULL,
    request_bytes   integer NOT NULL,
    response_digest text,
    response_bytes  integer,
    PRIMARY KEY (delivery, number, fence)
);

-- Where each event stands, per flow and target: the one visible state of invariant 2.
CREATE VIEW {schema}.event_states AS
SELECT e.tenant, e.event, e.connection, e.sender_event_id, e.object, e.source_id, e.source, e.arrived_at,
       d.flow, d.target,
       CASE WHEN d.state <> 'pending' THEN d.state
            WHEN f.delivery IS NOT NULL OR p.state IN ('failed', 'filtered', 'skipped', 'cancelled') THEN 'held'
            WHEN d.blocked_on IS NOT NULL THEN 'waiting'
            ELSE d.state END,
       CASE WHEN d.state <> 'pending' THEN d.reason
            WHEN f.delivery IS NOT NULL THEN 'behind a failed delivery: ' || coalesce(f.reason, '')
            WHEN d.blocked_on IS NOT NULL THEN
                'waits for ' || coalesce(c.entity || ' ' || c.source_id, 'its parent') || ', which at ' || d.target || ' is '
                || coalesce(p.state || coalesce(': ' || p.reason, ''), 'not routed')
            ELSE d.reason END
FROM {schema}.events e
JOIN {schema}.deliveries d ON d.event = e.event
LEFT JOIN LATERAL (
    SELECT f.delivery, f.reason FROM {schema}.deliveries f
    WHERE d.state = 'pending' AND f.target = d.target AND f.ordering_key = d.ordering_key AND f.state = 'failed'
      AND (f.place_at, f.place_event) < (d.place_at, d.place_event)
    LIMIT 1
) f ON true
LEFT JOIN LATERAL (
    SELECT p.state, p.reason FROM {schema}.deliveries p
    WHERE d.state = 'pending' AND p.target = d.target AND p.canonical_id = d.blocked_on
    ORDER BY p.version DESC LIMIT 1
) p ON true
LEFT JOIN LATERAL (
    SELECT c.entity, c.source_id FROM {schema}.canonical_records c
    WHERE d.state = 'pending' AND c.canonical_id = d.blocked_on LIMIT 1
) c ON true
UNION ALL
SELECT e.tenant, e.event, e.connection, e.sender_event_id, e.object, e.source_id, e.source, e.arrived_at,
       o.key, NULL, o.value ->> 'state', o.value ->> 'reason'
FROM {schema}.events e CROSS JOIN LATERAL jsonb_each(e.outcomes) o
WHERE NOT EXISTS (SELECT 1 FROM {schema}.deliveries d WHERE d.event = e.event AND d.flow = o.key)
UNION ALL
SELECT e.tenant, e.event, e.connection, e.sender_event_id, e.object, e.source_id, e.source, e.arrived_at,
       i.flow, i.target,
       CASE WHEN w.parent_id IS NULL THEN 'processing' ELSE 'waiting' END,
       CASE WHEN w.parent_id IS NULL THEN NULL
            ELSE 'waits for ' || w.parent_entity || ' ' || w.parent_source_id || ' of ' || w.connection END
FROM {schema}.events e
JOIN {schema}.in_flight i ON i.event = e.event
LEFT JOIN LATERAL (
    SELECT * FROM {schema}.waiting_records w
    WHERE w.connection = i.connection AND w.object = i.object AND w.source_id = i.source_id AND w.flow = i.flow
    LIMIT 1
) w ON true
UNION ALL
SELECT e.tenant, e.event, e.connection, e.sender_event_id, e.object, e.source_id, e.source, e.arrived_at,
       NULL, NULL, e.state, e.reason
FROM {schema}.events e WHERE e.state <> 'changed';
