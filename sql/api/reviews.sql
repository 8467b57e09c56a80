-- The review queue: what experts judge next.
--
-- An item wants N reviews, and has a row in glow.review_slots for each. To claim is to lease a slot; a lease that ran out
-- is free again, and until somebody takes it whoever had it may still submit. Locks are taken in this order: idempotency
-- key, (execution, reviewer), item, slot. A claim locks slots alone and waits for nobody: `skip locked`.

create type glow_api.review_call as (tenant text, reviewer text, agent text, kind text, reason text, state text);
comment on type glow_api.review_call is 'Who asks for reviews, and for which: the filters of annotation_queue and claim_annotation.';

create function glow_api.reviewer_problem(reviewer text, tenant text, caller glow_api.caller) returns glow_api.problem
  language plpgsql stable as $$
declare
  problem glow_api.problem := glow_api.id_problem('{reviewer}', array[coalesce(reviewer, caller.person)], 1);
begin
  if tenant <> caller.tenant then
    return row('PT403', 'tenant', tenant, 'the tenant of this login')::glow_api.problem;
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    return row('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit')::glow_api.problem;
  elsif reviewer <> caller.person then
    return row('PT403', 'reviewer', reviewer, 'the person this login speaks for')::glow_api.problem;
  end if;
  return problem;
end $$;
comment on function glow_api.reviewer_problem is 'Refuses another tenant, another person, and nobody.';

create function glow_api.require_reviewer(reviewer text, tenant text) returns glow_api.caller
  language plpgsql as $$
declare
  caller glow_api.caller := glow_api.enter(1);
  problem glow_api.problem := glow_api.reviewer_problem(reviewer, tenant, caller);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  return row(coalesce(tenant, caller.tenant, 'default'), coalesce(reviewer, caller.person))::glow_api.caller;
end $$;
comment on function glow_api.require_reviewer is 'enter, for a reviewer: answers the one tenant and the one person the call is about.';

create function glow_api.read_filters(filters jsonb, caller glow_api.caller) returns glow_api.review_call
  language plpgsql stable as $$
declare
  shape constant jsonb := '{"agent": "string", "kind": "string", "reason": "string", "state": "string"}';
  call glow_api.review_call;
  filter record;
  problem glow_api.problem;
begin
  if jsonb_typeof(coalesce(filters, '{}')) <> 'object' then
    perform glow_api.refuse('PT400', 'filters', left(filters::text, 80), 'an object such as {"agent": "expense-coder"}');
  end if;
  for filter in select * from jsonb_each(coalesce(filters, '{}')) loop
    if shape ->> filter.key is null then
      perform glow_api.refuse('PT400', 'filters.' || left(filter.key, 40), left(filter.value::text, 80), 'one of agent, kind, reason, state');
    elsif not glow_api.fits(filter.value, 'string') then
      perform glow_api.refuse('PT422', 'filters.' || filter.key, left(filter.value::text, 80), 'a text');
    end if;
  end loop;
  call := jsonb_populate_record(null::glow_api.review_call, filters);
  call.tenant := caller.tenant;
  call.reviewer := caller.person;
  if call.agent is not null then
    problem := glow_api.caller_problem(caller.tenant, caller.tenant, call.agent);
    if problem.code is not null then perform glow_api.refuse(problem); end if;
  end if;
  if call.kind not in ('judgement', 'comparison') then
    perform glow_api.refuse('PT422', 'filters.kind', call.kind, 'judgement or comparison');
  elsif call.reason not in ('low_vote', 'correction', 'disagreement', 'uncertainty', 'drift', 'control', 'manual') then
    perform glow_api.refuse('PT422', 'filters.reason', call.reason, 'low_vote, correction, disagreement, uncertainty, drift, control or manual');
  elsif call.state not in ('open', 'adjudicate') then
    perform glow_api.refuse('PT422', 'filters.state', call.state, 'open or adjudicate');
  elsif call.reason is not null and call.agent is not null and (glow.review_policy(call.agent)).blind then
    perform glow_api.refuse('PT403', 'filters.reason', call.reason, 'no reason: reviews of this agent are blind');
  end if;
  return call;
