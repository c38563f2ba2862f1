use super::*;
use serde_json::json;

const LICENSE: [u8; 32] = [0x11; 32];
const JOB: [u8; 32] = [0x22; 32];

fn spec(reply: [u8; 32]) -> JobSpec {
    JobSpec {
        template: "embed".into(),
        params: json!({"normalize": true, "max_tokens": 256, "scale": 0.5, "fields": ["text"], "low": -3}),
        model: [0x33; 32],
        reply,
    }
}

fn sealed_spec() -> (Zeroizing<[u8; 32]>, Vec<u8>) {
    let (secret, public) = reply_pair().unwrap();
    (secret, seal_spec(&spec([9; 32]), &LICENSE, &public).unwrap())
}

struct Sealed {
    reply: Zeroizing<[u8; 32]>,
    key: Zeroizing<[u8; 32]>,
    bytes: Vec<u8>,
}

fn sealed_package(package: &[u8]) -> Sealed {
    let (reply, public) = reply_pair().unwrap();
    let key = package_key().unwrap();
    let bytes = seal_package(&key, &JOB, &public, package).unwrap();
    Sealed { reply, key, bytes }
}

impl Sealed {
    fn open(&self) -> Result<Vec<u8>> {
        open_package(&self.bytes, &JOB, &self.reply, &self.key, &key_hash(&self.key))
    }
}

/// Opening must fail as an integrity error that says `reason`.
fn refused<T>(result: Result<T>, reason: &str) {
    match result {
        Err(Error::Integrity(message)) => assert!(message.contains(reason), "{message}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was opened"),
    }
}

#[test]
fn spec_opens_for_the_owner() {
    let (secret, sealed) = sealed_spec();
    assert_eq!(sealed.len(), SPEC_STEP);
    assert_eq!(open_spec(&sealed, &LICENSE, &secret).unwrap(), spec([9; 32]));
}

