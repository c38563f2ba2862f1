//! A record: one unit of personal data, with canonical bytes that are the same on every machine.
//!
//! Canonical bytes are deterministic DAG-CBOR (RFC 8949 section 4.2, DAG-CBOR key order) of
//! `{schema, source, time, text?, fields}`: `time` is null when unknown, `text` is left out when the record has none or
//! the selection leaves it out, `fields` holds the selected fields only. Line endings are LF (CRLF and lone CR become
//! LF). Unicode is *not* normalized: two texts with different code points are different content, and a normalization
//! table would tie the bytes to one Unicode version. There are no floating-point values: a decimal number is kept as
//! the text of its digits, since two machines may print the same float differently.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Largest text of one record, in bytes. A longer one is no message, row or note but a document to be split first.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Most fields one record may have: wider tables are measurements, not personal records.
pub const MAX_FIELDS: usize = 256;
/// Longest field name, in bytes.
pub const MAX_FIELD_NAME_BYTES: usize = 256;
/// Longest schema, kind or source, in bytes.
pub const MAX_LABEL_BYTES: usize = 1024;
/// Largest canonical form of one record, in bytes.
pub const MAX_RECORD_BYTES: usize = 2 << 20;
/// The name by which a selection asks for the record's text; no field may be called so.
pub const TEXT_FIELD: &str = "text";

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The text is longer than [`MAX_TEXT_BYTES`].
    #[error("the text has {0} bytes, more than the {MAX_TEXT_BYTES} a record may have; split it into shorter pieces")]
    TextTooLong(usize),
    /// There are more fields than [`MAX_FIELDS`].
    #[error("there are {0} fields, more than the {MAX_FIELDS} a record may have")]
    TooManyFields(usize),
    /// A field name is empty, too long or reserved.
    #[error("the field name {0:?} cannot be used (empty, over {MAX_FIELD_NAME_BYTES} bytes, or reserved)")]
    FieldName(String),
    /// Schema, kind or source is empty or too long.
    #[error("the {0} is empty or longer than {MAX_LABEL_BYTES} bytes")]
    Label(&'static str),
    /// The record as a whole is larger than [`MAX_RECORD_BYTES`].
    #[error("the record has {0} bytes, more than the {MAX_RECORD_BYTES} allowed")]
    TooLarge(usize),
    /// Neither text nor fields: nothing to keep.
    #[error("the record has neither text nor fields")]
    Empty,
    /// Stored bytes are not a record.
    #[error("these bytes are not a record: {0}")]
    Malformed(String),
}

/// What a field can hold. Decimal numbers and dates are text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Known to be absent.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Anything else, as text.
    Text(String),
}

impl Value {
    /// Text that is the canonical decimal form of an `i64` becomes a number ("42", not "042" or "+42"); other text stays.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Self::Int(number),
            _ => Self::Text(text.to_owned()),
        }
    }

    /// The value as a person would read it; null is the empty text.
    #[must_use]
    pub fn display(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Text(value) => Cow::Borrowed(value),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Which parts of a record go into its canonical bytes. Schema, source and time always do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The text and every field.
    #[default]
    All,
    /// The named fields; the name `text` stands for the text. Names a record lacks are left out.
    Only(BTreeSet<String>),
}

impl Selection {
    /// The selection of these names.
    pub fn only<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Only(names.into_iter().map(Into::into).collect())
    }

    /// Whether `name` is selected.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// One unit of personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What the fields mean, with a version, such as `usufruct/message@1`.
    pub schema: String,
    /// One word to select by: `note`, `message`, `row` or `mail`. Follows from the schema; not in the canonical bytes.
    pub kind: String,
    /// The source's name, the same wherever it is imported.
    pub source: String,
    /// When it was written or sent, in Unix seconds (negative before 1970).
    pub time: Option<i64>,
    /// What was written.
    pub text: Option<String>,
    /// The rest, by name.
    pub fields: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct Canonical<'a> {
    schema: &'a str,
    source: &'a str,
    time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    fields: BTreeMap<&'a str, CanonicalValue<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CanonicalValue<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
}

