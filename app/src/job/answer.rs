//! What a consumer gets for a statistic, sealed: the answer and the blinding that opens its commitment.

use provenance::manifest::Manifest;
use serde::{Deserialize, Serialize};
use zk::statistic::{Answer, BINS, Bins};

use super::package::Expected;
use crate::counted::show;
use crate::error::{Error, Result};
use crate::view::Check;

/// The package's layout, in its first field.
const FORMAT: &str = "usufruct/answer@1";

/// An answer with what opens its commitment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// [`FORMAT`].
    pub format: String,
    /// Fewest values in a group.
    pub least: u32,
    /// Records that have a value.
    pub count: u32,
    /// Sum of the values, in units of the manifest's scale.
    pub sum: i64,
    /// Values in the group that ends with each bin, 0 where none ends.
    pub groups: [u32; BINS],
    /// The edges of the bins, in units of the manifest's scale.
    pub edges: Vec<i32>,
    /// 31 bytes.
    #[serde(with = "serde_bytes")]
    pub blinding: Vec<u8>,
}

impl Answered {
    /// An answer and its blinding.
    pub fn new(answer: &Answer, blinding: &[u8; 31]) -> Self {
        Answered {
            format: FORMAT.to_owned(),
            least: answer.least,
            count: answer.count,
            sum: answer.sum,
            groups: answer.groups,
            edges: answer.bins.edges().to_vec(),
            blinding: blinding.to_vec(),
        }
    }

