//! Where the passphrase comes from: `--passphrase-fd N`, then `USUFRUCT_PASSPHRASE`, then the terminal.

use std::io::{IsTerminal, Read};

use provenance::wallet::Phrase;
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use crate::view;

/// Bytes that a passphrase may have.
const MAX_PASSPHRASE: u64 = 4096;
/// Characters that a new passphrase needs at least.
const MIN_NEW: usize = 8;

/// The passphrase of a vault that exists.
///
/// # Errors
/// `Locked` where none is given and there is no terminal to ask on.
pub fn read(fd: Option<i32>) -> Result<Zeroizing<String>> {
    given(fd, "USUFRUCT_PASSPHRASE")?.map_or_else(|| ask("Passphrase: "), Ok)
}

/// The passphrase of a vault to be created; asked for twice on a terminal.
///
/// # Errors
/// `Usage` where it is too short or the two differ; `Locked` where there is none.
pub fn choose(fd: Option<i32>) -> Result<Zeroizing<String>> {
    long_enough(given(fd, "USUFRUCT_PASSPHRASE")?.map_or_else(ask_twice, Ok)?)
}

/// The new passphrase of a vault that has one already.
///
/// # Errors
/// Like [`choose`].
pub fn new() -> Result<Zeroizing<String>> {
    long_enough(given(None, "USUFRUCT_NEW_PASSPHRASE")?.map_or_else(ask_twice, Ok)?)
}

/// An existing recovery phrase, from `USUFRUCT_RECOVERY_PHRASE` or the terminal.
///
/// # Errors
/// `Usage` where it is no valid phrase.
pub fn read_phrase() -> Result<Phrase> {
    let words = given(None, "USUFRUCT_RECOVERY_PHRASE")?.map_or_else(|| ask("Recovery phrase (24 words): "), Ok)?;
    Phrase::parse(&words).map_err(|e| Error::usage(format!("this is no recovery phrase: {e}")))
}

fn given(fd: Option<i32>, variable: &str) -> Result<Option<Zeroizing<String>>> {
    if let Some(fd) = fd {
        let file = std::fs::File::open(format!("/dev/fd/{fd}"))
            .map_err(|e| Error::usage(format!("file descriptor {fd} cannot be read: {e}")))?;
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_PASSPHRASE).read_to_string(&mut text)?;
        let end = text.trim_end_matches(['\n', '\r']).len();
        text.truncate(end);
        return Ok(Some(text));
    }
    Ok(std::env::var(variable).ok().map(Zeroizing::new))
}

fn ask(prompt: &str) -> Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::new(Code::Locked, "the vault is locked and there is no terminal to ask for the passphrase")
            .hint("Give it with --passphrase-fd N or in USUFRUCT_PASSPHRASE."));
    }
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}

fn ask_twice() -> Result<Zeroizing<String>> {
    let first = ask("New passphrase: ")?;
    let second = ask("The same again: ")?;
    if *first == *second { Ok(first) } else { Err(Error::usage("the two passphrases differ")) }
}

fn long_enough(secret: Zeroizing<String>) -> Result<Zeroizing<String>> {
    check(&secret)?;
    Ok(secret)
}

/// Whether a new passphrase is long enough.
///
/// # Errors
/// `Usage` where it is too short.
pub fn check(secret: &str) -> Result<()> {
    if secret.chars().count() >= MIN_NEW {
        return Ok(());
    }
    Err(Error::usage(format!("a passphrase needs at least {MIN_NEW} characters"))
        .hint("A few unrelated words make a good one."))
}

/// Characters of a passphrase that are looked at: an estimate over more takes long and says nothing new.
const MAX_ESTIMATED: usize = 100;

/// How long a passphrase would hold against somebody who guesses, by the patterns that people use (zxcvbn, Wheeler 2016).
pub fn strength(secret: &str) -> view::Strength {
    let looked_at = Zeroizing::new(secret.chars().take(MAX_ESTIMATED).collect::<String>());
    let found = zxcvbn::zxcvbn(&looked_at, &["usufruct", "vault"]);
    let warned = found.feedback().and_then(|feedback| feedback.warning()).map(weakness);
    // This program's own name is in no list of common words.
    let common = (u8::from(found.score()) <= 1 && !secret.is_empty()).then_some("common");
    view::Strength {
        score: found.score().into(),
        guesses_log10: found.guesses_log10().max(0.0),
        long_enough: check(secret).is_ok(),
        weakness: warned.or(common).map(str::to_owned),
    }
}

fn weakness(warning: zxcvbn::feedback::Warning) -> &'static str {
    use zxcvbn::feedback::Warning::*;
    match warning {
        StraightRowsOfKeysAreEasyToGuess | ShortKeyboardPatternsAreEasyToGuess => "keyboard",
        RepeatsLikeAaaAreEasyToGuess | RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => "repeat",
        SequencesLikeAbcAreEasyToGuess => "sequence",
        RecentYearsAreEasyToGuess | DatesAreOftenEasyToGuess => "date",
        NamesAndSurnamesByThemselvesAreEasyToGuess | CommonNamesAndSurnamesAreEasyToGuess => "name",
        ThisIsATop10Password
        | ThisIsATop100Password
        | ThisIsACommonPassword
        | ThisIsSimilarToACommonlyUsedPassword
        | AWordByItselfIsEasyToGuess => "common",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_of_common_words_is_none_and_of_unrelated_words_is_full() {
        for weak in ["password", "qwertyuiop", "aaaaaaaaaa", "abcdefgh", "usufruct"] {
            let found = strength(weak);
            assert!(found.score <= 1 && found.weakness.is_some(), "{weak}: {found:?}");
        }
        assert_eq!(strength("seven quiet herons wading").score, 4);
    }

    #[test]
    fn strength_of_odd_input_is_an_answer() {
        assert_eq!(strength("").score, 0);
        assert!(!strength("").long_enough);
        assert!(strength(&"\u{1f980}\0é".repeat(100_000)).guesses_log10.is_finite());
    }
}
