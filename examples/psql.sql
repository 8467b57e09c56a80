-- psql "$DATABASE_URL" --file examples/psql.sql      as a login that was granted glow_app; see docs/apps.md
select glow_api.resolve_prompt('expense-coder', unit => 'u-17') ->> 'prompt_version' as version \gset
select glow_api.log_execution('run-psql', 'expense-coder', input => 'Taxi to the client', output => 'meals',
                              user_id => 'u-17', prompt_version => :'version');
select glow_api.submit_feedback('expense-coder', 'run-psql', 'u-17', thumbs => -1, correction => 'travel',
                                idempotency_key => 'vote-psql');
select glow_api.submit_feedback('expense-coder', 'run-psql', 'u-17', thumbs => -1, correction => 'travel',
                                idempotency_key => 'vote-psql');  -- a retry: answered, not counted again
select glow_api.submit_feedback('expense-coder', 'run-psql', 'u-17', rating => 6);
\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
