-- The searchable form of chunks.

-- lock_indexing --
-- Until the end of the transaction nobody else indexes this agent.
select pg_advisory_xact_lock(hashtextextended('glow.indexing ' || %(agent)s, 0))

-- indexes --
-- The indexes of an agent that are not retired.
select index_number, chunking, model, dimensions, state, chunks, words, k1, b, average_words, next_entry, started_at, built_at
  from glow.retrieval_indexes where agent = %(agent)s and state <> 'retired' order by index_number

-- locked_indexes --
-- The same of a chunking, held until commit: whoever puts a configuration in force waits.
select index_number, chunking, model, dimensions, state, chunks, words, k1, b, average_words, next_entry, started_at, built_at
  from glow.retrieval_indexes
 where agent = %(agent)s and chunking = %(chunking)s and state <> 'retired' order by index_number for update

-- wanted_indexes --
-- What configurations in force, and those that an experiment shows, search.
select distinct c.chunking, c.model from glow.retrieval_configurations c
 where c.agent = %(agent)s
   and (exists (select from glow.retrieval_aliases a where a.agent = c.agent and a.configuration = c.configuration)
     or exists (select from glow.learning_experiments x
                 where x.agent = c.agent and x.active and x.kind = 'retrieval' and c.configuration in (x.control, x.treatment)))

-- begin_index --
-- An index that is to be built, unless there is one.
insert into glow.retrieval_indexes (agent, chunking, model, dimensions)
values (%(agent)s, %(chunking)s, %(model)s, %(dimensions)s)
on conflict (agent, chunking, model) where state <> 'retired' do nothing

-- unembedded --
-- One chunk for each text that a model has not embedded, among chunks given.
select distinct on (c.content_hash) c.chunk_id from glow.chunks c
 where c.agent = %(agent)s and c.chunk_id = any(%(chunk_ids)s)
   and not exists (select from glow.embeddings e where e.model = %(model)s and e.content_hash = c.content_hash)
 order by c.content_hash

-- unembedded_live --
-- The same among the live chunks of a chunking.
select distinct on (c.content_hash) c.chunk_id
  from glow.live_chunks l join glow.chunks c using (agent, chunk_id)
 where l.agent = %(agent)s and l.chunking = %(chunking)s
   and not exists (select from glow.embeddings e where e.model = %(model)s and e.content_hash = c.content_hash)
 order by c.content_hash

-- texts --
-- Texts of chunks.
select chunk_id, text from glow.chunks where agent = %(agent)s and chunk_id = any(%(chunk_ids)s) order by chunk_id

-- average_words --
-- The mean number of terms of the live chunks of a chunking.
select coalesce(nullif(avg(c.words), 0), 1)::double precision as average
  from glow.live_chunks l join glow.chunks c using (agent, chunk_id)
 where l.agent = %(agent)s and l.chunking = %(chunking)s

-- live_texts --
-- All live chunks of a chunking with their texts.
select l.chunk_id, c.text, c.words
  from glow.live_chunks l join glow.chunks c using (agent, chunk_id)
 where l.agent = %(agent)s and l.chunking = %(chunking)s order by l.chunk_id

-- added_texts --
-- Chunks with their texts.
select chunk_id, text, words from glow.chunks
 where agent = %(agent)s and chunk_id = any(%(chunk_ids)s) order by chunk_id

-- open_index --
-- Makes the tables of an index that is being built.
select glow.open_index(%(index_number)s)

-- close_index --
-- Makes it ready.
select glow.close_index(%(index_number)s, %(average_words)s)

-- add_entries --
-- Writes chunks into an index.
select glow.add_entries(%(index_number)s, %(first)s, %(chunk_ids)s, %(lexical)s, %(words)s)

-- count_terms --
-- Counts the terms of new chunks; answers the number of each.
select term, term_number from glow.count_terms(%(index_number)s, %(terms)s, %(chunks)s)

-- drop_entries --
-- Takes chunks out of an index.
select glow.drop_entries(%(index_number)s, %(chunk_ids)s) as gone

-- count_index --
-- Writes down what a ready index holds after a change.
update glow.retrieval_indexes i
   set next_entry = %(next_entry)s,
       (chunks, words) = (
         select count(*), coalesce(sum(c.words), 0)
           from glow.live_chunks l join glow.chunks c using (agent, chunk_id)
          where l.agent = i.agent and l.chunking = i.chunking)
 where i.index_number = %(index_number)s
returning i.words / greatest(i.chunks, 1)::double precision / i.average_words as drift

