-- Indexes of chunks, and which retrieval configuration is in force.

create function glow.move_retrieval_alias(
  agent text, configuration text, moved_by text, reason text, move text default 'move', gate_id text default null,
  experiment_id text default null, expected integer default null
) returns integer language plpgsql as $$
#variable_conflict use_column
declare
  wanted glow.retrieval_configurations;
  seen glow.retrieval_aliases;
  kept glow.retrieval_aliases;
  moved integer;
begin
  select c.* into wanted from glow.retrieval_configurations c
   where c.agent = move_retrieval_alias.agent and c.configuration = move_retrieval_alias.configuration;
  if wanted.configuration is null then
    raise exception using errcode = 'PT404', message = format('configuration: %L is not accepted', move_retrieval_alias.configuration),
      hint = 'a retrieval configuration of this agent';
  end if;
  -- Held until commit: no index is retired while a configuration that searches it comes into force.
  perform from glow.retrieval_indexes i
    where i.agent = wanted.agent and i.chunking = wanted.chunking and i.model = wanted.model and i.state = 'ready' for share;
  if not found then
    raise exception using errcode = 'PT409',
      message = format('configuration: %L has no index that is ready', move_retrieval_alias.configuration),
      hint = 'a configuration whose chunking and model have a ready index; the pipeline builds it (index_agent)';
  end if;
  select a.* into seen from glow.retrieval_aliases a
   where a.agent = move_retrieval_alias.agent and a.alias = 'production' for update;
  if expected is not null and coalesce(seen.revision, 0) <> expected then return null; end if;
  if seen.configuration = move_retrieval_alias.configuration then return 0; end if;
  if seen.configuration is null then
    insert into glow.retrieval_aliases (agent, alias, configuration)
    values (move_retrieval_alias.agent, 'production', move_retrieval_alias.configuration)
    on conflict do nothing returning revision into moved;
    if moved is null then return null; end if;
  else
    update glow.retrieval_aliases a
       set configuration = move_retrieval_alias.configuration, revision = a.revision + 1, moved_at = clock_timestamp()
     where a.agent = move_retrieval_alias.agent and a.alias = 'production'
    returning a.revision into moved;
  end if;
  insert into glow.retrieval_alias_history (agent, alias, configuration, previous, revision, move, moved_by, reason, gate_id, experiment_id)
  values (agent, 'production', configuration, seen.configuration, moved, move, moved_by, reason, gate_id, experiment_id);
  if seen.configuration is null then return moved; end if;
  -- As for prompts: after a rollback there is nothing to go back to, or a second click would put the bad one in force again.
  select a.* into kept from glow.retrieval_aliases a
   where a.agent = move_retrieval_alias.agent and a.alias = 'previous' for update;
  if move = 'rollback' then
    delete from glow.retrieval_aliases a where a.agent = move_retrieval_alias.agent and a.alias = 'previous';
    if kept.configuration is null then return moved; end if;
    seen.configuration := null;
  else
    insert into glow.retrieval_aliases as a (agent, alias, configuration)
    values (move_retrieval_alias.agent, 'previous', seen.configuration)
    on conflict on constraint retrieval_aliases_pkey do update
       set configuration = excluded.configuration, revision = a.revision + 1, moved_at = clock_timestamp();
  end if;
  insert into glow.retrieval_alias_history (agent, alias, configuration, previous, revision, move, moved_by, reason, gate_id, experiment_id)
  values (agent, 'previous', seen.configuration, kept.configuration, coalesce(kept.revision, 0) + 1, move, moved_by, reason, gate_id, experiment_id);
  return moved;
end $$;
comment on function glow.move_retrieval_alias is
  'Puts a retrieval configuration in force whose index is ready, and keeps what was as `previous`. Answers the new revision, 0 '
  'where it is in force already, null when somebody else moved it (`expected` is the revision the caller saw, 0 for none).';

create function glow.rollback_retrieval(agent text, moved_by text, reason text, target text default null) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  production glow.retrieval_aliases;
  running text;
  ramping boolean;
  moved integer;
