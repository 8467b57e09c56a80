-- Feedback: votes, corrections, withdrawals.

create type glow_api.feedback_call as (
  agent text, execution_id text, user_id text, thumbs integer, rating integer, dimensions jsonb, issues text[],
  comment text, correction text, channel text, conversation_id text, idempotency_key text, occurred_at timestamptz,
  tenant text, sent_at timestamptz, kind text, withdrawn boolean);

create function glow_api.opinion_problem(call glow_api.feedback_call) returns glow_api.problem
  language plpgsql immutable as $$
declare
  said boolean := call.thumbs is not null or call.rating is not null or nullif(call.dimensions, '{}') is not null
    or call.comment is not null or call.correction is not null or coalesce(cardinality(call.issues), 0) > 0;
  dimension record;
  issue text;
begin
  if call.withdrawn and said then
    return row('PT422', 'withdrawn', 'true', 'a withdrawal alone: it says nothing else')::glow_api.problem;
  elsif call.withdrawn is not true and not said then
    return row('PT422', 'feedback', null, 'at least one of thumbs, rating, dimensions, issues, comment, correction')::glow_api.problem;
  end if;
  if call.thumbs not in (-1, 1) then
    return row('PT422', 'thumbs', call.thumbs::text, '1 for up, -1 for down')::glow_api.problem;
  elsif call.rating not between 1 and 5 then
    return row('PT422', 'rating', call.rating::text, 'whole stars from 1 to 5')::glow_api.problem;
  end if;
  if call.dimensions is not null then
    if jsonb_typeof(call.dimensions) <> 'object' then
      return row('PT422', 'dimensions', left(call.dimensions::text, 80), 'an object of dimension and stars')::glow_api.problem;
    end if;
    for dimension in select * from jsonb_each(call.dimensions) loop
      if dimension.key not in ('accuracy', 'helpfulness', 'clarity', 'completeness')
         or jsonb_typeof(dimension.value) <> 'number' or dimension.value::numeric not between 1 and 5 then
        return row('PT422', 'dimensions.' || left(dimension.key, 40), left(dimension.value::text, 80),
          'accuracy, helpfulness, clarity or completeness, each 1 to 5')::glow_api.problem;
      end if;
    end loop;
  end if;
  if cardinality(call.issues) > 20 or array_ndims(call.issues) > 1 then
    return row('PT422', 'issues', left(call.issues::text, 80), 'a list of at most 20 categories')::glow_api.problem;
  end if;
  foreach issue in array coalesce(call.issues, '{}') loop
    if issue is null or length(issue) not between 1 and 80 or issue ~ '[[:cntrl:]]' then
      return row('PT422', 'issues', issue, 'categories of 1 to 80 characters')::glow_api.problem;
    end if;
  end loop;
  if length(call.comment) > 10000 then
    return row('PT413', 'comment', length(call.comment) || ' characters', 'at most 10000 characters')::glow_api.problem;
  end if;
  return coalesce(glow_api.text_problem('comment', call.comment, 40000),
                  glow_api.text_problem('correction', call.correction, 1000000));
end $$;
comment on function glow_api.opinion_problem is 'What is wrong with what a user says: out of range, contradictory, or nothing.';

create function glow_api.has_scores(dimensions jsonb) returns boolean
  language sql immutable
  return not jsonb_path_exists(dimensions, 'strict $.keyvalue() ? (!(
    (@.key == "accuracy" || @.key == "helpfulness" || @.key == "clarity" || @.key == "completeness")
    && @.value.type() == "number" && @.value >= 1 && @.value <= 5))', silent => true);
comment on function glow_api.has_scores is 'Whether dimensions are the known ones, each from 1 to 5 stars; null where they are no object.';

