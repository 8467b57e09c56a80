-- Decisions on what experts judged: adjudications, gold items, and what engineers ask reviewers for.

-- Which executions: of one tenant, because that is whose reviewers are asked.
create function glow_api.require_execution(execution_id text, tenant text, bytes bigint default 0) returns glow_api.caller
  language plpgsql as $$
declare
  caller glow_api.caller := glow_api.enter(1, bytes);
  problem glow_api.problem := glow_api.id_problem('{execution_id}', array[execution_id], 1);
begin
  if problem.code is null and tenant <> caller.tenant then
    problem := row('PT403', 'tenant', tenant, 'the tenant of this login');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  caller.tenant := coalesce(tenant, caller.tenant, 'default');
  if not exists (select from glow.execution_keys k
                  where k.tenant = caller.tenant and k.execution_id = require_execution.execution_id and k.expired_at is null) then
    perform glow_api.refuse('PT404', 'execution_id', execution_id, 'the id of a logged execution');
  end if;
  return caller;
end $$;
comment on function glow_api.require_execution is 'enter, for a call about one execution; refuses one that is not known or whose text is gone.';

create function glow_api.enter_item(
  tenant text, execution_id text, kind text, alternative text, reason text, note text
) returns glow.review_items language plpgsql as $$
#variable_conflict use_variable
declare
  item glow.review_items;
begin
  insert into glow.review_items as i (tenant, execution_id, agent, kind, alternative, reasons, note, priority, reviews, most_reviews, input_key)
  select k.tenant, k.execution_id, k.agent, kind, alternative, array[reason], nullif(note, ''), 1, p.reviews, p.most_reviews,
         glow.input_key(e.input)
    from glow.execution_keys k
    join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
   cross join lateral glow.review_policy(k.agent) p
   where k.tenant = enter_item.tenant and k.execution_id = enter_item.execution_id
  on conflict on constraint review_items_tenant_execution_id_kind_key do update
     set reasons = array(select distinct r from unnest(i.reasons || excluded.reasons) r order by r), note = coalesce(excluded.note, i.note),
         priority = 1
  returning i.* into item;
  if not exists (select from glow.review_slots s where s.item_id = item.item_id) then
    perform glow.open_slots(array[item.item_id]);
    select i.* into item from glow.review_items i where i.item_id = item.item_id;
  end if;
  return item;
end $$;
comment on function glow_api.enter_item is 'Puts an execution into the queue for a reason, or adds the reason to its item.';

create function glow_api.request_review(
  execution_id text, reason text default '', reviews integer default null, tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant);
  problem glow_api.problem := glow_api.text_problem('reason', nullif(reason, ''), 2000);
  item glow.review_items;
  known boolean;
begin
  if problem.code is null and reviews not between 1 and 20 then
    problem := row('PT422', 'reviews', reviews::text, 'a number of reviews from 1 to 20');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  known := exists (select from glow.review_items i
                    where i.tenant = asked.tenant and i.execution_id = request_review.execution_id and i.kind = 'judgement');
  item := glow_api.enter_item(asked.tenant, execution_id, 'judgement', null, 'manual', reason);
  if not item.gold and item.decided_by is null and reviews > item.reviews then
    insert into glow.review_slots (item_id, slot, tenant)
    select item.item_id, n, item.tenant from generate_series(item.reviews + 1, request_review.reviews) n;
    update glow.review_items i
       set reviews = request_review.reviews, most_reviews = greatest(i.most_reviews, request_review.reviews),
           state = 'open', closed_at = null, outcome = null
     where i.item_id = item.item_id
    returning i.* into item;
    perform glow.settle_review(item.item_id);
    known := false;
  end if;
  return jsonb_build_object(
    'item_id', item.item_id, 'status', case when known then 'unchanged' else 'accepted' end, 'reviews', item.reviews);
end $$;
comment on function glow_api.request_review is
  'Asks for reviews of an execution, before all that entered the queue by itself: as many as the policy says, or as given. '
  'For one that was reviewed, more than it had.';

create function glow_api.record_adjudication(call glow_api.annotation_call, caller glow_api.caller) returns jsonb
  language plpgsql as $$
declare
  problem glow_api.problem := glow_api.annotation_problem(call, caller);
  hash bytea := glow_api.payload_hash(jsonb_build_array('adjudication', call.execution_id, call.reviewer, call.verdict, call.output, call.notes));
  owner text;
  known glow.expert_annotations;
  before glow.expert_annotations;
  new_id bigint;
