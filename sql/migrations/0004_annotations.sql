-- What experts judged, what they showed, and the queue that says what to judge next.

create table glow.expert_annotations (
  annotation_id   bigint generated always as identity primary key,
  tenant          glow.tenant_name not null,
  execution_id    glow.identifier not null,
  agent           glow.agent_name not null references glow.agents,
  reviewer        glow.identifier not null,
  -- An adjudication decides where reviewers disagreed: it beats all reviews of its execution.
  role            text not null default 'review' check (role in ('review', 'adjudication')),
  -- A review of an item whose answer was known beforehand: it measures the reviewer, and teaches no agent anything.
  gold            boolean not null default false,
  verdict         text not null check (verdict in ('approve', 'correct', 'reject')),
  -- The right answer, when the reviewer corrected it.
  output          text check (octet_length(output) between 1 and 1000000),
  dimensions      jsonb not null default '{}' check (jsonb_typeof(dimensions) = 'object'),
  notes           text check (length(notes) <= 10000),
  idempotency_key glow.identifier,
  payload_hash    bytea not null,
  recorded_at     timestamptz not null default clock_timestamp(),
  superseded_by   bigint references glow.expert_annotations deferrable initially deferred,
  xid             xid8 not null default pg_current_xact_id(),
  -- Set when the texts were erased; the verdict stays.
  erased_at       timestamptz,
  foreign key (tenant, execution_id) references glow.execution_keys (tenant, execution_id),
  check ((verdict = 'correct') = (output is not null) or erased_at is not null and output is null)
);
comment on table glow.expert_annotations is 'An expert''s judgement of one execution; the current one of a reviewer has superseded_by null.';
create unique index one_current_annotation on glow.expert_annotations (tenant, execution_id, reviewer) where superseded_by is null;
create unique index one_adjudication on glow.expert_annotations (tenant, execution_id) where superseded_by is null and role = 'adjudication';
create unique index annotation_idempotency on glow.expert_annotations (tenant, agent, idempotency_key) where idempotency_key is not null;
create index annotations_by_arrival on glow.expert_annotations (agent, xid);
-- Not only of current rows: before the first analyze the planner took such an index for every look-up of a current row,
-- and ten thousand annotations in a batch read each other fifty million times.
create index annotations_by_agent on glow.expert_annotations (agent, recorded_at);

create table glow.demonstrations (
  demonstration_id bigint generated always as identity primary key,
  tenant           glow.tenant_name not null,
  agent            glow.agent_name not null references glow.agents,
  expert           glow.identifier not null,
  input            text not null check (octet_length(input) between 1 and 1000000),
  output           text not null check (octet_length(output) between 1 and 1000000),
  notes            text check (length(notes) <= 10000),
  idempotency_key  glow.identifier,
  payload_hash     bytea not null,
  recorded_at      timestamptz not null default clock_timestamp(),
  xid              xid8 not null default pg_current_xact_id()
);
comment on table glow.demonstrations is 'An expert''s own example of a right answer.';
create unique index demonstration_idempotency on glow.demonstrations (tenant, agent, idempotency_key) where idempotency_key is not null;
create index demonstrations_by_arrival on glow.demonstrations (agent, xid);

-- How an agent's answers are reviewed. No row: the defaults (glow.review_policy).
create table glow.review_policies (
  agent         glow.agent_name primary key references glow.agents,
  -- Reviews an item gets, and the most it gets when they disagree.
  reviews       smallint not null default 2 check (reviews between 1 and 20),
  most_reviews  smallint not null default 3 check (most_reviews between reviews and 20),
  -- Reviewers see neither votes, nor each other's verdicts, nor why an item is in the queue.
  blind         boolean not null default true,
  lease         interval not null default '15 minutes' check (lease between '10 seconds' and '7 days'),
  -- Of all executions, chosen by chance: what is estimated from them is true of all.
  control_share double precision not null default 0.02 check (control_share between 0 and 1),
  -- Of all claims: items whose answer is known.
  gold_share    double precision not null default 0.05 check (gold_share between 0 and 0.5),
  set_by        text not null,
  set_at        timestamptz not null default clock_timestamp()
);
comment on table glow.review_policies is 'How many reviews an agent''s items get, blind or not, for how long they are leased, how many are controls and gold.';

create function glow.review_policy(
  agent text, out reviews smallint, out most_reviews smallint, out blind boolean, out lease interval,
  out control_share double precision, out gold_share double precision
) language plpgsql stable as $$
begin
  select p.reviews, p.most_reviews, p.blind, p.lease, p.control_share, p.gold_share
    into reviews, most_reviews, blind, lease, control_share, gold_share
    from glow.review_policies p where p.agent = review_policy.agent;
  if not found then
    reviews := 2; most_reviews := 3; blind := true; lease := '15 minutes'; control_share := 0.02; gold_share := 0.05;
  end if;
