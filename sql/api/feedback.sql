-- Feedback.

create function glow_api.require_feedback(
  thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text
) returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  dimension record;
  issue text;
begin
  if thumbs is not null and thumbs not in (-1, 1) then
    perform glow_api.refuse('PT422', 'thumbs', thumbs::text, '1 for up, -1 for down');
  end if;
  if rating is not null and rating not between 1 and 5 then
    perform glow_api.refuse('PT422', 'rating', rating::text, 'whole stars from 1 to 5');
  end if;
  if dimensions is not null then
    if jsonb_typeof(dimensions) <> 'object' then
      perform glow_api.refuse('PT422', 'dimensions', dimensions::text, 'an object of dimension and stars');
    end if;
    for dimension in select * from jsonb_each(dimensions) loop
      if dimension.key not in ('accuracy', 'helpfulness', 'clarity', 'completeness')
         or jsonb_typeof(dimension.value) <> 'number' or dimension.value::numeric not between 1 and 5 then
        perform glow_api.refuse('PT422', 'dimensions.' || left(dimension.key, 40), dimension.value::text,
          'accuracy, helpfulness, clarity or completeness, each 1 to 5');
      end if;
    end loop;
  end if;
  foreach issue in array coalesce(issues, '{}') loop
    if issue is null or length(issue) not between 1 and 80 or issue ~ '[[:cntrl:]]' then
      perform glow_api.refuse('PT422', 'issues', issue, 'categories of 1 to 80 characters');
    end if;
  end loop;
  if cardinality(issues) > 20 then
    perform glow_api.refuse('PT422', 'issues', cardinality(issues)::text, 'at most 20 categories');
  end if;
  perform glow_api.require_text('comment', comment, 40000, true);
  if length(comment) > 10000 then
    perform glow_api.refuse('PT413', 'comment', length(comment) || ' characters', 'at most 10000 characters');
  end if;
  perform glow_api.require_text('correction', correction, 1000000, true);
  if thumbs is null and rating is null and dimensions is null and comment is null and correction is null
     and coalesce(cardinality(issues), 0) = 0 then
    perform glow_api.refuse('PT422', 'feedback', null, 'at least one of thumbs, rating, dimensions, issues, comment, correction');
  end if;
end $$;

comment on function glow_api.require_feedback is 'Refuses feedback outside its ranges, or that says nothing.';

create function glow_api.submit_feedback(
  agent text, execution_id text, user_id text, thumbs integer default null, rating integer default null,
  dimensions jsonb default null, issues text[] default '{}', comment text default null, correction text default null,
  channel text default null, conversation_id text default null, idempotency_key text default null,
  occurred_at timestamptz default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- A correction alone is a fact of its own: it must not supersede the vote given before it.
  this_kind text := case when thumbs is null and rating is null and dimensions is null and correction is not null
                         then 'correction' else 'vote' end;
  hash bytea := glow_api.payload_hash(jsonb_build_array(
    execution_id, user_id, thumbs, rating, dimensions, issues, comment, correction, channel, conversation_id));
  known glow.agent_feedback;
  owner text;
  new_id bigint;
begin
  perform glow_api.require_agent(agent);
  perform glow_api.require_id('execution_id', execution_id);
  perform glow_api.require_id('user_id', user_id);
  perform glow_api.require_id('channel', channel, true);
  perform glow_api.require_id('conversation_id', conversation_id, true);
  perform glow_api.require_id('idempotency_key', idempotency_key, true);
  perform glow_api.require_feedback(thumbs, rating, dimensions, issues, comment, correction);

  -- Two calls with one key, and two votes of one person on one execution, at the same instant: the second waits. Keys
  -- first, always, so that two calls cannot wait for each other.
  if idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(agent || chr(31) || idempotency_key, 6));
  end if;
  perform pg_advisory_xact_lock(hashtextextended(execution_id || chr(31) || user_id || chr(31) || this_kind, 7));

  select e.agent into owner from glow.executions e where e.execution_id = submit_feedback.execution_id;
  if owner <> agent then
    perform glow_api.refuse('PT409', 'agent', agent, 'the agent that this execution was logged for');
  end if;
  if idempotency_key is not null then
    select f.* into known from glow.agent_feedback f
     where f.agent = submit_feedback.agent and f.idempotency_key = submit_feedback.idempotency_key;
    if found then
      if known.payload_hash <> hash then
        perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
      end if;
      return jsonb_build_object('feedback_id', known.feedback_id, 'status', 'replayed', 'execution_known', owner is not null);
    end if;
  end if;
  select f.* into known from glow.agent_feedback f
   where f.execution_id = submit_feedback.execution_id and f.user_id = submit_feedback.user_id
     and f.kind = this_kind and f.superseded_by is null;
  if found and known.payload_hash = hash then
    return jsonb_build_object('feedback_id', known.feedback_id, 'status', 'unchanged', 'execution_known', owner is not null);
  end if;

  new_id := nextval(pg_get_serial_sequence('glow.agent_feedback', 'feedback_id'));
  update glow.agent_feedback f set superseded_by = new_id where f.feedback_id = known.feedback_id;
  insert into glow.agent_feedback (
    feedback_id, agent, execution_id, user_id, kind, thumbs, rating, dimensions, issues, comment, correction, channel,
    conversation_id, idempotency_key, payload_hash, occurred_at)
  overriding system value
  values (
    new_id, agent, execution_id, user_id, this_kind, thumbs, rating, dimensions, coalesce(issues, '{}'), comment, correction,
    channel, conversation_id, idempotency_key, hash,
    glow_api.not_after_now(occurred_at));
  return jsonb_strip_nulls(jsonb_build_object(
    'feedback_id', new_id, 'status', 'accepted', 'supersedes', known.feedback_id, 'execution_known', owner is not null));
