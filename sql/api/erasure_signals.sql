-- Erasure of what was folded from a person's searches.

create function glow_api.erase_signals(erasure_id bigint, tenant text, receipt jsonb) returns jsonb
  language plpgsql as $$
declare
  the_id bigint := erase_signals.erasure_id;
  whose text := erase_signals.tenant;
  events text[] := array(select glow.qualified(whose, e) from glow_api.probes(the_id, 'event') e);
  gone bigint;
  questions bigint[];
  others text[];
begin
  with gone_signals as (
    delete from glow.retrieval_signals s
     where s.person in (
       select glow.retrieval_person(whose, p, null) from glow_api.probes(the_id, 'person') p
       union all select glow.retrieval_person(whose, null, c) from glow_api.probes(the_id, 'conversation') c)
       or s.person = '' and s.event_ids && events
    returning s.query_number, s.event_ids
  )
  select count(*), coalesce(array_agg(distinct g.query_number), '{}'),
         coalesce((select array_agg(distinct e) from gone_signals x cross join unnest(x.event_ids) e where e <> all (events)), '{}')
    into gone, questions, others
    from gone_signals g;
  -- What others searched in the same visit (of nobody) is read again.
  update glow.retrieval_events r set xid = pg_current_xact_id()
   where (r.tenant, r.event_id) in (select glow.tenant_of(o), glow.unqualified(o) from unnest(others) o);
  receipt := glow_api.counted(receipt, 'retrieval_signals', gone);
  delete from glow.retrieval_queries q
   where q.query_number = any (questions)
     and not exists (select from glow.retrieval_signals s where s.query_number = q.query_number);
  get diagnostics gone = row_count;
  return glow_api.counted(receipt, 'retrieval_queries', gone);
end $$;
comment on function glow_api.erase_signals is 'Takes a person''s searches out of the signals; a question that others asked in the same words stays.';
