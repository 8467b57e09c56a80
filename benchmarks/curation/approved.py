"""Approved examples by the million, made in the database.

Belongs here: rows as curation leaves them: inputs, groups with their splits, examples with hashes and sources. Does not:
how they are curated, what is measured.
"""

import psycopg

AGENT = "bench"
# Words as short and as many as people use; the texts are in normal form already, so that ids and hashes made here are
# those that learning makes. Numbers are drawn from a hash of the row: the same rows every time.
_WORDS = """
create unlogged table bench_words as
select n as id, translate(substr(md5('w' || n), 1, 2 + n % 8), '0123456789', 'ghijklmnop') as word
  from generate_series(0, 4095) n;
create unlogged table bench_texts as
select i as n, (select string_agg(w.word, ' ' order by k)
                  from generate_series(1, 18 + i % 15) k
                  join bench_words w on w.id = hashint8extended(i * 64 + k, 7) & 4095) as input,
       'account ' || 1000 + (hashint8extended(i, 3) & 31) as target,
       case when i % 4 = 0 then 'account 9999' end as rejected
  from generate_series(%(first)s::bigint, %(last)s::bigint) i;
-- One row in twenty is a copy of the one before it, less its last word: they share its group.
update bench_texts t set input = regexp_replace(o.input, ' [^ ]+$', '') from bench_texts o
 where t.n % 20 = 0 and o.n = t.n - 1;
"""
_ROWS = """
create unlogged table bench_rows as
select t.n, t.input, t.target, t.rejected, x.id,
       case when t.n % 20 = 0 and p.n is not null then 'g-' || p.n else 'g-' || t.n end as group_key,
       sha256(convert_to(t.input, 'UTF8')) as input_key,
       encode(sha256(convert_to('{"input":' || to_json(t.input) || ',"rejected":' || coalesce(to_json(t.rejected)::text, 'null')
         || ',"target":' || to_json(t.target) || '}', 'UTF8')), 'hex') as content_hash
  from bench_texts t
  left join bench_texts p on p.n = t.n - 1
 cross join lateral (select encode(sha256(convert_to(
   length(%(agent)s) || ':' || %(agent)s || length(t.input) || ':' || t.input || length(t.target) || ':' || t.target, 'UTF8')),
   'hex') as id) x;
insert into glow.split_assignments (agent, group_key, split)
select %(agent)s, g.group_key, case when p.place < 0.8 then 'train' when p.place < 0.9 then 'val' else 'test' end
  from (select distinct group_key from bench_rows) g
 cross join lateral (select ('x' || left(encode(sha256(convert_to('glow-split-1' || g.group_key, 'UTF8')), 'hex'), 13))::bit(52)::bigint
                            / 4503599627370496.0 as place) p
on conflict do nothing;
insert into glow.learning_inputs (agent, input_key, group_key) select %(agent)s, input_key, group_key from bench_rows
on conflict do nothing;
insert into glow.learning_examples (
  example_id, agent, input_id, input, target, source, status, quality, expert_approved, group_key, split, content_hash,
  rule_version, reason, rejected_target, domain, language)
select r.id, %(agent)s, i.input_id, r.input, r.target, case when r.n % 3 = 0 then 'correction' else 'annotation' end, 'approved',
       round((0.6 + r.n % 40 / 100.0)::numeric, 6)::float8, true, r.group_key, s.split, r.content_hash, 'behavior-1',
       '1 expert(s) for, 0 against', r.rejected, 'domain ' || r.n % 5, 'en'
  from bench_rows r
  join glow.learning_inputs i on i.agent = %(agent)s and i.input_key = r.input_key
  join glow.split_assignments s on s.agent = %(agent)s and s.group_key = r.group_key
 order by r.n;
insert into glow.example_sources (example_version, kind, source_id, role)
select x.example_version, 'annotation', x.example_version::text, 'supports' from glow.learning_examples x
 where x.agent = %(agent)s and x.example_version > %(before)s;
drop table bench_words, bench_texts, bench_rows;
"""


def seed(url: str, rows: int, agent: str = AGENT, first: int = 1) -> None:
    """Make `rows` approved examples of an agent, numbered from `first`, and the statistics the planner needs."""
    with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute("select glow_api.register_agent(%s)", (agent,))
        cursor.execute("select coalesce(max(example_version), 0) from glow.learning_examples")
        (before,) = cursor.fetchone() or (0,)
        values = {"agent": agent, "first": first, "last": first + rows - 1, "before": before}
        for script in (_WORDS, _ROWS):
            cursor.execute(script.replace("% ", "%% ").encode(), values)
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("split_assignments", "learning_inputs", "learning_examples", "example_sources"):
            connection.execute(f"vacuum (analyze) glow.{table}".encode())
