-- What search needs ready beforehand: words of texts, the floor of an index, the questions a configuration remembers.

-- Words: learning/retrieval/text.py is the same in Python, and says why nothing here is left to the server's locale.

-- lower() by the rules of "C" takes A to Z only. The rest are the capitals of the Latin, Greek, Cyrillic and Armenian
-- alphabets; looked for first, because translate() compares every letter of a text with all of them.
create function glow.lowered(value text) returns text
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  capitals constant text := 
    'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽȘȚΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙ'
    'ΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀ'
    'ӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠ'
    'ḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾς';
  small constant text := 
    'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžșțάέήίόύώαβγδεζηθι'
    'κλμνξοπρστυφχψωϊϋѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏ'
    'ӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡ'
    'ḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿσ';
begin
  value := lower(normalize(value, NFKC) collate "C");
  if octet_length(value) > length(value) and value collate "C" ~ ('[' || capitals || ']') then
    value := translate(value, capitals, small);
  end if;
  return value;
end $$;
comment on function glow.lowered is 'A text in NFKC and small letters, the same on every server.';

create function glow.spelling(value text) returns text
  language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  return coalesce(nullif(btrim(regexp_replace(glow.lowered(value) collate "C", '[\u0001- !-/:-@\u005b-`{-~]+', ' ', 'g')), ''), btrim(value));
comment on function glow.spelling is 'What two texts have in common that differ in capitals, spaces and marks only.';

-- Steps of the light stemmer: plural, -ing, -ed, -ly, final -e. `offset 0` keeps each step computed once.
create function glow.terms(value text) returns text[]
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(array_agg(case
             when not t.is_plain then t.word
             when length(r.root) > 3 and right(r.root, 1) = 'e' then left(r.root, -1)
             else r.root end order by t.n), '{}')
      from (select left(w.word, 64) as word, w.n,
                   length(w.word) > 3 and left(w.word, 64) collate "C" ~ '^[a-z]+$' as is_plain
              from unnest(string_to_array(regexp_replace(glow.lowered(terms.value) collate "C",
                '[\u0001-/:-@\u005b-\u005e\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf'
                '\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\ufe10-\ufe1f\ufe30-\ufe6f\uff5f-\uff65\ufff0-\uffff]+',
                ' ', 'g'), ' ')) with ordinality as w(word, n)
             where w.word <> '' and w.word <> all (
           '{a,about,an,and,any,are,as,at,be,been,but,by,can,could,did,do,does,for,from,had,has,have,how,i,if,in,into,is'
           ',it,its,may,me,must,my,no,not,of,on,or,our,shall,should,so,some,such,than,that,the,their,then,there,these'
           ',they,this,those,to,us,was,we,were,what,when,where,which,who,whom,why,will,with,would,you,your}')
            offset 0) t
     cross join lateral (
       select case when not t.is_plain or right(t.word, 1) <> 's' then t.word
                   when right(t.word, 3) = 'ies' and length(t.word) > 4 then left(t.word, -3) || 'y'
                   when right(t.word, 4) = 'sses' then left(t.word, -2)
                   when right(t.word, 2) in ('ss', 'us', 'is') then t.word
                   else left(t.word, -1) end as word
       offset 0) s
     cross join lateral (
       select case when not t.is_plain then 0 when right(s.word, 3) = 'ing' then 3
                   when right(s.word, 2) in ('ed', 'ly') then 2 else 0 end as ending
       offset 0) e
     cross join lateral (
       select case when e.ending = 0 or length(s.word) - e.ending < 3
                     or left(s.word, -e.ending) collate "C" !~ '[aeiouy]' then s.word
                   when right(s.word, 2) <> 'ly' and substr(s.word, length(s.word) - e.ending, 1) not in ('l', 's', 'z')
                     and substr(s.word, length(s.word) - e.ending, 1) = substr(s.word, length(s.word) - e.ending - 1, 1)
                     then left(s.word, -e.ending - 1)
                   else left(s.word, -e.ending) end as root
       offset 0) r);
end $$;
comment on function glow.terms is
  'Stemmed words of a text in order, without English function words: what BM25 counts in passages and questions.';

create function glow.terms(texts text[]) returns text[]
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return (select coalesce(array_agg(distinct w.word), '{}') from unnest(texts) t(value) cross join unnest(glow.terms(t.value)) w(word));
end $$;
comment on function glow.terms(text[]) is 'The different words of some texts.';