begin
  if problem.code is not null then return glow_api.refused(problem); end if;
  select k.agent into owner from glow.execution_keys k
   where k.tenant = call.tenant and k.execution_id = call.execution_id;
  if owner is null then
    return glow_api.refused(row('PT404', 'execution_id', call.execution_id, 'the id of a logged execution'));
  end if;
  if call.idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || owner || chr(31) || call.idempotency_key, 9));
    select a.* into known from glow.expert_annotations a
     where a.tenant = call.tenant and a.agent = owner and a.idempotency_key = call.idempotency_key;
    if known.payload_hash <> hash then
      return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key, 'a new key: this one was used for other contents'));
    elsif found then
      return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'replayed');
    end if;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || call.execution_id || chr(31) || call.reviewer, 8));
  perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || call.execution_id, 11));
  perform from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id order by i.item_id for no key update;
  select a.* into before from glow.expert_annotations a
   where a.tenant = call.tenant and a.execution_id = call.execution_id and a.role = 'adjudication' and a.superseded_by is null;
  if before.payload_hash = hash then
    new_id := before.annotation_id;
  else
    new_id := nextval(pg_get_serial_sequence('glow.expert_annotations', 'annotation_id'));
    update glow.expert_annotations a set superseded_by = new_id
     where a.tenant = call.tenant and a.execution_id = call.execution_id and a.superseded_by is null
       and (a.role = 'adjudication' or a.reviewer = call.reviewer);
    insert into glow.expert_annotations (
      annotation_id, tenant, execution_id, agent, reviewer, role, verdict, output, notes, idempotency_key, payload_hash)
    overriding system value
    values (new_id, call.tenant, call.execution_id, owner, call.reviewer, 'adjudication', call.verdict, call.output,
            call.notes, call.idempotency_key, hash);
  end if;
  -- Nobody is asked any more; whoever has it in hand may still say what they think.
  update glow.review_slots s set lease_until = 'infinity'
    from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id and s.item_id = i.item_id and s.filled_at is null
     and not i.gold;
  update glow.review_items i
     set decided_by = new_id, outcome = call.verdict, state = case when i.gold then i.state else 'closed' end,
         closed_at = case when not i.gold then coalesce(i.closed_at, clock_timestamp()) end
   where i.tenant = call.tenant and i.execution_id = call.execution_id;
  if before.annotation_id = new_id then
    return jsonb_build_object('annotation_id', new_id, 'status', 'unchanged');
  end if;
  insert into glow.review_events (tenant, item_id, agent, execution_id, reviewer, event)
  select i.tenant, i.item_id, i.agent, i.execution_id, call.reviewer, 'adjudicated' from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id;
  return jsonb_strip_nulls(jsonb_build_object(
    'annotation_id', new_id, 'status', 'accepted', 'supersedes', before.annotation_id));
end $$;
comment on function glow_api.record_adjudication is 'Writes the decision on an execution, which beats all reviews of it, and closes its items.';

