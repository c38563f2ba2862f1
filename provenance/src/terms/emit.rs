//! Terms for other people's tools: Croissant `usageInfo`, the AIPREF string, CAWG training-mining entries.
//!
//! These vocabularies say less than the terms do. Where one cannot say something exactly, the stricter word is taken.

use super::{Action, Terms};
use serde_json::{Value, json};

/// The value of `usageInfo` in Croissant 1.1: a schema.org `CreativeWork` with the terms in plain sentences and the
/// address of the human text. `name` is a short title, `symbol` the currency's.
pub fn croissant_usage_info(terms: &Terms, name: &str, symbol: &str) -> Value {
    json!({
        "@type": "sc:CreativeWork",
        "name": name,
        "description": terms.summary(symbol).join(" "),
        "url": format!("ipfs://{}", terms.legal_cid()),
    })
}

/// The usage preference of draft-ietf-aipref-vocab-05: `train-ai` (making a generative or foundation model) and
/// `search`. Both are refused unless the terms allow them without conditions that the string cannot carry.
///
/// The data is never public, so that neither is ever granted by preference alone: a `y` would say that no license is
/// needed.
pub fn aipref(terms: &Terms) -> String {
    let free = terms.price_per_run.is_zero() && terms.commercial && !terms.attribution && terms.retention_days == 0;
    let train = free && terms.actions.contains(Action::TrainGenerative) && terms.actions.contains(Action::Download);
    format!("search=n, train-ai={}", if train { 'y' } else { 'n' })
}

/// The `entries` of a CAWG training-and-data-mining assertion 1.1 (label `cawg.training-mining`): `constrained` where a
/// license is needed, `notAllowed` where no license grants it.
pub fn cawg_training_mining(terms: &Terms) -> Value {
    let info = format!("ipfs://{}", terms.legal_cid());
    let entry = |granted: bool| {
        if granted { json!({"use": "constrained", "constraint_info": info}) } else { json!({"use": "notAllowed"}) }
    };
    let any = |actions: &[Action]| actions.iter().any(|action| terms.actions.contains(*action));
    json!({
        "entries": {
            "cawg.ai_generative_training": entry(any(&[Action::TrainGenerative])),
            "cawg.ai_inference": entry(any(&[Action::Infer, Action::Evaluate])),
            "cawg.ai_training": entry(any(&[Action::TrainNonGenerative])),
            "cawg.data_mining": entry(any(&[Action::Statistic, Action::Embed])),
        }
    })
}