-- Nearly every call is in order, and one expression sees that. A transaction prepares each expression it meets anew:
-- asked one by one, the questions of feedback_problem took as long as the insert.
create function glow_api.is_in_order(call glow_api.feedback_call, caller glow_api.caller) returns boolean
  language sql stable
  return coalesce(
    call.execution_id is not null and call.user_id is not null
    and ('' = any(array[call.execution_id, call.user_id, call.channel, call.conversation_id, call.idempotency_key,
                        call.comment, call.correction])) is not true
    and greatest(length(call.execution_id), length(call.user_id), length(call.channel), length(call.conversation_id),
                 length(call.idempotency_key)) <= 200
    and concat(call.execution_id, call.user_id, call.channel, call.conversation_id, call.idempotency_key,
               array_to_string(call.issues, '')) !~ '[[:cntrl:]]'
    and (caller.person is null or call.user_id = caller.person)
    and (call.kind not in ('vote', 'correction')) is not true and call.withdrawn is not true
    and (call.thumbs is not null or call.rating is not null or call.comment is not null or call.correction is not null
         or call.dimensions <> '{}')
    and (call.thumbs not in (-1, 1)) is not true and (call.rating not in (1, 2, 3, 4, 5)) is not true
    and (call.dimensions is null or glow_api.has_scores(call.dimensions))
    -- With four signs between them there are at most 16 in 80.
    and (call.issues is null or ('' = any(call.issues)) is false and array_length(call.issues, 2) is null
         and length(array_to_string(call.issues, '////')) <= 80)
    and (length(call.comment) > 10000) is not true and (octet_length(call.correction) > 1000000) is not true, false);
comment on function glow_api.is_in_order is 'Whether feedback is beyond doubt; if not, feedback_problem says what is wrong, if anything.';

create function glow_api.feedback_problem(call glow_api.feedback_call, caller glow_api.caller) returns glow_api.problem
  language plpgsql stable as $$
declare
  problem glow_api.problem;
begin
  if glow_api.is_in_order(call, caller) then return null; end if;
  problem := glow_api.id_problem(
    '{execution_id,user_id,channel,conversation_id,idempotency_key}',
    array[call.execution_id, call.user_id, call.channel, call.conversation_id, call.idempotency_key], 2);
  if problem.code is not null then return problem; end if;
  if call.user_id <> caller.person then
    return row('PT403', 'user_id', call.user_id, 'the person this login speaks for')::glow_api.problem;
  elsif call.kind not in ('vote', 'correction') then
    return row('PT422', 'kind', call.kind, 'vote or correction')::glow_api.problem;
  end if;
  return glow_api.opinion_problem(call);
end $$;
comment on function glow_api.feedback_problem is 'What is wrong with a piece of feedback, or null. Not who calls, and for which agent: caller_problem.';

create function glow_api.completed(call glow_api.feedback_call, caller glow_api.caller) returns glow_api.feedback_call
  language sql volatile
  return row(
    call.agent, call.execution_id, call.user_id, call.thumbs, call.rating, call.dimensions, coalesce(call.issues, '{}'),
    call.comment, call.correction, call.channel, call.conversation_id, call.idempotency_key,
    -- Most calls bring no sent_at, and past becomes part of the expression: 1 µs less.
    case when call.sent_at is null then glow_api.past(call.occurred_at) else glow_api.occurred(call.occurred_at, call.sent_at) end,
    coalesce(call.tenant, caller.tenant, 'default'), case when call.sent_at is not null then clock_timestamp() end,
    -- A correction alone is a fact of its own: it must not supersede the vote given before it.
    case when call.withdrawn or call.kind not in ('vote', 'correction') then coalesce(call.kind, 'vote')
         when call.correction is not null and call.thumbs is null and call.rating is null
              and (call.dimensions is null or call.dimensions = '{}') then 'correction'
         else 'vote' end,
    coalesce(call.withdrawn, false))::glow_api.feedback_call;
comment on function glow_api.completed(glow_api.feedback_call, glow_api.caller) is 'A call with everything it left open.';

