use super::*;
use crate::chain::Address;
use crate::ids::next_head;
use crate::offer::tests::signer;
use crate::receipt::Receipt;
use crate::receipt::tests::{domain, receipt};
use crate::terms::Amount;

const DATASET: [u8; 32] = [3; 32];
const LICENSE: [u8; 32] = [1; 32];
const COIN: Address = Address::repeat_byte(0xcc);

fn at(block: u64) -> Place {
    Place { block, index: 0, time: 1_800_000_000 + block, tx: [block as u8; 32] }
}

/// The receipt of job number `n`.
fn receipt_of(n: u8) -> Receipt {
    Receipt { job: [n; 32], license: LICENSE, dataset: DATASET, ..receipt() }
}

fn signed(n: u8) -> SignedReceipt {
    receipt_of(n).sign(&signer(1), domain()).unwrap()
}

fn version() -> Version {
    Version {
        dataset: DATASET,
        owner: signer(1).address(),
        manifest: [8; 32],
        root: [4; 32],
        records: 300,
        number: 1,
        state: "active",
    }
}

/// A dataset, a license and `jobs` settled jobs, with the head after each.
fn story(jobs: u8) -> (Vec<Event>, [u8; 32]) {
    let mut events = vec![
        Event { place: at(1), fact: Fact::Published(version()) },
        Event {
            place: at(2),
            fact: Fact::Bought {
                license: LICENSE,
                dataset: DATASET,
                offer: [9; 32],
                licensee: signer(2).address(),
                runs: 5,
                price_per_run: Amount::tokens(2),
                expires_at: 1_900_000_000,
            },
        },
    ];
    let mut head = [0; 32];
    for n in 10..10 + jobs {
        let (job, block) = ([n; 32], u64::from(n) * 10);
        let hash = receipt_of(n).hash();
        head = next_head(&head, &job, &hash);
        let facts = [
            Fact::Requested {
                job,
                license: LICENSE,
                dataset: DATASET,
                version: 1,
                action: 2,
                records: 300,
                amount: Amount::tokens(2),
                licensee: signer(2).address(),
            },
            Fact::Committed { job, dataset: DATASET, output_root: [6; 32], output_digest: [7; 32] },
            Fact::Drawn { job },
            Fact::Accepted { job },
            Fact::Settled {
                job,
                dataset: DATASET,
                owner: signer(1).address(),
                currency: COIN,
                amount: Amount::tokens(2),
                receipt: hash,
                head,
            },
        ];
        events.extend((block..).zip(facts).map(|(block, fact)| Event { place: at(block), fact }));
    }
    (events, head)
}

fn build(events: &[Event], receipts: &[SignedReceipt], head: [u8; 32]) -> Trail {
    let heads = [Head { dataset: DATASET, head }];
    Trail::build(&Sources { events, receipts, heads: &heads, escrow: domain() })
}

fn verbs(trail: &Trail) -> Vec<&'static str> {
    trail.edges.iter().map(|edge| edge.verb).collect()
}

#[test]
fn trail_of_a_settled_job_is_whole() {
    let (events, head) = story(1);
    let trail = build(&events, &[signed(10)], head);
    assert_eq!(verbs(&trail), ["published", "offered", "bought", "requested", "used", "committed", "settled", "paid"]);
    assert_eq!(trail.gaps().count(), 0);
    let kinds: Vec<&str> = trail.nodes.iter().map(|node| node.kind.word()).collect();
    assert_eq!(kinds, ["dataset", "version", "offer", "license", "job", "output", "receipt", "reward"]);
    for edge in &trail.edges {
        assert!(trail.node(&edge.from).is_some() && trail.node(&edge.to).is_some(), "{edge:?}");
    }
    let settled = trail.edges.iter().find(|edge| edge.verb == "settled").unwrap();
    assert_eq!(settled.standing, Standing::Signed);
    assert_eq!(settled.backing, Backing::Receipt { hash: receipt_of(10).hash(), tx: [104; 32] });
}

#[test]
fn trail_does_not_depend_on_the_order_of_its_sources() {
    let (mut events, head) = story(3);
    let receipts = [signed(10), signed(11), signed(12)];
    let trail = build(&events, &receipts, head);
    events.reverse();
    let again: Vec<Event> = events.iter().chain(&events).cloned().collect();
    assert_eq!(build(&again, &[receipts[2].clone(), receipts[0].clone(), receipts[1].clone()], head), trail);
}

#[test]
fn states_follow_the_last_event() {
    let (mut events, head) = story(2);
    events.push(Event { place: at(200), fact: Fact::Acknowledged { job: [10; 32], receipt: receipt_of(10).hash() } });
    let ended = Version { state: "revoked", ..version() };
    events.push(Event { place: at(201), fact: Fact::StateChanged(ended) });
    let fact = Fact::LicenseEnded { license: LICENSE, by: "reclaimed", runs: 3, amount: Amount::tokens(6) };
    events.push(Event { place: at(202), fact });
    let trail = build(&events, &[signed(10), signed(11)], head);
    let fact = |kind: &str, n: u8, name: &str| {
        let id = format!("{kind}:0x{}", hex::encode([n; 32]));
        trail.node(&id).unwrap().fact(name).unwrap().to_owned()
    };
    assert_eq!(fact("job", 10, "state"), "delivered");
    assert_eq!(fact("job", 11, "state"), "settled");
    assert_eq!(fact("dataset", 3, "state"), "revoked");
    assert_eq!(fact("license", 1, "state"), "reclaimed");
    assert_eq!(fact("license", 1, "refunded"), "6");
}

