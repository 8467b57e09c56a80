"""Jobs: what one run spans.

Belongs here: which assets a run spans. Does not: when it runs (schedules, sensors), on whose request (requests).
"""

import dagster as dg

_UPKEEP = dg.AssetSelection.assets("storage_upkeep")
_REPORTS = dg.AssetSelection.assets("annotation_report", "judge_calibration")
_ERASURES = dg.AssetSelection.assets("erasures")
_WATCH = dg.AssetSelection.assets("experiment_guardrails", "rollout")

turn = dg.define_asset_job(
    "turn",
    description="One whole turn of the loop for one agent: curate, check, optimize, gate, experiment, measure.",
    selection=dg.AssetSelection.all() - _UPKEEP - _REPORTS - _ERASURES - _WATCH,
)
curation = dg.define_asset_job(
    "curation",
    description="A dataset version of one agent from all that came in: the first part of a turn.",
    selection=dg.AssetSelection.assets("training_dataset").upstream().materializable(),
)
training = dg.define_asset_job(
    "training",
    description="The training run of one agent, on a dataset curated in the same run.",
    selection=dg.AssetSelection.assets("fine_tuned_model").upstream().materializable(),
)
retrieval_training = dg.define_asset_job(
    "retrieval_training",
    description="The retrieval of one agent: documents indexed, searches learned from, the candidate tested and tried.",
    selection=dg.AssetSelection.groups("retrieval"),
)
experimentation = dg.define_asset_job(
    "experimentation",
    description="The experiments of one agent: what was asked for is started, what runs is looked at and decided.",
    selection=dg.AssetSelection.assets("experiment"),
)
watch = dg.define_asset_job(
    "watch",
    description="What is on users: guardrails of one agent's experiments, and its rollouts by at most one stage.",
    selection=_WATCH,
)
upkeep = dg.define_asset_job(
    "upkeep", description="Months made ahead, old ones dropped as the settings say.", selection=_UPKEEP
)
calibration = dg.define_asset_job(
    "calibration",
    description="Last week's report on the reviewers of every agent, and every judge against experts.",
    selection=_REPORTS,
)
erasure = dg.define_asset_job(
    "erasure",
    description="What erasures have left to do: successors of datasets, files, Dagster's own tables.",
    selection=_ERASURES,
)
