-- The knowledge base, what was retrieved from it, and the parameters learned from that.

create table glow.documents (
  agent        glow.agent_name not null references glow.agents,
  document_id  glow.identifier not null,
  title        text not null check (length(title) <= 1000),
  body         text not null check (octet_length(body) <= 10000000),
  content_hash text not null,
  updated_at   timestamptz not null default clock_timestamp(),
  -- A retired document is in no index; its chunks stay, because what was learned names them.
  retired_at   timestamptz,
  primary key (agent, document_id)
);
comment on table glow.documents is 'The knowledge base of each agent, as it is now.';

create function glow.document_hash(title text, body text) returns text
  language sql immutable strict parallel safe
  return encode(sha256(convert_to(length(title) || ':' || title || body, 'UTF8')), 'hex');
comment on function glow.document_hash is 'The address of a version of a document. The length keeps title and body apart.';

create table glow.chunkings (
  -- sha256 of the canonical JSON of [agent, parameters, parent].
  chunking   text primary key,
  agent      glow.agent_name not null references glow.agents,
  parameters jsonb not null check (parameters ->> 'kind' in ('whole', 'sentences', 'learned')),
  parent     text references glow.chunkings,
  -- Why it was proposed and what it measured; null for one that a person chose.
  evidence   jsonb,
  created_at timestamptz not null default clock_timestamp(),
  unique (agent, chunking)
);
comment on table glow.chunkings is 'How documents are cut into chunks. Immutable, content-addressed.';
create trigger immutable before update or delete on glow.chunkings
  for each row execute function glow.refuse_change();

create table glow.chunks (
  agent         glow.agent_name not null,
  -- Of its document, chunking and text, so that a passage that stays as it is keeps its id and what was learned of it.
  chunk_id      glow.identifier not null,
  chunking      text not null,
  document_id   glow.identifier not null,
  -- Where it was first seen: the version of the document, and the characters [starts, ends) of its body.
  document_hash text not null,
  position      integer not null check (position >= 0),
  starts        integer not null check (starts >= 0),
  ends          integer not null check (ends >= starts),
  -- Title and span, as it is embedded.
  text          text not null,
  content_hash  text not null,
  -- How many terms it has for the lexical leg.
  words         integer not null check (words >= 0),
  created_at    timestamptz not null default clock_timestamp(),
  primary key (agent, chunk_id),
  foreign key (agent, document_id) references glow.documents (agent, document_id),
  foreign key (agent, chunking) references glow.chunkings (agent, chunking)
);
comment on table glow.chunks is
  'Passages of all versions of all documents. Immutable: a changed text is another chunk. Embeddings are in glow.embeddings.';
create trigger immutable before update or delete on glow.chunks
  for each row execute function glow.refuse_change();

-- Changed in the transaction that changes the index, and only there.
create table glow.live_chunks (
  agent         glow.agent_name not null,
  chunking      text not null,
  document_id   glow.identifier not null,
  position      integer not null check (position >= 0),
  chunk_id      glow.identifier not null,
  -- Of the version that is indexed, which is behind that in glow.documents until the next indexing.
  document_hash text not null,
  starts        integer not null,
  ends          integer not null,
  primary key (agent, chunking, document_id, position),
  unique (agent, chunking, chunk_id),
  foreign key (agent, chunk_id) references glow.chunks (agent, chunk_id)
);
comment on table glow.live_chunks is 'What each document is cut into now, by chunking: exactly these are in its ready indexes.';

create table glow.chunk_successors (
  agent     glow.agent_name not null,
  chunk_id  glow.identifier not null,
  successor glow.identifier not null,
  -- Shared runs of three words over all of them, and the share of the old span that lies in the new one.
  jaccard   real not null check (jaccard between 0 and 1),
  overlap   real not null check (overlap between 0 and 1),
  created_at timestamptz not null default clock_timestamp(),
  primary key (agent, chunk_id, successor),
  foreign key (agent, chunk_id) references glow.chunks (agent, chunk_id),
  foreign key (agent, successor) references glow.chunks (agent, chunk_id),
  check (chunk_id <> successor)
);
comment on table glow.chunk_successors is
  'Which chunk took the place of which when a document changed or was cut anew. Feedback is carried over at jaccard >= 0.9, or '
  'where 0.8 of the cited span lies in the successor; else the successor starts at zero.';
