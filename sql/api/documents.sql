-- The knowledge base: documents put, retired and listed, and retrieval put back.

create function glow_api.document_problem(document_id text, title text, body text) returns glow_api.problem
  language plpgsql immutable as $$
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
comment on function glow_api.document_problem is 'What is wrong with a document, or null.';

-- Who speaks for one person only is an app on that person's machine: the knowledge base answers everybody. So does that of
-- an agent without a tenant, and what one tenant puts there all the others are told. The login's own tenant counts: who
-- serves all may name one.
create function glow_api.require_librarian(agent text, tenant text, calls integer) returns void
  language plpgsql as $$
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
comment on function glow_api.require_librarian is
  'require_caller, for changing a knowledge base; refuses a login that speaks for one person or, of an agent that all tenants '
  'share, for one tenant.';

create function glow_api.record_document(agent text, document_id text, title text, body text) returns jsonb
  language plpgsql as $$
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
comment on function glow_api.record_document is 'Writes a document, or says why not.';

create function glow_api.put_document(agent text, document_id text, title text, body text, tenant text default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter(0, octet_length(body));
  perform glow_api.require_librarian(agent, tenant, 1);
  return glow_api.answered(glow_api.record_document(agent, document_id, title, body));
end $$;
comment on function glow_api.put_document is
  'Writes a document of an agent''s knowledge base, in place of the one with this id. It is searched as soon as the pipeline has '
  'indexed it; until then its old version is. Answers accepted, or unchanged where it is the same already. Of an agent that '
  'belongs to no tenant only a login that serves all tenants may change documents.';

create function glow_api.put_documents(agent text, documents jsonb, tenant text default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function glow_api.put_documents is
  'put_document for many: [{"document_id", "title", "body"}, …]. Answers one receipt for each, in order; one that is refused does '
  'not stop the others.';

create function glow_api.retire_document(agent text, document_id text, tenant text default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function glow_api.retire_document is
  'Takes a document out of an agent''s knowledge base: with the next indexing it is in no search any more. put_document brings it '
  'back. Its chunks stay in the tables, because what was learned names them.';

create function glow_api.documents(agent text, most integer default 100, after text default '', tenant text default null)
  returns table (document_id text, title text, characters integer, content_hash text, chunks bigint, indexed boolean,
                 updated_at timestamptz, retired_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function glow_api.documents is
  'An agent''s knowledge base by id, from `after` on: how many chunks each document has in the searches now, and whether those '
  'show it as it is (`indexed`; of a retired one: whether it is gone from them).';

create function glow_api.rollback_retrieval(agent text, reason text, configuration text default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function glow_api.rollback_retrieval is
  'Puts the retrieval configuration in force again that was before, or `configuration` if that was in force once: its parameters, '
  'chunking, model and what it learned, in one call, at once for whoever searches next. Refused where nothing was before, and '
  'while an experiment runs on retrieval. Afterwards there is no previous one: a second call by mistake changes nothing.';

create function glow_api.retrieval_history(agent text, most integer default 100)
  returns table (move_id bigint, alias text, configuration text, previous text, revision integer, move text, moved_by text,
                 reason text, gate_id text, experiment_id text, moved_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function glow_api.retrieval_history is
  'Every move of an agent''s retrieval configurations, the newest first: who, why, and the gate and experiment behind it.';
