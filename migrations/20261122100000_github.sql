-- What is known of the conversation on GitHub. GitHub itself is where it is
-- kept; here stands what was seen of it, and what is still to be written.
-- Times named `seen_at`, `edited_at` and the cursors are of GitHub's clock.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

create table wavemark.mailboxes (
    project_id uuid primary key references public.projects,
    -- `owner/name`; numbers of issues mean nothing in another repo.
    repo text,
    -- What marks on issues and comments are made with.
    key text not null check (key ~ '^[0-9a-f]{64}$') default encode(
        sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'
    ),
    -- Our account's id, once an issue was opened.
    us bigint,
    issues_cursor timestamptz,
    comments_cursor timestamptz,
    -- Fingerprints of the issues just before the cursor, by number.
    recent jsonb not null default '{}',
    -- The one process that may talk to GitHub, until its lease runs out.
    holder uuid,
    holder_until timestamptz,
    -- GitHub asked to be left alone.
    paused_until timestamptz,
    -- Why the last visit did not do all it should have.
    trouble text,
    visited_at timestamptz,
    -- When every open issue was last looked at by its number.
    reviewed_at timestamptz,
    check ((holder is null) = (holder_until is null))
);

-- A feedback's issue: no row, none; no number, being created; else linked.
create table wavemark.issues (
    feedback_id uuid primary key references public.feedback,
    project_id uuid not null,
    number bigint,
    url text,
    origin text not null check (origin in ('ours', 'theirs')),
    -- Whether it was open when feedback and issue last agreed.
    is_open boolean not null default true,
    seen_at timestamptz not null default 'epoch',
    -- Deleted, or moved to another repo.
    missing_since timestamptz,
    check ((number is null) = (url is null))
);
create unique index issues_ours on wavemark.issues (project_id, number) where origin = 'ours';
create index issues_by_number on wavemark.issues (project_id, number);

create table wavemark.issue_comments (
    feedback_id uuid not null references public.feedback,
    comment_id bigint not null,
    edited_at timestamptz not null,
    sha256 text not null,
    primary key (feedback_id, comment_id)
);

-- What is to be done on an issue: say `body`, react to `comment_id`, and change
-- the issue to `state`, as far as they are there.
create table wavemark.letters (
    id uuid primary key,
    project_id uuid not null,
    place bigint not null generated always as identity,
    number bigint not null,
    feedback_id uuid references public.feedback,
    comment_id bigint,
    reaction text check (reaction in ('+1', 'confused')),
    body text,
    state text check (state in ('open', 'completed', 'not_planned', 'duplicate')),
    -- The body is being sent, or was and the answer was lost.
    sending_at timestamptz,
    said_at timestamptz,
    sent_at timestamptz,
    failure text,
    check ((comment_id is null) = (reaction is null))
);
create index letters_to_send on wavemark.letters (project_id, place) where sent_at is null;

alter table wavemark.mailboxes enable row level security;
alter table wavemark.issues enable row level security;
alter table wavemark.issue_comments enable row level security;
alter table wavemark.letters enable row level security;
