//! Networks: a chain with our contracts on it, and a content store. The embedded one lives in a folder outside every
//! vault, so that two people on one machine meet there; it is served by this same program, started when needed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use provenance::chain::Address;
use provenance::chain::client::{Chain, Endpoint, Profile};
use provenance::chain::deploy::Keys;
use provenance::chain::devnet::{Devnet, Running, Server, ServerOptions, find};
use provenance::chain::outbox::Outbox;
use provenance::content::ContentStore;
use zk::merkle::Tier;

use crate::error::{Code, Error, Result};
use crate::home::{self, Home, Kind};
use crate::progress::check_interrupt;
use crate::{sources, view};

/// The network that needs nothing beside this program.
pub const EMBEDDED: &str = "embedded";
/// The setting that names the network in use.
const SETTING: &str = "network";
/// How long the embedded network may take to start; the first time it deploys the contracts.
const START: Duration = Duration::from_secs(120);
/// Seconds without a request after which a network that was started on demand ends.
const IDLE: u64 = 900;

/// A network that answers.
pub struct Network {
    /// Its contracts and currencies.
    pub profile: Profile,
    /// Its chain.
    pub chain: Chain,
    /// Its content store.
    pub content: Box<dyn ContentStore>,
    /// What was begun on it.
    outbox: Outbox,
}

impl Network {
    /// The symbol of the currency that prices are shown in.
    pub fn symbol(&self) -> &str {
        self.profile.currencies.first().map_or("", |currency| &currency.symbol)
    }

    /// The token that prices are in.
    ///
    /// # Errors
    /// `Failure` for a network without currencies.
    pub fn currency(&self) -> Result<Address> {
        let first = self.profile.currencies.first();
        first
            .map(|currency| currency.token)
            .ok_or_else(|| Error::failure(format!("the network {:?} has no currency", self.profile.name)))
    }
}

/// Where networks are kept: `USUFRUCT_NETWORK_HOME`, or `$XDG_DATA_HOME/usufruct/network`.
///
/// # Errors
/// `Usage` where the user has no home folder.
pub fn folder() -> Result<PathBuf> {
    match std::env::var_os("USUFRUCT_NETWORK_HOME") {
        Some(folder) => Ok(folder.into()),
        None => Ok(home::data_dir()?.join("network")),
    }
}

/// The network's name: as asked for, as chosen in this vault, or the embedded one.
///
/// # Errors
/// `Integrity` where the vault's setting cannot be read.
pub fn name(home: &Home, asked: Option<&str>) -> Result<String> {
    match asked {
        Some(name) => Ok(name.to_owned()),
        None => Ok(home.find::<String>(Kind::Setting, SETTING)?.unwrap_or_else(|| EMBEDDED.to_owned())),
    }
}

/// The network that was chosen in this vault, if one was.
///
/// # Errors
/// `Integrity` where the vault's setting cannot be read.
pub fn chosen(home: &Home) -> Result<Option<String>> {
    home.find::<String>(Kind::Setting, SETTING)
}

/// Connects to a network; starts the embedded one when nobody serves it. A new wallet on a development network gets gas.
///
/// # Errors
/// `NotFound` for an unknown name; `Network` where it does not answer; `Integrity` where it is not the chain, or has not
/// the contracts, that its profile says.
pub async fn connect(name: &str, home: Option<&Home>) -> Result<Network> {
    let folder = folder()?;
    let profile = if name == EMBEDDED { embedded(&folder).await? } else { read_profile(&folder, name)? };
    let content = sources::open(&folder.join("content"), std::env::var("USUFRUCT_CONTENT").ok().as_deref())?;
    let mut chain = Chain::connect(profile.clone()).await?;
    let Some(home) = home else {
        return Ok(Network { profile, chain, content, outbox: Outbox::in_memory() });
    };
    let outbox = home.outbox()?;
    chain = chain.with_outbox(outbox.clone());
    if profile.development {
        chain.fund(home.person.address()).await?;
    }
    if home.is_held() {
        for done in chain.resume(home.person.signer()).await? {
            eprintln!("finished what was begun earlier: transaction {}", done.tx);
        }
    }
    Ok(Network { profile, chain, content, outbox })
}

/// The same network again, after something that took longer than the embedded one waits for questions.
///
/// # Errors
/// Like [`connect`].
pub async fn again(network: &Network) -> Result<Network> {
    let fresh = connect(&network.profile.name, None).await?;
    let outbox = network.outbox.clone();
    Ok(Network { chain: fresh.chain.with_outbox(outbox.clone()), outbox, ..fresh })
}