end $$;
comment on function glow_api.submit_feedback is
  'Records what a user said of an execution: thumbs, stars, dimensions, issues, comment, correction. One current vote '
  '(with whatever came with it) and one current lone correction per person and execution; a change supersedes, the old '
  'row stays. Safe to retry with an '
  'idempotency key. Feedback for an execution not yet logged is kept ("execution_known": false).';

create function glow_api.feedback_stats(agent text, since timestamptz default '-infinity') returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  result jsonb;
begin
  perform glow_api.require_agent(agent);
  since := coalesce(since, '-infinity');
  with said as (
    select f.* from glow.agent_feedback f
     where f.agent = feedback_stats.agent and f.superseded_by is null and f.recorded_at >= since
  ), ran as (
    select count(*) as executions from glow.executions e
     where e.agent = feedback_stats.agent and e.recorded_at >= since
  )
  select jsonb_build_object(
    'agent', feedback_stats.agent,
    'executions', (select executions from ran),
    'executions_with_feedback', count(distinct s.execution_id) filter (
      where exists (select from glow.executions e where e.execution_id = s.execution_id and e.agent = s.agent)),
    'waiting_for_execution', count(*) filter (
      where not exists (select from glow.executions e where e.execution_id = s.execution_id and e.agent = s.agent)),
    'thumbs_up', count(*) filter (where s.thumbs = 1),
    'thumbs_down', count(*) filter (where s.thumbs = -1),
    'mean_rating', round(avg(s.rating), 3),
    'ratings', count(s.rating),
    'corrections', count(s.correction),
    'comments', count(s.comment),
    'users', count(distinct s.user_id),
    'last_feedback_at', max(s.recorded_at))
    into result from said s;
  return result;
end $$;
comment on function glow_api.feedback_stats is 'Counts of an agent''s current feedback since an instant.';

create function glow_api.common_issues(agent text, since timestamptz default '-infinity', most integer default 10)
  returns table (issue text, occurrences bigint, users bigint, share numeric, last_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.require_agent(agent);
  since := coalesce(since, '-infinity');
  if most is null or most not between 1 and 1000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 1000');
  end if;
  return query
  select i.issue, count(*), count(distinct f.user_id),
         round(count(*) / sum(count(*)) over (), 4), max(f.recorded_at)
    from glow.agent_feedback f cross join lateral unnest(f.issues) as i(issue)
   where f.agent = common_issues.agent and f.superseded_by is null and f.recorded_at >= since
   group by i.issue
   order by count(*) desc, i.issue
   limit most;
end $$;
comment on function glow_api.common_issues is 'What users complain about, most frequent first: occurrences, people, share.';
