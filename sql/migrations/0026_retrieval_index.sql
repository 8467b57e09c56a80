-- Indexes of chunks, and which retrieval configuration is in force.

create function glow.move_retrieval_alias(
  agent text, configuration text, moved_by text, reason text, move text default 'move', gate_id text default null,
  experiment_id text default null, expected integer default null
) returns integer language plpgsql as $$
#variable_conflict use_column
declare
  wanted glow.retrieval_configurations;
  seen glow.retrieval_aliases;
  kept glow.retrieval_aliases;
  moved integer;
begin
  select c.* into wanted from glow.retrieval_configurations c
   where c.agent = move_retrieval_alias.agent and c.configuration = move_retrieval_alias.configuration;
  if wanted.configuration is null then
    raise exception using errcode = 'PT404', message = format('configuration: %L is not accepted', move_retrieval_alias.configuration),
      hint = 'a retrieval configuration of this agent';
  end if;
  -- Held until commit: no index is retired while a configuration that searches it comes into force.
  perform from glow.retrieval_indexes i
    where i.agent = wanted.agent and i.chunking = wanted.chunking and i.model = wanted.model and i.state = 'ready' for share;
  if not found then
    raise exception using errcode = 'PT409',
      message = format('configuration: %L has no index that is ready', move_retrieval_alias.configuration),
      hint = 'a configuration whose chunking and model have a ready index; the pipeline builds it (index_agent)';
  end if;
  select a.* into seen from glow.retrieval_aliases a
   where a.agent = move_retrieval_alias.agent and a.alias = 'production' for update;
  if expected is not null and coalesce(seen.revision, 0) <> expected then return null; end if;
  if seen.configuration = move_retrieval_alias.configuration then return 0; end if;
  if seen.configuration is null then
    insert into glow.retrieval_aliases (agent, alias, configuration)
    values (move_retrieval_alias.agent, 'production', move_retrieval_alias.configuration)
    on conflict do nothing returning revision into moved;
    if moved is null then return null; end if;
  else
    update glow.retrieval_aliases a
       set configuration = move_retrieval_alias.configuration, revision = a.revision + 1, moved_at = clock_timestamp()
     where a.agent = move_retrieval_alias.agent and a.alias = 'production'
    returning a.revision into moved;
  end if;
  insert into glow.retrieval_alias_history (agent, alias, configuration, previous, revision, move, moved_by, reason, gate_id, experiment_id)
  values (agent, 'production', configuration, seen.configuration, moved, move, moved_by, reason, gate_id, experiment_id);
  if seen.configuration is null then return moved; end if;
  -- As for prompts: after a rollback there is nothing to go back to, or a second click would put the bad one in force again.
  select a.* into kept from glow.retrieval_aliases a
   where a.agent = move_retrieval_alias.agent and a.alias = 'previous' for update;
  if move = 'rollback' then
    delete from glow.retrieval_aliases a where a.agent = move_retrieval_alias.agent and a.alias = 'previous';
    if kept.configuration is null then return moved; end if;
    seen.configuration := null;
  else
    insert into glow.retrieval_aliases as a (agent, alias, configuration)
    values (move_retrieval_alias.agent, 'previous', seen.configuration)
    on conflict on constraint retrieval_aliases_pkey do update
       set configuration = excluded.configuration, revision = a.revision + 1, moved_at = clock_timestamp();
  end if;
  insert into glow.retrieval_alias_history (agent, alias, configuration, previous, revision, move, moved_by, reason, gate_id, experiment_id)
  values (agent, 'previous', seen.configuration, kept.configuration, coalesce(kept.revision, 0) + 1, move, moved_by, reason, gate_id, experiment_id);
  return moved;
end $$;
comment on function glow.move_retrieval_alias is
  'Puts a retrieval configuration in force whose index is ready, and keeps what was as `previous`. Answers the new revision, 0 '
  'where it is in force already, null when somebody else moved it (`expected` is the revision the caller saw, 0 for none).';

create function glow.rollback_retrieval(agent text, moved_by text, reason text, target text default null) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  production glow.retrieval_aliases;
  running text;
  ramping boolean;
  moved integer;
begin
  select a.* into production from glow.retrieval_aliases a
   where a.agent = rollback_retrieval.agent and a.alias = 'production' for update;
  if production.configuration is null then
    raise exception using errcode = 'PT404', message = format('agent: %L has no retrieval configuration in force', agent),
      hint = 'an agent whose documents are indexed; see put_document';
  elsif target is null then
    select a.configuration into target from glow.retrieval_aliases a
     where a.agent = rollback_retrieval.agent and a.alias = 'previous';
    if target is null then
      raise exception using errcode = 'PT409', message = format('agent: %L has no previous retrieval configuration', agent),
        hint = 'it was never moved, or was rolled back since; name a configuration that was in force';
    end if;
  elsif not exists (
    select from glow.retrieval_alias_history h
     where h.agent = rollback_retrieval.agent and h.alias = 'production' and h.configuration = rollback_retrieval.target) then
    raise exception using errcode = 'PT404', message = format('configuration: %L was never in force', left(target, 80)),
      hint = 'a configuration that was in force';
  end if;
  if target = production.configuration then
    raise exception using errcode = 'PT409', message = format('configuration: %L is in force already', target),
      hint = 'another configuration that was in force before';
  end if;
  -- Units of a running experiment go on seeing its two arms, whatever is in force: the rollback would seem to work.
  select x.experiment_id, r.state is not null into running, ramping
    from glow.learning_experiments x left join glow.rollouts r using (experiment_id)
   where x.agent = rollback_retrieval.agent and x.active and x.kind = 'retrieval' limit 1;
  if running is not null then
    raise exception using errcode = 'PT409', message = format('agent: experiment %s of %L is running on its retrieval', running, agent),
      hint = format('%s(%L, reason) first: until then its units see the arms, whatever is in force',
                    case when ramping then 'roll_back' else 'stop_experiment' end, running);
  end if;
  moved := glow.move_retrieval_alias(agent, target, moved_by, reason, 'rollback');
  return jsonb_build_object('agent', agent, 'configuration', target, 'rolled_back', production.configuration, 'revision', moved,
                            'status', 'rolled_back');
end $$;
comment on function glow.rollback_retrieval is
  'Puts the previous retrieval configuration (or another that was in force) in force again, in one call. Refused where there is '
  'none, where its index is gone, and while an experiment runs on retrieval.';
