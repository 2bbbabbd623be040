-- The tables. `agents`, `artifacts` and `feedback` stand in `public` with the
-- columns that people and other programs know them by; every column added to
-- them is nullable or has a default, so a row inserted by hand still works: a
-- table editor asks for everything else. A default of zeros, or of nothing, is
-- a place that a trigger fills.
-- What nobody outside needs to see is in the private schema `wavemark`.
--
-- A constraint that people may run into is named by what it asks for: the name
-- is all that they are told.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

create schema wavemark;
revoke all on schema wavemark from public;

create table public.projects (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    artifact_branch text not null default 'wavemark/artifacts',
    settings jsonb not null default '{}',
    -- The least that somebody must be allowed to do in the repo to be heard.
    trusted_role text not null default 'triage'
        check (trusted_role in ('read', 'triage', 'write', 'maintain', 'admin')),
    plan_sha256 text check (plan_sha256 ~ '^[0-9a-f]{64}$'),
    plan_commit text,
    synced_at timestamptz,
    last_tick_at timestamptz,
    -- The one process that may publish to git, until its lease runs out.
    publisher uuid,
    publisher_until timestamptz,
    created_at timestamptz not null default now(),
    check ((publisher is null) = (publisher_until is null))
);
comment on table public.projects is 'Wavemark: one repo with its plan';

create table public.waves (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references public.projects,
    name text not null check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    title text,
    after uuid [] not null default '{}',
    position int not null default 0,
    retired_at timestamptz,
    created_at timestamptz not null default now(),
    unique (project_id, name)
);
comment on table public.waves is 'Wavemark: a named batch of agents';

create table wavemark.pools (
    project_id uuid not null references public.projects,
    name text not null check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    cap int not null check (cap >= 0),
    primary key (project_id, name)
);

-- What an agent does, by the digest of its canonical form: runs pin it here.
create table wavemark.definitions (
    sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
    body jsonb not null
);

create table public.agents (
    id uuid primary key default gen_random_uuid(),
    name text not null
        constraint "name is lower case letters, digits and hyphens"
            check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    status text not null default 'draft'
        constraint "status is draft, ready, building, feedback or complete"
            check (status in ('draft', 'ready', 'building', 'feedback', 'complete')),

    -- Facts about its building. All that changes while it is built stands side
    -- by side, status included: the write-ahead log holds a changed row from
    -- its first changed byte to its last.
    status_since timestamptz not null default now(),
    generation int not null default 1 check (generation >= 1),
    epoch int not null default 0 check (epoch >= 0),
    -- Failures up to this claim do not count any more.
    attempts_since int not null default 0,
    built_generation int,
    built_at timestamptz,
    -- The newest artifact it is made of, and the newest of its needs that it
    -- was made from: `artifacts.seq`, 0 for none.
    built_outputs bigint,
    built_inputs bigint,
    built_work_sha256 text,
    output_summary text,

    dependencies uuid [] not null default '{}',
    project_id uuid not null default '00000000-0000-0000-0000-000000000000'
        references public.projects,
    wave_id uuid references public.waves,
    title text,
    -- Absent for a row inserted by hand; such a row is never retired by a sync.
    definition_sha256 text references wavemark.definitions,
    work_sha256 text check (work_sha256 ~ '^[0-9a-f]{64}$'),
    runner text not null default 'manual'
        constraint "runner is exec or manual" check (runner in ('exec', 'manual')),
    review text not null default 'none'
        constraint "review is none, required or parallel"
            check (review in ('none', 'required', 'parallel')),
    on_stale text not null default 'keep'
        constraint "on_stale is keep or rebuild" check (on_stale in ('keep', 'rebuild')),
    pool text not null default 'default',
    priority int not null default 0,
    retries int not null default 2 check (retries >= 0),
    timeout_seconds int not null default 7200 check (timeout_seconds > 0),

    paused_at timestamptz,
    retired_at timestamptz,
    created_at timestamptz not null default now(),

    unique (project_id, name),
    check (attempts_since <= epoch),
    check (built_generation <= generation),
    check (
        num_nulls(built_generation, built_at, built_outputs, built_inputs) in (0, 4)
    ),
    constraint "only a run makes an agent build" check (status <> 'building' or epoch > 0)
) with (fillfactor = 70);
comment on table public.agents is 'Wavemark: a unit of work';
create index agents_by_wave on public.agents (wave_id);

