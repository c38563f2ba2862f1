//! The accounts of the embedded chain, and the change one block makes to them.
//!
//! This is our own store rather than revm's `CacheDB`, which keeps accounts that were touched and are empty; such
//! accounts must not exist (EIP-161).

use std::collections::HashMap;
use std::convert::Infallible;

use alloy::primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::{Encodable, RlpDecodable, RlpEncodable};
use revm::DatabaseRef;
use revm::primitives::AddressMap;
use revm::state::{Account as Touched, AccountInfo, Bytecode};

/// How far back a contract can ask for a block hash.
pub(super) const HASH_WINDOW: u64 = 256;

/// One account as it stands after the newest block.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) balance: U256,
    pub(super) nonce: u64,
    pub(super) code_hash: B256,
    slots: HashMap<U256, U256>,
}

/// One changed storage slot.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Slot {
    key: U256,
    value: U256,
}

/// What a block did to one account.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Change {
    address: Address,
    /// The account is no more; every other field is zero.
    gone: bool,
    balance: U256,
    nonce: u64,
    code_hash: B256,
    /// The code behind `code_hash` where no account had it before, else empty.
    code: Bytes,
    slots: Vec<Slot>,
}

impl Change {
    /// The change that gives a new account its first balance.
    pub(super) fn funding(address: Address, balance: U256) -> Self {
        Self {
            address,
            gone: false,
            balance,
            nonce: 0,
            code_hash: KECCAK256_EMPTY,
            code: Bytes::new(),
            slots: Vec::new(),
        }
    }
}

/// Every account, every code, and the hashes of the newest blocks.
#[derive(Debug, Default)]
pub(super) struct State {
    accounts: HashMap<Address, Account>,
    codes: HashMap<B256, Bytecode>,
    hashes: HashMap<u64, B256>,
}

impl State {
    /// The account, if it exists.
    pub(super) fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.get(address)
    }

    /// The code of the account, empty where there is none.
    pub(super) fn code(&self, address: &Address) -> Bytes {
        self.accounts
            .get(address)
            .and_then(|account| self.codes.get(&account.code_hash))
            .map(Bytecode::original_bytes)
            .unwrap_or_default()
    }

    /// The value of one storage slot.
    pub(super) fn slot(&self, address: &Address, key: &U256) -> U256 {
        self.accounts.get(address).and_then(|account| account.slots.get(key)).copied().unwrap_or_default()
    }

    /// Puts what the EVM reports into the form that is stored, in the order of addresses and keys.
    pub(super) fn changes(&self, touched: &AddressMap<Touched>) -> Vec<Change> {
        let mut changes: Vec<Change> = touched
            .iter()
            .filter(|(_, account)| account.is_touched())
            .filter_map(|(address, account)| self.change(*address, account))
            .collect();
        changes.sort_by_key(|change| change.address);
        changes
    }

    fn change(&self, address: Address, touched: &Touched) -> Option<Change> {
        let before = self.accounts.get(&address);
        if touched.is_selfdestructed() || touched.is_empty() {
            return before.map(|_| Change {
                gone: true,
                code_hash: B256::ZERO,
                ..Change::funding(address, U256::ZERO)
            });
        }
        let mut slots: Vec<Slot> =
            touched.changed_storage_slots().map(|(key, slot)| Slot { key: *key, value: slot.present_value }).collect();
        slots.sort_by_key(|slot| slot.key);
        let info = &touched.info;
        let same = before.is_some_and(|account| {
            account.balance == info.balance && account.nonce == info.nonce && account.code_hash == info.code_hash
        });
        if same && slots.is_empty() {
            return None;
        }
        Some(Change {
            address,
            gone: false,
            balance: info.balance,
            nonce: info.nonce,
            code_hash: info.code_hash,
            code: self.new_code(info),
            slots,
        })
    }

    fn new_code(&self, info: &AccountInfo) -> Bytes {
        match &info.code {
            Some(code) if !code.is_empty() && !self.codes.contains_key(&info.code_hash) => code.original_bytes(),
            _ => Bytes::new(),
        }
    }

    /// Applies one block's changes and remembers its hash.
    pub(super) fn apply(&mut self, number: u64, hash: B256, changes: &[Change]) {
        for change in changes {
            self.apply_one(change);
        }
        self.hashes.insert(number, hash);
        if let Some(old) = number.checked_sub(HASH_WINDOW + 1) {
            self.hashes.remove(&old);
        }
    }

    fn apply_one(&mut self, change: &Change) {
        if change.gone {
            self.accounts.remove(&change.address);
            return;
        }
        if !change.code.is_empty() {
            self.codes.insert(change.code_hash, Bytecode::new_raw_checked(change.code.clone()).unwrap_or_default());
        }
        let account = self.accounts.entry(change.address).or_default();
        account.balance = change.balance;
        account.nonce = change.nonce;
        account.code_hash = change.code_hash;
        for slot in &change.slots {
            if slot.value.is_zero() {
                account.slots.remove(&slot.key);
            } else {
                account.slots.insert(slot.key, slot.value);
            }
        }
    }
}

/// The header's state field: a hash chain over every block's changes. It commits to the state without the cost of a
/// Merkle trie, and so differs from what another node computes for the same transactions.
pub(super) fn commitment(parent: B256, changes: &[Change]) -> B256 {
    let mut bytes = parent.to_vec();
    for change in changes {
        change.encode(&mut bytes);
    }
    keccak256(bytes)
}

impl DatabaseRef for State {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: self.codes.get(&account.code_hash).cloned(),
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, Infallible> {
        Ok(self.slot(&address, &key))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes.get(&number).copied().unwrap_or_default())
    }
}