end $$;
comment on function glow_api.read_filters is 'The filters of a call; refuses what is none, and to choose by reason where reviews are blind.';

create function glow_api.admits(call glow_api.review_call, item glow.review_items) returns boolean
  language sql stable
  return item.tenant = call.tenant and coalesce(item.agent = call.agent, true) and coalesce(item.kind = call.kind, true)
     and (call.reason is null or call.reason = any(item.reasons) and not (glow.review_policy(item.agent)).blind);
comment on function glow_api.admits is 'Whether an item is one that a call asks for.';

create function glow_api.reviewable(call glow_api.review_call) returns setof glow.review_items
  language sql stable as $$
  select i.* from glow.review_items i
   where i.tenant = call.tenant and (call.agent is null or i.agent = call.agent) and i.state = 'open' and not i.gold
     and glow_api.admits(call, i)
     and exists (select from glow.review_slots s
                  where s.item_id = i.item_id and s.filled_at is null and s.lease_until <= statement_timestamp())
     and not exists (select from glow.review_slots s
                      where s.item_id = i.item_id and s.reviewer = call.reviewer
                        and (s.filled_at is not null or s.lease_until > statement_timestamp()))
     and not exists (select from glow.review_passes p
                      where p.item_id = i.item_id and p.reviewer = call.reviewer and p.kind = 'declined')
     and exists (select from glow.execution_keys k
                  where k.tenant = i.tenant and k.execution_id = i.execution_id and k.expired_at is null)
$$;
comment on function glow_api.reviewable is
  'The items a reviewer could be given: with a free slot, neither reviewed nor held nor declined by them, and with text.';

create function glow_api.gold_for(call glow_api.review_call) returns setof glow.review_items
  language sql stable as $$
  select i.* from glow.review_items i
   where i.tenant = call.tenant and i.gold and glow_api.admits(call, i) and (glow.review_policy(i.agent)).gold_share > 0
     and not exists (select from glow.review_slots s
                      where s.item_id = i.item_id and s.reviewer = call.reviewer
                        and (s.filled_at is not null or s.lease_until > statement_timestamp()))
     and not exists (select from glow.expert_annotations a
                      where a.tenant = i.tenant and a.execution_id = i.execution_id and a.reviewer = call.reviewer)
     and not exists (select from glow.review_passes p
                      where p.item_id = i.item_id and p.reviewer = call.reviewer and p.kind = 'declined')
     and exists (select from glow.execution_keys k
                  where k.tenant = i.tenant and k.execution_id = i.execution_id and k.expired_at is null)
$$;
comment on function glow_api.gold_for is
  'The items whose answer is known that a reviewer could be given: neither reviewed nor held nor declined by them, and with text.';

-- Counted as if it waited like the rest: a count that a claim or a skip leaves alone would tell what was claimed. Where
-- nothing else waits no gold comes but what they skipped: that waits for them as any skipped item does.
create function glow_api.waiting(call glow_api.review_call) returns setof glow.review_items
  language sql stable as $$
  with plain as materialized (select i.* from glow_api.reviewable(call) i)
  select p.* from plain p
  union all
  select i.* from glow_api.gold_for(call) i
   where exists (select from plain p where p.agent = i.agent and p.kind = i.kind)
      or exists (select from glow.review_passes p where p.item_id = i.item_id and p.reviewer = call.reviewer)
$$;
comment on function glow_api.waiting is 'What a reviewer is told to wait for them: the items they could be given, and gold hidden among them.';

create function glow_api.note_review(item glow.review_items, reviewer text, event text, reason text default null) returns void
  language sql as $$
  insert into glow.review_events (tenant, item_id, agent, execution_id, reviewer, event, reason)
  values (item.tenant, item.item_id, item.agent, item.execution_id, note_review.reviewer, note_review.event, note_review.reason)
$$;
comment on function glow_api.note_review is 'Writes what happened with an item.';

-- Whoever had a slot of this item takes that one again: a second would be a second review of one person.
create function glow_api.lease_slot(item glow.review_items, reviewer text, lease interval) returns boolean
  language plpgsql as $$
