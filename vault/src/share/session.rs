//! A session between the process that holds a vault and one that asks: both prove that they know the vault's key, then
//! all that they say is sealed under keys of this session, in order.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::key::expand;
use crate::seal::{BOX, Domain, Reader as Fields, Sealer, VaultId, random};
use crate::wiped::Wiped;

const MAGIC: &[u8; 8] = b"USUFASK1";
/// Both proofs must be there after this time, however many pieces they come in.
const GREETING: Duration = Duration::from_secs(2);
/// A frame must be taken within this time.
const SENDING: Duration = Duration::from_secs(10);
/// Content of one frame of an answer at most.
pub(crate) const PART: usize = 256 * 1024;

/// One end of a session.
#[derive(Debug)]
pub(crate) struct Session {
    stream: UnixStream,
    out: Direction,
    into: Direction,
}

/// What goes one way: its key, and how many frames went.
struct Direction {
    sealer: Sealer,
    frames: u64,
}

impl std::fmt::Debug for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Direction({} frames)", self.frames)
    }
}

impl Direction {
    fn new(id: &VaultId, key: &[u8; 32], nonces: &[u8; 64], from: &str) -> Direction {
        let mut session = Zeroizing::new([0; 32]);
        expand(Some(nonces), key, &format!("usufruct vault 1 share from the {from}"), &mut session);
        Direction { sealer: Sealer::new(session, *id, Domain::Share), frames: 0 }
    }

    /// The context of the next frame: a frame left out, repeated or put elsewhere does not open.
    fn next(&mut self) -> [u8; 8] {
        self.frames += 1;
        self.frames.to_le_bytes()
    }
}

impl Session {
    /// The holder's end. Returns once the other side has proven that it knows the key.
    pub(crate) fn accept(stream: UnixStream, id: &VaultId, key: &[u8; 32]) -> Result<Session> {
        let (mine, end) = (random::<32>()?, Instant::now() + GREETING);
        let mut session = Session::greet(stream, id, key, [[0; 32], mine], end)?;
        if !session.receive(0, end)?.is_empty() {
            return Err(stranger());
        }
        session.send(&std::process::id().to_le_bytes())?;
        Ok(session)
    }

    /// The reader's end, and the holder's pid, once the holder has proven that it knows the key.
    pub(crate) fn connect(stream: UnixStream, id: &VaultId, key: &[u8; 32]) -> Result<(Session, u32)> {
        let (mine, end) = (random::<32>()?, Instant::now() + GREETING);
        let mut session = Session::greet(stream, id, key, [mine, [0; 32]], end)?;
        session.send(&[])?;
        let proof = session.receive(4, end)?;
        let pid = Fields(&proof).u32().ok_or_else(stranger)?;
        Ok((session, pid))
    }

    /// Exchanges nonces: the reader's first, the holder's second; one's own is the one that is not zero.
    fn greet(
        mut stream: UnixStream,
        id: &VaultId,
        key: &[u8; 32],
        [reader, holder]: [[u8; 32]; 2],
        end: Instant,
    ) -> Result<Session> {
        let reading = holder == [0; 32];
        let own = if reading { reader } else { holder };
        write_by(&mut stream, &[MAGIC.as_slice(), &own].concat(), end)?;
        let mut theirs = [0; 40];
        read_by(&mut stream, &mut theirs, end)?;
        let mut fields = Fields(&theirs);
        let theirs = match (fields.bytes(8), fields.array::<32>()) {
            (Some(magic), Some(nonce)) if magic == MAGIC => nonce,
            _ => return Err(stranger()),
        };
        let mut nonces = [0; 64];
        let (first, second) = if reading { (reader, theirs) } else { (theirs, holder) };
        nonces[..32].copy_from_slice(&first);
        nonces[32..].copy_from_slice(&second);
        let [asking, answering] = ["reader", "holder"].map(|from| Direction::new(id, key, &nonces, from));
        let (out, into) = if reading { (asking, answering) } else { (answering, asking) };
        Ok(Session { stream, out, into })
    }

    /// Sends one frame: length (4), box.
    pub(crate) fn send(&mut self, content: &[u8]) -> Result<()> {
        let context = self.out.next();
        let mut frame = ((content.len() + BOX) as u32).to_le_bytes().to_vec();
        self.out.sealer.seal_into(&[&context], content, &mut frame)?;
        write_by(&mut self.stream, &frame, Instant::now() + SENDING)
    }

    /// The content of the next frame, which must be there by `end` and hold `limit` bytes at most.
    pub(crate) fn receive(&mut self, limit: usize, end: Instant) -> Result<Wiped> {
        let mut length = [0; 4];
        read_by(&mut self.stream, &mut length, end)?;
        let length = u32::from_le_bytes(length) as usize;
        if !(BOX..=limit + BOX).contains(&length) {
            return Err(stranger());
        }
        let mut sealed = vec![0; length];
        read_by(&mut self.stream, &mut sealed, end)?;
        let context = self.into.next();
        self.into.sealer.open(&[&context], &sealed).ok_or_else(stranger)
    }
}

fn stranger() -> Error {
    Error::damaged("what came over the vault's socket is not from one who knows its key")
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { doing: "talk over", path: "the vault's socket".into(), source }
}

fn left(end: Instant) -> Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(failed(ErrorKind::TimedOut.into())) } else { Ok(left) }
}

