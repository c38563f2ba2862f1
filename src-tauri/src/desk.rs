//! What the commands stand on: the vault, the network, the tasks, the confirmations, the files that were offered.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::args::DeviceChoice;
use app::error::{Code, Error, Result};
use app::home::Home;
use app::network::{self, Network};
use app::view::{Act, Change, DeviceWish, Earning, Failure, Settings, Task, TaskKind};
use tauri::{AppHandle, Emitter, Manager, async_runtime};

use crate::confirm::{Confirm, Question};
use crate::dialog::{self, Choose};
use crate::earn::Earn;
use crate::hold::Hold;
use crate::nearest::Warm;
use crate::notice::Notice;
use crate::task::{Outcome, Running};
use crate::windows::{self, Beside};

/// The event that tells the page what to ask for again; its payload is a [`Change`].
pub const CHANGED: &str = "changed";
/// The main window's label.
pub const MAIN: &str = "main";

/// How long the vault stays open without use before the settings are read.
const USUAL: Duration = Duration::from_secs(600);

/// How often a running task counts as use of the vault.
const TOUCH_EVERY: Duration = Duration::from_millis(500);

/// What a command answers.
pub type Answer<T> = std::result::Result<T, Failure>;

/// Everything that is there while the program runs. Cloning it names the same.
#[derive(Clone)]
pub struct Desk {
    /// The program.
    pub app: AppHandle,
    /// The vault.
    pub hold: Arc<Hold>,
    /// What runs.
    pub tasks: Running,
    /// What is asked.
    pub confirm: Arc<Confirm>,
    /// The model that searches by meaning.
    pub warm: Warm,
    /// What goes on while the vault is locked.
    earn: Arc<Earn>,
    /// Files that were dropped or chosen, until they are imported.
    offered: Arc<Mutex<Vec<PathBuf>>>,
    /// How long the vault stays open without use, whatever the settings say.
    idle: Option<Duration>,
    /// Whether closing was asked for already.
    closing: Arc<AtomicBool>,
}

impl Desk {
    /// For the vault in `dir`, which locks after `idle` without use, or as the settings say.
    pub fn new(app: &AppHandle, dir: PathBuf, idle: Option<Duration>) -> Desk {
        let (locking, telling) = (app.clone(), app.clone());
        Desk {
            app: app.clone(),
            hold: Arc::new(Hold::new(dir, idle.unwrap_or(USUAL), move || locking.state::<Desk>().locked())),
            tasks: Running::new(move || tell(&telling, Change::Tasks)),
            confirm: Arc::default(),
            warm: Warm::default(),
            earn: Arc::default(),
            offered: Arc::default(),
            idle,
            closing: Arc::default(),
        }
    }