-- Asked only when a key or a vote is known already: a hash to compare instead would be made by every call.
create function glow_api.says(feedback_id bigint, recorded_at timestamptz, call glow_api.feedback_call) returns boolean
  language sql stable as $$
  select (f.execution_id, f.user_id, f.kind, f.withdrawn, f.thumbs, f.rating, f.dimensions, f.issues, f.comment,
          f.correction, f.channel, f.conversation_id)
         is not distinct from
         (call.execution_id, call.user_id, call.kind, call.withdrawn, call.thumbs, call.rating, call.dimensions, call.issues,
          call.comment, call.correction, call.channel, call.conversation_id)
    from glow.agent_feedback f
   where f.feedback_id = says.feedback_id and f.recorded_at = says.recorded_at
$$;
comment on function glow_api.says is 'Whether a row of feedback says what a call says.';

create function glow_api.remember_key(
  tenant text, agent text, idempotency_key text, feedback_id bigint, recorded_at timestamptz
) returns void language sql as $$
  insert into glow.feedback_keys (tenant, agent, idempotency_key, feedback_id, recorded_at)
  select remember_key.tenant, remember_key.agent, remember_key.idempotency_key, remember_key.feedback_id, remember_key.recorded_at
   where remember_key.idempotency_key is not null
  on conflict do nothing
$$;
comment on function glow_api.remember_key is 'Keeps an idempotency key that current_feedback has no place for.';

-- The vote machine. `current_feedback` has one row for each person, execution and kind; whoever holds its lock decides.
--   accepted   the newest word of the person: it is current now, and supersedes what was
--   unchanged  says what is current already
--   late       older than what is current: kept as history, changes nothing
--   withdrawn  the person takes back what was current; a late vote cannot revive it
--   replayed   the idempotency key was answered before
create function glow_api.record_feedback(call glow_api.feedback_call, caller glow_api.caller) returns jsonb
  language plpgsql as $$
declare
  problem glow_api.problem := glow_api.feedback_problem(call, caller);
  agent_known boolean;
  owner text;
  known glow.current_feedback;
  used glow.feedback_keys;
  key_used boolean;
  new_id bigint;
  overruled_by bigint;
  arrived timestamptz := clock_timestamp();
