//! From the command line to the use-cases: one line each, no logic.

use std::path::PathBuf;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::*;
use crate::dataset::Selection;
use crate::error::{Code, Error, Result};
use crate::home::{self, Home};
use crate::job::serve::Until;
use crate::network::{self, Network};
use crate::worker::setting::Rule;
use crate::{
    approval, backup, bundle, confine, consent, counted, dataset, delegate, deletion, demo, import, job, library,
    license, machine, manual, meaning, model, offer, passphrase, progress, publish, reward, status, time, trail, view,
    wallet, worker,
};

/// What a command printed, and how the process ends.
pub struct Outcome {
    /// For `--json`.
    pub json: String,
    /// For a person.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

impl Outcome {
    fn of<T: Serialize + std::fmt::Display>(view: &T) -> Result<Self> {
        Outcome::with_code(view, 0)
    }

    fn with_code<T: Serialize + std::fmt::Display>(view: &T, code: u8) -> Result<Self> {
        let mut json = serde_json::to_string_pretty(view).map_err(|e| Error::failure(e.to_string()))?;
        json.push('\n');
        Ok(Outcome { json, text: view.to_string(), code })
    }
}

/// What a command needs: the folder, the network's name, the passphrase when asked.
struct Context {
    global: Global,
    runtime: tokio::runtime::Runtime,
}

impl Context {
    fn dir(&self) -> Result<PathBuf> {
        self.global.home.clone().map_or_else(home::default_dir, Ok)
    }

    /// The vault's folder, and its passphrase where there is a vault to open.
    fn locked(&self) -> Result<(PathBuf, Zeroizing<String>)> {
        let dir = self.dir()?;
        if !home::exists(&dir) {
            return Ok((dir, Zeroizing::default()));
        }
        // Not before: at a prompt, Ctrl-C simply ends the program.
        let secret = passphrase::read(self.global.passphrase_fd)?;
        progress::watch_interrupt();
        Ok((dir, secret))
    }

    fn home(&self) -> Result<Home> {
        let (dir, secret) = self.locked()?;
        Home::open(&dir, &secret)
    }

    /// The vault and the network in use, with the vault's wallet as its account.
    fn connected(&self) -> Result<(Home, Network)> {
        let home = self.home()?;
        let name = network::name(&home, self.global.network.as_deref())?;
        let network = self.runtime.block_on(network::connect(&name, Some(&home)))?;
        Ok((home, network))
    }

