//! Any bytes at all: no panic, no record beyond its limits (which `import` checks).

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Beginnings that lead into each connector.
const STARTS: [&[u8]; 9] = [
    b"",
    b"[{\"text\":\"",
    b"[{\"title\":\"\",\"create_time\":1,\"mapping\":{\"",
    b"{\"a\":1}\n",
    b"a;b\n",
    b"From a@b Fri Mar  1 08:00:00 2024\nSubject: x\n",
    b"---\ntitle: x\n",
    b"PK\x03\x04",
    b"\xff\xfe",
];

/// Bytes that mean something to a parser, more often than by chance.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]\",:;\n\r\t \\->|#aF0=".to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(start in 0..STARTS.len(), rest in vec(byte(), 0..3_000)) {
        let bytes = [STARTS[start], &rest].concat();
        let (records, _) = import(&bytes);
        let text: usize = records.iter().map(|record| record.text.as_ref().map_or(0, String::len)).sum();
        // Windows-1252 takes up to three bytes for one; nothing else grows.
        prop_assert!(text <= 3 * bytes.len() + 3);
    }

    #[test]
    fn changed_fixture_never_panics(
        name in proptest::sample::select(vec!["mail.mbox", "people.json", "entries.jsonl", "expenses.csv", "day.md", "chatgpt/conversations.json"]),
        changes in vec((any::<prop::sample::Index>(), byte()), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = data(&format!("fixtures/{name}"));
        for (position, value) in changes {
            let position = position.index(bytes.len());
            bytes[position] = value;
        }
        bytes.truncate(end.index(bytes.len()) + 1);
        import(&bytes);
    }

    #[test]
    fn any_record_encodes_to_the_same_bytes_twice(text in ".{0,200}", time in any::<Option<i64>>(), number in any::<i64>()) {
        let mut record = Record::new("usufruct/note@1", "s");
        record.time = time;
        record.text = Some(text);
        record.fields.insert("n".into(), crate::record::Value::Int(number));
        let bytes = record.encode().unwrap();
        let back = Record::decode(&bytes).unwrap();
        prop_assert_eq!(&back, &record);
        prop_assert_eq!(back.identity().unwrap(), record.identity().unwrap());
    }
}
