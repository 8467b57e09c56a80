-- What an experiment could show before anybody starts it, from the agent's own traffic. The plan that is frozen when it
-- starts is learning/experiments/planning; this answers at once, for the share of thumbs up.

create function glow_api.plan_of(
  agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer
) returns jsonb language plpgsql stable as $$
declare
  -- z of 95 % (two-sided) and of 80 % power; information for the daily looks of a group-sequential plan (7 looks: 1.073).
  wanted constant double precision := (1.959963984540054 + 0.8416212335729143) * sqrt(1.073);
  -- Both arms together: an unequal split tells less.
  split double precision := treatment_ppm / 1e6 * (1 - treatment_ppm / 1e6) * 4;
  share double precision := enroll_ppm / 1e6;
  seen record;
  effects record;
  choice record;
  options jsonb := '[]';
  warnings jsonb := '[]';
  effective double precision;  -- votes of all users in the time, worth as many independent ones
  detectable double precision;
  needed double precision;     -- independent votes for the effect
  users_needed bigint;
  days_needed bigint;
begin
  -- Who came in the last days is who would come: users come back, so the days are not summed.
  with asked as (
    select glow.qualified(e.tenant, e.user_id) as person, e.conversation_id, e.started_at
      from glow.executions e
     where e.agent = plan_of.agent and e.recorded_at > clock_timestamp() - interval '28 days' and e.user_id is not null
  ), people as (
    select person, extract(epoch from clock_timestamp() - max(started_at)) / 86400 as age,
           count(*) filter (where started_at > clock_timestamp() - plan_of.days * interval '1 day') as asked
      from asked group by person
  )
  select count(*) as month, count(*) filter (where asked > 0) as users, coalesce(sum(asked), 0) as executions,
         array_agg(age order by age) as ages into seen from people;
  -- ICC by one-way ANOVA: how alike two votes of a person, of a session are. Where nobody voted twice nothing is known: 1.
  with votes as (
    select glow.qualified(f.tenant, f.user_id) as person,
           glow.qualified(f.tenant, f.user_id) || chr(30) || coalesce(f.conversation_id, f.execution_id) as session,
           f.thumbs = 1 as up, f.recorded_at > clock_timestamp() - interval '14 days' as late,
           f.recorded_at > clock_timestamp() - plan_of.days * interval '1 day' as recent
      from glow.agent_feedback f
     where f.agent = plan_of.agent and f.superseded_by is null and f.thumbs is not null
       and f.recorded_at > clock_timestamp() - interval '28 days'
  ), rate as (
    select count(*) as n, (count(*) filter (where up) + 0.5) / (count(*) + 1.0) as p, count(*) filter (where recent) as recent from votes
  ), groups as (
    select 'user' as grouped, count(*) filter (where up)::double precision as s, count(*)::double precision as n from votes group by person
    union all
    select 'session', count(*) filter (where up), count(*) from votes group by session
  ), anova as (
    select g.grouped, count(*) as k, sum(g.n) as n, sum(g.n * g.n) / sum(g.n) as worth, sum(g.s * (1 - g.s / g.n)) as inside,
           sum(g.n * (g.s / g.n - t.p) ^ 2) as outside
      from groups g join (select grouped, sum(s) / sum(n) as p from groups group by grouped) t using (grouped) group by g.grouped
  ), alike as (
    select grouped, worth, case when k < 2 or n <= k then 1 else (
             select case when b + (size - 1) * w > 0 then least(1, greatest(0, (b - w) / (b + (size - 1) * w))) else 0 end
               from (select inside / (n - k) as w, outside / (k - 1) as b, (n - worth) / (k - 1) as size) m) end as icc
      from anova
  ), halves as (
    select count(*) filter (where up and not late) / nullif(count(*) filter (where not late), 0)::double precision as before,
           count(*) filter (where up and late) / nullif(count(*) filter (where late), 0)::double precision as after, count(*) filter (where late) as n
      from votes group by person
  )
  select r.n, r.p::double precision as p, r.recent, coalesce(u.icc, 1) as icc, coalesce(u.worth, 1) as worth, coalesce(s.icc, 1) as session_icc,
         coalesce(s.worth, 1) as session_worth,
         (select corr(h.before, h.after) ^ 2 * sum(h.n) filter (where h.before is not null) / nullif(sum(h.n), 0) from halves h
           having count(*) filter (where h.before is not null and h.after is not null) >= 30) as explained
    into effects
    from rate r left join alike u on u.grouped = 'user' left join alike s on s.grouped = 'session';

  for choice in
    select * from (values
      ('user', greatest(1, 1 + (effects.worth - 1) * effects.icc), 1.0::double precision),
      ('session', greatest(1, 1 + (effects.session_worth - 1) * effects.session_icc), 1),
      ('execution', 1, 1),
      ('cuped', greatest(1, 1 + (effects.worth - 1) * effects.icc), 1 - effects.explained)) c(named, design, left_over)
  loop
    continue when choice.left_over is null;
    effective := effects.recent * share * split / choice.design / choice.left_over;
    detectable := case when effective > 0 then wanted * sqrt(4 * effects.p * (1 - effects.p) / effective) end;
    if detectable > 1 then detectable := null; end if;  -- no share differs by so much
    needed := 4 * effects.p * (1 - effects.p) * (wanted / effect) ^ 2;
    users_needed := case when effects.recent > 0 and seen.users > 0
      then ceil(needed * choice.design * choice.left_over / split / (effects.recent::double precision / seen.users)) end;
    -- By whom the days brought; beyond the month by its average.
    days_needed := case when users_needed is not null then greatest(plan_of.days, case
      when users_needed <= seen.month * share then ceil(seen.ages[least(ceil(users_needed / share), seen.month)::integer])
      else ceil(28 * users_needed / (seen.month * share)) end) end;
    options := options || jsonb_build_object('way', choice.named, 'design_effect', choice.design, 'detectable', detectable,
      'users_needed', users_needed, 'days_needed', days_needed, 'variance_left', choice.left_over);
    if choice.named = unit or choice.named = 'user' and unit = 'org' then
      warnings := case when detectable is null then jsonb_build_array(format('users of this agent cast %s votes in the last %s days: that shows no difference at all', effects.recent, days))
        when detectable > effect then jsonb_build_array(format(
          'in %s days %s users cast %s votes: that shows a difference of %s points or more with 80 %% power, not the %s asked for; that takes %s days',
          days, seen.users, effects.recent, round(100 * detectable::numeric, 1), round(100 * effect::numeric, 1), days_needed))
        else '[]' end;
      if users_needed > seen.month * share then
        warnings := warnings || to_jsonb(format('it needs %s users, and %s came in the last 28 days', users_needed, seen.month));
      end if;
      if unit = 'org' then warnings := warnings || to_jsonb('how alike the people of one organisation are is not known before: expect less'::text); end if;
    end if;
  end loop;
  return (select jsonb_build_object(
    'agent', agent, 'metric', 'thumbs_up_rate', 'effect', effect, 'unit', unit, 'days', days, 'users', seen.users, 'users_in_28_days', seen.month,
    'executions', seen.executions, 'votes', effects.recent, 'baseline', effects.p, 'intra_user_correlation', effects.icc,
    'design_effect', c -> 'design_effect', 'detectable', c -> 'detectable', 'users_needed', c -> 'users_needed', 'days_needed', c -> 'days_needed',
    'reachable', coalesce((c ->> 'users_needed')::bigint <= seen.month * share, false),
    'warnings', warnings, 'options', options,
    'summary', case when c ->> 'detectable' is null then format('%s votes in %s days show no difference at all.', effects.recent, days) else format(
      '%s days with about %s users show a difference of %s points in the share of thumbs up (now %s %%) with 80 %% power; %s points take %s days.',
      days, seen.users, round(100 * (c ->> 'detectable')::numeric, 1), round(100 * effects.p::numeric, 1), round(100 * effect::numeric, 1),
      c ->> 'days_needed') end)
    from jsonb_array_elements(options) c where c ->> 'way' = case unit when 'org' then 'user' else unit end);
