-- Embedding training pairs as rows of files.

-- standing --
-- Which pairs of a split there are: a file is of these and of no others.
select count(*) as pairs, max(p.created_at) as newest, coalesce(sum(hashtextextended(p.pair_id, 0)::numeric), 0)::text as fingerprint
  from glow.embedding_training_pairs p
 where p.agent = %(agent)s and p.split = %(split)s and (%(newest)s::timestamptz is null or p.created_at <= %(newest)s)

-- left_out --
-- Pairs that no file gets: whose query another split has too, in any spelling, and whose two texts are the same.
select count(*) filter (where x.elsewhere) as elsewhere, count(*) filter (where not x.elsewhere and x.same) as same
  from (select exists (select from glow.embedding_training_pairs o
                        where o.agent = p.agent and o.split <> p.split and glow.spelling(o.query) = glow.spelling(p.query)) as elsewhere,
               a.content_hash = b.content_hash as same
          from glow.embedding_training_pairs p
          join glow.chunks a on a.agent = p.agent and a.chunk_id = p.positive_chunk_id
          join glow.chunks b on b.agent = p.agent and b.chunk_id = p.negative_chunk_id
         where p.agent = %(agent)s and p.split = %(split)s) x

-- tuples --
-- One row for each query and positive with its `negatives` heaviest negatives; those with fewer are left out, because a loss
-- wants as many in every row. Ordered by what they are, not by when they came.
select p.query, a.text, (array_agg(b.text order by p.weight desc, p.pair_id))[1:%(negatives)s], max(p.weight)
  from glow.embedding_training_pairs p
  join glow.chunks a on a.agent = p.agent and a.chunk_id = p.positive_chunk_id
  join glow.chunks b on b.agent = p.agent and b.chunk_id = p.negative_chunk_id
 where p.agent = %(agent)s and p.split = %(split)s and a.content_hash <> b.content_hash and p.created_at <= %(newest)s
   and not exists (select from glow.embedding_training_pairs o
                    where o.agent = p.agent and o.split <> p.split and glow.spelling(o.query) = glow.spelling(p.query))
 group by p.query, p.positive_chunk_id, a.text having count(*) >= %(negatives)s
 order by p.query collate "C", p.positive_chunk_id collate "C" offset %(skip)s

-- triplets --
-- One row for each pair.
select p.query, a.text, array[b.text], p.weight
  from glow.embedding_training_pairs p
  join glow.chunks a on a.agent = p.agent and a.chunk_id = p.positive_chunk_id
  join glow.chunks b on b.agent = p.agent and b.chunk_id = p.negative_chunk_id
 where p.agent = %(agent)s and p.split = %(split)s and a.content_hash <> b.content_hash and p.created_at <= %(newest)s
   and not exists (select from glow.embedding_training_pairs o
                    where o.agent = p.agent and o.split <> p.split and glow.spelling(o.query) = glow.spelling(p.query))
 order by p.query collate "C", p.positive_chunk_id collate "C", p.pair_id offset %(skip)s