create function glow_api.adjudicate(
  item_id bigint default null, execution_id text default null, verdict text default null, output text default null,
  notes text default null, idempotency_key text default null, reviewer text default null, tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  item glow.review_items;
  problem glow_api.problem;
begin
  if num_nonnulls(item_id, execution_id) <> 1 then
    perform glow_api.refuse('PT422', 'item_id', item_id::text, 'an item_id or an execution_id, not both');
  elsif item_id is not null then
    item := glow_api.require_item(item_id, me.tenant);
    execution_id := item.execution_id;
  else
    problem := glow_api.id_problem('{execution_id}', array[execution_id], 1);
    if problem.code is not null then perform glow_api.refuse(problem); end if;
    select i.* into item from glow.review_items i
     where i.tenant = me.tenant and i.execution_id = adjudicate.execution_id order by i.kind desc limit 1;
  end if;
  if exists (
    select from glow.expert_annotations a
     where a.tenant = me.tenant and a.execution_id = adjudicate.execution_id and a.reviewer = me.person and a.role = 'review'
  ) or exists (
    select from glow.comparisons c
     where c.tenant = me.tenant and c.execution_id = adjudicate.execution_id and c.reviewer = me.person
  ) then
    perform glow_api.refuse('PT403', 'reviewer', me.person, 'somebody who has not reviewed this execution');
  elsif item.state = 'open' then
    perform glow_api.refuse('PT409', 'item_id', item.item_id::text, 'an item whose reviews are all in; see the filter state = adjudicate');
  end if;
  return glow_api.answered(glow_api.record_adjudication(
    row(execution_id, me.person, verdict, output, null, notes, idempotency_key, me.tenant, null), me));
end $$;
comment on function glow_api.adjudicate is
  'Decides an execution on which reviewers disagreed, or that nobody is asked about: the decision beats all reviews of it. '
  'Not by somebody who reviewed it. A later decision supersedes.';

create function glow_api.set_gold(
  execution_id text, verdict text, output text default null, notes text default null, tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant, coalesce(octet_length(output), 0));
  me text := coalesce(asked.person, session_user);
  decision jsonb;
  id bigint;
begin
  decision := glow_api.answered(glow_api.record_adjudication(
    row(execution_id, me, verdict, output, null, notes, null, asked.tenant, null), asked));
  id := (glow_api.enter_item(asked.tenant, execution_id, 'judgement', null, 'manual', '')).item_id;
  -- Slots that nobody filled would be free; from now on each reviewer brings their own.
  delete from glow.review_slots s where s.item_id = id and s.filled_at is null and s.reviewer is null;
  update glow.review_items i
     set gold = true, state = 'open', closed_at = null, decided_by = (decision ->> 'annotation_id')::bigint, outcome = verdict
   where i.item_id = id;
  return decision || jsonb_build_object('item_id', id);
end $$;
comment on function glow_api.set_gold is
  'Makes an execution a test of reviewers: its right answer is known, and it comes to each of them once, like any other '
  'item. The answer counts as an adjudication.';

create function glow_api.unset_gold(execution_id text, tenant text default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant);
  id bigint;
begin
  update glow.review_items i set gold = false, state = 'closed', closed_at = clock_timestamp()
   where i.tenant = asked.tenant and i.execution_id = unset_gold.execution_id and i.gold
  returning i.item_id into id;
  update glow.review_slots s set lease_until = 'infinity' where s.item_id = id and s.filled_at is null;
  return jsonb_build_object('item_id', id, 'status', case when id is null then 'unchanged' else 'withdrawn' end);
end $$;
comment on function glow_api.unset_gold is 'Ends the use of an execution as a test. Its answer stays, as an adjudication.';

create function glow_api.set_review_policy(
  agent text, reviews integer default null, most_reviews integer default null, blind boolean default null,
  lease interval default null, control_share double precision default null, gold_share double precision default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
  policy record;
  known glow.review_policies;
begin
  if not glow_api.is_mine(agent, caller) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  end if;
  perform pg_advisory_xact_lock(hashtextextended(agent, 13));
  select p.* into policy from glow.review_policy(agent) p;
  if reviews not between 1 and 20 then
    perform glow_api.refuse('PT422', 'reviews', reviews::text, 'a number of reviews from 1 to 20');
  end if;
  policy.reviews := coalesce(reviews, policy.reviews);
  if most_reviews not between policy.reviews and 20 then
    perform glow_api.refuse('PT422', 'most_reviews', most_reviews::text, 'a number from reviews (' || policy.reviews || ') to 20');
  elsif lease not between interval '10 seconds' and interval '7 days' then
    perform glow_api.refuse('PT422', 'lease', lease::text, 'an interval from 10 seconds to 7 days');
  elsif control_share not between 0 and 1 then
    perform glow_api.refuse('PT422', 'control_share', control_share::text, 'a share from 0 to 1');
  elsif gold_share not between 0 and 0.5 then
    perform glow_api.refuse('PT422', 'gold_share', gold_share::text, 'a share from 0 to 0.5');
  end if;
  insert into glow.review_policies as p (agent, reviews, most_reviews, blind, lease, control_share, gold_share, set_by)
  values (set_review_policy.agent, policy.reviews,
          coalesce(set_review_policy.most_reviews, greatest(policy.most_reviews, policy.reviews)), coalesce(set_review_policy.blind, policy.blind),
          coalesce(set_review_policy.lease, policy.lease), coalesce(set_review_policy.control_share, policy.control_share),
          coalesce(set_review_policy.gold_share, policy.gold_share), coalesce(caller.person, session_user))
  on conflict on constraint review_policies_pkey do update
     set reviews = excluded.reviews, most_reviews = excluded.most_reviews, blind = excluded.blind, lease = excluded.lease,
         control_share = excluded.control_share, gold_share = excluded.gold_share, set_by = excluded.set_by,
         set_at = clock_timestamp()
  returning p.* into known;
  return to_jsonb(known);
end $$;
comment on function glow_api.set_review_policy is
  'How an agent''s items are reviewed: how many reviews, the most when they disagree, blind or not, how long a claim '
  'lasts, the shares of controls and of gold. What is left out stays. Counts of reviews hold for items that enter from now on.';
