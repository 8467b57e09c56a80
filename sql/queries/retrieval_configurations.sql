-- Retrieval configurations with all that was learned.

-- insert_configuration --
-- A retrieval configuration; the same one is written once.
insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model, parent)
values (%(configuration)s, %(agent)s, %(parameters)s, %(chunking)s, %(model)s, %(parent)s)
on conflict do nothing
returning configuration

-- configuration --
-- A configuration without its rows.
select agent, parameters, chunking, model, parent, created_at
  from glow.retrieval_configurations where configuration = %(configuration)s

-- insert_memory --
-- What a configuration remembers of a query and a chunk.
insert into glow.retrieval_memory (configuration, position, query, embedding, chunk_id, attractiveness, examinations, event_ids)
values (%(configuration)s, %(position)s, %(query)s, %(embedding)s::text::vector, %(chunk_id)s, %(attractiveness)s, %(examinations)s, %(event_ids)s)

-- memory --
-- All that a configuration remembers.
select query, embedding::text as embedding, chunk_id, attractiveness, examinations, event_ids
  from glow.retrieval_memory where configuration = %(configuration)s order by position

-- insert_adapter --
-- A row of the adapter.
insert into glow.retrieval_adapters (configuration, position, row)
values (%(configuration)s, %(position)s, %(row)s::text::vector)

-- adapter --
-- The adapter, row by row.
select a.row::text as row from glow.retrieval_adapters a where a.configuration = %(configuration)s order by a.position

-- insert_expansion --
-- Words a configuration adds to queries that hold a phrase.
insert into glow.retrieval_expansions (configuration, position, phrase, adds, weight, queries, users, lift, gain, event_ids)
values (%(configuration)s, %(position)s, %(phrase)s, %(adds)s, %(weight)s, %(queries)s, %(users)s, %(lift)s, %(gain)s, %(event_ids)s)

-- expansions --
-- All words a configuration adds.
select phrase, adds, weight, queries, users, lift, gain, event_ids
  from glow.retrieval_expansions where configuration = %(configuration)s order by position

-- insert_shift --
-- The moved vector of a chunk.
insert into glow.retrieval_shifts (configuration, chunk_id, embedding)
values (%(configuration)s, %(chunk_id)s, %(embedding)s::text::vector)

-- shifts --
-- The moved vectors of a configuration.
select chunk_id, embedding::text as embedding from glow.retrieval_shifts where configuration = %(configuration)s order by chunk_id