end $$;
comment on function glow_api.plan_of is
  'What an experiment on the share of thumbs up can show: n = 4p(1-p)(z/effect)^2 independent votes in both arms, times the '
  'design effect 1 + (m - 1)ICC of votes that are alike.';

create function glow_api.plan_experiment(
  agent text, effect double precision default 0.05, unit text default 'user', days integer default 7, enroll_ppm integer default 1000000,
  treatment_ppm integer default 500000
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if effect is null or not (effect between 0.001 and 0.5) then
    perform glow_api.refuse('PT422', 'effect', effect::text, 'the smallest difference worth finding, from 0.001 to 0.5 (0.05: five points)');
  elsif unit is null or unit not in ('user', 'org', 'session', 'execution') then
    perform glow_api.refuse('PT422', 'unit', unit, 'user, org, session or execution');
  elsif days is null or days not between 7 and 28 then
    perform glow_api.refuse('PT422', 'days', days::text, 'a number of days from 7 to 28: whole weeks look alike');
  elsif enroll_ppm is null or enroll_ppm not between 1 and 1000000 then
    perform glow_api.refuse('PT422', 'enroll_ppm', enroll_ppm::text, 'a share in parts per million, from 1 to 1000000');
  elsif treatment_ppm is null or treatment_ppm not between 1 and 999999 then
    perform glow_api.refuse('PT422', 'treatment_ppm', treatment_ppm::text, 'a share in parts per million, from 1 to 999999');
  end if;
  return glow_api.plan_of(agent, effect, unit, days, enroll_ppm, treatment_ppm);
end $$;
comment on function glow_api.plan_experiment is
  'What an experiment on the share of thumbs up would show with this agent''s traffic: the smallest difference it finds in so '
  'many days (80 % power, 95 % confidence, daily looks), the users and days the wanted one needs, and in options what '
  'randomising by session or execution, or adjusting for what users said before (cuped), would buy.';