impl Record {
    /// An empty record of a schema such as `usufruct/note@1`; the kind is the word between `/` and `@`.
    #[must_use]
    pub fn new(schema: &str, source: &str) -> Self {
        let word = schema.rsplit('/').next().unwrap_or(schema);
        let kind = word.split('@').next().unwrap_or(word);
        Self {
            schema: schema.to_owned(),
            kind: kind.to_owned(),
            source: source.to_owned(),
            time: None,
            text: None,
            fields: BTreeMap::new(),
        }
    }

    /// Sets a field unless the text is empty.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref().trim();
        if !value.is_empty() {
            self.fields.insert(name.to_owned(), value.into());
        }
    }

    /// Refuses a record that breaks a limit.
    ///
    /// # Errors
    /// The limit that is broken, as a [`RecordError`].
    pub fn check(&self) -> Result<(), RecordError> {
        let labels = [("schema", &self.schema), ("kind", &self.kind), ("source", &self.source)];
        for (what, label) in labels {
            if label.is_empty() || label.len() > MAX_LABEL_BYTES {
                return Err(RecordError::Label(what));
            }
        }
        let text = self.text.as_ref().map_or(0, String::len);
        if text > MAX_TEXT_BYTES {
            return Err(RecordError::TextTooLong(text));
        }
        if self.fields.len() > MAX_FIELDS {
            return Err(RecordError::TooManyFields(self.fields.len()));
        }
        if self.text.is_none() && self.fields.is_empty() {
            return Err(RecordError::Empty);
        }
        self.check_fields(text)
    }

    fn check_fields(&self, text: usize) -> Result<(), RecordError> {
        let mut total = text;
        for (name, value) in &self.fields {
            if name.is_empty() || name.len() > MAX_FIELD_NAME_BYTES || name == TEXT_FIELD {
                return Err(RecordError::FieldName(name.chars().take(64).collect()));
            }
            // 9 is the longest CBOR head; a number takes no more.
            total += name.len() + 18 + if let Value::Text(text) = value { text.len() } else { 0 };
        }
        // What the labels and the map's own heads take at most.
        total += self.schema.len() + self.source.len() + 128;
        if total > MAX_RECORD_BYTES { Err(RecordError::TooLarge(total)) } else { Ok(()) }
    }

    /// The canonical bytes of the selected parts.
    ///
    /// # Errors
    /// The limit that the record breaks.
    pub fn canonical_bytes(&self, selection: &Selection) -> Result<Vec<u8>, RecordError> {
        self.check()?;
        let canonical = Canonical {
            schema: &self.schema,
            source: &self.source,
            time: self.time,
            text: self.text.as_deref().filter(|_| selection.has(TEXT_FIELD)).map(unix_lines),
            fields: self
                .fields
                .iter()
                .filter(|(name, _)| selection.has(name))
                .map(|(name, value)| (name.as_str(), canonical_value(value)))
                .collect(),
        };
        serde_ipld_dagcbor::to_vec(&canonical).map_err(|error| RecordError::Malformed(error.to_string()))
    }

    /// SHA-256 of the canonical bytes: the content digest of PROTOCOL section 1.
    ///
    /// # Errors
    /// The limit that the record breaks.
    pub fn content_digest(&self, selection: &Selection) -> Result<[u8; 32], RecordError> {
        Ok(Sha256::digest(self.canonical_bytes(selection)?).into())
    }

    /// The record's identity inside the vault: the content digest over everything. Two records with one identity are
    /// one record. It must not leave the vault: a bare digest lets anybody confirm a guess at the content.
    ///
    /// # Errors
    /// The limit that the record breaks.
    pub fn identity(&self) -> Result<[u8; 32], RecordError> {
        self.content_digest(&Selection::All)
    }

    /// What a person or a model reads of the selected parts: the text, or else the fields as `name: value` lines.
    #[must_use]
    pub fn readable(&self, selection: &Selection) -> String {
        match self.text.as_deref().filter(|text| selection.has(TEXT_FIELD) && !text.trim().is_empty()) {
            Some(text) => unix_lines(text).into_owned(),
            None => {
                let selected = self.fields.iter().filter(|(name, _)| selection.has(name));
                let lines: Vec<String> =
                    selected.map(|(name, value)| format!("{name}: {}", unix_lines(&value.display()))).collect();
                lines.join("\n")
            }
        }
    }

    /// The whole record as DAG-CBOR, for keeping in the vault.
    ///
    /// # Errors
    /// The limit that the record breaks.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        self.check()?;
        serde_ipld_dagcbor::to_vec(self).map_err(|error| RecordError::Malformed(error.to_string()))
    }

    /// Reads back what [`Record::encode`] wrote.
    ///
    /// # Errors
    /// [`RecordError::Malformed`] for other bytes, or the limit that the record breaks.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD_BYTES + MAX_LABEL_BYTES + 64 {
            return Err(RecordError::TooLarge(bytes.len()));
        }
        let record: Self =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|error| RecordError::Malformed(error.to_string()))?;
        // The decoder takes other spellings of the same record; what was stored has only one.
        if record.encode()? != bytes {
            return Err(RecordError::Malformed("not in canonical form".into()));
        }
        Ok(record)
    }
}

