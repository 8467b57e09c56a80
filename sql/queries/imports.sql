-- Files on their way in. Batches come by COPY into glow.import_batches; glow_api.apply_import takes them from there.

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
with batches_gone as (
  delete from glow.import_batches where import_id = %(import_id)s
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
-- Apply the next batch in one transaction.
select glow_api.apply_import(%(import_id)s) as done

-- split_batch --
-- Make ten of the first waiting batch, whole lines each, and of ten lines or fewer one for each line: it made apply_import
-- itself fail, and one line of it is why.
with first as (
  delete from glow.import_batches b
   where b.import_id = %(import_id)s and b.line = (select min(line) from glow.import_batches where import_id = %(import_id)s)
  returning b.*
), each as (
  select f.kind, f.line as until, u.line, u.part, u.payload, dense_rank() over (order by u.line) as n
    from first f, rows from (unnest(f.lines), unnest(f.parts), jsonb_array_elements(f.rows)) as u(line, part, payload)
), placed as (
  select e.*, (e.n - 1) * 10 / greatest(10, max(e.n) over ()) as piece from each e
), pieces as (
  -- The last one reaches as far as the batch did: lines after its last row gave none.
  select p.*, case when p.piece = max(p.piece) over () then p.until else max(p.line) over (partition by p.piece) end as ends
    from placed p
), made as (
  insert into glow.import_batches (import_id, line, kind, lines, parts, rows)
  select %(import_id)s, p.ends, p.kind, array_agg(p.line order by p.line, p.part), array_agg(p.part order by p.line, p.part),
         jsonb_agg(p.payload order by p.line, p.part)
    from pieces p group by p.ends, p.kind
)
select count(distinct line) as pieces from pieces

-- set_aside --
-- Refuse the first waiting batch whole: it is of one line, and made apply_import itself fail.
with taken as (
  delete from glow.import_batches b
   where b.import_id = %(import_id)s and b.line = (select min(line) from glow.import_batches where import_id = %(import_id)s)
  returning b.*
), refused as (
  insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
  select t.import_id, u.line, u.part, t.kind, %(code)s, '', %(message)s, null, u.payload
    from taken t, rows from (unnest(t.lines), unnest(t.parts), jsonb_array_elements(t.rows)) as u(line, part, payload)
  returning line
)
update glow.imports i
   set line = coalesce((select max(line) from taken), i.line), refused = i.refused + (select count(*) from refused),
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
