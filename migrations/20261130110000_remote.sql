-- Runs that go on elsewhere: how a program that has nothing but a run's id and
-- its token takes part, over SQL or through the REST API.
--
-- **Invariant:** a call proves by its token that it is of the run, and is
-- refused when another run of the agent took over. It only ever adds facts, and
-- made twice it says the same as made once. No token is in any error.
--
-- An SQLSTATE that begins with PT is the status of the answer where the call
-- came over HTTP.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

alter table public.runs
-- Nobody's process is its supervisor: whoever ticks follows it.
add column remote boolean not null default false,
-- What the one that works on it calls itself, once it said that it does.
add column reference text,
-- The last sign of life from one that gives them by itself.
add column beat_at timestamptz,
-- Since when it is to stop.
add column stop_at timestamptz,
-- What it said about its end, which is yet to be judged.
add column reported jsonb,
add column reported_at timestamptz,
add constraint "what was reported was reported at some time"
check ((reported is null) = (reported_at is null));
create index runs_to_follow on public.runs (project_id)
where remote and (finished_at is null or outcome = 'lost');
create index runs_by_reference on public.runs (reference) where reference is not null;

create function wavemark.note_stop() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.stop_at := case when new.stop is null then null else coalesce(old.stop_at, now()) end;
    return new;
end $$;
create trigger note_stop before update of stop on public.runs
for each row when (new.stop is distinct from old.stop) execute function wavemark.note_stop();

-- How somebody else was asked to do the work of a run, and by which secret they
-- are known: they can say that it failed, though they never saw its token.
create table wavemark.launches (
    run_id uuid primary key references public.runs,
    secret_sha256 text check (secret_sha256 ~ '^[0-9a-f]{64}$'),
    -- What their answer called it.
    reference text
);
create index launches_by_secret on wavemark.launches (secret_sha256);

-- Calls that were given a key by whoever made them.
create table wavemark.requests (
    run_id uuid not null references public.runs,
    key text not null,
    sha256 text not null,
    answer jsonb not null,
    primary key (run_id, key)
);

alter table wavemark.launches enable row level security;
alter table wavemark.requests enable row level security;

create function wavemark.digest(content text) returns text
language sql immutable set search_path = '' as $$
    select encode(sha256(convert_to(content, 'UTF8')), 'hex')
$$;

-- A time as an agent's `input.json` has it.
create function wavemark.rfc3339(at timestamptz) returns text
language sql immutable set search_path = '' as $$
    select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

create function wavemark.setting(project uuid, name text, otherwise bigint) returns bigint
language sql stable set search_path = '' as $$
    -- By their numbers: a column goes before a parameter of the same name.
    select coalesce((select (p.settings ->> $2)::bigint from public.projects p where p.id = $1), $3)
$$;

-- A run, locked, for one that has its token.
create function wavemark.run_of_token(run uuid, token text) returns public.runs
language plpgsql set search_path = '' as $$
declare
    found_run public.runs;
begin
    -- Before the run itself, because that is the order in which everybody locks.
    perform from wavemark.pools p join public.runs r on r.project_id = p.project_id and r.pool = p.name
    where r.id = run and r.token_sha256 = wavemark.digest(token) and r.outcome = 'lost'
    for update of p;
    select * into found_run from public.runs r
    where r.id = run and r.token_sha256 = wavemark.digest(token)
    for update;
    if not found then
        raise sqlstate 'PT401' using
            message = 'there is no such run, or this is not its token',
            hint = 'pass on the run and the token as they were given to you';
    end if;
    if exists (select from public.agents a where a.id = found_run.agent_id and a.epoch > found_run.epoch) then
        raise sqlstate 'PT409' using
            message = 'another run of this agent took over',
            hint = 'stop: nothing that this one does counts any more';
    end if;
    if found_run.outcome <> 'lost' then
        raise sqlstate 'PT409' using
            message = format('the run has ended: %s', found_run.outcome),
            detail = coalesce(found_run.detail, ''),
            hint = 'stop: nothing that it does counts any more';
    end if;
    return found_run;
end $$;

-- The same, for one that may write.
create function wavemark.run_to_write(run uuid, token text) returns public.runs
language plpgsql set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
begin
    if found_run.reference is null then
        raise sqlstate 'PT409' using
            message = 'nobody claimed the run yet', hint = 'call run_claim first';
    end if;
    if found_run.reported is not null then
        raise sqlstate 'PT409' using
            message = format('the run has said that it ended: %s', found_run.reported ->> 'status'),
            hint = 'finish last: nothing can be added after it';
    end if;
    return found_run;
end $$;

