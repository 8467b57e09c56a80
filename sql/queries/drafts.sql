-- Dataset versions on their way: choosing rows, looking at them, freezing them. Every statement is of one transaction.

-- begin_draft --
-- Waits for a curation under way and keeps the next one waiting: an example that is not committed yet must not have been
-- recorded before an instant that a version is already of.
select pg_advisory_xact_lock_shared(hashtextextended('glow.curation', 0))

-- queue_draft --
-- One build of an agent's datasets of a kind at a time: of two with the same rows the second finds the first.
select pg_advisory_xact_lock(hashtextextended('glow.datasets' || chr(31) || %(agent)s || chr(31) || %(kind)s, 0))

-- tune_draft --
-- A draft sorts and joins a whole version, and its cursors are read to the end.
select set_config('work_mem', '64MB', true), set_config('cursor_tuple_fraction', '1', true)

-- clock --
-- Now, by the server's clock: the only one that says when an example was recorded.
select clock_timestamp() as now

-- candidates --
-- What decides about the examples in force at an instant, equal inputs one after the other. Texts of answers only where
-- an input has several. `learned` only where the rule has dates: the first of all records of an example, so that learning
-- it anew moves no dates.
select x.example_version, x.example_id, x.agent::text as agent, i.input_key,
       case when count(*) over (partition by i.input_key) > 1 then x.target end as answer, x.group_key, x.split, x.status,
       x.erased_at is not null or x.input is null as erased, x.source, x.quality, x.expert_approved,
       x.rejected_target is not null as replaces, x.domain, x.language, f.learned, x.content_hash
  from glow.learning_examples x
  join glow.learning_inputs i using (input_id)
  left join (select h.example_id, min(h.recorded_at) as learned from glow.learning_examples h
              where %(dated)s and h.agent = any(%(agents)s) group by h.example_id) f on f.example_id = x.example_id
 where x.agent = any(%(agents)s) and x.recorded_at <= %(as_of)s
   and (x.superseded_at is null or x.superseded_at > %(as_of)s)
 order by i.input_key

-- draft_texts --
-- The rows of the draft with their texts; of all splits or only of those held out.
select r.example_version, r.example_id as id, x.agent::text as agent, r.split, x.input, x.target, x.rejected_target
  from glow.draft_rows r join glow.learning_examples x using (example_version)
 where not %(held_out)s or r.split <> 'train'

-- inputs_of_versions --
-- The inputs of some rows of examples.
select x.example_version, x.example_id as id, x.agent::text as agent, x.split, x.input
  from glow.learning_examples x where x.example_version = any(%(versions)s)

-- drop_draft_rows --
-- Takes rows out of the draft.
delete from glow.draft_rows where example_version = any(%(versions)s)

-- torn_conversations --
-- Rows of conversations that lie in two splits, but for those in the split held out furthest. A question belongs to
-- the conversation it was grouped with and to all others it was asked in, unless those are more than `most`: "hello" is
-- asked in all of them and would tear every one.
with said as (
  select r.example_version, r.example_id, array_position(array['train', 'val', 'test'], r.split) as lies, c.conversation
    from glow.draft_rows r
    join glow.learning_examples x using (example_version)
    join glow.learning_inputs i using (input_id)
   cross join lateral (
     select i.conversation where i.conversation is not null
     union
     select glow.qualified(e.tenant, e.conversation_id)
       from (select n.*, count(*) over () as runs
               from (select n.tenant, n.execution_id, n.recorded_at from glow.execution_inputs n
                      where n.input_id = i.input_id and n.recorded_at <= %(as_of)s limit %(most)s + 1) n) n
       join glow.executions e on e.tenant = n.tenant and e.execution_id = n.execution_id and e.recorded_at = n.recorded_at
      where n.runs <= %(most)s and (n.runs > 1 or i.conversation is null) and e.conversation_id is not null) c
), torn as (
  select conversation, max(lies) as furthest from said group by conversation having min(lies) <> max(lies)
)
select distinct s.example_version, s.example_id
  from said s join torn t using (conversation) where s.lies < t.furthest order by s.example_version

-- torn_groups --
-- Groups with rows in two splits: foreign keys forbid them; counted all the same.
select x.agent, x.group_key from glow.draft_rows r join glow.learning_examples x using (example_version)
 group by x.agent, x.group_key having min(r.split) <> max(r.split)

-- draft_hashes --
-- What the content hash is over, in the order of positions.
select r.content_hash, r.split from glow.draft_rows r order by r.example_id

