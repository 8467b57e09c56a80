-- What the pipeline tells people.

create function glow_api.notifications(agent text default null, since timestamptz default null, most integer default 100)
  returns table (notification_id bigint, agent_name text, kind text, title text, body jsonb, created_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select n.notification_id, n.agent::text, n.kind, n.title, n.body, n.created_at
    from glow.notifications n
   where n.agent = coalesce(notifications.agent, n.agent) and glow_api.is_mine(n.agent, caller)
     and n.created_at >= coalesce(since, '-infinity')
   order by n.notification_id desc limit most;
end $$;
comment on function glow_api.notifications is
  'What happened that a person may want to know (a candidate prompt, its experiment), of an agent or of all, the newest first.';
