-- Splits and dataset versions.

-- assign_split --
-- Gives a group its split; a group that has one keeps it.
insert into glow.split_assignments (agent, group_key, split)
values (%(agent)s, %(group_key)s, %(split)s)
on conflict (agent, group_key) do nothing

-- splits --
-- The splits of an agent's groups.
select group_key, split from glow.split_assignments where agent = %(agent)s

-- examples_as_of --
-- The examples of an agent in force at an instant, with their splits.
select x.example_version, x.example_id as id, x.agent, x.input, x.target, x.source, x.status, x.quality,
       x.expert_approved, x.group_key, x.split, x.content_hash, x.rule_version, x.reason, x.rejected_target, x.domain,
       coalesce((select jsonb_agg(jsonb_build_array(s.kind, s.source_id, s.role) order by s.kind, s.source_id, s.role)
                   from glow.source_spans s
                  where s.first_version = x.first_version and s.since <= x.example_version and coalesce(s.until > x.example_version, true)), '[]') as sources
  from glow.learning_examples x
 where x.agent = %(agent)s and x.recorded_at <= %(as_of)s and x.erased_at is null
   and (x.superseded_at is null or x.superseded_at > %(as_of)s)
 order by x.example_id

-- example_counts --
-- Current examples by agent, status, source and split.
select agent, status, source, split, count(*) as examples
  from glow.learning_examples where superseded_at is null
 group by agent, status, source, split order by agent, status, source, split

-- put_in_force --
-- This version is what the agent's examples are now.
insert into glow.datasets_in_force as f (agent, kind, dataset_id)
values (%(agent)s::glow.agent_name, %(kind)s, %(dataset_id)s)
on conflict (agent, kind) do update set dataset_id = excluded.dataset_id, since = clock_timestamp()
 where f.dataset_id <> excluded.dataset_id

-- take_out_of_force --
-- No approved example is left: an old version must not stand for them.
delete from glow.datasets_in_force where agent = %(agent)s and kind = %(kind)s

-- dataset_in_force --
-- The version in force.
select d.* from glow.datasets_in_force f join glow.training_datasets d using (dataset_id)
 where f.agent = %(agent)s and f.kind = %(kind)s

-- dataset --
-- A version, by its id or the beginning of its id.
select d.*, f.dataset_id is not null as in_force
  from glow.training_datasets d left join glow.datasets_in_force f using (agent, kind, dataset_id)
 where starts_with(d.dataset_id, %(dataset_id)s) order by d.dataset_id <> %(dataset_id)s, d.dataset_id limit 3

-- dataset_list --
-- The versions of an agent or of all, the newest first.
select d.dataset_id, d.agent::text as agent, d.kind, d.rows, d.as_of, d.created_at, d.revoked_at, d.successor,
       f.dataset_id is not null as in_force
  from glow.training_datasets d left join glow.datasets_in_force f using (agent, kind, dataset_id)
 where %(agent)s::text is null or d.agent = %(agent)s order by d.created_at desc, d.dataset_id limit %(most)s

-- dataset_rows --
-- The rows of a version in their order, with the texts and sources; of a revoked one, what was not erased.
select x.example_id as id, x.agent, x.input, x.target, x.source, x.status, x.quality, x.expert_approved, x.group_key,
       d.split, x.content_hash, x.rule_version, x.reason, x.rejected_target, x.domain,
       coalesce((select jsonb_agg(jsonb_build_array(s.kind, s.source_id, s.role) order by s.kind, s.source_id, s.role)
                   from glow.source_spans s
                  where s.first_version = x.first_version and s.since <= x.example_version and coalesce(s.until > x.example_version, true)), '[]') as sources
  from glow.dataset_examples d join glow.learning_examples x using (example_version)
 where d.dataset_id = %(dataset_id)s and x.erased_at is null order by d.position

-- dataset_difference --
-- What distinguishes version b from a, by example: added, removed, changed (another text) or moved (another split, which
-- must never be), and what is said today of an example that went.
with a as (
  select x.example_id, x.content_hash, d.split from glow.dataset_examples d join glow.learning_examples x using (example_version)
   where d.dataset_id = %(a)s
), b as (
  select x.example_id, x.content_hash, d.split from glow.dataset_examples d join glow.learning_examples x using (example_version)
   where d.dataset_id = %(b)s
), told as (
  select example_id, case when b.example_id is null then 'removed' when a.example_id is null then 'added'
                          when a.split <> b.split then 'moved' else 'changed' end as change,
         coalesce(b.split, a.split) as split
    from a full join b using (example_id)
   where a.split is distinct from b.split or a.content_hash is distinct from b.content_hash
)
select t.change, t.example_id, t.split, x.status, x.source, x.quality, x.reason, x.erased_at is not null as erased,
       count(*) over (partition by t.change)::int as of
  from (select t.*, row_number() over (partition by t.change order by t.example_id) as n from told t) t
  left join glow.learning_examples x on x.example_id = t.example_id and x.superseded_at is null
 where t.n <= %(most)s order by t.change, t.example_id

-- agents_with_new_examples --
-- Agents with so many examples approved since a row of learning_examples, by agent (a JSON object), counted no further.
select a.agent::text as agent, n.arrived::int as arrived, n.newest
  from glow.agents a
 cross join lateral (
   select count(*) as arrived, max(x.example_version) as newest from (
     select x.example_version from glow.learning_examples x
      where x.agent = a.agent and x.status = 'approved' and x.superseded_at is null
        and x.example_version > coalesce((%(since)s::jsonb ->> a.agent)::bigint, 0)
        and x.recorded_at > coalesce((select max(d.as_of) from glow.training_datasets d where d.agent = a.agent), '-infinity')
      order by x.recorded_at desc limit %(most_rows)s) x) n
 where n.arrived >= %(threshold)s order by a.agent

-- kinds_to_build --
-- Agents with approved examples, and whether any of them replaced an output, and whether an expert approved any.
select a.agent::text as agent,
       exists (select from glow.learning_examples x where x.agent = a.agent and x.status = 'approved'
                 and x.superseded_at is null and x.rejected_target is not null) as pairs,
       exists (select from glow.learning_examples x where x.agent = a.agent and x.status = 'approved'
                 and x.superseded_at is null and x.expert_approved) as judged
  from glow.agents a
 where exists (select from glow.learning_examples x
                where x.agent = a.agent and x.status = 'approved' and x.superseded_at is null)
 order by a.agent

-- why --
-- Why an example, by its id or the beginning of it, is in a version, and what each of its sources says.
select x.example_id, d.split, x.source, x.quality, x.rule_version, x.reason, s.kind, s.source_id, s.role,
       glow.source_row(s.kind, s.source_id) as said
  from glow.dataset_examples d join glow.learning_examples x using (example_version)
  left join glow.example_sources s using (example_version)
 where d.dataset_id = %(dataset_id)s
   and x.example_version = (select min(y.example_version) from glow.dataset_examples e
                              join glow.learning_examples y using (example_version)
                             where e.dataset_id = %(dataset_id)s and starts_with(y.example_id, %(example)s))
 order by s.kind, s.source_id, s.role
