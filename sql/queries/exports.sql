-- Dataset versions as files: the lines and cells themselves, and which files there are.
--
-- Lines are written by the server: to_json of a text is three times as fast as Python, and what comes is what is stored.
-- They are the bytes of learning/datasets/export.py.

-- tune_export --
-- An export sorts a whole split, and reads it to the end.
select set_config('work_mem', '64MB', true), set_config('cursor_tuple_fraction', '1', true)

-- sft_lines --
-- Chat lines. `head` is the system's message with its comma, or nothing.
select '{"messages":[' || %(head)s || '{"content":' || glow.json_text(x.input) || ',"role":"user"},{"content":'
       || glow.json_text(x.target) || ',"role":"assistant"}]}'
  from glow.dataset_examples d join glow.learning_examples x using (example_version)
 where d.dataset_id = %(dataset_id)s and d.split = %(split)s order by d.position offset %(skip)s

-- preference_lines --
-- Lines of two outputs.
select '{"input":{"messages":[' || %(head)s || '{"content":' || glow.json_text(x.input)
       || ',"role":"user"}]},"non_preferred_output":[{"content":' || glow.json_text(x.rejected_target)
       || ',"role":"assistant"}],"preferred_output":[{"content":' || glow.json_text(x.target) || ',"role":"assistant"}]}'
  from glow.dataset_examples d join glow.learning_examples x using (example_version)
 where d.dataset_id = %(dataset_id)s and d.split = %(split)s order by d.position offset %(skip)s

-- retrieval_lines --
-- Query, positive and, where an output was rejected, the hard negative.
select '{' || case when glow.json_text(x.rejected_target) <> glow.json_text(x.target) then '"negative":' || glow.json_text(x.rejected_target) || ',' else '' end
       || '"positive":' || glow.json_text(x.target) || ',"query":' || glow.json_text(x.input) || '}'
  from glow.dataset_examples d join glow.learning_examples x using (example_version)
 where d.dataset_id = %(dataset_id)s and d.split = %(split)s order by d.position offset %(skip)s

-- cells --
-- A row of a table; texts harmless to spreadsheets unless asked for as they are.
select d.position, x.example_id as id, x.agent, d.split,
       case when %(raw)s then x.input else glow.plain_cell(x.input) end as input,
       case when %(raw)s then x.target else glow.plain_cell(x.target) end as target,
       case when %(raw)s then x.rejected_target else glow.plain_cell(x.rejected_target) end as rejected_target,
       x.source, x.quality, case when %(raw)s then x.domain else glow.plain_cell(x.domain) end as domain, x.language
  from glow.dataset_examples d join glow.learning_examples x using (example_version)
 where d.dataset_id = %(dataset_id)s and d.split = %(split)s order by d.position offset %(skip)s

-- begin_export --
-- Known before a byte is written, so that erasure finds what a killed export left.
insert into glow.dataset_exports as e (dataset_id, path, format, split, state)
values (%(dataset_id)s, %(path)s, %(format)s, %(split)s, 'writing')
on conflict (dataset_id, path) do update
   set format = excluded.format, split = excluded.split, state = 'writing', rows = null, bytes = null, sha256 = null,
       created_at = clock_timestamp(), finished_at = null

-- finish_export --
-- The file is whole; not when its version was revoked meanwhile.
update glow.dataset_exports e
   set state = 'done', rows = %(rows)s, bytes = %(bytes)s, sha256 = %(sha256)s, finished_at = clock_timestamp()
  from glow.training_datasets d
 where d.dataset_id = e.dataset_id and d.revoked_at is null and e.state = 'writing'
   and e.dataset_id = %(dataset_id)s and e.path = %(path)s
returning e.path

-- exports --
-- The files of a version.
select path, format, split, state, rows, bytes, sha256, created_at, finished_at
  from glow.dataset_exports where dataset_id = %(dataset_id)s order by path