fn read_by(stream: &mut UnixStream, mut buffer: &mut [u8], end: Instant) -> Result<()> {
    while !buffer.is_empty() {
        stream.set_read_timeout(Some(left(end)?)).map_err(failed)?;
        match stream.read(buffer) {
            Ok(0) => return Err(failed(ErrorKind::UnexpectedEof.into())),
            Ok(n) => buffer = &mut buffer[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

fn write_by(stream: &mut UnixStream, mut bytes: &[u8], end: Instant) -> Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(end)?)).map_err(failed)?;
        match stream.write(bytes) {
            Ok(0) => return Err(failed(ErrorKind::WriteZero.into())),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: VaultId = [3; 16];

    /// Both ends with their keys, once each has proven it or failed to.
    fn pair(holder: [u8; 32], reader: [u8; 32]) -> (Result<Session>, Result<(Session, u32)>) {
        let (a, b) = UnixStream::pair().unwrap();
        let accepting = std::thread::spawn(move || Session::accept(a, &ID, &holder));
        let connected = Session::connect(b, &ID, &reader);
        (accepting.join().unwrap(), connected)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    #[test]
    fn ends_with_the_same_key_understand_each_other() {
        let (holder, reader) = pair([1; 32], [1; 32]);
        let (mut holder, (mut reader, pid)) = (holder.unwrap(), reader.unwrap());
        assert_eq!(pid, std::process::id());
        for text in [&b"one"[..], b"", b"three"] {
            reader.send(text).unwrap();
            assert_eq!(holder.receive(10, soon()).unwrap().as_slice(), text);
            holder.send(text).unwrap();
            assert_eq!(reader.receive(10, soon()).unwrap().as_slice(), text);
        }
    }

    #[test]
    fn another_key_is_refused_by_both_ends() {
        let (holder, reader) = pair([1; 32], [2; 32]);
        assert!(matches!(holder, Err(Error::Damaged(_))));
        assert!(reader.is_err());
    }

    #[test]
    fn nothing_but_a_nonce_is_said_to_one_who_proves_nothing() {
        let (a, mut b) = UnixStream::pair().unwrap();
        let accepting = std::thread::spawn(move || Session::accept(a, &ID, &[1; 32]));
        b.write_all(&[MAGIC.as_slice(), &[5; 32]].concat()).unwrap();
        b.write_all(&[BOX as u8, 0, 0, 0]).unwrap();
        b.write_all(&[0; BOX]).unwrap();
        let mut said = Vec::new();
        b.read_to_end(&mut said).unwrap();
        assert_eq!(said.len(), 40);
        assert!(accepting.join().unwrap().is_err());
    }

    #[test]
    fn garbage_silence_and_drips_end_within_the_time() {
        for mode in 0..4 {
            let (a, mut b) = UnixStream::pair().unwrap();
            let began = Instant::now();
            let accepting = std::thread::spawn(move || Session::accept(a, &ID, &[1; 32]));
            match mode {
                0 => b.write_all(&[7; 4096]).unwrap(),
                1 => {}
                2 => drop(b.shutdown(std::net::Shutdown::Both)),
                _ => {
                    while b.write_all(&[MAGIC[0]]).is_ok() && began.elapsed() < 3 * GREETING {
                        std::thread::sleep(Duration::from_millis(100));
                    }
                }
            }
            assert!(accepting.join().unwrap().is_err());
            assert!(began.elapsed() < GREETING + Duration::from_secs(2), "mode {mode}");
        }
    }

    #[test]
    fn frames_repeated_left_out_reflected_or_from_another_session_do_not_open() {
        let established = || {
            let (holder, reader) = pair([1; 32], [1; 32]);
            (holder.unwrap(), reader.unwrap().0)
        };
        let frame = |session: &mut Session, content: &[u8]| {
            let context = session.out.next();
            let mut frame = ((content.len() + BOX) as u32).to_le_bytes().to_vec();
            session.out.sealer.seal_into(&[&context], content, &mut frame).unwrap();
            frame
        };
        let (mut holder, mut reader) = established();
        let first = frame(&mut reader, b"first");
        reader.stream.write_all(&[first.clone(), first].concat()).unwrap();
        assert!(holder.receive(10, soon()).is_ok());
        assert!(holder.receive(10, soon()).is_err());
        let (mut holder, mut reader) = established();
        frame(&mut reader, b"left out");
        reader.send(b"second").unwrap();
        assert!(holder.receive(10, soon()).is_err());
        let (mut holder, mut reader) = established();
        let own = frame(&mut holder, b"back");
        reader.stream.write_all(&own).unwrap();
        assert!(holder.receive(10, soon()).is_err());
        let (_, mut old) = established();
        let (mut holder, mut reader) = established();
        reader.stream.write_all(&frame(&mut old, b"old")).unwrap();
        assert!(holder.receive(10, soon()).is_err());
    }

    #[test]
    fn frames_altered_in_any_bit_or_too_long_do_not_open() {
        for bit in 0..(BOX + 3 + 4) * 8 {
            let (holder, reader) = pair([1; 32], [1; 32]);
            let (mut holder, (mut reader, _)) = (holder.unwrap(), reader.unwrap());
            let context = reader.out.next();
            let mut frame = ((3 + BOX) as u32).to_le_bytes().to_vec();
            reader.out.sealer.seal_into(&[&context], b"abc", &mut frame).unwrap();
            frame[bit / 8] ^= 1 << (bit % 8);
            reader.stream.write_all(&frame).unwrap();
            drop(reader);
            assert!(holder.receive(10, soon()).is_err(), "bit {bit}");
        }
        let (holder, reader) = pair([1; 32], [1; 32]);
        let (mut holder, (mut reader, _)) = (holder.unwrap(), reader.unwrap());
        reader.send(&[0; 11]).unwrap();
        assert!(holder.receive(10, soon()).is_err());
    }
}
