//! Sessions with a socket of their own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use exeat_core::Session;
use exeat_proxy::{Applicant, Gateway, Guest, Precaution, StartError, Terms, serve_unix};
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::{HomeFile, OpenSession, OpenedSession};

/// The longest path that a Unix socket can have (`sun_path` in unix(7), without its final NUL).
const SOCKET_PATH_BYTES: usize = 107;
/// A session's socket in its folder.
const SOCKET: &str = "gateway.sock";

/// Opens sessions and ends them.
pub struct Sessions {
    gateway: Arc<Gateway>,
    terms: Arc<dyn Terms>,
    directory: PathBuf,
    ports: Vec<u16>,
    open: AtomicUsize,
    changed: Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Ends its session when dropped.
pub struct SessionGuard {
    _stop: DropGuard,
    guest: Arc<Guest>,
}

impl SessionGuard {
    /// How many of its requests have not ended.
    pub fn requests(&self) -> usize {
        self.guest.requests()
    }
}

impl Sessions {
    /// Sessions of `gateway` under `terms`, with their sockets below `state`. `ports` are those on which sandboxes carry names, besides 80
    /// and 443. Sockets that an earlier gateway left behind are removed.
    ///
    /// # Errors
    /// [`SessionError::Io`].
    pub fn new(
        gateway: Arc<Gateway>, terms: Arc<dyn Terms>, state: &Path, ports: impl IntoIterator<Item = u16>,
    ) -> Result<Arc<Self>, SessionError> {
        let directory = state.join("s");
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(|error| SessionError::Io(directory.clone(), error))?;
        }
        create_private(&directory)?;
        let ports: BTreeSet<u16> = [80, 443].into_iter().chain(ports).collect();
        Ok(Arc::new(Sessions {
            gateway,
            terms,
            directory,
            ports: ports.into_iter().collect(),
            open: AtomicUsize::new(0),
            changed: Notify::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// The ports on which sandboxes carry names.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Waits for a session to begin or to end.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Opens a session with an id and a folder of its own. It ends when the guard is dropped, and the folder with it.
    ///
    /// # Errors
    /// [`SessionError`]; nothing is left behind.
    pub async fn open(self: &Arc<Self>, asked: OpenSession) -> Result<(OpenedSession, SessionGuard), SessionError> {
        let id = new_id(&asked.profile)?;
        let folder = self.directory.join(&id);
        create_private(&folder)?;
        let session = Session { id, profile: asked.profile, user: asked.user, teams: asked.teams };
        let applicant = Applicant::new(session, Arc::clone(&self.terms));
        self.serve(applicant, &folder, Some(Folder(folder.clone()))).await
    }

    /// Opens the session of somebody who has an id already, in a folder that is there and stays. It ends when the guard is
    /// dropped. The precaution is taken before its requests leave.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn open_in(
        self: &Arc<Self>, session: Session, folder: &Path, precaution: Arc<dyn Precaution>,
    ) -> Result<(OpenedSession, SessionGuard), SessionError> {
        check_profile(&session.profile)?;
        match fs::remove_file(folder.join(SOCKET)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(SessionError::Io(folder.join(SOCKET), error))
            }
            _ => {
                let applicant = Applicant::new(session, Arc::clone(&self.terms)).with_precaution(precaution);
                self.serve(applicant, folder, None).await
            }
        }
    }

    async fn serve(
        self: &Arc<Self>, applicant: Applicant, folder: &Path, owned: Option<Folder>,
    ) -> Result<(OpenedSession, SessionGuard), SessionError> {
        let socket = folder.join(SOCKET);
        if socket.as_os_str().len() > SOCKET_PATH_BYTES {
            return Err(SessionError::LongPath(socket));
        }
        let listener = UnixListener::bind(&socket).map_err(|error| SessionError::Io(socket.clone(), error))?;
        let guest = self.gateway.admit(applicant).await?;

        let stop = self.stop.child_token();
        let (sessions, stopped) = (Arc::clone(self), stop.clone());
        let opened = self.describe(&guest, folder);
        self.open.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        let guard = SessionGuard { _stop: stop.drop_guard(), guest: Arc::clone(&guest) };
        self.tasks.spawn(async move {
            serve_unix(Arc::clone(&sessions.gateway), listener, Arc::clone(&guest), stopped).await;
            drop(owned);
            if let Err(error) = sessions.gateway.dismiss(&guest).await {
                tracing::error!(session = guest.session().id, %error, "a session's end could not be recorded");
            }
            sessions.open.fetch_sub(1, Ordering::SeqCst);
            sessions.changed.notify_waiters();
        });
        Ok((opened, guard))
    }

    /// Ends every session and waits until each is in the journal.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn describe(&self, guest: &Guest, folder: &Path) -> OpenedSession {
        let files = self.gateway.integrations().iter().flat_map(|integration| integration.sandbox_files());
        OpenedSession {
            id: guest.session().id.clone(),
            gateway: folder.to_owned(),
            certificate_pem: self.gateway.certificate_pem().to_owned(),
            environment: guest.credentials().placeholders().collect(),
            home_files: files.map(|file| HomeFile { path: file.path.into(), text: file.text }).collect(),
            ports: self.ports.clone(),
        }
    }
}

/// A session's folder, gone when the session is.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The profile and 8 random hex digits: readable in a table, unique in a journal.
fn new_id(profile: &str) -> Result<String, SessionError> {
    check_profile(profile)?;
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|_| SessionError::NoRandomness)?;
    Ok(format!("{profile}-{}", hex::encode(random)))
}

fn check_profile(profile: &str) -> Result<(), SessionError> {
    if profile.is_empty() || profile.len() > 32 || !profile.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(SessionError::Profile(profile.escape_debug().to_string()));
    }
    Ok(())
}

fn create_private(folder: &Path) -> Result<(), SessionError> {
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(|error| SessionError::Io(folder.to_owned(), error))
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A folder or socket cannot be made.
    #[error("`{0}`: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// A Unix socket's path has a limit.
    #[error(
        "`{0}` is too long for a socket's path (at most {SOCKET_PATH_BYTES} bytes); set a shorter `state` in exeat.toml"
    )]
    LongPath(PathBuf),
    /// Not a profile's name.
    #[error("`{0}` cannot be a profile: use up to 32 letters, digits and hyphens")]
    Profile(String),
    /// The kernel gives no random bytes.
    #[error("this system gives no random bytes")]
    NoRandomness,
    /// The gateway does not admit it.
    #[error(transparent)]
    Gateway(#[from] StartError),
}