/// The embedded network's profile, with its process running.
async fn embedded(folder: &Path) -> Result<Profile> {
    let started = Instant::now();
    let mut running = serving(folder).await?;
    let mut starting = if running.is_none() { Some(start(folder)?) } else { None };
    while running.is_none() {
        if let Some(child) = &mut starting
            && let Some(status) = child.try_wait()?
        {
            // Another process may have been faster; then this one ended as busy and the other answers soon.
            match status.code().and_then(Code::from_exit) {
                Some(Code::Busy) => starting = None,
                code => return Err(not_served(folder, code)),
            }
        }
        if started.elapsed() > START {
            return Err(Error::network("the embedded network did not start").hint("`usufruct network serve` says why."));
        }
        check_interrupt()?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        running = serving(folder).await?;
    }
    let mut profile = read_profile(folder, EMBEDDED)?;
    if let Some(running) = running {
        profile.url = running.url;
    }
    Ok(profile)
}

/// The process that serves the embedded network, once its contracts are deployed.
async fn serving(folder: &Path) -> Result<Option<Running>> {
    if !profile_path(folder, EMBEDDED).exists() {
        return Ok(None);
    }
    Ok(find(&chain_folder(folder)).await?)
}

/// Starts `usufruct network serve` in the background; it ends by itself when nobody asks anything.
fn start(folder: &Path) -> Result<Child> {
    std::fs::create_dir_all(folder)?;
    let log = std::fs::File::create(folder.join("serve.log"))?;
    let child = Command::new(program()?)
        .args(["network", "serve", "--idle", &IDLE.to_string()])
        .env("USUFRUCT_NETWORK_HOME", folder)
        .env_remove("USUFRUCT_PASSPHRASE")
        .env_remove("USUFRUCT_NEW_PASSPHRASE")
        .env_remove("USUFRUCT_RECOVERY_PHRASE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(child)
}

/// The program that serves: this one, or the command line beside it where this is another program of the same folder.
fn program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let beside = this.with_file_name("usufruct");
    Ok(if beside.is_file() { beside } else { this })
}

/// Why the process that should serve ended: the last line that it said.
fn not_served(folder: &Path, code: Option<Code>) -> Error {
    let log = std::fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
    let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let said = last.trim().trim_start_matches("usufruct: ");
    Error::new(code.unwrap_or(Code::Network), format!("the embedded network did not start: {said}"))
}

/// Whether the embedded network in `folder` is being served.
pub fn answers(folder: &Path) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return false };
    matches!(runtime.block_on(serving(folder)), Ok(Some(_)))
}

/// Moves the clock of the embedded chain in `folder`: for trying out deadlines.
///
/// # Errors
/// `Network` where nobody serves it.
pub fn pass_time(folder: &Path, seconds: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = serving(folder).await?.ok_or_else(|| Error::network("the embedded network is not running"))?;
        let profile = Profile { url: running.url.clone(), ..read_profile(folder, EMBEDDED)? };
        Ok(Chain::connect(profile).await?.pass_time(seconds).await?)
    })
}

