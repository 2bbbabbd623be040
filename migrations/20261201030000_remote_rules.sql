-- What runs elsewhere are held to, more closely; and they say what they used of
-- language models, in the words of `model::Usage`.
--
-- **Invariant:** nothing in the message of an error ends its line, as a REST API
-- puts it in the first line of its answer. `runs.usage` is only ever written in
-- its shape, so that whoever reads it can.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

-- Somebody else's words, on a line of ours.
create function wavemark.in_a_line(said text) returns text
language sql immutable set search_path = '' as $$
    select regexp_replace(left(said, 200), '[\x01-\x1f\x7f-\x9f\u2028\u2029]+', ' ', 'g')
$$;

-- Refuses text with the token of the run in it: what a run says is kept, goes to
-- git and is read by many.
create function wavemark.check_public(said text, token text, what text) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if position(token in said) > 0 then
        raise sqlstate 'PT422' using
            message = format('%s has the token of the run in it', what),
            hint = 'leave it out: many can read this';
    end if;
end $$;

-- A count that was said; nothing said is 0.
create function wavemark.counted(usage jsonb, field text) returns bigint
language plpgsql immutable set search_path = '' as $$
declare
    said constant text := usage ->> field;
begin
    -- Below 10^15, so that no sum of them overflows.
    if said is not null
        and (jsonb_typeof(usage -> field) <> 'number' or said !~ '^[0-9]{1,15}([.]0+)?$') then
        raise sqlstate 'PT422' using
            message = format('%s is not a count: %s', field, wavemark.in_a_line(said)),
            hint = 'use a whole number from 0 to 999999999999999';
    end if;
    return coalesce(said::numeric, 0);
end $$;

-- What is counted of a usage, beside its cost.
create function wavemark.figures() returns text[]
language sql immutable set search_path = '' as $$
    select array['uncached_input', 'cache_read', 'cache_write', 'output', 'reasoning', 'turns']
$$;

