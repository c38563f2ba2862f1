use super::super::several::Several;
use super::super::tests::{Memory, check_store};
use super::*;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How the daemon of a test behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    /// Answers with another CID than it stored.
    WrongKey,
    /// Sends other bytes than were asked for.
    WrongBytes,
    /// Sends all but the last byte, and says that this is all.
    Short,
    /// Says how much it sends and ends in the middle.
    Truncated,
    /// Never stops sending.
    Endless,
    /// Accepts and says nothing.
    Silent,
    /// Answers 500 with text that is no JSON.
    Broken,
    /// Takes pieces and pins none.
    Pinless,
}

type Pieces = Arc<Mutex<HashMap<[u8; 32], Vec<u8>>>>;

/// Where a daemon of a test notes the queries of `pin/add`, among the pieces.
const PINS: [u8; 32] = [0; 32];

/// The queries of `pin/add` that were answered, one a line.
fn pins(pieces: &Pieces) -> String {
    String::from_utf8(pieces.lock().unwrap().get(&PINS).cloned().unwrap_or_default()).unwrap()
}

/// A tiny daemon on a free port. It ends with the test's process.
fn daemon(manner: Manner) -> (Kubo, Pieces) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let pieces = Pieces::default();
    let shared = pieces.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = shared.clone();
            thread::spawn(move || serve(stream, manner, &shared));
        }
    });
    let second = Duration::from_secs(1);
    let limit = if manner == Manner::Silent { Duration::from_millis(200) } else { 30 * second };
    (Kubo::new(&url, Timeouts { call: limit, fetch: limit, pin: limit }).unwrap(), pieces)
}

fn serve(stream: TcpStream, manner: Manner, pieces: &Pieces) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (path, body) = request(&mut reader);
    match manner {
        Manner::Silent => thread::sleep(Duration::from_secs(5)),
        Manner::Broken => respond(stream, "500 Internal Server Error", b"<html>oops</html>"),
        _ => answer(stream, manner, pieces, &path, &body),
    }
}

fn answer(mut stream: TcpStream, manner: Manner, pieces: &Pieces, path: &str, body: &[u8]) {
    let (call, query) = path.strip_prefix("/api/v0/").unwrap().split_once('?').unwrap();
    let arg = query.split('&').find_map(|pair| pair.strip_prefix("arg=")).unwrap_or_default();
    let stored = said_digest(arg).and_then(|digest| pieces.lock().unwrap().get(&digest).cloned());
    match (call, stored) {
        ("version", _) => respond(stream, "200 OK", br#"{"Version":"0.30.0","Commit":"","Repo":"16"}"#),
        ("block/put", _) => {
            assert!(query.contains("format=") && query.contains("mhtype=sha2-256"), "{query}");
            let cid = Cid::raw(body);
            pieces.lock().unwrap().insert(cid.digest(), body.to_vec());
            let key = if manner == Manner::WrongKey { Cid::raw(b"else") } else { cid };
            respond(stream, "200 OK", format!(r#"{{"Key":"{key}","Size":{}}}"#, body.len()).as_bytes());
        }
        ("block/get", Some(_)) if manner == Manner::WrongBytes => respond(stream, "200 OK", b"other bytes"),
        ("block/get", Some(bytes)) if manner == Manner::Short => respond(stream, "200 OK", &bytes[..bytes.len() - 1]),
        ("block/get", Some(bytes)) if manner == Manner::Truncated => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            let _ = stream.write_all(&[head.as_bytes(), &bytes[..bytes.len() / 2]].concat());
        }
        ("block/get", Some(_)) if manner == Manner::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[0; 65536]).is_ok() {}
        }
        ("block/get", Some(bytes)) => respond(stream, "200 OK", &bytes),
        ("block/stat", Some(bytes)) => {
            respond(stream, "200 OK", format!(r#"{{"Key":"{arg}","Size":{}}}"#, bytes.len()).as_bytes());
        }
        ("pin/add", _) if manner == Manner::Pinless => {
            respond(stream, "500 Internal Server Error", br#"{"Message":"no pins here","Code":0,"Type":"error"}"#);
        }
        ("pin/add", Some(_)) => {
            pieces.lock().unwrap().entry(PINS).or_default().extend_from_slice(format!("{query}\n").as_bytes());
            respond(stream, "200 OK", format!(r#"{{"Pins":["{arg}"]}}"#).as_bytes());
        }
        _ => {
            let message = br#"{"Message":"block was not found locally (offline)","Code":0,"Type":"error"}"#;
            respond(stream, "500 Internal Server Error", message);
        }
    }
}

/// The path and the body of one request; of a multipart body, its one part.
fn request(reader: &mut impl BufRead) -> (String, Vec<u8>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= header == "transfer-encoding: chunked";
    }
    let body = if chunked { chunks(reader) } else { exactly(reader, length) };
    (path, part(&body))
}

fn exactly(reader: &mut impl Read, length: usize) -> Vec<u8> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    body
}

fn chunks(reader: &mut impl BufRead) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        body.extend(exactly(reader, size));
        let mut end = String::new();
        reader.read_line(&mut end).unwrap();
        if size == 0 {
            return body;
        }
    }
}

fn part(body: &[u8]) -> Vec<u8> {
    let find = |needle: &[u8]| body.windows(needle.len()).position(|window| window == needle);
    let (Some(boundary), Some(start)) = (find(b"\r\n"), find(b"\r\n\r\n")) else { return body.to_vec() };
    // The last line is CR LF, the boundary and two dashes.
    let close = [b"\r\n", &body[..boundary]].concat();
    let end = (start + 4..=body.len() - close.len()).rev().find(|at| body[*at..].starts_with(&close)).unwrap();
    body[start + 4..end].to_vec()
}

fn respond(mut stream: TcpStream, status: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

#[test]
fn daemon_store_keeps_and_verifies() {
    check_store(&daemon(Manner::Honest).0);
}

#[test]
fn what_is_put_is_pinned_by_its_root_alone() {
    let (kubo, pieces) = daemon(Manner::Honest);
    let raw = kubo.put_raw(b"hello").unwrap();
    let file = kubo.put_file(&vec![7; 2 * MAX_PIECE]).unwrap();
    assert_eq!(file.codec(), crate::cid::Codec::DagPb);
    kubo.put_piece(&Cid::raw(b"alone"), b"alone").unwrap();
    let pinned = pins(&pieces);
    let lines: Vec<&str> = pinned.lines().collect();
    assert_eq!(lines.len(), 2, "{pinned}");
    for (line, root) in lines.into_iter().zip([raw, file]) {
        assert!(line.contains(&format!("arg={root}")) && line.contains("recursive=true"), "{line}");
    }
}

#[test]
fn what_is_not_pinned_is_not_kept() {
    let (kubo, pieces) = daemon(Manner::Pinless);
    for result in [kubo.put_raw(b"hello"), kubo.put_file(&vec![7; 2 * MAX_PIECE])] {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::Network(message) if message.contains("no pins here")), "{error}");
    }
    assert!(kubo.has(&Cid::raw(b"hello")).unwrap());
    assert_eq!(pins(&pieces), "");
}

