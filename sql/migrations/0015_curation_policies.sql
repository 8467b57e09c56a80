-- What an agent's owners decided about its training data, and what people keep correcting.

-- With its history, because every example rests on the policy that was in force when it was made. A change is news of the
-- agent: whoever curates reads `xid` as it does that of feedback.
create table glow.curation_policies (
  policy_id       bigint generated always as identity primary key,
  agent           glow.agent_name not null references glow.agents,
  pii             text not null check (pii in ('redact', 'quarantine')),
  secrets         text not null check (secrets in ('redact', 'quarantine')),
  -- Kinds of personal data that stay as they are.
  keep            text[] not null check (cardinality(keep) <= 100),
  -- Null: all. "und" admits texts whose language cannot be told.
  languages       text[] check (cardinality(languages) between 1 and 100),
  shortest_input  integer not null check (shortest_input between 1 and 20000),
  shortest_target integer not null check (shortest_target between 1 and 20000),
  set_by          text not null,
  recorded_at     timestamptz not null default clock_timestamp(),
  superseded_at   timestamptz check (superseded_at >= recorded_at),
  xid             xid8 not null default pg_current_xact_id()
);
comment on table glow.curation_policies is 'How each agent''s texts are screened; the row in force has superseded_at null. An agent without one has the defaults.';
create unique index one_current_policy on glow.curation_policies (agent) where superseded_at is null;
create index policies_by_arrival on glow.curation_policies (xid);

-- When an agent's patterns were found, and in how much. `stale` asks for them anew, whether or not there is news: whoever
-- takes words out of the patterns sets it.
create table glow.correction_snapshots (
  agent       glow.agent_name primary key references glow.agents,
  corrections integer not null check (corrections >= 0),
  outputs     integer not null check (outputs >= 0),
  computed_at timestamptz not null default clock_timestamp(),
  stale       boolean not null default false
);
comment on table glow.correction_snapshots is 'Of how many corrections, and compared with how many uncorrected outputs, an agent''s patterns are.';

create table glow.correction_patterns (
  agent         glow.agent_name not null references glow.correction_snapshots on delete cascade,
  position      integer not null check (position > 0),
  kind          text not null,
  -- What it is about: number, date, unit, …; empty: anything.
  about         text not null,
  -- A JSON path or words people changed; empty: the kind as a whole.
  detail        text not null check (length(detail) <= 1000),
  standing      text not null check (standing in ('total', 'named', 'emerging')),
  count         integer not null check (count > 0),
  experts       integer not null check (experts between 0 and count),
  people        integer not null check (people >= 0),
  conversations integer not null check (conversations > 0),
  share         double precision not null check (share between 0 and 1),
  share_low     double precision not null,
  share_high    double precision not null,
  lift          double precision,
  q             double precision check (q between 0 and 1),
  -- Change of the share a week.
  trend         double precision,
  trend_low     double precision,
  trend_high    double precision,
  first_seen    timestamptz not null,
  last_seen     timestamptz not null,
  feedback      bigint[] not null,
  annotations   bigint[] not null,
  primary key (agent, position),
  unique (agent, kind, about, detail),
  check ((standing = 'total') = (detail = ''))
);
comment on table glow.correction_patterns is 'What people keep changing in an agent''s outputs, as of its last snapshot. Replaced as a whole.';

-- The newest corrections of an agent, however many votes came since.
create index corrections_by_agent on glow.agent_feedback (agent, feedback_id) where correction is not null;
create index expert_corrections_by_agent on glow.expert_annotations (agent, annotation_id) where verdict = 'correct';
