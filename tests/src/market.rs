//! A contributor and a consumer on one embedded network, and the steps that they take together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Person, text};

/// Two people, the folder they live in, and the network's process.
pub struct Market {
    /// Removed at the end.
    pub folder: tempfile::TempDir,
    /// Who has data.
    pub contributor: Person,
    /// Who wants to use it.
    pub consumer: Person,
    serving: Option<Child>,
}

impl Drop for Market {
    fn drop(&mut self) {
        self.stop_network();
    }
}

impl Market {
    /// Two people with fresh vaults and money, on a fresh embedded network. The consumer is confined to its own folder.
    pub fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let contributor = Person::new(folder.path(), "contributor");
        let mut consumer = Person::new(folder.path(), "consumer");
        fs::create_dir_all(&contributor.network_home).expect("a folder");
        let received = folder.path().join("received");
        fs::create_dir_all(&received).expect("a folder");
        consumer.confined = vec![consumer.home.clone(), consumer.network_home.clone(), received];
        let mut market = Market { folder, contributor, consumer, serving: None };
        market.start_network();
        market.contributor.run(&["init"]);
        market.consumer.run(&["init"]);
        market.consumer.run(&["wallet", "faucet"]);
        market
    }

    /// Where the consumer may write.
    pub fn received(&self) -> PathBuf {
        self.folder.path().join("received")
    }

    /// Starts the network's process and waits until it answers.
    pub fn start_network(&mut self) {
        let mut command = self.contributor.command(&["network", "serve"]);
        self.serving = Some(command.stdout(Stdio::null()).spawn().expect("the network starts"));
        let started = Instant::now();
        while !app::network::answers(&self.contributor.network_home) {
            assert!(started.elapsed() < Duration::from_secs(180), "the network did not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the network's process as a crash would.
    pub fn stop_network(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            let _ = serving.kill();
            let _ = serving.wait();
        }
    }

    /// Imports `count` notes and publishes them as the dataset `name`; its id.
    pub fn publish(&self, name: &str, count: usize) -> String {
        let folder = self.folder.path().join(format!("{name}-notes"));
        notes(&folder, name, count);
        self.contributor.run(&["import", &folder.to_string_lossy(), "--source", name]);
        let dataset = self.contributor.run(&["dataset", "create", name, "--source", name]);
        assert_eq!(dataset["records"], count);
        text(&self.contributor.run(&["dataset", "publish", name]), "dataset_id")
    }

    /// Imports a table of `amounts` (an empty text for none) and publishes it as the dataset `name`, whose statistics count
    /// them in 16 bins; its id.
    pub fn publish_amounts(&self, name: &str, amounts: &[String], edges: &str) -> String {
        self.import_amounts(name, amounts);
        let create = ["dataset", "create", name, "--source", name, "--statistic", "amount", "--edges", edges];
        let dataset = self.contributor.run(&create);
        assert_eq!((&dataset["records"], &dataset["counted"]), (&amounts.len().into(), &"amount".into()));
        text(&self.contributor.run(&["dataset", "publish", name]), "dataset_id")
    }

    /// Imports a table with a row for each of `amounts`, an empty text for none, as the source `name`.
    pub fn import_amounts(&self, name: &str, amounts: &[String]) {
        let table = self.folder.path().join(format!("{name}.csv"));
        let rows = amounts.iter().enumerate().map(|(row, amount)| format!("{row},{amount},remark {row}\n"));
        fs::write(&table, format!("number,amount,remark\n{}", rows.collect::<String>())).expect("a table");
        self.contributor.run(&["import", &table.to_string_lossy(), "--source", name]);
    }

    /// Offers the dataset; the offer's CID.
    pub fn offer(&self, name: &str, more: &[&str]) -> String {
        let mut args = vec!["offer", "create", name, "--price", "2.5"];
        if !more.contains(&"--preset") {
            args.extend(["--preset", "embeddings-non-commercial"]);
        }
        args.extend(more);
        text(&self.contributor.run(&args), "offer_cid")
    }

    /// Buys a license; its id.
    pub fn license(&self, offer: &str) -> String {
        text(&self.consumer.run(&["license", "buy", offer]), "license_id")
    }

    /// Requests a job; its id.
    pub fn job(&self, license: &str) -> String {
        text(&self.consumer.run(&["job", "request", license, "--template", "embed"]), "job_id")
    }

    /// Everything up to a requested job over `count` records; license and job.
    pub fn requested(&self, name: &str, count: usize, offer: &[&str]) -> (String, String) {
        self.publish(name, count);
        let license = self.license(&self.offer(name, offer));
        let job = self.job(&license);
        (license, job)
    }

    /// The contributor approves and runs a job on the CPU.
    pub fn run(&self, job: &str) -> Value {
        self.contributor.run(&["job", "approve", job]);
        self.contributor.run(&["job", "run", job, "--device", "cpu"])
    }

    /// Moves the embedded chain's clock.
    pub fn wait(&self, seconds: u64) {
        app::network::pass_time(&self.contributor.network_home, seconds).expect("the chain's clock moves");
    }

    /// The tokens that a person holds, as the command line prints them.
    pub fn balance(&self, person: &Person) -> String {
        text(&person.run(&["wallet", "show"]), "balance")
    }
}

/// Writes `count` short notes, each a file of its own.
pub fn notes(folder: &Path, about: &str, count: usize) {
    fs::create_dir_all(folder).expect("a folder");
    for number in 0..count {
        let text = format!(
            "Note {number} about {about}: the weather on day {number} was {}.\n",
            ["fair", "foul", "mixed"][number % 3]
        );
        fs::write(folder.join(format!("{number:04}.txt")), text).expect("a note");
    }
}