#[test]
fn daemon_tells_its_version() {
    assert_eq!(daemon(Manner::Honest).0.version().unwrap(), "0.30.0");
}

#[test]
fn daemon_can_be_used_and_dropped_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (kubo, _) = daemon(Manner::Honest);
        let cid = kubo.put_raw(b"hello").unwrap();
        assert_eq!(kubo.get_raw(&cid).unwrap(), b"hello");
    });
}

#[test]
fn daemon_that_names_another_cid_is_not_believed() {
    let (kubo, _) = daemon(Manner::WrongKey);
    assert!(matches!(kubo.put_raw(b"hello"), Err(Error::Integrity(_))));
}

#[test]
fn daemon_that_sends_other_bytes_is_not_believed() {
    let (kubo, _) = daemon(Manner::WrongBytes);
    let cid = kubo.put_raw(b"hello").unwrap();
    assert!(matches!(kubo.get_raw(&cid), Err(Error::Integrity(_))));
}

#[test]
fn daemon_that_never_stops_sending_is_cut_off() {
    let (kubo, _) = daemon(Manner::Endless);
    let cid = kubo.put_raw(b"hello").unwrap();
    assert!(kubo.get_raw(&cid).unwrap_err().to_string().contains("more than a piece"));
}

#[test]
fn daemon_that_sends_less_is_not_believed() {
    let (short, _) = daemon(Manner::Short);
    let cid = short.put_raw(b"hello").unwrap();
    assert!(matches!(short.get_raw(&cid), Err(Error::Integrity(_))));
    let (truncated, _) = daemon(Manner::Truncated);
    truncated.put_raw(b"hello").unwrap();
    assert!(matches!(truncated.get_raw(&cid), Err(Error::Network(_))));
}

#[test]
fn faulty_daemons_are_passed_over_for_one_that_delivers() {
    let bytes: Vec<u8> = (0..MAX_PIECE + 100).map(|at| (at % 251) as u8).collect();
    let manners =
        [Manner::Silent, Manner::Broken, Manner::WrongBytes, Manner::Short, Manner::Truncated, Manner::Endless];
    let mut sources: Vec<Box<dyn ContentStore>> = Vec::new();
    let mut root = None;
    for manner in manners.into_iter().chain([Manner::Honest]) {
        let (kubo, _) = daemon(manner);
        let put = kubo.put_file(&bytes);
        assert_eq!(put.is_err(), matches!(manner, Manner::Silent | Manner::Broken));
        root = put.ok().or(root);
        sources.push(Box::new(kubo));
    }
    let several = Several::new(Box::new(Memory::default()), sources);
    assert_eq!(several.get_file(&root.unwrap(), 1 << 30).unwrap(), bytes);
}

#[test]
fn daemon_that_says_nothing_is_a_network_error() {
    let (kubo, _) = daemon(Manner::Silent);
    for result in [
        kubo.get_raw(&Cid::raw(b"x")).map(drop),
        kubo.put_raw(b"x").map(drop),
        kubo.has(&Cid::raw(b"x")).map(drop),
        kubo.pin(&Cid::raw(b"x")),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::Network(message) if message.contains("within")), "{error}");
    }
}

#[test]
fn broken_daemon_is_a_network_error() {
    let (kubo, _) = daemon(Manner::Broken);
    assert!(matches!(kubo.get_raw(&Cid::raw(b"x")), Err(Error::Network(_))));
    assert!(matches!(kubo.has(&Cid::raw(b"x")), Err(Error::Network(_))));
}

#[test]
fn no_daemon_is_a_network_error() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kubo = Kubo::new(&format!("http://127.0.0.1:{port}/"), Timeouts::default()).unwrap();
    let error = kubo.get_raw(&Cid::raw(b"x")).unwrap_err();
    assert!(matches!(&error, Error::Network(message) if message.contains("does not answer")), "{error}");
}

#[test]
fn odd_addresses_are_refused() {
    for url in [
        "",
        "localhost:5001",
        "https://h:5001",
        "http://",
        "http://h",
        "http://h:x",
        "http://h:99999",
        "http://u@h:1",
        "http://h/a:1",
        "/ip4/127.0.0.1/tcp/5001",
    ] {
        assert!(matches!(Kubo::new(url, Timeouts::default()), Err(Error::Invalid(_))), "{url}");
    }
}
