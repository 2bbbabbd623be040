//! The private Postgres: what Wavemark uses where no `DATABASE_URL` is given.
//!
//! It is a real server with durable data, started on demand and left running
//! between commands. It listens on a unix socket only, in a directory that
//! nobody but its owner can enter, so it needs no password. As root it runs
//! under an unprivileged account.
//!
//! | file | what it knows |
//! |---|---|
//! | `folder` | the project's `.wavemark` folder and the lock in it |
//! | `home`, `place` | where a server lives |
//! | `record`, `kinship` | whose it is |
//! | `binaries`, `download` | where the programs come from |
//! | `account` | who runs them |
//! | `cluster` | how data is made |
//! | `log` | whether a server lives |
//! | `server` | how it is started and stopped |
//! | `sockets`, `address`, `connect` | how it is reached |
//! | `host` | what the environment says |
//!
//! **Invariants:** nothing that we did not make is ever changed or removed. At
//! most one server runs on a data directory, however many processes ask for it
//! at once. Whatever a crash left behind, [`Embedded::start`] recovers from it
//! or says what is wrong.

mod account;
mod address;
mod binaries;
mod cluster;
mod connect;
mod download;
mod error;
mod folder;
mod home;
mod host;
mod kinship;
mod log;
mod place;
mod record;
mod server;
mod sockets;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::{
    account::Account, cluster::Durability, folder::Folder, home::Home, host::Host,
    kinship::Kinship, record::Record,
};
pub use self::{address::Address, binaries::Wanted, download::DownloadError, error::Error};

/// The private Postgres of one project.
#[derive(Clone, Debug)]
pub struct Embedded {
    dir: PathBuf,
    settings: Vec<(String, String)>,
    host: Host,
}

/// What stopping found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A running server, which is stopped now.
    Now,
    /// No running server.
    WasNotRunning,
}

