//! The question at a terminal before something becomes public for ever.

use std::io::{BufRead, IsTerminal, Write};

use crate::error::{Error, Result};

/// Whether somebody sits at a terminal and reads what is asked.
#[must_use]
pub fn can_be_asked() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows `public` on `to` and reads the answer from `from`: `y` or `yes` goes on, everything else is a no.
///
/// # Errors
/// `Refused` for a no; an error of the terminal.
pub fn ask(public: &[String], from: &mut impl BufRead, to: &mut impl Write) -> Result<()> {
    writeln!(to, "This becomes public, for ever:")?;
    for fact in public {
        writeln!(to, "  {fact}")?;
    }
    write!(to, "Go on? [y/N] ")?;
    to.flush()?;
    let mut answer = String::new();
    from.read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::refused("nothing was published").hint("Answer y to publish, or give --yes.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn answered(answer: &str) -> (Result<()>, String) {
        let mut shown = Vec::new();
        let said = ask(&["the root".into(), "the count".into()], &mut answer.as_bytes(), &mut shown);
        (said, String::from_utf8(shown).expect("text"))
    }

    #[test]
    fn everything_but_a_yes_is_a_no() {
        for yes in ["y\n", "Y\n", "yes\n", " yes \n", "y"] {
            assert!(answered(yes).0.is_ok(), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yess\n", "1\n", "yes please\n"] {
            assert!(matches!(answered(no).0, Err(error) if error.code == Code::Refused), "{no:?}");
        }
    }

    #[test]
    fn facts_are_shown_before_the_question() {
        let shown = answered("n\n").1;
        let places = ["the root", "the count", "[y/N]"].map(|part| shown.find(part));
        assert!(places.is_sorted() && places[0].is_some(), "{shown}");
    }
}
