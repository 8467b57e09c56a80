-- The whole schema as it is today, for reading. Written by `make schema` from sql/migrations and sql/api: change those.
-- A test proves that it is what they make, and that an empty database loaded with it is the same.

CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;

-- Schemas

CREATE SCHEMA glow;
COMMENT ON SCHEMA glow IS 'Tables of Glow Pipelines. Apps never see them: they call the functions in glow_api.';

CREATE SCHEMA glow_api;
COMMENT ON SCHEMA glow_api IS 'Functions apps call. Tables stay out of sight in schema glow.';

-- Kinds of text

CREATE DOMAIN glow.agent_name AS text
    CONSTRAINT agent_name_check CHECK ((VALUE ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'::text));

CREATE DOMAIN glow.identifier AS text
    CONSTRAINT identifier_check CHECK ((((length(VALUE) >= 1) AND (length(VALUE) <= 200)) AND (VALUE !~ '[[:cntrl:]]'::text)));

-- What tables rely on

CREATE FUNCTION glow.exp_bucket(salt text, purpose text, unit_id text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (((((('x'::text || "left"(encode(sha256(convert_to((((((('pg1'::text || chr(31)) || salt) || chr(31)) || purpose) || chr(31)) || unit_id), 'UTF8'::name)), 'hex'::text), 10)))::bit(40))::bigint * 1000000) >> 40))::integer;

CREATE FUNCTION glow.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception using
    errcode = 'PT409',
    message = format('%s is immutable: a %s was refused', tg_table_name, lower(tg_op)),
    hint = 'Build a new version instead; the old one stays as evidence.';
end $$;

-- Tables, the oldest first

CREATE TABLE glow.agents (
    agent glow.agent_name NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    evaluation jsonb,
    train_share numeric(4,3) DEFAULT 0.8 NOT NULL,
    val_share numeric(4,3) DEFAULT 0.1 NOT NULL,
    test_share numeric(4,3) DEFAULT 0.1 NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT agents_check CHECK (((train_share > (0)::numeric) AND (val_share >= (0)::numeric) AND (test_share >= (0)::numeric) AND (((train_share + val_share) + test_share) = (1)::numeric))),
    CONSTRAINT agents_description_check CHECK ((length(description) <= 2000)),
    CONSTRAINT agents_evaluation_check CHECK (((evaluation IS NULL) OR (jsonb_typeof(evaluation) = 'object'::text))),
    CONSTRAINT agents_pkey PRIMARY KEY (agent)
);
COMMENT ON TABLE glow.agents IS 'One row per agent. The name is the Dagster partition key.';

CREATE TABLE glow.executions (
    execution_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    input text NOT NULL,
    output text NOT NULL,
    user_id glow.identifier,
    conversation_id glow.identifier,
    channel glow.identifier,
    prompt_version text,
    model text,
    latency_ms integer,
    prompt_tokens integer,
    completion_tokens integer,
    cost_usd numeric(14,8),
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    payload_hash bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT executions_completion_tokens_check CHECK ((completion_tokens >= 0)),
    CONSTRAINT executions_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT executions_input_check CHECK ((octet_length(input) <= 1000000)),
    CONSTRAINT executions_latency_ms_check CHECK ((latency_ms >= 0)),
    CONSTRAINT executions_metadata_check CHECK (((jsonb_typeof(metadata) = 'object'::text) AND (octet_length((metadata)::text) <= 100000))),
    CONSTRAINT executions_model_check CHECK ((length(model) <= 200)),
    CONSTRAINT executions_output_check CHECK ((octet_length(output) <= 1000000)),
    CONSTRAINT executions_prompt_tokens_check CHECK ((prompt_tokens >= 0)),
    CONSTRAINT executions_pkey PRIMARY KEY (execution_id),
    CONSTRAINT executions_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.executions IS 'One run of an agent: what it was asked, what it answered, with which prompt and model.';
CREATE INDEX executions_by_agent ON glow.executions USING btree (agent, recorded_at);
CREATE INDEX executions_by_arrival ON glow.executions USING btree (xid, execution_id);

CREATE TABLE glow.agent_feedback (
    feedback_id bigint GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    execution_id glow.identifier NOT NULL,
    user_id glow.identifier NOT NULL,
    kind text NOT NULL,
    thumbs smallint,
    rating smallint,
    dimensions jsonb,
    issues text[] DEFAULT '{}'::text[] NOT NULL,
    comment text,
    correction text,
    channel glow.identifier,
    conversation_id glow.identifier,
    idempotency_key glow.identifier,
    payload_hash bytea NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_by bigint,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT agent_feedback_check CHECK (((thumbs IS NOT NULL) OR (rating IS NOT NULL) OR (dimensions IS NOT NULL) OR (comment IS NOT NULL) OR (correction IS NOT NULL) OR (cardinality(issues) > 0))),
    CONSTRAINT agent_feedback_check1 CHECK (((kind <> 'correction'::text) OR (correction IS NOT NULL))),
    CONSTRAINT agent_feedback_comment_check CHECK (((length(comment) >= 1) AND (length(comment) <= 10000))),
    CONSTRAINT agent_feedback_correction_check CHECK (((octet_length(correction) >= 1) AND (octet_length(correction) <= 1000000))),
    CONSTRAINT agent_feedback_dimensions_check CHECK ((jsonb_typeof(dimensions) = 'object'::text)),
    CONSTRAINT agent_feedback_issues_check CHECK ((cardinality(issues) <= 20)),
    CONSTRAINT agent_feedback_kind_check CHECK ((kind = ANY (ARRAY['vote'::text, 'correction'::text]))),
    CONSTRAINT agent_feedback_rating_check CHECK (((rating >= 1) AND (rating <= 5))),
    CONSTRAINT agent_feedback_thumbs_check CHECK ((thumbs = ANY (ARRAY['-1'::integer, 1]))),
    CONSTRAINT agent_feedback_pkey PRIMARY KEY (feedback_id),
    CONSTRAINT agent_feedback_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT agent_feedback_superseded_by_fkey FOREIGN KEY (superseded_by) REFERENCES glow.agent_feedback(feedback_id) DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE glow.agent_feedback IS 'Votes, ratings, issues, comments and corrections. The current one of a person has superseded_by null.';
CREATE INDEX feedback_by_agent ON glow.agent_feedback USING btree (agent, recorded_at) WHERE (superseded_by IS NULL);
CREATE INDEX feedback_by_arrival ON glow.agent_feedback USING btree (xid, feedback_id) INCLUDE (agent);
CREATE UNIQUE INDEX feedback_idempotency ON glow.agent_feedback USING btree (agent, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE UNIQUE INDEX one_current_vote ON glow.agent_feedback USING btree (execution_id, user_id, kind) WHERE (superseded_by IS NULL);

CREATE TABLE glow.expert_annotations (
    annotation_id bigint GENERATED ALWAYS AS IDENTITY,
    execution_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    reviewer glow.identifier NOT NULL,
    verdict text NOT NULL,
    output text,
    dimensions jsonb DEFAULT '{}'::jsonb NOT NULL,
    notes text,
    idempotency_key glow.identifier,
    payload_hash bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_by bigint,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT expert_annotations_check CHECK (((verdict = 'correct'::text) = (output IS NOT NULL))),
    CONSTRAINT expert_annotations_dimensions_check CHECK ((jsonb_typeof(dimensions) = 'object'::text)),
    CONSTRAINT expert_annotations_notes_check CHECK ((length(notes) <= 10000)),
    CONSTRAINT expert_annotations_output_check CHECK (((octet_length(output) >= 1) AND (octet_length(output) <= 1000000))),
    CONSTRAINT expert_annotations_verdict_check CHECK ((verdict = ANY (ARRAY['approve'::text, 'correct'::text, 'reject'::text]))),
    CONSTRAINT expert_annotations_pkey PRIMARY KEY (annotation_id),
    CONSTRAINT expert_annotations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT expert_annotations_execution_id_fkey FOREIGN KEY (execution_id) REFERENCES glow.executions(execution_id),
    CONSTRAINT expert_annotations_superseded_by_fkey FOREIGN KEY (superseded_by) REFERENCES glow.expert_annotations(annotation_id) DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE glow.expert_annotations IS 'An expert''s judgement of one execution; the current one of a reviewer has superseded_by null.';
CREATE UNIQUE INDEX annotation_idempotency ON glow.expert_annotations USING btree (agent, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX annotations_by_agent ON glow.expert_annotations USING btree (agent, recorded_at) WHERE (superseded_by IS NULL);
CREATE INDEX annotations_by_arrival ON glow.expert_annotations USING btree (xid, annotation_id);
CREATE UNIQUE INDEX one_current_annotation ON glow.expert_annotations USING btree (execution_id, reviewer) WHERE (superseded_by IS NULL);

CREATE TABLE glow.demonstrations (
    demonstration_id bigint GENERATED ALWAYS AS IDENTITY,
    agent glow.agent_name NOT NULL,
    expert glow.identifier NOT NULL,
    input text NOT NULL,
    output text NOT NULL,
    notes text,
    idempotency_key glow.identifier,
    payload_hash bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT demonstrations_input_check CHECK (((octet_length(input) >= 1) AND (octet_length(input) <= 1000000))),
    CONSTRAINT demonstrations_notes_check CHECK ((length(notes) <= 10000)),
    CONSTRAINT demonstrations_output_check CHECK (((octet_length(output) >= 1) AND (octet_length(output) <= 1000000))),
    CONSTRAINT demonstrations_pkey PRIMARY KEY (demonstration_id),
    CONSTRAINT demonstrations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.demonstrations IS 'An expert''s own example of a right answer.';
CREATE UNIQUE INDEX demonstration_idempotency ON glow.demonstrations USING btree (agent, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX demonstrations_by_arrival ON glow.demonstrations USING btree (xid, demonstration_id);

CREATE TABLE glow.split_assignments (
    agent glow.agent_name NOT NULL,
    group_key text NOT NULL,
    split text NOT NULL,
    assigned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT split_assignments_split_check CHECK ((split = ANY (ARRAY['train'::text, 'val'::text, 'test'::text]))),
    CONSTRAINT split_assignments_agent_group_key_split_key UNIQUE (agent, group_key, split),
    CONSTRAINT split_assignments_pkey PRIMARY KEY (agent, group_key),
    CONSTRAINT split_assignments_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.split_assignments IS 'A group (conversation, near-duplicate cluster) belongs to one split of every dataset, for ever.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.split_assignments FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();

CREATE TABLE glow.learning_examples (
    example_version bigint GENERATED ALWAYS AS IDENTITY,
    example_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    input text NOT NULL,
    target text NOT NULL,
    source text NOT NULL,
    status text NOT NULL,
    quality double precision NOT NULL,
    expert_approved boolean NOT NULL,
    group_key text NOT NULL,
    split text,
    content_hash text NOT NULL,
    rule_version text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    rejected_target text,
    domain text,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_at timestamp with time zone,
    CONSTRAINT learning_examples_check CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT learning_examples_check1 CHECK (((split IS NOT NULL) OR (status <> 'approved'::text))),
    CONSTRAINT learning_examples_quality_check CHECK (((quality >= (0)::double precision) AND (quality <= (1)::double precision))),
    CONSTRAINT learning_examples_source_check CHECK ((source = ANY (ARRAY['annotation'::text, 'correction'::text, 'demonstration'::text, 'vote'::text]))),
    CONSTRAINT learning_examples_status_check CHECK ((status = ANY (ARRAY['approved'::text, 'pending'::text, 'rejected'::text, 'quarantined'::text]))),
    CONSTRAINT learning_examples_example_version_example_id_agent_group_ke_key UNIQUE (example_version, example_id, agent, group_key, split),
    CONSTRAINT learning_examples_pkey PRIMARY KEY (example_version),
    CONSTRAINT learning_examples_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT learning_examples_agent_group_key_split_fkey FOREIGN KEY (agent, group_key, split) REFERENCES glow.split_assignments(agent, group_key, split)
);
COMMENT ON TABLE glow.learning_examples IS 'A curated unit of training data with its history: the row in force has superseded_at null.';
CREATE INDEX examples_by_agent ON glow.learning_examples USING btree (agent, recorded_at);
CREATE UNIQUE INDEX one_current_example ON glow.learning_examples USING btree (example_id) WHERE (superseded_at IS NULL);

CREATE TABLE glow.example_sources (
    example_version bigint NOT NULL,
    kind text NOT NULL,
    source_id text NOT NULL,
    role text NOT NULL,
    CONSTRAINT example_sources_kind_check CHECK ((kind = ANY (ARRAY['execution'::text, 'feedback'::text, 'annotation'::text, 'demonstration'::text]))),
    CONSTRAINT example_sources_pkey PRIMARY KEY (example_version, kind, source_id, role),
    CONSTRAINT example_sources_example_version_fkey FOREIGN KEY (example_version) REFERENCES glow.learning_examples(example_version)
);
COMMENT ON TABLE glow.example_sources IS 'Which rows an example came from, and what each contributed.';
CREATE INDEX example_sources_by_source ON glow.example_sources USING btree (kind, source_id);

CREATE TABLE glow.training_datasets (
    dataset_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    kind text NOT NULL,
    rule jsonb NOT NULL,
    rule_version text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    content_hash text NOT NULL,
    statistics jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT training_datasets_kind_check CHECK ((kind = ANY (ARRAY['sft'::text, 'preference'::text, 'evaluation'::text]))),
    CONSTRAINT training_datasets_agent_kind_content_hash_key UNIQUE (agent, kind, content_hash),
    CONSTRAINT training_datasets_pkey PRIMARY KEY (dataset_id),
    CONSTRAINT training_datasets_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
COMMENT ON TABLE glow.training_datasets IS 'An immutable dataset version: (rule, as_of) and the hash of the rows they select.';
CREATE INDEX datasets_by_agent ON glow.training_datasets USING btree (agent, created_at);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.training_datasets FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();

CREATE TABLE glow.dataset_examples (
    dataset_id text NOT NULL,
    "position" integer NOT NULL,
    example_version bigint NOT NULL,
    example_id text NOT NULL,
    agent text NOT NULL,
    group_key text NOT NULL,
    split text NOT NULL,
    CONSTRAINT dataset_examples_position_check CHECK (("position" > 0)),
    CONSTRAINT dataset_examples_dataset_id_example_id_key UNIQUE (dataset_id, example_id),
    CONSTRAINT dataset_examples_pkey PRIMARY KEY (dataset_id, "position"),
    CONSTRAINT dataset_examples_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id),
    CONSTRAINT dataset_examples_example_version_example_id_agent_group_ke_fkey FOREIGN KEY (example_version, example_id, agent, group_key, split) REFERENCES glow.learning_examples(example_version, example_id, agent, group_key, split)
);
COMMENT ON TABLE glow.dataset_examples IS 'The rows of a dataset version, each with the split its group has for ever.';
CREATE INDEX dataset_examples_by_example ON glow.dataset_examples USING btree (example_version);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.dataset_examples FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();

CREATE TABLE glow.datasets_in_force (
    agent glow.agent_name NOT NULL,
    kind text NOT NULL,
    dataset_id text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT datasets_in_force_pkey PRIMARY KEY (agent, kind),
    CONSTRAINT datasets_in_force_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT datasets_in_force_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id)
);

CREATE TABLE glow.prompt_versions (
    agent glow.agent_name NOT NULL,
    prompt_version text NOT NULL,
    prompt jsonb NOT NULL,
    operator text NOT NULL,
    parent text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_versions_check CHECK ((prompt_version = encode(sha256(convert_to((prompt)::text, 'UTF8'::name)), 'hex'::text))),
    CONSTRAINT prompt_versions_prompt_check CHECK ((jsonb_typeof(prompt) = 'object'::text)),
    CONSTRAINT prompt_versions_pkey PRIMARY KEY (agent, prompt_version),
    CONSTRAINT prompt_versions_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT prompt_versions_agent_parent_fkey FOREIGN KEY (agent, parent) REFERENCES glow.prompt_versions(agent, prompt_version)
);
COMMENT ON TABLE glow.prompt_versions IS 'Immutable prompts: instruction, rules, demonstrations, parameters.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.prompt_versions FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();
ALTER TABLE ONLY glow.executions
    ADD CONSTRAINT executions_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version);

CREATE TABLE glow.prompt_aliases (
    agent glow.agent_name NOT NULL,
    alias text NOT NULL,
    prompt_version text NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_aliases_alias_check CHECK ((alias = ANY (ARRAY['production'::text, 'candidate'::text, 'previous'::text]))),
    CONSTRAINT prompt_aliases_revision_check CHECK ((revision > 0)),
    CONSTRAINT prompt_aliases_pkey PRIMARY KEY (agent, alias),
    CONSTRAINT prompt_aliases_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version)
);
COMMENT ON TABLE glow.prompt_aliases IS 'Which prompt is in force. Moved by compare-and-swap on revision.';

CREATE TABLE glow.prompt_alias_history (
    move_id bigint GENERATED ALWAYS AS IDENTITY,
    agent text NOT NULL,
    alias text NOT NULL,
    prompt_version text,
    previous text,
    revision integer NOT NULL,
    moved_by text NOT NULL,
    reason text NOT NULL,
    gate_id text,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_alias_history_pkey PRIMARY KEY (move_id)
);
COMMENT ON TABLE glow.prompt_alias_history IS 'Every move of an alias: who, why, and the gate that allowed it.';

CREATE TABLE glow.prompt_lineage (
    agent text NOT NULL,
    prompt_version text NOT NULL,
    kind text NOT NULL,
    source_id text NOT NULL,
    role text NOT NULL,
    rule_id text DEFAULT ''::text NOT NULL,
    example_version bigint,
    CONSTRAINT prompt_lineage_kind_check CHECK ((kind = ANY (ARRAY['example'::text, 'execution'::text, 'feedback'::text, 'annotation'::text, 'demonstration'::text]))),
    CONSTRAINT prompt_lineage_role_check CHECK ((role = ANY (ARRAY['demo'::text, 'rule_evidence'::text, 'reflected'::text]))),
    CONSTRAINT prompt_lineage_pkey PRIMARY KEY (agent, prompt_version, kind, source_id, role, rule_id),
    CONSTRAINT prompt_lineage_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_lineage_example_version_fkey FOREIGN KEY (example_version) REFERENCES glow.learning_examples(example_version)
);
COMMENT ON TABLE glow.prompt_lineage IS 'Which rows each rule and demonstration of a prompt came from.';

CREATE TABLE glow.prompt_optimizations (
    optimization_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    dataset_id text NOT NULL,
    incumbent text NOT NULL,
    feedback_until bigint NOT NULL,
    carried_gate text,
    analysis jsonb,
    candidates jsonb,
    race jsonb,
    state text DEFAULT 'running'::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_optimizations_state_check CHECK ((state = ANY (ARRAY['running'::text, 'finalist'::text, 'no_improvement'::text, 'carry_over'::text, 'insufficient_data'::text]))),
    CONSTRAINT prompt_optimizations_pkey PRIMARY KEY (optimization_id),
    CONSTRAINT prompt_optimizations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT prompt_optimizations_agent_incumbent_fkey FOREIGN KEY (agent, incumbent) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_optimizations_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id)
);
CREATE INDEX optimizations_by_agent ON glow.prompt_optimizations USING btree (agent, created_at);

CREATE TABLE glow.prompt_gates (
    gate_id text NOT NULL,
    optimization_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    incumbent text NOT NULL,
    finalist text NOT NULL,
    verdict text NOT NULL,
    evidence jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prompt_gates_verdict_check CHECK ((verdict = ANY (ARRAY['promote'::text, 'drop'::text, 'carry_over'::text]))),
    CONSTRAINT prompt_gates_pkey PRIMARY KEY (gate_id),
    CONSTRAINT prompt_gates_agent_finalist_fkey FOREIGN KEY (agent, finalist) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_gates_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT prompt_gates_agent_incumbent_fkey FOREIGN KEY (agent, incumbent) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT prompt_gates_optimization_id_fkey FOREIGN KEY (optimization_id) REFERENCES glow.prompt_optimizations(optimization_id)
);
COMMENT ON TABLE glow.prompt_gates IS 'The test a prompt passed or failed before users saw it, with its evidence.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.prompt_gates FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();

CREATE TABLE glow.test_spends (
    agent glow.agent_name NOT NULL,
    group_key text NOT NULL,
    gate_id text NOT NULL,
    spent_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT test_spends_pkey PRIMARY KEY (agent, group_key),
    CONSTRAINT test_spends_agent_group_key_fkey FOREIGN KEY (agent, group_key) REFERENCES glow.split_assignments(agent, group_key),
    CONSTRAINT test_spends_gate_id_fkey FOREIGN KEY (gate_id) REFERENCES glow.prompt_gates(gate_id) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE glow.evaluations (
    agent text NOT NULL,
    prompt_version text NOT NULL,
    example_id text NOT NULL,
    metric text NOT NULL,
    model text NOT NULL,
    output text NOT NULL,
    score double precision NOT NULL,
    stage text NOT NULL,
    evaluated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT evaluations_stage_check CHECK ((stage = ANY (ARRAY['race'::text, 'gate'::text]))),
    CONSTRAINT evaluations_pkey PRIMARY KEY (agent, prompt_version, example_id, metric, model),
    CONSTRAINT evaluations_agent_prompt_version_fkey FOREIGN KEY (agent, prompt_version) REFERENCES glow.prompt_versions(agent, prompt_version)
);
COMMENT ON TABLE glow.evaluations IS 'What a prompt answered for an example, and how it scored.';

CREATE TABLE glow.documents (
    agent glow.agent_name NOT NULL,
    document_id glow.identifier NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    content_hash text NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT documents_body_check CHECK ((octet_length(body) <= 10000000)),
    CONSTRAINT documents_title_check CHECK ((length(title) <= 1000)),
    CONSTRAINT documents_pkey PRIMARY KEY (agent, document_id),
    CONSTRAINT documents_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);

CREATE TABLE glow.chunks (
    agent glow.agent_name NOT NULL,
    chunk_id glow.identifier NOT NULL,
    document_id glow.identifier NOT NULL,
    "position" integer NOT NULL,
    text text NOT NULL,
    content_hash text NOT NULL,
    embedding public.vector,
    embedding_model text,
    CONSTRAINT chunks_check CHECK (((embedding IS NULL) = (embedding_model IS NULL))),
    CONSTRAINT chunks_position_check CHECK (("position" >= 0)),
    CONSTRAINT chunks_pkey PRIMARY KEY (agent, chunk_id),
    CONSTRAINT chunks_agent_document_id_fkey FOREIGN KEY (agent, document_id) REFERENCES glow.documents(agent, document_id)
);
COMMENT ON TABLE glow.chunks IS 'Passages with their embeddings; the embedding is null until the pipeline has made it.';

CREATE TABLE glow.retrieval_configurations (
    configuration text NOT NULL,
    agent glow.agent_name NOT NULL,
    parameters jsonb NOT NULL,
    parent text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retrieval_configurations_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
    CONSTRAINT retrieval_configurations_agent_configuration_key UNIQUE (agent, configuration),
    CONSTRAINT retrieval_configurations_pkey PRIMARY KEY (configuration),
    CONSTRAINT retrieval_configurations_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT retrieval_configurations_parent_fkey FOREIGN KEY (parent) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_configurations IS 'Immutable, content-addressed retrieval parameters and learned memory.';
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.retrieval_configurations FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();

CREATE TABLE glow.retrieval_memory (
    configuration text NOT NULL,
    "position" integer NOT NULL,
    query text NOT NULL,
    embedding public.vector NOT NULL,
    chunk_id glow.identifier NOT NULL,
    attractiveness double precision NOT NULL,
    examinations double precision NOT NULL,
    event_ids text[] NOT NULL,
    CONSTRAINT retrieval_memory_attractiveness_check CHECK (((attractiveness >= (0)::double precision) AND (attractiveness <= (1)::double precision))),
    CONSTRAINT retrieval_memory_examinations_check CHECK ((examinations >= (0)::double precision)),
    CONSTRAINT retrieval_memory_pkey PRIMARY KEY (configuration, "position"),
    CONSTRAINT retrieval_memory_configuration_fkey FOREIGN KEY (configuration) REFERENCES glow.retrieval_configurations(configuration)
);
COMMENT ON TABLE glow.retrieval_memory IS 'What a configuration remembers of a query and a chunk, and the retrieval events it learned it from.';

CREATE TABLE glow.retrieval_aliases (
    agent glow.agent_name NOT NULL,
    alias text NOT NULL,
    configuration text NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retrieval_aliases_alias_check CHECK ((alias = ANY (ARRAY['production'::text, 'previous'::text]))),
    CONSTRAINT retrieval_aliases_revision_check CHECK ((revision > 0)),
    CONSTRAINT retrieval_aliases_pkey PRIMARY KEY (agent, alias),
    CONSTRAINT retrieval_aliases_agent_configuration_fkey FOREIGN KEY (agent, configuration) REFERENCES glow.retrieval_configurations(agent, configuration)
);

CREATE TABLE glow.retrieval_gates (
    gate_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    incumbent text NOT NULL,
    candidate text NOT NULL,
    verdict text NOT NULL,
    evidence jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retrieval_gates_verdict_check CHECK ((verdict = ANY (ARRAY['ship'::text, 'keep'::text]))),
    CONSTRAINT retrieval_gates_pkey PRIMARY KEY (gate_id),
    CONSTRAINT retrieval_gates_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT retrieval_gates_candidate_fkey FOREIGN KEY (candidate) REFERENCES glow.retrieval_configurations(configuration),
    CONSTRAINT retrieval_gates_incumbent_fkey FOREIGN KEY (incumbent) REFERENCES glow.retrieval_configurations(configuration)
);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.retrieval_gates FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();

CREATE TABLE glow.retrieval_events (
    event_id glow.identifier NOT NULL,
    agent glow.agent_name NOT NULL,
    execution_id glow.identifier,
    query text NOT NULL,
    policy text NOT NULL,
    configuration text,
    user_id glow.identifier,
    conversation_id glow.identifier,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT retrieval_events_policy_check CHECK ((policy = ANY (ARRAY['production'::text, 'interleave'::text]))),
    CONSTRAINT retrieval_events_query_check CHECK (((octet_length(query) >= 1) AND (octet_length(query) <= 100000))),
    CONSTRAINT retrieval_events_pkey PRIMARY KEY (event_id),
    CONSTRAINT retrieval_events_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent)
);
CREATE INDEX retrieval_events_by_agent ON glow.retrieval_events USING btree (agent, recorded_at);
CREATE INDEX retrieval_events_by_arrival ON glow.retrieval_events USING btree (xid, event_id) INCLUDE (agent);

CREATE TABLE glow.retrieval_hits (
    event_id glow.identifier NOT NULL,
    rank smallint NOT NULL,
    chunk_id glow.identifier NOT NULL,
    score double precision NOT NULL,
    leg text NOT NULL,
    propensity double precision NOT NULL,
    shown boolean DEFAULT true NOT NULL,
    cited boolean DEFAULT false NOT NULL,
    clicked boolean DEFAULT false NOT NULL,
    kept boolean DEFAULT false NOT NULL,
    explicit smallint DEFAULT 0 NOT NULL,
    CONSTRAINT retrieval_hits_explicit_check CHECK ((explicit = ANY (ARRAY['-1'::integer, 0, 1]))),
    CONSTRAINT retrieval_hits_leg_check CHECK ((leg = ANY (ARRAY['dense'::text, 'lexical'::text, 'both'::text]))),
    CONSTRAINT retrieval_hits_propensity_check CHECK (((propensity > (0)::double precision) AND (propensity <= (1)::double precision))),
    CONSTRAINT retrieval_hits_rank_check CHECK (((rank >= 1) AND (rank <= 1000))),
    CONSTRAINT retrieval_hits_score_check CHECK (((score > '-Infinity'::double precision) AND (score < 'Infinity'::double precision))),
    CONSTRAINT retrieval_hits_event_id_chunk_id_key UNIQUE (event_id, chunk_id),
    CONSTRAINT retrieval_hits_pkey PRIMARY KEY (event_id, rank),
    CONSTRAINT retrieval_hits_event_id_fkey FOREIGN KEY (event_id) REFERENCES glow.retrieval_events(event_id)
);

CREATE TABLE glow.embedding_training_pairs (
    pair_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    query text NOT NULL,
    positive_chunk_id glow.identifier NOT NULL,
    negative_chunk_id glow.identifier NOT NULL,
    weight double precision NOT NULL,
    negative_kind text NOT NULL,
    event_ids text[] NOT NULL,
    group_key text NOT NULL,
    split text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT embedding_training_pairs_check CHECK (((positive_chunk_id)::text <> (negative_chunk_id)::text)),
    CONSTRAINT embedding_training_pairs_event_ids_check CHECK ((cardinality(event_ids) > 0)),
    CONSTRAINT embedding_training_pairs_weight_check CHECK ((weight > (0)::double precision)),
    CONSTRAINT embedding_training_pairs_pkey PRIMARY KEY (pair_id),
    CONSTRAINT embedding_training_pairs_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT embedding_training_pairs_agent_group_key_split_fkey FOREIGN KEY (agent, group_key, split) REFERENCES glow.split_assignments(agent, group_key, split)
);
COMMENT ON TABLE glow.embedding_training_pairs IS 'Query, positive and hard negative, with the retrieval events they were learned from.';

CREATE TABLE glow.embeddings (
    model text NOT NULL,
    content_hash text NOT NULL,
    embedding public.vector NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT embeddings_pkey PRIMARY KEY (model, content_hash)
);

CREATE TABLE glow.training_runs (
    run_key text NOT NULL,
    agent glow.agent_name NOT NULL,
    dataset_id text NOT NULL,
    provider text NOT NULL,
    base_model text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    manifest_sha256 text NOT NULL,
    plan jsonb NOT NULL,
    job_id text,
    intent_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT training_runs_job_id_key UNIQUE (job_id),
    CONSTRAINT training_runs_pkey PRIMARY KEY (run_key),
    CONSTRAINT training_runs_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT training_runs_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES glow.training_datasets(dataset_id)
);
COMMENT ON TABLE glow.training_runs IS 'One fine-tuning run per set of inputs: the same inputs give the same run_key, so nothing is paid twice.';

CREATE TABLE glow.training_run_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    run_key text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT training_run_events_pkey PRIMARY KEY (event_id),
    CONSTRAINT training_run_events_run_key_fkey FOREIGN KEY (run_key) REFERENCES glow.training_runs(run_key)
);

CREATE TABLE glow.learning_experiments (
    experiment_id text NOT NULL,
    agent glow.agent_name NOT NULL,
    kind text NOT NULL,
    hypothesis text NOT NULL,
    control text NOT NULL,
    treatment text NOT NULL,
    phase integer DEFAULT 1 NOT NULL,
    treatment_ppm integer DEFAULT 500000 NOT NULL,
    enroll_ppm integer DEFAULT 1000000 NOT NULL,
    plan jsonb NOT NULL,
    gate_id text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    stopped_at timestamp with time zone,
    CONSTRAINT learning_experiments_check CHECK (((state = 'stopped'::text) = (stopped_at IS NOT NULL))),
    CONSTRAINT learning_experiments_enroll_ppm_check CHECK (((enroll_ppm >= 0) AND (enroll_ppm <= 1000000))),
    CONSTRAINT learning_experiments_kind_check CHECK ((kind = 'prompt'::text)),
    CONSTRAINT learning_experiments_phase_check CHECK ((phase > 0)),
    CONSTRAINT learning_experiments_state_check CHECK ((state = ANY (ARRAY['running'::text, 'stopped'::text]))),
    CONSTRAINT learning_experiments_treatment_ppm_check CHECK (((treatment_ppm >= 0) AND (treatment_ppm <= 1000000))),
    CONSTRAINT learning_experiments_pkey PRIMARY KEY (experiment_id),
    CONSTRAINT learning_experiments_agent_control_fkey FOREIGN KEY (agent, control) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT learning_experiments_agent_fkey FOREIGN KEY (agent) REFERENCES glow.agents(agent),
    CONSTRAINT learning_experiments_agent_treatment_fkey FOREIGN KEY (agent, treatment) REFERENCES glow.prompt_versions(agent, prompt_version),
    CONSTRAINT learning_experiments_gate_id_fkey FOREIGN KEY (gate_id) REFERENCES glow.prompt_gates(gate_id)
);
COMMENT ON TABLE glow.learning_experiments IS 'An A/B test of a candidate against the version in force, with the gate that allowed it.';
CREATE UNIQUE INDEX one_running_experiment ON glow.learning_experiments USING btree (agent) WHERE (state = 'running'::text);

CREATE TABLE glow.exposures (
    experiment_id text NOT NULL,
    phase integer NOT NULL,
    unit_id glow.identifier NOT NULL,
    variant text NOT NULL,
    bucket integer NOT NULL,
    first_exposed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT exposures_bucket_check CHECK (((bucket >= 0) AND (bucket <= 999999))),
    CONSTRAINT exposures_variant_check CHECK ((variant = ANY (ARRAY['control'::text, 'treatment'::text]))),
    CONSTRAINT exposures_pkey PRIMARY KEY (experiment_id, phase, unit_id),
    CONSTRAINT exposures_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES glow.learning_experiments(experiment_id)
);
COMMENT ON TABLE glow.exposures IS 'Which variant a unit got: written in the transaction that chose it, before the model was called.';

CREATE TABLE glow.experiment_looks (
    look_id bigint GENERATED ALWAYS AS IDENTITY,
    experiment_id text NOT NULL,
    phase integer NOT NULL,
    statistics jsonb NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    looked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT experiment_looks_pkey PRIMARY KEY (look_id),
    CONSTRAINT experiment_looks_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES glow.learning_experiments(experiment_id)
);
CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON glow.experiment_looks FOR EACH ROW EXECUTE FUNCTION glow.refuse_change();

CREATE TABLE glow.watermarks (
    consumer text NOT NULL,
    agent text NOT NULL,
    xid xid8 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT watermarks_pkey PRIMARY KEY (consumer, agent)
);

CREATE TABLE glow.responses (
    request_key text NOT NULL,
    model text NOT NULL,
    text text NOT NULL,
    prompt_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    seconds double precision NOT NULL,
    cost_usd double precision NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT responses_completion_tokens_check CHECK ((completion_tokens >= 0)),
    CONSTRAINT responses_cost_usd_check CHECK ((cost_usd >= (0)::double precision)),
    CONSTRAINT responses_prompt_tokens_check CHECK ((prompt_tokens >= 0)),
    CONSTRAINT responses_seconds_check CHECK ((seconds >= (0)::double precision)),
    CONSTRAINT responses_pkey PRIMARY KEY (request_key)
);
COMMENT ON TABLE glow.responses IS 'Cache of model answers. Errors are never cached.';

CREATE TABLE glow.success_metrics (
    measurement_id bigint GENERATED ALWAYS AS IDENTITY,
    metric text NOT NULL,
    value double precision,
    low double precision,
    high double precision,
    target double precision NOT NULL,
    status text NOT NULL,
    detail text NOT NULL,
    measured_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT success_metrics_status_check CHECK ((status = ANY (ARRAY['met'::text, 'missed'::text, 'not_enough_data'::text]))),
    CONSTRAINT success_metrics_pkey PRIMARY KEY (measurement_id)
);
CREATE INDEX success_metrics_by_time ON glow.success_metrics USING btree (metric, measured_at);

-- Functions apps call

CREATE FUNCTION glow_api.common_issues(agent text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, most integer DEFAULT 10) RETURNS TABLE(issue text, occurrences bigint, users bigint, share numeric, last_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform glow_api.require_agent(agent);
  since := coalesce(since, '-infinity');
  if most is null or most not between 1 and 1000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 1000');
  end if;
  return query
  select i.issue, count(*), count(distinct f.user_id),
         round(count(*) / sum(count(*)) over (), 4), max(f.recorded_at)
    from glow.agent_feedback f cross join lateral unnest(f.issues) as i(issue)
   where f.agent = common_issues.agent and f.superseded_by is null and f.recorded_at >= since
   group by i.issue
   order by count(*) desc, i.issue
   limit most;
end $$;
COMMENT ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer) IS 'What users complain about, most frequent first: occurrences, people, share.';
REVOKE ALL ON FUNCTION glow_api.common_issues(agent text, since timestamp with time zone, most integer) FROM PUBLIC;

CREATE FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  result jsonb;
begin
  perform glow_api.require_agent(agent);
  since := coalesce(since, '-infinity');
  with said as (
    select f.* from glow.agent_feedback f
     where f.agent = feedback_stats.agent and f.superseded_by is null and f.recorded_at >= since
  ), ran as (
    select count(*) as executions from glow.executions e
     where e.agent = feedback_stats.agent and e.recorded_at >= since
  )
  select jsonb_build_object(
    'agent', feedback_stats.agent,
    'executions', (select executions from ran),
    'executions_with_feedback', count(distinct s.execution_id) filter (
      where exists (select from glow.executions e where e.execution_id = s.execution_id and e.agent = s.agent)),
    'waiting_for_execution', count(*) filter (
      where not exists (select from glow.executions e where e.execution_id = s.execution_id and e.agent = s.agent)),
    'thumbs_up', count(*) filter (where s.thumbs = 1),
    'thumbs_down', count(*) filter (where s.thumbs = -1),
    'mean_rating', round(avg(s.rating), 3),
    'ratings', count(s.rating),
    'corrections', count(s.correction),
    'comments', count(s.comment),
    'users', count(distinct s.user_id),
    'last_feedback_at', max(s.recorded_at))
    into result from said s;
  return result;
end $$;
COMMENT ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone) IS 'Counts of an agent''s current feedback since an instant.';
REVOKE ALL ON FUNCTION glow_api.feedback_stats(agent text, since timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION glow_api.is_number(value jsonb, low numeric, high numeric) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ((value IS NULL) OR (value = 'null'::jsonb) OR CASE WHEN (jsonb_typeof(value) = 'number'::text) THEN (((value)::numeric >= low) AND ((value)::numeric <= high)) ELSE false END);
COMMENT ON FUNCTION glow_api.is_number(value jsonb, low numeric, high numeric) IS 'Whether an optional JSON value is a number within bounds.';
REVOKE ALL ON FUNCTION glow_api.is_number(value jsonb, low numeric, high numeric) FROM PUBLIC;

CREATE FUNCTION glow_api.is_texts(value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ((value IS NULL) OR (value = 'null'::jsonb) OR CASE WHEN (jsonb_typeof(value) = 'array'::text) THEN (NOT (EXISTS (SELECT FROM jsonb_array_elements(is_texts.value) e(value) WHERE (jsonb_typeof(e.value) <> 'string'::text)))) ELSE false END);
COMMENT ON FUNCTION glow_api.is_texts(value jsonb) IS 'Whether an optional JSON value is an array of texts.';
REVOKE ALL ON FUNCTION glow_api.is_texts(value jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.learning_stats() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select jsonb_build_object(
    'agents', (select count(*) from glow.agents),
    'executions', (select count(*) from glow.executions),
    'feedback', (select count(*) from glow.agent_feedback f where f.superseded_by is null),
    'feedback_history', (select count(*) from glow.agent_feedback),
    'annotations', (select count(*) from glow.expert_annotations a where a.superseded_by is null),
    'demonstrations', (select count(*) from glow.demonstrations),
    'learning_examples', (
      select coalesce(jsonb_object_agg(x.status, x.n), '{}') from (
        select e.status, count(*) as n from glow.learning_examples e where e.superseded_at is null group by e.status) x),
    'dataset_versions', (select count(*) from glow.training_datasets),
    'prompt_versions', (select count(*) from glow.prompt_versions),
    'prompt_gates', (
      select coalesce(jsonb_object_agg(x.verdict, x.n), '{}') from (
        select g.verdict, count(*) as n from glow.prompt_gates g group by g.verdict) x),
    'experiments_running', (select count(*) from glow.learning_experiments x where x.state = 'running'),
    'retrieval_configurations', (select count(*) from glow.retrieval_configurations),
    'embedding_training_pairs', (select count(*) from glow.embedding_training_pairs),
    'training_runs', (
      select coalesce(jsonb_object_agg(x.state, x.n), '{}') from (
        select t.state, count(*) as n from glow.training_runs t group by t.state) x),
    'model_calls_cached', (select count(*) from glow.responses),
    'model_cost_usd', (select coalesce(sum(r.cost_usd), 0) from glow.responses r))
$$;
COMMENT ON FUNCTION glow_api.learning_stats() IS 'Counts over the whole loop, for a dashboard''s first row.';
REVOKE ALL ON FUNCTION glow_api.learning_stats() FROM PUBLIC;

CREATE FUNCTION glow_api.log_execution(execution_id text, agent text, input text, output text, user_id text DEFAULT NULL::text, conversation_id text DEFAULT NULL::text, channel text DEFAULT NULL::text, prompt_version text DEFAULT NULL::text, model text DEFAULT NULL::text, latency_ms integer DEFAULT NULL::integer, prompt_tokens integer DEFAULT NULL::integer, completion_tokens integer DEFAULT NULL::integer, cost_usd numeric DEFAULT NULL::numeric, started_at timestamp with time zone DEFAULT NULL::timestamp with time zone, metadata jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  hash bytea := glow_api.payload_hash(jsonb_build_array(
    agent, input, output, user_id, conversation_id, channel, prompt_version, model));
  known bytea;
  waiting bigint;
begin
  perform glow_api.require_id('execution_id', execution_id);
  perform glow_api.require_agent(agent);
  if input is null then perform glow_api.refuse('PT422', 'input', null, 'a text'); end if;
  if output is null then perform glow_api.refuse('PT422', 'output', null, 'a text'); end if;
  if input <> '' then perform glow_api.require_text('input', input, 1000000); end if;
  if output <> '' then perform glow_api.require_text('output', output, 1000000); end if;
  perform glow_api.require_id('user_id', user_id, true);
  perform glow_api.require_id('conversation_id', conversation_id, true);
  perform glow_api.require_id('channel', channel, true);
  perform glow_api.require_number('latency_ms', latency_ms, 0, 2147483647);
  perform glow_api.require_number('prompt_tokens', prompt_tokens, 0, 2147483647);
  perform glow_api.require_number('completion_tokens', completion_tokens, 0, 2147483647);
  perform glow_api.require_number('cost_usd', cost_usd, 0, 99999);
  perform glow_api.require_id('model', model, true);
  if jsonb_typeof(coalesce(metadata, '{}')) <> 'object' or octet_length(metadata::text) > 100000 then
    perform glow_api.refuse('PT422', 'metadata', metadata::text, 'an object of at most 100000 bytes');
  end if;
  if prompt_version is not null and not exists (
    select from glow.prompt_versions p
     where p.agent = log_execution.agent and p.prompt_version = log_execution.prompt_version
  ) then
    perform glow_api.refuse('PT404', 'prompt_version', prompt_version, 'a version that resolve_prompt returned for this agent');
  end if;

  insert into glow.executions as e (
    execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
    prompt_tokens, completion_tokens, cost_usd, started_at, metadata, payload_hash)
  values (
    log_execution.execution_id, log_execution.agent, input, output, log_execution.user_id, log_execution.conversation_id,
    log_execution.channel, log_execution.prompt_version, log_execution.model, log_execution.latency_ms,
    log_execution.prompt_tokens, log_execution.completion_tokens, log_execution.cost_usd,
    glow_api.not_after_now(log_execution.started_at), coalesce(log_execution.metadata, '{}'), hash)
  on conflict on constraint executions_pkey do nothing;
  if not found then
    select e.payload_hash into known from glow.executions e where e.execution_id = log_execution.execution_id;
    if known <> hash then
      perform glow_api.refuse('PT409', 'execution_id', execution_id, 'a new id: this one was logged with other contents');
    end if;
    return jsonb_build_object('execution_id', execution_id, 'status', 'replayed');
  end if;
  select count(*) into waiting from glow.agent_feedback f
   where f.execution_id = log_execution.execution_id and f.superseded_by is null;
  return jsonb_build_object('execution_id', execution_id, 'status', 'accepted', 'feedback_waiting', waiting);
end $$;
COMMENT ON FUNCTION glow_api.log_execution(execution_id text, agent text, input text, output text, user_id text, conversation_id text, channel text, prompt_version text, model text, latency_ms integer, prompt_tokens integer, completion_tokens integer, cost_usd numeric, started_at timestamp with time zone, metadata jsonb) IS 'Records one run of an agent. Safe to retry: the same id with the same contents answers "replayed". Feedback that came before it is joined to it.';
REVOKE ALL ON FUNCTION glow_api.log_execution(execution_id text, agent text, input text, output text, user_id text, conversation_id text, channel text, prompt_version text, model text, latency_ms integer, prompt_tokens integer, completion_tokens integer, cost_usd numeric, started_at timestamp with time zone, metadata jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.log_retrieval(event_id text, agent text, query text, hits jsonb, execution_id text DEFAULT NULL::text, policy text DEFAULT 'production'::text, configuration text DEFAULT NULL::text, user_id text DEFAULT NULL::text, conversation_id text DEFAULT NULL::text, occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  hit jsonb;
  flag text;
  known glow.retrieval_events;
  created boolean;
begin
  perform glow_api.require_id('event_id', event_id);
  perform glow_api.require_agent(agent);
  perform glow_api.require_text('query', query, 100000);
  perform glow_api.require_id('execution_id', execution_id, true);
  perform glow_api.require_id('user_id', user_id, true);
  perform glow_api.require_id('conversation_id', conversation_id, true);
  perform glow_api.require_id('configuration', configuration, true);
  if policy is null or policy not in ('production', 'interleave') then
    perform glow_api.refuse('PT422', 'policy', policy, 'production or interleave');
  end if;
  if hits is null or jsonb_typeof(hits) <> 'array' or jsonb_array_length(hits) > 1000 then
    perform glow_api.refuse('PT422', 'hits', left(hits::text, 80), 'an array of at most 1000 hits');
  end if;
  for hit in select * from jsonb_array_elements(hits) loop
    if jsonb_typeof(hit) <> 'object' or jsonb_typeof(hit -> 'rank') is distinct from 'number'
       or jsonb_typeof(hit -> 'chunk_id') is distinct from 'string' then
      perform glow_api.refuse('PT422', 'hits', hit::text, 'objects with at least rank and chunk_id');
    end if;
    if (hit ->> 'rank')::numeric not between 1 and 1000 or (hit ->> 'rank')::numeric % 1 <> 0 then
      perform glow_api.refuse('PT422', 'hits.rank', hit ->> 'rank', 'a whole number from 1 to 1000');
    end if;
    perform glow_api.require_id('hits.chunk_id', hit ->> 'chunk_id');
    if not glow_api.is_number(hit -> 'score', -1e300, 1e300) then
      perform glow_api.refuse('PT422', 'hits.score', hit ->> 'score', 'a finite number');
    end if;
    if not glow_api.is_number(hit -> 'propensity', 1e-9, 1) then
      perform glow_api.refuse('PT422', 'hits.propensity', hit ->> 'propensity', 'a probability above 0, up to 1');
    end if;
    if coalesce(hit ->> 'leg', 'both') not in ('dense', 'lexical', 'both') then
      perform glow_api.refuse('PT422', 'hits.leg', hit ->> 'leg', 'dense, lexical or both');
    end if;
    if coalesce(hit ->> 'explicit', '0') not in ('-1', '0', '1') then
      perform glow_api.refuse('PT422', 'hits.explicit', hit ->> 'explicit', '-1, 0 or 1');
    end if;
    foreach flag in array '{shown,cited,clicked,kept}'::text[] loop
      if coalesce(jsonb_typeof(hit -> flag), 'null') not in ('boolean', 'null') then
        perform glow_api.refuse('PT422', 'hits.' || flag, hit ->> flag, 'true or false');
      end if;
    end loop;
  end loop;
  if (select count(*) <> count(distinct h -> 'rank') or count(*) <> count(distinct h ->> 'chunk_id')
        from jsonb_array_elements(hits) h) then
    perform glow_api.refuse('PT422', 'hits', left(hits::text, 80), 'each rank and each chunk_id once');
  end if;

  insert into glow.retrieval_events (
    event_id, agent, execution_id, query, policy, configuration, user_id, conversation_id, occurred_at)
  values (event_id, agent, execution_id, query, policy, configuration, user_id, conversation_id,
          glow_api.not_after_now(occurred_at))
  on conflict on constraint retrieval_events_pkey do nothing
  returning true into created;
  if created is null then
    select r.* into known from glow.retrieval_events r where r.event_id = log_retrieval.event_id for update;
    if known.agent <> agent or known.query <> query then
      perform glow_api.refuse('PT409', 'event_id', event_id, 'a new id: this one was logged for another agent or query');
    end if;
    -- Readers that passed the event must see it again: a click is news.
    update glow.retrieval_events r set xid = pg_current_xact_id() where r.event_id = log_retrieval.event_id;
  end if;

  insert into glow.retrieval_hits as h (
    event_id, rank, chunk_id, score, leg, propensity, shown, cited, clicked, kept, explicit)
  select log_retrieval.event_id, x.rank, x.chunk_id, coalesce(x.score, 0), coalesce(x.leg, 'both'),
         coalesce(x.propensity, greatest(1.0 / x.rank, 0.1)), coalesce(x.shown, true), coalesce(x.cited, false),
         coalesce(x.clicked, false), coalesce(x.kept, false), coalesce(x.explicit, 0)
    from jsonb_to_recordset(hits) as x(
      rank smallint, chunk_id text, score double precision, leg text, propensity double precision,
      shown boolean, cited boolean, clicked boolean, kept boolean, explicit smallint)
  -- What was shown stays as logged; what the user did is added as it happens and never taken back by a late retry.
  on conflict on constraint retrieval_hits_pkey do update
     set cited = h.cited or excluded.cited, clicked = h.clicked or excluded.clicked, kept = h.kept or excluded.kept,
         explicit = case when excluded.explicit <> 0 then excluded.explicit else h.explicit end;
  return jsonb_build_object('event_id', event_id, 'status', case when created then 'accepted' else 'merged' end);
end $$;
COMMENT ON FUNCTION glow_api.log_retrieval(event_id text, agent text, query text, hits jsonb, execution_id text, policy text, configuration text, user_id text, conversation_id text, occurred_at timestamp with time zone) IS 'Records a search: what was shown at which rank. Call it again with the same event_id to add clicks, citations and verdicts as they happen.';
REVOKE ALL ON FUNCTION glow_api.log_retrieval(event_id text, agent text, query text, hits jsonb, execution_id text, policy text, configuration text, user_id text, conversation_id text, occurred_at timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION glow_api.not_after_now(instant timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN ((instant IS NULL) OR (NOT isfinite(instant))) THEN clock_timestamp() ELSE LEAST(instant, clock_timestamp()) END;
COMMENT ON FUNCTION glow_api.not_after_now(instant timestamp with time zone) IS 'The instant, or now where it lies in the future: a clock that runs ahead would hide a row from every window.';
REVOKE ALL ON FUNCTION glow_api.not_after_now(instant timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION glow_api.payload_hash(payload jsonb) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN sha256(convert_to((payload)::text, 'UTF8'::name));
COMMENT ON FUNCTION glow_api.payload_hash(payload jsonb) IS 'What makes a retried call the same call: the hash of its contents.';
REVOKE ALL ON FUNCTION glow_api.payload_hash(payload jsonb) FROM PUBLIC;

CREATE FUNCTION glow_api.refuse(code text, field text, value text, accepted text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise exception using
    errcode = code,
    message = format('%s: %s is not accepted', field, coalesce(quote_literal(left(value, 80)), 'a missing value')),
    hint = accepted;
end $$;
COMMENT ON FUNCTION glow_api.refuse(code text, field text, value text, accepted text) IS 'Raises the one form of refusal: the field, its value and the accepted form.';
REVOKE ALL ON FUNCTION glow_api.refuse(code text, field text, value text, accepted text) FROM PUBLIC;

CREATE FUNCTION glow_api.register_agent(agent text, description text DEFAULT ''::text, evaluation jsonb DEFAULT NULL::jsonb, prompt jsonb DEFAULT NULL::jsonb, split_shares numeric[] DEFAULT '{0.8,0.1,0.1}'::numeric[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  version text;
  created boolean;
begin
  if agent is null or agent !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'agent', agent, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  end if;
  description := coalesce(description, '');
  if length(description) > 2000 then
    perform glow_api.refuse('PT413', 'description', length(description) || ' characters', 'at most 2000 characters');
  end if;
  if array_ndims(split_shares) is distinct from 1 or array_lower(split_shares, 1) <> 1 or cardinality(split_shares) <> 3
     or array_position(split_shares, null) is not null or split_shares[1] <= 0 or split_shares[2] < 0
     or split_shares[3] < 0 or split_shares[1] + split_shares[2] + split_shares[3] <> 1 then
    perform glow_api.refuse('PT422', 'split_shares', split_shares::text, 'three shares (train above 0, val, test) whose sum is 1');
  end if;
  if evaluation is not null and (
    jsonb_typeof(evaluation) <> 'object'
    or coalesce(jsonb_typeof(evaluation -> 'metric'), 'null') not in ('string', 'null')
    or not glow_api.is_texts(evaluation -> 'choices') or not glow_api.is_number(evaluation -> 'max_calls', 1, 10000000)
  ) then
    perform glow_api.refuse('PT422', 'evaluation', evaluation::text, 'an object with metric (text), choices (texts) and max_calls (a number), each optional');
  end if;
  if prompt is not null and (
    jsonb_typeof(prompt) <> 'object' or jsonb_typeof(prompt -> 'instruction') is distinct from 'string'
    or not glow_api.is_texts(prompt -> 'choices') or not glow_api.is_number(prompt -> 'max_tokens', 1, 100000)
    or coalesce(jsonb_typeof(prompt -> 'input_prefix'), 'string') <> 'string'
    or coalesce(prompt -> 'rules', '[]') <> '[]' or coalesce(prompt -> 'demonstrations', '[]') <> '[]'
    or prompt - '{instruction,choices,max_tokens,input_prefix,rules,demonstrations,demonstration_layout}'::text[] <> '{}'
    or coalesce(prompt ->> 'demonstration_layout', 'turns') not in ('turns', 'inline')
  ) then
    perform glow_api.refuse('PT422', 'prompt', prompt::text,
      'instruction (text), and if wanted choices (texts), max_tokens, input_prefix; rules and demonstrations are learned');
  end if;

  insert into glow.agents as a (agent, description, evaluation, train_share, val_share, test_share)
  values (register_agent.agent, description, evaluation, split_shares[1], split_shares[2], split_shares[3])
  on conflict on constraint agents_pkey do nothing
  returning true into created;
  if created is null then
    -- The shares stay as they are: they decided the splits of examples that already exist.
    update glow.agents a
       set description = register_agent.description, evaluation = coalesce(register_agent.evaluation, a.evaluation)
     where a.agent = register_agent.agent;
  end if;

  if prompt is not null then
    version := encode(sha256(convert_to(prompt::text, 'UTF8')), 'hex');
    insert into glow.prompt_versions (agent, prompt_version, prompt, operator)
    values (register_agent.agent, version, prompt, 'registered')
    on conflict do nothing;
    -- Registration gives an agent its first prompt; later ones come through a gate.
    insert into glow.prompt_aliases (agent, alias, prompt_version)
    values (register_agent.agent, 'production', version)
    on conflict do nothing;
    if found then
      insert into glow.prompt_alias_history (agent, alias, prompt_version, revision, moved_by, reason)
      values (register_agent.agent, 'production', version, 1, current_user, 'registered');
    end if;
  end if;
  return jsonb_build_object('agent', agent, 'created', coalesce(created, false), 'prompt_version', version);
end $_$;
COMMENT ON FUNCTION glow_api.register_agent(agent text, description text, evaluation jsonb, prompt jsonb, split_shares numeric[]) IS 'Makes an agent known, with how its answers are judged and its first prompt. Safe to call again; the split shares never change.';
REVOKE ALL ON FUNCTION glow_api.register_agent(agent text, description text, evaluation jsonb, prompt jsonb, split_shares numeric[]) FROM PUBLIC;

CREATE FUNCTION glow_api.require_agent(agent text) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not exists (select from glow.agents a where a.agent = require_agent.agent) then
    perform glow_api.refuse('PT404', 'agent', require_agent.agent, 'the name of a registered agent; see register_agent');
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_agent(agent text) IS 'Refuses an agent that is not registered.';
REVOKE ALL ON FUNCTION glow_api.require_agent(agent text) FROM PUBLIC;

CREATE FUNCTION glow_api.require_feedback(thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  dimension record;
  issue text;
begin
  if thumbs is not null and thumbs not in (-1, 1) then
    perform glow_api.refuse('PT422', 'thumbs', thumbs::text, '1 for up, -1 for down');
  end if;
  if rating is not null and rating not between 1 and 5 then
    perform glow_api.refuse('PT422', 'rating', rating::text, 'whole stars from 1 to 5');
  end if;
  if dimensions is not null then
    if jsonb_typeof(dimensions) <> 'object' then
      perform glow_api.refuse('PT422', 'dimensions', dimensions::text, 'an object of dimension and stars');
    end if;
    for dimension in select * from jsonb_each(dimensions) loop
      if dimension.key not in ('accuracy', 'helpfulness', 'clarity', 'completeness')
         or jsonb_typeof(dimension.value) <> 'number' or dimension.value::numeric not between 1 and 5 then
        perform glow_api.refuse('PT422', 'dimensions.' || left(dimension.key, 40), dimension.value::text,
          'accuracy, helpfulness, clarity or completeness, each 1 to 5');
      end if;
    end loop;
  end if;
  foreach issue in array coalesce(issues, '{}') loop
    if issue is null or length(issue) not between 1 and 80 or issue ~ '[[:cntrl:]]' then
      perform glow_api.refuse('PT422', 'issues', issue, 'categories of 1 to 80 characters');
    end if;
  end loop;
  if cardinality(issues) > 20 then
    perform glow_api.refuse('PT422', 'issues', cardinality(issues)::text, 'at most 20 categories');
  end if;
  perform glow_api.require_text('comment', comment, 40000, true);
  if length(comment) > 10000 then
    perform glow_api.refuse('PT413', 'comment', length(comment) || ' characters', 'at most 10000 characters');
  end if;
  perform glow_api.require_text('correction', correction, 1000000, true);
  if thumbs is null and rating is null and dimensions is null and comment is null and correction is null
     and coalesce(cardinality(issues), 0) = 0 then
    perform glow_api.refuse('PT422', 'feedback', null, 'at least one of thumbs, rating, dimensions, issues, comment, correction');
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_feedback(thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text) IS 'Refuses feedback outside its ranges, or that says nothing.';
REVOKE ALL ON FUNCTION glow_api.require_feedback(thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text) FROM PUBLIC;

CREATE FUNCTION glow_api.require_id(field text, value text, optional boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if value is null and optional then return; end if;
  if value is null or length(value) not between 1 and 200 or value ~ '[[:cntrl:]]' then
    perform glow_api.refuse('PT422', field, value, '1 to 200 characters without control characters');
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_id(field text, value text, optional boolean) IS 'Refuses an id that is missing, too long or holds control characters.';
REVOKE ALL ON FUNCTION glow_api.require_id(field text, value text, optional boolean) FROM PUBLIC;

CREATE FUNCTION glow_api.require_number(field text, value numeric, low numeric, high numeric, optional boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if value is null and optional then return; end if;
  -- NaN is above every number in PostgreSQL, so that the bounds refuse it too.
  if value is null or value < low or value > high then
    perform glow_api.refuse('PT422', field, value::text, 'a number from ' || low || ' to ' || high);
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_number(field text, value numeric, low numeric, high numeric, optional boolean) IS 'Refuses a number outside its bounds, NaN and infinities among them.';
REVOKE ALL ON FUNCTION glow_api.require_number(field text, value numeric, low numeric, high numeric, optional boolean) FROM PUBLIC;

CREATE FUNCTION glow_api.require_text(field text, value text, most integer, optional boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if value is null and optional then return; end if;
  if value is null or value = '' then
    perform glow_api.refuse('PT422', field, value, 'a text that is not empty');
  elsif octet_length(value) > most then
    perform glow_api.refuse('PT413', field, octet_length(value) || ' bytes', 'at most ' || most || ' bytes');
  end if;
end $$;
COMMENT ON FUNCTION glow_api.require_text(field text, value text, most integer, optional boolean) IS 'Refuses a text that is missing, empty or too long.';
REVOKE ALL ON FUNCTION glow_api.require_text(field text, value text, most integer, optional boolean) FROM PUBLIC;

CREATE FUNCTION glow_api.resolve_prompt(agent text, unit text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  experiment glow.learning_experiments;
  salt text;
  bucket integer;
  assigned text;
  version text;
  content jsonb;
begin
  perform glow_api.require_agent(agent);
  perform glow_api.require_id('unit', unit, true);
  select a.prompt_version into version from glow.prompt_aliases a
   where a.agent = resolve_prompt.agent and a.alias = 'production';
  if version is null then
    perform glow_api.refuse('PT404', 'agent', agent, 'an agent with a production prompt; register_agent gives it its first');
  end if;

  if unit is not null then
    -- Held until commit: an experiment cannot stop between the choice and the exposure.
    select x.* into experiment from glow.learning_experiments x
     where x.agent = resolve_prompt.agent and x.state = 'running' for share;
    if found then
      salt := experiment.experiment_id || '#' || experiment.phase;
      if glow.exp_bucket(salt, 'enroll', unit) < experiment.enroll_ppm then
        bucket := glow.exp_bucket(salt, 'variant', unit);
        insert into glow.exposures (experiment_id, phase, unit_id, variant, bucket)
        values (experiment.experiment_id, experiment.phase, unit,
                case when bucket >= 1000000 - experiment.treatment_ppm then 'treatment' else 'control' end, bucket)
        on conflict do nothing;
        -- The first exposure wins over the hash: a unit keeps its variant for the whole phase.
        select x.variant into assigned from glow.exposures x
         where x.experiment_id = experiment.experiment_id and x.phase = experiment.phase and x.unit_id = unit;
        version := case assigned when 'treatment' then experiment.treatment else experiment.control end;
      end if;
    end if;
  end if;

  select p.prompt into content from glow.prompt_versions p
   where p.agent = resolve_prompt.agent and p.prompt_version = version;
  return jsonb_build_object(
    'prompt_version', version, 'prompt', content,
    'experiment_id', case when assigned is not null then experiment.experiment_id end, 'variant', assigned);
end $$;
COMMENT ON FUNCTION glow_api.resolve_prompt(agent text, unit text) IS 'The prompt an agent uses for a unit (user, session). In a running experiment the unit''s variant is chosen and its exposure written in this transaction, before the model is called: commit before you call it.';
REVOKE ALL ON FUNCTION glow_api.resolve_prompt(agent text, unit text) FROM PUBLIC;

CREATE FUNCTION glow_api.submit_annotation(execution_id text, reviewer text, verdict text, output text DEFAULT NULL::text, dimensions jsonb DEFAULT '{}'::jsonb, notes text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  hash bytea := glow_api.payload_hash(jsonb_build_array(execution_id, reviewer, verdict, output, dimensions, notes));
  known glow.expert_annotations;
  owner text;
  new_id bigint;
begin
  perform glow_api.require_id('execution_id', execution_id);
  perform glow_api.require_id('reviewer', reviewer);
  perform glow_api.require_id('idempotency_key', idempotency_key, true);
  if verdict is null or verdict not in ('approve', 'correct', 'reject') then
    perform glow_api.refuse('PT422', 'verdict', verdict, 'approve, correct or reject');
  end if;
  if verdict = 'correct' then
    perform glow_api.require_text('output', output, 1000000);
  elsif output is not null then
    perform glow_api.refuse('PT422', 'output', output, 'an output only with the verdict correct');
  end if;
  if dimensions is null or jsonb_typeof(dimensions) <> 'object' then
    perform glow_api.refuse('PT422', 'dimensions', dimensions::text, 'an object of quality dimension and score');
  end if;
  perform glow_api.require_text('notes', notes, 10000, true);
  select e.agent into owner from glow.executions e where e.execution_id = submit_annotation.execution_id;
  if owner is null then
    perform glow_api.refuse('PT404', 'execution_id', execution_id, 'the id of a logged execution');
  end if;
  if idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(owner || chr(31) || idempotency_key, 9));
  end if;
  perform pg_advisory_xact_lock(hashtextextended(execution_id || chr(31) || reviewer, 8));

  if idempotency_key is not null then
    select a.* into known from glow.expert_annotations a
     where a.agent = owner and a.idempotency_key = submit_annotation.idempotency_key;
    if found then
      if known.payload_hash <> hash then
        perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
      end if;
      return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'replayed');
    end if;
  end if;
  select a.* into known from glow.expert_annotations a
   where a.execution_id = submit_annotation.execution_id and a.reviewer = submit_annotation.reviewer
     and a.superseded_by is null;
  if found and known.payload_hash = hash then
    return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'unchanged');
  end if;

  new_id := nextval(pg_get_serial_sequence('glow.expert_annotations', 'annotation_id'));
  update glow.expert_annotations a set superseded_by = new_id where a.annotation_id = known.annotation_id;
  insert into glow.expert_annotations (
    annotation_id, execution_id, agent, reviewer, verdict, output, dimensions, notes, idempotency_key, payload_hash)
  overriding system value
  values (new_id, execution_id, owner, reviewer, verdict, output, dimensions, notes, idempotency_key, hash);
  return jsonb_strip_nulls(jsonb_build_object(
    'annotation_id', new_id, 'status', 'accepted', 'supersedes', known.annotation_id));
end $$;
COMMENT ON FUNCTION glow_api.submit_annotation(execution_id text, reviewer text, verdict text, output text, dimensions jsonb, notes text, idempotency_key text) IS 'Records an expert''s judgement: approve the output, correct it (with the right output) or reject it. One current judgement per reviewer and execution; a change supersedes and the old row stays.';
REVOKE ALL ON FUNCTION glow_api.submit_annotation(execution_id text, reviewer text, verdict text, output text, dimensions jsonb, notes text, idempotency_key text) FROM PUBLIC;

CREATE FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  hash bytea := glow_api.payload_hash(jsonb_build_array(expert, input, output, notes));
  known glow.demonstrations;
  new_id bigint;
begin
  perform glow_api.require_agent(agent);
  perform glow_api.require_id('expert', expert);
  perform glow_api.require_text('input', input, 1000000);
  perform glow_api.require_text('output', output, 1000000);
  perform glow_api.require_text('notes', notes, 10000, true);
  perform glow_api.require_id('idempotency_key', idempotency_key, true);
  insert into glow.demonstrations (agent, expert, input, output, notes, idempotency_key, payload_hash)
  values (agent, expert, input, output, notes, idempotency_key, hash)
  on conflict (agent, idempotency_key) where idempotency_key is not null do nothing
  returning demonstration_id into new_id;
  if new_id is null then
    select d.* into known from glow.demonstrations d
     where d.agent = submit_demonstration.agent and d.idempotency_key = submit_demonstration.idempotency_key;
    if known.payload_hash <> hash then
      perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
    end if;
    return jsonb_build_object('demonstration_id', known.demonstration_id, 'status', 'replayed');
  end if;
  return jsonb_build_object('demonstration_id', new_id, 'status', 'accepted');
end $$;
COMMENT ON FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text, idempotency_key text) IS 'Records an expert''s own example of an input and its right output.';
REVOKE ALL ON FUNCTION glow_api.submit_demonstration(agent text, expert text, input text, output text, notes text, idempotency_key text) FROM PUBLIC;

CREATE FUNCTION glow_api.submit_feedback(agent text, execution_id text, user_id text, thumbs integer DEFAULT NULL::integer, rating integer DEFAULT NULL::integer, dimensions jsonb DEFAULT NULL::jsonb, issues text[] DEFAULT '{}'::text[], comment text DEFAULT NULL::text, correction text DEFAULT NULL::text, channel text DEFAULT NULL::text, conversation_id text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- A correction alone is a fact of its own: it must not supersede the vote given before it.
  this_kind text := case when thumbs is null and rating is null and dimensions is null and correction is not null
                         then 'correction' else 'vote' end;
  hash bytea := glow_api.payload_hash(jsonb_build_array(
    execution_id, user_id, thumbs, rating, dimensions, issues, comment, correction, channel, conversation_id));
  known glow.agent_feedback;
  owner text;
  new_id bigint;
begin
  perform glow_api.require_agent(agent);
  perform glow_api.require_id('execution_id', execution_id);
  perform glow_api.require_id('user_id', user_id);
  perform glow_api.require_id('channel', channel, true);
  perform glow_api.require_id('conversation_id', conversation_id, true);
  perform glow_api.require_id('idempotency_key', idempotency_key, true);
  perform glow_api.require_feedback(thumbs, rating, dimensions, issues, comment, correction);

  -- Two calls with one key, and two votes of one person on one execution, at the same instant: the second waits. Keys
  -- first, always, so that two calls cannot wait for each other.
  if idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(agent || chr(31) || idempotency_key, 6));
  end if;
  perform pg_advisory_xact_lock(hashtextextended(execution_id || chr(31) || user_id || chr(31) || this_kind, 7));

  select e.agent into owner from glow.executions e where e.execution_id = submit_feedback.execution_id;
  if owner <> agent then
    perform glow_api.refuse('PT409', 'agent', agent, 'the agent that this execution was logged for');
  end if;
  if idempotency_key is not null then
    select f.* into known from glow.agent_feedback f
     where f.agent = submit_feedback.agent and f.idempotency_key = submit_feedback.idempotency_key;
    if found then
      if known.payload_hash <> hash then
        perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
      end if;
      return jsonb_build_object('feedback_id', known.feedback_id, 'status', 'replayed', 'execution_known', owner is not null);
    end if;
  end if;
  select f.* into known from glow.agent_feedback f
   where f.execution_id = submit_feedback.execution_id and f.user_id = submit_feedback.user_id
     and f.kind = this_kind and f.superseded_by is null;
  if found and known.payload_hash = hash then
    return jsonb_build_object('feedback_id', known.feedback_id, 'status', 'unchanged', 'execution_known', owner is not null);
  end if;

  new_id := nextval(pg_get_serial_sequence('glow.agent_feedback', 'feedback_id'));
  update glow.agent_feedback f set superseded_by = new_id where f.feedback_id = known.feedback_id;
  insert into glow.agent_feedback (
    feedback_id, agent, execution_id, user_id, kind, thumbs, rating, dimensions, issues, comment, correction, channel,
    conversation_id, idempotency_key, payload_hash, occurred_at)
  overriding system value
  values (
    new_id, agent, execution_id, user_id, this_kind, thumbs, rating, dimensions, coalesce(issues, '{}'), comment, correction,
    channel, conversation_id, idempotency_key, hash,
    glow_api.not_after_now(occurred_at));
  return jsonb_strip_nulls(jsonb_build_object(
    'feedback_id', new_id, 'status', 'accepted', 'supersedes', known.feedback_id, 'execution_known', owner is not null));
end $$;
COMMENT ON FUNCTION glow_api.submit_feedback(agent text, execution_id text, user_id text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, conversation_id text, idempotency_key text, occurred_at timestamp with time zone) IS 'Records what a user said of an execution: thumbs, stars, dimensions, issues, comment, correction. One current vote (with whatever came with it) and one current lone correction per person and execution; a change supersedes, the old row stays. Safe to retry with an idempotency key. Feedback for an execution not yet logged is kept ("execution_known": false).';


SET default_tablespace = '';

SET default_table_access_method = heap;
REVOKE ALL ON FUNCTION glow_api.submit_feedback(agent text, execution_id text, user_id text, thumbs integer, rating integer, dimensions jsonb, issues text[], comment text, correction text, channel text, conversation_id text, idempotency_key text, occurred_at timestamp with time zone) FROM PUBLIC;
