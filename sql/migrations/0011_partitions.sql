-- Months: made ahead, and dropped when they are older than wanted.

create function glow.month_of(instant timestamptz) returns timestamptz
  language sql immutable strict parallel safe
  return date_trunc('month', instant at time zone 'UTC') at time zone 'UTC';

create function glow.partition_name(relation regclass, month timestamptz) returns text
  language sql stable
  return (select relname from pg_class where oid = relation) || to_char(month at time zone 'UTC', '_YYYY_MM');

create function glow.partitioned_tables() returns table (relation regclass, name name)
  language sql stable as $$
  select c.oid::regclass, c.relname
    from pg_class c join pg_partitioned_table p on p.partrelid = c.oid
   where c.relnamespace = 'glow'::regnamespace and p.partstrat = 'r'
$$;

create table glow.partition_upkeep ();
comment on table glow.partition_upkeep is 'Nothing but a lock, one that apps cannot take.';

-- The default partition takes rows of a month that nobody made: nothing is lost when upkeep stops for a year. Its rows
-- move into their month here.
create function glow.ensure_partitions(months_ahead integer default 3) returns setof text
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  parent record;
  month timestamptz;
  home text;
begin
  lock table glow.partition_upkeep in exclusive mode;
  for parent in select * from glow.partitioned_tables() order by name loop
    if to_regclass(format('glow.%I', parent.name || '_default')) is null then
      execute format('create table glow.%I partition of %s default', parent.name || '_default', parent.relation);
      return next parent.name || '_default';
    end if;
    for month in execute format(
      'select glow.month_of(clock_timestamp()) + make_interval(months => n) from generate_series(0, $1) n
       union select distinct glow.month_of(recorded_at) from glow.%I order by 1', parent.name || '_default')
      using months_ahead
    loop
      home := glow.partition_name(parent.relation, month);
      continue when to_regclass(format('glow.%I', home)) is not null;
      -- A row of this month that is on its way into the default partition would be refused there once the month is
      -- attached. Nobody writes into months to come.
      if month <= clock_timestamp() then
        execute format('lock table %s in share row exclusive mode', parent.relation);
      end if;
      -- Attached and not created in place: that would lock out every writer of the parent.
      execute format('create table glow.%I (like %s including defaults including constraints including indexes)', home, parent.relation);
      execute format('with moved as (delete from glow.%I where recorded_at >= $1 and recorded_at < $2 returning *)
                      insert into glow.%I select * from moved', parent.name || '_default', home)
        using month, month + interval '1 month';
      execute format('alter table %s attach partition glow.%I for values from (%L) to (%L)',
                     parent.relation, home, month, month + interval '1 month');
      return next home;
    end loop;
  end loop;
end $$;
comment on function glow.ensure_partitions is 'Makes the partitions of this month and the next ones; returns the new ones.';

-- Whole months only, and never the default partition: what is there has not been looked at by upkeep.
create function glow.drop_partitions(parent regclass, before timestamptz) returns setof text
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  old record;
begin
  lock table glow.partition_upkeep in exclusive mode;
  for old in
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = parent and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
       and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= before at time zone 'UTC'
     order by c.relname
  loop
    execute format('drop table glow.%I', old.name);
    return next old.name;
  end loop;
end $$;
comment on function glow.drop_partitions is 'Drops the partitions that end before an instant; returns their names.';

create table glow.retention_policies (
  relation text primary key,
  -- Null: for ever, whatever GLOW_RETENTION_MONTHS says.
  months   integer check (months between 1 and 1200),
  set_by   text not null,
  set_at   timestamptz not null default clock_timestamp()
);
comment on table glow.retention_policies is 'How long a table is kept, where that differs from GLOW_RETENTION_MONTHS.';

-- What can be kept for a while only: how rows go, and by which instant.
create function glow.prunable() returns table (relation text, action text, instant text)
  language sql immutable as $$
  values ('executions', 'drop', 'recorded_at'), ('agent_feedback', 'drop', 'recorded_at'),
         ('retrieval_events', 'drop', 'recorded_at'), ('evaluations', 'delete', 'evaluated_at'),
         ('responses', 'delete', 'created_at'), ('embeddings', 'delete', 'created_at'),
         ('success_metrics', 'delete', 'measured_at')
$$;
comment on function glow.prunable is 'The tables that a retention policy may name. Hits of a search go with it.';

create function glow.retention_cutoff(relation text, before timestamptz) returns timestamptz
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select coalesce(glow.month_of(clock_timestamp() - make_interval(months => p.months)), '-infinity')
                     from glow.retention_policies p
                    where p.relation = case retention_cutoff.relation when 'retrieval_hits' then 'retrieval_events'
                                                                      else retention_cutoff.relation end),
                  glow.month_of(before), '-infinity');