-- Prolongs the lease, and says what every answer says. Who sends heartbeats is
-- held to them; anybody else may be silent for as long as an agent may give no
-- sign of life.
create function wavemark.run_lives(found_run public.runs) returns jsonb
language plpgsql set search_path = '' as $$
declare
    seconds constant bigint := case when found_run.beat_at is null
        then wavemark.setting(found_run.project_id, 'stall_timeout', 1800)
        else wavemark.setting(found_run.project_id, 'lease', 120) end;
begin
    update public.runs r
    set progress_at = now(),
        lease_until = case when r.finished_at is null then
            least(now() + make_interval(secs => seconds), r.deadline_at + interval '2 minutes')
        end
    where r.id = found_run.id;
    return jsonb_build_object(
        'run', found_run.id,
        'stop', found_run.stop,
        'lease_seconds', seconds,
        'deadline', wavemark.rfc3339(found_run.deadline_at)
    );
end $$;

-- A run that was given up goes on, if its pool still has room.
create function wavemark.run_revive(found_run public.runs) returns void
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
        );
    if not found then
        raise sqlstate 'PT409' using
            message = 'the run was silent for too long and was given up',
            hint = 'stop; what is stored stays stored, and the next run goes on from it';
    end if;
end $$;

-- The answer to a request that was made before with this key, if it was.
create function wavemark.answered(run uuid, request_key text, sha256 text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    before wavemark.requests;
begin
    if request_key is null then
        return null;
    end if;
    if length(request_key) not between 1 and 200 then
        raise sqlstate 'PT422' using message = 'an idempotency key has 1 to 200 characters';
    end if;
    select * into before from wavemark.requests r where r.run_id = run and r.key = request_key;
    if found and before.sha256 <> answered.sha256 then
        raise sqlstate 'PT409' using
            message = 'this idempotency key was used for something else',
            hint = 'use a new key for each thing, and the same one only to send a thing again';
    end if;
    return before.answer;
end $$;

create function wavemark.run_claim(run uuid, token text, reference text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
    named constant text := btrim(coalesce(reference, ''));
    answer jsonb;
begin
    if length(named) not between 1 and 200 then
        raise sqlstate 'PT422' using
            message = 'a reference has 1 to 200 characters',
            hint = 'call what works on the run something of its own, such as n8n:1234';
    end if;
    if found_run.reference <> named then
        raise sqlstate 'PT409' using
            message = format('another one works on this run: %s', found_run.reference),
            hint = 'stop: a run is done once, however often it is launched';
    end if;
    if found_run.reported is not null then
        raise sqlstate 'PT409' using
            message = format('the run has said that it ended: %s', found_run.reported ->> 'status'),
            hint = 'stop: its work is done';
    end if;
    perform wavemark.run_revive(found_run);
    if found_run.reference is null then
        update public.runs r set reference = named, remote = true where r.id = found_run.id;
        insert into public.events (project_id, agent_id, run_id, kind, detail)
        values (found_run.project_id, found_run.agent_id, found_run.id, 'claimed', 'by ' || named);
    end if;
    answer := wavemark.run_lives(found_run);
    return answer || (
        select jsonb_build_object(
            'agent', a.name, 'epoch', found_run.epoch, 'attempt', found_run.attempt,
            'generation', found_run.generation
        ) from public.agents a where a.id = found_run.agent_id
    );
end $$;

create function wavemark.run_heartbeat(run uuid, token text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run public.runs := wavemark.run_to_write(run, token);
begin
    perform wavemark.run_revive(found_run);
    update public.runs r set beat_at = now() where r.id = found_run.id returning r.* into found_run;
    return wavemark.run_lives(found_run);
end $$;

create function wavemark.run_progress(run uuid, token text, message text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_to_write(run, token);
begin
    perform wavemark.run_revive(found_run);
    update public.runs r
    set progress = nullif(left(
        btrim(regexp_replace(coalesce(message, ''), E'[\\x01-\\x1f\\x7f-\\x9f]+', ' ', 'g')), 500
    ), '')
    where r.id = found_run.id;
    return wavemark.run_lives(found_run);
end $$;

create function wavemark.run_checkpoint(
    run uuid, token text, key text, content text, idempotency_key text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_to_write(run, token);
    parts constant text[] := regexp_match(
        key, '^(schema|prompt|doc)/([A-Za-z0-9][A-Za-z0-9._-]{0,99})$'
    );
    most constant bigint := wavemark.setting(found_run.project_id, 'max_artifact_bytes', 5242880);
    sha256 constant text := wavemark.digest(content);
    newest public.artifacts;
    answer jsonb;
begin
    if parts is null then
        raise sqlstate 'PT422' using
            message = format('%L is not an artifact', left(key, 200)),
            hint = 'write a type (schema, prompt or doc), a slash and a file name: doc/summary.md';
    elsif content is null then
        raise sqlstate 'PT422' using message = format('%s has no content', key);
    elsif octet_length(content) > most then
        raise sqlstate 'PT413' using
            message = format('%s has %s bytes, and at most %s are taken',
                key, octet_length(content), most),
            hint = 'split it, or raise artifacts.max_size in waves/project.yaml';
    end if;
    answer := wavemark.answered(
        found_run.id, idempotency_key, wavemark.digest('checkpoint ' || key || ' ' || sha256)
    );
    if answer is not null then
        return answer || wavemark.run_lives(found_run);
    end if;

    -- Locked first, so that no other version comes in between.
    perform from public.agents a where a.id = found_run.agent_id for no key update;
    select * into newest from public.artifacts t
    where t.agent_id = found_run.agent_id and t.artifact_type = parts[1] and t.name = parts[2]
    order by t.version desc limit 1;
    if newest.sha256 = sha256 then
        -- It counts for what is being built now.
        update public.artifacts t set generation = found_run.generation
        where t.id = newest.id and t.generation < found_run.generation;
        answer := jsonb_build_object('stored', false);
    else
        if 1000 <= (select count(*) from public.artifacts t where t.run_id = found_run.id) then
            raise sqlstate 'PT409' using message = 'a run may make at most 1000 checkpoints';
        end if;
        insert into public.artifacts (
            agent_id, artifact_type, name, content, run_id, epoch, generation
        )
        values (
            found_run.agent_id, parts[1], parts[2], content, found_run.id, found_run.epoch,
            found_run.generation
        )
        returning * into newest;
        insert into public.events (project_id, agent_id, run_id, kind, detail)
        values (
            found_run.project_id, found_run.agent_id, found_run.id, 'checkpoint',
            format('%s version %s', key, newest.version)
        );
        answer := jsonb_build_object('stored', true);
    end if;
    answer := answer || jsonb_build_object(
        'key', key, 'version', newest.version, 'sha256', sha256
    );
    if idempotency_key is not null then
        insert into wavemark.requests
        values (
            found_run.id, idempotency_key, wavemark.digest('checkpoint ' || key || ' ' || sha256),
            answer || '{"stored": false}'
        );
    end if;
    return answer || wavemark.run_lives(found_run);
end $$;

create function wavemark.run_ask(
    run uuid, token text, question text, idempotency_key text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_to_write(run, token);
    said constant text := btrim(coalesce(question, ''), E' \t\r\n');
    -- The same question of the same run is the same question.
    asked constant text := format('question:%s:%s', run, left(wavemark.digest(said), 8));
    sha256 constant text := wavemark.digest('ask ' || said);
    given bigint;
    answer jsonb;
begin
    if said = '' then
        raise sqlstate 'PT422' using message = 'the question is empty';
    elsif octet_length(said) > 65536 then
        raise sqlstate 'PT413' using message = format(
            'the question has %s bytes, and at most 65536 are taken', octet_length(said)
        );
    end if;
    answer := wavemark.answered(found_run.id, idempotency_key, sha256);
    if answer is not null then
        return answer || wavemark.run_lives(found_run);
    end if;
    insert into public.feedback (agent_id, feedback_text, kind, author, run_id, request)
    select a.id, said, 'question', a.name, found_run.id, asked
    from public.agents a where a.id = found_run.agent_id
    on conflict (agent_id, request) do nothing
    returning number into given;
    if found then
        insert into public.events (project_id, agent_id, run_id, kind, detail)
        select found_run.project_id, a.id, found_run.id, 'question', format('#%s by %s', given, a.name)
        from public.agents a where a.id = found_run.agent_id;
    else
        select f.number into given from public.feedback f
        where f.agent_id = found_run.agent_id and f.request = asked;
    end if;
    answer := jsonb_build_object('number', given);
    if idempotency_key is not null then
        insert into wavemark.requests values (found_run.id, idempotency_key, sha256, answer);
    end if;
    return answer || wavemark.run_lives(found_run);
end $$;

create function wavemark.run_finish(
    run uuid, token text, status text, summary text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
    said constant jsonb := jsonb_build_object(
        'status', status, 'summary', nullif(btrim(coalesce(summary, ''), E' \t\r\n'), '')
    );
    missing jsonb;
begin
    if status is null or status not in ('complete', 'failed', 'refused', 'deferred', 'feedback') then
        raise sqlstate 'PT422' using
            message = format('%L is not a way to end', left(status, 200)),
            hint = 'use complete, failed, refused, deferred or feedback';
    elsif octet_length(summary) > 65536 then
        raise sqlstate 'PT413' using message = format(
            'the summary has %s bytes, and at most 65536 are taken', octet_length(summary)
        );
    elsif found_run.reference is null then
        raise sqlstate 'PT409' using
            message = 'nobody claimed the run yet', hint = 'call run_claim first';
    elsif found_run.reported <> said then
        raise sqlstate 'PT409' using
            message = format('the run has said that it ended: %s', found_run.reported ->> 'status'),
            hint = 'a run ends once';
    end if;
    select coalesce(jsonb_agg(declared order by declared), '[]') into missing
    from wavemark.definitions d, jsonb_array_elements_text(d.body -> 'produces') declared
    where d.sha256 = found_run.definition_sha256 and not exists (
        select from public.artifacts t
        where t.agent_id = found_run.agent_id and t.generation = found_run.generation
            and t.artifact_type || '/' || t.name = declared
    );
    update public.runs r
    set reported = said, reported_at = now(), progress_at = now(),
        -- Whoever ticks next judges it, and need not hurry.
        lease_until = case when r.finished_at is null then now() + interval '1 day' end
    where r.id = found_run.id and r.reported is null;
    return jsonb_build_object(
        'run', found_run.id, 'reported', status, 'missing', missing, 'stop', found_run.stop
    );
end $$;

create function wavemark.run_inputs(run uuid, token text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
    inputs jsonb;
begin
    perform wavemark.run_revive(found_run);
    select jsonb_build_object(
        'contract', 1, 'project', p.name, 'wave', coalesce(w.name, 'unplanned'),
        'agent', a.name, 'title', d.body -> 'title', 'run', found_run.id,
        'epoch', found_run.epoch, 'attempt', found_run.attempt,
        'generation', found_run.generation,
        'deadline', wavemark.rfc3339(found_run.deadline_at),
        'prompt', d.body -> 'prompt', 'env', coalesce(d.body -> 'env', '{}'),
        'produces', coalesce(d.body -> 'produces', '[]'),
        'deps', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'agent', dep.agent, 'title', dep.title, 'key', dep.key, 'version', dep.version,
                'sha256', dep.sha256, 'commit', dep.git_commit, 'content', dep.content
            ) order by dep.agent, dep.key), '[]')
            from (
                select distinct on (t.agent_id, t.artifact_type, t.name)
                    need.name as agent, need.title, t.artifact_type || '/' || t.name as key,
                    t.version, t.sha256, t.git_commit, t.content
                from public.artifacts t join public.agents need on need.id = t.agent_id
                -- As they were when the run began.
                where t.agent_id = any (a.dependencies) and t.created_at <= found_run.claimed_at
                order by t.agent_id, t.artifact_type, t.name, t.version desc
            ) dep
        ),
        'checkpoints', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'key', own.key, 'version', own.version, 'sha256', own.sha256,
                'commit', own.git_commit, 'content', own.content
            ) order by own.key), '[]')
            from (
                select distinct on (t.artifact_type, t.name)
                    t.artifact_type || '/' || t.name as key, t.version, t.sha256, t.git_commit,
                    t.content
                from public.artifacts t where t.agent_id = a.id
                order by t.artifact_type, t.name, t.version desc
            ) own
        ),
        'feedback', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'number', f.number, 'kind', f.kind, 'resolution', f.resolution,
                'messages', jsonb_build_array(jsonb_build_object(
                    'author', f.author, 'at', wavemark.rfc3339(f.created_at), 'body', f.feedback_text
                )) || coalesce((
                    select jsonb_agg(jsonb_build_object(
                        'author', c.author, 'at', wavemark.rfc3339(c.created_at), 'body', c.body
                    ) order by c.created_at)
                    from public.feedback_comments c where c.feedback_id = f.id
                ), '[]')
            ) order by f.number), '[]')
            from public.feedback f
            where f.agent_id = a.id and (f.resolved or not f.blocking)
                and not (f.kind = 'review' and f.resolution is distinct from 'dismissed')
                and not (f.kind = 'comment' and f.resolution is not distinct from 'dismissed')
                and not (f.kind = 'failure' and f.resolution is distinct from 'completed')
                and not (f.kind = 'refusal' and f.resolution is distinct from 'dismissed')
        )
    ) into inputs
    from public.agents a join public.projects p on p.id = a.project_id
    left join public.waves w on w.id = a.wave_id
    left join wavemark.definitions d on d.sha256 = found_run.definition_sha256
    where a.id = found_run.agent_id;
    return inputs || wavemark.run_lives(found_run);
