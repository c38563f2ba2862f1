//! Zip archives: each entry is read by its content, in memory; nothing is ever written to a path an archive names.
//!
//! Every entry is decompressed once to check its length, ratio and checksum, and only then read: a damaged or
//! exploding entry gives a report and no records. A ChatGPT export is an archive whose conversation files hold
//! conversations; then only those are read.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::ZipArchive;

use super::{Error, Format, Output, Result, chatgpt, dispatch, read_head, sniff};

/// Most entries read of one archive and of those inside it.
const MAX_ENTRIES: u64 = 100_000;
/// Most bytes of one entry, decompressed.
const MAX_ENTRY_BYTES: u64 = 2 << 30;
/// Most bytes of all entries, decompressed.
const MAX_ARCHIVE_BYTES: u64 = 20 << 30;
/// Most bytes read to list an archive: each of its entries takes memory.
const MAX_LISTING_BYTES: u64 = 16 << 20;
/// Largest archive inside an archive, in bytes: it is held in memory.
const MAX_NESTED_BYTES: u64 = 64 << 20;
/// How deep archives may lie in each other: one inside the one imported.
const MAX_LEVELS: usize = 2;
/// Most decompressed bytes for one compressed byte, once [`FREE_BYTES`] were read.
const MAX_RATIO: u64 = 200;
/// So many bytes may come out of any entry, whatever the ratio.
const FREE_BYTES: u64 = 10 << 20;
/// Longest entry name, in bytes.
const MAX_NAME_BYTES: usize = 1_024;

/// What an archive is read from.
pub(super) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

type Archive<'a> = ZipArchive<Counted<'a>>;

/// Reads the records of an archive. Says whether it was a chat export.
pub(super) fn records(input: &mut dyn ReadSeek, out: &mut Output<'_>) -> Result<Format> {
    let mut budget = Budget { bytes: MAX_ARCHIVE_BYTES, entries: MAX_ENTRIES, level: 1 };
    read(input, out, &mut budget)
}

/// What an archive and those inside it may still take.
struct Budget {
    bytes: u64,
    entries: u64,
    level: usize,
}

fn read(input: &mut dyn ReadSeek, out: &mut Output<'_>, budget: &mut Budget) -> Result<Format> {
    let size = input.seek(SeekFrom::End(0)).map_err(|error| out.read_error(error))?;
    let taken = Rc::new(Cell::new(0));
    let allowed = Rc::new(Cell::new(MAX_LISTING_BYTES));
    let counted = Counted { input, taken: Rc::clone(&taken), allowed: Rc::clone(&allowed) };
    let mut archive = match ZipArchive::new(counted) {
        Ok(archive) => archive,
        Err(error) => {
            out.problem("", format!("the zip archive cannot be listed: {error}; is it complete?"));
            return Ok(Format::Zip);
        }
    };
    allowed.set(u64::MAX);
    // Its own size bounds what it may unpack to; what that leaves of a larger budget is kept for the rest.
    let reserve = budget.bytes.saturating_sub(size.saturating_mul(MAX_RATIO).saturating_add(FREE_BYTES));
    budget.bytes -= reserve;
    let mut entries = list(&archive, out, budget);
    let format = if is_chat_export(&mut archive, &entries) { Format::Chatgpt } else { Format::Zip };
    if format == Format::Chatgpt {
        entries = conversations(&mut archive, entries, out);
    }
    for entry in &entries {
        let head = check(&mut archive, entry, &taken, budget);
        one(&mut archive, entry, (format, head), out, budget)?;
        if budget.bytes == 0 {
            out.problem("", "the rest of the archive was left out");
            break;
        }
    }
    budget.bytes += reserve;
    Ok(format)
}

/// An entry that may be read.
struct Entry {
    index: usize,
    name: String,
}

/// The entries with acceptable names; the others are reported.
fn list(archive: &Archive<'_>, out: &mut Output<'_>, budget: &mut Budget) -> Vec<Entry> {
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let Ok(entry) = archive.by_index_data(index) else { continue };
        let Ok(name) = entry.name() else {
            out.problem(format!("entry {}", index + 1), "its name cannot be read; it was left out");
            continue;
        };
        if entry.is_dir() || name.starts_with("__MACOSX/") || name.ends_with(".DS_Store") {
            continue;
        }
        let refused = if !is_safe(&name) {
            Some("its name points outside of the archive")
        } else if entry.is_symlink() {
            Some("it is a link, not a file")
        } else if entry.encrypted() {
            Some("it is encrypted; unpack it first")
        } else {
            None
        };
        if let Some(reason) = refused {
            out.entry(&name).problem("", format!("{reason}; it was left out"));
        } else if budget.entries == 0 {
            out.problem("", format!("more than {MAX_ENTRIES} entries; the rest was left out"));
            break;
        } else {
            budget.entries -= 1;
            entries.push(Entry { index, name: name.into_owned() });
        }
    }
    entries
}

/// A relative name without steps upwards, in any system's notation.
fn is_safe(name: &str) -> bool {
    let absolute = name.starts_with(['/', '\\']) || name.as_bytes().get(1) == Some(&b':');
    let upwards = name.split(['/', '\\']).any(|part| part == "..");
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !absolute && !upwards && !name.contains('\0')
}

