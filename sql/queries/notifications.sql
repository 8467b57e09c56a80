-- What people should hear of.

-- add --
-- A notification; the same key again is the same one.
insert into glow.notifications (agent, kind, title, body, key)
values (%(agent)s, %(kind)s, %(title)s, %(body)s, %(key)s)
on conflict (agent, kind, key) do nothing

-- since --
-- Notifications of an agent, the newest first.
select notification_id, agent, kind, title, body, created_at
  from glow.notifications
 where agent = %(agent)s and created_at >= coalesce(%(since)s, '-infinity'::timestamptz)
 order by notification_id desc limit %(most)s
