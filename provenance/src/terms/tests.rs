use super::*;
use serde_json::Value;

const CURRENCY: Address = Address::repeat_byte(0xcc);
const NOW: u64 = 1_800_000_000;

fn terms(preset: Preset) -> Terms {
    preset.terms(Amount::parse("2.5", "USU").unwrap(), CURRENCY)
}

fn parties() -> Parties {
    Parties {
        dataset: [0xda; 32],
        offer: [0x0f; 32],
        chain_id: 31337,
        owner: Address::repeat_byte(0xaa),
        licensee: None,
    }
}

/// Compares with a file under `tests/golden`; `UPDATE_GOLDEN=1` writes it instead.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name} differs from its golden file");
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn emitters_match_their_golden_files() {
    for preset in PRESETS {
        let terms = terms(preset);
        golden(&format!("{preset}.offer.odrl.json"), &pretty(&odrl_offer(&terms, &parties(), "USU")));
        let agreement = odrl_agreement(&terms, &parties(), &[0x11; 32], Address::repeat_byte(0xbb), "USU");
        golden(&format!("{preset}.agreement.odrl.json"), &pretty(&agreement));
        golden(&format!("{preset}.usage-info.json"), &pretty(&croissant_usage_info(&terms, preset.title(), "USU")));
        golden(&format!("{preset}.aipref.txt"), &(aipref(&terms) + "\n"));
        golden(&format!("{preset}.cawg.json"), &pretty(&cawg_training_mining(&terms)));
        golden(&format!("{preset}.summary.txt"), &(terms.summary("USU").join("\n") + "\n"));
        golden(&format!("{preset}.legal.cid"), &(preset.legal_cid().to_string() + "\n"));
    }
}

#[test]
fn odrl_never_permits_and_prohibits_the_same() {
    for preset in PRESETS {
        let offer = odrl_offer(&terms(preset), &parties(), "USU");
        let permitted = offer["permission"][0]["action"].as_array().cloned().unwrap_or_default();
        let prohibited = offer["prohibition"][0]["action"].as_array().cloned().unwrap();
        assert_eq!(permitted.len() + prohibited.iter().filter(|a| known(a)).count(), Action::ALL.len());
        assert!(!permitted.iter().any(|action| prohibited.contains(action)));
    }
}

fn known(action: &Value) -> bool {
    Action::ALL.iter().any(|known| action == &Value::from(format!("usu:{}", known.name())))
}

#[test]
fn every_preset_but_private_can_be_offered() {
    for preset in PRESETS {
        assert_eq!(terms(preset).check().is_ok(), preset != Preset::Private, "{preset}");
    }
}

#[test]
fn preset_is_found_by_its_legal_text() {
    for preset in PRESETS {
        assert_eq!(Preset::of_legal_text(&terms(preset).legal_text), Some(preset));
        assert_eq!(preset.name().parse::<Preset>().unwrap(), preset);
        preset.legal_cid().verify(preset.legal_text().as_bytes()).unwrap();
    }
    assert_eq!(Preset::of_legal_text(&[0; 32]), None);
    assert!("Private".parse::<Preset>().unwrap_err().to_string().contains("open-research"));
}

#[test]
fn terms_survive_the_chain_and_the_wire() {
    for preset in PRESETS {
        let terms = terms(preset);
        assert_eq!(Terms::from_typed(&terms.to_typed()).unwrap(), terms);
        assert_eq!(Terms::try_from(TermsWire::from(&terms)).unwrap(), terms);
    }
}

#[test]
fn unknown_bits_from_the_chain_are_refused() {
    let mut typed = terms(Preset::OpenResearch).to_typed();
    typed.actions |= 128;
    assert!(Terms::from_typed(&typed).unwrap_err().to_string().contains("0x80"));
    let mut typed = terms(Preset::OpenResearch).to_typed();
    typed.purposes |= 32;
    assert!(Terms::from_typed(&typed).is_err());
}

#[test]
fn price_above_the_limit_from_the_chain_is_refused() {
    let mut typed = terms(Preset::OpenResearch).to_typed();
    typed.pricePerRun = crate::chain::U256::MAX;
    assert!(Terms::from_typed(&typed).is_err());
}

#[test]
fn bits_have_the_contracts_values() {
    let bits: Vec<u16> = Action::ALL.iter().map(|action| action.bit()).collect();
    assert_eq!(bits, [1, 2, 4, 8, 16, 32, 64]);
    let bits: Vec<u16> = Purpose::ALL.iter().map(|purpose| purpose.bit()).collect();
    assert_eq!(bits, [1, 2, 4, 8, 16]);
    for action in Action::ALL {
        assert_eq!(Action::from_bit(action.bit()).unwrap(), *action);
        assert_eq!(action.name().parse::<Action>().unwrap(), *action);
    }
}

