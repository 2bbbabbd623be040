//! Whether artifacts could be pushed.

use super::{Exam, within};
use crate::{
    app::{outside::named_archive, workspace::Workspace},
    plan::Plan,
};

const AREA: &str = "artifacts";
const CHECK: &str = "branch";

/// Asks the git remote as one who is about to push.
pub(super) async fn examine(exam: &mut Exam<'_>, workspace: &Workspace, plan: Option<&Plan>) {
    let branch = plan.map_or("wavemark/artifacts", |plan| &plan.project.artifact_branch);
    let (archive, pass) = match named_archive(exam.settings, workspace, branch) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let found = format!("no git remote: {branch} is kept in .wavemark/remote.git");
            return exam.ok(AREA, CHECK, found);
        }
        Err(err) => return exam.wrong(AREA, CHECK, err),
    };
    let remote = archive.remote().to_string();
    let answer = async {
        let archive = archive.with_token(pass.token().await?);
        anyhow::Ok(tokio::task::spawn_blocking(move || archive.may_push()).await??)
    };
    match within(answer).await {
        Ok(()) => exam.ok(AREA, CHECK, format!("{branch} may be pushed to {remote}")),
        Err(err) => exam.wrong(AREA, CHECK, err),
    }
}
