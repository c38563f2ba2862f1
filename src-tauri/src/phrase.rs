//! A new vault's recovery phrase, from its creation until the person showed that it is written down.

use std::sync::{Mutex, PoisonError};

use app::error::{Error, Result};
use app::random;
use zeroize::Zeroizing;

/// The phrase until it was shown, then two of its words until they were repeated.
#[derive(Default)]
pub struct Phrase {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    whole: Option<Zeroizing<String>>,
    asked: Vec<(u8, Zeroizing<String>)>,
}

impl Phrase {
    /// Holds a phrase.
    pub fn hold(&self, phrase: Zeroizing<String>) {
        *self.held() = Held { whole: Some(phrase), asked: Vec::new() };
    }

    /// The phrase: the first time, and never again. Two of its words stay, to be asked for.
    ///
    /// # Errors
    /// `Failure` where the system gives no randomness.
    pub fn take(&self) -> Result<Option<String>> {
        let mut held = self.held();
        let Some(mut phrase) = held.whole.take() else { return Ok(None) };
        let words: Vec<&str> = phrase.split(' ').collect();
        let [first, second] = random::bytes::<2>()?;
        let first = usize::from(first) % words.len();
        // Another place than the first, each as likely.
        let second = (first + 1 + usize::from(second) % words.len().saturating_sub(1).max(1)) % words.len();
        let mut places = [first, second];
        places.sort_unstable();
        held.asked = places.iter().map(|&at| (at as u8 + 1, Zeroizing::new(words[at].to_owned()))).collect();
        Ok(Some(std::mem::take(&mut *phrase)))
    }

    /// The places, from 1, of the two words that are asked for; none before the phrase was shown.
    pub fn places(&self) -> Vec<u8> {
        self.held().asked.iter().map(|(place, _)| *place).collect()
    }

    /// Whether these are the two words. Spaces around them and capitals do not count.
    ///
    /// # Errors
    /// `Refused` where no phrase was shown.
    pub fn check(&self, words: &[Zeroizing<String>]) -> Result<bool> {
        let held = self.held();
        if held.asked.is_empty() {
            return Err(Error::refused("there is no phrase to check"));
        }
        let fits = |(given, (_, wanted)): (&Zeroizing<String>, &(u8, Zeroizing<String>))| {
            *given.trim().to_lowercase() == **wanted
        };
        Ok(words.len() == held.asked.len() && words.iter().zip(&held.asked).all(fits))
    }

    /// Forgets all of it.
    pub fn forget(&self) {
        *self.held() = Held::default();
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> (Phrase, Vec<String>) {
        let words: Vec<String> = (1..=24).map(|n| format!("word{n}")).collect();
        let phrase = Phrase::default();
        phrase.hold(Zeroizing::new(words.join(" ")));
        (phrase, words)
    }

    fn given(words: &[&str]) -> Vec<Zeroizing<String>> {
        words.iter().map(|word| Zeroizing::new((*word).to_owned())).collect()
    }

    #[test]
    fn phrase_is_given_once() {
        let (phrase, words) = held();
        assert!(phrase.places().is_empty());
        assert_eq!(phrase.take().unwrap(), Some(words.join(" ")));
        assert_eq!(phrase.take().unwrap(), None);
    }

    #[test]
    fn two_different_places_are_asked_for_and_their_words_fit() {
        for _ in 0..200 {
            let (phrase, words) = held();
            phrase.take().unwrap();
            let places = phrase.places();
            assert!(matches!(places[..], [a, b] if 1 <= a && a < b && b <= 24), "{places:?}");
            let right: Vec<String> =
                places.iter().map(|place| format!(" {} ", words[usize::from(*place) - 1].to_uppercase())).collect();
            assert!(phrase.check(&given(&[&right[0], &right[1]])).unwrap());
            assert!(!phrase.check(&given(&[&right[1], &right[0]])).unwrap());
            assert!(!phrase.check(&given(&[&right[0]])).unwrap());
            assert!(!phrase.check(&given(&["", ""])).unwrap());
        }
    }

    #[test]
    fn check_without_a_shown_phrase_is_refused() {
        let (phrase, words) = held();
        assert!(phrase.check(&given(&[&words[0], &words[1]])).is_err());
        phrase.take().unwrap();
        phrase.forget();
        assert!(phrase.places().is_empty());
        assert!(phrase.check(&given(&[&words[0], &words[1]])).is_err());
    }
}