create table public.runs (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null,
    agent_id uuid not null references public.agents,
    epoch int not null check (epoch >= 1),
    generation int not null,
    attempt int not null check (attempt >= 1),
    pool text not null,
    host text not null default '',
    definition_sha256 text,
    work_sha256 text,
    token_sha256 text not null check (token_sha256 ~ '^[0-9a-f]{64}$'),
    inputs bigint not null default 0,
    claimed_at timestamptz not null default now(),
    progress_at timestamptz not null default now(),
    progress text,
    lease_until timestamptz,
    deadline_at timestamptz not null,
    stop text check (stop in (
        'feedback', 'paused', 'timeout', 'stalled', 'interrupted', 'superseded'
    )),
    finished_at timestamptz,
    outcome text check (outcome in (
        'succeeded', 'failed', 'refused', 'timed_out', 'stalled', 'paused', 'interrupted',
        'deferred', 'lost'
    )),
    detail text,
    exit_code int,
    log_tail text,
    unique (agent_id, epoch),
    -- Live, or ended: nothing in between.
    check ((finished_at is null) = (outcome is null)),
    check ((finished_at is null) = (lease_until is not null))
) with (fillfactor = 70);
comment on table public.runs is 'Wavemark: one attempt of an agent';
create unique index runs_live on public.runs (agent_id) where finished_at is null;
create index runs_that_failed on public.runs (agent_id)
where outcome in ('failed', 'refused', 'timed_out', 'stalled', 'deferred', 'lost');

create table public.artifacts (
    id uuid primary key default gen_random_uuid(),
    agent_id uuid not null references public.agents,
    artifact_type text not null
        constraint "artifact_type is schema, prompt or doc"
            check (artifact_type in ('schema', 'prompt', 'doc')),
    content text not null,

    project_id uuid not null default '00000000-0000-0000-0000-000000000000',
    name text not null default ''
        constraint "name is letters, digits, dots, hyphens and underscores"
            check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    version int not null default 0 check (version >= 1),
    -- Across all agents, in the order in which they were stored.
    seq bigint not null generated always as identity,
    sha256 text not null default '' check (sha256 ~ '^[0-9a-f]{64}$'),
    bytes int not null default 0,
    run_id uuid references public.runs,
    epoch int not null default 0,
    generation int not null default 1,
    created_at timestamptz not null default now(),
    git_state text not null default 'pending'
        check (git_state in ('pending', 'committed', 'blocked')),
    git_commit text,
    git_path text,
    git_reason text,

    unique (agent_id, artifact_type, name, version),
    check ((git_state = 'committed') = (git_commit is not null)),
    check ((git_commit is null) = (git_path is null)),
    check ((git_state = 'blocked') = (git_reason is not null))
);
comment on table public.artifacts is 'Wavemark: what an agent made, immutable';
create index artifacts_outbox on public.artifacts (project_id, seq) where git_state = 'pending';
create index artifacts_blocked on public.artifacts (project_id) where git_state = 'blocked';
create index artifacts_by_run on public.artifacts (run_id);

create table public.feedback (
    id uuid primary key default gen_random_uuid(),
    agent_id uuid not null references public.agents,
    feedback_text text not null,
    resolved boolean not null default false,

    project_id uuid not null default '00000000-0000-0000-0000-000000000000',
    number bigint not null unique generated always as identity,
    kind text not null default 'comment'
        constraint "kind is comment, review, question, failure or refusal"
            check (kind in ('comment', 'review', 'question', 'failure', 'refusal')),
    blocking boolean not null default true,
    -- The one that its agent is at.
    generation int not null default 0,
    run_id uuid references public.runs,
    -- What makes asking the same thing twice impossible.
    request text,
    author text not null default 'somebody',
    resolution text
        constraint "resolution is completed, dismissed or superseded"
            check (resolution in ('completed', 'dismissed', 'superseded')),
    resolved_at timestamptz,
    resolved_by text,
    -- When the scheduler acted on the resolution.
    applied_at timestamptz,
    created_at timestamptz not null default now(),

    unique (agent_id, request),
    check (resolved = (resolution is not null)),
    check (resolved = (resolved_at is not null)),
    check (applied_at is null or resolved)
);
comment on table public.feedback is 'Wavemark: what waits, or waited, for a person';
create index feedback_to_look_at on public.feedback (project_id) where applied_at is null;
create index feedback_reviews on public.feedback (agent_id, generation) where kind = 'review';
create index feedback_by_run on public.feedback (run_id);

create table public.feedback_comments (
    id uuid primary key default gen_random_uuid(),
    feedback_id uuid not null references public.feedback,
    project_id uuid not null default '00000000-0000-0000-0000-000000000000',
    author text not null default 'somebody',
    body text not null,
    created_at timestamptz not null default now()
);
comment on table public.feedback_comments is 'Wavemark: what was said about a feedback';
create index feedback_comments_by_feedback on public.feedback_comments (feedback_id, created_at);

-- What happened, for people. Nothing is ever decided from it, and it refers to
-- other tables without holding them.
create table public.events (
    id bigint not null generated always as identity,
    project_id uuid not null,
    agent_id uuid,
    run_id uuid,
    at timestamptz not null default now(),
    kind text not null,
    detail text not null default '',
    primary key (project_id, id)
);
comment on table public.events is 'Wavemark: what happened';

-- Who may see a project through the API: `user_id` is the `sub` of their token.
create table wavemark.members (
    project_id uuid not null references public.projects,
    user_id text not null,
    primary key (project_id, user_id)
);
create index members_by_user on wavemark.members (user_id);