end $$;
comment on function glow.review_policy is 'The policy of an agent, or the defaults.';

-- What an execution gives when dice are thrown for it: the same for ever, in every database, and without regard to its
-- contents. Below control_share it is a control.
create function glow.control_draw(tenant text, execution_id text) returns double precision
  language sql immutable strict parallel safe
  return ('x' || encode(substr(sha256(convert_to('review-control-1' || chr(31) || tenant || chr(31) || execution_id, 'UTF8')), 1, 6), 'hex'))::bit(48)::bigint
         / 281474976710656.0;

-- Two answers that differ in case, spacing or punctuation are one; 1.50 and 150, or 5 and -5, are two. The marks are listed:
-- what a class of characters holds depends on the server, and a combining vowel is none of them.
create function glow.answer_key(value text) returns text
  language sql immutable strict parallel safe
  return coalesce(nullif(btrim(regexp_replace(
    regexp_replace(lower(normalize(value, NFKC)), '(?<=[0-9])[.,:/-](?=[0-9])|(?<![[:alpha:]])-(?=[0-9])', E'\x01', 'g'),
    '[][:space:]!"&''()*,./:;?@[\\^_`{|}~¡¿«»‘’“”„…–—。、，！？（）「」-]+', ' ', 'g')), ''), btrim(value));
comment on function glow.answer_key is 'What makes two answers the same answer.';

-- What makes two inputs the same input. Of the beginning: an input may be a whole document.
create function glow.input_key(value text) returns bytea
  language sql immutable strict parallel safe
  return sha256(convert_to(glow.answer_key(left(value, 4000)), 'UTF8'));

create table glow.review_items (
  item_id      bigint generated always as identity primary key,
  tenant       glow.tenant_name not null,
  execution_id glow.identifier not null,
  agent        glow.agent_name not null references glow.agents,
  kind         text not null default 'judgement' check (kind in ('judgement', 'comparison')),
  -- The answer that the execution's own is compared with.
  alternative  text check (octet_length(alternative) between 1 and 1000000),
  reasons      text[] not null check (reasons <@ '{low_vote,correction,disagreement,uncertainty,drift,control,manual}'),
  note         text check (length(note) <= 2000),
  priority     double precision not null default 0.5 check (priority between 0 and 1),
  state        text not null default 'open' check (state in ('open', 'adjudicate', 'closed')),
  -- Reviews wanted now, and how many it may become: of the policy when it entered.
  reviews      smallint not null check (reviews between 0 and 32767),
  most_reviews smallint not null,
  -- What was decided: the verdict, or for a comparison output, alternative, tie, neither.
  outcome      text,
  -- Its answer is known: it comes to each reviewer once, and is never done.
  gold         boolean not null default false,
  decided_by   bigint references glow.expert_annotations,
  -- What its priority is made of: sha256 of the normalised input, executions with that input, votes of users, of judges.
  input_key    bytea,
  occurrences  integer not null default 1,
  votes_up     integer not null default 0,
  votes_down   integer not null default 0,
  judge_up     integer not null default 0,
  judge_down   integer not null default 0,
  entered_at   timestamptz not null default clock_timestamp(),
  closed_at    timestamptz,
  -- What was never reviewed goes with its execution (glow.expire).
  foreign key (tenant, execution_id) references glow.execution_keys (tenant, execution_id) on delete cascade,
  unique (tenant, execution_id, kind),
  check ((kind = 'comparison') = (alternative is not null)),
  check (not gold or kind = 'judgement'),
  check ((state = 'closed') = (closed_at is not null))
);
comment on table glow.review_items is 'What experts are asked to judge: an execution, why, how much it is worth to know, and how far it is.';
create index reviews_by_priority on glow.review_items (tenant, priority desc, item_id) where state = 'open' and not gold;
create index reviews_by_agent on glow.review_items (agent, tenant, priority desc, item_id) where state = 'open' and not gold;
create index reviews_by_draw on glow.review_items (tenant, glow.control_draw(tenant, execution_id)) where state = 'open' and not gold and reasons @> '{control}';
create index controls_by_agent on glow.review_items (agent, entered_at) where reasons @> '{control}';
create index drifts_by_agent on glow.review_items (agent, entered_at) where reasons @> '{drift}';
create index reviews_to_adjudicate on glow.review_items (tenant, item_id) where state = 'adjudicate';
create index gold_items on glow.review_items (tenant, agent) where gold;
create index reviews_by_input on glow.review_items (agent, input_key) where state = 'open';

