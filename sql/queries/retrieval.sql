-- Documents, chunks, retrieval events and configurations.

-- upsert_document --
-- A document; unchanged content changes nothing.
insert into glow.documents (agent, document_id, title, body, content_hash)
values (%(agent)s, %(document_id)s, %(title)s, %(body)s, %(content_hash)s)
on conflict (agent, document_id) do update
   set title = excluded.title, body = excluded.body, content_hash = excluded.content_hash, updated_at = clock_timestamp()
 where documents.content_hash <> excluded.content_hash

-- upsert_chunk --
-- A changed text loses its embedding, so that none is ever served for a text it does not belong to.
insert into glow.chunks (agent, chunk_id, document_id, position, text, content_hash)
values (%(agent)s, %(chunk_id)s, %(document_id)s, %(position)s, %(text)s, %(content_hash)s)
on conflict (agent, chunk_id) do update
   set text = excluded.text, content_hash = excluded.content_hash, embedding = null, embedding_model = null
 where chunks.content_hash <> excluded.content_hash

-- chunks --
-- All passages of an agent's knowledge base.
select chunk_id as id, document_id, text, embedding::text as embedding, embedding_model
  from glow.chunks where agent = %(agent)s order by chunk_id

-- set_chunk_embedding --
-- The embedding of a passage, unless its text changed meanwhile.
update glow.chunks set embedding = %(embedding)s::text::vector, embedding_model = %(model)s
 where agent = %(agent)s and chunk_id = %(chunk_id)s and content_hash = %(content_hash)s

-- unembedded_chunks --
-- Passages without an embedding of this model.
select chunk_id as id, text, content_hash from glow.chunks
 where agent = %(agent)s and embedding_model is distinct from %(model)s order by chunk_id

-- retrieval_events --
-- Retrieval events of an agent with their hits, newest prompt of the same shape as log_retrieval takes.
select glow.qualified(e.tenant, e.event_id) as id, e.query, e.policy, glow.qualified(e.tenant, e.user_id) as user_id,
       glow.qualified(e.tenant, e.conversation_id) as conversation_id, glow.qualified(e.tenant, e.execution_id) as execution_id,
       jsonb_agg(jsonb_build_object(
         'chunk_id', h.chunk_id, 'rank', h.rank, 'score', h.score, 'leg', h.leg, 'propensity', h.propensity,
         'shown', h.shown, 'cited', h.cited, 'clicked', h.clicked, 'kept', h.kept, 'explicit', h.explicit)
         order by h.rank) as hits
  from glow.retrieval_events e join glow.retrieval_hits h using (tenant, event_id, recorded_at)
 where e.agent = %(agent)s
 group by e.tenant, e.event_id, e.recorded_at order by id

-- search_arrivals --
-- Agents with many new searches behind the horizon, since each agent's own watermark (a JSON object agent -> xid).
-- Counts no further than the threshold, like feedback_arrivals.
select a.agent
  from glow.agents a
 cross join lateral (
   select count(*) as arrived from (
     select from glow.retrieval_events e
      where e.agent = a.agent and e.xid >= coalesce((%(watermarks)s::jsonb ->> a.agent)::xid8, '0'::xid8)
        and e.xid < %(horizon)s::text::xid8
      order by e.xid
      limit %(threshold)s) x) n
 where n.arrived >= %(threshold)s
 order by a.agent

-- cached_embeddings --
-- Known embeddings of texts.
select content_hash, embedding::text as embedding from glow.embeddings
 where model = %(model)s and content_hash = any(%(hashes)s)

-- insert_embedding --
-- The embedding of a text by this model.
insert into glow.embeddings (model, content_hash, embedding)
values (%(model)s, %(content_hash)s, %(embedding)s::text::vector)
on conflict do nothing

-- insert_configuration --
-- A retrieval configuration; the same one is written once.
insert into glow.retrieval_configurations (configuration, agent, parameters, parent)
values (%(configuration)s, %(agent)s, %(parameters)s, %(parent)s)
on conflict do nothing
returning configuration

-- insert_memory --
-- What a configuration remembers of a query and a passage.
insert into glow.retrieval_memory (configuration, position, query, embedding, chunk_id, attractiveness, examinations, event_ids)
values (%(configuration)s, %(position)s, %(query)s, %(embedding)s::text::vector, %(chunk_id)s, %(attractiveness)s, %(examinations)s, %(event_ids)s)

-- memory --
-- All that a configuration remembers.
select query, embedding::text as embedding, chunk_id, attractiveness, examinations, event_ids
  from glow.retrieval_memory where configuration = %(configuration)s order by position

-- configuration_in_force --
-- The configuration behind an alias.
select a.configuration, a.revision, c.parameters, c.parent
  from glow.retrieval_aliases a join glow.retrieval_configurations c using (configuration)
 where a.agent = %(agent)s and a.alias = %(alias)s

-- move_retrieval_alias --
-- Compare-and-swap, as for prompts.
insert into glow.retrieval_aliases as a (agent, alias, configuration)
select %(agent)s::glow.agent_name, %(alias)s, %(configuration)s
 where %(revision)s = 0 or exists (
   select from glow.retrieval_aliases x where x.agent = %(agent)s::glow.agent_name and x.alias = %(alias)s and x.revision = %(revision)s)
on conflict (agent, alias) do update
   set configuration = excluded.configuration, revision = a.revision + 1, moved_at = clock_timestamp()
 where a.revision = %(revision)s
returning revision

-- insert_retrieval_gate --
-- The test a configuration passed or failed; written once.
insert into glow.retrieval_gates (gate_id, agent, incumbent, candidate, verdict, evidence)
values (%(gate_id)s, %(agent)s, %(incumbent)s, %(candidate)s, %(verdict)s, %(evidence)s)
on conflict (gate_id) do nothing

-- retrieval_gate --
-- A gate by its id.
select gate_id, agent, incumbent, candidate, verdict, evidence, created_at
  from glow.retrieval_gates where gate_id = %(gate_id)s

-- retrieval_looks --
-- How many gates an agent has had.
select count(*) as looks from glow.retrieval_gates where agent = %(agent)s

-- ungated_configuration --
-- A configuration in force that is neither an agent's first nor shipped by a gate: must not exist.
select a.configuration
  from glow.retrieval_aliases a join glow.retrieval_configurations c using (configuration)
 where a.agent = %(agent)s and a.alias = 'production' and c.parent is not null
   and not exists (select from glow.retrieval_gates g where g.candidate = a.configuration and g.verdict = 'ship')

-- latest_retrieval_gate --
-- An agent's newest retrieval gate.
select gate_id, agent, incumbent, candidate, verdict, evidence, created_at
  from glow.retrieval_gates where agent = %(agent)s order by created_at desc limit 1

-- insert_pair --
-- A training pair; the same one is written once.
insert into glow.embedding_training_pairs (
  pair_id, agent, query, positive_chunk_id, negative_chunk_id, weight, negative_kind, event_ids, group_key, split)
values (
  %(pair_id)s, %(agent)s, %(query)s, %(positive_chunk_id)s, %(negative_chunk_id)s, %(weight)s, %(negative_kind)s,
  %(event_ids)s, %(group_key)s, %(split)s)
on conflict (pair_id) do nothing

-- pair_counts --
-- Pairs by split and kind of negative.
select split, negative_kind, count(*) as pairs from glow.embedding_training_pairs
 where agent = %(agent)s group by split, negative_kind order by split, negative_kind
