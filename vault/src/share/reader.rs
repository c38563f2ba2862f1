//! The other side: a process that asks the one which holds the vault.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::message::{Request, take_entries, take_report, take_status, unreadable};
use super::session::Session;
use super::{PATIENCE, Read, socket_of};
use crate::check::{CheckDepth, Report};
use crate::error::{Error, Result};
use crate::key::{Header, Keys, Unlock};
use crate::object::{Entry, ObjectId};
use crate::open::Paths;
use crate::vault::Status;
use crate::{disk, system};

/// An answer begins to come within this time.
const ANSWER: Duration = Duration::from_secs(60);
/// A check reads much before it answers.
const CHECK: Duration = Duration::from_secs(6 * 60 * 60);
const _: () = assert!(PATIENCE.as_secs() < ANSWER.as_secs());

/// A vault that another process holds, asked over its socket. Has the read methods of [`crate::Vault`], by
/// [`Read`]; what the holder has put but not committed is visible here as it is there.
pub struct Reader {
    keys: Arc<Keys>,
    socket: PathBuf,
    session: Mutex<Option<Session>>,
    holder: u32,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.socket.display())
    }
}

impl Reader {
    /// Finds the key of the vault in `dir` and connects to the process that holds it, over its socket in `folder`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no vault, [`Error::WrongKey`], [`Error::Busy`] with the holder's pid if it does
    /// not answer, [`Error::Damaged`] if who answers does not know the vault's key, [`Error::Io`].
    pub fn open(dir: &Path, unlock: &Unlock, folder: &Path) -> Result<Reader> {
        let paths = Paths(dir.to_path_buf());
        if !disk::exists(&paths.header()) {
            return Err(Error::NotFound(format!("no vault in {}", dir.display())));
        }
        let header = Header::read(&paths.header())?;
        let socket = socket_of(folder, &header.vault, dir)?;
        let busy = || Error::Busy { pid: disk::holder(&paths.lock()) };
        if !disk::exists(&socket) {
            return Err(busy());
        }
        let master = header.unlock(unlock, &paths.header())?;
        let keys = Arc::new(Keys::new(header.vault, master));
        let (session, holder) = connect(&socket, &keys).map_err(|error| match error {
            Error::Io { .. } => busy(),
            other => other,
        })?;
        Ok(Reader { keys, socket, session: Mutex::new(Some(session)), holder })
    }

    /// Process id of the holder.
    pub fn holder(&self) -> u32 {
        self.holder
    }

    /// Asks; connects again first where the holder closed a session that was long idle.
    fn ask(&self, request: &Request, patience: Duration) -> Result<Zeroizing<Vec<u8>>> {
        request.check()?;
        let mut kept = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut exchanged = match kept.take() {
            Some(session) => exchange(session, request, patience),
            None => exchange(self.connect()?, request, patience),
        };
        if matches!(&exchanged, Err(Error::Io { source, .. }) if hung_up(source.kind())) {
            exchanged = exchange(self.connect()?, request, patience);
        }
        // After a session failed the two ends no longer agree on what comes next: it is not kept.
        let (session, answer) = exchanged?;
        *kept = Some(session);
        answer
    }

    fn connect(&self) -> Result<Session> {
        match connect(&self.socket, &self.keys) {
            Ok((session, _)) => Ok(session),
            Err(Error::Io { .. }) => Err(Error::NotFound("the program that held the vault has closed it".into())),
            Err(error) => Err(error),
        }
    }
}

type Answer = Result<Zeroizing<Vec<u8>>>;

fn exchange(mut session: Session, request: &Request, patience: Duration) -> Result<(Session, Answer)> {
    session.send(&request.encode())?;
    let answer = session.receive_answer(patience)?;
    Ok((session, answer))
}

fn hung_up(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof)
}

fn connect(socket: &Path, keys: &Keys) -> Result<(Session, u32)> {
    let stream = system::connect(socket).map_err(Error::io("connect to", socket))?;
    Session::connect(stream, &keys.vault, &keys.share)
}

impl Read for Reader {
    fn status(&self) -> Result<Status> {
        take_status(&self.ask(&Request::Status, ANSWER)?).ok_or_else(unreadable)
    }

    fn find(&self, kind: &str, name: &str) -> Result<Option<Entry>> {
        let request = Request::Find { kind: kind.into(), name: name.into() };
        let found = take_entries(&self.ask(&request, ANSWER)?).ok_or_else(unreadable)?;
        Ok(found.into_iter().next())
    }

    fn list(&self, kind: &str) -> Result<Vec<Entry>> {
        take_entries(&self.ask(&Request::List { kind: kind.into() }, ANSWER)?).ok_or_else(unreadable)
    }

    fn read(&self, id: &ObjectId) -> Result<Zeroizing<Vec<u8>>> {
        self.ask(&Request::Read { id: *id }, ANSWER)
    }

    fn read_named(&self, kind: &str, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let answer = self.ask(&Request::ReadNamed { kind: kind.into(), name: name.into() }, ANSWER)?;
        match answer.split_first() {
            Some((0, [])) => Ok(None),
            Some((1, bytes)) => Ok(Some(Zeroizing::new(bytes.to_vec()))),
            _ => Err(unreadable()),
        }
    }

    fn check(&self, depth: CheckDepth) -> Result<Report> {
        take_report(&self.ask(&Request::Check { depth }, CHECK)?).ok_or_else(unreadable)
    }

    fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>> {
        Ok(self.keys.app(purpose))
    }
}
