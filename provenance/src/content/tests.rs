use super::local::Local;
use super::*;
use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;

/// A store in memory that can be made to lie.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<Cid, Vec<u8>>>);

impl Memory {
    fn swap(&self, cid: &Cid, bytes: &[u8]) {
        self.0.lock().unwrap().insert(*cid, bytes.to_vec());
    }

    fn cids(&self) -> Vec<Cid> {
        self.0.lock().unwrap().keys().copied().collect()
    }
}

impl ContentStore for Memory {
    fn put_piece(&self, cid: &Cid, bytes: &[u8]) -> Result<()> {
        check_size(bytes.len())?;
        cid.verify(bytes)?;
        self.swap(cid, bytes);
        Ok(())
    }

    fn get_piece(&self, cid: &Cid) -> Result<Vec<u8>> {
        let pieces = self.0.lock().unwrap();
        let bytes = pieces.get(cid).ok_or_else(|| Error::NotFound(cid.to_string()))?;
        cid.verify(bytes)?;
        Ok(bytes.clone())
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        Ok(self.0.lock().unwrap().contains_key(cid))
    }

    fn pin(&self, _: &Cid) -> Result<()> {
        Ok(())
    }
}

pub(super) fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

/// The body that every store must pass.
pub(super) fn check_store(store: &dyn ContentStore) {
    check_kept(store);
    let missing = Cid::raw(b"never stored");
    assert!(!store.has(&missing).unwrap());
    assert!(matches!(store.get_raw(&missing), Err(Error::NotFound(_))));
}

/// The part of it that asks for nothing that is missing.
pub(super) fn check_kept(store: &dyn ContentStore) {
    let raw = store.put_raw(b"hello world").unwrap();
    assert_eq!(raw.to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    assert_eq!(store.get_raw(&raw).unwrap(), b"hello world");
    assert!(store.has(&raw).unwrap());
    assert_eq!(store.put_raw(b"hello world").unwrap(), raw);
    store.pin(&raw).unwrap();
    for length in [0, 1, MAX_PIECE, MAX_PIECE + 1, 3 * MAX_PIECE] {
        let file = bytes(length);
        let cid = store.put_file(&file).unwrap();
        assert_eq!(cid, unixfs::file_cid(&file).unwrap());
        assert_eq!(cid.codec() == Codec::Raw, length <= MAX_PIECE, "{length}");
        assert_eq!(store.get_file(&cid, length as u64).unwrap(), file);
        store.pin(&cid).unwrap();
        if length > 0 {
            assert!(store.get_file(&cid, length as u64 - 1).is_err(), "{length}");
        }
    }
    assert!(matches!(store.put_piece(&Cid::raw(b"never stored"), b"other"), Err(Error::Integrity(_))));
    assert!(matches!(store.put_raw(&vec![0; MAX_PIECE + 1]), Err(Error::Invalid(_))));
    let file = store.put_file(&bytes(2 * MAX_PIECE)).unwrap();
    assert!(matches!(store.get_raw(&file), Err(Error::Invalid(_))));
}

#[test]
fn memory_store_keeps_and_verifies() {
    check_store(&Memory::default());
}

#[test]
fn local_store_keeps_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    check_store(&Local::open(dir.path().join("content")).unwrap());
    let again = Local::open(dir.path().join("content")).unwrap();
    assert_eq!(again.get_raw(&Cid::raw(b"hello world")).unwrap(), b"hello world");
}

/// The file of a stored piece.
fn piece_path(dir: &std::path::Path, cid: &Cid) -> std::path::PathBuf {
    let name = cid.to_string();
    dir.join("pieces").join(&name[name.len() - 3..name.len() - 1]).join(name)
}

#[test]
fn local_store_refuses_what_was_altered_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    let cid = store.put_raw(b"hello world").unwrap();
    for bad in [&b"hello worle"[..], b"", b"hello world ", &vec![0; MAX_PIECE + 1]] {
        fs::write(piece_path(dir.path(), &cid), bad).unwrap();
        assert!(matches!(store.get_raw(&cid), Err(Error::Integrity(_))));
        assert!(store.pin(&cid).is_err());
    }
    store.put_raw(b"hello world").unwrap();
    assert_eq!(store.get_raw(&cid).unwrap(), b"hello world");
}

#[test]
fn local_store_leaves_nothing_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    store.put_file(&bytes(2 * MAX_PIECE + 5)).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("incoming")).unwrap().count(), 0);
}

#[test]
fn local_store_that_cannot_write_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    fs::remove_dir(dir.path().join("incoming")).unwrap();
    assert!(matches!(store.put_raw(b"x"), Err(Error::Io(_))));
    assert!(!store.has(&Cid::raw(b"x")).unwrap());
    fs::write(dir.path().join("file"), b"").unwrap();
    assert!(matches!(Local::open(dir.path().join("file")), Err(Error::Io(_))));
}

