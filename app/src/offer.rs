//! Offers: signed proposals to license a dataset, stored by content and announced on-chain; and finding those of others.

use std::collections::HashMap;

use provenance::chain::typed::Domain;
use provenance::chain::{Address, RefundReason, U256};
use provenance::cid::{Cid, Codec};
use provenance::manifest::Manifest;
use provenance::offer::{Offer, SignedOffer};
use provenance::terms::{Action, Amount, DAY, PRESETS, Parties, Preset, Terms, odrl_offer};

use crate::error::{Code, Error, Result};
use crate::home::Home;
use crate::ids;
use crate::job::template::Template;
use crate::network::Network;
use crate::{dataset, random, time, view};

/// Seconds in an hour.
const HOUR: u64 = 3600;

/// The symbol in presets, which stand for no network yet.
const PRESET_SYMBOL: &str = "USU";

/// All presets, at a price of one.
///
/// # Errors
/// `Failure` where the price cannot be shown; it can.
pub fn presets() -> Result<view::Presets> {
    let price = Amount::parse("1", PRESET_SYMBOL)?;
    let shown = |preset: &Preset| {
        let terms = preset.terms(price, Address::ZERO);
        view::Preset {
            name: preset.name().to_owned(),
            title: preset.title().to_owned(),
            legal_text: preset.legal_text().to_owned(),
            unusable: unusable(&terms),
            terms: terms_in(&terms, PRESET_SYMBOL),
        }
    };
    Ok(view::Presets { presets: PRESETS.iter().map(shown).collect() })
}

/// What an offer would say, in words and as ODRL, and what making it would make public. Signs nothing.
///
/// # Errors
/// Like [`create`].
pub async fn preview(
    home: &Home,
    network: &Network,
    name: &str,
    wanted: &view::OfferWanted,
) -> Result<view::OfferPreview> {
    let (offer, warnings) = plan(home, network, name, wanted).await?;
    let owner = home.person.address();
    let parties = Parties {
        dataset: offer.dataset,
        offer: [0; 32],
        chain_id: network.profile.chain_id,
        owner,
        licensee: offer.licensee,
    };
    let odrl = odrl_offer(&offer.terms, &parties, network.symbol());
    let mut public = vec![
        format!(
            "the terms and the price ({} a run), signed by {owner}",
            offer.terms.price_per_run.show(network.symbol())
        ),
        format!("that dataset {} can be licensed for {} days", ids::shown(offer.dataset), wanted.valid_days),
    ];
    public.extend(offer.licensee.map(|buyer| format!("that {buyer} alone may buy it")));
    public.extend(warnings);
    Ok(view::OfferPreview {
        terms: shown_terms(&offer.terms, network),
        odrl: serde_json::to_string_pretty(&odrl).map_err(|e| Error::failure(e.to_string()))?,
        public,
    })
}

/// Signs an offer for the dataset `name` and announces it.
///
/// # Errors
/// `NotFound` for an unknown dataset; `Refused` for one that is not published here, or terms that cannot be offered.
pub async fn create(
    home: &Home,
    network: &Network,
    name: &str,
    wanted: &view::OfferWanted,
    dry_run: bool,
) -> Result<view::OfferCreated> {
    let (offer, warnings) = plan(home, network, name, wanted).await?;
    let signed = offer.sign(home.person.signer(), offers_domain(network))?;
    let bytes = signed.to_bytes()?;
    let cid = signed.cid()?;
    let mut public = vec![
        format!(
            "the terms and the price ({} a run), signed by {}",
            signed.offer.terms.price_per_run.show(network.symbol()),
            home.person.address()
        ),
        format!(
            "that dataset {} can be licensed until {}",
            ids::shown(signed.offer.dataset),
            time::rfc3339(signed.offer.valid_until as i64)
        ),
    ];
    let shown = shown_terms(&signed.offer.terms, network);
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    public.extend(warnings);
    if dry_run {
        return Ok(view::OfferCreated { offer_cid: cid.to_string(), tx: None, terms: shown, public });
    }
    network.content.put_raw(&bytes)?;
    if let Some(preset) = Preset::of_legal_text(&signed.offer.terms.legal_text) {
        network.content.put_raw(preset.legal_text().as_bytes())?;
    }
    let sent = network.chain.announce(home.person.signer(), cid.digest().into()).await?;
    Ok(view::OfferCreated { offer_cid: cid.to_string(), tx: Some(sent.tx.to_string()), terms: shown, public })
}

