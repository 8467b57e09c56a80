-- Who may call what. One list, because this is what an auditor asks for first; a test compares it with the reference.
--
--   glow_app       backends of apps: write executions, searches and feedback, read their own figures
--   glow_browser   a page in a browser, through a gateway: one signed vote
--   glow_reviewer  experts: the review queue, annotations and demonstrations
--   glow_viewer    dashboards
--   glow_engineer  registers agents, asks for runs, reads lineage; sees every tenant
--   glow_pipeline  Dagster: the tables themselves
--   glow_owner     owns all of it; nobody logs in as it

-- Nobody, until a role is granted it. `alter default privileges … in schema` cannot do this: it takes back only what it
-- gave, and execution by everybody is built in.
revoke execute on all functions in schema glow_api from public;
grant usage on schema glow_api to glow_app, glow_browser, glow_reviewer, glow_viewer, glow_engineer, glow_pipeline;

grant execute on function
  glow_api.log_execution, glow_api.log_execution_batch, glow_api.log_retrieval, glow_api.log_retrieval_batch,
  glow_api.submit_feedback, glow_api.submit_feedback_batch, glow_api.withdraw_feedback, glow_api.resolve_prompt, glow_api.search,
  glow_api.issue_feedback_token, glow_api.submit_demonstration, glow_api.submit_demonstration_batch
  to glow_app;

grant execute on function glow_api.put_document, glow_api.put_documents, glow_api.retire_document, glow_api.documents
  to glow_app, glow_engineer;

grant execute on function glow_api.rollback_retrieval, glow_api.retrieval_history to glow_engineer;

grant execute on function glow_api.submit_feedback_with_token to glow_app, glow_browser;

grant execute on function
  glow_api.submit_annotation, glow_api.submit_annotation_batch, glow_api.submit_demonstration,
  glow_api.submit_demonstration_batch
  to glow_reviewer;

grant execute on function
  glow_api.annotation_queue, glow_api.claim_annotation, glow_api.skip, glow_api.decline, glow_api.release,
  glow_api.extend_lease, glow_api.submit_comparison, glow_api.adjudicate
  to glow_reviewer;

grant execute on function
  glow_api.set_review_policy, glow_api.request_review, glow_api.request_comparison, glow_api.set_gold, glow_api.unset_gold
  to glow_engineer;

grant execute on function glow_api.feedback_stats, glow_api.common_issues
  to glow_app, glow_reviewer, glow_viewer, glow_engineer;

grant execute on function glow_api.success_metrics to glow_viewer, glow_engineer;

grant execute on function glow_api.correction_patterns to glow_app, glow_viewer, glow_engineer;

grant execute on function
  glow_api.register_agent, glow_api.learning_stats, glow_api.datasets, glow_api.why, glow_api.effect_of,
  glow_api.set_curation_policy, glow_api.curation_policy, glow_api.search,
  glow_api.prompts, glow_api.prompt_history, glow_api.prompt_lineage, glow_api.rollback_prompt, glow_api.notifications,
  glow_api.request_prompt_optimization, glow_api.request_dataset, glow_api.request_training_run, glow_api.request_status,
  glow_api.cancel_request, glow_api.erase_subject, glow_api.erasures, glow_api.set_retention
  to glow_engineer;

grant execute on function
  glow_api.plan_experiment, glow_api.create_experiment, glow_api.experiments, glow_api.experiment_looks,
  glow_api.experiment_decision, glow_api.stop_experiment, glow_api.abandon_experiment, glow_api.pause_experiment,
  glow_api.resume_experiment, glow_api.extend_experiment, glow_api.restart_experiment,
  glow_api.start_rollout, glow_api.rollouts, glow_api.rollout_history, glow_api.approve_rollout, glow_api.pause_rollout,
  glow_api.resume_rollout, glow_api.roll_back,
  glow_api.create_holdout, glow_api.end_holdout, glow_api.holdouts
  to glow_engineer;

-- The views of lineage: their rows are those of the agents that my_agents answers for the login.
grant execute on function glow_api.my_agents to glow_engineer, glow_pipeline;
grant select on glow_api.dataset_lineage, glow_api.feedback_lineage to glow_engineer, glow_pipeline;

-- The pipeline reads and writes tables, with every tenant's rows in view, but neither whom logins are bound to nor what
-- signs tokens.
grant execute on function glow_api.apply_import, glow_api.learning_stats, glow_api.success_metrics to glow_pipeline;
-- `glow experiment` and `glow rollout`, where they run with the pipeline's login.
grant execute on function
  glow_api.create_experiment, glow_api.experiments, glow_api.experiment_looks, glow_api.experiment_decision,
  glow_api.start_rollout, glow_api.rollouts, glow_api.rollout_history
  to glow_pipeline;
grant execute on function
  glow_api.erase_late, glow_api.replace_quoting, glow_api.name_successor, glow_api.finish_erasure, glow_api.forget_statistics,
  glow_api.swept_places
  to glow_pipeline;
grant usage on schema glow to glow_pipeline;
do $$
declare
  relation record;
begin
  -- Not the months themselves: they are reached through their table, which row security and these grants are about.
  for relation in select c.oid::regclass as name, c.relispartition from pg_class c
                   where c.relnamespace = 'glow'::regnamespace and c.relkind in ('r', 'p') loop
    execute format('revoke all on %s from glow_pipeline', relation.name);
    if not relation.relispartition then
      execute format('grant select, insert, update, delete on %s to glow_pipeline', relation.name);
    end if;
  end loop;
end $$;
grant select on glow.example_sources to glow_pipeline;
revoke all on glow.logins, glow.call_samples, glow.token_keys, glow.erasure_key, glow.erased_subjects from glow_pipeline;
revoke insert, update, delete on glow.erasures, glow.erasure_probes, glow.retention_policies from glow_pipeline;
-- What apps and experts said is written by the functions alone, which check it.
revoke insert, update, delete on
  glow.execution_keys, glow.executions, glow.current_feedback, glow.feedback_keys, glow.agent_feedback,
  glow.expert_annotations, glow.demonstrations, glow.comparisons, glow.review_policies, glow.review_passes,
  glow.review_events, glow.retrieval_keys, glow.retrieval_events, glow.retrieval_hits
  from glow_pipeline;
-- What owners decided is set by them.
revoke insert, update, delete on glow.curation_policies from glow_pipeline;
grant execute on all functions in schema glow to glow_pipeline;
revoke execute on function glow.secure, glow.make_erasure_key from glow_pipeline;
