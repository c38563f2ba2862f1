//! Mail.

use super::*;

const HEAD: &str = "From a@b Fri Mar  1 08:00:00 2024\nFrom: a@b\nSubject: s\n";

#[test]
fn mail_of_every_kind_is_read() {
    let (mails, summary) = import(data("fixtures/mail.mbox"));
    assert_eq!((summary.format, summary.problems.as_slice()), (Format::Mbox, &[][..]));
    let expected = [
        "Lunch at noon?\n\nFrom the station it is five minutes.\nFrom here you see the tower.",
        "Yes, gladly.",
        "Me too.",
    ];
    let texts: Vec<String> = texts(&mails).iter().map(|text| text.trim().to_owned()).collect();
    assert_eq!(texts, expected);
    assert_eq!(mails[0].fields["from"].display(), "Alice Martin <alice@example.org>");
    assert_eq!(mails[0].fields["to"].display(), "Bob <bob@example.org>, carol@example.org");
    assert_eq!(mails[0].fields["subject"].display(), "Déjeuner");
    assert_eq!(mails[0].fields["message_id"].display(), "1@example.org");
    assert_eq!(mails[1].fields["in_reply_to"].display(), "1@example.org");
    assert_eq!(mails[1].fields["attachments"].display(), "menu.pdf");
    assert!(!mails[1].text.as_deref().unwrap().contains("PDF"));
    // The header's own date, the separator's where there is none, nothing where neither is.
    assert_eq!([mails[0].time, mails[1].time, mails[2].time], [Some(1_709_280_000), Some(1_709_281_800), None]);
}

#[test]
fn mail_with_crlf_is_the_same_record() {
    let plain = String::from_utf8(data("fixtures/mail.mbox")).unwrap();
    let (unix, _) = import(&plain);
    let (dos, summary) = import(plain.replace('\n', "\r\n"));
    assert!(summary.is_whole());
    assert_eq!(identities(&dos), identities(&unix));
}

#[test]
fn mail_with_an_impossible_date_takes_the_separators() {
    let (mails, _) = import(format!("{HEAD}Date: Fri, 31 Feb 2024 25:99:00 +0000\n\nhello\n"));
    assert_eq!(mails[0].time, Some(1_709_280_000));
}

#[test]
fn mail_body_with_a_from_line_that_is_no_separator_stays_whole() {
    let (mails, _) = import(format!("{HEAD}\nhello\n\nFrom now on\nwe write.\n>>From twice\n"));
    assert_eq!(texts(&mails), ["hello\n\nFrom now on\nwe write.\n>From twice"]);
}

#[test]
fn mail_without_a_body_keeps_its_headers() {
    let (mails, summary) = import(format!("{HEAD}\n\n{HEAD}"));
    assert_eq!((mails.len(), mails[0].text.as_deref()), (2, None));
    assert!(summary.is_whole());
}

#[test]
fn mail_with_too_many_headers_is_left_out() {
    let (mails, summary) = import(format!("{HEAD}{}\nbody\n\n{HEAD}\nfine\n", "X: y\n".repeat(50_000)));
    assert_eq!(texts(&mails), ["fine"]);
    assert!(only_problem(&summary).starts_with("file, message 1: more than"));
}

#[test]
fn mail_with_a_hundred_thousand_nested_parts_is_left_out() {
    let nested: String =
        (0..100_000).map(|n| format!("--b{n}\nContent-Type: multipart/mixed; boundary=b{}\n\n", n + 1)).collect();
    let head = format!("{HEAD}Content-Type: multipart/mixed; boundary=b0\n\n");
    let (mails, summary) = import(format!("{head}{nested}\n\n{HEAD}\nfine\n"));
    assert_eq!(texts(&mails), ["fine"]);
    assert_eq!(summary.problems.len(), 1);
}

#[test]
fn mail_with_nested_parts_within_the_limit_does_not_overflow() {
    let nested: String =
        (0..9_000).map(|n| format!("--b{n}\nContent-Type: multipart/mixed; boundary=b{}\n\n", n + 1)).collect();
    let (mails, _) = import(format!("{HEAD}Content-Type: multipart/mixed; boundary=b0\n\n{nested}"));
    assert_eq!(mails.len(), 1);
    let forwarded = "Content-Type: message/rfc822\n\n".repeat(9_000);
    assert_eq!(import(format!("{HEAD}{forwarded}Subject: end\n\nhello\n")).0.len(), 1);
}

#[test]
fn mail_longer_than_the_limit_is_left_out() {
    let long = "some words that fill a line of mail\n".repeat(1 << 20);
    let (mails, summary) = import(format!("{HEAD}\n{long}\n\n{HEAD}\nfine\n"));
    assert_eq!(texts(&mails), ["fine"]);
    assert!(only_problem(&summary).contains("longer than"));
}

#[test]
fn mail_with_one_huge_line_is_left_out() {
    let (mails, summary) = import(format!("{HEAD}\n{}\n\n{HEAD}\nfine\n", "x".repeat(9 << 20)));
    assert_eq!(texts(&mails), ["fine"]);
    assert!(only_problem(&summary).contains("a line longer"));
}

#[test]
fn mail_with_bad_bytes_is_read_as_far_as_it_goes() {
    let bytes = [HEAD.as_bytes(), b"Content-Type: text/plain; charset=no-such\n\ncaf\xe9 \xff\xc3\n"].concat();
    let (mails, _) = import(bytes);
    assert!(mails[0].text.as_deref().unwrap().starts_with("caf"));
}