    /// Runs a use-case over vault and network.
    fn with_network<T, F>(&self, use_case: F) -> Result<Outcome>
    where
        T: Serialize + std::fmt::Display,
        F: AsyncFnOnce(&mut Home, &Network) -> Result<T>,
    {
        let (mut home, network) = self.connected()?;
        Outcome::of(&self.runtime.block_on(use_case(&mut home, &network))?)
    }
}

/// Runs one command.
///
/// # Errors
/// What the use-case returns; `Partial` outcomes are no errors but carry exit code 9.
pub fn run(cli: Cli) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Some(state) = &cli.global.state {
        home::set_state_dir(state.clone());
    }
    let context = Context { global: cli.global, runtime };
    if !context.global.confine.is_empty() {
        confine::confine(&context.global.confine, &confine::program_files())?;
    }
    match cli.command {
        Command::Init { from_phrase } => init(&context, from_phrase),
        Command::Import { paths, source } => {
            let imported = import::run(&mut context.home()?, &paths, source.as_deref())?;
            let code = if imported.errors.is_empty() { 0 } else { Code::Partial as u8 };
            Outcome::with_code(&imported, code)
        }
        Command::Source(SourceCommand::List) => Outcome::of(&library::sources(&context.home()?)?),
        Command::Record(verb) => record(&context, verb),
        Command::Dataset(verb) => dataset_verb(&context, verb),
        Command::Offer(verb) => offer_verb(&context, verb),
        Command::License(verb) => license_verb(&context, verb),
        Command::Job(verb) => job_verb(&context, verb),
        Command::Reward(verb) => context.with_network(async |home, network| match verb {
            RewardCommand::List => reward::list(home, network).await,
            RewardCommand::Claim { dry_run } => reward::claim(home, network, dry_run).await,
        }),
        Command::Trail { dataset } => {
            context.with_network(async |home, network| trail::show(home, network, dataset.as_deref()).await)
        }
        Command::Bundle(BundleCommand::Export { job, out }) => {
            context.with_network(async |home, network| bundle::export(home, network, &job, &out).await)
        }
        Command::Verify { file, rpc, answer, checkpoints } => {
            let witnesses = bundle::Witnesses { rpc, checkpoints };
            let verified = context.runtime.block_on(bundle::verify(&file, &witnesses, answer.as_deref()))?;
            let code = if verified.valid { 0 } else { Code::Integrity as u8 };
            Outcome::with_code(&verified, code)
        }
        Command::Vault(verb) => vault_verb(&context, verb),
        Command::Network(verb) => network_verb(&context, verb),
        Command::Wallet(verb) => context.with_network(async |home, network| match verb {
            WalletCommand::Show => wallet::show(home, network).await.map(Into::into),
            WalletCommand::Faucet { dry_run: true } => wallet::faucet_would(home, network).await.map(Into::into),
            WalletCommand::Faucet { dry_run: false } => wallet::faucet(home, network).await.map(Into::into),
            WalletCommand::Delegate(verb) => delegate_verb(home, network, verb).await,
        }),
        Command::Approval(verb) => approval_verb(&context, verb),
        Command::Device(DeviceCommand::List) => Outcome::of(&machine::devices()?),
        Command::Model(ModelCommand::List) => Outcome::of(&model::list()?),
        Command::Model(ModelCommand::Add { path }) => Outcome::of(&model::add(&path)?),
        Command::Worker(verb) => {
            let mut home = context.home()?;
            Outcome::of(&match verb {
                WorkerCommand::Status => worker::setting::status(&home)?,
                WorkerCommand::Allow { layer } => worker::setting::set(&mut home, layer.parse()?, Rule::MayLack)?,
                WorkerCommand::Require { layer } => worker::setting::set(&mut home, layer.parse()?, Rule::MustHave)?,
            })
        }
        Command::Completions { shell } => Outcome::of(&manual::completions(shell)),
        Command::Manual { folder } => Outcome::of(&manual::write(&folder)?),
        Command::Demo { data, device, keep } => {
            progress::watch_interrupt();
            let rpc = std::env::var("USUFRUCT_RPC").ok();
            Outcome::of(&demo::run(&demo::Options {
                data,
                device,
                network: context.global.network.clone(),
                rpc,
                keep,
            })?)
        }
    }
}

fn init(context: &Context, from_phrase: bool) -> Result<Outcome> {
    let phrase = if from_phrase {
        passphrase::read_phrase()?
    } else {
        provenance::wallet::Phrase::generate(provenance::wallet::Language::English)?
    };
    let dir = context.dir()?;
    if home::exists(&dir) {
        return Err(Error::refused(format!("there is a vault in {} already", dir.display()))
            .hint("Choose another folder with --home, or use the vault that is there."));
    }
    let secret = passphrase::choose(context.global.passphrase_fd)?;
    Outcome::of(&status::init(&dir, &secret, &phrase)?)
}

fn record(context: &Context, verb: RecordCommand) -> Result<Outcome> {
    match verb {
        RecordCommand::List { source, limit } => {
            Outcome::of(&library::search(&context.home()?, source.as_deref(), "", limit)?)
        }
        RecordCommand::Search { query, meaning: false, source, limit, .. } => {
            Outcome::of(&library::search(&context.home()?, source.as_deref(), &query, limit)?)
        }
        RecordCommand::Search { query, meaning: true, source, device, limit } => {
            Outcome::of(&meaning::ask(&mut context.home()?, source.as_deref(), &query, limit, &device)?)
        }
        RecordCommand::Delete { record, dry_run } => {
            Outcome::of(&deletion::delete(&mut context.home()?, &record, dry_run)?)
        }
    }
}

fn dataset_verb(context: &Context, verb: DatasetCommand) -> Result<Outcome> {
    match verb {
        DatasetCommand::Create {
            name,
            sources,
            kinds,
            from,
            to,
            fields,
            released,
            label,
            statistic,
            edges,
            description,
        } => {
            let from = from.as_deref().map(time::day).transpose()?;
            let to = to.as_deref().map(time::day).transpose()?;
            let statistic = statistic.zip(edges).map(|(field, edges)| counted::Wanted { field, edges });
            let selection =
                Selection { sources, kinds, from, to, fields, released, label, statistic, ..Selection::default() };
            Outcome::of(&dataset::create(&mut context.home()?, &name, &description, selection)?)
        }
        DatasetCommand::List => Outcome::of(&dataset::list(&context.home()?)?),
        DatasetCommand::Show { name } => {
            let home = context.home()?;
            Outcome::of(&dataset::shown(&dataset::find(&home, &name)?)?)
        }
        DatasetCommand::Publish { name, dry_run, yes } => {
            let asks = !(dry_run || yes || context.global.json) && consent::can_be_asked();
            context.with_network(async |home, network| {
                if asks {
                    let would = publish::run(home, network, &name, true).await?;
                    consent::ask(&would.public, &mut std::io::stdin().lock(), &mut std::io::stderr())?;
                }
                publish::run(home, network, &name, dry_run).await
            })
        }
    }
}

