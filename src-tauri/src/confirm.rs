//! The confirmation window: what lets data or money go is asked in a window of its own, which the main page can neither
//! read nor answer. A question is bound to its facts by a nonce that only that window learns.

use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use app::error::{Code, Error, Result};
use app::random;
use app::view::{Act, Confirmation};

/// The window's label: `capabilities/confirm.json` names it.
pub const LABEL: &str = "confirm";
/// How long a question waits for an answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// An answer that comes sooner was not read before it was given: the window may have opened under a click.
const READING: Duration = Duration::from_millis(600);

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// What is to be allowed.
    pub act: Act,
    /// What it is about.
    pub subject: String,
    /// On which network.
    pub network: Option<String>,
    /// What becomes public, leaves or is paid.
    pub facts: Vec<String>,
}

/// One open question at most.
#[derive(Default)]
pub struct Confirm {
    open: Mutex<Option<Open>>,
}

struct Open {
    shown: Confirmation,
    since: Instant,
    answer: SyncSender<bool>,
}

impl Confirm {
    /// Asks, and waits for the answer. `show` opens the window.
    ///
    /// # Errors
    /// `Refused` where the answer is no, the window is closed or nobody answers; `Busy` while something else is asked.
    pub fn ask(&self, question: &Question, show: impl FnOnce() -> Result<()>) -> Result<()> {
        let (answer, answered) = mpsc::sync_channel(1);
        let shown = Confirmation {
            nonce: hex(&random::bytes::<16>()?),
            act: question.act,
            subject: question.subject.clone(),
            network: question.network.clone(),
            facts: question.facts.clone(),
        };
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.is_some() {
                return Err(Error::new(Code::Busy, "another confirmation is open").hint("Answer it first."));
            }
            *open = Some(Open { shown, since: Instant::now(), answer });
        }
        let answer = show().map(|()| answered.recv_timeout(PATIENCE));
        self.withdraw();
        match answer? {
            Ok(true) => Ok(()),
            Ok(false) | Err(RecvTimeoutError::Disconnected) => Err(Error::refused("you did not confirm it")),
            Err(RecvTimeoutError::Timeout) => Err(Error::refused("nobody confirmed it in time")),
        }
    }

    /// The open question, for its window.
    pub fn shown(&self) -> Option<Confirmation> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|open| open.shown.clone())
    }

    /// Takes the answer to the question with this nonce. A yes counts once it can have been read.
    ///
    /// # Errors
    /// `Refused` for another nonce than the open question's, and for a yes that comes too soon.
    pub fn answer(&self, nonce: &str, yes: bool) -> Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.as_ref() {
            Some(asked) if asked.shown.nonce == nonce => {}
            _ => return Err(Error::refused("this question is no longer open")),
        }
        if yes && open.as_ref().is_some_and(|asked| asked.since.elapsed() < READING) {
            return Err(Error::refused("that was too fast to have been read").hint("Read it, then answer."));
        }
        if let Some(asked) = open.take() {
            let _ = asked.answer.send(yes);
        }
        Ok(())
    }

    /// Answers what is open with no: the window closed, or the vault locked.
    pub fn withdraw(&self) {
        if let Some(asked) = self.open.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = asked.answer.try_send(false);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread::JoinHandle;

    use super::*;

    fn question() -> Question {
        let facts = vec!["pays 2 USU".to_owned()];
        Question { act: Act::Withdraw, subject: "2 USU".into(), network: Some("embedded".into()), facts }
    }

    fn asking(confirm: &Arc<Confirm>) -> (JoinHandle<Result<()>>, Confirmation) {
        let asked = confirm.clone();
        let asking = std::thread::spawn(move || asked.ask(&question(), || Ok(())));
        loop {
            if let Some(shown) = confirm.shown() {
                return (asking, shown);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn yes_with_the_nonce_confirms_once() {
        let confirm = Arc::new(Confirm::default());
        let (asking, shown) = asking(&confirm);
        std::thread::sleep(READING);
        confirm.answer(&shown.nonce, true).unwrap();
        asking.join().unwrap().unwrap();
        assert!(confirm.shown().is_none());
        assert!(confirm.answer(&shown.nonce, true).is_err(), "one answer counted twice");
    }

    #[test]
    fn yes_before_it_can_be_read_is_refused() {
        let confirm = Arc::new(Confirm::default());
        let (asking, shown) = asking(&confirm);
        assert_eq!(confirm.answer(&shown.nonce, true).unwrap_err().code, Code::Refused);
        confirm.answer(&shown.nonce, false).unwrap();
        assert_eq!(asking.join().unwrap().unwrap_err().code, Code::Refused);
    }

    #[test]
    fn another_nonce_answers_nothing() {
        let confirm = Arc::new(Confirm::default());
        let (asking, shown) = asking(&confirm);
        std::thread::sleep(READING);
        for nonce in
            ["", "0", &shown.nonce[1..], &shown.nonce.to_uppercase().replace(|c: char| c.is_ascii_digit(), "f")]
        {
            assert!(confirm.answer(nonce, true).is_err(), "{nonce}");
        }
        assert!(!asking.is_finished());
        confirm.withdraw();
        assert_eq!(asking.join().unwrap().unwrap_err().code, Code::Refused);
    }

    #[test]
    fn second_question_waits_for_nobody() {
        let confirm = Arc::new(Confirm::default());
        let (asking, _) = asking(&confirm);
        assert_eq!(confirm.ask(&question(), || Ok(())).unwrap_err().code, Code::Busy);
        confirm.withdraw();
        assert!(asking.join().unwrap().is_err());
    }

    #[test]
    fn window_that_does_not_open_confirms_nothing() {
        let confirm = Confirm::default();
        assert!(confirm.ask(&question(), || Err(Error::failure("no window"))).is_err());
        assert!(confirm.shown().is_none());
    }
}
