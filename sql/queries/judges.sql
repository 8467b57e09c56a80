-- Judges: what experts said of the same answers, calibrations, cached scores.

-- judged_answers --
-- The newest different answers of an agent that experts agree on: an adjudication decides, else the majority of current
-- reviews; a draw is left out. Reviews of gold items measure reviewers. The same answer to the same input counts once.
with verdicts as (
  select a.tenant, a.execution_id, max(a.annotation_id) as newest,
         coalesce(avg((a.verdict = 'approve')::integer) filter (where a.role = 'adjudication'),
                  avg((a.verdict = 'approve')::integer) filter (where a.role = 'review' and not a.gold)) as approved
    from glow.expert_annotations a
   where a.agent = %(agent)s and a.superseded_by is null
   group by a.tenant, a.execution_id
), known as (
  select distinct on (md5(e.input || chr(31) || e.output))
         glow.qualified(v.tenant, v.execution_id) as item, e.input, e.output, coalesce(e.prompt_version, '') as prompt_version,
         v.approved > 0.5 as good, v.newest
    from verdicts v
    join glow.execution_keys k on k.tenant = v.tenant and k.execution_id = v.execution_id
    join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
   where v.approved is not null and v.approved <> 0.5
   order by md5(e.input || chr(31) || e.output), v.newest desc
)
select item, input, output, prompt_version, good from known order by newest desc limit %(most)s

-- judged_pairs --
-- The newest comparisons of an agent's answers: which of two was preferred. Where both are wrong nothing is said of
-- which is better. One for each execution.
with known as (
  select distinct on (c.tenant, c.execution_id)
         glow.qualified(c.tenant, c.execution_id) as item, e.input, c.first, c.second, c.preferred, c.comparison_id
    from glow.comparisons c
    join glow.execution_keys k on k.tenant = c.tenant and k.execution_id = c.execution_id
    join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
   where c.agent = %(agent)s and c.superseded_by is null and c.preferred <> 'neither'
   order by c.tenant, c.execution_id, c.comparison_id desc
)
select item, input, first, second, preferred from known order by comparison_id desc limit %(most)s

-- insert_calibration --
-- What was found when a judge was compared with experts.
insert into glow.judge_calibrations (agent, metric, metric_version, metric_settings, model, n, may_gate, calibration)
values (%(agent)s, %(metric)s, %(version)s, %(settings)s, %(model)s, %(n)s, %(may_gate)s, %(calibration)s)

-- calibration --
-- The newest calibration of an agent's judge as it is now: another rubric is another judge, and so is another model.
select c.calibration, c.model, c.calibrated_at
  from glow.judge_calibrations c
  join glow.agents a on a.agent = c.agent and a.metric_settings = c.metric_settings
 where c.agent = %(agent)s and c.metric = %(metric)s and c.metric_version = %(version)s
   and (%(model)s::text is null or c.model = %(model)s)
 order by c.calibration_id desc limit 1

-- latest_calibrations --
-- The newest calibration of every agent's judge as it is now.
select distinct on (c.agent) c.agent, c.calibration, c.model, c.calibrated_at
  from glow.judge_calibrations c
  join glow.agents a on a.agent = c.agent and a.metric = c.metric and a.metric_settings = c.metric_settings
 order by c.agent, c.calibration_id desc

-- cached_scores --
-- Scores known under these keys.
select score_key, score, valid from glow.score_cache where score_key = any(%(keys)s)

-- insert_score --
-- A score that a model was asked for. Whoever asked at the same time got the same.
insert into glow.score_cache (score_key, metric, metric_version, score, valid)
values (%(key)s, %(metric)s, %(version)s, %(score)s, %(valid)s)
on conflict (score_key) do nothing
