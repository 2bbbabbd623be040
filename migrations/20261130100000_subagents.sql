-- Agents that are agent programs, and the conversations that they may go on with.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

-- All kinds of runners that there are or will soon be: a constraint on a table
-- that people write to is not changed lightly.
alter table public.agents
drop constraint "runner is exec or manual",
add constraint "runner is exec, subagent, n8n, webhook or manual"
check (runner in ('exec', 'subagent', 'n8n', 'webhook', 'manual'));

-- A conversation with an agent program, until its agent is complete. It holds
-- prompts and what tools printed, so nobody but the owner reads it.
create table wavemark.sessions (
    agent_id uuid primary key references public.agents,
    project_id uuid not null,
    -- Of the run that left it.
    epoch int not null,
    profile text not null,
    session text not null,
    -- What the program had counted for it: its figures may go on.
    counted jsonb not null,
    -- The program's own record of it, packed.
    files bytea not null check (octet_length(files) <= 8388608),
    kept_at timestamptz not null default now()
);
alter table wavemark.sessions enable row level security;

do $$
declare
    role text;
begin
    foreach role in array array['anon', 'authenticated', 'service_role'] loop
        continue when not exists (select from pg_roles where rolname = role);
        execute format('revoke all on wavemark.sessions from %I', role);
    end loop;
end $$;
