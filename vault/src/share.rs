//! A vault that several threads of its process use, and that other processes may ask: the process that holds it answers
//! them over a socket, to those only who prove that they know its key.

mod message;
mod reader;
mod session;

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

pub use reader::Reader;

use crate::check::{CheckDepth, Report};
use crate::error::{Error, Result};
use crate::object::{Entry, ObjectId};
use crate::open::Options;
use crate::seal::VaultId;
use crate::system;
use crate::vault::{Status, Vault};
use crate::{Unlock, disk};
use message::Request;
use session::Session;

/// Connections served at one time; further ones are closed at once.
const SESSIONS_MAX: usize = 16;
/// How long a question waits for what the holder is doing, before it is answered that the vault is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks at whether the holder is done.
const PAUSE: Duration = Duration::from_millis(5);
/// A session without a question for this long is closed; its reader connects again when it has one.
const IDLE: Duration = Duration::from_secs(60);

/// What can be asked of a vault that is open here or in another process.
pub trait Read {
    /// As [`Vault::status`].
    ///
    /// # Errors
    /// As [`Vault::status`]; over a socket also [`Error::Busy`] and [`Error::Io`].
    fn status(&self) -> Result<Status>;
    /// As [`Vault::find`].
    ///
    /// # Errors
    /// As [`Vault::find`]; over a socket also [`Error::Busy`] and [`Error::Io`].
    fn find(&self, kind: &str, name: &str) -> Result<Option<Entry>>;
    /// As [`Vault::list`].
    ///
    /// # Errors
    /// As [`Vault::list`]; over a socket also [`Error::Busy`] and [`Error::Io`].
    fn list(&self, kind: &str) -> Result<Vec<Entry>>;
    /// As [`Vault::read`].
    ///
    /// # Errors
    /// As [`Vault::read`]; over a socket also [`Error::Busy`] and [`Error::Io`].
    fn read(&self, id: &ObjectId) -> Result<Zeroizing<Vec<u8>>>;
    /// As [`Vault::read_named`].
    ///
    /// # Errors
    /// As [`Vault::read_named`]; over a socket also [`Error::Busy`] and [`Error::Io`].
    fn read_named(&self, kind: &str, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>>;
    /// As [`Vault::check`]. Nothing is written to the vault while it runs.
    ///
    /// # Errors
    /// As [`Vault::check`]; over a socket also [`Error::Busy`] and [`Error::Io`].
    fn check(&self, depth: CheckDepth) -> Result<Report>;
    /// As [`Vault::derive`].
    ///
    /// # Errors
    /// [`Error::NotFound`] once the vault was closed.
    fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>>;
}

impl Read for Vault {
    fn status(&self) -> Result<Status> {
        Vault::status(self)
    }
    fn find(&self, kind: &str, name: &str) -> Result<Option<Entry>> {
        Vault::find(self, kind, name)
    }
    fn list(&self, kind: &str) -> Result<Vec<Entry>> {
        Vault::list(self, kind)
    }
    fn read(&self, id: &ObjectId) -> Result<Zeroizing<Vec<u8>>> {
        Vault::read(self, id)
    }
    fn read_named(&self, kind: &str, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        Vault::read_named(self, kind, name)
    }
    fn check(&self, depth: CheckDepth) -> Result<Report> {
        Vault::check(self, depth)
    }
    fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>> {
        Ok(Vault::derive(self, purpose))
    }
}

type Slot = RwLock<Option<Vault>>;

/// A vault behind a lock, which can answer other processes while it is open. Closed when dropped.
#[derive(Debug)]
pub struct Shared {
    vault: Arc<Slot>,
    serving: Mutex<Option<Serving>>,
    /// Whether dropping this closes the vault.
    closes: bool,
}

impl Shared {
    /// Takes a vault over. Nobody else is answered yet.
    pub fn new(vault: Vault) -> Shared {
        Shared { vault: Arc::new(RwLock::new(Some(vault))), serving: Mutex::new(None), closes: true }
    }

    /// Another handle on the same vault, for another thread. Dropping it closes nothing; it answers
    /// [`Error::NotFound`] once the handle it came from was closed or dropped.
    #[must_use]
    pub fn another(&self) -> Shared {
        Shared { vault: self.vault.clone(), serving: Mutex::new(None), closes: false }
    }

