-- What the pipeline remembers about itself.

-- How far a consumer has read a stream of rows: all transactions below `xid` are behind it.
create table glow.watermarks (
  consumer   text not null,
  agent      text not null,
  xid        xid8 not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (consumer, agent)
);

-- Every paid model answer, by the hash of everything that determines it. Also how a killed run resumes exactly.
create table glow.responses (
  request_key       text primary key,
  model             text not null,
  text              text not null,
  prompt_tokens     integer not null check (prompt_tokens >= 0),
  completion_tokens integer not null check (completion_tokens >= 0),
  seconds           double precision not null check (seconds >= 0),
  cost_usd          double precision not null check (cost_usd >= 0),
  created_at        timestamptz not null default clock_timestamp()
);
comment on table glow.responses is 'Cache of model answers. Errors are never cached.';

create table glow.success_metrics (
  measurement_id bigint generated always as identity primary key,
  metric         text not null,
  value          double precision,
  low            double precision,
  high           double precision,
  target         double precision not null,
  status         text not null check (status in ('met', 'missed', 'not_enough_data')),
  detail         text not null,
  measured_at    timestamptz not null default clock_timestamp()
);
create index success_metrics_by_time on glow.success_metrics (metric, measured_at);
