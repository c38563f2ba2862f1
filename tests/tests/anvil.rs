//! The same loop on another EVM node: anvil, from the contracts' npm packages.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::{Person, program, root, text};

struct Anvil(Child);

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port()
}

/// A fresh anvil on `port` and where it answers.
fn anvil(port: u16) -> (Anvil, String) {
    let path = root().join("contracts/node_modules/.bin/anvil");
    assert!(path.exists(), "{} is missing; `make setup` installs it", path.display());
    let child = Command::new(path)
        .args(["--port", &port.to_string(), "--silent"])
        .stdout(Stdio::null())
        .spawn()
        .expect("anvil");
    let anvil = Anvil(child);
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "anvil did not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    (anvil, format!("http://127.0.0.1:{port}"))
}

#[test]
fn loop_runs_whole_on_anvil() {
    let (_anvil, url) = anvil(free_port());
    let data = tempfile::tempdir().expect("a folder");
    tests::market::notes(data.path(), "anvil", 40);
    let output = Command::new(program("usufruct"))
        .args(["demo", "--json", "--network", "anvil", "--device", "cpu", "--data"])
        .arg(data.path())
        .env("USUFRUCT_RPC", url)
        .output()
        .expect("it starts");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(0), "{answer:#}");
    assert_eq!(answer["records"], 40);
    assert_eq!(text(&answer, "reward"), "2.5 USU");
    assert_eq!(answer["bundle_valid"], true);
}

#[test]
fn unreachable_network_ends_with_its_own_code() {
    let output = Command::new(program("usufruct"))
        .args(["demo", "--json", "--network", "anvil"])
        .env("USUFRUCT_RPC", "http://127.0.0.1:9")
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn network_down_loses_nothing_and_the_step_can_be_run_again() {
    let port = free_port();
    let (node, url) = anvil(port);
    let folder = tempfile::tempdir().expect("a folder");
    let mut person = Person::new(folder.path(), "person");
    person.network = "anvil".into();
    person.run(&["network", "deploy", "anvil", "--rpc", &url]);
    person.run(&["init"]);
    let notes = folder.path().join("notes");
    tests::market::notes(&notes, "anvil", 8);
    person.run(&["import", &notes.to_string_lossy(), "--source", "n"]);
    person.run(&["dataset", "create", "n", "--source", "n"]);
    drop(node);
    person.fails(7, &["dataset", "publish", "n"]);
    assert_eq!(person.run(&["dataset", "show", "n"])["state"], "draft");
    // Another chain at the same address, without our contracts, is not trusted.
    let (_node, url) = anvil(port);
    person.fails(6, &["dataset", "publish", "n"]);
    person.run(&["network", "deploy", "anvil", "--rpc", &url]);
    person.run(&["dataset", "publish", "n"]);
    assert_eq!(person.run(&["dataset", "show", "n"])["state"], "active");
}

#[test]
fn network_of_another_person_is_added_only_if_its_chain_answers_as_pinned() {
    let (node, url) = anvil(free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let deployer = Person::new(folder.path(), "deployer");
    let would = deployer.run(&["network", "deploy", "shared", "--rpc", &url, "--dry-run"]);
    assert!(text(&would, "note").contains("would be deployed"), "{would:#}");
    assert_eq!(tell(&url, "eth_blockNumber", serde_json::json!([])), "0x0");
    assert_eq!(deployer.run(&["network", "list"])["networks"].as_array().map(Vec::len), Some(1));
    deployer.fails(7, &["network", "deploy", "shared", "--rpc", "http://127.0.0.1:9", "--dry-run"]);
    deployer.run(&["network", "deploy", "shared", "--rpc", &url]);
    let profile = deployer.network_home.join("shared.network.json");
    let other = Person { network_home: folder.path().join("elsewhere"), ..Person::new(folder.path(), "other") };
    let file = folder.path().join("given.json");
    let change = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&profile).expect("a profile");
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&file, text.replacen(from, to, 1)).expect("a file");
    };
    let add = ["network", "add", &file.to_string_lossy()].map(str::to_owned);
    let add = add.each_ref().map(String::as_str);

    std::fs::write(&file, "not a profile").expect("a file");
    other.fails(6, &add);
    change("\"shared\"", "\"../shared\"");
    other.fails(2, &add);
    change("31337", "31338");
    other.fails(6, &add);
    let hash = format!("\"0x{}", "ab".repeat(32));
    let text = std::fs::read_to_string(&profile).expect("a profile");
    let pinned: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    change(&format!("\"{}", text_of(&pinned["genesis"])), &hash);
    other.fails(6, &add);
    change(&url, "http://127.0.0.1:9");
    other.fails(7, &add);
    std::fs::copy(&profile, &file).expect("a file");
    assert_eq!(other.run(&add)["name"], "shared");
    other.run(&["init"]);
    other.run(&["network", "use", "shared"]);

    // A node that is another chain, though it has the same id, is not taken for this one.
    let (another, elsewhere) = anvil(free_port());
    assert!([6, 7].contains(&other.try_run(&["network", "use", "shared", "--rpc", &elsewhere]).0));
    assert_eq!(other.run(&["network", "use", "shared", "--rpc", &url])["rpc"], url.as_str());
    drop((node, another));
}

