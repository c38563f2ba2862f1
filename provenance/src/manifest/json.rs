//! The manifest's JSON-LD, written and read. The context is the one of the Croissant 1.1 specification, and `usu`.

use super::{CIRCUIT, Counted, Day, Field, FieldKind, Labels, Level, Manifest, Tier, UsageInfo};
use crate::chain::Address;
use crate::cid::Cid;
use crate::content::unixfs::PROFILE;
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::str::FromStr;

/// What the manifest conforms to.
const CONFORMS_TO: [&str; 2] = ["http://mlcommons.org/croissant/1.1", "urn:usufruct:manifest:v1"];
/// The id of the one record set.
const RECORDS: &str = "records";
/// The id of the one file set.
const DELIVERED: &str = "delivered";

impl FieldKind {
    const ALL: [Self; 6] = [Self::Text, Self::Integer, Self::Number, Self::Boolean, Self::Time, Self::Day];

    const fn schema_org(self) -> &'static str {
        match self {
            FieldKind::Text => "sc:Text",
            FieldKind::Integer => "sc:Integer",
            FieldKind::Number => "sc:Float",
            FieldKind::Boolean => "sc:Boolean",
            FieldKind::Time => "sc:DateTime",
            FieldKind::Day => "sc:Date",
        }
    }
}

/// Words of the context that stand for `prefix:word`, by prefix.
const TERMS: [(&str, &[&str]); 2] = [
    ("dct", &["conformsTo"]),
    (
        "cr",
        &[
            "arrayShape",
            "citeAs",
            "column",
            "containedIn",
            "equivalentProperty",
            "extract",
            "field",
            "fileProperty",
            "fileObject",
            "fileSet",
            "format",
            "includes",
            "isArray",
            "isLiveDataset",
            "jsonPath",
            "key",
            "md5",
            "parentField",
            "path",
            "recordSet",
            "references",
            "regex",
            "repeated",
            "replace",
            "samplingRate",
            "separator",
            "source",
            "subField",
            "transform",
        ],
    ),
];

/// The context that Croissant 1.1 prescribes, with the prefix of our own words.
fn context() -> Value {
    let mut context = json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
        "usu": "urn:usufruct:v1:",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "description": {"@container": "@language"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "name": {"@container": "@language"},
    });
    if let Value::Object(map) = &mut context {
        for (prefix, words) in TERMS {
            map.extend(words.iter().map(|word| ((*word).into(), json!(format!("{prefix}:{word}")))));
        }
    }
    context
}

/// The manifest as JSON, members in their one order.
pub(super) fn write(m: &Manifest) -> Value {
    let mut root = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": m.name,
        "description": m.description,
        "version": format!("{}.0.0", m.version),
        "datePublished": m.published.to_string(),
        "creator": {"@type": "sc:Person", "name": m.owner.to_string()},
        "license": format!("ipfs://{}", m.usage.legal_text),
        "usageInfo": {
            "@type": "sc:CreativeWork",
            "name": m.usage.name,
            "description": m.usage.description,
            "url": format!("ipfs://{}", m.usage.legal_text),
        },
        "distribution": [{
            "@type": "cr:FileSet",
            "@id": DELIVERED,
            "name": DELIVERED,
            "description": "What a licensed job delivers to the licensee, one line per record.",
            "encodingFormat": "application/jsonl",
            "includes": "rows.jsonl",
        }],
        "recordSet": [{
            "@type": "cr:RecordSet",
            "@id": RECORDS,
            "name": RECORDS,
            "description": "One entry per record. The records stay with their owner; licensed jobs run there.",
            "field": m.fields.iter().map(field).collect::<Vec<_>>(),
        }],
        "usu:circuit": CIRCUIT,
        "usu:unixfsProfile": PROFILE,
        "usu:records": m.records,
        "usu:tier": m.tier.name(),
        "usu:root": word(&m.root),
        "usu:owner": m.owner.to_string(),
        "usu:ownerCommitment": word(&m.owner_commitment),
        "usu:exchangeKey": word(&m.exchange_key),
        "usu:sourceLevels": m.levels.iter().map(|level| level.words()).collect::<Vec<_>>(),
        "usu:kinds": m.kinds,
    });
    if let Value::Object(map) = &mut root {
        if let Some((first, last)) = &m.days {
            map.insert("temporalCoverage".into(), json!(format!("{first}/{last}")));
        }
        if let Some(counted) = &m.counted {
            map.insert(
                "usu:counted".into(),
                json!({
                    "usu:field": counted.field,
                    "usu:scale": counted.scale,
                    "usu:binEdges": counted.edges,
                }),
            );
        }
        if let Some(labels) = &m.labels {
            map.insert("usu:labels".into(), json!({"usu:field": labels.field, "usu:classes": labels.classes}));
        }
        if let Some(previous) = &m.previous {
            map.insert("usu:previous".into(), json!(format!("ipfs://{previous}")));
        }
    }
    root
}

