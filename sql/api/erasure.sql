-- Erasure: a person's data, wherever it went.
--
-- erase_subject collects what is the person's (glow.erasure_probes), takes it out of what was learned, then out of the
-- rows apps and experts wrote. It is one transaction; what lies outside these tables is left as tasks for the pipeline.
-- A new table with texts or ids is a line in personal_places; a test compares that list with the catalog.

create type glow_api.personal_place as (
  relation text,
  -- Columns that name a person, and what becomes of the rows of the subject: delete, pseudonym.
  people text[], of_people text,
  -- The column that names an execution (of the row's tenant), and what becomes of rows about the subject's: delete, rename.
  about text, of_about text,
  -- Columns emptied in rows that stay.
  emptied text[],
  -- What becomes of a row that quotes an erased text, found by content after the transaction: delete, leaves.
  swept text,
  note text);

create function glow_api.personal_places() returns setof glow_api.personal_place
  language sql immutable as $$
  values
    ('agent_feedback', null::text[], null::text, null::text, null::text, null::text[], null::text,
        'Votes on others'' executions stay under a pseudonym, without comment, correction and free issues; what has only text, and votes on the person''s own executions, is deleted. Votes of others on those stay without text.'),
    ('agents', null, null, null, null, null, null, 'Written by engineers: not personal.'),
    ('call_samples', null, null, null, null, null, null, 'Names of logins: not personal.'),
    ('chunks', null, null, null, null, null, null, 'The company''s documents: not personal.'),
    ('current_feedback', null, null, null, null, null, null, 'As agent_feedback.'),
    ('dataset_examples', null, null, null, null, null, null, 'Numbers only; the rows stay, so that a version can be explained.'),
    ('dataset_exports', null, null, null, null, null, null, 'Files of a revoked version are deleted; their rows stay as erased.'),
    ('datasets_in_force', null, null, null, null, null, null, 'A revoked version is taken out of force at once, its successor put in.'),
    ('demonstrations', '{expert}', 'delete', null, null, null, null, 'Deleted: nothing but the expert''s text.'),
    ('documents', null, null, null, null, null, null, 'The company''s documents: not personal.'),
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
    ('example_sources', null, null, null, null, null, null, 'Stay; ids of executions become pseudonyms.'),
    ('execution_keys', null, null, null, null, null, null, 'Deleted; where a judgement stands on it, a pseudonym stays.'),
    ('executions', null, null, null, null, null, null, 'Deleted, with those of the same conversation that name nobody.'),
    ('experiment_looks', null, null, null, null, null, null, 'Numbers only.'),
    ('expert_annotations', '{reviewer}', 'pseudonym', 'execution_id', 'rename', '{output,notes,idempotency_key,payload_hash}', null,
        'The verdict stays: under a pseudonym where the person gave it, without text also where it is about the person''s execution.'),
    ('exposures', null, null, null, null, null, null, 'Deleted.'),
    ('feedback_keys', null, null, null, null, null, null, 'Deleted.'),
    ('import_refusals', null, null, null, null, null, 'leaves', 'Message, field, hint and row are emptied; line and code stay.'),
    ('import_rows', null, null, null, null, null, null, 'Deleted.'),
    ('imports', null, null, null, null, null, 'leaves', 'Names of files that hold the person''s id or words are emptied.'),
    ('learning_examples', null, null, null, null, null, null,
        'A row whose text came from the person loses input, target and the output it replaced, is rejected and closed. Its hashes stay.'),
    ('learning_experiments', null, null, null, null, null, null, 'Stopped where a prompt under test lost a part.'),
    ('learning_inputs', null, null, null, null, null, null, 'The hash and the group stay; the conversation goes.'),
    ('logins', '{person}', 'pseudonym', null, null, '{note}', null, 'A login bound to the person may speak for nobody any more.'),
    ('partition_upkeep', null, null, null, null, null, null, 'A lock.'),
    ('prompt_alias_history', '{moved_by}', 'pseudonym', null, null, null, null, 'Stays.'),
    ('prompt_aliases', null, null, null, null, null, null,
        'production and previous move to a version without the parts; a candidate is taken back, since no gate has seen that version.'),
    ('prompt_gates', null, null, null, null, null, 'leaves', 'Counts and hashes stay.'),
    ('prompt_lineage', null, null, null, null, null, null, 'Stays; ids of executions become pseudonyms.'),
    ('prompt_optimizations', null, null, null, null, null, 'leaves', 'Inputs, corrections and prompts it quotes are emptied.'),
    ('prompt_versions', null, null, null, null, null, null,
        'Demonstrations and rules that rest on erased examples are taken out; the version is marked erased, one without them takes its place.'),
    ('requests', '{requested_by}', 'pseudonym', null, null, null, 'leaves', 'The request stays.'),
    ('responses', null, null, null, null, null, 'delete', 'Deleted where the answer quotes an erased text.'),
    ('retention_policies', '{set_by}', 'pseudonym', null, null, null, null, 'Stays.'),
    ('retrieval_aliases', null, null, null, null, null, null, 'Not personal.'),
    ('retrieval_configurations', null, null, null, null, null, null, 'Numbers only.'),
    ('retrieval_events', null, null, null, null, null, null, 'Deleted.'),
    ('retrieval_gates', null, null, null, null, null, 'leaves', 'Counts stay.'),
    ('retrieval_hits', null, null, null, null, null, null, 'Deleted.'),
    ('retrieval_keys', null, null, null, null, null, null, 'Deleted.'),
    ('retrieval_memory', null, null, null, null, null, null, 'As embedding_training_pairs.'),
    ('split_assignments', null, null, null, null, null, null, 'Hashes only; a group keeps its split for ever.'),
    ('success_metrics', null, null, null, null, null, null, 'Numbers only.'),
    ('test_spends', null, null, null, null, null, null, 'Hashes only.'),
    ('token_keys', null, null, null, null, null, null, 'Keys: not personal.'),
    ('training_datasets', null, null, null, null, null, 'leaves', 'A version that holds an erased row is revoked; its hash stays.'),
    ('training_run_events', null, null, null, null, null, 'leaves', 'What a service answered stays, but for what it quotes.'),
    ('training_runs', null, null, null, null, null, 'leaves', 'Runs on a revoked version are marked retrain_due_at: the weights are the provider''s.'),
    ('watermarks', null, null, null, null, null, null, 'Numbers only.')
$$;
comment on function glow_api.personal_places is 'Every table, whether a person''s data may be in it, and what erasure does there.';

create function glow_api.subject_hash(tenant text, subject text) returns bytea
  language sql stable
  return (select sha256(k.outer_pad || sha256(k.inner_pad || convert_to(subject_hash.tenant || chr(31) || subject_hash.subject, 'UTF8')))
            from glow.erasure_key k);
comment on function glow_api.subject_hash is 'HMAC-SHA-256 of a person of a tenant.';

create function glow_api.is_erased(tenant text, subject text) returns boolean
  language sql stable
  return exists (select from glow.erased_subjects e where e.subject = glow_api.subject_hash(is_erased.tenant, is_erased.subject));
comment on function glow_api.is_erased is 'Whether a person was erased.';

-- Another one for each erasure: somebody who comes back and is erased again is not told apart from a stranger.
create function glow_api.pseudonym(erasure_id bigint, tenant text, id text, digits integer default 12) returns text
  language sql stable
  return 'erased-' || left(encode(glow_api.subject_hash(pseudonym.tenant, 'pseudonym-' || erasure_id || '-' || pseudonym.id), 'hex'), digits);
comment on function glow_api.pseudonym is 'What stands for an erased id from one erasure on.';

create function glow_api.counted(receipt jsonb, relation text, n bigint) returns jsonb
  language sql immutable
  return jsonb_set(receipt, array['tables', relation], to_jsonb(coalesce((receipt #>> array['tables', relation])::bigint, 0) + n));
comment on function glow_api.counted is 'A receipt with some more rows of a table.';

create function glow_api.probes(erasure_id bigint, kind text) returns setof text
  language sql stable rows 1000 as $$
  select p.value from glow.erasure_probes p where p.erasure_id = probes.erasure_id and p.kind = probes.kind
$$;
comment on function glow_api.probes is 'What an erasure looks for, of one kind.';

create function glow_api.text_leaves(value jsonb, shortest integer) returns setof text
  language sql immutable as $$
  select leaf #>> '{}' from jsonb_path_query(value, 'strict $.** ? (@.type() == "string")') leaf
   where length(leaf #>> '{}') >= shortest
$$;
comment on function glow_api.text_leaves is 'The texts in a JSON value from some length on.';

create function glow_api.collect_probes(erasure_id bigint, tenant text, subject text) returns void
  language plpgsql as $$
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
     and p.value in (select e.conversation_id from glow.executions e where e.tenant = whose and e.user_id <> who
                     union all select f.conversation_id from glow.agent_feedback f where f.tenant = whose and f.user_id <> who);
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
    select r.query from glow.retrieval_events r
     where r.tenant = whose and r.event_id in (select glow_api.probes(the_id, 'event'))
    union all
    select r.payload ->> key from glow.import_refusals r, unnest('{input,output,comment,correction,query,notes}'::text[]) key
     where glow_api.is_of_import(r.payload, the_id, whose, who)
  ) t where t.value <> '';
end $$;
comment on function glow_api.collect_probes is 'Writes down what an erasure looks for.';

create function glow_api.is_of_import(payload jsonb, erasure_id bigint, tenant text, subject text) returns boolean
  language sql stable as $$
  select case when jsonb_typeof(payload) = 'object' and payload ?| '{user_id,reviewer,expert,execution_id}'
              then coalesce(payload ->> 'tenant', 'default') = is_of_import.tenant
               and (is_of_import.subject in (payload ->> 'user_id', payload ->> 'reviewer', payload ->> 'expert')
                    or payload ->> 'execution_id' in (select glow_api.probes(is_of_import.erasure_id, 'execution')))
              -- What was not understood: as a whole word, and not where it is as short as a number of something.
              else length(is_of_import.subject) >= 4
               and position(' ' || is_of_import.subject || ' ' in translate(payload::text, '"\,:;{}[]()=&', '             ')) > 0 end
$$;
comment on function glow_api.is_of_import is 'Whether a row of an imported file is a person''s.';

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
        select p.value from glow.erasure_probes p where p.erasure_id = the_id and p.kind = s.kind);
  insert into glow.erasure_probes
  select distinct the_id, 'example', x.example_id from glow.learning_examples x
   where x.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v) and x.erased_at is null;
  insert into glow.erasure_probes
  select distinct the_id, 'text', t.value from glow.learning_examples x, unnest(array[x.input, x.target, x.rejected_target]) t(value)
   where x.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v) and t.value <> '';
  -- Where others said the same, curation shall learn it from them: their rows become news.
  with others as (
    select distinct s.kind, s.source_id from glow.example_sources s
     where s.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v)
  ), executions as (
    update glow.executions e set xid = pg_current_xact_id() from others o
     where o.kind = 'execution' and e.tenant = glow.tenant_of(o.source_id) and e.execution_id = glow.unqualified(o.source_id)
  ), feedback as (
    update glow.agent_feedback f set xid = pg_current_xact_id() from others o
     where f.feedback_id = case o.kind when 'feedback' then o.source_id::bigint end
  ), annotations as (
    update glow.expert_annotations a set xid = pg_current_xact_id() from others o
     where a.annotation_id = case o.kind when 'annotation' then o.source_id::bigint end
  )
  update glow.demonstrations d set xid = pg_current_xact_id() from others o
   where d.demonstration_id = case o.kind when 'demonstration' then o.source_id::bigint end;
  with gone as (
    update glow.learning_examples x
       set input = null, target = null, rejected_target = null, status = 'rejected', reason = 'erased',
           expert_approved = false, erased_at = clock_timestamp(), superseded_at = coalesce(x.superseded_at, clock_timestamp())
     where x.example_version in (select v::bigint from glow_api.probes(the_id, 'version') v) and x.erased_at is null
    returning x.input_id
  ), inputs as (
    insert into glow.erasure_probes select distinct the_id, 'input', g.input_id::text from gone g where g.input_id is not null
  )
  select count(*) into n from gone;
  receipt := glow_api.counted(receipt, 'learning_examples', n);
  update glow.learning_inputs i set conversation = null
   where i.conversation in (select glow.qualified(whose, c) from glow_api.probes(the_id, 'conversation') c);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'learning_inputs', n);
  -- A short text that others use too is nobody's: a label, "yes", "thank you".
  delete from glow.erasure_probes p
   where p.erasure_id = the_id and p.kind = 'text' and length(p.value) < 60
     and (exists (select from glow.agents a where a.evaluation -> 'choices' ? p.value)
       or exists (select from glow.prompt_versions v where v.prompt -> 'choices' ? p.value)
       or exists (select from glow.learning_examples x
                   where x.superseded_at is null and x.erased_at is null and (x.target = p.value or x.input = p.value)));
  return receipt;
