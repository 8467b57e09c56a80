-- What experts' judgements are worth.

create table glow.reviewer_reliability (
  agent       glow.agent_name not null references glow.agents,
  -- Qualified by tenant: the ann of one is not the ann of another.
  reviewer    text collate "C" not null,
  -- How much the reviewer's word counts where several speak of one item: the median reviewer's is 1.
  weight      double precision not null check (weight between 0.25 and 4),
  -- The way of combining labels that was right more often on items whose answer is known.
  aggregator  text not null check (aggregator in ('majority', 'dawid_skene')),
  computed_at timestamptz not null default clock_timestamp(),
  primary key (agent, reviewer)
);
comment on table glow.reviewer_reliability is 'What each reviewer''s word counts with an agent; who has no row counts 1.';

create table glow.annotation_reports (
  agent       glow.agent_name not null references glow.agents,
  -- Its Monday, by the calendar of GLOW_TIME_ZONE.
  week        date not null check (extract(isodow from week) = 1),
  report      jsonb not null check (jsonb_typeof(report) = 'object'),
  computed_at timestamptz not null default clock_timestamp(),
  primary key (agent, week)
);
comment on table glow.annotation_reports is
  'Agreement and calibration of an agent''s reviewers as they were in a week; the row of the current week changes with every new judgement.';
