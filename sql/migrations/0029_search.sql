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
