-- The state of the whole loop.

create function glow_api.learning_stats() returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.require_everybody();
  return jsonb_build_object(
    'agents', (select count(*) from glow.agents),
    'executions', (select count(*) from glow.executions),
    'feedback', (select count(*) from glow.agent_feedback f where f.superseded_by is null),
    'feedback_history', (select count(*) from glow.agent_feedback),
    -- Not of gold: those measure reviewers.
    'annotations', (select count(*) from glow.expert_annotations a
                     where a.superseded_by is null and a.role = 'review' and not a.gold),
    'adjudications', (select count(*) from glow.expert_annotations a where a.superseded_by is null and a.role = 'adjudication'),
    'demonstrations', (select count(*) from glow.demonstrations),
    'learning_examples', (
      select coalesce(jsonb_object_agg(x.status, x.n), '{}') from (
        select e.status, count(*) as n from glow.learning_examples e where e.superseded_at is null group by e.status) x),
    'dataset_versions', (select count(*) from glow.training_datasets),
    'prompt_versions', (select count(*) from glow.prompt_versions),
    'prompt_gates', (
      select coalesce(jsonb_object_agg(x.verdict, x.n), '{}') from (
        select g.verdict, count(*) as n from glow.prompt_gates g group by g.verdict) x),
    'experiments_running', (select count(*) from glow.learning_experiments x where x.active),
    'retrieval_configurations', (select count(*) from glow.retrieval_configurations),
    'embedding_training_pairs', (select count(*) from glow.embedding_training_pairs),
    'training_runs', (
      select coalesce(jsonb_object_agg(x.state, x.n), '{}') from (
        select t.state, count(*) as n from glow.training_runs t group by t.state) x),
    'model_calls_cached', (select count(*) from glow.responses),
    'model_cost_usd', (select coalesce(sum(r.cost_usd), 0) from glow.responses r));
end $$;
comment on function glow_api.learning_stats is 'Counts over the whole loop, for a dashboard''s first row.';

create function glow_api.success_metrics()
  returns table (metric text, value double precision, low double precision, high double precision, target double precision,
                 status text, detail text, measured_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.require_everybody();
  return query
  select distinct on (m.metric) m.metric, m.value, m.low, m.high, m.target, m.status, m.detail, m.measured_at
    from glow.success_metrics m order by m.metric, m.measured_at desc;
end $$;
comment on function glow_api.success_metrics is 'The newest measurement of each success metric, with its interval and its target.';

create function glow_api.set_retention(relation text, months integer default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.require_everybody();
  if relation is null or relation not in (select p.relation from glow.prunable() p) then
    perform glow_api.refuse('PT422', 'relation', relation, (select string_agg(p.relation, ', ') from glow.prunable() p));
  elsif months not between 1 and 1200 then
    perform glow_api.refuse('PT422', 'months', months::text, '1 to 1200, or null to keep for ever');
  end if;
  insert into glow.retention_policies as p (relation, months, set_by)
  values (set_retention.relation, set_retention.months, session_user)
  on conflict on constraint retention_policies_pkey do update
     set months = excluded.months, set_by = excluded.set_by, set_at = clock_timestamp();
  return jsonb_build_object('relation', relation, 'months', months, 'status', 'set');
end $$;
comment on function glow_api.set_retention is
  'How many months a table is kept, whatever GLOW_RETENTION_MONTHS says; without months, for ever. Upkeep does it, by whole '
  'months for executions, feedback and searches. What was learned from them stays.';
