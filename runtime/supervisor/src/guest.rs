//! A running generation, seen from outside: its sockets, its sandboxd, its session, and whether anybody uses it.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exeat_control::{OpenedSession, SessionGuard};
use exeat_core::Session;
use exeat_inside::client::{self, Inside};
use exeat_inside::control::{Configure, HomeFile, Variable};
use exeat_lifecycle::Layer;
use exeat_local::Generation;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::Error;
use crate::limits;
use crate::precaution::Before;
use crate::sandbox::Sandbox;
use crate::supervisor::Supervisor;

/// Where sandboxd dials, in the folder of the generation's sockets.
const SOCKET: &str = "runtime.sock";

/// A running generation.
pub(crate) struct Guest {
    pub(crate) generation: Generation,
    pub(crate) number: u64,
    inside: watch::Receiver<Option<Inside>>,
    session: Mutex<Option<SessionGuard>>,
    /// The last layer that was copied from its writable folder.
    pub(crate) captured: Mutex<Option<Layer>>,
    uses: Arc<Uses>,
    _listening: DropGuard,
}

/// How many use it, and when somebody last did.
struct Uses {
    count: AtomicUsize,
    last: Mutex<Instant>,
}

/// Somebody's use of a running sandbox. It does not fall asleep while this is held.
pub struct Visit {
    inside: Inside,
    uses: Arc<Uses>,
}

impl Guest {
    /// Listens for the generation's sandboxd, in its folder, which must be there.
    pub(crate) fn listen(generation: Generation, number: u64) -> Result<Arc<Self>, Error> {
        let path = generation.sockets().join(SOCKET);
        // What is there was left by a supervisor that was killed.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(|error| Error::io("make", &path, &error))?;
        let (sender, inside) = watch::channel(None);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(answer(listener, sender)));
        Ok(Arc::new(Guest {
            generation,
            number,
            inside,
            session: Mutex::new(None),
            captured: Mutex::new(None),
            uses: Arc::new(Uses { count: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }),
            _listening: stop.drop_guard(),
        }))
    }

    /// Opens the sandbox's session at the gateway: from here on it has the rights that policies give it.
    pub(crate) async fn admit(&self, sandbox: &Sandbox, supervisor: &Supervisor) -> Result<OpenedSession, Error> {
        let session = Session {
            id: sandbox.id.to_string(),
            profile: sandbox.spec.profile.clone(),
            user: sandbox.spec.user.clone(),
            teams: sandbox.spec.teams.clone(),
        };
        let precaution = Arc::new(Before::of(supervisor, &sandbox.id));
        let opened = supervisor.0.parts.sessions.open_in(session, &self.generation.sockets(), precaution).await;
        let (opened, guard) =
            opened.map_err(|error| Error::Failed(format!("the gateway opens no session: {error}")))?;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
        Ok(opened)
    }

    /// Gives what runs inside its variables and home files, from now on.
    pub(crate) async fn configure(&self, sandbox: &Sandbox, opened: OpenedSession) -> Result<(), Error> {
        let own = sandbox.spec.environment.clone().into_iter();
        let identity = Configure {
            environment: opened
                .environment
                .into_iter()
                .chain(own)
                .map(|(name, value)| Variable { name, value })
                .collect(),
            home_files: opened.home_files.into_iter().map(home_file).collect(),
        };
        let inside = self.ready().await?;
        inside.configure(&identity).await.map_err(|error| Error::Failed(error.to_string()))
    }

    /// sandboxd, as soon as it has dialled.
    pub(crate) async fn ready(&self) -> Result<Inside, Error> {
        let mut inside = self.inside.clone();
        let ended = async {
            while self.generation.init().is_some() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waiting = async { inside.wait_for(Option::is_some).await.ok().and_then(|inside| inside.clone()) };
        tokio::select! {
            answered = timeout(limits::READY_TIME, waiting) => match answered {
                Ok(Some(inside)) => Ok(inside),
                _ => Err(Error::Failed("the sandbox's sandboxd does not answer".to_owned())),
            },
            () = ended => Err(Error::Failed("the sandbox has ended".to_owned())),
        }
    }

    /// The connection that sandboxd has dialled, as it is now and as it changes.
    pub(crate) fn connection(&self) -> watch::Receiver<Option<Inside>> {
        let mut connection = self.inside.clone();
        connection.mark_unchanged();
        connection
    }

    /// A use of it, as soon as sandboxd answers.
    pub(crate) async fn visit(&self) -> Result<Visit, Error> {
        self.uses.count.fetch_add(1, Ordering::SeqCst);
        let uses = Arc::clone(&self.uses);
        let inside = self.ready().await;
        match inside {
            Ok(inside) => Ok(Visit { inside, uses }),
            Err(error) => {
                uses.end();
                Err(error)
            }
        }
    }

    /// For how long nobody has used it: no visit, and no request on its way out.
    pub(crate) fn idle(&self) -> Duration {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = self.uses.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.uses.count.load(Ordering::SeqCst) > 0 || session.as_ref().is_some_and(|session| session.requests() > 0)
        {
            *last = Instant::now();
        }
        last.elapsed()
    }
}

impl Uses {
    fn end(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Deref for Visit {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.inside
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.uses.end();
    }
}

/// Takes the connections that sandboxd dials, one at a time: the next one counts when the one before is lost.
async fn answer(listener: UnixListener, inside: watch::Sender<Option<Inside>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if let Ok(dialled) = Inside::over(stream).await {
            inside.send_replace(Some(dialled.clone()));
            dialled.closed().await;
            inside.send_replace(None);
        }
    }
}

fn home_file(file: exeat_control::HomeFile) -> HomeFile {
    HomeFile { path: file.path.to_string_lossy().into_owned(), content: file.text.into(), mode: 0 }
}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        Error::Failed(error.to_string())
    }
}
