-- Erasure, third part: what a person said, and what stands on it. Each takes and answers the receipt so far.

-- The rows that apps and experts wrote, where every table has its own way.
create function glow_api.erase_said(erasure_id bigint, tenant text, subject text, receipt jsonb) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  the_id bigint := erase_said.erasure_id;
  whose text := erase_said.tenant;
  who text := erase_said.subject;
  alias text := glow_api.pseudonym(the_id, whose, who);
  n bigint;
begin
  -- Votes of this person on others' executions, and of others on this one's, may be among what experiments counted.
  perform glow.recount_experiments(array(
    select f.agent::text from glow.agent_feedback f
     where f.tenant = whose and (f.user_id = who or f.execution_id in (select glow_api.probes(the_id, 'execution')))
    union select e.agent::text from glow.executions e
     where e.tenant = whose and e.execution_id in (select glow_api.probes(the_id, 'execution'))));
  -- Keys first: they are found by the votes.
  delete from glow.feedback_keys k
   where k.tenant = whose and exists (
     select from glow.agent_feedback f
      where f.tenant = whose and f.feedback_id = k.feedback_id
        and (f.user_id = who or f.execution_id in (select glow_api.probes(the_id, 'execution'))));
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'feedback_keys', n);
  update glow.agent_feedback f
     set comment = null, correction = null, conversation_id = null, idempotency_key = null,
         channel = case when f.user_id = who then null else f.channel end,
         issues = case when f.user_id = who
                       then array(select i from unnest(f.issues) i
                                   where i = any(glow_api.standard_issues() || (select a.issues from glow.agents a where a.agent = f.agent)))
                       else f.issues end,
         xid = pg_current_xact_id()
   where f.tenant = whose and (f.user_id = who or f.execution_id in (select glow_api.probes(the_id, 'execution')));
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'agent_feedback', n);
  delete from glow.agent_feedback f
   where f.tenant = whose
     and (f.user_id = who or f.execution_id in (select glow_api.probes(the_id, 'execution')))
     and (f.user_id = who and f.execution_id in (select glow_api.probes(the_id, 'execution'))
       or num_nonnulls(f.thumbs, f.rating, nullif(f.dimensions, '{}')) = 0 and cardinality(f.issues) = 0);
  delete from glow.current_feedback c
   where c.tenant = whose
     and (c.user_id = who or c.execution_id in (select glow_api.probes(the_id, 'execution')))
     and not exists (select from glow.agent_feedback f where f.feedback_id = c.feedback_id and f.recorded_at = c.recorded_at);
  update glow.agent_feedback f set user_id = alias where f.tenant = whose and f.user_id = who;
  update glow.current_feedback c set idempotency_key = null, user_id = case when c.user_id = who then alias else c.user_id end
   where c.tenant = whose and (c.user_id = who or c.execution_id in (select glow_api.probes(the_id, 'execution')));

  delete from glow.retrieval_hits h where h.tenant = whose and h.event_id in (select glow_api.probes(the_id, 'event'));
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'retrieval_hits', n);
  delete from glow.retrieval_events r where r.tenant = whose and r.event_id in (select glow_api.probes(the_id, 'event'));
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'retrieval_events', n);
  delete from glow.retrieval_keys k where k.tenant = whose and k.event_id in (select glow_api.probes(the_id, 'event'));
  delete from glow.executions e where e.tenant = whose and e.execution_id in (select glow_api.probes(the_id, 'execution'));
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'executions', n);
  delete from glow.exposures x
   where x.unit_id = any (array(select glow.qualified(whose, who)
                                union all select glow.qualified(whose, c) from glow_api.probes(the_id, 'conversation') c
                                union all select glow.qualified(whose, e) from glow_api.probes(the_id, 'execution') e))
      or x.cluster_id = glow.qualified(whose, who) and x.cluster_id <> x.unit_id;
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'exposures', n);
  delete from glow.experiment_sums s
   where s.cluster_id = any (array(select glow.qualified(whose, who)
                                   union all select glow.qualified(whose, c) from glow_api.probes(the_id, 'conversation') c
                                   union all select glow.qualified(whose, e) from glow_api.probes(the_id, 'execution') e));
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'experiment_sums', n);

  with left_over as (
    select b.import_id, b.line, b.kind, count(*) filter (where u.gone) as gone,
           coalesce(array_agg(u.line order by u.n) filter (where not u.gone), '{}') as lines,
           coalesce(array_agg(u.part order by u.n) filter (where not u.gone), '{}') as parts,
           coalesce(jsonb_agg(u.payload order by u.n) filter (where not u.gone), '[]') as rows
      from glow.import_batches b
     cross join lateral (
       select x.*, coalesce(glow_api.is_of_import(x.payload, the_id, whose, who), false) as gone
         from rows from (unnest(b.lines), unnest(b.parts), jsonb_array_elements(b.rows)) with ordinality as x(line, part, payload, n)) u
     group by b.import_id, b.line, b.kind
    having bool_or(u.gone)
  ), changed as (
    update glow.import_batches b set lines = l.lines, parts = l.parts, rows = l.rows from left_over l
     where b.import_id = l.import_id and b.line = l.line and b.kind = l.kind
    returning l.gone
  )
  select coalesce(sum(gone), 0) into n from changed;
  receipt := glow_api.counted(receipt, 'import_batches', n);
  update glow.import_refusals r set payload = '{"erased": true}', field = '', message = '[erased]', hint = null
   where glow_api.is_of_import(r.payload, the_id, whose, who);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'import_refusals', n);
  delete from glow.review_items i where i.item_id in (select x::bigint from glow_api.probes(the_id, 'item') x);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'review_items', n);
  delete from glow.comparisons c where c.comparison_id in (select x::bigint from glow_api.probes(the_id, 'comparison') x);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'comparisons', n);
  -- Scores stay under the names that other reviewers use; a name of one's own may say anything.
  update glow.expert_annotations a
     set dimensions = (select coalesce(jsonb_object_agg(d.key, d.value), '{}') from jsonb_each(a.dimensions) d
                        where exists (select from glow.expert_annotations o
                                       where o.agent = a.agent and o.reviewer <> who and o.dimensions ? d.key))
   where a.tenant = whose and a.reviewer = who and a.dimensions <> '{}';
  return receipt;
