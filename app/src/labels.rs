//! The label of a dataset: the field that a classifier learns to tell, with the closed list of its values.
//!
//! The owner names the field when the dataset is created. The manifest publishes the list, and nothing says which record has
//! which value. What the encoder reads of a record leaves the field out.

use std::collections::BTreeMap;

use compute::template::train::{MAX_CLASSES, MIN_CLASS};
use provenance::manifest;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::record::{Record, Selection, TEXT_FIELD, Value};

/// Characters of a class, at most: it becomes public.
const MAX_CLASS: usize = 64;

/// A field and its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The field's name.
    pub field: String,
    /// Its values as text, sorted: the classes in the order of their numbers.
    pub classes: Vec<String>,
}

impl Labels {
    /// The labels that `field` gives over `records`, whose fields are `included`.
    ///
    /// # Errors
    /// `NotFound` for a field that is not included; `Refused` where a record has no value, there are too few or too many
    /// values, one is long, or one has too few records to be learned: with counts, and never with a record's text.
    pub fn declare(field: &str, records: &[Record], included: &[String]) -> Result<Self> {
        if field == TEXT_FIELD {
            return Err(Error::refused("the text cannot be the label: its values would become public"));
        }
        if !included.iter().any(|name| name == field) {
            return Err(Error::not_found(format!("the dataset does not include a field {field:?} as its label"))
                .hint(format!("It includes: {}.", included.join(", "))));
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut missing = 0;
        for record in records {
            match value(record, field) {
                Some(value) => *counts.entry(value).or_default() += 1,
                None => missing += 1,
            }
            if counts.len() > MAX_CLASSES {
                return Err(Error::refused(format!("the field {field:?} has more than {MAX_CLASSES} values"))
                    .hint("A label has few values, each of many records."));
            }
        }
        let refuse = |why: String| Err(Error::refused(format!("the field {field:?} cannot be the label: {why}")));
        if missing > 0 {
            return refuse(format!("{missing} of {} records have no value", records.len()));
        }
        if counts.len() < 2 {
            return refuse("all records have the same value".to_owned());
        }
        if let Some(count) = counts.values().find(|count| **count < MIN_CLASS) {
            return refuse(format!("a value has {count} records only; each needs at least {MIN_CLASS}"));
        }
        if counts.keys().any(|class| class.chars().count() > MAX_CLASS || class.chars().any(char::is_control)) {
            return refuse(format!("a value is longer than {MAX_CLASS} characters, or not on one line"));
        }
        Ok(Self { field: field.to_owned(), classes: counts.into_keys().collect() })
    }

    /// The number of the record's class; none where its value is not on the list.
    pub fn of(&self, record: &Record) -> Option<u16> {
        let value = value(record, &self.field)?;
        self.classes.binary_search(&value).ok().and_then(|class| u16::try_from(class).ok())
    }

    /// What of a record the encoder reads: everything included but the label.
    pub fn without(&self, included: &[String]) -> Selection {
        Selection::only(included.iter().filter(|name| **name != self.field).cloned())
    }

    /// As the manifest has it.
    pub fn to_manifest(&self) -> manifest::Labels {
        manifest::Labels { field: self.field.clone(), classes: self.classes.clone() }
    }
}

fn value(record: &Record, field: &str) -> Option<String> {
    match record.fields.get(field) {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.display().trim().to_owned()).filter(|value| !value.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(values: &[&str]) -> Vec<Record> {
        let record = |value: &&str| {
            let mut record = Record::new("usufruct/row@1", "s");
            record.text = Some("Never to leave.".into());
            record.fields.insert("mood".into(), Value::from_text(value));
            record
        };
        values.iter().map(record).collect()
    }

    fn declare(values: &[&str]) -> Result<Labels> {
        Labels::declare("mood", &records(values), &["mood".into(), "text".into()])
    }

    #[test]
    fn classes_are_sorted_and_found_again() {
        let values = ["sad", "glad", "7", "sad", "glad", "7"].repeat(5);
        let labels = declare(&values).unwrap();
        assert_eq!(labels.classes, ["7", "glad", "sad"]);
        assert_eq!(
            records(&["glad", "7", "angry", " "]).iter().map(|r| labels.of(r)).collect::<Vec<_>>(),
            [Some(1), Some(0), None, None]
        );
    }

    #[test]
    fn encoder_does_not_read_the_label() {
        let labels = declare(&["sad", "glad"].repeat(5)).unwrap();
        let mut record = records(&["glad"]).remove(0);
        record.text = None;
        record.fields.insert("title".into(), "A day".into());
        let read = record.readable(&labels.without(&["mood".into(), "title".into()]));
        assert_eq!(read, "title: A day");
    }

    #[test]
    fn label_that_cannot_be_learned_is_refused_without_its_values() {
        let few = [["sad"; 10].as_slice(), &["secret"; 4]].concat();
        let missing = [["sad"; 5].as_slice(), &["glad"; 5], &[""]].concat();
        let long = "x".repeat(65);
        let long = [["sad"; 5].as_slice(), &[long.as_str(); 5]].concat();
        let many: Vec<String> = (0..65).map(|at| at.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect::<Vec<_>>().repeat(5);
        for values in [["sad"; 10].as_slice(), &few, &missing, &long, &many, &[]] {
            let said = declare(values).unwrap_err().message;
            assert!(said.contains("mood") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn text_and_fields_that_are_not_included_are_no_label() {
        let records = records(&["sad", "glad"].repeat(5));
        assert!(Labels::declare("text", &records, &["mood".into(), "text".into()]).is_err());
        assert!(Labels::declare("mood", &records, &["text".into()]).is_err());
    }
}
