-- Prompts and their assignment.

create function glow_api.resolve_prompt(agent text, unit text default null, tenant text default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
  problem glow_api.problem := glow_api.id_problem('{unit}', array[unit], 0);
  experiment glow.learning_experiments;
  salt text;
  bucket integer;
  assigned text;
  version text;
  content jsonb;
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  select a.prompt_version into version from glow.prompt_aliases a
   where a.agent = resolve_prompt.agent and a.alias = 'production';
  if version is null then
    perform glow_api.refuse('PT404', 'agent', agent, 'an agent with a production prompt; register_agent gives it its first');
  end if;

  if unit is not null then
    unit := glow.qualified(coalesce(own, 'default'), unit);
    -- Held until commit: an experiment cannot stop between the choice and the exposure.
    select x.* into experiment from glow.learning_experiments x
     where x.agent = resolve_prompt.agent and x.state = 'running' for share;
    if found then
      salt := experiment.experiment_id || '#' || experiment.phase;
      if glow.exp_bucket(salt, 'enroll', unit) < experiment.enroll_ppm then
        bucket := glow.exp_bucket(salt, 'variant', unit);
        insert into glow.exposures (experiment_id, phase, unit_id, variant, bucket)
        values (experiment.experiment_id, experiment.phase, unit,
                case when bucket >= 1000000 - experiment.treatment_ppm then 'treatment' else 'control' end, bucket)
        on conflict do nothing;
        -- The first exposure wins over the hash: a unit keeps its variant for the whole phase.
        select x.variant into assigned from glow.exposures x
         where x.experiment_id = experiment.experiment_id and x.phase = experiment.phase and x.unit_id = unit;
        version := case assigned when 'treatment' then experiment.treatment else experiment.control end;
      end if;
    end if;
  end if;

  select p.prompt into content from glow.prompt_versions p
   where p.agent = resolve_prompt.agent and p.prompt_version = version;
  return jsonb_build_object(
    'prompt_version', version, 'prompt', content,
    'experiment_id', case when assigned is not null then experiment.experiment_id end, 'variant', assigned);
end $$;
comment on function glow_api.resolve_prompt is
  'The prompt an agent uses for a unit (user, session). In a running experiment the unit''s variant is chosen and its '
  'exposure written in this transaction, before the model is called: commit before you call it.';