-- draft_statistics --
-- Rows by split, agent and split, source, domain, language, tenth of quality, and by doublings of the lengths in characters.
-- Counted once by all of them together, then by each: every name is told a few times and not a million times.
with together as (
  select r.split, x.agent, x.source, coalesce(x.domain, '') as domain, coalesce(x.language, '') as language,
         least(floor(x.quality * 10), 9)::int as tenth,
         width_bucket(length(x.input), %(lengths)s::int[]) as asked, width_bucket(length(x.target), %(lengths)s::int[]) as answered,
         count(*) as rows
    from glow.draft_rows r join glow.learning_examples x using (example_version)
   group by 1, 2, 3, 4, 5, 6, 7, 8
)
select n.what, n.name, sum(t.rows)::int as rows
  from together t
 cross join lateral (values
   ('splits', t.split), ('agents', t.agent || ' ' || t.split), ('sources', t.source), ('domains', t.domain),
   ('languages', t.language), ('quality', (t.tenth / 10.0)::numeric(2, 1)::text),
   ('input_characters', coalesce((%(lengths)s::int[])[t.asked], 0)::text),
   ('target_characters', coalesce((%(lengths)s::int[])[t.answered], 0)::text)) n(what, name)
 group by n.what, n.name order by n.what, n.name

-- draft_sample --
-- A few rows to show.
select x.input, x.target, r.split, x.source
  from glow.draft_rows r join glow.learning_examples x using (example_version)
 order by r.example_id limit %(most)s

-- approval --
-- How many of the experts' judgements of some agents approve or correct. Not reviews of gold: they measure reviewers.
select count(*) filter (where verdict <> 'reject')::int as approved, count(*)::int as judged
  from glow.expert_annotations where agent = any(%(agents)s) and superseded_by is null and not gold

-- demonstrations_in_force --
-- The prompts of some agents behind their aliases, and the demonstrations in them.
select distinct p.agent::text as agent, p.prompt_version, coalesce(p.prompt -> 'demonstrations', '[]') as demonstrations
  from glow.prompt_aliases a join glow.prompt_versions p using (agent, prompt_version)
 where a.agent = any(%(agents)s) order by p.prompt_version

-- demonstrations_of --
-- The demonstrations of prompts by version.
select distinct p.agent::text as agent, p.prompt_version, coalesce(p.prompt -> 'demonstrations', '[]') as demonstrations
  from glow.prompt_versions p where p.agent = any(%(agents)s) and p.prompt_version = any(%(versions)s)
 order by p.prompt_version

-- versions_with_content --
-- The versions that hold exactly these rows under this rule: one that may be used, and any that were revoked.
select dataset_id, revoked_at is not null as revoked from glow.training_datasets
 where agent = %(agent)s and kind = %(kind)s and rule_hash = %(rule_hash)s and content_hash = %(content_hash)s

-- newest_version --
-- The version before, under the same rule.
select dataset_id, rows, statistics from glow.training_datasets
 where agent = %(agent)s and kind = %(kind)s and rule_hash = %(rule_hash)s and revoked_at is null
 order by created_at desc, dataset_id limit 1

-- freeze_version --
-- A dataset version.
insert into glow.training_datasets (
  dataset_id, agent, agents, kind, rule, rule_hash, rule_version, as_of, rows, content_hash, statistics, parent)
values (
  %(dataset_id)s, %(agent)s, %(agents)s, %(kind)s, %(rule)s, %(rule_hash)s, %(rule_version)s, %(as_of)s, %(rows)s,
  %(content_hash)s, %(statistics)s, %(parent)s)

-- freeze_rows --
-- Its rows, in the order of their example ids.
insert into glow.dataset_examples (dataset_id, position, example_version, split)
select %(dataset_id)s, row_number() over (order by r.example_id), r.example_version, r.split
  from glow.draft_rows r

-- discard_draft --
-- Nobody but this transaction ever sees the rows of a draft.
delete from glow.draft_rows

-- differences --
-- Where a version and the draft disagree: rows that only one of them has, or that lie in another split.
select coalesce(d.example_version, r.example_version) as example_version, x.example_id, d.split as frozen, r.split as rebuilt,
       x.erased_at is not null as erased
  from (select e.example_version, e.split from glow.dataset_examples e where e.dataset_id = %(dataset_id)s) d
  full join glow.draft_rows r
    on r.example_version = d.example_version
  join glow.learning_examples x on x.example_version = coalesce(d.example_version, r.example_version)
 where d.split is distinct from r.split
 order by x.example_id limit %(most)s