begin
  if problem.code is null and call.tenant is not null then
    problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
  end if;
  if problem.code is not null then return glow_api.refused(problem); end if;
  call := glow_api.completed(call, caller);
  select a.tenant is null or a.tenant = call.tenant, k.agent, u.feedback_id is not null into agent_known, owner, key_used
    from glow.agents a
    left join glow.execution_keys k on k.tenant = call.tenant and k.execution_id = call.execution_id
    left join glow.feedback_keys u
           on u.tenant = call.tenant and u.agent = call.agent and u.idempotency_key = call.idempotency_key
   where a.agent = call.agent;
  if agent_known is not true then
    return glow_api.refused(glow_api.caller_problem(call.tenant, caller.tenant, call.agent));
  elsif owner <> call.agent then
    return glow_api.refused(row('PT409', 'agent', call.agent, 'the agent that this execution was logged for'));
  end if;

  new_id := nextval('glow.feedback_ids');
  -- Once, but for the moment in which retention removes what stood in the way.
  for attempt in 1 .. 5 loop
    if not key_used then
      insert into glow.current_feedback (
        tenant, execution_id, user_id, kind, agent, idempotency_key, feedback_id, withdrawn, occurred_at, corrected,
        recorded_at)
      values (call.tenant, call.execution_id, call.user_id, call.kind, call.agent, call.idempotency_key, new_id,
              call.withdrawn, call.occurred_at, call.sent_at is not null, arrived)
      on conflict do nothing;
      exit when found;
    end if;
    select c.* into known from glow.current_feedback c
     where c.tenant = call.tenant and c.execution_id = call.execution_id and c.user_id = call.user_id and c.kind = call.kind
       and c.agent = call.agent
       for update;
    -- Only now, with the vote locked: the call that used this key may have been waiting for the same vote.
    select x.* into used from (
      select c.tenant, c.agent, c.idempotency_key, c.feedback_id, c.recorded_at from glow.current_feedback c
       where c.tenant = call.tenant and c.agent = call.agent and c.idempotency_key = call.idempotency_key
      union all
      select k.tenant, k.agent, k.idempotency_key, k.feedback_id, k.recorded_at from glow.feedback_keys k
       where k.tenant = call.tenant and k.agent = call.agent and k.idempotency_key = call.idempotency_key) x
     order by glow_api.says(x.feedback_id, x.recorded_at, call) desc nulls last
     limit 1;
    exit when known.feedback_id is not null or used.feedback_id is not null;
    key_used := false;
  end loop;
  if used.feedback_id is not null then
    -- Null where retention has removed the row: what it said is not known any more, that it was answered is.
    if glow_api.says(used.feedback_id, used.recorded_at, call) is false then
      return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key,
        'a new key: this one was used for other contents'));
    end if;
    return jsonb_build_object('feedback_id', used.feedback_id, 'status', 'replayed', 'execution_known', owner is not null);
  elsif known.feedback_id is not null then
    -- A corrected instant is as exact as the way is short: of two votes within two seconds the later arrival wins. Taken to
    -- the millisecond, two quick votes of one person changed places in 13 of 30 runs.
    if call.occurred_at < known.occurred_at - (case when call.sent_at is not null or known.corrected then interval '2 seconds' else interval '0' end) then
      overruled_by := known.feedback_id;
      perform glow_api.remember_key(call.tenant, call.agent, call.idempotency_key, new_id, arrived);
    elsif glow_api.says(known.feedback_id, known.recorded_at, call) then
      -- Said again later: from now on it is this later instant that an older vote comes too late for.
      update glow.current_feedback c set occurred_at = greatest(call.occurred_at, c.occurred_at)
       where c.tenant = call.tenant and c.execution_id = call.execution_id and c.user_id = call.user_id and c.kind = call.kind
         and c.agent = call.agent;
      perform glow_api.remember_key(call.tenant, call.agent, call.idempotency_key, known.feedback_id, known.recorded_at);
      return jsonb_build_object('feedback_id', known.feedback_id, 'status', 'unchanged', 'execution_known', owner is not null);
    else
      update glow.agent_feedback f set superseded_by = new_id
       where f.feedback_id = known.feedback_id and f.recorded_at = known.recorded_at and not f.withdrawn;
      perform glow_api.remember_key(known.tenant, known.agent, known.idempotency_key, known.feedback_id, known.recorded_at);
      update glow.current_feedback c
         set idempotency_key = call.idempotency_key, feedback_id = new_id, withdrawn = call.withdrawn,
             occurred_at = greatest(call.occurred_at, c.occurred_at), corrected = call.sent_at is not null,
             recorded_at = arrived
       where c.tenant = call.tenant and c.execution_id = call.execution_id and c.user_id = call.user_id and c.kind = call.kind
         and c.agent = call.agent;
    end if;
  end if;

  insert into glow.agent_feedback (
    feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, dimensions, issues, comment,
    correction, channel, conversation_id, idempotency_key, occurred_at, recorded_at, superseded_by)
  values (
    new_id, call.tenant, call.agent, call.execution_id, call.user_id, call.kind, call.withdrawn, call.thumbs, call.rating,
    call.dimensions, call.issues, call.comment, call.correction, call.channel, call.conversation_id, call.idempotency_key,
    call.occurred_at, arrived, case when call.withdrawn then new_id else overruled_by end);
  if known.feedback_id is null and not call.withdrawn then
    return jsonb_build_object('feedback_id', new_id, 'status', 'accepted', 'execution_known', owner is not null);
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'feedback_id', new_id,
    'status', case when overruled_by is not null then 'late' when call.withdrawn then 'withdrawn' else 'accepted' end,
    'execution_known', owner is not null, 'superseded_by', overruled_by,
    'supersedes', case when overruled_by is null and not known.withdrawn then known.feedback_id end));
end $$;
comment on function glow_api.record_feedback is 'Writes a vote, a correction or a withdrawal, or says why not.';