/// Serves the embedded network until it is idle for `idle` seconds or interrupted. Deploys the contracts the first time.
///
/// # Errors
/// `Busy` while another process serves it.
pub async fn serve(idle: u64) -> Result<view::Network> {
    let folder = folder()?;
    std::fs::create_dir_all(&folder)?;
    let devnet = Devnet::open(&chain_folder(&folder))?;
    if !profile_path(&folder, EMBEDDED).exists() {
        let profile = deploy_to(EMBEDDED, Endpoint::Embedded(devnet.clone()), "").await?;
        write_profile(&folder, &profile)?;
    }
    let options = ServerOptions { port: 0, idle: Some(Duration::from_secs(idle)) };
    let server = Server::bind(devnet, options).await?;
    eprintln!("the embedded network answers at {}", server.url());
    let shown = shown(&read_profile(&folder, EMBEDDED)?, true, None);
    server
        .run(async {
            while check_interrupt().is_ok() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await?;
    Ok(shown)
}

/// Deploys the contracts to the chain at `rpc` and remembers it as the network `name`.
///
/// # Errors
/// `Network` where it does not answer; `Refused` for a chain that is no development chain: production keys do not exist yet.
pub async fn deploy(name: &str, rpc: &str) -> Result<view::Network> {
    let folder = folder()?;
    std::fs::create_dir_all(&folder)?;
    check_name(name)?;
    let profile = deploy_to(name, Endpoint::Http(rpc.to_owned()), rpc).await?;
    write_profile(&folder, &profile)?;
    Ok(shown(&profile, false, None))
}

/// What [`deploy`] would do; nothing is sent and nothing kept.
///
/// # Errors
/// Like [`deploy`].
pub async fn would_deploy(name: &str, rpc: &str) -> Result<view::Network> {
    check_name(name)?;
    let site = provenance::chain::deploy::survey(Endpoint::Http(rpc.to_owned())).await?;
    let replaced = if read_profile(&folder()?, name).is_ok() { "; the network of this name is replaced" } else { "" };
    Ok(view::Network {
        name: name.to_owned(),
        chain_id: Some(site.chain_id),
        rpc: Some(rpc.to_owned()),
        height: Some(site.height),
        in_use: false,
        contracts: None,
        note: format!("the contracts would be deployed here, with development keys: proofs can be forged{replaced}"),
    })
}

/// The circuits' verifying keys go into the contracts as they are pinned in this program.
async fn deploy_to(name: &str, endpoint: Endpoint, url: &str) -> Result<Profile> {
    let mut provenance = Vec::new();
    for tier in Tier::ALL {
        provenance.push(zk::solidity::key_words(&zk::keys::VerifyingKey::pinned(tier)?));
    }
    let keys = Keys {
        provenance: provenance.try_into().map_err(|_| Error::failure("there are three tiers"))?,
        statistic: Some(zk::solidity::key_words(&zk::keys::VerifyingKey::pinned(zk::Circuit::Statistic)?)),
    };
    Ok(provenance::chain::deploy::deploy(name, url, endpoint, &keys).await?)
}

/// The network known on this machine whose contracts a bundle names.
pub fn deployed_as(said: &provenance::bundle::ChainFacts) -> Option<Profile> {
    let folder = folder().ok()?;
    let names = names(&folder);
    let ours = |profile: &Profile| profile.chain_id == said.chain_id && profile.escrow == said.escrow;
    names.iter().filter_map(|name| read_profile(&folder, name).ok()).find(ours)
}

/// The names of all networks, the embedded one among them.
fn names(folder: &Path) -> Vec<String> {
    let mut names = vec![EMBEDDED.to_owned()];
    if let Ok(entries) = std::fs::read_dir(folder) {
        names.extend(entries.flatten().filter_map(|entry| {
            let file = entry.file_name().to_string_lossy().into_owned();
            file.strip_suffix(PROFILE_ENDING).filter(|name| *name != EMBEDDED).map(str::to_owned)
        }));
    }
    names.sort();
    names
}

/// All networks known on this machine.
///
/// # Errors
/// `Integrity` where a profile cannot be read.
pub fn list(home: Option<&Home>, asked: Option<&str>) -> Result<view::Networks> {
    let folder = folder()?;
    let in_use = match home {
        Some(home) => name(home, asked)?,
        None => asked.unwrap_or(EMBEDDED).to_owned(),
    };
    let networks = names(&folder)
        .into_iter()
        .map(|name| match read_profile(&folder, &name) {
            Ok(profile) => Ok(shown(&profile, profile.name == in_use, None)),
            Err(error) if error.code == Code::NotFound => Ok(not_started(&name, name == in_use)),
            Err(error) => Err(error),
        })
        .collect::<Result<_>>()?;
    Ok(view::Networks { networks })
}

/// All networks known on this machine; in use is the one that was chosen in this vault, if one was.
///
/// # Errors
/// `Integrity` where a profile cannot be read.
pub fn known(home: &Home) -> Result<view::Networks> {
    list(None, Some(&chosen(home)?.unwrap_or_default()))
}

/// The network that was chosen in this vault. Asks it nothing.
///
/// # Errors
/// `Integrity` where its profile cannot be read.
pub fn badge(home: &Home) -> Result<Option<view::Network>> {
    Ok(known(home)?.networks.into_iter().find(|network| network.in_use))
}

/// A network that answers, for a reader.
///
/// # Errors
/// `Network`.
pub async fn answering(network: &Network) -> Result<view::Network> {
    Ok(shown(&network.profile, true, Some(network.chain.head_block().await?)))
}

/// Remembers in the vault which network to use, and where its chain answers where `rpc` says so.
///
/// # Errors
/// `NotFound` for an unknown one; with `rpc` what [`add`] returns.
pub async fn choose(home: &mut Home, name: &str, rpc: Option<&str>) -> Result<view::Network> {
    let view = match (name, rpc) {
        (EMBEDDED, None) => not_started(name, true),
        (EMBEDDED, Some(_)) => return Err(Error::usage("the embedded network answers where it is started")),
        (_, None) => shown(&read_profile(&folder()?, name)?, true, None),
        (_, Some(rpc)) => {
            let profile = Profile { url: rpc.to_owned(), ..read_profile(&folder()?, name)? };
            shown(&kept_if_it_answers(profile).await?, true, None)
        }
    };
    home.keep(Kind::Setting, SETTING, &name)?;
    home.commit()?;
    Ok(view)
}

/// Adds the network that the profile in `file` describes, as whoever deployed it has it.
///
/// # Errors
/// `Refused` where there is another of this name; `Network` where it does not answer; `Integrity` where what answers is not
/// the chain, or has not the contracts, that the profile pins.
pub async fn add(file: &Path) -> Result<view::Network> {
    let text = std::fs::read(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(format!("there is no file {}", file.display())),
        _ => error.into(),
    })?;
    let profile: Profile = serde_json::from_slice(&text)
        .map_err(|e| Error::integrity(format!("{} is no network's profile: {e}", file.display())))?;
    check_name(&profile.name)?;
    if let Ok(known) = read_profile(&folder()?, &profile.name)
        && (Profile { url: known.url.clone(), ..profile.clone() }) != known
    {
        return Err(Error::refused(format!("there is another network called {:?}", profile.name))
            .hint("Give the profile in the file another name."));
    }
    Ok(shown(&kept_if_it_answers(profile).await?, false, None))
}

/// Keeps a profile once its chain answers as the one it pins: id, first block, and the code of every contract.
async fn kept_if_it_answers(profile: Profile) -> Result<Profile> {
    Chain::connect(profile.clone()).await?;
    let folder = folder()?;
    std::fs::create_dir_all(&folder)?;
    write_profile(&folder, &profile)?;
    Ok(profile)
}

fn check_name(name: &str) -> Result<()> {
    if name == EMBEDDED || name.is_empty() || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        return Err(Error::usage(format!("a network cannot be called {name:?}"))
            .hint("Use letters, digits and dashes; `embedded` is taken."));
    }
    Ok(())
}

