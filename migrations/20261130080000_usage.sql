-- What runs use of language models, and what that may cost. Money is in
-- millionths of a US dollar, so that sums are exact.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

alter table public.waves
add column budget_micros bigint check (budget_micros > 0);
alter table public.agents
add column budget_micros bigint check (budget_micros > 0);

-- Tokens, turns and money, as `model::Usage` says it; null for a run that is not
-- known to use a language model.
alter table public.runs
add column usage jsonb check (jsonb_typeof(usage) = 'object');
create index runs_that_cost on public.runs (project_id) where usage ? 'cost';
create index feedback_on_budgets on public.feedback (project_id) where request like 'budget:%';

-- A run may be asked to stop because of what it cost.
alter table public.runs
drop constraint runs_stop_check,
add constraint runs_stop_check check (stop in (
    'feedback', 'paused', 'budget', 'timeout', 'stalled', 'interrupted', 'superseded'
));
