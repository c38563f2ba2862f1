//! The account that signs and is paid.

use std::fmt;

use provenance::terms::Amount;
use serde::Serialize;

use crate::error::Result;
use crate::home::Home;
use crate::network::Network;
use crate::view;

/// What a wallet command prints.
#[derive(Serialize)]
#[serde(untagged)]
pub enum View {
    /// Address and balance.
    Wallet(view::Wallet),
    /// What the faucet would give.
    Faucet(view::Faucet),
    /// One grant.
    Grant(view::Grant),
    /// Several grants.
    Grants(view::Grants),
}

impl From<view::Wallet> for View {
    fn from(view: view::Wallet) -> Self {
        View::Wallet(view)
    }
}

impl From<view::Faucet> for View {
    fn from(view: view::Faucet) -> Self {
        View::Faucet(view)
    }
}

impl From<view::Grant> for View {
    fn from(view: view::Grant) -> Self {
        View::Grant(view)
    }
}

impl From<view::Grants> for View {
    fn from(view: view::Grants) -> Self {
        View::Grants(view)
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            View::Wallet(view) => view.fmt(f),
            View::Faucet(view) => view.fmt(f),
            View::Grant(view) => view.fmt(f),
            View::Grants(view) => view.fmt(f),
        }
    }
}

/// Address and balance.
///
/// # Errors
/// `Network`.
pub async fn show(home: &Home, network: &Network) -> Result<view::Wallet> {
    shown(home, network, None).await
}

/// Test money from the token's faucet.
///
/// # Errors
/// `Refused` on networks that are not for trying things out, or when the faucet gives no more.
pub async fn faucet(home: &Home, network: &Network) -> Result<view::Wallet> {
    let (_, sent) = network.chain.faucet(home.person.signer()).await?;
    shown(home, network, Some(sent.tx.to_string())).await
}

/// What [`faucet`] would give; nothing is sent.
///
/// # Errors
/// Like [`faucet`].
pub async fn faucet_would(home: &Home, network: &Network) -> Result<view::Faucet> {
    let me = home.person.address();
    let amount = Amount::from_units(network.chain.faucet_gives(me).await?)?;
    Ok(view::Faucet {
        wallet: me.to_string(),
        gives: amount.show(network.symbol()),
        network: network.profile.name.clone(),
    })
}

async fn shown(home: &Home, network: &Network, tx: Option<String>) -> Result<view::Wallet> {
    let me = home.person.address();
    let tokens = network.chain.token_balance(me, network.currency()?).await?;
    Ok(view::Wallet {
        wallet: me.to_string(),
        balance: Amount::from_units(tokens)?.show(network.symbol()),
        gas_balance: Amount::from_units(network.chain.balance(me).await?)?.show("ETH"),
        network: network.profile.name.clone(),
        tx,
    })
}
