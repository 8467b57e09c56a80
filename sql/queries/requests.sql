-- What people asked for (glow_api.request_…), on its way to a run and to its outcome.

-- claim_requests --
-- Takes queued requests in their order. A row that another tick is taking is left to it: no request is taken twice.
update glow.requests
   set state = 'started', started_at = clock_timestamp(),
       outcome = jsonb_build_object('tries', coalesce((outcome ->> 'tries')::int, 0) + 1)
 where request_id in (select request_id from glow.requests where state = 'queued'
                       order by request_id limit %(most)s for update skip locked)
returning request_id, kind, agent, parameters, requested_at, run_id, (outcome ->> 'tries')::int as tries

-- started_requests --
-- Requests taken and not ended.
select request_id, kind, agent, parameters, requested_at, run_id, (outcome ->> 'tries')::int as tries
  from glow.requests where state = 'started' order by request_id

-- release_request --
-- Puts a request back of which no run has come, for as long as a run may take to come.
update glow.requests set state = 'queued', started_at = null
 where request_id = %(request_id)s and state = 'started' and run_id is null
   and started_at < clock_timestamp() - %(patience)s::interval
returning request_id

-- assign_run --
-- The run that works for a request; another one when Dagster or a person ran it again.
update glow.requests set run_id = %(run_id)s
 where request_id = %(request_id)s and state = 'started' and run_id is distinct from %(run_id)s

-- finish_request --
-- Ends a request, once.
update glow.requests
   set state = %(state)s, finished_at = clock_timestamp(), run_id = coalesce(%(run_id)s, run_id), outcome = %(outcome)s
 where request_id = %(request_id)s and state = 'started'
returning request_id

-- request_parameters --
-- What was asked for.
select parameters from glow.requests where request_id = %(request_id)s
