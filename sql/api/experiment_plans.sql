-- What an experiment could show before anybody starts it, from the agent's own traffic: the numbers and the words of
-- learning/experiments/planning, whose plan is the one that is frozen when it starts. Here for the share of thumbs up.

-- Wichura 1988, AS 241 (PPND7): seven digits, for probabilities from 1e-11 on.
create function glow_api.normal_quantile(p double precision) returns double precision
  language plpgsql immutable parallel safe as $$
declare
  q double precision := p - 0.5;
  r double precision := 0.180625 - q * q;
begin
  if r >= 0 then
    return q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)
             / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1);
  end if;
  r := sqrt(-ln(least(p, 1 - p))) - 1.6;
  return sign(q) * (((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777)
                 / ((0.12021132975 * r + 0.73700164250) * r + 1);
end $$;
comment on function glow_api.normal_quantile is 'How many standard deviations from the mean a share p of a normal distribution lies below.';

-- Solved by learning/experiments/group_sequential for 95 % confidence and 80 % power; from 80 to 99.9 % confidence it differs
-- by 0.8 % at most, and an effect by half of that.
create function glow_api.looks_cost(looks integer) returns double precision
  language sql immutable parallel safe
  return (array[1, 1.0275625814064224, 1.0449126254057053, 1.055883601351414, 1.063400048433297, 1.0688719666292872, 1.0730377016569077,
    1.0763183480796095, 1.0789711953720664, 1.0811622983993727, 1.083003663119141, 1.0845736198437395, 1.085928622405586,
    1.0871104062482861, 1.0881505047934308, 1.0890731963099256, 1.0898974833247825, 1.0906384562961293, 1.0913082542597066,
    1.0919167550658258, 1.0924720801580872, 1.0929809696153927]::double precision[])[looks];
comment on function glow_api.looks_cost is 'How much more information so many daily looks need than one, for 1 to 22 looks.';

create function glow_api.written_points(effect double precision) returns text
  language sql immutable parallel safe
  return round((100 * effect)::numeric, 1) || ' points';
comment on function glow_api.written_points is 'A difference of a share, as a person reads it.';

create function glow_api.written_count(n double precision) returns text
  language sql immutable parallel safe
  return to_char(n, 'FM999,999,999,999,990');
comment on function glow_api.written_count is 'A number of users or days, as a person reads it.';

create function glow_api.plan_of(
  agent text, effect double precision, unit text, days integer, enroll_ppm integer, treatment_ppm integer,
  confidence double precision default 0.95, minimum_users integer default 1000
) returns jsonb language plpgsql stable as $$
declare
  z constant double precision := glow_api.normal_quantile((1 + confidence) / 2) + glow_api.normal_quantile(0.8);
  share constant double precision := enroll_ppm / 1e6;
  treated constant double precision := treatment_ppm / 1e6;
  t record;
  choice record;
  daily double precision;        -- users who enter
  population double precision;   -- users there are
  p double precision := 0.5;
  votes double precision := 1;   -- of one user
  alike double precision := 1;   -- how alike they are
  weighted double precision;     -- how many a vote finds its user to have
  variance double precision;     -- of the difference, of one user
  looks integer := 1;
  needed double precision;
  users double precision;        -- needed, or the minimum where that is more
  planned integer;
  most integer;                  -- the last day, extensions included
  arriving double precision;     -- by the planned day
  at_most double precision;      -- by the last
  shows double precision;        -- smallest effect of users, that one needs variance 1
  detectable double precision;
  at_best double precision;
  reachable boolean;
  wanted double precision;       -- the effect as it was asked for
  asked text;
  will text;
  minimum text := format('%s users (AB_TEST_MIN_SAMPLE_SIZE)', glow_api.written_count(minimum_users));
  summary text;
  options jsonb := '[]';
  warnings jsonb := '[]';
begin
  select * into t from glow.experiment_traffic(
    agent, 'thumbs_up_rate', unit, clock_timestamp() - interval '28 days', clock_timestamp(),
    clock_timestamp() - interval '14 days', null, null, null);
  daily := greatest(t.people, 1) / 28.0::double precision * share;
  population := greatest(t.people, 1) * share;
  if t."values" > 0 then
    votes := t.rated_per_user;
    -- Half a vote each way: a share of 0 or 1 among few does not make planning impossible.
    p := (t.ratio * t."values" + 0.5) / (t."values" + 1);
  end if;
  weighted := votes * (1 + coalesce((t.rated_deviation / nullif(t.rated_per_user, 0)) ^ 2, 0));
  -- One-way ANOVA. Where nobody voted twice nothing is known: 1.
  if t.raters >= 2 and t."values" > t.raters then
    select case when b + (size - 1) * w > 0 then least(1, greatest(0, (b - w) / (b + (size - 1) * w))) else 0 end into alike
      from (select t.within_people / (t."values" - t.raters) as w, t.between_people / (t.raters - 1) as b,
                   (t."values" - t.squared_counts / t."values") / (t.raters - 1) as size) m;
  end if;
  wanted := effect;
  effect := least(effect, 0.9 * (1 - p));
  variance := p * (1 - p) / (votes * treated * (1 - treated));
  variance := variance * case unit when 'execution' then 1
    else greatest(1, 1 + (weighted / case unit when 'session' then greatest(1, coalesce(t.sessions_per_user, 1)) else 1 end - 1) * alike) end;
  -- More users mean more days, and more days more looks.
  for i in 1..3 loop
    needed := ceil(variance * glow_api.looks_cost(looks) * (z / effect) ^ 2 - 1e-9);
    users := greatest(needed, minimum_users);
    planned := least(greatest(days, ceil(users / daily)), 28);
    exit when planned - days + 1 <= looks;
    looks := planned - days + 1;
  end loop;
  most := planned * (1 + greatest(1, 28 / planned - 1));
  arriving := greatest(1, least(daily * planned, population));
  at_most := greatest(1, least(daily * most, population));
  reachable := users <= population and users <= daily * most;
  shows := z * sqrt(glow_api.looks_cost(looks));
  detectable := shows * sqrt(variance / arriving);
  at_best := shows * sqrt(variance / at_most);

  for choice in
    select w.way, w.design, w.left_over, w.design * w.left_over * p * (1 - p) / (votes * treated * (1 - treated)) as variance, w.means
      from (select named as way, means, left_over, greatest(1, 1 + (weighted / parts - 1) * alike) as design
              from (values ('user', 1.0::double precision, 1.0::double precision, null),
                           ('session', greatest(1, coalesce(t.sessions_per_user, 1)), 1,
                            'randomising sessions (stateless variants only)'),
                           ('execution', weighted, 1, 'randomising executions (stateless variants only)'),
                           ('cuped', case unit when 'session' then greatest(1, coalesce(t.sessions_per_user, 1))
                                               when 'execution' then weighted else 1 end,
                            1 - t.pre_post_correlation ^ 2, 'adjusting for each user''s time before (CUPED)')
                   ) v(named, parts, left_over, means)) w
     where w.left_over is not null and (w.way <> 'cuped' or w.left_over < 1)
       and (w.way <> 'session' or t.sessions_per_user > 1) and (w.way <> 'execution' or votes > 1)
  loop
    options := options || jsonb_strip_nulls(jsonb_build_object(
      'way', choice.way, 'design_effect', choice.design, 'variance_left', choice.left_over, 'error_ratio', sqrt(choice.variance / variance),
      'detectable', case when p + shows * sqrt(choice.variance / arriving) < 1 then shows * sqrt(choice.variance / arriving) end,
      'users_needed', ceil(choice.variance * (shows / effect) ^ 2 - 1e-9),
      'days_needed', case when greatest(ceil(choice.variance * (shows / effect) ^ 2 - 1e-9), minimum_users) <= population
        then greatest(days, ceil(greatest(ceil(choice.variance * (shows / effect) ^ 2 - 1e-9), minimum_users) / daily)) end,
      -- Only what is finer than the unit would help.
      'means', case when choice.way = 'cuped' or unit = 'user' or (choice.way, unit) = ('execution', 'session') then choice.means end));
  end loop;

  -- As learning/experiments/feasibility says it.
  asked := glow_api.written_points(effect);
  will := format('%s will have come by day %s, the last', glow_api.written_count(at_most), most);
  summary := format('a difference of %s in thumbs up needs %s users of both arms together, about %s days',
                    asked, glow_api.written_count(needed), glow_api.written_count(ceil(needed / daily)));
  if needed < minimum_users then
    summary := summary || format('; no decision is made on fewer than %s (AB_TEST_MIN_SAMPLE_SIZE), about %s days',
                                 glow_api.written_count(minimum_users), glow_api.written_count(ceil(minimum_users / daily)));
  end if;
  if not reachable then
    summary := summary || format('; only %s users are there by day %s', glow_api.written_count(at_most), most)
      || case when p + at_best >= 1 then ', too few to show any difference'
              when minimum_users <= at_most then ', enough for a difference of ' || glow_api.written_points(at_best) else '' end;
  end if;
  if needed > at_most then
    warnings := warnings || to_jsonb(format('hopeless as planned: %s needs %s users (about %s days) and %s; ',
        asked, glow_api.written_count(needed), glow_api.written_count(ceil(needed / daily)), will)
      || case when minimum_users > at_most then format('no decision is made on fewer than %s (AB_TEST_MIN_SAMPLE_SIZE)', glow_api.written_count(minimum_users))
              when p + at_best < 1 then format('it can show %s at best', glow_api.written_points(at_best))
              else 'it can show no difference that is possible at all' end);
  elsif minimum_users > at_most then
    warnings := warnings || to_jsonb(format('hopeless as planned: no decision is made on fewer than %s, and %s; %s in thumbs up needs only %s',
      minimum, will, asked, glow_api.written_count(needed)));
  elsif users > daily * planned then
    warnings := warnings || to_jsonb(format('slow: %s %s days, so extensions will be used',
      case when needed = users then asked || ' needs' else minimum || ' take' end, glow_api.written_count(ceil(users / daily))));
  end if;
  if warnings <> '[]' and not (needed <= at_most and at_most < minimum_users) then
    warnings := warnings || coalesce((select jsonb_agg(format('%s would take the standard error to %s %% and show %s in the planned time',
        o ->> 'means', round((100 * (o ->> 'error_ratio')::double precision)::numeric),
        coalesce('a difference of ' || glow_api.written_points((o ->> 'detectable')::double precision), 'still nothing')) order by n)
      from jsonb_array_elements(options) with ordinality each(o, n)
     where o ->> 'means' is not null and (o ->> 'error_ratio')::double precision <= 0.95), '[]');
  end if;
  if effect < wanted then
    warnings := jsonb_build_array(format('%s of thumbs up cannot be gained from %s %%: planned for %s, nine tenths of what there is',
      glow_api.written_points(wanted), round((100 * p)::numeric, 1), asked)) || warnings;
  end if;
  return jsonb_build_object(
    'agent', agent, 'metric', 'thumbs_up_rate', 'effect', effect, 'unit', unit, 'days', planned, 'maximum_days', most,
    'confidence', confidence, 'minimum_users', minimum_users, 'users', floor(arriving), 'users_in_28_days', t.people,
    'executions', round(t.people * coalesce(t.executions_per_user, 0)), 'votes', t."values", 'baseline', p,
    'intra_user_correlation', alike, 'design_effect', variance * votes * treated * (1 - treated) / (p * (1 - p)),
    'detectable', case when p + detectable < 1 then detectable end, 'users_needed', needed, 'days_needed', ceil(users / daily),
    'reachable', reachable, 'warnings', warnings, 'summary', summary,
    'options', (select coalesce(jsonb_agg(o - 'means'), '[]') from jsonb_array_elements(options) o));
end $$;
comment on function glow_api.plan_of is
  'What an experiment on the share of thumbs up can show, in the time that the effect needs: n = p(1-p)(z/effect)^2 / (votes per '
  'user x q(1-q)) users of both arms, times the design effect 1 + (m - 1)ICC of votes that are alike.';

create function glow_api.plan_experiment(
  agent text, effect double precision default 0.05, unit text default 'user', days integer default 7, enroll_ppm integer default 1000000,
  treatment_ppm integer default 500000, confidence double precision default 0.95, minimum_users integer default 1000
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
  elsif confidence is null or not (confidence between 0.8 and 0.999) then
    perform glow_api.refuse('PT422', 'confidence', confidence::text, 'that of AB_TEST_CONFIDENCE_THRESHOLD, from 0.8 to 0.999');
  elsif minimum_users is null or minimum_users not between 2 and 100000000 then
    perform glow_api.refuse('PT422', 'minimum_users', minimum_users::text, 'that of AB_TEST_MIN_SAMPLE_SIZE, from 2 to 100000000');
  end if;
  return glow_api.plan_of(agent, effect, unit, days, enroll_ppm, treatment_ppm, confidence, minimum_users);
end $$;
comment on function glow_api.plan_experiment is
  'What an experiment on the share of thumbs up would show with this agent''s traffic, as the plan says it that is frozen at the '
  'start: days are at least those given and as many as the effect needs, up to 28; the smallest difference it finds in them (80 % '
  'power, daily looks), the users the wanted one needs, and in options what randomising by session or execution, or adjusting '
  'for what users said before (cuped), would buy. confidence and minimum_users: what the pipeline is set to '
  '(AB_TEST_CONFIDENCE_THRESHOLD, AB_TEST_MIN_SAMPLE_SIZE).';