fn offer_verb(context: &Context, verb: OfferCommand) -> Result<Outcome> {
    match verb {
        OfferCommand::Create {
            name,
            preset,
            price,
            max_runs,
            duration,
            respond_within,
            accept_within,
            min_records,
            max_licenses,
            licensee,
            valid,
            dry_run,
        } => {
            let wanted = view::OfferWanted {
                preset,
                price,
                max_runs,
                duration_days: duration,
                respond_hours: respond_within,
                accept_hours: accept_within,
                min_records,
                max_licenses,
                licensee,
                valid_days: valid,
            };
            context.with_network(async |home, network| offer::create(home, network, &name, &wanted, dry_run).await)
        }
        OfferCommand::List => context.with_network(async |home, network| offer::list(home, network).await),
        OfferCommand::Find { action, kind, max_price } => context
            .with_network(async |_, network| offer::find(network, &offer::Filter { action, kind, max_price }).await),
    }
}

fn license_verb(context: &Context, verb: LicenseCommand) -> Result<Outcome> {
    match verb {
        LicenseCommand::List => context.with_network(async |home, network| license::list(home, network).await),
        LicenseCommand::Buy { offer, dry_run } => {
            context.with_network(async |home, network| license::buy(home, network, &offer, dry_run).await)
        }
        LicenseCommand::Revoke { license, dry_run } => {
            context.with_network(async |home, network| license::revoke(home, network, &license, dry_run).await)
        }
        LicenseCommand::Reclaim { license, dry_run } => {
            context.with_network(async |home, network| license::reclaim(home, network, &license, dry_run).await)
        }
    }
}

fn job_verb(context: &Context, verb: JobCommand) -> Result<Outcome> {
    context.with_network(async |home, network| -> Result<job::View> {
        Ok(match verb {
            JobCommand::Request { license, template, model, label, params, dtype, dry_run } => {
                let words = job::request::Words {
                    template: &template,
                    model: model.as_deref(),
                    label: label.as_deref(),
                    params: params.as_deref(),
                    dtype,
                };
                job::request::run(home, network, &license, &words, dry_run).await?.into()
            }
            JobCommand::Inbox => job::inbox(home, network).await?.into(),
            JobCommand::Show { job, records: false } => job::show(home, network, &job).await?.into(),
            JobCommand::Show { job, records: true } => job::uses::show(home, network, &job).await?.into(),
            JobCommand::Approve { job, dry_run } => job::approve(home, network, &job, dry_run).await?.into(),
            JobCommand::Decline { job, grant: None, dry_run } => {
                job::decline(home, network, &job, dry_run).await?.into()
            }
            JobCommand::Decline { job, grant: Some(grant), dry_run } => {
                delegate::decline(home, network, &job, &grant, dry_run).await?.into()
            }
            JobCommand::Run { job, dry_run: true, .. } => job::show(home, network, &job).await?.into(),
            JobCommand::Run { job, device, dry_run: false } => job::run::run(home, network, &job, device).await?.into(),
            JobCommand::Serve { device, once } => {
                let until = if once { Until::Done } else { Until::Interrupted };
                job::serve::run(home, network, device, until).await?.into()
            }
            JobCommand::Accept { job, dry_run } => job::accept(home, network, &job, dry_run).await?.into(),
            JobCommand::Reject { job, dry_run } => job::reject(home, network, &job, dry_run).await?.into(),
            JobCommand::Settle { job, dry_run } => job::settle::run(home, network, &job, dry_run).await?.into(),
            JobCommand::Refund { job, dry_run } => job::refund(home, network, &job, dry_run).await?.into(),
            JobCommand::Fetch { job, out, dry_run } => {
                job::fetch::run(home, network, &job, &out, dry_run).await?.into()
            }
        })
    })
}

