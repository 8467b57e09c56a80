-- The whole schema as it is today, for reading. Written by `make schema` from sql/migrations and sql/api: change those.
-- A test proves that it is what they make, and that an empty database loaded with it is the same. Not here: the roles
-- (glow_pipelines/database/roles.py), and the partitions of each month, which glow.ensure_partitions makes.

CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
-- Functions name tables and each other in no order.
SET check_function_bodies = off;

-- Schemas

CREATE SCHEMA glow;
COMMENT ON SCHEMA glow IS 'Tables of Glow Pipelines. Apps never see them: they call the functions in glow_api.';
GRANT USAGE ON SCHEMA glow TO glow_pipeline;

CREATE SCHEMA glow_api;
COMMENT ON SCHEMA glow_api IS 'Functions apps call. Tables stay out of sight in schema glow.';
GRANT USAGE ON SCHEMA glow_api TO glow_app;
GRANT USAGE ON SCHEMA glow_api TO glow_browser;
GRANT USAGE ON SCHEMA glow_api TO glow_reviewer;
GRANT USAGE ON SCHEMA glow_api TO glow_viewer;
GRANT USAGE ON SCHEMA glow_api TO glow_engineer;
GRANT USAGE ON SCHEMA glow_api TO glow_pipeline;

-- Kinds of values, and counters

CREATE DOMAIN glow.agent_name AS text COLLATE pg_catalog."C"
    CONSTRAINT agent_name_check CHECK ((VALUE ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'::text));

CREATE DOMAIN glow.comment_text AS text
    CONSTRAINT comment_text_check CHECK (((length(VALUE) >= 1) AND (length(VALUE) <= 10000)));

CREATE DOMAIN glow.feedback_kind AS text
    CONSTRAINT feedback_kind_check CHECK ((VALUE = ANY (ARRAY['vote'::text, 'correction'::text])));

CREATE DOMAIN glow.identifier AS text COLLATE pg_catalog."C"
    CONSTRAINT identifier_check CHECK ((((length(VALUE) >= 1) AND (length(VALUE) <= 200)) AND (VALUE !~ '[[:cntrl:]]'::text)));

CREATE DOMAIN glow.issue_list AS text[]
    CONSTRAINT issue_list_check CHECK ((cardinality(VALUE) <= 20));

CREATE DOMAIN glow.json_metadata AS jsonb
    CONSTRAINT json_metadata_check CHECK (((jsonb_typeof(VALUE) = 'object'::text) AND (octet_length((VALUE)::text) <= 100000)));

CREATE DOMAIN glow."json_object" AS jsonb
    CONSTRAINT json_object_check CHECK ((jsonb_typeof(VALUE) = 'object'::text));

CREATE DOMAIN glow.long_text AS text
    CONSTRAINT long_text_check CHECK ((octet_length(VALUE) <= 1000000));

CREATE DOMAIN glow."natural" AS integer
    CONSTRAINT natural_check CHECK ((VALUE >= 0));

CREATE DOMAIN glow.stars AS smallint
    CONSTRAINT stars_check CHECK (((VALUE >= 1) AND (VALUE <= 5)));

CREATE DOMAIN glow.tenant_name AS text COLLATE pg_catalog."C"
    CONSTRAINT tenant_name_check CHECK ((VALUE ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'::text));

CREATE DOMAIN glow.thumb AS smallint
    CONSTRAINT thumb_check CHECK ((VALUE = ANY (ARRAY['-1'::integer, 1])));

CREATE AGGREGATE glow.moments(y double precision, x double precision) (
    SFUNC = float8_regr_accum,
    STYPE = double precision[],
    INITCOND = '{0,0,0,0,0,0}',
    COMBINEFUNC = float8_regr_combine,
    PARALLEL = safe
);
COMMENT ON AGGREGATE glow.moments(y double precision, x double precision) IS 'n, sum and centred squares of x, sum and centred squares of y, centred products: what regr_* are made of.';

CREATE SEQUENCE glow.feedback_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

-- What tables rely on

CREATE FUNCTION glow.add_entries(index_number integer, first integer, chunk_ids text[], lexical text[], words integer[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  execute format(
    'insert into %s (index_number, entry, chunk_id, embedding, lexical, words)
     select i.index_number, $2 + n::integer - 1, x.chunk_id, m.embedding, x.lexical::public.sparsevec, x.words
       from glow.retrieval_indexes i
      cross join unnest($3, $4, $5) with ordinality x(chunk_id, lexical, words, n)
       join glow.chunks c on c.agent = i.agent and c.chunk_id = x.chunk_id
       left join glow.embeddings m on m.model = i.model and m.content_hash = c.content_hash
      where i.index_number = $1', glow.index_part('index_entries', index_number))
    using index_number, first, chunk_ids, lexical, words;
end $_$;
COMMENT ON FUNCTION glow.add_entries(index_number integer, first integer, chunk_ids text[], lexical text[], words integer[]) IS 'Writes chunks into an index, numbered from `first`, with the embeddings that are known.';
REVOKE ALL ON FUNCTION glow.add_entries(index_number integer, first integer, chunk_ids text[], lexical text[], words integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.add_entries(index_number integer, first integer, chunk_ids text[], lexical text[], words integer[]) TO glow_pipeline;

CREATE FUNCTION glow.advance_rollout(experiment_id text, expected integer, moved_by text, reason text, carried jsonb DEFAULT NULL::jsonb, evidence jsonb DEFAULT '{}'::jsonb, asks boolean DEFAULT false) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(advance_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
  next jsonb := rollout.plan #> array['stages', (rollout.stage + 1)::text];
begin
  -- Somebody else moved it: what was decided from an earlier sight of it is void.
  if rollout.revision <> expected then return glow.moved(experiment.experiment_id, 'moved_before'); end if;
  if rollout.state <> 'running' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state),
      case rollout.state when 'paused' then 'resume_rollout' when 'pending' then 'approve_rollout' else 'a rollout that is running' end);
  elsif next is null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is in its last stage', 'complete_rollout');
  elsif (asks or coalesce((next ->> 'approval')::boolean, false)) and rollout.approved_stage <= rollout.stage then
    -- An answer and no refusal: people are told, once.
    if rollout.awaiting_stage is not null then return glow.moved(experiment.experiment_id, 'rollout_awaits_approval'); end if;
    update glow.rollouts r
       set awaiting_stage = r.stage + 1, revision = r.revision + 1, reason = left(advance_rollout.reason, 2000)
     where r.experiment_id = rollout.experiment_id;
    return glow.note_move(experiment.experiment_id, 'rollout_awaits_approval', moved_by, advance_rollout.reason, evidence,
      format('The rollout of a %s of %s awaits approval', experiment.kind, experiment.agent));
  end if;
  update glow.rollouts r
     set stage = r.stage + 1, stage_started_at = clock_timestamp(), awaiting_stage = null, carried = coalesce(advance_rollout.carried, r.carried),
         revision = r.revision + 1, reason = left(advance_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  perform glow.begin_stage(experiment.experiment_id, rollout.stage + 1);
  return glow.note_move(experiment.experiment_id, 'rollout_advanced', moved_by, advance_rollout.reason, evidence,
    format('%s: the rollout of a %s reaches %s %% of users', experiment.agent, experiment.kind, (next ->> 'treatment_ppm')::numeric / 10000));
end $$;
COMMENT ON FUNCTION glow.advance_rollout(experiment_id text, expected integer, moved_by text, reason text, carried jsonb, evidence jsonb, asks boolean) IS 'The next stage, by compare-and-swap. status: rollout_advanced; moved_before where the revision is another by now; rollout_awaits_approval where a person has to let it begin: because the stage says so, or whoever asks (asks), who says why.';
GRANT ALL ON FUNCTION glow.advance_rollout(experiment_id text, expected integer, moved_by text, reason text, carried jsonb, evidence jsonb, asks boolean) TO glow_pipeline;

CREATE FUNCTION glow.answer_key(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN COALESCE(NULLIF(btrim(regexp_replace(regexp_replace(lower(NORMALIZE(value, NFKC)), '(?<=[0-9])[.,:/-](?=[0-9])|(?<![[:alpha:]])-(?=[0-9])'::text, ''::text, 'g'::text), '[][:space:]!"&''()*,./:;?@[\\^_`{|}~¡¿«»‘’“”„…–—。、，！？（）「」-]+'::text, ' '::text, 'g'::text)), ''::text), btrim(value));
COMMENT ON FUNCTION glow.answer_key(value text) IS 'What makes two answers the same answer.';
GRANT ALL ON FUNCTION glow.answer_key(value text) TO glow_pipeline;

CREATE FUNCTION glow.append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if current_user = 'glow_owner' and current_setting('glow.erasing', true) = 'on' then
    if tg_op = 'DELETE' then return old; end if;
    return new;
  end if;
  raise exception using errcode = 'PT409', message = format('%s is append-only: a %s was refused', tg_table_name, lower(tg_op)),
    hint = 'Only the erasure of a person changes what happened.';
end $$;
GRANT ALL ON FUNCTION glow.append_only() TO glow_pipeline;

CREATE FUNCTION glow.approve_rollout(experiment_id text, stage integer, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(approve_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
  -- The next that asks.
  wanted integer := coalesce(rollout.awaiting_stage, (
    select min(s.n) - 1 from jsonb_array_elements(rollout.plan -> 'stages') with ordinality s(stage, n)
     where s.n - 1 > greatest(rollout.stage, rollout.approved_stage) and coalesce((s.stage ->> 'approval')::boolean, false)));
begin
  if rollout.state not in ('pending', 'running', 'paused') then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state), 'a rollout that goes on');
  elsif approve_rollout.stage <= rollout.approved_stage
        or approve_rollout.stage is null and rollout.awaiting_stage is null and rollout.approved_stage >= greatest(rollout.stage, 0) then
    return glow.moved(experiment.experiment_id, 'unchanged');
  elsif approve_rollout.stage is null and rollout.awaiting_stage is null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'has a rollout that awaits no approval',
      coalesce(format('stage => %s, to approve that stage before its time', wanted), 'a rollout with a stage ahead that asks for approval; the others begin by themselves'));
  -- The next one also where it does not ask: a person may let it begin with fewer units than it wants.
  elsif approve_rollout.stage <> all (array_remove(array[wanted, rollout.stage + 1], null))
        or approve_rollout.stage >= jsonb_array_length(rollout.plan -> 'stages') or rollout.state = 'pending' and approve_rollout.stage > 0 then
    perform glow.refuse_move('stage', approve_rollout.stage::text, 'is not the next stage, nor the next that asks for approval',
      format('%s, or none for what awaits approval now', coalesce(wanted, rollout.stage + 1)), 'PT422');
  end if;
  wanted := coalesce(approve_rollout.stage, wanted);
  update glow.rollouts r
     set approved_stage = wanted, awaiting_stage = case when r.awaiting_stage > wanted then r.awaiting_stage end, revision = r.revision + 1, reason = left(approve_rollout.reason, 2000),
         state = case r.state when 'pending' then 'running' else r.state end,
         stage_started_at = case r.state when 'pending' then clock_timestamp() else r.stage_started_at end
   where r.experiment_id = rollout.experiment_id;
  if rollout.state = 'pending' then perform glow.begin_stage(experiment.experiment_id, rollout.stage); end if;
  return glow.note_move(experiment.experiment_id, 'rollout_approved', moved_by, approve_rollout.reason, evidence);
end $$;
COMMENT ON FUNCTION glow.approve_rollout(experiment_id text, stage integer, moved_by text, reason text, evidence jsonb) IS 'Lets the stage begin that awaits approval: the first at once, a later one with the next tick. stage names one ahead: the next that will ask, or the next one, which then need not wait for units. Said twice it lets no other begin.';


SET default_tablespace = '';

SET default_table_access_method = heap;
GRANT ALL ON FUNCTION glow.approve_rollout(experiment_id text, stage integer, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.begin_stage(experiment_id text, stage integer) RETURNS void
    LANGUAGE sql
    AS $$
  update glow.learning_experiments x
     set state = 'ramping', treatment_ppm = (s.stage ->> 'treatment_ppm')::integer, control_ppm = (s.stage ->> 'control_ppm')::integer,
         -- The stage says how many; that a test let in fewer must not keep anybody out of the last one.
         enroll_ppm = 1000000, phase = greatest(x.phase, r.first_phase + (s.stage ->> 'phase_offset')::integer)
    from glow.rollouts r, lateral (select r.plan #> array['stages', begin_stage.stage::text]) s(stage)
   where x.experiment_id = begin_stage.experiment_id and r.experiment_id = x.experiment_id
$$;
COMMENT ON FUNCTION glow.begin_stage(experiment_id text, stage integer) IS 'Gives an experiment the shares and the phase of a stage. The salt stays: growing shares move units from control to treatment only.';
GRANT ALL ON FUNCTION glow.begin_stage(experiment_id text, stage integer) TO glow_pipeline;

CREATE FUNCTION glow.check_experiment() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  other glow.learning_experiments;
begin
  new.layer := coalesce(new.layer, new.kind);
  new.salt := coalesce(new.salt, new.experiment_id || '#' || new.phase);
  new.control_ppm := coalesce(new.control_ppm, 1000000 - new.treatment_ppm);
  if tg_op = 'UPDATE' then
    if old.state in ('completed', 'rolled_back', 'stopped') and new.state <> old.state then
      raise exception using errcode = 'PT409', message = format('experiment_id: %L is over (%s)', old.experiment_id, old.state),
        hint = 'an experiment that is not over; start a new one';
    elsif (new.agent, new.kind, new.design, new.control, new.treatment, new.control_config, new.treatment_config)
        is distinct from (old.agent, old.kind, old.design, old.control, old.treatment, old.control_config, old.treatment_config) then
      raise exception using errcode = 'PT409', message = format('experiment_id: the arms of %L never change', old.experiment_id),
        hint = 'a new experiment';
    elsif new.phase < old.phase or new.phase = old.phase
        and (new.layer, new.slot_from, new.slot_to, new.unit, new.hash, new.salt)
        is distinct from (old.layer, old.slot_from, old.slot_to, old.unit, old.hash, old.salt) then
      raise exception using errcode = 'PT409', message = format('experiment_id: %L cannot change who takes part within phase %s', old.experiment_id, old.phase),
        hint = 'a new phase: exposures of a phase stay as they are';
    end if;
  end if;
  if new.state not in ('running', 'paused', 'held', 'ramping') then return new; end if;
  if current_setting('transaction_isolation') = 'repeatable read' then
    raise exception using errcode = 'PT409', message = 'experiments cannot start or change in a repeatable read transaction',
      hint = 'read committed: what another session starts meanwhile must be seen';
  end if;
  -- One at a time per agent: who waits here sees what the other one started.
  perform from glow.agents a where a.agent = new.agent for no key update;
  select x.* into other from glow.learning_experiments x
   where x.agent = new.agent and x.active and x.experiment_id <> new.experiment_id
     and (x.kind = new.kind and x.layer <> new.layer
       or x.layer = new.layer and (x.slot_from < new.slot_to and new.slot_from < x.slot_to or (x.unit, x.hash) <> (new.unit, new.hash)))
   order by x.experiment_id limit 1;
  if other.experiment_id is null then return new; end if;
  raise exception using errcode = 'PT409',
    message = format('experiment_id: %L stands in the way of %L', other.experiment_id, new.experiment_id),
    hint = case when other.layer <> new.layer
      then format('layer %L, in which an experiment of this agent''s %s is running', other.layer, other.kind)
      when (other.unit, other.hash) <> (new.unit, new.hash)
      then format('units and hash of layer %L, which are %s and %s', other.layer, other.unit, other.hash)
      else format('slots of layer %L that are free; %s has %s to %s', other.layer, other.experiment_id, other.slot_from, other.slot_to) end;
end $$;
COMMENT ON FUNCTION glow.check_experiment() IS 'Keeps the units of experiments apart and what a phase promised; fills in layer, salt and the share of control.';
GRANT ALL ON FUNCTION glow.check_experiment() TO glow_pipeline;

CREATE FUNCTION glow.check_experiment_move() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if new.state <> old.state and new.state <> all (case old.state
       when 'running' then '{paused,held,ramping,stopped}'
       when 'paused' then '{running,held,ramping,stopped,rolled_back}'
       -- What is not valid goes on only with everybody drawn anew.
       when 'held' then case when new.phase > old.phase and new.salt <> old.salt then '{running,stopped,rolled_back}' else '{stopped,rolled_back}' end
       when 'ramping' then '{paused,held,completed,rolled_back}'
       else '{}' end::text[]) then
    perform glow.refuse_move('experiment_id', old.experiment_id, format('is %s and cannot become %s', old.state, new.state),
      'the functions of experiments and rollouts move only along legal ways; rollout_history tells what happened');
  end if;
  return new;
end $$;
COMMENT ON FUNCTION glow.check_experiment_move() IS 'Lets an experiment change its state along legal ways only.';
GRANT ALL ON FUNCTION glow.check_experiment_move() TO glow_pipeline;

CREATE FUNCTION glow.check_rollout() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  experiment glow.learning_experiments;
  rollout glow.rollouts;
begin
  select x.* into experiment from glow.learning_experiments x where x.experiment_id = new.experiment_id;
  select r.* into rollout from glow.rollouts r where r.experiment_id = new.experiment_id;
  if rollout.experiment_id is not null and experiment.state <> all (case rollout.state
       when 'pending' then '{paused}' when 'running' then '{ramping}' when 'paused' then '{paused,held}'
       -- The rollout of a change that is in force can still be taken back; what the experiment came to stays.
       when 'rolled_back' then '{rolled_back,completed}' else '{completed}' end::text[]) then
    perform glow.refuse_move('experiment_id', new.experiment_id,
      format('is %s while its rollout is %s', experiment.state, rollout.state), 'both moved in one transaction, by the functions of rollouts');
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow.check_rollout() IS 'Keeps an experiment and its rollout in states that belong together.';
REVOKE ALL ON FUNCTION glow.check_rollout() FROM PUBLIC;
GRANT ALL ON FUNCTION glow.check_rollout() TO glow_pipeline;

CREATE FUNCTION glow.check_rollout_move() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if (new.experiment_id, new.plan, new.first_phase, new.opened_at) is distinct from (old.experiment_id, old.plan, old.first_phase, old.opened_at)
     or new.revision <> old.revision + 1
     or new.state <> all (case old.state
          when 'pending' then '{running,rolled_back}'
          when 'running' then '{running,paused,rolled_back,completed}'
          when 'paused' then '{paused,running,rolled_back}'
          when 'completed' then '{rolled_back}' else '{}' end::text[])
     or new.stage <> old.stage and not (old.state = 'running' and new.state = 'running' and new.stage = old.stage + 1)
     or new.state = 'completed' and new.stage <> jsonb_array_length(new.plan -> 'stages') - 1 then
    perform glow.refuse_move('experiment_id', old.experiment_id,
      format('has a rollout that is %s at stage %s, which cannot become %s at stage %s', old.state, old.stage, new.state, new.stage),
      'one stage at a time, and only along legal ways; rollout_history tells what happened');
  end if;
  return new;
end $$;
COMMENT ON FUNCTION glow.check_rollout_move() IS 'Lets a rollout move along legal ways only, one stage at a time.';
GRANT ALL ON FUNCTION glow.check_rollout_move() TO glow_pipeline;

CREATE FUNCTION glow.claim(path text[]) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  value text;
begin
  begin
    value := nullif(current_setting('request.jwt.claims', true), '')::jsonb #>> path;
  exception when data_exception then
    value := null;
  end;
  if value is null then
    raise exception using errcode = 'PT401',
      message = format('request.jwt.claims: %s is missing', array_to_string(path, '.')),
      hint = 'a verified token with this claim; it is set by the gateway, inside the transaction';
  end if;
  return value;
end $$;
COMMENT ON FUNCTION glow.claim(path text[]) IS 'What the verified token says at a path; refuses a call without it.';
GRANT ALL ON FUNCTION glow.claim(path text[]) TO glow_pipeline;

CREATE FUNCTION glow.close_index(index_number integer, average_words double precision) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  entries text := glow.index_part('index_entries', index_number);
  terms text := glow.index_part('index_terms', index_number);
  postings text := glow.index_part('index_postings', index_number);
  parent text;
begin
  execute format('alter table %s add primary key (index_number, entry), add unique (index_number, chunk_id)', entries);
  execute format('alter table %s add primary key (index_number, term)', terms);
  execute format('alter table %s add primary key (index_number, term_number, weight, entry)', postings);
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    execute format('revoke all on %s from glow_pipeline', glow.index_part(parent, index_number));
    execute format('analyze %s', glow.index_part(parent, index_number));
  end loop;
  execute format(
    'update glow.retrieval_indexes i
        set (chunks, words, next_entry) = (select count(*), coalesce(sum(e.words), 0), coalesce(max(e.entry), 0) + 1 from %s e),
            next_term = (select coalesce(max(t.term_number), 0) + 1 from %s t),
            average_words = $2, state = ''ready'', built_at = clock_timestamp()
      where i.index_number = $1', entries, terms) using index_number, average_words;
  perform glow.index_vectors(index_number);
  -- A knowledge base comes all at once: without this the next look for changes was planned for the empty tables before it.
  analyze glow.live_chunks, glow.chunks;
  -- Last: two that hang their tables on the same parents wait for each other.
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    execute format('alter table glow.%I attach partition %s for values in (%s)', parent, glow.index_part(parent, index_number), index_number);
  end loop;
end $_$;
COMMENT ON FUNCTION glow.close_index(index_number integer, average_words double precision) IS 'Makes an index that was filled ready to be searched.';
REVOKE ALL ON FUNCTION glow.close_index(index_number integer, average_words double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.close_index(index_number integer, average_words double precision) TO glow_pipeline;

CREATE FUNCTION glow.complete_rollout(experiment_id text, expected integer, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(complete_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
begin
  if rollout.state = 'completed' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  if rollout.revision <> expected then return glow.moved(experiment.experiment_id, 'moved_before'); end if;
  if rollout.state <> 'running' or rollout.stage < jsonb_array_length(rollout.plan -> 'stages') - 1 then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s at stage %s', rollout.state, rollout.stage),
      'a rollout that is running in its last stage');
  end if;
  update glow.rollouts r
     set state = 'completed', ended_at = clock_timestamp(), revision = r.revision + 1, reason = left(complete_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  update glow.learning_experiments x
     set state = 'completed', decision = 'ship', reason = complete_rollout.reason, stopped_at = clock_timestamp()
   where x.experiment_id = experiment.experiment_id;
  perform glow.put_in_force(experiment.experiment_id, 'treatment', moved_by, left(complete_rollout.reason, 2000), 'move');
  return glow.note_move(experiment.experiment_id, 'rollout_completed', moved_by, complete_rollout.reason, evidence,
    format('%s: a new %s is in force for everybody', experiment.agent, experiment.kind));
end $$;
COMMENT ON FUNCTION glow.complete_rollout(experiment_id text, expected integer, moved_by text, reason text, evidence jsonb) IS 'Puts the treatment in force and ends the experiment.';
GRANT ALL ON FUNCTION glow.complete_rollout(experiment_id text, expected integer, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.config_version(config jsonb) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN encode(sha256(convert_to((config)::text, 'UTF8'::name)), 'hex'::text);
COMMENT ON FUNCTION glow.config_version(config jsonb) IS 'The name of settings: the hash of their JSON as the database writes it.';
GRANT ALL ON FUNCTION glow.config_version(config jsonb) TO glow_pipeline;

CREATE FUNCTION glow.control_draw(tenant text, execution_id text) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ((((('x'::text || encode(substr(sha256(convert_to((((('review-control-1'::text || chr(31)) || tenant) || chr(31)) || execution_id), 'UTF8'::name)), 1, 6), 'hex'::text)))::bit(48))::bigint)::numeric / 281474976710656.0);
GRANT ALL ON FUNCTION glow.control_draw(tenant text, execution_id text) TO glow_pipeline;

CREATE FUNCTION glow.count_executions(of_agent text, of_experiment text, of_phase integer, of_unit text, of_kind text, of_control text, of_treatment text, since timestamp with time zone, until timestamp with time zone, below xid8, maturation interval, seen timestamp with time zone, before boolean, latency_cap double precision, slow_above double precision, cost_cap double precision, score_key text, score_cap double precision) RETURNS TABLE(cluster_id text, side text, executions bigint, rated bigint, thumbs bigint, ups bigint, net bigint, ratings bigint, rating_sum bigint, low_ratings bigint, corrected bigint, latencies bigint, latency_sum bigint, slow bigint, costs bigint, cost_sum numeric, scores bigint, score_sum numeric, others bigint)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  with heard as materialized (
    select f.tenant, f.execution_id, count(*) as words, min(f.recorded_at) as first_at, max(f.recorded_at) as last_at,
           (count(f.thumbs) + count(f.rating) > 0)::integer as rated, count(f.thumbs)::integer as thumbs,
           count(*) filter (where f.thumbs = 1)::integer as ups, coalesce(sign(sum(f.thumbs)), 0)::integer as net,
           count(f.rating)::integer as ratings, coalesce(sum(f.rating), 0)::integer as rating_sum,
           count(*) filter (where f.rating <= 2)::integer as low_ratings, (count(f.correction) > 0)::integer as corrected
      from (select f.tenant, f.execution_id, f.recorded_at, case when f.superseded_by is null then f.thumbs end as thumbs,
                   case when f.superseded_by is null then f.rating end as rating,
                   case when f.superseded_by is null then f.correction end as correction
              from glow.agent_feedback f
             where f.agent = of_agent and f.recorded_at >= since - maturation) f
     group by f.tenant, f.execution_id
  ), exposed as materialized (
    select e.unit_id, e.cluster_id, e.variant, e.first_exposed_at,
           case e.variant when 'control' then of_treatment else of_control end as other,
           1::bigint << (hashtext(e.unit_id) & 63) as mark,
           -- Grouping by a number instead of two texts: a sixth of the whole.
           (dense_rank() over (order by e.cluster_id, e.variant))::integer as arm
      from glow.exposures e where e.experiment_id = of_experiment and e.phase = of_phase and not before
  ), counted as (
    select e.arm, case when before then k.key end as key, count(*) as executions,
           sum(h.rated) as rated, sum(h.thumbs) as thumbs, sum(h.ups) as ups, sum(h.net) as net, sum(h.ratings) as ratings,
           sum(h.rating_sum) as rating_sum, sum(h.low_ratings) as low_ratings, sum(h.corrected) as corrected,
           count(x.latency_ms) as latencies, sum(case when x.latency_ms > latency_cap::integer then latency_cap::integer else x.latency_ms::integer end) as latency_sum,
           count(*) filter (where x.latency_ms > slow_above) as slow, count(x.cost_usd) as costs,
           sum(case when x.cost_usd > cost_cap::numeric then cost_cap::numeric else x.cost_usd end) as cost_sum, count(v.score) as scores, sum(v.score) as score_sum,
           bit_or(e.mark) filter (
             where x.started_at >= e.first_exposed_at
               and case of_kind when 'prompt' then x.prompt_version when 'model' then x.model else x.metadata ->> of_kind end = e.other) as others
      from glow.executions x
     cross join lateral (select case x.tenant when 'default' then i.id else x.tenant || chr(31) || i.id end as key
       from (select case when of_unit = 'org' then x.metadata ->> 'org_id' when before or of_unit = 'user' then x.user_id
                         when of_unit = 'session' then x.conversation_id else x.execution_id end as id) i) k
      left join exposed e on e.unit_id = k.key and e.first_exposed_at <= x.recorded_at
      left join heard h
             on h.tenant = x.tenant and h.execution_id = x.execution_id
            and h.first_at >= x.recorded_at - maturation and h.last_at < least(x.recorded_at + maturation, seen)
     cross join lateral (
       select case when jsonb_typeof(x.metadata -> score_key) = 'number'
                   then round(least((x.metadata -> score_key)::numeric, score_cap::numeric), 12) end as score) v
     where x.agent = of_agent and x.recorded_at >= since and x.recorded_at < until and (below is null or x.xid < below)
       and (before and k.key is not null or e.unit_id is not null)
     group by 1, 2
  ), later as (
    select coalesce(e.cluster_id, k.key) as cluster_id, coalesce(e.variant, 'before') as side, sum(w.rated) as rated,
           sum(w.thumbs) as thumbs, sum(w.ups) as ups, sum(w.net) as net, sum(w.ratings) as ratings, sum(w.rating_sum) as rating_sum,
           sum(w.low_ratings) as low_ratings, sum(w.corrected) as corrected
      from heard h
      -- One by one by the primary key, whatever the planner expects of `words`.
     cross join lateral (
       select x.* from glow.executions x
        where x.tenant = h.tenant and x.execution_id = h.execution_id and x.agent = of_agent
          and x.recorded_at >= since and x.recorded_at < until and (below is null or x.xid < below)
          and not (h.first_at >= x.recorded_at - maturation and h.last_at < least(x.recorded_at + maturation, seen))
        limit 1) x
     cross join lateral (select case x.tenant when 'default' then i.id else x.tenant || chr(31) || i.id end as key
       from (select case when of_unit = 'org' then x.metadata ->> 'org_id' when before or of_unit = 'user' then x.user_id
                         when of_unit = 'session' then x.conversation_id else x.execution_id end as id) i) k
      left join exposed e on e.unit_id = k.key and e.first_exposed_at <= x.recorded_at
     cross join lateral glow.words_at(
       x.tenant, x.execution_id, of_agent, x.recorded_at - maturation, least(x.recorded_at + maturation, seen)) w
     where h.words > 1 and (before and k.key is not null or e.unit_id is not null)
     group by 1, 2
  )
  select coalesce(a.cluster_id, c.key), coalesce(a.variant, 'before'), c.executions, coalesce(c.rated, 0) + coalesce(l.rated, 0), coalesce(c.thumbs, 0) + coalesce(l.thumbs, 0),
         coalesce(c.ups, 0) + coalesce(l.ups, 0), coalesce(c.net, 0) + coalesce(l.net, 0), coalesce(c.ratings, 0) + coalesce(l.ratings, 0),
         coalesce(c.rating_sum, 0) + coalesce(l.rating_sum, 0), coalesce(c.low_ratings, 0) + coalesce(l.low_ratings, 0),
         coalesce(c.corrected, 0) + coalesce(l.corrected, 0), c.latencies, coalesce(c.latency_sum, 0), c.slow, c.costs,
         coalesce(c.cost_sum, 0), c.scores, coalesce(c.score_sum, 0), coalesce(c.others, 0)
    from counted c
    left join (select distinct on (arm) arm, cluster_id, variant from exposed) a on a.arm = c.arm
    left join later l on l.cluster_id = coalesce(a.cluster_id, c.key) and l.side = coalesce(a.variant, 'before')
$$;
COMMENT ON FUNCTION glow.count_executions(of_agent text, of_experiment text, of_phase integer, of_unit text, of_kind text, of_control text, of_treatment text, since timestamp with time zone, until timestamp with time zone, below xid8, maturation interval, seen timestamp with time zone, before boolean, latency_cap double precision, slow_above double precision, cost_cap double precision, score_key text, score_cap double precision) IS 'Sums by cluster and arm of the executions recorded from `since` until `until` that follow an exposure; with `before`, of all users. `others`: a bit for each unit that carries the version of the other arm (for one of 64 hashes of it).';
GRANT ALL ON FUNCTION glow.count_executions(of_agent text, of_experiment text, of_phase integer, of_unit text, of_kind text, of_control text, of_treatment text, since timestamp with time zone, until timestamp with time zone, below xid8, maturation interval, seen timestamp with time zone, before boolean, latency_cap double precision, slow_above double precision, cost_cap double precision, score_key text, score_cap double precision) TO glow_pipeline;

CREATE FUNCTION glow.count_terms(index_number integer, terms text[], chunks integer[]) RETURNS TABLE(term text, term_number integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare
  part text := glow.index_part('index_terms', index_number);
  next integer;
  fresh integer;
begin
  select i.next_term into next from glow.retrieval_indexes i where i.index_number = count_terms.index_number for update;
  execute format(
    'insert into %s (index_number, term, term_number, chunks)
     select $1, x.term, $2 + row_number() over (order by x.term) - 1, 0 from unnest($3) x(term)
      where not exists (select from %1$s t where t.index_number = $1 and t.term = x.term)', part)
    using index_number, next, terms;
  get diagnostics fresh = row_count;
  update glow.retrieval_indexes i set next_term = next + fresh where i.index_number = count_terms.index_number;
  return query execute format(
    'update %s t set chunks = t.chunks + x.chunks from unnest($2, $3) x(term, chunks)
      where t.index_number = $1 and t.term = x.term returning t.term, t.term_number', part)
    using index_number, terms, chunks;
end $_$;
COMMENT ON FUNCTION glow.count_terms(index_number integer, terms text[], chunks integer[]) IS 'Counts terms of new chunks, gives new terms their numbers, and answers the numbers of all of them.';
REVOKE ALL ON FUNCTION glow.count_terms(index_number integer, terms text[], chunks integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.count_terms(index_number integer, terms text[], chunks integer[]) TO glow_pipeline;

CREATE FUNCTION glow.document_hash(title text, body text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN encode(sha256(convert_to((((length(title) || ':'::text) || title) || body), 'UTF8'::name)), 'hex'::text);
COMMENT ON FUNCTION glow.document_hash(title text, body text) IS 'The address of a version of a document. The length keeps title and body apart.';
GRANT ALL ON FUNCTION glow.document_hash(title text, body text) TO glow_pipeline;

CREATE FUNCTION glow.drop_entries(index_number integer, chunk_ids text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  gone integer[];
  numbers integer[];
  weights real[];
  entries integer[];
begin
  -- An entry knows the weights of its terms, and so the keys of its postings.
  execute format(
    'with gone as (
       delete from %s e where e.index_number = $1 and e.chunk_id = any($2) returning e.entry, e.lexical
     ), held as (
       select g.entry, split_part(x.pair, '':'', 1)::integer as term_number, split_part(x.pair, '':'', 2)::real as weight
         from gone g, string_to_table(trim(split_part(g.lexical::text, ''/'', 1), ''{}''), '','') x(pair) where x.pair <> ''''
     )
     select (select array_agg(g.entry) from gone g), array_agg(h.term_number), array_agg(h.weight), array_agg(h.entry) from held h',
    glow.index_part('index_entries', index_number))
    into gone, numbers, weights, entries using index_number, chunk_ids;
  perform set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);
  execute format(
    'delete from %s p using unnest($2, $3, $4) h(term_number, weight, entry)
      where p.index_number = $1 and p.term_number = h.term_number and p.weight = h.weight and p.entry = h.entry',
    glow.index_part('index_postings', index_number)) using index_number, numbers, weights, entries;
  perform set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true);
  execute format(
    'update %s t set chunks = t.chunks - n.chunks
       from (select h.term_number, count(*) as chunks from unnest($2) h(term_number) group by 1) n
      where t.index_number = $1 and t.term_number = n.term_number', glow.index_part('index_terms', index_number))
    using index_number, numbers;
  return coalesce(cardinality(gone), 0);
end $_$;
COMMENT ON FUNCTION glow.drop_entries(index_number integer, chunk_ids text[]) IS 'Takes chunks out of an index with their postings; answers how many there were.';
REVOKE ALL ON FUNCTION glow.drop_entries(index_number integer, chunk_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.drop_entries(index_number integer, chunk_ids text[]) TO glow_pipeline;

CREATE FUNCTION glow.drop_index(index_number integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  parent text;
begin
  perform from glow.retrieval_indexes i where i.index_number = drop_index.index_number and i.state = 'retired' for update;
  if not found then return false; end if;
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    execute format('drop table if exists %s', glow.index_part(parent, index_number));
  end loop;
  perform glow.drop_searchers(index_number);
  return true;
end $$;
COMMENT ON FUNCTION glow.drop_index(index_number integer) IS 'Removes the tables of a retired index; its row stays.';
REVOKE ALL ON FUNCTION glow.drop_index(index_number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.drop_index(index_number integer) TO glow_pipeline;

CREATE FUNCTION glow.drop_partitions(parent regclass, before timestamp with time zone) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  old record;
begin
  lock table glow.partition_upkeep in exclusive mode;
  for old in
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = parent and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
       and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= before at time zone 'UTC'
     order by c.relname
  loop
    execute format('drop table glow.%I', old.name);
    return next old.name;
  end loop;
end $_$;
COMMENT ON FUNCTION glow.drop_partitions(parent regclass, before timestamp with time zone) IS 'Drops the partitions that end before an instant; returns their names.';
REVOKE ALL ON FUNCTION glow.drop_partitions(parent regclass, before timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.drop_partitions(parent regclass, before timestamp with time zone) TO glow_pipeline;

CREATE FUNCTION glow.drop_searchers(index_number integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format('drop function if exists glow.%I, glow.%I', 'search_index_' || index_number, 'search_index_' || index_number || '_learned');
end $$;
COMMENT ON FUNCTION glow.drop_searchers(index_number integer) IS 'Removes what make_searchers made.';
REVOKE ALL ON FUNCTION glow.drop_searchers(index_number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.drop_searchers(index_number integer) TO glow_pipeline;

CREATE FUNCTION glow.ensure_partitions(months_ahead integer DEFAULT 3) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  parent record;
  month timestamptz;
  home text;
begin
  lock table glow.partition_upkeep in exclusive mode;
  for parent in select * from glow.partitioned_tables() order by name loop
    if to_regclass(format('glow.%I', parent.name || '_default')) is null then
      execute format('create table glow.%I partition of %s default', parent.name || '_default', parent.relation);
      return next parent.name || '_default';
    end if;
    for month in execute format(
      'select glow.month_of(clock_timestamp()) + make_interval(months => n) from generate_series(0, $1) n
       union select distinct glow.month_of(recorded_at) from glow.%I order by 1', parent.name || '_default')
      using months_ahead
    loop
      home := glow.partition_name(parent.relation, month);
      continue when to_regclass(format('glow.%I', home)) is not null;
      -- A row of this month that is on its way into the default partition would be refused there once the month is
      -- attached. Nobody writes into months to come.
      if month <= clock_timestamp() then
        execute format('lock table %s in share row exclusive mode', parent.relation);
      end if;
      -- Attached and not created in place: that would lock out every writer of the parent.
      execute format('create table glow.%I (like %s including defaults including constraints including indexes)', home, parent.relation);
      execute format('with moved as (delete from glow.%I where recorded_at >= $1 and recorded_at < $2 returning *)
                      insert into glow.%I select * from moved', parent.name || '_default', home)
        using month, month + interval '1 month';
      execute format('alter table %s attach partition glow.%I for values from (%L) to (%L)',
                     parent.relation, home, month, month + interval '1 month');
      return next home;
    end loop;
  end loop;
end $_$;
COMMENT ON FUNCTION glow.ensure_partitions(months_ahead integer) IS 'Makes the partitions of this month and the next ones; returns the new ones.';
REVOKE ALL ON FUNCTION glow.ensure_partitions(months_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.ensure_partitions(months_ahead integer) TO glow_pipeline;

CREATE FUNCTION glow.equip_index() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  perform glow.make_searchers(new.index_number, new.dimensions);
  return null;
end $$;
COMMENT ON FUNCTION glow.equip_index() IS 'Makes the functions of an index that has come ready.';
GRANT ALL ON FUNCTION glow.equip_index() TO glow_pipeline;

CREATE FUNCTION glow.exp_bucket(salt text, purpose text, unit_id text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (((((('x'::text || "left"(encode(sha256(convert_to((((((('pg1'::text || chr(31)) || salt) || chr(31)) || purpose) || chr(31)) || unit_id), 'UTF8'::name)), 'hex'::text), 10)))::bit(40))::bigint * 1000000) >> 40))::integer;
GRANT ALL ON FUNCTION glow.exp_bucket(salt text, purpose text, unit_id text) TO glow_pipeline;

CREATE FUNCTION glow.experiment_traffic(of_agent text, of_metric text, of_unit text, of_since timestamp with time zone, of_until timestamp with time zone, of_middle timestamp with time zone, of_slow_above double precision, of_cap double precision, of_score_key text) RETURNS TABLE(people bigint, executions_per_user double precision, sessions_per_user double precision, rated_per_user double precision, rated_deviation double precision, ratio double precision, raters bigint, "values" double precision, squared_counts double precision, between_people double precision, within_people double precision, pre_post_correlation double precision)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  with heard as (
    select f.tenant, f.execution_id, count(f.thumbs) as thumbs, count(*) filter (where f.thumbs = 1) as ups, sign(sum(f.thumbs)) as net,
           count(f.rating) as ratings, sum(f.rating) as rating_sum, sum(f.rating * f.rating) as rating_squares,
           count(*) filter (where f.rating <= 2) as low_ratings, (count(f.correction) > 0)::integer as corrected
      from glow.agent_feedback f
     where f.agent = of_agent and f.recorded_at >= of_since and f.superseded_by is null
     group by f.tenant, f.execution_id
  ), single as (
    select x.tenant, case of_unit when 'org' then x.metadata ->> 'org_id' else x.user_id end as person, x.conversation_id,
           x.recorded_at >= of_middle as later,
           case of_metric
             when 'thumbs_up_rate' then h.ups when 'mean_rating' then h.rating_sum when 'low_rating_rate' then h.low_ratings
             when 'correction_rate' then coalesce(h.corrected, 0) when 'net_score' then coalesce(h.net, 0)
             when 'feedback_rate' then (h.thumbs + h.ratings > 0)::integer
             when 'latency_slo' then (x.latency_ms > of_slow_above)::integer
             when 'latency_mean' then case when x.latency_ms > of_cap::numeric then of_cap::numeric else x.latency_ms end
             when 'cost_mean' then case when x.cost_usd > of_cap::numeric then of_cap::numeric else x.cost_usd end
             when 'score' then case when jsonb_typeof(x.metadata -> of_score_key) = 'number'
                                    then round(least((x.metadata -> of_score_key)::numeric, of_cap::numeric), 12) end end::numeric as s,
           case of_metric
             when 'thumbs_up_rate' then h.thumbs when 'mean_rating' then h.ratings when 'low_rating_rate' then h.ratings
             when 'latency_slo' then (x.latency_ms is not null)::integer when 'latency_mean' then (x.latency_ms is not null)::integer
             when 'cost_mean' then (x.cost_usd is not null)::integer
             when 'score' then (jsonb_typeof(x.metadata -> of_score_key) is not distinct from 'number')::integer
             else 1 end::bigint as n,
           h.rating_squares
      from glow.executions x left join heard h using (tenant, execution_id)
     where x.agent = of_agent and x.recorded_at >= of_since and x.recorded_at < of_until
  ), sessions as (
    select tenant, person, conversation_id, count(*) as executions, coalesce(sum(s), 0) as s, coalesce(sum(n), 0) as n,
           coalesce(sum(case of_metric when 'mean_rating' then rating_squares
                                              when 'thumbs_up_rate' then s when 'low_rating_rate' then s else s * s end), 0) as q,
           coalesce(sum(s) filter (where later), 0) as s2, coalesce(sum(n) filter (where later), 0) as n2
      from single where person is not null group by tenant, person, conversation_id
  ), people as (
    select sum(executions) as executions, count(conversation_id) as sessions, sum(s) as s, sum(n) as n, sum(q) as q,
           sum(s2) as s2, sum(n2) as n2
      from sessions group by tenant, person
  ), whole as (
    select sum(s) / nullif(sum(n), 0) as ratio from people
  )
  select count(*) as people, avg(executions)::float8 as executions_per_user, avg(sessions)::float8 as sessions_per_user,
         avg(n)::float8 as rated_per_user, coalesce(stddev_pop(n), 0)::float8 as rated_deviation, min(w.ratio)::float8 as ratio,
         count(*) filter (where n > 0) as raters, coalesce(sum(n), 0)::float8 as values, sum(n * n)::float8 as squared_counts,
         sum(n * (s / nullif(n, 0) - w.ratio) ^ 2)::float8 as between_people, sum(q - s * s / nullif(n, 0))::float8 as within_people,
         corr(((s - s2) - w.ratio * (n - n2))::float8, (s2 - w.ratio * n2)::float8) filter (where n2 > 0) as pre_post_correlation
    from people cross join whole w
$$;
COMMENT ON FUNCTION glow.experiment_traffic(of_agent text, of_metric text, of_unit text, of_since timestamp with time zone, of_until timestamp with time zone, of_middle timestamp with time zone, of_slow_above double precision, of_cap double precision, of_score_key text) IS 'How people use an agent and how alike their values of a metric are: per person executions, sessions and values, the ratio of the metric, sums of squares between and within people, and how a person''s later half follows the earlier one.';
GRANT ALL ON FUNCTION glow.experiment_traffic(of_agent text, of_metric text, of_unit text, of_since timestamp with time zone, of_until timestamp with time zone, of_middle timestamp with time zone, of_slow_above double precision, of_cap double precision, of_score_key text) TO glow_pipeline;

CREATE FUNCTION glow.expire(before timestamp with time zone) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  runs timestamptz := glow.retention_cutoff('executions', before);
  votes timestamptz := glow.retention_cutoff('agent_feedback', before);
begin
  perform set_config('glow.tenant', '*', true);
  perform glow.ensure_partitions();
  delete from glow.heard_inputs where oldest < greatest(runs, votes);
  delete from glow.current_feedback where recorded_at < votes;
  delete from glow.feedback_keys where recorded_at < votes;
  delete from glow.retrieval_keys where recorded_at < glow.retention_cutoff('retrieval_events', before);
  delete from glow.retrieval_signals where oldest < glow.retention_cutoff('retrieval_events', before);
  -- Also of those whose key stays: they are heard no more, and each would be looked at whenever its question is learned.
  delete from glow.execution_inputs where recorded_at < runs;
  update glow.execution_keys k set expired_at = clock_timestamp()
   where recorded_at < runs and expired_at is null
     and (exists (select from glow.expert_annotations a where a.tenant = k.tenant and a.execution_id = k.execution_id)
       or exists (select from glow.comparisons c where c.tenant = k.tenant and c.execution_id = k.execution_id)
       or exists (select from glow.current_feedback c where c.tenant = k.tenant and c.execution_id = k.execution_id)
       or exists (select from glow.source_spans s
                   where s.kind = 'execution' and s.source_id = glow.qualified(k.tenant, k.execution_id)));
  delete from glow.execution_keys where recorded_at < runs and expired_at is null;
  -- Who saw what in an experiment that was over before the oldest execution tells nothing any more, but who was there.
  delete from glow.exposures x using glow.learning_experiments e
   where e.experiment_id = x.experiment_id and e.stopped_at < runs;
  with ended as (
    delete from glow.experiment_folds f using glow.learning_experiments e
     where e.experiment_id = f.experiment_id and e.stopped_at < runs
    returning f.fold_id)
  delete from glow.experiment_sums s using ended where s.fold_id = ended.fold_id;
  -- Last, because it locks out everybody until the end of the transaction.
  return query select glow.drop_partitions(t.relation, glow.retention_cutoff(t.name::text, before))
                 from glow.partitioned_tables() t order by t.name;
end $$;
COMMENT ON FUNCTION glow.expire(before timestamp with time zone) IS 'Retention: removes executions, feedback and searches recorded in months that ended before an instant. What was learned from them stays.';
REVOKE ALL ON FUNCTION glow.expire(before timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.expire(before timestamp with time zone) TO glow_pipeline;

CREATE FUNCTION glow.extend_experiment(experiment_id text, until_day integer, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
  planned double precision := (experiment.plan ->> 'planned_days')::double precision;
  most double precision := (experiment.plan ->> 'maximum_days')::double precision;
  ends timestamptz := coalesce(experiment.planned_end, experiment.begun_at + planned * interval '1 day');
  -- To the second: planned_end is written by clocks that round differently.
  now_until double precision := round(extract(epoch from ends - experiment.begun_at)) / 86400;
begin
  if experiment.state not in ('running', 'paused') then
    perform glow.refuse_move('experiment_id', experiment_id, format('is %s', experiment.state), 'an experiment that is running or paused');
  elsif planned is null or most is null then
    perform glow.refuse_move('experiment_id', experiment_id, 'has a plan without planned_days or maximum_days', 'an experiment that was planned');
  end if;
  until_day := coalesce(until_day, least(floor(now_until + planned), floor(most))::integer);
  if until_day > most then
    perform glow.refuse_move('until_day', until_day::text, format('is more than the plan bought: %s days', most),
      format('a day up to %s. More looks than planned for would find a winner where there is none: stop_experiment, and plan a longer one', floor(most)));
  elsif until_day <= now_until and until_day = floor(most) then
    perform glow.refuse_move('until_day', until_day::text, 'is the last day the plan bought', 'stop_experiment, and a new experiment for new data');
  elsif until_day = now_until then
    return glow.moved(experiment_id, 'unchanged');
  elsif until_day < now_until then
    perform glow.refuse_move('until_day', until_day::text, format('is before day %s, to which it runs', now_until),
      format('a day from %s to %s; stop_experiment ends it now', floor(now_until) + 1, floor(most)), 'PT422');
  end if;
  update glow.learning_experiments x
     set planned_end = x.begun_at + until_day * interval '1 day', reason = extend_experiment.reason
   where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_extended', moved_by, reason, evidence,
                        format('The experiment %s of %s runs to day %s', experiment_id, experiment.agent, until_day));
end $$;
COMMENT ON FUNCTION glow.extend_experiment(experiment_id text, until_day integer, moved_by text, reason text, evidence jsonb) IS 'Lets an experiment run to a day (null: the planned days once more), up to the maximum of its plan: extensions are bought in advance.';
GRANT ALL ON FUNCTION glow.extend_experiment(experiment_id text, until_day integer, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.fnv32a(value text) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  hash bigint := 2166136261;
  point integer;
  letter text;
begin
  foreach letter in array string_to_array(value, null) loop
    point := ascii(letter);
    if point > 65535 then
      hash := ((hash # (55296 + ((point - 65536) >> 10))) * 16777619) & 4294967295;
      point := 56320 + ((point - 65536) & 1023);
    end if;
    hash := ((hash # point) * 16777619) & 4294967295;
  end loop;
  return hash;
end $$;
COMMENT ON FUNCTION glow.fnv32a(value text) IS 'FNV-1a (Fowler, Noll, Vo) of a text as UTF-16, unsigned.';
GRANT ALL ON FUNCTION glow.fnv32a(value text) TO glow_pipeline;

CREATE FUNCTION glow.fold_retrieval_signals(of_agent text, since xid8, until xid8, OUT visits bigint, OUT searches bigint) RETURNS record
    LANGUAGE sql
    AS $$
  with news as materialized (
    select e.tenant, e.query, e.event_id, e.recorded_at, e.user_id, e.conversation_id, e.occurred_at
      from glow.retrieval_events e where e.agent = of_agent and e.xid >= since and e.xid < until
    union all
    select e.tenant, e.query, e.event_id, e.recorded_at, e.user_id, e.conversation_id, e.occurred_at
      from (select f.tenant, f.execution_id from glow.agent_feedback f
             where f.agent = of_agent and f.xid >= since and f.xid < until
            union
            select a.tenant, a.execution_id from glow.expert_annotations a
             where a.agent = of_agent and a.xid >= since and a.xid < until) x
     cross join lateral (
       select r.* from glow.retrieval_events r
        where r.tenant = x.tenant and r.execution_id = x.execution_id and r.agent = of_agent offset 0) e
  ), hashed as materialized (
    select n.*, sha256(convert_to(n.query, 'UTF8')) as query_hash from news n
  ), met as (
    insert into glow.retrieval_queries (agent, query, query_hash)
    select of_agent, n.query, n.query_hash
      from (select distinct on (h.query_hash) h.* from hashed h order by h.query_hash, h.occurred_at, h.tenant, h.event_id) n
     order by n.occurred_at, n.tenant, n.event_id
    on conflict do nothing
    returning query_number, query_hash
  ), numbered as materialized (
    select query_number, query_hash from met
    union all
    select q.query_number, q.query_hash
      from (select distinct query_hash from hashed) n
     cross join lateral (
       select q.query_number, q.query_hash from glow.retrieval_queries q
        where q.agent = of_agent and q.query_hash = n.query_hash limit 1) q
  ), fresh as materialized (
    select distinct q.query_number,
           case when h.user_id is not null then case h.tenant when 'default' then h.user_id else h.tenant || chr(31) || h.user_id end
                when h.conversation_id is not null
                then chr(31) || case h.tenant when 'default' then h.conversation_id else h.tenant || chr(31) || h.conversation_id end
                else '' end collate "C" as person,
           floor(extract(epoch from h.occurred_at) / 86400)::integer as day, h.tenant, h.event_id, h.recorded_at
      from hashed h join numbered q using (query_hash)
  ), touched as materialized (
    select f.query_number, f.person, f.day, f.tenant, f.event_id, f.recorded_at from fresh f
    union
    select v.query_number, v.person, v.day, k.tenant, k.event_id, k.recorded_at
      from (select distinct query_number, person, day from fresh) v
     cross join lateral (
       select s.event_ids from glow.retrieval_signals s
        where s.agent = of_agent and s.query_number = v.query_number and s.person = v.person and s.day = v.day limit 1) s
     cross join lateral (
       select split_part(u.id, chr(31), 1) as first, split_part(u.id, chr(31), 2) as second from unnest(s.event_ids) u(id)) n
     cross join lateral (
       select k.tenant, k.event_id, k.recorded_at from glow.retrieval_keys k
        where k.tenant = case n.second when '' then 'default' else n.first end
          and k.event_id = case n.second when '' then n.first else n.second end limit 1) k
  ), asked as materialized (
    select v.query_number, v.person, v.day, v.recorded_at, v.tenant, v.event_id,
           case v.tenant when 'default' then v.event_id else v.tenant || chr(31) || v.event_id end collate "C" as id, e.occurred_at, coalesce(w.vote, 0) as vote, coalesce(w.blames, false) as blames, coalesce(a.approved, false) as approved
      from touched v
     cross join lateral (
       select e.* from glow.retrieval_events e
        where e.tenant = v.tenant and e.event_id = v.event_id and e.recorded_at = v.recorded_at limit 1) e
      -- The person's own current words on the answer; of a search of nobody, those of whoever spoke.
      left join lateral (
        select sign(sum(s.said)) as vote, bool_or(s.said < 0 and s.blames) as blames
          from (
            select coalesce(f.thumbs, case when f.rating >= 4 then 1 when f.rating <= 2 then -1 when f.rating = 3 then 0 end,
                            case when f.issues && '{wrong_source,irrelevant}' then -1 end) as said,
                   f.issues && '{wrong_source,irrelevant}' as blames
              from glow.current_feedback c
             cross join lateral (
               select f.thumbs, f.rating, f.issues from glow.agent_feedback f
                where f.feedback_id = c.feedback_id and f.recorded_at = c.recorded_at and f.superseded_by is null limit 1) f
             where c.tenant = e.tenant and c.execution_id = e.execution_id and c.agent = of_agent and not c.withdrawn
               and (e.user_id is null or c.user_id = e.user_id)) s) w on e.execution_id is not null
      left join lateral (
        select coalesce(bool_or(x.verdict = 'approve') filter (where x.role = 'adjudication'),
                        bool_and(x.verdict = 'approve')) as approved
          from glow.expert_annotations x
         where x.tenant = e.tenant and x.execution_id = e.execution_id and x.agent = of_agent
           and x.superseded_by is null and not x.gold) a on e.execution_id is not null
  ), shown as (
    select a.query_number, a.person, a.day, a.occurred_at, a.id, h.chunk_id, h.explicit, h.expert, g.credit, g.looks
      from asked a
     cross join lateral (
       select h.*, (count(*) filter (where h.cited) over ())::double precision as cites
         from glow.retrieval_hits h
        where h.tenant = a.tenant and h.event_id = a.event_id and h.recorded_at = a.recorded_at offset 0) h
     cross join lateral (
       select greatest(h.propensity, 0.1) as looks,
              case when h.clicked or h.kept then 1.0 when h.cited then 0.5 else 0.0 end::double precision as credit) d
     cross join lateral (
       select case when not h.cited then d.credit when a.approved then 1.0 when a.vote < 0 and a.blames then 0.0
                   when a.vote > 0 then least(1.0, d.credit + 1 / h.cites) else d.credit end as credit,
              case when not h.cited then d.looks when a.approved then 1.0
                   when a.vote > 0 or a.vote < 0 and a.blames then least(1.0, d.looks + 1 / h.cites) else d.looks end as looks) g
     where h.shown or h.cited or h.clicked or h.kept or h.explicit <> 0
  ), said as (
    select s.query_number, s.person, s.day, s.chunk_id, avg(s.credit) as credit, avg(s.looks) as looks,
           (array_agg(s.explicit * case when s.expert then 2 else 1 end order by s.expert desc, s.occurred_at desc, s.id desc)
              filter (where s.explicit <> 0))[1] as judged
      from shown s group by s.query_number, s.person, s.day, s.chunk_id
  ), lists as (
    select s.query_number, s.person, s.day, array_agg(s.chunk_id::text order by s.chunk_id) as chunk_ids,
           array_agg(case when s.judged is null then s.credit when s.judged > 0 then 1 else 0 end order by s.chunk_id) as credits,
           array_agg(case when s.judged is null then s.looks else 1 end order by s.chunk_id) as looks,
           array_agg(coalesce(s.judged, 0)::smallint order by s.chunk_id) as explicit
      from said s group by s.query_number, s.person, s.day
  ), ids as (
    select a.query_number, a.person, a.day, array_agg(a.id order by a.id) as event_ids, min(a.recorded_at) as oldest
      from asked a group by a.query_number, a.person, a.day
  ), written as (
    insert into glow.retrieval_signals as s (
      agent, query_number, person, day, event_ids, chunk_ids, credits, looks, explicit, oldest)
    select of_agent, i.query_number, i.person, i.day, i.event_ids, coalesce(l.chunk_ids, '{}'), coalesce(l.credits, '{}'),
           coalesce(l.looks, '{}'), coalesce(l.explicit, '{}'), i.oldest
      from ids i left join lists l using (query_number, person, day)
     order by i.query_number, i.person, i.day
    on conflict (agent, query_number, person, day) do update
       set event_ids = excluded.event_ids, chunk_ids = excluded.chunk_ids, credits = excluded.credits, looks = excluded.looks,
           explicit = excluded.explicit, oldest = excluded.oldest
    returning cardinality(s.event_ids) as n
  )
  select count(*), coalesce(sum(w.n), 0)::bigint from written w
$$;
COMMENT ON FUNCTION glow.fold_retrieval_signals(of_agent text, since xid8, until xid8, OUT visits bigint, OUT searches bigint) IS 'Makes anew the signals of every visit that has news from transaction `since` up to `until`; answers how many visits, of how many searches.';
GRANT ALL ON FUNCTION glow.fold_retrieval_signals(of_agent text, since xid8, until xid8, OUT visits bigint, OUT searches bigint) TO glow_pipeline;

CREATE FUNCTION glow.forget_calls(before interval) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  gone bigint;
begin
  delete from glow.call_samples where called_at < clock_timestamp() - greatest(before, interval '2 minutes');
  get diagnostics gone = row_count;
  return gone;
end $$;
COMMENT ON FUNCTION glow.forget_calls(before interval) IS 'Deletes samples of calls that no limit looks at any more.';
REVOKE ALL ON FUNCTION glow.forget_calls(before interval) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.forget_calls(before interval) TO glow_pipeline;

CREATE FUNCTION glow.forget_question() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  delete from glow.retrieval_questions q
   where q.configuration = old.configuration and md5(q.query) = md5(old.query)
     and not exists (select from glow.retrieval_memory m where m.configuration = old.configuration and md5(m.query) = md5(old.query));
  return null;
end $$;
COMMENT ON FUNCTION glow.forget_question() IS 'Takes a question out with its last row of memory.';
GRANT ALL ON FUNCTION glow.forget_question() TO glow_pipeline;

CREATE FUNCTION glow.gb_hash(seed text, value text, version integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE version WHEN 1 THEN (((glow.fnv32a((value || seed)) % (1000)::bigint))::double precision / (1000.0)::double precision) WHEN 2 THEN (((glow.fnv32a((glow.fnv32a((seed || value)))::text) % (10000)::bigint))::double precision / (10000.0)::double precision) ELSE NULL::double precision END;
COMMENT ON FUNCTION glow.gb_hash(seed text, value text, version integer) IS 'The hash of GrowthBook''s SDKs, versions 1 and 2, from 0 to below 1; null for another version.';
GRANT ALL ON FUNCTION glow.gb_hash(seed text, value text, version integer) TO glow_pipeline;

CREATE FUNCTION glow.hold_experiment(experiment_id text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
  rollout glow.rollouts := glow.locked_rollout(experiment_id);
begin
  if experiment.state = 'held' then
    return glow.moved(experiment_id, 'unchanged');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, format('has ended (%s)', experiment.state), 'an experiment that is running');
  elsif rollout.state = 'pending' then
    perform glow.refuse_move('experiment_id', experiment_id, 'has a rollout that awaits approval', 'roll_back, which ends both');
  end if;
  if rollout.state = 'running' then
    update glow.rollouts r
       set state = 'paused', paused_at = clock_timestamp(), reason = hold_experiment.reason, revision = r.revision + 1
     where r.experiment_id = rollout.experiment_id;
  end if;
  update glow.learning_experiments x set state = 'held', reason = hold_experiment.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_held', moved_by, reason, evidence,
                        format('The experiment %s of %s is held: its numbers are not valid', experiment_id, experiment.agent));
end $$;
COMMENT ON FUNCTION glow.hold_experiment(experiment_id text, moved_by text, reason text, evidence jsonb) IS 'As paused, and it can neither ship nor go on: the units did not fall on the arms as planned.';
GRANT ALL ON FUNCTION glow.hold_experiment(experiment_id text, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.in_force(agent text, kind text) RETURNS text
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  version text;
begin
  if kind = 'prompt' then
    select a.prompt_version into version from glow.prompt_aliases a
     where a.agent = in_force.agent and a.alias = 'production' for share;
  elsif kind = 'retrieval' then
    select a.configuration into version from glow.retrieval_aliases a
     where a.agent = in_force.agent and a.alias = 'production' for share;
  else
    select a.version into version from glow.agent_configs a
     where a.agent = in_force.agent and a.kind = in_force.kind and a.alias = 'production' for share;
  end if;
  return version;
end $$;
COMMENT ON FUNCTION glow.in_force(agent text, kind text) IS 'The version of a kind that an agent uses now, held until commit; null where nothing is decided here.';
GRANT ALL ON FUNCTION glow.in_force(agent text, kind text) TO glow_pipeline;

CREATE FUNCTION glow.in_namespace(namespace text, value text, low double precision, high double precision) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ((glow.gb_hash(('__'::text || namespace), value, 1) >= low) AND (glow.gb_hash(('__'::text || namespace), value, 1) < high));
COMMENT ON FUNCTION glow.in_namespace(namespace text, value text, low double precision, high double precision) IS 'Whether GrowthBook''s SDKs have a unit in a part of a namespace.';
GRANT ALL ON FUNCTION glow.in_namespace(namespace text, value text, low double precision, high double precision) TO glow_pipeline;

CREATE FUNCTION glow.index_gaps(index_number integer) RETURNS TABLE(missing bigint, stray bigint, unembedded bigint, entries bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  return query execute format(
    'select count(*) filter (where e.chunk_id is null), count(*) filter (where l.chunk_id is null),
            count(*) filter (where e.chunk_id is not null and e.embedding is null), count(e.chunk_id)
       from (select l.chunk_id from glow.live_chunks l join glow.retrieval_indexes i using (agent, chunking)
              where i.index_number = $1) l
       full join %s e on e.chunk_id = l.chunk_id', glow.index_part('index_entries', index_number))
    using index_number;
end $_$;
COMMENT ON FUNCTION glow.index_gaps(index_number integer) IS 'Live chunks that are not in a ready index, entries that are no live chunk, entries without an embedding, and all entries. Twice in it a chunk cannot be.';
REVOKE ALL ON FUNCTION glow.index_gaps(index_number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.index_gaps(index_number integer) TO glow_pipeline;

CREATE FUNCTION glow.index_part(parent text, index_number integer) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN format('glow.%I'::text, ((parent || '_'::text) || index_number));
COMMENT ON FUNCTION glow.index_part(parent text, index_number integer) IS 'The table of an index: of the parent index_entries, index_terms or index_postings.';
GRANT ALL ON FUNCTION glow.index_part(parent text, index_number integer) TO glow_pipeline;

CREATE FUNCTION glow.index_vectors(index_number integer, graph_from integer DEFAULT 10000) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  known glow.retrieval_indexes;
  entries text := glow.index_part('index_entries', index_number);
  kind text;
begin
  select i.* into known from glow.retrieval_indexes i where i.index_number = index_vectors.index_number;
  if known.chunks < graph_from or known.dimensions > 4000 or to_regclass(entries || '_near') is not null then return false; end if;
  kind := case when known.dimensions <= 2000 then 'vector' else 'halfvec' end;
  -- A graph that does not fit is built ten times slower. Some 2 kB for each entry beside its vector; at most 2 GB.
  perform set_config('maintenance_work_mem',
    least(2000000, greatest(65536, known.chunks * (2 + known.dimensions / 256.0)))::integer || 'kB', true);
  execute format('create index %I on %s using hnsw ((embedding::public.%I(%s)) public.%I)',
                 'index_entries_' || index_number || '_near', entries, kind, known.dimensions, kind || '_cosine_ops');
  return true;
end $$;
COMMENT ON FUNCTION glow.index_vectors(index_number integer, graph_from integer) IS 'Gives an index that has grown large its HNSW graph. Answers whether it was made now.';
REVOKE ALL ON FUNCTION glow.index_vectors(index_number integer, graph_from integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.index_vectors(index_number integer, graph_from integer) TO glow_pipeline;

CREATE FUNCTION glow.input_key(value text) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN sha256(convert_to(glow.answer_key("left"(value, 4000)), 'UTF8'::name));
GRANT ALL ON FUNCTION glow.input_key(value text) TO glow_pipeline;

CREATE FUNCTION glow.is_liked(explicit smallint, expert boolean, clicked boolean, kept boolean) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((explicit = 0) OR expert) THEN (clicked OR kept) ELSE (explicit > 0) END;
COMMENT ON FUNCTION glow.is_liked(explicit smallint, expert boolean, clicked boolean, kept boolean) IS 'Whether the user liked a hit: a thumb up, or a click or keep that no thumb down takes back. Experts judge, they do not like.';
GRANT ALL ON FUNCTION glow.is_liked(explicit smallint, expert boolean, clicked boolean, kept boolean) TO glow_pipeline;

CREATE FUNCTION glow.json_text(value text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (octet_length(value) = length(value)) THEN (to_json(value))::text ELSE replace(replace(replace((to_json(NORMALIZE(value, NFC)))::text, ' '::text, '\u2028'::text), ' '::text, '\u2029'::text), ''::text, '\u0085'::text) END;
COMMENT ON FUNCTION glow.json_text(value text) IS 'A text as a JSON string in canonical form.';
GRANT ALL ON FUNCTION glow.json_text(value text) TO glow_pipeline;

CREATE FUNCTION glow.lowered(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  capitals constant text := 
    'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽȘȚΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙ'
    'ΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀ'
    'ӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠ'
    'ḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾς';
  small constant text := 
    'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžșțάέήίόύώαβγδεζηθι'
    'κλμνξοπρστυφχψωϊϋѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏ'
    'ӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡ'
    'ḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿσ';
begin
  value := lower(normalize(value, NFKC) collate "C");
  if octet_length(value) > length(value) and value collate "C" ~ ('[' || capitals || ']') then
    value := translate(value, capitals, small);
  end if;
  return value;
end $$;
COMMENT ON FUNCTION glow.lowered(value text) IS 'A text in NFKC and small letters, the same on every server.';
GRANT ALL ON FUNCTION glow.lowered(value text) TO glow_pipeline;

CREATE FUNCTION glow.make_erasure_key() RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  secret bytea := '';
  inner_pad bytea := '';
  outer_pad bytea := '';
begin
  for i in 1 .. 4 loop secret := secret || uuid_send(gen_random_uuid()); end loop;
  for i in 0 .. 63 loop
    inner_pad := inner_pad || decode(lpad(to_hex(get_byte(secret, i) # 54), 2, '0'), 'hex');
    outer_pad := outer_pad || decode(lpad(to_hex(get_byte(secret, i) # 92), 2, '0'), 'hex');
  end loop;
  insert into glow.erasure_key values (true, inner_pad, outer_pad) on conflict do nothing;
end $$;
COMMENT ON FUNCTION glow.make_erasure_key() IS 'Makes the key of the pseudonyms, unless there is one.';
REVOKE ALL ON FUNCTION glow.make_erasure_key() FROM PUBLIC;

CREATE FUNCTION glow.make_searchers(index_number integer, dimensions integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  is_learned boolean;
begin
  foreach is_learned in array '{false,true}'::boolean[] loop
    execute format($sql$
      create or replace function glow.%1$I(
        integer, public.vector, integer, integer, text[], double precision[], double precision, double precision, double precision,
        text[], double precision[], double precision, double precision, text, double precision, double precision, bigint, integer
      ) returns table (chunk_id text, score double precision, dense double precision, lexical double precision, dense_rank integer,
                       lexical_rank integer, leg text)
        language plpgsql stable as $search$
#variable_conflict use_column
begin
  return query %2$s;
end $search$;
      revoke execute on function glow.%1$I from public$sql$,
      'search_index_' || index_number || case when is_learned then '_learned' else '' end,
      glow.search_text(index_number, dimensions, true, is_learned, is_learned, is_learned, false, false));
  end loop;
end $_$;
COMMENT ON FUNCTION glow.make_searchers(index_number integer, dimensions integer) IS 'Makes the functions that search an index: search_index_<number>, and …_learned.';
REVOKE ALL ON FUNCTION glow.make_searchers(index_number integer, dimensions integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.make_searchers(index_number integer, dimensions integer) TO glow_pipeline;

CREATE FUNCTION glow.mean_cosine(index_number integer) RETURNS double precision
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  vectors bigint;
  length double precision;
begin
  execute format('select count(e.embedding), public.vector_norm(public.avg(e.embedding)) from %s e', glow.index_part('index_entries', index_number))
    into vectors, length;
  return case when vectors < 2 then 0 else greatest(-1, least(1, (vectors * length ^ 2 - 1) / (vectors - 1))) end;
end $$;
COMMENT ON FUNCTION glow.mean_cosine(index_number integer) IS 'How near two chunks of an index are on average.';
REVOKE ALL ON FUNCTION glow.mean_cosine(index_number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.mean_cosine(index_number integer) TO glow_pipeline;

CREATE FUNCTION glow.measure_floor() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  new.dense_floor := glow.mean_cosine(new.index_number);
  return new;
end $$;
COMMENT ON FUNCTION glow.measure_floor() IS 'Measures the floor of an index whose chunks were counted.';
GRANT ALL ON FUNCTION glow.measure_floor() TO glow_pipeline;

CREATE FUNCTION glow.month_of(instant timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (date_trunc('month'::text, (instant AT TIME ZONE 'UTC'::text)) AT TIME ZONE 'UTC'::text);
GRANT ALL ON FUNCTION glow.month_of(instant timestamp with time zone) TO glow_pipeline;

CREATE FUNCTION glow.move_agent_config(agent text, kind text, version text, config jsonb, expected integer, moved_by text, reason text, experiment_id text DEFAULT NULL::text, move text DEFAULT 'move'::text) RETURNS integer
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  seen glow.agent_configs;
  kept glow.agent_configs;
  moved integer;
begin
  select a.* into seen from glow.agent_configs a
   where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'production' for update;
  if coalesce(seen.revision, 0) <> expected then return null; end if;
  moved := 1 + coalesce((select max(h.revision) from glow.agent_config_history h
                          where h.agent = move_agent_config.agent and h.kind = move_agent_config.kind and h.alias = 'production'), 0);
  if seen.revision is null then
    insert into glow.agent_configs (agent, kind, alias, version, config, revision)
    values (move_agent_config.agent, move_agent_config.kind, 'production', move_agent_config.version, move_agent_config.config, moved)
    on conflict do nothing;
    if not found then return null; end if;
  else
    update glow.agent_configs a
       set version = move_agent_config.version, config = move_agent_config.config, revision = moved, moved_at = clock_timestamp()
     where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'production';
  end if;
  insert into glow.agent_config_history (agent, kind, alias, version, previous, config, revision, move, moved_by, reason, experiment_id)
  values (agent, kind, 'production', version, seen.version, config, moved, move, moved_by, reason, experiment_id);
  select a.* into kept from glow.agent_configs a
   where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'previous' for update;
  if move = 'rollback' or seen.version is null then
    delete from glow.agent_configs a
     where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'previous';
    if kept.version is null then return moved; end if;
    seen.version := null;
    seen.config := null;
  else
    insert into glow.agent_configs as a (agent, kind, alias, version, config)
    values (move_agent_config.agent, move_agent_config.kind, 'previous', seen.version, seen.config)
    on conflict on constraint agent_configs_pkey do update
       set version = excluded.version, config = excluded.config, revision = a.revision + 1, moved_at = clock_timestamp();
  end if;
  insert into glow.agent_config_history (agent, kind, alias, version, previous, config, revision, move, moved_by, reason, experiment_id)
  values (agent, kind, 'previous', seen.version, kept.version, seen.config, coalesce(kept.revision, 0) + 1, move, moved_by, reason, experiment_id);
  return moved;
end $$;
COMMENT ON FUNCTION glow.move_agent_config(agent text, kind text, version text, config jsonb, expected integer, moved_by text, reason text, experiment_id text, move text) IS 'Puts a model or config in force and keeps what was as `previous`. `expected` is the revision the caller saw, 0 where nothing was in force. Answers the new revision, or null when somebody else moved it first.';
GRANT ALL ON FUNCTION glow.move_agent_config(agent text, kind text, version text, config jsonb, expected integer, moved_by text, reason text, experiment_id text, move text) TO glow_pipeline;

CREATE FUNCTION glow.move_prompt_alias(agent text, alias text, prompt_version text, expected integer, moved_by text, reason text, gate_id text DEFAULT NULL::text, experiment_id text DEFAULT NULL::text, kind text DEFAULT 'move'::text) RETURNS integer
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  seen glow.prompt_aliases;
  kept integer;
  moved integer;
begin
  if prompt_version is not null and not exists (
    select from glow.prompt_versions p
     where p.agent = move_prompt_alias.agent and p.prompt_version = move_prompt_alias.prompt_version and p.erased_at is null) then
    raise exception using errcode = 'PT404', message = format('prompt_version: %L is not accepted', move_prompt_alias.prompt_version),
      hint = 'a version of this agent that has lost no part to an erasure';
  elsif experiment_id is not null and not exists (
    select from glow.learning_experiments x
     where x.experiment_id = move_prompt_alias.experiment_id and x.agent = move_prompt_alias.agent) then
    raise exception using errcode = 'PT404', message = format('experiment_id: %L is not accepted', move_prompt_alias.experiment_id),
      hint = 'an experiment of this agent';
  end if;
  -- Waits for whoever is moving it, and then sees where it is.
  select a.* into seen from glow.prompt_aliases a
   where a.agent = move_prompt_alias.agent and a.alias = move_prompt_alias.alias for update;
  if coalesce(seen.revision, 0) <> expected then return null; end if;
  moved := 1 + coalesce((select max(h.revision) from glow.prompt_alias_history h
                          where h.agent = move_prompt_alias.agent and h.alias = move_prompt_alias.alias), 0);
  if prompt_version is null then
    delete from glow.prompt_aliases a where a.agent = move_prompt_alias.agent and a.alias = move_prompt_alias.alias;
    if not found then return null; end if;
  elsif seen.revision is null then
    insert into glow.prompt_aliases (agent, alias, prompt_version, revision)
    values (move_prompt_alias.agent, move_prompt_alias.alias, move_prompt_alias.prompt_version, moved)
    on conflict do nothing;
    if not found then return null; end if;
  else
    update glow.prompt_aliases a
       set prompt_version = move_prompt_alias.prompt_version, revision = moved, moved_at = clock_timestamp()
     where a.agent = move_prompt_alias.agent and a.alias = move_prompt_alias.alias;
  end if;
  insert into glow.prompt_alias_history (agent, alias, prompt_version, previous, revision, kind, moved_by, reason, gate_id, experiment_id)
  values (move_prompt_alias.agent, move_prompt_alias.alias, move_prompt_alias.prompt_version, seen.prompt_version, moved,
          move_prompt_alias.kind, move_prompt_alias.moved_by, move_prompt_alias.reason, move_prompt_alias.gate_id,
          move_prompt_alias.experiment_id);
  -- What was in force until now is what a rollback goes back to; after a rollback there is nothing to go back to, or a
  -- second click would put the bad prompt in force again.
  if alias = 'production' and (kind = 'rollback' or seen.prompt_version is not null) then
    select a.revision into kept from glow.prompt_aliases a
     where a.agent = move_prompt_alias.agent and a.alias = 'previous' for update;
    if kind = 'move' or kept is not null then
      perform glow.move_prompt_alias(agent, 'previous', case kind when 'move' then seen.prompt_version end, coalesce(kept, 0),
                                     moved_by, reason, gate_id, experiment_id, kind);
    end if;
  end if;
  return moved;
end $$;
COMMENT ON FUNCTION glow.move_prompt_alias(agent text, alias text, prompt_version text, expected integer, moved_by text, reason text, gate_id text, experiment_id text, kind text) IS 'Moves an alias, or takes it back (no version); moving production keeps `previous`. Answers the new revision, or null when somebody else moved it first.';
GRANT ALL ON FUNCTION glow.move_prompt_alias(agent text, alias text, prompt_version text, expected integer, moved_by text, reason text, gate_id text, experiment_id text, kind text) TO glow_pipeline;

CREATE FUNCTION glow.move_retrieval_alias(agent text, configuration text, moved_by text, reason text, move text DEFAULT 'move'::text, gate_id text DEFAULT NULL::text, experiment_id text DEFAULT NULL::text, expected integer DEFAULT NULL::integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION glow.move_retrieval_alias(agent text, configuration text, moved_by text, reason text, move text, gate_id text, experiment_id text, expected integer) IS 'Puts a retrieval configuration in force whose index is ready, and keeps what was as `previous`. Answers the new revision, 0 where it is in force already, null when somebody else moved it (`expected` is the revision the caller saw, 0 for none).';
GRANT ALL ON FUNCTION glow.move_retrieval_alias(agent text, configuration text, moved_by text, reason text, move text, gate_id text, experiment_id text, expected integer) TO glow_pipeline;

CREATE FUNCTION glow.moved(experiment_id text, status text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
  select jsonb_strip_nulls(jsonb_build_object(
    'experiment_id', x.experiment_id, 'agent', x.agent, 'state', x.state, 'decision', x.decision, 'phase', x.phase,
    'treatment_ppm', x.treatment_ppm, 'control_ppm', x.control_ppm, 'planned_end', x.planned_end, 'rollout', r.state,
    'stage', r.stage, 'stages', jsonb_array_length(r.plan -> 'stages'), 'revision', r.revision, 'status', moved.status))
    from glow.learning_experiments x left join glow.rollouts r using (experiment_id)
   where x.experiment_id = moved.experiment_id
$$;
COMMENT ON FUNCTION glow.moved(experiment_id text, status text) IS 'What every move answers: what the experiment and its rollout are now. status: the move, or why there was none.';
GRANT ALL ON FUNCTION glow.moved(experiment_id text, status text) TO glow_pipeline;

CREATE FUNCTION glow.note_move(experiment_id text, move text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb, title text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments;
  rollout glow.rollouts;
  noted bigint;
begin
  select x.* into experiment from glow.learning_experiments x where x.experiment_id = note_move.experiment_id;
  select r.* into rollout from glow.rollouts r where r.experiment_id = note_move.experiment_id;
  insert into glow.rollout_moves as m
    (experiment_id, move, state, rollout, stage, phase, treatment_ppm, control_ppm, revision, moved_by, reason, evidence)
  values (note_move.experiment_id, note_move.move, experiment.state, rollout.state, rollout.stage, experiment.phase,
          experiment.treatment_ppm, experiment.control_ppm, rollout.revision, note_move.moved_by, left(note_move.reason, 2000),
          coalesce(note_move.evidence, '{}'))
  returning m.move_id into noted;
  if title is not null then
    insert into glow.notifications (agent, kind, title, body, key)
    values (experiment.agent, note_move.move, left(note_move.title, 200), jsonb_strip_nulls(jsonb_build_object(
              'experiment_id', note_move.experiment_id, 'kind', experiment.kind, 'treatment', experiment.treatment,
              'state', experiment.state, 'rollout', rollout.state, 'stage', rollout.stage, 'treatment_ppm', experiment.treatment_ppm,
              'moved_by', note_move.moved_by, 'reason', left(note_move.reason, 2000))), 'move ' || noted);
  end if;
  return glow.moved(note_move.experiment_id, note_move.move);
end $$;
COMMENT ON FUNCTION glow.note_move(experiment_id text, move text, moved_by text, reason text, evidence jsonb, title text) IS 'The audit row of a move, its notification where people should hear of it, and the answer.';
GRANT ALL ON FUNCTION glow.note_move(experiment_id text, move text, moved_by text, reason text, evidence jsonb, title text) TO glow_pipeline;

CREATE FUNCTION glow.open_gate_level(gate_key text, agent text) RETURNS TABLE(number bigint, rejections bigint)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  level glow.gate_levels;
begin
  -- One at a time over all agents; a test that is continued finds its own row.
  perform pg_advisory_xact_lock(hashtextextended('glow.gate_levels', 0));
  select l.* into level from glow.gate_levels l where l.gate_key = open_gate_level.gate_key;
  if level.number is null then
    insert into glow.gate_levels as l (number, gate_key, agent, rejections)
    select coalesce(max(x.number), 0) + 1, open_gate_level.gate_key, open_gate_level.agent, count(*) filter (where x.verdict = 'promote')
      from glow.gate_levels x
    returning l.* into level;
  end if;
  return query select level.number, level.rejections;
end $$;
COMMENT ON FUNCTION glow.open_gate_level(gate_key text, agent text) IS 'The place of a test in the ledger: given once, when it is first asked for.';
GRANT ALL ON FUNCTION glow.open_gate_level(gate_key text, agent text) TO glow_pipeline;

CREATE FUNCTION glow.open_index(index_number integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  parent text;
begin
  perform from glow.retrieval_indexes i where i.index_number = open_index.index_number and i.state = 'building' for update;
  if not found then
    raise exception using errcode = 'PT409', message = format('index_number: %s is not being built', index_number),
      hint = 'an index in the state building';
  end if;
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    -- A vector that is moved out of its row is a look-up more for each chunk that a search scores.
    execute format('create table %s (like glow.%I including defaults including constraints, check (index_number = %s)) with (toast_tuple_target = 8160)',
                   glow.index_part(parent, index_number), parent, index_number);
    execute format('grant insert on %s to glow_pipeline', glow.index_part(parent, index_number));
  end loop;
end $$;
COMMENT ON FUNCTION glow.open_index(index_number integer) IS 'Makes the tables of an index that is being built, in the transaction that fills them.';
REVOKE ALL ON FUNCTION glow.open_index(index_number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.open_index(index_number integer) TO glow_pipeline;

CREATE FUNCTION glow.open_rollout(experiment_id text, plan jsonb, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(open_rollout.experiment_id);
  known glow.rollouts := glow.locked_rollout(open_rollout.experiment_id);
  first jsonb := plan #> '{stages,0}';
  asks boolean := coalesce((plan #>> '{stages,0,approval}')::boolean, false);
  same_shares boolean;
  earlier text;
  problem text;
begin
  if known.experiment_id is not null then
    if known.plan = open_rollout.plan then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'has a rollout with another plan', 'the plan it was opened with');
  elsif experiment.state not in ('running', 'paused', 'ramping') then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('is %s and cannot ship', experiment.state),
      'an experiment that is running or paused; a held one is not valid');
  elsif jsonb_typeof(plan -> 'stages') is distinct from 'array' or plan -> 'stages' = '[]' then
    perform glow.refuse_move('plan.stages', left(plan ->> 'stages', 80), 'is not accepted', 'an array of stages', 'PT422');
  end if;
  problem := glow.stages_problem(plan -> 'stages');
  if problem is not null then
    perform glow.refuse_move('plan.stages', left(plan ->> 'stages', 80), 'is not accepted: ' || problem,
      'stages whose treatment_ppm grows up to 1000000, each with control_ppm and phase_offset', 'PT422');
  end if;
  earlier := glow.rolled_back_before(experiment.agent, experiment.kind, experiment.treatment);
  if earlier is not null then
    perform glow.refuse_move('treatment', experiment.treatment, format('was rolled back in %s', earlier),
      'a new version: mend what was wrong with this one, and register it as a version of its own');
  end if;
  -- Whoever was promised an arm in this phase keeps it: other shares than the test's begin a phase.
  same_shares := ((first ->> 'treatment_ppm')::integer, (first ->> 'control_ppm')::integer) = (experiment.treatment_ppm, experiment.control_ppm);
  insert into glow.rollouts (experiment_id, state, plan, first_phase, awaiting_stage, reason)
  values (experiment.experiment_id, case when asks then 'pending' else 'running' end, plan,
          experiment.phase + case when same_shares or experiment.design = 'ramp' then 0 else 1 end, case when asks then 0 end,
          left(open_rollout.reason, 2000));
  update glow.learning_experiments x
     set state = 'paused', reason = open_rollout.reason, decision = case x.design when 'ab' then 'ship' else x.decision end
   where x.experiment_id = experiment.experiment_id;
  if asks then
    return glow.note_move(experiment.experiment_id, 'rollout_awaits_approval', moved_by, open_rollout.reason, evidence,
      format('The rollout of a %s of %s awaits approval', experiment.kind, experiment.agent));
  end if;
  perform glow.begin_stage(experiment.experiment_id, 0);
  return glow.note_move(experiment.experiment_id, 'rollout_started', moved_by, open_rollout.reason, evidence,
    format('%s: the rollout of a %s begins with %s %% of users', experiment.agent, experiment.kind, (first ->> 'treatment_ppm')::numeric / 10000));
end $$;
COMMENT ON FUNCTION glow.open_rollout(experiment_id text, plan jsonb, moved_by text, reason text, evidence jsonb) IS 'Begins the rollout of an experiment''s treatment by a plan; waits for approval where the first stage asks for it. Refused for a version that was rolled back once.';
GRANT ALL ON FUNCTION glow.open_rollout(experiment_id text, plan jsonb, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.open_slots(item_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  update glow.review_items i
     set reviews = greatest(i.reviews, least(i.most_reviews, said.n)), decided_by = said.decision, outcome = said.outcome,
         state = case when said.decision is null then i.state else 'closed' end,
         closed_at = case when said.decision is not null then clock_timestamp() end
    from (select x.item_id, count(*) filter (where a.role = 'review') as n,
                 max(a.annotation_id) filter (where a.role = 'adjudication') as decision,
                 max(a.verdict) filter (where a.role = 'adjudication') as outcome
            from glow.review_items x
           cross join lateral (select * from glow.expert_annotations y
                                where y.tenant = x.tenant and y.execution_id = x.execution_id and y.superseded_by is null offset 0) a
           where x.item_id = any(item_ids) and x.kind = 'judgement' group by x.item_id) said
   where i.item_id = said.item_id;
  insert into glow.review_slots (item_id, slot, tenant, reviewer, annotation_id, filled_at)
  select i.item_id, n.slot, i.tenant, a.reviewer, a.annotation_id, a.recorded_at
    from glow.review_items i
   cross join lateral generate_series(1, i.reviews) n(slot)
    left join lateral (
      select r.reviewer, r.annotation_id, r.recorded_at, row_number() over (order by r.annotation_id) as slot
        from glow.expert_annotations r
       where r.tenant = i.tenant and r.execution_id = i.execution_id and r.superseded_by is null and r.role = 'review'
         and i.kind = 'judgement') a on a.slot = n.slot
   where i.item_id = any(item_ids) and (i.decided_by is null or a.annotation_id is not null);
  perform glow.settle_review(i.item_id)
     from (select distinct s.item_id from glow.review_slots s where s.item_id = any(item_ids) and s.filled_at is not null) i;
end $$;
COMMENT ON FUNCTION glow.open_slots(item_ids bigint[]) IS 'Gives items that have just entered their slots, filled with what experts had said already.';
GRANT ALL ON FUNCTION glow.open_slots(item_ids bigint[]) TO glow_pipeline;

CREATE FUNCTION glow.partition_name(relation regclass, month timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    RETURN (((SELECT pg_class.relname FROM pg_class WHERE (pg_class.oid = (partition_name.relation)::oid)))::text || to_char((month AT TIME ZONE 'UTC'::text), '_YYYY_MM'::text));
GRANT ALL ON FUNCTION glow.partition_name(relation regclass, month timestamp with time zone) TO glow_pipeline;

CREATE FUNCTION glow.partitioned_tables() RETURNS TABLE(relation regclass, name name)
    LANGUAGE sql STABLE
    AS $$
  select c.oid::regclass, c.relname
    from pg_class c join pg_partitioned_table p on p.partrelid = c.oid
   where c.relnamespace = 'glow'::regnamespace and p.partstrat = 'r'
$$;
GRANT ALL ON FUNCTION glow.partitioned_tables() TO glow_pipeline;

CREATE FUNCTION glow.pause_experiment(experiment_id text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
begin
  if experiment.state in ('ramping') then
    perform glow.refuse_move('experiment_id', experiment_id, 'is being rolled out', 'pause_rollout, for an experiment that is rolled out');
  elsif experiment.state in ('paused', 'held') then
    return glow.moved(experiment_id, 'unchanged');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, format('has ended (%s)', experiment.state), 'an experiment that is running');
  end if;
  update glow.learning_experiments x set state = 'paused', reason = pause_experiment.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_paused', moved_by, reason, evidence,
                        format('The experiment %s of %s lets nobody new in', experiment_id, experiment.agent));
end $$;
COMMENT ON FUNCTION glow.pause_experiment(experiment_id text, moved_by text, reason text, evidence jsonb) IS 'Nobody new enters; who is in keeps the arm.';
GRANT ALL ON FUNCTION glow.pause_experiment(experiment_id text, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.pause_rollout(experiment_id text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(pause_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
begin
  if rollout.state = 'paused' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  if rollout.state <> 'running' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state),
      case rollout.state when 'pending' then 'nothing: nobody enters before approve_rollout; roll_back ends it' else 'a rollout that is running' end);
  end if;
  update glow.rollouts r
     set state = 'paused', paused_at = clock_timestamp(), revision = r.revision + 1, reason = left(pause_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  update glow.learning_experiments x set state = 'paused', reason = pause_rollout.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment.experiment_id, 'rollout_paused', moved_by, pause_rollout.reason, evidence,
    format('%s: the rollout of a %s is paused; nobody new enters', experiment.agent, experiment.kind));
end $$;
COMMENT ON FUNCTION glow.pause_rollout(experiment_id text, moved_by text, reason text, evidence jsonb) IS 'Nobody new enters a rollout; who is in stays.';
GRANT ALL ON FUNCTION glow.pause_rollout(experiment_id text, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.plain_cell(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((value <> ''::text) AND (strpos('=+-@	
＝＋－＠'::text, "left"(value, 1)) > 0)) THEN (''''::text || value) ELSE value END;
COMMENT ON FUNCTION glow.plain_cell(value text) IS 'A text that no spreadsheet takes for a formula.';
GRANT ALL ON FUNCTION glow.plain_cell(value text) TO glow_pipeline;

CREATE FUNCTION glow.prunable() RETURNS TABLE(relation text, action text, instant text)
    LANGUAGE sql IMMUTABLE
    AS $$
  values ('executions', 'drop', 'recorded_at'), ('agent_feedback', 'drop', 'recorded_at'),
         ('retrieval_events', 'drop', 'recorded_at'), ('evaluations', 'delete', 'evaluated_at'),
         ('responses', 'delete', 'created_at'), ('embeddings', 'delete', 'created_at'),
         ('success_metrics', 'delete', 'measured_at')
$$;
COMMENT ON FUNCTION glow.prunable() IS 'The tables that a retention policy may name. Hits of a search go with it.';
GRANT ALL ON FUNCTION glow.prunable() TO glow_pipeline;

CREATE FUNCTION glow.prune(relation text, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  instant text := (select p.instant from glow.prunable() p where p.relation = prune.relation and p.action = 'delete');
  gone bigint;
begin
  if instant is null then return 0; end if;
  execute format('delete from glow.%I where ctid = any(array(select ctid from glow.%1$I where %I < $1 limit $2))', relation, instant)
    using glow.retention_cutoff(relation, null), most;
  get diagnostics gone = row_count;
  return gone;
end $_$;
COMMENT ON FUNCTION glow.prune(relation text, most integer) IS 'Deletes at most so many rows of a table that are older than its policy.';
REVOKE ALL ON FUNCTION glow.prune(relation text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.prune(relation text, most integer) TO glow_pipeline;

CREATE FUNCTION glow.put_in_force(experiment_id text, which text, moved_by text, reason text, kind text DEFAULT 'move'::text) RETURNS integer
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  x glow.learning_experiments;
  version text;
  config jsonb;
  current text;
  revision integer;
  moved integer;
begin
  select e.* into x from glow.learning_experiments e where e.experiment_id = put_in_force.experiment_id for update;
  if x.experiment_id is null then
    raise exception using errcode = 'PT404', message = format('experiment_id: %L is not accepted', experiment_id),
      hint = 'an experiment';
  elsif which is null or which not in ('control', 'treatment') then
    raise exception using errcode = 'PT422', message = format('which: %L is not accepted', which), hint = 'control or treatment';
  end if;
  version := case which when 'treatment' then x.treatment else x.control end;
  config := case which when 'treatment' then x.treatment_config else x.control_config end;
  if x.kind = 'prompt' then
    select a.prompt_version, a.revision into current, revision from glow.prompt_aliases a
     where a.agent = x.agent and a.alias = 'production' for update;
    if current = version then return 0; end if;
    moved := glow.move_prompt_alias(x.agent, 'production', version, coalesce(revision, 0), moved_by, reason, x.gate_id, x.experiment_id, kind);
  elsif x.kind = 'retrieval' then
    moved := glow.move_retrieval_alias(x.agent, version, moved_by, reason, kind, x.gate_id, x.experiment_id);
  else
    select a.version, a.revision into current, revision from glow.agent_configs a
     where a.agent = x.agent and a.kind = x.kind and a.alias = 'production' for update;
    -- Nothing was decided here before: the app uses its own, which is what control is.
    if current = version or current is null and which = 'control' then return 0; end if;
    moved := glow.move_agent_config(x.agent, x.kind, version, config, coalesce(revision, 0), moved_by, reason, x.experiment_id, kind);
  end if;
  if moved is null then
    raise exception using errcode = '40001', message = format('%s of %L was moved by somebody else just now', x.kind, x.agent);
  end if;
  return moved;
end $$;
COMMENT ON FUNCTION glow.put_in_force(experiment_id text, which text, moved_by text, reason text, kind text) IS 'Puts an arm of an experiment in force for everybody. Answers the new revision, or 0 where it is in force already.';
GRANT ALL ON FUNCTION glow.put_in_force(experiment_id text, which text, moved_by text, reason text, kind text) TO glow_pipeline;

CREATE FUNCTION glow.qualified(tenant text, id text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE tenant WHEN 'default'::text THEN id ELSE ((tenant || chr(31)) || id) END;
GRANT ALL ON FUNCTION glow.qualified(tenant text, id text) TO glow_pipeline;

CREATE FUNCTION glow.recount_experiments(agents text[]) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
  n bigint;
begin
  update glow.experiment_folds f set counted_until = null, horizon = null
    from glow.learning_experiments x
   where x.experiment_id = f.experiment_id and x.agent = any (recount_experiments.agents) and f.counted_until is not null;
  get diagnostics n = row_count;
  return n;
end $$;
COMMENT ON FUNCTION glow.recount_experiments(agents text[]) IS 'Lets the next fold of every experiment of some agents begin anew: what it counted has changed.';
GRANT ALL ON FUNCTION glow.recount_experiments(agents text[]) TO glow_pipeline;

CREATE FUNCTION glow.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if current_user = 'glow_owner' and current_setting('glow.erasing', true) = 'on' then
    if tg_op = 'DELETE' then return old; end if;
    return new;
  end if;
  raise exception using
    errcode = 'PT409',
    message = format('%s is immutable: a %s was refused', tg_table_name, lower(tg_op)),
    hint = 'Build a new version instead; the old one stays as evidence.';
end $$;
GRANT ALL ON FUNCTION glow.refuse_change() TO glow_pipeline;

CREATE FUNCTION glow.refuse_move(field text, value text, problem text, remedy text, code text DEFAULT 'PT409'::text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  raise exception using errcode = code, message = format('%s: %L %s', field, left(value, 80), problem), hint = remedy;
end $$;
COMMENT ON FUNCTION glow.refuse_move(field text, value text, problem text, remedy text, code text) IS 'Refuses a move: the field, its value, what is in the way, and what would help.';
GRANT ALL ON FUNCTION glow.refuse_move(field text, value text, problem text, remedy text, code text) TO glow_pipeline;

CREATE FUNCTION glow.remember_questions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into glow.retrieval_questions (configuration, question, query, embedding)
  select distinct on (r.configuration, md5(r.query)) r.configuration, r.position, r.query, public.l2_normalize(r.embedding)
    from remembered r order by r.configuration, md5(r.query), r.position
  on conflict do nothing;
  return null;
end $$;
COMMENT ON FUNCTION glow.remember_questions() IS 'Adds the questions of new rows of memory.';
GRANT ALL ON FUNCTION glow.remember_questions() TO glow_pipeline;

CREATE FUNCTION glow.restart_experiment(experiment_id text, treatment_ppm integer, enroll_ppm integer, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments;
  begins timestamptz;
  drawn text;
begin
  perform pg_advisory_xact_lock(hashtextextended('experiment look ' || restart_experiment.experiment_id, 0));
  experiment := glow.locked_experiment(restart_experiment.experiment_id);
  if experiment.design = 'ramp' or (glow.locked_rollout(experiment.experiment_id)).experiment_id is not null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is being rolled out or was',
      'a test; roll_back ends a rollout, and a mended version is a new one');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has ended (%s)', experiment.state),
      'a test that is running, paused or held; create_experiment asks for a new one');
  end if;
  restart_experiment.treatment_ppm := coalesce(restart_experiment.treatment_ppm, experiment.treatment_ppm);
  restart_experiment.enroll_ppm := coalesce(restart_experiment.enroll_ppm, experiment.enroll_ppm);
  if restart_experiment.treatment_ppm not between 1 and 999999 then
    perform glow.refuse_move('treatment_ppm', restart_experiment.treatment_ppm::text, 'is not accepted', 'a share in parts per million, from 1 to 999999', 'PT422');
  elsif restart_experiment.enroll_ppm not between 1 and 1000000 then
    perform glow.refuse_move('enroll_ppm', restart_experiment.enroll_ppm::text, 'is not accepted', 'a share in parts per million, from 1 to 1000000', 'PT422');
  end if;
  begins := clock_timestamp();
  drawn := experiment.experiment_id || '#' || experiment.phase + 1;
  update glow.learning_experiments x
     set phase = x.phase + 1, salt = drawn, state = 'running', decision = null, reason = restart_experiment.reason, restarted_at = begins,
         treatment_ppm = restart_experiment.treatment_ppm, control_ppm = 1000000 - restart_experiment.treatment_ppm,
         enroll_ppm = restart_experiment.enroll_ppm,
         planned_end = begins + (x.plan ->> 'planned_days')::double precision * interval '1 day',
         plan = x.plan || jsonb_build_object('salt', drawn, 'treatment_ppm', restart_experiment.treatment_ppm,
                                             'enrolled_ppm', restart_experiment.enroll_ppm)
   where x.experiment_id = experiment.experiment_id;
  -- What the looks of the old phase were made by, so that they can be made again.
  return glow.note_move(experiment.experiment_id, 'experiment_restarted', moved_by, restart_experiment.reason,
    coalesce(evidence, '{}') || jsonb_build_object('was', experiment.state, 'phase', experiment.phase, 'salt', experiment.salt,
      'treatment_ppm', experiment.treatment_ppm, 'enroll_ppm', experiment.enroll_ppm, 'begun_at', experiment.begun_at),
    format('The experiment %s of %s begins anew: everybody is drawn again', experiment.experiment_id, experiment.agent));
end $$;
COMMENT ON FUNCTION glow.restart_experiment(experiment_id text, treatment_ppm integer, enroll_ppm integer, moved_by text, reason text, evidence jsonb) IS 'Begins a test anew as another phase: everybody is drawn again, by other shares where given, its days count from now, and the metrics stay. What earlier phases exposed and saw stays as it is.';
GRANT ALL ON FUNCTION glow.restart_experiment(experiment_id text, treatment_ppm integer, enroll_ppm integer, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.resume_experiment(experiment_id text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
begin
  if experiment.state = 'running' then
    return glow.moved(experiment_id, 'unchanged');
  elsif (glow.locked_rollout(experiment_id)).experiment_id is not null and experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, 'is being rolled out',
      'resume_rollout where the rollout is paused, approve_rollout where it awaits approval');
  elsif experiment.state = 'held' then
    perform glow.refuse_move('experiment_id', experiment_id, 'is held: its numbers are not valid, and going on does not make them so',
      'restart_experiment, once the cause is mended: it draws everybody anew; or stop_experiment');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, format('has ended (%s)', experiment.state),
      'an experiment that is paused; new data mean a new experiment');
  end if;
  update glow.learning_experiments x set state = 'running', reason = resume_experiment.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_resumed', moved_by, reason, evidence);
end $$;
COMMENT ON FUNCTION glow.resume_experiment(experiment_id text, moved_by text, reason text, evidence jsonb) IS 'New units enter a paused experiment again.';
GRANT ALL ON FUNCTION glow.resume_experiment(experiment_id text, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.resume_rollout(experiment_id text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(resume_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
begin
  if rollout.state = 'running' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  if experiment.state = 'held' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is held: its numbers are not valid, and going on does not make them so', 'roll_back');
  elsif rollout.state <> 'paused' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state),
      case rollout.state when 'pending' then 'approve_rollout, which lets it begin' else 'a rollout that is paused; a version that was rolled back needs a new version' end);
  end if;
  update glow.rollouts r
     set state = 'running', stage_started_at = r.stage_started_at + (clock_timestamp() - r.paused_at), paused_at = null,
         revision = r.revision + 1, reason = left(resume_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  perform glow.begin_stage(experiment.experiment_id, rollout.stage);
  return glow.note_move(experiment.experiment_id, 'rollout_resumed', moved_by, resume_rollout.reason, evidence);
end $$;
COMMENT ON FUNCTION glow.resume_rollout(experiment_id text, moved_by text, reason text, evidence jsonb) IS 'Goes on with a paused rollout, at the stage it was in.';
GRANT ALL ON FUNCTION glow.resume_rollout(experiment_id text, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.retention_cutoff(relation text, before timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return coalesce((select coalesce(glow.month_of(clock_timestamp() - make_interval(months => p.months)), '-infinity')
                     from glow.retention_policies p
                    where p.relation = case retention_cutoff.relation when 'retrieval_hits' then 'retrieval_events'
                                                                      else retention_cutoff.relation end),
                  glow.month_of(before), '-infinity');
end $$;
COMMENT ON FUNCTION glow.retention_cutoff(relation text, before timestamp with time zone) IS 'The instant before which rows of a table go: that of its policy, else the given one; -infinity where all stay.';
GRANT ALL ON FUNCTION glow.retention_cutoff(relation text, before timestamp with time zone) TO glow_pipeline;

CREATE FUNCTION glow.retrieval_person(tenant text, user_id text, conversation_id text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE(glow.qualified(tenant, user_id), (chr(31) || glow.qualified(tenant, conversation_id)), ''::text);
COMMENT ON FUNCTION glow.retrieval_person(tenant text, user_id text, conversation_id text) IS 'Whose visit a search belongs to.';
GRANT ALL ON FUNCTION glow.retrieval_person(tenant text, user_id text, conversation_id text) TO glow_pipeline;

CREATE FUNCTION glow.review_policy(agent text, OUT reviews smallint, OUT most_reviews smallint, OUT blind boolean, OUT lease interval, OUT control_share double precision, OUT gold_share double precision) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
begin
  select p.reviews, p.most_reviews, p.blind, p.lease, p.control_share, p.gold_share
    into reviews, most_reviews, blind, lease, control_share, gold_share
    from glow.review_policies p where p.agent = review_policy.agent;
  if not found then
    reviews := 2; most_reviews := 3; blind := true; lease := '15 minutes'; control_share := 0.02; gold_share := 0.05;
  end if;
end $$;
COMMENT ON FUNCTION glow.review_policy(agent text, OUT reviews smallint, OUT most_reviews smallint, OUT blind boolean, OUT lease interval, OUT control_share double precision, OUT gold_share double precision) IS 'The policy of an agent, or the defaults.';
GRANT ALL ON FUNCTION glow.review_policy(agent text, OUT reviews smallint, OUT most_reviews smallint, OUT blind boolean, OUT lease interval, OUT control_share double precision, OUT gold_share double precision) TO glow_pipeline;

CREATE FUNCTION glow.roll_back(experiment_id text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb, decision text DEFAULT 'harm'::text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(roll_back.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
  rests text;
begin
  if rollout.state = 'rolled_back' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  -- What is in force since a rollout is completed may be another's control by now, and its units see it whatever is in force.
  select x.experiment_id into rests from glow.learning_experiments x
   where x.agent = experiment.agent and x.kind = experiment.kind and x.active and x.experiment_id <> experiment.experiment_id
     and experiment.treatment in (x.control, x.treatment) limit 1;
  if rollout.state = 'completed' and rests is not null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('put in force what %s runs on', rests),
      format('stop_experiment(%L) first, or roll_back where it is being rolled out', rests));
  elsif rollout.state = 'completed' and glow.in_force(experiment.agent, experiment.kind) is distinct from experiment.treatment then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'put a version in force that is not in force any more',
      'a rollout whose treatment is in force, or one that is not completed');
  end if;
  update glow.rollouts r
     set state = 'rolled_back', ended_at = clock_timestamp(), paused_at = null, revision = r.revision + 1, reason = left(roll_back.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  if experiment.active then
    update glow.learning_experiments x
       set state = 'rolled_back', decision = coalesce(x.decision, roll_back.decision), reason = roll_back.reason, stopped_at = clock_timestamp()
     where x.experiment_id = experiment.experiment_id;
  end if;
  if glow.in_force(experiment.agent, experiment.kind) = experiment.treatment then
    perform glow.put_in_force(experiment.experiment_id, 'control', moved_by, left(roll_back.reason, 2000), 'rollback');
  end if;
  -- What was taken back is no candidate again.
  if experiment.kind = 'prompt' then
    perform glow.move_prompt_alias(experiment.agent, 'candidate', null, a.revision, moved_by, left(roll_back.reason, 2000),
                                   experiment_id => experiment.experiment_id, kind => 'rollback')
       from glow.prompt_aliases a
      where a.agent = experiment.agent and a.alias = 'candidate' and a.prompt_version = experiment.treatment;
  end if;
  return glow.note_move(experiment.experiment_id, 'rolled_back', moved_by, roll_back.reason, evidence,
    format('%s: the rollout of a %s was rolled back', experiment.agent, experiment.kind));
end $$;
COMMENT ON FUNCTION glow.roll_back(experiment_id text, moved_by text, reason text, evidence jsonb, decision text) IS 'Takes a rollout back: its experiment ends, and what was in force before is in force, at once for whoever resolves next.';
GRANT ALL ON FUNCTION glow.roll_back(experiment_id text, moved_by text, reason text, evidence jsonb, decision text) TO glow_pipeline;

CREATE FUNCTION glow.rollback_prompt(agent text, moved_by text, reason text, target text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  production glow.prompt_aliases;
  candidate glow.prompt_aliases;
  running text;
  ramping boolean;
  moved integer;
begin
  select a.* into production from glow.prompt_aliases a
   where a.agent = rollback_prompt.agent and a.alias = 'production' for update;
  if production.prompt_version is null then
    raise exception using errcode = 'PT404', message = format('agent: %L has no prompt in production', agent),
      hint = 'an agent with a production prompt; register_agent gives it its first';
  elsif target is null then
    select a.prompt_version into target from glow.prompt_aliases a
     where a.agent = rollback_prompt.agent and a.alias = 'previous';
    if target is null then
      raise exception using errcode = 'PT409', message = format('agent: %L has no previous prompt', agent),
        hint = 'production was never moved, or was rolled back since; name a version that prompt_history says was in production';
    end if;
  elsif not exists (
    select from glow.prompt_alias_history h
     where h.agent = rollback_prompt.agent and h.alias = 'production' and h.prompt_version = rollback_prompt.target) then
    raise exception using errcode = 'PT404', message = format('prompt_version: %L was never in production', left(target, 80)),
      hint = 'a version that prompt_history says was in production';
  end if;
  if target = production.prompt_version then
    raise exception using errcode = 'PT409', message = format('prompt_version: %L is in production already', target),
      hint = 'another version that was in production before';
  end if;
  -- Units of a running experiment go on seeing its two arms, whatever is in production: the rollback would seem to work.
  select x.experiment_id, r.state is not null into running, ramping
    from glow.learning_experiments x left join glow.rollouts r using (experiment_id)
   where x.agent = rollback_prompt.agent and x.active
     and (production.prompt_version in (x.control_prompt, x.treatment_prompt)
       or rollback_prompt.target in (x.control_prompt, x.treatment_prompt)) limit 1;
  if running is not null then
    raise exception using errcode = 'PT409', message = format('agent: experiment %s of %L is running on this prompt', running, agent),
      hint = format('%s(%L, reason) first: until then its units see the arms, whatever is in production',
                    case when ramping then 'roll_back' else 'stop_experiment' end, running);
  end if;
  moved := glow.move_prompt_alias(agent, 'production', target, production.revision, moved_by, reason, kind => 'rollback');
  -- What was taken back is no candidate again.
  select a.* into candidate from glow.prompt_aliases a
   where a.agent = rollback_prompt.agent and a.alias = 'candidate' and a.prompt_version = production.prompt_version;
  if candidate.prompt_version is not null then
    perform glow.move_prompt_alias(agent, 'candidate', null, candidate.revision, moved_by, reason, kind => 'rollback');
  end if;
  return jsonb_build_object('agent', agent, 'prompt_version', target, 'rolled_back', production.prompt_version, 'revision', moved,
                            'status', 'rolled_back');
end $$;
COMMENT ON FUNCTION glow.rollback_prompt(agent text, moved_by text, reason text, target text) IS 'Puts the previous prompt (or another that was in production) in force again, in one call. Refused where there is none, and while an experiment runs on it.';
GRANT ALL ON FUNCTION glow.rollback_prompt(agent text, moved_by text, reason text, target text) TO glow_pipeline;

CREATE FUNCTION glow.rollback_retrieval(agent text, moved_by text, reason text, target text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION glow.rollback_retrieval(agent text, moved_by text, reason text, target text) IS 'Puts the previous retrieval configuration (or another that was in force) in force again, in one call. Refused where there is none, where its index is gone, and while an experiment runs on retrieval.';
GRANT ALL ON FUNCTION glow.rollback_retrieval(agent text, moved_by text, reason text, target text) TO glow_pipeline;

CREATE FUNCTION glow.rolled_back_before(agent text, kind text, version text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select x.experiment_id from glow.learning_experiments x join glow.rollouts r using (experiment_id)
   where x.agent = rolled_back_before.agent and x.kind = rolled_back_before.kind and x.treatment = rolled_back_before.version
     and r.state = 'rolled_back' order by r.ended_at desc limit 1
$$;
COMMENT ON FUNCTION glow.rolled_back_before(agent text, kind text, version text) IS 'The experiment whose rollout of this version was rolled back, or null.';
GRANT ALL ON FUNCTION glow.rolled_back_before(agent text, kind text, version text) TO glow_pipeline;

CREATE FUNCTION glow.search_outcomes(agent text, since timestamp with time zone, until timestamp with time zone, own text DEFAULT NULL::text) RETURNS TABLE(tenant text, event_id text, recorded_at timestamp with time zone, occurred_at timestamp with time zone, query text, policy text, configuration text, latency_ms double precision, person text, conversation text, listed boolean, best double precision, liked_rank integer, liked_in_5 integer, rejected boolean, cited boolean, vote integer, blamed boolean)
    LANGUAGE sql STABLE
    AS $$
  select e.tenant, e.event_id, e.recorded_at, e.occurred_at, e.query, e.policy, e.configuration, e.latency_ms,
         e.tenant || chr(31) || e.user_id, e.tenant || chr(31) || coalesce(e.conversation_id, e.event_id),
         h.event_id is not null, h.best, h.liked_rank, coalesce(h.liked_in_5, 0), coalesce(h.rejected, false),
         coalesce(h.cited, false), v.vote, coalesce(v.blamed, false)
    from glow.retrieval_events e
    left join (
      select x.tenant, x.event_id, x.recorded_at, max(x.score_dense) as best,
             min(x.rank) filter (where x.liked) as liked_rank,
             count(*) filter (where x.rank <= 5 and x.liked)::integer as liked_in_5,
             bool_or(x.explicit < 0 and not x.expert) as rejected, bool_or(x.cited) as cited
        from (select y.*, glow.is_liked(y.explicit, y.expert, y.clicked, y.kept) as liked from glow.retrieval_hits y) x
       where x.shown
       group by x.tenant, x.event_id, x.recorded_at) h
      on h.tenant = e.tenant and h.event_id = e.event_id and h.recorded_at = e.recorded_at
    left join (
      select f.tenant, f.execution_id, sign(sum(f.thumbs))::integer as vote,
             -- Thumbs down blame the search only where the user says so: a wrong answer has many makers.
             bool_or(f.thumbs < 0 and f.issues && '{wrong_source,irrelevant}') as blamed
        from glow.agent_feedback f
       where f.agent = search_outcomes.agent and f.superseded_by is null and f.thumbs is not null
       group by f.tenant, f.execution_id) v
      on v.tenant = e.tenant and v.execution_id = e.execution_id
   where e.agent = search_outcomes.agent and e.tenant = coalesce(own, e.tenant)
     and e.occurred_at >= since and e.occurred_at < until
$$;
COMMENT ON FUNCTION glow.search_outcomes(agent text, since timestamp with time zone, until timestamp with time zone, own text) IS 'A row for each search of an agent: whether it listed anything, the best similarity, the first rank the user liked, what was rejected and cited, the votes on the answer (-1, 0, 1), and whether they blame the search.';
GRANT ALL ON FUNCTION glow.search_outcomes(agent text, since timestamp with time zone, until timestamp with time zone, own text) TO glow_pipeline;

CREATE FUNCTION glow.search_text(index_number integer, dimensions integer, dense boolean, remembers boolean, shifts boolean, likes boolean, moves boolean, every_leg boolean) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  entries text := glow.index_part('index_entries', index_number);
  fused constant text := $sql$
      select f.chunk_id, f.vector, f.cosine, f.bm25, d.value as dense, w.value as lexical, d.value * $8 + w.value * $9 + f.extra as score
        from (select s.*, max(s.cosine) over () as high, least($7, max(s.cosine) over () - 0.1) as low, max(s.bm25) over () as best
                from %I s) f
       cross join lateral (select case when f.cosine is null then 0 else (f.cosine - f.low) / (f.high - f.low) end as value) d
       cross join lateral (select case when f.best > 0 then f.bm25 / f.best else 0 end as value) w$sql$;
begin
  return format($sql$
    with asked as materialized (
      select t.term_number, sum(x.times) * ln(1 + ($4 - t.chunks + 0.5::float8) / (t.chunks + 0.5::float8)) as weight
        from unnest($5::text[], $6::float8[]) x(term, times)
        join %2$s t on t.index_number = $1 and t.term = x.term
       group by t.term_number, t.chunks
    ), wanted as materialized (
      select ('{' || string_agg(a.term_number || ':' || a.weight, ',' order by a.term_number) || '}/1000000000')::public.sparsevec as terms
        from (select x.* from asked x order by x.weight desc, x.term_number limit 16000) a -- A sparsevec holds no more.
    ), words as (
      select p.entry
        from (select a.term_number, a.weight, ceil(%4$s * a.weight / sum(a.weight) over ())::bigint as most from asked a) a
       cross join lateral (
         select p.entry, p.weight from %3$s p
          where p.index_number = $1 and p.term_number = a.term_number order by p.weight desc limit a.most) p
       group by p.entry order by sum(a.weight * p.weight) desc limit $3
    )$sql$, entries, glow.index_part('index_terms', index_number), glow.index_part('index_postings', index_number),
      case when dense then 800 else 8000 end)
    -- What the graph finds it has read: only the others are looked up.
    || case when dense then format($sql$, near as materialized (
      select e.entry, e.chunk_id, e.embedding, e.lexical from %s e where e.embedding is not null order by %s limit $3
    )$sql$, entries,
      format(case when dimensions between 2001 and 4000
             then '(e.embedding::public.halfvec(%1$s)) operator(public.<=>) $2::public.halfvec(%1$s)'
             else '(e.embedding::public.vector(%1$s)) operator(public.<=>) $2' end, dimensions)) else '' end
    || ', other as (select w.entry from words w'
    || case when remembers then format($sql$
      union
      select e.entry from unnest($10::text[], $11::float8[]) m(chunk_id, worth)
        join %s e on e.index_number = $1 and e.chunk_id = m.chunk_id
       where m.worth > 0$sql$, entries) else '' end
    || case when dense then ' except select n.entry from near n' else '' end
    || format($sql$
    ), candidate as (
      select e.chunk_id, e.embedding, e.lexical from other o join %s e on e.index_number = $1 and e.entry = o.entry$sql$, entries)
    || case when dense then ' union all select n.chunk_id, n.embedding, n.lexical from near n' else '' end
    || format($sql$
    ), scored as materialized (
      select e.chunk_id, %1$s::public.vector as vector, -(%2$s operator(public.<#>) $2::public.vector) as cosine,
             coalesce(-(e.lexical operator(public.<#>) wanted.terms), 0) as bm25, (%3$s)::float8 as extra
        from candidate e cross join wanted %4$s %5$s
    )$sql$,
      -- Carried along only where it is needed again: the sorts below would copy it.
      case when not moves then 'null' when shifts then 'coalesce(d.embedding, e.embedding)' else 'e.embedding' end,
      case when shifts then 'coalesce(d.embedding, e.embedding)' else 'e.embedding' end,
      case when remembers then 'coalesce(m.worth, 0) * $12' else '0' end
        || case when likes then ' + case when $13 > 0 then coalesce(glow.chunk_prior($14, $15, e.chunk_id), 0) * $13 else 0 end' else '' end,
      case when shifts then 'left join glow.retrieval_shifts d on d.configuration = $14 and d.chunk_id = e.chunk_id' else '' end,
      case when remembers then 'left join unnest($10::text[], $11::float8[]) m(chunk_id, worth) on m.chunk_id = e.chunk_id' else '' end)
    || case when moves then ', first as (' || format(fused, 'scored') || format($sql$
    ), moved as materialized (
      select public.l2_normalize($2 operator(public.+) (public.avg(f.vector)
               operator(public.*) array_fill($16::real, array[%s])::public.vector)) as asked
        from (select f.vector from first f where f.cosine is not null order by f.score desc, f.chunk_id limit $17) f
    ), again as materialized (
      select s.chunk_id, s.vector, -(s.vector operator(public.<#>) m.asked) as cosine, s.bm25, s.extra from scored s cross join moved m
    )$sql$, dimensions) else '' end
    || ', fused as (' || format(fused, case when moves then 'again' else 'scored' end) || $sql$
    ), ranked as (
      select f.chunk_id::text, f.score, f.dense, f.lexical,
             case when f.cosine is not null then row_number() over (order by f.cosine desc nulls last, f.chunk_id) end::integer as dense_rank,
             case when f.bm25 > 0 then row_number() over (order by f.bm25 desc, f.chunk_id) end::integer as lexical_rank
        from fused f
    )
    select r.*, case when (r.dense_rank <= $18 and r.dense > 0) is not true and r.lexical_rank <= $18 then 'lexical'
                     when (r.lexical_rank <= $18) is not true and r.dense_rank <= $18 and r.dense > 0 then 'dense'
                     else 'both' end as leg
      from ranked r $sql$
    || case when every_leg then 'where r.dense_rank <= $18 or r.lexical_rank <= $18 order by r.score desc, r.chunk_id'
            else 'order by r.score desc, r.chunk_id limit $18' end;
end $_$;
COMMENT ON FUNCTION glow.search_text(index_number integer, dimensions integer, dense boolean, remembers boolean, shifts boolean, likes boolean, moves boolean, every_leg boolean) IS 'The statement that searches one index.';
GRANT ALL ON FUNCTION glow.search_text(index_number integer, dimensions integer, dense boolean, remembers boolean, shifts boolean, likes boolean, moves boolean, every_leg boolean) TO glow_pipeline;

CREATE FUNCTION glow.secure(relation regclass) RETURNS void
    LANGUAGE plpgsql
    AS $_$
declare
  mine text := $condition$current_setting('glow.tenant', true) in (tenant, '*')$condition$;
begin
  execute format('alter table %s enable row level security', relation);
  execute format('alter table %s force row level security', relation);
  execute format('create policy own_tenant on %s to glow_owner using (%s) with check (%s)', relation, mine, mine);
  execute format('create policy all_tenants on %s to glow_pipeline using (true) with check (true)', relation);
end $_$;
COMMENT ON FUNCTION glow.secure(relation regclass) IS 'Puts a table with a column `tenant` under row security.';
REVOKE ALL ON FUNCTION glow.secure(relation regclass) FROM PUBLIC;

CREATE FUNCTION glow.settle_review(item_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  item record;
  filled integer;
  best record;
begin
  select i.* into item from glow.review_items i where i.item_id = settle_review.item_id;
  if item.gold or item.decided_by is not null then return; end if;
  select count(*) into filled from glow.review_slots s where s.item_id = item.item_id and s.filled_at is not null;
  select x.outcome, count(*) as n into best from (
    select coalesce(a.verdict, case c.preferred when 'first' then s.first
                                                when 'second' then case s.first when 'output' then 'alternative' else 'output' end
                                                else c.preferred end) as outcome,
           case a.verdict when 'correct' then glow.answer_key(a.output) end as answer
      from glow.review_slots s
      -- `offset 0`: by key, also with a plan that was made when the tables were empty.
      left join lateral (select * from glow.expert_annotations x where x.annotation_id = s.annotation_id offset 0) a on true
      left join lateral (select * from glow.comparisons x where x.comparison_id = s.comparison_id offset 0) c on true
     where s.item_id = settle_review.item_id and s.filled_at is not null) x
   group by x.outcome, x.answer order by count(*) desc, x.outcome, x.answer limit 1;
  if filled >= item.reviews and best.n * 2 > filled then
    item.state := 'closed';
  elsif filled >= item.reviews and item.reviews < item.most_reviews then
    -- One more, not two: the third often decides.
    item.state := 'open';
    item.reviews := item.reviews + 1;
    insert into glow.review_slots (item_id, slot, tenant) values (item.item_id, item.reviews, item.tenant);
  else
    item.state := case when filled >= item.reviews then 'adjudicate' else 'open' end;
  end if;
  update glow.review_items i
     set state = item.state, reviews = item.reviews, outcome = case item.state when 'closed' then best.outcome end,
         closed_at = case item.state when 'closed' then coalesce(i.closed_at, clock_timestamp()) end
   where i.item_id = item.item_id
     and (i.state, i.reviews, i.outcome) is distinct from
         (item.state, item.reviews, case item.state when 'closed' then best.outcome end);
end $$;
COMMENT ON FUNCTION glow.settle_review(item_id bigint) IS 'Closes an item whose reviews agree by majority, opens one more slot while they do not, and gives it up to adjudication when there are as many as there may be.';
GRANT ALL ON FUNCTION glow.settle_review(item_id bigint) TO glow_pipeline;

CREATE FUNCTION glow.source_row(kind text, source_id text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return case source_row.kind
    when 'execution' then (
      select jsonb_build_object('input', left(e.input, 500), 'output', left(e.output, 500), 'recorded_at', e.recorded_at)
        from glow.executions e
       where e.tenant = glow.tenant_of(source_row.source_id) and e.execution_id = glow.unqualified(source_row.source_id))
    when 'feedback' then (
      select jsonb_strip_nulls(jsonb_build_object('user_id', f.user_id, 'thumbs', f.thumbs, 'rating', f.rating, 'issues', f.issues,
               'comment', left(f.comment, 500), 'correction', left(f.correction, 500), 'recorded_at', f.recorded_at,
               'superseded_by', f.superseded_by))
        from glow.agent_feedback f where f.feedback_id = source_row.source_id::bigint)
    when 'annotation' then (
      select jsonb_strip_nulls(jsonb_build_object('reviewer', a.reviewer, 'verdict', a.verdict, 'output', left(a.output, 500),
               'notes', left(a.notes, 500), 'recorded_at', a.recorded_at, 'superseded_by', a.superseded_by))
        from glow.expert_annotations a where a.annotation_id = source_row.source_id::bigint)
    when 'comparison' then (
      select jsonb_strip_nulls(jsonb_build_object('reviewer', c.reviewer, 'first', left(c.first, 500), 'second', left(c.second, 500),
               'preferred', c.preferred, 'notes', left(c.notes, 500), 'recorded_at', c.recorded_at))
        from glow.comparisons c where c.comparison_id = source_row.source_id::bigint)
    when 'demonstration' then (
      select jsonb_strip_nulls(jsonb_build_object('expert', d.expert, 'input', left(d.input, 500), 'output', left(d.output, 500),
               'recorded_at', d.recorded_at))
        from glow.demonstrations d where d.demonstration_id = source_row.source_id::bigint) end;
end $$;
COMMENT ON FUNCTION glow.source_row(kind text, source_id text) IS 'What a source row of an example says; null when it is gone.';
GRANT ALL ON FUNCTION glow.source_row(kind text, source_id text) TO glow_pipeline;

CREATE FUNCTION glow.spelling(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN COALESCE(NULLIF(btrim(regexp_replace((glow.lowered(value) COLLATE "C"), '[\u0001- !-/:-@\u005b-`{-~]+'::text, ' '::text, 'g'::text)), ''::text), btrim(value));
COMMENT ON FUNCTION glow.spelling(value text) IS 'What two texts have in common that differ in capitals, spaces and marks only.';
GRANT ALL ON FUNCTION glow.spelling(value text) TO glow_pipeline;

CREATE FUNCTION glow.stages_problem(stages jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  stage jsonb;
  before jsonb;
  n integer := 0;
begin
  for stage in select * from jsonb_array_elements(stages) loop
    if jsonb_typeof(stage -> 'treatment_ppm') is distinct from 'number' or jsonb_typeof(stage -> 'control_ppm') is distinct from 'number'
       or jsonb_typeof(stage -> 'phase_offset') is distinct from 'number' then
      return format('stage %s lacks treatment_ppm, control_ppm or phase_offset', n);
    elsif not ((stage ->> 'treatment_ppm')::numeric between 1 and 1000000 and (stage ->> 'control_ppm')::numeric >= 0
               and (stage ->> 'treatment_ppm')::numeric + (stage ->> 'control_ppm')::numeric <= 1000000
               and (stage ->> 'phase_offset')::numeric >= 0) then
      return format('the shares of stage %s do not fit into a million', n);
    elsif (stage ->> 'treatment_ppm')::numeric < (before ->> 'treatment_ppm')::numeric then
      return format('stage %s gives the treatment to fewer than the one before', n);
    elsif (stage ->> 'phase_offset')::numeric < (before ->> 'phase_offset')::numeric then
      return format('stage %s goes back to a phase', n);
    -- Pooling over the stages of a phase is unbiased only while the arms keep their ratio, and nobody changes arms in it.
    elsif stage ->> 'phase_offset' = before ->> 'phase_offset'
        and ((stage ->> 'treatment_ppm') <> (stage ->> 'control_ppm') or (before ->> 'treatment_ppm') <> (before ->> 'control_ppm')) then
      return format('stage %s changes the ratio of the arms and needs a phase of its own', n);
    end if;
    before := stage;
    n := n + 1;
  end loop;
  return case when (before ->> 'treatment_ppm')::numeric <> 1000000 then 'the last stage does not give the treatment to everybody' end;
end $$;
COMMENT ON FUNCTION glow.stages_problem(stages jsonb) IS 'What is wrong with the stages of a rollout, or null.';
GRANT ALL ON FUNCTION glow.stages_problem(stages jsonb) TO glow_pipeline;

CREATE FUNCTION glow.stop_experiment(experiment_id text, decision text, moved_by text, reason text, evidence jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(stop_experiment.experiment_id);
begin
  if stop_experiment.decision is null or stop_experiment.decision not in ('keep', 'harm', 'invalid', 'abandoned') then
    perform glow.refuse_move('decision', stop_experiment.decision, 'is not accepted', 'keep, harm, invalid or abandoned', 'PT422');
  elsif experiment.state = 'stopped' and experiment.decision = stop_experiment.decision then
    return glow.moved(experiment.experiment_id, 'unchanged');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment.experiment_id,
      format('has ended (%s, %s)', experiment.state, coalesce(experiment.decision, 'undecided')), 'an experiment that has not ended');
  elsif (glow.locked_rollout(experiment.experiment_id)).experiment_id is not null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is being rolled out', 'roll_back, which ends the rollout and the experiment');
  end if;
  update glow.learning_experiments x
     set state = 'stopped', decision = stop_experiment.decision, reason = stop_experiment.reason, stopped_at = clock_timestamp()
   where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment.experiment_id, case stop_experiment.decision when 'abandoned' then 'experiment_abandoned' else 'experiment_stopped' end,
    moved_by, stop_experiment.reason, evidence, format('The experiment %s of %s ended: %s', experiment.experiment_id, experiment.agent,
      case stop_experiment.decision when 'keep' then 'what is in force stays' when 'harm' then 'the treatment does harm'
        when 'invalid' then 'its numbers are not valid' else 'abandoned' end));
end $$;
COMMENT ON FUNCTION glow.stop_experiment(experiment_id text, decision text, moved_by text, reason text, evidence jsonb) IS 'Ends an experiment without shipping: everybody gets what is in force, at once for whoever resolves next.';
GRANT ALL ON FUNCTION glow.stop_experiment(experiment_id text, decision text, moved_by text, reason text, evidence jsonb) TO glow_pipeline;

CREATE FUNCTION glow.tenant_of(id text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN (POSITION((chr(31)) IN (id)) > 0) THEN split_part(id, chr(31), 1) ELSE 'default'::text END;
GRANT ALL ON FUNCTION glow.tenant_of(id text) TO glow_pipeline;

CREATE FUNCTION glow.terms(texts text[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (select coalesce(array_agg(distinct w.word), '{}') from unnest(texts) t(value) cross join unnest(glow.terms(t.value)) w(word));
end $$;
COMMENT ON FUNCTION glow.terms(texts text[]) IS 'The different words of some texts.';
CREATE FUNCTION glow.terms(value text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  return (
    select coalesce(array_agg(case
             when not t.is_plain then t.word
             when length(r.root) > 3 and right(r.root, 1) = 'e' then left(r.root, -1)
             else r.root end order by t.n), '{}')
      from (select left(w.word, 64) as word, w.n,
                   length(w.word) > 3 and left(w.word, 64) collate "C" ~ '^[a-z]+$' as is_plain
              from unnest(string_to_array(regexp_replace(glow.lowered(terms.value) collate "C",
                '[\u0001-/:-@\u005b-\u005e\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf'
                '\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\ufe10-\ufe1f\ufe30-\ufe6f\uff5f-\uff65\ufff0-\uffff]+',
                ' ', 'g'), ' ')) with ordinality as w(word, n)
             where w.word <> '' and w.word <> all (
           '{a,about,an,and,any,are,as,at,be,been,but,by,can,could,did,do,does,for,from,had,has,have,how,i,if,in,into,is'
           ',it,its,may,me,must,my,no,not,of,on,or,our,shall,should,so,some,such,than,that,the,their,then,there,these'
           ',they,this,those,to,us,was,we,were,what,when,where,which,who,whom,why,will,with,would,you,your}')
            offset 0) t
     cross join lateral (
       select case when not t.is_plain or right(t.word, 1) <> 's' then t.word
                   when right(t.word, 3) = 'ies' and length(t.word) > 4 then left(t.word, -3) || 'y'
                   when right(t.word, 4) = 'sses' then left(t.word, -2)
                   when right(t.word, 2) in ('ss', 'us', 'is') then t.word
                   else left(t.word, -1) end as word
       offset 0) s
     cross join lateral (
       select case when not t.is_plain then 0 when right(s.word, 3) = 'ing' then 3
                   when right(s.word, 2) in ('ed', 'ly') then 2 else 0 end as ending
       offset 0) e
     cross join lateral (
       select case when e.ending = 0 or length(s.word) - e.ending < 3
                     or left(s.word, -e.ending) collate "C" !~ '[aeiouy]' then s.word
                   when right(s.word, 2) <> 'ly' and substr(s.word, length(s.word) - e.ending, 1) not in ('l', 's', 'z')
                     and substr(s.word, length(s.word) - e.ending, 1) = substr(s.word, length(s.word) - e.ending - 1, 1)
                     then left(s.word, -e.ending - 1)
                   else left(s.word, -e.ending) end as root
       offset 0) r);
end $_$;
COMMENT ON FUNCTION glow.terms(value text) IS 'Stemmed words of a text in order, without English function words: what BM25 counts in passages and questions.';
GRANT ALL ON FUNCTION glow.terms(texts text[]) TO glow_pipeline;
GRANT ALL ON FUNCTION glow.terms(value text) TO glow_pipeline;

CREATE FUNCTION glow.trace_prompt(agent text, prompt_version text) RETURNS TABLE(part text, part_id text, content text, traced boolean, origin text, origin_version text, role text, kind text, source_id text, source_role text, example_id text, said jsonb)
    LANGUAGE sql STABLE
    AS $_$
  with recursive versions as (
    select p.prompt_version, p.parent, p.prompt, p.operator_model, 0 as age
      from glow.prompt_versions p where p.agent = trace_prompt.agent and p.prompt_version = trace_prompt.prompt_version
    union all
    select p.prompt_version, p.parent, p.prompt, p.operator_model, v.age + 1
      from versions v join glow.prompt_versions p on p.agent = trace_prompt.agent and p.prompt_version = v.parent
  ) cycle prompt_version set is_cycle using path,
  parts as (
    select v.prompt_version, v.parent, v.operator_model, v.age, x.*
      from versions v cross join lateral (
        select 1 as section, 0::bigint as place, 'instruction' as part, '' as id, v.prompt ->> 'instruction' as content
        union all
        select 2, r.place, 'rule', r.value ->> 'id', r.value ->> 'text'
          from jsonb_array_elements(v.prompt -> 'rules') with ordinality as r(value, place)
        union all
        select 3, d.place, 'demonstration', d.value ->> 'example_id', concat_ws(E'\n', d.value ->> 'input', d.value ->> 'output')
          from jsonb_array_elements(v.prompt -> 'demonstrations') with ordinality as d(value, place)) x
     where not v.is_cycle
  ),
  -- Each part of the version in the versions that have it; a reworded instruction goes back to what it was made of.
  before as (
    select q.section, q.place, q.part, q.id, q.content, o.prompt_version, o.parent, o.operator_model, o.age, o.content = q.content as is_same
      from parts q join parts o on o.part = q.part and o.id = q.id and (o.content = q.content or q.part = 'instruction')
     where q.age = 0
  ),
  sourced as (
    select b.part, b.id, b.prompt_version, b.age, l.role, l.kind, l.source_id, l.example_version,
           min(b.age) over (partition by b.part, b.id) as nearest
      from before b join glow.prompt_lineage l
        on l.agent = trace_prompt.agent and l.prompt_version = b.prompt_version
       and case b.part when 'rule' then l.rule_id = b.id
                       when 'demonstration' then l.role = 'demo' and case l.kind
                         when 'example' then l.source_id = b.id
                         -- A correction that is shown before it became an example.
                         when 'feedback' then 'correction:' || l.source_id = b.id else false end
                       else l.role = 'reflected' and l.rule_id = '' end
     -- An example that was never there is no source.
     where l.kind <> 'example' or l.example_version is not null
  ),
  rows as (
    select f.part, f.id, f.prompt_version, f.age, f.role, coalesce(s.kind, 'example') as kind, coalesce(s.source_id, f.source_id) as source_id,
           s.role as source_role, f.source_id as example_id
      from sourced f left join glow.example_sources s using (example_version)
     where f.age = f.nearest and f.kind = 'example'
    union all
    select f.part, f.id, f.prompt_version, f.age, f.role, f.kind, f.source_id, null, null
      from sourced f
     where f.age = f.nearest and f.kind <> 'example' and not exists (
       select from sourced e join glow.example_sources s using (example_version)
        where (e.part, e.id, e.age, e.role) = (f.part, f.id, f.age, f.role) and (s.kind, s.source_id) = (f.kind, f.source_id))
  ),
  -- Without rows: where it was written by hand, or what a template made of that.
  unsourced as (
    select distinct on (b.part, b.id) b.part, b.id, b.prompt_version,
           case when b.is_same and b.parent is null then 'written'
                when b.part = 'instruction' and b.operator_model is null and b.parent is not null then 'rewritten' end as origin
      from before b where b.is_same order by b.part, b.id, b.age desc
  )
  select q.part, q.id, q.content, r.kind is not null or u.origin is not null,
         case when r.kind is null then u.origin when r.age = 0 then 'learned' else 'inherited' end,
         coalesce(r.prompt_version, case when u.origin is not null then u.prompt_version end),
         r.role, r.kind, r.source_id, r.source_role, r.example_id,
         case when r.kind in ('feedback', 'annotation', 'comparison', 'demonstration') and r.source_id ~ '^[0-9]{1,18}$'
                or r.kind = 'execution' then glow.source_row(r.kind, r.source_id) end
    from parts q
    left join rows r on (r.part, r.id) = (q.part, q.id)
    left join unsourced u on (u.part, u.id) = (q.part, q.id)
   where q.age = 0
   order by q.section, q.place, r.example_id, r.kind, r.source_id, r.source_role
$_$;
COMMENT ON FUNCTION glow.trace_prompt(agent text, prompt_version text) IS 'Every part of a prompt with every row it came from: the audit of a prompt. origin: learned (rows of this version), inherited (rows of origin_version, which brought the part in), written (by hand, in origin_version), rewritten (the instruction, by a template), null where nothing is known.';
GRANT ALL ON FUNCTION glow.trace_prompt(agent text, prompt_version text) TO glow_pipeline;

CREATE FUNCTION glow.unit_of(unit_kind text, tenant text, user_id text, conversation_id text, execution_id text, metadata jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN glow.qualified(tenant, CASE unit_kind WHEN 'user'::text THEN user_id WHEN 'session'::text THEN conversation_id WHEN 'execution'::text THEN execution_id WHEN 'org'::text THEN (metadata ->> 'org_id'::text) ELSE NULL::text END);
GRANT ALL ON FUNCTION glow.unit_of(unit_kind text, tenant text, user_id text, conversation_id text, execution_id text, metadata jsonb) TO glow_pipeline;

CREATE FUNCTION glow.unqualified(id text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN (POSITION((chr(31)) IN (id)) > 0) THEN split_part(id, chr(31), 2) ELSE id END;
GRANT ALL ON FUNCTION glow.unqualified(id text) TO glow_pipeline;

CREATE FUNCTION glow.version_used(agent text, kind text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select case version_used.kind
    when 'prompt' then (select a.prompt_version from glow.prompt_aliases a where a.agent = version_used.agent and a.alias = 'production')
    when 'retrieval' then (select a.configuration from glow.retrieval_aliases a where a.agent = version_used.agent and a.alias = 'production')
    else (select c.version from glow.agent_configs c
           where c.agent = version_used.agent and c.kind = version_used.kind and c.alias = 'production') end
$$;
COMMENT ON FUNCTION glow.version_used(agent text, kind text) IS 'As glow.in_force, for those who only look: not held until commit.';
GRANT ALL ON FUNCTION glow.version_used(agent text, kind text) TO glow_pipeline;

CREATE FUNCTION glow.words_at(of_tenant text, of_execution text, of_agent text, earliest timestamp with time zone, latest timestamp with time zone) RETURNS TABLE(rated integer, thumbs integer, ups integer, net integer, ratings integer, rating_sum integer, low_ratings integer, corrected integer)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  select (count(f.thumbs) + count(f.rating) > 0)::integer, count(f.thumbs)::integer, count(*) filter (where f.thumbs = 1)::integer,
         coalesce(sign(sum(f.thumbs)), 0)::integer, count(f.rating)::integer, coalesce(sum(f.rating), 0)::integer,
         count(*) filter (where f.rating <= 2)::integer, (count(f.correction) > 0)::integer
    from glow.agent_feedback f
   where f.tenant = of_tenant and f.execution_id = of_execution and f.agent = of_agent and not f.withdrawn
     and f.recorded_at >= earliest and f.recorded_at < latest
     and not exists (select from glow.agent_feedback g
                      where g.tenant = of_tenant and g.execution_id = of_execution and g.feedback_id = f.superseded_by
                        and g.recorded_at < latest)
$$;
COMMENT ON FUNCTION glow.words_at(of_tenant text, of_execution text, of_agent text, earliest timestamp with time zone, latest timestamp with time zone) IS 'What was in force of what people said of an execution between two instants, at the second of them.';
GRANT ALL ON FUNCTION glow.words_at(of_tenant text, of_execution text, of_agent text, earliest timestamp with time zone, latest timestamp with time zone) TO glow_pipeline;

GRANT ALL ON FUNCTION glow.moments(double precision, double precision) TO glow_pipeline;

-- Tables, the oldest first

CREATE TABLE glow.logins (
    login name NOT NULL,
    tenant glow.tenant_name,
    tenant_claim text[],
    person glow.identifier,
    person_claim text[],
    calls_per_minute integer,
    bytes_per_call integer,
    note text DEFAULT ''::text NOT NULL,
    bound_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT logins_bytes_per_call_check CHECK ((bytes_per_call > 0)),
    CONSTRAINT logins_calls_per_minute_check CHECK ((calls_per_minute > 0)),
    CONSTRAINT logins_check CHECK (((tenant IS NULL) OR (tenant_claim IS NULL))),
    CONSTRAINT logins_check1 CHECK (((person IS NULL) OR (person_claim IS NULL))),
    CONSTRAINT logins_note_check CHECK ((length(note) <= 1000)),
    CONSTRAINT logins_person_claim_check CHECK ((cardinality(person_claim) > 0)),
    CONSTRAINT logins_tenant_claim_check CHECK ((cardinality(tenant_claim) > 0)),
    CONSTRAINT logins_pkey PRIMARY KEY (login)
);
COMMENT ON TABLE glow.logins IS 'What a database login is bound to: tenant, person, limits. A login without a row speaks for the tenant default.';

CREATE UNLOGGED TABLE glow.call_samples (
    login name NOT NULL,
    called_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    calls integer NOT NULL,
    CONSTRAINT call_samples_calls_check CHECK ((calls > 0))
);
CREATE INDEX call_samples_by_login ON glow.call_samples USING btree (login, called_at);

CREATE TABLE glow.agents (
    agent glow.agent_name NOT NULL,
    tenant glow.tenant_name,
    description text DEFAULT ''::text NOT NULL,
    evaluation jsonb,
    metric text GENERATED ALWAYS AS ((evaluation ->> 'metric'::text)) STORED,
    metric_settings jsonb GENERATED ALWAYS AS (COALESCE(NULLIF((evaluation -> 'metric_settings'::text), 'null'::jsonb), '{}'::jsonb)) STORED NOT NULL,
    issues text[] DEFAULT '{}'::text[] NOT NULL,
    train_share numeric(4,3) DEFAULT 0.8 NOT NULL,
    val_share numeric(4,3) DEFAULT 0.1 NOT NULL,
    test_share numeric(4,3) DEFAULT 0.1 NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT agents_check CHECK (((train_share > (0)::numeric) AND (val_share >= (0)::numeric) AND (test_share >= (0)::numeric) AND (((train_share + val_share) + test_share) = (1)::numeric))),
    CONSTRAINT agents_description_check CHECK ((length(description) <= 2000)),
    CONSTRAINT agents_evaluation_check CHECK (((evaluation IS NULL) OR (jsonb_typeof(evaluation) = 'object'::text))),
    CONSTRAINT agents_issues_check CHECK ((cardinality(issues) <= 100)),
    CONSTRAINT agents_metric_settings_check CHECK ((jsonb_typeof(metric_settings) = 'object'::text)),
    CONSTRAINT agents_pkey PRIMARY KEY (agent)
);
COMMENT ON TABLE glow.agents IS 'One row per agent, never deleted. The name is the Dagster partition key.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.agents TO glow_pipeline;

CREATE TABLE glow.execution_keys (
    tenant glow.tenant_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    payload_hash bytea NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    expired_at timestamp with time zone,
    CONSTRAINT execution_keys_pkey PRIMARY KEY (tenant, execution_id),
    CONSTRAINT execution_keys_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
ALTER TABLE ONLY glow.execution_keys FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.execution_keys IS 'The identity of every execution, also of those that retention removed.';
CREATE INDEX execution_keys_by_time ON glow.execution_keys USING brin (recorded_at);
CREATE POLICY all_tenants ON glow.execution_keys TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.execution_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.execution_keys TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.execution_keys TO glow_pipeline;

CREATE TABLE glow.executions (
    tenant glow.tenant_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    input glow.long_text NOT NULL,
    output glow.long_text NOT NULL,
    user_id glow.identifier,
    conversation_id glow.identifier,
    channel glow.identifier,
    prompt_version text,
    model glow.identifier,
    latency_ms glow."natural",
    prompt_tokens glow."natural",
    completion_tokens glow."natural",
    cost_usd numeric(14,8),
    metadata glow.json_metadata DEFAULT '{}'::jsonb NOT NULL,
    started_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT executions_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT executions_pkey PRIMARY KEY (tenant, execution_id, recorded_at)
)
PARTITION BY RANGE (recorded_at);
ALTER TABLE ONLY glow.executions FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.executions IS 'One run of an agent: what it was asked, what it answered, with which prompt and model.';
CREATE INDEX executions_by_agent ON glow.executions USING btree (agent, xid);
CREATE INDEX executions_by_time ON glow.executions USING brin (recorded_at);
ALTER TABLE glow.executions
    ADD CONSTRAINT executions_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent);
CREATE POLICY all_tenants ON glow.executions TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.executions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.executions TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.executions TO glow_pipeline;

CREATE TABLE glow.agent_feedback (
    feedback_id bigint DEFAULT nextval('glow.feedback_ids'::regclass) NOT NULL,
    tenant glow.tenant_name NOT NULL,
    agent glow.agent_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    user_id glow.identifier NOT NULL,
    kind glow.feedback_kind NOT NULL,
    withdrawn boolean DEFAULT false NOT NULL,
    thumbs glow.thumb,
    rating glow.stars,
    dimensions glow."json_object",
    issues glow.issue_list DEFAULT '{}'::text[] NOT NULL,
    comment glow.comment_text,
    correction glow.long_text,
    channel glow.identifier,
    conversation_id glow.identifier,
    idempotency_key glow.identifier,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    superseded_by bigint,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT agent_feedback_pkey PRIMARY KEY (feedback_id, recorded_at)
)
PARTITION BY RANGE (recorded_at);
ALTER TABLE ONLY glow.agent_feedback FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.agent_feedback IS 'Votes, ratings, issues, comments and corrections. The current one of a person has superseded_by null.';
CREATE INDEX corrections_by_agent ON glow.agent_feedback USING btree (agent, feedback_id) WHERE (correction IS NOT NULL);
CREATE INDEX feedback_by_agent ON glow.agent_feedback USING btree (agent, xid);
CREATE INDEX feedback_by_execution ON glow.agent_feedback USING btree (tenant, execution_id);
CREATE INDEX feedback_by_time ON glow.agent_feedback USING brin (recorded_at);
ALTER TABLE glow.agent_feedback ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_tenants ON glow.agent_feedback TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.agent_feedback TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.agent_feedback TO glow_pipeline;

CREATE TABLE glow.current_feedback (
    tenant text NOT NULL COLLATE pg_catalog."C",
    execution_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    agent text NOT NULL COLLATE pg_catalog."C",
    idempotency_key text COLLATE pg_catalog."C",
    feedback_id bigint NOT NULL,
    withdrawn boolean NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    corrected boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT current_feedback_pkey PRIMARY KEY (tenant, execution_id, user_id, kind, agent)
);
ALTER TABLE ONLY glow.current_feedback FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.current_feedback IS 'Which row of agent_feedback is the newest word of a person on an execution.';
CREATE UNIQUE INDEX current_feedback_by_key ON glow.current_feedback USING btree (tenant, agent, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE POLICY all_tenants ON glow.current_feedback TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.current_feedback ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.current_feedback TO glow_owner USING (((current_setting('glow.tenant'::text, true) = tenant) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = tenant) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.current_feedback TO glow_pipeline;

CREATE TABLE glow.feedback_keys (
    tenant text NOT NULL COLLATE pg_catalog."C",
    agent text NOT NULL COLLATE pg_catalog."C",
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    feedback_id bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT feedback_keys_pkey PRIMARY KEY (tenant, agent, idempotency_key)
);
ALTER TABLE ONLY glow.feedback_keys FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.feedback_keys IS 'Idempotency keys beside those of current votes: of votes changed since, of late ones, and second keys of the same words.';
CREATE POLICY all_tenants ON glow.feedback_keys TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.feedback_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.feedback_keys TO glow_owner USING (((current_setting('glow.tenant'::text, true) = tenant) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = tenant) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.feedback_keys TO glow_pipeline;

CREATE TABLE glow.token_keys (
    key_id integer GENERATED ALWAYS AS IDENTITY,
    inner_pad bytea NOT NULL,
    outer_pad bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT token_keys_inner_pad_check CHECK ((octet_length(inner_pad) = 64)),
    CONSTRAINT token_keys_outer_pad_check CHECK ((octet_length(outer_pad) = 64)),
    CONSTRAINT token_keys_pkey PRIMARY KEY (key_id)
);
COMMENT ON TABLE glow.token_keys IS 'Keys of feedback tokens; nobody but the owner''s functions reads them.';

CREATE TABLE glow.expert_annotations (
    annotation_id bigint GENERATED ALWAYS AS IDENTITY,
    tenant glow.tenant_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    reviewer glow.identifier NOT NULL,
    role text DEFAULT 'review'::text NOT NULL,
    gold boolean DEFAULT false NOT NULL,
    verdict text NOT NULL,
    output text,
    dimensions jsonb DEFAULT '{}'::jsonb NOT NULL,
    notes text,
    idempotency_key glow.identifier,
    payload_hash bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_by bigint,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    erased_at timestamp with time zone,
    CONSTRAINT expert_annotations_check CHECK ((((verdict = 'correct'::text) = (output IS NOT NULL)) OR ((erased_at IS NOT NULL) AND (output IS NULL)))),
    CONSTRAINT expert_annotations_dimensions_check CHECK ((jsonb_typeof(dimensions) = 'object'::text)),
    CONSTRAINT expert_annotations_notes_check CHECK ((length(notes) <= 10000)),
    CONSTRAINT expert_annotations_output_check CHECK (((octet_length(output) >= 1) AND (octet_length(output) <= 1000000))),
    CONSTRAINT expert_annotations_role_check CHECK ((role = ANY (ARRAY['review'::text, 'adjudication'::text]))),
    CONSTRAINT expert_annotations_verdict_check CHECK ((verdict = ANY (ARRAY['approve'::text, 'correct'::text, 'reject'::text]))),
    CONSTRAINT expert_annotations_pkey PRIMARY KEY (annotation_id),
    CONSTRAINT expert_annotations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT expert_annotations_superseded_by_fkey FOREIGN KEY (superseded_by) REFERENCES glow.expert_annotations(annotation_id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT expert_annotations_tenant_execution_id_fkey FOREIGN KEY (tenant, execution_id) REFERENCES glow.execution_keys(tenant, execution_id)
);
ALTER TABLE ONLY glow.expert_annotations FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.expert_annotations IS 'An expert''s judgement of one execution; the current one of a reviewer has superseded_by null.';
CREATE UNIQUE INDEX annotation_idempotency ON glow.expert_annotations USING btree (tenant, agent, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX annotations_by_agent ON glow.expert_annotations USING btree (agent, recorded_at);
CREATE INDEX annotations_by_arrival ON glow.expert_annotations USING btree (agent, xid);
CREATE INDEX expert_corrections_by_agent ON glow.expert_annotations USING btree (agent, annotation_id) WHERE (verdict = 'correct'::text);
CREATE UNIQUE INDEX one_adjudication ON glow.expert_annotations USING btree (tenant, execution_id) WHERE ((superseded_by IS NULL) AND (role = 'adjudication'::text));
CREATE UNIQUE INDEX one_current_annotation ON glow.expert_annotations USING btree (tenant, execution_id, reviewer) WHERE (superseded_by IS NULL);
CREATE POLICY all_tenants ON glow.expert_annotations TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.expert_annotations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.expert_annotations TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.expert_annotations TO glow_pipeline;

CREATE TABLE glow.demonstrations (
    demonstration_id bigint GENERATED ALWAYS AS IDENTITY,
    tenant glow.tenant_name NOT NULL,
    agent glow.agent_name NOT NULL,
    expert glow.identifier NOT NULL,
    input text NOT NULL,
    output text NOT NULL,
    notes text,
    idempotency_key glow.identifier,
    payload_hash bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT demonstrations_input_check CHECK (((octet_length(input) >= 1) AND (octet_length(input) <= 1000000))),
    CONSTRAINT demonstrations_notes_check CHECK ((length(notes) <= 10000)),
    CONSTRAINT demonstrations_output_check CHECK (((octet_length(output) >= 1) AND (octet_length(output) <= 1000000))),
    CONSTRAINT demonstrations_pkey PRIMARY KEY (demonstration_id),
    CONSTRAINT demonstrations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
ALTER TABLE ONLY glow.demonstrations FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.demonstrations IS 'An expert''s own example of a right answer.';
CREATE UNIQUE INDEX demonstration_idempotency ON glow.demonstrations USING btree (tenant, agent, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX demonstrations_by_arrival ON glow.demonstrations USING btree (agent, xid);
CREATE POLICY all_tenants ON glow.demonstrations TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.demonstrations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.demonstrations TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.demonstrations TO glow_pipeline;

CREATE TABLE glow.review_policies (
    agent glow.agent_name NOT NULL,
    reviews smallint DEFAULT 2 NOT NULL,
    most_reviews smallint DEFAULT 3 NOT NULL,
    blind boolean DEFAULT true NOT NULL,
    lease interval DEFAULT '00:15:00'::interval NOT NULL,
    control_share double precision DEFAULT 0.02 NOT NULL,
    gold_share double precision DEFAULT 0.05 NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT review_policies_check CHECK (((most_reviews >= reviews) AND (most_reviews <= 20))),
    CONSTRAINT review_policies_control_share_check CHECK (((control_share >= (0)::double precision) AND (control_share <= (1)::double precision))),
    CONSTRAINT review_policies_gold_share_check CHECK (((gold_share >= (0)::double precision) AND (gold_share <= (0.5)::double precision))),
    CONSTRAINT review_policies_lease_check CHECK (((lease >= '00:00:10'::interval) AND (lease <= '7 days'::interval))),
    CONSTRAINT review_policies_reviews_check CHECK (((reviews >= 1) AND (reviews <= 20))),
    CONSTRAINT review_policies_pkey PRIMARY KEY (agent),
    CONSTRAINT review_policies_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.review_policies IS 'How many reviews an agent''s items get, blind or not, for how long they are leased, how many are controls and gold.';
GRANT SELECT ON TABLE glow.review_policies TO glow_pipeline;

CREATE TABLE glow.review_items (
    item_id bigint GENERATED ALWAYS AS IDENTITY,
    tenant glow.tenant_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    kind text DEFAULT 'judgement'::text NOT NULL,
    alternative text,
    reasons text[] NOT NULL,
    note text,
    priority double precision DEFAULT 0.5 NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    reviews smallint NOT NULL,
    most_reviews smallint NOT NULL,
    outcome text,
    gold boolean DEFAULT false NOT NULL,
    decided_by bigint,
    input_key bytea,
    occurrences integer DEFAULT 1 NOT NULL,
    votes_up integer DEFAULT 0 NOT NULL,
    votes_down integer DEFAULT 0 NOT NULL,
    judge_up integer DEFAULT 0 NOT NULL,
    judge_down integer DEFAULT 0 NOT NULL,
    entered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT review_items_alternative_check CHECK (((octet_length(alternative) >= 1) AND (octet_length(alternative) <= 1000000))),
    CONSTRAINT review_items_check CHECK (((kind = 'comparison'::text) = (alternative IS NOT NULL))),
    CONSTRAINT review_items_check1 CHECK (((NOT gold) OR (kind = 'judgement'::text))),
    CONSTRAINT review_items_check2 CHECK (((state = 'closed'::text) = (closed_at IS NOT NULL))),
    CONSTRAINT review_items_kind_check CHECK ((kind = ANY (ARRAY['judgement'::text, 'comparison'::text]))),
    CONSTRAINT review_items_note_check CHECK ((length(note) <= 2000)),
    CONSTRAINT review_items_priority_check CHECK (((priority >= (0)::double precision) AND (priority <= (1)::double precision))),
    CONSTRAINT review_items_reasons_check CHECK ((reasons <@ '{low_vote,correction,disagreement,uncertainty,drift,control,manual}'::text[])),
    CONSTRAINT review_items_reviews_check CHECK (((reviews >= 0) AND (reviews <= 32767))),
    CONSTRAINT review_items_state_check CHECK ((state = ANY (ARRAY['open'::text, 'adjudicate'::text, 'closed'::text]))),
    CONSTRAINT review_items_pkey PRIMARY KEY (item_id),
    CONSTRAINT review_items_tenant_execution_id_kind_key UNIQUE (tenant, execution_id, kind),
    CONSTRAINT review_items_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT review_items_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES glow.expert_annotations(annotation_id),
    CONSTRAINT review_items_tenant_execution_id_fkey FOREIGN KEY (tenant, execution_id) REFERENCES glow.execution_keys(tenant, execution_id) ON DELETE CASCADE
);
ALTER TABLE ONLY glow.review_items FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.review_items IS 'What experts are asked to judge: an execution, why, how much it is worth to know, and how far it is.';
CREATE INDEX controls_by_agent ON glow.review_items USING btree (agent, entered_at) WHERE (reasons @> '{control}'::text[]);
CREATE INDEX drifts_by_agent ON glow.review_items USING btree (agent, entered_at) WHERE (reasons @> '{drift}'::text[]);
CREATE INDEX gold_items ON glow.review_items USING btree (tenant, agent) WHERE gold;
CREATE INDEX reviews_by_agent ON glow.review_items USING btree (agent, tenant, priority DESC, item_id) WHERE ((state = 'open'::text) AND (NOT gold));
CREATE INDEX reviews_by_draw ON glow.review_items USING btree (tenant, glow.control_draw((tenant)::text, (execution_id)::text)) WHERE ((state = 'open'::text) AND (NOT gold) AND (reasons @> '{control}'::text[]));
CREATE INDEX reviews_by_input ON glow.review_items USING btree (agent, input_key) WHERE (state = 'open'::text);
CREATE INDEX reviews_by_priority ON glow.review_items USING btree (tenant, priority DESC, item_id) WHERE ((state = 'open'::text) AND (NOT gold));
CREATE INDEX reviews_to_adjudicate ON glow.review_items USING btree (tenant, item_id) WHERE (state = 'adjudicate'::text);
CREATE POLICY all_tenants ON glow.review_items TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.review_items TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
ALTER TABLE glow.review_items ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.review_items TO glow_pipeline;

CREATE TABLE glow.review_slots (
    item_id bigint NOT NULL,
    slot smallint NOT NULL,
    tenant glow.tenant_name NOT NULL,
    reviewer glow.identifier,
    lease_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    claimed_at timestamp with time zone,
    first text,
    annotation_id bigint,
    comparison_id bigint,
    filled_at timestamp with time zone,
    CONSTRAINT review_slots_check CHECK (((reviewer IS NOT NULL) OR (filled_at IS NULL))),
    CONSTRAINT review_slots_check1 CHECK (((filled_at IS NOT NULL) = (num_nonnulls(annotation_id, comparison_id) = 1))),
    CONSTRAINT review_slots_first_check CHECK ((first = ANY (ARRAY['output'::text, 'alternative'::text]))),
    CONSTRAINT review_slots_slot_check CHECK ((slot > 0)),
    CONSTRAINT review_slots_item_id_reviewer_key UNIQUE (item_id, reviewer),
    CONSTRAINT review_slots_pkey PRIMARY KEY (item_id, slot),
    CONSTRAINT review_slots_annotation_id_fkey FOREIGN KEY (annotation_id) REFERENCES glow.expert_annotations(annotation_id),
    CONSTRAINT review_slots_item_id_fkey FOREIGN KEY (item_id) REFERENCES glow.review_items(item_id) ON DELETE CASCADE
);
ALTER TABLE ONLY glow.review_slots FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.review_slots IS 'The reviews an item gets: each free, leased to a reviewer, or filled with what they said.';
CREATE INDEX slots_by_annotation ON glow.review_slots USING btree (annotation_id) WHERE (annotation_id IS NOT NULL);
CREATE INDEX slots_of_reviewer ON glow.review_slots USING btree (tenant, reviewer) WHERE ((filled_at IS NULL) AND (reviewer IS NOT NULL));
CREATE POLICY all_tenants ON glow.review_slots TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.review_slots TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
ALTER TABLE glow.review_slots ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.review_slots TO glow_pipeline;

CREATE TABLE glow.review_passes (
    item_id bigint NOT NULL,
    reviewer glow.identifier NOT NULL,
    tenant glow.tenant_name NOT NULL,
    kind text NOT NULL,
    passed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT review_passes_kind_check CHECK ((kind = ANY (ARRAY['skipped'::text, 'declined'::text]))),
    CONSTRAINT review_passes_pkey PRIMARY KEY (item_id, reviewer),
    CONSTRAINT review_passes_item_id_fkey FOREIGN KEY (item_id) REFERENCES glow.review_items(item_id) ON DELETE CASCADE
);
ALTER TABLE ONLY glow.review_passes FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.review_passes IS 'What a reviewer does not want now (skipped) or ever (declined).';
CREATE INDEX passes_of_reviewer ON glow.review_passes USING btree (tenant, reviewer, passed_at);
CREATE POLICY all_tenants ON glow.review_passes TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.review_passes TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
ALTER TABLE glow.review_passes ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE glow.review_passes TO glow_pipeline;

CREATE TABLE glow.comparisons (
    comparison_id bigint GENERATED ALWAYS AS IDENTITY,
    tenant glow.tenant_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    reviewer glow.identifier NOT NULL,
    first text NOT NULL,
    second text NOT NULL,
    preferred text NOT NULL,
    notes text,
    idempotency_key glow.identifier,
    payload_hash bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_by bigint,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT comparisons_first_check CHECK (((octet_length(first) >= 1) AND (octet_length(first) <= 1000000))),
    CONSTRAINT comparisons_notes_check CHECK ((length(notes) <= 10000)),
    CONSTRAINT comparisons_preferred_check CHECK ((preferred = ANY (ARRAY['first'::text, 'second'::text, 'tie'::text, 'neither'::text]))),
    CONSTRAINT comparisons_second_check CHECK (((octet_length(second) >= 1) AND (octet_length(second) <= 1000000))),
    CONSTRAINT comparisons_pkey PRIMARY KEY (comparison_id),
    CONSTRAINT comparisons_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT comparisons_superseded_by_fkey FOREIGN KEY (superseded_by) REFERENCES glow.comparisons(comparison_id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT comparisons_tenant_execution_id_fkey FOREIGN KEY (tenant, execution_id) REFERENCES glow.execution_keys(tenant, execution_id)
);
ALTER TABLE ONLY glow.comparisons FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.comparisons IS 'Which of two answers an expert prefers; the current word of a reviewer has superseded_by null.';
CREATE UNIQUE INDEX comparison_idempotency ON glow.comparisons USING btree (tenant, agent, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX comparisons_by_arrival ON glow.comparisons USING btree (agent, xid);
CREATE UNIQUE INDEX one_current_comparison ON glow.comparisons USING btree (tenant, execution_id, reviewer) WHERE (superseded_by IS NULL);
ALTER TABLE ONLY glow.review_slots
    ADD CONSTRAINT review_slots_comparison_id_fkey FOREIGN KEY (comparison_id) REFERENCES glow.comparisons(comparison_id);
CREATE POLICY all_tenants ON glow.comparisons TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.comparisons ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.comparisons TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT ON TABLE glow.comparisons TO glow_pipeline;

CREATE TABLE glow.review_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    tenant glow.tenant_name NOT NULL,
    item_id bigint NOT NULL,
    agent glow.agent_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    reviewer glow.identifier NOT NULL,
    event text NOT NULL,
    reason text,
    happened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT review_events_event_check CHECK ((event = ANY (ARRAY['claimed'::text, 'submitted'::text, 'skipped'::text, 'declined'::text, 'released'::text, 'expired'::text, 'extended'::text, 'adjudicated'::text]))),
    CONSTRAINT review_events_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT review_events_pkey PRIMARY KEY (event_id)
);
ALTER TABLE ONLY glow.review_events FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.review_events IS 'Who did what with an item, and when: throughput is counted from it, and an auditor reads it. Append-only.';
CREATE INDEX review_events_by_item ON glow.review_events USING btree (item_id);
CREATE INDEX review_events_by_time ON glow.review_events USING brin (happened_at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON glow.review_events FOR EACH ROW EXECUTE FUNCTION glow.append_only();
CREATE POLICY all_tenants ON glow.review_events TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.review_events TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
ALTER TABLE glow.review_events ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE glow.review_events TO glow_pipeline;

CREATE TABLE glow.vote_days (
    agent glow.agent_name NOT NULL,
    day date NOT NULL,
    votes bigint NOT NULL,
    negative bigint NOT NULL,
    CONSTRAINT vote_days_check CHECK (((negative >= 0) AND (negative <= votes))),
    CONSTRAINT vote_days_votes_check CHECK ((votes >= 0)),
    CONSTRAINT vote_days_pkey PRIMARY KEY (agent, day),
    CONSTRAINT vote_days_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.vote_days IS 'Votes of users by day: what drift is seen by.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.vote_days TO glow_pipeline;

CREATE TABLE glow.split_assignments (
    agent glow.agent_name NOT NULL,
    group_key text NOT NULL,
    split text NOT NULL,
    assigned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT split_assignments_split_check CHECK ((split = ANY (ARRAY['train'::text, 'val'::text, 'test'::text]))),
    CONSTRAINT split_assignments_agent_group_key_split_key UNIQUE (agent, group_key, split),
    CONSTRAINT split_assignments_pkey PRIMARY KEY (agent, group_key),
    CONSTRAINT split_assignments_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.split_assignments IS 'A group (conversation, near-duplicate cluster) belongs to one split of every dataset, for ever.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.split_assignments FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.split_assignments TO glow_pipeline;

CREATE TABLE glow.learning_inputs (
    input_id bigint GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    input_key bytea NOT NULL,
    group_key text,
    conversation text,
    sketch bit(256),
    embedding public.vector,
    embedding_model text,
    first_seen timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT learning_inputs_check CHECK (((embedding IS NULL) = (embedding_model IS NULL))),
    CONSTRAINT learning_inputs_input_key_check CHECK ((octet_length(input_key) = 32)),
    CONSTRAINT learning_inputs_agent_input_key_key UNIQUE (agent, input_key),
    CONSTRAINT learning_inputs_input_id_group_key_key UNIQUE (input_id, group_key),
    CONSTRAINT learning_inputs_pkey PRIMARY KEY (input_id),
    CONSTRAINT learning_inputs_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.learning_inputs IS 'The distinct questions of an agent, and the group each belongs to for ever.';
CREATE INDEX inputs_by_conversation ON glow.learning_inputs USING btree (agent, conversation, input_id) WHERE (conversation IS NOT NULL);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.learning_inputs TO glow_pipeline;

CREATE TABLE glow.near_keys (
    key bigint NOT NULL,
    input_id bigint NOT NULL,
    CONSTRAINT near_keys_pkey PRIMARY KEY (key, input_id)
);
COMMENT ON TABLE glow.near_keys IS 'By which the near-duplicates of a new question are found among all that were grouped before.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.near_keys TO glow_pipeline;

CREATE TABLE glow.execution_inputs (
    tenant glow.tenant_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    input_id bigint NOT NULL,
    judged boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT execution_inputs_pkey PRIMARY KEY (tenant, execution_id),
    CONSTRAINT execution_inputs_input_id_fkey FOREIGN KEY (input_id) REFERENCES glow.learning_inputs(input_id),
    CONSTRAINT execution_inputs_tenant_execution_id_fkey FOREIGN KEY (tenant, execution_id) REFERENCES glow.execution_keys(tenant, execution_id) ON UPDATE CASCADE ON DELETE CASCADE
);
ALTER TABLE ONLY glow.execution_inputs FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.execution_inputs IS 'What was asked in the executions that users or experts have spoken of.';
CREATE INDEX executions_by_input ON glow.execution_inputs USING btree (input_id, judged DESC, recorded_at DESC) INCLUDE (tenant, execution_id);
CREATE POLICY all_tenants ON glow.execution_inputs TO glow_pipeline USING (true) WITH CHECK (true);
ALTER TABLE glow.execution_inputs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON glow.execution_inputs TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.execution_inputs TO glow_pipeline;

CREATE TABLE glow.heard_inputs (
    input_id bigint NOT NULL,
    oldest timestamp with time zone NOT NULL,
    said json NOT NULL,
    CONSTRAINT heard_inputs_pkey PRIMARY KEY (input_id),
    CONSTRAINT heard_inputs_input_id_fkey FOREIGN KEY (input_id) REFERENCES glow.learning_inputs(input_id) ON DELETE CASCADE
);
COMMENT ON TABLE glow.heard_inputs IS 'What was heard of a question when it was last learned, in one place; made anew when it is missing.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.heard_inputs TO glow_pipeline;

CREATE TABLE glow.demonstration_inputs (
    demonstration_id bigint NOT NULL,
    input_id bigint NOT NULL,
    CONSTRAINT demonstration_inputs_pkey PRIMARY KEY (demonstration_id),
    CONSTRAINT demonstration_inputs_demonstration_id_fkey FOREIGN KEY (demonstration_id) REFERENCES glow.demonstrations(demonstration_id) ON DELETE CASCADE,
    CONSTRAINT demonstration_inputs_input_id_fkey FOREIGN KEY (input_id) REFERENCES glow.learning_inputs(input_id)
);
COMMENT ON TABLE glow.demonstration_inputs IS 'What an expert''s own example answers.';
CREATE INDEX demonstrations_by_input ON glow.demonstration_inputs USING btree (input_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.demonstration_inputs TO glow_pipeline;

CREATE TABLE glow.stale_inputs (
    input_id bigint NOT NULL,
    because text NOT NULL,
    CONSTRAINT stale_inputs_pkey PRIMARY KEY (input_id),
    CONSTRAINT stale_inputs_input_id_fkey FOREIGN KEY (input_id) REFERENCES glow.learning_inputs(input_id)
);
COMMENT ON TABLE glow.stale_inputs IS 'Questions to learn again although nobody said anything new about them: a rule or a weight has changed.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.stale_inputs TO glow_pipeline;

CREATE TABLE glow.learning_examples (
    example_version bigint GENERATED ALWAYS AS IDENTITY,
    example_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    input_id bigint NOT NULL,
    input text,
    target text,
    source text NOT NULL,
    status text NOT NULL,
    quality double precision NOT NULL,
    expert_approved boolean NOT NULL,
    group_key text NOT NULL,
    split text,
    content_hash text NOT NULL,
    rule_version text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    rejected_target text,
    domain text,
    language text,
    quality_parts jsonb DEFAULT '{}'::jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_at timestamp with time zone,
    erased_at timestamp with time zone,
    continues bigint,
    first_version bigint GENERATED ALWAYS AS (COALESCE(continues, example_version)) STORED NOT NULL,
    CONSTRAINT learning_examples_check CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT learning_examples_check1 CHECK (((erased_at IS NOT NULL) OR ((input IS NOT NULL) AND (target IS NOT NULL)))),
    CONSTRAINT learning_examples_check2 CHECK (((split IS NOT NULL) OR (status <> 'approved'::text))),
    CONSTRAINT learning_examples_quality_check CHECK (((quality >= (0)::double precision) AND (quality <= (1)::double precision))),
    CONSTRAINT learning_examples_quality_parts_check CHECK ((jsonb_typeof(quality_parts) = 'object'::text)),
    CONSTRAINT learning_examples_source_check CHECK ((source = ANY (ARRAY['annotation'::text, 'correction'::text, 'demonstration'::text, 'vote'::text]))),
    CONSTRAINT learning_examples_status_check CHECK ((status = ANY (ARRAY['approved'::text, 'pending'::text, 'rejected'::text, 'quarantined'::text]))),
    CONSTRAINT learning_examples_example_version_split_key UNIQUE (example_version, split),
    CONSTRAINT learning_examples_pkey PRIMARY KEY (example_version),
    CONSTRAINT learning_examples_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT learning_examples_agent_group_key_split_fkey FOREIGN KEY (agent, group_key, split) REFERENCES glow.split_assignments(agent, group_key, split),
    CONSTRAINT learning_examples_input_id_group_key_fkey FOREIGN KEY (input_id, group_key) REFERENCES glow.learning_inputs(input_id, group_key)
);
COMMENT ON TABLE glow.learning_examples IS 'A curated unit of training data with its history: the row in force has superseded_at null.';
CREATE INDEX examples_by_agent ON glow.learning_examples USING btree (agent, recorded_at);
CREATE INDEX examples_by_first_version ON glow.learning_examples USING btree (first_version);
CREATE INDEX examples_by_input ON glow.learning_examples USING btree (input_id, superseded_at);
CREATE INDEX examples_in_force ON glow.learning_examples USING btree (agent, status, source, split) WHERE (superseded_at IS NULL);
CREATE UNIQUE INDEX one_current_example ON glow.learning_examples USING btree (example_id) WHERE (superseded_at IS NULL);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.learning_examples TO glow_pipeline;

CREATE TABLE glow.source_spans (
    first_version bigint NOT NULL,
    kind text NOT NULL,
    source_id text NOT NULL,
    role text NOT NULL,
    since bigint NOT NULL,
    until bigint,
    CONSTRAINT source_spans_check CHECK ((until > since)),
    CONSTRAINT source_spans_kind_check CHECK ((kind = ANY (ARRAY['execution'::text, 'feedback'::text, 'annotation'::text, 'comparison'::text, 'demonstration'::text]))),
    CONSTRAINT source_spans_pkey PRIMARY KEY (first_version, kind, source_id, role, since) INCLUDE (until),
    CONSTRAINT source_spans_first_version_fkey FOREIGN KEY (first_version) REFERENCES glow.learning_examples(example_version)
);
COMMENT ON TABLE glow.source_spans IS 'Which rows an example came from, what each contributed, and for which of its records.';
CREATE INDEX source_spans_by_source ON glow.source_spans USING btree (kind, source_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.source_spans TO glow_pipeline;

CREATE VIEW glow.example_sources AS
 SELECT x.example_version,
    s.kind,
    s.source_id,
    s.role
   FROM (glow.learning_examples x
     JOIN glow.source_spans s ON (((s.first_version = x.first_version) AND (s.since <= x.example_version) AND COALESCE((s.until > x.example_version), true))));
COMMENT ON VIEW glow.example_sources IS 'Which rows each record of an example came from, and what each contributed.';
GRANT SELECT ON TABLE glow.example_sources TO glow_pipeline;

CREATE TABLE glow.training_datasets (
    dataset_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    agents text[] NOT NULL,
    kind text NOT NULL,
    rule jsonb NOT NULL,
    rule_hash text NOT NULL,
    rule_version text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    rows integer NOT NULL,
    content_hash text NOT NULL,
    statistics jsonb NOT NULL,
    parent text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    revoked_at timestamp with time zone,
    revoked_because text,
    successor text,
    CONSTRAINT training_datasets_agents_check CHECK ((cardinality(agents) > 0)),
    CONSTRAINT training_datasets_check CHECK (((revoked_at IS NULL) = (revoked_because IS NULL))),
    CONSTRAINT training_datasets_check1 CHECK (((successor IS NULL) OR (revoked_at IS NOT NULL))),
    CONSTRAINT training_datasets_kind_check CHECK ((kind = ANY (ARRAY['sft'::text, 'preference'::text, 'evaluation'::text, 'retrieval'::text]))),
    CONSTRAINT training_datasets_rows_check CHECK ((rows >= 0)),
    CONSTRAINT training_datasets_rule_check CHECK ((jsonb_typeof(rule) = 'object'::text)),
    CONSTRAINT training_datasets_statistics_check CHECK ((jsonb_typeof(statistics) = 'object'::text)),
    CONSTRAINT training_datasets_pkey PRIMARY KEY (dataset_id),
    CONSTRAINT training_datasets_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT training_datasets_parent_fkey FOREIGN KEY (parent) REFERENCES glow.training_datasets(dataset_id),
    CONSTRAINT training_datasets_successor_fkey FOREIGN KEY (successor) REFERENCES glow.training_datasets(dataset_id)
);
COMMENT ON TABLE glow.training_datasets IS 'An immutable dataset version: (rule, as_of) and the hash of the rows they select.';
CREATE INDEX datasets_by_agent ON glow.training_datasets USING btree (agent, created_at);
CREATE UNIQUE INDEX one_version_of_content ON glow.training_datasets USING btree (agent, kind, rule_hash, content_hash) WHERE (revoked_at IS NULL);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.training_datasets FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.training_datasets TO glow_pipeline;

CREATE TABLE glow.dataset_examples (
    dataset_id text NOT NULL,
    "position" integer NOT NULL,
    example_version bigint NOT NULL,
    split text NOT NULL,
    CONSTRAINT dataset_examples_position_check CHECK (("position" > 0)),
    CONSTRAINT dataset_examples_example_version_dataset_id_key UNIQUE (example_version, dataset_id),
    CONSTRAINT dataset_examples_pkey PRIMARY KEY (dataset_id, "position"),
    CONSTRAINT dataset_examples_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id),
    CONSTRAINT dataset_examples_example_version_split_fkey FOREIGN KEY (example_version, split) REFERENCES glow.learning_examples(example_version, split)
);
COMMENT ON TABLE glow.dataset_examples IS 'The rows of a dataset version in the order of their example ids, each with the split its group has for ever.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.dataset_examples FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.dataset_examples TO glow_pipeline;

CREATE UNLOGGED TABLE glow.draft_rows (
    example_version bigint NOT NULL,
    example_id text NOT NULL COLLATE pg_catalog."C",
    split text NOT NULL,
    content_hash text NOT NULL
);
COMMENT ON TABLE glow.draft_rows IS 'Rows of a dataset version before it is one. A crash may empty it.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.draft_rows TO glow_pipeline;

CREATE TABLE glow.dataset_exports (
    dataset_id text NOT NULL,
    path text NOT NULL,
    format text NOT NULL,
    split text,
    state text NOT NULL,
    rows integer,
    bytes bigint,
    sha256 text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT dataset_exports_check CHECK (((state <> 'done'::text) OR ((rows IS NOT NULL) AND (bytes IS NOT NULL) AND (sha256 IS NOT NULL)))),
    CONSTRAINT dataset_exports_format_check CHECK ((format = ANY (ARRAY['jsonl'::text, 'parquet'::text, 'csv'::text, 'card'::text]))),
    CONSTRAINT dataset_exports_path_check CHECK (((path <> ''::text) AND (path !~ '(^/|\.\.)'::text))),
    CONSTRAINT dataset_exports_split_check CHECK ((split = ANY (ARRAY['train'::text, 'val'::text, 'test'::text]))),
    CONSTRAINT dataset_exports_state_check CHECK ((state = ANY (ARRAY['writing'::text, 'done'::text, 'erased'::text]))),
    CONSTRAINT dataset_exports_pkey PRIMARY KEY (dataset_id, path),
    CONSTRAINT dataset_exports_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id)
);
COMMENT ON TABLE glow.dataset_exports IS 'Every file that holds rows of a dataset version, so that erasure finds it.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.dataset_exports TO glow_pipeline;

CREATE TABLE glow.datasets_in_force (
    agent glow.agent_name NOT NULL,
    kind text NOT NULL,
    dataset_id text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT datasets_in_force_pkey PRIMARY KEY (agent, kind),
    CONSTRAINT datasets_in_force_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT datasets_in_force_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id)
);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.datasets_in_force TO glow_pipeline;

CREATE TABLE glow.prompt_versions (
    agent glow.agent_name NOT NULL,
    prompt_version text NOT NULL,
    prompt jsonb NOT NULL,
    operator text NOT NULL,
    parent text,
    reason text DEFAULT ''::text NOT NULL,
    tokens glow."natural",
    operator_model glow.identifier,
    operator_prompt text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    erased_at timestamp with time zone,
    CONSTRAINT prompt_versions_check CHECK (((erased_at IS NOT NULL) OR (prompt_version = encode(sha256(convert_to((prompt)::text, 'UTF8'::name)), 'hex'::text)))),
    CONSTRAINT prompt_versions_operator_prompt_check CHECK ((operator_prompt ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT prompt_versions_prompt_check CHECK ((jsonb_typeof(prompt) = 'object'::text)),
    CONSTRAINT prompt_versions_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT prompt_versions_pkey PRIMARY KEY (agent, prompt_version),
    CONSTRAINT prompt_versions_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT prompt_versions_agent_parent_fkey FOREIGN KEY (agent, parent) REFERENCES glow.prompt_versions(agent, prompt_version)
);
COMMENT ON TABLE glow.prompt_versions IS 'Immutable prompts: instruction, rules, demonstrations, parameters.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.prompt_versions FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
ALTER TABLE glow.executions
    ADD CONSTRAINT executions_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.prompt_versions TO glow_pipeline;

CREATE TABLE glow.prompt_aliases (
    agent glow.agent_name NOT NULL,
    alias text NOT NULL,
    prompt_version text NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_aliases_alias_check CHECK ((alias = ANY (ARRAY['production'::text, 'candidate'::text, 'previous'::text]))),
    CONSTRAINT prompt_aliases_revision_check CHECK ((revision > 0)),
    CONSTRAINT prompt_aliases_pkey PRIMARY KEY (agent, alias),
    CONSTRAINT prompt_aliases_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version)
);
COMMENT ON TABLE glow.prompt_aliases IS 'Which prompt is in force. Moved by compare-and-swap on revision.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.prompt_aliases TO glow_pipeline;

CREATE TABLE glow.prompt_alias_history (
    move_id bigint GENERATED ALWAYS AS IDENTITY,
    agent text NOT NULL,
    alias text NOT NULL,
    prompt_version text,
    previous text,
    revision integer NOT NULL,
    kind text DEFAULT 'move'::text NOT NULL,
    moved_by text NOT NULL,
    reason text NOT NULL,
    gate_id text,
    experiment_id text,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_alias_history_kind_check CHECK ((kind = ANY (ARRAY['move'::text, 'rollback'::text]))),
    CONSTRAINT prompt_alias_history_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT prompt_alias_history_pkey PRIMARY KEY (move_id)
);
COMMENT ON TABLE glow.prompt_alias_history IS 'Every move of an alias: who, why, and the gate and experiment that allowed it.';
CREATE INDEX alias_history_by_agent ON glow.prompt_alias_history USING btree (agent, move_id);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.prompt_alias_history FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.prompt_alias_history TO glow_pipeline;

CREATE TABLE glow.prompt_lineage (
    agent text NOT NULL,
    prompt_version text NOT NULL,
    kind text NOT NULL,
    source_id text NOT NULL,
    role text NOT NULL,
    rule_id text DEFAULT ''::text NOT NULL,
    example_version bigint,
    CONSTRAINT prompt_lineage_kind_check CHECK ((kind = ANY (ARRAY['example'::text, 'execution'::text, 'feedback'::text, 'annotation'::text, 'comparison'::text, 'demonstration'::text]))),
    CONSTRAINT prompt_lineage_role_check CHECK ((role = ANY (ARRAY['demo'::text, 'rule_evidence'::text, 'reflected'::text]))),
    CONSTRAINT prompt_lineage_pkey PRIMARY KEY (agent, prompt_version, kind, source_id, role, rule_id),
    CONSTRAINT prompt_lineage_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_lineage_example_version_fkey FOREIGN KEY (example_version) REFERENCES glow.learning_examples(example_version)
);
COMMENT ON TABLE glow.prompt_lineage IS 'Which rows each rule and demonstration of a prompt came from.';
CREATE INDEX lineage_by_example ON glow.prompt_lineage USING btree (example_version);
CREATE INDEX lineage_by_source ON glow.prompt_lineage USING btree (kind, source_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.prompt_lineage TO glow_pipeline;

CREATE TABLE glow.prompt_optimizations (
    optimization_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    dataset_id text NOT NULL,
    incumbent text NOT NULL,
    feedback_until bigint NOT NULL,
    carried_gate text,
    analysis jsonb,
    candidates jsonb,
    race jsonb,
    goals text[] DEFAULT '{}'::text[] NOT NULL,
    limits jsonb DEFAULT '{}'::jsonb NOT NULL,
    model text,
    metric text,
    metric_version integer,
    metric_settings text,
    plan jsonb,
    spent jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_optimizations_limits_check CHECK ((jsonb_typeof(limits) = 'object'::text)),
    CONSTRAINT prompt_optimizations_metric_settings_check CHECK ((metric_settings ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT prompt_optimizations_metric_version_check CHECK ((metric_version > 0)),
    CONSTRAINT prompt_optimizations_plan_check CHECK ((jsonb_typeof(plan) = 'object'::text)),
    CONSTRAINT prompt_optimizations_spent_check CHECK ((jsonb_typeof(spent) = 'object'::text)),
    CONSTRAINT prompt_optimizations_state_check CHECK ((state = ANY (ARRAY['running'::text, 'finalist'::text, 'no_improvement'::text, 'carry_over'::text, 'insufficient_data'::text]))),
    CONSTRAINT prompt_optimizations_pkey PRIMARY KEY (optimization_id),
    CONSTRAINT prompt_optimizations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT prompt_optimizations_agent_incumbent_fkey FOREIGN KEY (agent, incumbent) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_optimizations_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id)
);
CREATE INDEX optimizations_by_agent ON glow.prompt_optimizations USING btree (agent, created_at);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.prompt_optimizations TO glow_pipeline;

CREATE TABLE glow.prompt_gates (
    gate_id text NOT NULL,
    optimization_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    incumbent text NOT NULL,
    finalist text NOT NULL,
    verdict text NOT NULL,
    evidence jsonb NOT NULL,
    gate_key text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_gates_verdict_check CHECK ((verdict = ANY (ARRAY['promote'::text, 'drop'::text, 'carry_over'::text]))),
    CONSTRAINT prompt_gates_pkey PRIMARY KEY (gate_id),
    CONSTRAINT prompt_gates_agent_finalist_fkey FOREIGN KEY (agent, finalist) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_gates_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT prompt_gates_agent_incumbent_fkey FOREIGN KEY (agent, incumbent) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_gates_optimization_id_fkey FOREIGN KEY (optimization_id) REFERENCES glow.prompt_optimizations(optimization_id)
);
COMMENT ON TABLE glow.prompt_gates IS 'The test a prompt passed or failed before users saw it, with its evidence.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.prompt_gates FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
ALTER TABLE ONLY glow.prompt_alias_history
    ADD CONSTRAINT prompt_alias_history_gate_id_fkey FOREIGN KEY (gate_id) REFERENCES glow.prompt_gates(gate_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.prompt_gates TO glow_pipeline;

CREATE TABLE glow.test_spends (
    agent glow.agent_name NOT NULL,
    group_key text NOT NULL,
    gate_id text NOT NULL,
    spent_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT test_spends_pkey PRIMARY KEY (agent, group_key),
    CONSTRAINT test_spends_agent_group_key_fkey FOREIGN KEY (agent, group_key) REFERENCES glow.split_assignments(agent, group_key),
    CONSTRAINT test_spends_gate_id_fkey FOREIGN KEY (gate_id) REFERENCES glow.prompt_gates(gate_id) DEFERRABLE INITIALLY DEFERRED
);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.test_spends TO glow_pipeline;

CREATE TABLE glow.evaluations (
    agent text NOT NULL,
    prompt_version text NOT NULL,
    example_id text NOT NULL,
    metric text NOT NULL,
    metric_version integer DEFAULT 1 NOT NULL,
    model text NOT NULL,
    output text NOT NULL,
    score double precision NOT NULL,
    valid boolean,
    prompt_tokens glow."natural",
    completion_tokens glow."natural",
    seconds double precision,
    stage text NOT NULL,
    evaluated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT evaluations_metric_version_check CHECK ((metric_version > 0)),
    CONSTRAINT evaluations_seconds_check CHECK ((seconds >= (0)::double precision)),
    CONSTRAINT evaluations_stage_check CHECK ((stage = ANY (ARRAY['analysis'::text, 'reflect'::text, 'race'::text, 'gate'::text]))),
    CONSTRAINT evaluations_pkey PRIMARY KEY (agent, prompt_version, example_id, metric, metric_version, model),
    CONSTRAINT evaluations_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version)
);
COMMENT ON TABLE glow.evaluations IS 'What a prompt answered for an example, how it scored, and what that took.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.evaluations TO glow_pipeline;

CREATE TABLE glow.prompt_rule_counts (
    agent glow.agent_name NOT NULL,
    rule_id text NOT NULL,
    optimization_id text DEFAULT ''::text NOT NULL,
    rule_text text NOT NULL,
    helpful glow."natural" NOT NULL,
    harmful glow."natural" NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_rule_counts_pkey PRIMARY KEY (agent, rule_id, optimization_id),
    CONSTRAINT prompt_rule_counts_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.prompt_rule_counts IS 'How many answers a rule turned right and wrong, by the optimization that saw it.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.prompt_rule_counts TO glow_pipeline;

CREATE TABLE glow.gate_levels (
    number bigint NOT NULL,
    gate_key text NOT NULL,
    agent glow.agent_name NOT NULL,
    rejections bigint NOT NULL,
    level double precision,
    verdict text,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    decided_at timestamp with time zone,
    CONSTRAINT gate_levels_check CHECK (((COALESCE(verdict, 'carry_over'::text) = 'carry_over'::text) = (decided_at IS NULL))),
    CONSTRAINT gate_levels_level_check CHECK (((level > (0)::double precision) AND (level < (1)::double precision))),
    CONSTRAINT gate_levels_number_check CHECK ((number > 0)),
    CONSTRAINT gate_levels_rejections_check CHECK ((rejections >= 0)),
    CONSTRAINT gate_levels_verdict_check CHECK ((verdict = ANY (ARRAY['promote'::text, 'drop'::text, 'carry_over'::text]))),
    CONSTRAINT gate_levels_gate_key_key UNIQUE (gate_key),
    CONSTRAINT gate_levels_pkey PRIMARY KEY (number),
    CONSTRAINT gate_levels_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.gate_levels IS 'The ledger of error: every test of a finalist, in order, and what it came to.';
ALTER TABLE ONLY glow.prompt_gates
    ADD CONSTRAINT prompt_gates_gate_key_fkey FOREIGN KEY (gate_key) REFERENCES glow.gate_levels(gate_key);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.gate_levels TO glow_pipeline;

CREATE TABLE glow.documents (
    agent glow.agent_name NOT NULL,
    document_id glow.identifier NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    content_hash text NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT documents_body_check CHECK ((octet_length(body) <= 10000000)),
    CONSTRAINT documents_title_check CHECK ((length(title) <= 1000)),
    CONSTRAINT documents_pkey PRIMARY KEY (agent, document_id),
    CONSTRAINT documents_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.documents IS 'The knowledge base of each agent, as it is now.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.documents TO glow_pipeline;

CREATE TABLE glow.chunkings (
    chunking text NOT NULL,
    agent glow.agent_name NOT NULL,
    parameters jsonb NOT NULL,
    parent text,
    evidence jsonb,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT chunkings_parameters_check CHECK (((parameters ->> 'kind'::text) = ANY (ARRAY['whole'::text, 'sentences'::text, 'learned'::text]))),
    CONSTRAINT chunkings_agent_chunking_key UNIQUE (agent, chunking),
    CONSTRAINT chunkings_pkey PRIMARY KEY (chunking),
    CONSTRAINT chunkings_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT chunkings_parent_fkey FOREIGN KEY (parent) REFERENCES glow.chunkings(chunking)
);
COMMENT ON TABLE glow.chunkings IS 'How documents are cut into chunks. Immutable, content-addressed.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.chunkings FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.chunkings TO glow_pipeline;

CREATE TABLE glow.chunks (
    agent glow.agent_name NOT NULL,
    chunk_id glow.identifier NOT NULL,
    chunking text NOT NULL,
    document_id glow.identifier NOT NULL,
    document_hash text NOT NULL,
    "position" integer NOT NULL,
    starts integer NOT NULL,
    ends integer NOT NULL,
    text text NOT NULL,
    content_hash text NOT NULL,
    words integer NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT chunks_check CHECK ((ends >= starts)),
    CONSTRAINT chunks_position_check CHECK (("position" >= 0)),
    CONSTRAINT chunks_starts_check CHECK ((starts >= 0)),
    CONSTRAINT chunks_words_check CHECK ((words >= 0)),
    CONSTRAINT chunks_pkey PRIMARY KEY (agent, chunk_id),
    CONSTRAINT chunks_agent_chunking_fkey FOREIGN KEY (agent, chunking) REFERENCES glow.chunkings(agent, chunking),
    CONSTRAINT chunks_agent_document_id_fkey FOREIGN KEY (agent, document_id) REFERENCES glow.documents(agent, document_id)
);
COMMENT ON TABLE glow.chunks IS 'Passages of all versions of all documents. Immutable: a changed text is another chunk. Embeddings are in glow.embeddings.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.chunks FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.chunks TO glow_pipeline;

CREATE TABLE glow.live_chunks (
    agent glow.agent_name NOT NULL,
    chunking text NOT NULL,
    document_id glow.identifier NOT NULL,
    "position" integer NOT NULL,
    chunk_id glow.identifier NOT NULL,
    document_hash text NOT NULL,
    starts integer NOT NULL,
    ends integer NOT NULL,
    CONSTRAINT live_chunks_position_check CHECK (("position" >= 0)),
    CONSTRAINT live_chunks_agent_chunking_chunk_id_key UNIQUE (agent, chunking, chunk_id),
    CONSTRAINT live_chunks_pkey PRIMARY KEY (agent, chunking, document_id, "position"),
    CONSTRAINT live_chunks_agent_chunk_id_fkey FOREIGN KEY (agent, chunk_id) REFERENCES glow.chunks(agent, chunk_id)
);
COMMENT ON TABLE glow.live_chunks IS 'What each document is cut into now, by chunking: exactly these are in its ready indexes.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.live_chunks TO glow_pipeline;

CREATE TABLE glow.chunk_successors (
    agent glow.agent_name NOT NULL,
    chunk_id glow.identifier NOT NULL,
    successor glow.identifier NOT NULL,
    jaccard real NOT NULL,
    overlap real NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT chunk_successors_check CHECK (((chunk_id)::text <> (successor)::text)),
    CONSTRAINT chunk_successors_jaccard_check CHECK (((jaccard >= (0)::double precision) AND (jaccard <= (1)::double precision))),
    CONSTRAINT chunk_successors_overlap_check CHECK (((overlap >= (0)::double precision) AND (overlap <= (1)::double precision))),
    CONSTRAINT chunk_successors_pkey PRIMARY KEY (agent, chunk_id, successor),
    CONSTRAINT chunk_successors_agent_chunk_id_fkey FOREIGN KEY (agent, chunk_id) REFERENCES glow.chunks(agent, chunk_id),
    CONSTRAINT chunk_successors_agent_successor_fkey FOREIGN KEY (agent, successor) REFERENCES glow.chunks(agent, chunk_id)
);
COMMENT ON TABLE glow.chunk_successors IS 'Which chunk took the place of which when a document changed or was cut anew. Feedback is carried over at jaccard >= 0.9, or where 0.8 of the cited span lies in the successor; else the successor starts at zero.';
CREATE INDEX successors_by_successor ON glow.chunk_successors USING btree (agent, successor);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.chunk_successors TO glow_pipeline;

CREATE TABLE glow.retrieval_indexes (
    index_number integer GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    chunking text NOT NULL,
    model text NOT NULL,
    dimensions integer NOT NULL,
    state text DEFAULT 'building'::text NOT NULL,
    chunks integer DEFAULT 0 NOT NULL,
    words bigint DEFAULT 0 NOT NULL,
    k1 double precision DEFAULT 1.2 NOT NULL,
    b double precision DEFAULT 0.75 NOT NULL,
    average_words double precision DEFAULT 1 NOT NULL,
    dense_floor double precision DEFAULT 0 NOT NULL,
    next_entry integer DEFAULT 1 NOT NULL,
    next_term integer DEFAULT 1 NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    built_at timestamp with time zone,
    retired_at timestamp with time zone,
    CONSTRAINT retrieval_indexes_average_words_check CHECK ((average_words > (0)::double precision)),
    CONSTRAINT retrieval_indexes_b_check CHECK (((b >= (0)::double precision) AND (b <= (1)::double precision))),
    CONSTRAINT retrieval_indexes_check CHECK (((state = 'building'::text) = ((built_at IS NULL) AND (retired_at IS NULL)))),
    CONSTRAINT retrieval_indexes_chunks_check CHECK ((chunks >= 0)),
    CONSTRAINT retrieval_indexes_dense_floor_check CHECK (((dense_floor >= ('-1'::integer)::double precision) AND (dense_floor <= (1)::double precision))),
    CONSTRAINT retrieval_indexes_dimensions_check CHECK (((dimensions >= 1) AND (dimensions <= 16000))),
    CONSTRAINT retrieval_indexes_k1_check CHECK ((k1 > (0)::double precision)),
    CONSTRAINT retrieval_indexes_state_check CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text, 'retired'::text]))),
    CONSTRAINT retrieval_indexes_words_check CHECK ((words >= 0)),
    CONSTRAINT retrieval_indexes_pkey PRIMARY KEY (index_number),
    CONSTRAINT retrieval_indexes_agent_chunking_fkey FOREIGN KEY (agent, chunking) REFERENCES glow.chunkings(agent, chunking),
    CONSTRAINT retrieval_indexes_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.retrieval_indexes IS 'The searchable form of the live chunks of an agent, under one chunking and one embedding model. Never searched before ready.';
CREATE UNIQUE INDEX one_index ON glow.retrieval_indexes USING btree (agent, chunking, model) WHERE (state <> 'retired'::text);
CREATE TRIGGER equipped AFTER UPDATE OF state ON glow.retrieval_indexes FOR EACH ROW WHEN (((new.state = 'ready'::text) AND (old.state <> 'ready'::text))) EXECUTE FUNCTION glow.equip_index();
CREATE TRIGGER measured BEFORE UPDATE OF chunks ON glow.retrieval_indexes FOR EACH ROW EXECUTE FUNCTION glow.measure_floor();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_indexes TO glow_pipeline;

CREATE TABLE glow.index_entries (
    index_number integer NOT NULL,
    entry integer NOT NULL,
    chunk_id glow.identifier NOT NULL,
    embedding public.vector,
    lexical public.sparsevec(1000000000) NOT NULL,
    words integer NOT NULL,
    CONSTRAINT index_entries_index_number_chunk_id_key UNIQUE (index_number, chunk_id),
    CONSTRAINT index_entries_pkey PRIMARY KEY (index_number, entry)
)
PARTITION BY LIST (index_number);
COMMENT ON TABLE glow.index_entries IS 'The chunks of each index with embedding and term weights.';
CREATE FUNCTION glow.entries_of(index_number integer) RETURNS SETOF glow.index_entries
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return query execute format('select * from %s', glow.index_part('index_entries', index_number));
end $$;
COMMENT ON FUNCTION glow.entries_of(index_number integer) IS 'The entries of a ready index, for those who read all of them.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.index_entries TO glow_pipeline;
REVOKE ALL ON FUNCTION glow.entries_of(index_number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow.entries_of(index_number integer) TO glow_pipeline;

CREATE TABLE glow.index_terms (
    index_number integer NOT NULL,
    term text NOT NULL COLLATE pg_catalog."C",
    term_number integer NOT NULL,
    chunks integer NOT NULL,
    CONSTRAINT index_terms_chunks_check CHECK ((chunks >= 0)),
    CONSTRAINT index_terms_term_check CHECK (((length(term) >= 1) AND (length(term) <= 200))),
    CONSTRAINT index_terms_pkey PRIMARY KEY (index_number, term)
)
PARTITION BY LIST (index_number);
COMMENT ON TABLE glow.index_terms IS 'The terms of each index, and how many chunks hold them.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.index_terms TO glow_pipeline;

CREATE TABLE glow.index_postings (
    index_number integer NOT NULL,
    term_number integer NOT NULL,
    weight real NOT NULL,
    entry integer NOT NULL,
    CONSTRAINT index_postings_pkey PRIMARY KEY (index_number, term_number, weight, entry)
)
PARTITION BY LIST (index_number);
COMMENT ON TABLE glow.index_postings IS 'Which entries hold a term, for the lexical candidates.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.index_postings TO glow_pipeline;

CREATE TABLE glow.retrieval_configurations (
    configuration text NOT NULL,
    agent glow.agent_name NOT NULL,
    parameters jsonb NOT NULL,
    chunking text NOT NULL,
    model text NOT NULL,
    parent text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retrieval_configurations_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
    CONSTRAINT retrieval_configurations_agent_configuration_key UNIQUE (agent, configuration),
    CONSTRAINT retrieval_configurations_pkey PRIMARY KEY (configuration),
    CONSTRAINT retrieval_configurations_agent_chunking_fkey FOREIGN KEY (agent, chunking) REFERENCES glow.chunkings(agent, chunking),
    CONSTRAINT retrieval_configurations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT retrieval_configurations_parent_fkey FOREIGN KEY (parent) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_configurations IS 'Immutable, content-addressed: retrieval parameters, chunking, embedding model, and what was learned (memory, shifts, adapter, expansions).';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.retrieval_configurations FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_configurations TO glow_pipeline;

CREATE TABLE glow.retrieval_memory (
    configuration text NOT NULL,
    "position" integer NOT NULL,
    query text NOT NULL,
    embedding public.vector NOT NULL,
    chunk_id glow.identifier NOT NULL,
    attractiveness double precision NOT NULL,
    examinations double precision NOT NULL,
    event_ids text[] NOT NULL,
    CONSTRAINT retrieval_memory_attractiveness_check CHECK (((attractiveness >= (0)::double precision) AND (attractiveness <= (1)::double precision))),
    CONSTRAINT retrieval_memory_examinations_check CHECK ((examinations >= (0)::double precision)),
    CONSTRAINT retrieval_memory_pkey PRIMARY KEY (configuration, "position"),
    CONSTRAINT retrieval_memory_configuration_fkey FOREIGN KEY (configuration) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_memory IS 'What a configuration remembers of a query and a chunk, and the retrieval events it learned it from.';
CREATE FUNCTION glow.chunk_prior(configuration text, base double precision, chunk_id text) RETURNS double precision
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (chunk_prior.base <= (0)::double precision) THEN (0)::double precision
             ELSE GREATEST(('-1'::integer)::double precision, LEAST((1)::double precision, (ln(((sum(GREATEST(((m.attractiveness * (m.examinations + (2)::double precision)) - (chunk_prior.base * (2)::double precision)), (0)::double precision)) + ((5)::double precision * chunk_prior.base)) / ((sum(m.examinations) + (5)::double precision) * chunk_prior.base))) / (5)::double precision)))
         END AS "greatest"
    FROM glow.retrieval_memory m
   WHERE ((m.configuration = chunk_prior.configuration) AND ((m.chunk_id)::text = chunk_prior.chunk_id))
  HAVING (count(*) > 0);
END;
COMMENT ON FUNCTION glow.chunk_prior(configuration text, base double precision, chunk_id text) IS 'How much more a chunk is liked than chunks are, over all questions; null where nothing is known.';
CREATE INDEX memory_by_chunk ON glow.retrieval_memory USING btree (configuration, chunk_id);
CREATE INDEX memory_by_text ON glow.retrieval_memory USING btree (configuration, md5(query));
CREATE TRIGGER forgotten AFTER DELETE ON glow.retrieval_memory FOR EACH ROW EXECUTE FUNCTION glow.forget_question();
CREATE TRIGGER questions AFTER INSERT ON glow.retrieval_memory REFERENCING NEW TABLE AS remembered FOR EACH STATEMENT EXECUTE FUNCTION glow.remember_questions();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_memory TO glow_pipeline;
GRANT ALL ON FUNCTION glow.chunk_prior(configuration text, base double precision, chunk_id text) TO glow_pipeline;

CREATE TABLE glow.retrieval_adapters (
    configuration text NOT NULL,
    "position" integer NOT NULL,
    "row" public.vector NOT NULL,
    CONSTRAINT retrieval_adapters_position_check CHECK (("position" >= 0)),
    CONSTRAINT retrieval_adapters_pkey PRIMARY KEY (configuration, "position"),
    CONSTRAINT retrieval_adapters_configuration_fkey FOREIGN KEY (configuration) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_adapters IS 'The matrix W on queries, row by row: the adapted query is the array of (row . q).';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.retrieval_adapters FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_adapters TO glow_pipeline;

CREATE TABLE glow.retrieval_expansions (
    configuration text NOT NULL,
    "position" integer NOT NULL,
    phrase text NOT NULL,
    adds text[] NOT NULL,
    weight double precision NOT NULL,
    queries integer NOT NULL,
    users integer NOT NULL,
    lift double precision NOT NULL,
    gain double precision NOT NULL,
    event_ids text[] NOT NULL,
    phrase_terms text[] GENERATED ALWAYS AS (glow.terms(phrase)) STORED,
    added_terms text[] GENERATED ALWAYS AS (glow.terms(adds)) STORED,
    CONSTRAINT retrieval_expansions_adds_check CHECK ((cardinality(adds) > 0)),
    CONSTRAINT retrieval_expansions_position_check CHECK (("position" >= 0)),
    CONSTRAINT retrieval_expansions_queries_check CHECK ((queries >= 0)),
    CONSTRAINT retrieval_expansions_users_check CHECK ((users >= 0)),
    CONSTRAINT retrieval_expansions_weight_check CHECK (((weight >= (0)::double precision) AND (weight < 'Infinity'::double precision))),
    CONSTRAINT retrieval_expansions_pkey PRIMARY KEY (configuration, "position"),
    CONSTRAINT retrieval_expansions_configuration_fkey FOREIGN KEY (configuration) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_expansions IS 'Words added to queries that hold a phrase, with the searches they were learned from and what they gained.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_expansions TO glow_pipeline;

CREATE TABLE glow.retrieval_shifts (
    configuration text NOT NULL,
    chunk_id glow.identifier NOT NULL,
    embedding public.vector NOT NULL,
    CONSTRAINT retrieval_shifts_pkey PRIMARY KEY (configuration, chunk_id),
    CONSTRAINT retrieval_shifts_configuration_fkey FOREIGN KEY (configuration) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_shifts IS 'The chunks whose vectors a configuration moved towards the questions they answered.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.retrieval_shifts FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_shifts TO glow_pipeline;

CREATE TABLE glow.retrieval_aliases (
    agent glow.agent_name NOT NULL,
    alias text NOT NULL,
    configuration text NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retrieval_aliases_alias_check CHECK ((alias = ANY (ARRAY['production'::text, 'previous'::text]))),
    CONSTRAINT retrieval_aliases_revision_check CHECK ((revision > 0)),
    CONSTRAINT retrieval_aliases_pkey PRIMARY KEY (agent, alias),
    CONSTRAINT retrieval_aliases_agent_configuration_fkey FOREIGN KEY (agent, configuration) REFERENCES glow.retrieval_configurations(agent, configuration)
);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_aliases TO glow_pipeline;

CREATE TABLE glow.retrieval_alias_history (
    move_id bigint GENERATED ALWAYS AS IDENTITY,
    agent text NOT NULL,
    alias text NOT NULL,
    configuration text,
    previous text,
    revision integer NOT NULL,
    move text DEFAULT 'move'::text NOT NULL,
    moved_by text NOT NULL,
    reason text NOT NULL,
    gate_id text,
    experiment_id text,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retrieval_alias_history_move_check CHECK ((move = ANY (ARRAY['move'::text, 'rollback'::text]))),
    CONSTRAINT retrieval_alias_history_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT retrieval_alias_history_pkey PRIMARY KEY (move_id)
);
COMMENT ON TABLE glow.retrieval_alias_history IS 'Every move of a retrieval alias: who, why, and the gate and experiment that allowed it.';
CREATE INDEX retrieval_history_by_agent ON glow.retrieval_alias_history USING btree (agent, move_id);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.retrieval_alias_history FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_alias_history TO glow_pipeline;

CREATE TABLE glow.retrieval_gates (
    gate_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    incumbent text NOT NULL,
    candidate text NOT NULL,
    verdict text NOT NULL,
    evidence jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retrieval_gates_verdict_check CHECK ((verdict = ANY (ARRAY['ship'::text, 'keep'::text]))),
    CONSTRAINT retrieval_gates_pkey PRIMARY KEY (gate_id),
    CONSTRAINT retrieval_gates_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT retrieval_gates_candidate_fkey FOREIGN KEY (candidate) REFERENCES glow.retrieval_configurations(configuration),
    CONSTRAINT retrieval_gates_incumbent_fkey FOREIGN KEY (incumbent) REFERENCES glow.retrieval_configurations(configuration)
);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.retrieval_gates FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
ALTER TABLE ONLY glow.retrieval_alias_history
    ADD CONSTRAINT retrieval_alias_history_gate_id_fkey FOREIGN KEY (gate_id) REFERENCES glow.retrieval_gates(gate_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_gates TO glow_pipeline;

CREATE TABLE glow.retrieval_keys (
    tenant glow.tenant_name NOT NULL,
    event_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    query_hash bytea NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT retrieval_keys_pkey PRIMARY KEY (tenant, event_id),
    CONSTRAINT retrieval_keys_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
ALTER TABLE ONLY glow.retrieval_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY all_tenants ON glow.retrieval_keys TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.retrieval_keys TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
ALTER TABLE glow.retrieval_keys ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE glow.retrieval_keys TO glow_pipeline;

CREATE TABLE glow.retrieval_events (
    tenant glow.tenant_name NOT NULL,
    event_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    execution_id glow.identifier,
    query text NOT NULL,
    policy text NOT NULL,
    configuration text,
    model text,
    index_number integer,
    latency_ms double precision,
    user_id glow.identifier,
    conversation_id glow.identifier,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT retrieval_events_latency_ms_check CHECK (((latency_ms >= (0)::double precision) AND (latency_ms < 'Infinity'::double precision))),
    CONSTRAINT retrieval_events_policy_check CHECK ((policy = ANY (ARRAY['production'::text, 'interleave'::text, 'explore'::text]))),
    CONSTRAINT retrieval_events_query_check CHECK (((octet_length(query) >= 1) AND (octet_length(query) <= 100000))),
    CONSTRAINT retrieval_events_pkey PRIMARY KEY (tenant, event_id, recorded_at)
)
PARTITION BY RANGE (recorded_at);
ALTER TABLE ONLY glow.retrieval_events FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.retrieval_events IS 'One search: what was asked, and by which configuration it was answered.';
CREATE INDEX retrieval_events_by_agent ON glow.retrieval_events USING btree (agent, xid);
CREATE INDEX retrieval_events_by_execution ON glow.retrieval_events USING btree (tenant, execution_id) WHERE (execution_id IS NOT NULL);
CREATE INDEX retrieval_events_by_time ON glow.retrieval_events USING brin (recorded_at);
ALTER TABLE glow.retrieval_events
    ADD CONSTRAINT retrieval_events_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent);
CREATE POLICY all_tenants ON glow.retrieval_events TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.retrieval_events TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
ALTER TABLE glow.retrieval_events ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE glow.retrieval_events TO glow_pipeline;

CREATE TABLE glow.retrieval_hits (
    tenant glow.tenant_name NOT NULL,
    event_id glow.identifier NOT NULL,
    rank smallint NOT NULL,
    chunk_id glow.identifier NOT NULL,
    score double precision NOT NULL,
    score_dense double precision,
    score_lexical double precision,
    leg text NOT NULL,
    propensity double precision NOT NULL,
    shown boolean DEFAULT true NOT NULL,
    cited boolean DEFAULT false NOT NULL,
    clicked boolean DEFAULT false NOT NULL,
    kept boolean DEFAULT false NOT NULL,
    explicit smallint DEFAULT 0 NOT NULL,
    expert boolean DEFAULT false NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT retrieval_hits_explicit_check CHECK ((explicit = ANY (ARRAY['-1'::integer, 0, 1]))),
    CONSTRAINT retrieval_hits_leg_check CHECK ((leg = ANY (ARRAY['dense'::text, 'lexical'::text, 'both'::text]))),
    CONSTRAINT retrieval_hits_propensity_check CHECK (((propensity > (0)::double precision) AND (propensity <= (1)::double precision))),
    CONSTRAINT retrieval_hits_rank_check CHECK (((rank >= 1) AND (rank <= 1000))),
    CONSTRAINT retrieval_hits_score_check CHECK (((score > '-Infinity'::double precision) AND (score < 'Infinity'::double precision))),
    CONSTRAINT retrieval_hits_score_dense_check CHECK (((score_dense > '-Infinity'::double precision) AND (score_dense < 'Infinity'::double precision))),
    CONSTRAINT retrieval_hits_score_lexical_check CHECK (((score_lexical > '-Infinity'::double precision) AND (score_lexical < 'Infinity'::double precision))),
    CONSTRAINT retrieval_hits_pkey PRIMARY KEY (tenant, event_id, rank, recorded_at),
    CONSTRAINT retrieval_hits_tenant_event_id_chunk_id_recorded_at_key UNIQUE (tenant, event_id, chunk_id, recorded_at)
)
PARTITION BY RANGE (recorded_at);
ALTER TABLE ONLY glow.retrieval_hits FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE glow.retrieval_hits IS 'What a search showed at which rank, and what the user did with it.';
CREATE POLICY all_tenants ON glow.retrieval_hits TO glow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON glow.retrieval_hits TO glow_owner USING (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text))) WITH CHECK (((current_setting('glow.tenant'::text, true) = (tenant)::text) OR (current_setting('glow.tenant'::text, true) = '*'::text)));
ALTER TABLE glow.retrieval_hits ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE glow.retrieval_hits TO glow_pipeline;

CREATE TABLE glow.embedding_training_pairs (
    pair_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    query text NOT NULL,
    positive_chunk_id glow.identifier NOT NULL,
    negative_chunk_id glow.identifier NOT NULL,
    weight double precision NOT NULL,
    negative_kind text NOT NULL,
    event_ids text[] NOT NULL,
    group_key text NOT NULL,
    split text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT embedding_training_pairs_check CHECK (((positive_chunk_id)::text <> (negative_chunk_id)::text)),
    CONSTRAINT embedding_training_pairs_event_ids_check CHECK ((cardinality(event_ids) > 0)),
    CONSTRAINT embedding_training_pairs_weight_check CHECK ((weight > (0)::double precision)),
    CONSTRAINT embedding_training_pairs_pkey PRIMARY KEY (pair_id),
    CONSTRAINT embedding_training_pairs_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT embedding_training_pairs_agent_group_key_split_fkey FOREIGN KEY (agent, group_key, split) REFERENCES glow.split_assignments(agent, group_key, split)
);
COMMENT ON TABLE glow.embedding_training_pairs IS 'Query, positive and hard negative, with the retrieval events they were learned from.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.embedding_training_pairs TO glow_pipeline;

CREATE TABLE glow.embeddings (
    model text NOT NULL,
    content_hash text NOT NULL,
    embedding public.vector NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT embeddings_pkey PRIMARY KEY (model, content_hash)
);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.embeddings TO glow_pipeline;

CREATE TABLE glow.training_runs (
    run_key text NOT NULL,
    agent glow.agent_name NOT NULL,
    dataset_id text NOT NULL,
    provider text NOT NULL,
    base_model text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    manifest_sha256 text NOT NULL,
    plan jsonb NOT NULL,
    job_id text,
    intent_at timestamp with time zone,
    retrain_due_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT training_runs_job_id_key UNIQUE (job_id),
    CONSTRAINT training_runs_pkey PRIMARY KEY (run_key),
    CONSTRAINT training_runs_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT training_runs_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id)
);
COMMENT ON TABLE glow.training_runs IS 'One fine-tuning run per set of inputs: the same inputs give the same run_key, so nothing is paid twice.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.training_runs TO glow_pipeline;

CREATE TABLE glow.training_run_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    run_key text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT training_run_events_pkey PRIMARY KEY (event_id),
    CONSTRAINT training_run_events_run_key_fkey FOREIGN KEY (run_key) REFERENCES glow.training_runs(run_key)
);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.training_run_events TO glow_pipeline;

CREATE TABLE glow.learning_experiments (
    experiment_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    kind text NOT NULL,
    design text DEFAULT 'ab'::text NOT NULL,
    hypothesis text NOT NULL,
    control text NOT NULL,
    treatment text NOT NULL,
    control_config jsonb,
    treatment_config jsonb,
    control_prompt text GENERATED ALWAYS AS (
CASE kind
    WHEN 'prompt'::text THEN control
    ELSE NULL::text
END) STORED,
    treatment_prompt text GENERATED ALWAYS AS (
CASE kind
    WHEN 'prompt'::text THEN treatment
    ELSE NULL::text
END) STORED,
    control_retrieval text GENERATED ALWAYS AS (
CASE kind
    WHEN 'retrieval'::text THEN control
    ELSE NULL::text
END) STORED,
    treatment_retrieval text GENERATED ALWAYS AS (
CASE kind
    WHEN 'retrieval'::text THEN treatment
    ELSE NULL::text
END) STORED,
    layer text NOT NULL,
    slot_from integer DEFAULT 0 NOT NULL,
    slot_to integer DEFAULT 1000000 NOT NULL,
    unit text DEFAULT 'user'::text NOT NULL,
    hash text DEFAULT 'pg1'::text NOT NULL,
    phase integer DEFAULT 1 NOT NULL,
    salt text NOT NULL,
    treatment_ppm integer DEFAULT 500000 NOT NULL,
    control_ppm integer NOT NULL,
    enroll_ppm integer DEFAULT 1000000 NOT NULL,
    plan jsonb NOT NULL,
    gate_id text,
    prompt_gate text GENERATED ALWAYS AS (
CASE
    WHEN (kind <> 'retrieval'::text) THEN gate_id
    ELSE NULL::text
END) STORED,
    retrieval_gate text GENERATED ALWAYS AS (
CASE kind
    WHEN 'retrieval'::text THEN gate_id
    ELSE NULL::text
END) STORED,
    request_id bigint,
    state text DEFAULT 'running'::text NOT NULL,
    active boolean GENERATED ALWAYS AS ((state = ANY (ARRAY['running'::text, 'paused'::text, 'held'::text, 'ramping'::text]))) STORED NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    decision text,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    restarted_at timestamp with time zone,
    begun_at timestamp with time zone GENERATED ALWAYS AS (COALESCE(restarted_at, started_at)) STORED NOT NULL,
    planned_end timestamp with time zone,
    stopped_at timestamp with time zone,
    CONSTRAINT learning_experiments_check CHECK ((control <> treatment)),
    CONSTRAINT learning_experiments_check1 CHECK (((slot_from >= 0) AND (slot_from < slot_to) AND (slot_to <= 1000000))),
    CONSTRAINT learning_experiments_check2 CHECK (((control_ppm + treatment_ppm) <= 1000000)),
    CONSTRAINT learning_experiments_check3 CHECK ((num_nonnulls(control_config, treatment_config) =
CASE kind
    WHEN 'config'::text THEN 2
    ELSE 0
END)),
    CONSTRAINT learning_experiments_check4 CHECK (((state = ANY (ARRAY['completed'::text, 'rolled_back'::text, 'stopped'::text])) = (stopped_at IS NOT NULL))),
    CONSTRAINT learning_experiments_check5 CHECK (((gate_id IS NOT NULL) OR (request_id IS NOT NULL))),
    CONSTRAINT learning_experiments_control_check CHECK (((length(control) >= 1) AND (length(control) <= 200))),
    CONSTRAINT learning_experiments_control_ppm_check CHECK (((control_ppm >= 0) AND (control_ppm <= 1000000))),
    CONSTRAINT learning_experiments_decision_check CHECK ((decision = ANY (ARRAY['ship'::text, 'keep'::text, 'harm'::text, 'invalid'::text, 'abandoned'::text]))),
    CONSTRAINT learning_experiments_design_check CHECK ((design = ANY (ARRAY['ab'::text, 'ramp'::text]))),
    CONSTRAINT learning_experiments_enroll_ppm_check CHECK (((enroll_ppm >= 0) AND (enroll_ppm <= 1000000))),
    CONSTRAINT learning_experiments_experiment_id_check CHECK ((experiment_id !~ '[[:cntrl:]]'::text)),
    CONSTRAINT learning_experiments_hash_check CHECK ((hash = ANY (ARRAY['pg1'::text, 'gb2'::text]))),
    CONSTRAINT learning_experiments_kind_check CHECK ((kind = ANY (ARRAY['prompt'::text, 'model'::text, 'retrieval'::text, 'config'::text]))),
    CONSTRAINT learning_experiments_layer_check CHECK ((layer ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'::text)),
    CONSTRAINT learning_experiments_phase_check CHECK ((phase > 0)),
    CONSTRAINT learning_experiments_salt_check CHECK ((salt !~ '[[:cntrl:]]'::text)),
    CONSTRAINT learning_experiments_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'held'::text, 'ramping'::text, 'completed'::text, 'rolled_back'::text, 'stopped'::text]))),
    CONSTRAINT learning_experiments_treatment_check CHECK (((length(treatment) >= 1) AND (length(treatment) <= 200))),
    CONSTRAINT learning_experiments_treatment_ppm_check CHECK (((treatment_ppm >= 0) AND (treatment_ppm <= 1000000))),
    CONSTRAINT learning_experiments_unit_check CHECK ((unit = ANY (ARRAY['user'::text, 'org'::text, 'session'::text, 'execution'::text]))),
    CONSTRAINT learning_experiments_pkey PRIMARY KEY (experiment_id),
    CONSTRAINT learning_experiments_agent_control_prompt_fkey FOREIGN KEY (agent, control_prompt) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT learning_experiments_agent_control_retrieval_fkey FOREIGN KEY (agent, control_retrieval) REFERENCES glow.retrieval_configurations(agent, configuration),
    CONSTRAINT learning_experiments_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT learning_experiments_agent_treatment_prompt_fkey FOREIGN KEY (agent, treatment_prompt) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT learning_experiments_agent_treatment_retrieval_fkey FOREIGN KEY (agent, treatment_retrieval) REFERENCES glow.retrieval_configurations(agent, configuration),
    CONSTRAINT learning_experiments_prompt_gate_fkey FOREIGN KEY (prompt_gate) REFERENCES glow.prompt_gates(gate_id),
    CONSTRAINT learning_experiments_retrieval_gate_fkey FOREIGN KEY (retrieval_gate) REFERENCES glow.retrieval_gates(gate_id)
);
COMMENT ON TABLE glow.learning_experiments IS 'A test or gradual rollout of a candidate against what is in force, with the gate that allowed it or the request that asked for it.';
CREATE FUNCTION glow.assigned(experiment glow.learning_experiments, unit_id text, OUT variant text, OUT bucket integer, OUT propensity double precision) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  top integer := 1000000 - experiment.treatment_ppm;
  slot integer;
begin
  if experiment.slot_from > 0 or experiment.slot_to < 1000000 then
    slot := case experiment.hash
      when 'gb2' then glow.fnv32a(unit_id || '__' || experiment.layer) % 1000 * 1000
      else glow.exp_bucket('layer:' || experiment.agent || ':' || experiment.layer, 'layer', unit_id) end;
    if slot < experiment.slot_from or slot >= experiment.slot_to then return; end if;
  end if;
  if experiment.hash = 'gb2' then
    bucket := glow.fnv32a(glow.fnv32a(experiment.salt || unit_id)::text) % 10000 * 100;
    variant := case
      when bucket::bigint * 1000000 < experiment.control_ppm::bigint * experiment.enroll_ppm then 'control'
      when bucket >= top and (bucket - top)::bigint * 1000000 < experiment.treatment_ppm::bigint * experiment.enroll_ppm
      then 'treatment' end;
  elsif experiment.enroll_ppm = 1000000 or glow.exp_bucket(experiment.salt, 'enroll', unit_id) < experiment.enroll_ppm then
    bucket := glow.exp_bucket(experiment.salt, 'variant', unit_id);
    variant := case when bucket >= top then 'treatment' when bucket < experiment.control_ppm then 'control' end;
  end if;
  propensity := case variant when 'treatment' then experiment.treatment_ppm when 'control' then experiment.control_ppm end
                / 1e6::double precision;
  if variant is null then bucket := null; end if;
end $$;
COMMENT ON FUNCTION glow.assigned(experiment glow.learning_experiments, unit_id text, OUT variant text, OUT bucket integer, OUT propensity double precision) IS 'The variant the hash gives a unit that was given none before, its bucket, and the chance an enrolled unit had of it; nulls for a unit that takes no part.';
CREATE FUNCTION glow.locked_experiment(experiment_id text) RETURNS glow.learning_experiments
    LANGUAGE plpgsql
    AS $$
declare
  experiment glow.learning_experiments;
begin
  select x.* into experiment from glow.learning_experiments x
   where x.experiment_id = locked_experiment.experiment_id for update;
  if not found then
    perform glow.refuse_move('experiment_id', experiment_id, 'is not known', 'an experiment_id that experiments answers', 'PT404');
  end if;
  return experiment;
end $$;
COMMENT ON FUNCTION glow.locked_experiment(experiment_id text) IS 'An experiment that nobody else moves until commit.';
CREATE INDEX active_experiments ON glow.learning_experiments USING btree (agent) WHERE active;
CREATE INDEX experiments_by_agent ON glow.learning_experiments USING btree (agent, started_at);
CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON glow.learning_experiments FOR EACH ROW EXECUTE FUNCTION glow.check_experiment();
CREATE TRIGGER moves BEFORE UPDATE OF state ON glow.learning_experiments FOR EACH ROW EXECUTE FUNCTION glow.check_experiment_move();
CREATE CONSTRAINT TRIGGER together AFTER UPDATE ON glow.learning_experiments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION glow.check_rollout();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.learning_experiments TO glow_pipeline;
GRANT ALL ON FUNCTION glow.assigned(experiment glow.learning_experiments, unit_id text, OUT variant text, OUT bucket integer, OUT propensity double precision) TO glow_pipeline;
GRANT ALL ON FUNCTION glow.locked_experiment(experiment_id text) TO glow_pipeline;

CREATE TABLE glow.holdouts (
    holdout text NOT NULL,
    agent glow.agent_name,
    holdout_ppm integer NOT NULL,
    starts_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ends_at timestamp with time zone,
    CONSTRAINT holdouts_check CHECK ((ends_at > starts_at)),
    CONSTRAINT holdouts_holdout_check CHECK ((((length(holdout) >= 1) AND (length(holdout) <= 200)) AND (holdout !~ '[[:cntrl:]]'::text))),
    CONSTRAINT holdouts_holdout_ppm_check CHECK (((holdout_ppm >= 0) AND (holdout_ppm <= 1000000))),
    CONSTRAINT holdouts_pkey PRIMARY KEY (holdout),
    CONSTRAINT holdouts_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.holdouts IS 'A share of people who see what is in force and take part in no experiment, so that all changes together can be measured.';
CREATE FUNCTION glow.held_out(agent text, cluster_id text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM glow.holdouts h WHERE (((h.agent IS NULL) OR ((h.agent)::text = held_out.agent)) AND (h.starts_at <= clock_timestamp()) AND ((h.ends_at IS NULL) OR (h.ends_at > clock_timestamp())) AND (glow.exp_bucket(('holdout:'::text || h.holdout), 'holdout'::text, held_out.cluster_id) < h.holdout_ppm))));
COMMENT ON FUNCTION glow.held_out(agent text, cluster_id text) IS 'Whether a holdout keeps a unit of an agent out of experiments now.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.holdouts TO glow_pipeline;
GRANT ALL ON FUNCTION glow.held_out(agent text, cluster_id text) TO glow_pipeline;

CREATE TABLE glow.exposures (
    experiment_id text NOT NULL,
    phase integer NOT NULL,
    unit_id text NOT NULL,
    cluster_id text NOT NULL,
    variant text NOT NULL,
    bucket integer NOT NULL,
    propensity double precision NOT NULL,
    hash_version text DEFAULT 'pg1'::text NOT NULL,
    source text DEFAULT 'resolve_prompt'::text NOT NULL,
    first_exposed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT exposures_bucket_check CHECK (((bucket >= 0) AND (bucket <= 999999))),
    CONSTRAINT exposures_hash_version_check CHECK ((hash_version = ANY (ARRAY['pg1'::text, 'gb2'::text]))),
    CONSTRAINT exposures_propensity_check CHECK (((propensity > (0)::double precision) AND (propensity <= (1)::double precision))),
    CONSTRAINT exposures_variant_check CHECK ((variant = ANY (ARRAY['control'::text, 'treatment'::text]))),
    CONSTRAINT exposures_pkey PRIMARY KEY (experiment_id, phase, unit_id),
    CONSTRAINT exposures_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES glow.learning_experiments(experiment_id)
);
COMMENT ON TABLE glow.exposures IS 'Which variant a unit got: written in the transaction that chose it, before the model was called. It holds for the phase.';
CREATE INDEX exposures_by_cluster ON glow.exposures USING btree (cluster_id) WHERE (cluster_id <> unit_id);
CREATE INDEX exposures_by_unit ON glow.exposures USING btree (unit_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.exposures TO glow_pipeline;

CREATE TABLE glow.experiment_looks (
    look_id bigint GENERATED ALWAYS AS IDENTITY,
    experiment_id text NOT NULL,
    phase integer NOT NULL,
    kind text DEFAULT 'decision'::text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    day double precision NOT NULL,
    statistics jsonb NOT NULL,
    result jsonb NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    looked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT experiment_looks_day_check CHECK ((day >= (0)::double precision)),
    CONSTRAINT experiment_looks_kind_check CHECK ((kind = ANY (ARRAY['decision'::text, 'guardrail'::text, 'ramp'::text]))),
    CONSTRAINT experiment_looks_experiment_id_phase_kind_as_of_key UNIQUE (experiment_id, phase, kind, as_of),
    CONSTRAINT experiment_looks_pkey PRIMARY KEY (look_id),
    CONSTRAINT experiment_looks_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES glow.learning_experiments(experiment_id)
);
COMMENT ON TABLE glow.experiment_looks IS 'Every look at an experiment: what went in, what came out. A look that is retried is the same row.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.experiment_looks FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.experiment_looks TO glow_pipeline;

CREATE TABLE glow.agent_configs (
    agent glow.agent_name NOT NULL,
    kind text NOT NULL,
    alias text NOT NULL,
    version text NOT NULL,
    config jsonb,
    revision integer DEFAULT 1 NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT agent_configs_alias_check CHECK ((alias = ANY (ARRAY['production'::text, 'previous'::text]))),
    CONSTRAINT agent_configs_check CHECK (((config IS NOT NULL) = (kind = 'config'::text))),
    CONSTRAINT agent_configs_kind_check CHECK ((kind = ANY (ARRAY['model'::text, 'config'::text]))),
    CONSTRAINT agent_configs_revision_check CHECK ((revision > 0)),
    CONSTRAINT agent_configs_version_check CHECK (((length(version) >= 1) AND (length(version) <= 200))),
    CONSTRAINT agent_configs_pkey PRIMARY KEY (agent, kind, alias),
    CONSTRAINT agent_configs_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.agent_configs IS 'The model and the settings an agent uses, where they are decided here. Moved by compare-and-swap on revision.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.agent_configs TO glow_pipeline;

CREATE TABLE glow.agent_config_history (
    move_id bigint GENERATED ALWAYS AS IDENTITY,
    agent text NOT NULL,
    kind text NOT NULL,
    alias text NOT NULL,
    version text,
    previous text,
    config jsonb,
    revision integer NOT NULL,
    move text DEFAULT 'move'::text NOT NULL,
    moved_by text NOT NULL,
    reason text NOT NULL,
    experiment_id text,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT agent_config_history_move_check CHECK ((move = ANY (ARRAY['move'::text, 'rollback'::text]))),
    CONSTRAINT agent_config_history_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT agent_config_history_pkey PRIMARY KEY (move_id)
);
COMMENT ON TABLE glow.agent_config_history IS 'Every move of a model or config: who, why, and the experiment behind it.';
CREATE INDEX config_history_by_agent ON glow.agent_config_history USING btree (agent, move_id);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.agent_config_history FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.agent_config_history TO glow_pipeline;

CREATE TABLE glow.watermarks (
    consumer text NOT NULL,
    agent text NOT NULL,
    xid xid8 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT watermarks_pkey PRIMARY KEY (consumer, agent)
);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.watermarks TO glow_pipeline;

CREATE TABLE glow.responses (
    request_key text NOT NULL,
    model text NOT NULL,
    text text NOT NULL,
    prompt_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    seconds double precision NOT NULL,
    cost_usd double precision NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT responses_completion_tokens_check CHECK ((completion_tokens >= 0)),
    CONSTRAINT responses_cost_usd_check CHECK ((cost_usd >= (0)::double precision)),
    CONSTRAINT responses_prompt_tokens_check CHECK ((prompt_tokens >= 0)),
    CONSTRAINT responses_seconds_check CHECK ((seconds >= (0)::double precision)),
    CONSTRAINT responses_pkey PRIMARY KEY (request_key)
);
COMMENT ON TABLE glow.responses IS 'Cache of model answers. Errors are never cached.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.responses TO glow_pipeline;

CREATE TABLE glow.success_metrics (
    measurement_id bigint GENERATED ALWAYS AS IDENTITY,
    metric text NOT NULL,
    value double precision,
    low double precision,
    high double precision,
    target double precision NOT NULL,
    status text NOT NULL,
    detail text NOT NULL,
    measured_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT success_metrics_status_check CHECK ((status = ANY (ARRAY['met'::text, 'missed'::text, 'not_enough_data'::text]))),
    CONSTRAINT success_metrics_pkey PRIMARY KEY (measurement_id)
);
CREATE INDEX success_metrics_by_time ON glow.success_metrics USING btree (metric, measured_at);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.success_metrics TO glow_pipeline;

CREATE TABLE glow.partition_upkeep (
);
COMMENT ON TABLE glow.partition_upkeep IS 'Nothing but a lock, one that apps cannot take.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.partition_upkeep TO glow_pipeline;

CREATE TABLE glow.retention_policies (
    relation text NOT NULL,
    months integer,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retention_policies_months_check CHECK (((months >= 1) AND (months <= 1200))),
    CONSTRAINT retention_policies_pkey PRIMARY KEY (relation)
);
COMMENT ON TABLE glow.retention_policies IS 'How long a table is kept, where that differs from GLOW_RETENTION_MONTHS.';
GRANT SELECT ON TABLE glow.retention_policies TO glow_pipeline;

CREATE TABLE glow.requests (
    request_id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    agent glow.agent_name NOT NULL,
    parameters jsonb DEFAULT '{}'::jsonb NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    run_id text,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    outcome jsonb,
    CONSTRAINT requests_check CHECK (((state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT requests_kind_check CHECK ((kind = ANY (ARRAY['prompt_optimization'::text, 'dataset'::text, 'training_run'::text, 'experiment'::text]))),
    CONSTRAINT requests_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
    CONSTRAINT requests_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT requests_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'started'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT requests_pkey PRIMARY KEY (request_id),
    CONSTRAINT requests_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.requests IS 'Manual triggers, with who asked, why, and what came of it.';
CREATE UNIQUE INDEX one_open_request ON glow.requests USING btree (kind, agent) WHERE (state = ANY (ARRAY['queued'::text, 'started'::text]));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.requests TO glow_pipeline;

CREATE TABLE glow.imports (
    import_id text NOT NULL,
    source text NOT NULL,
    format text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    line bigint DEFAULT 0 NOT NULL,
    accepted bigint DEFAULT 0 NOT NULL,
    replayed bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT imports_check CHECK (((state = 'finished'::text) = (finished_at IS NOT NULL))),
    CONSTRAINT imports_format_check CHECK ((length(format) <= 40)),
    CONSTRAINT imports_import_id_check CHECK ((import_id ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT imports_source_check CHECK ((length(source) <= 1000)),
    CONSTRAINT imports_state_check CHECK ((state = ANY (ARRAY['running'::text, 'finished'::text]))),
    CONSTRAINT imports_pkey PRIMARY KEY (import_id)
);
COMMENT ON TABLE glow.imports IS 'One row per imported file, by the hash of its contents and of how it was read.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.imports TO glow_pipeline;

CREATE UNLOGGED TABLE glow.import_batches (
    import_id text NOT NULL,
    line bigint NOT NULL,
    kind text NOT NULL,
    lines bigint[] NOT NULL,
    parts integer[] NOT NULL,
    rows jsonb NOT NULL,
    CONSTRAINT import_batches_check CHECK (((cardinality(lines) = jsonb_array_length(rows)) AND (cardinality(parts) = jsonb_array_length(rows)))),
    CONSTRAINT import_batches_kind_check CHECK ((kind = ANY (ARRAY['execution'::text, 'feedback'::text, 'retrieval'::text, 'annotation'::text, 'demonstration'::text]))),
    CONSTRAINT import_batches_rows_check CHECK ((jsonb_typeof(rows) = 'array'::text))
);
ALTER TABLE ONLY glow.import_batches ALTER COLUMN rows SET STORAGE EXTERNAL;
COMMENT ON TABLE glow.import_batches IS 'Rows that came in by COPY and wait to be applied: all of one kind that a stretch of whole lines of the file gave.';
ALTER TABLE ONLY glow.import_batches
    ADD CONSTRAINT import_batches_pkey PRIMARY KEY (import_id, line, kind);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.import_batches TO glow_pipeline;

CREATE TABLE glow.import_refusals (
    import_id text NOT NULL,
    line bigint NOT NULL,
    part integer NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    field text NOT NULL,
    message text NOT NULL,
    hint text,
    payload jsonb NOT NULL,
    CONSTRAINT import_refusals_pkey PRIMARY KEY (import_id, line, part),
    CONSTRAINT import_refusals_import_id_fkey FOREIGN KEY (import_id) REFERENCES glow.imports(import_id)
);
COMMENT ON TABLE glow.import_refusals IS 'Rows of a file that were refused, each with the reason.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.import_refusals TO glow_pipeline;

CREATE TABLE glow.reviewer_reliability (
    agent glow.agent_name NOT NULL,
    reviewer text NOT NULL COLLATE pg_catalog."C",
    weight double precision NOT NULL,
    aggregator text NOT NULL,
    computed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT reviewer_reliability_aggregator_check CHECK ((aggregator = ANY (ARRAY['majority'::text, 'dawid_skene'::text]))),
    CONSTRAINT reviewer_reliability_weight_check CHECK (((weight >= (0.25)::double precision) AND (weight <= (4)::double precision))),
    CONSTRAINT reviewer_reliability_pkey PRIMARY KEY (agent, reviewer),
    CONSTRAINT reviewer_reliability_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.reviewer_reliability IS 'What each reviewer''s word counts with an agent; who has no row counts 1.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.reviewer_reliability TO glow_pipeline;

CREATE TABLE glow.annotation_reports (
    agent glow.agent_name NOT NULL,
    week date NOT NULL,
    report jsonb NOT NULL,
    computed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT annotation_reports_report_check CHECK ((jsonb_typeof(report) = 'object'::text)),
    CONSTRAINT annotation_reports_week_check CHECK ((EXTRACT(isodow FROM week) = (1)::numeric)),
    CONSTRAINT annotation_reports_pkey PRIMARY KEY (agent, week),
    CONSTRAINT annotation_reports_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.annotation_reports IS 'Agreement and calibration of an agent''s reviewers as they were in a week; the row of the current week changes with every new judgement.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.annotation_reports TO glow_pipeline;

CREATE TABLE glow.curation_policies (
    policy_id bigint GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    pii text NOT NULL,
    secrets text NOT NULL,
    keep text[] NOT NULL,
    languages text[],
    shortest_input integer NOT NULL,
    shortest_target integer NOT NULL,
    set_by text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_at timestamp with time zone,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT curation_policies_check CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT curation_policies_keep_check CHECK ((cardinality(keep) <= 100)),
    CONSTRAINT curation_policies_languages_check CHECK (((cardinality(languages) >= 1) AND (cardinality(languages) <= 100))),
    CONSTRAINT curation_policies_pii_check CHECK ((pii = ANY (ARRAY['redact'::text, 'quarantine'::text]))),
    CONSTRAINT curation_policies_secrets_check CHECK ((secrets = ANY (ARRAY['redact'::text, 'quarantine'::text]))),
    CONSTRAINT curation_policies_shortest_input_check CHECK (((shortest_input >= 1) AND (shortest_input <= 20000))),
    CONSTRAINT curation_policies_shortest_target_check CHECK (((shortest_target >= 1) AND (shortest_target <= 20000))),
    CONSTRAINT curation_policies_pkey PRIMARY KEY (policy_id),
    CONSTRAINT curation_policies_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.curation_policies IS 'How each agent''s texts are screened; the row in force has superseded_at null. An agent without one has the defaults.';
CREATE UNIQUE INDEX one_current_policy ON glow.curation_policies USING btree (agent) WHERE (superseded_at IS NULL);
CREATE INDEX policies_by_arrival ON glow.curation_policies USING btree (xid);
GRANT SELECT ON TABLE glow.curation_policies TO glow_pipeline;

CREATE TABLE glow.correction_snapshots (
    agent glow.agent_name NOT NULL,
    corrections integer NOT NULL,
    outputs integer NOT NULL,
    computed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    stale boolean DEFAULT false NOT NULL,
    CONSTRAINT correction_snapshots_corrections_check CHECK ((corrections >= 0)),
    CONSTRAINT correction_snapshots_outputs_check CHECK ((outputs >= 0)),
    CONSTRAINT correction_snapshots_pkey PRIMARY KEY (agent),
    CONSTRAINT correction_snapshots_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.correction_snapshots IS 'Of how many corrections, and compared with how many uncorrected outputs, an agent''s patterns are.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.correction_snapshots TO glow_pipeline;

CREATE TABLE glow.correction_patterns (
    agent glow.agent_name NOT NULL,
    "position" integer NOT NULL,
    kind text NOT NULL,
    about text NOT NULL,
    detail text NOT NULL,
    standing text NOT NULL,
    count integer NOT NULL,
    experts integer NOT NULL,
    people integer NOT NULL,
    conversations integer NOT NULL,
    share double precision NOT NULL,
    share_low double precision NOT NULL,
    share_high double precision NOT NULL,
    lift double precision,
    q double precision,
    trend double precision,
    trend_low double precision,
    trend_high double precision,
    first_seen timestamp with time zone NOT NULL,
    last_seen timestamp with time zone NOT NULL,
    feedback bigint[] NOT NULL,
    annotations bigint[] NOT NULL,
    CONSTRAINT correction_patterns_check CHECK (((experts >= 0) AND (experts <= count))),
    CONSTRAINT correction_patterns_check1 CHECK (((standing = 'total'::text) = (detail = ''::text))),
    CONSTRAINT correction_patterns_conversations_check CHECK ((conversations > 0)),
    CONSTRAINT correction_patterns_count_check CHECK ((count > 0)),
    CONSTRAINT correction_patterns_detail_check CHECK ((length(detail) <= 1000)),
    CONSTRAINT correction_patterns_people_check CHECK ((people >= 0)),
    CONSTRAINT correction_patterns_position_check CHECK (("position" > 0)),
    CONSTRAINT correction_patterns_q_check CHECK (((q >= (0)::double precision) AND (q <= (1)::double precision))),
    CONSTRAINT correction_patterns_share_check CHECK (((share >= (0)::double precision) AND (share <= (1)::double precision))),
    CONSTRAINT correction_patterns_standing_check CHECK ((standing = ANY (ARRAY['total'::text, 'named'::text, 'emerging'::text]))),
    CONSTRAINT correction_patterns_agent_kind_about_detail_key UNIQUE (agent, kind, about, detail),
    CONSTRAINT correction_patterns_pkey PRIMARY KEY (agent, "position"),
    CONSTRAINT correction_patterns_agent_fkey FOREIGN KEY (agent) REFERENCES glow.correction_snapshots(agent) ON DELETE CASCADE
);
COMMENT ON TABLE glow.correction_patterns IS 'What people keep changing in an agent''s outputs, as of its last snapshot. Replaced as a whole.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.correction_patterns TO glow_pipeline;

CREATE TABLE glow.erasure_key (
    only_row boolean DEFAULT true NOT NULL,
    inner_pad bytea NOT NULL,
    outer_pad bytea NOT NULL,
    CONSTRAINT erasure_key_inner_pad_check CHECK ((octet_length(inner_pad) = 64)),
    CONSTRAINT erasure_key_only_row_check CHECK (only_row),
    CONSTRAINT erasure_key_outer_pad_check CHECK ((octet_length(outer_pad) = 64)),
    CONSTRAINT erasure_key_pkey PRIMARY KEY (only_row)
);
COMMENT ON TABLE glow.erasure_key IS 'Key of the pseudonyms; nobody but the owner''s functions reads it.';

CREATE TABLE glow.erasures (
    erasure_id bigint GENERATED ALWAYS AS IDENTITY,
    tenant glow.tenant_name NOT NULL,
    subject bytea NOT NULL,
    erased_by text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    receipt jsonb NOT NULL,
    outside jsonb DEFAULT '{}'::jsonb NOT NULL,
    erased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT erasures_outside_check CHECK ((jsonb_typeof(outside) = 'object'::text)),
    CONSTRAINT erasures_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT erasures_receipt_check CHECK ((jsonb_typeof(receipt) = 'object'::text)),
    CONSTRAINT erasures_subject_check CHECK ((octet_length(subject) = 32)),
    CONSTRAINT erasures_pkey PRIMARY KEY (erasure_id)
);
COMMENT ON TABLE glow.erasures IS 'Who was erased (as HMAC only), by whom, why, and what was touched. Never the content.';
GRANT SELECT ON TABLE glow.erasures TO glow_pipeline;

CREATE TABLE glow.erased_subjects (
    subject bytea NOT NULL,
    last_erased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT erased_subjects_subject_check CHECK ((octet_length(subject) = 32)),
    CONSTRAINT erased_subjects_pkey PRIMARY KEY (subject)
);
COMMENT ON TABLE glow.erased_subjects IS 'Whose rows no import may bring back.';

CREATE TABLE glow.erasure_tasks (
    task_id bigint GENERATED ALWAYS AS IDENTITY,
    erasure_id bigint NOT NULL,
    kind text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    outcome jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    done_at timestamp with time zone,
    CONSTRAINT erasure_tasks_check CHECK (((state = 'done'::text) = (done_at IS NOT NULL))),
    CONSTRAINT erasure_tasks_kind_check CHECK ((kind = ANY (ARRAY['exports'::text, 'rebuild'::text, 'scrub'::text]))),
    CONSTRAINT erasure_tasks_state_check CHECK ((state = ANY (ARRAY['open'::text, 'waiting'::text, 'done'::text]))),
    CONSTRAINT erasure_tasks_erasure_id_kind_target_key UNIQUE (erasure_id, kind, target),
    CONSTRAINT erasure_tasks_pkey PRIMARY KEY (task_id),
    CONSTRAINT erasure_tasks_erasure_id_fkey FOREIGN KEY (erasure_id) REFERENCES glow.erasures(erasure_id)
);
COMMENT ON TABLE glow.erasure_tasks IS 'What remains of an erasure: files, successors of datasets, Dagster''s own tables.';
CREATE INDEX open_erasure_tasks ON glow.erasure_tasks USING btree (task_id) WHERE (state <> 'done'::text);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.erasure_tasks TO glow_pipeline;

CREATE TABLE glow.erasure_probes (
    erasure_id bigint NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    CONSTRAINT erasure_probes_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'conversation'::text, 'execution'::text, 'event'::text, 'feedback'::text, 'annotation'::text, 'comparison'::text, 'demonstration'::text, 'item'::text, 'version'::text, 'example'::text, 'input'::text, 'name'::text, 'text'::text]))),
    CONSTRAINT erasure_probes_erasure_id_fkey FOREIGN KEY (erasure_id) REFERENCES glow.erasures(erasure_id)
);
COMMENT ON TABLE glow.erasure_probes IS 'Ids and texts that an unfinished erasure still looks for.';
CREATE INDEX erasure_probes_by_kind ON glow.erasure_probes USING btree (erasure_id, kind);
GRANT SELECT ON TABLE glow.erasure_probes TO glow_pipeline;

CREATE TABLE glow.notifications (
    notification_id bigint GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    body jsonb DEFAULT '{}'::jsonb NOT NULL,
    key text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT notifications_body_check CHECK ((jsonb_typeof(body) = 'object'::text)),
    CONSTRAINT notifications_kind_check CHECK ((kind ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT notifications_title_check CHECK (((length(title) >= 1) AND (length(title) <= 200))),
    CONSTRAINT notifications_agent_kind_key_key UNIQUE (agent, kind, key),
    CONSTRAINT notifications_pkey PRIMARY KEY (notification_id),
    CONSTRAINT notifications_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.notifications IS 'What the pipeline tells people, once each, in the transaction in which it happened.';
CREATE INDEX notifications_by_time ON glow.notifications USING btree (created_at);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.notifications TO glow_pipeline;

CREATE TABLE glow.judge_calibrations (
    calibration_id bigint GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    metric text NOT NULL,
    metric_version integer NOT NULL,
    metric_settings jsonb NOT NULL,
    model text NOT NULL,
    n integer NOT NULL,
    may_gate boolean NOT NULL,
    calibration jsonb NOT NULL,
    calibrated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT judge_calibrations_calibration_check CHECK ((jsonb_typeof(calibration) = 'object'::text)),
    CONSTRAINT judge_calibrations_metric_settings_check CHECK ((jsonb_typeof(metric_settings) = 'object'::text)),
    CONSTRAINT judge_calibrations_metric_version_check CHECK ((metric_version > 0)),
    CONSTRAINT judge_calibrations_n_check CHECK ((n >= 0)),
    CONSTRAINT judge_calibrations_pkey PRIMARY KEY (calibration_id),
    CONSTRAINT judge_calibrations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.judge_calibrations IS 'A judge against experts, each time it was compared with them; the newest of an agent counts.';
CREATE INDEX judge_calibrations_by_agent ON glow.judge_calibrations USING btree (agent, metric, metric_version, calibration_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.judge_calibrations TO glow_pipeline;

CREATE TABLE glow.score_cache (
    score_key text NOT NULL,
    metric text NOT NULL,
    metric_version integer NOT NULL,
    score double precision NOT NULL,
    valid boolean NOT NULL,
    scored_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT score_cache_metric_version_check CHECK ((metric_version > 0)),
    CONSTRAINT score_cache_score_check CHECK (((score >= (0)::double precision) AND (score <= (1)::double precision))),
    CONSTRAINT score_cache_score_key_check CHECK ((score_key ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT score_cache_pkey PRIMARY KEY (score_key)
);
COMMENT ON TABLE glow.score_cache IS 'Scores that a model was asked for, by the hash of everything that determines them.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.score_cache TO glow_pipeline;

CREATE TABLE glow.experiment_folds (
    fold_id bigint GENERATED ALWAYS AS IDENTITY,
    experiment_id text NOT NULL,
    phase integer NOT NULL,
    counted_until timestamp with time zone,
    horizon xid8,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    units bigint DEFAULT 0 NOT NULL,
    folded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT experiment_folds_check CHECK (((counted_until IS NULL) = (horizon IS NULL))),
    CONSTRAINT experiment_folds_experiment_id_phase_key UNIQUE (experiment_id, phase),
    CONSTRAINT experiment_folds_pkey PRIMARY KEY (fold_id),
    CONSTRAINT experiment_folds_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES glow.learning_experiments(experiment_id)
);
COMMENT ON TABLE glow.experiment_folds IS 'How far the sums of experiment_sums have come; locked while somebody adds to them.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.experiment_folds TO glow_pipeline;

CREATE TABLE glow.experiment_sums (
    fold_id bigint NOT NULL,
    cluster_id text NOT NULL COLLATE pg_catalog."C",
    side text NOT NULL COLLATE pg_catalog."C",
    executions bigint DEFAULT 0 NOT NULL,
    rated bigint DEFAULT 0 NOT NULL,
    thumbs bigint DEFAULT 0 NOT NULL,
    ups bigint DEFAULT 0 NOT NULL,
    net bigint DEFAULT 0 NOT NULL,
    ratings bigint DEFAULT 0 NOT NULL,
    rating_sum bigint DEFAULT 0 NOT NULL,
    low_ratings bigint DEFAULT 0 NOT NULL,
    corrected bigint DEFAULT 0 NOT NULL,
    latencies bigint DEFAULT 0 NOT NULL,
    latency_sum bigint DEFAULT 0 NOT NULL,
    slow bigint DEFAULT 0 NOT NULL,
    costs bigint DEFAULT 0 NOT NULL,
    cost_sum numeric DEFAULT 0 NOT NULL,
    scores bigint DEFAULT 0 NOT NULL,
    score_sum numeric DEFAULT 0 NOT NULL,
    others bigint DEFAULT 0 NOT NULL,
    CONSTRAINT experiment_sums_side_check CHECK ((side = ANY (ARRAY['control'::text, 'treatment'::text, 'before'::text])))
)
WITH (fillfactor='50');
COMMENT ON TABLE glow.experiment_sums IS 'Partial sums of a phase of an experiment, by cluster and arm; also of exposed clusters without executions.';
ALTER TABLE ONLY glow.experiment_sums
    ADD CONSTRAINT experiment_sums_pkey PRIMARY KEY (fold_id, side, cluster_id);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.experiment_sums TO glow_pipeline;

CREATE TABLE glow.rollouts (
    experiment_id text NOT NULL,
    state text NOT NULL,
    plan jsonb NOT NULL,
    stage integer DEFAULT 0 NOT NULL,
    first_phase integer NOT NULL,
    carried jsonb DEFAULT '{}'::jsonb NOT NULL,
    approved_stage integer DEFAULT '-1'::integer NOT NULL,
    awaiting_stage integer,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    stage_started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    paused_at timestamp with time zone,
    ended_at timestamp with time zone,
    revision integer DEFAULT 1 NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT rollouts_carried_check CHECK ((jsonb_typeof(carried) = 'object'::text)),
    CONSTRAINT rollouts_check CHECK (((state <> 'pending'::text) OR (awaiting_stage = 0))),
    CONSTRAINT rollouts_check1 CHECK (((state = 'paused'::text) = (paused_at IS NOT NULL))),
    CONSTRAINT rollouts_check2 CHECK (((state = ANY (ARRAY['rolled_back'::text, 'completed'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT rollouts_check3 CHECK ((stage < jsonb_array_length((plan -> 'stages'::text)))),
    CONSTRAINT rollouts_first_phase_check CHECK ((first_phase > 0)),
    CONSTRAINT rollouts_plan_check CHECK (((jsonb_typeof((plan -> 'stages'::text)) = 'array'::text) AND ((plan -> 'stages'::text) <> '[]'::jsonb))),
    CONSTRAINT rollouts_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT rollouts_revision_check CHECK ((revision > 0)),
    CONSTRAINT rollouts_stage_check CHECK ((stage >= 0)),
    CONSTRAINT rollouts_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'paused'::text, 'rolled_back'::text, 'completed'::text]))),
    CONSTRAINT rollouts_pkey PRIMARY KEY (experiment_id),
    CONSTRAINT rollouts_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES glow.learning_experiments(experiment_id)
);
COMMENT ON TABLE glow.rollouts IS 'The gradual rollout of an experiment''s treatment. Every move raises the revision; who moves it says which one they saw.';
CREATE FUNCTION glow.locked_rollout(experiment_id text) RETURNS glow.rollouts
    LANGUAGE plpgsql
    AS $$
declare
  rollout glow.rollouts;
begin
  select r.* into rollout from glow.rollouts r where r.experiment_id = locked_rollout.experiment_id for update;
  return rollout;
end $$;
COMMENT ON FUNCTION glow.locked_rollout(experiment_id text) IS 'The rollout of a locked experiment; nulls where it has none.';
CREATE FUNCTION glow.open_rollout_of(experiment glow.learning_experiments) RETURNS glow.rollouts
    LANGUAGE plpgsql
    AS $$
declare
  rollout glow.rollouts := glow.locked_rollout(experiment.experiment_id);
begin
  if rollout.experiment_id is null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'has no rollout',
      case when experiment.active then 'stop_experiment, which ends a test' else 'an experiment that is rolled out; see rollouts' end);
  end if;
  return rollout;
end $$;
COMMENT ON FUNCTION glow.open_rollout_of(experiment glow.learning_experiments) IS 'The rollout of a locked experiment; refuses one that has none, with what ends a test.';
CREATE TRIGGER kept BEFORE DELETE ON glow.rollouts FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
CREATE TRIGGER moves BEFORE UPDATE ON glow.rollouts FOR EACH ROW EXECUTE FUNCTION glow.check_rollout_move();
CREATE CONSTRAINT TRIGGER together AFTER INSERT OR UPDATE ON glow.rollouts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION glow.check_rollout();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.rollouts TO glow_pipeline;
GRANT ALL ON FUNCTION glow.locked_rollout(experiment_id text) TO glow_pipeline;
GRANT ALL ON FUNCTION glow.open_rollout_of(experiment glow.learning_experiments) TO glow_pipeline;

CREATE TABLE glow.rollout_moves (
    move_id bigint GENERATED ALWAYS AS IDENTITY,
    experiment_id text NOT NULL,
    move text NOT NULL,
    state text NOT NULL,
    rollout text,
    stage integer,
    phase integer NOT NULL,
    treatment_ppm integer NOT NULL,
    control_ppm integer NOT NULL,
    revision integer,
    moved_by text NOT NULL,
    reason text NOT NULL,
    evidence jsonb DEFAULT '{}'::jsonb NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT rollout_moves_evidence_check CHECK ((jsonb_typeof(evidence) = 'object'::text)),
    CONSTRAINT rollout_moves_reason_check CHECK ((length(reason) <= 2000)),
    CONSTRAINT rollout_moves_pkey PRIMARY KEY (move_id),
    CONSTRAINT rollout_moves_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES glow.learning_experiments(experiment_id)
);
COMMENT ON TABLE glow.rollout_moves IS 'Every move of an experiment and of its rollout: who, why, and what they were afterwards.';
CREATE INDEX rollout_moves_by_experiment ON glow.rollout_moves USING btree (experiment_id, move_id);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.rollout_moves FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.rollout_moves TO glow_pipeline;

CREATE TABLE glow.retrieval_queries (
    query_number bigint GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    query text NOT NULL,
    query_hash bytea NOT NULL,
    CONSTRAINT retrieval_queries_agent_query_hash_key UNIQUE (agent, query_hash),
    CONSTRAINT retrieval_queries_pkey PRIMARY KEY (query_number),
    CONSTRAINT retrieval_queries_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.retrieval_queries IS 'Every question an agent was searched with, in the order they were first folded.';
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_queries TO glow_pipeline;

CREATE TABLE glow.retrieval_signals (
    agent glow.agent_name NOT NULL,
    query_number bigint NOT NULL,
    person text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    event_ids text[] NOT NULL,
    chunk_ids text[] NOT NULL,
    credits double precision[] NOT NULL,
    looks double precision[] NOT NULL,
    explicit smallint[] NOT NULL,
    oldest timestamp with time zone NOT NULL,
    CONSTRAINT retrieval_signals_event_ids_check CHECK ((cardinality(event_ids) > 0)),
    CONSTRAINT retrieval_signals_pkey PRIMARY KEY (agent, query_number, person, day),
    CONSTRAINT retrieval_signals_query_number_fkey FOREIGN KEY (query_number) REFERENCES glow.retrieval_queries(query_number)
);
COMMENT ON TABLE glow.retrieval_signals IS 'What each person said by deed, per day, of the chunks one question showed: learning/retrieval/signals says how much.';
CREATE INDEX signals_by_person ON glow.retrieval_signals USING btree (person);
CREATE INDEX signals_by_query ON glow.retrieval_signals USING btree (query_number);
CREATE INDEX signals_of_nobody ON glow.retrieval_signals USING gin (event_ids) WHERE (person = ''::text);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_signals TO glow_pipeline;

CREATE TABLE glow.retrieval_questions (
    configuration text NOT NULL,
    question integer NOT NULL,
    query text NOT NULL,
    embedding public.vector NOT NULL,
    CONSTRAINT retrieval_questions_pkey PRIMARY KEY (configuration, question),
    CONSTRAINT retrieval_questions_configuration_fkey FOREIGN KEY (configuration) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_questions IS 'The different questions that a configuration remembers, with vectors of length 1.';
CREATE UNIQUE INDEX questions_by_text ON glow.retrieval_questions USING btree (configuration, md5(query));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE glow.retrieval_questions TO glow_pipeline;

-- Functions apps call

CREATE TYPE glow_api.annotation_call AS (
    execution_id text,
    reviewer text,
    verdict text,
    output text,
    dimensions jsonb,
    notes text,
    idempotency_key text,
    tenant text,
    item_id bigint
);

CREATE TYPE glow_api.caller AS (
    tenant text,
    person text
);
COMMENT ON TYPE glow_api.caller IS 'Whom a call works for: its tenant (null: all of them) and the only person it may speak for (null: anybody).';

CREATE TYPE glow_api.demonstration_call AS (
    agent text,
    expert text,
    input text,
    output text,
    notes text,
    idempotency_key text,
    tenant text
);

CREATE TYPE glow_api.execution_call AS (
    execution_id text,
    agent text,
    input text,
    output text,
    user_id text,
    conversation_id text,
    channel text,
    prompt_version text,
    model text,
    latency_ms integer,
    prompt_tokens integer,
    completion_tokens integer,
    cost_usd numeric,
    started_at timestamp with time zone,
    metadata jsonb,
    tenant text,
    sent_at timestamp with time zone
);

CREATE TYPE glow_api.feedback_call AS (
    agent text,
    execution_id text,
    user_id text,
    thumbs integer,
    rating integer,
    dimensions jsonb,
    issues text[],
    comment text,
    correction text,
    channel text,
    conversation_id text,
    idempotency_key text,
    occurred_at timestamp with time zone,
    tenant text,
    sent_at timestamp with time zone,
    kind text,
    withdrawn boolean
);

CREATE TYPE glow_api.found_chunk AS (
    chunk_id text,
    score double precision,
    dense double precision,
    lexical double precision,
    dense_rank integer,
    lexical_rank integer,
    leg text
);
COMMENT ON TYPE glow_api.found_chunk IS 'A candidate: its score, the two legs on their scales, and its rank within each (null where the leg does not know it).';

CREATE TYPE glow_api.personal_place AS (
    relation text,
    people text[],
    of_people text,
    about text,
    of_about text,
    emptied text[],
    swept text,
    note text
);

CREATE TYPE glow_api.problem AS (
    code text,
    field text,
    value text,
    accepted text
);
COMMENT ON TYPE glow_api.problem IS 'What is wrong with a call: SQLSTATE, field, its value, the accepted form. Null where nothing is.';

CREATE TYPE glow_api.retrieval_call AS (
    event_id text,
    agent text,
    query text,
    hits jsonb,
    execution_id text,
    policy text,
    configuration text,
    user_id text,
    conversation_id text,
    occurred_at timestamp with time zone,
    tenant text,
    sent_at timestamp with time zone,
    model text,
    index_number integer,
    latency_ms integer
);

CREATE TYPE glow_api.review_call AS (
    tenant text,
    reviewer text,
    agent text,
    kind text,
    reason text,
    state text
);
COMMENT ON TYPE glow_api.review_call IS 'Who asks for reviews, and for which: the filters of annotation_queue and claim_annotation.';

CREATE TYPE glow_api.search_plan AS (
    agent text,
    configuration text,
    parameters jsonb,
    chunking text,
    model text,
    index_number integer,
    dimensions integer,
    chunks integer,
    dense_floor double precision
);
COMMENT ON TYPE glow_api.search_plan IS 'A retrieval configuration with the index that it searches.';

CREATE FUNCTION glow_api.abandon_experiment(experiment_id text, reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.stop_experiment(experiment_id, 'abandoned', glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.abandon_experiment(experiment_id text, reason text) IS 'Ends an experiment that went wrong: as stop_experiment, and its numbers count as no result.';
REVOKE ALL ON FUNCTION glow_api.abandon_experiment(experiment_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.abandon_experiment(experiment_id text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.adapted_query(plan glow_api.search_plan, vector public.vector) RETURNS public.vector
    LANGUAGE plpgsql STABLE
    AS $$
declare
  share double precision := glow_api.weight(plan, 'adapter_weight');
  turned public.vector;
begin
  if share = 0 or vector is null then return vector; end if;
  select public.l2_normalize(array_agg(-(a.row operator(public.<#>) vector) order by a.position)::public.vector) into turned
    from glow.retrieval_adapters a where a.configuration = plan.configuration;
  if turned is null then return vector; end if;
  return public.l2_normalize(
    (vector operator(public.*) array_fill((1 - share)::real, array[plan.dimensions])::public.vector)
    operator(public.+) (turned operator(public.*) array_fill(share::real, array[plan.dimensions])::public.vector));
end $$;
COMMENT ON FUNCTION glow_api.adapted_query(plan glow_api.search_plan, vector public.vector) IS 'The vector that the dense leg asks with.';
REVOKE ALL ON FUNCTION glow_api.adapted_query(plan glow_api.search_plan, vector public.vector) FROM PUBLIC;

CREATE FUNCTION glow_api.adjudicate(item_id bigint DEFAULT NULL::bigint, execution_id text DEFAULT NULL::text, verdict text DEFAULT NULL::text, output text DEFAULT NULL::text, notes text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  item glow.review_items;
  problem glow_api.problem;
begin
  if num_nonnulls(item_id, execution_id) <> 1 then
    perform glow_api.refuse('PT422', 'item_id', item_id::text, 'an item_id or an execution_id, not both');
  elsif item_id is not null then
    item := glow_api.require_item(item_id, me.tenant);
    execution_id := item.execution_id;
  else
    problem := glow_api.id_problem('{execution_id}', array[execution_id], 1);
    if problem.code is not null then perform glow_api.refuse(problem); end if;
    select i.* into item from glow.review_items i
     where i.tenant = me.tenant and i.execution_id = adjudicate.execution_id order by i.kind desc limit 1;
  end if;
  if exists (
    select from glow.expert_annotations a
     where a.tenant = me.tenant and a.execution_id = adjudicate.execution_id and a.reviewer = me.person and a.role = 'review'
  ) or exists (
    select from glow.comparisons c
     where c.tenant = me.tenant and c.execution_id = adjudicate.execution_id and c.reviewer = me.person
  ) then
    perform glow_api.refuse('PT403', 'reviewer', me.person, 'somebody who has not reviewed this execution');
  elsif item.state = 'open' then
    perform glow_api.refuse('PT409', 'item_id', item.item_id::text, 'an item whose reviews are all in; see the filter state = adjudicate');
  end if;
  return glow_api.answered(glow_api.record_adjudication(
    row(execution_id, me.person, verdict, output, null, notes, idempotency_key, me.tenant, null), me));
end $$;
COMMENT ON FUNCTION glow_api.adjudicate(item_id bigint, execution_id text, verdict text, output text, notes text, idempotency_key text, reviewer text, tenant text) IS 'Decides an execution on which reviewers disagreed, or that nobody is asked about: the decision beats all reviews of it. Not by somebody who reviewed it. A later decision supersedes.';
REVOKE ALL ON FUNCTION glow_api.adjudicate(item_id bigint, execution_id text, verdict text, output text, notes text, idempotency_key text, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.adjudicate(item_id bigint, execution_id text, verdict text, output text, notes text, idempotency_key text, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.admit(login glow.logins, calls integer, bytes bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  used bigint;
  step integer;
  samples integer;
begin
  if bytes > login.bytes_per_call then
    perform glow_api.refuse('PT413', 'call', bytes || ' bytes', 'at most ' || login.bytes_per_call || ' bytes in a call of this login');
  end if;
  if calls = 0 or login.calls_per_minute is null then return; end if;
  if calls > login.calls_per_minute then
    perform glow_api.refuse('PT413', 'rows', calls || ' rows', 'at most ' || login.calls_per_minute || ' rows in a call of this login');
  end if;
  select coalesce(sum(s.calls), 0) into used from glow.call_samples s
   where s.login = session_user and s.called_at > clock_timestamp() - interval '1 minute';
  if used + calls > login.calls_per_minute then
    perform glow_api.refuse('PT429', 'call', used + calls || ' in a minute',
      'at most ' || login.calls_per_minute || ' rows a minute for this login; try again within a minute');
  end if;
  step := greatest(1, login.calls_per_minute / 200);
  -- Not random(): the caller can set its seed.
  samples := calls / step + (('x' || right(gen_random_uuid()::text, 8))::bit(32)::bigint % step < calls % step)::integer;
  if samples > 0 then
    insert into glow.call_samples (login, calls) values (session_user, samples * step);
  end if;
end $$;
COMMENT ON FUNCTION glow_api.admit(login glow.logins, calls integer, bytes bigint) IS 'Counts a call against the limits of its login; refuses what is over them.';
REVOKE ALL ON FUNCTION glow_api.admit(login glow.logins, calls integer, bytes bigint) FROM PUBLIC;

CREATE FUNCTION glow_api.admits(call glow_api.review_call, item glow.review_items) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN ((((item).tenant)::text = (call).tenant) AND COALESCE((((item).agent)::text = (call).agent), true) AND COALESCE(((item).kind = (call).kind), true) AND (((call).reason IS NULL) OR (((call).reason = ANY ((item).reasons)) AND (NOT (glow.review_policy(((item).agent)::text)).blind))));
COMMENT ON FUNCTION glow_api.admits(call glow_api.review_call, item glow.review_items) IS 'Whether an item is one that a call asks for.';
REVOKE ALL ON FUNCTION glow_api.admits(call glow_api.review_call, item glow.review_items) FROM PUBLIC;

CREATE FUNCTION glow_api.annotation_problem(call glow_api.annotation_call, caller glow_api.caller) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $$
declare
  problem glow_api.problem := glow_api.id_problem(
    '{execution_id,reviewer,idempotency_key}', array[call.execution_id, call.reviewer, call.idempotency_key], 2);
begin
  if problem.code is not null then return problem; end if;
  if call.tenant <> caller.tenant then
    return row('PT403', 'tenant', call.tenant, 'the tenant of this login')::glow_api.problem;
  elsif call.reviewer <> caller.person then
    return row('PT403', 'reviewer', call.reviewer, 'the person this login speaks for')::glow_api.problem;
  elsif call.verdict is null or call.verdict not in ('approve', 'correct', 'reject') then
    return row('PT422', 'verdict', call.verdict, 'approve, correct or reject')::glow_api.problem;
  elsif call.verdict <> 'correct' and call.output is not null then
    return row('PT422', 'output', left(call.output, 80), 'an output only with the verdict correct')::glow_api.problem;
  elsif call.dimensions is not null and (
    jsonb_typeof(call.dimensions) <> 'object' or octet_length(call.dimensions::text) > 10000 or exists (
      select from jsonb_each(call.dimensions) d where not glow_api.is_number(d.value, -1000000, 1000000))
  ) then
    return row('PT422', 'dimensions', left(call.dimensions::text, 80), 'an object of quality dimension and score')::glow_api.problem;
  elsif length(call.notes) > 10000 then
    return row('PT413', 'notes', length(call.notes) || ' characters', 'at most 10000 characters')::glow_api.problem;
  end if;
  return coalesce(glow_api.text_problem('output', call.output, 1000000, call.verdict = 'correct'),
                  glow_api.text_problem('notes', call.notes, 40000));
end $$;
COMMENT ON FUNCTION glow_api.annotation_problem(call glow_api.annotation_call, caller glow_api.caller) IS 'What is wrong with an annotation, or null.';
REVOKE ALL ON FUNCTION glow_api.annotation_problem(call glow_api.annotation_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.annotation_queue(filters jsonb DEFAULT '{}'::jsonb, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  call glow_api.review_call := glow_api.read_filters(filters, me);
  answer jsonb;
begin
  answer := jsonb_build_object(
    'reviewer', me.person,
    'held', (select coalesce(jsonb_agg(to_jsonb(h) order by h.lease_until, h.item_id), '[]') from glow_api.shown(
      array(select s.item_id from glow.review_slots s join glow.review_items i using (item_id)
             where s.tenant = me.tenant and s.reviewer = me.person and s.filled_at is null
               and s.lease_until > clock_timestamp() and isfinite(s.lease_until) and glow_api.admits(call, i)), me.person) h),
    'waiting', (select coalesce(jsonb_agg(to_jsonb(w) order by w.agent, w.kind), '[]') from (
      select i.agent, i.kind, count(*) as items, min(i.entered_at) as oldest,
             count(*) filter (where exists (select from glow.review_passes p
                                             where p.item_id = i.item_id and p.reviewer = me.person)) as skipped
        from glow_api.waiting(call) i
       group by i.agent, i.kind) w));
  -- Now that all reviews are in, whoever gave none of them may see what they say; not who.
  if call.state = 'adjudicate' then
    answer := answer || jsonb_build_object('adjudications', (select coalesce(jsonb_agg(to_jsonb(d) order by d.item_id), '[]') from (
      select i.item_id, i.kind, i.agent, i.execution_id, i.entered_at, e.input, e.output, i.alternative, e.metadata,
             (select jsonb_agg(distinct jsonb_strip_nulls(jsonb_build_object('verdict', a.verdict, 'output', a.output)))
                from glow.review_slots s join glow.expert_annotations a using (annotation_id) where s.item_id = i.item_id) as answers
        from glow.review_items i
        join glow.execution_keys k on k.tenant = i.tenant and k.execution_id = i.execution_id
        join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
       where i.tenant = me.tenant and i.state = 'adjudicate' and glow_api.admits(call, i)
         and not exists (select from glow.review_slots s where s.item_id = i.item_id and s.reviewer = me.person)
       order by i.item_id limit 100) d));
  end if;
  return answer;
end $$;
COMMENT ON FUNCTION glow_api.annotation_queue(filters jsonb, reviewer text, tenant text) IS 'What a reviewer holds, and how much waits for them by agent and kind. With the filter state = adjudicate also the items on which reviewers disagreed, with what was said, for somebody who reviewed none of them.';
REVOKE ALL ON FUNCTION glow_api.annotation_queue(filters jsonb, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.annotation_queue(filters jsonb, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.answered(result jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
  if result ->> 'status' = 'refused' then
    raise exception using errcode = result ->> 'code', message = result ->> 'message', hint = result ->> 'hint';
  end if;
  return result;
end $$;
COMMENT ON FUNCTION glow_api.answered(result jsonb) IS 'The answer of a single call: a refusal is raised.';
REVOKE ALL ON FUNCTION glow_api.answered(result jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.apply_import(import_id text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET work_mem TO '64MB'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
  since bigint;
  until bigint;
  batch glow.import_batches;
  results jsonb[];
  counted record;
  taken bigint := 0;
  known bigint := 0;
  bad bigint := 0;
  turned bigint;
  anybody boolean := exists (select from glow.erased_subjects);
begin
  select i.line into since from glow.imports i where i.import_id = apply_import.import_id and i.state = 'running' for update;
  if not found then
    perform glow_api.refuse('PT404', 'import_id', import_id, 'an import that is running');
  end if;
  -- From `since`: the index still holds what earlier calls deleted.
  select min(b.line) into until from glow.import_batches b where b.import_id = apply_import.import_id and b.line > since;
  -- Annotations need their execution, the rest may come in any order.
  for batch in
    select b.* from glow.import_batches b where b.import_id = apply_import.import_id and b.line = until
     order by array_position('{execution,retrieval,feedback,annotation,demonstration}', b.kind)
  loop
    if anybody then
      with judged as (
        select u.*, glow_api.is_erased(coalesce(u.payload ->> 'tenant', caller.tenant, 'default'),
                                       coalesce(u.payload ->> 'user_id', u.payload ->> 'reviewer', u.payload ->> 'expert')) as erased
          from rows from (unnest(batch.lines), unnest(batch.parts), jsonb_array_elements(batch.rows))
               with ordinality as u(line, part, payload, n)
      ), turned_away as (
        -- Without the row and without the name: they are what must not come back.
        insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
        select apply_import.import_id, j.line, j.part, batch.kind, 'PT410', 'user_id', 'the person of this row was erased',
               'leave the row out; what a person does anew comes by log_execution and submit_feedback', '{"erased": true}'
          from judged j where j.erased
        returning 1
      )
      select coalesce(array_agg(j.line order by j.n), '{}'), coalesce(array_agg(j.part order by j.n), '{}'),
             coalesce(jsonb_agg(j.payload order by j.n), '[]'), (select count(*) from turned_away)
        into batch.lines, batch.parts, batch.rows, turned from judged j where not j.erased;
      bad := bad + turned;
    end if;
    results := array(select r.result from glow_api.record_rows(batch.kind, batch.rows, caller) r order by r.n);
    select count(*) filter (where r.status in ('accepted', 'withdrawn', 'late')) as accepted,
           count(*) filter (where r.status in ('replayed', 'unchanged', 'merged')) as replayed,
           count(*) filter (where r.status = 'refused') as refused
      into counted from (select u.result ->> 'status' as status from unnest(results) as u(result)) r;
    if counted.refused > 0 then
      insert into glow.import_refusals (import_id, line, part, kind, code, field, message, hint, payload)
      select apply_import.import_id, u.line, u.part, batch.kind, u.result ->> 'code', u.result ->> 'field',
             u.result ->> 'message', u.result ->> 'hint', u.payload
        from rows from (unnest(batch.lines), unnest(batch.parts), jsonb_array_elements(batch.rows), unnest(results))
             as u(line, part, payload, result)
       where u.result ->> 'status' = 'refused';
    end if;
    taken := taken + counted.accepted;
    known := known + counted.replayed;
    bad := bad + counted.refused;
  end loop;
  delete from glow.import_batches b where b.import_id = apply_import.import_id and b.line = until;
  update glow.imports i
     set line = coalesce(until, i.line), accepted = i.accepted + taken, replayed = i.replayed + known,
         refused = i.refused + bad, updated_at = clock_timestamp()
   where i.import_id = apply_import.import_id;
  return jsonb_build_object('applied', taken + known + bad, 'accepted', taken, 'replayed', known, 'refused', bad, 'line', until);
end $$;
COMMENT ON FUNCTION glow_api.apply_import(import_id text) IS 'Applies the next batch of a file, in one transaction: each row is written or recorded as refused, and the import remembers how far it is.';
REVOKE ALL ON FUNCTION glow_api.apply_import(import_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.apply_import(import_id text) TO glow_pipeline;

CREATE FUNCTION glow_api.approve_rollout(experiment_id text, reason text, stage integer DEFAULT NULL::integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.approve_rollout(experiment_id, stage, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.approve_rollout(experiment_id text, reason text, stage integer) IS 'Lets the stage begin that waits for approval; stage (counted from 0) names one ahead: the next that will ask, or the next one, which then need not wait for its number of units. Said twice it lets no other begin.';
REVOKE ALL ON FUNCTION glow_api.approve_rollout(experiment_id text, reason text, stage integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.approve_rollout(experiment_id text, reason text, stage integer) TO glow_engineer;

CREATE FUNCTION glow_api.has_column(relation text, name text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM pg_attribute a WHERE ((a.attrelid = ((('glow.'::text || quote_ident(has_column.relation)))::regclass)::oid) AND (a.attname = has_column.name) AND (NOT a.attisdropped))));
COMMENT ON FUNCTION glow_api.has_column(relation text, name text) IS 'Whether a table has a column.';
REVOKE ALL ON FUNCTION glow_api.has_column(relation text, name text) FROM PUBLIC;

CREATE FUNCTION glow_api.are_columns(relation text, given jsonb) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN CASE WHEN (jsonb_typeof(given) = 'object'::text) THEN ((given <> '{}'::jsonb) AND (NOT (EXISTS (SELECT FROM jsonb_object_keys(are_columns.given) c(c) WHERE (NOT glow_api.has_column(are_columns.relation, c.c)))))) ELSE false END;
COMMENT ON FUNCTION glow_api.are_columns(relation text, given jsonb) IS 'Whether a JSON object names columns of a table and nothing else.';
REVOKE ALL ON FUNCTION glow_api.are_columns(relation text, given jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.asked_terms(plan glow_api.search_plan, query text, OUT terms text[], OUT times double precision[]) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
declare
  strength double precision := glow_api.weight(plan, 'expansion_weight');
begin
  terms := glow.terms(query);
  times := array_fill(1::double precision, array[cardinality(terms)]);
  if strength = 0 then return; end if;
  select asked_terms.terms || coalesce(array_agg(x.word), '{}'), asked_terms.times || coalesce(array_agg(x.weight), '{}')
    into terms, times
    from (select a.word, max(e.weight) * strength as weight
            from glow.retrieval_expansions e cross join unnest(e.added_terms) a(word)
           where e.configuration = plan.configuration and e.weight > 0 and cardinality(e.phrase_terms) > 0
             and e.phrase_terms <@ asked_terms.terms and a.word <> all (asked_terms.terms)
           group by a.word) x;
end $$;
COMMENT ON FUNCTION glow_api.asked_terms(plan glow_api.search_plan, query text, OUT terms text[], OUT times double precision[]) IS 'The words of a question and those that expansions add, with how often each counts.';
REVOKE ALL ON FUNCTION glow_api.asked_terms(plan glow_api.search_plan, query text, OUT terms text[], OUT times double precision[]) FROM PUBLIC;

CREATE FUNCTION glow_api.assigned_arms(agent text, tenant text, unit text, session text, org text, execution text, only_kind text DEFAULT NULL::text) RETURNS TABLE(experiment_id text, kind text, phase integer, variant text, version text, config jsonb)
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION glow_api.assigned_arms(agent text, tenant text, unit text, session text, org text, execution text, only_kind text) IS 'The arms that a unit has in the experiments of an agent (of one kind, where only that is used), that of the prompt first; writes the exposures that are new.';
REVOKE ALL ON FUNCTION glow_api.assigned_arms(agent text, tenant text, unit text, session text, org text, execution text, only_kind text) FROM PUBLIC;

CREATE FUNCTION glow_api.base64url(bytes bytea) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN rtrim(translate(encode(bytes, 'base64'::text), '+/
'::text, '-_'::text), '='::text);
COMMENT ON FUNCTION glow_api.base64url(bytes bytea) IS 'Bytes as URL-safe base64 without padding (RFC 4648 section 5).';
REVOKE ALL ON FUNCTION glow_api.base64url(bytes bytea) FROM PUBLIC;

CREATE FUNCTION glow_api.bind_login(login text, tenant text DEFAULT NULL::text, tenant_claim text[] DEFAULT NULL::text[], person text DEFAULT NULL::text, person_claim text[] DEFAULT NULL::text[], calls_per_minute integer DEFAULT NULL::integer, bytes_per_call integer DEFAULT NULL::integer, note text DEFAULT ''::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  problem glow_api.problem;
begin
  perform glow_api.enter();
  if not exists (select from pg_roles r where r.rolname = bind_login.login and r.rolcanlogin) then
    perform glow_api.refuse('PT404', 'login', login, 'a role of this server that can log in; see create role');
  end if;
  if tenant is not null and tenant_claim is not null then
    perform glow_api.refuse('PT422', 'tenant_claim', array_to_string(tenant_claim, '.'), 'a tenant or where it stands in the claims, not both');
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  end if;
  if person is not null and person_claim is not null then
    perform glow_api.refuse('PT422', 'person_claim', array_to_string(person_claim, '.'), 'a person or where it stands in the claims, not both');
  end if;
  problem := glow_api.id_problem('{person}', array[person], 0);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if calls_per_minute < 1 then
    perform glow_api.refuse('PT422', 'calls_per_minute', calls_per_minute::text, 'a number above 0, or null for no limit');
  elsif bytes_per_call < 1 then
    perform glow_api.refuse('PT422', 'bytes_per_call', bytes_per_call::text, 'a number above 0, or null for no limit');
  elsif length(note) > 1000 then
    perform glow_api.refuse('PT413', 'note', length(note) || ' characters', 'at most 1000 characters');
  end if;
  insert into glow.logins as l (login, tenant, tenant_claim, person, person_claim, calls_per_minute, bytes_per_call, note)
  values (login, tenant, tenant_claim, person, person_claim, calls_per_minute, bytes_per_call, coalesce(note, ''))
  on conflict on constraint logins_pkey do update
     set tenant = excluded.tenant, tenant_claim = excluded.tenant_claim, person = excluded.person,
         person_claim = excluded.person_claim, calls_per_minute = excluded.calls_per_minute,
         bytes_per_call = excluded.bytes_per_call, note = excluded.note, bound_at = clock_timestamp();
  return jsonb_build_object('login', login, 'tenant', tenant, 'status', 'bound');
end $_$;
COMMENT ON FUNCTION glow_api.bind_login(login text, tenant text, tenant_claim text[], person text, person_claim text[], calls_per_minute integer, bytes_per_call integer, note text) IS 'Binds a database login to a tenant, a person and limits. tenant_claim and person_claim are paths of keys in the setting request.jwt.claims, for the login of a gateway that verifies tokens. Without tenant and tenant_claim it serves every tenant. A login that was never bound speaks for the tenant default, without limits.';
REVOKE ALL ON FUNCTION glow_api.bind_login(login text, tenant text, tenant_claim text[], person text, person_claim text[], calls_per_minute integer, bytes_per_call integer, note text) FROM PUBLIC;

CREATE FUNCTION glow_api.serves_all() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (pg_has_role(SESSION_USER, 'glow_engineer'::name, 'usage'::text) OR pg_has_role(SESSION_USER, 'glow_pipeline'::name, 'usage'::text) OR pg_has_role(SESSION_USER, 'glow_owner'::name, 'usage'::text));
COMMENT ON FUNCTION glow_api.serves_all() IS 'Whether a login that nobody bound works for every tenant.';
REVOKE ALL ON FUNCTION glow_api.serves_all() FROM PUBLIC;

CREATE FUNCTION glow_api.bound_login() RETURNS TABLE(tenant text, person text, is_plain boolean)
    LANGUAGE sql STABLE ROWS 1
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (l.login IS NOT NULL) THEN (l.tenant)::text
             WHEN (NOT glow_api.serves_all()) THEN 'default'::text
             ELSE NULL::text
         END AS "case",
     l.person,
     (num_nonnulls(l.tenant_claim, l.person_claim, l.calls_per_minute, l.bytes_per_call) = 0)
    FROM (( SELECT) one
      LEFT JOIN glow.logins l ON ((l.login = SESSION_USER)));
END;
COMMENT ON FUNCTION glow_api.bound_login() IS 'What enter finds out of a login that is plain: no claims to read and no limits to count. Any other has to enter.';
REVOKE ALL ON FUNCTION glow_api.bound_login() FROM PUBLIC;

CREATE FUNCTION glow_api.caller_problem(tenant text, own text, agent text) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $_$
declare
  known glow.agents;
begin
  if tenant <> own then
    return row('PT403', 'tenant', tenant, 'the tenant of this login')::glow_api.problem;
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    return row('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit')::glow_api.problem;
  end if;
  select a.* into known from glow.agents a where a.agent = caller_problem.agent;
  -- An agent of another tenant does not exist for this one.
  if known.agent is null or known.tenant <> coalesce(tenant, own) then
    return row('PT404', 'agent', agent, 'the name of a registered agent; see register_agent')::glow_api.problem;
  end if;
  return null;
end $_$;
COMMENT ON FUNCTION glow_api.caller_problem(tenant text, own text, agent text) IS 'Refuses another tenant''s name, and an agent that is not registered or belongs to another tenant.';
REVOKE ALL ON FUNCTION glow_api.caller_problem(tenant text, own text, agent text) FROM PUBLIC;

CREATE FUNCTION glow_api.cancel_request(request_id bigint, reason text DEFAULT ''::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.request_status(request_id);
  update glow.requests r
     set state = 'cancelled', finished_at = clock_timestamp(),
         outcome = jsonb_build_object('cancelled_by', coalesce(caller.person, session_user), 'reason', left(cancel_request.reason, 2000))
   where r.request_id = cancel_request.request_id and r.state = 'queued' and glow_api.is_mine(r.agent, caller);
  if not found then
    perform glow_api.refuse('PT409', 'request_id', request_id::text, 'a request that is still queued; a run is ended in Dagster');
  end if;
  return glow_api.request_status(request_id);
end $$;
COMMENT ON FUNCTION glow_api.cancel_request(request_id bigint, reason text) IS 'Takes back a request that no run has taken up.';
REVOKE ALL ON FUNCTION glow_api.cancel_request(request_id bigint, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.cancel_request(request_id bigint, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.change_problem(agent text, kind text, treatment text, config jsonb, control text, control_config jsonb, field text) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $$
declare
  problem glow_api.problem := glow_api.version_problem(agent, kind, field, treatment, config);
  used text := glow.version_used(agent, kind);
  before text;
begin
  if problem.code is not null then return problem; end if;
  treatment := case kind when 'config' then glow.config_version(config) else treatment end;
  if treatment = coalesce(used, case kind when 'config' then glow.config_version(control_config) else control end) then
    return row('PT409', field, treatment, 'a version other than the one in production')::glow_api.problem;
  elsif used is null and kind in ('prompt', 'retrieval') then
    return row('PT409', 'kind', kind, format('a kind of which %s has something in production', agent))::glow_api.problem;
  elsif used is not null and num_nonnulls(control, control_config) > 0 then
    return row('PT422', 'control', coalesce(control, left(control_config::text, 80)), 'none: the control is what is in production, ' || used)::glow_api.problem;
  elsif used is null then
    problem := glow_api.version_problem(agent, kind, 'control', control, control_config);
    if problem.code is not null then return problem; end if;
  end if;
  before := glow.rolled_back_before(agent, kind, treatment);
  if before is not null then
    return row('PT409', field, treatment, format('a version that was never rolled back (this one was, in %s): mend it and register it as a new one', before))::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.change_problem(agent text, kind text, treatment text, config jsonb, control text, control_config jsonb, field text) IS 'What is wrong with trying or rolling out a version, or null.';
REVOKE ALL ON FUNCTION glow_api.change_problem(agent text, kind text, treatment text, config jsonb, control text, control_config jsonb, field text) FROM PUBLIC;

CREATE FUNCTION glow_api.chunk_title(chunk glow.chunks) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN "left"((chunk).text, GREATEST(((length((chunk).text) - ((chunk).ends - (chunk).starts)) - 1), 0));
COMMENT ON FUNCTION glow_api.chunk_title(chunk glow.chunks) IS 'The title of a chunk''s document as it was indexed: what its text has before the span, and a line end.';
REVOKE ALL ON FUNCTION glow_api.chunk_title(chunk glow.chunks) FROM PUBLIC;

CREATE FUNCTION glow_api.claim_annotation(filters jsonb DEFAULT '{}'::jsonb, n integer DEFAULT 1, lease interval DEFAULT NULL::interval, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS TABLE(item_id bigint, kind text, agent text, execution_id text, input text, output text, first text, second text, metadata jsonb, context jsonb, lease_until timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  call glow_api.review_call := glow_api.read_filters(filters, me);
  problem glow_api.problem := glow_api.lease_problem(lease);
  controls integer := 0;
  gold bigint;
  leased bigint[];
  golds bigint[] := '{}';
begin
  if n is null or n not between 1 and 100 then
    problem := row('PT422', 'n', n::text, 'a number of items from 1 to 100');
  elsif call.state = 'adjudicate' then
    problem := row('PT422', 'filters.state', call.state, 'open: what waits for adjudication is decided with adjudicate');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  -- One reviewer's claims go one after the other, or two at once would lease them two slots of one item.
  perform pg_advisory_xact_lock(hashtextextended(me.tenant || chr(31) || me.person, 10));
  for i in 1 .. n loop
    -- A tenth, whatever their priority: the estimate that rests on controls must not starve.
    controls := controls + (glow_api.die() < 0.1)::integer;
  end loop;
  leased := glow_api.lease_next(call, controls, 'controls', lease);
  -- One of the others may become gold, and only where there is one to become it: from an empty queue no gold comes.
  if exists (select from glow.review_items i where i.tenant = me.tenant and i.gold and glow_api.admits(call, i))
     and exists (select from glow_api.reviewable(call)) then
    for i in 1 .. n - cardinality(leased) loop
      gold := glow_api.lease_hidden(call, lease);
      if gold is not null then golds := golds || gold; end if;
    end loop;
  end if;
  leased := leased || golds;
  leased := leased || glow_api.lease_next(call, n - cardinality(leased), 'best', lease);
  leased := leased || glow_api.lease_next(call, n - cardinality(leased), 'skipped', lease);
  return query select * from glow_api.shown(leased, me.person);
end $$;
COMMENT ON FUNCTION glow_api.claim_annotation(filters jsonb, n integer, lease interval, reviewer text, tenant text) IS 'Leases up to n items to a reviewer and answers what there is to judge: input, output, metadata, or the two answers of a comparison. Nobody else gets this review until lease_until. Filters: agent, kind, and reason where reviews are not blind.';
REVOKE ALL ON FUNCTION glow_api.claim_annotation(filters jsonb, n integer, lease interval, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.claim_annotation(filters jsonb, n integer, lease interval, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.collect_probes(erasure_id bigint, tenant text, subject text) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  the_id bigint := collect_probes.erasure_id;
  whose text := collect_probes.tenant;
  who text := collect_probes.subject;
begin
  insert into glow.erasure_probes values (the_id, 'person', who);
  insert into glow.erasure_probes
  select the_id, 'conversation', c.id from (
    select e.conversation_id as id from glow.executions e where e.tenant = whose and e.user_id = who
    union select f.conversation_id from glow.agent_feedback f where f.tenant = whose and f.user_id = who
    union select r.conversation_id from glow.retrieval_events r where r.tenant = whose and r.user_id = who) c
   where c.id is not null;
  -- A conversation of several people is nobody's id.
  delete from glow.erasure_probes p
   where p.erasure_id = the_id and p.kind = 'conversation'
     and p.value in (
       select e.conversation_id from glow.executions e
        where e.tenant = whose and e.user_id <> who and e.conversation_id in (select glow_api.probes(the_id, 'conversation'))
       union
       select f.conversation_id from glow.agent_feedback f
        where f.tenant = whose and f.user_id <> who and f.conversation_id in (select glow_api.probes(the_id, 'conversation')));
  insert into glow.erasure_probes
  select the_id, 'execution', e.execution_id from glow.executions e
   where e.tenant = whose
     and (e.user_id = who or e.user_id is null and e.conversation_id in (select glow_api.probes(the_id, 'conversation')));
  -- Executions that never came, and that only this person spoke of.
  insert into glow.erasure_probes
  select distinct the_id, 'execution', f.execution_id from glow.agent_feedback f
   where f.tenant = whose and f.user_id = who
     and not exists (select from glow.execution_keys k where k.tenant = whose and k.execution_id = f.execution_id)
     and not exists (select from glow.agent_feedback o
                      where o.tenant = whose and o.execution_id = f.execution_id and o.user_id <> who);
  insert into glow.erasure_probes
  select the_id, 'event', r.event_id from glow.retrieval_events r
   where r.tenant = whose
     and (r.user_id = who or r.user_id is null and (
       r.execution_id in (select glow_api.probes(the_id, 'execution'))
       or r.conversation_id in (select glow_api.probes(the_id, 'conversation'))));
  insert into glow.erasure_probes
  select the_id, 'feedback', f.feedback_id::text from glow.agent_feedback f
   where f.tenant = whose and f.user_id = who and f.correction is not null
  union all
  select the_id, 'annotation', a.annotation_id::text from glow.expert_annotations a
   where a.tenant = whose and a.reviewer = who and a.output is not null
  union all
  select the_id, 'demonstration', d.demonstration_id::text from glow.demonstrations d where d.tenant = whose and d.expert = who;

  -- Other people's executions, compared with an answer that this person gave and nobody else.
  insert into glow.erasure_probes
  select distinct the_id, 'item', i.item_id::text
    from (select f.correction as answer from glow.agent_feedback f where f.tenant = whose and f.user_id = who
          union select a.output from glow.expert_annotations a where a.tenant = whose and a.reviewer = who
          union select d.output from glow.demonstrations d where d.tenant = whose and d.expert = who) theirs
    join glow.review_items i on i.tenant = whose and i.kind = 'comparison' and i.alternative = theirs.answer
   where length(i.alternative) >= 24
     and not exists (select from glow.agent_feedback f
                      where f.tenant = whose and f.agent = i.agent and f.correction = i.alternative and f.user_id <> who)
     and not exists (select from glow.expert_annotations a
                      where a.tenant = whose and a.agent = i.agent and a.output = i.alternative and a.reviewer <> who)
     and not exists (select from glow.demonstrations d
                      where d.tenant = whose and d.agent = i.agent and d.output = i.alternative and d.expert <> who);
  insert into glow.erasure_probes
  select the_id, 'comparison', c.comparison_id::text
    from glow.review_items i join glow.comparisons c on c.tenant = i.tenant and c.execution_id = i.execution_id
   where i.item_id in (select x::bigint from glow_api.probes(the_id, 'item') x);
  -- Dimensions of one's own, which erase_said drops, in reports.
  insert into glow.erasure_probes
  select distinct the_id, 'name', shown
    from (select distinct a.agent, k.name from glow.expert_annotations a, jsonb_object_keys(a.dimensions) k(name)
           where a.tenant = whose and a.reviewer = who) d,
         unnest(array[d.name, 'dimension ' || d.name]) shown
   where not exists (select from glow.expert_annotations o
                      where o.agent = d.agent and o.reviewer <> who and o.dimensions ? d.name);

  insert into glow.erasure_probes
  select distinct the_id, 'text', t.value from (
    select unnest(array[e.input, e.output]) as value from glow.executions e
     where e.tenant = whose and e.execution_id in (select glow_api.probes(the_id, 'execution'))
    union all
    select glow_api.text_leaves(e.metadata, 24) from glow.executions e
     where e.tenant = whose and e.execution_id in (select glow_api.probes(the_id, 'execution'))
    union all
    select unnest(array[f.comment, f.correction]) from glow.agent_feedback f
     where f.tenant = whose and (f.user_id = who or f.execution_id in (select glow_api.probes(the_id, 'execution')))
    union all
    select i.issue from glow.agent_feedback f join glow.agents a on a.agent = f.agent, unnest(f.issues) as i(issue)
     where f.tenant = whose and f.user_id = who and i.issue <> all(glow_api.standard_issues()) and i.issue <> all(a.issues)
    union all
    select unnest(array[a.output, a.notes]) from glow.expert_annotations a
     where a.tenant = whose and (a.reviewer = who or a.execution_id in (select glow_api.probes(the_id, 'execution')))
    union all
    select unnest(array[d.input, d.output, d.notes]) from glow.demonstrations d where d.tenant = whose and d.expert = who
    union all
    select unnest(array[i.alternative, i.note]) from glow.review_items i
     where i.tenant = whose and i.execution_id in (select glow_api.probes(the_id, 'execution'))
    union all
    select c.notes from glow.comparisons c
     where c.tenant = whose and (c.reviewer = who or c.execution_id in (select glow_api.probes(the_id, 'execution')))
    union all
    select v.reason from glow.review_events v
     where v.tenant = whose and (v.reviewer = who or v.execution_id in (select glow_api.probes(the_id, 'execution')))
    union all
    select r.query from glow.retrieval_events r
     where r.tenant = whose and r.event_id in (select glow_api.probes(the_id, 'event'))
    union all
    select r.payload ->> key from glow.import_refusals r, unnest('{input,output,comment,correction,query,notes}'::text[]) key
     where glow_api.is_of_import(r.payload, the_id, whose, who)
  ) t where t.value <> '';
end $$;
COMMENT ON FUNCTION glow_api.collect_probes(erasure_id bigint, tenant text, subject text) IS 'Writes down what an erasure looks for.';
REVOKE ALL ON FUNCTION glow_api.collect_probes(erasure_id bigint, tenant text, subject text) FROM PUBLIC;

CREATE FUNCTION glow_api.common_issues(agent text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, most integer DEFAULT 10, tenant text DEFAULT NULL::text) RETURNS TABLE(issue text, occurrences bigint, users bigint, share numeric, last_at timestamp with time zone, vocabulary text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
begin
  since := coalesce(since, '-infinity');
  if most is null or most not between 1 and 1000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 1000');
  end if;
  return query
  select i.issue, count(*), count(distinct (f.tenant, f.user_id)),
         round(count(*) / sum(count(*)) over (), 4), max(f.recorded_at),
         case when i.issue = any(glow_api.standard_issues()) then 'standard'
              when i.issue = any(a.issues) then 'agent' else 'other' end
    from glow.agent_feedback f join glow.agents a on a.agent = f.agent
         cross join lateral unnest(f.issues) as i(issue)
   where f.agent = common_issues.agent and f.superseded_by is null and f.recorded_at >= since
     and f.tenant = coalesce(own, f.tenant)
   group by i.issue, a.issues
   order by count(*) desc, i.issue
   limit most;
end $$;
COMMENT ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer, tenant text) IS 'What users complain about, most frequent first: occurrences, people, share, and whether the category is a standard one, one of the agent''s own, or neither.';
REVOKE ALL ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer, tenant text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer, tenant text) TO glow_reviewer;
GRANT ALL ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer, tenant text) TO glow_viewer;
GRANT ALL ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.occurred(instant timestamp with time zone, sent_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS $$
declare
  known constant tstzrange := '[1900-01-01, 2200-01-01]';
begin
  if sent_at is not null and instant <@ known and sent_at <@ known then
    instant := clock_timestamp() - (sent_at - instant);
  end if;
  return glow_api.past(instant);
end $$;
COMMENT ON FUNCTION glow_api.occurred(instant timestamp with time zone, sent_at timestamp with time zone) IS 'When something happened by the server''s clock, from the sender''s instants of happening and of sending.';
REVOKE ALL ON FUNCTION glow_api.occurred(instant timestamp with time zone, sent_at timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION glow_api.past(instant timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql
    RETURN CASE WHEN (instant >= '2000-01-01 00:00:00+00'::timestamp with time zone) THEN LEAST(instant, clock_timestamp()) ELSE clock_timestamp() END;
COMMENT ON FUNCTION glow_api.past(instant timestamp with time zone) IS 'An instant, or now where it is missing, ahead of our clock or of a clock that was never set.';
REVOKE ALL ON FUNCTION glow_api.past(instant timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION glow_api.completed(call glow_api.feedback_call, caller glow_api.caller) RETURNS glow_api.feedback_call
    LANGUAGE sql
    RETURN ROW((call).agent, (call).execution_id, (call).user_id, (call).thumbs, (call).rating, (call).dimensions, COALESCE((call).issues, '{}'::text[]), (call).comment, (call).correction, (call).channel, (call).conversation_id, (call).idempotency_key, CASE WHEN ((call).sent_at IS NULL) THEN glow_api.past((call).occurred_at) ELSE glow_api.occurred((call).occurred_at, (call).sent_at) END, COALESCE((call).tenant, (caller).tenant, 'default'::text), CASE WHEN ((call).sent_at IS NOT NULL) THEN clock_timestamp() ELSE NULL::timestamp with time zone END, CASE WHEN ((call).withdrawn OR ((call).kind <> ALL (ARRAY['vote'::text, 'correction'::text]))) THEN COALESCE((call).kind, 'vote'::text) WHEN (((call).correction IS NOT NULL) AND ((call).thumbs IS NULL) AND ((call).rating IS NULL) AND (((call).dimensions IS NULL) OR ((call).dimensions = '{}'::jsonb))) THEN 'correction'::text ELSE 'vote'::text END, COALESCE((call).withdrawn, false))::glow_api.feedback_call;
COMMENT ON FUNCTION glow_api.completed(call glow_api.feedback_call, caller glow_api.caller) IS 'A call with everything it left open.';
REVOKE ALL ON FUNCTION glow_api.completed(call glow_api.feedback_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.subject_hash(tenant text, subject text) RETURNS bytea
    LANGUAGE sql STABLE
    RETURN (SELECT sha256((k.outer_pad || sha256((k.inner_pad || convert_to(((subject_hash.tenant || chr(31)) || subject_hash.subject), 'UTF8'::name))))) AS sha256 FROM glow.erasure_key k);
COMMENT ON FUNCTION glow_api.subject_hash(tenant text, subject text) IS 'HMAC-SHA-256 of a person of a tenant.';
REVOKE ALL ON FUNCTION glow_api.subject_hash(tenant text, subject text) FROM PUBLIC;

CREATE FUNCTION glow_api.confirmation(tenant text, subject text, since bigint) RETURNS text
    LANGUAGE sql STABLE
    RETURN ((since || '-'::text) || "left"(encode(glow_api.subject_hash(tenant, ((((('confirmation-'::text || (SESSION_USER)::text) || '-'::text) || since) || '-'::text) || subject)), 'hex'::text), 32));
COMMENT ON FUNCTION glow_api.confirmation(tenant text, subject text, since bigint) IS 'What the receipt of a dry run carries, and the erasure itself asks for.';
REVOKE ALL ON FUNCTION glow_api.confirmation(tenant text, subject text, since bigint) FROM PUBLIC;

CREATE FUNCTION glow_api.counted(receipt jsonb, relation text, n bigint) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN jsonb_set(receipt, ARRAY['tables'::text, relation], to_jsonb((COALESCE(((receipt #>> ARRAY['tables'::text, relation]))::bigint, (0)::bigint) + n)));
COMMENT ON FUNCTION glow_api.counted(receipt jsonb, relation text, n bigint) IS 'A receipt with some more rows of a table.';
REVOKE ALL ON FUNCTION glow_api.counted(receipt jsonb, relation text, n bigint) FROM PUBLIC;

CREATE FUNCTION glow_api.create_experiment(agent text, prompt_version text DEFAULT NULL::text, hypothesis text DEFAULT ''::text, effect double precision DEFAULT 0.05, reason text DEFAULT ''::text, kind text DEFAULT 'prompt'::text, treatment text DEFAULT NULL::text, config jsonb DEFAULT NULL::jsonb, unit text DEFAULT 'user'::text, layer text DEFAULT NULL::text, slot_from integer DEFAULT 0, slot_to integer DEFAULT 1000000, objective text DEFAULT 'superiority'::text, treatment_ppm integer DEFAULT 500000, enroll_ppm integer DEFAULT 1000000, control text DEFAULT NULL::text, control_config jsonb DEFAULT NULL::jsonb, metric text DEFAULT 'thumbs_up_rate'::text, days integer DEFAULT 7, score_key text DEFAULT NULL::text, cuped boolean DEFAULT false, hash text DEFAULT 'pg1'::text, approval boolean DEFAULT false) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  field text := case when prompt_version is not null or kind = 'prompt' and treatment is null then 'prompt_version' else 'treatment' end;
  problem glow_api.problem;
  other text;
  warnings jsonb := '[]';
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  -- A score may count in what it likes.
  if effect is null or not (effect between 0.001 and case metric when 'score' then 1000000 else 0.5 end) then
    perform glow_api.refuse('PT422', 'effect', effect::text, 'the smallest difference worth finding, from 0.001 to 0.5 (0.05: five points); of a score to 1000000');
  elsif length(hypothesis) > 2000 then
    perform glow_api.refuse('PT413', 'hypothesis', length(hypothesis) || ' characters', 'at most 2000 characters');
  elsif kind is null or kind not in ('prompt', 'model', 'retrieval', 'config') then
    perform glow_api.refuse('PT422', 'kind', kind, 'prompt, model, retrieval or config');
  elsif prompt_version is not null and kind <> 'prompt' then
    perform glow_api.refuse('PT422', 'prompt_version', prompt_version, 'none: what a ' || kind || ' experiment tries stands in treatment or config');
  elsif prompt_version <> treatment then
    perform glow_api.refuse('PT422', 'treatment', treatment, 'prompt_version or treatment, not two different versions');
  elsif config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'config', left(config::text, 80), 'none: only an experiment of kind config takes settings');
  elsif treatment is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'treatment', treatment, 'none: an experiment of kind config takes its settings in config');
  elsif control is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'control', control, 'none: an experiment of kind config takes its settings in control_config');
  elsif control_config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'control_config', left(control_config::text, 80), 'none: only an experiment of kind config takes settings');
  elsif unit is null or unit not in ('user', 'org', 'session', 'execution') then
    perform glow_api.refuse('PT422', 'unit', unit, 'user, org, session or execution; finer than user only where an answer does not rest on earlier ones');
  elsif layer !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'layer', layer, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  elsif slot_from is null or slot_from not between 0 and 999999 then
    perform glow_api.refuse('PT422', 'slot_from', slot_from::text, 'a slot from 0 to 999999');
  elsif slot_to is null or slot_to not between slot_from + 1 and 1000000 then
    perform glow_api.refuse('PT422', 'slot_to', slot_to::text, 'a slot above slot_from, up to 1000000');
  elsif objective is null or objective not in ('superiority', 'non_inferiority') then
    perform glow_api.refuse('PT422', 'objective', objective, 'superiority or non_inferiority');
  elsif metric is null or metric not in ('thumbs_up_rate', 'mean_rating', 'low_rating_rate', 'correction_rate', 'latency_slo', 'latency_mean',
                                         'cost_mean', 'feedback_rate', 'net_score', 'score') then
    perform glow_api.refuse('PT422', 'metric', metric, 'thumbs_up_rate, mean_rating, low_rating_rate, correction_rate, latency_slo, '
      'latency_mean, cost_mean, feedback_rate, net_score or score');
  elsif (metric = 'score') <> (score_key is not null) then
    perform glow_api.refuse('PT422', 'score_key', score_key, case metric when 'score'
      then 'the name of the score in the metadata of executions' else 'none: only metric score reads a score' end);
  elsif score_key is not null and (score_key = '' or length(score_key) > 200 or score_key ~ '[[:cntrl:]]') then
    perform glow_api.refuse('PT422', 'score_key', left(score_key, 80), 'a name of 1 to 200 characters without control characters');
  elsif cuped is null then
    perform glow_api.refuse('PT422', 'cuped', cuped::text, 'true or false');
  elsif hash is null or hash not in ('pg1', 'gb2') then
    perform glow_api.refuse('PT422', 'hash', hash, 'pg1, or gb2: the hash of GrowthBook''s SDKs');
  elsif approval is null then
    perform glow_api.refuse('PT422', 'approval', approval::text, 'true or false');
  elsif days is null or days not between 7 and 28 then
    perform glow_api.refuse('PT422', 'days', days::text, 'a number of days from 7 to 28: whole weeks look alike');
  elsif treatment_ppm is null or treatment_ppm not between 1 and 999999 then
    perform glow_api.refuse('PT422', 'treatment_ppm', treatment_ppm::text, 'a share in parts per million, from 1 to 999999');
  elsif enroll_ppm is null or enroll_ppm not between 1 and 1000000 then
    perform glow_api.refuse('PT422', 'enroll_ppm', enroll_ppm::text, 'a share in parts per million, from 1 to 1000000');
  end if;
  treatment := coalesce(prompt_version, treatment);
  -- What decides such a test is whether cost falls.
  if objective = 'non_inferiority' and (metric = 'cost_mean' or 2 > (
    select count(*) from (select distinct e.cost_usd from glow.executions e
       where e.agent = create_experiment.agent and e.user_id is not null and e.cost_usd is not null
         and e.recorded_at between clock_timestamp() - interval '28 days' and clock_timestamp() - interval '1 day' limit 2) c)) then
    perform glow_api.refuse('PT409', 'objective', objective, case metric when 'cost_mean'
      then 'superiority in cost_mean, or non_inferiority in another metric: it asks whether cost falls while that metric holds'
      else 'superiority, or executions of the last 28 days (at least a day old) that carry cost_usd: non_inferiority asks whether cost falls' end);
  end if;
  problem := glow_api.change_problem(agent, kind, treatment, config, control, control_config, field);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  other := glow_api.in_the_way(agent, kind, coalesce(layer, kind), slot_from, slot_to, unit);
  if other is not null then
    perform glow_api.refuse('PT409', 'agent', agent, format('units that %s leaves free, which is running: other slots of its layer and its unit, or stop_experiment(%L) first', other, other));
  end if;
  if metric = 'thumbs_up_rate' then
    warnings := glow_api.plan_of(agent, effect, unit, days, enroll_ppm, treatment_ppm) -> 'warnings';
  end if;
  return glow_api.open_request('experiment', agent, jsonb_build_object(
    'kind', kind, 'design', 'ab', 'prompt_version', case kind when 'prompt' then treatment end, 'treatment', treatment, 'config', config,
    'control', control, 'control_config', control_config, 'hypothesis', nullif(hypothesis, ''), 'effect', effect, 'unit', unit,
    'layer', coalesce(layer, kind), 'slot_from', slot_from, 'slot_to', slot_to, 'objective', objective, 'treatment_ppm', treatment_ppm,
    'enroll_ppm', enroll_ppm, 'metric', metric, 'days', days, 'score_key', score_key, 'cuped', nullif(cuped, false),
    'hash', nullif(hash, 'pg1'), 'approval', nullif(approval, false)), reason) || jsonb_build_object('warnings', warnings);
end $_$;
COMMENT ON FUNCTION glow_api.create_experiment(agent text, prompt_version text, hypothesis text, effect double precision, reason text, kind text, treatment text, config jsonb, unit text, layer text, slot_from integer, slot_to integer, objective text, treatment_ppm integer, enroll_ppm integer, control text, control_config jsonb, metric text, days integer, score_key text, cuped boolean, hash text, approval boolean) IS 'Asks for an experiment of a version against the one in production: planned from the agent''s own traffic for the effect that is worth finding, and started by a run. Without a gate, on the word of who asks. prompt_version or treatment: the version; config: the settings of kind config. control, control_config: what the app uses, where nothing of the kind is in production. metric: what decides (score: a number in the executions'' metadata, named by score_key); days: at least. cuped: take off what users said before. hash: gb2 draws as GrowthBook''s SDKs do. approval: after a win a person lets each stage of the rollout begin. warnings: why it may find nothing, of the share of thumbs up; of other metrics `glow experiment plan` tells.';
REVOKE ALL ON FUNCTION glow_api.create_experiment(agent text, prompt_version text, hypothesis text, effect double precision, reason text, kind text, treatment text, config jsonb, unit text, layer text, slot_from integer, slot_to integer, objective text, treatment_ppm integer, enroll_ppm integer, control text, control_config jsonb, metric text, days integer, score_key text, cuped boolean, hash text, approval boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.create_experiment(agent text, prompt_version text, hypothesis text, effect double precision, reason text, kind text, treatment text, config jsonb, unit text, layer text, slot_from integer, slot_to integer, objective text, treatment_ppm integer, enroll_ppm integer, control text, control_config jsonb, metric text, days integer, score_key text, cuped boolean, hash text, approval boolean) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.create_experiment(agent text, prompt_version text, hypothesis text, effect double precision, reason text, kind text, treatment text, config jsonb, unit text, layer text, slot_from integer, slot_to integer, objective text, treatment_ppm integer, enroll_ppm integer, control text, control_config jsonb, metric text, days integer, score_key text, cuped boolean, hash text, approval boolean) TO glow_pipeline;

CREATE FUNCTION glow_api.create_holdout(holdout text, holdout_ppm integer, agent text DEFAULT NULL::text, ends_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.create_holdout(holdout text, holdout_ppm integer, agent text, ends_at timestamp with time zone) IS 'A share of units that sees what is in force and takes part in no experiment or rollout, of an agent or of all. Refused while an experiment is going on, whose units would change their arm.';
REVOKE ALL ON FUNCTION glow_api.create_holdout(holdout text, holdout_ppm integer, agent text, ends_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.create_holdout(holdout text, holdout_ppm integer, agent text, ends_at timestamp with time zone) TO glow_engineer;

CREATE FUNCTION glow_api.curation_policy(agent text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  known glow.curation_policies;
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  select p.* into known from glow.curation_policies p where p.agent = curation_policy.agent and p.superseded_at is null;
  return glow_api.described_policy(known) || jsonb_build_object('agent', agent);
end $$;
COMMENT ON FUNCTION glow_api.curation_policy(agent text) IS 'How an agent''s texts are screened now, who said so, and when (null: the defaults).';
REVOKE ALL ON FUNCTION glow_api.curation_policy(agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.curation_policy(agent text) TO glow_engineer;

CREATE FUNCTION glow_api.dataset_rule_problem(agent text, rule jsonb, caller glow_api.caller) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $$
declare
  other text;
begin
  if jsonb_typeof(rule) <> 'object' then
    return row('PT422', 'rule', left(rule::text, 80), 'an object such as {"domain": "travel", "minimum_quality": 0.8}')::glow_api.problem;
  end if;
  select k into other from jsonb_object_keys(rule) k
   where k not in ('agents', 'kind', 'domain', 'since', 'until', 'minimum_quality', 'sources', 'languages', 'least') limit 1;
  if other is not null then
    return row('PT422', 'rule.' || left(other, 40), left(rule ->> other, 80),
      'one of agents, kind, domain, since, until, minimum_quality, sources, languages, least')::glow_api.problem;
  end if;
  rule := jsonb_strip_nulls(rule);
  if rule ? 'kind' and coalesce(rule ->> 'kind', '') not in ('sft', 'preference', 'evaluation', 'retrieval') then
    return row('PT422', 'rule.kind', left(rule ->> 'kind', 80), 'sft, preference, evaluation or retrieval')::glow_api.problem;
  elsif rule ? 'domain' and (jsonb_typeof(rule -> 'domain') <> 'string' or length(rule ->> 'domain') not between 1 and 200) then
    return row('PT422', 'rule.domain', left(rule ->> 'domain', 80), 'a text of 1 to 200 characters')::glow_api.problem;
  elsif rule ? 'minimum_quality' and not glow_api.is_number(rule -> 'minimum_quality', 0, 1) then
    return row('PT422', 'rule.minimum_quality', left(rule ->> 'minimum_quality', 80), 'a number from 0 to 1')::glow_api.problem;
  elsif rule ? 'least' and not glow_api.is_whole(rule -> 'least', 0, 2147483647) then
    return row('PT422', 'rule.least', left(rule ->> 'least', 80), 'a whole number from 0')::glow_api.problem;
  end if;
  foreach other in array '{agents,sources,languages}'::text[] loop
    if rule ? other and not (case when jsonb_typeof(rule -> other) = 'array'
         then glow_api.is_texts(rule -> other) and jsonb_array_length(rule -> other) between 1 and 100 else false end) then
      return row('PT422', 'rule.' || other, left(rule ->> other, 80), 'an array of 1 to 100 texts')::glow_api.problem;
    end if;
  end loop;
  select s into other from jsonb_array_elements_text(coalesce(rule -> 'sources', '[]')) s
   where s not in ('annotation', 'correction', 'demonstration', 'vote') limit 1;
  if other is not null then
    return row('PT422', 'rule.sources', left(other, 80), 'annotation, correction, demonstration or vote')::glow_api.problem;
  end if;
  select l into other from jsonb_array_elements_text(coalesce(rule -> 'languages', '[]')) l
   where length(l) not between 1 and 200 limit 1;
  if other is not null then
    return row('PT422', 'rule.languages', left(other, 80), 'texts of 1 to 200 characters')::glow_api.problem;
  end if;
  -- An agent of another tenant does not exist for this login.
  select a into other from jsonb_array_elements_text(coalesce(rule -> 'agents', '[]')) a
   where not exists (select from glow.agents k where k.agent = a) or not glow_api.is_mine(a, caller) limit 1;
  if other is not null then
    return row('PT404', 'rule.agents', left(other, 80), 'names of registered agents; see register_agent')::glow_api.problem;
  end if;
  foreach other in array '{since,until}'::text[] loop
    if rule ? other and not glow_api.fits(rule -> other, 'instant') then
      return row('PT422', 'rule.' || other, left(rule ->> other, 80), 'an instant such as 2026-11-22T14:00:00Z')::glow_api.problem;
    elsif rule ? other and not isfinite((rule ->> other)::timestamptz) then
      return row('PT422', 'rule.' || other, left(rule ->> other, 80), 'an instant such as 2026-11-22T14:00:00Z')::glow_api.problem;
    end if;
  end loop;
  if rule ? 'since' and rule ? 'until' and (rule ->> 'since')::timestamptz >= (rule ->> 'until')::timestamptz then
    return row('PT422', 'rule.until', left(rule ->> 'until', 80), 'an instant after since')::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.dataset_rule_problem(agent text, rule jsonb, caller glow_api.caller) IS 'What is wrong with the rule of a dataset, or null.';
REVOKE ALL ON FUNCTION glow_api.dataset_rule_problem(agent text, rule jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.datasets(agent text) RETURNS TABLE(dataset_id text, kind text, created_at timestamp with time zone, as_of timestamp with time zone, in_force boolean, content_hash text, rule jsonb, statistics jsonb, agents text[], rows integer, parent text, revoked_at timestamp with time zone, revoked_because text, successor text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.datasets(agent text) IS 'The dataset versions of an agent, the newest first, and which of them are in force. A revoked one names its successor.';
REVOKE ALL ON FUNCTION glow_api.datasets(agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.datasets(agent text) TO glow_engineer;

CREATE FUNCTION glow_api.decline(item_id bigint, reason text DEFAULT NULL::text, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return glow_api.give_back(item_id, glow_api.require_reviewer(reviewer, tenant), 'declined', reason, false);
end $$;
COMMENT ON FUNCTION glow_api.decline(item_id bigint, reason text, reviewer text, tenant text) IS 'Not for me: gives an item back; it never comes to this reviewer again.';
REVOKE ALL ON FUNCTION glow_api.decline(item_id bigint, reason text, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.decline(item_id bigint, reason text, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.described(problem glow_api.problem) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN format('%s: %s is not accepted'::text, (problem).field, COALESCE(quote_literal("left"((problem).value, 80)), 'a missing value'::text));
COMMENT ON FUNCTION glow_api.described(problem glow_api.problem) IS 'A problem as a sentence. The value is cut: it is a user''s text.';
REVOKE ALL ON FUNCTION glow_api.described(problem glow_api.problem) FROM PUBLIC;

CREATE FUNCTION glow_api.described_policy(policy glow.curation_policies) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN jsonb_build_object('pii', COALESCE((policy).pii, 'redact'::text), 'secrets', COALESCE((policy).secrets, 'quarantine'::text), 'keep', COALESCE((policy).keep, '{}'::text[]), 'languages', (policy).languages, 'shortest_input', COALESCE((policy).shortest_input, 1), 'shortest_target', COALESCE((policy).shortest_target, 1), 'set_by', (policy).set_by, 'recorded_at', (policy).recorded_at);
COMMENT ON FUNCTION glow_api.described_policy(policy glow.curation_policies) IS 'A policy as JSON; the defaults where there is none.';
REVOKE ALL ON FUNCTION glow_api.described_policy(policy glow.curation_policies) FROM PUBLIC;

CREATE FUNCTION glow_api.die() RETURNS double precision
    LANGUAGE sql
    RETURN ((((('x'::text || "right"((gen_random_uuid())::text, 12)))::bit(48))::bigint)::numeric / 281474976710656.0);
COMMENT ON FUNCTION glow_api.die() IS 'A number from 0 to 1 that nobody can foretell.';
REVOKE ALL ON FUNCTION glow_api.die() FROM PUBLIC;

CREATE FUNCTION glow_api.document_problem(document_id text, title text, body text) RETURNS glow_api.problem
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  problem glow_api.problem := glow_api.id_problem('{document_id}', array[document_id], 1);
begin
  if problem.code is not null then return problem; end if;
  if title is null then
    return row('PT422', 'title', title, 'a text, which may be empty')::glow_api.problem;
  elsif length(title) > 1000 then
    return row('PT413', 'title', length(title) || ' characters', 'at most 1000 characters')::glow_api.problem;
  end if;
  return glow_api.text_problem('body', body, 10000000, true);
end $$;
COMMENT ON FUNCTION glow_api.document_problem(document_id text, title text, body text) IS 'What is wrong with a document, or null.';
REVOKE ALL ON FUNCTION glow_api.document_problem(document_id text, title text, body text) FROM PUBLIC;

CREATE FUNCTION glow_api.draw(seed text, n integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    RETURN ((((get_byte(sha256(convert_to(((seed || ':'::text) || (n / 16)), 'UTF8'::name)), ((n % 16) * 2)) * 256) + get_byte(sha256(convert_to(((seed || ':'::text) || (n / 16)), 'UTF8'::name)), (((n % 16) * 2) + 1))))::double precision / (65536.0)::double precision);
COMMENT ON FUNCTION glow_api.draw(seed text, n integer) IS 'A number from 0 to below 1 that belongs to a search: asked again it is the same.';
REVOKE ALL ON FUNCTION glow_api.draw(seed text, n integer) FROM PUBLIC;

CREATE FUNCTION glow_api.effect_of(feedback bigint) RETURNS TABLE(effect text, id text, since timestamp with time zone, detail jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.effect_of(feedback bigint) IS 'What became of a piece of feedback: learning examples, dataset versions and prompts that rest on it.';
REVOKE ALL ON FUNCTION glow_api.effect_of(feedback bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.effect_of(feedback bigint) TO glow_engineer;

CREATE FUNCTION glow_api.emptied(relation text, columns text[]) RETURNS text
    LANGUAGE sql STABLE
    AS $_$
  select string_agg(format(', %I = %s', a.attname, case
           when not a.attnotnull then 'null'
           when t.typname = 'jsonb' then $q$'{}'$q$
           when t.typcategory = 'A' then $q$'{}'$q$
           else $q$''$q$ end), '')
    from pg_attribute a join pg_type t on t.oid = a.atttypid
   where a.attrelid = ('glow.' || quote_ident(relation))::regclass and not a.attisdropped
     and (a.attname = any(columns) and a.attnum > 0)
$_$;
COMMENT ON FUNCTION glow_api.emptied(relation text, columns text[]) IS 'Columns with nothing in them, as a piece of an UPDATE.';
REVOKE ALL ON FUNCTION glow_api.emptied(relation text, columns text[]) FROM PUBLIC;

CREATE FUNCTION glow_api.end_holdout(holdout text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.end_holdout(holdout text) IS 'Lets the units of a holdout take part again.';
REVOKE ALL ON FUNCTION glow_api.end_holdout(holdout text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.end_holdout(holdout text) TO glow_engineer;

CREATE FUNCTION glow_api.enter(calls integer DEFAULT 0, bytes bigint DEFAULT 0, proved glow_api.caller DEFAULT NULL::glow_api.caller) RETURNS glow_api.caller
    LANGUAGE plpgsql
    AS $_$
declare
  login glow.logins;
  caller glow_api.caller := proved;
begin
  select l.* into login from glow.logins l where l.login = session_user;
  if login.login is not null then
    if proved is null then
      caller.tenant := coalesce(login.tenant, glow.claim(login.tenant_claim));
      caller.person := coalesce(login.person, glow.claim(login.person_claim));
      if caller.tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
        perform glow_api.refuse('PT401', 'request.jwt.claims', caller.tenant,
          'the name of a tenant at ' || array_to_string(login.tenant_claim, '.'));
      end if;
    end if;
    perform glow_api.admit(login, calls, bytes);
  elsif proved is null and not glow_api.serves_all() then
    caller.tenant := 'default';
  end if;
  perform set_config('glow.tenant', coalesce(caller.tenant, '*'), true);
  return caller;
end $_$;
COMMENT ON FUNCTION glow_api.enter(calls integer, bytes bigint, proved glow_api.caller) IS 'The first thing every function does: finds out whom it works for (unless a token has proved it), tells row security, and counts the call.';
REVOKE ALL ON FUNCTION glow_api.enter(calls integer, bytes bigint, proved glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.enter_item(tenant text, execution_id text, kind text, alternative text, reason text, note text) RETURNS glow.review_items
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_variable
declare
  item glow.review_items;
begin
  insert into glow.review_items as i (tenant, execution_id, agent, kind, alternative, reasons, note, priority, reviews, most_reviews, input_key)
  select k.tenant, k.execution_id, k.agent, kind, alternative, array[reason], nullif(note, ''), 1, p.reviews, p.most_reviews,
         glow.input_key(e.input)
    from glow.execution_keys k
    join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
   cross join lateral glow.review_policy(k.agent) p
   where k.tenant = enter_item.tenant and k.execution_id = enter_item.execution_id
  on conflict on constraint review_items_tenant_execution_id_kind_key do update
     set reasons = array(select distinct r from unnest(i.reasons || excluded.reasons) r order by r), note = coalesce(excluded.note, i.note),
         priority = 1
  returning i.* into item;
  if not exists (select from glow.review_slots s where s.item_id = item.item_id) then
    perform glow.open_slots(array[item.item_id]);
    select i.* into item from glow.review_items i where i.item_id = item.item_id;
  end if;
  return item;
end $$;
COMMENT ON FUNCTION glow_api.enter_item(tenant text, execution_id text, kind text, alternative text, reason text, note text) IS 'Puts an execution into the queue for a reason, or adds the reason to its item.';
REVOKE ALL ON FUNCTION glow_api.enter_item(tenant text, execution_id text, kind text, alternative text, reason text, note text) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_all(tenant text, subject text, reason text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  the_id bigint;
  told jsonb := '{"tables": {}}';
begin
  -- No example is written meanwhile from what is about to go, and no dataset frozen with it.
  perform pg_advisory_xact_lock(hashtextextended('glow.erasure', 0));
  perform pg_advisory_xact_lock(hashtextextended('glow.curation', 0));
  perform set_config('glow.erasing', 'on', true);
  insert into glow.erasures (tenant, subject, erased_by, reason, receipt)
  values (erase_all.tenant, glow_api.subject_hash(erase_all.tenant, erase_all.subject), session_user,
          replace(coalesce(erase_all.reason, ''), erase_all.subject, '[erased]'), told)
  returning erasure_id into the_id;
  perform glow_api.collect_probes(the_id, erase_all.tenant, erase_all.subject);
  told := glow_api.erase_examples(the_id, erase_all.tenant, told);
  told := glow_api.revoke_datasets(the_id, told);
  told := glow_api.erase_prompts(the_id, told);
  told := glow_api.erase_retrieval(the_id, erase_all.tenant, told);
  told := glow_api.erase_patterns(the_id, erase_all.tenant, erase_all.subject, told);
  told := glow_api.erase_said(the_id, erase_all.tenant, erase_all.subject, told);
  told := glow_api.rename_executions(the_id, erase_all.tenant, erase_all.subject, told);
  told := glow_api.erase_reliability(the_id, erase_all.tenant, erase_all.subject, told);
  insert into glow.erasure_tasks (erasure_id, kind) values (the_id, 'scrub');
  insert into glow.erased_subjects (subject) values (glow_api.subject_hash(erase_all.tenant, erase_all.subject))
  on conflict (subject) do update set last_erased_at = clock_timestamp();
  told := told || jsonb_build_object(
    'rows', (select coalesce(sum(t.value::bigint), 0) from jsonb_each_text(told -> 'tables') t));
  update glow.erasures e set receipt = told where e.erasure_id = the_id;
  perform set_config('glow.erasing', 'off', true);
  return told || jsonb_build_object('erasure_id', the_id, 'tenant', erase_all.tenant);
end $$;
COMMENT ON FUNCTION glow_api.erase_all(tenant text, subject text, reason text) IS 'Erases a person within the database; answers the receipt.';
REVOKE ALL ON FUNCTION glow_api.erase_all(tenant text, subject text, reason text) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_examples(erasure_id bigint, tenant text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  the_id bigint := erase_examples.erasure_id;
  whose text := erase_examples.tenant;
  n bigint;
begin
  insert into glow.erasure_probes
  select distinct the_id, 'version', s.example_version::text from glow.example_sources s
   where s.kind = 'execution' and s.source_id in (select glow.qualified(whose, x) from glow_api.probes(the_id, 'execution') x)
      or s.role = 'supports' and s.kind in ('feedback', 'annotation', 'demonstration') and s.source_id in (
        select p.value from glow.erasure_probes p where p.erasure_id = the_id and p.kind = s.kind)
  union
  -- Also the half that was not preferred; not the answer of the other person's execution.
  select the_id, 'version', x.example_version::text
    from glow.example_sources s
    join glow.learning_examples x using (example_version)
    join glow.comparisons c on c.comparison_id = s.source_id::bigint
    join glow.review_items i on i.tenant = c.tenant and i.execution_id = c.execution_id and i.kind = 'comparison'
   where s.kind = 'comparison' and s.source_id in (select glow_api.probes(the_id, 'comparison'))
     and (x.target is distinct from case i.alternative when c.first then c.second else c.first end
          or x.rejected_target = i.alternative);
  insert into glow.erasure_probes
  select distinct the_id, 'example', x.example_id from glow.learning_examples x
   where x.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v) and x.erased_at is null;
  insert into glow.erasure_probes
  select distinct the_id, 'text', t.value from glow.learning_examples x, unnest(array[x.input, x.target, x.rejected_target]) t(value)
   where x.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v) and t.value <> '';
  insert into glow.erasure_probes
  select distinct the_id, 'input', i.input_id::text from (
    select x.input_id from glow.learning_examples x
     where x.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v)
    union select x.input_id from glow.execution_inputs x
     where x.tenant = whose and x.execution_id in (select glow_api.probes(the_id, 'execution'))
    union select d.input_id from glow.demonstration_inputs d
     where d.demonstration_id in (select d::bigint from glow_api.probes(the_id, 'demonstration') d)) i;
  update glow.learning_examples x
     set input = null, target = null, rejected_target = null, status = 'rejected', reason = 'erased', domain = null,
         language = null, quality_parts = '{}', expert_approved = false, erased_at = clock_timestamp(),
         superseded_at = coalesce(x.superseded_at, clock_timestamp())
   where x.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v) and x.erased_at is null;
  get diagnostics n = row_count;
  return glow_api.erase_inputs(the_id, whose, glow_api.counted(receipt, 'learning_examples', n));
end $$;
COMMENT ON FUNCTION glow_api.erase_examples(erasure_id bigint, tenant text, receipt jsonb) IS 'Takes a person''s words out of learning examples.';
REVOKE ALL ON FUNCTION glow_api.erase_examples(erasure_id bigint, tenant text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_inputs(erasure_id bigint, tenant text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  the_id bigint := erase_inputs.erasure_id;
  whose text := erase_inputs.tenant;
  shared bigint[] := array(
    select p::bigint from glow_api.probes(the_id, 'input') p
     where exists (select from glow.execution_inputs x
                    where x.input_id = p::bigint
                      and not (x.tenant = whose and x.execution_id in (select glow_api.probes(the_id, 'execution'))))
        or exists (select from glow.demonstration_inputs d
                    where d.input_id = p::bigint
                      and d.demonstration_id not in (select d::bigint from glow_api.probes(the_id, 'demonstration') d))
        -- Of somebody whose execution retention removed.
        or exists (select from glow.learning_examples x where x.input_id = p::bigint and x.erased_at is null));
  alone bigint[] := array(
    select p::bigint from glow_api.probes(the_id, 'input') p where p::bigint <> all(shared));
  n bigint;
begin
  insert into glow.stale_inputs (input_id, because) select unnest(shared), 'erasure ' || the_id on conflict do nothing;
  update glow.learning_inputs i
     set conversation = null, sketch = case when i.input_id <> all(alone) then i.sketch end,
         embedding = case when i.input_id <> all(alone) then i.embedding end,
         embedding_model = case when i.input_id <> all(alone) then i.embedding_model end
   where i.input_id = any(alone) and num_nonnulls(i.conversation, i.sketch, i.embedding_model) > 0
      or i.conversation in (select glow.qualified(whose, c) from glow_api.probes(the_id, 'conversation') c);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'learning_inputs', n);
  delete from glow.near_keys k where k.input_id = any(alone);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'near_keys', n);
  -- A short text that others use too is nobody's: a label, "yes", "thank you".
  delete from glow.erasure_probes p
   where p.erasure_id = the_id and p.kind = 'text' and length(p.value) < 60
     and (exists (select from glow.agents a where a.evaluation -> 'choices' ? p.value)
       or exists (select from glow.prompt_versions v where v.prompt -> 'choices' ? p.value)
       or exists (select from glow.learning_examples x
                   where x.superseded_at is null and x.erased_at is null and (x.target = p.value or x.input = p.value)));
  return receipt;
end $$;
COMMENT ON FUNCTION glow_api.erase_inputs(erasure_id bigint, tenant text, receipt jsonb) IS 'Takes a person''s questions out of what near-duplicates are found by.';
REVOKE ALL ON FUNCTION glow_api.erase_inputs(erasure_id bigint, tenant text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_late(erasure_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.erase_late(erasure_id bigint) IS 'Takes an erased person again out of prompts, retrieval and weights of reviewers: a run that had read before the erasure may write after it.';
REVOKE ALL ON FUNCTION glow_api.erase_late(erasure_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.erase_late(erasure_id bigint) TO glow_pipeline;

CREATE FUNCTION glow_api.erase_patterns(erasure_id bigint, tenant text, subject text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  votes bigint[] := array(
    select f.feedback_id from glow.agent_feedback f
     where f.tenant = erase_patterns.tenant and f.correction is not null
       and (f.user_id = erase_patterns.subject or f.execution_id in (select glow_api.probes(erase_patterns.erasure_id, 'execution'))));
  verdicts bigint[] := array(
    select a.annotation_id from glow.expert_annotations a
     where a.tenant = erase_patterns.tenant and a.output is not null
       and (a.reviewer = erase_patterns.subject or a.execution_id in (select glow_api.probes(erase_patterns.erasure_id, 'execution'))));
  touched text[];
begin
  with gone as (
    delete from glow.correction_patterns p where p.feedback && votes or p.annotations && verdicts returning p.agent
  )
  select coalesce(array_agg(g.agent::text), '{}') into touched from gone g;
  update glow.correction_snapshots s set stale = true where s.agent = any(touched);
  return glow_api.counted(receipt, 'correction_patterns', cardinality(touched));
end $$;
COMMENT ON FUNCTION glow_api.erase_patterns(erasure_id bigint, tenant text, subject text, receipt jsonb) IS 'Takes a person''s corrections out of what people keep correcting.';
REVOKE ALL ON FUNCTION glow_api.erase_patterns(erasure_id bigint, tenant text, subject text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_places(erasure_id bigint, tenant text, subject text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $_$
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
end $_$;
COMMENT ON FUNCTION glow_api.erase_places(erasure_id bigint, tenant text, subject text, receipt jsonb) IS 'Takes a person out of every table of the list that names people or executions.';
REVOKE ALL ON FUNCTION glow_api.erase_places(erasure_id bigint, tenant text, subject text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_prompts(erasure_id bigint, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  the_id bigint := erase_prompts.erasure_id;
  examples text[];
  old record;
  moved record;
  fresh text;
  kept jsonb;
  n bigint;
begin
  -- Corrections are evidence before they are examples: the person's, and those of what the person asked.
  insert into glow.erasure_probes
  select the_id, 'example', 'correction:' || f.feedback_id
    from glow.agent_feedback f join glow.erasures x on x.erasure_id = the_id and x.tenant = f.tenant
   where f.correction is not null
     and (f.user_id in (select glow_api.probes(the_id, 'person')) or f.execution_id in (select glow_api.probes(the_id, 'execution')))
     and 'correction:' || f.feedback_id not in (select glow_api.probes(the_id, 'example'));
  -- Not what others have taught again since.
  examples := array(
    select e from glow_api.probes(the_id, 'example') e
     where not exists (select from glow.learning_examples x
                        where x.example_id = e and x.superseded_at is null and x.erased_at is null));
  for old in
    select p.agent, p.prompt_version, p.prompt, w.instruction from glow.prompt_versions p
      left join lateral (select glow_api.unreflected(the_id, p.agent, p.prompt_version, examples) as instruction) w on true
     where p.erased_at is null
       and (exists (select from jsonb_array_elements(p.prompt -> 'demonstrations') d where d ->> 'example_id' = any(examples))
         or exists (select from jsonb_array_elements(p.prompt -> 'rules') r where r -> 'evidence' ?| examples)
         or w.instruction is not null)
     order by p.created_at
  loop
    kept := old.prompt || jsonb_build_object(
      'instruction', coalesce(old.instruction, old.prompt ->> 'instruction'),
      'demonstrations', (select coalesce(jsonb_agg(d.value order by d.place), '[]')
                           from jsonb_array_elements(old.prompt -> 'demonstrations') with ordinality as d(value, place)
                          where d.value ->> 'example_id' <> all(examples)),
      'rules', (select coalesce(jsonb_agg(r.value order by r.place), '[]')
                  from jsonb_array_elements(old.prompt -> 'rules') with ordinality as r(value, place)
                 where not (r.value -> 'evidence' ?| examples)));
    insert into glow.erasure_probes
    select the_id, 'text', t.text from (
      select r ->> 'text' as text from jsonb_array_elements(old.prompt -> 'rules') r where r -> 'evidence' ?| examples
      union all
      select old.prompt ->> 'instruction' where old.instruction is not null
      union all
      select unnest(array[d ->> 'input', d ->> 'output']) from jsonb_array_elements(old.prompt -> 'demonstrations') d
       where d ->> 'example_id' = any(examples) and not (coalesce(old.prompt -> 'choices', '[]') ? (d ->> 'output'))) t
     where length(t.text) >= 12;
    delete from glow.prompt_rule_counts c using jsonb_array_elements(old.prompt -> 'rules') r
     where c.agent = old.agent and c.rule_id = r ->> 'id' and r -> 'evidence' ?| examples;
    get diagnostics n = row_count;
    receipt := glow_api.counted(receipt, 'prompt_rule_counts', n);
    fresh := encode(sha256(convert_to(kept::text, 'UTF8')), 'hex');
    insert into glow.prompt_versions (agent, prompt_version, prompt, operator, parent, reason)
    values (old.agent, fresh, kept, 'erasure', old.prompt_version, 'erasure ' || the_id)
    on conflict do nothing;
    insert into glow.prompt_lineage (agent, prompt_version, kind, source_id, role, rule_id, example_version)
    select l.agent, fresh, l.kind, l.source_id, l.role, l.rule_id, l.example_version from glow.prompt_lineage l
     where l.agent = old.agent and l.prompt_version = old.prompt_version and (
       l.role = 'demo' and exists (select from jsonb_array_elements(kept -> 'demonstrations') d
                                   where d ->> 'example_id' in (l.source_id, 'correction:' || l.source_id))
       or l.role = 'reflected' and l.rule_id = '' and old.instruction is null
       or l.rule_id <> '' and exists (select from jsonb_array_elements(kept -> 'rules') r where r ->> 'id' = l.rule_id))
    on conflict do nothing;
    update glow.prompt_versions p set prompt = kept, reason = '', erased_at = clock_timestamp()
     where p.agent = old.agent and p.prompt_version = old.prompt_version;
    receipt := glow_api.counted(receipt, 'prompt_versions', 1);
    delete from glow.evaluations e where e.agent = old.agent and e.prompt_version = old.prompt_version;
    get diagnostics n = row_count;
    receipt := glow_api.counted(receipt, 'evaluations', n);
    perform glow.roll_back(x.experiment_id, 'erasure', 'a prompt under test lost a part: erasure ' || the_id, '{}', 'abandoned')
       from glow.learning_experiments x join glow.rollouts r using (experiment_id)
      where x.agent = old.agent and x.active and old.prompt_version in (x.control_prompt, x.treatment_prompt);
    get diagnostics n = row_count;
    receipt := glow_api.counted(receipt, 'learning_experiments', n);
    perform glow.stop_experiment(x.experiment_id, 'abandoned', 'erasure', 'a prompt under test lost a part: erasure ' || the_id)
       from glow.learning_experiments x
      where x.agent = old.agent and x.active and old.prompt_version in (x.control_prompt, x.treatment_prompt);
    get diagnostics n = row_count;
    receipt := glow_api.counted(receipt, 'learning_experiments', n);
    -- By compare-and-swap like every move: whoever reads the alias before sees the old revision and fails.
    for moved in
      update glow.prompt_aliases a set prompt_version = fresh, revision = a.revision + 1, moved_at = clock_timestamp()
       where a.agent = old.agent and a.prompt_version = old.prompt_version and a.alias <> 'candidate'
      returning a.alias, a.revision, fresh as prompt_version
    loop
      insert into glow.prompt_alias_history (agent, alias, prompt_version, previous, revision, moved_by, reason)
      values (old.agent, moved.alias, moved.prompt_version, old.prompt_version, moved.revision, 'erasure', 'erasure ' || the_id);
      receipt := glow_api.counted(receipt, 'prompt_aliases', 1);
    end loop;
    for moved in
      delete from glow.prompt_aliases a
       where a.agent = old.agent and a.prompt_version = old.prompt_version and a.alias = 'candidate'
      returning a.alias, a.revision
    loop
      insert into glow.prompt_alias_history (agent, alias, prompt_version, previous, revision, moved_by, reason)
      values (old.agent, moved.alias, null, old.prompt_version, moved.revision + 1, 'erasure', 'erasure ' || the_id);
      receipt := glow_api.counted(receipt, 'prompt_aliases', 1);
    end loop;
  end loop;
  -- Why a prompt was proposed is told in few words; some of them may be the person's.
  update glow.prompt_versions p set reason = ''
   where p.reason <> '' and exists (
     select from glow.erasure_probes q
      where q.erasure_id = the_id and q.kind in ('text', 'person', 'name') and length(q.value) >= case q.kind when 'text' then 12 else 4 end
        and position(lower(q.value) in lower(p.reason)) > 0);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'prompt_versions', n);
  delete from glow.evaluations e where e.example_id = any(examples);
  get diagnostics n = row_count;
  return glow_api.counted(receipt, 'evaluations', n);
end $$;
COMMENT ON FUNCTION glow_api.erase_prompts(erasure_id bigint, receipt jsonb) IS 'Takes erased examples out of prompts, and those prompts out of use.';
REVOKE ALL ON FUNCTION glow_api.erase_prompts(erasure_id bigint, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_reliability(erasure_id bigint, tenant text, subject text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  alias text := glow_api.pseudonym(erase_reliability.erasure_id, erase_reliability.tenant, erase_reliability.subject);
  n bigint;
begin
  update glow.reviewer_reliability r set reviewer = glow.qualified(erase_reliability.tenant, alias)
   where r.reviewer = glow.qualified(erase_reliability.tenant, erase_reliability.subject);
  get diagnostics n = row_count;
  return glow_api.counted(receipt, 'reviewer_reliability', n);
end $$;
COMMENT ON FUNCTION glow_api.erase_reliability(erasure_id bigint, tenant text, subject text, receipt jsonb) IS 'Gives what a reviewer''s word counts to their pseudonym.';
REVOKE ALL ON FUNCTION glow_api.erase_reliability(erasure_id bigint, tenant text, subject text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_retrieval(erasure_id bigint, tenant text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $_$
declare
  events text[] := array(select glow.qualified(erase_retrieval.tenant, e) from glow_api.probes(erase_retrieval.erasure_id, 'event') e);
  place text;
  gone bigint;
  shared bigint;
begin
  if cardinality(events) > 0 then
    foreach place in array '{retrieval_memory,embedding_training_pairs}'::text[] loop
      execute format($sql$
        with hit as (
          select m.ctid as at, array(select e from unnest(m.event_ids) e where e <> all($1)) as others,
                 m.query in (select glow_api.probes($2, 'text')) as is_theirs, m.query
            from glow.%1$I m where m.event_ids && $1
        ), judged as (
          select h.at, h.others, cardinality(h.others) > 0 and (not h.is_theirs or exists (
                   select from glow.retrieval_events r
                    where r.query = h.query and glow.qualified(r.tenant, r.event_id) = any(h.others))) as stays
            from hit h
        ), kept as (
          update glow.%1$I m set event_ids = j.others from judged j where m.ctid = j.at and j.stays returning 1
        ), gone as (
          delete from glow.%1$I m using judged j where m.ctid = j.at and not j.stays returning 1
        )
        select (select count(*) from gone), (select count(*) from kept)$sql$, place)
        into gone, shared using events, erase_retrieval.erasure_id;
      receipt := glow_api.counted(receipt, place, gone + shared);
    end loop;
  end if;
  receipt := glow_api.erase_signals(erase_retrieval.erasure_id, erase_retrieval.tenant, receipt);
  -- A word that several people's searches taught is nobody's.
  with hit as (
    select x.configuration, x.position, array(select e from unnest(x.event_ids) e where e <> all(events)) as others
      from glow.retrieval_expansions x where x.event_ids && events
  ), kept as (
    update glow.retrieval_expansions x set event_ids = h.others from hit h
     where x.configuration = h.configuration and x.position = h.position and cardinality(h.others) > 0 returning 1
  ), dropped as (
    delete from glow.retrieval_expansions x using hit h
     where x.configuration = h.configuration and x.position = h.position and cardinality(h.others) = 0 returning 1
  )
  select (select count(*) from kept) + (select count(*) from dropped) into gone;
  receipt := glow_api.counted(receipt, 'retrieval_expansions', gone);
  delete from glow.embeddings m
   where m.content_hash in (select encode(sha256(convert_to(t, 'UTF8')), 'hex') from glow_api.probes(erase_retrieval.erasure_id, 'text') t);
  get diagnostics gone = row_count;
  return glow_api.counted(receipt, 'embeddings', gone);
end $_$;
COMMENT ON FUNCTION glow_api.erase_retrieval(erasure_id bigint, tenant text, receipt jsonb) IS 'Takes a person''s searches out of what retrieval learned.';
REVOKE ALL ON FUNCTION glow_api.erase_retrieval(erasure_id bigint, tenant text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_said(erasure_id bigint, tenant text, subject text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  the_id bigint := erase_said.erasure_id;
  whose text := erase_said.tenant;
  who text := erase_said.subject;
  alias text := glow_api.pseudonym(the_id, whose, who);
  n bigint;
begin
  -- First: found by the votes and the executions.
  delete from glow.heard_inputs h
   where h.input_id in (
     select x.input_id from glow.execution_inputs x
      where x.tenant = whose and x.execution_id in (select glow_api.probes(the_id, 'execution'))
     union
     select x.input_id from glow.agent_feedback f
       join glow.execution_inputs x on x.tenant = f.tenant and x.execution_id = f.execution_id
      where f.tenant = whose and f.user_id = who);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'heard_inputs', n);
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
COMMENT ON FUNCTION glow_api.erase_said(erasure_id bigint, tenant text, subject text, receipt jsonb) IS 'Takes a person out of executions, feedback, searches and imports.';
REVOKE ALL ON FUNCTION glow_api.erase_said(erasure_id bigint, tenant text, subject text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_signals(erasure_id bigint, tenant text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION glow_api.erase_signals(erasure_id bigint, tenant text, receipt jsonb) IS 'Takes a person''s searches out of the signals; a question that others asked in the same words stays.';
REVOKE ALL ON FUNCTION glow_api.erase_signals(erasure_id bigint, tenant text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.erase_subject(subject text, tenant text DEFAULT NULL::text, dry_run boolean DEFAULT true, reason text DEFAULT ''::text, confirm text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET work_mem TO '64MB'
    AS $_$
declare
  caller glow_api.caller := glow_api.enter();
  problem glow_api.problem := glow_api.id_problem('{subject}', array[subject], 1);
  since bigint;
  receipt jsonb;
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if tenant <> caller.tenant then
    perform glow_api.refuse('PT403', 'tenant', tenant, 'the tenant of this login');
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  elsif subject ~ '^erased-[0-9a-f]{12}$' then
    perform glow_api.refuse('PT422', 'subject', subject, 'the id of a person: this is the pseudonym of one who was erased');
  end if;
  tenant := coalesce(tenant, caller.tenant, 'default');
  if not exists (select from glow.erasure_key) then perform glow.make_erasure_key(); end if;
  if dry_run is not false then
    -- Done and taken back, so that the receipt of a dry run is the receipt.
    begin
      receipt := glow_api.erase_all(tenant, subject, reason);
      raise exception using errcode = 'GL000', message = receipt::text;
    exception when sqlstate 'GL000' then
      receipt := sqlerrm::jsonb - 'erasure_id';
    end;
    return receipt || jsonb_build_object('status', 'dry run',
      'confirm', glow_api.confirmation(tenant, subject, extract(epoch from clock_timestamp())::bigint));
  end if;
  since := case when confirm ~ '^[0-9]{1,12}-[0-9a-f]{32}$' then split_part(confirm, '-', 1)::bigint end;
  if since is null or confirm <> glow_api.confirmation(tenant, subject, since)
     or since < extract(epoch from clock_timestamp()) - 86400 then
    perform glow_api.refuse('PT428', 'confirm', left(confirm, 12),
      'what `confirm` of a dry run of the same subject said to you within the last day: '
      'select glow_api.erase_subject(…) first, read its receipt, then call again with dry_run => false, confirm => …');
  end if;
  return glow_api.erase_all(tenant, subject, reason) || jsonb_build_object('status', 'erased');
end $_$;
COMMENT ON FUNCTION glow_api.erase_subject(subject text, tenant text, dry_run boolean, reason text, confirm text) IS 'Erases a person of a tenant: user, reviewer or expert. A dry run unless told otherwise; the real one takes what the dry run''s receipt carries as `confirm`. One transaction over all tables; files, dataset successors and Dagster''s own tables follow by the pipeline. Answers rows by table, datasets revoked. Safe to repeat.';
REVOKE ALL ON FUNCTION glow_api.erase_subject(subject text, tenant text, dry_run boolean, reason text, confirm text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.erase_subject(subject text, tenant text, dry_run boolean, reason text, confirm text) TO glow_engineer;

CREATE FUNCTION glow_api.payload_hash(payload jsonb) RETURNS bytea
    LANGUAGE sql STABLE
    RETURN sha256(convert_to((payload)::text, 'UTF8'::name));
COMMENT ON FUNCTION glow_api.payload_hash(payload jsonb) IS 'What makes a retried call the same call: the hash of its contents.';
REVOKE ALL ON FUNCTION glow_api.payload_hash(payload jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.execution_hash(call glow_api.execution_call) RETURNS bytea
    LANGUAGE sql STABLE
    RETURN glow_api.payload_hash(jsonb_build_array((call).agent, (call).input, (call).output, (call).user_id, (call).conversation_id, (call).channel, (call).prompt_version, (call).model));
COMMENT ON FUNCTION glow_api.execution_hash(call glow_api.execution_call) IS 'What makes an execution with a known id the same execution.';
REVOKE ALL ON FUNCTION glow_api.execution_hash(call glow_api.execution_call) FROM PUBLIC;

CREATE FUNCTION glow_api.execution_problem(call glow_api.execution_call, caller glow_api.caller) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $$
declare
  problem glow_api.problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
begin
  if problem.code is not null then return problem; end if;
  problem := glow_api.id_problem('{execution_id,user_id,conversation_id,channel,model}',
    array[call.execution_id, call.user_id, call.conversation_id, call.channel, call.model], 1);
  if problem.code is not null then return problem; end if;
  if call.user_id <> caller.person then
    return row('PT403', 'user_id', call.user_id, 'the person this login speaks for')::glow_api.problem;
  end if;
  -- An empty input or output happens: a model may answer nothing.
  if call.input is null then return row('PT422', 'input', null, 'a text')::glow_api.problem; end if;
  if call.output is null then return row('PT422', 'output', null, 'a text')::glow_api.problem; end if;
  problem := coalesce(glow_api.text_problem('input', nullif(call.input, ''), 1000000),
                      glow_api.text_problem('output', nullif(call.output, ''), 1000000));
  if problem.code is not null then return problem; end if;
  if call.latency_ms < 0 then
    return row('PT422', 'latency_ms', call.latency_ms::text, 'milliseconds from 0')::glow_api.problem;
  elsif call.prompt_tokens < 0 then
    return row('PT422', 'prompt_tokens', call.prompt_tokens::text, 'a number from 0')::glow_api.problem;
  elsif call.completion_tokens < 0 then
    return row('PT422', 'completion_tokens', call.completion_tokens::text, 'a number from 0')::glow_api.problem;
  -- NaN is above every number in PostgreSQL, so that the bounds refuse it too.
  elsif call.cost_usd not between 0 and 99999 then
    return row('PT422', 'cost_usd', call.cost_usd::text, 'US dollars from 0 to 99999')::glow_api.problem;
  end if;
  if call.metadata is not null and (jsonb_typeof(call.metadata) <> 'object' or not glow_api.is_shallow(call.metadata)) then
    return row('PT422', 'metadata', left(call.metadata::text, 80), 'an object nested at most 32 deep')::glow_api.problem;
  elsif octet_length(call.metadata::text) > 100000 then
    return row('PT413', 'metadata', octet_length(call.metadata::text) || ' bytes', 'at most 100000 bytes')::glow_api.problem;
  end if;
  if call.prompt_version is not null and not exists (
    select from glow.prompt_versions p where p.agent = call.agent and p.prompt_version = call.prompt_version
  ) then
    return row('PT404', 'prompt_version', call.prompt_version, 'a version that resolve_prompt returned for this agent')::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.execution_problem(call glow_api.execution_call, caller glow_api.caller) IS 'What is wrong with an execution, or null.';
REVOKE ALL ON FUNCTION glow_api.execution_problem(call glow_api.execution_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.experiment_decision(experiment_id text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  experiment glow.learning_experiments := glow_api.own_experiment(experiment_id, glow_api.enter());
  rollout glow.rollouts;
  looked glow.experiment_looks;
begin
  select r.* into rollout from glow.rollouts r where r.experiment_id = experiment.experiment_id;
  select k.* into looked from glow.experiment_looks k
   where k.experiment_id = experiment.experiment_id and (experiment.restarted_at is null or k.as_of >= experiment.restarted_at)
   order by k.as_of desc, k.look_id desc limit 1;
  return jsonb_strip_nulls(jsonb_build_object(
    'experiment_id', experiment.experiment_id, 'agent', experiment.agent, 'state', experiment.state, 'decision', experiment.decision,
    'rollout', rollout.state, 'look_id', looked.look_id, 'as_of', looked.as_of, 'day', looked.day,
    'sentence', concat_ws(' ', case experiment.state
      when 'running' then 'It is running.'
      when 'paused' then case rollout.state when 'pending' then 'It has won and waits for somebody to approve its rollout.'
                                            when 'paused' then 'Its rollout is paused: nobody new enters.' else 'It is paused: nobody new enters.' end
      when 'held' then 'Its numbers are not valid, so it cannot ship.'
      when 'ramping' then format('It is being rolled out: %s %% of users have the treatment.', experiment.treatment_ppm / 10000.0::double precision)
      when 'completed' then case rollout.state when 'rolled_back' then 'It was rolled out to everybody and taken back.' else 'It is in force for everybody.' end
      when 'rolled_back' then 'Its rollout was taken back: what was in force before stays.'
      else case experiment.decision when 'keep' then 'It has ended: what was in force stays.' when 'harm' then 'It was stopped because the treatment does harm.'
             when 'invalid' then 'It has ended without a result: its numbers were not valid.' else 'It was abandoned: it shows nothing.' end end,
      case when experiment.active then looked.reason else coalesce(nullif(experiment.reason, ''), looked.reason) end)));
end $$;
COMMENT ON FUNCTION glow_api.experiment_decision(experiment_id text) IS 'Where an experiment stands or what came of it, in a sentence, and by which look.';
REVOKE ALL ON FUNCTION glow_api.experiment_decision(experiment_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.experiment_decision(experiment_id text) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.experiment_decision(experiment_id text) TO glow_pipeline;

CREATE FUNCTION glow_api.experiments(agent text DEFAULT NULL::text, most integer DEFAULT 100) RETURNS TABLE(experiment_id text, agent_name text, kind text, design text, state text, decision text, reason text, hypothesis text, control text, treatment text, unit text, layer text, slot_from integer, slot_to integer, phase integer, treatment_ppm integer, enroll_ppm integer, day double precision, units integer[], said text, rollout text, started_at timestamp with time zone, begun_at timestamp with time zone, planned_end timestamp with time zone, stopped_at timestamp with time zone, plan jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  perform glow_api.require_most(most);
  return query
  select x.experiment_id, x.agent::text, x.kind, x.design, x.state, x.decision, x.reason, x.hypothesis, x.control, x.treatment, x.unit,
         x.layer, x.slot_from, x.slot_to, x.phase, x.treatment_ppm, x.enroll_ppm,
         extract(epoch from coalesce(x.stopped_at, clock_timestamp()) - x.begun_at)::double precision / 86400,
         array(select u::integer from jsonb_array_elements_text(case when jsonb_typeof(l.statistics -> 'units') = 'array' then l.statistics -> 'units' else '[]' end) u),
         l.reason, r.state, x.started_at, x.begun_at, x.planned_end, x.stopped_at, x.plan
    from glow.learning_experiments x
    left join glow.rollouts r on r.experiment_id = x.experiment_id
    left join lateral (select k.statistics, k.reason from glow.experiment_looks k
                        where k.experiment_id = x.experiment_id and (x.restarted_at is null or k.as_of >= x.restarted_at)
                        order by k.as_of desc, k.look_id desc limit 1) l on true
   where (experiments.agent is null or x.agent = experiments.agent) and glow_api.is_mine(x.agent, caller)
   order by x.started_at desc, x.experiment_id limit most;
end $$;
COMMENT ON FUNCTION glow_api.experiments(agent text, most integer) IS 'The experiments of an agent or of all, the newest first: what is tried against what, how far it is, units (control, treatment) at the last look and what that said, and the state of the rollout. day counts from begun_at: the start, or the last restart.';
REVOKE ALL ON FUNCTION glow_api.experiments(agent text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.experiments(agent text, most integer) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.experiments(agent text, most integer) TO glow_pipeline;

CREATE FUNCTION glow_api.extend_experiment(experiment_id text, reason text, until_day integer DEFAULT NULL::integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.extend_experiment(experiment_id, until_day, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.extend_experiment(experiment_id text, reason text, until_day integer) IS 'Lets an experiment run to a day counted from its start (without one: the planned days once more), up to the maximum that its plan bought in advance.';
REVOKE ALL ON FUNCTION glow_api.extend_experiment(experiment_id text, reason text, until_day integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.extend_experiment(experiment_id text, reason text, until_day integer) TO glow_engineer;

CREATE FUNCTION glow_api.extend_lease(item_id bigint, lease interval DEFAULT NULL::interval, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  item glow.review_items;
  problem glow_api.problem := glow_api.lease_problem(lease);
  until timestamptz;
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.require_item(item_id, me.tenant);
  update glow.review_slots s
     set lease_until = case when isfinite(s.lease_until)
       then clock_timestamp() + coalesce(lease, (glow.review_policy(item.agent)).lease) else s.lease_until end
   where s.item_id = item.item_id and s.reviewer = me.person and s.filled_at is null
  returning s.lease_until into until;
  if not found then perform glow_api.refuse(glow_api.not_held(item.item_id)); end if;
  perform glow_api.note_review(item, me.person, 'extended');
  return jsonb_build_object('item_id', item.item_id, 'status', 'extended', 'lease_until', until);
end $$;
COMMENT ON FUNCTION glow_api.extend_lease(item_id bigint, lease interval, reviewer text, tenant text) IS 'More time for an item: from now on, for as long as given or as the policy says. Also after the lease ended, as long as nobody else has taken the item.';
REVOKE ALL ON FUNCTION glow_api.extend_lease(item_id bigint, lease interval, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.extend_lease(item_id bigint, lease interval, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.feedback_problem(call glow_api.feedback_call, caller glow_api.caller) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $$
declare
  problem glow_api.problem;
begin
  if glow_api.is_in_order(call, caller) then return null; end if;
  problem := glow_api.id_problem(
    '{execution_id,user_id,channel,conversation_id,idempotency_key}',
    array[call.execution_id, call.user_id, call.channel, call.conversation_id, call.idempotency_key], 2);
  if problem.code is not null then return problem; end if;
  if call.user_id <> caller.person then
    return row('PT403', 'user_id', call.user_id, 'the person this login speaks for')::glow_api.problem;
  elsif call.kind not in ('vote', 'correction') then
    return row('PT422', 'kind', call.kind, 'vote or correction')::glow_api.problem;
  end if;
  return glow_api.opinion_problem(call);
end $$;
COMMENT ON FUNCTION glow_api.feedback_problem(call glow_api.feedback_call, caller glow_api.caller) IS 'What is wrong with a piece of feedback, or null. Not who calls, and for which agent: caller_problem.';
REVOKE ALL ON FUNCTION glow_api.feedback_problem(call glow_api.feedback_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
  result jsonb;
begin
  since := coalesce(since, '-infinity');
  -- Hashed step by step: distinct counts of pairs sort a million rows on disk, ten seconds of them.
  with said as materialized (
    select f.tenant, f.execution_id, f.user_id, f.thumbs, f.rating, f.correction is not null as corrects,
           f.comment is not null as comments, f.recorded_at
      from glow.agent_feedback f
     where f.agent = feedback_stats.agent and f.superseded_by is null and f.recorded_at >= since
       and f.tenant = coalesce(own, f.tenant)
  ), heard as (
    select s.tenant, s.execution_id, count(*) as n from said s group by s.tenant, s.execution_id
  ), known as (
    select count(*) filter (where k.agent is not null) as executions,
           coalesce(sum(h.n) filter (where k.agent is null), 0) as waiting
      from heard h
      left join glow.execution_keys k
             on k.tenant = h.tenant and k.execution_id = h.execution_id and k.agent = feedback_stats.agent
  )
  select jsonb_build_object(
    'agent', feedback_stats.agent,
    'executions', (select count(*) from glow.executions e where e.agent = feedback_stats.agent
                      and e.recorded_at >= since and e.tenant = coalesce(own, e.tenant)),
    'executions_with_feedback', (select k.executions from known k),
    'waiting_for_execution', (select k.waiting from known k),
    'thumbs_up', count(*) filter (where s.thumbs = 1),
    'thumbs_down', count(*) filter (where s.thumbs = -1),
    'mean_rating', round(avg(s.rating), 3),
    'ratings', count(s.rating),
    'corrections', count(*) filter (where s.corrects),
    'comments', count(*) filter (where s.comments),
    'users', (select count(*) from (select from said u group by u.tenant, u.user_id) x),
    'last_feedback_at', max(s.recorded_at))
    into result from said s;
  return result;
end $$;
COMMENT ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone, tenant text) IS 'Counts of an agent''s current feedback since an instant.';
REVOKE ALL ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone, tenant text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone, tenant text) TO glow_reviewer;
GRANT ALL ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone, tenant text) TO glow_viewer;
GRANT ALL ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.feedback_waiting(tenant text, execution_id text, agent text) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
  select count(*) from glow.current_feedback f
   where f.tenant = feedback_waiting.tenant and f.execution_id = feedback_waiting.execution_id
     and f.agent = feedback_waiting.agent and not f.withdrawn
$$;
COMMENT ON FUNCTION glow_api.feedback_waiting(tenant text, execution_id text, agent text) IS 'Feedback that came before its execution.';
REVOKE ALL ON FUNCTION glow_api.feedback_waiting(tenant text, execution_id text, agent text) FROM PUBLIC;

CREATE FUNCTION glow_api.fill_slot(item glow.review_items, slot glow.review_slots, annotation_id bigint, comparison_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  if slot.item_id is null then return; end if;
  update glow.review_slots s
     set reviewer = slot.reviewer, annotation_id = fill_slot.annotation_id, comparison_id = fill_slot.comparison_id,
         filled_at = coalesce(s.filled_at, clock_timestamp())
   where s.item_id = slot.item_id and s.slot = slot.slot;
  if slot.filled_at is null then perform glow_api.note_review(item, slot.reviewer, 'submitted'); end if;
  perform glow.settle_review(item.item_id);
end $$;
COMMENT ON FUNCTION glow_api.fill_slot(item glow.review_items, slot glow.review_slots, annotation_id bigint, comparison_id bigint) IS 'Puts what a reviewer said into their slot, and settles the item. Does nothing where there is no slot.';
REVOKE ALL ON FUNCTION glow_api.fill_slot(item glow.review_items, slot glow.review_slots, annotation_id bigint, comparison_id bigint) FROM PUBLIC;

CREATE FUNCTION glow_api.finish_erasure(erasure_id bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.finish_erasure(erasure_id bigint) IS 'Closes an erasure all of whose tasks are done, and forgets what it looked for.';
REVOKE ALL ON FUNCTION glow_api.finish_erasure(erasure_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.finish_erasure(erasure_id bigint) TO glow_pipeline;

CREATE FUNCTION glow_api.is_texts(value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN ((value IS NULL) OR (value = 'null'::jsonb) OR ((jsonb_typeof(value) = 'array'::text) AND (NOT jsonb_path_exists(value, 'strict $[*]?(@.type() != "string")'::jsonpath))));
COMMENT ON FUNCTION glow_api.is_texts(value jsonb) IS 'Whether an optional JSON value is an array of texts.';
REVOKE ALL ON FUNCTION glow_api.is_texts(value jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.is_whole(value jsonb, low integer, high integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (jsonb_typeof(value) = 'number'::text) THEN ((scale((value)::numeric) = 0) AND (((value)::numeric >= (low)::numeric) AND ((value)::numeric <= (high)::numeric))) ELSE false END;
COMMENT ON FUNCTION glow_api.is_whole(value jsonb, low integer, high integer) IS 'Whether a JSON value is a whole number within bounds, written as one: 1.0 is none.';
REVOKE ALL ON FUNCTION glow_api.is_whole(value jsonb, low integer, high integer) FROM PUBLIC;

CREATE FUNCTION glow_api.read_instant(value text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return value::timestamptz;
exception when others then
  return null;
end $$;
COMMENT ON FUNCTION glow_api.read_instant(value text) IS 'A text as an instant, or null.';
REVOKE ALL ON FUNCTION glow_api.read_instant(value text) FROM PUBLIC;

CREATE FUNCTION glow_api.fits(value jsonb, wanted text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN CASE WHEN (value = 'null'::jsonb) THEN (wanted IS NOT NULL) WHEN (wanted = ANY (ARRAY['string'::text, 'number'::text, 'boolean'::text, 'object'::text, 'array'::text])) THEN (jsonb_typeof(value) = wanted) WHEN (wanted = 'integer'::text) THEN glow_api.is_whole(value, '-2147483648'::integer, 2147483647) WHEN (wanted = 'texts'::text) THEN glow_api.is_texts(value) WHEN (wanted = 'instant'::text) THEN ((jsonb_typeof(value) = 'string'::text) AND ((value #>> '{}'::text[]) ~ '^(-?infinity$|[0-9])'::text) AND (glow_api.read_instant((value #>> '{}'::text[])) IS NOT NULL)) ELSE false END;
COMMENT ON FUNCTION glow_api.fits(value jsonb, wanted text) IS 'Whether a value of a row has the type that the shape of the row wants; null where no such field is known.';
REVOKE ALL ON FUNCTION glow_api.fits(value jsonb, wanted text) FROM PUBLIC;

CREATE FUNCTION glow_api.forget_statistics() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  place record;
begin
  perform glow_api.enter();
  for place in select p.relation from glow_api.personal_places() p loop
    execute format('analyze glow.%I', place.relation);
  end loop;
end $$;
COMMENT ON FUNCTION glow_api.forget_statistics() IS 'Takes new samples of every table, so that none holds values that were erased.';
REVOKE ALL ON FUNCTION glow_api.forget_statistics() FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.forget_statistics() TO glow_pipeline;

CREATE FUNCTION glow_api.found_chunks(plan glow_api.search_plan, terms text[], times double precision[], vector public.vector, asked public.vector, k integer, every_leg boolean, exact boolean DEFAULT false) RETURNS SETOF glow_api.found_chunk
    LANGUAGE plpgsql STABLE
    SET jit TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_indexscan TO 'on'
    SET plan_cache_mode TO 'force_generic_plan'
    SET "hnsw.ef_search" TO '40'
    SET "hnsw.iterative_scan" TO 'relaxed_order'
    AS $_$
declare
  depth integer := greatest(glow_api.weight(plan, 'candidate_depth', 40)::integer, 2 * k);
  remembers boolean := vector is not null and glow_api.weight(plan, 'memory_weight') > 0;
  shifts boolean := glow_api.weight(plan, 'shift') > 0;
  likes boolean := glow_api.weight(plan, 'prior_weight') > 0;
  moves boolean := vector is not null and glow_api.weight(plan, 'pseudo_weight') > 0;
  chunk_ids text[];
  worth double precision[];
begin
  -- As this statement sees the index, which may have grown since the plan was read: a term that more chunks hold than there
  -- are would count negative.
  select i.chunks, i.dense_floor into plan.chunks, plan.dense_floor
    from glow.retrieval_indexes i where i.index_number = plan.index_number;
  if remembers then
    select r.chunk_ids, r.worth into chunk_ids, worth from glow_api.remembered(plan, vector) r;
  end if;
  if exact then
    perform set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
  elsif depth <> 40 then
    perform set_config('hnsw.ef_search', least(depth, 1000)::text, true);
  end if;
  return query execute
    case when vector is null or moves or every_leg or exact
      then glow.search_text(plan.index_number, plan.dimensions, vector is not null, remembers, shifts, likes, moves, every_leg)
      else format('select * from glow.%I($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)',
                  'search_index_' || plan.index_number || case when remembers or shifts or likes then '_learned' else '' end) end
    using plan.index_number, asked, depth, plan.chunks, terms, times,
          coalesce((plan.parameters ->> 'dense_floor')::double precision, plan.dense_floor),
          glow_api.weight(plan, 'dense_weight', 1), glow_api.weight(plan, 'lexical_weight', 1), chunk_ids, worth,
          glow_api.weight(plan, 'memory_weight'), glow_api.weight(plan, 'prior_weight'), plan.configuration,
          glow_api.weight(plan, 'base_attractiveness'), glow_api.weight(plan, 'pseudo_weight'),
          glow_api.weight(plan, 'pseudo_depth', 3)::bigint, k;
end $_$;
COMMENT ON FUNCTION glow_api.found_chunks(plan glow_api.search_plan, terms text[], times double precision[], vector public.vector, asked public.vector, k integer, every_leg boolean, exact boolean) IS 'The best k candidates by score, the best first; with `every_leg` the best k of each leg instead.';
REVOKE ALL ON FUNCTION glow_api.found_chunks(plan glow_api.search_plan, terms text[], times double precision[], vector public.vector, asked public.vector, k integer, every_leg boolean, exact boolean) FROM PUBLIC;

CREATE FUNCTION glow_api.from_base64url(value text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN ((value ~ '^[A-Za-z0-9_-]+$'::text) AND ((length(value) % 4) <> 1)) THEN decode(rpad(translate(value, '-_'::text, '+/'::text), (((length(value) + 3) / 4) * 4), '='::text), 'base64'::text) ELSE NULL::bytea END;
COMMENT ON FUNCTION glow_api.from_base64url(value text) IS 'The bytes of a URL-safe base64 text; null when it is none.';
REVOKE ALL ON FUNCTION glow_api.from_base64url(value text) FROM PUBLIC;

CREATE FUNCTION glow_api.give_back(item_id bigint, me glow_api.caller, event text, reason text, held boolean) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  item glow.review_items;
  problem glow_api.problem := glow_api.text_problem('reason', reason, 2000);
  slot glow.review_slots;
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.require_item(item_id, me.tenant);
  select s.* into slot from glow.review_slots s
   where s.item_id = item.item_id and s.reviewer = me.person for update;
  if slot.filled_at is not null then
    perform glow_api.refuse('PT409', 'item_id', give_back.item_id::text, 'an item you have not reviewed; submit_annotation changes a review');
  elsif held and slot.item_id is null then
    perform glow_api.refuse(glow_api.not_held(give_back.item_id));
  end if;
  update glow.review_slots s
     set reviewer = case when item.gold then s.reviewer end, first = null, claimed_at = null,
         lease_until = '-infinity'
   where s.item_id = slot.item_id and s.slot = slot.slot and isfinite(s.lease_until);
  if not held then
    insert into glow.review_passes as p (item_id, reviewer, tenant, kind)
    values (item.item_id, me.person, me.tenant, event)
    on conflict on constraint review_passes_pkey do update
       set passed_at = excluded.passed_at, kind = case p.kind when 'declined' then 'declined' else excluded.kind end;
  end if;
  perform glow_api.note_review(item, me.person, event, reason);
  return jsonb_build_object('item_id', item.item_id, 'status', case event
    when 'skipped' then 'skipped' when 'declined' then 'declined' else 'released' end);
end $$;
COMMENT ON FUNCTION glow_api.give_back(item_id bigint, me glow_api.caller, event text, reason text, held boolean) IS 'Frees the slot a reviewer holds, if they hold one, and remembers that they passed.';
REVOKE ALL ON FUNCTION glow_api.give_back(item_id bigint, me glow_api.caller, event text, reason text, held boolean) FROM PUBLIC;

CREATE FUNCTION glow_api.gold_for(call glow_api.review_call) RETURNS SETOF glow.review_items
    LANGUAGE sql STABLE
    AS $$
  select i.* from glow.review_items i
   where i.tenant = call.tenant and i.gold and glow_api.admits(call, i) and (glow.review_policy(i.agent)).gold_share > 0
     and not exists (select from glow.review_slots s
                      where s.item_id = i.item_id and s.reviewer = call.reviewer
                        and (s.filled_at is not null or s.lease_until > statement_timestamp()))
     and not exists (select from glow.expert_annotations a
                      where a.tenant = i.tenant and a.execution_id = i.execution_id and a.reviewer = call.reviewer)
     and not exists (select from glow.review_passes p
                      where p.item_id = i.item_id and p.reviewer = call.reviewer and p.kind = 'declined')
     and exists (select from glow.execution_keys k
                  where k.tenant = i.tenant and k.execution_id = i.execution_id and k.expired_at is null)
$$;
COMMENT ON FUNCTION glow_api.gold_for(call glow_api.review_call) IS 'The items whose answer is known that a reviewer could be given: neither reviewed nor held nor declined by them, and with text.';
REVOKE ALL ON FUNCTION glow_api.gold_for(call glow_api.review_call) FROM PUBLIC;

CREATE FUNCTION glow_api.has_scores(dimensions jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN (NOT jsonb_path_exists(dimensions, 'strict $.keyvalue()?(!((((((@."key" == "accuracy" || @."key" == "helpfulness") || @."key" == "clarity") || @."key" == "completeness") && @."value".type() == "number") && @."value" >= 1) && @."value" <= 5))'::jsonpath, silent => true));
COMMENT ON FUNCTION glow_api.has_scores(dimensions jsonb) IS 'Whether dimensions are the known ones, each from 1 to 5 stars; null where they are no object.';
REVOKE ALL ON FUNCTION glow_api.has_scores(dimensions jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.id_problem(fields text[], ids text[], required integer) RETURNS glow_api.problem
    LANGUAGE plpgsql IMMUTABLE
    AS $$
begin
  for i in 1 .. cardinality(fields) loop
    if ids[i] is null and i > required then continue; end if;
    if not coalesce(glow_api.is_id(ids[i]), false) then
      return row('PT422', fields[i], ids[i], '1 to 200 characters without control characters')::glow_api.problem;
    end if;
  end loop;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.id_problem(fields text[], ids text[], required integer) IS 'The first id that is missing (of the first `required`), too long or holds control characters.';
REVOKE ALL ON FUNCTION glow_api.id_problem(fields text[], ids text[], required integer) FROM PUBLIC;

CREATE FUNCTION glow_api.in_the_way(agent text, kind text, layer text, slot_from integer, slot_to integer, unit text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select x.experiment_id from glow.learning_experiments x
   where x.agent = in_the_way.agent and x.active
     and (x.kind = in_the_way.kind and x.layer <> in_the_way.layer
       or x.layer = in_the_way.layer and (x.slot_from < in_the_way.slot_to and in_the_way.slot_from < x.slot_to or x.unit <> in_the_way.unit))
   order by x.experiment_id limit 1
$$;
COMMENT ON FUNCTION glow_api.in_the_way(agent text, kind text, layer text, slot_from integer, slot_to integer, unit text) IS 'The experiment whose units another one would take, or null: the rule of glow.check_experiment.';
REVOKE ALL ON FUNCTION glow_api.in_the_way(agent text, kind text, layer text, slot_from integer, slot_to integer, unit text) FROM PUBLIC;

CREATE FUNCTION glow_api.is_erased(tenant text, subject text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM glow.erased_subjects e WHERE (e.subject = glow_api.subject_hash(is_erased.tenant, is_erased.subject))));
COMMENT ON FUNCTION glow_api.is_erased(tenant text, subject text) IS 'Whether a person was erased.';
REVOKE ALL ON FUNCTION glow_api.is_erased(tenant text, subject text) FROM PUBLIC;

CREATE FUNCTION glow_api.is_float(value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN ((value IS NULL) OR (value = 'null'::jsonb) OR CASE WHEN (jsonb_typeof(value) = 'number'::text) THEN (((value)::numeric = (0)::numeric) OR ((abs((value)::numeric) >= 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001) AND (abs((value)::numeric) <= '1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric))) ELSE false END);
COMMENT ON FUNCTION glow_api.is_float(value jsonb) IS 'Whether an optional JSON value is a number that double precision can hold.';
REVOKE ALL ON FUNCTION glow_api.is_float(value jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.is_id(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN (((length(value) >= 1) AND (length(value) <= 200)) AND (value !~ '[[:cntrl:]]'::text));
COMMENT ON FUNCTION glow_api.is_id(value text) IS 'Whether a text is a proper id; null where it is missing.';
REVOKE ALL ON FUNCTION glow_api.is_id(value text) FROM PUBLIC;

CREATE FUNCTION glow_api.is_in_form(entry jsonb) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN CASE WHEN (jsonb_typeof(entry) = 'object'::text) THEN (((entry - '{agent,execution_id,user_id,comment,correction,channel,conversation_id,idempotency_key,tenant,kind,thumbs,rating,dimensions,issues,occurred_at,sent_at,withdrawn}'::text[]) = '{}'::jsonb) AND (NOT jsonb_path_exists((entry - '{thumbs,rating,dimensions,issues,occurred_at,sent_at,withdrawn}'::text[]), 'strict $.*?(@.type() != "string" && @.type() != "null")'::jsonpath)) AND (((entry -> 'thumbs'::text) IS NULL) OR glow_api.fits((entry -> 'thumbs'::text), 'integer'::text)) AND (((entry -> 'rating'::text) IS NULL) OR glow_api.fits((entry -> 'rating'::text), 'integer'::text)) AND (((entry -> 'dimensions'::text) IS NULL) OR glow_api.fits((entry -> 'dimensions'::text), 'object'::text)) AND (((entry -> 'issues'::text) IS NULL) OR glow_api.fits((entry -> 'issues'::text), 'texts'::text)) AND (((entry -> 'occurred_at'::text) IS NULL) OR glow_api.fits((entry -> 'occurred_at'::text), 'instant'::text)) AND (((entry -> 'sent_at'::text) IS NULL) OR glow_api.fits((entry -> 'sent_at'::text), 'instant'::text)) AND (((entry -> 'withdrawn'::text) IS NULL) OR glow_api.fits((entry -> 'withdrawn'::text), 'boolean'::text))) ELSE false END;
COMMENT ON FUNCTION glow_api.is_in_form(entry jsonb) IS 'Whether a row of feedback has fields that we know, of their types.';
REVOKE ALL ON FUNCTION glow_api.is_in_form(entry jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.is_in_order(call glow_api.feedback_call, caller glow_api.caller) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN COALESCE((((call).execution_id IS NOT NULL) AND ((call).user_id IS NOT NULL) AND ((''::text = ANY (ARRAY[(call).execution_id, (call).user_id, (call).channel, (call).conversation_id, (call).idempotency_key, (call).comment, (call).correction])) IS NOT TRUE) AND (GREATEST(length((call).execution_id), length((call).user_id), length((call).channel), length((call).conversation_id), length((call).idempotency_key)) <= 200) AND (concat((call).execution_id, (call).user_id, (call).channel, (call).conversation_id, (call).idempotency_key, array_to_string((call).issues, ''::text)) !~ '[[:cntrl:]]'::text) AND (((caller).person IS NULL) OR ((call).user_id = (caller).person)) AND (((call).kind <> ALL (ARRAY['vote'::text, 'correction'::text])) IS NOT TRUE) AND ((call).withdrawn IS NOT TRUE) AND (((call).thumbs IS NOT NULL) OR ((call).rating IS NOT NULL) OR ((call).comment IS NOT NULL) OR ((call).correction IS NOT NULL) OR ((call).dimensions <> '{}'::jsonb)) AND (((call).thumbs <> ALL (ARRAY['-1'::integer, 1])) IS NOT TRUE) AND (((call).rating <> ALL (ARRAY[1, 2, 3, 4, 5])) IS NOT TRUE) AND (((call).dimensions IS NULL) OR glow_api.has_scores((call).dimensions)) AND (((call).issues IS NULL) OR (((''::text = ANY ((call).issues)) IS FALSE) AND (array_length((call).issues, 2) IS NULL) AND (length(array_to_string((call).issues, '////'::text)) <= 80))) AND ((length((call).comment) > 10000) IS NOT TRUE) AND ((octet_length((call).correction) > 1000000) IS NOT TRUE)), false);
COMMENT ON FUNCTION glow_api.is_in_order(call glow_api.feedback_call, caller glow_api.caller) IS 'Whether feedback is beyond doubt; if not, feedback_problem says what is wrong, if anything.';
REVOKE ALL ON FUNCTION glow_api.is_in_order(call glow_api.feedback_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.is_mine(agent text, caller glow_api.caller) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (((caller).tenant IS NULL) OR (EXISTS (SELECT FROM glow.agents a WHERE (((a.agent)::text = is_mine.agent) AND ((a.tenant)::text = (is_mine.caller).tenant)))));
COMMENT ON FUNCTION glow_api.is_mine(agent text, caller glow_api.caller) IS 'Whether a login may see what an agent learned and ask for runs: it serves all tenants, or the agent is its tenant''s own.';
REVOKE ALL ON FUNCTION glow_api.is_mine(agent text, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.is_number(value jsonb, low numeric, high numeric) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN ((value IS NULL) OR (value = 'null'::jsonb) OR CASE WHEN (jsonb_typeof(value) = 'number'::text) THEN (((value)::numeric >= low) AND ((value)::numeric <= high)) ELSE false END);
COMMENT ON FUNCTION glow_api.is_number(value jsonb, low numeric, high numeric) IS 'Whether an optional JSON value is a number within bounds.';
REVOKE ALL ON FUNCTION glow_api.is_number(value jsonb, low numeric, high numeric) FROM PUBLIC;

CREATE FUNCTION glow_api.is_of_import(payload jsonb, erasure_id bigint, tenant text, subject text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  select case when jsonb_typeof(payload) = 'object' and payload ?| '{user_id,reviewer,expert,execution_id}'
              then coalesce(payload ->> 'tenant', 'default') = is_of_import.tenant
               and (is_of_import.subject in (payload ->> 'user_id', payload ->> 'reviewer', payload ->> 'expert')
                    or payload ->> 'execution_id' in (select glow_api.probes(is_of_import.erasure_id, 'execution')))
              -- What was not understood: as a whole word, and not where it is as short as a number of something.
              else length(is_of_import.subject) >= 4
               and position(' ' || is_of_import.subject || ' ' in translate(payload::text, '"\,:;{}[]()=&', '             ')) > 0 end
$$;
COMMENT ON FUNCTION glow_api.is_of_import(payload jsonb, erasure_id bigint, tenant text, subject text) IS 'Whether a row of an imported file is a person''s.';
REVOKE ALL ON FUNCTION glow_api.is_of_import(payload jsonb, erasure_id bigint, tenant text, subject text) FROM PUBLIC;

CREATE FUNCTION glow_api.is_shallow(value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN ((value IS NULL) OR (NOT jsonb_path_exists(value, '$.**{33}'::jsonpath)));
COMMENT ON FUNCTION glow_api.is_shallow(value jsonb) IS 'Whether a JSON value is nested at most 32 deep.';
REVOKE ALL ON FUNCTION glow_api.is_shallow(value jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.issue_feedback_token(agent text, execution_id text, user_id text, valid_seconds integer DEFAULT 3600, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.require_caller(tenant, agent, 1);
  problem glow_api.problem := glow_api.id_problem('{execution_id,user_id}', array[execution_id, user_id], 2);
  expires timestamptz;
  key_id integer;
  content text;
begin
  if problem.code is null and user_id <> caller.person then
    problem := row('PT403', 'user_id', user_id, 'the person this login speaks for');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if valid_seconds is null or valid_seconds not between 1 and 86400 then
    perform glow_api.refuse('PT422', 'valid_seconds', valid_seconds::text, 'seconds from 1 to 86400');
  end if;
  select k.key_id into key_id from glow.token_keys k where k.retired_at is null;
  if key_id is null then key_id := (glow_api.rotate_token_key() ->> 'key_id')::integer; end if;
  expires := clock_timestamp() + make_interval(secs => valid_seconds);
  content := glow_api.base64url(convert_to(jsonb_build_object(
    'key', key_id, 'tenant', coalesce(caller.tenant, 'default'), 'agent', agent, 'execution_id', execution_id, 'user_id', user_id,
    'expires', extract(epoch from expires))::text, 'UTF8'));
  return jsonb_build_object('token', content || '.' || glow_api.base64url(glow_api.signature(key_id, content)),
                            'expires_at', expires);
end $$;
COMMENT ON FUNCTION glow_api.issue_feedback_token(agent text, execution_id text, user_id text, valid_seconds integer, tenant text) IS 'A signed token with which a browser may submit feedback of one user on one execution, for at most a day.';
REVOKE ALL ON FUNCTION glow_api.issue_feedback_token(agent text, execution_id text, user_id text, valid_seconds integer, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.issue_feedback_token(agent text, execution_id text, user_id text, valid_seconds integer, tenant text) TO glow_app;

CREATE FUNCTION glow_api.learning_stats() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.learning_stats() IS 'Counts over the whole loop, for a dashboard''s first row.';
REVOKE ALL ON FUNCTION glow_api.learning_stats() FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.learning_stats() TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.learning_stats() TO glow_pipeline;

CREATE FUNCTION glow_api.lease_gold(item glow.review_items, reviewer text, lease interval) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_variable
declare
  held glow.review_slots;
begin
  -- Whoever adds a slot locks the item: two would number it alike.
  perform from glow.review_items i where i.item_id = item.item_id and i.gold for no key update skip locked;
  if not found then return false; end if;
  select s.* into held from glow.review_slots s
   where s.item_id = item.item_id and s.reviewer = lease_gold.reviewer for update skip locked;
  insert into glow.review_slots as s (item_id, slot, tenant, reviewer, claimed_at, lease_until)
  select item.item_id, coalesce(max(o.slot), 0) + 1, item.tenant, lease_gold.reviewer, clock_timestamp(),
         clock_timestamp() + coalesce(lease, (glow.review_policy(item.agent)).lease)
    from glow.review_slots o where o.item_id = item.item_id
  on conflict on constraint review_slots_item_id_reviewer_key do update
     set claimed_at = excluded.claimed_at, lease_until = excluded.lease_until
   where s.filled_at is null and s.lease_until <= clock_timestamp();
  if not found then return false; end if;
  -- Not where they gave it back.
  if isfinite(held.lease_until) then perform glow_api.note_review(item, lease_gold.reviewer, 'expired'); end if;
  perform glow_api.note_review(item, lease_gold.reviewer, 'claimed');
  return true;
end $$;
COMMENT ON FUNCTION glow_api.lease_gold(item glow.review_items, reviewer text, lease interval) IS 'Leases a slot of an item whose answer is known, unless somebody else is about to.';
REVOKE ALL ON FUNCTION glow_api.lease_gold(item glow.review_items, reviewer text, lease interval) FROM PUBLIC;

CREATE FUNCTION glow_api.lease_hidden(call glow_api.review_call, lease interval) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
  item glow.review_items;
  die double precision := glow_api.die();
begin
  select i.* into item from glow_api.gold_for(call) i
   where die < (glow.review_policy(i.agent)).gold_share
     and not exists (select from glow.review_passes p where p.item_id = i.item_id and p.reviewer = call.reviewer)
   order by glow_api.die() limit 1;
  return case when item.item_id is not null and glow_api.lease_gold(item, call.reviewer, lease) then item.item_id end;
end $$;
COMMENT ON FUNCTION glow_api.lease_hidden(call glow_api.review_call, lease interval) IS 'With the chance that the policy says, leases an item whose answer is known and that the reviewer has not passed.';
REVOKE ALL ON FUNCTION glow_api.lease_hidden(call glow_api.review_call, lease interval) FROM PUBLIC;

CREATE FUNCTION glow_api.lease_next(call glow_api.review_call, n integer, path text, lease interval) RETURNS bigint[]
    LANGUAGE plpgsql
    SET enable_sort TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
declare
  item glow.review_items;
  leased bigint[] := '{}';
  found_ones refcursor;
  most integer;
  seen integer;
begin
  foreach most in array array[n + 30, n + 1000, 2147483647] loop
    exit when cardinality(leased) >= n;
    if path = 'controls' then
      open found_ones no scroll for select i.* from glow_api.reviewable(call) i
        left join glow.review_passes p on p.item_id = i.item_id and p.reviewer = call.reviewer
       where i.reasons @> '{control}' and p.item_id is null
       order by glow.control_draw(i.tenant, i.execution_id) limit most;
    elsif path = 'skipped' then
      -- Gold among them: that what never comes back is gold, a reviewer who skips would find out.
      open found_ones no scroll for
        select i.* from (select * from glow_api.reviewable(call) union all select * from glow_api.gold_for(call)) i
        join glow.review_passes p on p.item_id = i.item_id and p.reviewer = call.reviewer
       order by p.passed_at, i.item_id limit most;
    else
      open found_ones no scroll for select i.* from glow_api.reviewable(call) i
        left join glow.review_passes p on p.item_id = i.item_id and p.reviewer = call.reviewer
       where p.item_id is null
       order by i.priority desc, i.item_id limit most;
    end if;
    seen := 0;
    loop
      fetch found_ones into item;
      exit when not found;
      seen := seen + 1;
      if (case when item.gold then glow_api.lease_gold(item, call.reviewer, lease)
               else glow_api.lease_slot(item, call.reviewer, lease) end) then
        leased := leased || item.item_id;
      end if;
      exit when cardinality(leased) >= n;
    end loop;
    close found_ones;
    exit when seen < most;
  end loop;
  return leased;
end $$;
COMMENT ON FUNCTION glow_api.lease_next(call glow_api.review_call, n integer, path text, lease interval) IS 'Leases n items: the best ones, or controls in the order of their draw, or what the reviewer skipped, longest ago first.';
REVOKE ALL ON FUNCTION glow_api.lease_next(call glow_api.review_call, n integer, path text, lease interval) FROM PUBLIC;

CREATE FUNCTION glow_api.lease_problem(lease interval) RETURNS glow_api.problem
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN ((lease < '00:00:01'::interval) OR (lease > '7 days'::interval)) THEN ROW('PT422'::text, 'lease'::text, (lease)::text, 'an interval from 1 second to 7 days'::text)::glow_api.problem ELSE NULL::glow_api.problem END;
COMMENT ON FUNCTION glow_api.lease_problem(lease interval) IS 'Refuses a lease that is too short or too long.';
REVOKE ALL ON FUNCTION glow_api.lease_problem(lease interval) FROM PUBLIC;

CREATE FUNCTION glow_api.lease_slot(item glow.review_items, reviewer text, lease interval) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_variable
declare
  taken glow.review_slots;
begin
  select s.* into taken from glow.review_slots s
   where s.item_id = item.item_id and s.filled_at is null and s.lease_until <= clock_timestamp()
     and (s.reviewer = lease_slot.reviewer or not exists (
       select from glow.review_slots o where o.item_id = item.item_id and o.reviewer = lease_slot.reviewer))
   order by s.lease_until, s.slot limit 1
     for update skip locked;
  if not found then return false; end if;
  if taken.reviewer is not null then
    perform glow_api.note_review(item, taken.reviewer, 'expired');
  end if;
  update glow.review_slots s
     set reviewer = lease_slot.reviewer, claimed_at = clock_timestamp(),
         lease_until = clock_timestamp() + coalesce(lease, (glow.review_policy(item.agent)).lease),
         first = case item.kind when 'comparison' then
           coalesce(case when s.reviewer = lease_slot.reviewer then s.first end, case when glow_api.die() < 0.5 then 'output' else 'alternative' end) end
   where s.item_id = taken.item_id and s.slot = taken.slot;
  perform glow_api.note_review(item, lease_slot.reviewer, 'claimed');
  return true;
end $$;
COMMENT ON FUNCTION glow_api.lease_slot(item glow.review_items, reviewer text, lease interval) IS 'Leases a free slot of an item, unless somebody else is about to.';
REVOKE ALL ON FUNCTION glow_api.lease_slot(item glow.review_items, reviewer text, lease interval) FROM PUBLIC;

CREATE FUNCTION glow_api.log_execution(execution_id text, agent text, input text, output text, user_id text DEFAULT NULL::text, conversation_id text DEFAULT NULL::text, channel text DEFAULT NULL::text, prompt_version text DEFAULT NULL::text, model text DEFAULT NULL::text, latency_ms integer DEFAULT NULL::integer, prompt_tokens integer DEFAULT NULL::integer, completion_tokens integer DEFAULT NULL::integer, cost_usd numeric DEFAULT NULL::numeric, started_at timestamp with time zone DEFAULT NULL::timestamp with time zone, metadata jsonb DEFAULT '{}'::jsonb, tenant text DEFAULT NULL::text, sent_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(
    1, coalesce(octet_length(input), 0)::bigint + coalesce(octet_length(output), 0) + coalesce(octet_length(metadata::text), 0));
begin
  return glow_api.answered(glow_api.record_execution(
    row(execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
        prompt_tokens, completion_tokens, cost_usd, started_at, metadata, tenant, sent_at), caller));
end $$;
COMMENT ON FUNCTION glow_api.log_execution(execution_id text, agent text, input text, output text, user_id text, conversation_id text, channel text, prompt_version text, model text, latency_ms integer, prompt_tokens integer, completion_tokens integer, cost_usd numeric, started_at timestamp with time zone, metadata jsonb, tenant text, sent_at timestamp with time zone) IS 'Records one run of an agent. Safe to retry: the same id with the same contents answers "replayed". Feedback that came before it is joined to it.';
REVOKE ALL ON FUNCTION glow_api.log_execution(execution_id text, agent text, input text, output text, user_id text, conversation_id text, channel text, prompt_version text, model text, latency_ms integer, prompt_tokens integer, completion_tokens integer, cost_usd numeric, started_at timestamp with time zone, metadata jsonb, tenant text, sent_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.log_execution(execution_id text, agent text, input text, output text, user_id text, conversation_id text, channel text, prompt_version text, model text, latency_ms integer, prompt_tokens integer, completion_tokens integer, cost_usd numeric, started_at timestamp with time zone, metadata jsonb, tenant text, sent_at timestamp with time zone) TO glow_app;

CREATE FUNCTION glow_api.log_execution_batch(rows jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_execution_rows(rows, caller) r);
end $$;
COMMENT ON FUNCTION glow_api.log_execution_batch(rows jsonb) IS 'Records many executions: an array of objects with the arguments of log_execution. Answers one result for each, in order; a refused row stops no other.';
REVOKE ALL ON FUNCTION glow_api.log_execution_batch(rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.log_execution_batch(rows jsonb) TO glow_app;

CREATE FUNCTION glow_api.log_retrieval(event_id text, agent text, query text, hits jsonb, execution_id text DEFAULT NULL::text, policy text DEFAULT 'production'::text, configuration text DEFAULT NULL::text, user_id text DEFAULT NULL::text, conversation_id text DEFAULT NULL::text, occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, tenant text DEFAULT NULL::text, sent_at timestamp with time zone DEFAULT NULL::timestamp with time zone, model text DEFAULT NULL::text, index_number integer DEFAULT NULL::integer, latency_ms integer DEFAULT NULL::integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(1, coalesce(octet_length(query), 0)::bigint + coalesce(octet_length(hits::text), 0));
begin
  return glow_api.answered(glow_api.record_retrieval(
    row(event_id, agent, query, hits, execution_id, policy, configuration, user_id, conversation_id, occurred_at, tenant,
        sent_at, model, index_number, latency_ms), caller));
end $$;
COMMENT ON FUNCTION glow_api.log_retrieval(event_id text, agent text, query text, hits jsonb, execution_id text, policy text, configuration text, user_id text, conversation_id text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone, model text, index_number integer, latency_ms integer) IS 'Records a search: what was shown at which rank, under which policy (interleave where two rankings were mixed, explore where neighbours were swapped by chance) and configuration (the sha of what was in force; one that nobody knows is kept too). Call it again with the same event_id to add clicks, citations and verdicts as they happen; a hit''s `explicit` is the user''s own thumb on it, or an expert''s where `expert` is true. To what `search` logged, or who gave an index_number, no hit is added that was not shown there.';
REVOKE ALL ON FUNCTION glow_api.log_retrieval(event_id text, agent text, query text, hits jsonb, execution_id text, policy text, configuration text, user_id text, conversation_id text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone, model text, index_number integer, latency_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.log_retrieval(event_id text, agent text, query text, hits jsonb, execution_id text, policy text, configuration text, user_id text, conversation_id text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone, model text, index_number integer, latency_ms integer) TO glow_app;

CREATE FUNCTION glow_api.log_retrieval_batch(rows jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_retrieval_rows(rows, caller) r);
end $$;
COMMENT ON FUNCTION glow_api.log_retrieval_batch(rows jsonb) IS 'Records many searches: an array of objects with the arguments of log_retrieval. Answers one result for each, in order; a refused row stops no other.';
REVOKE ALL ON FUNCTION glow_api.log_retrieval_batch(rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.log_retrieval_batch(rows jsonb) TO glow_app;

CREATE FUNCTION glow_api.log_search(call glow_api.retrieval_call) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
  arrived timestamptz := clock_timestamp();
begin
  insert into glow.retrieval_keys (tenant, event_id, agent, query_hash, recorded_at)
  values (call.tenant, call.event_id, call.agent, sha256(convert_to(call.query, 'UTF8')), arrived)
  on conflict do nothing;
  if not found then return false; end if;
  insert into glow.retrieval_events (
    tenant, event_id, agent, execution_id, query, policy, configuration, model, index_number, latency_ms, user_id, conversation_id,
    occurred_at, recorded_at)
  values (call.tenant, call.event_id, call.agent, call.execution_id, call.query, call.policy, call.configuration, call.model,
          call.index_number, call.latency_ms, call.user_id, call.conversation_id, arrived, arrived);
  insert into glow.retrieval_hits (tenant, event_id, rank, chunk_id, score, score_dense, score_lexical, leg, propensity, recorded_at)
  select call.tenant, call.event_id, x.rank, x.chunk_id, x.score, x.score_dense, x.score_lexical, x.leg, x.propensity, arrived
    from jsonb_to_recordset(call.hits) as x(
      rank smallint, chunk_id text, score double precision, score_dense double precision, score_lexical double precision, leg text,
      propensity double precision);
  return true;
end $$;
COMMENT ON FUNCTION glow_api.log_search(call glow_api.retrieval_call) IS 'Writes a search with what it shows; answers whether it is new.';
REVOKE ALL ON FUNCTION glow_api.log_search(call glow_api.retrieval_call) FROM PUBLIC;

CREATE FUNCTION glow_api.looks_cost(looks integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (ARRAY[(1)::double precision, (1.0275625814064224)::double precision, (1.0449126254057053)::double precision, (1.055883601351414)::double precision, (1.063400048433297)::double precision, (1.0688719666292872)::double precision, (1.0730377016569077)::double precision, (1.0763183480796095)::double precision, (1.0789711953720664)::double precision, (1.0811622983993727)::double precision, (1.083003663119141)::double precision, (1.0845736198437395)::double precision, (1.085928622405586)::double precision, (1.0871104062482861)::double precision, (1.0881505047934308)::double precision, (1.0890731963099256)::double precision, (1.0898974833247825)::double precision, (1.0906384562961293)::double precision, (1.0913082542597066)::double precision, (1.0919167550658258)::double precision, (1.0924720801580872)::double precision, (1.0929809696153927)::double precision])[looks];
COMMENT ON FUNCTION glow_api.looks_cost(looks integer) IS 'How much more information so many daily looks need than one, for 1 to 22 looks.';
REVOKE ALL ON FUNCTION glow_api.looks_cost(looks integer) FROM PUBLIC;

CREATE FUNCTION glow_api.metric_fields() RETURNS TABLE(metric text, field text, kind text, low numeric, high numeric, accepted text)
    LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC
 VALUES ('exact'::text,'case'::text,'choice'::text,NULL::numeric,NULL::numeric,'fold, keep'::text), ('exact'::text,'punctuation'::text,'choice'::text,NULL::numeric,NULL::numeric,'keep, ends, drop'::text), ('label'::text,'labels'::text,'array'::text,0,1000,'texts'::text), ('label'::text,'aliases'::text,'object'::text,0,5000,'from another spelling to its label'::text), ('numeric'::text,'tolerance'::text,'number'::text,0,1,NULL::text), ('numeric'::text,'decimals'::text,'decimals'::text,0,20,NULL::text), ('numeric'::text,'convention'::text,'choice'::text,NULL::numeric,NULL::numeric,'auto, point, comma'::text), ('numeric'::text,'percent'::text,'choice'::text,NULL::numeric,NULL::numeric,'number, fraction, strict'::text), ('numeric'::text,'take'::text,'choice'::text,NULL::numeric,NULL::numeric,'only, first, last'::text), ('json_fields'::text,'fields'::text,'object'::text,0,200,'from path to weight, type and key'::text), ('json_fields'::text,'extra'::text,'choice'::text,NULL::numeric,NULL::numeric,'ignore, wrong'::text), ('json_fields'::text,'fenced'::text,'boolean'::text,NULL::numeric,NULL::numeric,NULL::text), ('json_fields'::text,'tolerance'::text,'number'::text,0,1,NULL::text), ('json_fields'::text,'convention'::text,'choice'::text,NULL::numeric,NULL::numeric,'auto, point, comma'::text), ('json_fields'::text,'right_at'::text,'number'::text,0,1,NULL::text), ('contains'::text,'target'::text,'boolean'::text,NULL::numeric,NULL::numeric,NULL::text), ('contains'::text,'all'::text,'array'::text,0,100,'texts'::text), ('contains'::text,'any'::text,'array'::text,0,100,'texts'::text), ('contains'::text,'none'::text,'array'::text,0,100,'texts'::text), ('contains'::text,'words'::text,'boolean'::text,NULL::numeric,NULL::numeric,NULL::text), ('regex'::text,'pattern'::text,'text'::text,1,500,NULL::text), ('regex'::text,'match'::text,'choice'::text,NULL::numeric,NULL::numeric,'search, full'::text), ('regex'::text,'ignore_case'::text,'boolean'::text,NULL::numeric,NULL::numeric,NULL::text), ('regex'::text,'negate'::text,'boolean'::text,NULL::numeric,NULL::numeric,NULL::text), ('embedding'::text,'threshold'::text,'number'::text,0,1,NULL::text), ('rubric_judge'::text,'items'::text,'array'::text,1,20,'objects with id, criterion, and if wanted weight and evidence'::text), ('rubric_judge'::text,'right_at'::text,'number'::text,0.01,1,NULL::text), ('rubric_judge'::text,'task'::text,'text'::text,1,1000,NULL::text), ('pairwise_judge'::text,'criterion'::text,'text'::text,1,1000,NULL::text), ('pairwise_judge'::text,'right_at'::text,'number'::text,0.5,1,NULL::text);
END;
COMMENT ON FUNCTION glow_api.metric_fields() IS 'The metrics by name, and the settings each takes.';
REVOKE ALL ON FUNCTION glow_api.metric_fields() FROM PUBLIC;

CREATE FUNCTION glow_api.metric_problem(evaluation jsonb) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  named text := evaluation ->> 'metric';
  settings jsonb := coalesce(nullif(evaluation -> 'metric_settings', 'null'), '{}');
  wrong record;
begin
  if jsonb_typeof(settings) <> 'object' or octet_length(settings::text) > 100000 then
    return row('PT422', 'evaluation.metric_settings', settings::text, 'an object of at most 100000 bytes')::glow_api.problem;
  elsif named is null and settings <> '{}' then
    return row('PT422', 'evaluation.metric_settings', settings::text, 'settings of a metric, which is missing')::glow_api.problem;
  elsif named is not null and not exists (select from glow_api.metric_fields() f where f.metric = named) then
    return row('PT422', 'evaluation.metric', named, (
      select string_agg(distinct f.metric, ', ' order by f.metric) from glow_api.metric_fields() f))::glow_api.problem;
  end if;
  select s.key, s.value, f.field, f.kind, f.low, f.high, f.accepted into wrong
    from jsonb_each(settings) as s(key, value)
    left join glow_api.metric_fields() f on f.metric = named and f.field = s.key
   where f.field is null or not coalesce(glow_api.metric_setting_fits(s.value, f.kind, f.low, f.high, f.accepted), false)
   order by s.key limit 1;
  if not found then
    if named = 'regex' and not settings ? 'pattern' then
      return row('PT422', 'evaluation.metric_settings.pattern', null, 'a text of 1 to 500 characters')::glow_api.problem;
    elsif named = 'rubric_judge' and not settings ? 'items' then
      return row('PT422', 'evaluation.metric_settings.items', null, '1 to 20 objects with id and criterion')::glow_api.problem;
    end if;
    return null;
  end if;
  return row('PT422', 'evaluation.metric_settings.' || left(wrong.key, 60), wrong.value::text, case
    when wrong.field is null then 'one of ' || (
      select string_agg(f.field, ', ' order by f.field) from glow_api.metric_fields() f where f.metric = named)
    when wrong.kind = 'choice' then 'one of ' || wrong.accepted
    when wrong.kind = 'boolean' then 'true or false'
    when wrong.kind = 'number' then 'a number from ' || wrong.low || ' to ' || wrong.high
    when wrong.kind = 'decimals' then 'stated, ignore, or a whole number from 0 to 20'
    when wrong.kind = 'text' then 'a text of ' || wrong.low || ' to ' || wrong.high || ' characters'
    when wrong.kind = 'array' then wrong.low || ' to ' || wrong.high || ' ' || wrong.accepted
    else 'an object of at most ' || wrong.high || ' entries ' || wrong.accepted end)::glow_api.problem;
end $$;
COMMENT ON FUNCTION glow_api.metric_problem(evaluation jsonb) IS 'What is wrong with the metric of an evaluation, or with its settings. Null when nothing is.';
REVOKE ALL ON FUNCTION glow_api.metric_problem(evaluation jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.metric_setting_fits(value jsonb, kind text, low numeric, high numeric, accepted text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN CASE kind WHEN 'choice'::text THEN ((jsonb_typeof(value) = 'string'::text) AND ((value #>> '{}'::text[]) = ANY (string_to_array(accepted, ', '::text)))) WHEN 'boolean'::text THEN (jsonb_typeof(value) = 'boolean'::text) WHEN 'number'::text THEN ((jsonb_typeof(value) = 'number'::text) AND glow_api.is_number(value, low, high)) WHEN 'decimals'::text THEN ((value = ANY (ARRAY['"stated"'::jsonb, '"ignore"'::jsonb])) OR glow_api.is_whole(value, (low)::integer, (high)::integer)) WHEN 'text'::text THEN ((jsonb_typeof(value) = 'string'::text) AND (((length((value #>> '{}'::text[])))::numeric >= low) AND ((length((value #>> '{}'::text[])))::numeric <= high))) WHEN 'array'::text THEN CASE WHEN (jsonb_typeof(value) = 'array'::text) THEN ((((jsonb_array_length(value))::numeric >= low) AND ((jsonb_array_length(value))::numeric <= high)) AND (NOT jsonb_path_exists(value, (CASE accepted WHEN 'texts'::text THEN 'strict $[*] ? (@.type() != "string")'::text ELSE 'strict $[*] ? (@.type() != "object")'::text END)::jsonpath))) ELSE false END WHEN 'object'::text THEN CASE WHEN (jsonb_typeof(value) = 'object'::text) THEN (((SELECT count(*) AS count FROM jsonb_object_keys(metric_setting_fits.value) jsonb_object_keys(jsonb_object_keys)))::numeric <= high) ELSE false END ELSE NULL::boolean END;
COMMENT ON FUNCTION glow_api.metric_setting_fits(value jsonb, kind text, low numeric, high numeric, accepted text) IS 'Whether one setting of a metric has the form that metric_fields says.';
REVOKE ALL ON FUNCTION glow_api.metric_setting_fits(value jsonb, kind text, low numeric, high numeric, accepted text) FROM PUBLIC;

CREATE FUNCTION glow_api.misfits(rows jsonb, shape jsonb) RETURNS TABLE(n bigint, problem glow_api.problem)
    LANGUAGE sql STABLE ROWS 10
    AS $$
  select distinct on (r.n) r.n,
         case when jsonb_typeof(r.entry) <> 'object'
                then row('PT400', 'rows', left(r.entry::text, 80), 'an object for each row')::glow_api.problem
              when shape ->> f.key is null
                then row('PT400', left(f.key, 40), left(f.value::text, 80), 'one of the fields '
                  || (select string_agg(k, ', ' order by k) from jsonb_object_keys(shape) k))::glow_api.problem
              else row('PT422', f.key, left(f.value::text, 80),
                case shape ->> f.key when 'instant' then 'an instant such as 2026-11-22T14:00:00Z'
                                     when 'integer' then 'a whole number' when 'texts' then 'an array of texts'
                                     when 'string' then 'a text' else shape ->> f.key end)::glow_api.problem end
    from jsonb_array_elements(rows) with ordinality as r(entry, n)
    left join lateral jsonb_each(case when jsonb_typeof(r.entry) = 'object' then r.entry else '{}' end) f on true
   where jsonb_typeof(r.entry) <> 'object' or f.key is not null and not coalesce(glow_api.fits(f.value, shape ->> f.key), false)
   order by r.n, f.key
$$;
COMMENT ON FUNCTION glow_api.misfits(rows jsonb, shape jsonb) IS 'The rows of a batch whose form is wrong, each with the first reason: a field nobody knows, a value of another type.';
REVOKE ALL ON FUNCTION glow_api.misfits(rows jsonb, shape jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.mover(caller glow_api.caller) RETURNS text
    LANGUAGE sql STABLE
    RETURN COALESCE((caller).person, (SESSION_USER)::text);
COMMENT ON FUNCTION glow_api.mover(caller glow_api.caller) IS 'Who is written down for a move.';
REVOKE ALL ON FUNCTION glow_api.mover(caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.my_agents() RETURNS SETOF text
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  return query select a.agent::text from glow.agents a where glow_api.is_mine(a.agent, caller);
end $$;
COMMENT ON FUNCTION glow_api.my_agents() IS 'The agents of which this login may see what they learned.';
REVOKE ALL ON FUNCTION glow_api.my_agents() FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.my_agents() TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.my_agents() TO glow_pipeline;

CREATE FUNCTION glow_api.name_successor(dataset text, successor text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  perform glow_api.enter();
  perform set_config('glow.erasing', 'on', true);
  update glow.training_datasets d set successor = name_successor.successor
   where d.dataset_id = name_successor.dataset and d.revoked_at is not null and d.successor is null;
  perform set_config('glow.erasing', 'off', true);
end $$;
COMMENT ON FUNCTION glow_api.name_successor(dataset text, successor text) IS 'Says which version stands for a revoked one.';
REVOKE ALL ON FUNCTION glow_api.name_successor(dataset text, successor text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.name_successor(dataset text, successor text) TO glow_pipeline;

CREATE FUNCTION glow_api.normal_quantile(p double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
declare
  q double precision := p - 0.5;
  r double precision := 0.180625 - q * q;
begin
  if r >= 0 then
    return q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)
             / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1);
  end if;
  r := sqrt(-ln(least(p, 1 - p))) - 1.6;
  return sign(q) * (((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777)
                 / ((0.12021132975 * r + 0.73700164250) * r + 1);
end $$;
COMMENT ON FUNCTION glow_api.normal_quantile(p double precision) IS 'How many standard deviations from the mean a share p of a normal distribution lies below.';
REVOKE ALL ON FUNCTION glow_api.normal_quantile(p double precision) FROM PUBLIC;

CREATE FUNCTION glow_api.not_held(item_id bigint) RETURNS glow_api.problem
    LANGUAGE sql IMMUTABLE
    RETURN ROW('PT409'::text, 'item_id'::text, (item_id)::text, 'an item you hold: the lease ended and somebody else has this review, or it was given back. Claim again; or submit without item_id, beside the queue'::text)::glow_api.problem;
COMMENT ON FUNCTION glow_api.not_held(item_id bigint) IS 'The refusal of a review that somebody else has by now.';
REVOKE ALL ON FUNCTION glow_api.not_held(item_id bigint) FROM PUBLIC;

CREATE FUNCTION glow_api.note_review(item glow.review_items, reviewer text, event text, reason text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql
    AS $$
  insert into glow.review_events (tenant, item_id, agent, execution_id, reviewer, event, reason)
  values (item.tenant, item.item_id, item.agent, item.execution_id, note_review.reviewer, note_review.event, note_review.reason)
$$;
COMMENT ON FUNCTION glow_api.note_review(item glow.review_items, reviewer text, event text, reason text) IS 'Writes what happened with an item.';
REVOKE ALL ON FUNCTION glow_api.note_review(item glow.review_items, reviewer text, event text, reason text) FROM PUBLIC;

CREATE FUNCTION glow_api.open_request(kind text, agent text, parameters jsonb, reason text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
  asked glow.requests;
begin
  if not glow_api.is_mine(agent, caller) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  end if;
  -- Twice where the open one ended just before it was looked at.
  while asked.request_id is null loop
    insert into glow.requests as r (kind, agent, parameters, reason, requested_by)
    values (open_request.kind, open_request.agent, jsonb_strip_nulls(open_request.parameters),
            coalesce(open_request.reason, ''), coalesce(caller.person, session_user))
    on conflict (kind, agent) where state in ('queued', 'started') do nothing
    returning r.* into asked;
    if asked.request_id is null then
      select r.* into asked from glow.requests r
       where r.kind = open_request.kind and r.agent = open_request.agent and r.state in ('queued', 'started');
    end if;
  end loop;
  if asked.parameters <> jsonb_strip_nulls(open_request.parameters) then
    perform glow_api.refuse('PT409', 'request', asked.parameters::text,
      'the same as request ' || asked.request_id || ', which is open for this agent; cancel that one or wait for it');
  end if;
  return jsonb_build_object('request_id', asked.request_id, 'status', asked.state, 'requested_by', asked.requested_by,
                            'parameters', asked.parameters);
end $$;
COMMENT ON FUNCTION glow_api.open_request(kind text, agent text, parameters jsonb, reason text) IS 'Writes a request, or answers the one that is already open for this agent.';
REVOKE ALL ON FUNCTION glow_api.open_request(kind text, agent text, parameters jsonb, reason text) FROM PUBLIC;

CREATE FUNCTION glow_api.opinion_problem(call glow_api.feedback_call) RETURNS glow_api.problem
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  said boolean := call.thumbs is not null or call.rating is not null or nullif(call.dimensions, '{}') is not null
    or call.comment is not null or call.correction is not null or coalesce(cardinality(call.issues), 0) > 0;
  dimension record;
  issue text;
begin
  if call.withdrawn and said then
    return row('PT422', 'withdrawn', 'true', 'a withdrawal alone: it says nothing else')::glow_api.problem;
  elsif call.withdrawn is not true and not said then
    return row('PT422', 'feedback', null, 'at least one of thumbs, rating, dimensions, issues, comment, correction')::glow_api.problem;
  end if;
  if call.thumbs not in (-1, 1) then
    return row('PT422', 'thumbs', call.thumbs::text, '1 for up, -1 for down')::glow_api.problem;
  elsif call.rating not between 1 and 5 then
    return row('PT422', 'rating', call.rating::text, 'whole stars from 1 to 5')::glow_api.problem;
  end if;
  if call.dimensions is not null then
    if jsonb_typeof(call.dimensions) <> 'object' then
      return row('PT422', 'dimensions', left(call.dimensions::text, 80), 'an object of dimension and stars')::glow_api.problem;
    end if;
    for dimension in select * from jsonb_each(call.dimensions) loop
      if dimension.key not in ('accuracy', 'helpfulness', 'clarity', 'completeness')
         or jsonb_typeof(dimension.value) <> 'number' or dimension.value::numeric not between 1 and 5 then
        return row('PT422', 'dimensions.' || left(dimension.key, 40), left(dimension.value::text, 80),
          'accuracy, helpfulness, clarity or completeness, each 1 to 5')::glow_api.problem;
      end if;
    end loop;
  end if;
  if cardinality(call.issues) > 20 or array_ndims(call.issues) > 1 then
    return row('PT422', 'issues', left(call.issues::text, 80), 'a list of at most 20 categories')::glow_api.problem;
  end if;
  foreach issue in array coalesce(call.issues, '{}') loop
    if issue is null or length(issue) not between 1 and 80 or issue ~ '[[:cntrl:]]' then
      return row('PT422', 'issues', issue, 'categories of 1 to 80 characters')::glow_api.problem;
    end if;
  end loop;
  if length(call.comment) > 10000 then
    return row('PT413', 'comment', length(call.comment) || ' characters', 'at most 10000 characters')::glow_api.problem;
  end if;
  return coalesce(glow_api.text_problem('comment', call.comment, 40000),
                  glow_api.text_problem('correction', call.correction, 1000000));
end $$;
COMMENT ON FUNCTION glow_api.opinion_problem(call glow_api.feedback_call) IS 'What is wrong with what a user says: out of range, contradictory, or nothing.';
REVOKE ALL ON FUNCTION glow_api.opinion_problem(call glow_api.feedback_call) FROM PUBLIC;

CREATE FUNCTION glow_api.out_of_reach(agent text) RETURNS bigint
    LANGUAGE sql STABLE
    RETURN (SELECT count(*) AS count FROM glow.learning_examples x WHERE (((x.agent)::text = out_of_reach.agent) AND (x.superseded_at IS NULL) AND (SELECT bool_and((k.expired_at IS NOT NULL)) AS bool_and FROM (glow.example_sources s JOIN glow.execution_keys k ON ((((k.tenant)::text = glow.tenant_of(s.source_id)) AND ((k.execution_id)::text = glow.unqualified(s.source_id))))) WHERE ((s.example_version = x.example_version) AND (s.kind = 'execution'::text)))));
COMMENT ON FUNCTION glow_api.out_of_reach(agent text) IS 'How many examples in force rest on executions alone that retention removed.';
REVOKE ALL ON FUNCTION glow_api.out_of_reach(agent text) FROM PUBLIC;

CREATE FUNCTION glow_api.own_experiment(experiment_id text, caller glow_api.caller) RETURNS glow.learning_experiments
    LANGUAGE plpgsql STABLE
    AS $$
declare
  experiment glow.learning_experiments;
  problem glow_api.problem := glow_api.id_problem('{experiment_id}', array[experiment_id], 1);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  select x.* into experiment from glow.learning_experiments x
   where x.experiment_id = own_experiment.experiment_id and glow_api.is_mine(x.agent, caller);
  if not found then
    perform glow_api.refuse('PT404', 'experiment_id', experiment_id, 'an experiment_id that experiments answers for an agent of this login');
  end if;
  return experiment;
end $$;
COMMENT ON FUNCTION glow_api.own_experiment(experiment_id text, caller glow_api.caller) IS 'An experiment of an agent that is the login''s own; another tenant''s does not exist.';
REVOKE ALL ON FUNCTION glow_api.own_experiment(experiment_id text, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.pause_experiment(experiment_id text, reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.pause_experiment(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.pause_experiment(experiment_id text, reason text) IS 'Nobody new enters an experiment; who is in keeps the arm.';
REVOKE ALL ON FUNCTION glow_api.pause_experiment(experiment_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.pause_experiment(experiment_id text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.pause_rollout(experiment_id text, reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.pause_rollout(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.pause_rollout(experiment_id text, reason text) IS 'Nobody new enters a rollout; who is in stays.';
REVOKE ALL ON FUNCTION glow_api.pause_rollout(experiment_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.pause_rollout(experiment_id text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.personal_places() RETURNS SETOF glow_api.personal_place
    LANGUAGE sql IMMUTABLE
    AS $$
  values
    ('agent_feedback', null::text[], null::text, null::text, null::text, null::text[], null::text,
        'Votes on others'' executions stay under a pseudonym, without comment, correction and free issues; what has only text, and votes on the person''s own executions, is deleted. Votes of others on those stay without text.'),
    ('agent_config_history', '{moved_by}', 'pseudonym', null, null, null, null, 'Stays.'),
    ('agent_configs', null, null, null, null, null, null, 'Written by engineers: not personal.'),
    ('agents', null, null, null, null, null, null, 'Written by engineers: not personal.'),
    ('annotation_reports', null, null, null, null, null, 'leaves', 'Names of the person in it are replaced; the figures stay.'),
    ('call_samples', null, null, null, null, null, null, 'Names of logins: not personal.'),
    ('chunk_successors', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('chunkings', null, null, null, null, null, null, 'Numbers: how documents are cut.'),
    ('chunks', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('correction_patterns', null, null, null, null, null, 'delete',
        'Deleted where the person''s corrections, or corrections of what they were answered, are among those they were found in.'),
    ('correction_snapshots', null, null, null, null, null, null, 'Numbers only; patterns that were deleted are found anew.'),
    ('curation_policies', '{set_by}', 'pseudonym', null, null, null, null, 'Stays.'),
    ('current_feedback', null, null, null, null, null, null, 'As agent_feedback.'),
    ('dataset_examples', null, null, null, null, null, null, 'Numbers only; the rows stay, so that a version can be explained.'),
    ('dataset_exports', null, null, null, null, null, null, 'Files of a revoked version are deleted; their rows stay as erased.'),
    ('datasets_in_force', null, null, null, null, null, null, 'A revoked version is taken out of force at once, its successor put in.'),
    ('demonstration_inputs', null, null, null, null, null, null, 'Deleted with its demonstration.'),
    ('demonstrations', '{expert}', 'delete', null, null, null, null, 'Deleted: nothing but the expert''s text.'),
    ('documents', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('draft_rows', null, null, null, null, null, null, 'Numbers and hashes, for as long as a dataset is being built.'),
    ('embedding_training_pairs', null, null, null, null, null, null,
        'Deleted where the query is the person''s words alone; else the person''s searches leave event_ids.'),
    ('embeddings', null, null, null, null, null, null, 'Those of erased texts are deleted.'),
    ('erased_subjects', null, null, null, null, null, null, 'An HMAC of the person, so that no import brings them back.'),
    ('erasure_key', null, null, null, null, null, null, 'The key of that HMAC.'),
    ('erasure_probes', null, null, null, null, null, null, 'What an unfinished erasure looks for; deleted with its last task.'),
    ('erasure_tasks', null, null, null, null, null, null, 'Numbers and our own names.'),
    ('erasures', null, null, null, null, null, null, 'An HMAC of the person, never the content.'),
    ('evaluations', null, null, null, null, null, 'delete',
        'Deleted for erased examples and for prompts that held them, and where an answer quotes an erased text.'),
    ('execution_inputs', null, null, null, null, null, null, 'Deleted with its execution.'),
    ('execution_keys', null, null, null, null, null, null, 'Deleted; where a judgement stands on it, a pseudonym stays.'),
    ('executions', null, null, null, null, null, null, 'Deleted, with those of the same conversation that name nobody.'),
    ('experiment_folds', null, null, null, null, null, null, 'Numbers only; what the person''s rows were part of is counted anew.'),
    ('experiment_looks', null, null, null, null, null, null, 'Numbers only.'),
    ('experiment_sums', null, null, null, null, null, null, 'Deleted; of others with their exposures.'),
    ('expert_annotations', '{reviewer}', 'pseudonym', 'execution_id', 'rename', '{output,notes,idempotency_key,payload_hash}', null,
        'The verdict stays: under a pseudonym where the person gave it, without text also where it is about the person''s execution.'),
    ('exposures', null, null, null, null, null, null, 'Deleted, with those of the person''s sessions and executions; of others when the executions of an ended experiment are.'),
    ('feedback_keys', null, null, null, null, null, null, 'Deleted.'),
    ('gate_levels', null, null, null, null, null, null, 'Numbers and hashes only.'),
    ('heard_inputs', null, null, null, null, null, null,
        'Deleted for every question of the person, or that the person spoke of; the next curation hears it anew.'),
    ('import_refusals', null, null, null, null, null, 'leaves', 'Message, field, hint and row are emptied; line and code stay.'),
    ('import_batches', null, null, null, null, null, null, 'Deleted.'),
    ('holdouts', null, null, null, null, null, null, 'Shares of everybody: not personal.'),
    ('imports', null, null, null, null, null, 'leaves', 'Names of files that hold the person''s id or words are emptied.'),
    ('index_entries', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('index_postings', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('index_terms', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('judge_calibrations', null, null, null, null, null, null, 'Numbers, and a rubric of our own.'),
    ('learning_examples', null, null, null, null, null, null,
        'A row whose text came from the person loses input, target, the output it replaced, domain, language and what its quality was made of, is rejected and closed. Its hashes stay.'),
    ('learning_experiments', null, null, null, null, null, null, 'Stopped where a prompt under test lost a part.'),
    ('learning_inputs', null, null, null, null, null, null,
        'The hash and the group stay; the conversation goes, and where nobody else asked the same also sketch and embedding.'),
    ('live_chunks', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('logins', '{person}', 'pseudonym', null, null, '{note}', null, 'A login bound to the person may speak for nobody any more.'),
    ('near_keys', null, null, null, null, null, null, 'Deleted where nobody else asked the same.'),
    ('notifications', null, null, null, null, null, 'leaves', 'What it quotes is emptied.'),
    ('partition_upkeep', null, null, null, null, null, null, 'A lock.'),
    ('prompt_alias_history', '{moved_by}', 'pseudonym', null, null, null, 'leaves', 'Stays; what a reason quotes is emptied.'),
    ('prompt_aliases', null, null, null, null, null, null,
        'production and previous move to a version without the parts; a candidate is taken back, since no gate has seen that version.'),
    ('prompt_gates', null, null, null, null, null, 'leaves', 'Counts and hashes stay.'),
    ('prompt_lineage', null, null, null, null, null, null, 'Stays; ids of executions become pseudonyms.'),
    ('prompt_optimizations', null, null, null, null, null, 'leaves', 'Inputs, corrections and prompts it quotes are emptied.'),
    ('prompt_rule_counts', null, null, null, null, null, 'delete', 'Deleted with its rule, and where its text quotes an erased one.'),
    ('prompt_versions', null, null, null, null, null, null,
        'Demonstrations and rules that rest on erased examples are taken out, and an instruction that a model wrote from the person''s words; the version is marked erased, one without them takes its place.'),
    ('requests', '{requested_by}', 'pseudonym', null, null, null, 'leaves', 'The request stays.'),
    ('responses', null, null, null, null, null, 'delete', 'Deleted where the answer quotes an erased text.'),
    ('retention_policies', '{set_by}', 'pseudonym', null, null, null, null, 'Stays.'),
    ('retrieval_adapters', null, null, null, null, null, null, 'Numbers only.'),
    ('retrieval_alias_history', '{moved_by}', 'pseudonym', null, null, null, 'leaves', 'Stays; what a reason quotes is emptied.'),
    ('retrieval_aliases', null, null, null, null, null, null, 'Not personal.'),
    ('retrieval_expansions', null, null, null, null, null, null,
        'Deleted where it was learned from the person''s searches alone; else those leave event_ids.'),
    ('retrieval_indexes', null, null, null, null, null, null, 'Numbers of the company''s documents: not personal.'),
    ('retrieval_shifts', null, null, null, null, null, null, 'Numbers only.'),
    ('retrieval_configurations', null, null, null, null, null, null, 'Numbers only.'),
    ('retrieval_events', null, null, null, null, null, null, 'Deleted.'),
    ('retrieval_gates', null, null, null, null, null, 'leaves', 'Counts stay.'),
    ('retrieval_hits', null, null, null, null, null, null, 'Deleted.'),
    ('retrieval_keys', null, null, null, null, null, null, 'Deleted.'),
    ('retrieval_memory', null, null, null, null, null, null, 'As embedding_training_pairs.'),
    ('retrieval_questions', null, null, null, null, null, null, 'Follows retrieval_memory, row by row.'),
    ('retrieval_queries', null, null, null, null, null, null, 'Deleted where nobody else asked the same.'),
    ('retrieval_signals', null, null, null, null, null, null, 'Deleted.'),
    -- Items before comparisons: their slots, which go with them, refer to comparisons.
    ('review_items', null, null, 'execution_id', 'delete', null, null,
        'Deleted where it asks about the person''s execution, or compares an answer with one that only the person gave.'),
    ('comparisons', '{reviewer}', 'pseudonym', 'execution_id', 'delete', '{notes,idempotency_key,payload_hash}', null,
        'What the person preferred stays, under a pseudonym and without notes; deleted with its item.'),
    ('review_events', '{reviewer}', 'pseudonym', 'execution_id', 'rename', '{reason}', null,
        'Who did what when stays, under pseudonyms of person and execution; reasons the person gave, or given on the person''s execution, go.'),
    ('review_passes', '{reviewer}', 'pseudonym', null, null, null, null, 'Stays; deleted with its item.'),
    ('review_policies', '{set_by}', 'pseudonym', null, null, null, null, 'Stays.'),
    ('review_slots', '{reviewer}', 'pseudonym', null, null, null, null, 'Stays; deleted with its item.'),
    ('reviewer_reliability', null, null, null, null, null, null, 'What the person''s word counts goes on under the pseudonym.'),
    ('rollout_moves', '{moved_by}', 'pseudonym', null, null, null, 'leaves', 'Stays; what a reason quotes is emptied.'),
    ('rollouts', null, null, null, null, null, null, 'Written by engineers: not personal. What a reason quotes stands in rollout_moves too.'),
    ('score_cache', null, null, null, null, null, null, 'Hashes and numbers.'),
    ('source_spans', null, null, null, null, null, null, 'Stay; ids of executions become pseudonyms.'),
    ('split_assignments', null, null, null, null, null, null, 'Hashes only; a group keeps its split for ever.'),
    ('stale_inputs', null, null, null, null, null, null, 'Numbers and our own words.'),
    ('success_metrics', null, null, null, null, null, null, 'Numbers only.'),
    ('test_spends', null, null, null, null, null, null, 'Hashes only.'),
    ('token_keys', null, null, null, null, null, null, 'Keys: not personal.'),
    ('training_datasets', null, null, null, null, null, 'leaves', 'A version that holds an erased row is revoked; its statistics lose answers, domains and what checks found, its hash stays.'),
    ('training_run_events', null, null, null, null, null, 'leaves', 'What a service answered stays, but for what it quotes.'),
    ('training_runs', null, null, null, null, null, 'leaves', 'Runs on a revoked version are marked retrain_due_at: the weights are the provider''s.'),
    ('vote_days', null, null, null, null, null, null, 'Numbers only.'),
    ('watermarks', null, null, null, null, null, null, 'Numbers only.')
$$;
COMMENT ON FUNCTION glow_api.personal_places() IS 'Every table, whether a person''s data may be in it, and what erasure does there.';
REVOKE ALL ON FUNCTION glow_api.personal_places() FROM PUBLIC;

CREATE FUNCTION glow_api.plan_experiment(agent text, effect double precision DEFAULT 0.05, unit text DEFAULT 'user'::text, days integer DEFAULT 7, enroll_ppm integer DEFAULT 1000000, treatment_ppm integer DEFAULT 500000, confidence double precision DEFAULT 0.95, minimum_users integer DEFAULT 1000) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if effect is null or not (effect between 0.001 and 0.5) then
    perform glow_api.refuse('PT422', 'effect', effect::text, 'the smallest difference worth finding, from 0.001 to 0.5 (0.05: five points)');
  elsif unit is null or unit not in ('user', 'org', 'session', 'execution') then
    perform glow_api.refuse('PT422', 'unit', unit, 'user, org, session or execution');
  elsif days is null or days not between 7 and 28 then
    perform glow_api.refuse('PT422', 'days', days::text, 'a number of days from 7 to 28: whole weeks look alike');
  elsif enroll_ppm is null or enroll_ppm not between 1 and 1000000 then
    perform glow_api.refuse('PT422', 'enroll_ppm', enroll_ppm::text, 'a share in parts per million, from 1 to 1000000');
  elsif treatment_ppm is null or treatment_ppm not between 1 and 999999 then
    perform glow_api.refuse('PT422', 'treatment_ppm', treatment_ppm::text, 'a share in parts per million, from 1 to 999999');
  elsif confidence is null or not (confidence between 0.8 and 0.999) then
    perform glow_api.refuse('PT422', 'confidence', confidence::text, 'that of AB_TEST_CONFIDENCE_THRESHOLD, from 0.8 to 0.999');
  elsif minimum_users is null or minimum_users not between 2 and 100000000 then
    perform glow_api.refuse('PT422', 'minimum_users', minimum_users::text, 'that of AB_TEST_MIN_SAMPLE_SIZE, from 2 to 100000000');
  end if;
  return glow_api.plan_of(agent, effect, unit, days, enroll_ppm, treatment_ppm, confidence, minimum_users);
end $$;
COMMENT ON FUNCTION glow_api.plan_experiment(agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer, confidence double precision, minimum_users integer) IS 'What an experiment on the share of thumbs up would show with this agent''s traffic, as the plan says it that is frozen at the start: days are at least those given and as many as the effect needs, up to 28; the smallest difference it finds in them (80 % power, daily looks), the users the wanted one needs, and in options what randomising by session or execution, or adjusting for what users said before (cuped), would buy. confidence and minimum_users: what the pipeline is set to (AB_TEST_CONFIDENCE_THRESHOLD, AB_TEST_MIN_SAMPLE_SIZE).';
REVOKE ALL ON FUNCTION glow_api.plan_experiment(agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer, confidence double precision, minimum_users integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.plan_experiment(agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer, confidence double precision, minimum_users integer) TO glow_engineer;

CREATE FUNCTION glow_api.plan_of(agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer, confidence double precision DEFAULT 0.95, minimum_users integer DEFAULT 1000) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
declare
  z constant double precision := glow_api.normal_quantile((1 + confidence) / 2) + glow_api.normal_quantile(0.8);
  share constant double precision := enroll_ppm / 1e6;
  treated constant double precision := treatment_ppm / 1e6;
  t record;
  choice record;
  daily double precision;        -- users who enter
  population double precision;   -- users there are
  p double precision := 0.5;
  votes double precision := 1;   -- of one user
  alike double precision := 1;   -- how alike they are
  weighted double precision;     -- how many a vote finds its user to have
  variance double precision;     -- of the difference, of one user
  looks integer := 1;
  needed double precision;
  users double precision;        -- needed, or the minimum where that is more
  planned integer;
  most integer;                  -- the last day, extensions included
  arriving double precision;     -- by the planned day
  at_most double precision;      -- by the last
  shows double precision;        -- smallest effect of users, that one needs variance 1
  detectable double precision;
  at_best double precision;
  reachable boolean;
  wanted double precision;       -- the effect as it was asked for
  asked text;
  will text;
  minimum text := format('%s users (AB_TEST_MIN_SAMPLE_SIZE)', glow_api.written_count(minimum_users));
  summary text;
  options jsonb := '[]';
  warnings jsonb := '[]';
begin
  select * into t from glow.experiment_traffic(
    agent, 'thumbs_up_rate', unit, clock_timestamp() - interval '28 days', clock_timestamp(),
    clock_timestamp() - interval '14 days', null, null, null);
  daily := greatest(t.people, 1) / 28.0::double precision * share;
  population := greatest(t.people, 1) * share;
  if t."values" > 0 then
    votes := t.rated_per_user;
    -- Half a vote each way: a share of 0 or 1 among few does not make planning impossible.
    p := (t.ratio * t."values" + 0.5) / (t."values" + 1);
  end if;
  weighted := votes * (1 + coalesce((t.rated_deviation / nullif(t.rated_per_user, 0)) ^ 2, 0));
  -- One-way ANOVA. Where nobody voted twice nothing is known: 1.
  if t.raters >= 2 and t."values" > t.raters then
    select case when b + (size - 1) * w > 0 then least(1, greatest(0, (b - w) / (b + (size - 1) * w))) else 0 end into alike
      from (select t.within_people / (t."values" - t.raters) as w, t.between_people / (t.raters - 1) as b,
                   (t."values" - t.squared_counts / t."values") / (t.raters - 1) as size) m;
  end if;
  wanted := effect;
  effect := least(effect, 0.9 * (1 - p));
  variance := p * (1 - p) / (votes * treated * (1 - treated));
  variance := variance * case unit when 'execution' then 1
    else greatest(1, 1 + (weighted / case unit when 'session' then greatest(1, coalesce(t.sessions_per_user, 1)) else 1 end - 1) * alike) end;
  -- More users mean more days, and more days more looks.
  for i in 1..3 loop
    needed := ceil(variance * glow_api.looks_cost(looks) * (z / effect) ^ 2 - 1e-9);
    users := greatest(needed, minimum_users);
    planned := least(greatest(days, ceil(users / daily)), 28);
    exit when planned - days + 1 <= looks;
    looks := planned - days + 1;
  end loop;
  most := planned * (1 + greatest(1, 28 / planned - 1));
  arriving := greatest(1, least(daily * planned, population));
  at_most := greatest(1, least(daily * most, population));
  reachable := users <= population and users <= daily * most;
  shows := z * sqrt(glow_api.looks_cost(looks));
  detectable := shows * sqrt(variance / arriving);
  at_best := shows * sqrt(variance / at_most);

  for choice in
    select w.way, w.design, w.left_over, w.design * w.left_over * p * (1 - p) / (votes * treated * (1 - treated)) as variance, w.means
      from (select named as way, means, left_over, greatest(1, 1 + (weighted / parts - 1) * alike) as design
              from (values ('user', 1.0::double precision, 1.0::double precision, null),
                           ('session', greatest(1, coalesce(t.sessions_per_user, 1)), 1,
                            'randomising sessions (stateless variants only)'),
                           ('execution', weighted, 1, 'randomising executions (stateless variants only)'),
                           ('cuped', case unit when 'session' then greatest(1, coalesce(t.sessions_per_user, 1))
                                               when 'execution' then weighted else 1 end,
                            1 - t.pre_post_correlation ^ 2, 'adjusting for each user''s time before (CUPED)')
                   ) v(named, parts, left_over, means)) w
     where w.left_over is not null and (w.way <> 'cuped' or w.left_over < 1)
       and (w.way <> 'session' or t.sessions_per_user > 1) and (w.way <> 'execution' or votes > 1)
  loop
    options := options || jsonb_strip_nulls(jsonb_build_object(
      'way', choice.way, 'design_effect', choice.design, 'variance_left', choice.left_over, 'error_ratio', sqrt(choice.variance / variance),
      'detectable', case when p + shows * sqrt(choice.variance / arriving) < 1 then shows * sqrt(choice.variance / arriving) end,
      'users_needed', ceil(choice.variance * (shows / effect) ^ 2 - 1e-9),
      'days_needed', case when greatest(ceil(choice.variance * (shows / effect) ^ 2 - 1e-9), minimum_users) <= population
        then greatest(days, ceil(greatest(ceil(choice.variance * (shows / effect) ^ 2 - 1e-9), minimum_users) / daily)) end,
      -- Only what is finer than the unit would help.
      'means', case when choice.way = 'cuped' or unit = 'user' or (choice.way, unit) = ('execution', 'session') then choice.means end));
  end loop;

  -- As learning/experiments/feasibility says it.
  asked := glow_api.written_points(effect);
  will := format('%s will have come by day %s, the last', glow_api.written_count(at_most), most);
  summary := format('a difference of %s in thumbs up needs %s users of both arms together, about %s days',
                    asked, glow_api.written_count(needed), glow_api.written_count(ceil(needed / daily)));
  if needed < minimum_users then
    summary := summary || format('; no decision is made on fewer than %s (AB_TEST_MIN_SAMPLE_SIZE), about %s days',
                                 glow_api.written_count(minimum_users), glow_api.written_count(ceil(minimum_users / daily)));
  end if;
  if not reachable then
    summary := summary || format('; only %s users are there by day %s', glow_api.written_count(at_most), most)
      || case when p + at_best >= 1 then ', too few to show any difference'
              when minimum_users <= at_most then ', enough for a difference of ' || glow_api.written_points(at_best) else '' end;
  end if;
  if needed > at_most then
    warnings := warnings || to_jsonb(format('hopeless as planned: %s needs %s users (about %s days) and %s; ',
        asked, glow_api.written_count(needed), glow_api.written_count(ceil(needed / daily)), will)
      || case when minimum_users > at_most then format('no decision is made on fewer than %s (AB_TEST_MIN_SAMPLE_SIZE)', glow_api.written_count(minimum_users))
              when p + at_best < 1 then format('it can show %s at best', glow_api.written_points(at_best))
              else 'it can show no difference that is possible at all' end);
  elsif minimum_users > at_most then
    warnings := warnings || to_jsonb(format('hopeless as planned: no decision is made on fewer than %s, and %s; %s in thumbs up needs only %s',
      minimum, will, asked, glow_api.written_count(needed)));
  elsif users > daily * planned then
    warnings := warnings || to_jsonb(format('slow: %s %s days, so extensions will be used',
      case when needed = users then asked || ' needs' else minimum || ' take' end, glow_api.written_count(ceil(users / daily))));
  end if;
  if warnings <> '[]' and not (needed <= at_most and at_most < minimum_users) then
    warnings := warnings || coalesce((select jsonb_agg(format('%s would take the standard error to %s %% and show %s in the planned time',
        o ->> 'means', round((100 * (o ->> 'error_ratio')::double precision)::numeric),
        coalesce('a difference of ' || glow_api.written_points((o ->> 'detectable')::double precision), 'still nothing')) order by n)
      from jsonb_array_elements(options) with ordinality each(o, n)
     where o ->> 'means' is not null and (o ->> 'error_ratio')::double precision <= 0.95), '[]');
  end if;
  if effect < wanted then
    warnings := jsonb_build_array(format('%s of thumbs up cannot be gained from %s %%: planned for %s, nine tenths of what there is',
      glow_api.written_points(wanted), round((100 * p)::numeric, 1), asked)) || warnings;
  end if;
  return jsonb_build_object(
    'agent', agent, 'metric', 'thumbs_up_rate', 'effect', effect, 'unit', unit, 'days', planned, 'maximum_days', most,
    'confidence', confidence, 'minimum_users', minimum_users, 'users', floor(arriving), 'users_in_28_days', t.people,
    'executions', round(t.people * coalesce(t.executions_per_user, 0)), 'votes', t."values", 'baseline', p,
    'intra_user_correlation', alike, 'design_effect', variance * votes * treated * (1 - treated) / (p * (1 - p)),
    'detectable', case when p + detectable < 1 then detectable end, 'users_needed', needed, 'days_needed', ceil(users / daily),
    'reachable', reachable, 'warnings', warnings, 'summary', summary,
    'options', (select coalesce(jsonb_agg(o - 'means'), '[]') from jsonb_array_elements(options) o));
end $$;
COMMENT ON FUNCTION glow_api.plan_of(agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer, confidence double precision, minimum_users integer) IS 'What an experiment on the share of thumbs up can show, in the time that the effect needs: n = p(1-p)(z/effect)^2 / (votes per user x q(1-q)) users of both arms, times the design effect 1 + (m - 1)ICC of votes that are alike.';
REVOKE ALL ON FUNCTION glow_api.plan_of(agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer, confidence double precision, minimum_users integer) FROM PUBLIC;

CREATE FUNCTION glow_api.plan_search(agent text, configuration text) RETURNS glow_api.search_plan
    LANGUAGE plpgsql STABLE
    AS $$
declare
  plan glow_api.search_plan;
begin
  select c.agent, c.configuration, c.parameters, c.chunking, c.model, i.index_number, i.dimensions, i.chunks, i.dense_floor
    into plan
    from glow.retrieval_configurations c
    left join glow.retrieval_indexes i on i.agent = c.agent and i.chunking = c.chunking and i.model = c.model and i.state = 'ready'
   where c.agent = plan_search.agent and c.configuration = coalesce(plan_search.configuration, (
     select a.configuration from glow.retrieval_aliases a where a.agent = plan_search.agent and a.alias = 'production'));
  if plan.configuration is null and configuration is not null then
    perform glow_api.refuse('PT404', 'configuration', configuration, 'a retrieval configuration of this agent');
  elsif plan.configuration is null then
    perform glow_api.refuse('PT404', 'agent', agent, 'an agent whose documents are indexed; see put_document');
  elsif plan.index_number is null then
    perform glow_api.refuse('PT409', 'configuration', plan.configuration, 'a configuration whose index is ready');
  elsif plan.parameters ->> 'version' <> 'floor-1' then
    perform glow_api.refuse('PT409', 'configuration', plan.parameters ->> 'version', 'parameters of the version floor-1');
  end if;
  return plan;
end $$;
COMMENT ON FUNCTION glow_api.plan_search(agent text, configuration text) IS 'A configuration of an agent, by default that in force, with its index. Refuses what cannot be searched.';
REVOKE ALL ON FUNCTION glow_api.plan_search(agent text, configuration text) FROM PUBLIC;

CREATE FUNCTION glow_api.policy_problem(pii text, secrets text, keep text[], languages text[], shortest_input integer, shortest_target integer) RETURNS glow_api.problem
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  -- As in learning/datasets (screens.personal.NAMES, language.LANGUAGES); a test compares them.
  personal constant text[] := array[
    'e-mail', 'IBAN', 'card', 'US social security number', 'Swiss social security number', 'French social security number',
    'German tax number', 'UK insurance number', 'Spanish identity number', 'Italian fiscal code', 'passport', 'birth date',
    'IP address', 'phone', 'name'];
  told constant text[] := '{ar,bg,cs,da,de,el,en,es,fa,fi,fr,he,hi,hu,id,it,ja,ko,nb,nl,pl,pt,ro,ru,sv,th,tr,uk,zh,und}';
begin
  if pii is null or pii not in ('redact', 'quarantine') then
    return row('PT422', 'pii', pii, 'redact or quarantine')::glow_api.problem;
  elsif secrets is null or secrets not in ('redact', 'quarantine') then
    return row('PT422', 'secrets', secrets, 'redact or quarantine')::glow_api.problem;
  elsif keep is null or array_position(keep, null) is not null or not keep <@ personal then
    return row('PT422', 'keep', keep::text, 'any of ' || array_to_string(personal, ', '))::glow_api.problem;
  elsif cardinality(languages) = 0 or array_position(languages, null) is not null or not languages <@ told then
    return row('PT422', 'languages', languages::text, 'null for all, or some of ' || array_to_string(told, ', '))::glow_api.problem;
  elsif shortest_input is null or shortest_input not between 1 and 20000 then
    return row('PT422', 'shortest_input', shortest_input::text, 'a number from 1 to 20000')::glow_api.problem;
  elsif shortest_target is null or shortest_target not between 1 and 20000 then
    return row('PT422', 'shortest_target', shortest_target::text, 'a number from 1 to 20000')::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.policy_problem(pii text, secrets text, keep text[], languages text[], shortest_input integer, shortest_target integer) IS 'What is wrong with a curation policy, or null.';
REVOKE ALL ON FUNCTION glow_api.policy_problem(pii text, secrets text, keep text[], languages text[], shortest_input integer, shortest_target integer) FROM PUBLIC;

CREATE FUNCTION glow_api.probes(erasure_id bigint, kind text) RETURNS SETOF text
    LANGUAGE sql STABLE
    AS $$
  select p.value from glow.erasure_probes p where p.erasure_id = probes.erasure_id and p.kind = probes.kind
$$;
COMMENT ON FUNCTION glow_api.probes(erasure_id bigint, kind text) IS 'What an erasure looks for, of one kind.';
REVOKE ALL ON FUNCTION glow_api.probes(erasure_id bigint, kind text) FROM PUBLIC;

CREATE FUNCTION glow_api.prompt_history(agent text, most integer DEFAULT 100) RETURNS TABLE(move_id bigint, alias text, prompt_version text, previous text, revision integer, kind text, moved_by text, reason text, gate_id text, experiment_id text, moved_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select h.move_id, h.alias, h.prompt_version, h.previous, h.revision, h.kind, h.moved_by, h.reason, h.gate_id, h.experiment_id,
         h.moved_at
    from glow.prompt_alias_history h where h.agent = prompt_history.agent
   order by h.move_id desc limit most;
end $$;
COMMENT ON FUNCTION glow_api.prompt_history(agent text, most integer) IS 'Every move of an agent''s aliases (production, candidate, previous), the newest first: who, why, and the gate and experiment behind it. Without a prompt_version the alias was taken back.';
REVOKE ALL ON FUNCTION glow_api.prompt_history(agent text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.prompt_history(agent text, most integer) TO glow_engineer;

CREATE FUNCTION glow_api.prompts(agent text, most integer DEFAULT 100) RETURNS TABLE(prompt_version text, aliases text[], operator text, parent text, reason text, rules integer, demonstrations integer, tokens integer, operator_model text, created_at timestamp with time zone, erased_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select p.prompt_version,
         array(select a.alias from glow.prompt_aliases a
                where a.agent = p.agent and a.prompt_version = p.prompt_version order by a.alias),
         p.operator, p.parent, p.reason, coalesce(jsonb_array_length(p.prompt -> 'rules'), 0),
         coalesce(jsonb_array_length(p.prompt -> 'demonstrations'), 0), p.tokens::integer, p.operator_model::text, p.created_at, p.erased_at
    from glow.prompt_versions p where p.agent = prompts.agent
   order by p.created_at desc, p.prompt_version limit most;
end $$;
COMMENT ON FUNCTION glow_api.prompts(agent text, most integer) IS 'The prompt versions of an agent, the newest first: which aliases point there, what made them of which, and why.';
REVOKE ALL ON FUNCTION glow_api.prompts(agent text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.prompts(agent text, most integer) TO glow_engineer;

CREATE FUNCTION glow_api.pseudonym(erasure_id bigint, tenant text, id text, digits integer DEFAULT 12) RETURNS text
    LANGUAGE sql STABLE
    RETURN ('erased-'::text || "left"(encode(glow_api.subject_hash(tenant, ((('pseudonym-'::text || erasure_id) || '-'::text) || id)), 'hex'::text), digits));
COMMENT ON FUNCTION glow_api.pseudonym(erasure_id bigint, tenant text, id text, digits integer) IS 'What stands for an erased id from one erasure on.';
REVOKE ALL ON FUNCTION glow_api.pseudonym(erasure_id bigint, tenant text, id text, digits integer) FROM PUBLIC;

CREATE FUNCTION glow_api.put_document(agent text, document_id text, title text, body text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.enter(0, octet_length(body));
  perform glow_api.require_librarian(agent, tenant, 1);
  return glow_api.answered(glow_api.record_document(agent, document_id, title, body));
end $$;
COMMENT ON FUNCTION glow_api.put_document(agent text, document_id text, title text, body text, tenant text) IS 'Writes a document of an agent''s knowledge base, in place of the one with this id. It is searched as soon as the pipeline has indexed it; until then its old version is. Answers accepted, or unchanged where it is the same already. Of an agent that belongs to no tenant only a login that serves all tenants may change documents.';
REVOKE ALL ON FUNCTION glow_api.put_document(agent text, document_id text, title text, body text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.put_document(agent text, document_id text, title text, body text, tenant text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.put_document(agent text, document_id text, title text, body text, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.put_documents(agent text, documents jsonb, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  answers jsonb := '[]';
  document jsonb;
begin
  perform glow_api.enter(0, octet_length(documents::text));
  if documents is null or jsonb_typeof(documents) <> 'array' or jsonb_array_length(documents) > 1000 then
    perform glow_api.refuse('PT422', 'documents', left(documents::text, 80), 'an array of at most 1000 documents');
  end if;
  perform glow_api.require_librarian(agent, tenant, jsonb_array_length(documents));
  for document in select * from jsonb_array_elements(documents) loop
    if jsonb_typeof(document) <> 'object' or document - '{document_id,title,body}'::text[] <> '{}'
       or exists (select from jsonb_each(document) field where jsonb_typeof(field.value) <> 'string') then
      answers := answers || glow_api.refused(row('PT400', 'documents', left(document::text, 80),
        'objects with the texts document_id, title and body')::glow_api.problem);
    else
      answers := answers || glow_api.record_document(agent, document ->> 'document_id', document ->> 'title', document ->> 'body');
    end if;
  end loop;
  return answers;
end $$;
COMMENT ON FUNCTION glow_api.put_documents(agent text, documents jsonb, tenant text) IS 'put_document for many: [{"document_id", "title", "body"}, …]. Answers one receipt for each, in order; one that is refused does not stop the others.';
REVOKE ALL ON FUNCTION glow_api.put_documents(agent text, documents jsonb, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.put_documents(agent text, documents jsonb, tenant text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.put_documents(agent text, documents jsonb, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.query_vector(plan glow_api.search_plan, query text, embedding double precision[]) RETURNS public.vector
    LANGUAGE plpgsql STABLE
    AS $$
declare
  vector public.vector;
begin
  if embedding is null then
    select public.l2_normalize(e.embedding) into vector from glow.embeddings e
     where e.model = plan.model and e.content_hash = encode(sha256(convert_to(query, 'UTF8')), 'hex')
       and public.vector_dims(e.embedding) = plan.dimensions;
    return vector;
  end if;
  begin
    vector := public.l2_normalize(embedding::public.vector);
  exception when data_exception or program_limit_exceeded or array_subscript_error or null_value_not_allowed then
    vector := null;
  end;
  if vector is null or public.vector_dims(vector) <> plan.dimensions then
    perform glow_api.refuse('PT422', 'embedding', coalesce(cardinality(embedding), 0) || ' numbers',
      format('%s finite numbers: the query as %s embeds it', plan.dimensions, plan.model));
  elsif public.vector_norm(vector) = 0 then
    perform glow_api.refuse('PT422', 'embedding', 'zeros alone', 'a vector with a direction: the query as ' || plan.model || ' embeds it');
  end if;
  return vector;
end $$;
COMMENT ON FUNCTION glow_api.query_vector(plan glow_api.search_plan, query text, embedding double precision[]) IS 'The vector of a query: as given, or that of the same text in the cache.';
REVOKE ALL ON FUNCTION glow_api.query_vector(plan glow_api.search_plan, query text, embedding double precision[]) FROM PUBLIC;

CREATE FUNCTION glow_api.read_filters(filters jsonb, caller glow_api.caller) RETURNS glow_api.review_call
    LANGUAGE plpgsql STABLE
    AS $$
declare
  shape constant jsonb := '{"agent": "string", "kind": "string", "reason": "string", "state": "string"}';
  call glow_api.review_call;
  filter record;
  problem glow_api.problem;
begin
  if jsonb_typeof(coalesce(filters, '{}')) <> 'object' then
    perform glow_api.refuse('PT400', 'filters', left(filters::text, 80), 'an object such as {"agent": "expense-coder"}');
  end if;
  for filter in select * from jsonb_each(coalesce(filters, '{}')) loop
    if shape ->> filter.key is null then
      perform glow_api.refuse('PT400', 'filters.' || left(filter.key, 40), left(filter.value::text, 80), 'one of agent, kind, reason, state');
    elsif not glow_api.fits(filter.value, 'string') then
      perform glow_api.refuse('PT422', 'filters.' || filter.key, left(filter.value::text, 80), 'a text');
    end if;
  end loop;
  call := jsonb_populate_record(null::glow_api.review_call, filters);
  call.tenant := caller.tenant;
  call.reviewer := caller.person;
  if call.agent is not null then
    problem := glow_api.caller_problem(caller.tenant, caller.tenant, call.agent);
    if problem.code is not null then perform glow_api.refuse(problem); end if;
  end if;
  if call.kind not in ('judgement', 'comparison') then
    perform glow_api.refuse('PT422', 'filters.kind', call.kind, 'judgement or comparison');
  elsif call.reason not in ('low_vote', 'correction', 'disagreement', 'uncertainty', 'drift', 'control', 'manual') then
    perform glow_api.refuse('PT422', 'filters.reason', call.reason, 'low_vote, correction, disagreement, uncertainty, drift, control or manual');
  elsif call.state not in ('open', 'adjudicate') then
    perform glow_api.refuse('PT422', 'filters.state', call.state, 'open or adjudicate');
  elsif call.reason is not null and call.agent is not null and (glow.review_policy(call.agent)).blind then
    perform glow_api.refuse('PT403', 'filters.reason', call.reason, 'no reason: reviews of this agent are blind');
  end if;
  return call;
end $$;
COMMENT ON FUNCTION glow_api.read_filters(filters jsonb, caller glow_api.caller) IS 'The filters of a call; refuses what is none, and to choose by reason where reviews are blind.';
REVOKE ALL ON FUNCTION glow_api.read_filters(filters jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.read_token(token text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
declare
  content text := split_part(token, '.', 1);
  claims jsonb;
begin
  -- The payload is read before it is trusted, only to find its key; anything but an object of ours has none.
  begin
    claims := convert_from(glow_api.from_base64url(content), 'UTF8')::jsonb;
    if length(token) > 4000 or token is distinct from content || '.' || glow_api.base64url(glow_api.signature((claims ->> 'key')::integer, content)) then
      claims := null;
    end if;
  exception when others then
    claims := null;
  end;
  if claims is null then
    perform glow_api.refuse('PT401', 'token', left(token, 8), 'a token of issue_feedback_token, unchanged');
  elsif (claims ->> 'expires')::numeric < extract(epoch from clock_timestamp()) then
    perform glow_api.refuse('PT401', 'token', 'expired', 'a new token: this one has expired');
  end if;
  return claims;
end $$;
COMMENT ON FUNCTION glow_api.read_token(token text) IS 'What a token of ours says; refuses one that is forged, changed or expired.';
REVOKE ALL ON FUNCTION glow_api.read_token(token text) FROM PUBLIC;

CREATE FUNCTION glow_api.record_adjudication(call glow_api.annotation_call, caller glow_api.caller) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  problem glow_api.problem := glow_api.annotation_problem(call, caller);
  hash bytea := glow_api.payload_hash(jsonb_build_array('adjudication', call.execution_id, call.reviewer, call.verdict, call.output, call.notes));
  owner text;
  known glow.expert_annotations;
  before glow.expert_annotations;
  new_id bigint;
begin
  if problem.code is not null then return glow_api.refused(problem); end if;
  select k.agent into owner from glow.execution_keys k
   where k.tenant = call.tenant and k.execution_id = call.execution_id;
  if owner is null then
    return glow_api.refused(row('PT404', 'execution_id', call.execution_id, 'the id of a logged execution'));
  end if;
  if call.idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || owner || chr(31) || call.idempotency_key, 9));
    select a.* into known from glow.expert_annotations a
     where a.tenant = call.tenant and a.agent = owner and a.idempotency_key = call.idempotency_key;
    if known.payload_hash <> hash then
      return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key, 'a new key: this one was used for other contents'));
    elsif found then
      return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'replayed');
    end if;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || call.execution_id || chr(31) || call.reviewer, 8));
  perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || call.execution_id, 11));
  perform from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id order by i.item_id for no key update;
  select a.* into before from glow.expert_annotations a
   where a.tenant = call.tenant and a.execution_id = call.execution_id and a.role = 'adjudication' and a.superseded_by is null;
  if before.payload_hash = hash then
    new_id := before.annotation_id;
  else
    new_id := nextval(pg_get_serial_sequence('glow.expert_annotations', 'annotation_id'));
    update glow.expert_annotations a set superseded_by = new_id
     where a.tenant = call.tenant and a.execution_id = call.execution_id and a.superseded_by is null
       and (a.role = 'adjudication' or a.reviewer = call.reviewer);
    insert into glow.expert_annotations (
      annotation_id, tenant, execution_id, agent, reviewer, role, verdict, output, notes, idempotency_key, payload_hash)
    overriding system value
    values (new_id, call.tenant, call.execution_id, owner, call.reviewer, 'adjudication', call.verdict, call.output,
            call.notes, call.idempotency_key, hash);
  end if;
  -- Nobody is asked any more; whoever has it in hand may still say what they think.
  update glow.review_slots s set lease_until = 'infinity'
    from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id and s.item_id = i.item_id and s.filled_at is null
     and not i.gold;
  update glow.review_items i
     set decided_by = new_id, outcome = call.verdict, state = case when i.gold then i.state else 'closed' end,
         closed_at = case when not i.gold then coalesce(i.closed_at, clock_timestamp()) end
   where i.tenant = call.tenant and i.execution_id = call.execution_id;
  if before.annotation_id = new_id then
    return jsonb_build_object('annotation_id', new_id, 'status', 'unchanged');
  end if;
  insert into glow.review_events (tenant, item_id, agent, execution_id, reviewer, event)
  select i.tenant, i.item_id, i.agent, i.execution_id, call.reviewer, 'adjudicated' from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id;
  return jsonb_strip_nulls(jsonb_build_object(
    'annotation_id', new_id, 'status', 'accepted', 'supersedes', before.annotation_id));
end $$;
COMMENT ON FUNCTION glow_api.record_adjudication(call glow_api.annotation_call, caller glow_api.caller) IS 'Writes the decision on an execution, which beats all reviews of it, and closes its items.';
REVOKE ALL ON FUNCTION glow_api.record_adjudication(call glow_api.annotation_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_annotation(call glow_api.annotation_call, caller glow_api.caller) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  problem glow_api.problem := glow_api.annotation_problem(call, caller);
  hash bytea;
  known glow.expert_annotations;
  owner text;
  new_id bigint;
  item glow.review_items;
  slot glow.review_slots;
begin
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');
  hash := glow_api.payload_hash(jsonb_build_array(
    call.execution_id, call.reviewer, call.verdict, call.output, coalesce(call.dimensions, '{}'), call.notes));
  select k.agent into owner from glow.execution_keys k
   where k.tenant = call.tenant and k.execution_id = call.execution_id;
  if owner is null then
    return glow_api.refused(row('PT404', 'execution_id', call.execution_id, 'the id of a logged execution'));
  end if;
  if call.idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || owner || chr(31) || call.idempotency_key, 9));
  end if;
  perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || call.execution_id || chr(31) || call.reviewer, 8));

  if call.idempotency_key is not null then
    select a.* into known from glow.expert_annotations a
     where a.tenant = call.tenant and a.agent = owner and a.idempotency_key = call.idempotency_key;
    if found then
      if known.payload_hash <> hash then
        return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key,
          'a new key: this one was used for other contents'));
      end if;
      return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'replayed');
    end if;
  end if;

  select a.* into known from glow.expert_annotations a
   where a.tenant = call.tenant and a.execution_id = call.execution_id and a.reviewer = call.reviewer
     and a.superseded_by is null;
  if known.role = 'adjudication' then
    return glow_api.refused(row('PT409', 'reviewer', call.reviewer,
      'somebody else: this person has adjudicated the execution; see adjudicate'));
  end if;
  -- Always, also when no item is named: an item with this execution counts what is said of it.
  select i.* into item from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id and i.kind = 'judgement' for no key update;
  if call.item_id is not null and item.item_id is distinct from call.item_id then
    return glow_api.refused(row('PT404', 'item_id', call.item_id::text, 'the item_id that claim_annotation answered with this execution'));
  end if;
  if item.item_id is not null then
    slot := glow_api.slot_to_fill(item, call.reviewer, call.item_id is not null);
    if call.item_id is not null and slot.item_id is null then
      return glow_api.refused(glow_api.not_held(call.item_id));
    end if;
  end if;
  if known.payload_hash = hash then
    perform glow_api.fill_slot(item, slot, known.annotation_id, null);
    return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'unchanged');
  end if;

  new_id := nextval(pg_get_serial_sequence('glow.expert_annotations', 'annotation_id'));
  update glow.expert_annotations a set superseded_by = new_id where a.annotation_id = known.annotation_id;
  insert into glow.expert_annotations (
    annotation_id, tenant, execution_id, agent, reviewer, gold, verdict, output, dimensions, notes, idempotency_key,
    payload_hash)
  overriding system value
  values (new_id, call.tenant, call.execution_id, owner, call.reviewer, coalesce(item.gold, false), call.verdict,
          call.output, coalesce(call.dimensions, '{}'), call.notes, call.idempotency_key, hash);
  perform glow_api.fill_slot(item, slot, new_id, null);
  return jsonb_strip_nulls(jsonb_build_object(
    'annotation_id', new_id, 'status', 'accepted', 'supersedes', known.annotation_id));
end $$;
COMMENT ON FUNCTION glow_api.record_annotation(call glow_api.annotation_call, caller glow_api.caller) IS 'Writes an expert''s judgement, or says why not.';
REVOKE ALL ON FUNCTION glow_api.record_annotation(call glow_api.annotation_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_annotation_rows(rows jsonb, caller glow_api.caller) RETURNS TABLE(n bigint, result jsonb)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
begin
  return query
  select r.n, case when (r.misfit).code is null
                   then glow_api.record_annotation(jsonb_populate_record(null::glow_api.annotation_call, r.entry), caller)
                   else glow_api.refused(r.misfit) end
    from (select e.entry, e.n, m.problem as misfit
            from jsonb_array_elements(rows) with ordinality as e(entry, n)
            left join glow_api.misfits(rows, '{
    "execution_id": "string", "reviewer": "string", "verdict": "string", "output": "string", "dimensions": "object",
    "notes": "string", "idempotency_key": "string", "tenant": "string", "item_id": "integer"}') m using (n)
           order by e.entry ->> 'execution_id', e.entry ->> 'reviewer', e.n offset 0) r;
end $$;
COMMENT ON FUNCTION glow_api.record_annotation_rows(rows jsonb, caller glow_api.caller) IS 'Writes many annotations given as JSON objects; answers for each.';
REVOKE ALL ON FUNCTION glow_api.record_annotation_rows(rows jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_demonstration(call glow_api.demonstration_call, caller glow_api.caller) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  problem glow_api.problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
  hash bytea := glow_api.payload_hash(jsonb_build_array(call.expert, call.input, call.output, call.notes));
  known glow.demonstrations;
  new_id bigint;
begin
  if problem.code is null then
    problem := glow_api.id_problem('{expert,idempotency_key}', array[call.expert, call.idempotency_key], 1);
  end if;
  if problem.code is null and call.expert <> caller.person then
    problem := row('PT403', 'expert', call.expert, 'the person this login speaks for');
  end if;
  if problem.code is null and length(call.notes) > 10000 then
    problem := row('PT413', 'notes', length(call.notes) || ' characters', 'at most 10000 characters');
  end if;
  if problem.code is null then
    problem := coalesce(glow_api.text_problem('input', call.input, 1000000, true),
                        glow_api.text_problem('output', call.output, 1000000, true),
                        glow_api.text_problem('notes', call.notes, 40000));
  end if;
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');

  insert into glow.demonstrations as d (tenant, agent, expert, input, output, notes, idempotency_key, payload_hash)
  values (call.tenant, call.agent, call.expert, call.input, call.output, call.notes, call.idempotency_key, hash)
  on conflict (tenant, agent, idempotency_key) where idempotency_key is not null do nothing
  returning d.demonstration_id into new_id;
  if new_id is null then
    select d.* into known from glow.demonstrations d
     where d.tenant = call.tenant and d.agent = call.agent and d.idempotency_key = call.idempotency_key;
    if known.payload_hash <> hash then
      return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key,
        'a new key: this one was used for other contents'));
    end if;
    return jsonb_build_object('demonstration_id', known.demonstration_id, 'status', 'replayed');
  end if;
  return jsonb_build_object('demonstration_id', new_id, 'status', 'accepted');
end $$;
COMMENT ON FUNCTION glow_api.record_demonstration(call glow_api.demonstration_call, caller glow_api.caller) IS 'Writes a demonstration, or says why not.';
REVOKE ALL ON FUNCTION glow_api.record_demonstration(call glow_api.demonstration_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_demonstration_rows(rows jsonb, caller glow_api.caller) RETURNS TABLE(n bigint, result jsonb)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
begin
  return query
  select r.n, case when (r.misfit).code is null
                   then glow_api.record_demonstration(jsonb_populate_record(null::glow_api.demonstration_call, r.entry), caller)
                   else glow_api.refused(r.misfit) end
    from (select e.entry, e.n, m.problem as misfit
            from jsonb_array_elements(rows) with ordinality as e(entry, n)
            left join glow_api.misfits(rows, '{
    "agent": "string", "expert": "string", "input": "string", "output": "string", "notes": "string", "idempotency_key": "string",
    "tenant": "string"}') m using (n)
           order by e.n offset 0) r;
end $$;
COMMENT ON FUNCTION glow_api.record_demonstration_rows(rows jsonb, caller glow_api.caller) IS 'Writes many demonstrations given as JSON objects; answers for each.';
REVOKE ALL ON FUNCTION glow_api.record_demonstration_rows(rows jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_document(agent text, document_id text, title text, body text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  problem glow_api.problem := glow_api.document_problem(document_id, title, body);
  hash text;
  touched boolean;
begin
  if problem.code is not null then return glow_api.refused(problem); end if;
  hash := glow.document_hash(title, body);
  insert into glow.documents as d (agent, document_id, title, body, content_hash)
  values (record_document.agent, record_document.document_id, record_document.title, record_document.body, hash)
  on conflict on constraint documents_pkey do update
     set title = excluded.title, body = excluded.body, content_hash = excluded.content_hash, retired_at = null,
         updated_at = clock_timestamp()
   where d.content_hash <> excluded.content_hash or d.retired_at is not null;
  touched := found;
  return jsonb_build_object('document_id', document_id, 'content_hash', hash,
                            'status', case when touched then 'accepted' else 'unchanged' end);
end $$;
COMMENT ON FUNCTION glow_api.record_document(agent text, document_id text, title text, body text) IS 'Writes a document, or says why not.';
REVOKE ALL ON FUNCTION glow_api.record_document(agent text, document_id text, title text, body text) FROM PUBLIC;

CREATE FUNCTION glow_api.record_execution(call glow_api.execution_call, caller glow_api.caller) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  problem glow_api.problem;
  hash bytea;
  known glow.execution_keys;
  arrived timestamptz := clock_timestamp();
begin
  problem := glow_api.execution_problem(call, caller);
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');
  hash := glow_api.execution_hash(call);
  insert into glow.execution_keys (tenant, execution_id, agent, payload_hash, recorded_at)
  values (call.tenant, call.execution_id, call.agent, hash, arrived)
  on conflict do nothing;
  if not found then
    select k.* into known from glow.execution_keys k
     where k.tenant = call.tenant and k.execution_id = call.execution_id;
    if known.payload_hash <> hash then
      return glow_api.refused(row('PT409', 'execution_id', call.execution_id,
        'a new id: this one was logged with other contents'));
    end if;
    return jsonb_build_object('execution_id', call.execution_id, 'status', 'replayed');
  end if;
  insert into glow.executions (
    tenant, execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
    prompt_tokens, completion_tokens, cost_usd, metadata, started_at, recorded_at)
  values (
    call.tenant, call.execution_id, call.agent, call.input, call.output, call.user_id, call.conversation_id, call.channel,
    call.prompt_version, call.model, call.latency_ms, call.prompt_tokens, call.completion_tokens, call.cost_usd,
    coalesce(call.metadata, '{}'), glow_api.occurred(call.started_at, call.sent_at), arrived);
  return jsonb_build_object('execution_id', call.execution_id, 'status', 'accepted',
    'feedback_waiting', glow_api.feedback_waiting(call.tenant, call.execution_id, call.agent));
end $$;
COMMENT ON FUNCTION glow_api.record_execution(call glow_api.execution_call, caller glow_api.caller) IS 'Writes an execution, or says why not.';
REVOKE ALL ON FUNCTION glow_api.record_execution(call glow_api.execution_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_execution_rows(rows jsonb, caller glow_api.caller) RETURNS TABLE(n bigint, result jsonb)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  given record;
  arrived timestamptz := clock_timestamp();
begin
  for given in
    with called as materialized (
      select r.n, m.problem as misfit,
             case when m.n is null then jsonb_populate_record(null::glow_api.execution_call, r.entry) end as call
        from jsonb_array_elements(rows) with ordinality as r(entry, n)
        left join glow_api.misfits(rows, '{
          "execution_id": "string", "agent": "string", "input": "string", "output": "string", "user_id": "string",
          "conversation_id": "string", "channel": "string", "prompt_version": "string", "model": "string",
          "latency_ms": "integer", "prompt_tokens": "integer", "completion_tokens": "integer", "cost_usd": "number",
          "started_at": "instant", "metadata": "object", "tenant": "string", "sent_at": "instant"}') m using (n)
    ), judged as materialized (
      select c.n, c.call, coalesce((c.call).tenant, caller.tenant, 'default') as tenant,
             case when (c.misfit).code is not null then c.misfit else glow_api.execution_problem(c.call, caller) end as problem
        from called c
    ), new as materialized (
      select distinct on (j.tenant, (j.call).execution_id) j.n, j.tenant, j.call
        from judged j where j.problem is null
       order by j.tenant, (j.call).execution_id, j.n
    ), keyed as (
      insert into glow.execution_keys as k (tenant, execution_id, agent, payload_hash, recorded_at)
      select w.tenant, (w.call).execution_id, (w.call).agent, glow_api.execution_hash(w.call), arrived from new w
      on conflict do nothing
      returning k.tenant, k.execution_id
    ), written as (
      insert into glow.executions as e (
        tenant, execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
        prompt_tokens, completion_tokens, cost_usd, metadata, started_at, recorded_at)
      select w.tenant, (w.call).execution_id, (w.call).agent, (w.call).input, (w.call).output, (w.call).user_id,
             (w.call).conversation_id, (w.call).channel, (w.call).prompt_version, (w.call).model, (w.call).latency_ms,
             (w.call).prompt_tokens, (w.call).completion_tokens, (w.call).cost_usd, coalesce((w.call).metadata, '{}'),
             glow_api.occurred((w.call).started_at, (w.call).sent_at), arrived
        from new w
       where ((w.tenant, (w.call).execution_id) in (select k.tenant, k.execution_id from keyed k)) is true
    )
    -- Hashed, both times: see record_feedback_rows.
    select j.n, j.call, j.problem, j.tenant,
           j.n in (select w.n from new w where ((w.tenant, (w.call).execution_id) in (select k.tenant, k.execution_id from keyed k)) is true)
             as written
      from judged j
     order by j.n
  loop
    n := given.n;
    result := case
      when (given.problem).code is not null then glow_api.refused(given.problem)
      when given.written then jsonb_build_object('execution_id', (given.call).execution_id, 'status', 'accepted',
        'feedback_waiting', glow_api.feedback_waiting(given.tenant, (given.call).execution_id, (given.call).agent))
      else glow_api.record_execution(given.call, caller) end;
    return next;
  end loop;
end $$;
COMMENT ON FUNCTION glow_api.record_execution_rows(rows jsonb, caller glow_api.caller) IS 'Writes many executions given as JSON objects; answers for each.';
REVOKE ALL ON FUNCTION glow_api.record_execution_rows(rows jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_feedback(call glow_api.feedback_call, caller glow_api.caller) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  problem glow_api.problem := glow_api.feedback_problem(call, caller);
  agent_known boolean;
  owner text;
  known glow.current_feedback;
  used glow.feedback_keys;
  key_used boolean;
  new_id bigint;
  overruled_by bigint;
  arrived timestamptz := clock_timestamp();
begin
  if problem.code is null and call.tenant is not null then
    problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
  end if;
  if problem.code is not null then return glow_api.refused(problem); end if;
  call := glow_api.completed(call, caller);
  select a.tenant is null or a.tenant = call.tenant, k.agent, u.feedback_id is not null into agent_known, owner, key_used
    from glow.agents a
    left join glow.execution_keys k on k.tenant = call.tenant and k.execution_id = call.execution_id
    left join glow.feedback_keys u
           on u.tenant = call.tenant and u.agent = call.agent and u.idempotency_key = call.idempotency_key
   where a.agent = call.agent;
  if agent_known is not true then
    return glow_api.refused(glow_api.caller_problem(call.tenant, caller.tenant, call.agent));
  elsif owner <> call.agent then
    return glow_api.refused(row('PT409', 'agent', call.agent, 'the agent that this execution was logged for'));
  end if;

  new_id := nextval('glow.feedback_ids');
  -- Once, but for the moment in which retention removes what stood in the way.
  for attempt in 1 .. 5 loop
    if not key_used then
      insert into glow.current_feedback (
        tenant, execution_id, user_id, kind, agent, idempotency_key, feedback_id, withdrawn, occurred_at, corrected,
        recorded_at)
      values (call.tenant, call.execution_id, call.user_id, call.kind, call.agent, call.idempotency_key, new_id,
              call.withdrawn, call.occurred_at, call.sent_at is not null, arrived)
      on conflict do nothing;
      exit when found;
    end if;
    select c.* into known from glow.current_feedback c
     where c.tenant = call.tenant and c.execution_id = call.execution_id and c.user_id = call.user_id and c.kind = call.kind
       and c.agent = call.agent
       for update;
    -- Only now, with the vote locked: the call that used this key may have been waiting for the same vote.
    select x.* into used from (
      select c.tenant, c.agent, c.idempotency_key, c.feedback_id, c.recorded_at from glow.current_feedback c
       where c.tenant = call.tenant and c.agent = call.agent and c.idempotency_key = call.idempotency_key
      union all
      select k.tenant, k.agent, k.idempotency_key, k.feedback_id, k.recorded_at from glow.feedback_keys k
       where k.tenant = call.tenant and k.agent = call.agent and k.idempotency_key = call.idempotency_key) x
     order by glow_api.says(x.feedback_id, x.recorded_at, call) desc nulls last
     limit 1;
    exit when known.feedback_id is not null or used.feedback_id is not null;
    key_used := false;
  end loop;
  if used.feedback_id is not null then
    -- Null where retention has removed the row: what it said is not known any more, that it was answered is.
    if glow_api.says(used.feedback_id, used.recorded_at, call) is false then
      return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key,
        'a new key: this one was used for other contents'));
    end if;
    return jsonb_build_object('feedback_id', used.feedback_id, 'status', 'replayed', 'execution_known', owner is not null);
  elsif known.feedback_id is not null then
    -- A corrected instant is as exact as the way is short: of two votes within two seconds the later arrival wins. Taken to
    -- the millisecond, two quick votes of one person changed places in 13 of 30 runs.
    if call.occurred_at < known.occurred_at - (case when call.sent_at is not null or known.corrected then interval '2 seconds' else interval '0' end) then
      overruled_by := known.feedback_id;
      perform glow_api.remember_key(call.tenant, call.agent, call.idempotency_key, new_id, arrived);
    elsif glow_api.says(known.feedback_id, known.recorded_at, call) then
      -- Said again later: from now on it is this later instant that an older vote comes too late for.
      update glow.current_feedback c set occurred_at = greatest(call.occurred_at, c.occurred_at)
       where c.tenant = call.tenant and c.execution_id = call.execution_id and c.user_id = call.user_id and c.kind = call.kind
         and c.agent = call.agent;
      perform glow_api.remember_key(call.tenant, call.agent, call.idempotency_key, known.feedback_id, known.recorded_at);
      return jsonb_build_object('feedback_id', known.feedback_id, 'status', 'unchanged', 'execution_known', owner is not null);
    else
      update glow.agent_feedback f set superseded_by = new_id
       where f.feedback_id = known.feedback_id and f.recorded_at = known.recorded_at and not f.withdrawn;
      perform glow_api.remember_key(known.tenant, known.agent, known.idempotency_key, known.feedback_id, known.recorded_at);
      update glow.current_feedback c
         set idempotency_key = call.idempotency_key, feedback_id = new_id, withdrawn = call.withdrawn,
             occurred_at = greatest(call.occurred_at, c.occurred_at), corrected = call.sent_at is not null,
             recorded_at = arrived
       where c.tenant = call.tenant and c.execution_id = call.execution_id and c.user_id = call.user_id and c.kind = call.kind
         and c.agent = call.agent;
    end if;
  end if;

  insert into glow.agent_feedback (
    feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, dimensions, issues, comment,
    correction, channel, conversation_id, idempotency_key, occurred_at, recorded_at, superseded_by)
  values (
    new_id, call.tenant, call.agent, call.execution_id, call.user_id, call.kind, call.withdrawn, call.thumbs, call.rating,
    call.dimensions, call.issues, call.comment, call.correction, call.channel, call.conversation_id, call.idempotency_key,
    call.occurred_at, arrived, case when call.withdrawn then new_id else overruled_by end);
  if known.feedback_id is null and not call.withdrawn then
    return jsonb_build_object('feedback_id', new_id, 'status', 'accepted', 'execution_known', owner is not null);
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'feedback_id', new_id,
    'status', case when overruled_by is not null then 'late' when call.withdrawn then 'withdrawn' else 'accepted' end,
    'execution_known', owner is not null, 'superseded_by', overruled_by,
    'supersedes', case when overruled_by is null and not known.withdrawn then known.feedback_id end));
end $$;
COMMENT ON FUNCTION glow_api.record_feedback(call glow_api.feedback_call, caller glow_api.caller) IS 'Writes a vote, a correction or a withdrawal, or says why not.';
REVOKE ALL ON FUNCTION glow_api.record_feedback(call glow_api.feedback_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_feedback_rows(rows jsonb, caller glow_api.caller) RETURNS TABLE(n bigint, result jsonb)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  arrived timestamptz := clock_timestamp();
  misfits jsonb;
begin
  if exists (select from jsonb_array_elements(rows) r(entry) where not glow_api.is_in_form(r.entry)) then
    select jsonb_object_agg(m.n, m.problem) into misfits from glow_api.misfits(rows, '{
      "agent": "string", "execution_id": "string", "user_id": "string", "thumbs": "integer", "rating": "integer",
      "dimensions": "object", "issues": "texts", "comment": "string", "correction": "string", "channel": "string",
      "conversation_id": "string", "idempotency_key": "string", "occurred_at": "instant", "tenant": "string",
      "sent_at": "instant", "kind": "string", "withdrawn": "boolean"}') m;
    rows := (select jsonb_agg(case when misfits ? r.n::text then '{}' else r.entry end order by r.n)
               from jsonb_array_elements(rows) with ordinality as r(entry, n));
  end if;
  return query
  -- Columns and not calls: each field taken out of a composite value costs as much as what is asked of it.
  with called as materialized (
    select row_number() over () as n, (glow_api.completed(g, caller)).*,
           case when not glow_api.is_in_order(g, caller) then glow_api.feedback_problem(g, caller) end as opinion_problem
      from jsonb_populate_recordset(null::glow_api.feedback_call, rows) g
  ), told as materialized (
    select c.*, k.agent as owner, nextval('glow.feedback_ids') as feedback_id,
           case when misfits ? c.n::text then jsonb_populate_record(null::glow_api.problem, misfits -> c.n::text)
                when a.agent is null or a.tenant is not null or c.tenant <> coalesce(caller.tenant, 'default')
                  then coalesce(glow_api.caller_problem(c.tenant, caller.tenant, c.agent), c.opinion_problem)
                else c.opinion_problem end as problem
      from called c
      left join glow.agents a on a.agent = c.agent
      left join glow.execution_keys k on k.tenant = c.tenant and k.execution_id = c.execution_id
  ), first as materialized (
    -- In one order of keys for everybody: two batches that hold the same votes do not wait for each other. By executions
    -- first, which differ: by tenants first, the sort compared whole texts. Repeats are told by as few columns as find
    -- them all, for each is hashed twice; a stranger that shares those goes through the vote machine too.
    select t.* from told t
     where t.problem is null and (t.owner is null or t.owner = t.agent)
       and ((t.execution_id, t.user_id, t.kind) in (
         select d.execution_id, d.user_id, d.kind from told d group by 1, 2, 3 having count(*) > 1)) is not true
       and (t.idempotency_key in (
         select d.idempotency_key from told d
          where d.idempotency_key is not null group by 1 having count(*) > 1)) is not true
       and not exists (
         select from glow.feedback_keys k
          where k.tenant = t.tenant and k.agent = t.agent and k.idempotency_key = t.idempotency_key)
     order by t.execution_id, t.user_id, t.tenant
  ), placed as (
    insert into glow.current_feedback as c (
      tenant, execution_id, user_id, kind, agent, idempotency_key, feedback_id, withdrawn, occurred_at, corrected,
      recorded_at)
    select f.tenant, f.execution_id, f.user_id, f.kind, f.agent, f.idempotency_key, f.feedback_id, f.withdrawn,
           f.occurred_at, f.sent_at is not null, arrived
      from first f
    on conflict do nothing
    returning c.feedback_id
  ), written as (
    insert into glow.agent_feedback (
      feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, dimensions, issues, comment,
      correction, channel, conversation_id, idempotency_key, occurred_at, recorded_at, superseded_by)
    select f.feedback_id, f.tenant, f.agent, f.execution_id, f.user_id, f.kind, f.withdrawn, f.thumbs, f.rating, f.dimensions,
           f.issues, f.comment, f.correction, f.channel, f.conversation_id, f.idempotency_key, f.occurred_at, arrived,
           case when f.withdrawn then f.feedback_id end
      from first f
     where (f.feedback_id in (select p.feedback_id from placed p)) is true
  )
  select t.n, jsonb_build_object('feedback_id', t.feedback_id, 'execution_known', t.owner is not null,
                                'status', case when t.withdrawn then 'withdrawn' else 'accepted' end)
    from told t where (t.feedback_id in (select p.feedback_id from placed p)) is true
  union all
  select t.n,
         case when (t.problem).code is not null then glow_api.refused(t.problem)
              else glow_api.record_feedback(
                row(t.agent, t.execution_id, t.user_id, t.thumbs, t.rating, t.dimensions, t.issues, t.comment, t.correction,
                    t.channel, t.conversation_id, t.idempotency_key, t.occurred_at, t.tenant, t.sent_at, t.kind, t.withdrawn),
                caller) end
    -- The same order of votes again; but where a key stands twice in the batch, the first one has it.
    from (select told.* from told where (told.feedback_id in (select p.feedback_id from placed p)) is not true
           order by case when exists (select from told d where d.idempotency_key is not null
                                       group by d.tenant, d.agent, d.idempotency_key having count(*) > 1) then told.n end,
                    told.execution_id, told.user_id, told.tenant, told.n offset 0) t;
end $$;
COMMENT ON FUNCTION glow_api.record_feedback_rows(rows jsonb, caller glow_api.caller) IS 'Writes many pieces of feedback given as JSON objects; answers for each.';
REVOKE ALL ON FUNCTION glow_api.record_feedback_rows(rows jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_retrieval(call glow_api.retrieval_call, caller glow_api.caller) RETURNS jsonb
    LANGUAGE plpgsql
    AS $_$
declare
  problem glow_api.problem;
  known glow.retrieval_keys;
  arrived timestamptz := clock_timestamp();
  hash bytea;
  created boolean;
begin
  problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
  if problem.code is null then problem := glow_api.retrieval_problem(call); end if;
  if problem.code is null and call.user_id <> caller.person then
    problem := row('PT403', 'user_id', call.user_id, 'the person this login speaks for');
  end if;
  if problem.code is null and caller.person is not null
     and jsonb_path_exists(call.hits, 'strict $[*] ? (@.expert == true)', silent => true) then
    problem := row('PT403', 'hits.expert', 'true', 'a login that speaks for no single person: users are not their own experts');
  end if;
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');
  hash := sha256(convert_to(call.query, 'UTF8'));

  insert into glow.retrieval_keys (tenant, event_id, agent, query_hash, recorded_at)
  values (call.tenant, call.event_id, call.agent, hash, arrived)
  on conflict do nothing;
  created := found;
  if created then
    insert into glow.retrieval_events (
      tenant, event_id, agent, execution_id, query, policy, configuration, model, index_number, latency_ms, user_id,
      conversation_id, occurred_at, recorded_at)
    values (call.tenant, call.event_id, call.agent, call.execution_id, call.query, coalesce(call.policy, 'production'),
            call.configuration, call.model, call.index_number, call.latency_ms, call.user_id, call.conversation_id,
            glow_api.occurred(call.occurred_at, call.sent_at), arrived);
  else
    select k.* into known from glow.retrieval_keys k
     where k.tenant = call.tenant and k.event_id = call.event_id for update;
    if known.agent <> call.agent or known.query_hash <> hash then
      return glow_api.refused(row('PT409', 'event_id', call.event_id,
        'a new id: this one was logged for another agent or query'));
    end if;
    arrived := known.recorded_at;
    -- A hit is its passage: a click on passage b must not count for a, whatever rank it is said to have had.
    if exists (select from glow.retrieval_hits h join jsonb_to_recordset(call.hits) as x(rank smallint, chunk_id text)
                   on (x.rank = h.rank) <> (x.chunk_id = h.chunk_id)
                where h.tenant = call.tenant and h.event_id = call.event_id and h.recorded_at = arrived) then
      return glow_api.refused(row('PT409', 'hits', left(call.hits::text, 80), 'each passage at the rank it was logged with'));
    end if;
    -- What `search` logged is all that was shown, and it says of which index: anything more is a click on nothing.
    if exists (select from glow.retrieval_events r
                where r.tenant = call.tenant and r.event_id = call.event_id and r.recorded_at = arrived and r.index_number is not null)
       and exists (select from jsonb_to_recordset(call.hits) as x(rank smallint, chunk_id text)
                    where not exists (select from glow.retrieval_hits h
                                       where h.tenant = call.tenant and h.event_id = call.event_id and h.recorded_at = arrived
                                         and h.rank = x.rank and h.chunk_id = x.chunk_id)) then
      return glow_api.refused(row('PT409', 'hits', left(call.hits::text, 80), 'rank and chunk_id of hits that search showed under this event_id'));
    end if;
    -- Readers that passed the event must see it again: a click is news.
    update glow.retrieval_events r set xid = pg_current_xact_id()
     where r.tenant = call.tenant and r.event_id = call.event_id and r.recorded_at = arrived;
  end if;

  insert into glow.retrieval_hits as h (
    tenant, event_id, rank, chunk_id, score, score_dense, score_lexical, leg, propensity, shown, cited, clicked, kept,
    explicit, expert, recorded_at)
  select call.tenant, call.event_id, x.rank, x.chunk_id, coalesce(x.score, 0), x.score_dense, x.score_lexical,
         coalesce(x.leg, 'both'), coalesce(x.propensity, greatest(1.0 / x.rank, 0.1)), coalesce(x.shown, true),
         coalesce(x.cited, false), coalesce(x.clicked, false), coalesce(x.kept, false), coalesce(x.explicit, 0),
         coalesce(x.expert, false), arrived
    from jsonb_to_recordset(call.hits) as x(
      rank smallint, chunk_id text, score double precision, score_dense double precision, score_lexical double precision,
      leg text, propensity double precision, shown boolean, cited boolean, clicked boolean, kept boolean,
      explicit smallint, expert boolean)
  -- What was shown stays as logged; what the user did is added as it happens and never taken back by a late retry.
  on conflict (tenant, event_id, rank, recorded_at) do update
     set cited = h.cited or excluded.cited, clicked = h.clicked or excluded.clicked, kept = h.kept or excluded.kept,
         -- An expert's word is overruled by an expert's only.
         explicit = case when excluded.explicit <> 0 and (excluded.expert or not h.expert) then excluded.explicit else h.explicit end,
         expert = h.expert or excluded.expert;
  return jsonb_build_object('event_id', call.event_id, 'status', case when created then 'accepted' else 'merged' end);
end $_$;
COMMENT ON FUNCTION glow_api.record_retrieval(call glow_api.retrieval_call, caller glow_api.caller) IS 'Writes a search or adds to it, or says why not.';
REVOKE ALL ON FUNCTION glow_api.record_retrieval(call glow_api.retrieval_call, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_retrieval_rows(rows jsonb, caller glow_api.caller) RETURNS TABLE(n bigint, result jsonb)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
begin
  return query
  select r.n, case when (r.misfit).code is null
                   then glow_api.record_retrieval(jsonb_populate_record(null::glow_api.retrieval_call, r.entry), caller)
                   else glow_api.refused(r.misfit) end
    from (select e.entry, e.n, m.problem as misfit
            from jsonb_array_elements(rows) with ordinality as e(entry, n)
            left join glow_api.misfits(rows, '{
    "event_id": "string", "agent": "string", "query": "string", "hits": "array", "execution_id": "string", "policy": "string",
    "configuration": "string", "user_id": "string", "conversation_id": "string", "occurred_at": "instant", "tenant": "string",
    "sent_at": "instant", "model": "string", "index_number": "integer", "latency_ms": "integer"}') m using (n)
           order by e.entry ->> 'event_id', e.n offset 0) r;
end $$;
COMMENT ON FUNCTION glow_api.record_retrieval_rows(rows jsonb, caller glow_api.caller) IS 'Writes many retrievals given as JSON objects; answers for each.';
REVOKE ALL ON FUNCTION glow_api.record_retrieval_rows(rows jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.record_rows(kind text, rows jsonb, caller glow_api.caller) RETURNS TABLE(n bigint, result jsonb)
    LANGUAGE plpgsql
    AS $$
begin
  case kind
    when 'execution' then return query select * from glow_api.record_execution_rows(rows, caller);
    when 'feedback' then return query select * from glow_api.record_feedback_rows(rows, caller);
    when 'retrieval' then return query select * from glow_api.record_retrieval_rows(rows, caller);
    when 'annotation' then return query select * from glow_api.record_annotation_rows(rows, caller);
    else return query select * from glow_api.record_demonstration_rows(rows, caller);
  end case;
end $$;
COMMENT ON FUNCTION glow_api.record_rows(kind text, rows jsonb, caller glow_api.caller) IS 'Writes many rows of one kind given as JSON objects; answers for each.';
REVOKE ALL ON FUNCTION glow_api.record_rows(kind text, rows jsonb, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.refuse(problem glow_api.problem) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  raise exception using errcode = problem.code, message = glow_api.described(problem), hint = problem.accepted;
end $$;
COMMENT ON FUNCTION glow_api.refuse(problem glow_api.problem) IS 'Raises a problem: the field, its value and the accepted form.';
CREATE FUNCTION glow_api.refuse(code text, field text, value text, accepted text) RETURNS void
    LANGUAGE sql
    RETURN glow_api.refuse(ROW(code, field, value, accepted)::glow_api.problem);
COMMENT ON FUNCTION glow_api.refuse(code text, field text, value text, accepted text) IS 'The same, from its parts.';
REVOKE ALL ON FUNCTION glow_api.refuse(problem glow_api.problem) FROM PUBLIC;
REVOKE ALL ON FUNCTION glow_api.refuse(code text, field text, value text, accepted text) FROM PUBLIC;

CREATE FUNCTION glow_api.refused(problem glow_api.problem) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN jsonb_build_object('status', 'refused', 'code', (problem).code, 'field', (problem).field, 'message', glow_api.described(problem), 'hint', (problem).accepted);
COMMENT ON FUNCTION glow_api.refused(problem glow_api.problem) IS 'A problem as the answer for one row of a batch.';
REVOKE ALL ON FUNCTION glow_api.refused(problem glow_api.problem) FROM PUBLIC;

CREATE FUNCTION glow_api.register_agent(agent text, description text DEFAULT NULL::text, evaluation jsonb DEFAULT NULL::jsonb, prompt jsonb DEFAULT NULL::jsonb, split_shares numeric[] DEFAULT '{0.8,0.1,0.1}'::numeric[], tenant text DEFAULT NULL::text, issues text[] DEFAULT NULL::text[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  caller glow_api.caller := glow_api.enter();
  version text;
  created boolean;
  known glow.agents;
  problem glow_api.problem;
begin
  if agent is null or agent !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'agent', agent, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  end if;
  if tenant <> caller.tenant then
    perform glow_api.refuse('PT403', 'tenant', tenant, 'the tenant of this login');
  end if;
  tenant := coalesce(tenant, caller.tenant);
  select a.* into known from glow.agents a where a.agent = register_agent.agent;
  if known.tenant is distinct from register_agent.tenant and known.agent is not null and register_agent.tenant is not null then
    perform glow_api.refuse('PT409', 'tenant', tenant, 'the tenant it was registered with: its examples are that tenant''s');
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  end if;
  if issues is not null and (cardinality(issues) > 100 or exists (
    select from unnest(issues) as i(issue) where issue is null or length(issue) not between 1 and 80 or issue ~ '[[:cntrl:]]')) then
    perform glow_api.refuse('PT422', 'issues', issues::text, 'at most 100 categories of 1 to 80 characters');
  end if;
  description := coalesce(description, '');
  if length(description) > 2000 then
    perform glow_api.refuse('PT413', 'description', length(description) || ' characters', 'at most 2000 characters');
  end if;
  if array_ndims(split_shares) is distinct from 1 or array_lower(split_shares, 1) <> 1 or cardinality(split_shares) <> 3
     or array_position(split_shares, null) is not null or split_shares[1] <= 0 or split_shares[2] < 0
     or split_shares[3] < 0 or split_shares[1] + split_shares[2] + split_shares[3] <> 1
     or exists (select from unnest(split_shares) as s(share) where s.share <> round(s.share, 3)) then
    perform glow_api.refuse('PT422', 'split_shares', split_shares::text, 'three shares (train above 0, val, test) of at most three decimals whose sum is 1');
  end if;
  if evaluation is not null and (
    jsonb_typeof(evaluation) <> 'object' or not glow_api.is_shallow(evaluation)
    or coalesce(jsonb_typeof(evaluation -> 'metric'), 'null') not in ('string', 'null')
    or not glow_api.is_texts(evaluation -> 'choices') or not glow_api.is_number(evaluation -> 'max_calls', 1, 10000000)
  ) then
    perform glow_api.refuse('PT422', 'evaluation', evaluation::text, 'an object with metric (text), metric_settings (an object), choices (texts) and max_calls (a number), each optional');
  end if;
  problem := glow_api.metric_problem(evaluation);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if prompt is not null and (
    jsonb_typeof(prompt) <> 'object' or not glow_api.is_shallow(prompt) or jsonb_typeof(prompt -> 'instruction') is distinct from 'string'
    or not glow_api.is_texts(prompt -> 'choices') or not glow_api.is_number(prompt -> 'max_tokens', 1, 100000)
    or coalesce(jsonb_typeof(prompt -> 'input_prefix'), 'string') <> 'string'
    or coalesce(prompt -> 'rules', '[]') <> '[]' or coalesce(prompt -> 'demonstrations', '[]') <> '[]'
    or prompt - '{instruction,choices,max_tokens,input_prefix,rules,demonstrations,demonstration_layout}'::text[] <> '{}'
    or coalesce(prompt ->> 'demonstration_layout', 'turns') not in ('turns', 'inline')
  ) then
    perform glow_api.refuse('PT422', 'prompt', prompt::text,
      'instruction (text), and if wanted choices (texts), max_tokens, input_prefix; rules and demonstrations are learned');
  end if;

  insert into glow.agents as a (agent, tenant, description, evaluation, issues, train_share, val_share, test_share)
  values (register_agent.agent, register_agent.tenant, description, evaluation, coalesce(issues, '{}'),
          split_shares[1], split_shares[2], split_shares[3])
  on conflict on constraint agents_pkey do nothing
  returning true into created;
  if created is null then
    -- The shares stay as they are: they decided the splits of examples that already exist.
    update glow.agents a
       set description = coalesce(nullif(register_agent.description, ''), a.description), evaluation = coalesce(register_agent.evaluation, a.evaluation),
           issues = coalesce(register_agent.issues, a.issues)
     where a.agent = register_agent.agent;
  end if;

  if prompt is not null then
    version := encode(sha256(convert_to(prompt::text, 'UTF8')), 'hex');
    insert into glow.prompt_versions (agent, prompt_version, prompt, operator)
    values (register_agent.agent, version, prompt, 'registered')
    on conflict do nothing;
    -- Registration gives an agent its first prompt; later ones come through a gate.
    insert into glow.prompt_aliases (agent, alias, prompt_version)
    values (register_agent.agent, 'production', version)
    on conflict do nothing;
    if found then
      insert into glow.prompt_alias_history (agent, alias, prompt_version, revision, moved_by, reason)
      values (register_agent.agent, 'production', version, 1, session_user, 'registered');
    end if;
  end if;
  return jsonb_build_object('agent', agent, 'created', coalesce(created, false), 'prompt_version', version);
end $_$;
COMMENT ON FUNCTION glow_api.register_agent(agent text, description text, evaluation jsonb, prompt jsonb, split_shares numeric[], tenant text, issues text[]) IS 'Makes an agent known, with how its answers are judged and its first prompt, its own issue categories and, if it serves one tenant only, that tenant. Safe to call again; split shares and tenant never change.';
REVOKE ALL ON FUNCTION glow_api.register_agent(agent text, description text, evaluation jsonb, prompt jsonb, split_shares numeric[], tenant text, issues text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.register_agent(agent text, description text, evaluation jsonb, prompt jsonb, split_shares numeric[], tenant text, issues text[]) TO glow_engineer;

CREATE FUNCTION glow_api.release(item_id bigint, reason text DEFAULT NULL::text, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return glow_api.give_back(item_id, glow_api.require_reviewer(reviewer, tenant), 'released', reason, true);
end $$;
COMMENT ON FUNCTION glow_api.release(item_id bigint, reason text, reviewer text, tenant text) IS 'Gives an item back before its lease ends; it may come to anybody, this reviewer too.';
REVOKE ALL ON FUNCTION glow_api.release(item_id bigint, reason text, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.release(item_id bigint, reason text, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.remember_key(tenant text, agent text, idempotency_key text, feedback_id bigint, recorded_at timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS $$
  insert into glow.feedback_keys (tenant, agent, idempotency_key, feedback_id, recorded_at)
  select remember_key.tenant, remember_key.agent, remember_key.idempotency_key, remember_key.feedback_id, remember_key.recorded_at
   where remember_key.idempotency_key is not null
  on conflict do nothing
$$;
COMMENT ON FUNCTION glow_api.remember_key(tenant text, agent text, idempotency_key text, feedback_id bigint, recorded_at timestamp with time zone) IS 'Keeps an idempotency key that current_feedback has no place for.';
REVOKE ALL ON FUNCTION glow_api.remember_key(tenant text, agent text, idempotency_key text, feedback_id bigint, recorded_at timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION glow_api.weight(plan glow_api.search_plan, name text, usual double precision DEFAULT 0) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    RETURN COALESCE((((plan).parameters ->> name))::double precision, usual);
COMMENT ON FUNCTION glow_api.weight(plan glow_api.search_plan, name text, usual double precision) IS 'A parameter of a configuration; absent it has its usual value.';
REVOKE ALL ON FUNCTION glow_api.weight(plan glow_api.search_plan, name text, usual double precision) FROM PUBLIC;

CREATE FUNCTION glow_api.remembered(plan glow_api.search_plan, vector public.vector, OUT chunk_ids text[], OUT worth double precision[]) RETURNS record
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 WITH near AS (
          SELECT x.query,
             x.cosine
            FROM ( SELECT q.query,
                     (- (q.embedding OPERATOR(public.<#>) remembered.vector)) AS cosine,
                     q.question
                    FROM glow.retrieval_questions q
                   WHERE (q.configuration = (remembered.plan).configuration)
                   ORDER BY (- (q.embedding OPERATOR(public.<#>) remembered.vector)) DESC, q.question
                  OFFSET 0) x
           WHERE (EXISTS ( SELECT
                    FROM (glow.retrieval_memory m
                      JOIN glow.live_chunks l ON ((((l.agent)::text = (remembered.plan).agent) AND (l.chunking = (remembered.plan).chunking) AND ((l.chunk_id)::text = (m.chunk_id)::text))))
                   WHERE ((m.configuration = (remembered.plan).configuration) AND (md5(m.query) = md5(x.query)))))
          LIMIT (glow_api.weight(remembered.plan, 'memory_neighbours'::text, (20)::double precision))::bigint
         )
  SELECT COALESCE(array_agg(t.chunk_id), '{}'::glow.identifier[]) AS "coalesce",
     COALESCE(array_agg(t.worth), '{}'::double precision[]) AS "coalesce"
    FROM ( SELECT m.chunk_id,
             sum((power(n.cosine, glow_api.weight(remembered.plan, 'memory_power'::text, (4)::double precision)) * (m.attractiveness - glow_api.weight(remembered.plan, 'base_attractiveness'::text)))) AS worth
            FROM (near n
              JOIN glow.retrieval_memory m ON (((m.configuration = (remembered.plan).configuration) AND (md5(m.query) = md5(n.query)))))
           WHERE (n.cosine > glow_api.weight(remembered.plan, 'memory_floor'::text, (0.3)::double precision))
           GROUP BY m.chunk_id) t;
END;
COMMENT ON FUNCTION glow_api.remembered(plan glow_api.search_plan, vector public.vector, OUT chunk_ids text[], OUT worth double precision[]) IS 'What the nearest remembered questions say of chunks.';
REVOKE ALL ON FUNCTION glow_api.remembered(plan glow_api.search_plan, vector public.vector, OUT chunk_ids text[], OUT worth double precision[]) FROM PUBLIC;

CREATE FUNCTION glow_api.rename_executions(erasure_id bigint, tenant text, subject text, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $_$
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
  update glow.source_spans s
     set source_id = glow.qualified(whose, glow_api.pseudonym(the_id, whose, glow.unqualified(s.source_id), 20))
   where s.kind = 'execution' and s.source_id in (select glow.qualified(whose, x) from glow_api.probes(the_id, 'execution') x);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'source_spans', n);
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
end $_$;
COMMENT ON FUNCTION glow_api.rename_executions(erasure_id bigint, tenant text, subject text, receipt jsonb) IS 'Gives what stands on erased executions a pseudonym to stand on.';
REVOKE ALL ON FUNCTION glow_api.rename_executions(erasure_id bigint, tenant text, subject text, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.replace_quoting(erasure_id bigint, relation text, key jsonb, columns jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
  elsif not glow_api.are_columns(relation, key) then
    perform glow_api.refuse('PT422', 'key', left(key::text, 80), 'an object of columns of this table');
  elsif way <> 'delete' and not glow_api.are_columns(relation, columns) then
    perform glow_api.refuse('PT422', 'columns', left(columns::text, 80), 'an object of columns of this table');
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
end $_$;
COMMENT ON FUNCTION glow_api.replace_quoting(erasure_id bigint, relation text, key jsonb, columns jsonb) IS 'Deletes or empties one row that quotes an erased text.';
REVOKE ALL ON FUNCTION glow_api.replace_quoting(erasure_id bigint, relation text, key jsonb, columns jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.replace_quoting(erasure_id bigint, relation text, key jsonb, columns jsonb) TO glow_pipeline;

CREATE FUNCTION glow_api.request_comparison(execution_id text, alternative text, reason text DEFAULT ''::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant, coalesce(octet_length(alternative), 0));
  problem glow_api.problem := coalesce(glow_api.text_problem('alternative', alternative, 1000000, true),
                                       glow_api.text_problem('reason', nullif(reason, ''), 2000));
  item glow.review_items;
  answer text;
begin
  if problem.code is null then
    select e.output into answer from glow.execution_keys k join glow.executions e using (tenant, execution_id, recorded_at)
     where k.tenant = asked.tenant and k.execution_id = request_comparison.execution_id;
    if glow.answer_key(answer) = glow.answer_key(alternative) then
      problem := row('PT422', 'alternative', alternative, 'an answer that differs from the output in more than case, spaces and marks');
    end if;
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.enter_item(asked.tenant, execution_id, 'comparison', alternative, 'manual', reason);
  if item.alternative <> alternative then
    perform glow_api.refuse('PT409', 'alternative', alternative, 'the one of item ' || item.item_id || ': an execution is compared with one other answer');
  end if;
  return jsonb_build_object('item_id', item.item_id, 'status', 'accepted', 'reviews', item.reviews);
end $$;
COMMENT ON FUNCTION glow_api.request_comparison(execution_id text, alternative text, reason text, tenant text) IS 'Asks reviewers which is better: the output of an execution, or another answer to the same input. Twice is once.';
REVOKE ALL ON FUNCTION glow_api.request_comparison(execution_id text, alternative text, reason text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.request_comparison(execution_id text, alternative text, reason text, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.request_dataset(agent text, kind text DEFAULT 'sft'::text, reason text DEFAULT ''::text, rule jsonb DEFAULT NULL::jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
  problem glow_api.problem;
begin
  if kind is null or kind not in ('sft', 'preference', 'evaluation', 'retrieval') then
    perform glow_api.refuse('PT422', 'kind', kind, 'sft, preference, evaluation or retrieval');
  end if;
  if rule is not null then
    problem := glow_api.dataset_rule_problem(agent, rule, caller);
    if problem.code is null and rule ->> 'kind' <> kind and kind <> 'sft' then
      problem := row('PT422', 'kind', kind, rule ->> 'kind' || ', the kind of the rule, or none');
    end if;
    if problem.code is not null then perform glow_api.refuse(problem); end if;
    kind := coalesce(rule ->> 'kind', kind);
    -- Written as our own reader takes them, whatever the spelling.
    select coalesce(nullif(jsonb_object_agg(e.key, case when e.key in ('since', 'until')
             then to_jsonb(to_char((rule ->> e.key)::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'))
             else e.value end), '{}'), null)
      into rule from jsonb_each(jsonb_strip_nulls(rule) - 'kind') e;
  end if;
  return glow_api.open_request('dataset', agent, jsonb_build_object('kind', kind, 'rule', rule), reason);
end $$;
COMMENT ON FUNCTION glow_api.request_dataset(agent text, kind text, reason text, rule jsonb) IS 'Asks for a new dataset version of an agent now: of all its approved examples, or by a rule with any of agents (whose examples), kind, domain, since and until (when the example was first learned), minimum_quality, sources, languages, least (rows it must have).';
REVOKE ALL ON FUNCTION glow_api.request_dataset(agent text, kind text, reason text, rule jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.request_dataset(agent text, kind text, reason text, rule jsonb) TO glow_engineer;

CREATE FUNCTION glow_api.request_prompt_optimization(agent text, goals jsonb DEFAULT NULL::jsonb, reason text DEFAULT ''::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- The same list is in learning/prompts/goals.
  goals := nullif(goals, 'null');
  if not (case jsonb_typeof(goals)
            when 'array' then goals <> '[]' and glow_api.is_texts(goals) and goals - '{accuracy,clarity,brevity,cost,latency,format}'::text[] = '[]'
            else goals is null end) then
    perform glow_api.refuse('PT422', 'goals', left(goals::text, 80), 'an array of some of accuracy, clarity, brevity, cost, latency, format');
  end if;
  return glow_api.open_request('prompt_optimization', agent, jsonb_build_object('goals', goals), reason);
end $$;
COMMENT ON FUNCTION glow_api.request_prompt_optimization(agent text, goals jsonb, reason text) IS 'Asks for a better prompt for an agent now, without waiting for the night. goals choose what is proposed and what must not get worse. Answers the open request if there is one.';
REVOKE ALL ON FUNCTION glow_api.request_prompt_optimization(agent text, goals jsonb, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.request_prompt_optimization(agent text, goals jsonb, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.request_review(execution_id text, reason text DEFAULT ''::text, reviews integer DEFAULT NULL::integer, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant);
  problem glow_api.problem := glow_api.text_problem('reason', nullif(reason, ''), 2000);
  item glow.review_items;
  known boolean;
begin
  if problem.code is null and reviews not between 1 and 20 then
    problem := row('PT422', 'reviews', reviews::text, 'a number of reviews from 1 to 20');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  known := exists (select from glow.review_items i
                    where i.tenant = asked.tenant and i.execution_id = request_review.execution_id and i.kind = 'judgement');
  item := glow_api.enter_item(asked.tenant, execution_id, 'judgement', null, 'manual', reason);
  if not item.gold and item.decided_by is null and reviews > item.reviews then
    insert into glow.review_slots (item_id, slot, tenant)
    select item.item_id, n, item.tenant from generate_series(item.reviews + 1, request_review.reviews) n;
    update glow.review_items i
       set reviews = request_review.reviews, most_reviews = greatest(i.most_reviews, request_review.reviews),
           state = 'open', closed_at = null, outcome = null
     where i.item_id = item.item_id
    returning i.* into item;
    perform glow.settle_review(item.item_id);
    known := false;
  end if;
  return jsonb_build_object(
    'item_id', item.item_id, 'status', case when known then 'unchanged' else 'accepted' end, 'reviews', item.reviews);
end $$;
COMMENT ON FUNCTION glow_api.request_review(execution_id text, reason text, reviews integer, tenant text) IS 'Asks for reviews of an execution, before all that entered the queue by itself: as many as the policy says, or as given. For one that was reviewed, more than it had.';
REVOKE ALL ON FUNCTION glow_api.request_review(execution_id text, reason text, reviews integer, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.request_review(execution_id text, reason text, reviews integer, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.request_status(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
  asked jsonb;
begin
  select to_jsonb(r) into asked from glow.requests r 
   where r.request_id = request_status.request_id and glow_api.is_mine(r.agent, caller);
  if asked is null then
    perform glow_api.refuse('PT404', 'request_id', request_id::text, 'the id a request_ function answered');
  end if;
  return asked;
end $$;
COMMENT ON FUNCTION glow_api.request_status(request_id bigint) IS 'How a request goes: its state, its run, and what came of it.';
REVOKE ALL ON FUNCTION glow_api.request_status(request_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.request_status(request_id bigint) TO glow_engineer;

CREATE FUNCTION glow_api.request_training_run(agent text, base_model text DEFAULT NULL::text, reason text DEFAULT ''::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  problem glow_api.problem := glow_api.id_problem('{base_model}', array[base_model], 0);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  return glow_api.open_request('training_run', agent, jsonb_build_object('base_model', base_model), reason);
end $$;
COMMENT ON FUNCTION glow_api.request_training_run(agent text, base_model text, reason text) IS 'Asks for a training run of an agent; what it may cost and whether it is submitted is decided by the settings.';
REVOKE ALL ON FUNCTION glow_api.request_training_run(agent text, base_model text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.request_training_run(agent text, base_model text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.require_caller(tenant text, agent text, calls integer DEFAULT 0) RETURNS glow_api.caller
    LANGUAGE plpgsql
    AS $$
declare
  caller glow_api.caller := glow_api.enter(calls);
  problem glow_api.problem := glow_api.caller_problem(tenant, caller.tenant, agent);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  caller.tenant := coalesce(tenant, caller.tenant);
  return caller;
end $$;
COMMENT ON FUNCTION glow_api.require_caller(tenant text, agent text, calls integer) IS 'enter, for a call that is about one agent; answers the tenant it asks about. Refuses as caller_problem does.';
REVOKE ALL ON FUNCTION glow_api.require_caller(tenant text, agent text, calls integer) FROM PUBLIC;

CREATE FUNCTION glow_api.require_everybody() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  if (glow_api.enter()).tenant is not null then
    perform glow_api.refuse('PT403', 'login', session_user, 'a login that serves every tenant: these figures are over all of them');
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_everybody() IS 'enter, for figures over all tenants; refuses a login of one.';
REVOKE ALL ON FUNCTION glow_api.require_everybody() FROM PUBLIC;

CREATE FUNCTION glow_api.require_execution(execution_id text, tenant text, bytes bigint DEFAULT 0) RETURNS glow_api.caller
    LANGUAGE plpgsql
    AS $$
declare
  caller glow_api.caller := glow_api.enter(1, bytes);
  problem glow_api.problem := glow_api.id_problem('{execution_id}', array[execution_id], 1);
begin
  if problem.code is null and tenant <> caller.tenant then
    problem := row('PT403', 'tenant', tenant, 'the tenant of this login');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  caller.tenant := coalesce(tenant, caller.tenant, 'default');
  if not exists (select from glow.execution_keys k
                  where k.tenant = caller.tenant and k.execution_id = require_execution.execution_id and k.expired_at is null) then
    perform glow_api.refuse('PT404', 'execution_id', execution_id, 'the id of a logged execution');
  end if;
  return caller;
end $$;
COMMENT ON FUNCTION glow_api.require_execution(execution_id text, tenant text, bytes bigint) IS 'enter, for a call about one execution; refuses one that is not known or whose text is gone.';
REVOKE ALL ON FUNCTION glow_api.require_execution(execution_id text, tenant text, bytes bigint) FROM PUBLIC;

CREATE FUNCTION glow_api.require_item(item_id bigint, tenant text) RETURNS glow.review_items
    LANGUAGE plpgsql STABLE
    AS $$
declare
  item glow.review_items;
begin
  select i.* into item from glow.review_items i where i.item_id = require_item.item_id and i.tenant = require_item.tenant;
  if not found then
    perform glow_api.refuse('PT404', 'item_id', item_id::text, 'the item_id that claim_annotation answered');
  end if;
  return item;
end $$;
COMMENT ON FUNCTION glow_api.require_item(item_id bigint, tenant text) IS 'An item of a tenant; another tenant''s does not exist.';
REVOKE ALL ON FUNCTION glow_api.require_item(item_id bigint, tenant text) FROM PUBLIC;

CREATE FUNCTION glow_api.require_librarian(agent text, tenant text, calls integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.require_caller(tenant, agent, calls);
  if caller.person is not null then
    perform glow_api.refuse('PT403', 'login', session_user, 'a login that is not bound to a person');
  elsif not glow_api.is_mine(agent, caller) then
    perform glow_api.refuse('PT403', 'agent', agent,
      'an agent of this login''s own tenant; the documents of one that all tenants share are changed by a login that serves all tenants');
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_librarian(agent text, tenant text, calls integer) IS 'require_caller, for changing a knowledge base; refuses a login that speaks for one person or, of an agent that all tenants share, for one tenant.';
REVOKE ALL ON FUNCTION glow_api.require_librarian(agent text, tenant text, calls integer) FROM PUBLIC;

CREATE FUNCTION glow_api.require_most(most integer) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $$
begin
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_most(most integer) IS 'Refuses a number of rows out of bounds.';
REVOKE ALL ON FUNCTION glow_api.require_most(most integer) FROM PUBLIC;

CREATE FUNCTION glow_api.require_open_erasure(erasure_id bigint) RETURNS glow.erasures
    LANGUAGE plpgsql
    AS $$
declare
  found_one glow.erasures;
begin
  select e.* into found_one from glow.erasures e where e.erasure_id = require_open_erasure.erasure_id and e.finished_at is null for update;
  if found_one.erasure_id is null then
    perform glow_api.refuse('PT404', 'erasure_id', erasure_id::text, 'an erasure that is not finished');
  end if;
  return found_one;
end $$;
COMMENT ON FUNCTION glow_api.require_open_erasure(erasure_id bigint) IS 'An erasure that is not finished, locked; refuses any other.';
REVOKE ALL ON FUNCTION glow_api.require_open_erasure(erasure_id bigint) FROM PUBLIC;

CREATE FUNCTION glow_api.require_own_agent(agent text) RETURNS glow_api.caller
    LANGUAGE plpgsql
    AS $$
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
begin
  if not glow_api.is_mine(agent, caller) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  end if;
  return caller;
end $$;
COMMENT ON FUNCTION glow_api.require_own_agent(agent text) IS 'require_caller, for what rests on all of an agent''s feedback; refuses an agent that other tenants use too.';
REVOKE ALL ON FUNCTION glow_api.require_own_agent(agent text) FROM PUBLIC;

CREATE FUNCTION glow_api.require_reason(reason text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
begin
  if reason is null or btrim(reason) = '' then
    perform glow_api.refuse('PT422', 'reason', reason, 'a text that says why: it is kept');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  end if;
  return reason;
end $$;
COMMENT ON FUNCTION glow_api.require_reason(reason text) IS 'A reason that says something.';
REVOKE ALL ON FUNCTION glow_api.require_reason(reason text) FROM PUBLIC;

CREATE FUNCTION glow_api.require_reviewer(reviewer text, tenant text) RETURNS glow_api.caller
    LANGUAGE plpgsql
    AS $$
declare
  caller glow_api.caller := glow_api.enter(1);
  problem glow_api.problem := glow_api.reviewer_problem(reviewer, tenant, caller);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  return row(coalesce(tenant, caller.tenant, 'default'), coalesce(reviewer, caller.person))::glow_api.caller;
end $$;
COMMENT ON FUNCTION glow_api.require_reviewer(reviewer text, tenant text) IS 'enter, for a reviewer: answers the one tenant and the one person the call is about.';
REVOKE ALL ON FUNCTION glow_api.require_reviewer(reviewer text, tenant text) FROM PUBLIC;

CREATE FUNCTION glow_api.require_rows(rows jsonb) RETURNS integer
    LANGUAGE plpgsql STABLE
    AS $$
begin
  if rows is null or jsonb_typeof(rows) <> 'array' then
    perform glow_api.refuse('PT400', 'rows', left(rows::text, 80), 'a JSON array of objects, one for each row');
  elsif jsonb_array_length(rows) > 10000 then
    perform glow_api.refuse('PT413', 'rows', jsonb_array_length(rows) || ' rows', 'at most 10000 rows in one call');
  end if;
  return jsonb_array_length(rows);
end $$;
COMMENT ON FUNCTION glow_api.require_rows(rows jsonb) IS 'The number of rows of a batch; refuses what is no batch.';
REVOKE ALL ON FUNCTION glow_api.require_rows(rows jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.resolve_prompt(agent text, unit text DEFAULT NULL::text, tenant text DEFAULT NULL::text, session text DEFAULT NULL::text, org text DEFAULT NULL::text, execution text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    'prompt_version', version, 'prompt', content, 'model', model, 'config', config,
    'config_version', glow.config_version(config), 'retrieval', retrieval,
    'retrieval_parameters', parameters, 'experiment_id', arms #>> '{0,experiment_id}', 'variant', arms #>> '{0,variant}',
    'experiments', arms);
end $$;
COMMENT ON FUNCTION glow_api.resolve_prompt(agent text, unit text, tenant text, session text, org text, execution text) IS 'What an agent uses for a unit (user), in a session (conversation), of an org, for an execution: its prompt, and model, config and retrieval configuration where they are decided here. In experiments the variants are chosen and the exposures written in this transaction, before the model is called: commit before you call it, and log the execution with the same ids.';
REVOKE ALL ON FUNCTION glow_api.resolve_prompt(agent text, unit text, tenant text, session text, org text, execution text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.resolve_prompt(agent text, unit text, tenant text, session text, org text, execution text) TO glow_app;

CREATE FUNCTION glow_api.restart_experiment(experiment_id text, reason text, treatment_ppm integer DEFAULT NULL::integer, enroll_ppm integer DEFAULT NULL::integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.restart_experiment(experiment_id, treatment_ppm, enroll_ppm, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.restart_experiment(experiment_id text, reason text, treatment_ppm integer, enroll_ppm integer) IS 'Begins a test anew, whether it runs, is paused or held: everybody is drawn again (by other shares where given), and its days count from now. What was seen before stays in the history and counts no more.';
REVOKE ALL ON FUNCTION glow_api.restart_experiment(experiment_id text, reason text, treatment_ppm integer, enroll_ppm integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.restart_experiment(experiment_id text, reason text, treatment_ppm integer, enroll_ppm integer) TO glow_engineer;

CREATE FUNCTION glow_api.resume_experiment(experiment_id text, reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.resume_experiment(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.resume_experiment(experiment_id text, reason text) IS 'New units enter a paused experiment again. One that is held cannot go on but by restart_experiment.';
REVOKE ALL ON FUNCTION glow_api.resume_experiment(experiment_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.resume_experiment(experiment_id text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.resume_rollout(experiment_id text, reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.resume_rollout(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.resume_rollout(experiment_id text, reason text) IS 'Goes on with a paused rollout at the stage it was in; the pause does not count as time of the stage.';
REVOKE ALL ON FUNCTION glow_api.resume_rollout(experiment_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.resume_rollout(experiment_id text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.retire_document(agent text, document_id text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  problem glow_api.problem;
  found_at timestamptz;
begin
  perform glow_api.require_librarian(agent, tenant, 1);
  problem := glow_api.id_problem('{document_id}', array[document_id], 1);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  update glow.documents d set retired_at = clock_timestamp(), updated_at = clock_timestamp()
   where d.agent = retire_document.agent and d.document_id = retire_document.document_id and d.retired_at is null;
  if found then return jsonb_build_object('document_id', document_id, 'status', 'retired'); end if;
  select d.retired_at into found_at from glow.documents d
   where d.agent = retire_document.agent and d.document_id = retire_document.document_id;
  if found_at is null then
    perform glow_api.refuse('PT404', 'document_id', document_id, 'a document of this agent; see documents');
  end if;
  return jsonb_build_object('document_id', document_id, 'status', 'unchanged');
end $$;
COMMENT ON FUNCTION glow_api.retire_document(agent text, document_id text, tenant text) IS 'Takes a document out of an agent''s knowledge base: with the next indexing it is in no search any more. put_document brings it back. Its chunks stay in the tables, because what was learned names them.';
REVOKE ALL ON FUNCTION glow_api.retire_document(agent text, document_id text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.retire_document(agent text, document_id text, tenant text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.retire_document(agent text, document_id text, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.retrieval_history(agent text, most integer DEFAULT 100) RETURNS TABLE(move_id bigint, alias text, configuration text, previous text, revision integer, move text, moved_by text, reason text, gate_id text, experiment_id text, moved_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select h.move_id, h.alias, h.configuration, h.previous, h.revision, h.move, h.moved_by, h.reason, h.gate_id, h.experiment_id, h.moved_at
    from glow.retrieval_alias_history h where h.agent = retrieval_history.agent
   order by h.move_id desc limit most;
end $$;
COMMENT ON FUNCTION glow_api.retrieval_history(agent text, most integer) IS 'Every move of an agent''s retrieval configurations, the newest first: who, why, and the gate and experiment behind it.';
REVOKE ALL ON FUNCTION glow_api.retrieval_history(agent text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.retrieval_history(agent text, most integer) TO glow_engineer;

CREATE FUNCTION glow_api.retrieval_performance(agent text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, tenant text DEFAULT NULL::text) RETURNS TABLE(kind text, name text, figure text, value double precision, low double precision, high double precision, events bigint, conversations bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET work_mem TO '128MB'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
begin
  since := coalesce(since, '-infinity');
  until := coalesce(until, 'infinity');
  if since >= until then
    perform glow_api.refuse('PT422', 'until', until::text, 'an instant after since');
  end if;
  return query
  with outcomes as materialized (
    select o.*, to_char(o.occurred_at at time zone 'UTC', 'IYYY-"W"IW') as week
      from glow.search_outcomes(retrieval_performance.agent, since, until, own) o
  ), by_conversation as materialized (
    select case when grouping(o.week) = 0 then 'week' when grouping(o.configuration) = 0 then 'configuration'
                when grouping(o.policy) = 0 then 'policy' else 'all' end as kind,
           coalesce(o.week, o.configuration, o.policy, '') as name, o.conversation,
           count(*)::double precision as events,
           count(*) filter (where o.listed) as listed, count(*) filter (where not o.listed) as empty,
           count(o.best) as scored, count(*) filter (where o.best < 0.3) as low,
           count(o.liked_rank) as liked, coalesce(sum(o.liked_rank), 0) as ranks,
           coalesce(sum(1.0 / o.liked_rank), 0)::double precision as reciprocals, sum(o.liked_in_5) as liked_in_5,
           count(*) filter (where o.rejected) as rejected, count(*) filter (where o.cited) as cited,
           count(*) filter (where o.cited and o.vote <> 0) as voted,
           count(*) filter (where o.cited and o.vote > 0) as supported
      from outcomes o
     group by grouping sets ((o.conversation), (o.conversation, o.week), (o.conversation, o.configuration), (o.conversation, o.policy))
  ), sums as (
    select c.kind, c.name, f.figure, f.place, sum(f.x) as x, sum(f.n) as n, sum(f.x * f.x) as xx, sum(f.x * f.n) as xn,
           sum(f.n * f.n) as nn, sum(c.events)::bigint as events, count(*) as conversations
      from by_conversation c
     cross join lateral (values
       (1, 'zero_hit_rate', c.empty::double precision, c.events), (2, 'low_score_rate', c.low, c.scored),
       (3, 'liked_rate', c.liked, c.listed), (4, 'rejected_rate', c.rejected, c.listed),
       (5, 'citation_rate', c.cited, c.listed), (6, 'answer_support_rate', c.supported, c.voted),
       (7, 'first_liked_rank', c.ranks, c.liked), (8, 'logged_mrr', c.reciprocals, c.listed),
       (9, 'liked_in_first_5', c.liked_in_5, c.listed)) f(place, figure, x, n)
     group by c.kind, c.name, f.figure, f.place
  ), ratios as (
    select s.*, s.x / s.n as value,
           sqrt(greatest(0, s.xx - 2 * s.x / s.n * s.xn + (s.x / s.n) ^ 2 * s.nn)
                * s.conversations / nullif(s.conversations - 1, 0)) / s.n as error
      from sums s where s.n > 0
  ), shows as (
    select h.chunk_id, count(*)::double precision as n
      from outcomes o join glow.retrieval_hits h on h.tenant = o.tenant and h.event_id = o.event_id and h.recorded_at = o.recorded_at
     where h.shown group by h.chunk_id
  ), crowd as (
    -- Of the chunks that were shown; the concentration over all that could be is in `glow retrieval analyze`.
    select max(s.n) as most, sum((2 * s.place - s.many - 1) * s.n) / nullif(max(s.many) * sum(s.n), 0) as gini
      from (select s.n, row_number() over (order by s.n) as place, count(*) over () as many from shows s) s
  )
  -- Where nothing is known of the spread there are no limits; greatest and least would make some of null.
  select r.kind, r.name, r.figure, r.value, case when r.error is not null then greatest(0, r.value - 1.96 * r.error) end,
         case when r.error is null then null when r.place <= 6 or r.place = 8 then least(1, r.value + 1.96 * r.error)
              else r.value + 1.96 * r.error end,
         r.events, r.conversations
    from (
      select r.kind, r.name, r.place, r.figure, r.value, r.error, r.events, r.conversations from ratios r
      union all
      select 'all', '', 10 + l.place, l.figure, l.value, null, l.events, null
        from (select count(o.latency_ms) as events,
                     percentile_cont(0.5) within group (order by o.latency_ms) as half,
                     percentile_cont(0.95) within group (order by o.latency_ms) as most from outcomes o) q
       cross join lateral (values (0, 'latency_p50_ms', q.half, q.events), (1, 'latency_p95_ms', q.most, q.events)) l(place, figure, value, events)
       where l.value is not null
      union all
      select 'all', '', 12 + l.place, l.figure, l.value, null, n.lists, null
        from crowd c, (select count(*) as lists from outcomes o where o.listed) n
       cross join lateral (values (0, 'top_hub_share', c.most / nullif(n.lists, 0)), (1, 'exposure_gini', c.gini)) l(place, figure, value)
       where l.value is not null) r
   order by array_position('{all,policy,configuration,week}', r.kind), r.name, r.place;
end $$;
COMMENT ON FUNCTION glow_api.retrieval_performance(agent text, since timestamp with time zone, until timestamp with time zone, tenant text) IS 'How an agent''s searches did in a period, over all and by policy, configuration and week: shares with limits of 95 % that count conversations, not searches; latency; and whether a few chunks take every place. answer_support_rate: of answers with a citation and a vote, those with a thumb up.';
REVOKE ALL ON FUNCTION glow_api.retrieval_performance(agent text, since timestamp with time zone, until timestamp with time zone, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.retrieval_performance(agent text, since timestamp with time zone, until timestamp with time zone, tenant text) TO glow_viewer;
GRANT ALL ON FUNCTION glow_api.retrieval_performance(agent text, since timestamp with time zone, until timestamp with time zone, tenant text) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.retrieval_performance(agent text, since timestamp with time zone, until timestamp with time zone, tenant text) TO glow_pipeline;

CREATE FUNCTION glow_api.retrieval_problem(call glow_api.retrieval_call) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $$
declare
  problem glow_api.problem := glow_api.id_problem(
    '{event_id,execution_id,user_id,conversation_id,configuration,model}',
    array[call.event_id, call.execution_id, call.user_id, call.conversation_id, call.configuration, call.model], 1);
  hit jsonb;
  field text;
begin
  if problem.code is null then problem := glow_api.text_problem('query', call.query, 100000, true); end if;
  if problem.code is not null then return problem; end if;
  if call.policy not in ('production', 'interleave', 'explore') then
    return row('PT422', 'policy', call.policy, 'production, interleave or explore')::glow_api.problem;
  end if;
  if call.latency_ms < 0 then
    return row('PT422', 'latency_ms', call.latency_ms::text, 'milliseconds, 0 or more')::glow_api.problem;
  end if;
  if call.hits is null or jsonb_typeof(call.hits) <> 'array' or jsonb_array_length(call.hits) > 1000 then
    return row('PT422', 'hits', left(call.hits::text, 80), 'an array of at most 1000 hits')::glow_api.problem;
  end if;
  for hit in select * from jsonb_array_elements(call.hits) loop
    if jsonb_typeof(hit) <> 'object' or jsonb_typeof(hit -> 'rank') is distinct from 'number'
       or jsonb_typeof(hit -> 'chunk_id') is distinct from 'string' then
      return row('PT422', 'hits', left(hit::text, 80), 'objects with at least rank and chunk_id')::glow_api.problem;
    end if;
    if hit - '{rank,chunk_id,score,score_dense,score_lexical,leg,propensity,shown,cited,clicked,kept,explicit,expert}'::text[] <> '{}' then
      return row('PT400', 'hits', left(hit::text, 80), 'the fields rank, chunk_id, score, score_dense, score_lexical, '
        'leg, propensity, shown, cited, clicked, kept, explicit, expert')::glow_api.problem;
    end if;
    if not glow_api.is_whole(hit -> 'rank', 1, 1000) then
      return row('PT422', 'hits.rank', hit ->> 'rank', 'a whole number from 1 to 1000')::glow_api.problem;
    end if;
    problem := glow_api.id_problem('{hits.chunk_id}', array[hit ->> 'chunk_id'], 1);
    if problem.code is not null then return problem; end if;
    foreach field in array '{score,score_dense,score_lexical}'::text[] loop
      if not glow_api.is_float(hit -> field) then
        return row('PT422', 'hits.' || field, hit ->> field, 'a finite number')::glow_api.problem;
      end if;
    end loop;
    if not glow_api.is_number(hit -> 'propensity', 1e-9, 1) then
      return row('PT422', 'hits.propensity', hit ->> 'propensity', 'a probability above 0, up to 1')::glow_api.problem;
    end if;
    if coalesce(hit ->> 'leg', 'both') not in ('dense', 'lexical', 'both') then
      return row('PT422', 'hits.leg', hit ->> 'leg', 'dense, lexical or both')::glow_api.problem;
    end if;
    if coalesce(jsonb_typeof(hit -> 'explicit'), 'null') not in ('number', 'null') or coalesce(hit ->> 'explicit', '0') not in ('-1', '0', '1') then
      return row('PT422', 'hits.explicit', hit ->> 'explicit', '-1, 0 or 1')::glow_api.problem;
    end if;
    foreach field in array '{shown,cited,clicked,kept,expert}'::text[] loop
      if coalesce(jsonb_typeof(hit -> field), 'null') not in ('boolean', 'null') then
        return row('PT422', 'hits.' || field, hit ->> field, 'true or false')::glow_api.problem;
      end if;
    end loop;
    if hit -> 'expert' = 'true' and coalesce(hit ->> 'explicit', '0') = '0' then
      return row('PT422', 'hits.expert', 'true', 'the judgement beside it: explicit -1 or 1')::glow_api.problem;
    end if;
  end loop;
  if (select count(*) <> count(distinct h -> 'rank') or count(*) <> count(distinct h ->> 'chunk_id')
        from jsonb_array_elements(call.hits) h) then
    return row('PT422', 'hits', left(call.hits::text, 80), 'each rank and each chunk_id once')::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.retrieval_problem(call glow_api.retrieval_call) IS 'What is wrong with a search, or null.';
REVOKE ALL ON FUNCTION glow_api.retrieval_problem(call glow_api.retrieval_call) FROM PUBLIC;

CREATE FUNCTION glow_api.reviewable(call glow_api.review_call) RETURNS SETOF glow.review_items
    LANGUAGE sql STABLE
    AS $$
  select i.* from glow.review_items i
   where i.tenant = call.tenant and (call.agent is null or i.agent = call.agent) and i.state = 'open' and not i.gold
     and glow_api.admits(call, i)
     and exists (select from glow.review_slots s
                  where s.item_id = i.item_id and s.filled_at is null and s.lease_until <= statement_timestamp())
     and not exists (select from glow.review_slots s
                      where s.item_id = i.item_id and s.reviewer = call.reviewer
                        and (s.filled_at is not null or s.lease_until > statement_timestamp()))
     and not exists (select from glow.review_passes p
                      where p.item_id = i.item_id and p.reviewer = call.reviewer and p.kind = 'declined')
     and exists (select from glow.execution_keys k
                  where k.tenant = i.tenant and k.execution_id = i.execution_id and k.expired_at is null)
$$;
COMMENT ON FUNCTION glow_api.reviewable(call glow_api.review_call) IS 'The items a reviewer could be given: with a free slot, neither reviewed nor held nor declined by them, and with text.';
REVOKE ALL ON FUNCTION glow_api.reviewable(call glow_api.review_call) FROM PUBLIC;

CREATE FUNCTION glow_api.reviewer_problem(reviewer text, tenant text, caller glow_api.caller) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $_$
declare
  problem glow_api.problem := glow_api.id_problem('{reviewer}', array[coalesce(reviewer, caller.person)], 1);
begin
  if tenant <> caller.tenant then
    return row('PT403', 'tenant', tenant, 'the tenant of this login')::glow_api.problem;
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    return row('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit')::glow_api.problem;
  elsif reviewer <> caller.person then
    return row('PT403', 'reviewer', reviewer, 'the person this login speaks for')::glow_api.problem;
  end if;
  return problem;
end $_$;
COMMENT ON FUNCTION glow_api.reviewer_problem(reviewer text, tenant text, caller glow_api.caller) IS 'Refuses another tenant, another person, and nobody.';
REVOKE ALL ON FUNCTION glow_api.reviewer_problem(reviewer text, tenant text, caller glow_api.caller) FROM PUBLIC;

CREATE FUNCTION glow_api.revoke_datasets(erasure_id bigint, receipt jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  revoked text[];
  n bigint;
begin
  with hit as (
    update glow.training_datasets t
       set revoked_at = clock_timestamp(), revoked_because = 'erasure ' || revoke_datasets.erasure_id,
           -- Names that people make up, and counts of theirs.
           statistics = t.statistics - '{balance,domains,languages,checks}'::text[]
     where t.revoked_at is null and exists (
       select from glow.dataset_examples d
        where d.dataset_id = t.dataset_id
          and d.example_version in (select v::bigint from glow_api.probes(revoke_datasets.erasure_id, 'version') v))
    returning t.dataset_id)
  select coalesce(array_agg(h.dataset_id order by h.dataset_id), '{}') into revoked from hit h;
  -- In force it comes back with its successor: the task remembers by the target's order, the newest last.
  insert into glow.erasure_tasks (erasure_id, kind, target, outcome)
  select revoke_datasets.erasure_id, k.kind, t.dataset_id,
         jsonb_build_object('in_force', exists (select from glow.datasets_in_force f where f.dataset_id = t.dataset_id))
    from glow.training_datasets t, unnest('{exports,rebuild}'::text[]) with ordinality as k(kind, place)
   where t.dataset_id = any(revoked) order by k.place, t.created_at;
  delete from glow.datasets_in_force f where f.dataset_id = any(revoked);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'datasets_in_force', n);
  update glow.training_runs r set retrain_due_at = clock_timestamp()
   where r.dataset_id = any(revoked) and r.retrain_due_at is null;
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'training_runs', n);
  receipt := glow_api.counted(receipt, 'training_datasets', cardinality(revoked));
  return receipt || jsonb_build_object('revoked', to_jsonb(revoked));
end $$;
COMMENT ON FUNCTION glow_api.revoke_datasets(erasure_id bigint, receipt jsonb) IS 'Marks dataset versions that hold erased rows, and models trained on them.';
REVOKE ALL ON FUNCTION glow_api.revoke_datasets(erasure_id bigint, receipt jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.revoke_token_keys() RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.rotate_token_key();
  delete from glow.token_keys k where k.retired_at is not null;
  return jsonb_build_object('status', 'revoked');
end $$;
COMMENT ON FUNCTION glow_api.revoke_token_keys() IS 'Ends every token issued so far, at once: for when a key may have leaked.';
REVOKE ALL ON FUNCTION glow_api.revoke_token_keys() FROM PUBLIC;

CREATE FUNCTION glow_api.roll_back(experiment_id text, reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.roll_back(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason), '{}', 'abandoned');
end $$;
COMMENT ON FUNCTION glow_api.roll_back(experiment_id text, reason text) IS 'Takes a rollout back, also one that is completed while its version is in force: in one call, what was in force before is in force, at once for whoever resolves next. A second call changes nothing. The version is not rolled out again: a mended one is a new version.';
REVOKE ALL ON FUNCTION glow_api.roll_back(experiment_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.roll_back(experiment_id text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.rollback_prompt(agent text, reason text, prompt_version text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller;
begin
  perform glow_api.enter();
  caller := glow_api.require_own_agent(agent);
  if reason is null or btrim(reason) = '' then
    perform glow_api.refuse('PT422', 'reason', reason, 'a text that says why: it is kept');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  end if;
  return glow.rollback_prompt(agent, coalesce(caller.person, session_user), reason, prompt_version);
end $$;
COMMENT ON FUNCTION glow_api.rollback_prompt(agent text, reason text, prompt_version text) IS 'Puts the prompt in force again that was before, or prompt_version if that was in force once. One call, at once for whoever resolves next. Refused where nothing was before, and while an experiment runs on it. Afterwards there is no previous prompt: a second call by mistake changes nothing.';
REVOKE ALL ON FUNCTION glow_api.rollback_prompt(agent text, reason text, prompt_version text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.rollback_prompt(agent text, reason text, prompt_version text) TO glow_engineer;

CREATE FUNCTION glow_api.rollback_retrieval(agent text, reason text, configuration text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller;
begin
  perform glow_api.enter();
  caller := glow_api.require_own_agent(agent);
  if reason is null or btrim(reason) = '' then
    perform glow_api.refuse('PT422', 'reason', reason, 'a text that says why: it is kept');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  end if;
  return glow.rollback_retrieval(agent, coalesce(caller.person, session_user), reason, configuration);
end $$;
COMMENT ON FUNCTION glow_api.rollback_retrieval(agent text, reason text, configuration text) IS 'Puts the retrieval configuration in force again that was before, or `configuration` if that was in force once: its parameters, chunking, model and what it learned, in one call, at once for whoever searches next. Refused where nothing was before, and while an experiment runs on retrieval. Afterwards there is no previous one: a second call by mistake changes nothing.';
REVOKE ALL ON FUNCTION glow_api.rollback_retrieval(agent text, reason text, configuration text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.rollback_retrieval(agent text, reason text, configuration text) TO glow_engineer;

CREATE FUNCTION glow_api.rollout_history(experiment_id text, most integer DEFAULT 100) RETURNS TABLE(move_id bigint, move text, state text, rollout text, stage integer, phase integer, treatment_ppm integer, control_ppm integer, revision integer, moved_by text, reason text, evidence jsonb, moved_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.own_experiment(experiment_id, glow_api.enter());
  perform glow_api.require_most(most);
  return query
  select m.move_id, m.move, m.state, m.rollout, m.stage, m.phase, m.treatment_ppm, m.control_ppm, m.revision, m.moved_by, m.reason,
         m.evidence, m.moved_at
    from glow.rollout_moves m where m.experiment_id = rollout_history.experiment_id
   order by m.move_id desc limit most;
end $$;
COMMENT ON FUNCTION glow_api.rollout_history(experiment_id text, most integer) IS 'Every move of an experiment and its rollout, the newest first: who, why, on what evidence, and the shares afterwards.';
REVOKE ALL ON FUNCTION glow_api.rollout_history(experiment_id text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.rollout_history(experiment_id text, most integer) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.rollout_history(experiment_id text, most integer) TO glow_pipeline;

CREATE FUNCTION glow_api.rotate_token_key() RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  secret bytea := '';
  inner_pad bytea := '';
  outer_pad bytea := '';
  new_id integer;
begin
  perform glow_api.enter();
  lock table glow.token_keys in share row exclusive mode;
  -- Random UUIDs come from the server's cryptographic source; 4 hold 488 random bits.
  for i in 1 .. 4 loop secret := secret || uuid_send(gen_random_uuid()); end loop;
  for i in 0 .. 63 loop
    inner_pad := inner_pad || decode(lpad(to_hex(get_byte(secret, i) # 54), 2, '0'), 'hex');
    outer_pad := outer_pad || decode(lpad(to_hex(get_byte(secret, i) # 92), 2, '0'), 'hex');
  end loop;
  update glow.token_keys k set retired_at = clock_timestamp() where k.retired_at is null;
  insert into glow.token_keys as k (inner_pad, outer_pad) values (inner_pad, outer_pad) returning k.key_id into new_id;
  -- No token lives longer than a day: older keys have none left to check.
  delete from glow.token_keys k where k.retired_at < clock_timestamp() - interval '25 hours';
  return jsonb_build_object('key_id', new_id, 'status', 'rotated');
end $$;
COMMENT ON FUNCTION glow_api.rotate_token_key() IS 'Signs new tokens with a new key; tokens of the old one stay good until they expire, a day at most.';
REVOKE ALL ON FUNCTION glow_api.rotate_token_key() FROM PUBLIC;

CREATE FUNCTION glow_api.says(feedback_id bigint, recorded_at timestamp with time zone, call glow_api.feedback_call) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  select (f.execution_id, f.user_id, f.kind, f.withdrawn, f.thumbs, f.rating, f.dimensions, f.issues, f.comment,
          f.correction, f.channel, f.conversation_id)
         is not distinct from
         (call.execution_id, call.user_id, call.kind, call.withdrawn, call.thumbs, call.rating, call.dimensions, call.issues,
          call.comment, call.correction, call.channel, call.conversation_id)
    from glow.agent_feedback f
   where f.feedback_id = says.feedback_id and f.recorded_at = says.recorded_at
$$;
COMMENT ON FUNCTION glow_api.says(feedback_id bigint, recorded_at timestamp with time zone, call glow_api.feedback_call) IS 'Whether a row of feedback says what a call says.';
REVOKE ALL ON FUNCTION glow_api.says(feedback_id bigint, recorded_at timestamp with time zone, call glow_api.feedback_call) FROM PUBLIC;

CREATE FUNCTION glow_api.search(agent text, query text, k integer DEFAULT 10, embedding double precision[] DEFAULT NULL::double precision[], configuration text DEFAULT NULL::text, policy text DEFAULT 'production'::text, event_id text DEFAULT NULL::text, user_id text DEFAULT NULL::text, conversation_id text DEFAULT NULL::text, execution_id text DEFAULT NULL::text, tenant text DEFAULT NULL::text, unit text DEFAULT NULL::text, model text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  began timestamptz := clock_timestamp();
  caller glow_api.caller := glow_api.enter(1, coalesce(octet_length(query), 0));
  problem glow_api.problem := glow_api.caller_problem(tenant, caller.tenant, agent);
  call glow_api.retrieval_call;
  plan glow_api.search_plan;
  terms record;
  vector public.vector;
  asked public.vector;
  seed text;
  chosen glow_api.found_chunk[];
  answer jsonb;
begin
  call.event_id := event_id; call.agent := agent; call.query := query; call.policy := policy; call.user_id := user_id;
  call.conversation_id := conversation_id; call.execution_id := execution_id; call.configuration := configuration;
  call.tenant := coalesce(tenant, caller.tenant, 'default'); call.model := model;
  if problem.code is null then problem := glow_api.search_problem(call, k, unit); end if;
  if problem.code is null and user_id <> caller.person then
    problem := row('PT403', 'user_id', user_id, 'the person this login speaks for');
  elsif problem.code is null and configuration is not null and not glow_api.serves_all() then
    problem := row('PT403', 'configuration', configuration, 'what is in force, for a login that is no engineer''s');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if event_id is not null then
    answer := glow_api.searched_before(call);
    if answer is not null then return answer; end if;
  end if;

  if unit is not null and configuration is null and exists (
    select from glow.learning_experiments x where x.agent = search.agent and x.active and x.kind = 'retrieval') then
    select a.version into configuration
      from glow_api.assigned_arms(agent, call.tenant, unit, conversation_id, null, execution_id, 'retrieval') a limit 1;
  end if;
  plan := glow_api.plan_search(agent, configuration);
  -- Apps learn of a new model after it is in force, and some keep the old one in an experiment: until then words answer.
  vector := glow_api.query_vector(plan, query, case when model is null or model = plan.model then embedding end);
  asked := glow_api.adapted_query(plan, vector);
  terms := glow_api.asked_terms(plan, query);
  chosen := array(select f from glow_api.found_chunks(plan, terms.terms, terms.times, vector, asked, k, policy = 'interleave') f);
  -- The graph has been given up by a vacuum that is behind, or by a setting: then every vector is read.
  if vector is not null and cardinality(chosen) < least(k, plan.chunks) then
    chosen := array(select f from glow_api.found_chunks(plan, terms.terms, terms.times, vector, asked, k, policy = 'interleave', true) f);
  end if;
  seed := coalesce(event_id, gen_random_uuid()::text);
  chosen := case policy when 'interleave' then glow_api.team_draft(chosen, k, seed)
                       when 'explore' then glow_api.swapped(chosen, seed) else chosen end;
  answer := glow_api.search_answer(plan, event_id, policy, vector is not null, glow_api.shown_hits(plan, chosen));
  if event_id is not null then
    call.configuration := plan.configuration; call.model := plan.model; call.index_number := plan.index_number;
    call.hits := answer -> 'hits';
    call.latency_ms := round(extract(epoch from clock_timestamp() - began) * 1000);
    -- Somebody else logged it meanwhile: theirs was shown.
    if not glow_api.log_search(call) then return glow_api.searched_before(call); end if;
  end if;
  return answer;
end $$;
COMMENT ON FUNCTION glow_api.search(agent text, query text, k integer, embedding double precision[], configuration text, policy text, event_id text, user_id text, conversation_id text, execution_id text, tenant text, unit text, model text) IS 'The k best chunks of an agent''s documents for a query, with texts: by meaning and by words, with what was learned. `embedding` is the query as the configuration''s model embeds it; without it that of the same text in the cache is used, else words alone: the answer says `dense`. `model` names what made it: where that is another, it counts as not given. With `unit` the arm of a retrieval experiment is served and its exposure written. With `event_id` the search is logged as shown, and asked again it shows the same: what is not logged cannot be learned. `policy`: interleave lets both legs place hits, explore swaps two neighbours by chance, so that clicks can tell them apart.';
REVOKE ALL ON FUNCTION glow_api.search(agent text, query text, k integer, embedding double precision[], configuration text, policy text, event_id text, user_id text, conversation_id text, execution_id text, tenant text, unit text, model text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.search(agent text, query text, k integer, embedding double precision[], configuration text, policy text, event_id text, user_id text, conversation_id text, execution_id text, tenant text, unit text, model text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.search(agent text, query text, k integer, embedding double precision[], configuration text, policy text, event_id text, user_id text, conversation_id text, execution_id text, tenant text, unit text, model text) TO glow_engineer;

CREATE FUNCTION glow_api.search_answer(plan glow_api.search_plan, event_id text, policy text, is_dense boolean, hits jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN jsonb_build_object('configuration', (plan).configuration, 'index_number', (plan).index_number, 'model', (plan).model, 'event_id', event_id, 'policy', policy, 'dense', is_dense, 'hits', COALESCE(hits, '[]'::jsonb));
COMMENT ON FUNCTION glow_api.search_answer(plan glow_api.search_plan, event_id text, policy text, is_dense boolean, hits jsonb) IS 'What search answers.';
REVOKE ALL ON FUNCTION glow_api.search_answer(plan glow_api.search_plan, event_id text, policy text, is_dense boolean, hits jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.search_problem(call glow_api.retrieval_call, k integer, unit text) RETURNS glow_api.problem
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  problem glow_api.problem := glow_api.text_problem('query', call.query, 100000, true);
begin
  if problem.code is null then
    problem := glow_api.id_problem('{event_id,user_id,conversation_id,execution_id,unit,configuration,model}', array[
      call.event_id, call.user_id, call.conversation_id, call.execution_id, unit, call.configuration, call.model], 0);
  end if;
  if problem.code is not null then return problem; end if;
  if k is null or k not between 1 and 100 then
    return row('PT422', 'k', k::text, 'a number of chunks from 1 to 100')::glow_api.problem;
  elsif call.policy is null or call.policy not in ('production', 'interleave', 'explore') then
    return row('PT422', 'policy', call.policy, 'production, interleave or explore')::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.search_problem(call glow_api.retrieval_call, k integer, unit text) IS 'What is wrong with the arguments of a search, or null.';
REVOKE ALL ON FUNCTION glow_api.search_problem(call glow_api.retrieval_call, k integer, unit text) FROM PUBLIC;

CREATE FUNCTION glow_api.searched_before(call glow_api.retrieval_call) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
  known glow.retrieval_keys;
  said glow.retrieval_events;
begin
  select k.* into known from glow.retrieval_keys k where k.tenant = call.tenant and k.event_id = call.event_id;
  if known.event_id is null then return null; end if;
  if known.agent <> call.agent or known.query_hash <> sha256(convert_to(call.query, 'UTF8')) then
    perform glow_api.refuse('PT409', 'event_id', call.event_id, 'a new id: this one was logged for another agent or query');
  end if;
  select e.* into said from glow.retrieval_events e
   where e.tenant = call.tenant and e.event_id = call.event_id and e.recorded_at = known.recorded_at;
  return (
    select jsonb_build_object(
             'configuration', said.configuration, 'index_number', said.index_number, 'model', said.model, 'event_id', call.event_id,
             'policy', said.policy, 'dense', coalesce(bool_or(h.score_dense is not null), false), 'hits', coalesce(jsonb_agg(jsonb_build_object(
             'rank', h.rank, 'chunk_id', h.chunk_id, 'document_id', c.document_id, 'title', glow_api.chunk_title(c), 'text', c.text,
             'starts', coalesce(l.starts, c.starts), 'ends', coalesce(l.ends, c.ends), 'score', h.score, 'score_dense', h.score_dense,
             'score_lexical', h.score_lexical, 'leg', h.leg, 'propensity', h.propensity) order by h.rank)
             filter (where h.rank is not null), '[]'))
      from glow.retrieval_hits h
      left join glow.chunks c on c.agent = call.agent and c.chunk_id = h.chunk_id
      left join glow.live_chunks l on l.agent = c.agent and l.chunking = c.chunking and l.chunk_id = c.chunk_id
     where h.tenant = call.tenant and h.event_id = call.event_id and h.recorded_at = known.recorded_at);
end $$;
COMMENT ON FUNCTION glow_api.searched_before(call glow_api.retrieval_call) IS 'What a search with this id showed, or null where there was none.';
REVOKE ALL ON FUNCTION glow_api.searched_before(call glow_api.retrieval_call) FROM PUBLIC;

CREATE FUNCTION glow_api.set_curation_policy(agent text, pii text DEFAULT 'redact'::text, secrets text DEFAULT 'quarantine'::text, keep text[] DEFAULT '{}'::text[], languages text[] DEFAULT NULL::text[], shortest_input integer DEFAULT 1, shortest_target integer DEFAULT 1) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller;
  problem glow_api.problem;
  known glow.curation_policies;
begin
  perform glow_api.enter();
  caller := glow_api.require_own_agent(agent);
  problem := glow_api.policy_problem(pii, secrets, keep, languages, shortest_input, shortest_target);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  -- Two who change it at once: one after the other, and the later one holds.
  perform pg_advisory_xact_lock(hashtextextended('glow.curation_policy' || chr(31) || agent, 0));
  select p.* into known from glow.curation_policies p where p.agent = set_curation_policy.agent and p.superseded_at is null;
  if known.policy_id is not null and (known.pii, known.secrets, known.keep, known.shortest_input, known.shortest_target)
       = (pii, secrets, keep, shortest_input, shortest_target) and known.languages is not distinct from languages then
    return glow_api.described_policy(known) || jsonb_build_object(
      'agent', agent, 'status', 'unchanged', 'out_of_reach', glow_api.out_of_reach(agent));
  end if;
  update glow.curation_policies p set superseded_at = clock_timestamp() where p.policy_id = known.policy_id;
  insert into glow.curation_policies as p (agent, pii, secrets, keep, languages, shortest_input, shortest_target, set_by)
  values (agent, pii, secrets, keep, languages, shortest_input, shortest_target, coalesce(caller.person, session_user))
  returning p.* into known;
  return glow_api.described_policy(known) || jsonb_build_object(
    'agent', agent, 'status', 'accepted', 'out_of_reach', glow_api.out_of_reach(agent));
end $$;
COMMENT ON FUNCTION glow_api.set_curation_policy(agent text, pii text, secrets text, keep text[], languages text[], shortest_input integer, shortest_target integer) IS 'Says how an agent''s texts are screened; what is not named is the default. Personal data and secrets are redacted or quarantine the example, texts that instruct a model quarantine it always. The agent''s examples are looked at again, but for those whose executions retention removed: `out_of_reach` counts them.';
REVOKE ALL ON FUNCTION glow_api.set_curation_policy(agent text, pii text, secrets text, keep text[], languages text[], shortest_input integer, shortest_target integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.set_curation_policy(agent text, pii text, secrets text, keep text[], languages text[], shortest_input integer, shortest_target integer) TO glow_engineer;

CREATE FUNCTION glow_api.set_gold(execution_id text, verdict text, output text DEFAULT NULL::text, notes text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant, coalesce(octet_length(output), 0));
  me text := coalesce(asked.person, session_user);
  decision jsonb;
  id bigint;
begin
  decision := glow_api.answered(glow_api.record_adjudication(
    row(execution_id, me, verdict, output, null, notes, null, asked.tenant, null), asked));
  id := (glow_api.enter_item(asked.tenant, execution_id, 'judgement', null, 'manual', '')).item_id;
  -- Slots that nobody filled would be free; from now on each reviewer brings their own.
  delete from glow.review_slots s where s.item_id = id and s.filled_at is null and s.reviewer is null;
  update glow.review_items i
     set gold = true, state = 'open', closed_at = null, decided_by = (decision ->> 'annotation_id')::bigint, outcome = verdict
   where i.item_id = id;
  return decision || jsonb_build_object('item_id', id);
end $$;
COMMENT ON FUNCTION glow_api.set_gold(execution_id text, verdict text, output text, notes text, tenant text) IS 'Makes an execution a test of reviewers: its right answer is known, and it comes to each of them once, like any other item. The answer counts as an adjudication.';
REVOKE ALL ON FUNCTION glow_api.set_gold(execution_id text, verdict text, output text, notes text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.set_gold(execution_id text, verdict text, output text, notes text, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.set_retention(relation text, months integer DEFAULT NULL::integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.set_retention(relation text, months integer) IS 'How many months a table is kept, whatever GLOW_RETENTION_MONTHS says; without months, for ever. Upkeep does it, by whole months for executions, feedback and searches. What was learned from them stays.';
REVOKE ALL ON FUNCTION glow_api.set_retention(relation text, months integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.set_retention(relation text, months integer) TO glow_engineer;

CREATE FUNCTION glow_api.set_review_policy(agent text, reviews integer DEFAULT NULL::integer, most_reviews integer DEFAULT NULL::integer, blind boolean DEFAULT NULL::boolean, lease interval DEFAULT NULL::interval, control_share double precision DEFAULT NULL::double precision, gold_share double precision DEFAULT NULL::double precision) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
  policy record;
  known glow.review_policies;
begin
  if not glow_api.is_mine(agent, caller) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  end if;
  perform pg_advisory_xact_lock(hashtextextended(agent, 13));
  select p.* into policy from glow.review_policy(agent) p;
  if reviews not between 1 and 20 then
    perform glow_api.refuse('PT422', 'reviews', reviews::text, 'a number of reviews from 1 to 20');
  end if;
  policy.reviews := coalesce(reviews, policy.reviews);
  if most_reviews not between policy.reviews and 20 then
    perform glow_api.refuse('PT422', 'most_reviews', most_reviews::text, 'a number from reviews (' || policy.reviews || ') to 20');
  elsif lease not between interval '10 seconds' and interval '7 days' then
    perform glow_api.refuse('PT422', 'lease', lease::text, 'an interval from 10 seconds to 7 days');
  elsif control_share not between 0 and 1 then
    perform glow_api.refuse('PT422', 'control_share', control_share::text, 'a share from 0 to 1');
  elsif gold_share not between 0 and 0.5 then
    perform glow_api.refuse('PT422', 'gold_share', gold_share::text, 'a share from 0 to 0.5');
  end if;
  insert into glow.review_policies as p (agent, reviews, most_reviews, blind, lease, control_share, gold_share, set_by)
  values (set_review_policy.agent, policy.reviews,
          coalesce(set_review_policy.most_reviews, greatest(policy.most_reviews, policy.reviews)), coalesce(set_review_policy.blind, policy.blind),
          coalesce(set_review_policy.lease, policy.lease), coalesce(set_review_policy.control_share, policy.control_share),
          coalesce(set_review_policy.gold_share, policy.gold_share), coalesce(caller.person, session_user))
  on conflict on constraint review_policies_pkey do update
     set reviews = excluded.reviews, most_reviews = excluded.most_reviews, blind = excluded.blind, lease = excluded.lease,
         control_share = excluded.control_share, gold_share = excluded.gold_share, set_by = excluded.set_by,
         set_at = clock_timestamp()
  returning p.* into known;
  return to_jsonb(known);
end $$;
COMMENT ON FUNCTION glow_api.set_review_policy(agent text, reviews integer, most_reviews integer, blind boolean, lease interval, control_share double precision, gold_share double precision) IS 'How an agent''s items are reviewed: how many reviews, the most when they disagree, blind or not, how long a claim lasts, the shares of controls and of gold. What is left out stays. Counts of reviews hold for items that enter from now on.';
REVOKE ALL ON FUNCTION glow_api.set_review_policy(agent text, reviews integer, most_reviews integer, blind boolean, lease interval, control_share double precision, gold_share double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.set_review_policy(agent text, reviews integer, most_reviews integer, blind boolean, lease interval, control_share double precision, gold_share double precision) TO glow_engineer;

CREATE FUNCTION glow_api.shown(item_ids bigint[], person text) RETURNS TABLE(item_id bigint, kind text, agent text, execution_id text, input text, output text, first text, second text, metadata jsonb, context jsonb, lease_until timestamp with time zone)
    LANGUAGE sql STABLE
    AS $$
  select i.item_id, i.kind, i.agent::text, i.execution_id::text, e.input::text,
         case when i.kind = 'judgement' then e.output::text end,
         case s.first when 'output' then e.output::text when 'alternative' then i.alternative end,
         case s.first when 'output' then i.alternative when 'alternative' then e.output::text end,
         e.metadata::jsonb,
         case when not (glow.review_policy(i.agent)).blind then jsonb_build_object(
           'reasons', i.reasons, 'note', i.note,
           'votes', (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                              'thumbs', f.thumbs, 'rating', f.rating, 'issues', nullif(f.issues, '{}'), 'comment', f.comment,
                              'correction', f.correction, 'channel', f.channel)) order by f.feedback_id)
                       from glow.agent_feedback f
                      where f.tenant = i.tenant and f.execution_id = i.execution_id and f.agent = i.agent and f.superseded_by is null),
           'reviews', (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                                'reviewer', a.reviewer, 'verdict', a.verdict, 'output', a.output, 'notes', a.notes)) order by o.slot)
                         from glow.review_slots o join glow.expert_annotations a using (annotation_id)
                        where o.item_id = i.item_id and not i.gold)) end,
         s.lease_until
    from glow.review_items i
    join glow.review_slots s on s.item_id = i.item_id and s.reviewer = person and s.filled_at is null
    join glow.execution_keys k on k.tenant = i.tenant and k.execution_id = i.execution_id
    join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
   where i.item_id = any(item_ids)
   order by sha256(convert_to(i.item_id || person, 'UTF8'))
$$;
COMMENT ON FUNCTION glow_api.shown(item_ids bigint[], person text) IS 'What a reviewer must see of the items they hold; votes, reasons and other reviews only where reviews are not blind.';
REVOKE ALL ON FUNCTION glow_api.shown(item_ids bigint[], person text) FROM PUBLIC;

CREATE FUNCTION glow_api.shown_hits(plan glow_api.search_plan, chosen glow_api.found_chunk[]) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
             'rank', f.rank, 'chunk_id', f.chunk_id, 'document_id', c.document_id, 'title', glow_api.chunk_title(c), 'text', c.text,
             'starts', coalesce(l.starts, c.starts), 'ends', coalesce(l.ends, c.ends), 'score', f.score,
             'score_dense', case when f.dense_rank is not null then f.dense end, 'score_lexical', f.lexical, 'leg', f.leg,
             'propensity', greatest(1.0 / f.rank, 0.1)::double precision) order by f.rank)
      from unnest(chosen) with ordinality as f(chunk_id, score, dense, lexical, dense_rank, lexical_rank, leg, rank)
      join glow.chunks c on c.agent = plan.agent and c.chunk_id = f.chunk_id
      left join glow.live_chunks l on l.agent = c.agent and l.chunking = c.chunking and l.chunk_id = c.chunk_id);
end $$;
COMMENT ON FUNCTION glow_api.shown_hits(plan glow_api.search_plan, chosen glow_api.found_chunk[]) IS 'A list of chunks as the app gets it. The chance of a look is that of an unknown user: 1 / rank, at least 0.1.';
REVOKE ALL ON FUNCTION glow_api.shown_hits(plan glow_api.search_plan, chosen glow_api.found_chunk[]) FROM PUBLIC;

CREATE FUNCTION glow_api.signature(key_id integer, content text) RETURNS bytea
    LANGUAGE sql STABLE
    RETURN (SELECT sha256((k.outer_pad || sha256((k.inner_pad || convert_to(signature.content, 'UTF8'::name))))) AS sha256 FROM glow.token_keys k WHERE (k.key_id = signature.key_id));
COMMENT ON FUNCTION glow_api.signature(key_id integer, content text) IS 'HMAC-SHA-256 of a text by one of our keys; null when there is no such key.';
REVOKE ALL ON FUNCTION glow_api.signature(key_id integer, content text) FROM PUBLIC;

CREATE FUNCTION glow_api.skip(item_id bigint, reason text DEFAULT NULL::text, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return glow_api.give_back(item_id, glow_api.require_reviewer(reviewer, tenant), 'skipped', reason, false);
end $$;
COMMENT ON FUNCTION glow_api.skip(item_id bigint, reason text, reviewer text, tenant text) IS 'Not now: gives an item back; it comes to this reviewer again when nothing else waits.';
REVOKE ALL ON FUNCTION glow_api.skip(item_id bigint, reason text, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.skip(item_id bigint, reason text, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.slot_to_fill(item glow.review_items, reviewer text, claimed boolean) RETURNS glow.review_slots
    LANGUAGE plpgsql
    AS $$
declare
  slot glow.review_slots;
begin
  select s.* into slot from glow.review_slots s
   where s.item_id = item.item_id and s.reviewer = slot_to_fill.reviewer for update;
  if found or claimed then return slot; end if;
  if item.gold then
    insert into glow.review_slots (item_id, slot, tenant, reviewer)
    select item.item_id, coalesce(max(s.slot), 0) + 1, item.tenant, slot_to_fill.reviewer
      from glow.review_slots s where s.item_id = item.item_id
    returning * into slot;
    return slot;
  end if;
  -- What an expert says beside the queue is a review too, and one fewer is wanted.
  select s.* into slot from glow.review_slots s
   where s.item_id = item.item_id and s.filled_at is null and s.lease_until <= clock_timestamp()
   order by s.lease_until, s.slot limit 1 for update skip locked;
  if not found then return slot; end if;
  -- Refused where a claim of the same person, in another session, is about to become their slot.
  begin
    update glow.review_slots s set reviewer = slot_to_fill.reviewer where s.item_id = slot.item_id and s.slot = slot.slot;
  exception when unique_violation then
    return null;
  end;
  if slot.reviewer is not null then perform glow_api.note_review(item, slot.reviewer, 'expired'); end if;
  slot.reviewer := slot_to_fill.reviewer;
  return slot;
end $$;
COMMENT ON FUNCTION glow_api.slot_to_fill(item glow.review_items, reviewer text, claimed boolean) IS 'The slot of an item that a reviewer''s word belongs to: their own, or a free one when they did not claim it.';
REVOKE ALL ON FUNCTION glow_api.slot_to_fill(item glow.review_items, reviewer text, claimed boolean) FROM PUBLIC;

CREATE FUNCTION glow_api.standard_issues() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    RETURN '{wrong_answer,incomplete,outdated,wrong_source,irrelevant,unclear,format,tone,policy,hallucination,other}'::text[];
COMMENT ON FUNCTION glow_api.standard_issues() IS 'The issue categories every agent has; an agent may add its own, a user any.';
REVOKE ALL ON FUNCTION glow_api.standard_issues() FROM PUBLIC;

CREATE FUNCTION glow_api.start_rollout(agent text, kind text, version text DEFAULT NULL::text, reason text DEFAULT ''::text, config jsonb DEFAULT NULL::jsonb, unit text DEFAULT 'user'::text, control text DEFAULT NULL::text, control_config jsonb DEFAULT NULL::jsonb, approval boolean DEFAULT false) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  problem glow_api.problem;
  other text;
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  perform glow_api.require_reason(reason);
  if kind is null or kind not in ('prompt', 'model', 'retrieval', 'config') then
    perform glow_api.refuse('PT422', 'kind', kind, 'prompt, model, retrieval or config');
  elsif config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'config', left(config::text, 80), 'none: only a rollout of kind config takes settings');
  elsif version is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'version', version, 'none: a rollout of kind config takes its settings in config');
  elsif control is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'control', control, 'none: a rollout of kind config takes its settings in control_config');
  elsif control_config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'control_config', left(control_config::text, 80), 'none: only a rollout of kind config takes settings');
  elsif unit is null or unit not in ('user', 'org', 'session', 'execution') then
    perform glow_api.refuse('PT422', 'unit', unit, 'user, org, session or execution');
  end if;
  problem := glow_api.change_problem(agent, kind, version, config, control, control_config, 'version');
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  other := glow_api.in_the_way(agent, kind, kind, 0, 1000000, unit);
  if other is not null then
    perform glow_api.refuse('PT409', 'agent', agent, format('an agent of which nothing else of kind %s is tried or rolled out; %s is', kind, other));
  end if;
  return glow_api.open_request('experiment', agent, jsonb_build_object(
    'kind', kind, 'design', 'ramp', 'prompt_version', case kind when 'prompt' then version end, 'treatment', version, 'config', config,
    'control', control, 'control_config', control_config, 'unit', unit, 'layer', kind, 'approval', nullif(approval, false)), reason);
end $$;
COMMENT ON FUNCTION glow_api.start_rollout(agent text, kind text, version text, reason text, config jsonb, unit text, control text, control_config jsonb, approval boolean) IS 'Asks for a gradual rollout of a version without a test before it: from 5 % of units to all, watched hourly and taken back by itself when it does harm. Begun by a run. approval: a person lets each stage begin. Refused for a version that was rolled back once.';
REVOKE ALL ON FUNCTION glow_api.start_rollout(agent text, kind text, version text, reason text, config jsonb, unit text, control text, control_config jsonb, approval boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.start_rollout(agent text, kind text, version text, reason text, config jsonb, unit text, control text, control_config jsonb, approval boolean) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.start_rollout(agent text, kind text, version text, reason text, config jsonb, unit text, control text, control_config jsonb, approval boolean) TO glow_pipeline;

CREATE FUNCTION glow_api.stop_experiment(experiment_id text, reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.stop_experiment(experiment_id, 'keep', glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
COMMENT ON FUNCTION glow_api.stop_experiment(experiment_id text, reason text) IS 'Ends an experiment and keeps what is in force: everybody gets it, at once for whoever resolves next. One that is being rolled out is ended by roll_back.';
REVOKE ALL ON FUNCTION glow_api.stop_experiment(experiment_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.stop_experiment(experiment_id text, reason text) TO glow_engineer;

CREATE FUNCTION glow_api.submit_annotation(execution_id text, reviewer text, verdict text, output text DEFAULT NULL::text, dimensions jsonb DEFAULT '{}'::jsonb, notes text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, tenant text DEFAULT NULL::text, item_id bigint DEFAULT NULL::bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(1, coalesce(octet_length(output), 0)::bigint + coalesce(octet_length(notes), 0));
begin
  return glow_api.answered(glow_api.record_annotation(
    row(execution_id, reviewer, verdict, output, dimensions, notes, idempotency_key, tenant, item_id), caller));
end $$;
COMMENT ON FUNCTION glow_api.submit_annotation(execution_id text, reviewer text, verdict text, output text, dimensions jsonb, notes text, idempotency_key text, tenant text, item_id bigint) IS 'Records an expert''s judgement: approve the output, correct it (with the right output) or reject it. One current judgement per reviewer and execution; a change supersedes and the old row stays. With the item_id of claim_annotation it is the review that was claimed, also after the lease ended, as long as nobody else has it.';
REVOKE ALL ON FUNCTION glow_api.submit_annotation(execution_id text, reviewer text, verdict text, output text, dimensions jsonb, notes text, idempotency_key text, tenant text, item_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_annotation(execution_id text, reviewer text, verdict text, output text, dimensions jsonb, notes text, idempotency_key text, tenant text, item_id bigint) TO glow_reviewer;

CREATE FUNCTION glow_api.submit_annotation_batch(rows jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_annotation_rows(rows, caller) r);
end $$;
COMMENT ON FUNCTION glow_api.submit_annotation_batch(rows jsonb) IS 'Records many judgements: an array of objects with the arguments of submit_annotation. Answers one result for each, in order; a refused row stops no other.';
REVOKE ALL ON FUNCTION glow_api.submit_annotation_batch(rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_annotation_batch(rows jsonb) TO glow_reviewer;

CREATE FUNCTION glow_api.submit_comparison(item_id bigint, preferred text, notes text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, reviewer text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  item glow.review_items;
  problem glow_api.problem := coalesce(
    glow_api.id_problem('{idempotency_key}', array[idempotency_key], 0), glow_api.text_problem('notes', notes, 40000));
  hash bytea := glow_api.payload_hash(jsonb_build_array('comparison', item_id, me.person, preferred, notes));
  known glow.comparisons;
  slot glow.review_slots;
  answer text;
  new_id bigint;
begin
  if problem.code is null and (preferred is null or preferred not in ('first', 'second', 'tie', 'neither')) then
    problem := row('PT422', 'preferred', preferred, 'first, second, tie or neither');
  elsif problem.code is null and length(notes) > 10000 then
    problem := row('PT413', 'notes', length(notes) || ' characters', 'at most 10000 characters');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.require_item(item_id, me.tenant);
  if item.kind <> 'comparison' then
    perform glow_api.refuse('PT422', 'item_id', item_id::text, 'a comparison; a judgement is given with submit_annotation');
  end if;
  if idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(me.tenant || chr(31) || item.agent || chr(31) || idempotency_key, 12));
    select c.* into known from glow.comparisons c
     where c.tenant = me.tenant and c.agent = item.agent and c.idempotency_key = submit_comparison.idempotency_key;
    if known.payload_hash <> hash then
      perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
    elsif found then
      return jsonb_build_object('comparison_id', known.comparison_id, 'status', 'replayed');
    end if;
  end if;
  select i.* into item from glow.review_items i where i.item_id = submit_comparison.item_id for no key update;
  slot := glow_api.slot_to_fill(item, me.person, true);
  if slot.item_id is null then perform glow_api.refuse(glow_api.not_held(item_id)); end if;
  select c.* into known from glow.comparisons c
   where c.tenant = me.tenant and c.execution_id = item.execution_id and c.reviewer = me.person and c.superseded_by is null;
  if known.payload_hash = hash then
    return jsonb_build_object('comparison_id', known.comparison_id, 'status', 'unchanged');
  end if;
  select e.output into answer from glow.execution_keys k join glow.executions e using (tenant, execution_id, recorded_at)
   where k.tenant = item.tenant and k.execution_id = item.execution_id;
  if not found then
    perform glow_api.refuse('PT404', 'item_id', item_id::text, 'an execution whose text is still kept');
  end if;
  new_id := nextval(pg_get_serial_sequence('glow.comparisons', 'comparison_id'));
  update glow.comparisons c set superseded_by = new_id where c.comparison_id = known.comparison_id;
  insert into glow.comparisons (
    comparison_id, tenant, execution_id, agent, reviewer, first, second, preferred, notes, idempotency_key, payload_hash)
  overriding system value
  values (new_id, item.tenant, item.execution_id, item.agent, me.person,
          case slot.first when 'output' then answer else item.alternative end,
          case slot.first when 'output' then item.alternative else answer end,
          preferred, notes, idempotency_key, hash);
  perform glow_api.fill_slot(item, slot, null, new_id);
  return jsonb_strip_nulls(jsonb_build_object(
    'comparison_id', new_id, 'status', 'accepted', 'supersedes', known.comparison_id));
end $$;
COMMENT ON FUNCTION glow_api.submit_comparison(item_id bigint, preferred text, notes text, idempotency_key text, reviewer text, tenant text) IS 'Says which of the two answers of a claimed comparison is better, as they were shown: first, second, tie, or neither when both are wrong.';
REVOKE ALL ON FUNCTION glow_api.submit_comparison(item_id bigint, preferred text, notes text, idempotency_key text, reviewer text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_comparison(item_id bigint, preferred text, notes text, idempotency_key text, reviewer text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(
    1, coalesce(octet_length(input), 0)::bigint + coalesce(octet_length(output), 0) + coalesce(octet_length(notes), 0));
begin
  return glow_api.answered(glow_api.record_demonstration(
    row(agent, expert, input, output, notes, idempotency_key, tenant), caller));
end $$;
COMMENT ON FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text, idempotency_key text, tenant text) IS 'Records an expert''s own example of an input and its right output.';
REVOKE ALL ON FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text, idempotency_key text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text, idempotency_key text, tenant text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text, idempotency_key text, tenant text) TO glow_reviewer;

CREATE FUNCTION glow_api.submit_demonstration_batch(rows jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_demonstration_rows(rows, caller) r);
end $$;
COMMENT ON FUNCTION glow_api.submit_demonstration_batch(rows jsonb) IS 'Records many demonstrations: an array of objects with the arguments of submit_demonstration. Answers one result for each, in order; a refused row stops no other.';
REVOKE ALL ON FUNCTION glow_api.submit_demonstration_batch(rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_demonstration_batch(rows jsonb) TO glow_app;
GRANT ALL ON FUNCTION glow_api.submit_demonstration_batch(rows jsonb) TO glow_reviewer;

CREATE FUNCTION glow_api.submit_feedback(agent text, execution_id text, user_id text, thumbs integer DEFAULT NULL::integer, rating integer DEFAULT NULL::integer, dimensions jsonb DEFAULT NULL::jsonb, issues text[] DEFAULT '{}'::text[], comment text DEFAULT NULL::text, correction text DEFAULT NULL::text, channel text DEFAULT NULL::text, conversation_id text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, tenant text DEFAULT NULL::text, sent_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  first_word boolean;
  own text;
  kind text;
  happened timestamptz;
  execution_known boolean;
  new_id bigint;
  arrived timestamptz;
begin
  select asked.tenant, (glow_api.completed(asked.call, asked.caller)).kind,
         (glow_api.completed(asked.call, asked.caller)).occurred_at, clock_timestamp(), nextval('glow.feedback_ids'),
         (select k.agent = submit_feedback.agent from glow.execution_keys k
           where k.tenant = asked.tenant and k.execution_id = submit_feedback.execution_id),
         glow_api.is_in_order(asked.call, asked.caller) and (
           submit_feedback.tenant is null or (submit_feedback.tenant = (asked.caller).tenant) is not false
           and submit_feedback.tenant ~ '^[a-z0-9][a-z0-9_.-]{0,62}$')
         and not exists (
           select from glow.feedback_keys k
            where k.tenant = asked.tenant and k.agent = submit_feedback.agent
              and k.idempotency_key = submit_feedback.idempotency_key)
    into own, kind, happened, arrived, new_id, execution_known, first_word
    from (select told.tenant, row(told.own, told.person)::glow_api.caller as caller,
                 row(agent, execution_id, user_id, thumbs, rating, dimensions, issues, comment, correction, channel,
                     conversation_id, idempotency_key, occurred_at, submit_feedback.tenant, sent_at, null,
                     false)::glow_api.feedback_call as call
            -- Not merged (offset 0): row security is told before a row is looked for, and an index under row security
            -- finds a tenant that is a column but not one that is an expression.
            from (select nullif(entered.scope, '*') as own, entered.person,
                         coalesce(submit_feedback.tenant, nullif(entered.scope, '*'), 'default') as tenant
                    from (select l.person, set_config('glow.tenant', coalesce(l.tenant, '*'), true) as scope
                            from glow_api.bound_login() l where l.is_plain offset 0) entered offset 0) told) asked
    join glow.agents a on a.agent = submit_feedback.agent and (a.tenant is null or a.tenant = asked.tenant);
  if first_word and execution_known is not false then
    insert into glow.current_feedback (
      tenant, execution_id, user_id, kind, agent, idempotency_key, feedback_id, withdrawn, occurred_at, corrected, recorded_at)
    values (own, execution_id, user_id, kind, agent, idempotency_key, new_id, false, happened, sent_at is not null, arrived)
    on conflict do nothing;
    if found then
      insert into glow.agent_feedback (
        feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, dimensions, issues, comment,
        correction, channel, conversation_id, idempotency_key, occurred_at, recorded_at)
      values (
        new_id, own, agent, execution_id, user_id, kind, false, thumbs, rating, dimensions, coalesce(issues, '{}'), comment,
        correction, channel, conversation_id, idempotency_key, happened, arrived);
      return jsonb_build_object('feedback_id', new_id, 'status', 'accepted', 'execution_known', execution_known is not null);
    end if;
  end if;
  return glow_api.answered(glow_api.record_feedback(
    row(agent, execution_id, user_id, thumbs, rating, dimensions, issues, comment, correction, channel, conversation_id,
        idempotency_key, occurred_at, tenant, sent_at, null, false),
    glow_api.enter(1, coalesce(octet_length(comment), 0)::bigint + coalesce(octet_length(correction), 0))));
end $_$;
COMMENT ON FUNCTION glow_api.submit_feedback(agent text, execution_id text, user_id text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, conversation_id text, idempotency_key text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone) IS 'Records what a user said of an execution: thumbs, stars, dimensions, issues, comment, correction. One current vote (with whatever came with it) and one current lone correction per person and execution; a change supersedes, the old row stays, and a vote older than the current one (occurred_at) becomes history only. Safe to retry with an idempotency key. Feedback for an execution not yet logged is kept ("execution_known": false).';
REVOKE ALL ON FUNCTION glow_api.submit_feedback(agent text, execution_id text, user_id text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, conversation_id text, idempotency_key text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_feedback(agent text, execution_id text, user_id text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, conversation_id text, idempotency_key text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone) TO glow_app;

CREATE FUNCTION glow_api.submit_feedback_batch(rows jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_feedback_rows(rows, caller) r);
end $$;
COMMENT ON FUNCTION glow_api.submit_feedback_batch(rows jsonb) IS 'Records many votes: an array of objects with the arguments of submit_feedback; "withdrawn": true withdraws. Answers one result for each, in order; a refused row stops no other.';
REVOKE ALL ON FUNCTION glow_api.submit_feedback_batch(rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_feedback_batch(rows jsonb) TO glow_app;

CREATE FUNCTION glow_api.submit_feedback_with_token(token text, thumbs integer DEFAULT NULL::integer, rating integer DEFAULT NULL::integer, dimensions jsonb DEFAULT NULL::jsonb, issues text[] DEFAULT '{}'::text[], comment text DEFAULT NULL::text, correction text DEFAULT NULL::text, channel text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, withdrawn boolean DEFAULT false, kind text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  claims jsonb := glow_api.read_token(token);
  caller glow_api.caller := glow_api.enter(
    1, coalesce(octet_length(comment), 0)::bigint + coalesce(octet_length(correction), 0),
    row(claims ->> 'tenant', claims ->> 'user_id'));
begin
  return glow_api.answered(glow_api.record_feedback(
    row(claims ->> 'agent', claims ->> 'execution_id', claims ->> 'user_id', thumbs, rating, dimensions, issues, comment,
        correction, channel, null, idempotency_key, null, claims ->> 'tenant', null, kind, coalesce(withdrawn, false)),
    caller));
end $$;
COMMENT ON FUNCTION glow_api.submit_feedback_with_token(token text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, idempotency_key text, withdrawn boolean, kind text) IS 'submit_feedback for a browser: agent, execution and user come from the signed token. "withdrawn" takes the vote back, or with kind correction the lone correction.';
REVOKE ALL ON FUNCTION glow_api.submit_feedback_with_token(token text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, idempotency_key text, withdrawn boolean, kind text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.submit_feedback_with_token(token text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, idempotency_key text, withdrawn boolean, kind text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.submit_feedback_with_token(token text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, idempotency_key text, withdrawn boolean, kind text) TO glow_browser;

CREATE FUNCTION glow_api.swapped(chosen glow_api.found_chunk[], seed text) RETURNS glow_api.found_chunk[]
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
  n integer := cardinality(chosen);
  at integer;
  kept glow_api.found_chunk;
begin
  if n > 1 and glow_api.draw(seed, 1) < 0.5 then
    at := 1 + floor(glow_api.draw(seed, 0) * (n - 1))::integer;
    kept := chosen[at];
    chosen[at] := chosen[at + 1];
    chosen[at + 1] := kept;
  end if;
  return chosen;
end $$;
COMMENT ON FUNCTION glow_api.swapped(chosen glow_api.found_chunk[], seed text) IS 'A list with one random pair of neighbours swapped, or not: what shows how much a rank alone is worth.';
REVOKE ALL ON FUNCTION glow_api.swapped(chosen glow_api.found_chunk[], seed text) FROM PUBLIC;

CREATE FUNCTION glow_api.swept_places() RETURNS TABLE(relation text, swept text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.enter();
  return query select p.relation, p.swept from glow_api.personal_places() p where p.swept is not null;
end $$;
COMMENT ON FUNCTION glow_api.swept_places() IS 'The tables in which erased texts are looked for by content.';
REVOKE ALL ON FUNCTION glow_api.swept_places() FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.swept_places() TO glow_pipeline;

CREATE FUNCTION glow_api.team_draft(chosen glow_api.found_chunk[], k integer, seed text) RETURNS glow_api.found_chunk[]
    LANGUAGE plpgsql STABLE
    AS $$
declare
  sides text[];
  side text;
  pick glow_api.found_chunk;
  drafted glow_api.found_chunk[] := '{}';
  taken text[] := '{}';
  round integer := 0;
  before integer;
begin
  loop
    before := cardinality(drafted);
    exit when before >= k;
    sides := case when glow_api.draw(seed, round) < 0.5 then '{dense,lexical}' else '{lexical,dense}' end;
    foreach side in array sides loop
      exit when cardinality(drafted) >= k;
      select f.* into pick from unnest(chosen) f
       where case side when 'dense' then f.dense_rank else f.lexical_rank end <= k and f.chunk_id <> all (taken)
       order by case side when 'dense' then f.dense_rank else f.lexical_rank end limit 1;
      continue when pick.chunk_id is null;
      pick.leg := side;
      drafted := drafted || pick;
      taken := taken || pick.chunk_id;
    end loop;
    exit when cardinality(drafted) = before;
    round := round + 1;
  end loop;
  return drafted;
end $$;
COMMENT ON FUNCTION glow_api.team_draft(chosen glow_api.found_chunk[], k integer, seed text) IS 'A list that both legs placed, so that clicks can compare them.';
REVOKE ALL ON FUNCTION glow_api.team_draft(chosen glow_api.found_chunk[], k integer, seed text) FROM PUBLIC;

CREATE FUNCTION glow_api.text_leaves(value jsonb, shortest integer) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE
    AS $_$
  select leaf #>> '{}' from jsonb_path_query(value, 'strict $.** ? (@.type() == "string")') leaf
   where length(leaf #>> '{}') >= shortest
$_$;
COMMENT ON FUNCTION glow_api.text_leaves(value jsonb, shortest integer) IS 'The texts in a JSON value from some length on.';
REVOKE ALL ON FUNCTION glow_api.text_leaves(value jsonb, shortest integer) FROM PUBLIC;

CREATE FUNCTION glow_api.text_problem(field text, value text, most integer, required boolean DEFAULT false) RETURNS glow_api.problem
    LANGUAGE plpgsql IMMUTABLE
    AS $$
begin
  if value is null and not required then return null; end if;
  if value is null or value = '' then
    return row('PT422', field, value, 'a text that is not empty')::glow_api.problem;
  elsif octet_length(value) > most then
    return row('PT413', field, octet_length(value) || ' bytes', 'at most ' || most || ' bytes')::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.text_problem(field text, value text, most integer, required boolean) IS 'What is wrong with a text that is missing, empty or too long.';
REVOKE ALL ON FUNCTION glow_api.text_problem(field text, value text, most integer, required boolean) FROM PUBLIC;

CREATE FUNCTION glow_api.unreflected(erasure_id bigint, agent text, prompt_version text, examples text[]) RETURNS text
    LANGUAGE sql STABLE
    AS $_$
  with recursive versions as (
    select p.prompt_version, p.parent, p.prompt, 0 as age
      from glow.prompt_versions p where p.agent = unreflected.agent and p.prompt_version = unreflected.prompt_version
    union all
    select p.prompt_version, p.parent, p.prompt, v.age + 1
      from versions v join glow.prompt_versions p on p.agent = unreflected.agent and p.prompt_version = v.parent
  ) cycle prompt_version set is_cycle using path,
  touched as (
    select max(v.age) as age from versions v
     where exists (
       select from glow.prompt_lineage l
        where l.agent = unreflected.agent and l.prompt_version = v.prompt_version and l.role = 'reflected' and l.rule_id = ''
          and (l.kind = 'example' and l.source_id = any(examples)
            or l.kind = 'feedback' and 'correction:' || l.source_id = any(examples)
            or l.kind in ('feedback', 'annotation', 'comparison', 'demonstration') and l.source_id in (
              select p.value from glow.erasure_probes p where p.erasure_id = unreflected.erasure_id and p.kind = l.kind)
            -- Also a vote that corrects nothing: it was shown with its execution and its comment.
            or l.kind = 'feedback' and l.source_id ~ '^[0-9]{1,18}$' and exists (
              select from glow.agent_feedback f join glow.erasures x on x.erasure_id = unreflected.erasure_id and x.tenant = f.tenant
               where f.feedback_id = l.source_id::bigint
                 and (f.user_id in (select glow_api.probes(unreflected.erasure_id, 'person'))
                   or f.execution_id in (select glow_api.probes(unreflected.erasure_id, 'execution'))))
            or l.kind = 'execution' and l.source_id in (
              select glow.qualified(x.tenant, e) from glow.erasures x, glow_api.probes(x.erasure_id, 'execution') e
               where x.erasure_id = unreflected.erasure_id)))
  )
  select coalesce((select v.prompt ->> 'instruction' from versions v where v.age > t.age order by v.age limit 1), '')
    from touched t where t.age is not null
$_$;
COMMENT ON FUNCTION glow_api.unreflected(erasure_id bigint, agent text, prompt_version text, examples text[]) IS 'The instruction that takes the place of one a model wrote from a person''s words; null where it did not.';
REVOKE ALL ON FUNCTION glow_api.unreflected(erasure_id bigint, agent text, prompt_version text, examples text[]) FROM PUBLIC;

CREATE FUNCTION glow_api.unset_gold(execution_id text, tenant text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant);
  id bigint;
begin
  update glow.review_items i set gold = false, state = 'closed', closed_at = clock_timestamp()
   where i.tenant = asked.tenant and i.execution_id = unset_gold.execution_id and i.gold
  returning i.item_id into id;
  update glow.review_slots s set lease_until = 'infinity' where s.item_id = id and s.filled_at is null;
  return jsonb_build_object('item_id', id, 'status', case when id is null then 'unchanged' else 'withdrawn' end);
end $$;
COMMENT ON FUNCTION glow_api.unset_gold(execution_id text, tenant text) IS 'Ends the use of an execution as a test. Its answer stays, as an adjudication.';
REVOKE ALL ON FUNCTION glow_api.unset_gold(execution_id text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.unset_gold(execution_id text, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.version_problem(agent text, kind text, field text, version text, config jsonb) RETURNS glow_api.problem
    LANGUAGE plpgsql STABLE
    AS $$
declare
  problem glow_api.problem;
begin
  if kind = 'config' then
    if coalesce(jsonb_typeof(config), 'null') <> 'object' or not glow_api.is_shallow(config) then
      return row('PT422', case field when 'control' then 'control_config' else 'config' end, left(config::text, 80),
        'an object with the settings, nested at most 32 deep')::glow_api.problem;
    elsif octet_length(config::text) > 100000 then
      return row('PT413', case field when 'control' then 'control_config' else 'config' end, octet_length(config::text) || ' bytes', 'at most 100000 bytes')::glow_api.problem;
    end if;
    return null;
  end if;
  problem := glow_api.id_problem(array[field], array[version], 1);
  if problem.code is not null then return problem; end if;
  if kind = 'prompt' and not exists (
    select from glow.prompt_versions p
     where p.agent = version_problem.agent and p.prompt_version = version_problem.version and p.erased_at is null) then
    return row('PT404', field, version, 'a version of this agent''s prompt; see prompts')::glow_api.problem;
  elsif kind = 'retrieval' and not exists (
    select from glow.retrieval_configurations c
     where c.agent = version_problem.agent and c.configuration = version_problem.version) then
    return row('PT404', field, version, 'a retrieval configuration of this agent')::glow_api.problem;
  end if;
  return null;
end $$;
COMMENT ON FUNCTION glow_api.version_problem(agent text, kind text, field text, version text, config jsonb) IS 'What is wrong with the version of an arm, or null.';
REVOKE ALL ON FUNCTION glow_api.version_problem(agent text, kind text, field text, version text, config jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.waiting(call glow_api.review_call) RETURNS SETOF glow.review_items
    LANGUAGE sql STABLE
    AS $$
  with plain as materialized (select i.* from glow_api.reviewable(call) i)
  select p.* from plain p
  union all
  select i.* from glow_api.gold_for(call) i
   where exists (select from plain p where p.agent = i.agent and p.kind = i.kind)
      or exists (select from glow.review_passes p where p.item_id = i.item_id and p.reviewer = call.reviewer)
$$;
COMMENT ON FUNCTION glow_api.waiting(call glow_api.review_call) IS 'What a reviewer is told to wait for them: the items they could be given, and gold hidden among them.';
REVOKE ALL ON FUNCTION glow_api.waiting(call glow_api.review_call) FROM PUBLIC;

CREATE FUNCTION glow_api.why(dataset text, example text) RETURNS TABLE(split text, source text, quality double precision, rule_version text, reason text, kind text, source_id text, role text, said jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.why(dataset text, example text) IS 'Why an example is in a dataset: the rule that admitted it, its split, and every source row with what it says.';
REVOKE ALL ON FUNCTION glow_api.why(dataset text, example text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.why(dataset text, example text) TO glow_engineer;

CREATE FUNCTION glow_api.withdraw_feedback(agent text, execution_id text, user_id text, kind text DEFAULT 'vote'::text, idempotency_key text DEFAULT NULL::text, occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, tenant text DEFAULT NULL::text, sent_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter(1);
  call glow_api.feedback_call;
begin
  call.agent := agent; call.execution_id := execution_id; call.user_id := user_id; call.kind := kind;
  call.idempotency_key := idempotency_key; call.occurred_at := occurred_at; call.tenant := tenant;
  call.sent_at := sent_at; call.withdrawn := true;
  return glow_api.answered(glow_api.record_feedback(call, caller));
end $$;
COMMENT ON FUNCTION glow_api.withdraw_feedback(agent text, execution_id text, user_id text, kind text, idempotency_key text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone) IS 'Takes back a person''s current vote or lone correction. The history stays; nothing is current until the next vote.';
REVOKE ALL ON FUNCTION glow_api.withdraw_feedback(agent text, execution_id text, user_id text, kind text, idempotency_key text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.withdraw_feedback(agent text, execution_id text, user_id text, kind text, idempotency_key text, occurred_at timestamp with time zone, tenant text, sent_at timestamp with time zone) TO glow_app;

CREATE FUNCTION glow_api.written_count(n double precision) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_char(n, 'FM999,999,999,999,990'::text);
COMMENT ON FUNCTION glow_api.written_count(n double precision) IS 'A number of users or days, as a person reads it.';
REVOKE ALL ON FUNCTION glow_api.written_count(n double precision) FROM PUBLIC;

CREATE FUNCTION glow_api.written_points(effect double precision) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (round((((100)::double precision * effect))::numeric, 1) || ' points'::text);
COMMENT ON FUNCTION glow_api.written_points(effect double precision) IS 'A difference of a share, as a person reads it.';
REVOKE ALL ON FUNCTION glow_api.written_points(effect double precision) FROM PUBLIC;

CREATE VIEW glow_api.dataset_lineage AS
 SELECT d.dataset_id,
    d."position",
    d.split,
    (x.agent)::text AS agent,
    x.example_id,
    x.example_version,
    x.content_hash,
    x.source,
    x.status,
    x.quality,
    x.rule_version,
    x.reason,
    x.erased_at,
    s.kind,
    s.source_id,
    s.role
   FROM ((glow.dataset_examples d
     JOIN glow.learning_examples x USING (example_version))
     LEFT JOIN glow.example_sources s USING (example_version))
  WHERE ((x.agent)::text IN ( SELECT glow_api.my_agents() AS my_agents));
COMMENT ON VIEW glow_api.dataset_lineage IS 'Every row of every dataset version with the rows it came from: the audit of a dataset. Ask for one dataset_id.';
GRANT SELECT ON TABLE glow_api.dataset_lineage TO glow_engineer;
GRANT SELECT ON TABLE glow_api.dataset_lineage TO glow_pipeline;

CREATE VIEW glow_api.feedback_lineage AS
 SELECT s.source_id AS feedback_id,
    s.role,
    (x.agent)::text AS agent,
    x.example_id,
    x.example_version,
    x.status,
    x.split,
    (x.superseded_at IS NULL) AS in_force,
    d.dataset_id,
    d."position",
    l.prompt_version,
    l.role AS prompt_role,
    l.rule_id
   FROM (((glow.example_sources s
     JOIN glow.learning_examples x USING (example_version))
     LEFT JOIN glow.dataset_examples d USING (example_version))
     LEFT JOIN glow.prompt_lineage l ON ((l.example_version = x.example_version)))
  WHERE ((s.kind = 'feedback'::text) AND ((x.agent)::text IN ( SELECT glow_api.my_agents() AS my_agents)));
COMMENT ON VIEW glow_api.feedback_lineage IS 'What rests on each piece of feedback: examples, rows of datasets, rules and demonstrations of prompts.';
GRANT SELECT ON TABLE glow_api.feedback_lineage TO glow_engineer;
GRANT SELECT ON TABLE glow_api.feedback_lineage TO glow_pipeline;

CREATE FUNCTION glow_api.prompt_lineage(agent text, prompt_version text DEFAULT NULL::text) RETURNS TABLE(part text, part_id text, content text, traced boolean, origin text, origin_version text, role text, kind text, source_id text, source_role text, example_id text, said jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION glow_api.prompt_lineage(agent text, prompt_version text) IS 'Why a prompt (without one: that in production) is as it is: a row for each part and source row behind it. traced is false for a part that nothing is known to be behind. origin says whether its rows are of this version (learned) or of the origin_version that brought it in (inherited), or that a person wrote it there (written).';
REVOKE ALL ON FUNCTION glow_api.prompt_lineage(agent text, prompt_version text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.prompt_lineage(agent text, prompt_version text) TO glow_engineer;

CREATE FUNCTION glow_api.documents(agent text, most integer DEFAULT 100, after text DEFAULT ''::text, tenant text DEFAULT NULL::text) RETURNS TABLE(document_id text, title text, characters integer, content_hash text, chunks bigint, indexed boolean, updated_at timestamp with time zone, retired_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  perform glow_api.require_caller(tenant, agent);
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select d.document_id::text, d.title, length(d.body), d.content_hash, coalesce(l.chunks, 0),
         case when d.retired_at is null then coalesce(l.is_current, false) else l.chunks is null end, d.updated_at, d.retired_at
    from glow.documents d
    left join lateral (
      select count(*) as chunks, bool_and(l.document_hash = d.content_hash) as is_current
        from glow.live_chunks l
        join glow.retrieval_configurations c on c.agent = l.agent and c.chunking = l.chunking
        join glow.retrieval_aliases a on a.agent = c.agent and a.alias = 'production' and a.configuration = c.configuration
       where l.agent = d.agent and l.document_id = d.document_id
      having count(*) > 0) l on true
   where d.agent = documents.agent and d.document_id > coalesce(documents.after, '')
   order by d.document_id limit most;
end $$;
COMMENT ON FUNCTION glow_api.documents(agent text, most integer, after text, tenant text) IS 'An agent''s knowledge base by id, from `after` on: how many chunks each document has in the searches now, and whether those show it as it is (`indexed`; of a retired one: whether it is gone from them).';
REVOKE ALL ON FUNCTION glow_api.documents(agent text, most integer, after text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.documents(agent text, most integer, after text, tenant text) TO glow_app;
GRANT ALL ON FUNCTION glow_api.documents(agent text, most integer, after text, tenant text) TO glow_engineer;

CREATE FUNCTION glow_api.holdouts(agent text DEFAULT NULL::text) RETURNS TABLE(holdout text, agent_name text, holdout_ppm integer, starts_at timestamp with time zone, ends_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  return query
  select h.holdout, h.agent::text, h.holdout_ppm, h.starts_at, h.ends_at from glow.holdouts h
   where (holdouts.agent is null or h.agent is null or h.agent = holdouts.agent) and (h.agent is null or glow_api.is_mine(h.agent, caller))
   order by h.starts_at desc, h.holdout;
end $$;
COMMENT ON FUNCTION glow_api.holdouts(agent text) IS 'Holdouts of an agent or of all, those of all agents among them, the newest first.';
REVOKE ALL ON FUNCTION glow_api.holdouts(agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.holdouts(agent text) TO glow_engineer;

CREATE FUNCTION glow_api.experiment_looks(experiment_id text, most integer DEFAULT 100) RETURNS TABLE(look_id bigint, kind text, phase integer, as_of timestamp with time zone, day double precision, decision text, reason text, result jsonb, looked_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.own_experiment(experiment_id, glow_api.enter());
  perform glow_api.require_most(most);
  return query
  select k.look_id, k.kind, k.phase, k.as_of, k.day, k.decision, k.reason, k.result, k.looked_at
    from glow.experiment_looks k where k.experiment_id = experiment_looks.experiment_id
   order by k.as_of desc, k.look_id desc limit most;
end $$;
COMMENT ON FUNCTION glow_api.experiment_looks(experiment_id text, most integer) IS 'Every look at an experiment, the newest first: what was decided and why, and in result the differences with their intervals and boundaries. Looks are never changed.';
REVOKE ALL ON FUNCTION glow_api.experiment_looks(experiment_id text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.experiment_looks(experiment_id text, most integer) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.experiment_looks(experiment_id text, most integer) TO glow_pipeline;

CREATE FUNCTION glow_api.success_metrics() RETURNS TABLE(metric text, value double precision, low double precision, high double precision, target double precision, status text, detail text, measured_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.require_everybody();
  return query
  select distinct on (m.metric) m.metric, m.value, m.low, m.high, m.target, m.status, m.detail, m.measured_at
    from glow.success_metrics m order by m.metric, m.measured_at desc;
end $$;
COMMENT ON FUNCTION glow_api.success_metrics() IS 'The newest measurement of each success metric, with its interval and its target.';
REVOKE ALL ON FUNCTION glow_api.success_metrics() FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.success_metrics() TO glow_viewer;
GRANT ALL ON FUNCTION glow_api.success_metrics() TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.success_metrics() TO glow_pipeline;

CREATE FUNCTION glow_api.correction_patterns(agent text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, which text DEFAULT NULL::text, most integer DEFAULT 50) RETURNS TABLE(standing text, kind text, about text, detail text, count integer, experts integer, people integer, conversations integer, share double precision, share_low double precision, share_high double precision, lift double precision, q double precision, trend double precision, trend_low double precision, trend_high double precision, first_seen timestamp with time zone, last_seen timestamp with time zone, feedback bigint[], annotations bigint[], computed_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if which is not null and which not in ('total', 'named', 'emerging') then
    perform glow_api.refuse('PT422', 'which', which, 'total, named or emerging, or null for all');
  elsif most is null or most not between 1 and 1000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number from 1 to 1000');
  end if;
  return query
  select p.standing, p.kind, p.about,
         case when p.standing <> 'emerging' or pg_has_role(session_user, 'glow_engineer', 'usage') then p.detail end,
         p.count, p.experts, p.people, p.conversations, p.share, p.share_low, p.share_high, p.lift, p.q, p.trend, p.trend_low,
         p.trend_high, p.first_seen, p.last_seen, p.feedback, p.annotations, s.computed_at
    from glow.correction_patterns p join glow.correction_snapshots s on s.agent = p.agent
   where p.agent = correction_patterns.agent and p.last_seen >= coalesce(correction_patterns.since, '-infinity')
     and p.standing = coalesce(correction_patterns.which, p.standing)
   order by p.position
   limit correction_patterns.most;
end $$;
COMMENT ON FUNCTION glow_api.correction_patterns(agent text, since timestamp with time zone, which text, most integer) IS 'What people keep changing in an agent''s outputs, the named patterns first: how often, by how many, compared with outputs that nobody corrected, and its trend. Ids are those of the newest corrections. `since`: seen since then; `which`: total, named or emerging.';
REVOKE ALL ON FUNCTION glow_api.correction_patterns(agent text, since timestamp with time zone, which text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.correction_patterns(agent text, since timestamp with time zone, which text, most integer) TO glow_app;
GRANT ALL ON FUNCTION glow_api.correction_patterns(agent text, since timestamp with time zone, which text, most integer) TO glow_viewer;
GRANT ALL ON FUNCTION glow_api.correction_patterns(agent text, since timestamp with time zone, which text, most integer) TO glow_engineer;

CREATE FUNCTION glow_api.erasures(most integer DEFAULT 100) RETURNS TABLE(erasure_id bigint, tenant text, erased_by text, reason text, erased_at timestamp with time zone, finished_at timestamp with time zone, open_tasks bigint, receipt jsonb, outside jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select e.erasure_id, e.tenant::text, e.erased_by, e.reason, e.erased_at, e.finished_at,
         (select count(*) from glow.erasure_tasks t where t.erasure_id = e.erasure_id and t.state <> 'done'), e.receipt, e.outside
    from glow.erasures e where e.tenant = coalesce(caller.tenant, e.tenant)
   order by e.erasure_id desc limit most;
end $$;
COMMENT ON FUNCTION glow_api.erasures(most integer) IS 'The erasures, the newest first: by whom, why, what was touched, what is left to do.';
REVOKE ALL ON FUNCTION glow_api.erasures(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.erasures(most integer) TO glow_engineer;

CREATE FUNCTION glow_api.notifications(agent text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, most integer DEFAULT 100) RETURNS TABLE(notification_id bigint, agent_name text, kind text, title text, body jsonb, created_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select n.notification_id, n.agent::text, n.kind, n.title, n.body, n.created_at
    from glow.notifications n
   where n.agent = coalesce(notifications.agent, n.agent) and glow_api.is_mine(n.agent, caller)
     and n.created_at >= coalesce(since, '-infinity')
   order by n.notification_id desc limit most;
end $$;
COMMENT ON FUNCTION glow_api.notifications(agent text, since timestamp with time zone, most integer) IS 'What happened that a person may want to know (a candidate prompt, its experiment), of an agent or of all, the newest first.';
REVOKE ALL ON FUNCTION glow_api.notifications(agent text, since timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.notifications(agent text, since timestamp with time zone, most integer) TO glow_engineer;

CREATE FUNCTION glow_api.rollouts(agent text DEFAULT NULL::text, most integer DEFAULT 100) RETURNS TABLE(experiment_id text, agent_name text, kind text, treatment text, state text, stage integer, stages integer, treatment_ppm integer, awaiting_stage integer, approved_stage integer, opened_at timestamp with time zone, stage_started_at timestamp with time zone, ended_at timestamp with time zone, revision integer, reason text, plan jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  perform glow_api.require_most(most);
  return query
  select r.experiment_id, x.agent::text, x.kind, x.treatment, r.state, r.stage, jsonb_array_length(r.plan -> 'stages'), x.treatment_ppm,
         r.awaiting_stage, nullif(r.approved_stage, -1), r.opened_at, r.stage_started_at, r.ended_at, r.revision, r.reason, r.plan
    from glow.rollouts r join glow.learning_experiments x using (experiment_id)
   where (rollouts.agent is null or x.agent = rollouts.agent) and glow_api.is_mine(x.agent, caller)
   order by r.opened_at desc, r.experiment_id limit most;
end $$;
COMMENT ON FUNCTION glow_api.rollouts(agent text, most integer) IS 'Gradual rollouts of an agent or of all, the newest first: the stage (counted from 0) and the share that has the treatment, and the stage that waits for approval.';
REVOKE ALL ON FUNCTION glow_api.rollouts(agent text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION glow_api.rollouts(agent text, most integer) TO glow_engineer;
GRANT ALL ON FUNCTION glow_api.rollouts(agent text, most integer) TO glow_pipeline;