create index successors_by_successor on glow.chunk_successors (agent, successor);

create table glow.retrieval_indexes (
  index_number  integer generated always as identity primary key,
  agent         glow.agent_name not null references glow.agents,
  chunking      text not null,
  model         text not null,
  dimensions    integer not null check (dimensions between 1 and 16000),
  state         text not null default 'building' check (state in ('building', 'ready', 'retired')),
  chunks        integer not null default 0 check (chunks >= 0),
  -- Of all chunks together.
  words         bigint not null default 0 check (words >= 0),
  -- What the weights in `lexical` and in the postings were made with. When the average has drifted they are made anew.
  k1            double precision not null default 1.2 check (k1 > 0),
  b             double precision not null default 0.75 check (b between 0 and 1),
  average_words double precision not null default 1 check (average_words > 0),
  -- Mean cosine of two of its chunks: what counts as 0 in the dense leg.
  dense_floor   double precision not null default 0 check (dense_floor between -1 and 1),
  -- Numbers are never used again.
  next_entry    integer not null default 1,
  next_term     integer not null default 1,
  started_at    timestamptz not null default clock_timestamp(),
  built_at      timestamptz,
  retired_at    timestamptz,
  foreign key (agent, chunking) references glow.chunkings (agent, chunking),
  check ((state = 'building') = (built_at is null and retired_at is null))
);
comment on table glow.retrieval_indexes is
  'The searchable form of the live chunks of an agent, under one chunking and one embedding model. Never searched before ready.';
create unique index one_index on glow.retrieval_indexes (agent, chunking, model) where state <> 'retired';

