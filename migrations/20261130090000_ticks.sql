-- Every tick writes down that it was there. A clock that forgets a tick leaves no
-- trace of that; only the gap between two rows here shows it.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

create table wavemark.ticks (
    -- Made up by who ticks, so that a repeated transaction writes it once.
    id uuid primary key,
    project_id uuid not null references public.projects,
    -- What started it: an event of GitHub Actions, or `terminal`.
    event text not null check (event <> ''),
    -- Where it ran: the page of the job, or the name of the machine.
    place text not null,
    began_at timestamptz not null,
    ended_at timestamptz not null default now(),
    outcome text not null check (outcome in ('done', 'failed', 'interrupted')),
    -- Why it did not do all it should have.
    detail text,
    check (ended_at >= began_at),
    check ((outcome = 'done') = (detail is null))
);
create index ticks_newest on wavemark.ticks (project_id, ended_at desc);

alter table wavemark.ticks enable row level security;
