//! Terms as W3C ODRL 2.2 in JSON-LD: the offer, and the agreement once somebody bought it.
//!
//! Whatever is not permitted is prohibited by name, and `conflict` says that a prohibition wins. Words that ODRL lacks
//! live under `urn:usufruct:v1:`.

use super::{Action, DAY, Terms};
use crate::chain::Address;
use serde_json::{Map, Value, json};

/// Namespace of the words that ODRL does not have.
const NAMESPACE: &str = "urn:usufruct:v1:";

/// Who the terms are between, and about what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parties {
    /// DatasetId.
    pub dataset: [u8; 32],
    /// EIP-712 digest of the offer.
    pub offer: [u8; 32],
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The dataset's owner.
    pub owner: Address,
    /// The only one who may buy, where the offer names one.
    pub licensee: Option<Address>,
}

/// The ODRL offer. `symbol` is the currency's.
pub fn odrl_offer(terms: &Terms, parties: &Parties, symbol: &str) -> Value {
    let uid = format!("urn:usufruct:offer:0x{}", hex::encode(parties.offer));
    document("Offer", uid, terms, parties, parties.licensee, symbol)
}

/// The ODRL agreement under `license` with `licensee`.
pub fn odrl_agreement(terms: &Terms, parties: &Parties, license: &[u8; 32], licensee: Address, symbol: &str) -> Value {
    let uid = format!("urn:usufruct:license:0x{}", hex::encode(license));
    document("Agreement", uid, terms, parties, Some(licensee), symbol)
}

fn document(
    kind: &str,
    uid: String,
    terms: &Terms,
    parties: &Parties,
    assignee: Option<Address>,
    symbol: &str,
) -> Value {
    let mut rule = Map::new();
    rule.insert("target".into(), json!(format!("urn:usufruct:dataset:0x{}", hex::encode(parties.dataset))));
    rule.insert("assigner".into(), json!(account(parties.chain_id, parties.owner)));
    if let Some(assignee) = assignee {
        rule.insert("assignee".into(), json!(account(parties.chain_id, assignee)));
    }
    let mut root = json!({
        "@context": ["http://www.w3.org/ns/odrl.jsonld", {"usu": NAMESPACE}],
        "@type": kind,
        "uid": uid,
        "profile": "urn:usufruct:odrl:v1",
        "conflict": "prohibit",
    });
    if let Value::Object(map) = &mut root {
        map.insert("dct:license".into(), json!(format!("ipfs://{}", terms.legal_cid())));
        if !terms.actions.is_empty() {
            map.insert("permission".into(), json!([permission(terms, &rule, symbol, parties.chain_id)]));
        }
        map.insert("prohibition".into(), prohibitions(terms, &rule));
        if terms.retention_days > 0 && !terms.actions.is_empty() {
            map.insert("obligation".into(), json!([deletion(terms, &rule)]));
        }
    }
    root
}

/// CAIP-10 as a URI of the `did:pkh` method, which names an account on a chain.
fn account(chain_id: u64, address: Address) -> String {
    format!("did:pkh:eip155:{chain_id}:{address}")
}

fn permission(terms: &Terms, rule: &Map<String, Value>, symbol: &str, chain_id: u64) -> Value {
    let mut permission = rule.clone();
    let actions: Vec<String> = terms.actions.iter().map(word).collect();
    permission.insert("action".into(), json!(actions));
    permission.insert("constraint".into(), json!(constraints(terms)));
    permission.insert("duty".into(), json!(duties(terms, symbol, chain_id)));
    Value::Object(permission)
}

fn word(action: Action) -> String {
    format!("usu:{}", action.name())
}

fn constraint(left: &str, operator: &str, kind: &str, value: &str) -> Value {
    json!({"leftOperand": left, "operator": operator, "rightOperand": {"@value": value, "@type": kind}})
}

fn constraints(terms: &Terms) -> Vec<Value> {
    let purposes: Vec<Value> =
        terms.purposes.iter().map(|purpose| json!({"@id": format!("usu:{}", purpose.name())})).collect();
    let mut all = vec![
        constraint("count", "lteq", "xsd:integer", &terms.max_runs.to_string()),
        constraint("elapsedTime", "lteq", "xsd:duration", &duration(terms.duration)),
        json!({"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": purposes}),
        constraint("usu:records", "gteq", "xsd:integer", &terms.min_records.to_string()),
        constraint("usu:respondWithin", "lteq", "xsd:duration", &duration(terms.respond_within)),
        constraint("usu:acceptWithin", "lteq", "xsd:duration", &duration(terms.accept_within)),
    ];
    if terms.max_epsilon_micro > 0 {
        let epsilon = terms.max_epsilon_micro.to_string();
        all.push(constraint("usu:epsilonMillionths", "lteq", "xsd:integer", &epsilon));
    }
    all
}

fn duties(terms: &Terms, symbol: &str, chain_id: u64) -> Vec<Value> {
    let mut pay = constraint("payAmount", "eq", "xsd:decimal", &terms.price_per_run.decimal());
    if let Value::Object(map) = &mut pay {
        map.insert("unit".into(), json!(format!("{NAMESPACE}currency:eip155:{chain_id}:{}", terms.currency)));
        map.insert("usu:symbol".into(), json!(symbol));
    }
    let mut duties = vec![json!({
        "action": [{"rdf:value": {"@id": "odrl:compensate"}, "refinement": [pay]}],
        "constraint": [{"leftOperand": "event", "operator": "lt", "rightOperand": {"@id": "odrl:policyUsage"}}],
    })];
    if terms.attribution {
        duties.push(json!({"action": "attribute"}));
    }
    duties
}

fn prohibitions(terms: &Terms, rule: &Map<String, Value>) -> Value {
    let mut actions: Vec<String> =
        Action::ALL.iter().filter(|action| !terms.actions.contains(**action)).map(|action| word(*action)).collect();
    if !terms.commercial {
        actions.push("cc:CommercialUse".into());
    }
    actions.extend(["distribute".into(), "sell".into(), "usu:reidentify".into()]);
    let mut prohibition = rule.clone();
    prohibition.insert("action".into(), json!(actions));
    Value::Array(vec![Value::Object(prohibition)])
}

fn deletion(terms: &Terms, rule: &Map<String, Value>) -> Value {
    let mut obligation = rule.clone();
    let limit = format!("P{}D", terms.retention_days);
    obligation.insert("action".into(), json!("delete"));
    obligation.insert("constraint".into(), json!([constraint("elapsedTime", "lteq", "xsd:duration", &limit)]));
    Value::Object(obligation)
}

/// An `xsd:duration`: whole days where they are whole, else seconds.
fn duration(seconds: u64) -> String {
    if seconds > 0 && seconds.is_multiple_of(DAY) { format!("P{}D", seconds / DAY) } else { format!("PT{seconds}S") }
}