begin
  select a.* into production from glow.retrieval_aliases a
   where a.agent = rollback_retrieval.agent and a.alias = 'production' for update;
  if production.configuration is null then
    raise exception using errcode = 'PT404', message = format('agent: %L has no retrieval configuration in force', agent),
      hint = 'an agent whose documents are indexed; see put_document';
  elsif target is null then
    select a.configuration into target from glow.retrieval_aliases a
     where a.agent = rollback_retrieval.agent and a.alias = 'previous';
    if target is null then
      raise exception using errcode = 'PT409', message = format('agent: %L has no previous retrieval configuration', agent),
        hint = 'it was never moved, or was rolled back since; name a configuration that was in force';
    end if;
  elsif not exists (
    select from glow.retrieval_alias_history h
     where h.agent = rollback_retrieval.agent and h.alias = 'production' and h.configuration = rollback_retrieval.target) then
    raise exception using errcode = 'PT404', message = format('configuration: %L was never in force', left(target, 80)),
      hint = 'a configuration that was in force';
  end if;
  if target = production.configuration then
    raise exception using errcode = 'PT409', message = format('configuration: %L is in force already', target),
      hint = 'another configuration that was in force before';
  end if;
  -- Units of a running experiment go on seeing its two arms, whatever is in force: the rollback would seem to work.
  select x.experiment_id, r.state is not null into running, ramping
    from glow.learning_experiments x left join glow.rollouts r using (experiment_id)
   where x.agent = rollback_retrieval.agent and x.active and x.kind = 'retrieval' limit 1;
  if running is not null then
    raise exception using errcode = 'PT409', message = format('agent: experiment %s of %L is running on its retrieval', running, agent),
      hint = format('%s(%L, reason) first: until then its units see the arms, whatever is in force',
                    case when ramping then 'roll_back' else 'stop_experiment' end, running);
  end if;
  moved := glow.move_retrieval_alias(agent, target, moved_by, reason, 'rollback');
  return jsonb_build_object('agent', agent, 'configuration', target, 'rolled_back', production.configuration, 'revision', moved,
                            'status', 'rolled_back');
end $$;
comment on function glow.rollback_retrieval is
  'Puts the previous retrieval configuration (or another that was in force) in force again, in one call. Refused where there is '
  'none, where its index is gone, and while an experiment runs on retrieval.';

create function glow.index_part(parent text, index_number integer) returns text
  language sql immutable strict parallel safe
  return format('glow.%I', parent || '_' || index_number);
comment on function glow.index_part is 'The table of an index: of the parent index_entries, index_terms or index_postings.';

-- Filled before it has keys and before it hangs on its parent: that is three times as fast, and until then nobody sees it.
create function glow.open_index(index_number integer) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  parent text;
begin
  perform from glow.retrieval_indexes i where i.index_number = open_index.index_number and i.state = 'building' for update;
  if not found then
    raise exception using errcode = 'PT409', message = format('index_number: %s is not being built', index_number),
      hint = 'an index in the state building';
  end if;
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    -- A vector that is moved out of its row is a look-up more for each chunk that a search scores.
    execute format('create table %s (like glow.%I including defaults including constraints, check (index_number = %s)) with (toast_tuple_target = 8160)',
                   glow.index_part(parent, index_number), parent, index_number);
    execute format('grant insert on %s to glow_pipeline', glow.index_part(parent, index_number));
  end loop;
end $$;
comment on function glow.open_index is 'Makes the tables of an index that is being built, in the transaction that fills them.';

create function glow.close_index(index_number integer, average_words double precision) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  entries text := glow.index_part('index_entries', index_number);
  terms text := glow.index_part('index_terms', index_number);
  postings text := glow.index_part('index_postings', index_number);
  parent text;
