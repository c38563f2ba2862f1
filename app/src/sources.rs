//! Where content is kept and fetched from: a folder, or IPFS daemons that `USUFRUCT_CONTENT` names.

use std::path::Path;

use provenance::content::ContentStore;
use provenance::content::kubo::{Kubo, Timeouts};
use provenance::content::local::Local;
use provenance::content::several::Several;

use crate::error::Result;

/// The daemons at `addresses`, separated by spaces: the first keeps, the others are asked for what it does not have or delivers
/// wrong. Without any, the folder.
///
/// # Errors
/// `Integrity` for an address that is none; an error of the disk.
pub fn open(folder: &Path, addresses: Option<&str>) -> Result<Box<dyn ContentStore>> {
    let mut daemons = addresses.unwrap_or_default().split_whitespace().map(daemon);
    let Some(first) = daemons.next().transpose()? else { return Ok(Box::new(Local::open(folder)?)) };
    let others: Vec<_> = daemons.collect::<Result<_>>()?;
    Ok(if others.is_empty() { first } else { Box::new(Several::new(first, others)) })
}

fn daemon(address: &str) -> Result<Box<dyn ContentStore>> {
    Ok(Box::new(Kubo::new(address, Timeouts::default())?))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use provenance::cid::Cid;

    use super::*;

    /// A daemon that sends these bytes, whatever it is asked.
    fn sending(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
                lines.map_while(std::io::Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bytes.len());
                let _ = stream.write_all(&[head.as_bytes(), bytes].concat());
            }
        });
        format!("http://{address}")
    }

    #[test]
    fn wrong_bytes_of_one_daemon_are_refused_and_the_next_is_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (wrong, right, cid) = (sending(b"other"), sending(b"hello"), Cid::raw(b"hello"));
        let get = |addresses: &str| open(folder.path(), Some(addresses)).expect("addresses").get_raw(&cid);
        assert!(matches!(get(&wrong), Err(provenance::Error::Integrity(_))));
        assert_eq!(get(&format!("{wrong} {right}")).expect("the second has it"), b"hello");
        assert!(matches!(get(&format!("{wrong} {wrong}")), Err(provenance::Error::Integrity(_))));
    }

    #[test]
    fn without_an_address_the_folder_keeps_content() {
        let folder = tempfile::tempdir().expect("a folder");
        for addresses in [None, Some(""), Some("  ")] {
            let cid = open(folder.path(), addresses).expect("a folder").put_raw(b"hello").expect("it is kept");
            assert_eq!(Local::open(folder.path()).expect("a folder").get_raw(&cid).expect("it is there"), b"hello");
        }
        assert!(open(folder.path(), Some("http://127.0.0.1:5001 nonsense")).is_err());
    }
}
