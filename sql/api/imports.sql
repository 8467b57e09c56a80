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

create function glow_api.apply_import(import_id text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set work_mem = '64MB' as $$
declare
  caller glow_api.caller := glow_api.enter();
  since bigint;
  until bigint;
  batch glow.import_batches;
  results jsonb[];
  counted record;
  taken bigint := 0;
  known bigint := 0;
  bad bigint := 0;
  turned bigint;
  anybody boolean := exists (select from glow.erased_subjects);
begin
  select i.line into since from glow.imports i where i.import_id = apply_import.import_id and i.state = 'running' for update;
  if not found then
    perform glow_api.refuse('PT404', 'import_id', import_id, 'an import that is running');
  end if;
  -- From `since`: the index still holds what earlier calls deleted.
  select min(b.line) into until from glow.import_batches b where b.import_id = apply_import.import_id and b.line > since;
  -- Annotations need their execution, the rest may come in any order.
  for batch in
    select b.* from glow.import_batches b where b.import_id = apply_import.import_id and b.line = until
     order by array_position('{execution,retrieval,feedback,annotation,demonstration}', b.kind)
  loop
    if anybody then
      with judged as (
        select u.*, glow_api.is_erased(coalesce(u.payload ->> 'tenant', caller.tenant, 'default'),
                                       coalesce(u.payload ->> 'user_id', u.payload ->> 'reviewer', u.payload ->> 'expert')) as erased
          from rows from (unnest(batch.lines), unnest(batch.parts), jsonb_array_elements(batch.rows))
               with ordinality as u(line, part, payload, n)
      ), turned_away as (
        -- Without the row and without the name: they are what must not come back.
        insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
        select apply_import.import_id, j.line, j.part, batch.kind, 'PT410', 'user_id', 'the person of this row was erased',
               'leave the row out; what a person does anew comes by log_execution and submit_feedback', '{"erased": true}'
          from judged j where j.erased
        returning 1
      )
      select coalesce(array_agg(j.line order by j.n), '{}'), coalesce(array_agg(j.part order by j.n), '{}'),
             coalesce(jsonb_agg(j.payload order by j.n), '[]'), (select count(*) from turned_away)
        into batch.lines, batch.parts, batch.rows, turned from judged j where not j.erased;
      bad := bad + turned;
    end if;
    results := array(select r.result from glow_api.record_rows(batch.kind, batch.rows, caller) r order by r.n);
    select count(*) filter (where r.status in ('accepted', 'withdrawn', 'late')) as accepted,
           count(*) filter (where r.status in ('replayed', 'unchanged', 'merged')) as replayed,
           count(*) filter (where r.status = 'refused') as refused
      into counted from (select u.result ->> 'status' as status from unnest(results) as u(result)) r;
    if counted.refused > 0 then
      insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
      select apply_import.import_id, u.line, u.part, batch.kind, u.result ->> 'code', u.result ->> 'field',
             u.result ->> 'message', u.result ->> 'hint', u.payload
        from rows from (unnest(batch.lines), unnest(batch.parts), jsonb_array_elements(batch.rows), unnest(results))
             as u(line, part, payload, result)
       where u.result ->> 'status' = 'refused';
    end if;
    taken := taken + counted.accepted;
    known := known + counted.replayed;
    bad := bad + counted.refused;
  end loop;
  delete from glow.import_batches b where b.import_id = apply_import.import_id and b.line = until;
  update glow.imports i
     set line = coalesce(until, i.line), accepted = i.accepted + taken, replayed = i.replayed + known,
         refused = i.refused + bad, updated_at = clock_timestamp()
   where i.import_id = apply_import.import_id;
  return jsonb_build_object('applied', taken + known + bad, 'accepted', taken, 'replayed', known, 'refused', bad, 'line', until);
end $$;
comment on function glow_api.apply_import is
  'Applies the next batch of a file, in one transaction: each row is written or recorded as refused, and the import '
  'remembers how far it is.';
