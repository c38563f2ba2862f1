//! Licenses: bought, listed, revoked by the owner, their unused runs reclaimed by the buyer.

use provenance::chain::client::{Chain, LicenseRecord, Purchase};
use provenance::chain::{Address, B256, LicenseState, U256};
use provenance::cid::Cid;
use provenance::offer::SignedOffer;
use provenance::terms::Actions;

use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::ids;
use crate::network::Network;
use crate::{offer, random, time, view};

/// Buys a license from the offer with this CID; pays all its runs into escrow.
///
/// # Errors
/// `NotFound` for an unknown offer; `Refused` where the offer is not for this buyer, or the balance does not reach;
/// `Integrity` where it does not verify.
pub async fn buy(home: &mut Home, network: &Network, offer: &str, dry_run: bool) -> Result<view::License> {
    let cid: Cid = offer.parse().map_err(|e: provenance::Error| Error::usage(e.to_string()))?;
    let verified = offer::read(network, &cid).await?;
    let buyer = home.person.address();
    verified.signed.offer.allows(buyer, network.chain.now().await?)?;
    let terms = &verified.signed.offer.terms;
    if dry_run {
        return Ok(view::License {
            license_id: String::new(),
            status: "not bought".to_owned(),
            side: "held".to_owned(),
            runs: 0,
            bought_at: None,
            runs_left: terms.max_runs,
            expires_at: time::rfc3339((network.chain.now().await? + terms.duration) as i64),
            actions: terms.actions.names().into_iter().map(str::to_owned).collect(),
            dataset_id: ids::shown(verified.signed.offer.dataset),
            licensee: buyer.to_string(),
            tx: None,
            public: vec![
                format!("pays {} into escrow", terms.total_price()?.show(network.symbol())),
                format!("that {buyer} holds a license to this dataset, forever"),
            ],
        });
    }
    if let Some(warning) = offer::unusable(terms) {
        eprintln!("warning: {warning}");
    }
    let (id, tx) = settle_purchase(home, network, &cid, &verified.signed).await?;
    let record = network.chain.license(id).await?;
    shown(buyer, &record, network, Some(tx)).await
}

/// Buys once: the nonce is kept before anything is sent, so that the same command after a crash finds the license it paid
/// for instead of paying again. Returns the license's id and the purchase's transaction.
async fn settle_purchase(home: &mut Home, network: &Network, cid: &Cid, offer: &SignedOffer) -> Result<(B256, B256)> {
    let intent = format!("buy {cid} on {}", network.profile.licenses);
    let nonce = match home.find_bytes(Kind::Intent, &intent)? {
        Some(kept) => U256::from_be_slice(&kept),
        None => {
            let nonce = random::bytes::<32>()?;
            home.keep_bytes(Kind::Intent, &intent, &nonce)?;
            home.commit()?;
            U256::from_be_bytes(nonce)
        }
    };
    let id = Chain::license_id(offer.digest().into(), home.person.address(), nonce);
    let tx = match network.chain.license(id).await {
        Ok(bought) => bought.bought.tx,
        Err(provenance::Error::NotFound(_)) => {
            let purchase = Purchase { offer: offer.offer.to_typed(), signature: offer.signature, nonce };
            pay(home, network, &purchase).await?
        }
        Err(error) => return Err(error.into()),
    };
    home.forget(Kind::Intent, &intent)?;
    home.commit()?;
    Ok((id, tx))
}

/// One transaction where the currency takes permits (ERC-2612), else one that allows the price and one that buys.
async fn pay(home: &Home, network: &Network, purchase: &Purchase) -> Result<B256> {
    let signer = home.person.signer();
    match network.chain.buy_with_permit(signer, purchase).await {
        Ok((_, sent)) => Ok(sent.tx),
        Err(provenance::Error::Refused(_)) => {
            let (_, sent) = network.chain.buy(signer, purchase).await?;
            Ok(sent.last().map(|sent| sent.tx).unwrap_or_default())
        }
        Err(error) => Err(error.into()),
    }
}

/// Licenses that this person holds, and licenses to this person's datasets.
///
/// # Errors
/// `Network`; `Integrity` where the node's events do not match the contract.
pub async fn list(home: &Home, network: &Network) -> Result<view::Licenses> {
    let me = home.person.address();
    let mut records = network.chain.licenses_of(me).await?;
    for given in network.chain.licenses_to(me).await? {
        if !records.iter().any(|record| record.id == given.id) {
            records.push(given);
        }
    }
    let mut licenses = Vec::new();
    for record in &records {
        licenses.push(shown(me, record, network, None).await?);
    }
    Ok(view::Licenses { licenses })
}

/// Ends a license on an own dataset; its unused runs go back to the buyer.
///
/// # Errors
/// `NotFound`; `Refused` for another's dataset or an ended license.
pub async fn revoke(home: &Home, network: &Network, license: &str, dry_run: bool) -> Result<view::License> {
    end(home, network, license, dry_run, async |id| Ok(network.chain.revoke(home.person.signer(), id).await?.tx)).await
}

/// Takes back the price of runs that were never requested.
///
/// # Errors
/// `NotFound`; `Refused` where nothing is left, or for another's license that has not expired.
pub async fn reclaim(home: &Home, network: &Network, license: &str, dry_run: bool) -> Result<view::License> {
    end(home, network, license, dry_run, async |id| Ok(network.chain.reclaim(home.person.signer(), id).await?.tx)).await
}

async fn end(
    home: &Home,
    network: &Network,
    license: &str,
    dry_run: bool,
    act: impl AsyncFnOnce(B256) -> Result<B256>,
) -> Result<view::License> {
    let id = ids::id(license, "license")?;
    let before = network.chain.license(id).await?;
    if before.state != LicenseState::Active || before.runs_left == 0 {
        return Err(Error::refused("the license has ended or has no unused runs: there is nothing to return"));
    }
    if dry_run {
        let mut view = shown(home.person.address(), &before, network, None).await?;
        view.public = vec![format!("{} unused runs would go back to {}", before.runs_left, before.terms.licensee)];
        return Ok(view);
    }
    let tx = act(id).await?;
    shown(home.person.address(), &network.chain.license(id).await?, network, Some(tx)).await
}

async fn shown(me: Address, record: &LicenseRecord, network: &Network, tx: Option<B256>) -> Result<view::License> {
    let now = network.chain.now().await?;
    Ok(view::License {
        license_id: ids::shown(record.id),
        status: status(record, now).to_owned(),
        side: if record.terms.owner == me { "given" } else { "held" }.to_owned(),
        runs: record.runs,
        bought_at: Some(time::rfc3339(record.bought.time as i64)),
        runs_left: record.runs_left,
        expires_at: time::rfc3339(record.terms.expiresAt as i64),
        actions: Actions::from_bits(record.terms.actions)?.names().into_iter().map(str::to_owned).collect(),
        dataset_id: ids::shown(record.terms.dataset),
        licensee: record.terms.licensee.to_string(),
        tx: tx.map(|tx| tx.to_string()),
        public: vec![],
    })
}

fn status(record: &LicenseRecord, now: u64) -> &'static str {
    match record.state {
        LicenseState::Revoked => "revoked",
        LicenseState::Reclaimed => "reclaimed",
        _ if now > record.terms.expiresAt => "expired",
        _ if record.runs_left == 0 => "used up",
        _ => "active",
    }
}
