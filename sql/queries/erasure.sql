-- Erasure: asking for one, and finishing what is left of it.

-- erase --
-- Erases a person, or says what that would touch.
select glow_api.erase_subject(%(subject)s, %(tenant)s, %(dry_run)s, %(reason)s, %(confirm)s) as receipt

-- open_tasks --
-- What is left of erasures, in the order in which it was left.
select t.task_id, t.erasure_id, t.kind, t.target, t.state, t.tries, t.outcome, e.erased_at
  from glow.erasure_tasks t join glow.erasures e using (erasure_id)
 where t.state <> 'done' order by t.task_id

-- settle_task --
-- How far a task is.
update glow.erasure_tasks
   set state = %(state)s, outcome = outcome || %(outcome)s, tries = tries + 1,
       done_at = case when %(state)s = 'done' then clock_timestamp() end
 where task_id = %(task_id)s

-- finish --
-- Closes an erasure whose tasks are done.
select glow_api.finish_erasure(%(erasure_id)s) as finished

-- probes --
-- What an erasure looks for.
select kind, value from glow.erasure_probes
 where erasure_id = %(erasure_id)s and kind in ('person', 'conversation', 'execution', 'event', 'name', 'text')

-- erase_late --
-- What runs wrote after the erasure that had read before it.
select glow_api.erase_late(%(erasure_id)s) as receipt

-- swept_columns --
-- Tables in which erased texts are looked for: key columns, and columns that hold texts.
select p.relation, p.swept, k.keys,
       array(select a.attname::text from pg_attribute a join pg_type t on t.oid = coalesce(nullif((select b.typbasetype from pg_type b where b.oid = a.atttypid), 0), a.atttypid)
              where a.attrelid = i.indrelid and a.attnum > 0 and not a.attisdropped and t.typname in ('text', 'varchar', 'jsonb', '_text')
                and a.attname <> all(k.keys) order by a.attnum) as texts
  from glow_api.swept_places() p
  join pg_index i on i.indrelid = ('glow.' || quote_ident(p.relation))::regclass and i.indisprimary
 cross join lateral (
   select array(select a.attname::text from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any(i.indkey)) as keys) k
 order by p.relation

-- replace_quoting --
-- Deletes or empties one row that quotes an erased text.
select glow_api.replace_quoting(%(erasure_id)s, %(relation)s, %(key)s, %(columns)s) as changed

-- forget_statistics --
-- New samples of every table for the planner.
select glow_api.forget_statistics()

-- name_successor --
-- Which version stands for a revoked one.
select glow_api.name_successor(%(dataset)s, %(successor)s)

-- exports --
-- The files of a version.
select path from glow.dataset_exports where dataset_id = %(dataset_id)s and state <> 'erased' order by path

-- export_erased --
-- A file is gone.
update glow.dataset_exports set state = 'erased' where dataset_id = %(dataset_id)s and path = %(path)s
