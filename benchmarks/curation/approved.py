"""Approved examples by the million, made in the database.

Belongs here: rows as curation leaves them: inputs, groups with their splits, examples with hashes and sources. Does
not: how they are curated, what is measured.
"""

import psycopg

AGENT = "bench"
# Every text is four of 65 536 phrases, so that texts resemble each other here and there, as those of people do. In
# normal form already: ids and hashes made here are those that learning makes. Drawn from a hash of the row: the same
# every time.
_TEXTS = """
set local work_mem = '256MB';
create unlogged table bench_phrases as
select p as id, string_agg(translate(substr(md5('w' || (hashint8extended(p * 8 + k, 1) & 4095)), 1,
                                            2 + (hashint8extended(p * 8 + k, 1) & 7)::int), '0123456789', 'ghijklmnop'),
                           ' ' order by k) as words
  from generate_series(0, 65535) p, generate_series(1, 6) k group by p;
analyze bench_phrases;
create unlogged table bench_texts as
select i as n, a.words || ' ' || b.words || ' ' || c.words || ' ' || d.words as input,
       'account ' || 1000 + (hashint8extended(i, 3) & 31) as target,
       case when i % 4 = 0 then 'account 9999' end as rejected
  from generate_series(%(first)s::bigint, %(last)s::bigint) i
  join bench_phrases a on a.id = hashint8extended(i, 11) & 65535
  join bench_phrases b on b.id = hashint8extended(i, 12) & 65535
  join bench_phrases c on c.id = hashint8extended(i, 13) & 65535
  join bench_phrases d on d.id = hashint8extended(i, 14) & 65535;
create unique index on bench_texts (n);
analyze bench_texts;
-- One row in twenty is the one before it less its last word: they share its group.
update bench_texts t set input = regexp_replace(o.input, ' [^ ]+$', '') from bench_texts o
 where t.n % 20 = 0 and o.n = t.n - 1;
"""
_ROWS = """
create unlogged table bench_rows as
select t.n, t.input, t.target, t.rejected, encode(sha256(convert_to(
         length(%(agent)s) || ':' || %(agent)s || length(t.input) || ':' || t.input || length(t.target) || ':'
         || t.target, 'UTF8')), 'hex') as id,
       'g-' || case when t.n % 20 = 0 then t.n - 1 else t.n end as group_key,
       sha256(convert_to(t.input, 'UTF8')) as input_key,
       encode(sha256(convert_to('{"input":' || to_json(t.input) || ',"rejected":'
         || coalesce(to_json(t.rejected)::text, 'null') || ',"target":' || to_json(t.target) || '}', 'UTF8')), 'hex')
         as content_hash
  from bench_texts t;
analyze bench_rows;
insert into glow.split_assignments (agent, group_key, split)
select %(agent)s, g.group_key, case when p.place < 0.8 then 'train' when p.place < 0.9 then 'val' else 'test' end
  from (select distinct group_key from bench_rows) g
 cross join lateral (select ('x' || left(encode(sha256(convert_to('glow-split-1' || g.group_key, 'UTF8')), 'hex'), 13))
                            ::bit(52)::bigint / 4503599627370496.0 as place) p
on conflict do nothing;
insert into glow.learning_inputs (agent, input_key, group_key) select %(agent)s, input_key, group_key from bench_rows
on conflict do nothing;
insert into glow.learning_examples (
  example_id, agent, input_id, input, target, source, status, quality, expert_approved, group_key, split, content_hash,
  rule_version, reason, rejected_target, domain, language)
select r.id, %(agent)s, i.input_id, r.input, r.target, case when r.n % 3 = 0 then 'correction' else 'annotation' end,
       'approved', round((0.6 + r.n % 40 / 100.0)::numeric, 6)::float8, true, r.group_key, s.split, r.content_hash,
       'behavior-1', '1 expert(s) for, 0 against', r.rejected, 'domain ' || r.n % 5, 'en'
  from bench_rows r
  join glow.learning_inputs i on i.agent = %(agent)s and i.input_key = r.input_key
  join glow.split_assignments s on s.agent = %(agent)s and s.group_key = r.group_key
 order by r.n;
insert into glow.source_spans (first_version, since, kind, source_id, role)
select x.example_version, x.example_version, 'annotation', x.example_version::text, 'supports'
  from glow.learning_examples x
 where x.agent = %(agent)s and x.example_version > %(before)s;
drop table bench_phrases, bench_texts, bench_rows;
"""


def seed(url: str, rows: int, agent: str = AGENT, first: int = 1) -> None:
    """Make `rows` approved examples of an agent, numbered from `first`, and the statistics the planner needs."""
    with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute("select glow_api.register_agent(%s)", (agent,))
        cursor.execute("select coalesce(max(example_version), 0) from glow.learning_examples")
        (before,) = cursor.fetchone() or (0,)
        values = {"agent": agent, "first": first, "last": first + rows - 1, "before": before}
        for script in (_TEXTS, _ROWS):
            cursor.execute(script.replace("% ", "%% ").encode(), values)
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("split_assignments", "learning_inputs", "learning_examples", "source_spans"):
            connection.execute(f"vacuum (analyze) glow.{table}".encode())