impl Embedded {
    /// The server of the project whose `.wavemark` folder is `dir`. Neither has
    /// to exist yet.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), settings: Vec::new(), host: Host::current() }
    }

    /// Overrides settings of a server that is not running yet; meant for
    /// servers that are thrown away.
    #[must_use]
    pub fn with_settings(mut self, settings: &[(&str, &str)]) -> Self {
        let owned = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        self.settings.extend(owned);
        self
    }

    /// Starts the server unless it runs already, and returns how to reach its
    /// database `wavemark`, which is made if it is missing.
    ///
    /// Any number of processes may do this at once, and it may be given up at
    /// any time: what is half done is completed or undone by the next start.
    ///
    /// The server is left to `init`. A process that adopts orphans (a
    /// subreaper) should start it before it becomes one, lest it takes the
    /// server for a straggler of its own.
    pub async fn start(&self) -> Result<Address, Error> {
        if let Some(address) = self.likely()?
            && connect::is_usable(&address).await
        {
            return Ok(address);
        }
        let folder = Folder::create(&self.dir)?;
        let _lock = folder.lock().await?;
        let mut home = self.home(&folder).await?;
        if let Some(address) = server::settle(&home).await? {
            return Ok(address);
        }
        self.launch(&mut home).await?;
        let Some(address) = server::settle(&home).await? else {
            return Err(server::why_it_ended(&home));
        };
        tracing::info!("started the database server in {}", home.path().display());
        Ok(address)
    }

    /// Whether there is a server, running or not: whether
    /// [`start`](Self::start) would find one or make one.
    pub fn is_made(&self) -> Result<bool, Error> {
        match Folder::open(&self.dir)? {
            Some(folder) => Ok(Home::find(&folder)?.is_some()),
            None => Ok(false),
        }
    }

    /// How to reach the server, if everything on disk says that it is ours and
    /// ready. Whoever finds that it does not answer calls [`start`](Self::start).
    pub fn likely(&self) -> Result<Option<Address>, Error> {
        let ready = self.ready()?;
        let own = ready.filter(|(folder, home)| Kinship::of(home, folder) == Kinship::Own);
        Ok(own.map(|(_, home)| home.address()))
    }

    /// How to reach the server, if it is running and ready.
    pub fn running(&self) -> Result<Option<Address>, Error> {
        Ok(self.ready()?.map(|(_, home)| home.address()))
    }

    /// Stops the server, if it is running, without waiting for its clients.
    pub async fn stop(&self) -> Result<Stopped, Error> {
        let Some(folder) = Folder::open(&self.dir)? else {
            return Ok(Stopped::WasNotRunning);
        };
        let _lock = folder.lock().await?;
        match Home::find_own(&folder)? {
            Some(home) => server::stop(&home).await,
            None => Ok(Stopped::WasNotRunning),
        }
    }

    /// Stops the server and removes its data, wherever that is. The `.wavemark`
    /// folder stays, with whatever else is in it.
    pub async fn destroy(&self) -> Result<(), Error> {
        let Some(folder) = Folder::open(&self.dir)? else {
            return Ok(());
        };
        let lock = folder.lock().await?;
        if Home::find(&folder)?.is_none() {
            place::forget_lost(&folder, &self.host.homes)?;
            return lock.remove();
        }
        if let Some(home) = Home::find_own(&folder)? {
            server::stop(&home).await?;
            home.remove()?;
            place::tidy(&self.host.homes);
        }
        place::unlink(&folder)?;
        lock.remove()
    }

    /// Where the `psql` is that fits the server.
    pub async fn psql(&self) -> Result<PathBuf, Error> {
        let home =
            Folder::open(&self.dir)?.map(|folder| Home::find_own(&folder)).transpose()?.flatten();
        let wanted = home.as_ref().map_or(Ok(Wanted::Supported), cluster::wanted)?;
        let binaries = binaries::find(&wanted, &Account::Current, &self.host).await?;
        binaries::psql(&binaries, &self.host)
    }

    /// The version of the programs on this machine that a start would use, if there
    /// are any; else it would download some.
    pub async fn installed(&self) -> Result<Option<String>, Error> {
        let home =
            Folder::open(&self.dir)?.map(|folder| Home::find_own(&folder)).transpose()?.flatten();
        let wanted = home.as_ref().map_or(Ok(Wanted::Supported), cluster::wanted)?;
        let found = binaries::look(&wanted, &Account::Current, &self.host).await;
        Ok(found.map(|found| found.version.to_string()))
    }

    fn ready(&self) -> Result<Option<(Folder, Home)>, Error> {
        let Some(folder) = Folder::open(&self.dir)? else {
            return Ok(None);
        };
        let Some(home) = Home::find_own(&folder)? else {
            return Ok(None);
        };
        let ready = log::is_alive(&home)? && server::is_ready(&home);
        Ok(ready.then_some((folder, home)))
    }

    /// The home of the server of `folder`, made if need be.
    async fn home(&self, folder: &Folder) -> Result<Home, Error> {
        let Some(mut home) = Home::find(folder)? else {
            return self.new_home(folder).await;
        };
        match Kinship::of(&home, folder) {
            Kinship::Own => {}
            Kinship::Moved => {
                let record = home.record().moved_to(folder.path());
                home.adopt(record)?;
            }
            Kinship::Copy if home.data().join("postmaster.pid").exists() => {
                let original = home.record().belongs_to().to_owned();
                return Err(Error::TornCopy { copy: home.path().to_owned(), original });
            }
            Kinship::Copy => home.adopt(Record::new(folder.path())?)?,
            Kinship::Borrowed => {
                let original = home.record().belongs_to().display();
                tracing::warn!(
                    "this folder is a copy of {original}: it gets a database of its own"
                );
                place::unlink(folder)?;
                return self.new_home(folder).await;
            }
        }
        Ok(home)
    }

    async fn new_home(&self, folder: &Folder) -> Result<Home, Error> {
        let account = Account::for_new_data()?;
        let home = place::settle_in(folder, &account, &self.host.homes).await?;
        for other in place::forgotten(&home, folder, &self.host.homes) {
            let path = other.path().display();
            tracing::warn!(
                "{path} is the data of a folder that was deleted or renamed: left alone"
            );
            if let Err(err) = server::stop(&other).await {
                tracing::warn!("its server runs on: {err}");
            }
        }
        Ok(home)
    }

    async fn launch(&self, home: &mut Home) -> Result<(), Error> {
        let data = home.data();
        let account = match data.exists() {
            true => Account::owning(&data)?,
            false => Account::for_new_data()?,
        };
        let binaries = binaries::find(&cluster::wanted(home)?, &account, &self.host).await?;
        if !data.exists() {
            cluster::create(home, &account, &binaries, self.durability()).await?;
        }
        sockets::prepare(home, &account, &self.host.sockets).await?;
        server::launch(home, &account, &binaries, &self.settings).await
    }

    fn durability(&self) -> Durability {
        let unsafe_setting = |(name, value): &(String, String)| name == "fsync" && value == "off";
        match self.settings.iter().any(unsafe_setting) {
            true => Durability::Throwaway,
            false => Durability::Durable,
        }
    }
}
