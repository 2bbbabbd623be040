//! A session with the conversation on GitHub around it: what people did is read
//! before anything is decided, and what people are to know is written after.

use std::time::Duration;

use tokio::sync::watch;

use super::{
    context::Context,
    supervise::{Options, Progress, Session, Until, supervise},
};

/// How often a session that lasts looks at GitHub: sixty of the thousand
/// requests an hour that a workflow's token has, and another sixty.
const EVERY: Duration = Duration::from_secs(60);

/// Like `supervise`, and keeps up the conversation if the project has one.
///
/// # Errors
///
/// When the database fails. Trouble with GitHub is in the session.
pub async fn attend(
    cx: &Context,
    options: Options,
    observe: &mut dyn FnMut(Progress),
    interrupt: watch::Receiver<u32>,
) -> anyhow::Result<Session> {
    // What one agent's machine does for it alone is told by the next tick.
    let mail = match options.until {
        Until::Built(_) => None,
        _ => cx.mail()?,
    };
    let Some(mail) = mail else {
        return supervise(cx, options, observe, interrupt).await;
    };
    let (stop, stopped) = watch::channel(false);
    let mut told = interrupt.clone();
    let forward = tokio::spawn(async move {
        if told.wait_for(|times| *times > 0).await.is_ok() {
            stop.send_replace(true);
        }
        // Whoever looks at it later is to see it.
        stop.closed().await;
    });
    let lasts = matches!(options.until, Until::Quiet | Until::Interrupted);
    let mut exchanged = mail.exchange(&stopped).await?;
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
        exchanged.add(mail.send(&stopped).await?);
    }
    forward.abort();
    session.github = exchanged;
    Ok(session)
}