fn canonical_value(value: &Value) -> CanonicalValue<'_> {
    match value {
        Value::Null => CanonicalValue::Null,
        Value::Bool(value) => CanonicalValue::Bool(*value),
        Value::Int(value) => CanonicalValue::Int(*value),
        Value::Text(value) => CanonicalValue::Text(unix_lines(value)),
    }
}

/// The text with CRLF and lone CR as LF.
#[must_use]
pub fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Record {
        let mut record = Record::new("usufruct/note@1", "diary");
        record.time = Some(-5_679_590_400);
        record.text = Some("Up betimes.\nTo the office.".into());
        record.fields.insert("title".into(), "A day".into());
        record.fields.insert("n".into(), Value::Int(7));
        record
    }

    #[test]
    fn record_kind_is_the_word_in_the_schema() {
        assert_eq!(note().kind, "note");
        assert_eq!(Record::new("plain", "s").kind, "plain");
    }

    #[test]
    fn canonical_bytes_are_the_published_vector() {
        let mut record = Record::new("usufruct/note@1", "s");
        record.text = Some("a".into());
        record.fields.insert("bb".into(), Value::Int(1));
        record.fields.insert("c".into(), Value::Null);
        // a5, then keys shortest first: text, time, fields, schema, source.
        let expected = "a56474657874616164 74696d65f6 666669656c6473a2 6163f6 62626201 \
                        66736368656d61 6f75737566727563742f6e6f74654031 66736f75726365 6173";
        let hex: String = expected.split_whitespace().collect();
        assert_eq!(hex::encode(record.canonical_bytes(&Selection::All).unwrap()), hex);
    }

    #[test]
    fn canonical_bytes_with_other_line_endings_are_equal() {
        let expected = note().canonical_bytes(&Selection::All).unwrap();
        for ending in ["\r\n", "\r"] {
            let mut other = note();
            other.text = Some(format!("Up betimes.{ending}To the office."));
            assert_eq!(other.canonical_bytes(&Selection::All).unwrap(), expected);
        }
    }

    #[test]
    fn canonical_bytes_do_not_depend_on_insertion_order() {
        let mut other = note();
        other.fields = other.fields.into_iter().rev().collect();
        assert_eq!(other.identity().unwrap(), note().identity().unwrap());
    }

    #[test]
    fn canonical_bytes_of_decomposed_text_differ() {
        let (mut composed, mut decomposed) = (note(), note());
        composed.text = Some("\u{e9}".into());
        decomposed.text = Some("e\u{301}".into());
        assert_ne!(composed.identity().unwrap(), decomposed.identity().unwrap());
    }

    #[test]
    fn identity_changes_with_every_part() {
        let base = note().identity().unwrap();
        let changes: [fn(&mut Record); 6] = [
            |record| record.schema = "usufruct/note@2".into(),
            |record| record.source = "other".into(),
            |record| record.time = None,
            |record| record.text = Some("other".into()),
            |record| record.text = None,
            |record| _ = record.fields.insert("n".into(), Value::Text("7".into())),
        ];
        for change in changes {
            let mut record = note();
            change(&mut record);
            assert_ne!(record.identity().unwrap(), base);
        }
    }

    #[test]
    fn selection_without_text_leaves_it_out() {
        let only = note().canonical_bytes(&Selection::only(["title"])).unwrap();
        assert!(!only.windows(7).any(|part| part == b"betimes"));
        assert!(only.windows(5).any(|part| part == b"A day"));
        assert_ne!(note().content_digest(&Selection::only(["title"])), note().content_digest(&Selection::All));
    }

    #[test]
    fn selection_of_absent_names_is_not_an_error() {
        assert!(note().canonical_bytes(&Selection::only(["nothing"])).is_ok());
    }

    #[test]
    fn record_at_the_text_limit_passes_and_over_it_is_refused() {
        let mut record = note();
        record.text = Some("x".repeat(MAX_TEXT_BYTES));
        assert!(record.check().is_ok());
        record.text = Some("x".repeat(MAX_TEXT_BYTES + 1));
        assert_eq!(record.check(), Err(RecordError::TextTooLong(MAX_TEXT_BYTES + 1)));
        assert!(record.canonical_bytes(&Selection::All).is_err());
        assert!(record.encode().is_err());
    }

    #[test]
    fn record_with_too_many_fields_is_refused() {
        let mut record = note();
        record.fields = (0..=MAX_FIELDS).map(|n| (format!("f{n}"), Value::Null)).collect();
        assert_eq!(record.check(), Err(RecordError::TooManyFields(MAX_FIELDS + 1)));
    }

    #[test]
    fn record_with_large_fields_is_refused() {
        let mut record = note();
        record.fields.insert("big".into(), Value::Text("x".repeat(MAX_RECORD_BYTES)));
        assert!(matches!(record.check(), Err(RecordError::TooLarge(_))));
    }

    #[test]
    fn record_with_reserved_or_bad_names_is_refused() {
        for name in ["", TEXT_FIELD, &"n".repeat(MAX_FIELD_NAME_BYTES + 1)] {
            let mut record = note();
            record.fields.insert(name.to_owned(), Value::Null);
            assert!(matches!(record.check(), Err(RecordError::FieldName(_))), "{name}");
        }
    }

    #[test]
    fn record_without_content_or_label_is_refused() {
        assert_eq!(Record::new("usufruct/note@1", "s").check(), Err(RecordError::Empty));
        let mut record = note();
        record.source = String::new();
        assert_eq!(record.check(), Err(RecordError::Label("source")));
        record.source = "s".repeat(MAX_LABEL_BYTES + 1);
        assert_eq!(record.check(), Err(RecordError::Label("source")));
    }

    #[test]
    fn encoded_record_reads_back() {
        assert_eq!(Record::decode(&note().encode().unwrap()).unwrap(), note());
    }

    #[test]
    fn damaged_encoding_is_refused_or_differs() {
        let bytes = note().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x20;
            assert_ne!(Record::decode(&damaged).ok(), Some(note()), "changed at {position}");
        }
    }

    #[test]
    fn number_text_becomes_a_number_only_in_canonical_form() {
        assert_eq!(Value::from_text("-42"), Value::Int(-42));
        for text in ["042", "+42", "4.2", "", " 42", "9223372036854775808", "-0"] {
            assert_eq!(Value::from_text(text), Value::Text(text.into()));
        }
    }

    #[test]
    fn readable_falls_back_to_fields() {
        assert_eq!(note().readable(&Selection::All), "Up betimes.\nTo the office.");
        assert_eq!(note().readable(&Selection::only(["title", "n"])), "n: 7\ntitle: A day");
    }
}
