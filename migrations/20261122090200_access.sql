-- Who may do what through an API in front of the database.
--
-- | role          | reads                          | writes                              |
-- |---------------|--------------------------------|-------------------------------------|
-- | anon          | nothing                        | nothing                             |
-- | authenticated | the projects it is a member of | feedback and comments in those      |
-- | service_role  | everything in `public`         | everything but deletions            |
--
-- The roles are a Supabase project's; a bare Postgres has none of them, and
-- then only the owner gets in.

set local lock_timeout = '30s';
set local statement_timeout = '5min';

create function wavemark.my_projects() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select project_id from wavemark.members
    where user_id = nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
$$;
revoke all on function wavemark.my_projects() from public;

alter table public.projects enable row level security;
alter table public.waves enable row level security;
alter table public.agents enable row level security;
alter table public.runs enable row level security;
alter table public.artifacts enable row level security;
alter table public.feedback enable row level security;
alter table public.feedback_comments enable row level security;
alter table public.events enable row level security;
alter table wavemark.pools enable row level security;
alter table wavemark.definitions enable row level security;
alter table wavemark.members enable row level security;

create policy members_read on public.projects for select
using (id in (select wavemark.my_projects()));
create policy members_read on public.waves for select
using (project_id in (select wavemark.my_projects()));
create policy members_read on public.agents for select
using (project_id in (select wavemark.my_projects()));
create policy members_read on public.runs for select
using (project_id in (select wavemark.my_projects()));
create policy members_read on public.artifacts for select
using (project_id in (select wavemark.my_projects()));
create policy members_read on public.feedback for select
using (project_id in (select wavemark.my_projects()));
create policy members_add on public.feedback for insert
with check (project_id in (select wavemark.my_projects()));
create policy members_resolve on public.feedback for update
using (project_id in (select wavemark.my_projects()))
with check (project_id in (select wavemark.my_projects()));
create policy members_read on public.feedback_comments for select
using (project_id in (select wavemark.my_projects()));
create policy members_add on public.feedback_comments for insert
with check (project_id in (select wavemark.my_projects()));
create policy members_read on public.events for select
using (project_id in (select wavemark.my_projects()));

do $$
declare
    tables constant text :=
        'public.projects, public.waves, public.agents, public.runs, public.artifacts, '
        'public.feedback, public.feedback_comments, public.events';
    role text;
begin
    -- Older projects grant everything by default, newer ones nothing: start
    -- from nothing in both.
    foreach role in array array['anon', 'authenticated', 'service_role'] loop
        continue when not exists (select from pg_roles where rolname = role);
        execute format('revoke all on %s from %I', tables, role);
        execute format('revoke all on sequence public.artifacts_seq_seq, '
            'public.feedback_number_seq, public.events_id_seq from %I', role);
    end loop;

    if exists (select from pg_roles where rolname = 'authenticated') then
        execute format('grant select on %s to authenticated', tables);
        grant insert (agent_id, feedback_text), update (resolved, resolution)
        on public.feedback to authenticated;
        grant insert (feedback_id, body) on public.feedback_comments to authenticated;
        grant usage on schema wavemark to authenticated;
        grant execute on function wavemark.my_projects() to authenticated;
    end if;
    if exists (select from pg_roles where rolname = 'service_role') then
        execute format('grant select, insert, update on %s to service_role', tables);
    end if;

    -- What a page subscribes to.
    if exists (
        select from pg_publication
        where pubname = 'supabase_realtime' and not puballtables
            and pg_has_role(pubowner, 'usage')
    ) then
        alter publication supabase_realtime add table public.agents, public.feedback;
    end if;
end $$;