#[test]
fn local_pin_of_a_file_with_a_missing_piece_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    let file = bytes(2 * MAX_PIECE);
    let cid = store.put_file(&file).unwrap();
    fs::remove_file(piece_path(dir.path(), &Cid::raw(&file[MAX_PIECE..]))).unwrap();
    assert!(matches!(store.pin(&cid), Err(Error::NotFound(_))));
    assert!(matches!(store.get_file(&cid, 1 << 30), Err(Error::NotFound(_))));
}

#[test]
fn file_cids_are_those_of_the_profile() {
    assert_eq!(unixfs::file_cid(b"").unwrap(), Cid::raw(b""));
    assert_eq!(unixfs::file_cid(b"hello world").unwrap(), Cid::raw(b"hello world"));
    let two = unixfs::file_cid(&vec![0; 2 * MAX_PIECE]).unwrap();
    assert_eq!(two.to_string(), TWO_MEBIBYTES_OF_ZEROS);
}

/// The root of two raw leaves, built by hand below.
const TWO_MEBIBYTES_OF_ZEROS: &str = "bafybeiam7fzx7ebtpwnfqb4tfhcthbgihdavyir433y6dd5jjy37dftd4e";

/// A dag-pb file node over `links` of (cid, blocksize), by the dag-pb and UnixFS specifications.
fn node(links: &[(Cid, u64)], filesize: u64) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| {
        let mut out = vec![tag];
        varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    };
    let number = |tag: u8, value: u64| {
        let mut out = vec![tag];
        varint(&mut out, value);
        out
    };
    let mut out = Vec::new();
    let mut data = [number(8, 2), number(24, filesize)].concat();
    for (cid, size) in links {
        let link = [field(10, &cid.to_bytes()), field(18, b""), number(24, *size)].concat();
        out.extend(field(18, &link));
        data.extend(number(32, *size));
    }
    out.extend(field(10, &data));
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[test]
fn two_leaf_root_is_the_node_of_the_specification() {
    let leaf = vec![0; MAX_PIECE];
    let size = MAX_PIECE as u64;
    let root = node(&[(Cid::raw(&leaf), size), (Cid::raw(&leaf), size)], 2 * size);
    assert_eq!(Cid::of(Codec::DagPb, &root), unixfs::file_cid(&vec![0; 2 * MAX_PIECE]).unwrap());
}

/// Stores a node and expects its file to be refused for `reason`.
fn tree_refused(store: &Memory, root: Vec<u8>, reason: &str) {
    let cid = Cid::of(Codec::DagPb, &root);
    store.swap(&cid, &root);
    let message = store.get_file(&cid, 1 << 30).unwrap_err().to_string();
    assert!(message.contains(reason), "{message}");
}

#[test]
fn tree_with_false_sizes_is_refused() {
    let store = Memory::default();
    let leaf = store.put_raw(b"12345").unwrap();
    tree_refused(&store, node(&[(leaf, 5)], 6), "add up");
    tree_refused(&store, node(&[(leaf, 6)], 6), "says 6");
    tree_refused(&store, node(&[(leaf, 4), (leaf, 6)], 10), "says 4");
    tree_refused(&store, node(&[(leaf, u64::MAX), (leaf, 2)], 1), "add up");
}

#[test]
fn tree_with_empty_children_is_refused() {
    let store = Memory::default();
    let empty = store.put_raw(b"").unwrap();
    tree_refused(&store, node(&[(empty, 0)], 0), "empty child");
}

#[test]
fn tree_that_is_too_deep_is_refused() {
    let store = Memory::default();
    let mut child = store.put_raw(b"12345").unwrap();
    for depth in 0..4 {
        let bytes = node(&[(child, 5)], 5);
        child = Cid::of(Codec::DagPb, &bytes);
        store.swap(&child, &bytes);
        assert_eq!(store.get_file(&child, 5).is_ok(), depth < 3, "{depth}");
    }
    assert!(store.get_file(&child, 5).unwrap_err().to_string().contains("too deep"));
}

#[test]
fn tree_that_is_too_wide_is_refused() {
    let store = Memory::default();
    let leaf = store.put_raw(b"1").unwrap();
    tree_refused(&store, node(&vec![(leaf, 1); 1025], 1025), "too many links");
}

#[test]
fn tree_that_multiplies_one_leaf_is_bounded() {
    let store = Memory::default();
    let leaf = store.put_raw(&vec![0; MAX_PIECE]).unwrap();
    let size = 1024 * MAX_PIECE as u64;
    let root = node(&vec![(leaf, MAX_PIECE as u64); 1024], size);
    let cid = Cid::of(Codec::DagPb, &root);
    store.swap(&cid, &root);
    assert!(matches!(store.get_file(&cid, size - 1), Err(Error::Invalid(_))));
}

