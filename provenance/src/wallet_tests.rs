use super::*;
use crate::chain::keccak256;

const ZERO: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

/// The 24-word vectors of github.com/trezor/python-mnemonic, `vectors.json`.
const VECTORS: [(&str, &str); 6] = [
    ("0000000000000000000000000000000000000000000000000000000000000000", ZERO),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal \
         winner thank year wave sausage worth title",
    ),
    (
        "8080808080808080808080808080808080808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid \
         letter advice cage absurd amount doctor acoustic bless",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
    ),
    (
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple \
         dilemma loan word shrug inflict delay length",
    ),
    (
        "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
        "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group \
         space point ten exist slush involve unfold",
    ),
];

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn phrase_matches_the_published_vectors() {
    for (entropy, words) in VECTORS {
        let entropy: [u8; 32] = array(entropy);
        assert_eq!(Phrase::from_entropy(&entropy, Language::English).words().unwrap().as_str(), words);
        assert_eq!(Phrase::parse(words).unwrap().entropy(), &entropy);
    }
}

#[test]
fn wallet_matches_bip32_vector_1() {
    let seed = hex::decode("000102030405060708090a0b0c0d0e0f").unwrap();
    let hardened = wallet(&seed, &[HARDENED]).unwrap();
    assert_eq!(hex::encode(hardened.to_bytes()), "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea");
    let plain = wallet(&seed, &[HARDENED, 1]).unwrap();
    assert_eq!(hex::encode(plain.to_bytes()), "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368");
}

#[test]
fn wallet_path_gives_the_well_known_address() {
    let mnemonic = Mnemonic::parse("test test test test test test test test test test test junk").unwrap();
    let signer = wallet(&mnemonic.to_seed_normalized(""), &WALLET_PATH).unwrap();
    assert_eq!(signer.address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
}

#[test]
fn person_of_the_zero_phrase_has_the_known_address() {
    let person = Person::from_phrase(&Phrase::parse(ZERO).unwrap()).unwrap();
    assert_eq!(person.address().to_string(), "0xF278cF59F82eDcf871d630F28EcC8056f25C1cdb");
}

#[test]
fn phrase_in_french_is_the_same_person() {
    let french = Phrase::from_entropy(&[9; 32], Language::French);
    let read = Phrase::parse(&french.words().unwrap()).unwrap();
    assert_eq!(read.language(), Language::French);
    assert_eq!(read.entropy(), &[9; 32]);
    let (a, b) = (Person::from_phrase(&read).unwrap(), Person::from_entropy(&[9; 32]).unwrap());
    assert_eq!((a.address(), a.identity_secret()), (b.address(), b.identity_secret()));
    assert_eq!((a.exchange_secret(), a.exchange_public()), (b.exchange_secret(), b.exchange_public()));
}

#[test]
fn phrase_in_french_with_composed_accents_is_read() {
    // 0x00 32 times is "abaisser" 23 times and a checksum word; take entropy whose words have accents.
    let words = Phrase::from_entropy(&[0x5a; 32], Language::French).words().unwrap().to_string();
    let composed: String = words.replace("e\u{301}", "\u{e9}").replace("e\u{300}", "\u{e8}");
    assert_eq!(Phrase::parse(&composed).unwrap().entropy(), &[0x5a; 32]);
}

#[test]
fn phrase_with_odd_spacing_and_case_is_read() {
    let shouted = format!("  {}\n", ZERO.to_uppercase().replace(' ', " \t"));
    assert_eq!(Phrase::parse(&shouted).unwrap().entropy(), &[0; 32]);
}

#[test]
fn generated_phrases_differ_and_read_back() {
    let (a, b) = (Phrase::generate(Language::English).unwrap(), Phrase::generate(Language::French).unwrap());
    assert_ne!(a.entropy(), b.entropy());
    assert_eq!(Phrase::parse(&a.words().unwrap()).unwrap().entropy(), a.entropy());
}

#[test]
fn identity_secret_is_below_the_field_order_and_differs_by_person() {
    let (a, b) = (Person::from_entropy(&[1; 32]).unwrap(), Person::from_entropy(&[2; 32]).unwrap());
    assert_eq!(a.identity_secret()[0], 0);
    assert_ne!(a.identity_secret(), b.identity_secret());
    assert_ne!(a.exchange_secret(), b.exchange_secret());
    assert_ne!(&a.identity_secret()[1..], &a.exchange_secret()[..31]);
    assert_ne!(a.address(), b.address());
}

#[test]
fn exchange_public_is_that_of_the_secret() {
    let person = Person::from_entropy(&[3; 32]).unwrap();
    let again = PublicKey::from(&StaticSecret::from(*person.exchange_secret()));
    assert_eq!(again.to_bytes(), person.exchange_public());
}

#[test]
fn debug_shows_no_secret() {
    let person = Person::from_entropy(&[3; 32]).unwrap();
    assert_eq!(format!("{person:?}"), format!("Person({})", person.address()));
    assert_eq!(format!("{:?}", Phrase::from_entropy(&[3; 32], Language::English)), "Phrase(..)");
    let _ = keccak256(person.identity_secret());
}

/// `words` must be refused with `reason`, and the refusal must not repeat them.
fn refused(words: &str, reason: &str) {
    let message = Phrase::parse(words).unwrap_err().to_string();
    assert!(message.contains(reason), "{message}");
    assert!(!message.contains("abandon") && !message.contains("zebr"), "{message}");
}

#[test]
fn phrase_with_a_wrong_checksum_is_refused() {
    refused(&ZERO.replace(" art", " abandon"), "checksum");
}

#[test]
fn phrase_with_an_unknown_word_is_refused_by_its_place() {
    refused(&ZERO.replacen("abandon", "zebrx", 1), "word 1");
}

#[test]
fn phrase_of_twelve_words_is_refused() {
    refused("test test test test test test test test test test test junk", "24 words");
}

#[test]
fn phrase_of_twenty_five_words_is_refused() {
    refused(&format!("{ZERO} art"), "24 words");
}

#[test]
fn empty_phrase_is_refused() {
    refused("", "24 words");
    refused("   \n", "24 words");
}

#[test]
fn phrase_of_two_languages_is_refused() {
    let french = Phrase::from_entropy(&[9; 32], Language::French).words().unwrap().to_string();
    let mut mixed: Vec<&str> = french.split(' ').collect();
    mixed[0] = "zoo";
    assert!(Phrase::parse(&mixed.join(" ")).is_err());
}

#[test]
fn french_checksum_is_told_as_such() {
    let french = Phrase::from_entropy(&[9; 32], Language::French).words().unwrap().to_string();
    let mut words: Vec<&str> = french.split(' ').collect();
    words.swap(0, 23);
    let message = Phrase::parse(&words.join(" ")).unwrap_err().to_string();
    assert!(message.contains("checksum"), "{message}");
}