    /// Answers other processes of this user from now on, by a thread of its own, over a socket in `folder` (see
    /// [`socket_folder`]), which is made with mode 0700. Several questions are answered at a time; one that comes while
    /// [`Shared::change`] runs waits for it up to 10 s.
    ///
    /// # Errors
    /// [`Error::Limit`] for a folder that others can enter or whose path is too long for a socket, [`Error::Io`].
    pub fn serve(&self, folder: &Path) -> Result<()> {
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if serving.is_none() {
            let (socket, id, key) = self.with(|vault| {
                (socket_of(folder, &vault.keys.vault, &vault.paths.0), vault.keys.vault, vault.keys.share.clone())
            })?;
            *serving = Some(Serving::start(socket?, id, key, Arc::downgrade(&self.vault))?);
        }
        Ok(())
    }

    /// Uses the vault for something that only reads. Others may do so at the same time.
    ///
    /// # Errors
    /// [`Error::NotFound`] once it was closed.
    pub fn with<T>(&self, ask: impl FnOnce(&Vault) -> T) -> Result<T> {
        let guard = self.vault.read().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map(ask).ok_or_else(closed)
    }

    /// Uses the vault alone. Keep it short, or in pieces: others wait.
    ///
    /// # Errors
    /// [`Error::NotFound`] once it was closed; what `act` returns.
    pub fn change<T>(&self, act: impl FnOnce(&mut Vault) -> Result<T>) -> Result<T> {
        let mut guard: RwLockWriteGuard<'_, _> = self.vault.write().unwrap_or_else(PoisonError::into_inner);
        guard.as_mut().map_or_else(|| Err(closed()), act)
    }

    /// Closes the vault once what is running with it has ended: no more answers, keys wiped, lock released.
    pub fn close(&self) {
        drop(self.serving.lock().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.vault.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.closes {
            self.close();
        }
    }
}

fn closed() -> Error {
    Error::NotFound("the vault was closed; open it again".into())
}

impl Read for Shared {
    fn status(&self) -> Result<Status> {
        self.with(Vault::status)?
    }
    fn find(&self, kind: &str, name: &str) -> Result<Option<Entry>> {
        self.with(|vault| vault.find(kind, name))?
    }
    fn list(&self, kind: &str) -> Result<Vec<Entry>> {
        self.with(|vault| vault.list(kind))?
    }
    fn read(&self, id: &ObjectId) -> Result<Zeroizing<Vec<u8>>> {
        self.with(|vault| vault.read(id))?
    }
    fn read_named(&self, kind: &str, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.with(|vault| vault.read_named(kind, name))?
    }
    fn check(&self, depth: CheckDepth) -> Result<Report> {
        self.with(|vault| vault.check(depth))?
    }
    fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>> {
        self.with(|vault| vault.derive(purpose))
    }
}

/// A vault that is open here, or in another process that is asked.
#[derive(Debug)]
pub enum Access {
    /// Open here.
    Held(Shared),
    /// Open in another process.
    Asked(Reader),
}

impl Access {
    /// Opens the vault in `dir` and answers others about it over a socket in `folder`; or, where another process has it
    /// open and answers there, asks that one. A folder in which no socket can be made is no reason not to open.
    ///
    /// # Errors
    /// As [`Vault::open_with`] and [`Reader::open`]; [`Error::Busy`] where it is open elsewhere and nobody answers.
    pub fn open(dir: &Path, unlock: &Unlock, options: &Options, folder: &Path) -> Result<Access> {
        match Vault::open_with(dir, unlock, options) {
            Ok(vault) => {
                let shared = Shared::new(vault);
                if let Err(error) = shared.serve(folder) {
                    tracing::warn!(%error, "other programs cannot read this vault while it is open here");
                }
                Ok(Access::Held(shared))
            }
            Err(Error::Busy { .. }) => Reader::open(dir, unlock, folder).map(Access::Asked),
            Err(error) => Err(error),
        }
    }

    /// Uses the vault for anything that only its holder can do.
    ///
    /// # Errors
    /// [`Error::Busy`] with the holder's pid where another process holds it; what `act` returns.
    pub fn change<T>(&self, act: impl FnOnce(&mut Vault) -> Result<T>) -> Result<T> {
        match self {
            Access::Held(shared) => shared.change(act),
            Access::Asked(reader) => Err(Error::Busy { pid: Some(reader.holder()) }),
        }
    }

