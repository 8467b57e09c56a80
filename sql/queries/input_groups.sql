-- Which questions belong together, where they lie, and by what near ones are found.

-- inputs --
-- These questions and their groups.
select i.input_id, encode(i.input_key, 'hex') as key, i.group_key, i.sketch is not null as marked
  from glow.learning_inputs i where i.input_id = any(%(inputs)s)

-- near_inputs --
-- What was grouped before and shares a key with one of these texts, less what is clearly too far: of 120 that share a key
-- with a new question among a million, one or two are left. At most `most` for a key: enough to find where a crowd lies.
with given as materialized (
  select n::integer - 1 as place, sketch::bit(256) as sketch from unnest(%(sketches)s::text[]) with ordinality as s(sketch, n)
), found as (
  select distinct n.place, k.input_id
    from unnest(%(places)s::integer[], %(keys)s::bigint[]) as n(place, key)
   cross join lateral (
     select k.input_id from glow.near_keys k where k.key = n.key order by k.input_id limit %(most)s) k
)
select f.place, i.input_id, encode(i.input_key, 'hex') as key, i.group_key
  from found f
  join given g on g.place = f.place
  join glow.learning_inputs i on i.input_id = f.input_id and i.agent = %(agent)s and bit_count(i.sketch # g.sketch) <= %(differing)s

-- crowded_texts --
-- Texts that share more than `bands` of their keys with `most` inputs or more: a crowd, of which `near_inputs` looks at a
-- few only.
select n.place
  from unnest(%(places)s::integer[], %(keys)s::bigint[]) as n(place, key)
 where exists (select from glow.near_keys k where k.key = n.key order by k.input_id offset %(most)s - 1)
 group by n.place having count(*) > %(bands)s order by n.place

-- near_in_crowds --
-- What was grouped before and shares most of what is rare with one of these texts, the `most` first ones of each. A key
-- that `most` inputs hold is not rare, and was left out of what came later.
with given as materialized (
  select n::integer - 1 as place, sketch::bit(256) as sketch from unnest(%(sketches)s::text[]) with ordinality as s(sketch, n)
), asked as materialized (
  select * from unnest(%(places)s::integer[], %(keys)s::bigint[]) as n(place, key)
), holding as materialized (
  -- Once for each key: most texts of a crowd ask for the same ones.
  select a.key, l.ids from (select distinct key from asked) a
   cross join lateral (
     select array_agg(k.input_id) as ids
       from (select k.input_id from glow.near_keys k where k.key = a.key order by k.input_id limit %(most)s) k) l
   where cardinality(l.ids) < %(most)s
), shared as (
  select a.place, h.input_id, row_number() over (partition by a.place order by count(*) desc, h.input_id) as position
    from asked a join holding l using (key) cross join lateral unnest(l.ids) as h(input_id)
   group by a.place, h.input_id
)
select s.place, i.input_id, encode(i.input_key, 'hex') as key, i.group_key
  from shared s
  join given g on g.place = s.place
  join glow.learning_inputs i on i.input_id = s.input_id and i.agent = %(agent)s and bit_count(i.sketch # g.sketch) <= %(differing)s
 where s.position <= %(most)s

-- words_of_inputs --
-- What examples of these questions say, as they are now or last were. What was erased says nothing.
select i.input_id, x.input as words
  from unnest(%(inputs)s::bigint[]) as i(input_id)
 cross join lateral (
   select x.input from glow.learning_examples x where x.input_id = i.input_id and x.input is not null
    order by x.superseded_at desc, x.status = 'rejected', x.example_id limit 1) x

-- alike_inputs --
-- What was grouped before and says the same as one of these texts in other words, the nearest few of each. Reads every
-- embedding of the agent for each text: exact, and 1.8 ms for a text and thousand inputs.
with given as materialized (
  select n.place::integer - 1 as place, n.vector::vector as vector
    from unnest(%(vectors)s::text[]) with ordinality as n(vector, place)
)
select g.place, i.input_id, encode(i.input_key, 'hex') as key, i.group_key
  from given g
 cross join lateral (
   select i.input_id, i.input_key, i.group_key, i.embedding <=> g.vector as distance from glow.learning_inputs i
    where i.agent = %(agent)s and i.embedding_model = %(model)s and i.group_key not like 'bridge-%%'
    order by distance limit 8) i
 where i.distance <= 1 - %(cosine)s

-- inputs_of_conversations --
-- Questions of these conversations that were grouped before, a few of each: what is first asked in a conversation lies
-- where the others of it lie. Not what had been asked elsewhere before: its group is for ever.
select c.conversation, i.input_id, i.key, i.group_key
  from (select distinct conversation from unnest(%(conversations)s::text[]) as conversation) c
 cross join lateral (
   select i.input_id, encode(i.input_key, 'hex') as key, i.group_key from glow.learning_inputs i
    where i.agent = %(agent)s and i.conversation = c.conversation and i.group_key not like 'bridge-%%'
    order by i.input_id limit 8) i

-- splits_of_groups --
-- Where these groups lie.
select group_key, split from glow.split_assignments where agent = %(agent)s and group_key = any(%(groups)s)

-- assign_splits --
-- Gives groups their split; a group that has one keeps it.
insert into glow.split_assignments (agent, group_key, split)
select %(agent)s::glow.agent_name, * from unnest(%(groups)s::text[], %(splits)s::text[])
on conflict (agent, group_key) do nothing

-- assign_groups --
-- Gives questions their group, for ever. One whose words were erased keeps its group, and gets the rest again.
update glow.learning_inputs i
   set group_key = coalesce(i.group_key, g.group_key), conversation = g.conversation, sketch = g.sketch::bit(256),
       embedding = g.embedding::vector, embedding_model = case when g.embedding is not null then %(model)s::text end
  from unnest(%(inputs)s::bigint[], %(groups)s::text[], %(conversations)s::text[], %(sketches)s::text[], %(embeddings)s::text[])
    as g(input_id, group_key, conversation, sketch, embedding)
 where i.input_id = g.input_id and i.sketch is null

-- insert_near_keys --
-- By which later questions find these.
insert into glow.near_keys (key, input_id)
select * from unnest(%(keys)s::bigint[], %(inputs)s::bigint[])
on conflict do nothing

-- insert_rare_keys --
-- By which later questions find these in a crowd. What many hold already finds nobody.
with given as materialized (
  select * from unnest(%(keys)s::bigint[], %(inputs)s::bigint[]) as n(key, input_id)
), rare as materialized (
  select g.key from (select distinct key from given) g
   where not exists (select from glow.near_keys k where k.key = g.key order by k.input_id offset %(most)s - 1)
)
insert into glow.near_keys (key, input_id)
select key, input_id from given join rare using (key)
on conflict do nothing