#variable_conflict use_variable
declare
  taken glow.review_slots;
begin
  select s.* into taken from glow.review_slots s
   where s.item_id = item.item_id and s.filled_at is null and s.lease_until <= clock_timestamp()
     and (s.reviewer = lease_slot.reviewer or not exists (
       select from glow.review_slots o where o.item_id = item.item_id and o.reviewer = lease_slot.reviewer))
   order by s.lease_until, s.slot limit 1
     for update skip locked;
  if not found then return false; end if;
  if taken.reviewer is not null then
    perform glow_api.note_review(item, taken.reviewer, 'expired');
  end if;
  update glow.review_slots s
     set reviewer = lease_slot.reviewer, claimed_at = clock_timestamp(),
         lease_until = clock_timestamp() + coalesce(lease, (glow.review_policy(item.agent)).lease),
         first = case item.kind when 'comparison' then
           coalesce(case when s.reviewer = lease_slot.reviewer then s.first end, case when glow_api.die() < 0.5 then 'output' else 'alternative' end) end
   where s.item_id = taken.item_id and s.slot = taken.slot;
  perform glow_api.note_review(item, lease_slot.reviewer, 'claimed');
  return true;
end $$;
comment on function glow_api.lease_slot is 'Leases a free slot of an item, unless somebody else is about to.';

-- Not random(): the caller can set its seed, and would know which item is gold.
create function glow_api.die() returns double precision
  language sql volatile
  return ('x' || right(gen_random_uuid()::text, 12))::bit(48)::bigint / 281474976710656.0;
comment on function glow_api.die is 'A number from 0 to 1 that nobody can foretell.';

-- Gold is never free and never taken from anybody: each reviewer has a slot of their own.
create function glow_api.lease_gold(item glow.review_items, reviewer text, lease interval) returns boolean
  language plpgsql as $$
#variable_conflict use_variable
declare
  held glow.review_slots;
begin
  -- Whoever adds a slot locks the item: two would number it alike.
  perform from glow.review_items i where i.item_id = item.item_id and i.gold for no key update skip locked;
  if not found then return false; end if;
  select s.* into held from glow.review_slots s
   where s.item_id = item.item_id and s.reviewer = lease_gold.reviewer for update skip locked;
  insert into glow.review_slots as s (item_id, slot, tenant, reviewer, claimed_at, lease_until)
  select item.item_id, coalesce(max(o.slot), 0) + 1, item.tenant, lease_gold.reviewer, clock_timestamp(),
         clock_timestamp() + coalesce(lease, (glow.review_policy(item.agent)).lease)
    from glow.review_slots o where o.item_id = item.item_id
  on conflict on constraint review_slots_item_id_reviewer_key do update
     set claimed_at = excluded.claimed_at, lease_until = excluded.lease_until
   where s.filled_at is null and s.lease_until <= clock_timestamp();
  if not found then return false; end if;
  -- Not where they gave it back.
  if isfinite(held.lease_until) then perform glow_api.note_review(item, lease_gold.reviewer, 'expired'); end if;
  perform glow_api.note_review(item, lease_gold.reviewer, 'claimed');
  return true;
end $$;
comment on function glow_api.lease_gold is 'Leases a slot of an item whose answer is known, unless somebody else is about to.';

create function glow_api.lease_hidden(call glow_api.review_call, lease interval) returns bigint
  language plpgsql as $$
declare
  item glow.review_items;
  die double precision := glow_api.die();
begin
  select i.* into item from glow_api.gold_for(call) i
   where die < (glow.review_policy(i.agent)).gold_share
     and not exists (select from glow.review_passes p where p.item_id = i.item_id and p.reviewer = call.reviewer)
   order by glow_api.die() limit 1;
  return case when item.item_id is not null and glow_api.lease_gold(item, call.reviewer, lease) then item.item_id end;
end $$;
comment on function glow_api.lease_hidden is 'With the chance that the policy says, leases an item whose answer is known and that the reviewer has not passed.';

