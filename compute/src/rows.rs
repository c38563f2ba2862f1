//! The rows a template reads: plain text, one per record, in the dataset's order.

/// Most rows in one run: the capacity of the largest dataset tier, 8^7.
pub const MAX_ROWS: usize = 2_097_152;

/// Most bytes of a row's text that are read. Templates read at most [`crate::template::embed::MAX_WINDOWS`] windows of
/// [`crate::model::MAX_TOKENS`] tokens, which ordinary text reaches within them; the rest of a longer text is never looked at.
pub const MAX_TEXT_BYTES: usize = 65_536;

/// One row: the text of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The text, as the record holds it. May be empty.
    pub text: String,
}

impl Row {
    /// A row of `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The part of the text that is read: all of it, or its first [`MAX_TEXT_BYTES`] cut back to a whole character.
    pub fn head(&self) -> &str {
        &self.text[..self.text.floor_char_boundary(MAX_TEXT_BYTES)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn head_of_a_short_text_is_the_text() {
        assert_eq!(Row::new("été").head(), "été");
        assert_eq!(Row::new("").head(), "");
    }

    #[test]
    fn head_of_a_long_text_ends_at_a_whole_character() {
        let row = Row::new("€".repeat(MAX_TEXT_BYTES));
        assert_eq!(row.head().len(), MAX_TEXT_BYTES - MAX_TEXT_BYTES % 3);
        assert!(row.head().chars().all(|c| c == '€'));
    }
}
