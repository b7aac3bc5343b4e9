-- Every version of a bundle can be read whole: its title, and the tenant's own fields of entities.

ALTER TABLE fluxnex_master.configurations
    ADD COLUMN title    text NOT NULL DEFAULT '',
    ADD COLUMN entities json NOT NULL DEFAULT '{}';

UPDATE fluxnex_master.configurations c
SET title = t.title
FROM fluxnex_master.tenants t
WHERE t.tenant = c.tenant AND t.running_version = c.version;