-- Item by item and not in one statement: a plan that sorts would lock all of them before it takes the first. Few
-- candidates are looked at, and more only when other claims are at the same ones. Row security makes the planner expect a
-- single item and sort them all: 34 ms a claim with 5000 items, against 1 ms by the index.
create function glow_api.lease_next(call glow_api.review_call, n integer, path text, lease interval) returns bigint[]
  language plpgsql set enable_sort = off set enable_bitmapscan = off as $$
declare
  item glow.review_items;
  leased bigint[] := '{}';
  found_ones refcursor;
  most integer;
  seen integer;
begin
  foreach most in array array[n + 30, n + 1000, 2147483647] loop
    exit when cardinality(leased) >= n;
    if path = 'controls' then
      open found_ones no scroll for select i.* from glow_api.reviewable(call) i
        left join glow.review_passes p on p.item_id = i.item_id and p.reviewer = call.reviewer
       where i.reasons @> '{control}' and p.item_id is null
       order by glow.control_draw(i.tenant, i.execution_id) limit most;
    elsif path = 'skipped' then
      -- Gold among them: that what never comes back is gold, a reviewer who skips would find out.
      open found_ones no scroll for
        select i.* from (select * from glow_api.reviewable(call) union all select * from glow_api.gold_for(call)) i
        join glow.review_passes p on p.item_id = i.item_id and p.reviewer = call.reviewer
       order by p.passed_at, i.item_id limit most;
    else
      open found_ones no scroll for select i.* from glow_api.reviewable(call) i
        left join glow.review_passes p on p.item_id = i.item_id and p.reviewer = call.reviewer
       where p.item_id is null
       order by i.priority desc, i.item_id limit most;
    end if;
    seen := 0;
    loop
      fetch found_ones into item;
      exit when not found;
      seen := seen + 1;
      if (case when item.gold then glow_api.lease_gold(item, call.reviewer, lease)
               else glow_api.lease_slot(item, call.reviewer, lease) end) then
        leased := leased || item.item_id;
      end if;
      exit when cardinality(leased) >= n;
    end loop;
    close found_ones;
    exit when seen < most;
  end loop;
  return leased;
end $$;
comment on function glow_api.lease_next is
  'Leases n items: the best ones, or controls in the order of their draw, or what the reviewer skipped, longest ago first.';

-- The ways differ in nothing that is shown: gold looks like any other item.
create function glow_api.shown(item_ids bigint[], person text) returns table (
  item_id bigint, kind text, agent text, execution_id text, input text, output text, first text, second text, metadata jsonb,
  context jsonb, lease_until timestamptz
) language sql stable as $$
  select i.item_id, i.kind, i.agent::text, i.execution_id::text, e.input::text,
         case when i.kind = 'judgement' then e.output::text end,
         case s.first when 'output' then e.output::text when 'alternative' then i.alternative end,
         case s.first when 'output' then i.alternative when 'alternative' then e.output::text end,
         e.metadata::jsonb,
         case when not (glow.review_policy(i.agent)).blind then jsonb_build_object(
           'reasons', i.reasons, 'note', i.note,
           'votes', (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                              'thumbs', f.thumbs, 'rating', f.rating, 'issues', nullif(f.issues, '{}'), 'comment', f.comment,
                              'correction', f.correction, 'channel', f.channel)) order by f.feedback_id)
                       from glow.agent_feedback f
                      where f.tenant = i.tenant and f.execution_id = i.execution_id and f.agent = i.agent and f.superseded_by is null),
           'reviews', (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                                'reviewer', a.reviewer, 'verdict', a.verdict, 'output', a.output, 'notes', a.notes)) order by o.slot)
                         from glow.review_slots o join glow.expert_annotations a using (annotation_id)
                        where o.item_id = i.item_id and not i.gold)) end,
         s.lease_until
    from glow.review_items i
    join glow.review_slots s on s.item_id = i.item_id and s.reviewer = person and s.filled_at is null
    join glow.execution_keys k on k.tenant = i.tenant and k.execution_id = i.execution_id
    join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
   where i.item_id = any(item_ids)
   order by sha256(convert_to(i.item_id || person, 'UTF8'))