    fn either(&self) -> &dyn Read {
        match self {
            Access::Held(shared) => shared,
            Access::Asked(reader) => reader,
        }
    }
}

impl Read for Access {
    fn status(&self) -> Result<Status> {
        self.either().status()
    }
    fn find(&self, kind: &str, name: &str) -> Result<Option<Entry>> {
        self.either().find(kind, name)
    }
    fn list(&self, kind: &str) -> Result<Vec<Entry>> {
        self.either().list(kind)
    }
    fn read(&self, id: &ObjectId) -> Result<Zeroizing<Vec<u8>>> {
        self.either().read(id)
    }
    fn read_named(&self, kind: &str, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.either().read_named(kind, name)
    }
    fn check(&self, depth: CheckDepth) -> Result<Report> {
        self.either().check(depth)
    }
    fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>> {
        self.either().derive(purpose)
    }
}

/// Where sockets of vaults belong: `$XDG_RUNTIME_DIR/usufruct`, or `state` where that is not set.
pub fn socket_folder(state: &Path) -> PathBuf {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    named.map_or_else(|| state.to_path_buf(), |dir| dir.join("usufruct"))
}

/// The socket of the vault in `dir`. A copy of it in another folder has another.
fn socket_of(folder: &Path, vault: &VaultId, dir: &Path) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(vault).update(disk::resolve(dir)?.as_os_str().as_encoded_bytes());
    Ok(folder.join(format!("{}.sock", hex::encode(&hasher.finalize().as_bytes()[..16]))))
}

/// The thread that answers. Ends when dropped.
#[derive(Debug)]
struct Serving {
    listener: UnixListener,
    socket: PathBuf,
    sessions: Arc<Sessions>,
    thread: Option<JoinHandle<()>>,
}

/// Streams of the sessions that are open, so that they can be ended.
#[derive(Debug, Default)]
struct Sessions {
    open: Mutex<Vec<(usize, UnixStream)>>,
    numbers: AtomicUsize,
}

impl Sessions {
    /// A place for one more, if there is one.
    fn enter(&self, stream: &UnixStream) -> Option<usize> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = stream.try_clone().ok().filter(|_| open.len() < SESSIONS_MAX)?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        open.push((number, stream));
        Some(number)
    }

    fn leave(&self, number: usize) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(n, _)| *n != number);
    }

    fn end(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().for_each(|(_, stream)| drop(stream.shutdown(Shutdown::Both)));
    }
}

impl Serving {
    fn start(socket: PathBuf, id: VaultId, key: Zeroizing<[u8; 32]>, vault: Weak<Slot>) -> Result<Serving> {
        let doing = "listen at";
        let listener = system::listen(&socket).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => {
                Error::Limit(format!("no socket can be made at {}: {error}", socket.display()))
            }
            _ => Error::io(doing, &socket)(error),
        })?;
        let accepting = listener.try_clone().map_err(Error::io(doing, &socket))?;
        let sessions = Arc::new(Sessions::default());
        let known = sessions.clone();
        let answer = move || accept(&accepting, &known, &id, &key, &vault);
        let thread =
            std::thread::Builder::new().name("vault-share".into()).spawn(answer).map_err(Error::io(doing, &socket))?;
        Ok(Serving { listener, socket, sessions, thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = disk::remove(&self.socket);
        // A socket that listens cannot be shut down as such, but the same descriptor as a stream can: accepting ends.
        if let Ok(listener) = self.listener.try_clone() {
            let _ = UnixStream::from(std::os::fd::OwnedFd::from(listener)).shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.sessions.end();
    }
}

fn accept(
    listener: &UnixListener,
    sessions: &Arc<Sessions>,
    id: &VaultId,
    key: &Zeroizing<[u8; 32]>,
    vault: &Weak<Slot>,
) {
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => {
                tracing::warn!(%error, "a question about the vault was not taken");
                std::thread::sleep(PAUSE);
                continue;
            }
        };
        if let Err(error) = system::check_same_user(&stream) {
            tracing::warn!(%error, "a question about the vault was not taken");
            continue;
        }
        let Some(number) = sessions.enter(&stream) else { continue };
        let (known, id, key, vault) = (sessions.clone(), *id, key.clone(), vault.clone());
        let serve = move || {
            if let Err(error) = Session::accept(stream, &id, &key).and_then(|session| answer(session, &vault)) {
                tracing::debug!(%error, "a session with a reader of the vault ended");
            }
            known.leave(number);
        };
        if std::thread::Builder::new().name("vault-answer".into()).spawn(serve).is_err() {
            sessions.leave(number);
        }
    }
}

/// Answers questions until there are no more.
fn answer(mut session: Session, vault: &Weak<Slot>) -> Result<()> {
    loop {
        let request = session.receive(message::REQUEST_MAX, Instant::now() + IDLE)?;
        let Some(request) = Request::decode(&request) else {
            return Err(Error::damaged("a question that cannot be read"));
        };
        let Some(vault) = vault.upgrade() else { return Ok(()) };
        let answer = ask(&vault, &request);
        // What is slow to take an answer must not keep the holder from its vault.
        drop(vault);
        session.send_answer(&answer)?;
    }
}

