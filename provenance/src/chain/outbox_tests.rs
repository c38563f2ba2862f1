//! What the outbox keeps over crashes, and which nonces it gives.

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::primitives::{TxKind, U256};
use alloy::signers::SignerSync;

use super::*;
use crate::chain::Signer;

fn signer() -> Signer {
    Signer::from_bytes(&B256::repeat_byte(0x31)).unwrap()
}

fn scope() -> Scope {
    Scope { chain_id: 181_818, genesis: B256::repeat_byte(1), account: signer().address() }
}

fn key(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn signed(nonce: u64, max: u128) -> TxEnvelope {
    let transaction = TxEip1559 {
        chain_id: 181_818,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::ZERO,
        ..Default::default()
    };
    let signature = signer().sign_hash_sync(&transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature))
}

#[test]
fn step_is_there_again_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    let begun = outbox.begin(scope(), key(1), 7, &signed(4, 10)).unwrap();
    outbox.sign(begun.id, &signed(4, 20)).unwrap();
    drop(outbox);
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    let found = outbox.find(&scope(), key(1)).unwrap();
    assert_eq!((found.nonce, found.since, found.standing), (4, 7, Standing::Open));
    assert_eq!(found.signed, [signed(4, 10), signed(4, 20)]);
    assert_eq!(found.hashes().next(), Some(*signed(4, 20).tx_hash()));
    assert_eq!(outbox.unfinished()[0].transactions.len(), 2);
    assert_eq!(outbox.begin(scope(), key(2), 7, &signed(5, 10)).unwrap().id, begun.id + 1);
}

#[test]
fn finished_step_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    let begun = outbox.begin(scope(), key(1), 0, &signed(0, 10)).unwrap();
    let tx = *signed(0, 10).tx_hash();
    outbox.done(begun.id, tx, 12).unwrap();
    drop(outbox);
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    assert!(outbox.find(&scope(), key(1)).is_none() && outbox.unfinished().is_empty());
    assert_eq!(outbox.of(&scope())[0].standing, Standing::Done { tx, block: 12 });
    outbox.take_back(begun.id).unwrap();
    assert_eq!(outbox.find(&scope(), key(1)).unwrap().id, begun.id);
}

#[test]
fn step_of_another_chain_or_account_is_not_found() {
    let outbox = Outbox::in_memory();
    outbox.begin(scope(), key(1), 0, &signed(0, 10)).unwrap();
    for other in [
        Scope { chain_id: 1, ..scope() },
        Scope { genesis: B256::ZERO, ..scope() },
        Scope { account: Address::ZERO, ..scope() },
    ] {
        assert!(outbox.find(&other, key(1)).is_none());
        assert!(outbox.of(&other).is_empty());
        assert_eq!(outbox.free_nonce(&other, 0), 0);
    }
    assert!(outbox.find(&scope(), key(2)).is_none());
}

#[test]
fn nonce_in_use_is_not_given_again() {
    let outbox = Outbox::in_memory();
    for nonce in [3, 4, 6] {
        outbox.begin(scope(), key(nonce as u8), 0, &signed(nonce, 10)).unwrap();
    }
    assert_eq!(outbox.free_nonce(&scope(), 2), 2);
    assert_eq!(outbox.free_nonce(&scope(), 3), 5);
    assert_eq!(outbox.free_nonce(&scope(), 6), 7);
    let aside = outbox.find(&scope(), key(4)).unwrap();
    outbox.set_aside(aside.id).unwrap();
    assert_eq!(outbox.free_nonce(&scope(), 3), 4);
    let gone = outbox.find(&scope(), key(3)).unwrap();
    outbox.give_up(gone.id).unwrap();
    assert_eq!(outbox.free_nonce(&scope(), 3), 3);
    assert!(outbox.find(&scope(), key(3)).is_none());
}

#[test]
fn old_finished_steps_are_forgotten_and_unfinished_ones_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    outbox.begin(scope(), key(0xff), 0, &signed(0, 10)).unwrap();
    for nonce in 1..=40u64 {
        let begun = outbox.begin(scope(), key(nonce as u8), 0, &signed(nonce, 10)).unwrap();
        outbox.done(begun.id, *signed(nonce, 10).tx_hash(), nonce * 20).unwrap();
    }
    let remembered = (1..=40u64).filter(|nonce| nonce * 20 + REMEMBERED >= 800).count();
    assert_eq!(outbox.of(&scope()).len(), 1 + remembered);
    let long = std::fs::metadata(&path).unwrap().len();
    drop(outbox);
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    assert_eq!(outbox.of(&scope()).len(), 1 + remembered);
    assert!(outbox.find(&scope(), key(0xff)).is_some());
    assert!(std::fs::metadata(&path).unwrap().len() < long / 2);
}

#[test]
fn outbox_that_another_process_holds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let _held = Outbox::open(&path, &[7; 32]).unwrap();
    assert!(matches!(Outbox::open(&path, &[7; 32]), Err(Error::Busy(_))));
}

#[test]
fn damaged_outbox_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    outbox.begin(scope(), key(1), 0, &signed(0, 10)).unwrap();
    outbox.begin(scope(), key(2), 0, &signed(1, 10)).unwrap();
    drop(outbox);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(Outbox::open(&path, &[7; 32]), Err(Error::Integrity(_))));
}

#[test]
fn outbox_holds_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    outbox.begin(scope(), key(1), 0, &signed(0, 10)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(!text.contains(&"31".repeat(32)));
    assert!(!bytes.windows(32).any(|window| window == [0x31; 32]));
}

#[test]
fn file_shows_no_account_and_opens_with_its_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let outbox = Outbox::open(&path, &[7; 32]).unwrap();
    outbox.begin(scope(), key(1), 7, &signed(4, 10)).unwrap();
    drop(outbox);
    let bytes = std::fs::read(&path).unwrap();
    let account = scope().account;
    let spelled = format!("{account:x}");
    assert!(!bytes.windows(20).any(|part| part == account.as_slice()));
    assert!(!bytes.windows(spelled.len()).any(|part| part == spelled.as_bytes()));
    assert!(matches!(Outbox::open(&path, &[8; 32]), Err(Error::Integrity(_))));
    assert_eq!(Outbox::open(&path, &[7; 32]).unwrap().unfinished().len(), 1);
}

#[test]
fn nothing_is_begun_in_a_closed_outbox() {
    let outbox = Outbox::closed("process 7 has it".into());
    let refused = outbox.begin(scope(), key(1), 0, &signed(0, 10)).unwrap_err();
    assert!(matches!(&refused, Error::Busy(why) if why.contains("process 7")), "{refused}");
    assert!(outbox.unfinished().is_empty());
}
