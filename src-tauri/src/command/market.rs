//! Offers and licenses.

use app::home::Home;
use app::network::Network;
use app::view::{Act, License, Licenses, OfferCreated, OfferPreview, OfferWanted, Offers, Presets};
use app::{license, offer};
use tauri::State;

use crate::desk::{Answer, Desk};

/// Terms that can be offered with one click.
#[tauri::command]
#[specta::specta]
pub async fn preset_list(desk: State<'_, Desk>) -> Answer<Presets> {
    desk.open(|_| offer::presets()).await
}

/// What an offer of a published dataset would say, in words and as ODRL. Signs nothing.
#[tauri::command]
#[specta::specta]
pub async fn offer_preview(desk: State<'_, Desk>, dataset: String, wanted: OfferWanted) -> Answer<OfferPreview> {
    desk.off(move |desk| desk.look(async |home, network| offer::preview(home, network, &dataset, &wanted).await)).await
}

/// Signs and announces an offer, once the person confirmed it in the window `confirm`.
#[tauri::command]
#[specta::specta]
pub async fn offer_create(desk: State<'_, Desk>, dataset: String, wanted: OfferWanted) -> Answer<OfferCreated> {
    desk.off(move |desk| {
        let facts = async |home: &mut Home, network: &Network| {
            let preview = offer::preview(home, network, &dataset, &wanted).await?;
            Ok((dataset.clone(), [preview.terms.summary, preview.public].concat()))
        };
        desk.with_consent(Act::Offer, facts, async |home, network| {
            offer::create(home, network, &dataset, &wanted, false).await
        })
    })
    .await
}

/// The offers that this person announced.
#[tauri::command]
#[specta::specta]
pub async fn offer_list(desk: State<'_, Desk>) -> Answer<Offers> {
    desk.off(|desk| desk.look(async |home, network| offer::list(home, network).await)).await
}

/// Licenses given on own datasets, and licenses held.
#[tauri::command]
#[specta::specta]
pub async fn license_list(desk: State<'_, Desk>) -> Answer<Licenses> {
    desk.off(|desk| desk.look(async |home, network| license::list(home, network).await)).await
}

/// Ends a license on an own dataset, once the person confirmed it in the window `confirm`; its unused runs are paid back.
#[tauri::command]
#[specta::specta]
pub async fn license_revoke(desk: State<'_, Desk>, license: String) -> Answer<License> {
    desk.off(move |desk| {
        let facts = async |home: &mut Home, network: &Network| {
            let would = license::revoke(home, network, &license, true).await?;
            Ok((would.license_id, would.public))
        };
        desk.with_consent(Act::Revoke, facts, async |home, network| {
            license::revoke(home, network, &license, false).await
        })
    })
    .await
}