-- Asked of nearly every row with the answer yes; misfits, which finds out what is wrong, takes twice as long.
create function glow_api.is_in_form(entry jsonb) returns boolean
  language sql stable
  return case when jsonb_typeof(entry) = 'object' then
    entry - '{agent,execution_id,user_id,comment,correction,channel,conversation_id,idempotency_key,tenant,kind,thumbs,rating,
              dimensions,issues,occurred_at,sent_at,withdrawn}'::text[] = '{}'
    and not jsonb_path_exists(entry - '{thumbs,rating,dimensions,issues,occurred_at,sent_at,withdrawn}'::text[],
                              'strict $.* ? (@.type() != "string" && @.type() != "null")')
    and (entry -> 'thumbs' is null or glow_api.fits(entry -> 'thumbs', 'integer'))
    and (entry -> 'rating' is null or glow_api.fits(entry -> 'rating', 'integer'))
    and (entry -> 'dimensions' is null or glow_api.fits(entry -> 'dimensions', 'object'))
    and (entry -> 'issues' is null or glow_api.fits(entry -> 'issues', 'texts'))
    and (entry -> 'occurred_at' is null or glow_api.fits(entry -> 'occurred_at', 'instant'))
    and (entry -> 'sent_at' is null or glow_api.fits(entry -> 'sent_at', 'instant'))
    and (entry -> 'withdrawn' is null or glow_api.fits(entry -> 'withdrawn', 'boolean'))
    else false end;
comment on function glow_api.is_in_form is 'Whether a row of feedback has fields that we know, of their types.';

-- First words of a person on an execution, which are nearly all, are written together. What is left (refused, a change,
-- a retry, two of one person in the batch) goes through the vote machine one by one, in the order given.
-- `(x in (…)) is true` is hashed; a join of two CTEs, which have no statistics, is a loop in a loop, and took twenty
-- seconds for ten thousand rows.
create function glow_api.record_feedback_rows(rows jsonb, caller glow_api.caller) returns table (n bigint, result jsonb)
  language plpgsql as $$
#variable_conflict use_column
declare
  arrived timestamptz := clock_timestamp();
  misfits jsonb;