fn field(field: &Field) -> Value {
    let mut value = json!({
        "@type": "cr:Field",
        "@id": format!("{RECORDS}/{}", field.name),
        "name": field.name,
        "description": field.description,
        "dataType": field.kind.schema_org(),
        "source": {"fileSet": {"@id": DELIVERED}, "extract": {"column": field.name}},
    });
    if let (true, Value::Object(map)) = (field.released, &mut value) {
        map.insert("usu:released".into(), json!(true));
    }
    value
}

fn word(bytes: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Reads what [`write`] writes. Members that it does not look at are compared afterwards.
pub(super) fn read(value: &Value) -> Result<Manifest> {
    let root = object(value, "manifest")?;
    let usage = object(member(root, "usageInfo")?, "usageInfo")?;
    Ok(Manifest {
        name: string(root, "name")?.into(),
        description: string(root, "description")?.into(),
        published: parse(root, "datePublished")?,
        version: version(root)?,
        previous: root.get("usu:previous").map(|_| ipfs(root, "usu:previous")).transpose()?,
        usage: UsageInfo {
            name: string(usage, "name")?.into(),
            description: string(usage, "description")?.into(),
            legal_text: ipfs(usage, "url")?,
        },
        owner: parse::<Address>(root, "usu:owner")?,
        owner_commitment: bytes(root, "usu:ownerCommitment")?,
        exchange_key: bytes(root, "usu:exchangeKey")?,
        root: bytes(root, "usu:root")?,
        records: member(root, "usu:records")?.as_u64().ok_or_else(|| bad("usu:records", "a count"))?,
        tier: named(root, "usu:tier", &Tier::ALL, Tier::name)?,
        levels: levels(root)?,
        kinds: strings(root, "usu:kinds")?,
        days: root.get("temporalCoverage").map(|_| days(root)).transpose()?,
        fields: fields(root)?,
        counted: root.get("usu:counted").map(counted).transpose()?,
        labels: root.get("usu:labels").map(labels).transpose()?,
    })
}

fn fields(root: &Map<String, Value>) -> Result<Vec<Field>> {
    let sets = array(root, "recordSet")?;
    let [set] = sets.as_slice() else { return Err(bad("recordSet", "one record set")) };
    let fields = array(object(set, "recordSet")?, "field")?;
    fields
        .iter()
        .map(|field| {
            let field = object(field, "field")?;
            Ok(Field {
                name: string(field, "name")?.into(),
                description: string(field, "description")?.into(),
                kind: named(field, "dataType", &FieldKind::ALL, FieldKind::schema_org)?,
                released: field.contains_key("usu:released"),
            })
        })
        .collect()
}

fn counted(value: &Value) -> Result<Counted> {
    let map = object(value, "usu:counted")?;
    let scale = member(map, "usu:scale")?.as_u64().and_then(|scale| u8::try_from(scale).ok());
    let edges = array(map, "usu:binEdges")?.iter().map(|edge| edge.as_i64().and_then(|edge| i32::try_from(edge).ok()));
    Ok(Counted {
        field: string(map, "usu:field")?.into(),
        scale: scale.ok_or_else(|| bad("usu:scale", "a small number"))?,
        edges: edges.collect::<Option<_>>().ok_or_else(|| bad("usu:binEdges", "32-bit numbers"))?,
    })
}

fn labels(value: &Value) -> Result<Labels> {
    let map = object(value, "usu:labels")?;
    Ok(Labels { field: string(map, "usu:field")?.into(), classes: strings(map, "usu:classes")? })
}

fn levels(root: &Map<String, Value>) -> Result<Vec<Level>> {
    let read = |words: String| Level::ALL.into_iter().find(|level| level.words() == words);
    let levels = strings(root, "usu:sourceLevels")?.into_iter().map(read).collect::<Option<_>>();
    levels.ok_or_else(|| bad("usu:sourceLevels", "known source levels"))
}

fn days(root: &Map<String, Value>) -> Result<(Day, Day)> {
    let text = string(root, "temporalCoverage")?;
    let (first, last) = text.split_once('/').ok_or_else(|| bad("temporalCoverage", "two days and a slash"))?;
    Ok((first.parse()?, last.parse()?))
}

fn version(root: &Map<String, Value>) -> Result<u32> {
    let number = string(root, "version")?.strip_suffix(".0.0").and_then(|number| number.parse().ok());
    number.ok_or_else(|| bad("version", "a number and `.0.0`"))
}

fn bad(name: &str, expected: &str) -> Error {
    Error::Invalid(format!("manifest: {name} is not {expected}"))
}

fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a Value> {
    map.get(name).ok_or_else(|| Error::Invalid(format!("manifest: {name} is missing")))
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| bad(name, "an object"))
}

