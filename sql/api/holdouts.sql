-- People who take part in no experiment, so that all changes together can be measured against what was.

create function glow_api.create_holdout(holdout text, holdout_ppm integer, agent text default null, ends_at timestamptz default null)
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  caller glow_api.caller := glow_api.enter();
  problem glow_api.problem := glow_api.id_problem('{holdout}', array[holdout], 1);
  known glow.holdouts;
  running text;
begin
  if agent is not null then
    perform glow_api.require_own_agent(agent);
  elsif caller.tenant is not null then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant: a holdout of all agents is for a login that serves every tenant');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if holdout_ppm is null or holdout_ppm not between 1 and 500000 then
    perform glow_api.refuse('PT422', 'holdout_ppm', holdout_ppm::text, 'a share in parts per million, from 1 to 500000');
  elsif ends_at is not null and not (isfinite(ends_at) and ends_at > clock_timestamp()) then
    perform glow_api.refuse('PT422', 'ends_at', ends_at::text, 'an instant to come, or none');
  end if;
  select h.* into known from glow.holdouts h where h.holdout = create_holdout.holdout;
  if known.holdout is not null and (known.agent::text, known.holdout_ppm, known.ends_at)
       is distinct from (create_holdout.agent, create_holdout.holdout_ppm, create_holdout.ends_at) then
    perform glow_api.refuse('PT409', 'holdout', holdout, 'a name that was not used before: whom a holdout draws is fixed by its name');
  elsif known.holdout is not null then
    return jsonb_build_object('holdout', holdout, 'status', 'unchanged');
  end if;
  select x.experiment_id into running from glow.learning_experiments x
   where x.active and (create_holdout.agent is null or x.agent = create_holdout.agent) order by x.experiment_id limit 1;
  if running is not null then
    perform glow_api.refuse('PT409', 'holdout', holdout, format('a time without experiments: units of %s would change their arm. Create it when that has ended', running));
  end if;
  insert into glow.holdouts (holdout, agent, holdout_ppm, ends_at) values (holdout, agent, holdout_ppm, ends_at);
  return jsonb_build_object('holdout', holdout, 'status', 'created');
end $$;
comment on function glow_api.create_holdout is
  'A share of units that sees what is in force and takes part in no experiment or rollout, of an agent or of all. Refused '
  'while an experiment is going on, whose units would change their arm.';

create function glow_api.end_holdout(holdout text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  caller glow_api.caller := glow_api.enter();
  problem glow_api.problem := glow_api.id_problem('{holdout}', array[holdout], 1);
  known glow.holdouts;
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  select h.* into known from glow.holdouts h
   where h.holdout = end_holdout.holdout and (caller.tenant is null or h.agent is not null and glow_api.is_mine(h.agent, caller)) for update;
  if not found then
    perform glow_api.refuse('PT404', 'holdout', holdout, 'a holdout that holdouts answers');
  elsif known.ends_at <= clock_timestamp() then
    return jsonb_build_object('holdout', holdout, 'status', 'unchanged');
  end if;
  update glow.holdouts h set ends_at = greatest(clock_timestamp(), h.starts_at + interval '1 microsecond') where h.holdout = end_holdout.holdout;
  return jsonb_build_object('holdout', holdout, 'status', 'ended');
end $$;
comment on function glow_api.end_holdout is 'Lets the units of a holdout take part again.';

create function glow_api.holdouts(agent text default null)
  returns table (holdout text, agent_name text, holdout_ppm integer, starts_at timestamptz, ends_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  return query
  select h.holdout, h.agent::text, h.holdout_ppm, h.starts_at, h.ends_at from glow.holdouts h
   where (holdouts.agent is null or h.agent is null or h.agent = holdouts.agent) and (h.agent is null or glow_api.is_mine(h.agent, caller))
   order by h.starts_at desc, h.holdout;
end $$;
comment on function glow_api.holdouts is 'Holdouts of an agent or of all, those of all agents among them, the newest first.';