#[test]
fn spec_seals_differ_each_time() {
    let (_, public) = reply_pair().unwrap();
    let seal = || seal_spec(&spec([9; 32]), &LICENSE, &public).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn spec_bytes_do_not_depend_on_key_order() {
    let mut other = spec([9; 32]);
    other.params =
        serde_json::from_str(r#"{"low":-3,"scale":0.5,"fields":["text"],"max_tokens":256,"normalize":true}"#).unwrap();
    assert_eq!(other.to_bytes().unwrap(), spec([9; 32]).to_bytes().unwrap());
}

#[test]
fn spec_for_another_owner_is_refused() {
    let (_, sealed) = sealed_spec();
    refused(open_spec(&sealed, &LICENSE, &reply_pair().unwrap().0), "another key");
}

#[test]
fn spec_for_another_license_is_refused() {
    let (secret, sealed) = sealed_spec();
    refused(open_spec(&sealed, &JOB, &secret), "another license");
}

#[test]
fn every_altered_byte_of_a_spec_is_refused() {
    let (secret, sealed) = sealed_spec();
    for index in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[index] ^= 0x40;
        assert!(open_spec(&bad, &LICENSE, &secret).is_err(), "byte {index}");
    }
}

#[test]
fn cut_or_extended_spec_is_refused() {
    let (secret, sealed) = sealed_spec();
    for length in [0, 1, 31, 48, 1023] {
        refused(open_spec(&sealed[..length], &LICENSE, &secret), "cut");
    }
    let mut long = sealed.clone();
    long.extend_from_slice(&sealed);
    refused(open_spec(&long, &LICENSE, &secret), "altered");
}

#[test]
fn oversized_spec_is_refused() {
    let (secret, public) = reply_pair().unwrap();
    let mut big = spec([9; 32]);
    big.params = json!({"text": "x".repeat(MAX_SPEC)});
    assert!(seal_spec(&big, &LICENSE, &public).unwrap_err().to_string().contains("at most"));
    let huge = vec![0; 80 * SPEC_STEP];
    assert!(open_spec(&huge, &LICENSE, &secret).unwrap_err().to_string().contains("at most"));
}

#[test]
fn largest_spec_opens() {
    let (secret, public) = reply_pair().unwrap();
    let mut big = spec([9; 32]);
    big.params = json!({"text": "x".repeat(MAX_SPEC - 200)});
    assert_eq!(open_spec(&seal_spec(&big, &LICENSE, &public).unwrap(), &LICENSE, &secret).unwrap(), big);
}

/// The spec must not be written or read after `change`.
fn no_spec(change: impl FnOnce(&mut JobSpec)) {
    let mut bad = spec([9; 32]);
    change(&mut bad);
    assert!(matches!(bad.to_bytes(), Err(Error::Invalid(_))), "{bad:?}");
}

#[test]
fn spec_with_odd_fields_is_refused() {
    no_spec(|s| s.template = String::new());
    no_spec(|s| s.template = "../embed".into());
    no_spec(|s| s.template = "Embed".into());
    no_spec(|s| s.template = "e".repeat(65));
    no_spec(|s| s.params = json!([1]));
    no_spec(|s| s.params = Value::Null);
    no_spec(|s| s.reply = [0; 32]);
}

#[test]
fn spec_bytes_with_another_version_or_a_tail_are_refused() {
    let good = spec([9; 32]).to_bytes().unwrap();
    let place = good.windows(8).position(|w| w == b"\x67version").unwrap() + 8;
    let mut bad = good.clone();
    bad[place] = 2;
    assert!(JobSpec::from_bytes(&bad).unwrap_err().to_string().contains("version 2"));
    let mut bad = good.clone();
    bad.push(0);
    assert!(JobSpec::from_bytes(&bad).is_err());
    for length in 0..good.len() {
        assert!(JobSpec::from_bytes(&good[..length]).is_err(), "{length}");
    }
}

#[test]
fn low_order_key_is_refused() {
    let mut one = [0; 32];
    one[0] = 1;
    assert!(matches!(seal_spec(&spec([9; 32]), &LICENSE, &[0; 32]), Err(Error::Invalid(_))));
    assert!(matches!(seal_package(&[1; 32], &JOB, &one, b"x"), Err(Error::Invalid(_))));
}

#[test]
fn package_opens_and_is_whole_mebibytes() {
    for length in [0, 1, PACKAGE_STEP - 96, PACKAGE_STEP - 95, 2 * PACKAGE_STEP] {
        let package: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let sealed = sealed_package(&package);
        assert_eq!(sealed.bytes.len() % PACKAGE_STEP, 0);
        assert_eq!(sealed.open().unwrap(), package);
    }
    assert_eq!(sealed_package(&vec![0; PACKAGE_STEP - 96]).bytes.len(), PACKAGE_STEP);
    assert_eq!(sealed_package(&vec![0; PACKAGE_STEP - 95]).bytes.len(), 2 * PACKAGE_STEP);
}

#[test]
fn package_with_another_reply_key_is_refused() {
    let mut sealed = sealed_package(b"rows");
    sealed.reply = reply_pair().unwrap().0;
    refused(sealed.open(), "another key");
}

#[test]
fn package_with_another_key_is_refused() {
    let sealed = sealed_package(b"rows");
    let locked = open_seal(&sealed.bytes, &JOB, &sealed.reply).unwrap();
    refused(locked.open(&[7; 32], &key_hash(&sealed.key)), "committed to");
    refused(locked.open(&[7; 32], &key_hash(&[7; 32])), "does not open");
}

#[test]
fn package_for_another_job_is_refused() {
    let sealed = sealed_package(b"rows");
    refused(open_seal(&sealed.bytes, &LICENSE, &sealed.reply), "another job");
}

#[test]
fn inner_content_of_another_job_is_refused() {
    let sealed = sealed_package(b"rows");
    let mut locked = open_seal(&sealed.bytes, &JOB, &sealed.reply).unwrap();
    locked.job = LICENSE;
    refused(locked.open(&sealed.key, &key_hash(&sealed.key)), "does not open");
}

#[test]
fn seal_without_the_key_shows_nothing() {
    let sealed = sealed_package(b"rows that nobody should see before paying");
    let locked = open_seal(&sealed.bytes, &JOB, &sealed.reply).unwrap();
    assert!(!locked.inner.windows(4).any(|w| w == b"rows"));
    assert!(!sealed.bytes.windows(4).any(|w| w == b"rows"));
}

#[test]
fn cut_package_is_refused() {
    let sealed = sealed_package(&vec![5; PACKAGE_STEP]);
    for length in [0, 1, 47, PACKAGE_STEP - 1, PACKAGE_STEP + 1] {
        refused(open_seal(&sealed.bytes[..length], &JOB, &sealed.reply), "cut");
    }
    refused(open_seal(&sealed.bytes[..PACKAGE_STEP], &JOB, &sealed.reply), "altered");
}

#[test]
fn altered_package_is_refused() {
    let sealed = sealed_package(b"rows");
    for index in [0, 31, 32, 40, 64, 100, PACKAGE_STEP / 2, PACKAGE_STEP - 17, PACKAGE_STEP - 1] {
        let mut bad = sealed.bytes.clone();
        bad[index] ^= 1;
        refused(open_seal(&bad, &JOB, &sealed.reply), "altered");
    }
}

/// Seals `body` as the outer plaintext of a package.
fn outer(body: &[u8]) -> (Zeroizing<[u8; 32]>, Vec<u8>) {
    let (secret, public) = reply_pair().unwrap();
    let mut sealed = vec![0; PACKAGE_STEP];
    let (enc, rest) = sealed.split_at_mut(ENC);
    let (inside, tag) = rest.split_at_mut(PACKAGE_STEP - ENC - TAG);
    inside[..body.len()].copy_from_slice(body);
    hpke_seal(&info(PACKAGE_INFO, &JOB), &public, &JOB, enc, inside, tag).unwrap();
    (secret, sealed)
}

#[test]
fn false_lengths_inside_are_refused() {
    for length in [u64::MAX, PACKAGE_STEP as u64, (PACKAGE_STEP - ENC - TAG - 7) as u64] {
        let (secret, sealed) = outer(&length.to_be_bytes());
        refused(open_seal(&sealed, &JOB, &secret), "padding");
    }
    for length in [0u64, 39] {
        let (secret, sealed) = outer(&length.to_be_bytes());
        refused(open_seal(&sealed, &JOB, &secret), "shorter");
    }
}

#[test]
fn padding_that_is_not_zero_is_refused() {
    let mut body = vec![0; 100];
    body[..8].copy_from_slice(&40u64.to_be_bytes());
    body[60] = 1;
    let (secret, sealed) = outer(&body);
    refused(open_seal(&sealed, &JOB, &secret), "padding");
}

#[test]
fn needless_padding_is_refused() {
    let big = vec![0; 2 * PACKAGE_STEP];
    assert!(unpadded(&big, 40, PACKAGE_STEP, "package").is_err());
}

#[test]
fn key_hash_is_keccak256() {
    assert_eq!(hex::encode(key_hash(&[0; 32])), "290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563");
}

/// Points of low order on the curve or its twist (RFC 7748, section 6.1), some of them with the unused top bit set.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
];