-- index_vectors --
-- Gives an index that has grown large its HNSW graph.
select glow.index_vectors(%(index_number)s) as made

-- retire_index --
-- Ends an index; a configuration that needs it cannot be put in force any more.
update glow.retrieval_indexes set state = 'retired', retired_at = clock_timestamp(), built_at = coalesce(built_at, clock_timestamp())
 where index_number = %(index_number)s and state <> 'retired'

-- idle_indexes --
-- Indexes that nothing in force and no experiment searches, ready for longer than a while.
select i.index_number from glow.retrieval_indexes i
 where i.agent = %(agent)s and i.state = 'ready' and i.built_at < clock_timestamp() - %(idle)s::interval
   and not exists (
     select from glow.retrieval_configurations c
      where c.agent = i.agent and c.chunking = i.chunking and c.model = i.model
        and (exists (select from glow.retrieval_aliases a where a.agent = c.agent and a.configuration = c.configuration)
          or exists (select from glow.learning_experiments x
                      where x.agent = c.agent and x.active and x.kind = 'retrieval' and c.configuration in (x.control, x.treatment))))
 for update

-- retired_indexes --
-- Retired indexes whose tables are there still, longer than any search that may be reading them.
select index_number from glow.retrieval_indexes
 where agent = %(agent)s and state = 'retired' and retired_at < clock_timestamp() - interval '1 hour'
   and to_regclass(glow.index_part('index_entries', index_number)) is not null

-- drop_index --
-- Removes the tables of a retired index.
select glow.drop_index(%(index_number)s) as dropped

-- gaps --
-- What is wrong with the ready indexes of an agent: nothing is missing or stray in one that is whole.
select i.index_number, i.chunking, i.model, i.chunks, g.missing, g.stray, g.unembedded, g.entries
  from glow.retrieval_indexes i cross join lateral glow.index_gaps(i.index_number) g
 where i.agent = %(agent)s and i.state = 'ready'
   and (g.missing > 0 or g.stray > 0 or g.unembedded > 0 or g.entries <> i.chunks)
 order by i.index_number

-- behind --
-- Documents that the ready indexes of an agent do not show as they are now.
select count(*) as documents
  from glow.documents d
 where d.agent = %(agent)s
   and exists (select from glow.retrieval_indexes i
                where i.agent = d.agent and i.state = 'ready'
                  and (d.retired_at is null and not exists (
                         select from glow.live_chunks l
                          where l.agent = d.agent and l.chunking = i.chunking and l.document_id = d.document_id
                            and l.position = 0 and l.document_hash = d.content_hash)
                    or d.retired_at is not null and exists (
                         select from glow.live_chunks l
                          where l.agent = d.agent and l.chunking = i.chunking and l.document_id = d.document_id
                            and l.position = 0)))

-- unindexed --
-- Agents whose documents are not searched as they are now: how many, and when the newest of these changed.
select d.agent, count(*) as documents, max(greatest(d.updated_at, d.retired_at))::text as newest
  from glow.documents d
 where d.retired_at is null and not exists (select from glow.retrieval_indexes i where i.agent = d.agent and i.state = 'ready')
    or exists (select from glow.retrieval_indexes i
                where i.agent = d.agent and i.state = 'ready'
                  and (d.retired_at is null) <> exists (
                    select from glow.live_chunks l
                     where l.agent = d.agent and l.chunking = i.chunking and l.document_id = d.document_id and l.position = 0
                       and (d.retired_at is not null or l.document_hash = d.content_hash)))
 group by d.agent order by d.agent

-- searched_index --
-- The index that a configuration is searched with, or that in force; where nothing is in force, the first that is ready.
select i.index_number
  from glow.retrieval_indexes i
  left join glow.retrieval_aliases a on a.agent = i.agent and a.alias = 'production'
  left join glow.retrieval_configurations c
    on c.configuration = coalesce(%(configuration)s, a.configuration) and c.chunking = i.chunking and c.model = i.model
 where i.agent = %(agent)s and i.state = 'ready'
   and (c.configuration is not null or %(configuration)s is null and a.configuration is null)
 order by i.index_number limit 1

-- indexed_chunks --
-- The chunks of a ready index as they are searched.
select e.chunk_id as id, c.document_id, c.text, e.embedding::text as embedding
  from glow.entries_of(%(index_number)s) e
  join glow.retrieval_indexes i using (index_number)
  join glow.chunks c on c.agent = i.agent and c.chunk_id = e.chunk_id
 order by e.chunk_id
