//! ChatGPT exports: one record a message, in both layouts (one `conversations.json`, or numbered ones with a list).
//!
//! A conversation is a graph of messages; the one the person last saw is the path from `current_node` up through the
//! parents. Edited and regenerated branches are left out: they were replaced.

use std::collections::HashSet;
use std::io::{BufRead, Read};

use serde_json::{Map, Value as Json};

use super::json::{Limits, each_value};
use super::{Connector, Output, Result, time};
use crate::record::{Record, Value};

/// The schema of chat messages.
const SCHEMA: &str = "usufruct/message@1";
/// One conversation: the longest seen are about half of this, with pictures as references.
const LIMITS: Limits = Limits { bytes: 16 << 20, values: 1_000_000 };
/// Most bytes read of the export's list of files.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 500;

/// The connector for [`super::Format::Chatgpt`].
pub(super) struct Conversations;

impl Connector for Conversations {
    fn records(&self, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()> {
        each_value(input, LIMITS, out, &mut |value, place, out| match value {
            Json::Object(conversation) => messages(&conversation, place, out),
            _ => {
                out.problem(place, "not a conversation; it was left out");
                Ok(())
            }
        })
    }
}

/// A file's name without its folders.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The place of a conversations file among its kind: 0 for `conversations.json`, else the number in
/// `conversations-NNN.json`. `None` for any other name.
pub(super) fn file_number(name: &str) -> Option<u64> {
    match base_name(name).strip_prefix("conversations")?.strip_suffix(".json")? {
        "" => Some(0),
        number => {
            number.strip_prefix('-').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
        }
    }
}

/// Whether this is the export's list of its own files.
pub(super) fn is_manifest(name: &str) -> bool {
    base_name(name) == "export_manifest.json"
}

/// The conversation files that an export's list names, wherever in it: its shape is not documented.
pub(super) fn listed_files(file: impl Read) -> Vec<String> {
    let manifest: Json = serde_json::from_reader(file.take(MAX_MANIFEST_BYTES)).unwrap_or_default();
    let mut found = Vec::new();
    let mut open = vec![&manifest];
    while let Some(value) = open.pop() {
        match value {
            Json::String(name) if file_number(name).is_some() => found.push(base_name(name).to_owned()),
            Json::Array(values) => open.extend(values),
            Json::Object(fields) => {
                found.extend(
                    fields.keys().filter(|name| file_number(name).is_some()).map(|name| base_name(name).to_owned()),
                );
                open.extend(fields.values());
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn messages(conversation: &Map<String, Json>, place: &str, out: &mut Output<'_>) -> Result<()> {
    let Some(mapping) = conversation.get("mapping").and_then(Json::as_object) else {
        out.problem(place, "a conversation without messages (no mapping); it was left out");
        return Ok(());
    };
    let path = match path(conversation, mapping) {
        Ok(path) => path,
        Err(reason) => {
            out.problem(place, format!("{reason}; this conversation was left out"));
            return Ok(());
        }
    };
    for (id, message) in path {
        let place = format!("{place}, message {id}");
        let Some(message) = message.as_object() else {
            out.problem(place, "not a message; it was left out");
            continue;
        };
        if let Some(record) = record(conversation, id, message, out.record(SCHEMA)) {
            out.put(record, place)?;
        }
    }
    Ok(())
}

/// The messages from the first to the one last seen; nodes without a message are passed over.
fn path<'a>(
    conversation: &'a Map<String, Json>,
    mapping: &'a Map<String, Json>,
) -> std::result::Result<Vec<(&'a str, &'a Json)>, String> {
    let mut next = match conversation.get("current_node").and_then(Json::as_str) {
        Some(id) if mapping.contains_key(id) => Some(id),
        Some(_) => return Err("its last message is not among its messages".into()),
        None => last_leaf(mapping),
    };
    let mut seen = HashSet::new();
    let mut path = Vec::new();
    while let Some(id) = next {
        if !seen.insert(id) {
            return Err("its messages form a circle".into());
        }
        let Some(node) = mapping.get(id) else {
            return Err("a message names a parent that is missing".into());
        };
        if let Some(message) = node.get("message").filter(|message| !message.is_null()) {
            path.push((id, message));
        }
        next = node.get("parent").and_then(Json::as_str);
    }
    path.reverse();
    Ok(path)
}

/// Where no last message is named: the last node in the file that has no children.
fn last_leaf(mapping: &Map<String, Json>) -> Option<&str> {
    let childless = |node: &Json| node.get("children").and_then(Json::as_array).is_none_or(Vec::is_empty);
    mapping.iter().filter(|(_, node)| childless(node)).map(|(id, _)| id.as_str()).next_back()
}

/// A message as a record, or nothing where there is nothing a person wrote or saw.
fn record(
    conversation: &Map<String, Json>,
    id: &str,
    message: &Map<String, Json>,
    mut record: Record,
) -> Option<Record> {
    let text_of = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
    let metadata = message.get("metadata").and_then(Json::as_object);
    let hidden = metadata.and_then(|metadata| metadata.get("is_visually_hidden_from_conversation"));
    if hidden.and_then(Json::as_bool) == Some(true) {
        return None;
    }
    let content = message.get("content")?;
    let (text, files) = content_text(content);
    if text.trim().is_empty() && files.is_empty() {
        return None;
    }
    record.time = message.get("create_time").and_then(seconds);
    record.text = (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let role = text_of(message.get("author").and_then(|author| author.get("role")));
    let own = metadata.and_then(|metadata| metadata.get("model_slug"));
    let model = own.or_else(|| conversation.get("default_model_slug").filter(|_| role == "assistant"));
    let conversation_id = conversation.get("conversation_id").or_else(|| conversation.get("id"));
    let title: String = text_of(conversation.get("title")).chars().take(MAX_TITLE_CHARS).collect();
    record.set("conversation_id", text_of(conversation_id));
    record.set("conversation_title", title);
    record.set("message_id", message.get("id").and_then(Json::as_str).unwrap_or(id));
    record.set("role", role);
    record.set("model", text_of(model));
    let kind = text_of(content.get("content_type"));
    if kind != "text" {
        record.set("content_type", kind);
    }
    if !files.is_empty() {
        record.fields.insert("attachments".into(), Value::Text(files.join(", ")));
    }
    Some(record)
}

fn seconds(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => time::from_float(number.as_f64()?),
        Json::String(text) => time::parse(text),
        _ => None,
    }
}

/// The text of a content: its parts, or the single text that code, results and quotes have; and the files it refers to.
fn content_text(content: &Json) -> (String, Vec<String>) {
    let (mut texts, mut files) = (Vec::new(), Vec::new());
    if let Some(text) = content.as_str() {
        texts.push(text);
    }
    for name in ["text", "result", "content"] {
        texts.extend(content.get(name).and_then(Json::as_str));
    }
    for part in content.get("parts").and_then(Json::as_array).into_iter().flatten() {
        texts.extend(part.as_str().or_else(|| part.get("text").and_then(Json::as_str)));
        files.extend(part.get("asset_pointer").and_then(Json::as_str).map(|pointer| base_name(pointer).to_owned()));
    }
    texts.retain(|text| !text.trim().is_empty());
    (texts.join("\n"), files)
}
