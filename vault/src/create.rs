//! Creating a vault: all its files are written beside the folder and moved into place in one step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chunk::Encoding;
use crate::disk;
use crate::error::{Error, Result};
use crate::head::{Commit, HeadFile, Live, Mark};
use crate::key::{Header, KdfCost, Keys, Secret};
use crate::log::{Log, Position};
use crate::open::{self, Options, Paths};
use crate::pack::{TARGET, Type};
use crate::seal::random;
use crate::vault::Vault;

pub(crate) fn create(
    dir: &Path,
    passphrase: &Secret,
    recovery_entropy: &[u8; 32],
    cost: KdfCost,
    options: &Options,
) -> Result<Vault> {
    let dir = resolve(dir)?;
    if disk::list(&dir).is_ok_and(|items| !items.is_empty()) {
        return Err(Error::Exists(dir));
    }
    let (header, master) = Header::create(passphrase, recovery_entropy, cost)?;
    let keys = Arc::new(Keys::new(header.vault, master));
    let temporary = dir.with_extension(format!("new-{}", hex::encode(random::<8>()?)));
    let made = make(&Paths(temporary.clone()), &header, &keys).and_then(|()| move_into_place(&temporary, &dir));
    if made.is_err() {
        let _ = disk::remove_dir(&temporary);
    }
    made?;
    let paths = Paths(dir);
    let lock = disk::lock(&paths.lock())?;
    open::open_unlocked(paths, lock, header, keys, options)
}

/// The folder by a path that ends in its name, so that another name can be put beside it.
pub(crate) fn resolve(dir: &Path) -> Result<PathBuf> {
    let resolved = disk::resolve(dir)?;
    match resolved.file_name() {
        Some(_) => Ok(resolved),
        None => Err(Error::Limit(format!("{} cannot become a vault: name a folder", dir.display()))),
    }
}

/// Writes a new vault's files: header, first pack with the first commit, head.
fn make(paths: &Paths, header: &Header, keys: &Arc<Keys>) -> Result<()> {
    disk::make_dir(&paths.packs())?;
    header.write(&paths.header(), &keys.master)?;
    let mut log = Log::open(&paths.packs(), keys.clone())?;
    log.start(Position { pack: 0, offset: TARGET }, &[0; 32], 0);
    log.make_room()?;
    let (packs, pack_sum) = log.census(&[]);
    let live = Live::default();
    let commit =
        Commit { counter: 1, epoch: header.epoch, live, packs, pack_sum, previous: [0; 32], retired: Vec::new() };
    let (id, body) = (log.batch_id(), commit.encode());
    let at = log.append(Type::Commit, id, Encoding::Bytes, body.len(), &body)?;
    log.sync()?;
    HeadFile::create(&paths.head(), keys, Mark { counter: 1, id, at }, header.epoch)?;
    disk::sync_dir(&paths.0)
}

/// Gives a finished vault its name. An empty folder of that name is replaced; any other is left alone.
pub(crate) fn move_into_place(temporary: &Path, dir: &Path) -> Result<()> {
    if let Err(error) = disk::rename(temporary, dir) {
        return match error.kind() {
            std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => {
                Err(Error::Exists(dir.to_path_buf()))
            }
            _ => Err(Error::io("create the vault", dir)(error)),
        };
    }
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk::sync_dir(parent),
        _ => disk::sync_dir(Path::new(".")),
    }
}
