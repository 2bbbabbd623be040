//! A database elsewhere: who proves what to whom, and what is said about it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
};

use crate::support::{
    Plan, Project,
    elsewhere::{Authority, ESCAPED, Elsewhere, PASSWORD, USER, answer},
    wait_until,
};

const PEM: &str = "WAVEMARK_DATABASE_CA";
const INSECURE: &str = "WAVEMARK_DATABASE_INSECURE";

/// A project whose database is at `url`.
fn at(url: &str) -> Project {
    let mut project = Project::elsewhere(&Plan::new().agent("vision", "", "true"));
    project.env("DATABASE_URL", url);
    project
}

/// What people see, without what differs from time to time.
fn seen(project: &Project, args: &[&str], port: u16) -> String {
    project.run(args).to_string().replace(&port.to_string(), "<port>")
}

#[test]
fn a_server_elsewhere_has_to_prove_that_it_is_the_one_in_the_url() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Elsewhere::start(&authority.certify(&["0.0.0.0", "db.example"]));
    let mut project = at(&server.url("0.0.0.0"));
    let sync = |project: &Project| seen(project, &["sync"], server.port());

    insta::assert_snapshot!(sync(&project), @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because the server's certificate is from an authority that is not known here
    hint: give its authority's certificate in WAVEMARK_DATABASE_CA; Supabase's is in the dashboard (Database, Settings, SSL)
    ");

    project.env(PEM, &other.pem());
    assert!(sync(&project).contains("an authority that is not known here"));

    project.env(PEM, &authority.pem());
    project.run(&["sync"]).ok();

    // As `.env` files, JSON and Windows have it.
    for pem in [authority.pem().replace('\n', "\\n"), authority.pem().replace('\n', "\r\n")] {
        project.env(PEM, &pem);
        project.run(&["sync"]).ok();
    }

    let path = project.path("certificates.pem");
    fs::write(&path, other.pem() + &authority.pem()).unwrap();
    project.env(PEM, "certificates.pem");
    project.run(&["sync"]).ok();

    // The name is a loopback's, which need not be checked, but may.
    project.env("DATABASE_URL", &(server.url("localhost") + "?sslmode=verify-full"));
    insta::assert_snapshot!(sync(&project), @"
    exit 1
    error: cannot connect to Postgres at localhost:<port>/waves
      because the server's certificate is for 0.0.0.0, db.example, and not for localhost
    hint: write the host in DATABASE_URL as the certificate has it; if that is right, this is another server
    ");

    server.show(&authority.certify_until_2020(&["0.0.0.0"]));
    project.env("DATABASE_URL", &server.url("0.0.0.0"));
    insta::assert_snapshot!(sync(&project), @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because the server's certificate expired: it was good until 2020-12-31
    hint: renew it on the server, or set this machine's clock right
    ");

    let mut in_the_url = at(&(server.url("0.0.0.0") + "?sslrootcert=certificates.pem"));
    fs::write(in_the_url.path("certificates.pem"), authority.pem()).unwrap();
    server.show(&authority.certify(&["0.0.0.0"]));
    in_the_url.run(&["sync"]).ok();
    in_the_url.env(PEM, &authority.pem());
    insta::assert_snapshot!(sync(&in_the_url), @"
    exit 1
    error: there is an `sslrootcert` in DATABASE_URL, and WAVEMARK_DATABASE_CA too
    hint: keep one of them
    ");
}

#[test]
fn a_server_elsewhere_is_trusted_blindly_only_by_who_insists() {
    let server = Elsewhere::start(&Authority::new().certify(&["db.example"]));
    let url = server.url("0.0.0.0");
    let see = |project: &Project, args: &[&str]| seen(project, args, server.port());

    for mode in ["disable", "allow", "prefer", "verify-ca"] {
        let refused = see(&at(&format!("{url}?sslmode={mode}")), &["sync"]);
        assert!(refused.contains(&format!("says sslmode={mode}, which does not")), "{refused}");
    }
    let mut project = at(&format!("{url}?sslmode=require"));
    insta::assert_snapshot!(see(&project, &["sync"]), @"
    exit 1
    error: DATABASE_URL says sslmode=require, which does not make sure that it is 0.0.0.0 that answers
    hint: take `sslmode` out of DATABASE_URL, or make it verify-full, and give the server's authority in WAVEMARK_DATABASE_CA; or take the risk with --database-insecure
    ");

    let warned = |project: &Project, args: &[&str]| project.run(args).ok().stderr;
    let at_risk = " WARN sslmode=require on the way to 0.0.0.0: whoever gets in between can pose as the server\n";
    assert_eq!(warned(&project, &["sync", "--database-insecure"]), at_risk);
    project.env(INSECURE, "1");
    assert_eq!(warned(&project, &["status"]), at_risk);
    project.env("DATABASE_URL", &format!("{url}?sslmode=disable"));
    insta::assert_snapshot!(
        warned(&project, &["status"]),
        @" WARN sslmode=disable on the way to 0.0.0.0: everybody on the way can read and change what is sent"
    );

    // It allows what the URL asks for, and asks for nothing by itself.
    project.env("DATABASE_URL", &url);
    let told = see(&project, &["status"]);
    assert!(told.contains("an authority that is not known here"), "{told}");
    // A variable that is there and empty is one that is not set.
    project.env("DATABASE_URL", &format!("{url}?sslmode=require"));
    project.env(INSECURE, "");
    assert!(see(&project, &["status"]).contains("says sslmode=require"));
    project.env(INSECURE, "false");
    assert!(see(&project, &["status"]).contains("says sslmode=require"));
}

#[test]
fn what_the_server_refuses_is_told_apart() {
    let authority = Authority::new();
    let server = Elsewhere::start(&authority.certify(&["0.0.0.0"]));
    let see = |url: &str| {
        let mut project = at(url);
        project.env(PEM, &authority.pem());
        seen(&project, &["status"], server.port())
    };
    let url = server.url("0.0.0.0");

    insta::assert_snapshot!(see(&url.replace(ESCAPED, "wrong")), @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because the server did not accept the password of `postgres.abc`
    hint: check the user and the password in DATABASE_URL, where `@` is written %40, `#` %23, `/` %2F and `%` %25; without one there, PGPASSWORD and ~/.pgpass count
    ");
    insta::assert_snapshot!(see(&url.replace("/waves", "/nowhere")), @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/nowhere
      because the server has no database `nowhere`
    hint: create it, or name another at the end of DATABASE_URL; Supabase's is `postgres`
    ");
    insta::assert_snapshot!(see(&url.replace(ESCAPED, PASSWORD)), @"
    exit 1
    error: DATABASE_URL is not a Postgres URL
      because it has a `#` where none can be, probably in the password
    hint: in a user, a password or a value, write `@` as %40, `:` %3A, `/` %2F, `?` %3F, `#` %23, `&` %26, `%` %25 and a space %20
    ");

    server.sql(&format!("alter role \"{USER}\" connection limit 0"));
    insta::assert_snapshot!(see(&url), @r#"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because all connections are taken
      because it said: too many connections for role "postgres.abc"
    hint: run fewer `wavemark` at once (each takes up to 4), raise the pool size in Supabase's dashboard, or use its transaction pooler, port 6543
    "#);
    server.sql(&format!("alter role \"{USER}\" nologin connection limit -1"));
    insta::assert_snapshot!(see(&url), @r#"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because the server does not let `postgres.abc` in
      because it said: role "postgres.abc" is not permitted to log in
    hint: check the user in DATABASE_URL, and whether the server takes connections from here
    "#);
}

/// Everything else in the environment is there to lead astray.
#[test]
fn of_the_environment_only_a_password_counts() {
    let authority = Authority::new();
    let server = Elsewhere::start(&authority.certify(&["0.0.0.0"]));
    let bare = server.url("0.0.0.0").replace(&format!(":{ESCAPED}"), "");
    let mut project = at(&bare);
    project.env(PEM, &authority.pem());
    for (name, value) in [
        ("PGHOST", "nowhere.invalid"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "nobody"),
        ("PGDATABASE", "nothing"),
        ("PGSSLMODE", "disable"),
        ("PGSSLROOTCERT", "/nowhere"),
        ("PGAPPNAME", "nothing"),
    ] {
        project.env(name, value);
    }

    let told = seen(&project, &["sync"], server.port());
    assert!(told.contains("did not accept the password"), "{told}");

    project.env("PGPASSWORD", PASSWORD);
    project.run(&["sync"]).ok();
    project.env("PGPASSWORD", "wrong");
    project.env("DATABASE_URL", &server.url("0.0.0.0"));
    project.run(&["sync"]).ok();

    let mut project = at(&bare);
    project.env(PEM, &authority.pem());
    let file = project.path("home/.pgpass");
    fs::write(&file, format!("0.0.0.0:{}:waves:{USER}:{PASSWORD}\n", server.port())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    project.run(&["sync"]).ok();

    project.env("PGOPTIONS", "-c default_transaction_read_only=on");
    insta::assert_snapshot!(seen(&project, &["sync"], server.port()), @"
    exit 1
    error: PGOPTIONS is set, and would change what every statement does
    hint: unset it; DATABASE_URL may say `?options=-c%20name%3Dvalue` for what is meant for Wavemark
    ");
}

#[test]
fn the_password_is_in_no_log_and_in_no_process_list() {
    let authority = Authority::new();
    let server = Elsewhere::start(&authority.certify(&["0.0.0.0"]));
    let mut project = at(&server.url("0.0.0.0"));
    project.env(PEM, &authority.pem());
    project.env("WAVEMARK_LOG", "trace");
    project.env("RUST_LOG", "trace");

    let mut texts = Vec::new();
    for args in [&["sync"][..], &["run", "-vv"], &["db", "url"]] {
        texts.push(project.run(args).to_string());
    }
    project.env("DATABASE_URL", &server.url("0.0.0.0").replace("qz7@", "7zq@"));
    texts.push(project.run(&["status"]).exits(1).to_string());
    assert!(texts[0].contains("TRACE"), "{}", texts[0]);
    assert!(texts[3].contains("did not accept"), "{}", texts[3]);

    project.env("DATABASE_URL", &server.url("0.0.0.0"));
    server.sql("create table public.gate ()");
    let waits = "do $$ begin loop perform pg_sleep(0.02);
        exit when to_regclass('public.gate') is null; end loop; end $$";
    let psql = project.start(&[
        "db",
        "psql",
        "-XAtc",
        waits,
        "-c",
        "select 'through', ssl
        from pg_stat_ssl where pid = pg_backend_pid()",
    ]);
    let arguments = || fs::read_to_string(format!("/proc/{}/cmdline", psql.pid())).unwrap();
    wait_until("psql has connected", || {
        server.sql("select count(*) from pg_stat_activity where application_name like '% psql'")
            == "1"
    });
    wait_until("it shows its arguments", || arguments().contains("-XAtc"));
    texts.push(arguments());
    server.sql("drop table public.gate");
    let psql = psql.wait().ok();
    assert_eq!(psql.stdout, "DO\nthrough|t\n");

    for text in texts {
        for form in [PASSWORD, ESCAPED, "w0rd", "qz7"] {
            assert!(!text.contains(form), "{text}");
        }
    }
}

#[test]
fn whoever_answers_in_place_of_a_server_is_told_apart() {
    let see = |query: &str, with: fn(&mut TcpStream)| {
        let port = answer(move |mut client| {
            with(&mut client);
            // Until the other side has had enough.
            drop(client.read_to_end(&mut Vec::new()));
        });
        let project = at(&format!("postgres://ada:hunter2@0.0.0.0:{port}/waves{query}"));
        seen(&project, &["status"], port)
    };

    // Postgres without TLS.
    insta::assert_snapshot!(see("", |client| client.write_all(b"N").unwrap()), @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because the server does not speak TLS
    hint: switch TLS on there, or tunnel to it and connect to localhost; --database-insecure with `?sslmode=disable` in DATABASE_URL goes without
    ");
    // Nothing at all, before and in the handshake.
    insta::assert_snapshot!(see("?connect_timeout=1", |_| ()), @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because it did not answer within 1 s
    hint: check the host, the port and the firewalls in between; `?connect_timeout=60` in DATABASE_URL waits longer
    ");
    insta::assert_snapshot!(
        see("?connect_timeout=1", |client| client.write_all(b"S").unwrap()),
        @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because it did not answer within 1 s
    hint: check the host, the port and the firewalls in between; `?connect_timeout=60` in DATABASE_URL waits longer
    "
    );
    // Something else.
    insta::assert_snapshot!(
        see("", |client| client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap()),
        @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because what answers there does not speak Postgres's protocol
    hint: check the host and the port in DATABASE_URL: 5432 is the usual one; Supabase's transaction pooler has 6543
    "
    );
    insta::assert_snapshot!(
        see("", |client| client.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").unwrap()),
        @"
    exit 1
    error: cannot connect to Postgres at 0.0.0.0:<port>/waves
      because what answers there does not speak Postgres's protocol
    hint: check the host and the port in DATABASE_URL: 5432 is the usual one; Supabase's transaction pooler has 6543
    "
    );
}

#[test]
fn a_server_that_is_not_there_is_told_apart() {
    let project = at("postgres://ada:hunter2@%2Fno%2Fsuch%2Fplace/waves");
    insta::assert_snapshot!(project.run(&["status"]), @"
    exit 1
    error: cannot connect to Postgres at /no/such/place:5432/waves
      because nothing listens there
      because No such file or directory (os error 2)
    hint: check the host and the port in DATABASE_URL, and that the server runs; without DATABASE_URL a private Postgres is started
    ");

    // A name that is never given to anybody. Resolvers differ in how they say so.
    let told = at("postgres://ada:hunter2@db.invalid/waves").run(&["status"]).to_string();
    let told: Vec<&str> = told.lines().filter(|line| !line.contains("failed to lookup")).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    exit 1
    error: cannot connect to Postgres at db.invalid:5432/waves
      because the host's name could not be looked up
    hint: check the host in DATABASE_URL; for Supabase, copy the session pooler's URL from the dashboard (Connect)
    ");
}

#[test]
fn a_poolers_own_words_are_understood() {
    let see = |said: &'static str| {
        let port = answer(move |mut client| {
            client.read_exact(&mut [0; 8]).unwrap();
            client.write_all(b"N").unwrap();
            let mut length = [0; 4];
            client.read_exact(&mut length).unwrap();
            let mut startup = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
            client.read_exact(&mut startup).unwrap();
            let body = format!("SFATAL\0VFATAL\0CXX000\0M{said}\0\0");
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            client.write_all(&[b"E", &length[..], body.as_bytes()].concat()).unwrap();
        });
        seen(&at(&format!("postgres://ada:hunter2@127.0.0.1:{port}/waves")), &["status"], port)
    };

    insta::assert_snapshot!(see("Tenant or user not found"), @"
    exit 1
    error: cannot connect to Postgres at 127.0.0.1:<port>/waves
      because the pooler does not know whose database `ada` means
      because it said: Tenant or user not found
    hint: on Supabase's poolers the user is postgres.PROJECT-REF and the host is of the project's region: copy the URL from the dashboard (Connect)
    ");
    insta::assert_snapshot!(
        see("(EMAXCONNSESSION) max clients reached in session mode - max clients are limited \
             to pool_size: 15"),
        @"
    exit 1
    error: cannot connect to Postgres at 127.0.0.1:<port>/waves
      because all connections are taken
      because it said: (EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15
    hint: run fewer `wavemark` at once (each takes up to 4), raise the pool size in Supabase's dashboard, or use its transaction pooler, port 6543
    "
    );
    insta::assert_snapshot!(see("(EWHATEVER) some day"), @"
    exit 1
    error: cannot connect to Postgres at 127.0.0.1:<port>/waves
      because the attempt failed
      because error returned from database: (EWHATEVER) some day
    ");
}

#[test]
fn an_authority_that_is_none_is_told_before_anybody_is_asked() {
    let see = |value: &str| {
        let mut project = at("postgres://ada:hunter2@db.invalid/waves");
        fs::write(project.path("key.pem"), "-----BEGIN OTHER-----\nAAAA\n-----END OTHER-----\n")
            .unwrap();
        project.env(PEM, value);
        project.run(&["status"]).to_string()
    };
    insta::assert_snapshot!(see(""), @"
    exit 1
    error: WAVEMARK_DATABASE_CA holds no certificate of an authority
      because it is empty
    hint: unset it, or make it the path of a PEM file or what is in one; an empty one is often a secret that is not set
    ");
    insta::assert_snapshot!(see("nowhere.pem"), @"
    exit 1
    error: WAVEMARK_DATABASE_CA holds no certificate of an authority
      because cannot read the file ./nowhere.pem
      because No such file or directory (os error 2)
    hint: it takes the path of a PEM file, or what is in one, from its first -----BEGIN CERTIFICATE----- on
    ");
    insta::assert_snapshot!(see("key.pem"), @"
    exit 1
    error: WAVEMARK_DATABASE_CA holds no certificate of an authority
      because there is no certificate in PEM form in ./key.pem
    hint: `openssl x509 -inform der -in FILE` makes PEM of a certificate in DER form
    ");
    let pem = Authority::new().pem();
    insta::assert_snapshot!(see(&pem[..pem.len() / 2]), @"
    exit 1
    error: WAVEMARK_DATABASE_CA holds no certificate of an authority
      because certificate number 1 in it is damaged
    hint: copy it again, whole and with its line breaks
    ");
    insta::assert_snapshot!(see(&pem.replace('\n', " ")), @"
    exit 1
    error: WAVEMARK_DATABASE_CA holds no certificate of an authority
      because certificate number 1 in it is damaged
    hint: copy it again, whole and with its line breaks
    ");
}

#[test]
fn a_url_with_a_mistake_in_it_is_told_without_showing_it() {
    let see = |url: &str| {
        let told = at(url).run(&["status", "-vv"]).to_string();
        assert!(!told.contains("hunter2"), "{told}");
        told
    };
    insta::assert_snapshot!(see("postgres://ada:12#hunter2@db.invalid/waves"), @"
    exit 1
    error: DATABASE_URL is not a Postgres URL
      because it has a `#` where none can be, probably in the password
    hint: in a user, a password or a value, write `@` as %40, `:` %3A, `/` %2F, `?` %3F, `#` %23, `&` %26, `%` %25 and a space %20
    ");
    insta::assert_snapshot!(see(""), @"
    exit 1
    error: DATABASE_URL is not a Postgres URL
      because it is empty
    hint: unset it for a private Postgres; an empty one is often a secret that is not set
    ");
    insta::assert_snapshot!(see("postgres://ada:x@localhost:1/waves?pgbouncer=true"), @"
    exit 1
     WARN `pgbouncer` in DATABASE_URL means nothing to Wavemark, left it alone
    error: cannot connect to Postgres at localhost:1/waves
      because nothing listens there
      because Connection refused (os error 111)
    hint: check the host and the port in DATABASE_URL, and that the server runs; without DATABASE_URL a private Postgres is started
    ");
}