fn array<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a Vec<Value>> {
    member(map, name)?.as_array().ok_or_else(|| bad(name, "a list"))
}

fn string<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a str> {
    member(map, name)?.as_str().ok_or_else(|| bad(name, "text"))
}

fn strings(map: &Map<String, Value>, name: &str) -> Result<Vec<String>> {
    let all = array(map, name)?.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>();
    all.ok_or_else(|| bad(name, "a list of texts"))
}

fn parse<T: FromStr>(map: &Map<String, Value>, name: &str) -> Result<T> {
    let text = string(map, name)?;
    let shown = || text.chars().take(60).flat_map(char::escape_debug).collect::<String>();
    text.parse().map_err(|_| bad(name, &format!("what it should be: `{}`", shown())))
}

fn named<T: Copy>(map: &Map<String, Value>, name: &str, all: &[T], word: fn(T) -> &'static str) -> Result<T> {
    let text = string(map, name)?;
    all.iter().copied().find(|one| word(*one) == text).ok_or_else(|| bad(name, "a known word"))
}

fn bytes(map: &Map<String, Value>, name: &str) -> Result<[u8; 32]> {
    let digits = string(map, name)?.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
    digits.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| bad(name, "0x and 64 digits"))
}

fn ipfs(map: &Map<String, Value>, name: &str) -> Result<Cid> {
    let cid = string(map, name)?.strip_prefix("ipfs://").and_then(|cid| cid.parse().ok());
    cid.ok_or_else(|| bad(name, "an ipfs:// address"))
}

/// The path of the first place where `found` is not `expected`.
pub(super) fn difference(found: &Value, expected: &Value, path: &str) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let extra = found
                .keys()
                .find(|key| !expected.contains_key(*key))
                .map(|key| format!("{path}.{}", key.escape_debug()));
            extra.or_else(|| {
                expected.iter().find_map(|(key, value)| match found.get(key) {
                    Some(found) => difference(found, value, &format!("{path}.{key}")),
                    None => Some(format!("{path}.{key}")),
                })
            })
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(expected)
            .enumerate()
            .find_map(|(index, (found, expected))| difference(found, expected, &format!("{path}[{index}]"))),
        _ => (found != expected).then(|| path.to_owned()),
    }
}