end $$;
comment on function glow.retention_cutoff is
  'The instant before which rows of a table go: that of its policy, else the given one; -infinity where all stay.';

create function glow.prune(relation text, most integer) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  instant text := (select p.instant from glow.prunable() p where p.relation = prune.relation and p.action = 'delete');
  gone bigint;
begin
  if instant is null then return 0; end if;
  execute format('delete from glow.%I where ctid = any(array(select ctid from glow.%1$I where %I < $1 limit $2))', relation, instant)
    using glow.retention_cutoff(relation, null), most;
  get diagnostics gone = row_count;
  return gone;
end $$;
comment on function glow.prune is 'Deletes at most so many rows of a table that are older than its policy.';

-- The rows go with their partition, their identities after them: a key outlives its row only where something stands on it.
create function glow.expire(before timestamptz) returns setof text
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  runs timestamptz := glow.retention_cutoff('executions', before);
  votes timestamptz := glow.retention_cutoff('agent_feedback', before);
begin
  perform set_config('glow.tenant', '*', true);
  perform glow.ensure_partitions();
  delete from glow.heard_inputs where oldest < greatest(runs, votes);
  delete from glow.current_feedback where recorded_at < votes;
  delete from glow.feedback_keys where recorded_at < votes;
  delete from glow.retrieval_keys where recorded_at < glow.retention_cutoff('retrieval_events', before);
  delete from glow.retrieval_signals where oldest < glow.retention_cutoff('retrieval_events', before);
  -- Also of those whose key stays: they are heard no more, and each would be looked at whenever its question is learned.
  delete from glow.execution_inputs where recorded_at < runs;
  update glow.execution_keys k set expired_at = clock_timestamp()
   where recorded_at < runs and expired_at is null
     and (exists (select from glow.expert_annotations a where a.tenant = k.tenant and a.execution_id = k.execution_id)
       or exists (select from glow.comparisons c where c.tenant = k.tenant and c.execution_id = k.execution_id)
       or exists (select from glow.current_feedback c where c.tenant = k.tenant and c.execution_id = k.execution_id)
       or exists (select from glow.source_spans s
                   where s.kind = 'execution' and s.source_id = glow.qualified(k.tenant, k.execution_id)));
  delete from glow.execution_keys where recorded_at < runs and expired_at is null;
  -- Who saw what in an experiment that was over before the oldest execution tells nothing any more, but who was there.
  delete from glow.exposures x using glow.learning_experiments e
   where e.experiment_id = x.experiment_id and e.stopped_at < runs;
  with ended as (
    delete from glow.experiment_folds f using glow.learning_experiments e
     where e.experiment_id = f.experiment_id and e.stopped_at < runs
    returning f.fold_id)
  delete from glow.experiment_sums s using ended where s.fold_id = ended.fold_id;
  -- Last, because it locks out everybody until the end of the transaction.
  return query select glow.drop_partitions(t.relation, glow.retention_cutoff(t.name::text, before))
                 from glow.partitioned_tables() t order by t.name;
end $$;
comment on function glow.expire is
  'Retention: removes executions, feedback and searches recorded in months that ended before an instant. What was learned from them stays.';

-- The samples are the owner's, so that the pipeline cannot lift a limit.
create function glow.forget_calls(before interval) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  gone bigint;
begin
  delete from glow.call_samples where called_at < clock_timestamp() - greatest(before, interval '2 minutes');
  get diagnostics gone = row_count;
  return gone;
end $$;
comment on function glow.forget_calls is 'Deletes samples of calls that no limit looks at any more.';
revoke execute on function glow.ensure_partitions, glow.drop_partitions, glow.expire, glow.forget_calls, glow.prune from public;
