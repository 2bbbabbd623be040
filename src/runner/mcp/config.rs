//! How a sub-agent's command line is told to start `wavemark mcp`, in the words
//! of each.
//!
//! Nothing here writes a file: whoever starts the command line puts it where it
//! looks, in the run directory and never in the user's own configuration.

use std::path::Path;

use serde_json::{Value, json};

/// What the server is called there. Claude Code then calls its tools
/// `mcp__wavemark__ask` and so on.
const SERVER: &str = "wavemark";

/// How long a call may take, in seconds: longer than
/// [`Client`](crate::runner::client::Client) waits for the supervisor, so that
/// a model reads our words for it. Codex gives up after 60 by itself.
const TIMEOUT: u32 = 120;

/// How `wavemark mcp` is started for one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpConfig {
    command: String,
    directory: String,
}

impl McpConfig {
    /// For the run in `directory`, with the binary at `wavemark`, both of them
    /// absolute. `None` if a path is not UTF-8: no such file can hold it.
    pub fn new(wavemark: &Path, directory: &Path) -> Option<Self> {
        let text = |path: &Path| path.to_str().map(ToOwned::to_owned);
        Some(Self { command: text(wavemark)?, directory: text(directory)? })
    }

    /// What Claude Code reads from `--mcp-config FILE`, and Gemini from
    /// `.gemini/settings.json`.
    pub fn json(&self) -> Value {
        json!({
            "mcpServers": {
                SERVER: { "command": self.command, "args": ["mcp"], "env": self.env() },
            },
        })
    }

    /// What OpenCode reads from `opencode.json`.
    pub fn opencode(&self) -> Value {
        json!({
            "mcp": {
                SERVER: {
                    "type": "local",
                    "command": [self.command, "mcp"],
                    "environment": self.env(),
                    "enabled": true,
                },
            },
        })
    }

    /// What Codex takes as arguments: the lines of a `config.toml`.
    pub fn codex(&self) -> Vec<String> {
        let Self { command, directory } = self;
        [
            format!("command={}", toml(command)),
            "args=[\"mcp\"]".to_owned(),
            format!("env={{WAVEMARK_DIR={}}}", toml(directory)),
            format!("tool_timeout_sec={TIMEOUT}"),
        ]
        .into_iter()
        .flat_map(|entry| ["-c".to_owned(), format!("mcp_servers.{SERVER}.{entry}")])
        .collect()
    }

    /// All that the server needs. Some command lines give it nothing of their
    /// own environment.
    fn env(&self) -> Value {
        json!({ "WAVEMARK_DIR": self.directory })
    }
}

/// A basic string of TOML: one of JSON, but for DEL.
fn toml(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use super::*;

    #[test]
    fn each_command_line_is_told_in_its_own_words() {
        let directory = Path::new("/srv/a \"b\"/vision/1-x");
        let config = McpConfig::new(Path::new("/opt/wavemark"), directory).unwrap();
        let told = [config.json().to_string(), config.opencode().to_string()];
        insta::assert_snapshot!(told.into_iter().chain(config.codex()).collect::<Vec<_>>().join("\n"), @r#"
        {"mcpServers":{"wavemark":{"args":["mcp"],"command":"/opt/wavemark","env":{"WAVEMARK_DIR":"/srv/a \"b\"/vision/1-x"}}}}
        {"mcp":{"wavemark":{"command":["/opt/wavemark","mcp"],"enabled":true,"environment":{"WAVEMARK_DIR":"/srv/a \"b\"/vision/1-x"},"type":"local"}}}
        -c
        mcp_servers.wavemark.command="/opt/wavemark"
        -c
        mcp_servers.wavemark.args=["mcp"]
        -c
        mcp_servers.wavemark.env={WAVEMARK_DIR="/srv/a \"b\"/vision/1-x"}
        -c
        mcp_servers.wavemark.tool_timeout_sec=120
        "#);
    }

    #[test]
    fn a_string_of_toml_holds_anything() {
        assert_eq!(toml("\u{7f}\n\\\u{1}ü"), r#""\u007f\n\\\u0001ü""#);
    }

    #[test]
    fn a_path_that_no_such_file_can_hold_is_not_bent() {
        let odd = Path::new(OsStr::from_bytes(b"/srv/\xff"));
        assert_eq!(McpConfig::new(Path::new("/opt/wavemark"), odd), None);
    }
}
