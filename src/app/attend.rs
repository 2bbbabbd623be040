//! A session with the conversation on GitHub around it: what people did is read
//! before anything is decided, and what people are to know is written after.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::warn;

use super::{
    context::Context,
    mail::{Exchanged, Mail},
    supervise::{Budget, Options, Progress, Session, Until, supervise},
};
use crate::{model::TickEnd, store::Tick};

/// How often a session that lasts looks at GitHub: sixty of the thousand
/// requests an hour that a workflow's token has, and another sixty.
const EVERY: Duration = Duration::from_secs(60);

/// Like `supervise`, keeps up the conversation if the project has one, and
/// writes down that there was a tick.
///
/// # Errors
///
/// When the database fails for long. Trouble with GitHub is in the session.
pub async fn attend(
    cx: &Context,
    options: Options,
    observe: &mut dyn FnMut(Progress),
    interrupt: watch::Receiver<u32>,
) -> anyhow::Result<Session> {
    let is_tick = options.until.is_tick();
    let began = Instant::now();
    let mut result = with_mail(cx, options, observe, interrupt).await;
    if is_tick {
        let shortfall = match &result {
            Ok(session) => session.shortfall(),
            Err(err) => Some((TickEnd::Failed, format!("{err:#}"))),
        };
        let recorded = cx.store.record_tick(&cx.project, &tick(cx, began, shortfall)).await;
        match (&mut result, recorded) {
            (Ok(session), Ok(last)) => session.before = last,
            (Ok(_), Err(err)) => warn!("could not write down that there was a tick: {err}"),
            // One complaint is enough.
            (Err(_), _) => {}
        }
    }
    result
}

/// What is written down about a tick that ends now.
fn tick(cx: &Context, began: Instant, shortfall: Option<(TickEnd, String)>) -> Tick {
    let environment = &cx.settings.environment;
    let event = environment.word("GITHUB_EVENT_NAME").unwrap_or(Tick::TERMINAL);
    let (end, detail) = match shortfall {
        Some((end, why)) => (end, Some(why)),
        None => (TickEnd::Done, None),
    };
    Tick {
        event: event.to_owned(),
        place: environment.job().unwrap_or_else(|| environment.host.clone()),
        took: began.elapsed(),
        end,
        detail,
    }
}

async fn with_mail(
    cx: &Context,
    options: Options,
    observe: &mut dyn FnMut(Progress),
    interrupt: watch::Receiver<u32>,
) -> anyhow::Result<Session> {
    // What one agent's machine does for it alone is told by the next tick.
    let mail = if options.until.is_tick() { cx.mail() } else { Ok(None) };
    match mail {
        Ok(Some(mail)) => converse(cx, &mail, options, observe, interrupt).await,
        Ok(None) => supervise(cx, options, observe, interrupt).await,
        Err(err) => {
            let mut session = supervise(cx, options, observe, interrupt).await?;
            session.github = Exchanged::failed(&err);
            Ok(session)
        }
    }
}

async fn converse(
    cx: &Context,
    mail: &Mail,
    options: Options,
    observe: &mut dyn FnMut(Progress),
    interrupt: watch::Receiver<u32>,
) -> anyhow::Result<Session> {
    let (stop, stopped) = watch::channel(false);
    let (mut told, budget) = (interrupt.clone(), options.budget);
    let forward = tokio::spawn(async move {
        let asked = tokio::select! {
            told = told.wait_for(|times| *times > 0) => told.is_ok(),
            () = Budget::end(budget) => true,
        };
        if asked {
            stop.send_replace(true);
        }
        // Whoever looks at it later is to see it.
        stop.closed().await;
    });
    let lasts = matches!(options.until, Until::Quiet | Until::Interrupted);
    // Whether the database is to blame shows below.
    let mut exchanged = mail.exchange(&stopped).await.unwrap_or_else(|err| Exchanged::failed(&err));
    let (finish, finished) = watch::channel(false);
    let work = async {
        let session = supervise(cx, options, observe, interrupt).await;
        finish.send_replace(true);
        session
    };
    let mut session = match lasts {
        true => tokio::join!(work, mail.keep_up(EVERY, finished)).0?,
        false => work.await?,
    };
    if exchanged.goes_on() {
        // One tick makes no more changes for having two ends; a session that lasts is many.
        let before = if lasts { 0 } else { exchanged.writes };
        let sent = mail.send(before, &stopped).await;
        exchanged.add(sent.unwrap_or_else(|err| Exchanged::failed(&err)));
    }
    forward.abort();
    session.github = exchanged;
    Ok(session)
}