    /// Does `act` away from the threads that answer the page.
    ///
    /// # Errors
    /// What `act` returns.
    pub async fn off<T: Send + 'static>(&self, act: impl FnOnce(&Desk) -> Result<T> + Send + 'static) -> Answer<T> {
        let desk = self.clone();
        match async_runtime::spawn_blocking(move || act(&desk)).await {
            Ok(done) => done.map_err(Failure::from),
            Err(_) => Err(Error::failure("this ended by a defect of the program; nothing was left half done").into()),
        }
    }

    /// What `ask` says of the open vault.
    ///
    /// # Errors
    /// `Locked`; what `ask` returns.
    pub async fn open<T, F>(&self, ask: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Home) -> Result<T> + Send + 'static,
    {
        self.off(move |desk| desk.hold.open(ask)).await
    }

    /// Lets `act` change the open vault.
    ///
    /// # Errors
    /// `Locked`, `Busy`; what `act` returns.
    pub async fn change<T, F>(&self, act: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Home) -> Result<T> + Send + 'static,
    {
        self.off(move |desk| {
            let done = desk.hold.change(act);
            desk.tell(Change::Vault);
            done
        })
        .await
    }

    /// What `ask` says of vault and network. Sends nothing to the chain.
    ///
    /// # Errors
    /// `Locked`; `Refused` while no network is chosen; what `ask` returns.
    pub fn look<T>(&self, ask: impl AsyncFnOnce(&mut Home, &Network) -> Result<T>) -> Result<T> {
        self.hold.open(|home| {
            let name = chosen(home)?;
            async_runtime::block_on(async { ask(home, &network::connect(&name, None).await?).await })
        })
    }

    /// Lets `act` change vault and chain in this person's name: one at a time.
    ///
    /// # Errors
    /// Like [`Desk::look`]; `Busy`.
    pub fn act<T>(&self, act: impl AsyncFnOnce(&mut Home, &Network) -> Result<T>) -> Result<T> {
        let done = self.hold.change(|home| {
            let name = chosen(home)?;
            async_runtime::block_on(async {
                let network = network::connect(&name, Some(home)).await?;
                act(home, &network).await
            })
        });
        self.tell(Change::Vault);
        done
    }

    /// Asks in the confirmation window, in which only a person can answer. Returns once the answer is yes.
    ///
    /// # Errors
    /// `Refused` for any other outcome.
    pub fn confirmed(&self, question: &Question) -> Result<()> {
        let answer = self.confirm.ask(question, || self.show(Beside::Confirm));
        let _ = windows::close(&self.app, Beside::Confirm);
        answer
    }

    /// Opens a window beside the main one.
    ///
    /// # Errors
    /// `Failure` when the system refuses another window.
    pub fn show(&self, which: Beside) -> Result<()> {
        windows::open(&self.app, which, &self.settings())
    }

    /// Asks for a confirmation of what `facts` says, and does `act` if it still says the same afterwards.
    ///
    /// # Errors
    /// `Refused` without a yes, and where the facts changed meanwhile; what `facts` and `act` return.
    pub fn with_consent<T>(
        &self,
        what: Act,
        facts: impl AsyncFn(&mut Home, &Network) -> Result<(String, Vec<String>)>,
        act: impl AsyncFnOnce(&mut Home, &Network) -> Result<T>,
    ) -> Result<T> {
        let asked = async |home: &mut Home, network: &Network| -> Result<Question> {
            let (subject, facts) = facts(home, network).await?;
            Ok(Question { act: what, subject, network: Some(network.profile.name.clone()), facts })
        };
        let question = self.look(&asked)?;
        self.confirmed(&question)?;
        self.act(async |home, network| {
            if asked(home, network).await? != question {
                return Err(
                    Error::refused("it changed after you confirmed it; nothing was done").hint("Look at it again.")
                );
            }
            act(home, network).await
        })
    }

    /// Starts a task. The vault does not lock for want of use while it runs.
    ///
    /// # Errors
    /// `Locked`; `Busy` while the same runs.
    pub fn start(
        &self,
        kind: TaskKind,
        subject: &str,
        act: impl FnOnce(&Desk) -> Result<Outcome> + Send + 'static,
    ) -> Result<Task> {
        self.hold.open(|_| Ok(()))?;
        let (desk, after) = (self.clone(), self.clone());
        let ended = move |task: &Task| {
            after.tell(Change::Vault);
            after.notify(task);
        };
        let running = Arc::new(());
        let (held, hold) = (Arc::downgrade(&running), self.hold.clone());
        let started = self.tasks.start(
            kind,
            subject,
            move || {
                let _running = running;
                act(&desk)
            },
            ended,
        )?;
        // What the person started is use of the vault, until it ends.
        std::thread::spawn(move || {
            while held.strong_count() > 0 {
                hold.touch();
                std::thread::sleep(TOUCH_EVERY);
            }
        });
        Ok(started)
    }

    fn notify(&self, task: &Task) {
        if let Some(notice) = Notice::of(task) {
            crate::notice::send(&self.app, notice, &self.settings());
        }
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        app::settings::load(self.hold.dir())
    }

    /// Tells the page what to ask for again.
    pub fn tell(&self, change: Change) {
        tell(&self.app, change);
    }

    /// Takes files that were dropped, chosen or named at the start: they are shown, and imported when the person says so.
    pub fn offer(&self, paths: Vec<PathBuf>) {
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = paths;
        self.tell(Change::Offered);
    }

    /// The files that were offered last.
    pub fn offered(&self) -> Vec<PathBuf> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for files in the system's dialog and offers them. Whether any were chosen.
    ///
    /// # Errors
    /// `Locked`; `Failure` where the system shows no dialog.
    pub fn choose(&self, choose: Choose) -> Result<bool> {
        self.hold.open(|_| Ok(()))?;
        let chosen = dialog::ask(&self.app, choose, "")?;
        let any = !chosen.is_empty();
        if any {
            self.offer(chosen);
        }
        Ok(any)
    }

    /// Offers the bundled sample, written into a folder of the vault's.
    ///
    /// # Errors
    /// `Locked`; when the folder cannot be written.
    pub fn offer_sample(&self) -> Result<()> {
        let folder = self.hold.open(|home| app::sample::write(&home.dir.join("sample")))?;
        self.offer(vec![folder]);
        Ok(())
    }

    /// Imports what was offered, as a task.
    ///
    /// # Errors
    /// `Refused` where nothing was offered; `Locked`; `Busy`.
    pub fn import(&self, source: Option<String>) -> Result<Task> {
        self.hold.open(|_| Ok(()))?;
        let paths = std::mem::take(&mut *self.offered.lock().unwrap_or_else(PoisonError::into_inner));
        if paths.is_empty() {
            return Err(Error::refused("nothing was chosen").hint("Drop files on the window, or choose them."));
        }
        let first = paths[0].file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let subject = source.clone().unwrap_or(first);
        let again = paths.clone();
        let act = move |desk: &Desk| {
            desk.hold.change(|home| app::import::run(home, &paths, source.as_deref())).map(Outcome::Imported)
        };
        let started = self.start(TaskKind::Import, &subject, act);
        if started.is_err() {
            self.offer(again);
        }
        started
    }

    /// Opens the vault. What goes on while it is locked stops first, and is taken over.
    ///
    /// # Errors
    /// Like [`Hold::unlock`].
    pub fn unlock(&self, passphrase: &str) -> Result<()> {
        self.hold.unlock(passphrase)?;
        self.earn.disarm();
        self.finish_deletions();
        Ok(())
    }

    /// Locks the vault because a person said so: what goes on meanwhile is made ready first, by what the vault says now.
    ///
    /// # Errors
    /// Like [`Desk::lock`].
    pub fn lock_by_hand(&self) -> Result<()> {
        self.tasks.stop_all();
        if self.earn.is_on() && self.earn.arm(&self.hold).is_err() {
            app::log::note("the vault changed before it was locked: nothing is earned until it is opened");
        }
        self.lock()
    }

    /// Gets ready to earn while the vault is locked, where that is on and something changed.
    pub fn arm(&self) {
        match self.earn.arm(&self.hold) {
            // Locked or busy: it is tried again at the next look.
            Err(error) if !matches!(error.code, Code::Locked | Code::Busy) => {
                app::log::note(&format!("not ready to earn while the vault is locked: {:?}", error.code));
            }
            _ => {}
        }
    }

    /// Earns with the vault closed: one look at the chain. How many jobs were committed.
    pub fn earn(&self) -> usize {
        let on = self.earn.is_on();
        let committed = self.earn.look(&self.hold, &self.device());
        if on && !self.earn.is_on() {
            self.tell(Change::Vault);
        }
        committed
    }

    /// Before the program ends: nothing goes on, and no copy stays.
    pub fn earn_no_more(&self) {
        self.earn.disarm_now();
    }

    /// What goes on while the vault is locked, or would; nothing where it is off.
    ///
    /// # Errors
    /// `Integrity` where the vault's entry cannot be read.
    pub fn earning(&self) -> Result<Option<Earning>> {
        Ok(self.hold.if_open(app::earn::show)?.unwrap_or_else(|| self.earn.shown(&self.hold)))
    }

    /// Ends the program: the vault is locked, and nothing goes on.
    ///
    /// # Errors
    /// Like [`Desk::lock`].
    pub fn quit(&self) -> Result<()> {
        let locked = self.lock();
        self.earn_no_more();
        locked?;
        self.app.exit(0);
        Ok(())
    }

    /// Takes out, in the background, what was deleted before the vault was locked.
    pub fn finish_deletions(&self) {
        let desk = self.clone();
        std::thread::spawn(move || {
            if let Err(error) = desk.hold.change(app::deletion::finish) {
                app::log::note(&format!("deleted records were not taken out: {:?}", error.code));
            }
        });
    }

    /// What jobs run on, by the settings.
    pub fn device(&self) -> DeviceChoice {
        match self.settings().device {
            DeviceWish::Auto => DeviceChoice::Auto,
            DeviceWish::Gpu => DeviceChoice::Gpu,
            DeviceWish::Cpu => DeviceChoice::Cpu,
        }
    }

    /// Does what the settings say from now on.
    pub fn apply(&self, settings: &Settings) {
        let minutes = Duration::from_secs(u64::from(settings.auto_lock_minutes) * 60);
        self.hold.set_idle(self.idle.unwrap_or(minutes));
        self.tell(Change::Settings);
    }

    /// Somebody is at the page, which therefore answers: closing the window asks anew.
    pub fn touch(&self) {
        self.closing.store(false, Ordering::SeqCst);
        self.hold.touch();
    }

    /// Whether the page should show what is open before the window closes: while the vault is open, and once where the page
    /// does not answer.
    pub fn should_ask_before_closing(&self) -> bool {
        self.hold.is_open() && !self.closing.swap(true, Ordering::SeqCst)
    }

    /// The page begins again: it asks anew what there is.
    pub fn begin_again(&self) {
        if let Some(window) = self.app.get_webview_window(MAIN) {
            let _ = window.reload();
        }
    }

    /// Locks the vault now: tasks stop, questions are answered with no, other windows close.
    ///
    /// # Errors
    /// `Failure` where a window does not close. The vault is locked all the same.
    pub fn lock(&self) -> Result<()> {
        self.tasks.stop_all();
        self.confirm.withdraw();
        let closed =
            self.hold.lock(|| Beside::ALL.into_iter().try_for_each(|window| windows::close(&self.app, window)));
        self.warm.end();
        closed
    }

    /// The vault locked by itself: the same, and the page begins again, so that nothing it showed stays.
    pub fn locked(&self) {
        let _ = self.lock();
        self.begin_again();
    }
}

fn chosen(home: &Home) -> Result<String> {
    network::chosen(home)?.ok_or_else(|| {
        Error::refused("no network is chosen, so nothing is sent or asked").hint("Choose one in the settings.")
    })
}

fn tell(app: &AppHandle, change: Change) {
    let _ = app.emit_to(MAIN, CHANGED, change);
}