fn is_chat_export(archive: &mut Archive<'_>, entries: &[Entry]) -> bool {
    let mut files = entries.iter().filter(|entry| chatgpt::file_number(&entry.name).is_some());
    files.any(|entry| {
        let head = archive.by_index(entry.index).ok().and_then(|mut file| read_head(&mut file).ok());
        head.is_some_and(|head| sniff(&head) == Format::Chatgpt || head.trim_ascii() == b"[]")
    })
}

/// The conversation files in order; the rest is listed as kept, and files that the export's own list names but that
/// are missing are reported.
fn conversations(archive: &mut Archive<'_>, entries: Vec<Entry>, out: &mut Output<'_>) -> Vec<Entry> {
    let (mut files, rest): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| chatgpt::file_number(&entry.name).is_some());
    files.sort_by_key(|entry| chatgpt::file_number(&entry.name));
    for entry in rest {
        if chatgpt::is_manifest(&entry.name) {
            let listed = archive.by_index(entry.index).ok().map(chatgpt::listed_files);
            for missing in listed.unwrap_or_default() {
                if !files.iter().any(|file| chatgpt::base_name(&file.name) == missing) {
                    out.entry(&entry.name)
                        .problem("", format!("it lists {missing}, which is not in the archive; export again"));
                }
            }
        } else {
            out.summary.other(&entry.name);
        }
    }
    files
}

/// Reads one entry of which the check gave the first bytes.
fn one(
    archive: &mut Archive<'_>,
    entry: &Entry,
    (archive_format, head): (Format, io::Result<Vec<u8>>),
    out: &mut Output<'_>,
    budget: &mut Budget,
) -> Result<()> {
    let format = match head {
        Ok(_) if archive_format == Format::Chatgpt => Format::Chatgpt,
        Ok(head) => sniff(&head),
        Err(error) => {
            out.entry(&entry.name).problem("", format!("{error}; this entry was left out"));
            return Ok(());
        }
    };
    if matches!(format, Format::Other | Format::Empty) {
        out.summary.other(&entry.name);
        return Ok(());
    }
    let mut output = out.entry(&entry.name);
    let mut file = match archive.by_index(entry.index) {
        Ok(file) => file,
        Err(error) => {
            output.problem("", error);
            return Ok(());
        }
    };
    let done = match format {
        Format::Zip => nested(&mut file, &mut output, budget),
        _ => dispatch(format, &mut BufReader::new(file), &mut output),
    };
    match done {
        Err(Error::Read { source, .. }) => output.problem("", source),
        done => done?,
    }
    Ok(())
}

/// Decompresses an entry to its end, counting, and returns its first bytes. The checksum is compared at the end.
fn check(archive: &mut Archive<'_>, entry: &Entry, taken: &Cell<u64>, budget: &mut Budget) -> io::Result<Vec<u8>> {
    taken.set(0);
    let mut file = archive.by_index(entry.index).map_err(io::Error::other)?;
    let head = read_head(&mut file)?;
    let mut bytes = head.len() as u64;
    let counted = count(&mut file, &mut bytes, taken, budget);
    budget.bytes = budget.bytes.saturating_sub(bytes);
    counted.map(|()| head)
}

/// Reads to the end; refuses what grows beyond a limit. `bytes` is what came out so far.
fn count(file: &mut dyn Read, bytes: &mut u64, taken: &Cell<u64>, budget: &Budget) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let refused = if *bytes > FREE_BYTES && *bytes / MAX_RATIO > taken.get() {
            Some(format!("it unpacks to more than {MAX_RATIO} times its size"))
        } else if *bytes > MAX_ENTRY_BYTES {
            Some(format!("it unpacks to more than {MAX_ENTRY_BYTES} bytes"))
        } else if *bytes > budget.bytes {
            Some("the archive unpacks to more than it may".to_owned())
        } else {
            None
        };
        if let Some(reason) = refused {
            return Err(io::Error::other(reason));
        }
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            more => *bytes += more as u64,
        }
    }
}

fn nested(file: &mut dyn Read, out: &mut Output<'_>, budget: &mut Budget) -> Result<()> {
    if budget.level >= MAX_LEVELS {
        out.problem("", "an archive inside an archive inside an archive; it was left out");
        return Ok(());
    }
    let mut bytes = Vec::new();
    file.take(MAX_NESTED_BYTES + 1).read_to_end(&mut bytes).map_err(|error| out.read_error(error))?;
    if bytes.len() as u64 > MAX_NESTED_BYTES {
        out.problem(
            "",
            format!("an archive inside an archive, longer than {MAX_NESTED_BYTES} bytes; import it by itself"),
        );
        return Ok(());
    }
    budget.level += 1;
    let done = read(&mut Cursor::new(bytes), out, budget);
    budget.level -= 1;
    done.map(|_| ())
}

/// Counts what is really read of the archive, and stops the listing of an endless one.
struct Counted<'a> {
    input: &'a mut dyn ReadSeek,
    taken: Rc<Cell<u64>>,
    allowed: Rc<Cell<u64>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken.get() > self.allowed.get() {
            return Err(io::Error::other("its list of entries is too long"));
        }
        let count = self.input.read(buffer)?;
        self.taken.set(self.taken.get() + count as u64);
        Ok(count)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.input.seek(to)
    }
}