end $$;
comment on function glow_api.erase_said is 'Takes a person out of executions, feedback, searches and imports.';

create function glow_api.emptied(relation text, columns text[]) returns text
  language sql stable as $$
  select string_agg(format(', %I = %s', a.attname, case
           when not a.attnotnull then 'null'
           when t.typname = 'jsonb' then $q$'{}'$q$
           when t.typcategory = 'A' then $q$'{}'$q$
           else $q$''$q$ end), '')
    from pg_attribute a join pg_type t on t.oid = a.atttypid
   where a.attrelid = ('glow.' || quote_ident(relation))::regclass and not a.attisdropped
     and (a.attname = any(columns) and a.attnum > 0)
$$;
comment on function glow_api.emptied is 'Columns with nothing in them, as a piece of an UPDATE.';

create function glow_api.has_column(relation text, name text) returns boolean
  language sql stable
  return exists (select from pg_attribute a
                  where a.attrelid = ('glow.' || quote_ident(relation))::regclass and a.attname = name and not a.attisdropped);
comment on function glow_api.has_column is 'Whether a table has a column.';

-- The tables that need no way of their own: by the list alone.
create function glow_api.erase_places(erasure_id bigint, tenant text, subject text, receipt jsonb) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  the_id bigint := erase_places.erasure_id;
  place glow_api.personal_place;
  person text;
  mine text;
  stamp text;
  n bigint;
begin
  for place in select p.* from glow_api.personal_places() p where p.of_people is not null or p.of_about is not null loop
    mine := case when glow_api.has_column(place.relation, 'tenant') then 'coalesce(t.tenant, $2) = $2' else 'true' end;
    stamp := concat(glow_api.emptied(place.relation, place.emptied),
                    case when glow_api.has_column(place.relation, 'erased_at') then ', erased_at = clock_timestamp()' end,
                    case when place.emptied is not null and glow_api.has_column(place.relation, 'xid') then ', xid = pg_current_xact_id()' end);
    if place.of_about = 'delete' then
      execute format('delete from glow.%I t where %s and t.%I in (select glow_api.probes($1, ''execution''))',
                     place.relation, mine, place.about) using the_id, erase_places.tenant;
      get diagnostics n = row_count;
      receipt := glow_api.counted(receipt, place.relation, n);
    elsif place.of_about = 'rename' then
      execute format('update glow.%I t set %2$I = glow_api.pseudonym($1, $2, t.%2$I, 20)%3$s
                       where %4$s and t.%2$I in (select glow_api.probes($1, ''execution''))',
                     place.relation, place.about, stamp, mine) using the_id, erase_places.tenant;
      get diagnostics n = row_count;
      receipt := glow_api.counted(receipt, place.relation, n);
    end if;
    foreach person in array coalesce(place.people, '{}') loop
      if place.of_people = 'delete' then
        execute format('delete from glow.%I t where %s and t.%I = $1', place.relation, mine, person)
          using erase_places.subject, erase_places.tenant;
      else
        execute format('update glow.%I t set %I = $3%s where %s and t.%2$I = $1', place.relation, person, stamp, mine)
          using erase_places.subject, erase_places.tenant, glow_api.pseudonym(the_id, erase_places.tenant, erase_places.subject);
      end if;
      get diagnostics n = row_count;
      receipt := glow_api.counted(receipt, place.relation, n);
    end loop;
  end loop;
  return receipt;
