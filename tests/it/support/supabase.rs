//! A Postgres as a Supabase project has it, and Supabase's own command line.
//!
//! Nobody gets to be a superuser there: what a project is given is the role
//! `postgres`, which owns the database. Requests through the API come as
//! `authenticator` and turn into one of three other roles. The server is one of
//! ours, with the extension that Supabase's linter needs.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use wavemark::embedded::{Address, Embedded};

use super::{process::Running, server::Server, tools};

/// What a Supabase project lets everybody do with new tables, functions and
/// sequences, unless somebody says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grants {
    /// In projects from before 2026.
    Everything,
    /// In those that came later.
    Nothing,
}

/// All databases of the server share these.
const ROLES: &str = "
    select pg_advisory_lock(6108864);
    do $$
    begin
        if exists (select from pg_roles where rolname = 'supabase_admin') then
            return;
        end if;
        create role anon nologin noinherit;
        create role authenticated nologin noinherit;
        create role service_role nologin noinherit bypassrls;
        create role authenticator login noinherit;
        grant anon, authenticated, service_role to authenticator;
        create role postgres login createdb createrole replication bypassrls;
        alter role anon set statement_timeout = '3s';
        alter role authenticated set statement_timeout = '8s';
        alter role authenticator set statement_timeout = '8s';
        alter role authenticator set lock_timeout = '8s';
        create role supabase_admin login superuser;
    end $$";

const SCHEMAS: &str = "
    create schema extensions authorization supabase_admin;
    create extension plpgsql_check schema extensions;
    grant usage on schema extensions to postgres, anon, authenticated, service_role;
    grant usage on schema public to postgres, anon, authenticated, service_role;
    create schema auth authorization supabase_admin;
    create table auth.users (id uuid primary key default gen_random_uuid(), email text);
    alter table auth.users owner to supabase_admin;
    grant usage on schema auth to postgres;
    grant all on auth.users to postgres;
    set client_min_messages = error;
    create publication supabase_realtime;
    alter publication supabase_realtime owner to postgres";

/// The server of this test run, started if need be.
pub(super) fn join() -> Server {
    let server = Server::enter("supabase", |folder, _| {
        fs::create_dir_all(folder.join("waves")).unwrap();
        fs::write(folder.join("waves/project.yaml"), "project: nothing\n").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavemark"));
        command.args(["db", "url"]).current_dir(folder).env_clear();
        // The first one on the path is taken.
        command.env("PATH", programs()).env("HOME", folder);
        Running::start(&mut command).wait().ok();
        let embedded = Embedded::at(&folder.join(".wavemark"));
        let address = embedded.running().unwrap().unwrap();
        (embedded, address)
    });
    server.sql_anywhere(ROLES);
    server
}

/// A database with what a Supabase project has in it from the start.
pub(super) fn create_database(server: &Server, name: &str, grants: Grants) -> Address {
    let address = server.create_database(name);
    server.sql(&address, SCHEMAS);
    server.sql(
        &address,
        &format!(
            "alter database {name} owner to postgres;
             alter database {name} set search_path = \"$user\", public, extensions"
        ),
    );
    if grants == Grants::Everything {
        for things in ["tables", "functions", "sequences"] {
            server.sql(
                &address,
                &format!(
                    "alter default privileges for role postgres in schema public
                     grant all on {things} to postgres, anon, authenticated, service_role"
                ),
            );
        }
    }
    address
}

/// What the server of this test run logged.
pub(super) fn log() -> String {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("supabase/.wavemark/postgres/server.log");
    let bytes = fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How a role reaches a database.
pub(super) fn url(address: &Address, role: &str) -> String {
    address.url().replacen("://wavemark@", &format!("://{role}@"), 1)
}

/// Puts our migrations where Supabase's command line looks for them.
pub(super) fn link_migrations(root: &Path) {
    fs::create_dir(root.join("supabase")).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("supabase/migrations");
    symlink(ours, root.join("supabase/migrations")).unwrap();
}

/// Supabase's command line in the folder `root`, for the database at `url`.
pub(super) fn command(root: &Path, url: &str, args: &[&str]) -> Command {
    let mut command =
        Command::new(tools::npm("supabase").join("@supabase/cli-linux-x64/bin/supabase"));
    command.current_dir(root).env_clear().env("HOME", root.join("home"));
    command.env("SUPABASE_TELEMETRY_DISABLED", "1").env("NO_COLOR", "1");
    command.args(args).arg("--yes").arg(format!("--remote={url}")).arg("--workdir").arg(root);
    command
}

/// The programs of Debian's Postgres with one more extension, plpgsql_check. A
/// server looks for extensions beside itself, so this is a copy of its folders,
/// most of it made of links.
fn programs() -> PathBuf {
    let system = Path::new("/usr");
    let major = (15..99)
        .rev()
        .find(|major| system.join(format!("lib/postgresql/{major}/bin/initdb")).exists())
        .expect("this test needs Debian's Postgres: install the package postgresql")
        .to_string();
    let [bin, lib, share] = ["lib/postgresql/$/bin", "lib/postgresql/$/lib", "share/postgresql/$"]
        .map(|path| path.replace('$', &major));
    let folder = tools::fetched(&format!("supabase-postgres-{major}"), |folder| {
        let package = format!("postgresql-{major}-plpgsql-check");
        let extension = tools::debian(&package, &format!("usr/{lib}/plpgsql_check.so")).join("usr");
        for root in [&extension, system] {
            link_all(&root.join(&lib), &folder.join(&lib));
            link_all(&root.join(&share).join("extension"), &folder.join(&share).join("extension"));
            link_all(&root.join(&share), &folder.join(&share));
        }
        fs::create_dir_all(folder.join(&bin)).unwrap();
        for program in ["postgres", "initdb"] {
            // A link would be followed back.
            fs::copy(system.join(&bin).join(program), folder.join(&bin).join(program)).unwrap();
        }
    });
    folder.join(bin)
}

/// Links everything in a folder that is not there yet.
fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let link = to.join(entry.file_name());
        if !link.exists() {
            symlink(entry.path(), link).unwrap();
        }
    }
}