fn text_of(value: &serde_json::Value) -> &str {
    value.as_str().expect("a text")
}

/// Tells a node something by JSON-RPC; its result.
fn tell(url: &str, method: &str, params: serde_json::Value) -> serde_json::Value {
    use std::io::{Read, Write};
    let address = url.trim_start_matches("http://");
    let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let mut stream = std::net::TcpStream::connect(address).expect("the node answers");
    let head = format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nConnection: close");
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{method}: {answer}"));
    answer["result"].clone()
}

#[test]
fn trail_from_a_checkpoint_is_the_one_from_nothing_after_a_reorganization_too() {
    let (_node, url) = anvil(free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let person = |name| Person { network: "anvil".into(), ..Person::new(folder.path(), name) };
    let (owner, observer) = (person("owner"), person("observer"));
    owner.run(&["network", "deploy", "anvil", "--rpc", &url]);
    owner.run(&["init"]);
    observer.run(&["init"]);
    let notes = folder.path().join("notes");
    tests::market::notes(&notes, "anvil", 8);
    owner.run(&["import", &notes.to_string_lossy(), "--source", "n"]);
    owner.run(&["dataset", "create", "n", "--source", "n"]);
    let mark = tell(&url, "evm_snapshot", serde_json::json!([]));
    let id = text(&owner.run(&["dataset", "publish", "n"]), "dataset_id");

    // The checkpoint stays sealed beside the vault; the same trail comes without it.
    let checkpoint = observer.home.join("events-anvil");
    let trail = || {
        let went_on = observer.run(&["trail", &id]);
        std::fs::remove_file(&checkpoint).expect("a checkpoint");
        assert_eq!(observer.run(&["trail", &id]), went_on);
        // Another block has another time.
        let nodes = went_on["nodes"].as_array().expect("nodes").iter();
        nodes.map(|node| (text(node, "id"), text(node, "label"))).collect::<Vec<_>>()
    };
    let published = trail();
    assert!(!published.is_empty());
    assert_eq!(tell(&url, "evm_revert", serde_json::json!([mark])), true);
    for _ in 0..5 {
        tell(&url, "evm_mine", serde_json::json!([]));
    }
    assert!(trail().is_empty());
    // The owner's next command does again what was undone.
    owner.run(&["wallet", "show"]);
    assert_eq!(trail(), published);
    let mut bytes = std::fs::read(&checkpoint).expect("a checkpoint");
    *bytes.last_mut().expect("bytes") ^= 1;
    std::fs::write(&checkpoint, bytes).expect("a damaged checkpoint");
    assert_eq!(trail(), published);
}