$$;
comment on function glow_api.shown is 'What a reviewer must see of the items they hold; votes, reasons and other reviews only where reviews are not blind.';

create function glow_api.lease_problem(lease interval) returns glow_api.problem
  language sql immutable
  return case when lease not between interval '1 second' and interval '7 days'
              then row('PT422', 'lease', lease::text, 'an interval from 1 second to 7 days')::glow_api.problem end;
comment on function glow_api.lease_problem is 'Refuses a lease that is too short or too long.';

create function glow_api.claim_annotation(
  filters jsonb default '{}', n integer default 1, lease interval default null, reviewer text default null,
  tenant text default null
) returns table (
  item_id bigint, kind text, agent text, execution_id text, input text, output text, first text, second text, metadata jsonb,
  context jsonb, lease_until timestamptz
) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  call glow_api.review_call := glow_api.read_filters(filters, me);
  problem glow_api.problem := glow_api.lease_problem(lease);
  controls integer := 0;
  gold bigint;
  leased bigint[];
  golds bigint[] := '{}';
begin
  if n is null or n not between 1 and 100 then
    problem := row('PT422', 'n', n::text, 'a number of items from 1 to 100');
  elsif call.state = 'adjudicate' then
    problem := row('PT422', 'filters.state', call.state, 'open: what waits for adjudication is decided with adjudicate');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  -- One reviewer's claims go one after the other, or two at once would lease them two slots of one item.
  perform pg_advisory_xact_lock(hashtextextended(me.tenant || chr(31) || me.person, 10));
  for i in 1 .. n loop
    -- A tenth, whatever their priority: the estimate that rests on controls must not starve.
    controls := controls + (glow_api.die() < 0.1)::integer;
  end loop;
  leased := glow_api.lease_next(call, controls, 'controls', lease);
  -- One of the others may become gold, and only where there is one to become it: from an empty queue no gold comes.
  if exists (select from glow.review_items i where i.tenant = me.tenant and i.gold and glow_api.admits(call, i))
     and exists (select from glow_api.reviewable(call)) then
    for i in 1 .. n - cardinality(leased) loop
      gold := glow_api.lease_hidden(call, lease);
      if gold is not null then golds := golds || gold; end if;
    end loop;
  end if;
  leased := leased || golds;
  leased := leased || glow_api.lease_next(call, n - cardinality(leased), 'best', lease);
  leased := leased || glow_api.lease_next(call, n - cardinality(leased), 'skipped', lease);
  return query select * from glow_api.shown(leased, me.person);
end $$;
comment on function glow_api.claim_annotation is
  'Leases up to n items to a reviewer and answers what there is to judge: input, output, metadata, or the two answers of a '
  'comparison. Nobody else gets this review until lease_until. Filters: agent, kind, and reason where reviews are not blind.';

create function glow_api.annotation_queue(filters jsonb default '{}', reviewer text default null, tenant text default null)
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  call glow_api.review_call := glow_api.read_filters(filters, me);
  answer jsonb;
begin
  answer := jsonb_build_object(
    'reviewer', me.person,
    'held', (select coalesce(jsonb_agg(to_jsonb(h) order by h.lease_until, h.item_id), '[]') from glow_api.shown(
      array(select s.item_id from glow.review_slots s join glow.review_items i using (item_id)
             where s.tenant = me.tenant and s.reviewer = me.person and s.filled_at is null
               and s.lease_until > clock_timestamp() and isfinite(s.lease_until) and glow_api.admits(call, i)), me.person) h),
    'waiting', (select coalesce(jsonb_agg(to_jsonb(w) order by w.agent, w.kind), '[]') from (
      select i.agent, i.kind, count(*) as items, min(i.entered_at) as oldest,
             count(*) filter (where exists (select from glow.review_passes p
                                             where p.item_id = i.item_id and p.reviewer = me.person)) as skipped
        from glow_api.waiting(call) i
       group by i.agent, i.kind) w));
  -- Now that all reviews are in, whoever gave none of them may see what they say; not who.
  if call.state = 'adjudicate' then
    answer := answer || jsonb_build_object('adjudications', (select coalesce(jsonb_agg(to_jsonb(d) order by d.item_id), '[]') from (
      select i.item_id, i.kind, i.agent, i.execution_id, i.entered_at, e.input, e.output, i.alternative, e.metadata,
             (select jsonb_agg(distinct jsonb_strip_nulls(jsonb_build_object('verdict', a.verdict, 'output', a.output)))
                from glow.review_slots s join glow.expert_annotations a using (annotation_id) where s.item_id = i.item_id) as answers
        from glow.review_items i
        join glow.execution_keys k on k.tenant = i.tenant and k.execution_id = i.execution_id
        join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
       where i.tenant = me.tenant and i.state = 'adjudicate' and glow_api.admits(call, i)
         and not exists (select from glow.review_slots s where s.item_id = i.item_id and s.reviewer = me.person)
       order by i.item_id limit 100) d));
  end if;
  return answer;
