-- The knowledge base, what was retrieved from it, and the parameters learned from that.

create table glow.documents (
  agent        glow.agent_name not null references glow.agents,
  document_id  glow.identifier not null,
  title        text not null check (length(title) <= 1000),
  body         text not null check (octet_length(body) <= 10000000),
  content_hash text not null,
  updated_at   timestamptz not null default clock_timestamp(),
  primary key (agent, document_id)
);

create table glow.chunks (
  agent        glow.agent_name not null,
  chunk_id     glow.identifier not null,
  document_id  glow.identifier not null,
  position     integer not null check (position >= 0),
  text         text not null,
  content_hash text not null,
  embedding    vector,
  embedding_model text,
  primary key (agent, chunk_id),
  foreign key (agent, document_id) references glow.documents (agent, document_id),
  check ((embedding is null) = (embedding_model is null))
);
comment on table glow.chunks is 'Passages with their embeddings; the embedding is null until the pipeline has made it.';

create table glow.retrieval_configurations (
  configuration text primary key,
  agent         glow.agent_name not null references glow.agents,
  parameters    jsonb not null check (jsonb_typeof(parameters) = 'object'),
  parent        text references glow.retrieval_configurations,
  created_at    timestamptz not null default clock_timestamp(),
  unique (agent, configuration)
);
comment on table glow.retrieval_configurations is 'Immutable, content-addressed retrieval parameters and learned memory.';
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

create table glow.retrieval_aliases (
  agent         glow.agent_name not null,
  alias         text not null check (alias in ('production', 'previous')),
  configuration text not null,
  revision      integer not null default 1 check (revision > 0),
  moved_at      timestamptz not null default clock_timestamp(),
  primary key (agent, alias),
  foreign key (agent, configuration) references glow.retrieval_configurations (agent, configuration)
);

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
  policy          text not null check (policy in ('production', 'interleave')),
  configuration   text,
  user_id         glow.identifier,
  conversation_id glow.identifier,
  occurred_at     timestamptz not null,
  recorded_at     timestamptz not null,
  xid             xid8 not null default pg_current_xact_id(),
  primary key (tenant, event_id, recorded_at)
) partition by range (recorded_at);
comment on table glow.retrieval_events is 'One search: what was asked, and by which configuration it was answered.';
create index retrieval_events_by_agent on glow.retrieval_events (agent, xid);
create index retrieval_events_by_time on glow.retrieval_events using brin (recorded_at);

create table glow.retrieval_hits (
  tenant     glow.tenant_name not null,
  event_id   glow.identifier not null,
  rank       smallint not null check (rank between 1 and 1000),
  chunk_id   glow.identifier not null,
  score      double precision not null check (score > '-Infinity' and score < 'Infinity'),
  leg        text not null check (leg in ('dense', 'lexical', 'both')),
  -- How likely the user looked at this rank when it was shown. Logged then, never computed again later.
  propensity double precision not null check (propensity > 0 and propensity <= 1),
  shown      boolean not null default true,
  cited      boolean not null default false,
  clicked    boolean not null default false,
  kept       boolean not null default false,
  explicit   smallint not null default 0 check (explicit in (-1, 0, 1)),
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
