//! Writes into a folder what a project begins with, and what GitHub needs to
//! run it.
//!
//! What is written and what is left alone is decided in [`scaffold`]; here are
//! the folder, the release and the labels. It can be repeated at any time: what
//! was written before and edited since is not written again.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    context::Settings,
    labels,
    outside::OnGithub,
    sync::named,
    workspace::{PRIVATE, Workspace},
};
use crate::{
    archive::{Source, source_of},
    model::{EnvName, Manners},
    releases,
    report::{Fate, FileView, InitView, Labels, SecretView, count},
    scaffold::{self, Named, Release, Seed, Step, VERSION},
    webhook,
};

/// How to begin.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Where releases of Wavemark are; those of this binary when absent.
    pub releases: Option<String>,
    /// Whether workflows for n8n are begun, too.
    pub n8n: N8n,
    /// Whether anything is written.
    pub mode: Mode,
}

/// Whether workflows for n8n are begun, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum N8n {
    /// Yes; from then on they are the user's.
    Begin,
    /// No.
    Leave,
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Yes.
    Write,
    /// No: what would be is only told.
    Preview,
}

/// The folder that becomes a project.
struct Ground {
    /// The root of the project.
    root: PathBuf,
    /// The repo around it.
    repo: Option<Source>,
}

impl Ground {
    /// The project around `start`, or else the repo, or else the folder itself.
    fn find(start: &Path) -> anyhow::Result<Self> {
        let start =
            start.canonicalize().with_context(|| format!("cannot enter {}", start.display()))?;
        let repo = source_of(&start).context("cannot read the git repository")?;
        let top = match &repo {
            Some(repo) => Some(repo.root.canonicalize()?),
            None => None,
        };
        let project = Workspace::find(&start).ok().map(|found| found.root().to_owned());
        // A project around the repo is another one.
        let project = project.filter(|root| top.as_ref().is_none_or(|top| root.starts_with(top)));
        Ok(Self { root: project.or(top).unwrap_or(start), repo })
    }

    /// The folder of the project, seen from the top of the repo, where it is not
    /// the top itself.
    fn within(&self) -> Option<PathBuf> {
        let top = self.repo.as_ref()?.root.canonicalize().ok()?;
        let within = self.root.strip_prefix(top).ok()?;
        (within != Path::new("")).then(|| within.to_owned())
    }
}

/// Begins a project, or brings the files of one up to date.
pub async fn init(settings: &Settings, beginning: &Beginning) -> anyhow::Result<InitView> {
    let ground = Ground::find(&settings.directory)?;
    let root = &ground.root;
    let github = OnGithub::of(settings, root)?;
    let mut writer = Writer { root, mode: beginning.mode, files: Vec::new() };

    let named = begin_plan(&mut writer, github.as_ref())?;
    if beginning.n8n == N8n::Begin {
        for (path, text) in webhook::templates() {
            writer.seed(&Seed { path, text: text.to_owned(), is_program: false })?;
        }
    }
    let release = release(beginning.releases.as_deref()).await;
    let kept = scaffold::kept(&named, release.as_ref().ok().and_then(Option::as_ref));
    for file in &kept {
        if let (Some(within), true) = (ground.within(), file.path.starts_with(".github/")) {
            let why = format!(
                "GitHub looks for it at the top of the repo only, and this project is in {}: make \
                 the project there",
                within.display()
            );
            writer.note(file.path, Fate::Left(why));
        } else {
            writer.keep(file, &named)?;
        }
    }
    if !kept.iter().any(|file| file.path == scaffold::ACTION_PATH) {
        writer.without_release(&release)?;
    }
    writer.ignore()?;

    let labels = made_labels(settings, github.as_ref(), &named, beginning.mode).await;
    let mut view = InitView {
        folder: root.display().to_string(),
        is_preview: beginning.mode == Mode::Preview,
        files: writer.files,
        labels,
        secrets: secrets(github.as_ref(), &named),
        secrets_page: github.as_ref().map(|github| github.page("/settings/secrets/actions")),
        trouble: release.err().map(|err| format!("{err:#}")),
        steps: Vec::new(),
    };
    view.steps = steps(&ground, github.as_ref(), &view);
    if (beginning.n8n, beginning.mode) == (N8n::Begin, Mode::Write) {
        view.steps.push(step_for_n8n());
    }
    Ok(view)
}