-- So that a question need not read the phrase of every expansion anew.
alter table glow.retrieval_expansions
  add column phrase_terms text[] generated always as (glow.terms(phrase)) stored,
  add column added_terms  text[] generated always as (glow.terms(adds)) stored;

-- The mean over all pairs of n unit vectors follows from their mean m: (n |m|^2 - 1) / (n - 1).
create function glow.mean_cosine(index_number integer) returns double precision
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  vectors bigint;
  length double precision;
begin
  execute format('select count(e.embedding), public.vector_norm(public.avg(e.embedding)) from %s e', glow.index_part('index_entries', index_number))
    into vectors, length;
  return case when vectors < 2 then 0 else greatest(-1, least(1, (vectors * length ^ 2 - 1) / (vectors - 1))) end;
end $$;
comment on function glow.mean_cosine is 'How near two chunks of an index are on average.';
revoke execute on function glow.mean_cosine from public;

-- By a trigger, so that whatever fills or changes an index and counts it cannot leave the floor of another collection.
create function glow.measure_floor() returns trigger
  language plpgsql as $$
begin
  new.dense_floor := glow.mean_cosine(new.index_number);
  return new;
end $$;
comment on function glow.measure_floor is 'Measures the floor of an index whose chunks were counted.';
create trigger measured before update of chunks on glow.retrieval_indexes
  for each row execute function glow.measure_floor();

-- A question has a row of memory for each chunk it says something of: read from there, the nearest questions of a search
-- would cost ten times as much. Follows the memory by itself, whoever writes or erases that.
create table glow.retrieval_questions (
  configuration text not null references glow.retrieval_configurations,
  -- Position of its first row in the memory.
  question      integer not null,
  query         text not null,
  embedding     vector not null,
  primary key (configuration, question)
);
comment on table glow.retrieval_questions is 'The different questions that a configuration remembers, with vectors of length 1.';
create unique index questions_by_text on glow.retrieval_questions (configuration, md5(query));
create index memory_by_text on glow.retrieval_memory (configuration, md5(query));
create index memory_by_chunk on glow.retrieval_memory (configuration, chunk_id);

create function glow.remember_questions() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into glow.retrieval_questions (configuration, question, query, embedding)
  select distinct on (r.configuration, md5(r.query)) r.configuration, r.position, r.query, public.l2_normalize(r.embedding)
    from remembered r order by r.configuration, md5(r.query), r.position
  on conflict do nothing;
  return null;
end $$;
comment on function glow.remember_questions is 'Adds the questions of new rows of memory.';
create trigger questions after insert on glow.retrieval_memory referencing new table as remembered
  for each statement execute function glow.remember_questions();

create function glow.forget_question() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from glow.retrieval_questions q
   where q.configuration = old.configuration and md5(q.query) = md5(old.query)
     and not exists (select from glow.retrieval_memory m where m.configuration = old.configuration and md5(m.query) = md5(old.query));
  return null;
end $$;
comment on function glow.forget_question is 'Takes a question out with its last row of memory.';
create trigger forgotten after delete on glow.retrieval_memory for each row execute function glow.forget_question();

-- learning/retrieval/memory.py, `priors`.
create function glow.chunk_prior(configuration text, base double precision, chunk_id text) returns double precision
  language sql stable
begin atomic
  select case when base <= 0 then 0 else greatest(-1, least(1, ln(
           (sum(greatest(m.attractiveness * (m.examinations + 2) - base * 2, 0)) + 5 * base)
           / ((sum(m.examinations) + 5) * base)) / 5)) end
    from glow.retrieval_memory m where m.configuration = chunk_prior.configuration and m.chunk_id = chunk_prior.chunk_id
  having count(*) > 0;
end;
comment on function glow.chunk_prior is 'How much more a chunk is liked than chunks are, over all questions; null where nothing is known.';