begin
  execute format('alter table %s add primary key (index_number, entry), add unique (index_number, chunk_id)', entries);
  execute format('alter table %s add primary key (index_number, term)', terms);
  execute format('alter table %s add primary key (index_number, term_number, weight, entry)', postings);
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    execute format('revoke all on %s from glow_pipeline', glow.index_part(parent, index_number));
    execute format('analyze %s', glow.index_part(parent, index_number));
  end loop;
  execute format(
    'update glow.retrieval_indexes i
        set (chunks, words, next_entry) = (select count(*), coalesce(sum(e.words), 0), coalesce(max(e.entry), 0) + 1 from %s e),
            next_term = (select coalesce(max(t.term_number), 0) + 1 from %s t),
            average_words = $2, state = ''ready'', built_at = clock_timestamp()
      where i.index_number = $1', entries, terms) using index_number, average_words;
  perform glow.index_vectors(index_number);
  -- A knowledge base comes all at once: without this the next look for changes was planned for the empty tables before it.
  analyze glow.live_chunks, glow.chunks;
  -- Last: two that hang their tables on the same parents wait for each other.
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    execute format('alter table glow.%I attach partition %s for values in (%s)', parent, glow.index_part(parent, index_number), index_number);
  end loop;
end $$;
comment on function glow.close_index is 'Makes an index that was filled ready to be searched.';

-- Below 10,000 entries reading them all is as fast and exact. halfvec, because HNSW takes vectors of 2,000 numbers only.
-- A search has to write the same expression: (embedding::vector(n)), or (embedding::halfvec(n)) above 2,000.
create function glow.index_vectors(index_number integer, graph_from integer default 10000) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known glow.retrieval_indexes;
  entries text := glow.index_part('index_entries', index_number);
  kind text;
begin
  select i.* into known from glow.retrieval_indexes i where i.index_number = index_vectors.index_number;
  if known.chunks < graph_from or known.dimensions > 4000 or to_regclass(entries || '_near') is not null then return false; end if;
  kind := case when known.dimensions <= 2000 then 'vector' else 'halfvec' end;
  -- A graph that does not fit is built ten times slower. Some 2 kB for each entry beside its vector; at most 2 GB.
  perform set_config('maintenance_work_mem',
    least(2000000, greatest(65536, known.chunks * (2 + known.dimensions / 256.0)))::integer || 'kB', true);
  execute format('create index %I on %s using hnsw ((embedding::public.%I(%s)) public.%I)',
                 'index_entries_' || index_number || '_near', entries, kind, known.dimensions, kind || '_cosine_ops');
  return true;
end $$;
comment on function glow.index_vectors is 'Gives an index that has grown large its HNSW graph. Answers whether it was made now.';

create function glow.add_entries(
  index_number integer, first integer, chunk_ids text[], lexical text[], words integer[]
) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format(
    'insert into %s (index_number, entry, chunk_id, embedding, lexical, words)
     select i.index_number, $2 + n::integer - 1, x.chunk_id, m.embedding, x.lexical::public.sparsevec, x.words
       from glow.retrieval_indexes i
      cross join unnest($3, $4, $5) with ordinality x(chunk_id, lexical, words, n)
       join glow.chunks c on c.agent = i.agent and c.chunk_id = x.chunk_id
       left join glow.embeddings m on m.model = i.model and m.content_hash = c.content_hash
      where i.index_number = $1', glow.index_part('index_entries', index_number))
    using index_number, first, chunk_ids, lexical, words;
end $$;
comment on function glow.add_entries is 'Writes chunks into an index, numbered from `first`, with the embeddings that are known.';

create function glow.count_terms(index_number integer, terms text[], chunks integer[])
  returns table (term text, term_number integer)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  part text := glow.index_part('index_terms', index_number);
  next integer;
  fresh integer;
begin
  select i.next_term into next from glow.retrieval_indexes i where i.index_number = count_terms.index_number for update;
  execute format(
    'insert into %s (index_number, term, term_number, chunks)
     select $1, x.term, $2 + row_number() over (order by x.term) - 1, 0 from unnest($3) x(term)
      where not exists (select from %1$s t where t.index_number = $1 and t.term = x.term)', part)
    using index_number, next, terms;
  get diagnostics fresh = row_count;
  update glow.retrieval_indexes i set next_term = next + fresh where i.index_number = count_terms.index_number;
  return query execute format(
    'update %s t set chunks = t.chunks + x.chunks from unnest($2, $3) x(term, chunks)
      where t.index_number = $1 and t.term = x.term returning t.term, t.term_number', part)
    using index_number, terms, chunks;
end $$;
comment on function glow.count_terms is 'Counts terms of new chunks, gives new terms their numbers, and answers the numbers of all of them.';

-- The postings are found by their key: left to itself the planner read all of them, 11 s for 240 chunks of 120,000.
create function glow.drop_entries(index_number integer, chunk_ids text[]) returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  gone integer[];
  numbers integer[];
  weights real[];
  entries integer[];
begin
  -- An entry knows the weights of its terms, and so the keys of its postings.
  execute format(
    'with gone as (
       delete from %s e where e.index_number = $1 and e.chunk_id = any($2) returning e.entry, e.lexical
     ), held as (
       select g.entry, split_part(x.pair, '':'', 1)::integer as term_number, split_part(x.pair, '':'', 2)::real as weight
         from gone g, string_to_table(trim(split_part(g.lexical::text, ''/'', 1), ''{}''), '','') x(pair) where x.pair <> ''''
     )
     select (select array_agg(g.entry) from gone g), array_agg(h.term_number), array_agg(h.weight), array_agg(h.entry) from held h',
    glow.index_part('index_entries', index_number))
    into gone, numbers, weights, entries using index_number, chunk_ids;
  perform set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);
  execute format(
    'delete from %s p using unnest($2, $3, $4) h(term_number, weight, entry)
      where p.index_number = $1 and p.term_number = h.term_number and p.weight = h.weight and p.entry = h.entry',
    glow.index_part('index_postings', index_number)) using index_number, numbers, weights, entries;
  perform set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true);
  execute format(
    'update %s t set chunks = t.chunks - n.chunks
       from (select h.term_number, count(*) as chunks from unnest($2) h(term_number) group by 1) n
      where t.index_number = $1 and t.term_number = n.term_number', glow.index_part('index_terms', index_number))
    using index_number, numbers;
  return coalesce(cardinality(gone), 0);
end $$;
comment on function glow.drop_entries is 'Takes chunks out of an index with their postings; answers how many there were.';

create function glow.index_gaps(index_number integer)
  returns table (missing bigint, stray bigint, unembedded bigint, entries bigint)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format(
    'select count(*) filter (where e.chunk_id is null), count(*) filter (where l.chunk_id is null),
            count(*) filter (where e.chunk_id is not null and e.embedding is null), count(e.chunk_id)
       from (select l.chunk_id from glow.live_chunks l join glow.retrieval_indexes i using (agent, chunking)
              where i.index_number = $1) l
       full join %s e on e.chunk_id = l.chunk_id', glow.index_part('index_entries', index_number))
    using index_number;
end $$;
comment on function glow.index_gaps is
  'Live chunks that are not in a ready index, entries that are no live chunk, entries without an embedding, and all entries. '
  'Twice in it a chunk cannot be.';

create function glow.entries_of(index_number integer) returns setof glow.index_entries
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('select * from %s', glow.index_part('index_entries', index_number));
end $$;
comment on function glow.entries_of is 'The entries of a ready index, for those who read all of them.';

create function glow.drop_index(index_number integer) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  parent text;
begin
  perform from glow.retrieval_indexes i where i.index_number = drop_index.index_number and i.state = 'retired' for update;
  if not found then return false; end if;
  foreach parent in array '{index_entries,index_terms,index_postings}'::text[] loop
    execute format('drop table if exists %s', glow.index_part(parent, index_number));
  end loop;
  perform glow.drop_searchers(index_number);
  return true;
end $$;
comment on function glow.drop_index is 'Removes the tables of a retired index; its row stays.';
revoke execute on function glow.open_index, glow.close_index, glow.index_vectors, glow.add_entries, glow.count_terms, glow.drop_entries,
  glow.index_gaps, glow.entries_of, glow.drop_index from public;
