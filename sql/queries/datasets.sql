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
                   from glow.example_sources s where s.example_version = x.example_version), '[]') as sources
  from glow.learning_examples x
 where x.agent = %(agent)s and x.recorded_at <= %(as_of)s and x.erased_at is null
   and (x.superseded_at is null or x.superseded_at > %(as_of)s)
 order by x.example_id

-- example_counts --
-- Current examples by agent, status, source and split.
select agent, status, source, split, count(*) as examples
  from glow.learning_examples where superseded_at is null
 group by agent, status, source, split order by agent, status, source, split

-- dataset_with_content --
-- The version that holds exactly these rows, if there is one that was not revoked.
select dataset_id from glow.training_datasets
 where agent = %(agent)s and kind = %(kind)s and content_hash = %(content_hash)s and revoked_at is null

-- ids_taken --
-- How many versions have an id or one made of it.
select count(*) as taken from glow.training_datasets where dataset_id = %(dataset_id)s or dataset_id ^@ (%(dataset_id)s || '-')

-- insert_dataset --
-- A dataset version.
insert into glow.training_datasets (dataset_id, agent, kind, rule, rule_version, as_of, content_hash, statistics)
values (%(dataset_id)s, %(agent)s, %(kind)s, %(rule)s, %(rule_version)s, %(as_of)s, %(content_hash)s, %(statistics)s)

-- insert_dataset_example --
-- A row of a dataset version.
insert into glow.dataset_examples (dataset_id, position, example_version, example_id, agent, group_key, split)
values (%(dataset_id)s, %(position)s, %(example_version)s, %(example_id)s, %(agent)s, %(group_key)s, %(split)s)

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
select d.dataset_id, d.agent, d.kind, d.rule, d.rule_version, d.as_of, d.content_hash, d.statistics, d.created_at
  from glow.datasets_in_force f join glow.training_datasets d using (dataset_id)
 where f.agent = %(agent)s and f.kind = %(kind)s

-- dataset_rows --
-- The rows of a version in their order, with the texts and sources; of a revoked one, what was not erased.
select x.example_id as id, x.agent, x.input, x.target, x.source, x.status, x.quality, x.expert_approved, d.group_key,
       d.split, x.content_hash, x.rule_version, x.reason, x.rejected_target, x.domain,
       coalesce((select jsonb_agg(jsonb_build_array(s.kind, s.source_id, s.role) order by s.kind, s.source_id, s.role)
                   from glow.example_sources s where s.example_version = x.example_version), '[]') as sources
  from glow.dataset_examples d join glow.learning_examples x using (example_version)
 where d.dataset_id = %(dataset_id)s and x.erased_at is null order by d.position
