-- What people and BI tools look at.
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why
GRANT USAGE ON SCHEMA @extschema@ TO PUBLIC;

CREATE VIEW @extschema@.pool_status AS
SELECT slot.scope, slot.max_threads, slot.slots_in_use, call.pid, database.datname, role.rolname AS usename,
       call.threads, call.running, call.tasks_total - call.tasks_done AS queued, call.tasks_done AS done,
       call.tasks_failed AS failed, call.cpu_ms
FROM @extschema@.thread_slots() AS slot
LEFT JOIN @extschema@.running_calls() AS call ON true
LEFT JOIN pg_catalog.pg_database AS database ON database.oid = call.database_oid
LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = call.user_oid;

CREATE VIEW @extschema@.progress AS
SELECT call.pid, database.datname, role.rolname AS usename, call.phase, call.tasks_done, call.tasks_total,
       call.tasks_failed, call.threads, clock_timestamp() - call.started AS elapsed,
       CASE WHEN call.tasks_done > 0 THEN
           (clock_timestamp() - call.started) * ((call.tasks_total - call.tasks_done)::float8 / call.tasks_done)
       END AS remaining
FROM @extschema@.running_calls() AS call
LEFT JOIN pg_catalog.pg_database AS database ON database.oid = call.database_oid
LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = call.user_oid;

GRANT SELECT ON @extschema@.pool_status, @extschema@.progress TO PUBLIC;
SET LOCAL search_path = @extschema@, pg_temp;
