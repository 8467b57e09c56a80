-- Erasure, second part: what was learned from a person. Each takes and answers the receipt so far.

-- Examples whose text came from the person, in every version they ever had.
create function glow_api.erase_examples(erasure_id bigint, tenant text, receipt jsonb) returns jsonb
  language plpgsql as $$
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
comment on function glow_api.erase_examples is 'Takes a person''s words out of learning examples.';

-- What others asked too is learned again from them, and near-duplicates must go on finding it: or they would come to lie in
-- another split. What nobody else asked leaves nothing that tells of its words.
create function glow_api.erase_inputs(erasure_id bigint, tenant text, receipt jsonb) returns jsonb
  language plpgsql as $$
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
comment on function glow_api.erase_inputs is 'Takes a person''s questions out of what near-duplicates are found by.';

create function glow_api.revoke_datasets(erasure_id bigint, receipt jsonb) returns jsonb
  language plpgsql as $$
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
comment on function glow_api.revoke_datasets is 'Marks dataset versions that hold erased rows, and models trained on them.';

-- A model that was shown the person's words wrote the instruction, or one that this was made of: nobody can say which words
-- of it are theirs. What holds is the nearest before it.
create function glow_api.unreflected(erasure_id bigint, agent text, prompt_version text, examples text[]) returns text
  language sql stable as $$
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
$$;
comment on function glow_api.unreflected is
  'The instruction that takes the place of one a model wrote from a person''s words; null where it did not.';

-- The same demonstrations and rules again, if a run that had read them before the erasure writes them after it: whatever
-- is asked for here can be asked for twice.
create function glow_api.erase_prompts(erasure_id bigint, receipt jsonb) returns jsonb
  language plpgsql as $$
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
comment on function glow_api.erase_prompts is 'Takes erased examples out of prompts, and those prompts out of use.';

-- A question that others asked in the same words stays, without the person's searches behind it.
create function glow_api.erase_retrieval(erasure_id bigint, tenant text, receipt jsonb) returns jsonb
  language plpgsql as $$
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
end $$;
comment on function glow_api.erase_retrieval is 'Takes a person''s searches out of what retrieval learned.';

-- Of all its corrections together: which of them a word stands for cannot be told.
create function glow_api.erase_patterns(erasure_id bigint, tenant text, subject text, receipt jsonb) returns jsonb
  language plpgsql as $$
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
comment on function glow_api.erase_patterns is 'Takes a person''s corrections out of what people keep correcting.';

create function glow_api.erase_reliability(erasure_id bigint, tenant text, subject text, receipt jsonb) returns jsonb
  language plpgsql as $$
declare
  alias text := glow_api.pseudonym(erase_reliability.erasure_id, erase_reliability.tenant, erase_reliability.subject);
  n bigint;
begin
  update glow.reviewer_reliability r set reviewer = glow.qualified(erase_reliability.tenant, alias)
   where r.reviewer = glow.qualified(erase_reliability.tenant, erase_reliability.subject);
  get diagnostics n = row_count;
  return glow_api.counted(receipt, 'reviewer_reliability', n);
end $$;
comment on function glow_api.erase_reliability is 'Gives what a reviewer''s word counts to their pseudonym.';