fn ask(vault: &Slot, request: &Request) -> Result<Zeroizing<Vec<u8>>> {
    let guard = within(vault, PATIENCE).ok_or(Error::Busy { pid: Some(std::process::id()) })?;
    guard.as_ref().map_or_else(|| Err(closed()), |vault| request.put_to(vault))
}

/// Waits for the vault no longer than `patience`.
fn within(vault: &Slot, patience: Duration) -> Option<RwLockReadGuard<'_, Option<Vault>>> {
    let end = Instant::now() + patience;
    loop {
        match vault.try_read() {
            Ok(guard) => return Some(guard),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) if Instant::now() >= end => return None,
            Err(std::sync::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KdfCost, Secret};

    /// A vault that answers, and a session with it.
    fn served(dir: &Path) -> (Shared, PathBuf) {
        let mut vault = Vault::create(&dir.join("v"), &Secret::from("p"), &[1; 32], KdfCost::FLOOR).unwrap();
        vault.put("large", "one", &mut vec![7; 20 << 20].as_slice()).unwrap();
        vault.commit().unwrap();
        let shared = Shared::new(vault);
        shared.serve(&dir.join("s")).unwrap();
        let socket = disk::list(&dir.join("s")).unwrap().remove(0);
        (shared, socket)
    }

    fn connect(shared: &Shared, socket: &Path) -> Result<Session> {
        let keys = shared.with(|vault| vault.keys.clone())?;
        let stream = system::connect(socket).map_err(Error::io("connect to", socket))?;
        Session::connect(stream, &keys.vault, &keys.share).map(|(session, _)| session)
    }

    #[test]
    fn reader_that_takes_nothing_does_not_keep_the_holder_waiting() {
        let dir = tempfile::TempDir::new().unwrap();
        let (shared, socket) = served(dir.path());
        let mut stuck = connect(&shared, &socket).unwrap();
        let id = shared.find("large", "one").unwrap().unwrap().id;
        stuck.send(&Request::Read { id }.encode()).unwrap();
        let answer = stuck.receive(1 << 20, Instant::now() + PATIENCE).unwrap();
        assert_eq!(answer.len(), 256 * 1024 + 1);
        let began = Instant::now();
        shared.change(|vault| vault.put("note", "a", &mut &b"a"[..]).and_then(|_| vault.commit())).unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
        shared.close();
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(stuck.receive_answer(PATIENCE).is_err());
    }

    #[test]
    fn question_that_cannot_be_read_ends_its_session_only() {
        let dir = tempfile::TempDir::new().unwrap();
        let (shared, socket) = served(dir.path());
        for question in [&b""[..], &[0], &[9], &[2], &[2, 0, 0, 0], &[4, 1], &[1; 200]] {
            let mut session = connect(&shared, &socket).unwrap();
            session.send(question).unwrap();
            assert!(session.receive_answer(PATIENCE).is_err(), "{question:?}");
        }
        let mut session = connect(&shared, &socket).unwrap();
        assert!(session.send(&[1; 2000]).and_then(|()| session.receive_answer(PATIENCE)).is_err());
        let mut session = connect(&shared, &socket).unwrap();
        session.send(&Request::Status.encode()).unwrap();
        assert!(session.receive_answer(PATIENCE).unwrap().is_ok());
    }

    #[test]
    fn more_sessions_than_there_are_places_are_sent_away() {
        let dir = tempfile::TempDir::new().unwrap();
        let (shared, socket) = served(dir.path());
        let held: Vec<Session> = (0..SESSIONS_MAX).map(|_| connect(&shared, &socket).unwrap()).collect();
        assert!(connect(&shared, &socket).is_err());
        drop(held);
        let end = Instant::now() + PATIENCE;
        while connect(&shared, &socket).is_err() {
            assert!(Instant::now() < end);
            std::thread::sleep(PAUSE);
        }
    }

    #[test]
    fn closed_vault_leaves_no_key_with_its_threads() {
        let dir = tempfile::TempDir::new().unwrap();
        let (shared, socket) = served(dir.path());
        let keys = Arc::downgrade(&shared.with(|vault| vault.keys.clone()).unwrap());
        let _open = connect(&shared, &socket).unwrap();
        shared.close();
        assert!(keys.upgrade().is_none());
        assert!(!disk::exists(&socket));
    }
}