/// Writes the settings and the first wave where there are none yet. Returns what
/// of the plan shows in the other files.
fn begin_plan(writer: &mut Writer<'_>, github: Option<&OnGithub>) -> anyhow::Result<Named> {
    let root = writer.root;
    let project = root.join(scaffold::PROJECT_PATH);
    if exists(&project) {
        writer.note(scaffold::PROJECT_PATH, Fate::Current);
    } else {
        let folder = root.file_name().unwrap_or_default().to_string_lossy();
        let called = github.map_or(folder.as_ref(), |github| github.repo.name());
        writer.seed(&scaffold::project(&scaffold::name_after(called)))?;
    }
    if !has_wave(root)? {
        for seed in scaffold::first_wave() {
            writer.seed(&seed)?;
        }
        let agents = scaffold::FIRST_AGENTS.iter().map(|name| name.parse());
        return Ok(Named { agents: agents.collect::<Result<_, _>>()?, ..Named::default() });
    }
    let plan = Workspace::find(root)?.plan()?;
    let plan = plan.map_err(|problems| anyhow::anyhow!(problems.to_lines()));
    let plan =
        plan.context("the plan in `waves/` has problems: mend them first, see `wavemark check`")?;
    Ok(named(&plan))
}

/// Whether there is a wave, of whatever quality.
fn has_wave(root: &Path) -> anyhow::Result<bool> {
    let folder = root.join("waves");
    let entries = match fs::read_dir(&folder) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let is_plan = name.ends_with(".yaml") || name.ends_with(".yml");
        if is_plan && !name.starts_with('.') && name != "project.yaml" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The release to pin; none if nobody says where releases are.
async fn release(given: Option<&str>) -> anyhow::Result<Option<Release>> {
    let Some(place) = given.or(releases::OWN).filter(|place| !place.is_empty()) else {
        return Ok(None);
    };
    let sums = releases::checksums(place, VERSION).await?;
    let release = Release::read(place, VERSION, &sums)
        .with_context(|| format!("the checksums of version {VERSION} cannot be used"))?;
    Ok(Some(release))
}

/// Writes what may be written, and remembers what became of each file.
struct Writer<'a> {
    root: &'a Path,
    mode: Mode,
    files: Vec<FileView>,
}

impl Writer<'_> {
    fn note(&mut self, path: &str, fate: Fate) {
        self.files.push(FileView { path: path.to_owned(), fate });
    }

    fn seed(&mut self, seed: &Seed) -> anyhow::Result<()> {
        if exists(&self.root.join(seed.path)) {
            self.note(seed.path, Fate::Current);
            return Ok(());
        }
        let permissions = if seed.is_program { 0o755 } else { 0o644 };
        self.write(seed.path, &seed.text, permissions)?;
        self.note(seed.path, Fate::Written);
        Ok(())
    }

    fn keep(&mut self, file: &scaffold::File, named: &Named) -> anyhow::Result<()> {
        let full = self.root.join(file.path);
        let there = match fs::symlink_metadata(&full) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => None,
            Ok(found) if found.is_file() => Some(fs::read_to_string(&full).unwrap_or_default()),
            // A link, a folder, or what one may not look at.
            _ => Some(String::new()),
        };
        let fate = match scaffold::step(file, there.as_deref(), named) {
            Step::Write => {
                self.write(file.path, &file.text, 0o644)?;
                Fate::Written
            }
            Step::Update => {
                self.write(file.path, &file.text, 0o644)?;
                Fate::Updated
            }
            Step::Refill(text) => {
                self.write(file.path, &text, 0o644)?;
                Fate::Updated
            }
            Step::Keep => Fate::Current,
            Step::Edited => Fate::Left(
                "it was edited since Wavemark wrote it: to have it written anew, delete it and \
                 run `wavemark init` again"
                    .to_owned(),
            ),
            Step::Foreign => Fate::Left(
                "it was there before, and is not Wavemark's: to have Wavemark's in its place, \
                 move it away and run `wavemark init` again"
                    .to_owned(),
            ),
            Step::Newer(version) => Fate::Left(format!(
                "wavemark {version} wrote it, and this is {VERSION}: use the newer one"
            )),
        };
        self.note(file.path, fate);
        Ok(())
    }

    /// Says why the action is not written, and what to do.
    fn without_release(&mut self, release: &anyhow::Result<Option<Release>>) -> anyhow::Result<()> {
        let path = scaffold::ACTION_PATH;
        if exists(&self.root.join(path)) && release.is_ok() {
            self.note(path, Fate::Current);
            return Ok(());
        }
        let why = match release {
            Err(err) => format!("{err:#}"),
            Ok(_) => "this wavemark was built from source and knows no releases".to_owned(),
        };
        let todo = "workflows cannot run without it: give `wavemark init --releases \
                    https://github.com/OWNER/REPO/releases/download`, where releases of Wavemark are";
        self.note(path, Fate::Left(format!("not written, because {why}; {todo}")));
        Ok(())
    }

    /// Keeps what is this machine's own out of git.
    fn ignore(&mut self) -> anyhow::Result<()> {
        const PATH: &str = ".gitignore";
        let full = self.root.join(PATH);
        let before = match fs::read_to_string(&full) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => None,
            read => Some(read.with_context(|| format!("cannot read {}", full.display()))?),
        };
        let is_named = |line: &str| line.trim().trim_matches('/') == PRIVATE;
        if before.as_deref().is_some_and(|text| text.lines().any(is_named)) {
            self.note(PATH, Fate::Current);
            return Ok(());
        }
        let mut text = before.clone().unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text += &format!("{PRIVATE}/\n");
        self.write(PATH, &text, 0o644)?;
        self.note(PATH, if before.is_some() { Fate::Updated } else { Fate::Written });
        Ok(())
    }

    /// Puts a whole file into its place, or none.
    fn write(&self, path: &str, text: &str, permissions: u32) -> anyhow::Result<()> {
        if self.mode == Mode::Preview {
            return Ok(());
        }
        let full = self.root.join(path);
        let write = || -> io::Result<()> {
            let folder = full.parent().unwrap_or(self.root);
            fs::create_dir_all(folder)?;
            let mut draft = tempfile::NamedTempFile::new_in(folder)?;
            draft.write_all(text.as_bytes())?;
            draft.as_file().set_permissions(fs::Permissions::from_mode(permissions))?;
            draft.persist(&full)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", full.display()))
    }
}