/// Whether the network answers, and as what.
///
/// # Errors
/// Like [`connect`].
pub async fn status(name: &str) -> Result<view::Network> {
    let network = connect(name, None).await?;
    Ok(shown(&network.profile, true, Some(network.chain.head_block().await?)))
}

fn shown(profile: &Profile, in_use: bool, height: Option<u64>) -> view::Network {
    let note = if profile.development {
        "development network: its money is worth nothing and its proofs can be forged with development keys"
    } else {
        ""
    };
    view::Network {
        name: profile.name.clone(),
        chain_id: Some(profile.chain_id),
        rpc: Some(profile.url.clone()),
        height,
        in_use,
        contracts: Some(view::Contracts {
            datasets: profile.datasets.to_string(),
            licenses: profile.licenses.to_string(),
            escrow: profile.escrow.to_string(),
        }),
        note: note.to_owned(),
    }
}

fn not_started(name: &str, in_use: bool) -> view::Network {
    view::Network {
        name: name.to_owned(),
        chain_id: None,
        rpc: None,
        height: None,
        in_use,
        contracts: None,
        note: "starts by itself when it is needed".to_owned(),
    }
}

const PROFILE_ENDING: &str = ".network.json";

fn profile_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{PROFILE_ENDING}"))
}

fn chain_folder(folder: &Path) -> PathBuf {
    folder.join("chain")
}

fn read_profile(folder: &Path, name: &str) -> Result<Profile> {
    let path = profile_path(folder, name);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::not_found(format!("there is no network {name:?}"))
                .hint("`usufruct network list` shows them; `usufruct network deploy NAME --rpc URL` makes one, `network add FILE` takes another's."));
        }
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice(&text).map_err(|e| Error::integrity(format!("{} cannot be read: {e}", path.display())))
}

/// Whole or not at all: written beside, synced, then renamed.
fn write_profile(folder: &Path, profile: &Profile) -> Result<()> {
    use std::io::Write;
    let path = profile_path(folder, &profile.name);
    let text = serde_json::to_vec_pretty(profile).map_err(|e| Error::failure(e.to_string()))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&text)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|e| Error::failure(format!("{}: {e}", path.display())))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}
