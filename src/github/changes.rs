//! Changes to issues, comments and labels, and starting workflows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Comment, Error, Issue, Visit, http::Method, visit::segment};

const WRITE_ISSUES: &str = "issues: write";
const WRITE_COMMENTS: &str = "issues: write, or pull-requests: write on a pull request";

/// An issue to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssue {
    /// Its title, of at most 256 characters.
    pub title: String,
    /// Its text, of at most 65,536 characters.
    pub body: String,
    /// The names of its labels; those that do not exist are made.
    pub labels: Vec<String>,
}

/// Why an issue is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It is done.
    Completed,
    /// It will not be done.
    NotPlanned,
    /// Another one says the same.
    Duplicate,
}

/// What a comment is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// A thumb up.
    PlusOne,
    /// A thumb down.
    MinusOne,
    /// A puzzled face.
    Confused,
    /// A pair of eyes.
    Eyes,
    /// A rocket.
    Rocket,
}

impl Visit {
    /// Opens an issue.
    pub async fn create_issue(&mut self, issue: &NewIssue) -> Result<Issue, Error> {
        let route = self.route("/issues", "list of issues", WRITE_ISSUES);
        let NewIssue { title, body, labels } = issue;
        let body = json!({ "title": title, "body": body, "labels": labels });
        self.make(Method::Post, &route, &body).await
    }

    /// Closes an issue; returns it as it is then.
    pub async fn close_issue(&mut self, number: u64, reason: CloseReason) -> Result<Issue, Error> {
        let reason = match reason {
            CloseReason::Completed => "completed",
            CloseReason::NotPlanned => "not_planned",
            CloseReason::Duplicate => "duplicate",
        };
        self.edit_issue(number, &json!({ "state": "closed", "state_reason": reason })).await
    }

    /// Opens an issue again; returns it as it is then.
    pub async fn reopen_issue(&mut self, number: u64) -> Result<Issue, Error> {
        self.edit_issue(number, &json!({ "state": "open", "state_reason": "reopened" })).await
    }

    /// Gives an issue another title and text; returns it as it is then.
    pub async fn rewrite_issue(
        &mut self,
        number: u64,
        title: &str,
        body: &str,
    ) -> Result<Issue, Error> {
        self.edit_issue(number, &json!({ "title": title, "body": body })).await
    }

    async fn edit_issue(&mut self, number: u64, change: &Value) -> Result<Issue, Error> {
        let path = format!("/issues/{number}");
        let route = self.route(path, format!("issue {number}"), WRITE_ISSUES);
        self.make(Method::Patch, &route, change).await
    }

    /// Gives an issue these labels and no others.
    pub async fn set_labels(&mut self, number: u64, labels: &[String]) -> Result<(), Error> {
        self.label(Method::Put, number, labels).await
    }

    /// Gives an issue these labels too.
    pub async fn add_labels(&mut self, number: u64, labels: &[String]) -> Result<(), Error> {
        self.label(Method::Post, number, labels).await
    }

    async fn label(&mut self, method: Method, number: u64, labels: &[String]) -> Result<(), Error> {
        let path = format!("/issues/{number}/labels");
        let route = self.route(path, format!("issue {number}"), WRITE_ISSUES);
        self.write(method, &route, Some(&json!({ "labels": labels }))).await.map(drop)
    }

    /// Comments on an issue or a pull request.
    pub async fn comment(&mut self, number: u64, body: &str) -> Result<Comment, Error> {
        let path = format!("/issues/{number}/comments");
        let route = self.route(path, format!("issue {number}"), WRITE_COMMENTS);
        self.make(Method::Post, &route, &json!({ "body": body })).await
    }

    /// Gives a comment another text.
    pub async fn edit_comment(&mut self, id: u64, body: &str) -> Result<Comment, Error> {
        let path = format!("/issues/comments/{id}");
        let route = self.route(path, format!("comment {id}"), WRITE_COMMENTS);
        // octocrab's own method for this sends a POST.
        self.make(Method::Patch, &route, &json!({ "body": body })).await
    }

    /// Deletes a comment.
    pub async fn delete_comment(&mut self, id: u64) -> Result<(), Error> {
        let path = format!("/issues/comments/{id}");
        let route = self.route(path, format!("comment {id}"), WRITE_COMMENTS);
        self.write(Method::Delete, &route, None).await.map(drop)
    }

    /// Reacts to a comment. Doing it twice leaves one reaction.
    pub async fn react(&mut self, comment: u64, reaction: Reaction) -> Result<(), Error> {
        let content = match reaction {
            Reaction::PlusOne => "+1",
            Reaction::MinusOne => "-1",
            Reaction::Confused => "confused",
            Reaction::Eyes => "eyes",
            Reaction::Rocket => "rocket",
        };
        let path = format!("/issues/comments/{comment}/reactions");
        let route = self.route(path, format!("comment {comment}"), WRITE_ISSUES);
        self.write(Method::Post, &route, Some(&json!({ "content": content }))).await.map(drop)
    }

    /// Makes a label, unless there is one of that name. `colour` is six
    /// hexadecimal digits.
    pub async fn ensure_label(
        &mut self,
        name: &str,
        colour: &str,
        description: &str,
    ) -> Result<(), Error> {
        let route = self.route("/labels", "list of labels", WRITE_ISSUES);
        let body = json!({ "name": name, "color": colour, "description": description });
        match self.write(Method::Post, &route, Some(&body)).await {
            Err(Error::Refused { status: 422, details, .. })
                if details.iter().any(|detail| detail.contains("already_exists")) =>
            {
                Ok(())
            }
            done => done.map(drop),
        }
    }

    /// Starts a workflow by the name of its file, such as `tick.yml`, on a
    /// branch or tag.
    pub async fn dispatch(
        &mut self,
        workflow: &str,
        branch: &str,
        inputs: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let path = format!("/actions/workflows/{}/dispatches", segment(workflow));
        let route = self.route(path, format!("workflow {workflow}"), "actions: write");
        let body = json!({ "ref": branch, "inputs": inputs });
        self.write(Method::Post, &route, Some(&body)).await.map(drop)
    }
}
