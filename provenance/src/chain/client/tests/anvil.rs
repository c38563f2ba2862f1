//! The same transactions on the embedded chain and on anvil: gas, status, logs and what the contracts hold are equal.
//!
//! Needs the binary from `contracts/node_modules` or at `USUFRUCT_ANVIL`; without it these tests fail.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::Endpoint;

/// A running anvil; ends with the value.
pub(super) struct Anvil {
    child: Child,
    pub(super) url: String,
}

impl Anvil {
    pub(super) fn start() -> Self {
        let path = binary();
        assert!(path.exists(), "anvil is missing at {}: run `npm install` in contracts, or set USUFRUCT_ANVIL", path.display());
        let mut child = Command::new(&path)
            .args(["--host", "127.0.0.1", "--port", "0", "--chain-id", "181818", "--hardfork", "prague"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_string)).unwrap();
        // Whoever stops reading makes the writer wait.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{address}") }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Http(self.url.clone())
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("USUFRUCT_ANVIL") {
        return path.into();
    }
    let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let package = format!("../contracts/node_modules/@foundry-rs/anvil-linux-{arch}/bin/anvil");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(package)
}

#[tokio::test]
async fn whole_job_runs_on_anvil() {
    let anvil = Anvil::start();
    let world = super::world::on(anvil.endpoint()).await;
    super::journey::whole_job(&world).await;
}