end $$;
comment on function glow_api.annotation_queue is
  'What a reviewer holds, and how much waits for them by agent and kind. With the filter state = adjudicate also the items '
  'on which reviewers disagreed, with what was said, for somebody who reviewed none of them.';

create function glow_api.not_held(item_id bigint) returns glow_api.problem
  language sql immutable
  return row('PT409', 'item_id', item_id::text,
    'an item you hold: the lease ended and somebody else has this review, or it was given back. Claim again; or submit '
    'without item_id, beside the queue')::glow_api.problem;
comment on function glow_api.not_held is 'The refusal of a review that somebody else has by now.';

-- Call with the item locked. A row of nulls where there is none.
create function glow_api.slot_to_fill(item glow.review_items, reviewer text, claimed boolean) returns glow.review_slots
  language plpgsql as $$
declare
  slot glow.review_slots;
begin
  select s.* into slot from glow.review_slots s
   where s.item_id = item.item_id and s.reviewer = slot_to_fill.reviewer for update;
  if found or claimed then return slot; end if;
  if item.gold then
    insert into glow.review_slots (item_id, slot, tenant, reviewer)
    select item.item_id, coalesce(max(s.slot), 0) + 1, item.tenant, slot_to_fill.reviewer
      from glow.review_slots s where s.item_id = item.item_id
    returning * into slot;
    return slot;
  end if;
  -- What an expert says beside the queue is a review too, and one fewer is wanted.
  select s.* into slot from glow.review_slots s
   where s.item_id = item.item_id and s.filled_at is null and s.lease_until <= clock_timestamp()
   order by s.lease_until, s.slot limit 1 for update skip locked;
  if not found then return slot; end if;
  -- Refused where a claim of the same person, in another session, is about to become their slot.
  begin
    update glow.review_slots s set reviewer = slot_to_fill.reviewer where s.item_id = slot.item_id and s.slot = slot.slot;
  exception when unique_violation then
    return null;
  end;
  if slot.reviewer is not null then perform glow_api.note_review(item, slot.reviewer, 'expired'); end if;
  slot.reviewer := slot_to_fill.reviewer;
  return slot;
end $$;
comment on function glow_api.slot_to_fill is 'The slot of an item that a reviewer''s word belongs to: their own, or a free one when they did not claim it.';

create function glow_api.fill_slot(item glow.review_items, slot glow.review_slots, annotation_id bigint, comparison_id bigint)
  returns void language plpgsql as $$
begin
  if slot.item_id is null then return; end if;
  update glow.review_slots s
     set reviewer = slot.reviewer, annotation_id = fill_slot.annotation_id, comparison_id = fill_slot.comparison_id,
         filled_at = coalesce(s.filled_at, clock_timestamp())
   where s.item_id = slot.item_id and s.slot = slot.slot;
  if slot.filled_at is null then perform glow_api.note_review(item, slot.reviewer, 'submitted'); end if;
  perform glow.settle_review(item.item_id);
end $$;
comment on function glow_api.fill_slot is 'Puts what a reviewer said into their slot, and settles the item. Does nothing where there is no slot.';

create function glow_api.require_item(item_id bigint, tenant text) returns glow.review_items
  language plpgsql stable as $$
declare
  item glow.review_items;
