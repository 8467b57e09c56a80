-- Files on their way in: rows that came by COPY take the same path as rows that apps send.

create function glow_api.record_rows(kind text, rows jsonb, caller glow_api.caller) returns table (n bigint, result jsonb)
  language plpgsql as $$
begin
  case kind
    when 'execution' then return query select * from glow_api.record_execution_rows(rows, caller);
    when 'feedback' then return query select * from glow_api.record_feedback_rows(rows, caller);
    when 'retrieval' then return query select * from glow_api.record_retrieval_rows(rows, caller);
    when 'annotation' then return query select * from glow_api.record_annotation_rows(rows, caller);
    else return query select * from glow_api.record_demonstration_rows(rows, caller);
  end case;
end $$;
comment on function glow_api.record_rows is 'Writes many rows of one kind given as JSON objects; answers for each.';

create function glow_api.apply_import(import_id text, most integer default 5000) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set work_mem = '64MB' as $$
declare
  caller glow_api.caller := glow_api.enter();
  since bigint;
  until bigint;
  wanted text;
  lines bigint[];
  parts integer[];
  payloads jsonb[];
  rows jsonb;
  results jsonb[];
  counted record;
  taken bigint := 0;
  known bigint := 0;
  bad bigint := 0;
  turned bigint;
  anybody boolean := exists (select from glow.erased_subjects);
begin
  if most is null or most not between 1 and 100000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 100000');
  end if;
  select i.line into since from glow.imports i where i.import_id = apply_import.import_id and i.state = 'running' for update;
  if not found then
    perform glow_api.refuse('PT404', 'import_id', import_id, 'an import that is running');
  end if;
  -- A record of the file may have given several rows: they go together, or `line` could not say what is done. From
  -- `since`: the index still holds what earlier calls deleted, and a million rows took twice as long with it in the way.
  select max(r.line) into until from (
    select r.line from glow.import_rows r where r.import_id = apply_import.import_id and r.line > since
     order by r.line, r.part limit most) r;
  -- Annotations need their execution, the rest may come in any order.
  foreach wanted in array '{execution,retrieval,feedback,annotation,demonstration}'::text[] loop
    with gone as (
      delete from glow.import_rows r
       where r.import_id = apply_import.import_id and r.line > since and r.line <= until and r.kind = wanted
      returning r.line, r.part, r.payload
    ), judged as (
      select g.line, g.part, g.payload, anybody and glow_api.is_erased(
               coalesce(g.payload ->> 'tenant', caller.tenant, 'default'),
               coalesce(g.payload ->> 'user_id', g.payload ->> 'reviewer', g.payload ->> 'expert')) as erased
        from gone g
    ), turned_away as (
      -- Without the row and without the name: they are what must not come back.
      insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
      select apply_import.import_id, j.line, j.part, wanted, 'PT410', 'user_id', 'the person of this row was erased',
             'leave the row out; what a person does anew comes by log_execution and submit_feedback', '{"erased": true}'
        from judged j where j.erased
      returning 1
    )
    select array_agg(g.line), array_agg(g.part), array_agg(g.payload), jsonb_agg(g.payload), (select count(*) from turned_away)
      into lines, parts, payloads, rows, turned from (select * from judged where not erased order by line, part) g;
    bad := bad + turned;
    continue when rows is null;
    results := array(select r.result from glow_api.record_rows(wanted, rows, caller) r order by r.n);
    insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
    select apply_import.import_id, u.line, u.part, wanted, u.result ->> 'code', u.result ->> 'field', u.result ->> 'message',
           u.result ->> 'hint', u.payload
      from unnest(lines, parts, payloads, results) as u(line, part, payload, result)
     where u.result ->> 'status' = 'refused';
    select count(*) filter (where r.status in ('accepted', 'withdrawn', 'late')) as accepted,
           count(*) filter (where r.status in ('replayed', 'unchanged', 'merged')) as replayed,
           count(*) filter (where r.status = 'refused') as refused
      into counted from (select u.result ->> 'status' as status from unnest(results) as u(result)) r;
    taken := taken + counted.accepted;
    known := known + counted.replayed;
    bad := bad + counted.refused;
  end loop;
  update glow.imports i
     set line = coalesce(until, i.line), accepted = i.accepted + taken, replayed = i.replayed + known,
         refused = i.refused + bad, updated_at = clock_timestamp()
   where i.import_id = apply_import.import_id;
  return jsonb_build_object('applied', taken + known + bad, 'accepted', taken, 'replayed', known, 'refused', bad, 'line', until);
end $$;
comment on function glow_api.apply_import is
  'Applies the next rows of a file in their order, in one transaction: each is written or recorded as refused, and the '
  'import remembers how far it is.';
