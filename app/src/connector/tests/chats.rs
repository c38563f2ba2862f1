//! ChatGPT exports.

use super::*;

fn folder(name: &str, files: &[&str]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|file| ((*file).to_owned(), data(&format!("fixtures/{name}/{file}")))).collect()
}

/// One conversation whose graph is given.
fn conversation(current: &str, mapping: &str) -> String {
    format!(
        "[{{\"title\":\"t\",\"create_time\":1.0,\"id\":\"c\",\"current_node\":{current},\"mapping\":{{{mapping}}}}}]"
    )
}

fn node(id: &str, parent: &str, text: &str) -> String {
    format!(
        "\"{id}\":{{\"parent\":{parent},\"children\":[],\"message\":{{\"author\":{{\"role\":\"user\"}},\
         \"create_time\":1709280000.9,\"content\":{{\"content_type\":\"text\",\"parts\":[\"{text}\"]}}}}}}"
    )
}

#[test]
fn chat_export_with_one_file_is_read() {
    let mut files = folder("chatgpt", &["user.json", "conversations.json"]);
    files.push(("file-abc.png".into(), b"\x89PNG\r\n".to_vec()));
    let (messages, summary) = import(zipped(&files));
    assert_eq!(summary.format, Format::Chatgpt);
    assert_eq!(summary.problems, []);
    assert_eq!(summary.others, ["user.json", "file-abc.png"]);
    assert_eq!(
        texts(&messages),
        ["How do I make onion soup?", "Slowly, with butter.", "What bird is this?", "a heron"]
    );
    assert_eq!([messages[0].time, messages[3].time], [Some(1_709_280_001), None]);
    let field = |n: usize, name: &str| messages[n].fields.get(name).map(|value| value.display().into_owned());
    assert_eq!(field(0, "role").as_deref(), Some("user"));
    assert_eq!(field(0, "model"), None);
    assert_eq!(field(1, "model").as_deref(), Some("gpt-4o"));
    assert_eq!(field(1, "conversation_title").as_deref(), Some("Soup"));
    assert_eq!(field(1, "conversation_id").as_deref(), Some("c-1"));
    assert_eq!(field(2, "conversation_id").as_deref(), Some("c-2"));
    assert_eq!(field(2, "attachments").as_deref(), Some("file-abc"));
    assert_eq!(field(3, "content_type").as_deref(), Some("execution_output"));
}

#[test]
fn chat_export_with_numbered_files_is_read_in_order() {
    let files =
        folder("chatgpt-numbered", &["conversations-001.json", "export_manifest.json", "conversations-000.json"]);
    let (messages, summary) = import(zipped(&files));
    assert_eq!((summary.format, summary.is_whole(), summary.others.len()), (Format::Chatgpt, true, 0));
    assert_eq!(texts(&messages), ["First file.", "Second file."]);
}

#[test]
fn chat_export_that_lacks_a_listed_file_says_so() {
    let files = folder("chatgpt-numbered", &["export_manifest.json", "conversations-000.json"]);
    let (messages, summary) = import(zipped(&files));
    assert_eq!(messages.len(), 1);
    assert!(only_problem(&summary).contains("lists conversations-001.json"));
}

#[test]
fn chat_file_out_of_its_archive_is_recognized() {
    let (messages, summary) = import(data("fixtures/chatgpt/conversations.json"));
    assert_eq!((summary.format, messages.len()), (Format::Chatgpt, 4));
}

#[test]
fn chat_export_without_conversations_gives_nothing() {
    let (messages, summary) = import(zipped(&[("conversations.json", "[]"), ("user.json", "{\"id\":\"u\"}")]));
    assert_eq!((messages.len(), summary.format, summary.is_whole()), (0, Format::Chatgpt, true));
}

#[test]
fn archive_with_another_conversations_file_is_no_chat_export() {
    let (rows, summary) =
        import(zipped(&[("conversations.json", "[{\"text\":\"a\"}]"), ("b.json", "[{\"text\":\"b\"}]")]));
    assert_eq!((texts(&rows), summary.format), (vec!["a", "b"], Format::Zip));
}

#[test]
fn chat_that_is_cut_off_keeps_what_came_before() {
    let whole = data("fixtures/chatgpt/conversations.json");
    let (messages, summary) = import(&whole[..whole.len() - 40]);
    assert_eq!(messages.len(), 2);
    assert!(only_problem(&summary).contains("cut off"));
    assert!(only_problem(&import(data("fixtures/cut-off.json")).1).contains("cut off"));
}

#[test]
fn chat_with_a_circle_is_refused_and_the_next_is_read() {
    let circle = conversation("\"a\"", &[node("a", "\"b\"", "x"), node("b", "\"a\"", "y")].join(","));
    let fine = conversation("\"a\"", &node("a", "null", "fine"));
    let (messages, summary) = import(format!("{},{}", &circle[..circle.len() - 1], &fine[1..]));
    assert_eq!(texts(&messages), ["fine"]);
    assert!(only_problem(&summary).contains("circle"));
}

#[test]
fn chat_with_itself_as_parent_is_refused() {
    let (messages, summary) = import(conversation("\"a\"", &node("a", "\"a\"", "x")));
    assert!(messages.is_empty());
    assert!(only_problem(&summary).contains("circle"));
}

#[test]
fn chat_with_missing_nodes_is_refused() {
    for (current, parent, reason) in [("\"z\"", "null", "not among"), ("\"a\"", "\"z\"", "missing")] {
        let (messages, summary) = import(conversation(current, &node("a", parent, "x")));
        assert!(messages.is_empty());
        assert!(only_problem(&summary).contains(reason));
    }
}

#[test]
fn chat_without_a_last_message_takes_the_last_leaf() {
    let (messages, _) = import(conversation("null", &[node("a", "null", "x"), node("b", "\"a\"", "y")].join(",")));
    assert_eq!(texts(&messages), ["x", "y"]);
}

#[test]
fn chat_with_a_very_long_path_is_read() {
    let nodes: Vec<String> = (0..20_000)
        .map(|n| node(&n.to_string(), &if n == 0 { "null".into() } else { format!("\"{}\"", n - 1) }, "x"))
        .collect();
    assert_eq!(import(conversation("\"19999\"", &nodes.join(","))).0.len(), 20_000);
}

#[test]
fn chat_with_odd_shapes_gives_problems_and_no_panic() {
    let odd = [
        "[{\"create_time\":1,\"mapping\":5}]",
        "[{\"create_time\":1,\"mapping\":{\"a\":5}}]",
        "[{\"create_time\":1,\"mapping\":{\"a\":{\"message\":5}}}]",
        "[{\"create_time\":1,\"mapping\":{\"a\":{\"message\":{\"content\":7}}}}]",
        "[{\"create_time\":1,\"mapping\":{\"a\":{\"message\":{\"content\":{\"parts\":{}}}}}}]",
        "[{\"create_time\":1,\"mapping\":{}}, 7]",
    ];
    for text in odd {
        assert!(import(text).0.is_empty(), "{text}");
    }
}

#[test]
fn chat_message_over_the_text_limit_is_reported() {
    let (messages, summary) = import(conversation("\"a\"", &node("a", "null", &"x".repeat(2 << 20))));
    assert!(messages.is_empty());
    assert!(only_problem(&summary).contains("element 1, message a: the text has"));
}