/// Whether anything is there, a link to nothing included.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Makes the labels that are missing at GitHub.
async fn made_labels(
    settings: &Settings,
    github: Option<&OnGithub>,
    named: &Named,
    mode: Mode,
) -> Option<Labels> {
    let github = github?;
    let client = match github.client(&settings.environment, &Manners::default()) {
        Ok(client) => client,
        Err(err) => return Some(Labels::Not(format!("{err:#}"))),
    };
    let Some(client) = client else {
        let why = format!("set GITHUB_TOKEN to have them made in {}", github.repo);
        return Some(Labels::Not(why));
    };
    match labels::make(&client, &named.agents, mode).await {
        Ok(made) if made.is_empty() => Some(Labels::Present),
        Ok(made) => Some(Labels::Made(made)),
        Err(err) => Some(Labels::Not(format!("{:#}", anyhow::Error::new(err)))),
    }
}

/// The secrets that the workflows use.
fn secrets(github: Option<&OnGithub>, named: &Named) -> Vec<SecretView> {
    let repo = github.map(|github| format!(" --repo {}", github.repo)).unwrap_or_default();
    let secret = |name: &str, what: &str, from: &str| SecretView {
        name: name.to_owned(),
        what: what.to_owned(),
        command: format!("gh secret set {name}{repo}{from}"),
    };
    let mut secrets = vec![
        secret(
            "DATABASE_URL",
            "a Postgres that GitHub's machines can reach: on Supabase, the session pooler's URL \
             (dashboard, Connect), with the password in it",
            "",
        ),
        secret(
            "WAVEMARK_DATABASE_CA",
            "the certificate of its authority: on Supabase, download it (dashboard, Database, \
             Settings, SSL); none is needed for one that every system knows",
            " < ca.crt",
        ),
    ];
    secrets.extend(named.secrets.iter().map(|name| secret(name.as_str(), "an agent uses it", "")));
    let others = named.webhooks.iter().map(|name| secret(name.as_str(), of_webhook(name), ""));
    secrets.extend(others);
    secrets
}

/// What comes after the others where agents are to work in n8n.
fn step_for_n8n() -> (String, String) {
    let [(agent, _), (errors, _)] = webhook::templates();
    (
        format!("n8n import:workflow --input={errors} && n8n import:workflow --input={agent}"),
        "or *Import from File* in its editor; the notes in them say what to change, and both have to \
         be published. An agent with `run: { n8n: … }` and the URL of the Webhook node is built there"
            .to_owned(),
    )
}

/// What a variable is that asking others for work takes.
fn of_webhook(name: &EnvName) -> &'static str {
    match name.as_str() {
        "SUPABASE_URL" => "where those behind a webhook report: on Supabase, the project's URL",
        "SUPABASE_PUBLISHABLE_KEY" => "what lets them in there (dashboard, API Keys)",
        _ => "a webhook of the plan uses it",
    }
}

/// The steps after this one.
fn steps(ground: &Ground, github: Option<&OnGithub>, view: &InitView) -> Vec<(String, String)> {
    let step = |command: &str, why: &str| (command.to_owned(), why.to_owned());
    let agents = match view.is_preview {
        true => return vec![step("wavemark init", "writes all of this")],
        false => "builds the first wave here, with a private Postgres",
    };
    let git = match (&ground.repo, github) {
        (None, _) => step(
            "git init && git add --all && git commit -m \"Add Wavemark\"",
            "makes it a repo; GitHub runs what is pushed there",
        ),
        (Some(_), None) => step(
            "git add --all && git commit -m \"Add Wavemark\"",
            "and then `git remote add origin URL` and `git push`: GitHub runs what is pushed there",
        ),
        (Some(_), Some(_)) => step(
            "git add --all && git commit -m \"Add Wavemark\" && git push",
            "from then on the workflow `tick` runs on the default branch",
        ),
    };
    let secrets = count(view.secrets.len(), "secret");
    vec![
        step("wavemark run", agents),
        git,
        step(
            "wavemark doctor",
            &format!("tells what is still missing, when the {secrets} are set"),
        ),
    ]
}