-- learning/retrieval/index.py says the formula; this gives the candidates the same scores in the same order. Candidates are
-- the nearest and the wordiest chunks, and those remembered for questions near this one. The tables are those of one index,
-- addressed by number: nothing in the text is a user's. Of the postings 800 are read, however long the question is: of each
-- term its heaviest, as many as its share of the weight (on Cranfield .996 of the ten best are those of all postings, and
-- nDCG@10 is the same); ten times as many where words are all there is. Every candidate is then scored over all terms.
--
-- $1 index, $2 vector, $3 depth of each leg, $4 chunks of the index, $5 terms, $6 how often each counts, $7 floor, $8 weight
-- of the dense leg, $9 of the lexical one, $10 remembered chunks, $11 what they are worth, $12 weight of memory, $13 of the
-- prior, $14 configuration, $15 base attractiveness, $16 weight of the first hits, $17 how many of them, $18 k.
create function glow.search_text(
  index_number integer, dimensions integer, dense boolean, remembers boolean, shifts boolean, likes boolean, moves boolean,
  every_leg boolean
) returns text language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  entries text := glow.index_part('index_entries', index_number);
  fused constant text := $sql$
      select f.chunk_id, f.vector, f.cosine, f.bm25, d.value as dense, w.value as lexical, d.value * $8 + w.value * $9 + f.extra as score
        from (select s.*, max(s.cosine) over () as high, least($7, max(s.cosine) over () - 0.1) as low, max(s.bm25) over () as best
                from %I s) f
       cross join lateral (select case when f.cosine is null then 0 else (f.cosine - f.low) / (f.high - f.low) end as value) d
       cross join lateral (select case when f.best > 0 then f.bm25 / f.best else 0 end as value) w$sql$;