/// The offer as it would be signed, and what its owner should know before signing.
async fn plan(home: &Home, network: &Network, name: &str, wanted: &view::OfferWanted) -> Result<(Offer, Vec<String>)> {
    let dataset = dataset::find(home, name)?;
    let published = dataset.published_on(network)?;
    let terms = terms(wanted, network)?;
    terms.check().map_err(|error| match error {
        // A price that no contract can carry is a slip of whoever typed it, no damage.
        provenance::Error::Invalid(message) => Error::usage(message),
        other => other.into(),
    })?;
    if wanted.valid_days == 0 {
        return Err(Error::refused("an offer that is valid for 0 days ends before anybody can buy it")
            .hint("Give it a day at least with --valid."));
    }
    if dataset.count < u64::from(terms.min_records) {
        return Err(Error::refused(format!(
            "these terms need {} records and {name:?} has {}",
            terms.min_records, dataset.count
        ))
        .hint("Lower it with --min-records, or offer a larger dataset."));
    }
    let warnings = unusable(&terms).into_iter().chain(unanswerable(&terms, &dataset)).collect();
    let offer = Offer {
        dataset: published.id,
        terms,
        licensee: wanted.licensee.as_deref().map(ids::address).transpose()?,
        max_licenses: wanted.max_licenses,
        valid_until: network.chain.now().await? + u64::from(wanted.valid_days) * DAY,
        nonce: U256::from_be_bytes(random::bytes::<32>()?),
    };
    Ok((offer, warnings))
}

fn terms(wanted: &view::OfferWanted, network: &Network) -> Result<Terms> {
    let preset: Preset = wanted.preset.parse().map_err(|e: provenance::Error| Error::usage(e.to_string()))?;
    let price = Amount::parse(&wanted.price, network.symbol()).map_err(|e| Error::usage(e.to_string()))?;
    let mut terms = preset.terms(price, network.currency()?);
    terms.max_runs = wanted.max_runs.unwrap_or(terms.max_runs);
    terms.duration = wanted.duration_days.map_or(terms.duration, |days| u64::from(days) * DAY);
    terms.respond_within = wanted.respond_hours.map_or(terms.respond_within, |hours| u64::from(hours) * HOUR);
    terms.accept_within = wanted.accept_hours.map_or(terms.accept_within, |hours| u64::from(hours) * HOUR);
    terms.min_records = wanted.min_records.unwrap_or(terms.min_records);
    Ok(terms)
}

/// The contract that offers are signed for.
pub fn offers_domain(network: &Network) -> Domain {
    Domain { chain_id: network.profile.chain_id, contract: network.profile.licenses }
}

/// A warning where these terms allow nothing that this program can run.
pub fn unusable(terms: &Terms) -> Option<String> {
    let usable = Template::ALL.iter().any(|template| terms.actions.contains(template.action()));
    (!usable).then(|| {
        let known: Vec<String> = Template::ALL.iter().map(|template| format!("`{template}`")).collect();
        let known = known.join(" and ");
        format!("this version runs {known} only, so nobody can use a license for {} yet", terms.actions)
    })
}

/// A warning where statistics are offered over a dataset that counts no field.
fn unanswerable(terms: &Terms, dataset: &dataset::Dataset) -> Option<String> {
    let offered = terms.actions.contains(Action::Statistic) && dataset.counted.is_none();
    offered.then(|| {
        let name = &dataset.name;
        format!(
            "every request for statistics will be refused: {name:?} names no field to count, as `dataset create \
             --statistic FIELD --edges EDGES` does"
        )
    })
}

/// What to look for.
pub struct Filter {
    /// An action's name.
    pub action: Option<String>,
    /// A kind of records.
    pub kind: Option<String>,
    /// The most that one run may cost.
    pub max_price: Option<String>,
}

/// Announced offers that verify and fit, newest first. An offer that does not verify is left out and named.
///
/// # Errors
/// `Usage` for an unknown action; `Network`.
pub async fn find(network: &Network, filter: &Filter) -> Result<view::Offers> {
    let action: Option<Action> = filter
        .action
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|e: provenance::Error| Error::usage(e.to_string()))?;
    let most = filter
        .max_price
        .as_deref()
        .map(|price| Amount::parse(price, network.symbol()))
        .transpose()
        .map_err(|e| Error::usage(e.to_string()))?;
    let now = network.chain.now().await?;
    let mut found = view::Offers { offers: vec![], left_out: vec![] };
    let mut tracks = HashMap::new();
    for announced in network.chain.announcements(None).await?.into_iter().rev() {
        let cid = Cid::from_digest(Codec::Raw, announced.offer.0);
        let verified = match read(network, &cid).await {
            Ok(verified) => verified,
            Err(error) if error.code == Code::Network => return Err(error),
            Err(error) => {
                found.left_out.push(format!("{cid}: {}", error.message));
                continue;
            }
        };
        let terms = &verified.signed.offer.terms;
        let fits = now <= verified.signed.offer.valid_until
            && action.is_none_or(|action| terms.actions.contains(action))
            && filter.kind.as_ref().is_none_or(|kind| verified.manifest.kinds.contains(kind))
            && most.is_none_or(|most| terms.price_per_run.units() <= most.units());
        if fits {
            let owner = verified.owner;
            if let std::collections::hash_map::Entry::Vacant(entry) = tracks.entry(owner) {
                entry.insert(track(network, owner).await?);
            }
            found.offers.push(shown(&cid, &verified, network, tracks[&owner]));
        }
    }
    Ok(found)
}

