//! Several places at once: what one does not have, cannot deliver or delivers wrong is fetched from the next.

use super::ContentStore;
use crate::cid::Cid;
use crate::{Error, Result};

/// A place for everything, and others to fetch from.
pub struct Several {
    first: Box<dyn ContentStore>,
    others: Vec<Box<dyn ContentStore>>,
}

impl Several {
    /// Keeps in `first`; fetches from it, then from `others` in their order.
    #[must_use]
    pub fn new(first: Box<dyn ContentStore>, others: Vec<Box<dyn ContentStore>>) -> Self {
        Self { first, others }
    }
}

impl ContentStore for Several {
    fn put_piece(&self, cid: &Cid, bytes: &[u8]) -> Result<()> {
        self.first.put_piece(cid, bytes)
    }

    /// The first place that delivers the right bytes is believed, and the first place of all keeps them from then on.
    fn get_piece(&self, cid: &Cid) -> Result<Vec<u8>> {
        let mut worst = match self.first.get_piece(cid) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        for other in &self.others {
            match other.get_piece(cid).and_then(|bytes| cid.verify(&bytes).map(|()| bytes)) {
                Ok(bytes) => {
                    if let Err(error) = self.first.put_piece(cid, &bytes) {
                        tracing::warn!(%cid, %error, "what was fetched is not kept");
                    }
                    return Ok(bytes);
                }
                // That nobody has it is the least of all answers: somebody may, once the others answer.
                Err(Error::NotFound(_)) => {}
                Err(error) => worst = error,
            }
        }
        Err(worst)
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        let mut answer = self.first.has(cid);
        for other in &self.others {
            match answer {
                Ok(true) => return answer,
                Ok(false) => answer = other.has(cid),
                // A place that does not answer may have it; one that has it decides.
                Err(_) => {
                    if let Ok(true) = other.has(cid) {
                        return Ok(true);
                    }
                }
            }
        }
        answer
    }

    fn pin(&self, cid: &Cid) -> Result<()> {
        self.first.pin(cid)
    }

    fn put_raw(&self, bytes: &[u8]) -> Result<Cid> {
        self.first.put_raw(bytes)
    }

    fn put_file(&self, bytes: &[u8]) -> Result<Cid> {
        self.first.put_file(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Memory, check_store};
    use super::*;

    /// A place that answers everything in one way.
    #[derive(Clone, Copy)]
    enum Place {
        Down,
        Empty,
        Wrong,
    }

    impl ContentStore for Place {
        fn put_piece(&self, _: &Cid, _: &[u8]) -> Result<()> {
            Err(Error::Network("down".into()))
        }

        fn get_piece(&self, cid: &Cid) -> Result<Vec<u8>> {
            match self {
                Place::Down => Err(Error::Network("down".into())),
                Place::Empty => Err(Error::NotFound(cid.to_string())),
                Place::Wrong => Ok(b"other bytes".to_vec()),
            }
        }

        fn has(&self, _: &Cid) -> Result<bool> {
            match self {
                Place::Down => Err(Error::Network("down".into())),
                Place::Empty => Ok(false),
                Place::Wrong => Ok(true),
            }
        }

        fn pin(&self, _: &Cid) -> Result<()> {
            Err(Error::Network("down".into()))
        }
    }

    fn with(bytes: &[u8]) -> Box<Memory> {
        let memory = Memory::default();
        memory.put_raw(bytes).unwrap();
        Box::new(memory)
    }

    #[test]
    fn several_places_keep_and_verify_like_one() {
        check_store(&Several::new(Box::new(Memory::default()), vec![Box::new(Memory::default())]));
    }

    #[test]
    fn wrong_missing_and_silent_places_are_passed_over() {
        let cid = Cid::raw(b"hello");
        for first in [Place::Down, Place::Empty] {
            let others: Vec<Box<dyn ContentStore>> =
                vec![Box::new(Place::Wrong), Box::new(Place::Empty), Box::new(Place::Down), with(b"hello")];
            let several = Several::new(Box::new(first), others);
            assert_eq!(several.get_raw(&cid).unwrap(), b"hello");
            assert!(several.has(&cid).unwrap());
        }
    }

    #[test]
    fn fetched_piece_is_kept_in_the_first_place() {
        let cid = Cid::raw(b"hello");
        let several = Several::new(Box::new(Memory::default()), vec![with(b"hello")]);
        assert!(!several.first.has(&cid).unwrap());
        several.get_raw(&cid).unwrap();
        assert_eq!(several.first.get_raw(&cid).unwrap(), b"hello");
    }

    #[test]
    fn piece_that_no_place_delivers_is_an_error_that_says_the_worst() {
        let cid = Cid::raw(b"hello");
        let get = |others: Vec<Box<dyn ContentStore>>| {
            Several::new(Box::new(Memory::default()), others).get_raw(&cid).unwrap_err()
        };
        assert!(matches!(get(vec![Box::new(Place::Empty)]), Error::NotFound(_)));
        assert!(matches!(get(vec![Box::new(Place::Down), Box::new(Place::Empty)]), Error::Network(_)));
        assert!(matches!(get(vec![Box::new(Place::Wrong), Box::new(Place::Empty)]), Error::Integrity(_)));
    }
}
