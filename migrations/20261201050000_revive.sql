-- A run that was given up does not go on when people said something meanwhile
-- that was acted on: it cannot know of it, and nobody else would be told.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

-- A run that was given up goes on, if its pool still has room.
create or replace function wavemark.run_revive(found_run public.runs) returns void
language plpgsql set search_path = '' as $$
begin
    if found_run.finished_at is null then
        return;
    end if;
    update public.runs r
    set finished_at = null, outcome = null, detail = null, lease_until = now() + interval '1 minute'
    from wavemark.pools p
    where r.id = found_run.id and r.deadline_at + interval '2 minutes' > now()
        and p.project_id = r.project_id and p.name = r.pool
        and p.cap > (
            select count(*) from public.runs live
            where live.project_id = r.project_id and live.pool = r.pool and live.finished_at is null
        )
        and not exists (
            select from public.feedback f
            where f.agent_id = r.agent_id and f.applied_at > r.claimed_at
                and f.kind in ('comment', 'question') and f.resolution = 'completed'
        );
    if not found then
        raise sqlstate 'PT409' using
            message = 'the run was silent for too long and was given up',
            hint = 'stop; what is stored stays stored, and the next run goes on from it';
    end if;
    -- Somebody may have been asked to do its work meanwhile.
    update public.feedback f
    set resolved = true, resolution = 'superseded', resolved_by = 'wavemark', applied_at = now()
    where f.agent_id = found_run.agent_id and f.kind = 'question'
        and f.request like 'manual:%' and not f.resolved;
end $$;