fn approval_verb(context: &Context, verb: ApprovalCommand) -> Result<Outcome> {
    let mut home = context.home()?;
    Outcome::of(&match verb {
        ApprovalCommand::Add { consumer, template, min_price, runs_per_week } => {
            let wanted = view::ApprovalWanted { consumer, template, min_price, runs_a_week: runs_per_week };
            approval::add(&mut home, &wanted)?
        }
        ApprovalCommand::List => approval::list(&home)?,
        ApprovalCommand::Remove { id } => approval::remove(&mut home, &id)?,
    })
}

async fn delegate_verb(home: &mut Home, network: &Network, verb: DelegateCommand) -> Result<wallet::View> {
    Ok(match verb {
        DelegateCommand::Add { account, dataset, actions, jobs, days, out, dry_run } => {
            let wanted = view::DelegateWanted { account, dataset, actions, jobs, days };
            delegate::add(home, network, &wanted, &out, dry_run).await?.into()
        }
        DelegateCommand::Remove { grant, dry_run } => delegate::remove(home, network, &grant, dry_run).await?.into(),
        DelegateCommand::List => delegate::list(home, network).await?.into(),
    })
}

fn vault_verb(context: &Context, verb: VaultCommand) -> Result<Outcome> {
    match verb {
        VaultCommand::Status => Outcome::of(&status::vault(&context.home()?)?),
        VaultCommand::Check { read_data } => {
            let (dir, secret) = context.locked()?;
            checked(status::check(&dir, &secret, read_data)?)
        }
        VaultCommand::Repair => {
            let (dir, secret) = context.locked()?;
            Outcome::of(&status::repair(&dir, &secret)?)
        }
        VaultCommand::Recover { from } => {
            let dir = context.dir()?;
            let phrase = passphrase::read_phrase()?;
            match from {
                None => Outcome::of(&status::recover(&dir, &phrase, &passphrase::new()?)?),
                Some(from) => {
                    let view = backup::restore(&dir, &from, &phrase, &passphrase::new()?)?;
                    Outcome::with_code(&view, whole(&view.problems))
                }
            }
        }
        VaultCommand::Export { out, encrypted: true } => Outcome::of(&backup::encrypted(&context.home()?, &out)?),
        VaultCommand::Export { out, encrypted: false } => {
            let view = backup::plain(&context.home()?, &out)?;
            Outcome::with_code(&view, whole(&view.problems))
        }
        VaultCommand::Gc { all, dry_run } => Outcome::of(&backup::collect(&mut context.home()?, all, dry_run)?),
        VaultCommand::Passwd => {
            let mut home = context.home()?;
            let secret: Zeroizing<String> = passphrase::new()?;
            Outcome::of(&status::passwd(&mut home, &secret)?)
        }
    }
}

/// The exit code of what was done but for these problems.
fn whole(problems: &[String]) -> u8 {
    if problems.is_empty() { 0 } else { Code::Partial as u8 }
}

fn checked(view: crate::view::VaultChecked) -> Result<Outcome> {
    let code = if view.sound { 0 } else { Code::Integrity as u8 };
    Outcome::with_code(&view, code)
}

fn network_verb(context: &Context, verb: NetworkCommand) -> Result<Outcome> {
    match verb {
        NetworkCommand::List => {
            Outcome::of(&network::list(context.home().ok().as_ref(), context.global.network.as_deref())?)
        }
        NetworkCommand::Use { name, rpc } => {
            let mut home = context.home()?;
            Outcome::of(&context.runtime.block_on(network::choose(&mut home, &name, rpc.as_deref()))?)
        }
        NetworkCommand::Add { file } => Outcome::of(&context.runtime.block_on(network::add(&file))?),
        NetworkCommand::Status => {
            let name = match &context.global.network {
                Some(name) => name.clone(),
                None => network::name(&context.home()?, None)?,
            };
            Outcome::of(&context.runtime.block_on(network::status(&name))?)
        }
        NetworkCommand::Serve { idle } => {
            progress::watch_interrupt();
            Outcome::of(&context.runtime.block_on(network::serve(idle))?)
        }
        NetworkCommand::Deploy { name, rpc, dry_run: true } => {
            Outcome::of(&context.runtime.block_on(network::would_deploy(&name, &rpc))?)
        }
        NetworkCommand::Deploy { name, rpc, dry_run: false } => {
            Outcome::of(&context.runtime.block_on(network::deploy(&name, &rpc))?)
        }
    }
}
