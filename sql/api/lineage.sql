-- Where a row of a dataset came from, and what became of a vote.

create function glow_api.datasets(agent text)
  returns table (dataset_id text, kind text, created_at timestamptz, as_of timestamptz, in_force boolean, content_hash text,
                 rule jsonb, statistics jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not glow_api.is_mine(agent, glow_api.require_caller(null, agent)) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  end if;
  return query
  select d.dataset_id, d.kind, d.created_at, d.as_of, f.dataset_id is not null, d.content_hash, d.rule, d.statistics
    from glow.training_datasets d
    left join glow.datasets_in_force f on f.agent = d.agent and f.kind = d.kind and f.dataset_id = d.dataset_id
   where d.agent = datasets.agent
   order by d.created_at desc, d.dataset_id;
end $$;
comment on function glow_api.datasets is 'The dataset versions of an agent, the newest first, and which of them are in force.';

-- A source row as it stands today, so that an auditor reads a sentence and not an id.
create function glow_api.source_row(kind text, source_id text) returns jsonb
  language sql stable
  return case source_row.kind
    when 'execution' then (
      select jsonb_build_object('input', left(e.input, 500), 'output', left(e.output, 500), 'recorded_at', e.recorded_at)
        from glow.executions e
       where e.tenant = glow.tenant_of(source_row.source_id) and e.execution_id = glow.unqualified(source_row.source_id))
    when 'feedback' then (
      select jsonb_strip_nulls(jsonb_build_object('user_id', f.user_id, 'thumbs', f.thumbs, 'rating', f.rating, 'issues', f.issues,
               'comment', left(f.comment, 500), 'correction', left(f.correction, 500), 'recorded_at', f.recorded_at,
               'superseded_by', f.superseded_by))
        from glow.agent_feedback f where f.feedback_id::text = source_row.source_id)
    when 'annotation' then (
      select jsonb_strip_nulls(jsonb_build_object('reviewer', a.reviewer, 'verdict', a.verdict, 'output', left(a.output, 500),
               'notes', left(a.notes, 500), 'recorded_at', a.recorded_at, 'superseded_by', a.superseded_by))
        from glow.expert_annotations a where a.annotation_id::text = source_row.source_id)
    when 'demonstration' then (
      select jsonb_strip_nulls(jsonb_build_object('expert', d.expert, 'input', left(d.input, 500), 'output', left(d.output, 500),
               'recorded_at', d.recorded_at))
        from glow.demonstrations d where d.demonstration_id::text = source_row.source_id) end;
comment on function glow_api.source_row is 'What a source row of an example says; null when it is gone.';

create function glow_api.why(dataset text, example text)
  returns table (split text, source text, quality double precision, rule_version text, reason text, kind text, source_id text,
                 role text, said jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if not exists (select from glow.dataset_examples d
                  where d.dataset_id = why.dataset and d.example_id = why.example and glow_api.is_mine(d.agent, caller)) then
    perform glow_api.refuse('PT404', 'example', example, 'an example of this dataset of an agent of yours; see glow_api.datasets');
  end if;
  return query
  select d.split, x.source, x.quality, x.rule_version, x.reason, s.kind, s.source_id, s.role,
         glow_api.source_row(s.kind, s.source_id)
    from glow.dataset_examples d
    join glow.learning_examples x using (example_version)
    join glow.example_sources s using (example_version)
   where d.dataset_id = why.dataset and d.example_id = why.example
   order by s.kind, s.source_id, s.role;
end $$;
comment on function glow_api.why is
  'Why an example is in a dataset: the rule that admitted it, its split, and every source row with what it says.';

create function glow_api.effect_of(feedback bigint)
  returns table (effect text, id text, since timestamptz, detail jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter();
  if not exists (select from glow.agent_feedback f where f.feedback_id = effect_of.feedback) then
    perform glow_api.refuse('PT404', 'feedback', feedback::text, 'the feedback_id that submit_feedback answered');
  end if;
  return query
  with examples as (
    select x.* from glow.example_sources s join glow.learning_examples x using (example_version)
     where s.kind = 'feedback' and s.source_id = effect_of.feedback::text
  )
  select 'learning example', x.example_id, x.recorded_at,
         jsonb_build_object('status', x.status, 'split', x.split, 'target', left(x.target, 500), 'in_force', x.superseded_at is null)
    from examples x
  union all
  select 'dataset', d.dataset_id, d.created_at, jsonb_build_object('kind', d.kind, 'example', e.example_id, 'split', e.split)
    from examples x join glow.dataset_examples e using (example_version) join glow.training_datasets d using (dataset_id)
  union all
  select 'prompt', l.prompt_version, p.created_at,
         jsonb_build_object('role', l.role, 'rule', l.rule_id, 'alias', (
           select string_agg(a.alias, ', ' order by a.alias) from glow.prompt_aliases a
            where a.agent = l.agent and a.prompt_version = l.prompt_version))
    from examples x
    join glow.prompt_lineage l on l.example_version = x.example_version
    join glow.prompt_versions p on p.agent = l.agent and p.prompt_version = l.prompt_version
  order by 3, 1, 2;
end $$;
comment on function glow_api.effect_of is 'What became of a piece of feedback: learning examples, dataset versions and prompts that rest on it.';
