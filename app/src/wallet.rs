//! The account that signs and is paid.

use provenance::terms::Amount;

use crate::error::Result;
use crate::home::Home;
use crate::network::Network;
use crate::view;

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