begin
  if exists (select from jsonb_array_elements(rows) r(entry) where not glow_api.is_in_form(r.entry)) then
    select jsonb_object_agg(m.n, m.problem) into misfits from glow_api.misfits(rows, '{
      "agent": "string", "execution_id": "string", "user_id": "string", "thumbs": "integer", "rating": "integer",
      "dimensions": "object", "issues": "texts", "comment": "string", "correction": "string", "channel": "string",
      "conversation_id": "string", "idempotency_key": "string", "occurred_at": "instant", "tenant": "string",
      "sent_at": "instant", "kind": "string", "withdrawn": "boolean"}') m;
    rows := (select jsonb_agg(case when misfits ? r.n::text then '{}' else r.entry end order by r.n)
               from jsonb_array_elements(rows) with ordinality as r(entry, n));
  end if;
  return query
  -- Columns and not calls: each field taken out of a composite value costs as much as what is asked of it.
  with called as materialized (
    select row_number() over () as n, (glow_api.completed(g, caller)).*,
           case when not glow_api.is_in_order(g, caller) then glow_api.feedback_problem(g, caller) end as opinion_problem
      from jsonb_populate_recordset(null::glow_api.feedback_call, rows) g
  ), told as materialized (
    select c.*, k.agent as owner, nextval('glow.feedback_ids') as feedback_id,
           case when misfits ? c.n::text then jsonb_populate_record(null::glow_api.problem, misfits -> c.n::text)
                when a.agent is null or a.tenant is not null or c.tenant <> coalesce(caller.tenant, 'default')
                  then coalesce(glow_api.caller_problem(c.tenant, caller.tenant, c.agent), c.opinion_problem)
                else c.opinion_problem end as problem
      from called c
      left join glow.agents a on a.agent = c.agent
      left join glow.execution_keys k on k.tenant = c.tenant and k.execution_id = c.execution_id
  ), first as materialized (
    -- In one order of keys for everybody: two batches that hold the same votes do not wait for each other. By executions
    -- first, which differ: by tenants first, the sort compared whole texts. Repeats are told by as few columns as find
    -- them all, for each is hashed twice; a stranger that shares those goes through the vote machine too.
    select t.* from told t
     where t.problem is null and (t.owner is null or t.owner = t.agent)
       and ((t.execution_id, t.user_id, t.kind) in (
         select d.execution_id, d.user_id, d.kind from told d group by 1, 2, 3 having count(*) > 1)) is not true
       and (t.idempotency_key in (
         select d.idempotency_key from told d
          where d.idempotency_key is not null group by 1 having count(*) > 1)) is not true
       and not exists (
         select from glow.feedback_keys k
          where k.tenant = t.tenant and k.agent = t.agent and k.idempotency_key = t.idempotency_key)
     order by t.execution_id, t.user_id, t.tenant
  ), placed as (
    insert into glow.current_feedback as c (
      tenant, execution_id, user_id, kind, agent, idempotency_key, feedback_id, withdrawn, occurred_at, corrected,
      recorded_at)
    select f.tenant, f.execution_id, f.user_id, f.kind, f.agent, f.idempotency_key, f.feedback_id, f.withdrawn,
           f.occurred_at, f.sent_at is not null, arrived
      from first f
    on conflict do nothing
    returning c.feedback_id
  ), written as (
    insert into glow.agent_feedback (
      feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, dimensions, issues, comment,
      correction, channel, conversation_id, idempotency_key, occurred_at, recorded_at, superseded_by)
    select f.feedback_id, f.tenant, f.agent, f.execution_id, f.user_id, f.kind, f.withdrawn, f.thumbs, f.rating, f.dimensions,
           f.issues, f.comment, f.correction, f.channel, f.conversation_id, f.idempotency_key, f.occurred_at, arrived,
           case when f.withdrawn then f.feedback_id end
      from first f
     where (f.feedback_id in (select p.feedback_id from placed p)) is true
  )
  select t.n, jsonb_build_object('feedback_id', t.feedback_id, 'execution_known', t.owner is not null,
                                'status', case when t.withdrawn then 'withdrawn' else 'accepted' end)
    from told t where (t.feedback_id in (select p.feedback_id from placed p)) is true
  union all
  select t.n,
         case when (t.problem).code is not null then glow_api.refused(t.problem)
              else glow_api.record_feedback(
                row(t.agent, t.execution_id, t.user_id, t.thumbs, t.rating, t.dimensions, t.issues, t.comment, t.correction,
                    t.channel, t.conversation_id, t.idempotency_key, t.occurred_at, t.tenant, t.sent_at, t.kind, t.withdrawn),
                caller) end
    -- The same order of votes again; but where a key stands twice in the batch, the first one has it.
    from (select told.* from told where (told.feedback_id in (select p.feedback_id from placed p)) is not true
           order by case when exists (select from told d where d.idempotency_key is not null
                                       group by d.tenant, d.agent, d.idempotency_key having count(*) > 1) then told.n end,
                    told.execution_id, told.user_id, told.tenant, told.n offset 0) t;
end $$;
comment on function glow_api.record_feedback_rows is 'Writes many pieces of feedback given as JSON objects; answers for each.';