end $$;

create function wavemark.run_fail_by_ref(
    reference text, message text, cause text, secret text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    -- A request's header, where a workflow keeps its secret apart from its data.
    headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
    known_by constant text := wavemark.digest(coalesce(secret, headers ->> 'x-wavemark-secret'));
    failed_run uuid;
begin
    if not exists (select from wavemark.launches l where l.secret_sha256 = known_by) then
        raise sqlstate 'PT401' using
            message = 'nothing was ever launched with this secret',
            hint = 'send the secret that the webhook asks for, as the header X-Wavemark-Secret';
    end if;
    select r.id into failed_run from public.runs r
    join public.agents a on a.id = r.agent_id and a.epoch = r.epoch
    join wavemark.launches l on l.run_id = r.id and l.secret_sha256 = known_by
    where coalesce(r.reference, l.reference) = run_fail_by_ref.reference
        and (r.finished_at is null or r.outcome = 'lost')
    order by r.claimed_at desc limit 1
    for update of r;
    update public.runs r
    set reported = jsonb_build_object(
            'status', 'failed', 'summary', left(message, 4000), 'cause', left(cause, 200)
        ),
        reported_at = now(),
        lease_until = case when r.finished_at is null then now() + interval '1 day' end
    where r.id = failed_run and r.reported is null;
    return jsonb_build_object('run', failed_run, 'reported', found);
end $$;

create function public.run_claim(run uuid, token text, reference text) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_claim(run, token, reference) $$;
comment on function public.run_claim is
'Wavemark: says who works on a run; anybody else is turned away from then on';

create function public.run_heartbeat(run uuid, token text) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_heartbeat(run, token) $$;
comment on function public.run_heartbeat is 'Wavemark: gives a sign of life';

create function public.run_progress(run uuid, token text, message text) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_progress(run, token, message) $$;
comment on function public.run_progress is 'Wavemark: says in a line what is being done';

create function public.run_checkpoint(
    run uuid, token text, key text, content text, idempotency_key text default null
) returns jsonb
language sql set search_path = '' as $$
    select wavemark.run_checkpoint(run, token, key, content, idempotency_key)
$$;
comment on function public.run_checkpoint is 'Wavemark: stores an artifact, such as doc/summary.md';

create function public.run_ask(
    run uuid, token text, question text, idempotency_key text default null
) returns jsonb
language sql set search_path = '' as $$
    select wavemark.run_ask(run, token, question, idempotency_key)
$$;
comment on function public.run_ask is 'Wavemark: asks people something';

create function public.run_finish(
    run uuid, token text, status text default 'complete', summary text default null
) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_finish(run, token, status, summary) $$;
comment on function public.run_finish is
'Wavemark: says how it ended: complete, failed, refused, deferred or feedback';

create function public.run_inputs(run uuid, token text) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_inputs(run, token) $$;
comment on function public.run_inputs is 'Wavemark: everything that an agent gets';

create function public.run_fail_by_ref(
    reference text, message text default null, cause text default null, secret text default null
) returns jsonb
language sql set search_path = '' as $$
    select wavemark.run_fail_by_ref(reference, message, cause, secret)
$$;
comment on function public.run_fail_by_ref is
'Wavemark: says that the run failed on which this execution works';

-- Whoever has a token may call, and the token says what that is good for.
do $$
declare
    private constant text :=
        'wavemark.note_stop(), wavemark.digest(text), wavemark.rfc3339(timestamptz), '
        'wavemark.setting(uuid, text, bigint), wavemark.run_of_token(uuid, text), '
        'wavemark.run_to_write(uuid, text), wavemark.run_lives(public.runs), '
        'wavemark.run_revive(public.runs), wavemark.answered(uuid, text, text)';
    calls constant text :=
        '$.run_claim(uuid, text, text), $.run_heartbeat(uuid, text), '
        '$.run_progress(uuid, text, text), $.run_checkpoint(uuid, text, text, text, text), '
        '$.run_ask(uuid, text, text, text), $.run_finish(uuid, text, text, text), '
        '$.run_inputs(uuid, text), $.run_fail_by_ref(text, text, text, text)';
    open constant text :=
        replace(calls, '$', 'public') || ', ' || replace(calls, '$', 'wavemark');
    role text;
begin
    execute format('revoke all on function %s, %s from public', private, open);
    foreach role in array array['anon', 'authenticated', 'service_role'] loop
        continue when not exists (select from pg_roles where rolname = role);
        execute format('revoke all on function %s, %s from %I', private, open, role);
        execute format('grant execute on function %s to %I', open, role);
        execute format('grant usage on schema wavemark to %I', role);
    end loop;
end $$;