/// How many jobs an owner settled, and how many ended in a refund because the owner was silent or late.
async fn track(network: &Network, owner: Address) -> Result<(u64, u64)> {
    let jobs = network.chain.jobs_for(owner).await?;
    let settled = jobs.iter().filter(|job| job.settled.is_some()).count() as u64;
    let missed = [RefundReason::NotRun, RefundReason::NotDrawn, RefundReason::NotSettled];
    let refunded =
        jobs.iter().filter(|job| job.refunded.is_some_and(|refund| missed.contains(&refund.reason))).count() as u64;
    Ok((settled, refunded))
}

/// An offer with what it is about, all of it checked against the chain.
pub struct Verified {
    /// The offer.
    pub signed: SignedOffer,
    /// The dataset's manifest.
    pub manifest: Manifest,
    /// Who owns the dataset.
    pub owner: Address,
    /// How many records it has on-chain.
    pub count: u64,
}

/// Reads an offer and its dataset's manifest, and verifies both: by content, by signature, and against the registry.
///
/// # Errors
/// `Integrity` where something does not agree; `NotFound` where it is not stored.
pub async fn read(network: &Network, cid: &Cid) -> Result<Verified> {
    let signed = SignedOffer::from_bytes(&network.content.get_raw(cid)?)?;
    let dataset = network.chain.dataset(signed.offer.dataset.into()).await?;
    signed.verify(dataset.owner, &offers_domain(network))?;
    if signed.offer.terms.currency != network.currency()? {
        return Err(Error::refused("the offer is priced in a currency that this program does not show"));
    }
    let manifest = read_manifest(network, dataset.manifest.0)?;
    let agrees = manifest.root == dataset.root.to_be_bytes::<32>()
        && manifest.records == dataset.count
        && manifest.owner == dataset.owner;
    if !agrees {
        return Err(Error::integrity("the manifest does not describe the dataset that is registered"));
    }
    Ok(Verified { signed, manifest, owner: dataset.owner, count: dataset.count })
}

/// The manifest with this digest.
///
/// # Errors
/// `Integrity` where its bytes are not what the digest names.
pub fn read_manifest(network: &Network, digest: [u8; 32]) -> Result<Manifest> {
    let cid = Cid::from_digest(Codec::Raw, digest);
    Ok(Manifest::from_bytes(&network.content.get_raw(&cid)?)?)
}

/// The offers that this person announced on this network, newest first.
///
/// # Errors
/// `Network`.
pub async fn list(home: &Home, network: &Network) -> Result<view::Offers> {
    let mut found = view::Offers { offers: vec![], left_out: vec![] };
    let me = home.person.address();
    let track = track(network, me).await?;
    for announced in network.chain.announcements(Some(me)).await?.into_iter().rev() {
        let cid = Cid::from_digest(Codec::Raw, announced.offer.0);
        match read(network, &cid).await {
            Ok(verified) => found.offers.push(shown(&cid, &verified, network, track)),
            Err(error) if error.code == Code::Network => return Err(error),
            Err(error) => found.left_out.push(format!("{cid}: {}", error.message)),
        }
    }
    Ok(found)
}

fn shown(cid: &Cid, verified: &Verified, network: &Network, (delivered, refunded): (u64, u64)) -> view::Offer {
    let manifest = &verified.manifest;
    view::Offer {
        offer_cid: cid.to_string(),
        dataset_id: ids::shown(verified.signed.offer.dataset),
        dataset: manifest.name.clone(),
        description: manifest.description.clone(),
        records: verified.count,
        kinds: manifest.kinds.clone(),
        fields: manifest.fields.iter().map(|field| field.name.clone()).collect(),
        released: manifest.released().map(str::to_owned).collect(),
        counted: manifest.counted.as_ref().map(|counted| counted.field.clone()),
        source_level: manifest.levels.iter().map(|level| level.words()).collect::<Vec<_>>().join(", "),
        owner: verified.owner.to_string(),
        delivered,
        refunded,
        valid_until: time::rfc3339(verified.signed.offer.valid_until as i64),
        terms: shown_terms(&verified.signed.offer.terms, network),
    }
}

/// Terms for a reader.
pub fn shown_terms(terms: &Terms, network: &Network) -> view::Terms {
    terms_in(terms, network.symbol())
}

fn terms_in(terms: &Terms, symbol: &str) -> view::Terms {
    view::Terms {
        actions: terms.actions.names().into_iter().map(str::to_owned).collect(),
        purposes: terms.purposes.names().into_iter().map(str::to_owned).collect(),
        commercial: terms.commercial,
        attribution: terms.attribution,
        price_per_run: terms.price_per_run.show(symbol),
        max_runs: terms.max_runs,
        duration: terms.duration,
        respond_within: terms.respond_within,
        accept_within: terms.accept_within,
        min_records: terms.min_records,
        retention_days: terms.retention_days,
        legal_text: terms.legal_cid().to_string(),
        summary: terms.summary(symbol),
    }
}