-- One partition for each index, made by glow.open_index and addressed directly by number (glow.index_part): planning over
-- the parents would cost more with every agent.
create table glow.index_entries (
  index_number integer not null,
  entry        integer not null,
  chunk_id     glow.identifier not null,
  -- Of unit length. Null where the model of the index is served no more and has not embedded this text: found by words only.
  embedding    vector,
  -- Weight of each term by term number, without idf: tf * (k1 + 1) / (tf + k1 * (1 - b + b * words / average_words)).
  -- BM25 of an entry is then -(lexical <#> idf of the query's terms).
  lexical      sparsevec(1000000000) not null,
  words        integer not null,
  primary key (index_number, entry),
  unique (index_number, chunk_id)
) partition by list (index_number);
comment on table glow.index_entries is 'The chunks of each index with embedding and term weights.';

create table glow.index_terms (
  index_number integer not null,
  -- As glow_pipelines.learning.retrieval.text.terms gives it, cut to 200 characters: an index row holds no more.
  term         text collate "C" not null check (length(term) between 1 and 200),
  term_number  integer not null,
  -- In how many chunks it is: idf = ln(1 + (N - chunks + 0.5) / (chunks + 0.5)), N = the chunks of the index.
  chunks       integer not null check (chunks >= 0),
  primary key (index_number, term)
) partition by list (index_number);
comment on table glow.index_terms is 'The terms of each index, and how many chunks hold them.';

create table glow.index_postings (
  index_number integer not null,
  term_number  integer not null,
  -- As in lexical. Before the entry, so that the key gives the heaviest entries of a term first.
  weight       real not null,
  entry        integer not null,
  primary key (index_number, term_number, weight, entry)
) partition by list (index_number);
comment on table glow.index_postings is 'Which entries hold a term, for the lexical candidates.';

create table glow.retrieval_configurations (
  configuration text primary key,
  agent         glow.agent_name not null references glow.agents,
  parameters    jsonb not null check (jsonb_typeof(parameters) = 'object'),
  chunking      text not null,
  model         text not null,
  parent        text references glow.retrieval_configurations,
  created_at    timestamptz not null default clock_timestamp(),
  unique (agent, configuration),
  foreign key (agent, chunking) references glow.chunkings (agent, chunking)
);
comment on table glow.retrieval_configurations is
  'Immutable, content-addressed: retrieval parameters, chunking, embedding model, and what was learned (memory, shifts, adapter, expansions).';
create trigger immutable before update or delete on glow.retrieval_configurations
  for each row execute function glow.refuse_change();

create table glow.retrieval_memory (
  configuration text not null references glow.retrieval_configurations,
  position      integer not null,
  query         text not null,
  -- The centre of the wordings of this question, as the model embedded them.
  embedding     vector not null,
  chunk_id      glow.identifier not null,
  attractiveness double precision not null check (attractiveness between 0 and 1),
  examinations  double precision not null check (examinations >= 0),
  event_ids     text[] not null,
  primary key (configuration, position)
);
comment on table glow.retrieval_memory is 'What a configuration remembers of a query and a chunk, and the retrieval events it learned it from.';

create table glow.retrieval_adapters (
  configuration text not null references glow.retrieval_configurations,
  position      integer not null check (position >= 0),
  row           vector not null,
  primary key (configuration, position)
);
comment on table glow.retrieval_adapters is 'The matrix W on queries, row by row: the adapted query is the array of (row . q).';

create table glow.retrieval_expansions (
  configuration text not null references glow.retrieval_configurations,
  position      integer not null check (position >= 0),
  phrase        text not null,
  adds          text[] not null check (cardinality(adds) > 0),
  weight        double precision not null check (weight >= 0 and weight < 'Infinity'),
  queries       integer not null check (queries >= 0),
  users         integer not null check (users >= 0),
  lift          double precision not null,
  gain          double precision not null,
  event_ids     text[] not null,
  primary key (configuration, position)
);
comment on table glow.retrieval_expansions is 'Words added to queries that hold a phrase, with the searches they were learned from and what they gained.';

create table glow.retrieval_shifts (
  configuration text not null references glow.retrieval_configurations,
  chunk_id      glow.identifier not null,
  -- The moved vector d' in place of the chunk's own, which is never overwritten.
  embedding     vector not null,
  primary key (configuration, chunk_id)
);
comment on table glow.retrieval_shifts is 'The chunks whose vectors a configuration moved towards the questions they answered.';

create table glow.retrieval_aliases (
  agent         glow.agent_name not null,
  alias         text not null check (alias in ('production', 'previous')),
  configuration text not null,
  revision      integer not null default 1 check (revision > 0),
  moved_at      timestamptz not null default clock_timestamp(),
  primary key (agent, alias),
  foreign key (agent, configuration) references glow.retrieval_configurations (agent, configuration)
);

create table glow.retrieval_alias_history (
  move_id       bigint generated always as identity primary key,
  agent         text not null,
  alias         text not null,
  -- Null: the alias was taken back.
  configuration text,
  previous      text,
  revision      integer not null,
  move          text not null default 'move' check (move in ('move', 'rollback')),
  moved_by      text not null,
  reason        text not null check (length(reason) <= 2000),
  gate_id       text,
  -- No foreign key: experiments refer to configurations. glow.move_retrieval_alias looks.
  experiment_id text,
  moved_at      timestamptz not null default clock_timestamp()
);
comment on table glow.retrieval_alias_history is 'Every move of a retrieval alias: who, why, and the gate and experiment that allowed it.';
create index retrieval_history_by_agent on glow.retrieval_alias_history (agent, move_id);
create trigger immutable before update or delete on glow.retrieval_alias_history
  for each row execute function glow.refuse_change();

create table glow.retrieval_gates (
  gate_id    text primary key,
  agent      glow.agent_name not null references glow.agents,
  incumbent  text not null references glow.retrieval_configurations,
  candidate  text not null references glow.retrieval_configurations,
  verdict    text not null check (verdict in ('ship', 'keep')),
  evidence   jsonb not null,
  created_at timestamptz not null default clock_timestamp()
);
create trigger immutable before update or delete on glow.retrieval_gates
  for each row execute function glow.refuse_change();
alter table glow.retrieval_alias_history add foreign key (gate_id) references glow.retrieval_gates;

-- Which event ids are taken, and in which month the event and its hits are.
create table glow.retrieval_keys (
  tenant      glow.tenant_name not null,
  event_id    glow.identifier not null,
  agent       glow.agent_name not null references glow.agents,
  query_hash  bytea not null,
  recorded_at timestamptz not null,
  primary key (tenant, event_id)
);

create table glow.retrieval_events (
  tenant          glow.tenant_name not null,
  event_id        glow.identifier not null,
  agent           glow.agent_name not null references glow.agents,
  execution_id    glow.identifier,
  query           text not null check (octet_length(query) between 1 and 100000),
  policy          text not null check (policy in ('production', 'interleave', 'explore')),
  configuration   text,
  model           text,
  index_number    integer,
  latency_ms      double precision check (latency_ms >= 0 and latency_ms < 'Infinity'),
  user_id         glow.identifier,
  conversation_id glow.identifier,
  occurred_at     timestamptz not null,
  recorded_at     timestamptz not null,
  xid             xid8 not null default pg_current_xact_id(),
  primary key (tenant, event_id, recorded_at)
) partition by range (recorded_at);
comment on table glow.retrieval_events is 'One search: what was asked, and by which configuration it was answered.';
create index retrieval_events_by_agent on glow.retrieval_events (agent, xid);
-- A vote on an answer is news of the searches behind it.
create index retrieval_events_by_execution on glow.retrieval_events (tenant, execution_id) where execution_id is not null;
create index retrieval_events_by_time on glow.retrieval_events using brin (recorded_at);

create table glow.retrieval_hits (
  tenant     glow.tenant_name not null,
  event_id   glow.identifier not null,
  rank       smallint not null check (rank between 1 and 1000),
  chunk_id   glow.identifier not null,
  score      double precision not null check (score > '-Infinity' and score < 'Infinity'),
  score_dense   double precision check (score_dense > '-Infinity' and score_dense < 'Infinity'),
  score_lexical double precision check (score_lexical > '-Infinity' and score_lexical < 'Infinity'),
  leg        text not null check (leg in ('dense', 'lexical', 'both')),
  -- How likely the user looked at this rank when it was shown. Logged then, never computed again later.
  propensity double precision not null check (propensity > 0 and propensity <= 1),
  shown      boolean not null default true,
  cited      boolean not null default false,
  clicked    boolean not null default false,
  kept       boolean not null default false,
  explicit   smallint not null default 0 check (explicit in (-1, 0, 1)),
  -- Whose judgement `explicit` is: an expert's, or the user's.
  expert     boolean not null default false,
  -- Of the event: a hit lies in the partition of its event and goes with it.
  recorded_at timestamptz not null,
  primary key (tenant, event_id, rank, recorded_at),
  unique (tenant, event_id, chunk_id, recorded_at)
) partition by range (recorded_at);
comment on table glow.retrieval_hits is 'What a search showed at which rank, and what the user did with it.';

select glow.secure('glow.retrieval_keys'),
       glow.secure('glow.retrieval_events'),
       glow.secure('glow.retrieval_hits');

create table glow.embedding_training_pairs (
  pair_id           text primary key,
  agent             glow.agent_name not null references glow.agents,
  query             text not null,
  positive_chunk_id glow.identifier not null,
  negative_chunk_id glow.identifier not null,
  weight            double precision not null check (weight > 0),
  negative_kind     text not null,
  event_ids         text[] not null check (cardinality(event_ids) > 0),
  group_key         text not null,
  split             text not null,
  created_at        timestamptz not null default clock_timestamp(),
  foreign key (agent, group_key, split) references glow.split_assignments (agent, group_key, split),
  check (positive_chunk_id <> negative_chunk_id)
);
comment on table glow.embedding_training_pairs is 'Query, positive and hard negative, with the retrieval events they were learned from.';

-- Embeddings of any text, by model and content: a text is embedded once.
create table glow.embeddings (
  model        text not null,
  content_hash text not null,
  embedding    vector not null,
  created_at   timestamptz not null default clock_timestamp(),
  primary key (model, content_hash)
);