#[test]
fn reply_key_of_low_order_is_refused_with_the_spec() {
    for point in LOW_ORDER {
        let reply: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
        let error = spec(reply).to_bytes().unwrap_err().to_string();
        assert!(error.contains("reply"), "{point}: {error}");
        assert!(seal_package(&[7; 32], &JOB, &reply, b"rows").is_err(), "{point}");
        // The same spec in bytes that somebody else wrote.
        let mut bytes = spec([9; 32]).to_bytes().unwrap();
        let at = bytes.windows(32).position(|window| window == [9; 32]).unwrap();
        bytes[at..at + 32].copy_from_slice(&reply);
        assert!(matches!(JobSpec::from_bytes(&bytes), Err(Error::Invalid(_))), "{point}");
    }
    let (_, good) = reply_pair().unwrap();
    spec(good).to_bytes().unwrap();
}

#[test]
fn lengths_fit_the_largest_dataset() {
    let rows = crate::manifest::Tier::Large.capacity();
    let largest = rows * (384 * 4 + 32 + 32);
    // A name, a shape and the receipt besides the rows: far below a MiB.
    check_package(largest + (1 << 20)).unwrap();
    check_package(MAX_PACKAGE).unwrap();
    assert!(matches!(check_package(MAX_PACKAGE + 1), Err(Error::Invalid(_))));
    check_length(MAX_SEALED as usize, PACKAGE_STEP, MAX_SEALED, "sealed package").unwrap();
    let longer = MAX_SEALED as usize + PACKAGE_STEP;
    assert!(matches!(check_length(longer, PACKAGE_STEP, MAX_SEALED, "sealed package"), Err(Error::Invalid(_))));
}

#[test]
fn longest_seal_is_what_sealing_adds() {
    let added = |package: u64| MAX_SEALED - MAX_PACKAGE + package.next_multiple_of(PACKAGE_STEP as u64);
    for length in [PACKAGE_STEP, 2 * PACKAGE_STEP] {
        assert_eq!(sealed_package(&vec![0; length]).bytes.len() as u64, added(length as u64));
    }
}

#[test]
fn copy_opens_under_its_key_alone_and_whole_alone() {
    let (key, other) = (package_key().unwrap(), package_key().unwrap());
    let sealed = seal_copy(&key, &JOB, b"rows").unwrap();
    assert_eq!(open_copy(&key, &JOB, &sealed).unwrap().as_slice(), b"rows");
    assert_ne!(sealed, seal_copy(&key, &JOB, b"rows").unwrap());
    refused(open_copy(&other, &JOB, &sealed), "does not open");
    refused(open_copy(&key, &LICENSE, &sealed), "does not open");
    for index in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[index] ^= 1;
        refused(open_copy(&key, &JOB, &bad), "does not open");
        refused(open_copy(&key, &JOB, &sealed[..index]), "does not open");
    }
}

#[test]
fn work_opens_for_the_holder_of_the_secret_alone() {
    let (secret, public) = reply_pair().unwrap();
    let (other, _) = reply_pair().unwrap();
    for work in [&b""[..], b"a package key and more"] {
        let sealed = seal_work(&public, &JOB, work).unwrap();
        assert_eq!(open_work(&sealed, &JOB, &secret).unwrap().as_slice(), work);
        refused(open_work(&sealed, &JOB, &other), "does not open");
        refused(open_work(&sealed, &LICENSE, &secret), "does not open");
        for index in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[index] ^= 1;
            refused(open_work(&bad, &JOB, &secret), "does not open");
            refused(open_work(&sealed[..index], &JOB, &secret), "does not open");
        }
    }
    assert!(seal_work(&[0; 32], &JOB, b"work").is_err(), "sealed to a key that everybody has");
}
