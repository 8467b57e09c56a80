-- Documents, how they are cut, and their chunks.

-- insert_chunking --
-- A way of cutting; the same one is written once.
insert into glow.chunkings (chunking, agent, parameters, parent, evidence)
values (%(chunking)s, %(agent)s, %(parameters)s, %(parent)s, %(evidence)s)
on conflict (chunking) do nothing

-- chunking --
-- A way of cutting by its address.
select chunking, parameters, parent, evidence, created_at from glow.chunkings
 where agent = %(agent)s and chunking = %(chunking)s

-- current_chunking --
-- How an agent's documents are cut: as the configuration in force says, else the way that was written first.
select k.chunking
  from glow.chunkings k
  left join glow.retrieval_aliases a on a.agent = k.agent and a.alias = 'production'
  left join glow.retrieval_configurations c on c.configuration = a.configuration
 where k.agent = %(agent)s
 order by (k.chunking = c.chunking) desc nulls last, k.created_at, k.chunking limit 1

-- proposed_chunkings --
-- How many ways of cutting were proposed, and how long ago the newest.
select count(*) as proposals, clock_timestamp() - max(created_at) as ago from glow.chunkings
 where agent = %(agent)s and evidence is not null

-- was_proposed --
-- Whether this way of cutting was proposed and indexed before.
select exists (select from glow.chunkings
                where agent = %(agent)s and evidence is not null and parameters = %(parameters)s::jsonb) as known

-- any_document --
-- Whether an agent ever had a document.
select exists (select from glow.documents where agent = %(agent)s) as found

-- changed_documents --
-- Documents whose present version is not live under a chunking. Whatever is live has a chunk at position 0.
select d.document_id, length(d.title) + length(d.body) as characters from glow.documents d
 where d.agent = %(agent)s and d.retired_at is null
   and not exists (
     select from glow.live_chunks l
      where l.agent = d.agent and l.chunking = %(chunking)s and l.document_id = d.document_id and l.position = 0
        and l.document_hash = d.content_hash)
 order by d.document_id

-- documents_by_id --
-- Documents with their texts.
select document_id, title, body, content_hash from glow.documents
 where agent = %(agent)s and document_id = any(%(ids)s) and retired_at is null order by document_id

-- insert_chunks --
-- Chunks of a document version. A passage that was there before keeps its row.
insert into glow.chunks (agent, chunking, chunk_id, document_id, document_hash, position, starts, ends, text, content_hash, words)
select %(agent)s, %(chunking)s, x.*
  from unnest(%(chunk_ids)s::text[], %(document_ids)s::text[], %(document_hashes)s::text[], %(positions)s::integer[],
              %(starts)s::integer[], %(ends)s::integer[], %(texts)s::text[], %(content_hashes)s::text[], %(words)s::integer[]) x
on conflict (agent, chunk_id) do nothing

-- drop_stale_documents --
-- Takes out of the live chunks of a chunking what belongs to documents that are retired.
delete from glow.live_chunks l
 using glow.documents d
 where l.agent = %(agent)s and l.chunking = %(chunking)s
   and d.agent = l.agent and d.document_id = l.document_id and d.retired_at is not null
returning l.chunk_id

-- drop_live_chunks --
-- Takes documents out of the live chunks of a chunking; answers what was live.
with gone as (
  delete from glow.live_chunks l
   where l.agent = %(agent)s and l.chunking = %(chunking)s and l.document_id = any(%(document_ids)s)
  returning l.document_id, l.chunk_id, l.position, l.starts, l.ends
)
select g.document_id, g.chunk_id, g.starts, g.ends, right(c.text, greatest(c.ends - c.starts, 0)) as text
  from gone g join glow.chunks c on c.agent = %(agent)s and c.chunk_id = g.chunk_id
 order by g.document_id, g.position

-- insert_live_chunks --
-- Makes cuts live, also of a document that has changed since: better what it was just now than nothing of it.
insert into glow.live_chunks (agent, chunking, document_id, position, chunk_id, document_hash, starts, ends)
select %(agent)s, %(chunking)s, x.document_id, x.position, x.chunk_id, x.document_hash, x.starts, x.ends
  from unnest(%(document_ids)s::text[], %(positions)s::integer[], %(chunk_ids)s::text[], %(document_hashes)s::text[],
              %(starts)s::integer[], %(ends)s::integer[]) x(document_id, position, chunk_id, document_hash, starts, ends)
  join glow.documents d on d.agent = %(agent)s and d.document_id = x.document_id
   and d.retired_at is null
returning chunk_id

-- live_passages --
-- The live chunks of documents under a chunking, without the title before each.
select l.document_id, l.chunk_id, l.document_hash, l.starts, l.ends, right(c.text, greatest(c.ends - c.starts, 0)) as text
  from glow.live_chunks l join glow.chunks c using (agent, chunk_id)
 where l.agent = %(agent)s and l.chunking = %(chunking)s and l.document_id = any(%(document_ids)s)
 order by l.document_id, l.position

-- insert_successors --
-- Which chunk took the place of which.
insert into glow.chunk_successors (agent, chunk_id, successor, jaccard, overlap)
select %(agent)s, x.* from unnest(%(chunk_ids)s::text[], %(successors)s::text[], %(jaccards)s::real[], %(overlaps)s::real[]) x
on conflict do nothing

-- heirs --
-- The live chunks of a chunking that feedback on a chunk that is live no more is carried over to: over all changes since.
with recursive heirs (chunk_id, heir) as (
    select s.chunk_id, s.successor from glow.chunk_successors s
     where s.agent = %(agent)s and (s.jaccard >= 0.9 or s.overlap >= 0.8)
  union -- A document that went back to what it was makes a circle.
    select h.chunk_id, s.successor
      from heirs h join glow.chunk_successors s on s.agent = %(agent)s and s.chunk_id = h.heir
     where s.jaccard >= 0.9 or s.overlap >= 0.8
)
select h.chunk_id, h.heir
  from heirs h join glow.live_chunks l on l.agent = %(agent)s and l.chunking = %(chunking)s and l.chunk_id = h.heir
 where h.chunk_id <> h.heir
   and not exists (select from glow.live_chunks o where o.agent = %(agent)s and o.chunking = %(chunking)s and o.chunk_id = h.chunk_id)
 order by h.chunk_id, h.heir
