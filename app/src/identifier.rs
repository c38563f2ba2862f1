//! Personal identifiers in text: e-mail addresses, phone numbers, IBANs, payment cards, IP addresses. Found by their
//! form and, where they have one, by their checksum. What has no form (a name, an address) is not found.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::record::{Record, Value};
use crate::view::Identifier;

/// One finding: its kind, and its bytes in the text.
pub type Found = (Identifier, Range<usize>);

/// Finds the candidates of a kind, and says which of them are one.
struct Pattern {
    kind: Identifier,
    regex: Regex,
    /// The bytes of the match that are one; none where it is none.
    is: fn(&str) -> Option<usize>,
}

/// In this order: a later kind does not take what an earlier one has.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let kinds: [(Identifier, &str, fn(&str) -> Option<usize>); 6] = [
        (Identifier::Email, r"(?i)[a-z0-9._%+'-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}", email),
        (Identifier::Iban, r"(?i)[a-z]{2}[0-9]{2}(?:[ -]?[a-z0-9]){11,30}", iban),
        (Identifier::Card, r"[2-6][0-9](?:[ -]?[0-9]){11,17}", card),
        (Identifier::Ip, r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", ipv4),
        (Identifier::Ip, r"(?i)[0-9a-f:]{0,4}:[0-9a-f:]{1,36}", ipv6),
        (
            Identifier::Phone,
            r"\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}|\(?\b[2-9][0-9]{2}\)?[ .-][0-9]{3}[ .-][0-9]{4}|\b0[1-9](?:[ .-]?[0-9]{2}){4}",
            phone,
        ),
    ];
    let compiled =
        kinds.into_iter().filter_map(|(kind, text, is)| Some(Pattern { kind, regex: Regex::new(text).ok()?, is }));
    compiled.collect()
});

/// All identifiers in `text`, in order; none overlaps another.
pub fn find(text: &str) -> Vec<Found> {
    let mut found: BTreeMap<usize, (Identifier, usize)> = BTreeMap::new();
    for pattern in PATTERNS.iter() {
        let mut from = 0;
        while let Some(candidate) = pattern.regex.find_at(text, from) {
            let start = candidate.start();
            let alone = !touches(text[..start].chars().next_back());
            let end = (pattern.is)(candidate.as_str()).map(|length| start + length);
            let whole = |&end: &usize| !touches(text[end..].chars().next()) && !goes_on(pattern.kind, text, start, end);
            match end.filter(|end| alone && whole(end)) {
                Some(end) => {
                    let free = found.range(..end).next_back().is_none_or(|(_, (_, before))| *before <= start);
                    if free {
                        found.insert(start, (pattern.kind, end));
                    }
                    from = end;
                }
                // Another one may begin within what was none.
                None => from = start + text[start..].chars().next().map_or(1, char::len_utf8),
            }
        }
    }
    found.into_iter().map(|(start, (kind, end))| (kind, start..end)).collect()
}

/// Whether a neighbor makes an identifier a part of something longer.
fn touches(neighbor: Option<char>) -> bool {
    neighbor.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Whether four numbers are a part of more: of a version, say.
fn goes_on(kind: Identifier, text: &str, start: usize, end: usize) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let before = text[..start].strip_suffix('.').is_some_and(|rest| digit(rest.chars().next_back()));
    let after = text[end..].strip_prefix('.').is_some_and(|rest| digit(rest.chars().next()));
    kind == Identifier::Ip && (before || after)
}

/// `text` with a word in brackets for each identifier of `kinds`.
pub fn masked(text: &str, kinds: &[Identifier]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (kind, range) in find(text).into_iter().filter(|(kind, _)| kinds.contains(kind)) {
        out.push_str(&text[at..range.start]);
        out.push_str(&format!("[{}]", kind.word()));
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Masks identifiers of `kinds` in a record's text and fields.
pub fn mask(record: &mut Record, kinds: &[Identifier]) {
    if kinds.is_empty() {
        return;
    }
    if let Some(text) = &mut record.text {
        *text = masked(text, kinds);
    }
    for value in record.fields.values_mut() {
        if let Value::Text(text) = value {
            *text = masked(text, kinds);
        }
    }
}

/// The texts of a record: its own, and those of its fields.
pub fn texts(record: &Record) -> impl Iterator<Item = &str> {
    let fields = record.fields.values().filter_map(|value| match value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    });
    record.text.as_deref().into_iter().chain(fields)
}

/// Whether a record holds an identifier of `kinds`.
pub fn holds(record: &Record, kinds: &[Identifier]) -> bool {
    !kinds.is_empty() && texts(record).any(|text| find(text).iter().any(|(kind, _)| kinds.contains(kind)))
}

fn email(text: &str) -> Option<usize> {
    let (local, _) = text.split_once('@')?;
    let plain = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    plain.then_some(text.len())
}

/// Countries with IBANs and their length (ISO 13616 registry).
const IBANS: [(&str, usize); 45] = [
    ("AD", 24),
    ("AE", 23),
    ("AT", 20),
    ("BE", 16),
    ("BG", 22),
    ("BR", 29),
    ("CH", 21),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("TR", 26),
];

/// An IBAN at the beginning of `text`: the length of its country and a remainder of one (ISO 7064, mod 97-10).
fn iban(text: &str) -> Option<usize> {
    let country = text.get(..2)?.to_uppercase();
    let (_, length) = IBANS.iter().find(|(known, _)| *known == country)?;
    let (digits, bytes) = first(text, *length)?;
    let turned = digits[4..].chars().chain(digits[..4].chars());
    let mut rest = 0u32;
    for c in turned {
        let value = c.to_digit(36)?;
        rest = if value < 10 { rest * 10 + value } else { rest * 100 + value } % 97;
    }
    (rest == 1).then_some(bytes)
}

/// A payment card's number: 13 to 19 digits, the form of an issuer, and Luhn's checksum (ISO/IEC 7812-1).
fn card(text: &str) -> Option<usize> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let varied = digits.iter().any(|digit| *digit != digits[0]);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit })
        .sum();
    (varied && (13..=19).contains(&digits.len()) && sum % 10 == 0).then_some(text.len())
}