end $$;
comment on function glow_api.erase_examples is 'Takes a person''s words out of learning examples.';

create function glow_api.revoke_datasets(erasure_id bigint, receipt jsonb) returns jsonb
  language plpgsql as $$
declare
  revoked text[];
  n bigint;
begin
  with hit as (
    update glow.training_datasets t set revoked_at = clock_timestamp(), revoked_because = 'erasure ' || revoke_datasets.erasure_id
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

-- The same demonstrations and rules again, if a run that had read them before the erasure writes them after it: whatever
-- is asked for here can be asked for twice.
create function glow_api.erase_prompts(erasure_id bigint, receipt jsonb) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  the_id bigint := erase_prompts.erasure_id;
  -- Not what others have taught again since.
  examples text[] := array(
    select e from glow_api.probes(the_id, 'example') e
     where not exists (select from glow.learning_examples x
                        where x.example_id = e and x.superseded_at is null and x.erased_at is null));
  old record;
  moved record;
  fresh text;
  kept jsonb;
  n bigint;
begin
  for old in
    select p.agent, p.prompt_version, p.prompt from glow.prompt_versions p
     where p.erased_at is null
       and (exists (select from jsonb_array_elements(p.prompt -> 'demonstrations') d where d ->> 'example_id' = any(examples))
         or exists (select from jsonb_array_elements(p.prompt -> 'rules') r where r -> 'evidence' ?| examples))
     order by p.created_at
  loop
    kept := old.prompt || jsonb_build_object(
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
      select unnest(array[d ->> 'input', d ->> 'output']) from jsonb_array_elements(old.prompt -> 'demonstrations') d
       where d ->> 'example_id' = any(examples) and not (coalesce(old.prompt -> 'choices', '[]') ? (d ->> 'output'))) t
     where length(t.text) >= 12;
    fresh := encode(sha256(convert_to(kept::text, 'UTF8')), 'hex');
    insert into glow.prompt_versions (agent, prompt_version, prompt, operator, parent)
    values (old.agent, fresh, kept, 'erasure', old.prompt_version)
    on conflict do nothing;
    insert into glow.prompt_lineage (agent, prompt_version, kind, source_id, role, rule_id, example_version)
    select l.agent, fresh, l.kind, l.source_id, l.role, l.rule_id, l.example_version from glow.prompt_lineage l
     where l.agent = old.agent and l.prompt_version = old.prompt_version and (
       l.role = 'demo' and exists (select from jsonb_array_elements(kept -> 'demonstrations') d where d ->> 'example_id' = l.source_id)
       or l.rule_id <> '' and exists (select from jsonb_array_elements(kept -> 'rules') r where r ->> 'id' = l.rule_id))
    on conflict do nothing;
    update glow.prompt_versions p set prompt = kept, erased_at = clock_timestamp()
     where p.agent = old.agent and p.prompt_version = old.prompt_version;
    receipt := glow_api.counted(receipt, 'prompt_versions', 1);
    delete from glow.evaluations e where e.agent = old.agent and e.prompt_version = old.prompt_version;
    get diagnostics n = row_count;
    receipt := glow_api.counted(receipt, 'evaluations', n);
    update glow.learning_experiments x
       set state = 'stopped', stopped_at = clock_timestamp(), reason = 'a prompt under test lost a part: erasure ' || the_id
     where x.agent = old.agent and x.state = 'running' and old.prompt_version in (x.control, x.treatment);
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
  delete from glow.embeddings m
   where m.content_hash in (select encode(sha256(convert_to(t, 'UTF8')), 'hex') from glow_api.probes(erase_retrieval.erasure_id, 'text') t);
  get diagnostics gone = row_count;
  return glow_api.counted(receipt, 'embeddings', gone);
end $$;
comment on function glow_api.erase_retrieval is 'Takes a person''s searches out of what retrieval learned.';

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
   where x.unit_id = glow.qualified(whose, who)
      or x.unit_id in (select glow.qualified(whose, c) from glow_api.probes(the_id, 'conversation') c);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'exposures', n);

  delete from glow.import_rows r where glow_api.is_of_import(r.payload, the_id, whose, who);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'import_rows', n);
  update glow.import_refusals r set payload = '{"erased": true}', field = '', message = '[erased]', hint = null
   where glow_api.is_of_import(r.payload, the_id, whose, who);
  get diagnostics n = row_count;
  receipt := glow_api.counted(receipt, 'import_refusals', n);
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
                    case when glow_api.has_column(place.relation, 'xid') then ', xid = pg_current_xact_id()' end);
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
  for place in select p.* from glow_api.personal_places() p where p.of_about = 'rename' loop
    stands := stands || format(' or exists (select from glow.%I t where t.tenant = k.tenant and t.%I = k.execution_id)',
                               place.relation, place.about);
  end loop;
  execute format('delete from glow.execution_keys k
                   where k.tenant = $2
                     and k.execution_id in (select glow_api.pseudonym($1, $2, x, 20) from glow_api.probes($1, ''execution'') x)
                     and not (%s)', stands) using the_id, whose;
  return receipt;
end $$;
comment on function glow_api.rename_executions is 'Gives what stands on erased executions a pseudonym to stand on.';

create function glow_api.erase_all(tenant text, subject text, reason text) returns jsonb
  language plpgsql as $$
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
  told := glow_api.erase_said(the_id, erase_all.tenant, erase_all.subject, told);
  told := glow_api.rename_executions(the_id, erase_all.tenant, erase_all.subject, told);
  insert into glow.erasure_tasks (erasure_id, kind) values (the_id, 'scrub');
  insert into glow.erased_subjects (subject) values (glow_api.subject_hash(erase_all.tenant, erase_all.subject))
  on conflict (subject) do update set last_erased_at = clock_timestamp();
  told := told || jsonb_build_object(
    'rows', (select coalesce(sum(t.value::bigint), 0) from jsonb_each_text(told -> 'tables') t));
  update glow.erasures e set receipt = told where e.erasure_id = the_id;
  perform set_config('glow.erasing', 'off', true);
  return told || jsonb_build_object('erasure_id', the_id, 'tenant', erase_all.tenant);
end $$;
comment on function glow_api.erase_all is 'Erases a person within the database; answers the receipt.';

-- Says: this caller has seen the receipt of a dry run of this erasure at that second.
create function glow_api.confirmation(tenant text, subject text, since bigint) returns text
  language sql stable
  return since || '-' || left(encode(glow_api.subject_hash(confirmation.tenant,
    'confirmation-' || session_user || '-' || since || '-' || confirmation.subject), 'hex'), 32);
comment on function glow_api.confirmation is 'What the receipt of a dry run carries, and the erasure itself asks for.';

create function glow_api.erase_subject(
  subject text, tenant text default null, dry_run boolean default true, reason text default '', confirm text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set work_mem = '64MB' as $$
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
end $$;
comment on function glow_api.erase_subject is
  'Erases a person of a tenant: user, reviewer or expert. A dry run unless told otherwise; the real one takes what the dry '
  'run''s receipt carries as `confirm`. One transaction over all tables; files, dataset successors and Dagster''s own '
  'tables follow by the pipeline. Answers rows by table, datasets revoked. Safe to repeat.';

-- What the pipeline may do for an erasure that is not finished.

create function glow_api.require_open_erasure(erasure_id bigint) returns glow.erasures
  language plpgsql as $$
declare
  found_one glow.erasures;
begin
  select e.* into found_one from glow.erasures e where e.erasure_id = require_open_erasure.erasure_id and e.finished_at is null for update;
  if found_one.erasure_id is null then
    perform glow_api.refuse('PT404', 'erasure_id', erasure_id::text, 'an erasure that is not finished');
  end if;
  return found_one;
end $$;
comment on function glow_api.require_open_erasure is 'An erasure that is not finished, locked; refuses any other.';

create function glow_api.erase_late(erasure_id bigint) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
  erasure glow.erasures := glow_api.require_open_erasure(erasure_id);
  receipt jsonb := '{"tables": {}}';
begin
  perform set_config('glow.erasing', 'on', true);
  receipt := glow_api.erase_prompts(erasure_id, receipt);
  receipt := glow_api.erase_retrieval(erasure_id, erasure.tenant, receipt);
  perform set_config('glow.erasing', 'off', true);
  return receipt;
end $$;
comment on function glow_api.erase_late is
  'Takes an erased person again out of prompts and retrieval: a run that had read before the erasure may write after it.';

create function glow_api.swept_places() returns table (relation text, swept text)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter();
  return query select p.relation, p.swept from glow_api.personal_places() p where p.swept is not null;
end $$;
comment on function glow_api.swept_places is 'The tables in which erased texts are looked for by content.';

create function glow_api.replace_quoting(erasure_id bigint, relation text, key jsonb, columns jsonb) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  caller glow_api.caller := glow_api.enter();
  way text;
  place text := format('glow.%I', replace_quoting.relation);
  n bigint;
begin
  perform glow_api.require_open_erasure(replace_quoting.erasure_id);
  select p.swept into way from glow_api.personal_places() p where p.relation = replace_quoting.relation;
  if way is null then
    perform glow_api.refuse('PT403', 'relation', relation, 'a table that personal_places says is swept');
  end if;
  perform set_config('glow.erasing', 'on', true);
  if way = 'delete' then
    execute format('delete from %s t using jsonb_populate_record(null::%1$s, $1) k where %s', place,
      (select string_agg(format('t.%I = k.%1$I', c), ' and ') from jsonb_object_keys(key) c)) using key;
  else
    execute format('update %s t set %s from jsonb_populate_record(null::%1$s, $1) k, jsonb_populate_record(null::%1$s, $2) v where %3$s',
      place, (select string_agg(format('%I = v.%1$I', c), ', ') from jsonb_object_keys(columns) c),
      (select string_agg(format('t.%I = k.%1$I', c), ' and ') from jsonb_object_keys(key) c)) using key, columns;
  end if;
  get diagnostics n = row_count;
  perform set_config('glow.erasing', 'off', true);
  return n;
end $$;
comment on function glow_api.replace_quoting is 'Deletes or empties one row that quotes an erased text.';

create function glow_api.name_successor(dataset text, successor text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform glow_api.enter();
  perform set_config('glow.erasing', 'on', true);
  update glow.training_datasets d set successor = name_successor.successor
   where d.dataset_id = name_successor.dataset and d.revoked_at is not null and d.successor is null;
  perform set_config('glow.erasing', 'off', true);
end $$;
comment on function glow_api.name_successor is 'Says which version stands for a revoked one.';

create function glow_api.finish_erasure(erasure_id bigint) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function glow_api.finish_erasure is 'Closes an erasure all of whose tasks are done, and forgets what it looked for.';

-- The planner keeps sample values of every column (pg_statistic) until a table is analysed again.
create function glow_api.forget_statistics() returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  place record;
begin
  perform glow_api.enter();
  for place in select p.relation from glow_api.personal_places() p loop
    execute format('analyze glow.%I', place.relation);
  end loop;
end $$;
comment on function glow_api.forget_statistics is 'Takes new samples of every table, so that none holds values that were erased.';

create function glow_api.erasures(most integer default 100)
  returns table (erasure_id bigint, tenant text, erased_by text, reason text, erased_at timestamptz, finished_at timestamptz,
                 open_tasks bigint, receipt jsonb, outside jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  return query
  select e.erasure_id, e.tenant::text, e.erased_by, e.reason, e.erased_at, e.finished_at,
         (select count(*) from glow.erasure_tasks t where t.erasure_id = e.erasure_id and t.state <> 'done'), e.receipt, e.outside
    from glow.erasures e where e.tenant = coalesce(caller.tenant, e.tenant)
   order by e.erasure_id desc limit most;
end $$;
comment on function glow_api.erasures is 'The erasures, the newest first: by whom, why, what was touched, what is left to do.';