#[test]
fn withdrawal_takes_the_rewards_before_it() {
    let (mut events, head) = story(2);
    let fact = |account| Fact::Withdrawn { account, currency: COIN, to: account, amount: Amount::tokens(2) };
    events.push(Event { place: at(106), fact: fact(signer(1).address()) });
    events.push(Event { place: at(107), fact: fact(signer(2).address()) });
    let trail = build(&events, &[signed(10), signed(11)], head);
    let withdrawn: Vec<&Edge> = trail.edges.iter().filter(|edge| edge.verb == "withdrawn").collect();
    assert_eq!(withdrawn.len(), 1);
    assert_eq!(trail.node(&withdrawn[0].from).unwrap().fact("state"), Some("claimed"));
    let other = format!("reward:0x{}", hex::encode([11; 32]));
    assert_eq!(trail.node(&other).unwrap().fact("state"), Some("claimable"));
    let own = trail.of(&DATASET);
    assert_eq!(own.nodes.iter().filter(|node| node.kind == NodeKind::Withdrawal).count(), 1);
}

#[test]
fn trail_of_another_dataset_is_empty() {
    let (events, head) = story(1);
    let trail = build(&events, &[signed(10)], head).of(&[0xee; 32]);
    assert!(trail.nodes.is_empty() && trail.edges.is_empty());
}

#[test]
fn refunded_job_has_no_receipt() {
    let (mut events, _) = story(1);
    events.truncate(events.len() - 1);
    let fact = Fact::Refunded { job: [10; 32], amount: Amount::tokens(2), reason: "rejected" };
    events.push(Event { place: at(105), fact });
    let trail = build(&events, &[], [0; 32]);
    assert_eq!(trail.gaps().count(), 0);
    assert!(!trail.nodes.iter().any(|node| matches!(node.kind, NodeKind::Receipt | NodeKind::Reward)));
    let job = trail.node(&format!("job:0x{}", hex::encode([10; 32]))).unwrap();
    assert_eq!((job.fact("state"), job.fact("reason")), (Some("refunded"), Some("rejected")));
}

/// The edges `settled` and `paid` of job `n` must stand as `standing` says.
fn stands(trail: &Trail, n: u8, standing: &str) {
    let from = format!("output:0x{}", hex::encode([n; 32]));
    let settled = trail.edges.iter().find(|edge| edge.from == from).unwrap();
    let paid = trail.edges.iter().find(|edge| edge.from == settled.to).unwrap();
    assert!(settled.standing.to_string().starts_with(standing), "{}", settled.standing);
    assert_eq!(paid.standing, settled.standing);
}

#[test]
fn missing_receipt_is_marked() {
    let (events, head) = story(2);
    let trail = build(&events, &[signed(11)], head);
    stands(&trail, 10, "missing");
    stands(&trail, 11, "signed");
    assert_eq!(trail.gaps().count(), 2);
}

#[test]
fn altered_receipt_is_marked() {
    let (events, head) = story(1);
    let altered = Receipt { amount: Amount::tokens(1), ..receipt_of(10) }.sign(&signer(1), domain()).unwrap();
    stands(&build(&events, &[altered], head), 10, "refuted: the receipt is not the one");
}

#[test]
fn receipt_signed_by_another_is_marked() {
    let (events, head) = story(1);
    let forged = receipt_of(10).sign(&signer(3), domain()).unwrap();
    stands(&build(&events, &[forged], head), 10, "refuted: integrity: the receipt was signed by");
}

#[test]
fn receipt_for_another_escrow_is_marked() {
    let (events, head) = story(1);
    let other = Domain { contract: Address::repeat_byte(9), ..domain() };
    let moved = receipt_of(10).sign(&signer(1), other).unwrap();
    stands(&build(&events, &[moved], head), 10, "refuted: wrong network");
}

#[test]
fn omitted_last_job_is_marked() {
    let (events, head) = story(2);
    let shown: Vec<Event> = events[..events.len() - 5].to_vec();
    let trail = build(&shown, &[signed(10)], head);
    let gaps: Vec<&Edge> = trail.gaps().collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].verb, &gaps[0].standing), ("omitted", &Standing::Omitted));
    assert_eq!(gaps[0].backing, Backing::Head(head));
    assert!(trail.of(&DATASET).gaps().count() == 1);
}

#[test]
fn omitted_first_job_is_marked() {
    let (mut events, head) = story(2);
    events.drain(2..7);
    let trail = build(&events, &[signed(10), signed(11)], head);
    stands(&trail, 11, "refuted: the head");
    assert!(trail.gaps().any(|edge| edge.verb == "omitted"));
}

#[test]
fn all_jobs_omitted_is_marked() {
    let (events, head) = story(1);
    let trail = build(&events[..2], &[], head);
    assert_eq!(trail.gaps().count(), 1);
}

#[test]
fn jobs_in_another_order_are_marked() {
    let (mut events, head) = story(2);
    let (first, second) = (events[6].place, events[11].place);
    events[6].place = second;
    events[11].place = first;
    let trail = build(&events, &[signed(10), signed(11)], head);
    assert!(trail.gaps().any(|edge| edge.verb == "omitted"));
}

#[test]
fn invented_job_is_marked() {
    let (events, _) = story(1);
    let trail = build(&events, &[signed(10)], [0; 32]);
    assert!(trail.gaps().any(|edge| edge.verb == "omitted"));
}