-- N reviews are N rows: more cannot be taken.
create table glow.review_slots (
  item_id       bigint not null references glow.review_items on delete cascade,
  slot          smallint not null check (slot > 0),
  tenant        glow.tenant_name not null,
  reviewer      glow.identifier,
  -- Free from this instant on, unless filled. Not before: that is the lease.
  lease_until   timestamptz not null default '-infinity',
  claimed_at    timestamptz,
  -- Of a comparison: which of the two was shown first.
  first         text check (first in ('output', 'alternative')),
  annotation_id bigint references glow.expert_annotations,
  comparison_id bigint,
  filled_at     timestamptz,
  primary key (item_id, slot),
  unique (item_id, reviewer),
  check (reviewer is not null or filled_at is null),
  check ((filled_at is not null) = (num_nonnulls(annotation_id, comparison_id) = 1))
);
comment on table glow.review_slots is 'The reviews an item gets: each free, leased to a reviewer, or filled with what they said.';
create index slots_of_reviewer on glow.review_slots (tenant, reviewer) where filled_at is null and reviewer is not null;
create index slots_by_annotation on glow.review_slots (annotation_id) where annotation_id is not null;

create table glow.review_passes (
  item_id   bigint not null references glow.review_items on delete cascade,
  reviewer  glow.identifier not null,
  tenant    glow.tenant_name not null,
  kind      text not null check (kind in ('skipped', 'declined')),
  passed_at timestamptz not null default clock_timestamp(),
  primary key (item_id, reviewer)
);
comment on table glow.review_passes is 'What a reviewer does not want now (skipped) or ever (declined).';
create index passes_of_reviewer on glow.review_passes (tenant, reviewer, passed_at);

create table glow.comparisons (
  comparison_id   bigint generated always as identity primary key,
  tenant          glow.tenant_name not null,
  execution_id    glow.identifier not null,
  agent           glow.agent_name not null references glow.agents,
  reviewer        glow.identifier not null,
  -- As they were shown.
  first           text not null check (octet_length(first) between 1 and 1000000),
  second          text not null check (octet_length(second) between 1 and 1000000),
  preferred       text not null check (preferred in ('first', 'second', 'tie', 'neither')),
  notes           text check (length(notes) <= 10000),
  idempotency_key glow.identifier,
  payload_hash    bytea not null,
  recorded_at     timestamptz not null default clock_timestamp(),
  superseded_by   bigint references glow.comparisons deferrable initially deferred,
  xid             xid8 not null default pg_current_xact_id(),
  foreign key (tenant, execution_id) references glow.execution_keys (tenant, execution_id)
);
comment on table glow.comparisons is 'Which of two answers an expert prefers; the current word of a reviewer has superseded_by null.';
create unique index one_current_comparison on glow.comparisons (tenant, execution_id, reviewer) where superseded_by is null;
create unique index comparison_idempotency on glow.comparisons (tenant, agent, idempotency_key) where idempotency_key is not null;
create index comparisons_by_arrival on glow.comparisons (agent, xid);
alter table glow.review_slots add foreign key (comparison_id) references glow.comparisons;

create table glow.review_events (
  event_id     bigint generated always as identity primary key,
  tenant       glow.tenant_name not null,
  -- No foreign key: it outlives its item.
  item_id      bigint not null,
  agent        glow.agent_name not null,
  execution_id glow.identifier not null,
  reviewer     glow.identifier not null,
  event        text not null check (event in ('claimed', 'submitted', 'skipped', 'declined', 'released', 'expired', 'extended', 'adjudicated')),
  reason       text check (length(reason) <= 2000),
  happened_at  timestamptz not null default clock_timestamp()
);
comment on table glow.review_events is 'Who did what with an item, and when: throughput is counted from it, and an auditor reads it. Append-only.';
create index review_events_by_item on glow.review_events (item_id);
create index review_events_by_time on glow.review_events using brin (happened_at);

-- Counted as they come in, a changed mind twice: a count over five weeks of votes would read them all each time.
create table glow.vote_days (
  agent    glow.agent_name not null references glow.agents,
  day      date not null,
  votes    bigint not null check (votes >= 0),
  negative bigint not null check (negative between 0 and votes),
  primary key (agent, day)
);
comment on table glow.vote_days is 'Votes of users by day: what drift is seen by.';

create function glow.append_only() returns trigger language plpgsql as $$
begin
  if current_user = 'glow_owner' and current_setting('glow.erasing', true) = 'on' then
    if tg_op = 'DELETE' then return old; end if;
    return new;
  end if;
  raise exception using errcode = 'PT409', message = format('%s is append-only: a %s was refused', tg_table_name, lower(tg_op)),
    hint = 'Only the erasure of a person changes what happened.';
end $$;
create trigger append_only before update or delete on glow.review_events for each row execute function glow.append_only();

