-- Retrieval events, embeddings, what is in force, and gates.

-- retrieval_events --
-- Searches of an agent with news from a watermark on, of these queries if any are given, with their hits. Whose they are is
-- written as in signals; glow.qualified and retrieval_person are written out, and hits are lists: by name, and with a function
-- called for each search, a hundred thousand searches took 80 s.
select e.prefix || e.event_id as id, e.query, e.policy,
       coalesce(e.prefix || e.user_id, chr(31) || e.prefix || e.conversation_id, '') as person,
       e.prefix || e.conversation_id as conversation_id, e.day, e.configuration, h.hits
  from (select r.*, case r.tenant when 'default' then '' else r.tenant || chr(31) end as prefix,
               extract(epoch from r.occurred_at)::double precision / 86400 as day
          from glow.retrieval_events r
         where r.agent = %(agent)s and r.xid >= %(since)s::text::xid8
           and (%(queries)s::text[] is null or r.query = any (%(queries)s::text[]))) e
 cross join lateral (
   select coalesce(json_agg(json_build_array(
            h.chunk_id, h.rank, h.score, h.leg, h.propensity, h.shown, h.cited, h.clicked, h.kept, h.explicit, h.score_dense,
            h.score_lexical, h.expert) order by h.rank), '[]') as hits
     from glow.retrieval_hits h
    where h.tenant = e.tenant and h.event_id = e.event_id and h.recorded_at = e.recorded_at offset 0) h
 order by id

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

-- configuration_in_force --
-- The configuration behind an alias.
select a.configuration, a.revision, c.parameters, c.parent, c.chunking, c.model
  from glow.retrieval_aliases a join glow.retrieval_configurations c using (configuration)
 where a.agent = %(agent)s and a.alias = %(alias)s

-- move_retrieval_alias --
-- Puts a configuration in force: the new revision, 0 where it is already, null when somebody else was faster.
select glow.move_retrieval_alias(%(agent)s, %(configuration)s, %(moved_by)s, %(reason)s, 'move', %(gate_id)s, %(experiment_id)s,
                                 %(expected)s) as revision

-- rollback_retrieval --
-- Puts what was in force before in force again.
select glow.rollback_retrieval(%(agent)s, %(moved_by)s, %(reason)s, %(target)s) as receipt

-- retrieval_history --
-- The moves of an agent's retrieval aliases, the newest first.
select move_id, alias, configuration, previous, revision, move, moved_by, reason, gate_id, experiment_id, moved_at
  from glow.retrieval_alias_history where agent = %(agent)s order by move_id desc limit %(most)s

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
-- A configuration in force that is neither an agent's first, nor passed a gate, nor was put there by an experiment that an
-- engineer asked for: must not exist.
select a.configuration
  from glow.retrieval_aliases a join glow.retrieval_configurations c using (configuration)
 where a.agent = %(agent)s and a.alias = 'production' and c.parent is not null
   and not exists (select from glow.retrieval_gates g where g.candidate = a.configuration and g.verdict = 'ship')
   and not exists (select from glow.learning_experiments x
                    where x.agent = a.agent and x.treatment_retrieval = a.configuration and x.request_id is not null)

-- last_judged --
-- When a configuration of this chunking and model was last held against what is in force.
select max(g.created_at) as at, clock_timestamp() as now
  from glow.retrieval_gates g join glow.retrieval_configurations c on c.configuration = g.candidate
 where g.agent = %(agent)s and c.chunking = %(chunking)s and c.model = %(model)s

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