-- A usage as it is stored; null if nothing was said.
create function wavemark.usage_said(usage jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    figures constant text[] := wavemark.figures();
    cost constant jsonb := nullif(usage -> 'cost', 'null');
    basis constant text := coalesce(cost ->> 'basis', 'reported');
    told jsonb;
begin
    if usage is null or usage = 'null' then
        return null;
    elsif jsonb_typeof(usage) <> 'object' or jsonb_typeof(cost) <> 'object' then
        raise sqlstate 'PT422' using
            message = 'a usage is an object, and so is its cost',
            hint = 'write {"output": 1200, "turns": 3, "cost": {"usd_micros": 250000}}';
    elsif usage <> '{}' and not usage ?| (figures || 'cost'::text)
        or cost <> '{}' and not cost ?| array['usd_micros', 'basis'] then
        -- Other names are nobody's business, but a budget would count nothing.
        raise sqlstate 'PT422' using
            message = format('no figure of a usage is in it: %s', wavemark.in_a_line(usage::text)),
            hint = format('use %s, and cost: {"usd_micros": 250000}', array_to_string(figures, ', '));
    elsif basis not in ('reported', 'computed') then
        raise sqlstate 'PT422' using
            message = format('%L is not the basis of a cost', wavemark.in_a_line(basis)),
            hint = 'use reported or computed, or leave it out';
    end if;
    select jsonb_object_agg(field, wavemark.counted(usage, field)) into told
    from unnest(figures) field;
    if cost ->> 'usd_micros' is not null then
        told := told || jsonb_build_object('cost', jsonb_build_object(
            'usd_micros', wavemark.counted(cost, 'usd_micros'), 'basis', basis
        ));
    end if;
    return told;
end $$;

-- What a run used so far, after it said `used`: no figure gets less, because an
-- older call can come late, and one that is left out was not said to be 0.
create function wavemark.used_so_far(before jsonb, used jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    with said as (
        select field, (used ->> field)::numeric as figure,
            -- Whoever may write rows may write anything there.
            case jsonb_typeof(before -> field) when 'number' then
                least(trunc((before ->> field)::numeric), 999999999999999)
            end as known
        from unnest(wavemark.figures()) field
    ), money as (
        select (used #>> '{cost,usd_micros}')::numeric as figure,
            case jsonb_typeof(before #> '{cost,usd_micros}') when 'number' then
                least(trunc((before #>> '{cost,usd_micros}')::numeric), 999999999999999)
            end as known
    )
    select case when used is null then before else
        (select jsonb_object_agg(field, greatest(figure, known)) from said)
        || (select case when coalesce(figure, known) is null then '{}' else
            jsonb_build_object('cost', jsonb_build_object(
                'usd_micros', greatest(figure, known),
                'basis', case when 'computed' = coalesce(
                    case when known > figure then null else used #>> '{cost,basis}' end,
                    before #>> '{cost,basis}'
                ) then 'computed' else 'reported' end
            ))
        end from money)
    end
$$;

-- Whether people said something since a run began that was acted on: it cannot
-- know of that, and nobody else would be told.
create function wavemark.missed_news(it public.runs) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.feedback f
        where f.agent_id = it.agent_id and f.applied_at > it.claimed_at
            and f.kind in ('comment', 'question') and f.resolution = 'completed'
    )
$$;

create function wavemark.refuse_given_up() returns void
language plpgsql set search_path = '' as $$
begin
    raise sqlstate 'PT409' using
        message = 'the run was silent for too long and was given up',
        hint = 'stop; what is stored stays stored, and the next run goes on from it';
end $$;

create function wavemark.refuse_reported(found_run public.runs) returns void
language plpgsql set search_path = '' as $$
begin
    if found_run.reported is not null then
        raise sqlstate 'PT409' using
            message = format('the run has said that it ended: %s', found_run.reported ->> 'status'),
            hint = 'stop: its work is done';
    end if;
end $$;

-- A run, locked, for one that has its token.
create or replace function wavemark.run_of_token(run uuid, token text) returns public.runs
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
    if found_run.reported is not null and found_run.outcome <> 'lost' then
        -- It was judged by what it said, and may say that again: the answer can
        -- have been lost. Whoever wants anything else is told that it ended.
        return found_run;
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

-- A run that was given up goes on, if its pool still has room.
create or replace function wavemark.run_revive(found_run public.runs) returns void
language plpgsql set search_path = '' as $$
begin
    if found_run.finished_at is null then
        return;
    end if;
    -- It is locked already, unless the run was given up just now. Waiting for it
    -- would be out of order: such a call fails, and can be made again.
    begin
        perform from wavemark.pools p
        where p.project_id = found_run.project_id and p.name = found_run.pool
        for update nowait;
    exception when lock_not_available then
        raise sqlstate 'PT503' using
            message = 'the run was given up just now', hint = 'call again in a few seconds';
    end;
    update public.runs r
    set finished_at = null, outcome = null, detail = null, lease_until = now() + interval '1 minute'
    from wavemark.pools p
    where r.id = found_run.id and r.deadline_at + interval '2 minutes' > now()
        and p.project_id = r.project_id and p.name = r.pool
        and p.cap > (
            select count(*) from public.runs live
            where live.project_id = r.project_id and live.pool = r.pool and live.finished_at is null
        )
        and not wavemark.missed_news(r);
    if not found then
        perform wavemark.refuse_given_up();
    end if;
    -- Somebody may have been asked to do its work meanwhile.
    update public.feedback f
    set resolved = true, resolution = 'superseded', resolved_by = 'wavemark', applied_at = now()
    where f.agent_id = found_run.agent_id and f.kind = 'question'
        and f.request like 'manual:%' and not f.resolved;
end $$;

create or replace function wavemark.run_claim(run uuid, token text, reference text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
    named constant text := btrim(coalesce(reference, ''), E' \t\r\n');
    answer jsonb;
begin
    if length(named) not between 1 and 200 or named ~ '[\x01-\x1f\x7f-\x9f\u2028\u2029]' then
        raise sqlstate 'PT422' using
            message = 'a reference has 1 to 200 characters, and is one line',
            hint = 'call what works on the run something of its own, such as n8n:1234';
    end if;
    perform wavemark.check_public(named, token, 'the reference');
    if btrim(found_run.reference, E' \t\r\n') <> named then
        raise sqlstate 'PT409' using
            message = format(
                'another one works on this run: %s', wavemark.in_a_line(found_run.reference)
            ),
            hint = 'stop: a run is done once, however often it is launched';
    end if;
    perform wavemark.refuse_reported(found_run);
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

create or replace function wavemark.run_checkpoint(
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
    perform wavemark.check_public(key, token, 'the key');
    if parts is null then
        raise sqlstate 'PT422' using
            message = format('%L is not an artifact', wavemark.in_a_line(key)),
            hint = 'write a type (schema, prompt or doc), a slash and a file name: doc/summary.md';
    elsif content is null then
        raise sqlstate 'PT422' using message = format('%s has no content', key),
            hint = 'pass its text as content';
    elsif octet_length(content) > most then
        raise sqlstate 'PT413' using
            message = format('%s has %s bytes, and at most %s are taken',
                key, octet_length(content), most),
            hint = 'split it, or raise artifacts.max_size in waves/project.yaml';
    end if;
    perform wavemark.check_public(content, token, key);
    perform wavemark.check_public(idempotency_key, token, 'the idempotency key');
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
            raise sqlstate 'PT409' using
                message = 'a run may make at most 1000 checkpoints',
                hint = 'store what belongs together as one artifact, and finish';
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

create or replace function wavemark.run_ask(
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
        raise sqlstate 'PT422' using
            message = 'the question is empty', hint = 'pass its text as question';
    elsif octet_length(said) > 65536 then
        raise sqlstate 'PT413' using
            message = format(
                'the question has %s bytes, and at most 65536 are taken', octet_length(said)
            ),
            hint = 'store what is long as an artifact, and ask about that';
    end if;
    perform wavemark.check_public(said, token, 'the question');
    perform wavemark.check_public(idempotency_key, token, 'the idempotency key');
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

create or replace function wavemark.run_inputs(run uuid, token text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
    inputs jsonb;
begin
    perform wavemark.refuse_reported(found_run);
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
                and not (f.kind = 'question' and f.resolution is not distinct from 'superseded')
        )
    ) into inputs
    from public.agents a join public.projects p on p.id = a.project_id
    left join public.waves w on w.id = a.wave_id
    left join wavemark.definitions d on d.sha256 = found_run.definition_sha256
    where a.id = found_run.agent_id;
    return inputs || wavemark.run_lives(found_run);
end $$;

-- One argument more, which nobody has to give: two functions of one name would be
-- ambiguous to a REST API.
-- squawk-ignore ban-drop-function
drop function public.run_progress(uuid, text, text);
-- squawk-ignore ban-drop-function
drop function wavemark.run_progress(uuid, text, text);
-- squawk-ignore ban-drop-function
drop function public.run_finish(uuid, text, text, text);
-- squawk-ignore ban-drop-function
drop function wavemark.run_finish(uuid, text, text, text);

create function wavemark.run_progress(run uuid, token text, message text, usage jsonb)
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_to_write(run, token);
    used constant jsonb := wavemark.usage_said(replace(usage::text, token, '***')::jsonb);
begin
    perform wavemark.run_revive(found_run);
    update public.runs r
    set progress = case when message is null then r.progress else nullif(left(btrim(regexp_replace(
            replace(message, token, '***'), '[\x01-\x1f\x7f-\x9f\u2028\u2029]+', ' ', 'g'
        )), 500), '') end,
        usage = wavemark.used_so_far(r.usage, used)
    where r.id = found_run.id;
    return wavemark.run_lives(found_run);
end $$;

create function wavemark.run_finish(
    run uuid, token text, status text, summary text, usage jsonb
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
    used constant jsonb := wavemark.usage_said(replace(usage::text, token, '***')::jsonb);
    said constant jsonb := jsonb_build_object(
        'status', status,
        'summary', nullif(btrim(replace(coalesce(summary, ''), token, '***'), E' \t\r\n'), '')
    ) || case when used is null then '{}' else jsonb_build_object('usage', used) end;
    -- What it said is kept without what is secret in it, and compared as it was.
    sha256 constant text := wavemark.digest(said::text);
    missing jsonb;
begin
    if status is null or status not in ('complete', 'failed', 'refused', 'deferred', 'feedback') then
        raise sqlstate 'PT422' using
            message = format(
                '%L is not a way to end', wavemark.in_a_line(replace(status, token, '***'))
            ),
            hint = 'use complete, failed, refused, deferred or feedback';
    elsif octet_length(summary) > 65536 then
        raise sqlstate 'PT413' using
            message = format(
                'the summary has %s bytes, and at most 65536 are taken', octet_length(summary)
            ),
            hint = 'store what is long as an artifact, and sum it up';
    elsif found_run.reference is null then
        raise sqlstate 'PT409' using
            message = 'nobody claimed the run yet', hint = 'call run_claim first';
    elsif sha256 <> coalesce(
        found_run.reported ->> 'sha256', wavemark.digest(found_run.reported::text)
    ) then
        raise sqlstate 'PT409' using
            message = format('the run has said that it ended: %s', found_run.reported ->> 'status'),
            hint = 'a run ends once';
    elsif found_run.outcome = 'lost' and wavemark.missed_news(found_run) then
        perform wavemark.refuse_given_up();
    end if;
    select coalesce(jsonb_agg(declared order by declared), '[]') into missing
    from wavemark.definitions d, jsonb_array_elements_text(d.body -> 'produces') declared
    where d.sha256 = found_run.definition_sha256 and not exists (
        select from public.artifacts t
        where t.agent_id = found_run.agent_id and t.generation = found_run.generation
            and t.artifact_type || '/' || t.name = declared
    );
    update public.runs r
    set reported = said || jsonb_build_object('sha256', sha256), reported_at = now(),
        progress_at = now(), usage = wavemark.used_so_far(r.usage, used),
        -- Whoever ticks next judges it, and need not hurry.
        lease_until = case when r.finished_at is null then now() + interval '1 day' end
    where r.id = found_run.id and r.reported is null;
    return jsonb_build_object(
        'run', found_run.id, 'reported', status, 'missing', missing, 'stop', found_run.stop
    );
end $$;

create or replace function wavemark.run_fail_by_ref(
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
    if failed_run is null and exists (
        select from public.runs r
        join wavemark.launches l on l.run_id = r.id and l.secret_sha256 = known_by
        where coalesce(r.reference, l.reference) is null and r.finished_at is null
            -- An answer to a launch is not waited for for longer.
            and r.claimed_at > now() - interval '1 minute'
    ) then
        raise sqlstate 'PT503' using
            message = 'no run is known by this reference yet, and not all launches are written down',
            hint = 'call again in a few seconds';
    end if;
    update public.runs r
    set reported = jsonb_build_object(
            'status', 'failed', 'summary', left(message, 4000), 'cause', left(cause, 200)
        ),
        reported_at = now(),
        lease_until = case when r.finished_at is null then now() + interval '1 day' end
    where r.id = failed_run and r.reported is null;
    return jsonb_build_object('run', failed_run, 'reported', found);
end $$;

create or replace function wavemark.answered(run uuid, request_key text, sha256 text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    before wavemark.requests;
begin
    if request_key is null then
        return null;
    end if;
    if length(request_key) not between 1 and 200 then
        raise sqlstate 'PT422' using
            message = 'an idempotency key has 1 to 200 characters',
            hint = 'make one of its own for each thing, such as a UUID';
    end if;
    select * into before from wavemark.requests r where r.run_id = run and r.key = request_key;
    if found and before.sha256 <> answered.sha256 then
        raise sqlstate 'PT409' using
            message = 'this idempotency key was used for something else',
            hint = 'use a new key for each thing, and the same one only to send a thing again';
    end if;
    return before.answer;
end $$;

-- What is left out is missing, as null is: a REST API knows no function for it.
create or replace function public.run_claim(
    run uuid default null, token text default null, reference text default null
) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_claim(run, token, reference) $$;

create or replace function public.run_heartbeat(
    run uuid default null, token text default null
) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_heartbeat(run, token) $$;

create function public.run_progress(
    run uuid default null, token text default null, message text default null,
    usage jsonb default null
) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_progress(run, token, message, usage) $$;
comment on function public.run_progress is
'Wavemark: says in a line what is being done, and what was used of a language model so far';

create or replace function public.run_checkpoint(
    run uuid default null, token text default null, key text default null,
    content text default null, idempotency_key text default null
) returns jsonb
language sql set search_path = '' as $$
    select wavemark.run_checkpoint(run, token, key, content, idempotency_key)
$$;

create or replace function public.run_ask(
    run uuid default null, token text default null, question text default null,
    idempotency_key text default null
) returns jsonb
language sql set search_path = '' as $$
    select wavemark.run_ask(run, token, question, idempotency_key)
$$;

create function public.run_finish(
    run uuid default null, token text default null, status text default 'complete',
    summary text default null, usage jsonb default null
) returns jsonb
language sql set search_path = '' as $$
    select wavemark.run_finish(run, token, status, summary, usage)
$$;
comment on function public.run_finish is
'Wavemark: says how it ended: complete, failed, refused, deferred or feedback';

create or replace function public.run_inputs(
    run uuid default null, token text default null
) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_inputs(run, token) $$;

-- Whoever has a token may call, and the token says what that is good for.
do $$
declare
    private constant text :=
        'wavemark.in_a_line(text), wavemark.check_public(text, text, text), '
        'wavemark.counted(jsonb, text), wavemark.usage_said(jsonb), '
        'wavemark.used_so_far(jsonb, jsonb), wavemark.missed_news(public.runs), '
        'wavemark.refuse_given_up(), wavemark.refuse_reported(public.runs), wavemark.figures()';
    open constant text :=
        'public.run_progress(uuid, text, text, jsonb), '
        'wavemark.run_progress(uuid, text, text, jsonb), '
        'public.run_finish(uuid, text, text, text, jsonb), '
        'wavemark.run_finish(uuid, text, text, text, jsonb)';
    role text;
begin
    execute format('revoke all on function %s, %s from public', private, open);
    foreach role in array array['anon', 'authenticated', 'service_role'] loop
        continue when not exists (select from pg_roles where rolname = role);
        execute format('revoke all on function %s, %s from %I', private, open, role);
        execute format('grant execute on function %s to %I', open, role);
    end loop;
end $$;
