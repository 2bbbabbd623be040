//! This machine: its disk, the private Postgres where that is used, its clock.

use super::{Exam, within};
use crate::{app::workspace::Workspace, embedded::Embedded};

const AREA: &str = "machine";
const MIB: u64 = 1024 * 1024;
/// Below this, a night's work may not fit.
const LITTLE: u64 = 1024 * MIB;
/// Below this, not even a database does.
const NOTHING: u64 = 100 * MIB;
/// How far clocks may be apart before somebody should know.
const APART: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

/// Looks at the disk, and at the private Postgres.
pub(super) async fn examine(exam: &mut Exam<'_>, workspace: &Workspace) {
    disk(exam, workspace);
    if exam.settings.database_url.is_some() {
        return exam.skip(AREA, "Postgres", "not used: DATABASE_URL names a database");
    }
    let embedded = Embedded::at(&workspace.private());
    match within(embedded.installed()).await {
        Ok(Some(version)) => {
            exam.ok(AREA, "Postgres", format!("version {version} is on this machine"))
        }
        Ok(None) => exam.warn(
            AREA,
            "Postgres",
            "there is none on this machine",
            "the first command downloads one; or install the system's, version 15 or newer",
        ),
        Err(err) => exam.wrong(AREA, "Postgres", err),
    }
}

fn disk(exam: &mut Exam<'_>, workspace: &Workspace) {
    let space = match rustix::fs::statvfs(workspace.root()) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(err) => return exam.wrong(AREA, "disk", anyhow::Error::new(std::io::Error::from(err))),
    };
    let found = match space / MIB {
        mib @ ..10_240 => format!("{mib} MiB are free"),
        mib => format!("{} GiB are free", mib / 1024),
    };
    let next = "make room; old run directories are in .wavemark/runs";
    if space < NOTHING {
        exam.fail(AREA, "disk", found, next);
    } else if space < LITTLE {
        exam.warn(AREA, "disk", found, next);
    } else {
        exam.ok(AREA, "disk", found);
    }
}

/// Compares this machine's clock with those that were seen.
pub(super) fn clocks(exam: &mut Exam<'_>) {
    const CHECK: &str = "clock";
    if exam.clocks.is_empty() {
        return exam.skip(AREA, CHECK, "not compared: no other clock was seen");
    }
    let mut off = Vec::new();
    for clock in &exam.clocks {
        // GitHub tells whole seconds.
        let (before, after) = (clock.asked - clock.shows, clock.shows - clock.answered);
        if after > APART {
            off.push(format!("{} s behind that of {}", after.num_seconds(), clock.whose));
        } else if before > APART {
            off.push(format!("{} s ahead of that of {}", before.num_seconds(), clock.whose));
        }
    }
    let whose: Vec<&str> = exam.clocks.iter().map(|clock| clock.whose).collect();
    let whose = whose.join(" and ");
    if off.is_empty() {
        exam.ok(AREA, CHECK, format!("agrees with that of {whose}"));
    } else {
        exam.warn(
            AREA,
            CHECK,
            format!("this machine's is {}", off.join(", ")),
            "set it by NTP; if it is right, the other one is wrong. Wavemark decides by the \
             database's clock alone, but certificates and GitHub Apps need the right time",
        );
    }
}
