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

create function glow_api.erasures(most integer default 100)
  returns table (erasure_id bigint, tenant text, erased_by text, reason text, erased_at timestamptz, finished_at timestamptz,
                 open_tasks bigint, receipt jsonb, outside jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function glow_api.erasures is 'The erasures, the newest first: by whom, why, what was touched, what is left to do.';