end $$;
comment on function glow_api.erase_places is 'Takes a person out of every table of the list that names people or executions.';

-- A key outlives its execution where something stands on it, under a pseudonym, as if retention had taken the row.
create function glow_api.rename_executions(erasure_id bigint, tenant text, subject text, receipt jsonb) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  the_id bigint := rename_executions.erasure_id;
  whose text := rename_executions.tenant;
  place glow_api.personal_place;
  stands text := 'exists (select from glow.current_feedback t where t.tenant = k.tenant and t.execution_id = k.execution_id)';
  n bigint;
begin
  insert into glow.execution_keys (tenant, execution_id, agent, payload_hash, recorded_at, expired_at)
  select k.tenant, glow_api.pseudonym(the_id, whose, k.execution_id, 20), k.agent, '', k.recorded_at, clock_timestamp()
    from glow.execution_keys k
   where k.tenant = whose and k.execution_id in (select glow_api.probes(the_id, 'execution'));
  update glow.agent_feedback f set execution_id = glow_api.pseudonym(the_id, whose, f.execution_id, 20)
   where f.tenant = whose and f.execution_id in (select glow_api.probes(the_id, 'execution'));
  update glow.current_feedback c set execution_id = glow_api.pseudonym(the_id, whose, c.execution_id, 20)
   where c.tenant = whose and c.execution_id in (select glow_api.probes(the_id, 'execution'));
  update glow.retrieval_events r set execution_id = glow_api.pseudonym(the_id, whose, r.execution_id, 20)
   where r.tenant = whose and r.execution_id in (select glow_api.probes(the_id, 'execution'));
  update glow.example_sources s
     set source_id = glow.qualified(whose, glow_api.pseudonym(the_id, whose, glow.unqualified(s.source_id), 20))
   where s.kind = 'execution' and s.source_id in (select glow.qualified(whose, x) from glow_api.probes(the_id, 'execution') x);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'example_sources', n);
  update glow.prompt_lineage l
     set source_id = glow.qualified(whose, glow_api.pseudonym(the_id, whose, glow.unqualified(l.source_id), 20))
   where l.kind = 'execution' and l.source_id in (select glow.qualified(whose, x) from glow_api.probes(the_id, 'execution') x);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'prompt_lineage', n);
  receipt := glow_api.erase_places(the_id, whose, rename_executions.subject, receipt);
  delete from glow.execution_keys k where k.tenant = whose and k.execution_id in (select glow_api.probes(the_id, 'execution'));
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'execution_keys', n);
  -- A row of the audit does not need it, and would keep a key for every execution that was ever shown to somebody.
  for place in select p.* from glow_api.personal_places() p
                where p.of_about = 'rename' and exists (
                  select from pg_constraint c where c.contype = 'f' and c.confrelid = 'glow.execution_keys'::regclass
                     and c.conrelid = ('glow.' || quote_ident(p.relation))::regclass) loop
    stands := stands || format(' or exists (select from glow.%I t where t.tenant = k.tenant and t.%I = k.execution_id)',
                               place.relation, place.about);
  end loop;
  execute format('delete from glow.execution_keys k
                   where k.tenant = $2
                     and k.execution_id = any($1)
                     and not (%s)', stands)
    using array(select glow_api.pseudonym(the_id, whose, x, 20) from glow_api.probes(the_id, 'execution') x), whose;
  return receipt;
end $$;
comment on function glow_api.rename_executions is 'Gives what stands on erased executions a pseudonym to stand on.';
