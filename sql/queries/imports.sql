-- Files on their way in. Rows come by COPY into glow.import_rows; glow_api.apply_import takes them from there.

-- lock_import --
-- Whether this session now holds the lock of an import; it goes with the session, also when that is killed.
select pg_try_advisory_lock(hashtextextended(%(import_id)s::text, 11)) as held

-- begin_import --
-- Make an import known, unless it is.
insert into glow.imports (import_id, source, format) values (%(import_id)s, %(source)s, %(format)s)
on conflict (import_id) do nothing

-- import --
-- How far an import is.
select import_id, source, format, state, line, accepted, replayed, refused, started_at, finished_at
  from glow.imports where import_id = %(import_id)s

-- restart_import --
-- Forget how far an import was, so that its file is read anew. What it wrote stays, and is recognised.
with gone as (delete from glow.import_refusals where import_id = %(import_id)s)
update glow.imports
   set state = 'running', line = 0, accepted = 0, replayed = 0, refused = 0, started_at = clock_timestamp(),
       updated_at = clock_timestamp(), finished_at = null
 where import_id = %(import_id)s

-- forget_unapplied --
-- Go back to the last line that is wholly applied: rows beyond it come again from the file, and refusals too.
with rows_gone as (
  delete from glow.import_rows where import_id = %(import_id)s
), refusals_gone as (
  delete from glow.import_refusals r using glow.imports i
   where i.import_id = %(import_id)s and r.import_id = i.import_id and r.line > i.line
  returning 1
)
update glow.imports set refused = refused - (select count(*) from refusals_gone) where import_id = %(import_id)s

-- refuse_records --
-- Record what never became a row, each with the reason; part is -1 for a record that could not be read at all.
with refused as (
  insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
  select %(import_id)s, x.line, x.part, x.kind, x.code, x.field, x.message, x.hint, x.payload::jsonb
    from jsonb_to_recordset(%(refusals)s) as x(
      line bigint, part integer, kind text, code text, field text, message text, hint text, payload text)
  returning 1
)
update glow.imports set refused = refused + (select count(*) from refused) where import_id = %(import_id)s

-- apply --
-- Apply the next rows in one transaction.
select glow_api.apply_import(%(import_id)s, %(most)s) as done

-- set_aside --
-- Refuse the first waiting line whole: it made apply_import itself fail.
with first as (
  select min(line) as line from glow.import_rows where import_id = %(import_id)s
), taken as (
  delete from glow.import_rows r using first f where r.import_id = %(import_id)s and r.line = f.line returning r.*
), refused as (
  insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
  select t.import_id, t.line, t.part, t.kind, %(code)s, '', %(message)s, null, t.payload from taken t
  returning line
)
update glow.imports i
   set line = coalesce((select max(line) from refused), i.line), refused = i.refused + (select count(*) from refused),
       updated_at = clock_timestamp()
 where i.import_id = %(import_id)s
returning i.line, (select count(*) from refused) as rows

-- finish_import --
-- All lines are applied.
update glow.imports set state = 'finished', finished_at = clock_timestamp(), updated_at = clock_timestamp()
 where import_id = %(import_id)s

-- refusals --
-- The next refusals of an import in the order of its file, each payload as JSON text.
select line, part, kind, code, field, message, hint, payload::text as payload
  from glow.import_refusals
 where import_id = %(import_id)s and (line, part) > (%(line)s, %(part)s)
 order by line, part limit %(most)s

-- waiting_votes --
-- Votes on executions that are not there yet, whatever they came by.
select count(*) as waiting from glow.current_feedback f
 where not f.withdrawn
   and not exists (select from glow.execution_keys k where k.tenant = f.tenant and k.execution_id = f.execution_id and k.agent = f.agent)