-- The first word of a person on an execution, in order and from a plain login, is nearly every call: one question and two
-- inserts. Asked by a function each (who calls, is it in order, what is left open, what is known), the same took two fifths of
-- the call; here they are written once and inlined. Whatever is not answered with yes goes to the vote machine, which asks
-- again and says why.
create function glow_api.submit_feedback(
  agent text, execution_id text, user_id text, thumbs integer default null, rating integer default null,
  dimensions jsonb default null, issues text[] default '{}', comment text default null, correction text default null,
  channel text default null, conversation_id text default null, idempotency_key text default null,
  occurred_at timestamptz default null, tenant text default null, sent_at timestamptz default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first_word boolean;
  own text;
  kind text;
  happened timestamptz;
  execution_known boolean;
  new_id bigint;
  arrived timestamptz;
begin
  select asked.tenant, (glow_api.completed(asked.call, asked.caller)).kind,
         (glow_api.completed(asked.call, asked.caller)).occurred_at, clock_timestamp(), nextval('glow.feedback_ids'),
         (select k.agent = submit_feedback.agent from glow.execution_keys k
           where k.tenant = asked.tenant and k.execution_id = submit_feedback.execution_id),
         glow_api.is_in_order(asked.call, asked.caller) and (
           submit_feedback.tenant is null or (submit_feedback.tenant = (asked.caller).tenant) is not false
           and submit_feedback.tenant ~ '^[a-z0-9][a-z0-9_.-]{0,62}$')
         and not exists (
           select from glow.feedback_keys k
            where k.tenant = asked.tenant and k.agent = submit_feedback.agent
              and k.idempotency_key = submit_feedback.idempotency_key)
    into own, kind, happened, arrived, new_id, execution_known, first_word
    from (select told.tenant, row(told.own, told.person)::glow_api.caller as caller,
                 row(agent, execution_id, user_id, thumbs, rating, dimensions, issues, comment, correction, channel,
                     conversation_id, idempotency_key, occurred_at, submit_feedback.tenant, sent_at, null,
                     false)::glow_api.feedback_call as call
            -- Not merged (offset 0): row security is told before a row is looked for, and an index under row security
            -- finds a tenant that is a column but not one that is an expression.
            from (select nullif(entered.scope, '*') as own, entered.person,
                         coalesce(submit_feedback.tenant, nullif(entered.scope, '*'), 'default') as tenant
                    from (select l.person, set_config('glow.tenant', coalesce(l.tenant, '*'), true) as scope
                            from glow_api.bound_login() l where l.is_plain offset 0) entered offset 0) told) asked
    join glow.agents a on a.agent = submit_feedback.agent and (a.tenant is null or a.tenant = asked.tenant);
  if first_word and execution_known is not false then
    insert into glow.current_feedback (
      tenant, execution_id, user_id, kind, agent, idempotency_key, feedback_id, withdrawn, occurred_at, corrected, recorded_at)
    values (own, execution_id, user_id, kind, agent, idempotency_key, new_id, false, happened, sent_at is not null, arrived)
    on conflict do nothing;
    if found then
      insert into glow.agent_feedback (
        feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, dimensions, issues, comment,
        correction, channel, conversation_id, idempotency_key, occurred_at, recorded_at)
      values (
        new_id, own, agent, execution_id, user_id, kind, false, thumbs, rating, dimensions, coalesce(issues, '{}'), comment,
        correction, channel, conversation_id, idempotency_key, happened, arrived);
      return jsonb_build_object('feedback_id', new_id, 'status', 'accepted', 'execution_known', execution_known is not null);
    end if;
  end if;
  return glow_api.answered(glow_api.record_feedback(
    row(agent, execution_id, user_id, thumbs, rating, dimensions, issues, comment, correction, channel, conversation_id,
        idempotency_key, occurred_at, tenant, sent_at, null, false),
    glow_api.enter(1, coalesce(octet_length(comment), 0)::bigint + coalesce(octet_length(correction), 0))));
end $$;
comment on function glow_api.submit_feedback is
  'Records what a user said of an execution: thumbs, stars, dimensions, issues, comment, correction. One current vote '
  '(with whatever came with it) and one current lone correction per person and execution; a change supersedes, the old '
  'row stays, and a vote older than the current one (occurred_at) becomes history only. Safe to retry with an '
  'idempotency key. Feedback for an execution not yet logged is kept ("execution_known": false).';

create function glow_api.withdraw_feedback(
  agent text, execution_id text, user_id text, kind text default 'vote', idempotency_key text default null,
  occurred_at timestamptz default null, tenant text default null, sent_at timestamptz default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(1);
  call glow_api.feedback_call;
begin
  call.agent := agent; call.execution_id := execution_id; call.user_id := user_id; call.kind := kind;
  call.idempotency_key := idempotency_key; call.occurred_at := occurred_at; call.tenant := tenant;
  call.sent_at := sent_at; call.withdrawn := true;
  return glow_api.answered(glow_api.record_feedback(call, caller));
end $$;
comment on function glow_api.withdraw_feedback is
  'Takes back a person''s current vote or lone correction. The history stays; nothing is current until the next vote.';

create function glow_api.submit_feedback_batch(rows jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_feedback_rows(rows, caller) r);
end $$;
comment on function glow_api.submit_feedback_batch is
  'Records many votes: an array of objects with the arguments of submit_feedback; "withdrawn": true withdraws. Answers '
  'one result for each, in order; a refused row stops no other.';

create function glow_api.standard_issues() returns text[]
  language sql immutable
  return '{wrong_answer,incomplete,outdated,wrong_source,irrelevant,unclear,format,tone,policy,hallucination,other}'::text[];
comment on function glow_api.standard_issues is 'The issue categories every agent has; an agent may add its own, a user any.';

create function glow_api.feedback_stats(
  agent text, since timestamptz default '-infinity', tenant text default null
) returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
  result jsonb;
begin
  since := coalesce(since, '-infinity');
  -- Hashed step by step: distinct counts of pairs sort a million rows on disk, ten seconds of them.
  with said as materialized (
    select f.tenant, f.execution_id, f.user_id, f.thumbs, f.rating, f.correction is not null as corrects,
           f.comment is not null as comments, f.recorded_at
      from glow.agent_feedback f
     where f.agent = feedback_stats.agent and f.superseded_by is null and f.recorded_at >= since
       and f.tenant = coalesce(own, f.tenant)
  ), heard as (
    select s.tenant, s.execution_id, count(*) as n from said s group by s.tenant, s.execution_id
  ), known as (
    select count(*) filter (where k.agent is not null) as executions,
           coalesce(sum(h.n) filter (where k.agent is null), 0) as waiting
      from heard h
      left join glow.execution_keys k
             on k.tenant = h.tenant and k.execution_id = h.execution_id and k.agent = feedback_stats.agent
  )
  select jsonb_build_object(
    'agent', feedback_stats.agent,
    'executions', (select count(*) from glow.executions e where e.agent = feedback_stats.agent
                      and e.recorded_at >= since and e.tenant = coalesce(own, e.tenant)),
    'executions_with_feedback', (select k.executions from known k),
    'waiting_for_execution', (select k.waiting from known k),
    'thumbs_up', count(*) filter (where s.thumbs = 1),
    'thumbs_down', count(*) filter (where s.thumbs = -1),
    'mean_rating', round(avg(s.rating), 3),
    'ratings', count(s.rating),
    'corrections', count(*) filter (where s.corrects),
    'comments', count(*) filter (where s.comments),
    'users', (select count(*) from (select from said u group by u.tenant, u.user_id) x),
    'last_feedback_at', max(s.recorded_at))
    into result from said s;
  return result;
end $$;
comment on function glow_api.feedback_stats is 'Counts of an agent''s current feedback since an instant.';

create function glow_api.common_issues(
  agent text, since timestamptz default '-infinity', most integer default 10, tenant text default null
) returns table (issue text, occurrences bigint, users bigint, share numeric, last_at timestamptz, vocabulary text)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
begin
  since := coalesce(since, '-infinity');
  if most is null or most not between 1 and 1000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 1000');
  end if;
  return query
  select i.issue, count(*), count(distinct (f.tenant, f.user_id)),
         round(count(*) / sum(count(*)) over (), 4), max(f.recorded_at),
         case when i.issue = any(glow_api.standard_issues()) then 'standard'
              when i.issue = any(a.issues) then 'agent' else 'other' end
    from glow.agent_feedback f join glow.agents a on a.agent = f.agent
         cross join lateral unnest(f.issues) as i(issue)
   where f.agent = common_issues.agent and f.superseded_by is null and f.recorded_at >= since
     and f.tenant = coalesce(own, f.tenant)
   group by i.issue, a.issues
   order by count(*) desc, i.issue
   limit most;
end $$;
comment on function glow_api.common_issues is 'What users complain about, most frequent first: occurrences, people, share, and whether the '
  'category is a standard one, one of the agent''s own, or neither.';