#[test]
fn garbage_and_other_nodes_are_refused() {
    let store = Memory::default();
    tree_refused(&store, vec![0xff; 20], "cannot be read");
    tree_refused(&store, Vec::new(), "cannot be read");
    let document = Cid::of(Codec::DagCbor, b"\xa0");
    store.swap(&document, b"\xa0");
    assert!(store.get_file(&document, 10).unwrap_err().to_string().contains("document"));
}

fn car_of(length: usize) -> (Memory, Cid, Vec<u8>) {
    let store = Memory::default();
    let root = store.put_file(&bytes(length)).unwrap();
    let car = car::export(&store, &root, u64::MAX).unwrap();
    (store, root, car)
}

#[test]
fn car_round_trips() {
    for length in [0, 5, 2 * MAX_PIECE + 5] {
        let (store, root, car) = car_of(length);
        let target = Memory::default();
        assert_eq!(car::import(&target, &car, 1 << 30).unwrap(), root);
        assert_eq!(target.get_file(&root, 1 << 30).unwrap(), bytes(length));
        assert_eq!(target.cids().len(), store.cids().len());
        assert_eq!(car::export(&target, &root, u64::MAX).unwrap(), car);
    }
}

#[test]
fn car_of_equal_leaves_has_them_once() {
    let store = Memory::default();
    let root = store.put_file(&vec![0; 3 * MAX_PIECE]).unwrap();
    let car = car::read(&car::export(&store, &root, u64::MAX).unwrap(), 1 << 30).unwrap();
    assert_eq!(car.pieces.len(), 2);
}

#[test]
fn car_header_is_that_of_the_specification() {
    let (_, root, car) = car_of(5);
    let header = serde_json::json!({"version": 1});
    let cbor = serde_ipld_dagcbor::to_vec(&header).unwrap();
    assert_eq!(car[0] as usize, 58);
    assert_eq!(&car[1..8], b"\xa2\x65roots");
    assert_eq!(&car[59 - 9..59], &cbor[1..]);
    assert_eq!(&car[14..50], root.to_bytes());
}

#[test]
fn every_altered_byte_of_a_car_is_refused() {
    let (_, _, car) = car_of(40);
    for index in 0..car.len() {
        for bit in [0x01, 0x80] {
            let mut bad = car.clone();
            bad[index] ^= bit;
            assert!(car::read(&bad, 1 << 20).is_err(), "byte {index}");
        }
    }
}

#[test]
fn every_cut_of_a_car_is_refused() {
    let (_, _, car) = car_of(40);
    for length in 0..car.len() {
        assert!(car::read(&car[..length], 1 << 20).is_err(), "{length}");
    }
}

#[test]
fn car_that_names_the_altered_entry() {
    let (_, _, mut car) = car_of(2 * MAX_PIECE + 5);
    let last = car.len() - 1;
    car[last] ^= 1;
    let message = car::read(&car, 1 << 30).unwrap_err().to_string();
    assert!(message.contains("entry 4"), "{message}");
    assert!(car::import(&Memory::default(), &car, 1 << 30).is_err());
}

#[test]
fn corrupted_car_keeps_nothing() {
    let (_, _, mut car) = car_of(2 * MAX_PIECE + 5);
    let last = car.len() - 1;
    car[last] ^= 1;
    let target = Memory::default();
    assert!(car::import(&target, &car, 1 << 30).is_err());
    assert!(target.cids().is_empty());
}

#[test]
fn car_without_its_root_or_with_an_entry_twice_is_refused() {
    let (a, b) = (Cid::raw(b"a"), Cid::raw(b"b"));
    let lacking = car::write(&a, [(&b, &b"b"[..])]);
    assert!(car::read(&lacking, 1 << 20).unwrap_err().to_string().contains("lacks"));
    let twice = car::write(&a, [(&a, &b"a"[..]), (&a, &b"a"[..])]);
    assert!(car::read(&twice, 1 << 20).unwrap_err().to_string().contains("twice"));
    assert!(car::read(&car::write(&a, []), 1 << 20).is_err());
}

#[test]
fn car_above_the_limit_is_refused() {
    let (_, _, car) = car_of(40);
    assert!(matches!(car::read(&car, car.len() as u64 - 1), Err(Error::Invalid(_))));
}

#[test]
fn car_with_a_long_length_is_refused() {
    let (_, _, car) = car_of(40);
    let mut long = vec![0xba, 0x00];
    long.extend_from_slice(&car[1..]);
    assert!(car::read(&long, 1 << 20).is_err());
    let endless = vec![0xff; 64];
    assert!(car::read(&endless, 1 << 20).is_err());
}