#[test]
fn two_bits_are_no_action() {
    for bit in [0, 3, 128, 0xffff] {
        assert!(Action::from_bit(bit).is_err(), "{bit}");
    }
    assert!("Embed".parse::<Action>().is_err());
    assert!("".parse::<Purpose>().is_err());
}

/// `change` must make terms that can be offered into terms that cannot, for `reason`.
fn not_offerable(change: impl FnOnce(&mut Terms), reason: &str) {
    let mut terms = terms(Preset::EmbeddingsNonCommercial);
    terms.check().unwrap();
    change(&mut terms);
    let error = terms.check().unwrap_err();
    assert!(matches!(error, Error::Refused(_) | Error::Invalid(_)) && error.to_string().contains(reason), "{error}");
}

#[test]
fn terms_without_an_action_or_purpose_are_refused() {
    not_offerable(|t| t.actions = Actions::NONE, "no action");
    not_offerable(|t| t.purposes = Purposes::NONE, "no purpose");
}

#[test]
fn terms_without_runs_or_time_are_refused() {
    not_offerable(|t| t.max_runs = 0, "max_runs");
    not_offerable(|t| t.duration = 0, "duration");
    not_offerable(|t| t.respond_within = 0, "respond_within");
    not_offerable(|t| t.accept_within = 0, "accept_within");
}

#[test]
fn limits_are_those_of_the_contract() {
    let contract = include_str!("../../../contracts/src/LicenseRegistry.sol");
    for (name, seconds) in [("MAX_WAIT", MAX_WAIT), ("MAX_DURATION", MAX_DURATION)] {
        let line = format!("uint64 public constant {name} = {} days;", seconds / DAY);
        assert!(contract.contains(&line), "{line}");
    }
}

#[test]
fn terms_beyond_the_contracts_limits_are_refused() {
    not_offerable(|t| t.duration = MAX_DURATION + 1, "duration");
    not_offerable(|t| t.respond_within = MAX_WAIT + 1, "respond_within");
    not_offerable(|t| t.accept_within = u64::MAX, "accept_within");
    not_offerable(
        |t| {
            t.price_per_run = Amount::parse("340282366920938463463", "USU").unwrap();
            t.max_runs = 2;
        },
        "2^128",
    );
}

#[test]
fn terms_without_a_legal_text_are_refused() {
    not_offerable(|t| t.legal_text = [0; 32], "legal_text");
}

fn asked() -> Use {
    Use {
        action: Action::Embed,
        purpose: Some(Purpose::Research),
        commercial: false,
        now: NOW + 5,
        bought_at: NOW,
        runs_used: 0,
        records: 100,
    }
}

#[test]
fn licensed_use_is_allowed() {
    terms(Preset::EmbeddingsNonCommercial).allows(&asked()).unwrap();
    let last = Use { now: NOW + 30 * DAY, ..asked() };
    terms(Preset::EmbeddingsNonCommercial).allows(&last).unwrap();
    let any = Use { action: Action::Statistic, purpose: Some(Purpose::Product), commercial: true, ..asked() };
    terms(Preset::StatisticsOnly).allows(&any).unwrap();
}

/// The use must be refused for `reason` only.
fn refused(asked: Use, reason: &str) {
    let reasons = terms(Preset::EmbeddingsNonCommercial).refusals(&asked);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains(reason), "{reasons:?}");
}

#[test]
fn other_action_is_refused() {
    refused(Use { action: Action::TrainGenerative, ..asked() }, "does not allow train_generative");
    refused(Use { action: Action::Download, ..asked() }, "it allows embed");
}

#[test]
fn other_purpose_is_refused() {
    refused(Use { purpose: Some(Purpose::Product), ..asked() }, "not for product");
    refused(Use { purpose: Some(Purpose::Any), ..asked() }, "not for any");
}

#[test]
fn commercial_use_is_refused() {
    refused(Use { commercial: true, ..asked() }, "non-commercial");
}

#[test]
fn expired_license_is_refused() {
    refused(Use { now: NOW + 30 * DAY + 1, ..asked() }, "expired 1 second ago");
}

#[test]
fn used_up_license_is_refused() {
    refused(Use { runs_used: 1, ..asked() }, "all 1 runs");
}

#[test]
fn small_dataset_is_refused() {
    refused(Use { records: 7, ..asked() }, "7 records");
}

#[test]
fn private_terms_refuse_everything() {
    for action in Action::ALL {
        assert!(terms(Preset::Private).allows(&Use { action: *action, ..asked() }).is_err());
    }
}

#[test]
fn all_reasons_are_given_at_once() {
    let bad = Use { action: Action::Infer, commercial: true, runs_used: 9, records: 1, ..asked() };
    assert_eq!(terms(Preset::EmbeddingsNonCommercial).refusals(&bad).len(), 4);
}

#[test]
fn aipref_says_no_for_every_preset() {
    for preset in PRESETS {
        assert_eq!(aipref(&terms(preset)), "search=n, train-ai=n");
    }
}
