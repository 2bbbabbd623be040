-- What makes a row written by hand as good as one written by the binary: what
-- is missing is filled in, and what must not change cannot.
--
-- Null counts as missing: API clients send null for columns that one row of a
-- bulk insert lacks.
--
-- What feedback is about is looked up with the rights of who gives it: an agent
-- of a project that they cannot see is as good as none. Who comes through the
-- API gives it in the name that their token holds.

set local lock_timeout = '30s';
set local statement_timeout = '5min';

-- The project of a row that names none: the only one there is.
create function wavemark.only_project() returns uuid
language plpgsql stable set search_path = '' as $$
declare
    ids uuid[] := array(select id from public.projects order by created_at limit 2);
begin
    if cardinality(ids) = 1 then
        return ids[1];
    elsif cardinality(ids) = 0 then
        raise 'there is no project yet' using hint = 'run `wavemark sync` first';
    end if;
    raise 'there is more than one project' using hint = 'set project_id';
end $$;

create function wavemark.complete_agent() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    new.id := coalesce(new.id, gen_random_uuid());
    new.status := coalesce(new.status, 'draft');
    new.dependencies := coalesce(new.dependencies, '{}');
    new.project_id := coalesce(
        nullif(new.project_id, '00000000-0000-0000-0000-000000000000'), wavemark.only_project()
    );
    new.runner := coalesce(new.runner, 'manual');
    new.review := coalesce(new.review, 'none');
    new.on_stale := coalesce(new.on_stale, 'keep');
    new.pool := coalesce(new.pool, 'default');
    new.priority := coalesce(new.priority, 0);
    new.retries := coalesce(new.retries, 2);
    new.timeout_seconds := coalesce(new.timeout_seconds, 7200);
    new.generation := coalesce(new.generation, 1);
    new.epoch := coalesce(new.epoch, 0);
    new.attempts_since := coalesce(new.attempts_since, 0);
    new.status_since := coalesce(new.status_since, now());
    new.created_at := coalesce(new.created_at, now());
    if new.status = 'building' and new.epoch = 0 then
        -- Only a claim makes an agent build.
        new.status := 'draft';
    end if;
    return new;
end $$;

create trigger complete_agent before insert on public.agents
for each row execute function wavemark.complete_agent();

create function wavemark.complete_artifact() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    agent public.agents;
begin
    -- Locked, so that two versions cannot get the same number.
    select * into agent from public.agents where id = new.agent_id for no key update;
    if not found then
        raise foreign_key_violation using message = format('there is no agent %L', new.agent_id);
    end if;
    new.id := coalesce(new.id, gen_random_uuid());
    new.project_id := agent.project_id;
    new.name := coalesce(nullif(new.name, ''), new.artifact_type || '.md');
    new.sha256 := encode(sha256(convert_to(new.content, 'UTF8')), 'hex');
    new.bytes := octet_length(new.content);
    new.epoch := coalesce(new.epoch, 0);
    if new.run_id is null then
        new.generation := agent.generation;
    end if;
    new.created_at := coalesce(new.created_at, now());
    new.git_state := coalesce(new.git_state, 'pending');
    if coalesce(new.version, 0) = 0 then
        new.version := 1 + coalesce((
            select max(version) from public.artifacts
            where agent_id = new.agent_id
                and artifact_type = new.artifact_type and name = new.name
        ), 0);
    end if;
    return new;
end $$;

create trigger complete_artifact before insert on public.artifacts
for each row execute function wavemark.complete_artifact();

create function wavemark.keep_artifact() returns trigger
language plpgsql set search_path = '' as $$
begin
    if tg_op in ('DELETE', 'TRUNCATE') then
        raise 'artifacts are never deleted';
    end if;
    if (new.id, new.agent_id, new.artifact_type, new.name, new.version, new.sha256, new.content)
        is distinct from
        (old.id, old.agent_id, old.artifact_type, old.name, old.version, old.sha256, old.content)
    then
        raise 'artifacts never change' using hint = 'insert another version';
    end if;
    if old.git_state = 'committed' and new.git_state <> 'committed' then
        raise 'a committed artifact stays committed';
    end if;
    return new;
end $$;

create trigger keep_artifact before update or delete on public.artifacts
for each row execute function wavemark.keep_artifact();

create trigger keep_artifacts before truncate on public.artifacts
for each statement execute function wavemark.keep_artifact();

create function wavemark.complete_feedback() returns trigger
language plpgsql set search_path = '' as $$
declare
    agent public.agents;
    claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    -- Who signed in by telephone has an empty address.
    me constant text := nullif(coalesce(nullif(claims ->> 'email', ''), claims ->> 'sub'), '');
begin
    if tg_op = 'INSERT' then
        select * into agent from public.agents where id = new.agent_id;
        if not found then
            raise foreign_key_violation
            using message = format('there is no agent %L', new.agent_id);
        end if;
        new.id := coalesce(new.id, gen_random_uuid());
        new.project_id := agent.project_id;
        new.kind := coalesce(new.kind, 'comment');
        new.blocking := coalesce(new.blocking, true);
        new.generation := coalesce(nullif(new.generation, 0), agent.generation);
        new.author := coalesce(nullif(new.author, 'somebody'), me, 'somebody');
        new.created_at := coalesce(new.created_at, now());
        new.resolved := coalesce(new.resolved, false);
    end if;
    if new.resolved then
        new.resolution := coalesce(new.resolution, 'completed');
        new.resolved_at := coalesce(new.resolved_at, now());
        new.resolved_by := coalesce(new.resolved_by, me);
    else
        -- Opened again: it waits for a person, and its next ending counts.
        new.resolution := null;
        new.resolved_at := null;
        new.resolved_by := null;
        new.applied_at := null;
    end if;
    return new;
end $$;

create trigger complete_feedback before insert or update on public.feedback
for each row execute function wavemark.complete_feedback();

create function wavemark.complete_comment() returns trigger
language plpgsql set search_path = '' as $$
declare
    claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    -- Who signed in by telephone has an empty address.
    me constant text := nullif(coalesce(nullif(claims ->> 'email', ''), claims ->> 'sub'), '');
begin
    new.id := coalesce(new.id, gen_random_uuid());
    select project_id into new.project_id from public.feedback where id = new.feedback_id;
    if not found then
        raise foreign_key_violation
        using message = format('there is no feedback %L', new.feedback_id);
    end if;
    new.author := coalesce(nullif(new.author, 'somebody'), me, 'somebody');
    new.created_at := coalesce(new.created_at, now());
    return new;
end $$;

create trigger complete_comment before insert on public.feedback_comments
for each row execute function wavemark.complete_comment();

revoke all on all functions in schema wavemark from public;
