-- What runs elsewhere use of language models: they say it themselves, with their
-- progress or at their end, in the words of `model::Usage`.
--
-- **Invariant:** `runs.usage` is only ever written in that shape, so that whoever
-- reads it can.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

-- A count that was said; nothing said is 0.
create function wavemark.counted(usage jsonb, field text) returns bigint
language plpgsql immutable set search_path = '' as $$
declare
    said constant text := usage ->> field;
begin
    -- Below 10^15, so that no sum of them overflows.
    if said is not null
        and (jsonb_typeof(usage -> field) <> 'number' or said !~ '^[0-9]{1,15}$') then
        raise sqlstate 'PT422' using
            message = format('%s is not a count: %s', field, left(said, 100)),
            hint = 'use a whole number from 0 to 999999999999999';
    end if;
    return coalesce(said::bigint, 0);
end $$;

-- A usage as it is stored; null if nothing was said.
create function wavemark.usage_said(usage jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
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
    elsif basis not in ('reported', 'computed') then
        raise sqlstate 'PT422' using
            message = format('%L is not the basis of a cost', left(basis, 100)),
            hint = 'use reported or computed, or leave it out';
    end if;
    select jsonb_object_agg(field, wavemark.counted(usage, field)) into told
    from unnest(array[
        'uncached_input', 'cache_read', 'cache_write', 'output', 'reasoning', 'turns'
    ]) field;
    if cost ? 'usd_micros' then
        told := told || jsonb_build_object('cost', jsonb_build_object(
            'usd_micros', wavemark.counted(cost, 'usd_micros'), 'basis', basis
        ));
    end if;
    return told;
end $$;

-- One more argument, which nobody has to give: two functions of one name would be
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
    used constant jsonb := wavemark.usage_said(usage);
begin
    perform wavemark.run_revive(found_run);
    update public.runs r
    set progress = case when message is null then r.progress else nullif(left(
            btrim(regexp_replace(message, E'[\\x01-\\x1f\\x7f-\\x9f]+', ' ', 'g')), 500
        ), '') end,
        usage = coalesce(used, r.usage)
    where r.id = found_run.id;
    return wavemark.run_lives(found_run);
end $$;

create function wavemark.run_finish(
    run uuid, token text, status text, summary text, usage jsonb
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    found_run constant public.runs := wavemark.run_of_token(run, token);
    used constant jsonb := wavemark.usage_said(usage);
    said constant jsonb := jsonb_build_object(
        'status', status, 'summary', nullif(btrim(coalesce(summary, ''), E' \t\r\n'), '')
    ) || case when used is null then '{}' else jsonb_build_object('usage', used) end;
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
        usage = coalesce(used, r.usage),
        -- Whoever ticks next judges it, and need not hurry.
        lease_until = case when r.finished_at is null then now() + interval '1 day' end
    where r.id = found_run.id and r.reported is null;
    return jsonb_build_object(
        'run', found_run.id, 'reported', status, 'missing', missing, 'stop', found_run.stop
    );
end $$;

create function public.run_progress(
    run uuid, token text, message text default null, usage jsonb default null
) returns jsonb
language sql set search_path = '' as $$ select wavemark.run_progress(run, token, message, usage) $$;
comment on function public.run_progress is
'Wavemark: says in a line what is being done, and what was used of a language model so far';

create function public.run_finish(
    run uuid, token text, status text default 'complete', summary text default null,
    usage jsonb default null
) returns jsonb
language sql set search_path = '' as $$
    select wavemark.run_finish(run, token, status, summary, usage)
$$;
comment on function public.run_finish is
'Wavemark: says how it ended: complete, failed, refused, deferred or feedback';

-- Whoever has a token may call, and the token says what that is good for.
do $$
declare
    private constant text := 'wavemark.counted(jsonb, text), wavemark.usage_said(jsonb)';
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
