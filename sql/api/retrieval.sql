-- Retrieval.

create function glow_api.log_retrieval(
  event_id text, agent text, query text, hits jsonb, execution_id text default null, policy text default 'production',
  configuration text default null, user_id text default null, conversation_id text default null,
  occurred_at timestamptz default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hit jsonb;
  flag text;
  known glow.retrieval_events;
  created boolean;
begin
  perform glow_api.require_id('event_id', event_id);
  perform glow_api.require_agent(agent);
  perform glow_api.require_text('query', query, 100000);
  perform glow_api.require_id('execution_id', execution_id, true);
  perform glow_api.require_id('user_id', user_id, true);
  perform glow_api.require_id('conversation_id', conversation_id, true);
  perform glow_api.require_id('configuration', configuration, true);
  if policy is null or policy not in ('production', 'interleave') then
    perform glow_api.refuse('PT422', 'policy', policy, 'production or interleave');
  end if;
  if hits is null or jsonb_typeof(hits) <> 'array' or jsonb_array_length(hits) > 1000 then
    perform glow_api.refuse('PT422', 'hits', left(hits::text, 80), 'an array of at most 1000 hits');
  end if;
  for hit in select * from jsonb_array_elements(hits) loop
    if jsonb_typeof(hit) <> 'object' or jsonb_typeof(hit -> 'rank') is distinct from 'number'
       or jsonb_typeof(hit -> 'chunk_id') is distinct from 'string' then
      perform glow_api.refuse('PT422', 'hits', hit::text, 'objects with at least rank and chunk_id');
    end if;
    if (hit ->> 'rank')::numeric not between 1 and 1000 or (hit ->> 'rank')::numeric % 1 <> 0 then
      perform glow_api.refuse('PT422', 'hits.rank', hit ->> 'rank', 'a whole number from 1 to 1000');
    end if;
    perform glow_api.require_id('hits.chunk_id', hit ->> 'chunk_id');
    if not glow_api.is_number(hit -> 'score', -1e300, 1e300) then
      perform glow_api.refuse('PT422', 'hits.score', hit ->> 'score', 'a finite number');
    end if;
    if not glow_api.is_number(hit -> 'propensity', 1e-9, 1) then
      perform glow_api.refuse('PT422', 'hits.propensity', hit ->> 'propensity', 'a probability above 0, up to 1');
    end if;
    if coalesce(hit ->> 'leg', 'both') not in ('dense', 'lexical', 'both') then
      perform glow_api.refuse('PT422', 'hits.leg', hit ->> 'leg', 'dense, lexical or both');
    end if;
    if coalesce(hit ->> 'explicit', '0') not in ('-1', '0', '1') then
      perform glow_api.refuse('PT422', 'hits.explicit', hit ->> 'explicit', '-1, 0 or 1');
    end if;
    foreach flag in array '{shown,cited,clicked,kept}'::text[] loop
      if coalesce(jsonb_typeof(hit -> flag), 'null') not in ('boolean', 'null') then
        perform glow_api.refuse('PT422', 'hits.' || flag, hit ->> flag, 'true or false');
      end if;
    end loop;
  end loop;
  if (select count(*) <> count(distinct h -> 'rank') or count(*) <> count(distinct h ->> 'chunk_id')
        from jsonb_array_elements(hits) h) then
    perform glow_api.refuse('PT422', 'hits', left(hits::text, 80), 'each rank and each chunk_id once');
  end if;

  insert into glow.retrieval_events (
    event_id, agent, execution_id, query, policy, configuration, user_id, conversation_id, occurred_at)
  values (event_id, agent, execution_id, query, policy, configuration, user_id, conversation_id,
          glow_api.not_after_now(occurred_at))
  on conflict on constraint retrieval_events_pkey do nothing
  returning true into created;
  if created is null then
    select r.* into known from glow.retrieval_events r where r.event_id = log_retrieval.event_id for update;
    if known.agent <> agent or known.query <> query then
      perform glow_api.refuse('PT409', 'event_id', event_id, 'a new id: this one was logged for another agent or query');
    end if;
    -- Readers that passed the event must see it again: a click is news.
    update glow.retrieval_events r set xid = pg_current_xact_id() where r.event_id = log_retrieval.event_id;
  end if;

  insert into glow.retrieval_hits as h (
    event_id, rank, chunk_id, score, leg, propensity, shown, cited, clicked, kept, explicit)
  select log_retrieval.event_id, x.rank, x.chunk_id, coalesce(x.score, 0), coalesce(x.leg, 'both'),
         coalesce(x.propensity, greatest(1.0 / x.rank, 0.1)), coalesce(x.shown, true), coalesce(x.cited, false),
         coalesce(x.clicked, false), coalesce(x.kept, false), coalesce(x.explicit, 0)
    from jsonb_to_recordset(hits) as x(
      rank smallint, chunk_id text, score double precision, leg text, propensity double precision,
      shown boolean, cited boolean, clicked boolean, kept boolean, explicit smallint)
  -- What was shown stays as logged; what the user did is added as it happens and never taken back by a late retry.
  on conflict on constraint retrieval_hits_pkey do update
     set cited = h.cited or excluded.cited, clicked = h.clicked or excluded.clicked, kept = h.kept or excluded.kept,
         explicit = case when excluded.explicit <> 0 then excluded.explicit else h.explicit end;
  return jsonb_build_object('event_id', event_id, 'status', case when created then 'accepted' else 'merged' end);
end $$;
comment on function glow_api.log_retrieval is
  'Records a search: what was shown at which rank. Call it again with the same event_id to add clicks, citations and '
  'verdicts as they happen.';
