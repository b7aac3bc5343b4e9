//! PostgreSQL: the catalog, the tenant schemas, their migrations and every query.