fn ipv4(text: &str) -> Option<usize> {
    let address: Ipv4Addr = text.parse().ok()?;
    (!address.is_unspecified()).then_some(text.len())
}

fn ipv6(text: &str) -> Option<usize> {
    let trimmed = text.strip_suffix(':').filter(|rest| !rest.ends_with(':')).unwrap_or(text);
    let address: Ipv6Addr = trimmed.parse().ok()?;
    // `a::b` is one by its form, and a path in a program's text far more often.
    let digit = trimmed.contains(|c: char| c.is_ascii_digit());
    (digit && !address.is_unspecified()).then_some(trimmed.len())
}

/// A phone number as people write it: 8 to 15 digits (ITU-T E.164), brackets that close.
fn phone(text: &str) -> Option<usize> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let closed = text.matches('(').count() == text.matches(')').count();
    ((8..=15).contains(&digits) && closed).then_some(text.len())
}

/// The first `count` letters and digits of `text` without what separates them, and the bytes that they take.
fn first(text: &str, count: usize) -> Option<(String, usize)> {
    let mut kept = String::new();
    for (at, c) in text.char_indices() {
        if c.is_ascii_alphanumeric() {
            kept.push(c);
        }
        if kept.len() == count {
            return Some((kept, at + c.len_utf8()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn only(text: &str) -> Vec<(Identifier, &str)> {
        find(text).into_iter().map(|(kind, range)| (kind, &text[range])).collect()
    }

    #[test]
    fn identifiers_are_found_where_they_stand() {
        use Identifier::*;
        for (text, kind, found) in [
            ("write to jean.dupont+news@mail.example.org, please", Email, "jean.dupont+news@mail.example.org"),
            ("<a_b@example.com>", Email, "a_b@example.com"),
            ("IBAN: GB82 WEST 1234 5698 7654 32 is mine", Iban, "GB82 WEST 1234 5698 7654 32"),
            ("DE89370400440532013000", Iban, "DE89370400440532013000"),
            ("fr14 2004 1010 0505 0001 3m02 606", Iban, "fr14 2004 1010 0505 0001 3m02 606"),
            ("card 4111 1111 1111 1111, thanks", Card, "4111 1111 1111 1111"),
            ("5500-0000-0000-0004", Card, "5500-0000-0000-0004"),
            ("378282246310005", Card, "378282246310005"),
            ("from 192.168.0.17:", Ip, "192.168.0.17"),
            ("host 2001:db8::8a2e:370:7334 up", Ip, "2001:db8::8a2e:370:7334"),
            ("at fe80::1.", Ip, "fe80::1"),
            ("call +33 6 12 34 56 78 now", Phone, "+33 6 12 34 56 78"),
            ("tel. 06 12 34 56 78.", Phone, "06 12 34 56 78"),
            ("(212) 555-0147", Phone, "(212) 555-0147"),
            ("+1 (212) 555-0147", Phone, "+1 (212) 555-0147"),
        ] {
            assert_eq!(only(text), [(kind, found)], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_left() {
        for text in [
            "GB82 WEST 1234 5698 7654 33",
            "DE8937040044053201300",
            "ZZ82 WEST 1234 5698 7654 32",
            "4111 1111 1111 1112",
            "0000 0000 0000 0000",
            "1234567890123456789012345",
            "version 1.2.3.4.5",
            "256.1.1.1",
            "0.0.0.0",
            "at 12:30:45 and 10:20",
            "std::vec::Vec",
            "a::b",
            "nobody@localhost",
            "@example.com",
            "a..b@",
            "on 2024-01-31",
            "order 12345678",
            "1,234,567.89",
            "0x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert_eq!(only(text), [], "{text}");
        }
    }

    #[test]
    fn masked_text_holds_nothing_of_the_kind_and_keeps_the_rest() {
        let text = "Ann <ann@example.org>, +33 6 12 34 56 78, 10.0.0.1";
        assert_eq!(masked(text, &[Identifier::Email, Identifier::Phone]), "Ann <[email]>, [phone], 10.0.0.1");
        assert_eq!(masked(text, &[]), text);
    }

    proptest! {
        #[test]
        fn any_text_is_masked_whole(text in "(?s)[ -~]{0,40}[\u{0}-\u{10ffff}]{0,8}(a@b\\.io|10\\.1\\.2\\.3|4111111111111111)?.{0,30}") {
            let all = Identifier::ALL;
            let masked = masked(&text, &all);
            prop_assert!(find(&masked).is_empty(), "{masked:?}");
            let mut before = 0;
            for (_, range) in find(&text) {
                prop_assert!(before <= range.start && range.start < range.end);
                before = range.end;
            }
        }
    }
}
