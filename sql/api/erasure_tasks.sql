-- Erasure, last part: what the pipeline does after the transaction.

create function glow_api.require_open_erasure(erasure_id bigint) returns glow.erasures
  language plpgsql as $$
declare
  found_one glow.erasures;
begin
  select e.* into found_one from glow.erasures e where e.erasure_id = require_open_erasure.erasure_id and e.finished_at is null for update;
  if found_one.erasure_id is null then
    perform glow_api.refuse('PT404', 'erasure_id', erasure_id::text, 'an erasure that is not finished');
  end if;
  return found_one;
end $$;
comment on function glow_api.require_open_erasure is 'An erasure that is not finished, locked; refuses any other.';

create function glow_api.erase_late(erasure_id bigint) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
  erasure glow.erasures := glow_api.require_open_erasure(erasure_id);
  receipt jsonb := '{"tables": {}}';
begin
  perform set_config('glow.erasing', 'on', true);
  receipt := glow_api.erase_prompts(erasure_id, receipt);
  receipt := glow_api.erase_retrieval(erasure_id, erasure.tenant, receipt);
  receipt := glow_api.erase_reliability(erasure_id, erasure.tenant, (select glow_api.probes(erase_late.erasure_id, 'person')), receipt);
  perform set_config('glow.erasing', 'off', true);
  return receipt;
end $$;
comment on function glow_api.erase_late is
  'Takes an erased person again out of prompts, retrieval and weights of reviewers: a run that had read before the erasure may write after it.';

create function glow_api.swept_places() returns table (relation text, swept text)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter();
  return query select p.relation, p.swept from glow_api.personal_places() p where p.swept is not null;
end $$;
comment on function glow_api.swept_places is 'The tables in which erased texts are looked for by content.';

create function glow_api.replace_quoting(erasure_id bigint, relation text, key jsonb, columns jsonb) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  caller glow_api.caller := glow_api.enter();
  way text;
  place text;
  n bigint;
begin
  perform glow_api.require_open_erasure(replace_quoting.erasure_id);
  select p.swept into way from glow_api.personal_places() p where p.relation = replace_quoting.relation;
  if way is null then
    perform glow_api.refuse('PT403', 'relation', relation, 'a table that personal_places says is swept');
  end if;
  place := format('glow.%I', replace_quoting.relation);
  perform set_config('glow.erasing', 'on', true);
  if way = 'delete' then
    execute format('delete from %s t using jsonb_populate_record(null::%1$s, $1) k where %s', place,
      (select string_agg(format('t.%I = k.%1$I', c), ' and ') from jsonb_object_keys(key) c)) using key;
    if relation = 'correction_patterns' then
      update glow.correction_snapshots s set stale = true where s.agent = key ->> 'agent';
    end if;
  else
    execute format('update %s t set %s from jsonb_populate_record(null::%1$s, $1) k, jsonb_populate_record(null::%1$s, $2) v where %3$s',
      place, (select string_agg(format('%I = v.%1$I', c), ', ') from jsonb_object_keys(columns) c),
      (select string_agg(format('t.%I = k.%1$I', c), ' and ') from jsonb_object_keys(key) c)) using key, columns;
  end if;
  get diagnostics n = row_count;
  perform set_config('glow.erasing', 'off', true);
  return n;
end $$;
comment on function glow_api.replace_quoting is 'Deletes or empties one row that quotes an erased text.';

create function glow_api.name_successor(dataset text, successor text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform glow_api.enter();
  perform set_config('glow.erasing', 'on', true);
  update glow.training_datasets d set successor = name_successor.successor
   where d.dataset_id = name_successor.dataset and d.revoked_at is not null and d.successor is null;
  perform set_config('glow.erasing', 'off', true);
end $$;
comment on function glow_api.name_successor is 'Says which version stands for a revoked one.';

create function glow_api.finish_erasure(erasure_id bigint) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  caller glow_api.caller := glow_api.enter();
  the_id bigint := finish_erasure.erasure_id;
begin
  perform glow_api.require_open_erasure(the_id);
  if exists (select from glow.erasure_tasks t where t.erasure_id = the_id and t.state <> 'done') then return false; end if;
  delete from glow.erasure_probes p where p.erasure_id = the_id;
  update glow.erasures e
     set finished_at = clock_timestamp(),
         outside = (select coalesce(jsonb_object_agg(t.kind || case t.target when '' then '' else ' ' || t.target end, t.outcome), '{}')
                      from glow.erasure_tasks t where t.erasure_id = the_id)
   where e.erasure_id = the_id;
  return true;
end $$;
comment on function glow_api.finish_erasure is 'Closes an erasure all of whose tasks are done, and forgets what it looked for.';

-- The planner keeps sample values of every column (pg_statistic) until a table is analysed again.
create function glow_api.forget_statistics() returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  place record;
begin
  perform glow_api.enter();
  for place in select p.relation from glow_api.personal_places() p loop
    execute format('analyze glow.%I', place.relation);
  end loop;
end $$;
comment on function glow_api.forget_statistics is 'Takes new samples of every table, so that none holds values that were erased.';
