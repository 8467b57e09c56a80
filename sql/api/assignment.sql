-- What an agent uses for one unit: what is in force, or its arm of an experiment.

-- Sticky: what a unit was given first holds for the phase, whatever the hash, a holdout or a share says later. Who is not
-- named (no session given) is in no experiment on such units. At most one experiment of a kind: the slots of a layer are
-- disjoint and do not change within a phase (glow.check_experiment).
create function glow_api.assigned_arms(
  agent text, tenant text, unit text, session text, org text, execution text, only_kind text default null)
  returns table (experiment_id text, kind text, phase integer, variant text, version text, config jsonb)
  language plpgsql as $$
#variable_conflict use_column
declare
  x glow.learning_experiments;
  drawn record;
  assigned text;
  who text;
  cluster text;
begin
  for x in
    select e.* from glow.learning_experiments e where e.agent = assigned_arms.agent and e.active
       and (only_kind is null or e.kind = only_kind)
     order by e.kind <> 'prompt', e.started_at, e.experiment_id
  loop
    who := case x.unit when 'user' then unit when 'org' then org when 'session' then session else execution end;
    continue when who is null;
    cluster := glow.qualified(tenant, case x.unit when 'org' then org else coalesce(unit, who) end);
    who := glow.qualified(tenant, who);
    select e.variant into assigned from glow.exposures e
     where e.experiment_id = x.experiment_id and e.phase = x.phase and e.unit_id = who;
    -- Who came in at an earlier stage of a rollout stays while it is paused; all its stages draw by one salt, that of the test they follow.
    if assigned is null and x.state in ('paused', 'held') and (x.design = 'ramp' or x.decision = 'ship') then
      select e.variant into assigned from glow.exposures e
       where e.experiment_id = x.experiment_id and e.phase < x.phase and e.unit_id = who
         and (x.restarted_at is null or e.first_exposed_at >= x.restarted_at)
       order by e.phase desc limit 1;
    end if;
    if assigned is null and x.state in ('running', 'ramping') then
      drawn := glow.assigned(x, who);
      continue when drawn.variant is null or glow.held_out(x.agent, cluster);
      -- Held until commit: an experiment cannot stop, nor begin a new phase, between the choice and its exposure. Only here,
      -- because a lock is a write: who was exposed before, or takes no part, would wait for the disk at every call.
      select e.* into x from glow.learning_experiments e
       where e.experiment_id = x.experiment_id and e.state in ('running', 'ramping') for share;
      continue when not found;
      drawn := glow.assigned(x, who);
      continue when drawn.variant is null;
      insert into glow.exposures (experiment_id, phase, unit_id, cluster_id, variant, bucket, propensity, hash_version)
      values (x.experiment_id, x.phase, who, cluster, drawn.variant, drawn.bucket, drawn.propensity, x.hash)
      on conflict do nothing returning exposures.variant into assigned;
      if assigned is null then
        select e.variant into assigned from glow.exposures e
         where e.experiment_id = x.experiment_id and e.phase = x.phase and e.unit_id = who;
      end if;
    end if;
    continue when assigned is null;
    return query select x.experiment_id, x.kind, x.phase, assigned, case assigned when 'treatment' then x.treatment else x.control end,
                        case assigned when 'treatment' then x.treatment_config else x.control_config end;
  end loop;
end $$;
comment on function glow_api.assigned_arms is
  'The arms that a unit has in the experiments of an agent (of one kind, where only that is used), that of the prompt first; '
  'writes the exposures that are new.';

create function glow_api.resolve_prompt(
  agent text, unit text default null, tenant text default null, session text default null, org text default null,
  execution text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
  -- One expression of what id_problem says in a loop: this is asked before every answer of every agent.
  is_proper boolean := coalesce(glow_api.is_id(unit), true) and coalesce(glow_api.is_id(session), true)
                   and coalesce(glow_api.is_id(org), true) and coalesce(glow_api.is_id(execution), true);
  version text;
  content jsonb;
  model text;
  config jsonb;
  retrieval text;
  parameters jsonb;
  is_tried boolean;
  arm record;
  arms jsonb := '[]';
begin
  if not is_proper then
    perform glow_api.refuse(glow_api.id_problem('{unit,session,org,execution}', array[unit, session, org, execution], 0));
  end if;
  select a.prompt_version, p.prompt, m.version, c.config, r.configuration,
         exists (select from glow.learning_experiments x where x.agent = resolve_prompt.agent and x.active)
    into version, content, model, config, retrieval, is_tried
    from glow.prompt_aliases a
    join glow.prompt_versions p on p.agent = a.agent and p.prompt_version = a.prompt_version
    left join glow.agent_configs m on m.agent = a.agent and m.kind = 'model' and m.alias = 'production'
    left join glow.agent_configs c on c.agent = a.agent and c.kind = 'config' and c.alias = 'production'
    left join glow.retrieval_aliases r on r.agent = a.agent and r.alias = 'production'
   where a.agent = resolve_prompt.agent and a.alias = 'production';
  if version is null then
    perform glow_api.refuse('PT404', 'agent', agent, 'an agent with a production prompt; register_agent gives it its first');
  end if;
  if is_tried and num_nonnulls(unit, session, org, execution) > 0 then
    for arm in select * from glow_api.assigned_arms(agent, coalesce(own, 'default'), unit, session, org, execution) loop
      arms := arms || jsonb_build_object('experiment_id', arm.experiment_id, 'kind', arm.kind, 'phase', arm.phase, 'variant', arm.variant);
      case arm.kind
        when 'model' then model := arm.version;
        when 'config' then config := arm.config;
        when 'retrieval' then retrieval := arm.version;
        else
          continue when version = arm.version;
          version := arm.version;
          select p.prompt into content from glow.prompt_versions p
           where p.agent = resolve_prompt.agent and p.prompt_version = arm.version;
      end case;
    end loop;
  end if;
  if retrieval is not null then
    select c.parameters into parameters from glow.retrieval_configurations c where c.configuration = retrieval;
  end if;
  return jsonb_build_object(
    'prompt_version', version, 'prompt', content, 'model', model, 'config', config, 'retrieval', retrieval,
    'retrieval_parameters', parameters, 'experiment_id', arms #>> '{0,experiment_id}', 'variant', arms #>> '{0,variant}',
    'experiments', arms);
end $$;
comment on function glow_api.resolve_prompt is
  'What an agent uses for a unit (user), in a session (conversation), of an org, for an execution: its prompt, and model, config and retrieval '
  'configuration where they are decided here. In experiments the variants are chosen and the exposures written in this '
  'transaction, before the model is called: commit before you call it, and log the execution with the same ids.';