begin
  select i.* into item from glow.review_items i where i.item_id = require_item.item_id and i.tenant = require_item.tenant;
  if not found then
    perform glow_api.refuse('PT404', 'item_id', item_id::text, 'the item_id that claim_annotation answered');
  end if;
  return item;
end $$;
comment on function glow_api.require_item is 'An item of a tenant; another tenant''s does not exist.';

-- The slot of a gold item stays the reviewer's: nobody else's word may land in it.
create function glow_api.give_back(item_id bigint, me glow_api.caller, event text, reason text, held boolean) returns jsonb
  language plpgsql as $$
declare
  item glow.review_items;
  problem glow_api.problem := glow_api.text_problem('reason', reason, 2000);
  slot glow.review_slots;
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.require_item(item_id, me.tenant);
  select s.* into slot from glow.review_slots s
   where s.item_id = item.item_id and s.reviewer = me.person for update;
  if slot.filled_at is not null then
    perform glow_api.refuse('PT409', 'item_id', give_back.item_id::text, 'an item you have not reviewed; submit_annotation changes a review');
  elsif held and slot.item_id is null then
    perform glow_api.refuse(glow_api.not_held(give_back.item_id));
  end if;
  update glow.review_slots s
     set reviewer = case when item.gold then s.reviewer end, first = null, claimed_at = null,
         lease_until = '-infinity'
   where s.item_id = slot.item_id and s.slot = slot.slot and isfinite(s.lease_until);
  if not held then
    insert into glow.review_passes as p (item_id, reviewer, tenant, kind)
    values (item.item_id, me.person, me.tenant, event)
    on conflict on constraint review_passes_pkey do update
       set passed_at = excluded.passed_at, kind = case p.kind when 'declined' then 'declined' else excluded.kind end;
  end if;
  perform glow_api.note_review(item, me.person, event, reason);
  return jsonb_build_object('item_id', item.item_id, 'status', case event
    when 'skipped' then 'skipped' when 'declined' then 'declined' else 'released' end);
end $$;
comment on function glow_api.give_back is 'Frees the slot a reviewer holds, if they hold one, and remembers that they passed.';

create function glow_api.skip(item_id bigint, reason text default null, reviewer text default null, tenant text default null)
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return glow_api.give_back(item_id, glow_api.require_reviewer(reviewer, tenant), 'skipped', reason, false);
end $$;
comment on function glow_api.skip is 'Not now: gives an item back; it comes to this reviewer again when nothing else waits.';

create function glow_api.decline(item_id bigint, reason text default null, reviewer text default null, tenant text default null)
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return glow_api.give_back(item_id, glow_api.require_reviewer(reviewer, tenant), 'declined', reason, false);
end $$;
comment on function glow_api.decline is 'Not for me: gives an item back; it never comes to this reviewer again.';

create function glow_api.release(item_id bigint, reason text default null, reviewer text default null, tenant text default null)
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return glow_api.give_back(item_id, glow_api.require_reviewer(reviewer, tenant), 'released', reason, true);
end $$;
comment on function glow_api.release is 'Gives an item back before its lease ends; it may come to anybody, this reviewer too.';

create function glow_api.extend_lease(
  item_id bigint, lease interval default null, reviewer text default null, tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  item glow.review_items;
  problem glow_api.problem := glow_api.lease_problem(lease);
  until timestamptz;
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.require_item(item_id, me.tenant);
  update glow.review_slots s
     set lease_until = case when isfinite(s.lease_until)
       then clock_timestamp() + coalesce(lease, (glow.review_policy(item.agent)).lease) else s.lease_until end
   where s.item_id = item.item_id and s.reviewer = me.person and s.filled_at is null
  returning s.lease_until into until;
  if not found then perform glow_api.refuse(glow_api.not_held(item.item_id)); end if;
  perform glow_api.note_review(item, me.person, 'extended');
  return jsonb_build_object('item_id', item.item_id, 'status', 'extended', 'lease_until', until);
end $$;
comment on function glow_api.extend_lease is
  'More time for an item: from now on, for as long as given or as the policy says. Also after the lease ended, as long as '
  'nobody else has taken the item.';
