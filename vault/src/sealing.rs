//! Sealing on other threads: chunks go out in order and come back in order, compressed and sealed.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::chunk::{self, ChunkId, Encoding, Plaintext};
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::pack::{CONTENT, EntryHead, Sealed, Type};
use crate::wiped::Wiped;

/// More threads than this have nothing to do: cutting and writing are done by one.
const THREADS_MAX: usize = 8;

/// Compresses a chunk where that pays, and seals it, in a buffer that was used before or an empty one.
pub(crate) fn seal_chunk(keys: &Keys, id: ChunkId, plaintext: &[u8], mut buffer: Wiped) -> Result<Sealed> {
    let head = |encoding, stored| EntryHead::new(Type::Chunk, encoding, plaintext.len(), stored, id);
    let plain = head(Encoding::Bytes, plaintext.len())?;
    if buffer.len() < plain.entry_length() as usize {
        buffer = Wiped::zeros(plain.entry_length() as usize);
    }
    match chunk::compress(plaintext, &mut buffer[CONTENT..]) {
        Some(length) => head(Encoding::Zstd, length)?.seal_within(keys, None, buffer),
        None => plain.seal_within(keys, Some(plaintext), buffer),
    }
}

/// A chunk to be sealed, the buffer to do it in, and where the answer goes.
struct Job {
    id: ChunkId,
    plaintext: Plaintext,
    buffer: Wiped,
    answer: Sender<Result<Sealed>>,
}

/// Threads that seal. They end when it is dropped.
pub(crate) struct Sealing {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    /// Answers that are waited for, in the order of their chunks.
    waiting: VecDeque<(ChunkId, Receiver<Result<Sealed>>)>,
    /// Buffers to use again.
    spare: Vec<Wiped>,
}

impl Sealing {
    /// Starts the threads: as many as there are processors, less the one that cuts and writes.
    pub(crate) fn start(keys: &Arc<Keys>) -> Result<Sealing> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let count = (processors - 1).clamp(1, THREADS_MAX);
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let mut sealing =
            Sealing { jobs: Some(jobs), threads: Vec::new(), waiting: VecDeque::new(), spare: Vec::new() };
        for _ in 0..count {
            let (keys, queue) = (keys.clone(), queue.clone());
            let thread = std::thread::Builder::new().name("vault-seal".into()).spawn(move || work(&keys, &queue));
            sealing.threads.push(thread.map_err(|source| Error::Io {
                doing: "start",
                path: "a thread that seals".into(),
                source,
            })?);
        }
        Ok(sealing)
    }

    /// Hands a chunk out.
    pub(crate) fn send(&mut self, id: ChunkId, plaintext: Plaintext) -> Result<()> {
        let buffer = self.spare.pop().unwrap_or_default();
        let (answer, receiver) = channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Job { id, plaintext, buffer, answer }).map_err(|_| gone())?;
        self.waiting.push_back((id, receiver));
        Ok(())
    }

    /// Is as much under way as keeps all threads busy?
    pub(crate) fn full(&self) -> bool {
        self.waiting.len() >= 2 * self.threads.len() + 1
    }

    /// Has this chunk been handed out?
    pub(crate) fn has(&self, id: &ChunkId) -> bool {
        self.waiting.iter().any(|(waiting, _)| waiting == id)
    }

    /// Waits for the chunk that was handed out first. `None` when all came back.
    pub(crate) fn receive(&mut self) -> Result<Option<(ChunkId, Sealed)>> {
        let Some((id, receiver)) = self.waiting.pop_front() else { return Ok(None) };
        Ok(Some((id, receiver.recv().map_err(|_| gone())??)))
    }

    /// Takes back what a chunk was sealed in.
    pub(crate) fn give_back(&mut self, sealed: Sealed) {
        self.spare.push(sealed.into_buffer());
    }

    /// Forgets what is under way, after an error.
    pub(crate) fn rest(&mut self) {
        while !matches!(self.receive(), Ok(None)) {}
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.jobs = None;
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn work(keys: &Keys, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { id, plaintext, buffer, answer }) = job else { return };
        let sealed = seal_chunk(keys, id, &plaintext, buffer);
        // Before the answer, so that its window is free when all answers came.
        drop(plaintext);
        // Whoever asked may have met an error and gone.
        let _ = answer.send(sealed);
    }
}

fn gone() -> Error {
    Error::Io {
        doing: "use",
        path: "the threads that seal".into(),
        source: std::io::Error::other("one of them ended early"),
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::pack::{HEAD_BOX, PackId};

    fn keys() -> Arc<Keys> {
        Arc::new(Keys::new([1; 16], Zeroizing::new([2; 32])))
    }

    /// Chunks of very different lengths, so that they do not become ready in order.
    fn chunks() -> Vec<Vec<u8>> {
        (0..40usize).map(|n| format!("chunk {n}, ").into_bytes().repeat(1 + (n % 5) * 20_000)).collect()
    }

    #[test]
    fn chunks_come_back_in_order_and_open() {
        let (keys, pack) = (keys(), PackId { number: 1, id: [3; 16] });
        let mut sealing = Sealing::start(&keys).unwrap();
        let mut back = Vec::new();
        for plaintext in chunks() {
            sealing.send(chunk::id(&keys.chunk_id, &plaintext), plaintext.into()).unwrap();
            if sealing.full() {
                back.extend(sealing.receive().unwrap());
            }
        }
        while let Some(next) = sealing.receive().unwrap() {
            back.push(next);
        }
        assert_eq!(back.len(), chunks().len());
        for ((id, mut sealed), plaintext) in back.into_iter().zip(chunks()) {
            assert_eq!(id, chunk::id(&keys.chunk_id, &plaintext));
            let entry = sealed.finish(&keys, &pack, 64).unwrap().to_vec();
            let head = EntryHead::open(&keys, &pack, 64, &entry[..HEAD_BOX]).unwrap();
            assert_eq!(*head.open_body(&keys, Wiped::from(entry), HEAD_BOX).unwrap(), plaintext);
        }
    }

    #[test]
    fn what_was_under_way_is_forgotten_after_an_error() {
        let keys = keys();
        let mut sealing = Sealing::start(&keys).unwrap();
        let [a, b] = [vec![1; 1 << 20], vec![2; 100]].map(|c: Vec<u8>| (chunk::id(&keys.chunk_id, &c), c));
        sealing.send(a.0, a.1.into()).unwrap();
        assert!(sealing.has(&a.0) && !sealing.has(&b.0));
        sealing.rest();
        assert!(!sealing.has(&a.0));
        sealing.send(b.0, b.1.into()).unwrap();
        assert_eq!(sealing.receive().unwrap().map(|(id, _)| id), Some(b.0));
        assert!(sealing.receive().unwrap().is_none());
    }
}