begin
  return format($sql$
    with asked as materialized (
      select t.term_number, sum(x.times) * ln(1 + ($4 - t.chunks + 0.5::float8) / (t.chunks + 0.5::float8)) as weight
        from unnest($5::text[], $6::float8[]) x(term, times)
        join %2$s t on t.index_number = $1 and t.term = x.term
       group by t.term_number, t.chunks
    ), wanted as materialized (
      select ('{' || string_agg(a.term_number || ':' || a.weight, ',' order by a.term_number) || '}/1000000000')::public.sparsevec as terms
        from (select x.* from asked x order by x.weight desc, x.term_number limit 16000) a -- A sparsevec holds no more.
    ), words as (
      select p.entry
        from (select a.term_number, a.weight, ceil(%4$s * a.weight / sum(a.weight) over ())::bigint as most from asked a) a
       cross join lateral (
         select p.entry, p.weight from %3$s p
          where p.index_number = $1 and p.term_number = a.term_number order by p.weight desc limit a.most) p
       group by p.entry order by sum(a.weight * p.weight) desc limit $3
    )$sql$, entries, glow.index_part('index_terms', index_number), glow.index_part('index_postings', index_number),
      case when dense then 800 else 8000 end)
    -- What the graph finds it has read: only the others are looked up.
    || case when dense then format($sql$, near as materialized (
      select e.entry, e.chunk_id, e.embedding, e.lexical from %s e where e.embedding is not null order by %s limit $3
    )$sql$, entries,
      format(case when dimensions between 2001 and 4000
             then '(e.embedding::public.halfvec(%1$s)) operator(public.<=>) $2::public.halfvec(%1$s)'
             else '(e.embedding::public.vector(%1$s)) operator(public.<=>) $2' end, dimensions)) else '' end
    || ', other as (select w.entry from words w'
    || case when remembers then format($sql$
      union
      select e.entry from unnest($10::text[], $11::float8[]) m(chunk_id, worth)
        join %s e on e.index_number = $1 and e.chunk_id = m.chunk_id
       where m.worth > 0$sql$, entries) else '' end
    || case when dense then ' except select n.entry from near n' else '' end
    || format($sql$
    ), candidate as (
      select e.chunk_id, e.embedding, e.lexical from other o join %s e on e.index_number = $1 and e.entry = o.entry$sql$, entries)
    || case when dense then ' union all select n.chunk_id, n.embedding, n.lexical from near n' else '' end
    || format($sql$
    ), scored as materialized (
      select e.chunk_id, %1$s::public.vector as vector, -(%2$s operator(public.<#>) $2::public.vector) as cosine,
             coalesce(-(e.lexical operator(public.<#>) wanted.terms), 0) as bm25, (%3$s)::float8 as extra
        from candidate e cross join wanted %4$s %5$s
    )$sql$,
      -- Carried along only where it is needed again: the sorts below would copy it.
      case when not moves then 'null' when shifts then 'coalesce(d.embedding, e.embedding)' else 'e.embedding' end,
      case when shifts then 'coalesce(d.embedding, e.embedding)' else 'e.embedding' end,
      case when remembers then 'coalesce(m.worth, 0) * $12' else '0' end
        || case when likes then ' + case when $13 > 0 then coalesce(glow.chunk_prior($14, $15, e.chunk_id), 0) * $13 else 0 end' else '' end,
      case when shifts then 'left join glow.retrieval_shifts d on d.configuration = $14 and d.chunk_id = e.chunk_id' else '' end,
      case when remembers then 'left join unnest($10::text[], $11::float8[]) m(chunk_id, worth) on m.chunk_id = e.chunk_id' else '' end)
    || case when moves then ', first as (' || format(fused, 'scored') || format($sql$
    ), moved as materialized (
      select public.l2_normalize($2 operator(public.+) (public.avg(f.vector)
               operator(public.*) array_fill($16::real, array[%s])::public.vector)) as asked
        from (select f.vector from first f where f.cosine is not null order by f.score desc, f.chunk_id limit $17) f
    ), again as materialized (
      select s.chunk_id, s.vector, -(s.vector operator(public.<#>) m.asked) as cosine, s.bm25, s.extra from scored s cross join moved m
    )$sql$, dimensions) else '' end
    || ', fused as (' || format(fused, case when moves then 'again' else 'scored' end) || $sql$
    ), ranked as (
      select f.chunk_id::text, f.score, f.dense, f.lexical,
             case when f.cosine is not null then row_number() over (order by f.cosine desc nulls last, f.chunk_id) end::integer as dense_rank,
             case when f.bm25 > 0 then row_number() over (order by f.bm25 desc, f.chunk_id) end::integer as lexical_rank
        from fused f
    )
    select r.*, case when (r.dense_rank <= $18 and r.dense > 0) is not true and r.lexical_rank <= $18 then 'lexical'
                     when (r.lexical_rank <= $18) is not true and r.dense_rank <= $18 and r.dense > 0 then 'dense'
                     else 'both' end as leg
      from ranked r $sql$
    || case when every_leg then 'where r.dense_rank <= $18 or r.lexical_rank <= $18 order by r.score desc, r.chunk_id'
            else 'order by r.score desc, r.chunk_id limit $18' end;
end $$;
comment on function glow.search_text is 'The statement that searches one index.';

-- Planning the statement anew took 0.8 ms, nearly as long as finding the nearest: a function of the index keeps its plan for
-- the session. Two shapes: nothing learned, and memory, shifts and priors.
create function glow.make_searchers(index_number integer, dimensions integer) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  is_learned boolean;
begin
  foreach is_learned in array '{false,true}'::boolean[] loop
    execute format($sql$
      create or replace function glow.%1$I(
        integer, public.vector, integer, integer, text[], double precision[], double precision, double precision, double precision,
        text[], double precision[], double precision, double precision, text, double precision, double precision, bigint, integer
      ) returns table (chunk_id text, score double precision, dense double precision, lexical double precision, dense_rank integer,
                       lexical_rank integer, leg text)
        language plpgsql stable as $search$
#variable_conflict use_column
begin
  return query %2$s;
end $search$;
      revoke execute on function glow.%1$I from public$sql$,
      'search_index_' || index_number || case when is_learned then '_learned' else '' end,
      glow.search_text(index_number, dimensions, true, is_learned, is_learned, is_learned, false, false));
  end loop;
end $$;
comment on function glow.make_searchers is 'Makes the functions that search an index: search_index_<number>, and …_learned.';

create function glow.drop_searchers(index_number integer) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('drop function if exists glow.%I, glow.%I', 'search_index_' || index_number, 'search_index_' || index_number || '_learned');
end $$;
comment on function glow.drop_searchers is 'Removes what make_searchers made.';
revoke execute on function glow.make_searchers, glow.drop_searchers from public;

create function glow.equip_index() returns trigger
  language plpgsql as $$
begin
  perform glow.make_searchers(new.index_number, new.dimensions);
  return null;
end $$;
comment on function glow.equip_index is 'Makes the functions of an index that has come ready.';
create trigger equipped after update of state on glow.retrieval_indexes
  for each row when (new.state = 'ready' and old.state <> 'ready') execute function glow.equip_index();
