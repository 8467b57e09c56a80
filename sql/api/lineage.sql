-- Where a row of a dataset came from, and what became of a vote.

create function glow_api.datasets(agent text)
  returns table (dataset_id text, kind text, created_at timestamptz, as_of timestamptz, in_force boolean, content_hash text,
                 rule jsonb, statistics jsonb, agents text[], rows integer, parent text, revoked_at timestamptz,
                 revoked_because text, successor text)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not glow_api.is_mine(agent, glow_api.require_caller(null, agent)) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  end if;
  return query
  select d.dataset_id, d.kind, d.created_at, d.as_of, f.dataset_id is not null, d.content_hash, d.rule, d.statistics, d.agents,
         d.rows, d.parent, d.revoked_at, d.revoked_because, d.successor
    from glow.training_datasets d
    left join glow.datasets_in_force f on f.agent = d.agent and f.kind = d.kind and f.dataset_id = d.dataset_id
   where d.agent = datasets.agent
   order by d.created_at desc, d.dataset_id;
end $$;
comment on function glow_api.datasets is
  'The dataset versions of an agent, the newest first, and which of them are in force. A revoked one names its successor.';

create function glow_api.why(dataset text, example text)
  returns table (split text, source text, quality double precision, rule_version text, reason text, kind text, source_id text,
                 role text, said jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if not exists (select from glow.training_datasets v
                   join glow.dataset_examples d using (dataset_id) join glow.learning_examples x using (example_version)
                  where v.dataset_id = why.dataset and x.example_id = why.example and glow_api.is_mine(v.agent, caller)
                    and glow_api.is_mine(x.agent, caller)) then
    perform glow_api.refuse('PT404', 'example', example, 'an example of this dataset of an agent of yours; see glow_api.datasets');
  end if;
  return query
  select d.split, x.source, x.quality, x.rule_version, x.reason, s.kind, s.source_id, s.role,
         glow.source_row(s.kind, s.source_id)
    from glow.dataset_examples d
    join glow.learning_examples x using (example_version)
    join glow.example_sources s using (example_version)
   where d.dataset_id = why.dataset and x.example_id = why.example
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
  select 'dataset', d.dataset_id, d.created_at, jsonb_build_object('kind', d.kind, 'example', x.example_id, 'split', e.split)
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

create function glow_api.prompt_lineage(agent text, prompt_version text default null)
  returns table (part text, part_id text, content text, traced boolean, origin text, origin_version text, role text, kind text,
                 source_id text, source_role text, example_id text, said jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if prompt_version is null then
    select a.prompt_version into prompt_version from glow.prompt_aliases a
     where a.agent = prompt_lineage.agent and a.alias = 'production';
  end if;
  if not exists (select from glow.prompt_versions p
                  where p.agent = prompt_lineage.agent and p.prompt_version = prompt_lineage.prompt_version) then
    perform glow_api.refuse('PT404', 'prompt_version', prompt_version, 'a version of this agent; see glow_api.prompts');
  end if;
  return query select * from glow.trace_prompt(agent, prompt_version);
end $$;
comment on function glow_api.prompt_lineage is
  'Why a prompt (without one: that in production) is as it is: a row for each part and source row behind it. traced is false '
  'for a part that nothing is known to be behind. origin says whether its rows are of this version (learned) or of the '
  'origin_version that brought it in (inherited), or that a person wrote it there (written).';

-- For the views below: they run as their owner, and this is what keeps a login of one tenant to its own.
create function glow_api.my_agents() returns setof text
  language plpgsql stable security definer rows 100 set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  return query select a.agent::text from glow.agents a where glow_api.is_mine(a.agent, caller);
end $$;
comment on function glow_api.my_agents is 'The agents of which this login may see what they learned.';

create view glow_api.dataset_lineage as
select d.dataset_id, d.position, d.split, x.agent::text as agent, x.example_id, x.example_version, x.content_hash,
       x.source, x.status, x.quality, x.rule_version, x.reason, x.erased_at, s.kind, s.source_id, s.role
  from glow.dataset_examples d
  join glow.learning_examples x using (example_version)
  left join glow.example_sources s using (example_version)
 where x.agent in (select glow_api.my_agents());
comment on view glow_api.dataset_lineage is
  'Every row of every dataset version with the rows it came from: the audit of a dataset. Ask for one dataset_id.';

create view glow_api.feedback_lineage as
select s.source_id as feedback_id, s.role, x.agent::text as agent, x.example_id, x.example_version, x.status, x.split,
       x.superseded_at is null as in_force, d.dataset_id, d.position, l.prompt_version, l.role as prompt_role, l.rule_id
  from glow.example_sources s
  join glow.learning_examples x using (example_version)
  left join glow.dataset_examples d using (example_version)
  left join glow.prompt_lineage l on l.example_version = x.example_version
 where s.kind = 'feedback' and x.agent in (select glow_api.my_agents());
comment on view glow_api.feedback_lineage is
  'What rests on each piece of feedback: examples, rows of datasets, rules and demonstrations of prompts.';