    /// Its bytes: DAG-CBOR.
    ///
    /// # Errors
    /// `Failure` where it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_ipld_dagcbor::to_vec(self).map_err(|e| Error::failure(format!("encoding the answer: {e}")))
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// `Integrity` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let read: Answered = serde_ipld_dagcbor::from_slice(bytes)
            .map_err(|e| Error::integrity(format!("this is no answer to a statistic: {e}")))?;
        if read.format == FORMAT {
            Ok(read)
        } else {
            Err(Error::integrity(format!("this answer's format is {:?}; this program reads {FORMAT}", read.format)))
        }
    }

    /// The answer and its blinding again from the text of the `answer.json` that [`Answered::to_json`] wrote.
    ///
    /// # Errors
    /// `Integrity` where it is none.
    pub fn from_json(text: &str) -> Result<Self> {
        let unreadable = |what: String| Error::integrity(format!("this is no answer.json: {what}"));
        let mut value: serde_json::Value = serde_json::from_str(text).map_err(|e| unreadable(e.to_string()))?;
        let opening = value["opening"].take();
        let blinding = opening["blinding"].as_str().and_then(|digits| hex::decode(digits).ok());
        let numbers = |name: &str| serde_json::from_value(opening[name].clone()).map_err(|e| unreadable(e.to_string()));
        let read = Answered {
            format: FORMAT.to_owned(),
            least: serde_json::from_value(opening["least"].clone()).map_err(|e| unreadable(e.to_string()))?,
            count: serde_json::from_value(opening["count"].clone()).map_err(|e| unreadable(e.to_string()))?,
            sum: serde_json::from_value(opening["sum"].clone()).map_err(|e| unreadable(e.to_string()))?,
            groups: serde_json::from_value(opening["groups"].clone()).map_err(|e| unreadable(e.to_string()))?,
            edges: numbers("edges")?,
            blinding: blinding.ok_or_else(|| unreadable("no blinding".to_owned()))?,
        };
        let scale = value["scale"].as_u64().and_then(|scale| u8::try_from(scale).ok());
        let scale = scale.filter(|scale| *scale <= 9).ok_or_else(|| unreadable("no scale".to_owned()))?;
        let field = value["field"].as_str().unwrap_or_default().to_owned();
        // What is read by people must be what is checked.
        value["opening"] = opening;
        if read.to_json(&field, scale)? == value {
            Ok(read)
        } else {
            Err(Error::integrity("answer.json says something else than what it opens"))
        }
    }

    /// For a person and for programs: the answer in the field's own unit, and beside it the whole numbers that were committed.
    ///
    /// # Errors
    /// `Integrity` where it is no answer.
    pub fn to_json(&self, field: &str, scale: u8) -> Result<serde_json::Value> {
        let groups: Vec<_> = self
            .answer()?
            .groups()
            .into_iter()
            .map(|group| {
                let edge = |at: usize| self.edges.get(at).map(|edge| show(i64::from(*edge), scale));
                // The outer edges bound nothing.
                let from = (group.bins.start > 0).then(|| edge(group.bins.start)).flatten();
                let below = (group.bins.end < BINS).then(|| edge(group.bins.end)).flatten();
                serde_json::json!({ "from": from, "below": below, "count": group.count })
            })
            .collect();
        Ok(serde_json::json!({
            "field": field,
            "scale": scale,
            "count": self.count,
            "sum": show(self.sum, scale),
            "groups": groups,
            "opening": {
                "least": self.least,
                "count": self.count,
                "sum": self.sum,
                "groups": self.groups,
                "edges": self.edges,
                "blinding": hex::encode(&self.blinding),
            },
        }))
    }

    /// The answer, in the one form that its commitment stands for.
    fn answer(&self) -> Result<Answer> {
        Ok(Answer::delivered(self.least, self.count, self.sum, self.groups, Bins::new(&self.edges)?)?)
    }

    /// What the chain would have committed to; none for what no honest answer is.
    fn commitment(&self) -> Option<zk::Field> {
        let blinding: &[u8; 31] = self.blinding.as_slice().try_into().ok()?;
        Some(self.answer().ok()?.commitment(blinding))
    }

    /// Opens the commitment, and holds the answer against manifest and license.
    pub fn checks(&self, expected: &Expected) -> Vec<Check> {
        let check = |name: &str, ok: bool, detail: String| Check {
            name: name.to_owned(),
            ok,
            standing: "verified".to_owned(),
            detail,
        };
        let counted = expected.manifest.counted.as_ref();
        let least = expected.min_records.max(1);
        vec![
            check(
                "output root",
                self.commitment() == Some(expected.output_root),
                "the answer and its blinding open what was committed".to_owned(),
            ),
            check(
                "bin edges",
                counted.is_some_and(|counted| counted.edges == self.edges),
                "those of the manifest".to_owned(),
            ),
            check(
                "smallest group",
                self.least >= least && self.answer().is_ok(),
                format!("no group has fewer than {} values; the license asks for {least}", self.least),
            ),
            check(
                "values",
                u64::from(self.count) <= expected.count,
                format!("{} of {} registered records have a value", self.count, expected.count),
            ),
        ]
    }

    /// The text of the output's README.
    ///
    /// # Errors
    /// `Integrity` where it is no answer.
    pub fn readme(&self, manifest: &Manifest) -> Result<String> {
        let (field, scale) =
            manifest.counted.as_ref().map_or(("", 0), |counted| (counted.field.as_str(), counted.scale));
        Ok(format!(
            "# A statistic over the dataset {dataset}\n\n\
            Of {records} records, {count} have a number in the field `{field}`; the numbers' sum is {sum}. No group of the histogram\n\
            has fewer than {least} values. The answer is *proven*: the proof that released the money covers the whole computation over\n\
            every registered record, bins and merged groups included. It is exact: no privacy budget was spent. It does not say that\n\
            the numbers are true.\n\n\
            | file | what |\n|---|---|\n\
            | answer.json | count, sum and groups; under `opening` the whole numbers and the blinding that open the commitment |\n\
            | terms.jsonld | the agreement (ODRL 2.2): what may be done with this |\n\
            | job.bundle | manifest, terms, receipt, proof and chain facts: `usufruct verify job.bundle --answer answer.json` |\n\n\
            ```python\n\
            import json\n\
            answer = json.load(open(\"answer.json\")); print(answer[\"count\"], \"values, mean\", float(answer[\"sum\"]) / answer[\"count\"])\n\
            for group in answer[\"groups\"]: print(group[\"from\"] or \"\", \"to below\", group[\"below\"] or \"any\", \":\", group[\"count\"])\n\
            ```\n",
            dataset = manifest.name,
            records = manifest.records,
            count = self.count,
            sum = show(self.sum, scale),
            least = self.least,
        ))
    }
}
