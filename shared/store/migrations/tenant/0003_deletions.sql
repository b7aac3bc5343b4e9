-- Records that their source deleted: a version of the canonical record that says so, and deliveries that archive or delete.
ALTER TABLE {schema}.canonical_records ADD COLUMN deleted boolean NOT NULL DEFAULT false;
-- write, archive, or delete.
ALTER TABLE {schema}.deliveries ADD COLUMN operation text NOT NULL DEFAULT 'write';

-- Where each event stands, per flow and target: the one visible state of invariant 2. What waits for a parent that will
-- not come is held, and so is what stands behind it in its ordering key.
CREATE OR REPLACE VIEW {schema}.event_states AS
SELECT e.tenant, e.event, e.connection, e.sender_event_id, e.object, e.source_id, e.source, e.arrived_at,
       d.flow, d.target,
       CASE WHEN d.state <> 'pending' THEN d.state
            WHEN f.delivery IS NOT NULL OR p.state IN ('failed', 'filtered', 'skipped', 'cancelled')
                 OR p.is_gone OR b.delivery IS NOT NULL THEN 'held'
            WHEN d.blocked_on IS NOT NULL THEN 'waiting'
            ELSE d.state END,
       CASE WHEN d.state <> 'pending' THEN d.reason
            WHEN f.delivery IS NOT NULL THEN 'behind a failed delivery: ' || coalesce(f.reason, '')
            WHEN b.delivery IS NOT NULL THEN 'behind a delivery whose parent does not come: ' || b.entity || ' ' || b.canonical_id
            WHEN d.blocked_on IS NOT NULL THEN
                'waits for ' || coalesce(c.entity || ' ' || c.source_id, 'its parent') || ', which at ' || d.target || ' is '
                || CASE WHEN p.is_gone THEN 'deleted' ELSE coalesce(p.state || coalesce(': ' || p.reason, ''), 'not routed') END
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
    SELECT p.state, p.reason, p.operation = 'delete' AND p.state = 'delivered' AS is_gone
    FROM {schema}.deliveries p
    WHERE d.state = 'pending' AND p.target = d.target AND p.canonical_id = d.blocked_on
    ORDER BY p.version DESC LIMIT 1
) p ON true
LEFT JOIN LATERAL (
    SELECT b.delivery, b.entity, b.canonical_id FROM {schema}.deliveries b
    JOIN LATERAL (
        SELECT p.state, p.operation FROM {schema}.deliveries p
        WHERE p.target = b.target AND p.canonical_id = b.blocked_on ORDER BY p.version DESC LIMIT 1
    ) p ON p.state IN ('failed', 'filtered', 'skipped', 'cancelled') OR p.operation = 'delete' AND p.state = 'delivered'
    WHERE d.state = 'pending' AND d.blocked_on IS NULL AND b.target = d.target AND b.ordering_key = d.ordering_key
      AND b.state = 'pending' AND b.blocked_on IS NOT NULL AND (b.place_at, b.place_event) < (d.place_at, d.place_event)
    LIMIT 1
) b ON true
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
