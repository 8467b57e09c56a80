-- Who gets which variant, by hash alone; learning/experiments/assignment.py is the same in Python. What a unit was given
-- before (glow.exposures) wins over it, in glow_api.resolve_prompt.

-- FNV-1a of 32 bits over UTF-16 code units, as JavaScript's charCodeAt gives them, and not over the bytes of UTF-8.
create function glow.fnv32a(value text) returns bigint
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  hash bigint := 2166136261;
  point integer;
  letter text;
begin
  foreach letter in array string_to_array(value, null) loop
    point := ascii(letter);
    if point > 65535 then
      hash := ((hash # (55296 + ((point - 65536) >> 10))) * 16777619) & 4294967295;
      point := 56320 + ((point - 65536) & 1023);
    end if;
    hash := ((hash # point) * 16777619) & 4294967295;
  end loop;
  return hash;
end $$;
comment on function glow.fnv32a is 'FNV-1a (Fowler, Noll, Vo) of a text as UTF-16, unsigned.';

-- Seed and value are joined without anything between them: ("ab", "c") and ("a", "bc") meet.
create function glow.gb_hash(seed text, value text, version integer) returns double precision
  language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  return case version when 1 then (glow.fnv32a(value || seed) % 1000) / 1000.0::double precision
                      when 2 then (glow.fnv32a(glow.fnv32a(seed || value)::text) % 10000) / 10000.0::double precision end;
comment on function glow.gb_hash is 'The hash of GrowthBook''s SDKs, versions 1 and 2, from 0 to below 1; null for another version.';

create function glow.in_namespace(namespace text, value text, low double precision, high double precision) returns boolean
  language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  return glow.gb_hash('__' || namespace, value, 1) >= low and glow.gb_hash('__' || namespace, value, 1) < high;
comment on function glow.in_namespace is 'Whether GrowthBook''s SDKs have a unit in a part of a namespace.';

-- pg1 has a draw for each question: layer, enrolment, variant. gb2 has one for enrolment and variant, of 10 000 values: the
-- first enrolled share of each arm's range takes part, counted in whole numbers (SDKs add floats, which differ by an edge).
create function glow.assigned(
  experiment glow.learning_experiments, unit_id text, out variant text, out bucket integer, out propensity double precision
) language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  top integer := 1000000 - experiment.treatment_ppm;
  slot integer;
begin
  if experiment.slot_from > 0 or experiment.slot_to < 1000000 then
    slot := case experiment.hash
      when 'gb2' then glow.fnv32a(unit_id || '__' || experiment.layer) % 1000 * 1000
      else glow.exp_bucket('layer:' || experiment.agent || ':' || experiment.layer, 'layer', unit_id) end;
    if slot < experiment.slot_from or slot >= experiment.slot_to then return; end if;
  end if;
  if experiment.hash = 'gb2' then
    bucket := glow.fnv32a(glow.fnv32a(experiment.salt || unit_id)::text) % 10000 * 100;
    variant := case
      when bucket::bigint * 1000000 < experiment.control_ppm::bigint * experiment.enroll_ppm then 'control'
      when bucket >= top and (bucket - top)::bigint * 1000000 < experiment.treatment_ppm::bigint * experiment.enroll_ppm
      then 'treatment' end;
  elsif experiment.enroll_ppm = 1000000 or glow.exp_bucket(experiment.salt, 'enroll', unit_id) < experiment.enroll_ppm then
    bucket := glow.exp_bucket(experiment.salt, 'variant', unit_id);
    variant := case when bucket >= top then 'treatment' when bucket < experiment.control_ppm then 'control' end;
  end if;
  propensity := case variant when 'treatment' then experiment.treatment_ppm when 'control' then experiment.control_ppm end
                / 1e6::double precision;
  if variant is null then bucket := null; end if;
end $$;
comment on function glow.assigned is
  'The variant the hash gives a unit that was given none before, its bucket, and the chance an enrolled unit had of it; nulls '
  'for a unit that takes no part.';

-- Drawn on the cluster: a person who is held out is so in every session.
create function glow.held_out(agent text, cluster_id text) returns boolean
  language sql stable
  return exists (
    select from glow.holdouts h
     where (h.agent is null or h.agent = held_out.agent) and h.starts_at <= clock_timestamp()
       and (h.ends_at is null or h.ends_at > clock_timestamp())
       and glow.exp_bucket('holdout:' || h.holdout, 'holdout', held_out.cluster_id) < h.holdout_ppm);
comment on function glow.held_out is 'Whether a holdout keeps a unit of an agent out of experiments now.';