-- Call with the item locked. What the reviews of an item amount to; the same whatever order they came in.
create function glow.settle_review(item_id bigint) returns void
  language plpgsql as $$
declare
  item record;
  filled integer;
  best record;
begin
  select i.* into item from glow.review_items i where i.item_id = settle_review.item_id;
  if item.gold or item.decided_by is not null then return; end if;
  select count(*) into filled from glow.review_slots s where s.item_id = item.item_id and s.filled_at is not null;
  select x.outcome, count(*) as n into best from (
    select coalesce(a.verdict, case c.preferred when 'first' then s.first
                                                when 'second' then case s.first when 'output' then 'alternative' else 'output' end
                                                else c.preferred end) as outcome,
           case a.verdict when 'correct' then glow.answer_key(a.output) end as answer
      from glow.review_slots s
      -- `offset 0`: by key, also with a plan that was made when the tables were empty.
      left join lateral (select * from glow.expert_annotations x where x.annotation_id = s.annotation_id offset 0) a on true
      left join lateral (select * from glow.comparisons x where x.comparison_id = s.comparison_id offset 0) c on true
     where s.item_id = settle_review.item_id and s.filled_at is not null) x
   group by x.outcome, x.answer order by count(*) desc, x.outcome, x.answer limit 1;
  if filled >= item.reviews and best.n * 2 > filled then
    item.state := 'closed';
  elsif filled >= item.reviews and item.reviews < item.most_reviews then
    -- One more, not two: the third often decides.
    item.state := 'open';
    item.reviews := item.reviews + 1;
    insert into glow.review_slots (item_id, slot, tenant) values (item.item_id, item.reviews, item.tenant);
  else
    item.state := case when filled >= item.reviews then 'adjudicate' else 'open' end;
  end if;
  update glow.review_items i
     set state = item.state, reviews = item.reviews, outcome = case item.state when 'closed' then best.outcome end,
         closed_at = case item.state when 'closed' then coalesce(i.closed_at, clock_timestamp()) end
   where i.item_id = item.item_id
     and (i.state, i.reviews, i.outcome) is distinct from
         (item.state, item.reviews, case item.state when 'closed' then best.outcome end);
end $$;
comment on function glow.settle_review is
  'Closes an item whose reviews agree by majority, opens one more slot while they do not, and gives it up to adjudication '
  'when there are as many as there may be.';

-- What experts said of an execution before it entered counts: an item may be closed as soon as it enters.
create function glow.open_slots(item_ids bigint[]) returns void
  language plpgsql as $$
begin
  update glow.review_items i
     set reviews = greatest(i.reviews, least(i.most_reviews, said.n)), decided_by = said.decision, outcome = said.outcome,
         state = case when said.decision is null then i.state else 'closed' end,
         closed_at = case when said.decision is not null then clock_timestamp() end
    from (select x.item_id, count(*) filter (where a.role = 'review') as n,
                 max(a.annotation_id) filter (where a.role = 'adjudication') as decision,
                 max(a.verdict) filter (where a.role = 'adjudication') as outcome
            from glow.review_items x
           cross join lateral (select * from glow.expert_annotations y
                                where y.tenant = x.tenant and y.execution_id = x.execution_id and y.superseded_by is null offset 0) a
           where x.item_id = any(item_ids) and x.kind = 'judgement' group by x.item_id) said
   where i.item_id = said.item_id;
  insert into glow.review_slots (item_id, slot, tenant, reviewer, annotation_id, filled_at)
  select i.item_id, n.slot, i.tenant, a.reviewer, a.annotation_id, a.recorded_at
    from glow.review_items i
   cross join lateral generate_series(1, i.reviews) n(slot)
    left join lateral (
      select r.reviewer, r.annotation_id, r.recorded_at, row_number() over (order by r.annotation_id) as slot
        from glow.expert_annotations r
       where r.tenant = i.tenant and r.execution_id = i.execution_id and r.superseded_by is null and r.role = 'review'
         and i.kind = 'judgement') a on a.slot = n.slot
   where i.item_id = any(item_ids) and (i.decided_by is null or a.annotation_id is not null);
  perform glow.settle_review(i.item_id)
     from (select distinct s.item_id from glow.review_slots s where s.item_id = any(item_ids) and s.filled_at is not null) i;
end $$;
comment on function glow.open_slots is 'Gives items that have just entered their slots, filled with what experts had said already.';

select glow.secure('glow.expert_annotations'),
       glow.secure('glow.demonstrations'),
       glow.secure('glow.review_items'),
       glow.secure('glow.review_slots'),
       glow.secure('glow.review_passes'),
       glow.secure('glow.comparisons'),
       glow.secure('glow.review_events');
